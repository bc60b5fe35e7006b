/** The command line, on models converted from the golden exports: outputs, errors, exit codes. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { RELAXED_FLAGS } from '../tools/node_flags.js';
import { modelBytes } from './model_bytes.js';

const at = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-cli-'));
after(() => rmSync(folder, { recursive: true }));

const FIXTURES = ['bert-seqcls', 'bert-seqcls5-odd', 'bert-regression', 'bert-base'];

function cli(args, { input = '', flags = [] } = {}) {
    return spawnSync(process.execPath, [...flags, at('build/dist/cli.js'), ...args], {
        input,
        encoding: 'utf8',
        timeout: 120_000,
        maxBuffer: 1 << 28,
    });
}

/** The lines of a command that must succeed and say nothing else. */
function lines(args, options) {
    const { status, stdout, stderr } = cli(args, options);
    assert.equal(status, 0, stderr);
    assert.equal(stderr, '');
    return stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
}

function refused(args, status, message, input) {
    const result = cli(args, { input });
    assert.equal(result.status, status, result.stderr);
    assert.match(result.stderr, message);
    assert.doesNotMatch(result.stderr, /^\s+at /m, 'a stack trace is no message');
}

const converted = {};
function model(source, dtype = 'f32') {
    const path = join(folder, `${source.replaceAll('/', '_')}-${dtype}.safetensors`);
    if (!converted[path]) {
        const { status, stderr } = spawnSync(
            at('build/native/bert-convert'),
            [at(source), '-o', path, '--dtype', dtype],
            { encoding: 'utf8' },
        );
        assert.equal(status, 0, stderr);
        converted[path] = true;
    }
    return path;
}

function file(name, content) {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
}

const jsonl = (name, values) =>
    file(name, values.map((value) => `${JSON.stringify(value)}\n`).join(''));

/** One line a row of every golden case, and its outputs where the mask is 1. */
function goldenRows(name) {
    const golden = JSON.parse(readFileSync(at(`tests/golden/${name}/golden.json`), 'utf8'));
    const rows = golden.cases.flatMap(({ input_ids, attention_mask, token_type_ids, outputs }) =>
        input_ids.map((ids, row) => ({
            line: {
                input_ids: ids,
                attention_mask: attention_mask[row],
                ...(token_type_ids ? { token_type_ids: token_type_ids[row] } : {}),
            },
            want: Object.fromEntries(
                Object.entries(outputs).map(([output, { shape, data }]) => {
                    const size = data.length / shape[0];
                    const values = data.slice(row * size, (row + 1) * size);
                    if (shape.length < 3) return [output, values];
                    const width = shape[2];
                    return [
                        output,
                        attention_mask[row].flatMap((mask, t) =>
                            mask ? values.slice(t * width, (t + 1) * width) : [],
                        ),
                    ];
                }),
            ),
        })),
    );
    return { rows, largest: Math.max(1, golden.largest) };
}

for (const variant of ['base', 'relaxed']) {
    test(`forward agrees with every golden, ${variant} build`, (t) => {
        for (const name of FIXTURES) {
            const { rows, largest } = goldenRows(name);
            const input = jsonl(
                `${name}.jsonl`,
                rows.map(({ line }) => line),
            );
            const results = lines(
                [
                    'forward',
                    '--model',
                    model(`tests/golden/${name}`),
                    '--input',
                    input,
                    '--variant',
                    variant,
                ],
                { flags: variant === 'relaxed' ? RELAXED_FLAGS : [] },
            );
            assert.equal(results.length, rows.length);
            let worst = 0;
            results.forEach((result, i) => {
                assert.deepEqual(Object.keys(result).sort(), Object.keys(rows[i].want).sort());
                for (const [output, want] of Object.entries(rows[i].want)) {
                    const got = result[output].flat(Infinity);
                    assert.equal(got.length, want.length, `${name}, line ${i}: ${output}`);
                    got.forEach((x, k) => {
                        worst = Math.max(worst, Math.abs(x - want[k]));
                    });
                }
            });
            t.diagnostic(
                `${name}: largest error ${worst.toExponential(1)}, ` +
                    `largest output ${largest.toFixed(2)}`,
            );
            assert.ok(worst <= 1e-4 * largest, `${name}: ${worst}`);
        }
    });
}

