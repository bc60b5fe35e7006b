/**
 * Every family and every head, from the exports of others to what callers get: what the converter
 * makes of an ONNX file gives in WebAssembly what onnxruntime gave for it. Of tests/golden, and of
 * ../shared/fixtures where there is one.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { loadModel } from 'bert-wasm';

import { RELAXED_FLAGS } from '../tools/node_flags.js';
import { LIBRARY } from './built.js';
import {
    expectedOf,
    largestDifference,
    mapsOf,
    pick,
    placesOf,
    sequencesOf,
} from './golden_outputs.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'bert-wasm-families-'));
after(() => rmSync(scratch, { recursive: true }));

const GOLDEN = join(root, 'tests/golden');
const SHARED = join(root, '../shared/fixtures');
const skip = !existsSync(SHARED) && `NOT TESTED: there is no ${SHARED}`;

/** Exports by name: those that the converter takes, in the tree and shared. */
const exportsIn = (folder) =>
    readdirSync(folder).filter(
        (name) => existsSync(join(folder, name, 'golden.json')) && !name.startsWith('refuse-'),
    );
const inTree = exportsIn(GOLDEN);
const shared = skip ? [] : exportsIn(SHARED).filter((name) => !inTree.includes(name));
const names = [...inTree, ...shared].sort();
const folderOf = (name) => join(inTree.includes(name) ? GOLDEN : SHARED, name);

/**
 * Numbers that are rounded on their way, which is not the model's: the converter leaves that out.
 */
const is_approximate = (name) => /-(int8|uint8|fp16|qdq|qdq-\w+)$|q4-qdq/.test(name);

/** One export of each family and head, by the plain exporter. */
const is_plain = (name) =>
    !/-(v5|dynamo|fused|ort|opset|branches|static|external|q4|qdq|int8|uint8|fp16|bf16|positions)/.test(
        name,
    );

const FAMILIES = [
    'bert',
    'roberta',
    'xlm-roberta',
    'camembert',
    'distilbert',
    'albert',
    'electra',
    'mpnet',
    'deberta',
    'deberta-v2-conv',
    'deberta-v3',
];
const HEADS = [
    'base',
    'seqcls',
    'tokcls',
    'qa',
    'mlm',
    'nsp',
    'regression',
    'sentence-mean',
    'sentence-cls',
    'sentence-max',
    'pretraining',
    'states',
    'softmax',
];

const TOLERANCE = 2e-4;
const APPROXIMATE_TOLERANCE = 0.2;

/** The path of a converted fixture; it is made once. */
function converted(name, dtype = 'f32') {
    const path = join(scratch, `${name}-${dtype}.safetensors`);
    if (existsSync(path)) return path;
    const converter = process.env.BERT_CONVERT ?? join(root, 'build/native/bert-convert');
    assert.ok(existsSync(converter), 'make native');
    const { status, stderr } = spawnSync(
        converter,
        [folderOf(name), '-o', path, '--dtype', dtype],
        { encoding: 'utf8' },
    );
    assert.equal(status, 0, `${name}: ${stderr}`);
    return path;
}

/** @param {(model: import('../../js/model/model.js').Model) => Promise<void>} use */
async function withModel(source, use) {
    const model = await loadModel(source);
    try {
        await use(model);
    } finally {
        model.dispose();
    }
}

const goldenOf = (name) => JSON.parse(readFileSync(join(folderOf(name), 'golden.json'), 'utf8'));
test('there are exports of every family and head', () => {
    for (const part of [
        ...FAMILIES.map((family) => new RegExp(`^${family}-`)),
        ...HEADS.map((head) => new RegExp(`-${head}`)),
    ]) {
        assert.ok(
            names.some((name) => part.test(name)),
            `${part}`,
        );
    }
});

for (const name of names) {
    test(`${name}: the answers of onnxruntime`, async (t) => {
        const golden = goldenOf(name);
        await withModel(converted(name), async (model) => {
            let worst = 0;
            for (const one of golden.cases) {
                const results = await model.forward(sequencesOf(one));
                results.forEach((result, row) => {
                    assert.deepEqual(Object.keys(result).sort(), [...golden.outputs].sort());
                    const places = placesOf(one.attention_mask[row]);
                    for (const [output, { dims, data }] of Object.entries(result)) {
                        const want = expectedOf(
                            one.outputs[output],
                            model.config.outputs[output].output,
                            row,
                            one.input_ids[row].length,
                            places,
                        );
                        assert.equal(data.length, want.length, `${output}: ${dims}`);
                        assert.equal(
                            data.length,
                            dims.reduce((a, b) => a * b, 1),
                        );
                        assert.equal(
                            dims.length,
                            one.outputs[output].shape.length - 1,
                            `${output}: ${dims}`,
                        );
                        assert.ok(data.every(Number.isFinite), output);
                        worst = Math.max(worst, largestDifference(data, want));
                    }
                });
            }
            t.diagnostic(
                `largest error ${worst.toExponential(1)}, largest output ` +
                    `${golden.largest.toFixed(2)}`,
            );
            const tolerance = is_approximate(name) ? APPROXIMATE_TOLERANCE : TOLERANCE;
            assert.ok(worst <= tolerance * Math.max(1, golden.largest), `${worst}`);
            const verification = await model.verify();
            assert.ok(verification.ok, JSON.stringify(verification));
            assert.ok(
                verification.expected_error < 1e-4 && verification.error < 1e-4,
                JSON.stringify(verification),
            );
        });
    });
}

