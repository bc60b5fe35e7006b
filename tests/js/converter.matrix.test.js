/**
 * Every architecture, exporter and head that there is an export of: converted to f32 and run
 * natively against the reference outputs, hidden states and attention probabilities in its
 * golden.json. What is no encoder of the family is refused.
 *
 * tests/golden/ has one export for each way of writing things; ../shared/fixtures has more, and
 * BERT_FIXTURES can name other folders of such exports (tests/tools/make_models.py makes them).
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const program = resolve(root, process.env.BERT_CONVERT ?? 'build/native/bert-convert');
const golden_folder = join(root, 'tests/golden');
const shared_folder = resolve(root, '../shared/fixtures');

/** Largest error over the largest output (at least 1) of exports that only round as floats do. */
const TOLERANCE = 2e-4;

const scratch = mkdtempSync(join(tmpdir(), 'bert-matrix-'));
after(() => rmSync(scratch, { recursive: true }));

function run(...args) {
    const { status, signal, stdout, stderr } = spawnSync(program, args, {
        encoding: 'utf8',
        maxBuffer: 1 << 28,
        timeout: 300e3,
    });
    assert.equal(signal, null, `bert-convert ${args.join(' ')} ended by ${signal}\n${stderr}`);
    return { status, stdout, stderr };
}

/** Folders with an export and what it should give. */
function exportsIn(folder) {
    return readdirSync(folder)
        .sort()
        .map((name) => join(folder, name))
        .filter(
            (path) => existsSync(join(path, 'model.onnx')) && existsSync(join(path, 'golden.json')),
        );
}

/** The safetensors header of a model file. */
function headerOf(path) {
    const file = readFileSync(path);
    return JSON.parse(file.toString('utf8', 8, 8 + Number(file.readBigUInt64LE(0))));
}

/** Rows of the matrix, and the largest error of each exporter. */
const rows = new Map();

function note(golden, verified) {
    const exporter = golden.exporter
        .replace('torch.onnx.export(dynamo=False)', 'legacy')
        .replace('torch.onnx.export(dynamo=True)', 'dynamo');
    const errors = [...verified.matchAll(/ error (\S+) of largest (\S+),/g)].map(
        ([, error, largest]) => error / Math.max(1, largest),
    );
    const key = `${golden.architecture} | ${golden.head}`;
    rows.set(key, [
        ...(rows.get(key) ?? []),
        `${exporter} | ${Math.max(...errors).toExponential(1)}`,
    ]);
}

function checkExport(path) {
    const name = basename(path);
    const golden = JSON.parse(readFileSync(join(path, 'golden.json'), 'utf8'));
    if (golden.refuse) {
        test(`${name} is refused: ${golden.refuse}`, () => {
            const out = join(scratch, `${name}.safetensors`);
            const { status, stderr } = run(path, '-o', out, '--dtype', 'f32');
            if (status === 0 && !path.startsWith(golden_folder)) {
                // Others may be read that need not be: then rightly.
                const verified = run(
                    '--verify',
                    join(path, 'golden.json'),
                    '--tolerance',
                    String(TOLERANCE),
                    out,
                );
                assert.equal(
                    verified.status,
                    0,
                    `it was taken for an encoder, and is none: ${verified.stdout}`,
                );
                return;
            }
            assert.equal(status, 1, `exit code ${status}: ${stderr}`);
            assert.match(
                stderr,
                golden.architecture === 'cnn'
                    ? /has an input 'pixels'; an encoder is expected to have input_ids/
                    : /node '[^']+'.*(expected|not supported|has a subgraph)|gives other answers/,
            );
            assert.ok(!existsSync(out), 'no file is left behind');
        });
        return;
    }
    test(`${golden.architecture}, ${golden.head}, ${golden.exporter} (${name})`, () => {
        const out = join(scratch, `${name}.safetensors`);
        const converted = run(path, '-o', out, '--dtype', 'f32');
        assert.equal(converted.status, 0, converted.stderr);
        // Of a quantised graph --verify allows 1.5 times what lies between it and its own
        // plain_outputs.
        const verified = run(
            '--verify',
            join(path, 'golden.json'),
            '--tolerance',
            String(TOLERANCE),
            out,
        );
        assert.equal(verified.status, 0, verified.stdout + verified.stderr);
        const wanted = [
            ...golden.outputs,
            ...(golden.trace ? ['hidden_states', 'attentions'] : []),
        ];
        for (const output of wanted) {
            assert.ok(
                verified.stdout.includes(output),
                `${output} is compared: ${verified.stdout}`,
            );
        }
        if (golden.left_out) {
            const { outputs } = JSON.parse(headerOf(out).__metadata__.config);
            assert.deepEqual(Object.keys(outputs), golden.outputs);
            const [said] = /outputs that are left out: .*/.exec(converted.stderr) ?? [''];
            for (const output of golden.left_out) assert.ok(said.includes(`'${output}': `), output);
        }
        note(golden, verified.stdout);
        rmSync(out);
    });
}

