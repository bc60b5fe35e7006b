/**
 * The examples of README.md and docs/ run as they stand. Each block of JavaScript (```js) is a
 * module in a folder that has the package, models of the names that they use, and some files of
 * texts; it must end by itself.
 *
 * - What a block with the bundled model alone prints must be what its comments say: a comment
 *   behind console.log(), or in lines after it, that begins with a value. `0.98...` are its first
 *   digits, `...` is anything, what comes behind the value is prose.
 * - Models of tests/golden answer at random: of comments the names of properties must be there.
 * - ```js page` blocks are for pages: they are parsed and not run.
 * - Indented lines `$ npx bert-wasm ...` are run by a shell, but for those that do not end or need
 *   what is not here.
 *
 * Blocks of HTML are run by tests/browser/docs.test.js; what else documents must keep is in
 * docs.pages.test.js.
 */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
    copyFileSync,
    mkdirSync,
    readdirSync,
    readFileSync,
    symlinkSync,
    writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { pipeline } from 'bert-wasm';

import { CASES, sourceOf } from '../moving/cases.js';
import { converted, scratch } from './converted.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BUNDLED = join(ROOT, 'build/dist/models/sentiment-minilm-l6-q8.safetensors');

/** Which model of tests/golden/pipelines stands for a file of the examples. */
const MODELS = {
    'ner.safetensors': 'pipelines/token-classification-bert',
    'qa.safetensors': 'pipelines/question-answering-bert',
    'mlm.safetensors': 'pipelines/fill-mask-bert',
    'nli.safetensors': 'pipelines/zero-shot-bert',
    'embeddings.safetensors': 'pipelines/feature-extraction-bert',
    'ranker.safetensors': 'pipelines/text-ranking-bert',
    'nsp.safetensors': 'pipelines/next-sentence-bert',
    'prompts.safetensors': 'sentence/bert-prompts',
};

const TEXTS = ['What a wonderful film.', 'It was dull.', 'I could watch it again and again.'];
const LABELS = ['POSITIVE', 'NEGATIVE', 'POSITIVE'];

/** Files that the examples read. */
const FILES = {
    'reviews.txt': TEXTS.join('\n'),
    'texts.txt': TEXTS.join('\n'),
    'reviews.jsonl': TEXTS.map((text, id) => JSON.stringify({ id, text })).join('\n'),
    'labelled.tsv': [
        'sentence\tlabel',
        ...TEXTS.map((text, i) => `${text}\t${LABELS[i]}`),
        '',
    ].join('\n'),
};

/** Commands that are not run. */
/** @type {[RegExp, string][]} */
const NOT_RUN = [
    [/ serve /, 'it does not end'],
    [/ train /, 'the model that it names is made by it: see cli.train.test.js'],
    [/ pretrain /, 'so is its: see cli.pretrain.test.js'],
    [/ convert |path\/to/, 'it needs an export'],
];

/** @typedef {{where: string, code: string, kind: string}} Block */

/** @returns {string[]} */
function docFiles() {
    const pages = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).filter(
        (name) => name.endsWith('.md'),
    );
    return ['README.md', ...pages.sort().map((name) => join('docs', name))];
}

/** @returns {{blocks: Block[], commands: {where: string, line: string}[]}} */
function readDocs() {
    const blocks = [];
    const commands = [];
    for (const file of docFiles()) {
        const text = readFileSync(join(ROOT, file), 'utf8');
        const lineOf = (at) => text.slice(0, at).split('\n').length;
        for (const { 1: kind, 2: code, index } of text.matchAll(/^```(js.*)\n([\s\S]*?)^```$/gm)) {
            blocks.push({ where: `${file}:${lineOf(index)}`, kind, code });
        }
        for (const { 1: line, index } of text.matchAll(/^ {4}\$ (.*npx bert-wasm .*)$/gm)) {
            commands.push({ where: `${file}:${lineOf(index)}`, line });
        }
    }
    return { blocks, commands };
}

/**
 * @param {string} command
 * @param {string[]} args
 * @returns {Promise<{code: number | null, stdout: string, stderr: string}>}
 */
function run(command, args) {
    return new Promise((resolve, reject) => {
        const child = spawn(command, args, { cwd: scratch, timeout: 120_000 });
        let stdout = '';
        let stderr = '';
        child.stdout.on('data', (chunk) => {
            stdout += chunk;
        });
        child.stderr.on('data', (chunk) => {
            stderr += chunk;
        });
        child.on('error', reject);
        child.on('close', (code) => resolve({ code, stdout, stderr }));
    });
}

/**
 * What comments say that is printed.
 * @param {string} code
 * @returns {string[]}
 */
function expectedOf(code) {
    const found = [];
    const lines = code.split('\n');
    lines.forEach((line, i) => {
        if (!line.includes('console.log(')) return;
        const comment = / \/\/ (.*)$/.exec(line)?.[1];
        const rest = [];
        let k = i + 1;
        if (lines[k] === '}') k++; // of a loop
        for (; lines[k]?.startsWith('// '); k++) rest.push(lines[k].slice(3));
        for (const said of comment === undefined ? rest : [comment]) {
            const value = leadingValue(said);
            if (value !== null) found.push(value);
        }
    });
    return found;
}