/** Exports that predict words: tied and untied decoders, of several families. */
for (const name of names.filter((one) => /-mlm$|-pretraining$/.test(one))) {
    test(`${name}: words of some tokens alone are those of all, to the bit`, async () => {
        for (const dtype of ['f32', 'q8']) {
            for (const threads of [1, 2]) {
                const model = await loadModel(converted(name, dtype), { threads });
                const [word] = Object.keys(model.config.outputs).filter(
                    (name) => model.config.outputs[name].output === 'lm_logits',
                );
                const lengths = [5, 1, 40, 3, 24];
                const vocab_size = Number(model.config.encoder.vocab_size);
                const rows = [[0, 2, 4], [0], [], undefined, [1, 2, 3, 5, 7, 11, 13, 17, 19, 23]];
                const all = lengths.map((n, s) => ({
                    input_ids: Array.from(
                        { length: n },
                        (_, i) => ((s * 977 + i * 7919 + 5) % 200) + 2,
                    ),
                    attention_mask: Array.from({ length: n }, (_, i) =>
                        s === 4 && i === 4 ? 0 : 1,
                    ), // left out
                }));
                const some = all.map((sequence, s) =>
                    rows[s] ? { ...sequence, lm_rows: rows[s] } : sequence,
                );
                const want = await model.forward(all);
                for (const batch_size of [undefined, 1, 2]) {
                    const got = await model.forward(some, { batch_size });
                    got.forEach((outputs, s) => {
                        const { dims, data } = want[s][word];
                        // The token that is left out has no row.
                        const wanted = rows[s]?.map(
                            (row) => row - (s === 4 && row > 4 ? 1 : 0),
                        ) ?? [...Array(dims[0]).keys()];
                        assert.deepEqual(outputs[word].dims, [wanted.length, vocab_size]);
                        wanted.forEach((row, i) =>
                            assert.deepEqual(
                                outputs[word].data.subarray(i * vocab_size, (i + 1) * vocab_size),
                                data.subarray(row * vocab_size, (row + 1) * vocab_size),
                            ),
                        );
                        for (const other of Object.keys(outputs).filter(
                            (output) => output !== word,
                        )) {
                            assert.deepEqual(outputs[other], want[s][other]);
                        }
                    });
                }
                model.dispose();
            }
        }
    });
}

test('hidden states and attentions of every model, and those that were traced', async (t) => {
    let n_traced = 0;
    for (const name of names) {
        const { trace, cases } = goldenOf(name);
        await withModel(converted(name), async (model) => {
            const { encoder } = model.config;
            const [n_layers, n_heads, hidden_size] = [
                encoder.n_layers,
                encoder.n_heads,
                encoder.hidden_size,
            ].map(Number);
            const one = trace ? cases.find((other) => other.name === trace.case) : cases[1];
            assert.ok(one, `${name}: ${trace?.case}`);
            const results = await model.forward(sequencesOf(one), {
                hidden_states: true,
                attentions: true,
            });
            results.forEach(({ hidden_states, attentions }, row) => {
                const places = placesOf(one.attention_mask[row]);
                const n = places.length;
                assert.deepEqual(hidden_states.dims, [n_layers + 1, n, hidden_size], name);
                assert.deepEqual(attentions.dims, [n_layers, n_heads, n, n], name);
                for (let at = 0; at < attentions.data.length; at += n) {
                    const sum = attentions.data.slice(at, at + n).reduce((a, b) => a + b);
                    assert.ok(Math.abs(sum - 1) < 1e-4, `${name}: attention sums to ${sum}`);
                }
                if (!trace) return;
                n_traced++;
                const width = one.input_ids[row].length;
                const states = trace.hidden_states.flatMap(({ data }) =>
                    pick(
                        data.slice(row * width * hidden_size, (row + 1) * width * hidden_size),
                        places,
                        hidden_size,
                    ),
                );
                const size = n_heads * width * width;
                const maps = trace.attentions.flatMap(({ data }) =>
                    mapsOf(data.slice(row * size, (row + 1) * size), n_heads, width, places),
                );
                for (const [what, got, want] of [
                    ['hidden states', hidden_states.data, states],
                    ['attentions', attentions.data, maps],
                ]) {
                    assert.equal(got.length, want.length, `${name}: ${what}`);
                    const error = largestDifference(got, want);
                    const limit = TOLERANCE * Math.max(1, ...want.map(Math.abs));
                    assert.ok(error <= limit, `${name}: ${what} differ by ${error}`);
                }
            });
        });
    }
    t.diagnostic(`${names.length} models, ${n_traced} traced sequences`);
    assert.ok(n_traced > 0);
});