for (const path of exportsIn(golden_folder)) checkExport(path);

const more = (process.env.BERT_FIXTURES ?? '').split(delimiter).filter(Boolean);
if (existsSync(shared_folder)) {
    more.push(shared_folder);
} else {
    test('further exports', {
        skip:
            'SKIPPED: ../shared/fixtures is not here; tests/golden has one export for each way ' +
            'of writing things',
    }, () => {});
}
for (const folder of more) {
    for (const path of exportsIn(folder)) {
        if (folder !== shared_folder || !existsSync(join(golden_folder, basename(path)))) {
            checkExport(path);
        }
    }
}

test('the matrix: architecture | head | exporter | largest error', (t) => {
    for (const [key, exporters] of [...rows].sort()) {
        for (const exporter of exporters) t.diagnostic(`${key} | ${exporter}`);
    }
    for (const architecture of [
        'bert',
        'roberta',
        'xlm-roberta',
        'camembert',
        'distilbert',
        'albert',
        'deberta',
        'deberta-v2',
        'electra',
        'mpnet',
    ]) {
        assert.ok(
            [...rows.keys()].some((key) => key.startsWith(`${architecture} `)),
            `${architecture} is in the matrix`,
        );
    }
});

test('an ALBERT has its layer once, however often it is run', () => {
    for (const [name, stored, n_layers] of /** @type {[string, number, number][]} */ ([
        ['albert-base', 1, 3],
        ['albert-tokcls-groups2', 4, 8],
    ])) {
        const out = join(scratch, 'albert.safetensors');
        assert.equal(run(join(golden_folder, name), '-o', out, '--dtype', 'f32').status, 0);
        const { __metadata__: metadata, ...tensors } = headerOf(out);
        const layers = new Set(
            Object.keys(tensors)
                .map((tensor) => /^layers\.(\d+)\./.exec(tensor)?.[1])
                .filter(Boolean),
        );
        assert.equal(layers.size, stored, name);
        assert.equal(JSON.parse(metadata.config).encoder.n_layers, n_layers, name);
    }
});

test('what DeBERTa layers share of relative positions is there once', () => {
    const out = join(scratch, 'deberta.safetensors');
    assert.equal(run(join(golden_folder, 'deberta-v3-base'), '-o', out).status, 0);
    assert.equal(Object.keys(headerOf(out)).filter((name) => name === 'relative.rows').length, 1);
});

test('a model file carries what the graph answers', () => {
    const out = join(scratch, 'reference.safetensors');
    assert.equal(run(join(golden_folder, 'bert-base'), '-o', out, '--dtype', 'q8').status, 0);
    const reference = JSON.parse(headerOf(out).__metadata__.reference);
    assert.ok(reference.error > 0 && reference.error < 0.5, `q8 costs ${reference.error}`);
    assert.ok(reference.cases.length > 0);
    for (const { input_ids, outputs } of reference.cases) {
        assert.ok(input_ids.length > 1);
        for (const output of ['last_hidden_state', 'pooler_output']) {
            assert.ok(
                outputs[output].samples.length > 8 &&
                    outputs[output].samples.every(Number.isFinite),
                output,
            );
        }
    }
});

test('weights without a config.json are read, and DeBERTa knows its limit', () => {
    const out = join(scratch, 'bare.safetensors');
    const { status, stderr } = run(join(golden_folder, 'deberta-v3-base', 'model.onnx'), '-o', out);
    assert.equal(status, 0, stderr);
    const config = JSON.parse(headerOf(out).__metadata__.config);
    assert.ok(config.encoder.n_distances >= 64 && config.max_length <= config.encoder.n_distances);
});
