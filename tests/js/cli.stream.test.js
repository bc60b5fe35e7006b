/**
 * Tasks on the command line: formats, order, bad lines, back-pressure; and the commands around
 * them.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
    chmodSync,
    closeSync,
    cpSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    openSync,
    readFileSync,
    rmSync,
    writeFileSync,
    writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, test } from 'node:test';

import { splitLines } from '../../js/cli/lines.js';
import {
    at,
    bytesRead,
    cli,
    largestMemory,
    lineReader,
    objects,
    printed,
    standsStill,
    start,
} from './cli_process.js';
import { modelBytes } from './model_bytes.js';

const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-cli-'));
after(() => rmSync(folder, { recursive: true }));

function file(name, content) {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
}

const MODEL = file('tiny.safetensors', modelBytes());
const classify = ['classify', '--model', MODEL];
const NOT_LINUX = process.platform !== 'linux' && 'NOT TESTED: there is no /proc';

const WORDS = ['good', 'bad', 'film', 'the', 'a', '.'];
/** Texts of different lengths whose answers differ. */
const textOf = (i) =>
    Array.from(
        { length: 1 + (i % 9) },
        (_, k) => WORDS[(i * 7 + k * (1 + (i % 5))) % WORDS.length],
    ).join(' ');

function refused(args, status, message, options) {
    const result = cli(args, options);
    assert.equal(result.status, status, result.stderr);
    assert.match(result.stderr, message);
    assert.doesNotMatch(result.stderr, /^\s+at /m, 'a stack trace is no message');
    return objects(result.stdout);
}

test('arguments, text, JSONL and TSV: the same answers in the order of the input', () => {
    const texts = Array.from({ length: 700 }, (_, i) => textOf(i));
    const alone = new Map(
        printed([...classify, ...new Set(texts)]).map(({ text, label, score }) => [
            text,
            { label, score },
        ]),
    );
    assert.ok(new Set([...alone.values()].map(({ score }) => score)).size > 50, 'answers differ');
    const want = texts.map((text) => ({ text, ...alone.get(text) }));
    const text = texts.map((line) => `${line}\n`).join('');
    assert.deepEqual(printed([...classify, '--input', file('texts.txt', text)]), want);
    assert.deepEqual(
        printed([...classify, '--input', '-'], { input: text.slice(0, -1) }),
        want,
        'without the last end',
    );
    assert.deepEqual(
        printed([...classify, '--input', '-'], { input: text.replaceAll('\n', '\r\n') }),
        want,
    );
    const lines = texts
        .map((line, i) => `${JSON.stringify({ text: line, id: i, of: { text: ['x'] } })}\n`)
        .join('');
    const numbered = want.map(({ label, score }, i) => ({
        id: i,
        of: { text: ['x'] },
        label,
        score,
    }));
    for (const batch of ['1', '64', '1024']) {
        assert.deepEqual(
            printed([...classify, '--input', file('texts.jsonl', lines), '--batch-tokens', batch]),
            numbered,
        );
    }
    assert.deepEqual(
        printed([...classify, '--input', join(folder, 'texts.jsonl'), '--echo']),
        want.map((one, i) => ({ id: i, of: { text: ['x'] }, ...one })),
    );
    const table = `\ufeffid\ttext\n${texts.map((line, i) => `n${i}\t${line}\n`).join('')}`;
    const named = want.map(({ label, score }, i) => ({ id: `n${i}`, label, score }));
    assert.deepEqual(printed([...classify, '--input', file('texts.tsv', table)]), named);
    assert.deepEqual(
        printed([...classify, '--input', '-', '--format', 'tsv'], { input: table }),
        named,
    );
});