test('forward gives the same text whatever the batch, and more on demand', () => {
    const sequences = Array.from({ length: 32 }, (_, i) => ({
        input_ids: Array.from({ length: 1 + ((i * 7) % 60) }, (__, k) => (i * 13 + k * 5) % 100),
    }));
    const input = jsonl('mixed.jsonl', sequences);
    const outputs = ['1', '5', '32'].map(
        (batch) =>
            cli([
                'forward',
                '--model',
                model('tests/golden/bert-seqcls', 'q8'),
                '--input',
                input,
                '--batch',
                batch,
            ]).stdout,
    );
    assert.ok(outputs[0].length > 1000);
    assert.equal(outputs[1], outputs[0]);
    assert.equal(outputs[2], outputs[0]);
    const [full] = lines([
        'forward',
        '--model',
        model('tests/golden/bert-seqcls'),
        '--hidden-states',
        '--attentions',
        '--input',
        jsonl('holes.jsonl', [{ input_ids: [2, 5, 6, 3], attention_mask: [1, 0, 1, 1] }]),
    ]);
    assert.equal(full.hidden_states[0].length, 3, 'a token whose mask is 0 has no row');
    assert.equal(full.attentions[0][0].length, 3);
});

test('forward: hidden states and attentions of every family, columns as numbers', () => {
    const input = jsonl('short.jsonl', [{ input_ids: [2, 5, 6, 3] }]);
    for (const name of [
        'albert-tokcls-groups2',
        'deberta-v2-conv-seqcls',
        'distilbert-qa',
        'mpnet-base',
        'roberta-mlm',
        'bert-sentence-mean-norm',
    ]) {
        const [full] = lines([
            'forward',
            '--model',
            model(`tests/golden/${name}`),
            '--hidden-states',
            '--attentions',
            '--input',
            input,
        ]);
        assert.equal(full.hidden_states.length, full.attentions.length + 1, name);
        for (const states of full.hidden_states) assert.equal(states.length, 4, name);
        for (const heads of full.attentions) {
            assert.ok(
                heads.every((map) => map.length === 4 && map[0].length === 4),
                name,
            );
        }
        if (name === 'distilbert-qa') {
            assert.ok(full.start_logits.length === 4 && full.start_logits.every(Number.isFinite));
        }
    }
});

test('verify: the bundled model agrees; a file without answers is refused', () => {
    const [{ ok, error, expected_error, dtype, cases }] = lines(['verify']);
    assert.deepEqual([ok, dtype, cases.length], [true, 'q8', 1]);
    assert.ok(
        expected_error > 0 && error <= 1.5 * expected_error + 2e-4,
        `${error}, ${expected_error}`,
    );
    const wrong = modelBytes({
        metadata: {
            reference: JSON.stringify({
                error: 0,
                cases: [
                    {
                        input_ids: [2],
                        outputs: { logits: { step: 1, largest: 1, samples: [9, 9, 9] } },
                    },
                ],
            }),
        },
    });
    const { status, stdout } = cli(['verify', '--model', file('wrong.safetensors', wrong)]);
    assert.deepEqual([status, JSON.parse(stdout).ok], [1, false]);
    refused(
        ['verify', '--model', file('bare.safetensors', modelBytes())],
        1,
        /'tiny' has no answers/,
    );
});

test('classify: the bundled model, from arguments, a file and standard input', () => {
    const texts = ['What a wonderful film.', 'It was dull and far too long.'];
    const want = [
        ['What a wonderful film.', 'POSITIVE'],
        ['It was dull and far too long.', 'NEGATIVE'],
    ];
    const labels = (results) => results.map(({ text, label }) => [text, label]);
    const results = lines(['classify', ...texts]);
    assert.deepEqual(labels(results), want);
    assert.ok(results.every(({ score }) => score > 0.5 && score <= 1));
    assert.deepEqual(
        lines(['classify', '--input', file('texts.txt', `${texts.join('\n')}\n`)]),
        results,
    );
    assert.deepEqual(
        lines(['classify', '--input', '-'], { input: `${texts.join('\n')}\n` }),
        results,
    );
});