test('padding on the left, on the right or none: one answer', async () => {
    for (const [name, pad] of /** @type {[string, number][]} */ ([
        ['roberta-mlm', 1],
        ['xlm-roberta-tokcls', 1],
        ['mpnet-base', 1],
        ['bert-tokcls', 0],
        ['deberta-v3-base', 0],
        ['distilbert-qa', 0],
        ['albert-mlm', 0],
    ])) {
        await withModel(converted(name), async (model) => {
            delete model.config.outputs.pooler_output; // reads the first token, be it padding
            const ids = [2, 50, 60, 70, 3];
            const padding = [pad, pad, pad];
            const results = await model.forward([
                { input_ids: ids },
                { input_ids: [...ids, ...padding], attention_mask: [1, 1, 1, 1, 1, 0, 0, 0] },
                { input_ids: [...padding, ...ids], attention_mask: [0, 0, 0, 1, 1, 1, 1, 1] },
            ]);
            assert.deepEqual(results[1], results[0], name);
            // Positions that are counted from the padding on are others; those of distances are
            // not.
            const { n_positions, first_position } = model.config.encoder;
            const is_counted = Number(n_positions) > 0 && first_position === 0;
            if (is_counted) assert.notDeepEqual(results[2], results[0], name);
            else assert.deepEqual(results[2], results[0], name);
        });
    }
});

test('an answer of the file that was changed is noticed, whatever the output', async () => {
    for (const name of names.filter(is_plain)) {
        const bytes = readFileSync(converted(name));
        const n_header = Number(bytes.readBigUInt64LE());
        const header = JSON.parse(bytes.toString('utf8', 8, 8 + n_header));
        const reference = JSON.parse(header.__metadata__.reference);
        for (const output of Object.keys(reference.cases[0].outputs)) {
            const changed = structuredClone(reference);
            const { samples } = changed.cases[0].outputs[output];
            const at = samples.reduce(
                (best, x, i) => (Math.abs(x) > Math.abs(samples[best]) ? i : best),
                0,
            );
            samples[at] = -samples[at];
            header.__metadata__.reference = JSON.stringify(changed);
            const text = Buffer.from(JSON.stringify(header));
            const length = Buffer.alloc(8);
            const padding = Buffer.alloc(-(8 + text.length) & 63, ' ');
            length.writeBigUInt64LE(BigInt(text.length + padding.length));
            await withModel(
                new Uint8Array(
                    Buffer.concat([length, text, padding, bytes.subarray(8 + n_header)]),
                ),
                async (model) => {
                    const { ok, error, cases } = await model.verify();
                    assert.equal(ok, false, `${name}: ${output}, ${error}`);
                    assert.equal(cases[0][output], error);
                },
            );
        }
    }
});

/** Runs in a process of its own: verify() of each file, by the build of the engine beside it. */
const VERIFY = `
    import { loadModel } from ${LIBRARY};
    for (const [path, variant] of JSON.parse(process.argv[1])) {
        const model = await loadModel(path, { variant });
        const { ok, error, expected_error, dtype } = await model.verify();
        const { name } = model;
        console.log(JSON.stringify({ name, variant, dtype, ok, error, expected_error }));
        model.dispose();
    }`;

test(`exports of ../shared`, { skip }, () => assert.ok(shared.length > 0));

test('verify accepts what each dtype costs, in both builds', (t) => {
    // Models with integers have one answer in both builds; 16 bits become f32 when loaded.
    const files = names
        .filter(is_plain)
        .flatMap((name) => [
            [converted(name, 'f32'), 'base'],
            ...['f32', 'f16', 'q8', 'q4'].map((dtype) => [converted(name, dtype), 'relaxed']),
        ]);
    const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [...RELAXED_FLAGS, '--input-type=module', '-e', VERIFY, JSON.stringify(files)],
        { encoding: 'utf8', timeout: 240e3 },
    );
    assert.equal(status, 0, stderr.slice(-2000));
    const results = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
    assert.equal(results.length, files.length);
    const closest = Math.max(
        ...results.map(({ error, expected_error }) => error / (1.5 * expected_error + 2e-4)),
    );
    t.diagnostic(
        `${results.length} verifications, the closest at ${(100 * closest).toFixed()} % of ` +
            'what is allowed',
    );
    assert.deepEqual(
        results.filter(({ ok }) => !ok),
        [],
    );
});