test('pairs, all labels, and characters that end lines elsewhere', () => {
    const input = [
        { text: 'good film', text_pair: 'bad film' },
        { text: 'good film', text_pair: null },
        { text: 'a\u2028b\r' },
    ]
        .map((value) => `${JSON.stringify(value)}\n\n`)
        .join('');
    const results = printed([...classify, '--input', '-', '--format', 'jsonl', '--top-k', 'all'], {
        input,
    });
    assert.equal(results.length, 3);
    for (const { labels } of results) {
        assert.deepEqual(labels.map(({ label }) => label).sort(), ['no', 'perhaps', 'yes']);
    }
    assert.notDeepEqual(results[0], results[1]);
    const [two] = printed([...classify, '--top-k', '2', 'good film']);
    assert.deepEqual(two.labels, results[1].labels.slice(0, 2));
});

test('a bad line: what is before it is printed, its place is named; --skip-errors goes on', () => {
    const good = (i) => JSON.stringify({ id: i, text: textOf(i) });
    const bad = [
        '{oops',
        '[1]',
        JSON.stringify({ id: 'x', text: 42 }),
        JSON.stringify({ id: 'y' }),
        JSON.stringify({ text: 'a', text_pair: 1 }),
    ];
    const lines = Array.from({ length: 1200 }, (_, i) => good(i));
    for (const [k, line] of bad.entries()) {
        const path = file(
            'bad.jsonl',
            [...lines.slice(0, 1000), line, ...lines.slice(1000)].join('\n'),
        );
        const before = refused([...classify, '--input', path], 1, /bad\.jsonl:1001: /);
        assert.deepEqual(
            before.map(({ id }) => id),
            Array.from({ length: 1000 }, (_, i) => i),
            `bad line ${k}`,
        );
    }
    const all = printed([
        ...classify,
        '--skip-errors',
        '--input',
        file('bad.jsonl', [lines[0], ...bad, lines[1]].join('\n')),
    ]);
    assert.equal(all.length, 7);
    assert.deepEqual([all[0].id, all[6].id], [0, 1]);
    assert.ok(all[0].label && all[6].label);
    for (const { error } of all.slice(1, 6)) assert.equal(error.code, 'BAD_INPUT');
    assert.match(all[1].error.message, /bad\.jsonl:2: the line is not valid JSON/);
    assert.match(
        all[2].error.message,
        /bad\.jsonl:3: a line must be a JSON object, not array of 1/,
    );
    assert.deepEqual(
        [all[3].id, all[3].error.message.replace(/^.*:4/, '4')],
        ['x', '4: text must be a string, not number 42'],
    );
    assert.deepEqual([all[4].id, all[4].label], ['y', undefined]);

    refused(
        [...classify, '--input', '-', '--format', 'tsv'],
        1,
        /-:3: the line has 1 columns, the header has 2/,
        { input: 'id\ttext\n1\tgood\n2\n' },
    );
    refused(
        [...classify, '--input', '-', '--format', 'tsv'],
        1,
        /-:2: text must be a string, not undefined/,
        {
            input: 'id\tsentence\n1\tgood\n',
        },
    );
    const latin = Buffer.from('good\nsch\xf6n\nbad\n', 'latin1');
    const [first, second, third] = printed([...classify, '--skip-errors', '--input', '-'], {
        input: latin,
    });
    assert.match(second.error.message, /-:2: the line is not UTF-8/);
    assert.ok(first.label && third.label);
    assert.equal(cli([...classify, '--input', folder]).status, 1);
});

test('what no line is to blame for ends it, --skip-errors or not', () => {
    const config = ['--model', file('headless.safetensors', modelBytes({ tokenizer: null }))];
    refused(['classify', ...config, '--skip-errors', 'good', 'bad'], 1, /without tokenizer\.json/);
    refused(
        [...classify, '--skip-errors', '--top-k', '0', 'good'],
        2,
        /--top-k must be a whole number >= 1 or all, not '0'/,
    );
    refused(
        [...classify, '--batch-tokens', '5000', 'good'],
        1,
        /batch_tokens must be .*, not number 5000/,
    );
    refused(
        [...classify, '--format', 'csv', '--input', 'x'],
        2,
        /--format must be text, jsonl, tsv, not 'csv'/,
    );
    refused([...classify], 2, /TEXT or --input is missing/);
});