test('tokenize, eval and info', () => {
    const tokenizer = at('tests/golden/tokenizers/bert-uncased/tokenizer.json');
    const input = jsonl('tokenize.jsonl', [
        { text: 'Hello 😀 wörld', text_pair: 'yes' },
        {
            text: 'one two three four',
            truncation: { max_length: 4, strategy: 'longest_first', stride: 0, direction: 'right' },
        },
    ]);
    const [pair, cut] = lines(['tokenize', '--tokenizer', tokenizer, '--input', input]);
    assert.equal(pair.tokens[0], '[CLS]');
    assert.deepEqual(pair.offsets[0], [0, 0]);
    assert.deepEqual(pair.offsets[1], [0, 5]);
    assert.deepEqual(pair.type_ids.at(-1), 1);
    assert.deepEqual(cut.tokens, ['[CLS]', 'one', 'two', '[SEP]']);
    assert.equal(cut.overflow.length, 1);
    const [result] = lines([
        'eval',
        '--input',
        file('eval.tsv', 'sentence\tlabel\nwonderful\t1\nterrible\t0\nawful\t1\ngreat\t1\n'),
        '--among',
        'NEGATIVE,POSITIVE',
    ]);
    assert.equal(result.accuracy, 0.75);
    assert.deepEqual(result.confusion, [
        [1, 0],
        [1, 2],
    ]);
    const [info] = lines(['info']);
    assert.equal(info.dtype, 'q8');
    assert.ok(info.kernel && info.reason && info.threads >= 1 && info.memory_bytes > 2e7);
});

test('bad input: exit code 1 and what is wrong', () => {
    const seqcls = model('tests/golden/bert-seqcls');
    const forward = (value) => [
        'forward',
        '--model',
        seqcls,
        '--input',
        jsonl('bad.jsonl', [{ input_ids: [2, 3] }, value]),
    ];
    refused(['classify', '--model', join(folder, 'none'), 'a'], 1, /none.*ENOENT/);
    refused(['classify', '--input', join(folder, 'nothing')], 1, /nothing/);
    refused(
        ['info', '--model', file('cut.safetensors', readFileSync(seqcls).subarray(0, 20000))],
        1,
        /cut\.safetensors: it is cut off/,
    );
    refused(
        ['forward', '--model', seqcls, '--input', file('no.jsonl', '{"input_ids":[2]}\n{oops\n')],
        1,
        /no\.jsonl.*2/,
    );
    refused(forward({ input_ids: [2, 1e6] }), 1, /2.*1000000/s);
    refused(forward({ input_ids: Array(1000).fill(2) }), 1, /1000/);
    refused(forward({ input_ids: 'abc' }), 1, /input_ids/);
    refused(
        [
            'tokenize',
            '--tokenizer',
            at('tests/golden/tokenizers/bert-uncased/tokenizer.json'),
            '--input',
            jsonl('type.jsonl', [{ text: 42 }]),
        ],
        1,
        /number 42/,
    );
});

test('a wrong command line: exit code 2 and the usage', () => {
    for (const args of [[], ['fly'], ['classify', '--colour', 'red', 'a'], ['forward'], ['eval']]) {
        refused(args, 2, /usage: bert-wasm/);
    }
});

const shared = ['../shared/models/sentiment-minilm-l6', '../shared/data/sst2-dev.tsv'];
const missing = shared.find((path) => !existsSync(at(path)));
test('SST-2: f32 as the model card says, q8 within 0.5 points', {
    skip: missing && `NOT TESTED: there is no ${missing}`,
}, (t) => {
    const accuracy = (dtype) =>
        lines(['eval', '--model', model(shared[0], dtype), '--input', at(shared[1])])[0].accuracy;
    const f32 = accuracy('f32');
    const q8 = accuracy('q8');
    t.diagnostic(`f32 ${f32}, q8 ${q8}`);
    assert.equal(Math.round(f32 * 872), 790);
    assert.ok(Math.abs(q8 - f32) <= 0.005, `q8 ${q8}, f32 ${f32}`);
});