/**
 * The value that a comment begins with; null: it is prose.
 * @param {string} comment
 */
function leadingValue(comment) {
    if (/^[[{]/.test(comment)) {
        let depth = 0;
        for (let i = 0; i < comment.length; i++) {
            depth += { '[': 1, '{': 1, ']': -1, '}': -1 }[comment[i]] ?? 0;
            if (depth === 0) return comment.slice(0, i + 1);
        }
        return null;
    }
    return (
        /^(?:[A-Z_]{2,}\b(?::? [^,]+)?|'[^']*'|-?\d[\d.]*\b(?:\.\.\.)?|true\b|false\b|null\b)/.exec(
            comment,
        )?.[0] ?? null
    );
}

/** Without spaces and quotes, which console.log() sets as there is room. */
const bare = (text) => text.replace(/[\s'"]/g, '');

/** @param {string} value */
function patternOf(value) {
    const pieces = bare(value)
        .split(/(\.\.\.)/)
        .map((piece, i, all) => {
            if (piece !== '...') return piece.replace(/[.[\]{}()*+?^$|\\]/g, '\\$&');
            return /\d$/.test(all[i - 1]) ? '\\d*?' : '.*?';
        });
    return new RegExp(pieces.join(''), 's');
}

const { blocks, commands } = readDocs();

before(() => {
    mkdirSync(join(scratch, 'node_modules'));
    symlinkSync(ROOT, join(scratch, 'node_modules/bert-wasm'));
    for (const [name, text] of Object.entries(FILES)) writeFileSync(join(scratch, name), text);
    // The tokenizer of the bundled model is first in its file.
    const file = readFileSync(BUNDLED);
    const start = 8 + Number(file.readBigUInt64LE(0));
    const [from, to] = JSON.parse(file.subarray(8, start).toString())['tokenizer.json']
        .data_offsets;
    writeFileSync(join(scratch, 'tokenizer.json'), file.subarray(start + from, start + to));
});

/** @param {string} text */
function makeModels(text) {
    const names = new Set(text.match(/[\w-]+\.safetensors/g) ?? []);
    for (const name of names) {
        assert.ok(
            MODELS[name],
            `there is no model for ${name}: add it to MODELS, ` +
                `or use ${Object.keys(MODELS).join(', ')}`,
        );
        copyFileSync(converted(MODELS[name]), join(scratch, name));
    }
    return names.size > 0;
}

test('there are examples', () => {
    assert.ok(blocks.length >= 10, `${blocks.length}`);
});

for (const { where, code, kind } of blocks) {
    test(`${where}: the example runs`, async (t) => {
        const file = join(scratch, `${where.replace(/\W/g, '-')}.mjs`);
        writeFileSync(file, code);
        if (kind !== 'js') {
            t.diagnostic(`parsed, not run: it is for ${kind.slice(3)}s`);
            const { code: status, stderr } = await run(process.execPath, ['--check', file]);
            assert.equal(status, 0, stderr);
            return;
        }
        const isRandom = makeModels(code);
        const { code: status, stdout, stderr } = await run(process.execPath, [file]);
        assert.equal(status, 0, status === null ? `it does not end\n${stdout}` : stderr);
        let left = bare(stdout);
        for (const value of expectedOf(code)) {
            if (isRandom) {
                for (const [, key] of value.matchAll(/(\w+):/g)) {
                    assert.match(
                        stdout,
                        new RegExp(`\\b${key}:`),
                        `${key} of ${value}, printed: ${stdout}`,
                    );
                }
                continue;
            }
            const found = patternOf(value).exec(left);
            assert.ok(found, `it says ${value}, and prints ${stdout}`);
            left = left.slice(found.index + found[0].length);
        }
    });
}

test('the table for users of transformers.js shows the calls of tests/moving', async () => {
    const page = readFileSync(join(ROOT, 'docs/moving-from-transformers.md'), 'utf8');
    assert.ok(CASES.length >= 7);
    for (const each of CASES) {
        assert.ok(page.includes(`\`${sourceOf(each)}\``), sourceOf(each));
        const result = await each.code(pipeline, converted(`pipelines/${each.model}`));
        assert.equal(typeof result, 'object', each.task);
    }
});

for (const { where, line } of commands) {
    test(`${where}: ${line}`, async (t) => {
        const reason = NOT_RUN.find(([pattern]) => pattern.test(line))?.[1];
        if (reason) return t.skip(`not run: ${reason}`);
        makeModels(line);
        const shell = line.replaceAll(
            'npx bert-wasm',
            `"${process.execPath}" "${relative(scratch, join(ROOT, 'build/dist/cli.js'))}"`,
        );
        const { code, stderr } = await run('bash', ['-euo', 'pipefail', '-c', shell]);
        assert.equal(code, 0, stderr);
    });
}