test('--overflow: long texts are cut, refused in their place, or read in windows', () => {
    const long = 'good bad film . the a '.repeat(5).trim();
    const input = [long, 'good', long]
        .map((text, id) => `${JSON.stringify({ id, text })}\n`)
        .join('');
    const args = [...classify, '--input', '-', '--format', 'jsonl'];
    const cut = printed(args, { input });
    assert.deepEqual(
        cut.map(({ truncated }) => truncated),
        [true, undefined, true],
    );
    const whole = printed([...args, '--overflow', 'window', '--stride', '2'], { input });
    assert.ok(whole[0].truncated === undefined && whole[0].score !== cut[0].score);
    refused([...args, '--overflow', 'error'], 1, /-:1: /, { input });
    const [first, good, last] = printed([...args, '--overflow', 'error', '--skip-errors'], {
        input,
    });
    assert.deepEqual(
        [first.error.code, good.label, last.id, last.error.code],
        ['SEQUENCE_TOO_LONG', cut[1].label, 2, 'SEQUENCE_TOO_LONG'],
    );
    assert.match(last.error.message, /^-:3: (?!text)/);
});

test('lines of any chunking; one that is too long is an error, not memory', async () => {
    const text = 'one\n\nthrée\r\n😀\n12345678901\nlast';
    const bytes = Buffer.from(text);
    for (const size of [1, 2, 3, 7, 100]) {
        const chunks = async function* () {
            for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
        };
        const lines = [];
        for await (const piece of splitLines(chunks(), 'f', 10)) lines.push(...piece);
        assert.deepEqual(
            lines.map(({ text: line }) => line),
            ['one', '', 'thrée', '😀', '', 'last'],
        );
        assert.match(lines[4].error.message, /^f:5: the line has 12 bytes; at most 10 are read/);
        assert.equal(
            lines.reduce((sum, line) => sum + line.bytes, 0),
            bytes.length,
        );
    }
});

