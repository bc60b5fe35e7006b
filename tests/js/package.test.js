/**
 * What npm would publish: exports, files and types, as publint and attw see them, and what programs
 * get that install it, with the sentiment model and without. Needs `make js single`.
 */

import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import {
    existsSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    rmSync,
    statSync,
    writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

import { install, NAMES, PACKAGES, pack } from './packed.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Bytes of what everyone installs: a quarter of it trains, a fifth converts. */
const MOST_PACKED = 1.1e6;

/** @typedef {import('../../tools/packages.mjs').PackageName} PackageName */

/** Exports that no program imports: files that others load. */
const FILES = /\.(js|json|wasm|safetensors)$/;

const ANSWER = "console.log((await classify('What a wonderful film.'))[0].label);";

/** @type {string} */
let folder;
/** Tarballs. @type {Record<PackageName, string>} */
let packed;
/** A program's folder that has the library alone, and one that has the model, too. */
let bare = '';
let whole = '';

before(() => {
    folder = mkdtempSync(join(tmpdir(), 'bert-wasm-pack-'));
    packed = /** @type {any} */ (
        Object.fromEntries(NAMES.map((name) => [name, pack(name, folder)]))
    );
    bare = join(folder, 'bare');
    whole = join(folder, 'whole');
    install(bare, [packed['bert-wasm']]);
    install(whole, Object.values(packed));
});

after(() => rmSync(folder, { recursive: true }));

/** @param {string} cwd @param {string[]} args @param {string} [program] */
async function run(cwd, args, program = process.execPath) {
    const ran = await promisify(execFile)(program, args, { cwd, timeout: 60_000 }).catch((e) => e);
    return { code: ran.code ?? 0, stdout: ran.stdout.trim(), stderr: ran.stderr.trim() };
}

/** @param {string} cwd @param {string} code  of an ES module */
const evaluate = (cwd, code) => run(cwd, ['--input-type=module', '-e', code]);

for (const name of NAMES) {
    test(`${name}: publint finds nothing`, async () => {
        const { messages, pkg } = await publint({
            pkgDir: PACKAGES[name],
            strict: true,
            level: 'suggestion',
        });
        assert.equal(pkg.name, name);
        assert.deepEqual(
            messages.map((message) => formatMessage(message, pkg)),
            [],
        );
    });

    test(`${name}: every entry has its types for ES modules`, () => {
        const { exports } = JSON.parse(readFileSync(join(PACKAGES[name], 'package.json'), 'utf8'));
        const exclude = Object.keys(exports).filter((path) => FILES.test(path));
        const { status, stdout, stderr } = spawnSync(
            join(ROOT, 'node_modules/.bin/attw'),
            [packed[name], '--profile', 'esm-only', '--exclude-entrypoints', ...exclude],
            { encoding: 'utf8' },
        );
        assert.equal(status, 0, stdout + stderr);
    });
}

test('all have one version, and each the licence', () => {
    const versions = NAMES.map(
        (name) => JSON.parse(readFileSync(join(PACKAGES[name], 'package.json'), 'utf8')).version,
    );
    assert.equal(new Set(versions).size, 1, versions.join());
    for (const name of NAMES) {
        const files = readdirSync(join(whole, 'node_modules', name));
        for (const file of ['LICENSE', 'README.md']) assert.ok(files.includes(file), name);
    }
});

test('the library is small, has no model, and needs nothing', () => {
    assert.ok(statSync(packed['bert-wasm']).size < MOST_PACKED);
    const installed = readdirSync(join(bare, 'node_modules')).filter((name) => name[0] !== '.');
    assert.deepEqual(installed, ['bert-wasm']);
    const files = readdirSync(join(bare, 'node_modules/bert-wasm'), { recursive: true });
    assert.ok(files.length > 20, `${files.length}`);
    assert.deepEqual(
        files.filter((file) => /safetensors|\.map$|models/.test(String(file))),
        [],
    );
});

test('what resolvers without exports read is there', () => {
    const path = join(whole, 'node_modules/bert-wasm');
    const { main, module, types, bin } = JSON.parse(
        readFileSync(join(path, 'package.json'), 'utf8'),
    );
    for (const file of [main, module, types, bin['bert-wasm']]) {
        assert.ok(existsSync(join(path, file)), file);
    }
});

test('the sentiment model is found where it is installed', async () => {
    const ran = await Promise.all([
        evaluate(
            whole,
            `import { pipeline } from 'bert-wasm';
            const classify = await pipeline('sentiment-analysis');
            ${ANSWER}`,
        ),
        evaluate(
            whole,
            `import { pipeline } from 'bert-wasm';
            import sentiment from 'bert-wasm-sentiment';
            const classify = await pipeline('sentiment-analysis', sentiment);
            ${ANSWER}`,
        ),
        run(whole, [
            '--input-type=commonjs',
            '-e',
            `require('bert-wasm').pipeline('sentiment-analysis').then(async (classify) => {
                ${ANSWER}
            });`,
        ]),
    ]);
    for (const each of ran) {
        assert.deepEqual([each.code, each.stdout], [0, 'POSITIVE'], each.stderr);
    }
});

test('it is found in the folder of the program, too, as for npx', async () => {
    const library = join(bare, 'node_modules/bert-wasm/build/dist');
    const ran = await evaluate(
        whole,
        `import { pipeline } from '${join(library, 'index.node.js')}';
        const classify = await pipeline('sentiment-analysis');
        ${ANSWER}`,
    );
    assert.deepEqual([ran.code, ran.stdout], [0, 'POSITIVE'], ran.stderr);
    const cli = await run(whole, [join(library, 'cli.js'), 'classify', 'A wonderful film.']);
    assert.match(cli.stdout, /"POSITIVE"/, cli.stderr);
});

test('without it the error names it; all else works', async () => {
    const ran = await evaluate(
        bare,
        `import { pipeline } from 'bert-wasm';
        await pipeline('sentiment-analysis').catch(({ name, code, message }) =>
            console.log(name, code, message));
        const { Tokenizer } = await import('bert-wasm/tokenizer');
        console.log(typeof Tokenizer);`,
    );
    const [told, tokenizer] = ran.stdout.split('\n');
    assert.match(
        told,
        /^BertError FETCH_FAILED .*npm install bert-wasm-sentiment, or give a model/,
    );
    assert.equal(tokenizer, 'function');
    const cli = join(bare, 'node_modules/.bin/bert-wasm');
    const classified = await run(bare, ['classify', 'A wonderful film.'], cli);
    assert.equal(classified.code, 1);
    assert.match(classified.stderr, /^bert-wasm: .*npm install bert-wasm-sentiment/);
});

test('the package converts without a checkout, and has the licences of its converter', async () => {
    const cli = join(bare, 'node_modules/.bin/bert-wasm');
    const model = join(ROOT, 'tests/golden/huggingface/bert-seqcls');
    const made = join(bare, 'made.safetensors');
    const { code, stderr } = await run(bare, ['convert', model, '-o', made, '--wasm'], cli);
    assert.equal(code, 0, stderr);
    const info = await run(bare, ['info', '--model', made], cli);
    assert.equal(JSON.parse(info.stdout).dtype, 'q8');
    const licences = readFileSync(
        join(bare, 'node_modules/bert-wasm/build/dist/convert.LICENSE'),
        'utf8',
    );
    for (const name of ['protobuf-c', 'cjson', 'libmd']) {
        assert.match(licences, new RegExp(`^--- ${name}$[^]*Copyright`, 'm'));
    }
});

/** @param {string} cwd */
async function findings(cwd) {
    const cli = join(cwd, 'node_modules/.bin/bert-wasm');
    const { code, stdout } = await run(cwd, ['doctor', '--json'], cli);
    const { ok, findings } = JSON.parse(stdout);
    assert.deepEqual([code, ok], [0, true], stdout);
    return Object.fromEntries(
        findings.map((/** @type {{name: string}} */ finding) => [finding.name, finding]),
    );
}

test('doctor: the model is there, or is not; versions fit, or do not', async () => {
    const { model, versions } = await findings(whole);
    assert.deepEqual([model.state, versions.state], ['good', 'good']);

    const without = await findings(bare);
    assert.equal(without.model.state, 'lesser');
    assert.match(without.model.advice, /npm install bert-wasm-sentiment/);
    assert.equal(without.versions, undefined);

    const path = join(whole, 'node_modules/bert-wasm-sentiment/package.json');
    const right = readFileSync(path, 'utf8');
    writeFileSync(path, right.replace(/"version": ".*"/, '"version": "0.0.9"'));
    const { versions: other } = await findings(whole);
    writeFileSync(path, right);
    assert.deepEqual([other.state, other.found], ['lesser', 'bert-wasm-sentiment 0.0.9']);
    assert.match(other.advice, /^npm install bert-wasm@latest bert-wasm-sentiment@latest/);
});