test('an answer does not wait for more input', async () => {
    const child = start([...classify, '--input', '-', '--format', 'jsonl']);
    const next = lineReader(child.stdout);
    for (let i = 0; i < 3; i++) {
        child.stdin.write(`${JSON.stringify({ id: i, text: textOf(i) })}\n`);
        assert.equal(JSON.parse(await next()).id, i);
    }
    child.stdin.end();
    assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('a reader that stops early: quiet, exit code 0', async () => {
    const path = file('long.txt', 'good film\n'.repeat(50_000));
    const child = start([...classify, '--input', path]);
    let stderr = '';
    child.stderr.on('data', (data) => {
        stderr += data;
    });
    await once(child.stdout, 'data');
    child.stdout.destroy();
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    assert.equal(stderr, '');
});

test('100,000 lines, 200 MB, for a slow reader: neither read ahead nor kept', {
    skip: NOT_LINUX,
}, async (t) => {
    const n = 100_000;
    const note = 'x'.repeat(2000);
    const path = join(folder, 'large.jsonl');
    const fd = openSync(path, 'w');
    for (let i = 0; i < n; i += 1000) {
        writeSync(
            fd,
            Array.from(
                { length: 1000 },
                (_, k) => `${JSON.stringify({ id: i + k, text: textOf(i + k), note })}\n`,
            ).join(''),
        );
    }
    closeSync(fd);
    // What is kept of 200 MB does not fit; without a limit it is only collected later.
    const child = start([...classify, '--input', path], {
        NODE_OPTIONS: '--max-old-space-size=64',
    });
    await once(child.stdout, 'readable');
    const read = await standsStill(() => bytesRead(child.pid));
    assert.ok(read < 20e6, `nobody takes the answers, and ${read} bytes are read`);
    const early = largestMemory(child.pid);
    let largest = early;
    let expected = 0;
    let rest = '';
    for await (const chunk of child.stdout.setEncoding('utf8')) {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
            assert.ok(line.startsWith(`{"id":${expected},`), line.slice(0, 50));
            expected++;
        }
        if (child.exitCode === null && existsSync(`/proc/${child.pid}/status`)) {
            try {
                largest = Math.max(largest, largestMemory(child.pid));
            } catch {
                /* it has just ended */
            }
        }
    }
    assert.equal(expected, n);
    t.diagnostic(
        `${read} bytes read before the reader took any; memory ${early >> 20} MB then, ` +
            `${largest >> 20} MB at most`,
    );
    assert.ok(largest < early + (130 << 20), `memory grew from ${early} to ${largest} bytes`);
    rmSync(path);
});

test('--stats counts; on a terminal there is a bar, and the numbers at the end', () => {
    const path = file('count.txt', 'good film\nbad\n');
    const { stderr, stdout } = cli([...classify, '--stats', '--input', path]);
    assert.match(stderr, /^classify: 2 texts, 7 tokens, [\d.]+ s, [\d.]+ texts\/s\n$/);
    assert.equal(objects(stdout).length, 2);
    const failed = cli(
        [...classify, '--stats', '--skip-errors', '--format', 'jsonl', '--input', '-'],
        { input: '{"text":"a"}\n{}\n' },
    );
    assert.match(failed.stderr, /^classify: 2 texts \(1 with errors\), 3 tokens/);
});

const NO_TERMINAL =
    spawnSync('script', ['--version']).status !== 0 &&
    'NOT TESTED: there is no script(1) to make a terminal';
test('progress on a terminal', { skip: NO_TERMINAL }, () => {
    const path = file('count.txt', 'good film\nbad\n'.repeat(3000));
    const output = join(folder, 'out.jsonl');
    const command =
        `${process.execPath} ${at('build/dist/cli.js')} ${classify.join(' ')} --input ${path} > ` +
        `${output}`;
    const { stdout, status } = spawnSync('script', ['-qec', command, '/dev/null'], {
        encoding: 'utf8',
        env: { ...process.env, TERM: 'xterm' },
    });
    assert.equal(status, 0, stdout);
    assert.match(stdout, /classify [#.]{30} \d+% \| \d+ texts \| \d+ texts\/s/);
    assert.match(stdout, /classify: 6000 texts, 21000 tokens/);
    assert.equal(objects(readFileSync(output, 'utf8')).length, 6000);
});

test('every command explains itself', () => {
    const { stdout } = cli(['--help']);
    const names = [...stdout.matchAll(/^ {2}([a-z-]+) {2,}\S/gm)].map(([, name]) => name);
    for (const name of [
        'classify',
        'ner',
        'answer',
        'fill',
        'embed',
        'rank',
        'zero-shot',
        'similarity',
        'tokenize',
        'forward',
        'eval',
        'info',
        'verify',
        'bench',
        'serve',
        'convert',
        'doctor',
    ]) {
        assert.ok(names.includes(name), name);
    }
    for (const name of names) {
        const help = cli([name, '--help']);
        assert.equal(help.status, 0, help.stderr);
        assert.ok(
            help.stdout.startsWith(`usage: bert-wasm ${name} `) &&
                help.stdout.includes(`\nexample:\n  bert-wasm ${name} `),
            name,
        );
    }
});

test('tokenize: text, errors in their place, the options of a record', () => {
    const tokenizer = [
        'tokenize',
        '--tokenizer',
        at('tests/golden/tokenizers/bert-uncased/tokenizer.json'),
    ];
    const [one, two] = printed([...tokenizer, 'Hello', 'wörld']);
    assert.deepEqual([one.tokens[0], one.text, two.tokens.at(-1)], ['[CLS]', 'Hello', '[SEP]']);
    const input = ['{"id":7,"text":"Hello","add_special_tokens":false}', '{"id":8}'].join('\n');
    const [bare, wrong] = printed(
        [...tokenizer, '--input', '-', '--format', 'jsonl', '--skip-errors'],
        { input },
    );
    assert.deepEqual([bare.id, bare.ids], [7, one.ids.slice(1, -1)]);
    assert.deepEqual([wrong.id, wrong.error.code], [8, 'BAD_INPUT']);
    assert.deepEqual(printed(['tokenize', '--model', MODEL, 'good film'])[0].ids, [2, 6, 8, 3]);
});

test('bench: every length and number of threads', () => {
    const results = printed(['bench', '--model', MODEL, '--seconds', '0', '--threads', '2']);
    assert.deepEqual(
        results.map(({ threads, tokens }) => [threads, tokens]),
        [
            [1, 12],
            [2, 12],
        ],
        'the model reads 12 tokens',
    );
    for (const { ms_per_text, texts_per_second } of results) {
        assert.ok(ms_per_text > 0 && texts_per_second > 0);
    }
});

test('convert: by the package alone, beside it, by BERT_CONVERT or on PATH', () => {
    const output = join(folder, 'converted.safetensors');
    const model = at('tests/golden/bert-seqcls');
    const made = cli(['convert', model, '-o', output, '--dtype', 'f32']);
    assert.equal(made.status, 0, made.stderr);
    assert.match(made.stderr, /^bert-wasm: by the native converter, .*bert-convert/);
    assert.equal(printed(['info', '--model', output])[0].dtype, 'f32');

    const installed = join(folder, 'package/build/dist');
    mkdirSync(installed, { recursive: true });
    cpSync(at('build/dist'), installed, {
        recursive: true,
        filter: (path) => !/models/.test(path),
    });
    writeFileSync(join(folder, 'package/package.json'), '{"type": "module"}');
    const elsewhere = { program: join(installed, 'cli.js') };
    const env = { ...process.env, PATH: '/usr/bin', BERT_CONVERT: '' };
    const alone = join(folder, 'alone.safetensors');
    for (const args of [[], ['--wasm']]) {
        const { status, stderr } = cli(
            ['convert', model, '-o', alone, '--dtype', 'f32', ...args],
            args.length ? {} : { ...elsewhere, env },
        );
        assert.equal(status, 0, stderr);
        assert.doesNotMatch(stderr, /native/);
        assert.ok(readFileSync(alone).equals(readFileSync(output)), 'the same bytes');
        rmSync(alone);
    }
    const wasm = { ...elsewhere, env };
    refused(['convert', join(folder, 'x'), '-o', alone], 1, /x: it has no weights|has no x/, wasm);
    refused(['convert', model], 2, /--out is missing/, wasm);
    refused(['convert', '-o', alone], 2, /ORG.NAME, a folder, a file or a URL is missing/, wasm);
    refused(['convert', at('tests/golden/refuse-t5'), '-o', alone], 1, /expected an encoder/, wasm);
    refused(['convert', model, '-o', alone, '--memory', '20'], 1, /takes about \d+ MB/, wasm);
    refused(['convert', output, '-o', alone], 1, /is a converted file already|it has a conv/, wasm);
    assert.ok(!existsSync(alone));
    refused(['convert', 'x'], 1, /nothing-here: cannot be run/, {
        ...elsewhere,
        env: { ...env, BERT_CONVERT: join(folder, 'nothing-here') },
    });

    const bin = join(folder, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'bert-convert'), '#!/bin/sh\necho "$# $1 $2"\nexit 7\n');
    chmodSync(join(bin, 'bert-convert'), 0o755);
    for (const found of [
        { PATH: `${bin}${delimiter}/usr/bin` },
        { BERT_CONVERT: join(bin, 'bert-convert') },
    ]) {
        const { status, stdout } = cli(['convert', 'a b', '--dtype'], {
            ...elsewhere,
            env: { ...env, ...found },
        });
        assert.deepEqual([status, stdout], [7, '2 a b --dtype\n']);
    }
});
