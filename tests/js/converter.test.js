/**
 * bert-convert as its users meet it: the built program, on real exports and on spoilt ones.
 *
 * What it writes is read back here by a second reader of docs/model-file.md, and run by `--verify`
 * against the reference outputs in tests/golden/. Spoilt and unusual exports are made from the real
 * ones with a small protobuf editor: what changes nothing in the arithmetic must give the same
 * bytes, what changes it must be refused or give the changed model, never the unchanged one.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
    copyFileSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    rmSync,
    symlinkSync,
    truncateSync,
    writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { rewritten } from './converted.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const program = resolve(root, process.env.BERT_CONVERT ?? 'build/native/bert-convert');
const fixture = (name, file = '') => join(root, 'tests/golden', name, file);

const FIXTURES = {
    'bert-seqcls': {
        vocab_size: 320,
        hidden_size: 64,
        intermediate_size: 128,
        n_heads: 4,
        n_labels: 2,
        activation: 'gelu',
    },
    'bert-seqcls5-odd': {
        vocab_size: 400,
        hidden_size: 96,
        intermediate_size: 200,
        n_heads: 3,
        n_labels: 5,
        activation: 'gelu',
    },
    'bert-regression': {
        vocab_size: 320,
        hidden_size: 64,
        intermediate_size: 128,
        n_heads: 4,
        n_labels: 1,
        activation: 'gelu_tanh',
    },
    'bert-base': {
        vocab_size: 1000,
        hidden_size: 64,
        intermediate_size: 128,
        n_heads: 4,
        n_labels: 0,
        activation: 'gelu',
    },
};

const scratch = mkdtempSync(join(tmpdir(), 'bert-convert-'));
after(() => rmSync(scratch, { recursive: true }));
let n_folders = 0;

/** A new empty folder. */
function folder() {
    const path = join(scratch, String(n_folders++));
    mkdirSync(path);
    return path;
}

/**
 * A copy of a fixture's folder with some files replaced: bytes, text, an object for JSON, or null
 * for none.
 */
function modelFolder(name, files = {}) {
    const path = folder();
    for (const file of ['model.onnx', 'config.json']) {
        if (!(file in files)) copyFileSync(fixture(name, file), join(path, file));
    }
    for (const [file, content] of Object.entries(files)) {
        if (content === null) continue;
        writeFileSync(
            join(path, file),
            content.constructor === Object ? JSON.stringify(content) : content,
        );
    }
    return path;
}

function run(...args) {
    const { status, signal, stdout, stderr } = spawnSync(program, args, {
        encoding: 'utf8',
        maxBuffer: 1 << 28,
        timeout: 120e3,
    });
    assert.equal(signal, null, `bert-convert ${args.join(' ')} ended by ${signal}\n${stderr}`);
    return { status, stdout, stderr };
}

/** Converts and gives the path of the model and what was said on stderr. */
function convert(source, ...options) {
    const path = join(folder(), 'out.safetensors');
    const { status, stderr } = run(source, '-o', path, ...options);
    assert.equal(status, 0, stderr);
    assert.deepEqual(readdirSync(join(path, '..')), ['out.safetensors'], 'no temporary file stays');
    return { path, stderr };
}

/** Asserts that converting fails with exit code 1, says `message`, and leaves no file. */
function refuse(source, message, ...options) {
    const where = folder();
    const { status, stderr } = run(source, '-o', join(where, 'out.safetensors'), ...options);
    assert.equal(status, 1, `exit code ${status} for ${source}: ${stderr}`);
    assert.match(stderr, message);
    assert.deepEqual(readdirSync(where), [], 'nothing is left behind');
    return stderr;
}

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/* ---------------------------------------------------------------------------- model files -- */

const SIZES = { F32: 4, F16: 2, I8: 1, U8: 1 };

/**
 * Parses a model file and checks every rule of docs/model-file.md that needs no knowledge of the
 * model.
 */
function readModel(path) {
    const file = readFileSync(path);
    const header_bytes = Number(file.readBigUInt64LE(0));
    const text = file.toString('utf8', 8, 8 + header_bytes);
    assert.equal(text[0], '{');
    assert.equal((8 + header_bytes) % 64, 0, 'the data section starts on 64 bytes');
    const { __metadata__: metadata, ...header } = JSON.parse(text);
    const data = file.subarray(8 + header_bytes);
    for (const [key, value] of Object.entries(metadata)) assert.equal(typeof value, 'string', key);
    assert.equal(metadata.format, 'bert-wasm');
    assert.equal(metadata.format_version, '3');
    assert.equal(metadata.chunk_bytes, '1048576');
    const hashes = [];
    for (let start = 0; start < data.length; start += 1 << 20) {
        hashes.push(sha256(data.subarray(start, start + (1 << 20))));
    }
    assert.equal(metadata.chunk_sha256, hashes.join(','));

    const tensors = {};
    let end = 0;
    let n_padding = 0;
    for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
        const [start, stop] = data_offsets;
        assert.equal(start, end, `${name} follows the tensor before it without a hole`);
        assert.equal(
            stop - start,
            shape.reduce((a, b) => a * b, SIZES[dtype]),
            `${name} is as long as its shape says`,
        );
        end = stop;
        const bytes = data.subarray(start, stop);
        if (name.startsWith('padding.')) {
            assert.equal(name, `padding.${n_padding++}`);
            assert.equal(dtype, 'U8');
            assert.ok(
                bytes.length < 64 && stop % 64 === 0 && bytes.every((byte) => byte === 0),
                name,
            );
            continue;
        }
        assert.equal(start % 64, 0, `${name} starts on 64 bytes`);
        tensors[name] = { dtype, shape, bytes };
    }
    assert.equal(end, data.length, 'no bytes after the last tensor');
    return { metadata, config: JSON.parse(metadata.config), tensors, data, header, bytes: file };
}

/** Names, dtypes and shapes that core/bert.h wants, in the order of use. */
function expectedTensors({ encoder }, dtype) {
    const big = { f32: 'F32', f16: 'F16', q8: 'I8', q7: 'I8' }[dtype];
    const { hidden_size: hidden, intermediate_size: wide } = encoder;
    const list = [];
    const add = (name, type, ...shape) => list.push([name, type, shape]);
    const norm = (name) => {
        add(`${name}.weight`, 'F32', hidden);
        add(`${name}.bias`, 'F32', hidden);
    };
    const scale = (name, type, n) => {
        if (type === 'I8') add(`${name}.scale`, 'F32', n);
    };
    const table = (name, type, rows) => {
        add(`${name}.weight`, type, rows, hidden);
        scale(name, type, rows);
    };
    const smooth = (name, n_in) => {
        if (big === 'I8') add(`${name}.smooth`, 'F32', n_in);
    };
    const matrix = (name, n_in, n_out, type = big) => {
        if (type === 'I8') {
            add(`${name}.weight`, type, Math.ceil(n_out / 8), 2 * Math.ceil(n_in / 8), 8, 4);
        } else {
            add(`${name}.weight`, type, Math.ceil(n_out / 8), n_in, 8);
        }
        scale(name, type, n_out);
        add(`${name}.bias`, 'F32', n_out);
    };
    table('embeddings.word', big, encoder.vocab_size);
    table('embeddings.position', big, encoder.n_positions);
    if (encoder.n_token_types) table('embeddings.token_type', 'F32', encoder.n_token_types);
    norm('embeddings.norm');
    for (let i = 0; i < encoder.n_layers; i++) {
        smooth(`layers.${i}`, hidden);
        for (const name of ['query', 'key', 'value']) {
            matrix(`layers.${i}.attention.${name}`, hidden, hidden);
        }
        smooth(`layers.${i}.attention.output`, hidden);
        matrix(`layers.${i}.attention.output`, hidden, hidden);
        norm(`layers.${i}.attention.norm`);
        smooth(`layers.${i}.intermediate`, hidden);
        matrix(`layers.${i}.intermediate`, hidden, wide);
        smooth(`layers.${i}.output`, wide);
        matrix(`layers.${i}.output`, wide, hidden);
        norm(`layers.${i}.output.norm`);
    }
    if (encoder.pooler_activation !== 'none') {
        matrix('pooler', hidden, hidden, big === 'I8' ? 'F16' : big);
    }
    if (encoder.n_labels) matrix('classifier', hidden, encoder.n_labels, 'F32');
    return list;
}

/* ------------------------------------------------------------------------------ ONNX files -- */

/** A protobuf message: fields in order, [number, wire type, payload], payload BigInt or bytes. */
class Message {
    constructor(bytes = Buffer.alloc(0)) {
        this.fields = [];
        let at = 0;
        const varint = () => {
            let value = 0n;
            for (let shift = 0n; ; shift += 7n) {
                const byte = bytes[at++];
                value |= BigInt(byte & 127) << shift;
                if (byte < 128) return value;
            }
        };
        const take = (n) => bytes.subarray(at, (at += n));
        while (at < bytes.length) {
            const key = Number(varint());
            const wire = key & 7;
            this.fields.push([
                key >> 3,
                wire,
                wire === 0 ? varint() : take(wire === 2 ? Number(varint()) : wire === 5 ? 4 : 8),
            ]);
        }
    }

    /** @returns {any[]}  integers, or bytes */
    all(number) {
        return this.fields.filter(([n]) => n === number).map(([, , payload]) => payload);
    }

    texts(number) {
        return this.all(number).map(String);
    }

    text(number) {
        return this.texts(number)[0] ?? '';
    }

    /**
     * Replaces all fields of that number: numbers become varints, texts and bytes length-delimited.
     */
    set(number, ...values) {
        const at = this.fields.findIndex(([n]) => n === number);
        const others = this.fields.filter(([n]) => n !== number);
        others.splice(
            at < 0 ? others.length : at,
            0,
            ...values.map((value) =>
                typeof value === 'number'
                    ? [number, 0, BigInt(value)]
                    : [number, 2, Buffer.from(value)],
            ),
        );
        this.fields = others;
        return this;
    }

    bytes() {
        const parts = [];
        const varint = (value) => {
            const bytes = [];
            for (; value > 127n; value >>= 7n) bytes.push(Number(value & 127n) | 128);
            parts.push(Buffer.from([...bytes, Number(value)]));
        };
        for (const [number, wire, payload] of /** @type {any[][]} */ (this.fields)) {
            varint(BigInt((number << 3) | wire));
            if (wire === 0) {
                varint(payload);
                continue;
            }
            if (wire === 2) varint(BigInt(payload.length));
            parts.push(payload);
        }
        return Buffer.concat(parts);
    }
}

/* Field numbers of onnx.proto. */
const GRAPH = 7;
const [NODES, TENSORS, INPUTS, OUTPUTS] = [1, 5, 11, 12];
const NODE = { input: 1, output: 2, name: 3, op: 4, attribute: 5 };
const ATTRIBUTE = { name: 1, float: 2, int: 3, tensor: 5, graph: 6, ints: 8, type: 20 };
const TENSOR = { dims: 1, type: 2, floats: 4, name: 8, raw: 9, external: 13, location: 14 };
const TYPES = { float: 1, float16: 10, double: 11, bfloat16: 16 };

/** The bytes of an export after `change(nodes, tensors, graph)`, all of them Messages. */
function edited(name, change) {
    const model = new Message(readFileSync(fixture(name, 'model.onnx')));
    const graph = new Message(model.all(GRAPH)[0]);
    const lists = [NODES, TENSORS].map((number) =>
        graph.all(number).map((bytes) => new Message(bytes)),
    );
    change(...lists, graph);
    [NODES, TENSORS].forEach((number, i) =>
        graph.set(number, ...lists[i].map((message) => message.bytes())),
    );
    return model.set(GRAPH, graph.bytes()).bytes();
}

const node = (op, name, inputs, outputs, ...attributes) =>
    new Message()
        .set(NODE.input, ...inputs)
        .set(NODE.output, ...outputs)
        .set(NODE.name, name)
        .set(NODE.op, op)
        .set(NODE.attribute, ...attributes);

const nodesOf = (nodes, op, pattern = /./) =>
    nodes.filter((n) => n.text(NODE.op) === op && pattern.test(n.text(NODE.name)));

/** The tensor of a Constant node, to be changed by `change`. */
function editConstant(constant, change) {
    const attribute = new Message(constant.all(NODE.attribute)[0]);
    const tensor = new Message(attribute.all(ATTRIBUTE.tensor)[0]);
    change(tensor);
    constant.set(NODE.attribute, attribute.set(ATTRIBUTE.tensor, tensor.bytes()).bytes());
}

const lastLine = (text) => text.trimEnd().split('\n').at(-1);

const floatsOf = (tensor) => {
    const raw = tensor.all(TENSOR.raw)[0];
    return Array.from({ length: raw.length / 4 }, (_, i) => raw.readFloatLE(4 * i));
};
const rawFloats = (values) => Buffer.from(Float32Array.from(values).buffer);

/* -------------------------------------------------------------------------- what it writes -- */

const converted = {};
for (const name of Object.keys(FIXTURES)) {
    test(`${name}: f32 agrees with the reference, and the file keeps every rule`, (t) => {
        const { path, stderr } = convert(
            fixture(name),
            '--dtype',
            'f32',
            '--name',
            `${name} "quoted"`,
            '--revision',
            'r7',
        );
        assert.match(stderr, /tokenizer\.json/, 'says that there is no tokenizer');
        const verified = run('--verify', fixture(name, 'golden.json'), path);
        t.diagnostic(lastLine(verified.stdout));
        assert.equal(verified.status, 0, verified.stdout + verified.stderr);
        const golden = JSON.parse(readFileSync(fixture(name, 'golden.json'), 'utf8'));
        for (const output of golden.outputs) assert.match(verified.stdout, new RegExp(output));
        if (golden.trace) {
            for (const output of ['hidden_states', 'attentions']) {
                assert.match(verified.stdout, new RegExp(output));
            }
        }

        const { metadata, config, tensors } = (converted[name] = readModel(path));
        assert.equal(metadata.name, `${name} "quoted"`);
        assert.equal(metadata.revision, 'r7');
        assert.equal(metadata.dtype, 'f32');
        assert.equal(metadata.source_sha256, sha256(readFileSync(fixture(name, 'model.onnx'))));
        assert.equal(config.architecture, 'bert');
        const { layer_norm_eps, ...encoder } = config.encoder;
        const given = (/** @type {object} */ fields) =>
            Object.fromEntries(
                Object.entries(fields).filter(([, value]) => value !== 0 && value !== 'none'),
            );
        assert.deepEqual(
            given(encoder),
            given({
                ...FIXTURES[name],
                embedding_size: FIXTURES[name].hidden_size,
                n_layers: 2,
                n_positions: 64,
                n_token_types: 2,
                pooler_activation: 'tanh',
                integers: '7_bits',
            }),
        );
        assert.equal(Math.fround(layer_norm_eps), Math.fround(1e-12));
        assert.deepEqual(
            config.outputs,
            Object.fromEntries(golden.outputs.map((output) => [output, { output }])),
        );
        assert.equal(config.max_length, 64);
        assert.equal(config.problem_type, name === 'bert-regression' ? 'regression' : null);
        assert.equal(config.labels.length, encoder.n_labels);
        assert.deepEqual(
            Object.entries(tensors).map(([tensor, { dtype, shape }]) => [tensor, dtype, shape]),
            expectedTensors(config, 'f32'),
        );
    });

    /** @type {[string, number, number, number][]} */
    const small = [
        ['f16', 0.02, 0.5, 0.6],
        ['q8', 0.5, 0.25, 0.4],
        ['q7', 0.5, 0.25, 0.4],
    ];
    for (const [dtype, tolerance, least, most] of small) {
        test(`${name}: ${dtype} is small and near`, (t) => {
            const { path } = convert(fixture(name), '--dtype', dtype);
            const { config, tensors, metadata, data } = readModel(path);
            assert.equal(metadata.dtype, dtype);
            assert.deepEqual(
                Object.entries(tensors).map(([tensor, value]) => [
                    tensor,
                    value.dtype,
                    value.shape,
                ]),
                expectedTensors(config, dtype),
            );
            const ratio = data.length / converted[name].data.length;
            assert.ok(ratio > least && ratio < most, `${dtype} has ${ratio} of the bytes`);
            const near = run(
                '--verify',
                fixture(name, 'golden.json'),
                '--tolerance',
                String(tolerance),
                path,
            );
            t.diagnostic(lastLine(near.stdout));
            assert.equal(near.status, 0, near.stdout + near.stderr);
            const exact = run(
                '--verify',
                fixture(name, 'golden.json'),
                '--tolerance',
                '1e-6',
                path,
            );
            assert.equal(exact.status, 1, `${dtype} cannot agree to 1e-6`);
        });
    }
}

test('q8 is the default', () => {
    const { metadata } = readModel(convert(fixture('bert-seqcls5-odd')).path);
    assert.equal(metadata.dtype, 'q8');
});

/**
 * @param {string} dtype
 * @param {string} integers  of the config
 * @param {number} most_weight  the largest magnitude in a matrix
 */
function checkIntegers(dtype, integers, most_weight) {
    const { path } = convert(fixture('bert-seqcls5-odd'), '--dtype', dtype);
    const { config, tensors } = readModel(path);
    assert.equal(config.encoder.integers, integers);
    const floats = ({ bytes }) =>
        new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    /**
     * The factors by which a matrix's inputs are multiplied: query, key and value share the
     * layer's.
     */
    const smoothOf = (name) =>
        floats(tensors[name.replace(/(\.attention\.(query|key|value))?\.weight$/, '.smooth')]);
    for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
        if (dtype !== 'I8') continue;
        const scale = floats(tensors[name.replace('.weight', '.scale')]);
        const exact = floats(converted['bert-seqcls5-odd'].tensors[name]);
        const integers = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
        const largest = new Int32Array(scale.length);
        const is_matrix = shape.length === 4;
        const smooth = is_matrix ? smoothOf(name) : [];
        const is_zero = Array(scale.length).fill(true);
        integers.forEach((integer, i) => {
            const quads = shape[1];
            const input = is_matrix ? (Math.floor(i / 32) % quads) * 4 + (i % 4) : 0;
            const column = is_matrix
                ? Math.floor(i / 32 / quads) * 8 + (Math.floor(i / 4) % 8)
                : Math.floor(i / shape[1]);
            if (column >= scale.length || (is_matrix && input >= smooth.length)) {
                return assert.equal(
                    integer,
                    0,
                    `${name}: what lies past the last input and column is zero`,
                );
            }
            const weight = is_matrix
                ? exact[(Math.floor(column / 8) * smooth.length + input) * 8 + (column % 8)] /
                  smooth[input]
                : exact[i];
            largest[column] = Math.max(largest[column], Math.abs(integer));
            is_zero[column] &&= weight === 0;
            const error = Math.abs(integer * scale[column] - weight);
            assert.ok(
                error <= scale[column] * 0.5001,
                `${name}[${i}] is ${error} off with a scale of ${scale[column]}`,
            );
        });
        // The row of the padding token is all zeros.
        const most = is_matrix ? most_weight : 127;
        assert.ok(
            largest.every((integer, column) => integer === (is_zero[column] ? 0 : most)),
            `${name} uses the whole range`,
        );
    }
}

test('q8 and q7 are symmetric per column and per row, and as near as rounding allows', () => {
    checkIntegers('q8', '8_bits', 127);
    checkIntegers('q7', '7_bits', 63);
});

/** What bert_q4_expand() of core/bert.h makes of the units of a tensor. */
function expandQ4({ shape: [n_rows, n_groups, unit], bytes }) {
    const n_columns = unit / 17;
    const n = 32 * n_columns;
    return Int8Array.from({ length: n_rows * n_groups * n }, (_, i) => {
        const start = Math.floor(i / n) * unit;
        const at = i % n;
        const byte = bytes[start + n_columns + (at >> 5) * 16 + (at % 16)];
        return (
            ((at % 32 < 16 ? byte & 15 : byte >> 4) - 8) *
            bytes[start + (n_columns === 1 ? 0 : (at >> 2) % 8)]
        );
    });
}

/**
 * The root of the mean square of what is left of a file's matrices and tables after taking the f32
 * ones away, in parts of theirs.
 */
function errorOf(model, exact) {
    const copy = ({ bytes }) => Uint8Array.from(bytes).buffer;
    let error = 0;
    let size = 0;
    for (const [name, tensor] of Object.entries(model.tensors)) {
        const is_q4 = name.endsWith('.q4');
        if (!is_q4 && tensor.dtype !== 'I8') continue;
        const base = name.replace(/\.(q4|weight)$/, '');
        const floats = (key) => new Float32Array(copy(model.tensors[key]));
        const integers = is_q4 ? expandQ4(tensor) : new Int8Array(copy(tensor));
        const scale = floats(`${base}.scale`);
        const wanted = exact.tensors[`${base}.weight`];
        const values = new Float32Array(copy(wanted));
        const is_matrix = wanted.shape.length === 3;
        const smooth = is_matrix
            ? floats(`${base.replace(/\.attention\.(query|key|value)$/, '')}.smooth`)
            : null;
        const [, n_in] = wanted.shape;
        values.forEach((value, i) => {
            const column = is_matrix
                ? Math.floor(i / n_in / 8) * 8 + (i % 8)
                : Math.floor(i / n_in);
            if (column >= scale.length) return;
            const k = Math.floor(i / 8) % n_in;
            const quads = Math.ceil(n_in / 8) * 2;
            const at = is_matrix
                ? ((Math.floor(column / 8) * quads + (k >> 2)) * 8 + (column % 8)) * 4 + (k % 4)
                : i;
            const got = integers[at] * scale[column] * (smooth ? smooth[k] : 1);
            error += (got - value) ** 2;
            size += value ** 2;
        });
    }
    return Math.sqrt(error / size);
}

test('q4 has whole groups in 4 bits, the rest in 8, and is as near as 4 bits allow', () => {
    for (const [name, n_8bit] of [
        ['bert-seqcls', 0],
        ['bert-seqcls5-odd', 2],
    ]) {
        const { path } = convert(fixture(name), '--dtype', 'q4');
        const model = readModel(path);
        assert.equal(model.metadata.dtype, 'q4');
        const units = Object.entries(model.tensors).filter(([tensor]) => tensor.endsWith('.q4'));
        for (const [tensor, { dtype, shape, bytes }] of units) {
            assert.equal(dtype, 'U8', tensor);
            const n_columns = shape[2] === 17 ? 1 : 8;
            for (let i = 0; i < bytes.length; i++) {
                if (i % shape[2] < n_columns) {
                    assert.ok(
                        (bytes[i] >= 1 && bytes[i] <= 18) || bytes[i] === 0,
                        `${tensor}: multiplier ${bytes[i]}`,
                    );
                }
            }
            assert.ok(
                expandQ4({ shape, bytes }).every((integer) => Math.abs(integer) <= 127),
                `${tensor} has integers out of range`,
            );
        }
        // The output's 200 inputs of the odd model are in no whole groups.
        assert.equal(
            Object.values(model.tensors).filter(({ dtype }) => dtype === 'I8').length,
            n_8bit,
        );
        const error = errorOf(model, converted[name]);
        const error8 = errorOf(readModel(convert(fixture(name)).path), converted[name]);
        assert.ok(error < 0.11 && error > 2 * error8, `${name}: q4 is ${error} off, q8 ${error8}`);
        const near = run('--verify', fixture(name, 'golden.json'), '--tolerance', '3', path);
        assert.equal(near.status, 0, near.stdout + near.stderr);
    }
});

// That factors cost their products no more than none where they are measured, test_smooth.c tests.
test('--calibrate brings 4 bits, whose rounding it compensates, nearer to the reference', () => {
    /** Of the last hidden states: the largest errors of the cases, added up. */
    const errorsOf = (...options) => {
        const { path } = convert(fixture('bert-base'), ...options);
        const { stdout, status } = run(
            '--verify',
            fixture('bert-base', 'golden.json'),
            '--tolerance',
            '9',
            path,
        );
        assert.equal(status, 0, stdout);
        return [...stdout.matchAll(/last_hidden_state +error ([\d.e-]+)/g)].reduce(
            (sum, [, error]) => sum + Number(error),
            0,
        );
    };
    const texts = join(folder(), 'texts.jsonl');
    let seed = 1;
    const random = () => (seed = (seed * 48271) % 2147483647);
    writeFileSync(
        texts,
        Array.from(
            { length: 40 },
            () => `${JSON.stringify({ ids: Array.from({ length: 30 }, () => random() % 1000) })}\n`,
        ).join(''),
    );
    const with_texts = errorsOf('--dtype', 'q4', '--calibrate', texts);
    const without = errorsOf('--dtype', 'q4');
    assert.ok(with_texts < without, `${with_texts} off with texts, ${without} without`);
    for (const dtype of ['q8', 'q7']) {
        const convertOnce = (...options) =>
            readFileSync(convert(fixture('bert-base'), '--dtype', dtype, ...options).path);
        const bytes = convertOnce('--calibrate', texts);
        const same = 'the same texts give the same bytes';
        assert.deepEqual(bytes, convertOnce('--calibrate', texts), same);
        assert.notDeepEqual(bytes, convertOnce(), 'the texts count');
    }
});

test('calibration texts that cannot be used are refused by line', () => {
    const with_texts = (content) => {
        const path = join(folder(), 'texts.jsonl');
        writeFileSync(path, content);
        return ['--calibrate', path];
    };
    const refused = (content, message) =>
        refuse(fixture('bert-base'), message, ...with_texts(content));
    refused('', /texts\.jsonl: has no text/);
    refused('\n  \n', /texts\.jsonl: has no text/);
    refused('{"ids":[1,2]}\n{"ids":[1,', /line 2: expected an object with `ids`/);
    refused('{"text":"not tokenized"}', /line 1: expected an object with `ids`/);
    refused('{"ids":[]}', /line 1: expected/);
    refused('{"ids":[1,-2]}', /line 1: expected/);
    refused('{"ids":[1,2.5]}', /line 1: expected/);
    refused('{"ids":[1,2],"type_ids":[0]}', /line 1: expected/);
    refused(
        '{"ids":[1,1000]}',
        /line 1: a token id is not in the vocabulary: ids \(1000, limit 1000\)/,
    );
    refuse(fixture('bert-base'), /cannot be opened/, '--calibrate', join(folder(), 'none.jsonl'));
    assert.equal(
        run(
            fixture('bert-base'),
            '-o',
            join(folder(), 'x'),
            '--dtype',
            'f32',
            ...with_texts('{"ids":[1]}'),
        ).status,
        2,
    );
});

test('f16 is rounded to the nearest, ties to even', () => {
    // 1 + 2^-11 is a tie below, 1 + 3 * 2^-11 a tie above; 2^-25 is a tie with zero; then a
    // subnormal.
    const values = [
        1 + 2 ** -11,
        1 + 3 * 2 ** -11,
        1 + 2 ** -11 + 2 ** -20,
        2 ** -25,
        2 ** -25 * 1.001,
        -3 * 2 ** -24,
        65504,
        -65519,
    ];
    const expected = [0x3c00, 0x3c02, 0x3c01, 0, 1, 0x8003, 0x7bff, 0xfbff];
    const set = (list) =>
        edited('bert-seqcls', (_nodes, tensors) => {
            const table = tensors.find((tensor) =>
                tensor.text(TENSOR.name).endsWith('word_embeddings.weight'),
            );
            table.set(
                TENSOR.raw,
                Buffer.concat([
                    rawFloats(list),
                    table.all(TENSOR.raw)[0].subarray(4 * list.length),
                ]),
            );
        });
    const { tensors } = readModel(
        convert(modelFolder('bert-seqcls', { 'model.onnx': set(values) }), '--dtype', 'f16').path,
    );
    const { bytes } = tensors['embeddings.word.weight'];
    assert.deepEqual(
        values.map((_, i) => bytes.readUInt16LE(2 * i)),
        expected,
    );
    refuse(
        modelFolder('bert-seqcls', { 'model.onnx': set([65520]) }),
        /word_embeddings|embeddings\.word/,
        '--dtype',
        'f16',
    );
});

test('a row of zeros gets a scale that can be used', () => {
    const model = edited('bert-seqcls', (_nodes, tensors) => {
        const table = tensors.find((tensor) =>
            tensor.text(TENSOR.name).endsWith('word_embeddings.weight'),
        );
        table.set(
            TENSOR.raw,
            Buffer.concat([Buffer.alloc(256), table.all(TENSOR.raw)[0].subarray(256)]),
        );
    });
    const { path } = convert(modelFolder('bert-seqcls', { 'model.onnx': model }));
    const { tensors } = readModel(path);
    assert.ok(tensors['embeddings.word.scale'].bytes.readFloatLE(0) > 0);
    assert.equal(
        run('--verify', fixture('bert-seqcls', 'golden.json'), '--tolerance', '100', path).status,
        0,
    );
});

test('a tokenizer travels first, byte for byte', () => {
    const tokenizer = '{ "model": {"vocab": {"ü": 0}},\n "odd spacing" : true}\n';
    const { path, stderr } = convert(
        modelFolder('bert-seqcls', { 'tokenizer.json': tokenizer }),
        '--dtype',
        'f32',
    );
    const { tensors } = readModel(path);
    assert.equal(Object.keys(tensors)[0], 'tokenizer.json');
    assert.equal(tensors['tokenizer.json'].dtype, 'U8');
    assert.equal(String(tensors['tokenizer.json'].bytes), tokenizer);
    assert.doesNotMatch(stderr, /tokenizer\.json/);
});

test('the folder above onnx/ is looked into; a file can be named instead of its folder', () => {
    const path = modelFolder('bert-seqcls', { 'model.onnx': null, 'tokenizer.json': '{}' });
    mkdirSync(join(path, 'onnx'));
    copyFileSync(fixture('bert-seqcls', 'model.onnx'), join(path, 'onnx/model.onnx'));
    const { data } = readModel(convert(join(path, 'onnx/model.onnx')).path);
    const beside = modelFolder('bert-seqcls', { 'tokenizer.json': '{}' });
    assert.deepEqual(readModel(convert(beside).path).data, data);
    assert.deepEqual(readModel(convert(join(beside, 'model.onnx')).path).data, data);
});

test('labels and lengths come from the JSON files', () => {
    const config = JSON.parse(readFileSync(fixture('bert-seqcls', 'config.json'), 'utf8'));
    const read = (files) => readModel(convert(modelFolder('bert-seqcls', files)).path).config;
    assert.deepEqual(
        read({ 'config.json': { ...config, id2label: { 1: 'yes "é"', 0: 'no' } } }).labels,
        ['no', 'yes "é"'],
    );
    assert.deepEqual(read({}).labels, ['LABEL_0', 'LABEL_1']);
    assert.equal(
        read({ 'tokenizer_config.json': '{"model_max_length": 1000000000000000019884624838656}' })
            .max_length,
        64,
    );
    assert.equal(read({ 'tokenizer_config.json': { model_max_length: 32 } }).max_length, 32);
});

/* ----------------------------------------------------------- what does not change the model -- */

/** Asserts that an edited export gives the same weights and config as the export itself. */
function same(name, change, files = {}) {
    const { path, stderr } = convert(
        modelFolder(name, { ...files, 'model.onnx': edited(name, change) }),
        '--dtype',
        'f32',
    );
    const { data, config, header } = readModel(path);
    assert.deepEqual(header, converted[name].header);
    assert.ok(data.equals(converted[name].data), 'the same weights');
    return { path, stderr, config };
}

/** New names for every value, node and tensor, but for the graph's inputs. */
function rename(nodes, tensors, graph) {
    const inputs = graph.all(INPUTS).map((bytes) => new Message(bytes).text(1));
    const names = new Map();
    const renamed = (name) => {
        if (!name || inputs.includes(name)) return name;
        if (!names.has(name)) names.set(name, `x${(names.size * 7919) % 100003}`);
        return names.get(name);
    };
    for (const tensor of tensors) tensor.set(TENSOR.name, renamed(tensor.text(TENSOR.name)));
    for (const [i, n] of nodes.entries()) {
        n.set(NODE.input, ...n.texts(NODE.input).map(renamed));
        n.set(NODE.output, ...n.texts(NODE.output).map(renamed));
        n.set(NODE.name, `n${i}`);
    }
    graph.set(
        OUTPUTS,
        ...graph.all(OUTPUTS).map((bytes) => {
            const output = new Message(bytes);
            return output.set(1, renamed(output.text(1))).bytes();
        }),
    );
    return names;
}

for (const name of Object.keys(FIXTURES)) {
    test(`${name}: names of nodes, values and tensors do not matter`, () => {
        let names;
        const { config } = same(name, (...parts) => {
            names = rename(...parts);
        });
        const outputs = Object.fromEntries(
            Object.entries(converted[name].config.outputs).map(([onnx, core]) => [
                names.get(onnx),
                core,
            ]),
        );
        assert.deepEqual(config.outputs, outputs);
    });
}

test('the order of operands of Add and Mul does not matter', () => {
    for (const name of ['bert-seqcls', 'bert-regression']) {
        same(name, (nodes) => {
            for (const n of nodes) {
                if (['Add', 'Mul'].includes(n.text(NODE.op))) {
                    n.set(NODE.input, ...n.texts(NODE.input).reverse());
                }
            }
        });
    }
});

test('Identity nodes anywhere do not matter', () => {
    same('bert-seqcls', (nodes) => {
        for (const n of [...nodes]) {
            if (n.text(NODE.op) === 'Constant') continue;
            const inputs = n.texts(NODE.input).map((input, i) => {
                const name = `${input}/same/${nodes.length}/${i}`;
                nodes.splice(nodes.indexOf(n), 0, node('Identity', name, [input], [name]));
                return name;
            });
            n.set(NODE.input, ...inputs);
        }
    });
});

test('outputs may come in any order, or one alone', () => {
    const reversed = same('bert-base', (_nodes, _tensors, graph) =>
        graph.set(OUTPUTS, ...graph.all(OUTPUTS).reverse()),
    );
    assert.deepEqual(reversed.config.outputs, converted['bert-base'].config.outputs);
    for (const kept of ['last_hidden_state', 'pooler_output']) {
        const model = edited('bert-base', (_nodes, _tensors, graph) =>
            graph.set(
                OUTPUTS,
                ...graph.all(OUTPUTS).filter((bytes) => new Message(bytes).text(1) === kept),
            ),
        );
        const { config } = readModel(
            convert(modelFolder('bert-base', { 'model.onnx': model })).path,
        );
        assert.deepEqual(config.outputs, { [kept]: { output: kept } });
        assert.equal(config.encoder.pooler_activation, kept === 'pooler_output' ? 'tanh' : 'none');
    }
});

test('weights may be stored as float_data, double, bfloat16 or float16', () => {
    same('bert-seqcls', (_nodes, tensors) => {
        tensors.forEach((tensor, i) => {
            const values = floatsOf(tensor);
            if (i % 2) {
                tensor.set(TENSOR.raw).set(TENSOR.floats, rawFloats(values));
            } else {
                tensor
                    .set(TENSOR.type, TYPES.double)
                    .set(TENSOR.raw, Buffer.from(Float64Array.from(values).buffer));
            }
        });
    });
    // Three bits of fraction and exponents near 0 fit all three types.
    const bits = (value) =>
        (Math.abs(value) < 2 ** -12 ? 0 : rawFloats([value]).readUInt32LE() & 0xfff00000) >>> 0;
    const half = (x) =>
        x === 0
            ? 0
            : ((x >>> 16) & 0x8000) | ((((x >>> 23) & 255) - 112) << 10) | ((x >>> 13) & 1023);
    const stored = (type, write) => {
        const model = edited('bert-seqcls', (_nodes, tensors) => {
            for (const tensor of tensors) {
                tensor
                    .set(TENSOR.type, type)
                    .set(TENSOR.raw, Buffer.concat(floatsOf(tensor).map((v) => write(bits(v)))));
            }
        });
        return readModel(
            convert(modelFolder('bert-seqcls', { 'model.onnx': model }), '--dtype', 'f32').path,
        ).data;
    };
    const u16 = (x) => Buffer.from([x & 255, x >>> 8]);
    const expected = stored(TYPES.float, (x) => Buffer.from(Uint32Array.of(x).buffer));
    assert.ok(stored(TYPES.bfloat16, (x) => u16(x >>> 16)).equals(expected));
    assert.ok(stored(TYPES.float16, (x) => u16(half(x))).equals(expected));
});

/**
 * Moves all weights to files beside the model; `entries` may spoil what is said about one of them.
 */
function external(entries = {}) {
    const parts = [];
    let offset = 0;
    const model = edited('bert-seqcls', (_nodes, tensors) => {
        for (const [i, tensor] of tensors.entries()) {
            const raw = tensor.all(TENSOR.raw)[0];
            const said = {
                location: 'model.onnx_data',
                offset: String(offset),
                length: String(raw.length),
                ...(i === 3 ? entries : {}),
            };
            const pairs = Object.entries(said).map(([key, value]) =>
                new Message().set(1, key).set(2, value).bytes(),
            );
            tensor
                .set(TENSOR.raw)
                .set(TENSOR.location, 1)
                .set(TENSOR.external, ...pairs);
            parts.push(raw, Buffer.alloc(-raw.length & 15));
            offset += raw.length + (-raw.length & 15);
        }
    });
    return { 'model.onnx': model, 'model.onnx_data': Buffer.concat(parts) };
}
const SPOILT_TENSOR = /bert\.embeddings\.LayerNorm\.weight/; // the export's fourth

test('weights may lie in an external file', () => {
    const { path } = convert(modelFolder('bert-seqcls', external()), '--dtype', 'f32');
    assert.ok(readModel(path).data.equals(converted['bert-seqcls'].data));
});

test('external data that is not there, or not in the folder, is refused', () => {
    const spoilt = {
        '../': { location: '../model.onnx_data' },
        'a path through the folder and out': { location: 'x/../../model.onnx_data' },
        'an absolute path': { location: '/etc/hostname' },
        'an offset past the end': { offset: '999999999' },
        'an offset that wraps': { offset: '18446744073709551600' },
        'a negative offset': { offset: '-256' },
        'an offset that is no number': { offset: '12 apples' },
        'a length that differs': { length: '4' },
        'no such file': { location: 'other.onnx_data' },
        'a folder': { location: '.' },
        'a link out of the folder': { location: 'link' },
        'a name of a thousand letters': { location: 'x'.repeat(1000) },
        'an empty name': { location: '' },
    };
    for (const [what, entries] of Object.entries(spoilt)) {
        const path = modelFolder('bert-seqcls', external(entries));
        writeFileSync(join(path, '../model.onnx_data'), Buffer.alloc(1 << 16));
        symlinkSync('/etc/hostname', join(path, 'link'));
        const stderr = refuse(path, SPOILT_TENSOR);
        assert.ok(stderr.length > 20, what);
    }
    const { 'model.onnx_data': data, ...files } = external();
    refuse(
        modelFolder('bert-seqcls', { ...files, 'model.onnx_data': data.subarray(0, -64) }),
        /classifier|onnx::MatMul/,
    );
    refuse(modelFolder('bert-seqcls', files), /model\.onnx_data/);
});

/* ------------------------------------------------------------------- graph against config -- */

test('without config.json the graph says everything', () => {
    for (const name of Object.keys(FIXTURES)) {
        const { path } = convert(modelFolder(name, { 'config.json': null }), '--dtype', 'f32');
        const { data, config } = readModel(path);
        assert.ok(data.equals(converted[name].data));
        assert.deepEqual(config.encoder, converted[name].config.encoder);
        assert.equal(run('--verify', fixture(name, 'golden.json'), path).status, 0);
    }
});

test('where graph and config.json disagree, the graph wins and it is said', () => {
    const config = JSON.parse(readFileSync(fixture('bert-seqcls', 'config.json'), 'utf8'));
    for (const [field, value] of Object.entries({
        num_attention_heads: 8,
        layer_norm_eps: 1e-5,
        hidden_act: 'gelu_new',
        num_hidden_layers: 3,
    })) {
        const { path, stderr } = convert(
            modelFolder('bert-seqcls', { 'config.json': { ...config, [field]: value } }),
            '--dtype',
            'f32',
        );
        assert.match(stderr, new RegExp(field), `${field} is said`);
        assert.deepEqual(readModel(path).config, converted['bert-seqcls'].config);
    }
    const { stderr } = convert(fixture('bert-seqcls'));
    assert.doesNotMatch(stderr, /num_attention_heads|layer_norm_eps|hidden_act|num_hidden_layers/);
});

test('an epsilon is read from the graph', () => {
    const change = (value, pattern) =>
        edited('bert-seqcls', (nodes) => {
            for (const n of nodesOf(nodes, 'Constant', pattern)) {
                editConstant(n, (tensor) => tensor.set(TENSOR.raw, rawFloats([value])));
            }
        });
    const { path, stderr } = convert(
        modelFolder('bert-seqcls', { 'model.onnx': change(1e-5, /LayerNorm\/Constant_1$/) }),
    );
    assert.equal(Math.fround(readModel(path).config.encoder.layer_norm_eps), Math.fround(1e-5));
    assert.match(stderr, /layer_norm_eps/);
    refuse(
        modelFolder('bert-seqcls', {
            'model.onnx': change(1e-5, /layer\.1.*output\/LayerNorm\/Constant_1$/),
        }),
        /eps/i,
    );
});

test('a token type that is always the same is a row of the table, counted from either end', () => {
    const always = (type) =>
        edited('bert-seqcls', (nodes) => {
            const tensor = new Message()
                .set(TENSOR.dims, 1)
                .set(TENSOR.type, 7)
                .set(TENSOR.raw, Buffer.from(BigInt64Array.of(BigInt(type)).buffer));
            const value = new Message()
                .set(ATTRIBUTE.name, 'value')
                .set(ATTRIBUTE.tensor, tensor.bytes())
                .set(ATTRIBUTE.type, 4)
                .bytes();
            const [gather] = nodesOf(nodes, 'Gather', /token_type_embeddings/);
            gather.set(NODE.input, gather.texts(NODE.input)[0], 'types');
            nodes.unshift(
                node('Shape', 'my/Shape', ['input_ids'], ['shape']),
                node('ConstantOfShape', 'my/types', ['shape'], ['types'], value),
            );
        });
    const data = (type) =>
        readModel(
            convert(modelFolder('bert-seqcls', { 'model.onnx': always(type) }), '--dtype', 'f32')
                .path,
        ).data;
    assert.deepEqual(data(-1), data(1));
    assert.notDeepEqual(data(0), data(1));
    for (const type of [2, -3])
        refuse(
            modelFolder('bert-seqcls', { 'model.onnx': always(type) }),
            /index -?\d is outside a dimension of 2/,
        );
});

/* ---------------------------------------------------------------------- what it cannot read -- */

test('a graph with other factors gives a model with those, not the usual one', () => {
    const changes = {
        'scores divided by 5': (nodes) =>
            editConstant(
                nodesOf(nodes, 'Constant', /layer\.0\/attention\/self\/Constant_12$/)[0],
                (tensor) => tensor.set(TENSOR.raw, rawFloats([5])),
            ),
        'Gemm with alpha 2': (nodes) => {
            const [gemm] = nodesOf(nodes, 'Gemm', /pooler/);
            gemm.set(
                NODE.attribute,
                ...gemm.all(NODE.attribute).map((bytes) => {
                    const a = new Message(bytes);
                    if (a.text(ATTRIBUTE.name) !== 'alpha') return bytes;
                    a.fields = a.fields.map((f) =>
                        f[0] === ATTRIBUTE.float ? [f[0], 5, rawFloats([2])] : f,
                    );
                    return a.bytes();
                }),
            );
        },
    };
    for (const [what, change] of Object.entries(changes)) {
        const path = modelFolder('bert-seqcls', { 'model.onnx': edited('bert-seqcls', change) });
        // That it gives what the graph does is proved by the converter itself.
        const { data } = readModel(convert(path, '--dtype', 'f32').path);
        assert.notDeepEqual(data, converted['bert-seqcls'].data, what);
    }
});

/** The entry of an output in a graph's list: a name, and no type. */
const outputOf = (name) => new Message().set(1, name).bytes();

test("an export may give back all its values: what is an encoder's stays as it was", () => {
    for (const name of [
        'albert-pretraining',
        'bert-base-states',
        'bert-qa',
        'bert-sentence-dense-outputs',
        'bert-seqcls-fused-rawmask',
        'bert-seqcls-int8',
        'bert-seqcls-softmax',
        'deberta-v2-conv-seqcls',
        'distilbert-mlm',
        'distilbert-sentence-mean-dense-norm-only',
        'mpnet-base',
        'roberta-seqcls-dynamo',
    ]) {
        const plain = readModel(convert(fixture(name), '--dtype', 'f32').path);
        const model = edited(name, (nodes, _tensors, graph) => {
            const own = graph.all(OUTPUTS).map((bytes) => new Message(bytes).text(1));
            const inputs = graph.all(INPUTS).map((bytes) => new Message(bytes).text(1));
            const values = nodes.flatMap((n) => n.texts(NODE.output)).filter(Boolean);
            const others = new Set([...inputs, ...values].filter((value) => !own.includes(value)));
            graph.set(OUTPUTS, ...[...others].map(outputOf), ...graph.all(OUTPUTS));
        });
        const { path, stderr } = convert(
            modelFolder(name, { 'model.onnx': model }),
            '--dtype',
            'f32',
        );
        assert.match(stderr, /outputs that are left out: .*'input_ids': an input; /);
        assert.equal(/; and \d+ more\n/.test(stderr), !name.includes('fused'), 'few are listed');
        const all = readModel(path);
        for (const [output, what] of Object.entries(plain.config.outputs)) {
            assert.deepEqual(all.config.outputs[output], what, `${name}: ${output}`);
        }
        for (const [tensor, { bytes }] of Object.entries(plain.tensors)) {
            assert.deepEqual(all.tensors[tensor].bytes, bytes, `${name}: ${tensor}`);
        }
        const kept = new Set(Object.values(all.config.outputs).map(({ output }) => output));
        assert.ok(kept.has('hidden_states'), name);
        assert.equal(kept.has('attentions'), !name.includes('fused'), name);
    }
});

test('--output chooses among the outputs of a graph', () => {
    const said = /outputs that are left out/;
    const choose = (name, ...outputs) => {
        const { path, stderr } = convert(
            fixture(name),
            '--dtype',
            'f32',
            ...outputs.flatMap((output) => ['--output', output]),
        );
        assert.doesNotMatch(stderr, said, 'nothing is left out of what was chosen');
        return readModel(path);
    };
    assert.match(convert(fixture('roberta-tokcls-outputs')).stderr, said);
    const { config } = choose('roberta-tokcls-outputs', 'logits');
    assert.deepEqual(config.outputs, { logits: { output: 'token_logits' } });
    assert.deepEqual(choose('bert-pretraining', 'seq_relationship_logits').config.outputs, {
        seq_relationship_logits: { output: 'logits' },
    });
    for (const tensor of Object.keys(choose('bert-base', 'last_hidden_state').tensors)) {
        assert.doesNotMatch(tensor, /pooler/);
    }
    // In the order of the graph, however often and in whatever order they were named.
    assert.deepEqual(
        Object.keys(
            choose('bert-base', 'pooler_output', 'last_hidden_state', 'pooler_output').config
                .outputs,
        ),
        ['last_hidden_state', 'pooler_output'],
    );
    // What stands on no output that was chosen is not there.
    const first = choose('bert-base-states', 'hidden_states.1');
    assert.equal(first.config.encoder.n_layers, 1);
    assert.deepEqual(first.config.outputs, { 'hidden_states.1': { output: 'last_hidden_state' } });
});

test("a chosen output that is not there, or that is no encoder's, is refused", () => {
    const source = fixture('roberta-tokcls-outputs');
    refuse(
        source,
        /the graph has no output 'logit'; it has .*'mask'.*'logits'/,
        '--output',
        'logit',
    );
    for (const [output, why] of [
        ['ids', 'an input'],
        ['ids_float', "made before the encoder's end"],
        ['mask_extended', 'made of shapes and the mask alone'],
        ['best', 'not floats'],
        ['top_logits', "node '[^']+TopK': operator 'TopK' is not supported"],
        ['entropy', "node '[^']+' \\(op ReduceSum\\): expected logits"],
    ]) {
        refuse(
            source,
            new RegExp(`a chosen output is not an encoder's: '${output}': ${why}`),
            '--output',
            'logits',
            '--output',
            output,
        );
    }
});

test('an export without any output of an encoder is refused, saying what each is', () => {
    const model = edited('roberta-tokcls-outputs', (_nodes, _tensors, graph) =>
        graph.set(
            OUTPUTS,
            ...graph.all(OUTPUTS).filter((bytes) => new Message(bytes).text(1) !== 'logits'),
        ),
    );
    const stderr = refuse(
        modelFolder('roberta-tokcls-outputs', { 'model.onnx': model }),
        /none of the graph's outputs is an encoder's: 'ids': an input; /,
    );
    const { left_out } = JSON.parse(
        readFileSync(fixture('roberta-tokcls-outputs', 'golden.json'), 'utf8'),
    );
    assert.ok(left_out.length > 10);
    for (const output of left_out) assert.ok(stderr.includes(`'${output}': `), output);
});

test('a head that cannot be read is left out; half an encoder is refused', () => {
    const replaced = (name, pattern, op) =>
        modelFolder(name, {
            'model.onnx': edited(name, (nodes) => {
                const found = nodes.filter((n) => pattern.test(n.text(NODE.name)));
                assert.equal(found.length, 1, String(pattern));
                found[0].set(NODE.op, op);
            }),
        });
    for (const op of ['Sqrt', 'Erf', 'Unheard']) {
        const pooler = replaced('bert-base', /pooler\/activation\/Tanh/, op);
        const { path, stderr } = convert(pooler, '--dtype', 'f32');
        assert.match(stderr, /outputs that are left out: 'pooler_output': node '/);
        const { config, tensors } = readModel(path);
        assert.deepEqual(config.outputs, { last_hidden_state: { output: 'last_hidden_state' } });
        assert.ok(!('pooler.weight' in tensors));
        refuse(pooler, /pooler/, '--output', 'pooler_output');
    }
    // Of these the first layer could be read, whose states are an output too.
    for (const op of ['Abs', 'Erf', 'Unheard']) {
        for (const place of ['output/LayerNorm/Sqrt', 'attention/self/Softmax']) {
            refuse(
                replaced('bert-base-states', new RegExp(`layer\\.1/${place}$`), op),
                /node '[^']*layer\.1[^']*'/,
            );
        }
    }
});

test('a graph that computes something else is refused, naming the node', () => {
    const constant = (pattern, value) => (nodes) => {
        const [n] = nodesOf(nodes, 'Constant', pattern);
        editConstant(n, (tensor) => tensor.set(TENSOR.raw, rawFloats([value])));
    };
    const attribute =
        (op, pattern, name, number, ...values) =>
        (nodes) => {
            const [n] = nodesOf(nodes, op, pattern);
            n.set(
                NODE.attribute,
                ...n.all(NODE.attribute).map((bytes) => {
                    const a = new Message(bytes);
                    return a.text(ATTRIBUTE.name) === name
                        ? a.set(number, ...values).bytes()
                        : bytes;
                }),
            );
        };
    const changes = {
        'GELU divides by 1.5': constant(/layer\.0\/intermediate.*\/Constant$/, 1.5),
        'GELU adds 2': constant(/layer\.0\/intermediate.*\/Constant_1$/, 2),
        'GELU halves by 0.6': constant(/layer\.1\/intermediate.*\/Constant_2$/, 0.6),
        'variance as a cube': constant(/layer\.1\/output\/LayerNorm\/Constant$/, 3),
        'heads not transposed': attribute(
            'Transpose',
            /layer\.0\/attention\/self\/Transpose$/,
            'perm',
            ATTRIBUTE.ints,
            0,
            1,
            2,
            3,
        ),
        'context not transposed back': attribute(
            'Transpose',
            /layer\.1\/attention\/self\/Transpose_3$/,
            'perm',
            ATTRIBUTE.ints,
            0,
            1,
            2,
            3,
        ),
        'Softmax over queries': attribute('Softmax', /layer\.0/, 'axis', ATTRIBUTE.int, 2),
        'mean over tokens': attribute('ReduceMean', /layer\.0\/output/, 'axes', ATTRIBUTE.ints, 1),
        'the second token is pooled': (nodes) => {
            const [gather] = nodesOf(nodes, 'Gather', /pooler/);
            const [index] = nodes.filter((n) =>
                n.texts(NODE.output).includes(gather.texts(NODE.input)[1]),
            );
            editConstant(index, (tensor) =>
                tensor.set(TENSOR.raw, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0])),
            );
        },
        'query and key of other layers': (nodes) => {
            const [key] = nodesOf(nodes, 'MatMul', /layer\.1\/attention\/self\/key/);
            const [query] = nodesOf(nodes, 'MatMul', /layer\.0\/attention\/self\/query/);
            key.set(NODE.input, query.texts(NODE.input)[0], key.texts(NODE.input)[1]);
        },
        'no residual': (nodes) => {
            const [add] = nodesOf(nodes, 'Add', /layer\.0\/output\/Add$/);
            add.set(NODE.input, add.texts(NODE.input)[0], add.texts(NODE.input)[0]);
        },
        'a residual from too early': (nodes) => {
            const [add] = nodesOf(nodes, 'Add', /layer\.1\/output\/Add$/);
            add.set(
                NODE.input,
                add.texts(NODE.input)[0],
                '/bert/embeddings/LayerNorm/Add_1_output_0',
            );
        },
        'no mask': (nodes) => {
            const [softmax] = nodesOf(nodes, 'Softmax', /layer\.0/);
            softmax.set(NODE.input, '/bert/encoder/layer.0/attention/self/Div_output_0');
        },
        'Relu where GELU was, in one layer': (nodes) => {
            const [matmul] = nodesOf(nodes, 'MatMul', /layer\.0\/output\/dense/);
            nodes.splice(
                nodes.indexOf(matmul),
                0,
                node(
                    'Relu',
                    'my/Relu',
                    ['/bert/encoder/layer.0/intermediate/dense/Add_output_0'],
                    ['r'],
                ),
            );
            matmul.set(NODE.input, 'r', matmul.texts(NODE.input)[1]);
        },
    };
    for (const [what, change] of Object.entries(changes)) {
        const path = modelFolder('bert-seqcls', { 'model.onnx': edited('bert-seqcls', change) });
        const stderr = refuse(path, /node '[^']+' \(op \w+\)|node '[^']+'/);
        assert.ok(stderr.includes("node '"), `${what}: ${stderr}`);
    }
});

test('a fused attention whose parts have absurd widths is refused', () => {
    for (const width of [0, 2 ** 40]) {
        const sizes = new Message()
            .set(ATTRIBUTE.name, 'qkv_hidden_sizes')
            .set(ATTRIBUTE.ints, width, width, width)
            .set(ATTRIBUTE.type, 7)
            .bytes();
        const model = edited('bert-seqcls-fused', (nodes) => {
            const [attention] = nodesOf(nodes, 'Attention');
            attention.set(NODE.attribute, ...attention.all(NODE.attribute), sizes);
        });
        refuse(
            modelFolder('bert-seqcls-fused', { 'model.onnx': model }),
            /op Attention\).*queries, keys and values/,
        );
    }
});

test('unknown operators and domains are named', () => {
    const bytes = readFileSync(fixture('bert-seqcls', 'model.onnx'));
    // Op_type = 4, three letters.
    const at = bytes.indexOf(Buffer.from([0x22, 3, ...Buffer.from('Erf')]));
    assert.ok(at > 0);
    bytes.write('Frx', at + 2);
    const stderr = refuse(modelFolder('bert-seqcls', { 'model.onnx': bytes }), /Frx/);
    assert.match(stderr, /\/bert\/encoder\/layer\.0\/intermediate\/intermediate_act_fn\/Erf/);
    const foreign = edited('bert-seqcls', (nodes) =>
        nodesOf(nodes, 'Softmax')[0].set(7, 'com.example'),
    );
    refuse(modelFolder('bert-seqcls', { 'model.onnx': foreign }), /com\.example/);
});

test('graphs that are no graphs are refused, naming the culprit', () => {
    const graphOf = (inner) =>
        new Message()
            .set(ATTRIBUTE.name, 'then_branch')
            .set(ATTRIBUTE.graph, inner)
            .set(ATTRIBUTE.type, 5)
            .bytes();
    let nested = new Message().set(2, 'deep').bytes();
    for (let i = 0; i < 20000; i++) {
        nested = new Message()
            .set(NODES, node('If', 'deeper', [], [], graphOf(nested)).bytes())
            .bytes();
    }
    const cases = {
        'a cycle': [
            (nodes) => {
                const [first, last] = [
                    nodesOf(nodes, 'Add', /layer\.0\/attention\/output\/Add/)[0],
                    nodesOf(nodes, 'Add', /layer\.1\/output\/Add/)[0],
                ];
                first.set(NODE.input, first.texts(NODE.input)[0], last.text(NODE.output));
            },
            /layer\.0\/attention\/output\/Add|layer\.1/,
        ],
        'a node that feeds itself': [
            (nodes) => {
                const [add] = nodesOf(nodes, 'Add', /layer\.0\/output\/Add/);
                add.set(NODE.input, add.texts(NODE.input)[0], add.text(NODE.output));
            },
            /layer\.0\/output\/Add/,
        ],
        'an output made twice': [
            (nodes) => {
                const [a, b] = nodesOf(nodes, 'Softmax');
                b.set(NODE.output, a.text(NODE.output));
            },
            /Softmax/,
        ],
        'a missing initialiser': [(_nodes, tensors) => tensors.splice(3, 1), SPOILT_TENSOR],
        'two initialisers of one name': [
            (_nodes, tensors) => tensors.push(tensors[3]),
            SPOILT_TENSOR,
        ],
        'a missing output': [
            (nodes) => nodesOf(nodes, 'Gemm', /classifier/)[0].set(NODE.output, 'elsewhere'),
            /logits/,
        ],
        'no outputs': [(_nodes, _tensors, graph) => graph.set(OUTPUTS), /output/],
        'an If node': [
            (nodes) => {
                const [gemm] = nodesOf(nodes, 'Gemm', /classifier/);
                const branch = graphOf(new Message().set(2, 'g').bytes());
                nodes.splice(
                    -1,
                    0,
                    node('If', 'my/If', [gemm.texts(NODE.input)[0]], ['z'], branch),
                );
                gemm.set(NODE.input, 'z', ...gemm.texts(NODE.input).slice(1));
            },
            /my\/If.*has a subgraph/,
        ],
        'subgraphs 20,000 deep': [
            (nodes) => nodes.push(node('If', 'my/If', ['input_ids'], ['z'], graphOf(nested))),
            /./,
        ],
        'types 20,000 deep': [
            (_nodes, _tensors, graph) => {
                let type = new Message();
                for (let i = 0; i < 20000; i++) {
                    type = new Message().set(4, new Message().set(1, type.bytes()).bytes());
                }
                graph.set(
                    INPUTS,
                    ...graph.all(INPUTS),
                    new Message().set(1, 'deep').set(2, type.bytes()).bytes(),
                );
            },
            /nested/,
        ],
        'an output listed twice': [
            (_nodes, _tensors, graph) =>
                graph.set(OUTPUTS, ...graph.all(OUTPUTS), ...graph.all(OUTPUTS)),
            /logits/,
        ],
        'an output without a name': [(_nodes, _tensors, graph) => graph.set(OUTPUTS, ''), /output/],
        'a tensor without a name': [
            (_nodes, tensors) => tensors[3].set(TENSOR.name),
            SPOILT_TENSOR,
        ],
        'an attribute without a name': [
            (nodes) => {
                const [transpose] = nodesOf(nodes, 'Transpose', /layer\.0/);
                transpose.set(
                    NODE.attribute,
                    ...transpose
                        .all(NODE.attribute)
                        .map((bytes) => new Message(bytes).set(ATTRIBUTE.name).bytes()),
                );
            },
            /Transpose/,
        ],
        'a node without operator or name': [
            (nodes) => nodesOf(nodes, 'Softmax')[0].set(NODE.op).set(NODE.name),
            /layer\.0\/attention\/self\/Softmax/,
        ],
        'an output whose name is no UTF-8': [
            (nodes, _tensors, graph) => {
                const [gemm] = nodesOf(nodes, 'Gemm', /classifier/);
                gemm.set(NODE.output, Buffer.from([0x6c, 0xff]));
                graph.set(
                    OUTPUTS,
                    ...graph
                        .all(OUTPUTS)
                        .map((bytes) =>
                            new Message(bytes).set(1, Buffer.from([0x6c, 0xff])).bytes(),
                        ),
                );
            },
            /UTF-8/,
        ],
        'a node without an operator': [
            (nodes) => nodesOf(nodes, 'Softmax')[0].set(NODE.op),
            /Softmax/,
        ],
        'a node without inputs': [
            (nodes) => nodesOf(nodes, 'Softmax')[0].set(NODE.input),
            /Softmax/,
        ],
        'a node with one input too few': [
            (nodes) => {
                const n = nodesOf(nodes, 'MatMul')[0];
                n.set(NODE.input, n.texts(NODE.input)[0]);
            },
            /MatMul/,
        ],
        'a MatMul of two activations': [
            (nodes) => {
                const n = nodesOf(nodes, 'MatMul', /intermediate/)[0];
                n.set(NODE.input, n.texts(NODE.input)[0], n.texts(NODE.input)[0]);
            },
            /intermediate/,
        ],
    };
    for (const [what, [change, message]] of Object.entries(cases)) {
        const stderr = refuse(
            modelFolder('bert-seqcls', { 'model.onnx': edited('bert-seqcls', change) }),
            message,
        );
        assert.ok(stderr.length > 20, what);
    }
});

test('tensors whose bytes lie are refused by name', () => {
    const spoilt = {
        'too few bytes': (tensor) => tensor.set(TENSOR.raw, tensor.all(TENSOR.raw)[0].subarray(4)),
        'too many bytes': (tensor) =>
            tensor.set(TENSOR.raw, Buffer.concat([tensor.all(TENSOR.raw)[0], Buffer.alloc(4)])),
        'no bytes': (tensor) => tensor.set(TENSOR.raw),
        'raw_data and float_data': (tensor) => tensor.set(TENSOR.floats, rawFloats([1, 2, 3])),
        'dimensions that overflow': (tensor) => tensor.set(TENSOR.dims, 2 ** 33, 2 ** 33),
        'a dimension of 0': (tensor) => tensor.set(TENSOR.dims, 0).set(TENSOR.raw, ''),
        'rank 20': (tensor) => tensor.set(TENSOR.dims, ...Array(19).fill(1), 64),
        'another shape': (tensor) => tensor.set(TENSOR.dims, 8, 8),
        'an unknown type': (tensor) => tensor.set(TENSOR.type, 99),
        'a type without numbers': (tensor) => tensor.set(TENSOR.type, 8),
        integers: (tensor) => tensor.set(TENSOR.type, 6),
        NaN: (tensor) => tensor.set(TENSOR.raw, rawFloats([NaN, ...floatsOf(tensor).slice(1)])),
        infinity: (tensor) =>
            tensor.set(TENSOR.raw, rawFloats([...floatsOf(tensor).slice(1), -Infinity])),
    };
    for (const [what, change] of Object.entries(spoilt)) {
        const stderr = refuse(
            modelFolder('bert-seqcls', {
                'model.onnx': edited('bert-seqcls', (_nodes, tensors) => change(tensors[3])),
            }),
            /bert\.embeddings\.LayerNorm\.weight|embeddings\.norm\.weight|embeddings\/LayerNorm/,
        );
        assert.ok(stderr.length > 20, what);
    }
});

test('weights that do not fit each other are refused', () => {
    const bytes = edited('bert-seqcls', (_nodes, tensors) => {
        // 64 x 128.
        const matrix = tensors.find((tensor) => tensor.text(TENSOR.name) === 'onnx::MatMul_349');
        matrix
            .set(TENSOR.dims, 64, 64)
            .set(TENSOR.raw, matrix.all(TENSOR.raw)[0].subarray(0, 64 * 64 * 4));
    });
    refuse(
        modelFolder('bert-seqcls', { 'model.onnx': bytes }),
        /layer\.0\/intermediate|onnx::MatMul_349|layers\.0/,
    );
});

test('files that are no models', () => {
    const whole = readFileSync(fixture('bert-seqcls', 'model.onnx'));
    const file = (bytes) => join(modelFolder('bert-seqcls', { 'model.onnx': bytes }), 'model.onnx');
    refuse(join(scratch, 'nothing here.onnx'), /nothing here\.onnx/);
    refuse(folder(), /model\.onnx/);
    refuse(file(''), /model\.onnx/);
    refuse(file('# a text, and no model\n'.repeat(100)), /model\.onnx/);
    refuse(file('<!doctype html><title>404</title>'), /model\.onnx/);
    refuse(file(Buffer.alloc(5000)), /model\.onnx/);
    refuse(file(Buffer.alloc(5000, 255)), /model\.onnx/);
    refuse('/dev/null', /\/dev\/null/);
    // Pseudo-random bytes, the same every time.
    let state = 1;
    const garbage = Buffer.from(
        Array.from(
            { length: 20000 },
            () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 24,
        ),
    );
    for (let i = 0; i < 40; i++) refuse(file(garbage.subarray(i * 100)), /model\.onnx/);
    assert.ok(whole.length > 0);
});

test('an export cut off anywhere is refused', () => {
    const whole = readFileSync(fixture('bert-seqcls', 'model.onnx'));
    const path = modelFolder('bert-seqcls');
    const positions = [
        ...Array(40).keys(),
        ...Array.from({ length: 150 }, (_, i) => Math.floor((whole.length * (i + 0.37)) / 150)),
        ...Array.from({ length: 20 }, (_, i) => whole.length - 1 - i),
    ];
    for (const n of positions) {
        writeFileSync(join(path, 'model.onnx'), whole.subarray(0, n));
        refuse(path, /\S/);
    }
});

test('an export with a flipped bit is refused or converted, never a crash', () => {
    const whole = readFileSync(fixture('bert-seqcls', 'model.onnx'));
    const path = modelFolder('bert-seqcls');
    const out = join(path, 'out.safetensors');
    // The first half of the file is nodes; the rest is weights, where a flip is just another
    // number.
    for (let i = 0; i < 250; i++) {
        const at = Math.floor((whole.length * i) / 500);
        whole[at] ^= 1 << (i % 8);
        writeFileSync(join(path, 'model.onnx'), whole);
        const { status, stderr } = run(path, '-o', out);
        whole[at] ^= 1 << (i % 8);
        assert.ok(status === 0 || status === 1, `exit code ${status}, byte ${at}`);
        assert.equal(existsSync(out), status === 0);
        if (status) assert.ok(stderr.length > 10);
        else rmSync(out);
    }
});

test('JSON beside the model that cannot be read is refused by name', () => {
    for (const file of ['config.json', 'tokenizer.json', 'tokenizer_config.json']) {
        for (const text of [
            '',
            '{',
            '[]',
            '"text"',
            '{"a": 1} trailing',
            '{'.repeat(200000),
            '['.repeat(200000),
            Buffer.from([0xff, 0xfe, 0x7b]),
            Buffer.from('{"a": "\xff"}', 'latin1'),
            Buffer.from('{"a": "\xed\xa0\x80"}', 'latin1'),
            '{"a": "line\nend\u0001"}',
            '{"a": 1}\0',
            '{"a": 1}\0{}',
            '{"a": 1,',
            '{"a": 1}'.repeat(2),
        ]) {
            refuse(
                modelFolder('bert-seqcls', { [file]: text }),
                new RegExp(file.replace('.', '\\.')),
            );
        }
    }
});

/* ------------------------------------------------------------------------------ where it writes -- */

test('an output that cannot be written', () => {
    const source = fixture('bert-seqcls');
    for (const out of [
        join(scratch, 'no such folder/out.safetensors'),
        '/proc/out.safetensors',
        join(fixture('bert-seqcls', 'config.json'), 'out'),
    ]) {
        const { status, stderr } = run(source, '-o', out);
        assert.equal(status, 1);
        assert.ok(stderr.includes(out), stderr);
    }
    const where = folder();
    mkdirSync(join(where, 'out.safetensors'));
    const { status, stderr } = run(source, '-o', join(where, 'out.safetensors'));
    assert.equal(status, 1);
    assert.match(stderr, /out\.safetensors/);
    assert.deepEqual(readdirSync(where), ['out.safetensors']);
});

test('a disk that is full', () => {
    // A limit on the size of files fails the write as a full disk does; the signal must be ignored
    // to see it.
    for (const blocks of [0, 1, 8, 100]) {
        const where = folder();
        const { status, stderr } = spawnSync(
            'sh',
            [
                '-c',
                `trap '' XFSZ; ulimit -f ${blocks}; exec "$0" "$@"`,
                program,
                fixture('bert-seqcls'),
                '-o',
                join(where, 'out.safetensors'),
            ],
            { encoding: 'utf8' },
        );
        assert.equal(status, 1, stderr);
        assert.deepEqual(readdirSync(where), []);
    }
});

test('an older file at the output stays until the new one is whole', () => {
    const where = folder();
    const out = join(where, 'out.safetensors');
    writeFileSync(out, 'older');
    assert.equal(run(join(scratch, 'nothing'), '-o', out).status, 1);
    assert.equal(readFileSync(out, 'utf8'), 'older');
    assert.equal(run(fixture('bert-seqcls'), '-o', out).status, 0);
    readModel(out);
    assert.deepEqual(readdirSync(where), ['out.safetensors']);
});

/* ---------------------------------------------------------------------- --inspect and --verify -- */

test('--inspect prints metadata, config and every tensor', () => {
    const { path } = convert(fixture('bert-seqcls'), '--name', 'my model');
    const { status, stdout } = run('--inspect', path);
    assert.equal(status, 0);
    assert.match(stdout, /my model/);
    for (const text of ['hidden_size', 'n_heads', 'n_labels', 'source_sha256']) {
        assert.ok(stdout.includes(text), text);
    }
    const { tensors } = readModel(path);
    const lines = stdout.split('\n');
    for (const [name, { dtype, bytes }] of Object.entries(tensors)) {
        const line = lines.find((l) => l.trim().split(/\s+/)[0] === name);
        assert.ok(line?.includes(dtype) && line.includes(String(bytes.length)), `${name}: ${line}`);
    }
});

test('spoilt model files are refused by --inspect and --verify', () => {
    const { path } = convert(fixture('bert-seqcls'));
    const whole = readFileSync(path);
    const spoilt = join(folder(), 'spoilt.safetensors');
    const both = (bytes, what) => {
        writeFileSync(spoilt, bytes);
        for (const args of [
            ['--inspect', spoilt],
            ['--verify', fixture('bert-seqcls', 'golden.json'), spoilt],
        ]) {
            const { status, stderr } = run(...args);
            assert.equal(status, 1, `${what}: exit code ${status} for ${args[0]}`);
            assert.ok(stderr.length > 20 && !stderr.includes('undefined'), what);
        }
    };
    const header_end = 8 + Number(whole.readBigUInt64LE(0));
    for (const n of [
        0,
        1,
        7,
        8,
        9,
        100,
        header_end - 1,
        header_end,
        header_end + 1,
        whole.length - 64,
        whole.length - 1,
    ]) {
        both(whole.subarray(0, n), `cut at ${n}`);
    }
    both(Buffer.concat([whole, Buffer.alloc(1)]), 'a byte too many');
    for (const at of [header_end, header_end + 4096, whole.length - 1]) {
        const flipped = Buffer.from(whole);
        flipped[at] ^= 4;
        both(flipped, `a flipped bit at ${at}`);
    }
    const length = (value) => {
        const bytes = Buffer.from(whole);
        bytes.writeBigUInt64LE(value);
        return bytes;
    };
    for (const value of [
        0n,
        1n,
        BigInt(whole.length),
        1n << 31n,
        (1n << 64n) - 1n,
        (1n << 64n) - 8n,
    ]) {
        both(length(value), `a header of ${value} bytes`);
    }

    const word = 'embeddings.word.weight';
    const changes = {
        'a hole': (h) => {
            h[word].data_offsets[1] -= 64;
            h[word].shape[0] -= 1;
        },
        'an overlap': (h) => {
            h['embeddings.norm.weight'].data_offsets = h['embeddings.norm.bias'].data_offsets;
        },
        'an end before the start': (h) => {
            h[word].data_offsets.reverse();
        },
        'an offset that wraps': (h) => {
            h[word].data_offsets[1] = 2 ** 64;
        },
        'a negative offset': (h) => {
            h[word].data_offsets[0] = -64;
        },
        'an offset with a fraction': (h) => {
            h[word].data_offsets[0] = 0.5;
        },
        'an offset past the end': (h) => {
            h['classifier.bias'].data_offsets[1] += 64;
        },
        'a wrong dtype': (h) => {
            h[word].dtype = 'F32';
        },
        'an unknown dtype': (h) => {
            h[word].dtype = 'F8_E4M3';
        },
        'a dtype that is no text': (h) => {
            h[word].dtype = 7;
        },
        'a wrong shape': (h) => {
            h[word].shape = [320, 63];
        },
        'a shape that overflows': (h) => {
            h[word].shape = [2 ** 40, 2 ** 40];
        },
        'a shape that is no list': (h) => {
            h[word].shape = 20480;
        },
        'a shape of rank 40': (h) => {
            h[word].shape = [...h[word].shape, ...Array(38).fill(1)];
        },
        'offsets of three': (h) => {
            h[word].data_offsets.push(1);
        },
        'no offsets': (h) => {
            delete h[word].data_offsets;
        },
        'a tensor that is no object': (h) => {
            h[word] = null;
        },
        'no metadata': (h) => {
            delete h.__metadata__;
        },
        'metadata that is no object': (h) => {
            h.__metadata__ = 'x';
        },
        'metadata that is no text': (h) => {
            h.__metadata__.name = 5;
        },
        'another format': (h) => {
            h.__metadata__.format = 'pt';
        },
        'a newer version': (h) => {
            h.__metadata__.format_version = '4';
        },
        'no config': (h) => {
            delete h.__metadata__.config;
        },
        'a config that is no JSON': (h) => {
            h.__metadata__.config = '{';
        },
        'chunks of nothing': (h) => {
            h.__metadata__.chunk_bytes = '0';
        },
        'one hash too few': (h) => {
            h.__metadata__.chunk_sha256 = '';
        },
        'a key twice': (h) =>
            JSON.stringify(h).replace(
                `"${word}"`,
                `"embeddings.norm.weight":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"${word}"`,
            ),
        'a key of the metadata twice': (h) =>
            JSON.stringify(h).replace('"format":', '"format":"pt","format":'),
        'a key of the config twice': (h) => {
            h.__metadata__.config = h.__metadata__.config.replace(
                '"n_heads":',
                '"n_heads":2,"n_heads":',
            );
        },
        'a config and more': (h) => {
            h.__metadata__.config += '}';
        },
        'chunks of a size that is no number': (h) => {
            h.__metadata__.chunk_bytes += ' apples';
        },
        'a NUL behind the JSON': (h) => `${JSON.stringify(h)}\0`,
        'text that is no UTF-8': (h) => {
            h.__metadata__.name = '\x7fXX';
            return Buffer.from(JSON.stringify(h).replace('\x7fXX', '\xc3\x28'), 'latin1');
        },
        'a list': () => '[]',
        'no JSON': () => 'hello',
        'JSON and more': (h) => `${JSON.stringify(h)}x`,
        'deep nesting': () => '{"a":'.repeat(100000),
    };
    for (const [what, change] of Object.entries(changes)) both(rewritten(path, change), what);

    // Sound as a file, but no model.
    const verify = (change) => {
        writeFileSync(spoilt, rewritten(path, change));
        return run('--verify', fixture('bert-seqcls', 'golden.json'), '--tolerance', '0.5', spoilt);
    };
    assert.equal(
        verify((h) => {
            h.__metadata__.name = 'sound';
        }).status,
        0,
        'the rewriting itself spoils nothing',
    );
    const encoder = (field, value) => (h) => {
        const config = JSON.parse(h.__metadata__.config);
        config.encoder[field] = value;
        h.__metadata__.config = JSON.stringify(config);
    };
    for (const [field, value] of [
        ['hidden_size', 65],
        ['n_heads', 7],
        ['n_layers', 3],
        ['n_layers', 2 ** 31],
        ['n_layers', -1],
        ['vocab_size', 1e300],
        ['activation', 'swish'],
        ['activation', 3],
        ['n_heads', 'four'],
        ['my_field', 1],
        ['head', 'none'],
    ]) {
        const { status, stderr } = verify(encoder(field, value));
        assert.equal(status, 1, `${field} = ${value}`);
        assert.ok(stderr.length > 20);
    }
});

test('--verify notices what differs, and says how much', () => {
    const { path } = convert(fixture('bert-base'), '--dtype', 'f32');
    const golden = () => JSON.parse(readFileSync(fixture('bert-base', 'golden.json'), 'utf8'));
    const file = join(folder(), 'golden.json');
    const verify = (value, ...options) => {
        writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
        return run('--verify', file, ...options, path);
    };
    assert.equal(verify(golden()).status, 0);

    const other = golden();
    other.cases[2].outputs.pooler_output.data[5] += 0.01;
    const { status, stdout } = verify(other);
    assert.equal(status, 1);
    assert.match(stdout, /odd length, pair/);
    assert.equal(verify(other, '--tolerance', '0.02').status, 0);

    const trace = golden();
    trace.trace.attentions[1].data[3] += 0.01;
    assert.equal(verify(trace).status, 1, 'the trace is compared');
    for (const change of [
        (t) => t.attentions.pop(),
        (t) => t.hidden_states.push(t.hidden_states[0]),
        (t) => {
            t.attentions = null;
        },
        (t) => {
            t.case = 'other';
        },
        (t) => t.hidden_states[0].data.pop(),
    ]) {
        const spoilt = golden();
        change(spoilt.trace);
        const { status, stderr } = verify(spoilt);
        assert.equal(status, 1);
        assert.match(stderr, /golden\.json: the trace/);
    }

    // What stands at masked positions is not looked at.
    const masked = golden();
    const padded = masked.cases.find(({ name }) => name === 'mask with holes');
    const hole = padded.attention_mask[0].indexOf(0);
    padded.outputs.last_hidden_state.data[hole * 64] = 1e6;
    assert.equal(verify(masked).status, 0);
});

test('--verify refuses a golden.json that is none', () => {
    const { path } = convert(fixture('bert-seqcls'), '--dtype', 'f32');
    const whole = () => JSON.parse(readFileSync(fixture('bert-seqcls', 'golden.json'), 'utf8'));
    const file = join(folder(), 'golden.json');
    const spoilt = {
        empty: '',
        'no JSON': 'x',
        'a text': '"x"',
        'an empty object': '{}',
        'no cases': { ...whole(), cases: [] },
        'cases that are no list': { ...whole(), cases: 5 },
    };
    const change = {
        'ids that are no lists': (c) => {
            c.input_ids = 5;
        },
        'ids that are no numbers': (c) => {
            c.input_ids[0][0] = 'a';
        },
        'an id beyond the vocabulary': (c) => {
            c.input_ids[0][0] = 320;
        },
        'a negative id': (c) => {
            c.input_ids[0][0] = -1;
        },
        'a huge id': (c) => {
            c.input_ids[0][0] = 1e300;
        },
        'a mask of another shape': (c) => {
            c.attention_mask[0].pop();
        },
        'a mask of zeros': (c) => {
            c.attention_mask[0].fill(0);
        },
        'an unknown token type': (c) => {
            c.token_type_ids[0][0] = 2;
        },
        'an output too short': (c) => {
            c.outputs.logits.data.pop();
        },
        'an output too long': (c) => {
            c.outputs.logits.data.push(0);
        },
        'a mask of twos': (c) => {
            c.attention_mask[0].fill(2);
        },
        'a mask of texts': (c) => {
            c.attention_mask[0].fill('1');
        },
        'a mask that is no list': (c) => {
            c.attention_mask = 1;
        },
        'an id with a fraction': (c) => {
            c.input_ids[0][0] = 0.5;
        },
        'types of more sequences': (c) => {
            c.token_type_ids.push(c.token_type_ids[0]);
        },
        'no outputs': (c) => {
            c.outputs = {};
        },
        "an output that is not the model's": (c) => {
            c.outputs = { other: c.outputs.logits };
        },
        'outputs that are no object': (c) => {
            c.outputs = 1;
        },
        'an output that is no number': (c) => {
            c.outputs.logits.data[0] = null;
        },
        'a sequence too long': (c) => {
            for (const key of ['input_ids', 'attention_mask', 'token_type_ids']) {
                c[key][0] = Array(65).fill(1);
            }
        },
        'no tokens': (c) => {
            for (const key of ['input_ids', 'attention_mask', 'token_type_ids']) c[key][0] = [];
        },
        'no sequences': (c) => {
            for (const key of ['input_ids', 'attention_mask', 'token_type_ids']) c[key] = [];
        },
    };
    for (const [what, edit] of Object.entries(change)) {
        const golden = whole();
        edit(golden.cases[0]);
        spoilt[what] = golden;
    }
    for (const [what, content] of Object.entries(spoilt)) {
        writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
        const { status, stderr } = run('--verify', file, path);
        assert.equal(status, 1, `${what}: exit code ${status}`);
        assert.ok(stderr.length > 10, what);
    }
    assert.equal(run('--verify', join(scratch, 'nothing.json'), path).status, 1);
});

/* ---------------------------------------------------------------------------------- usage -- */

test('usage errors end with 2 and leave nothing', () => {
    const out = join(folder(), 'out.safetensors');
    const source = fixture('bert-seqcls');
    for (const args of [
        [],
        [source],
        ['-o', out],
        [source, '-o'],
        [source, '-o', out, 'another'],
        [source, '-o', out, '--dtype', 'f64'],
        [source, '-o', out, '--dtype', ''],
        [source, '-o', out, '--unknown'],
        [source, '-o', out, '--output'],
        [source, '-o', out, ...Array(129).fill(['--output', 'logits']).flat()],
        [source, '-o', out, '-x'],
        ['--inspect'],
        ['--inspect', out, out],
        ['--verify'],
        ['--verify', fixture('bert-seqcls', 'golden.json')],
        ['--verify', 'a', 'b', '--tolerance', 'much'],
        ['--verify', 'a', 'b', '--tolerance', '-1'],
        ['--verify', 'a', 'b', '--tolerance', 'nan'],
        ['--verify', 'a', 'b', '--tolerance', ''],
    ]) {
        const { status, stderr } = run(...args);
        assert.equal(status, 2, `exit code ${status} for ${args.join(' ')}`);
        assert.ok(stderr.length > 10, args.join(' '));
    }
    assert.equal(existsSync(out), false);
    const help = run('--help');
    assert.equal(help.status, 0);
    assert.match(help.stdout, /bert-convert/);
});

/* ------------------------------------------------------------- tokenizers in their original files -- */

/** A model folder with the files of a tokenizer, but its tokenizer.json. */
function tokenizerFolder(from, model_type) {
    const files = Object.fromEntries(
        readdirSync(from)
            .filter((file) => file !== 'tokenizer.json' && file !== 'cases.jsonl')
            .map((file) => [file, readFileSync(join(from, file))]),
    );
    return modelFolder('bert-seqcls', { 'config.json': { model_type }, ...files });
}

const FAMILIES = {
    'bert-uncased': 'bert',
    'bert-cased': 'bert',
    'bert-chinese': 'bert',
    roberta: 'roberta',
    'deberta-bpe': 'deberta',
    albert: 'albert',
    'xlmr-spm': 'xlm-roberta',
    'deberta-v3-spm': 'deberta-v2',
};
for (const [name, model_type] of Object.entries(FAMILIES)) {
    const place = [
        join(root, 'tests/golden/tokenizers', name),
        resolve(root, '../shared/fixtures/tokenizers', name),
    ].find(
        (path) =>
            existsSync(path) && readdirSync(path).some((file) => /^vocab\.|\.model$/.test(file)),
    );
    const skip = place
        ? false
        : `SKIPPED: the original files of ${name} are only in ../shared/fixtures`;
    test(`${name}: its original files give the tokenizer.json that was made of them`, {
        skip,
    }, () => {
        const { path, stderr } = convert(tokenizerFolder(place, model_type));
        assert.doesNotMatch(stderr, /token ids only/);
        const { tensors } = readModel(path);
        const { added_tokens: added, ...made } = JSON.parse(
            tensors['tokenizer.json'].bytes.toString(),
        );
        const { added_tokens: wanted_added, ...wanted } = JSON.parse(
            readFileSync(join(String(place), 'tokenizer.json'), 'utf8'),
        );
        assert.deepEqual(made, wanted);
        // Some of the fixtures leave their special tokens out.
        if (wanted_added.length) {
            assert.deepEqual(added, wanted_added);
        } else {
            assert.deepEqual(
                added.map(({ special }) => special),
                Array(5).fill(true),
            );
        }
    });
}

test('original tokenizer files that are broken or of nobody are refused', () => {
    const vocab = (text) => modelFolder('bert-seqcls', { 'vocab.txt': text });
    refuse(vocab('[PAD]\n[UNK]\n[CLS]\na\n'), /vocab\.txt: has no '\[SEP\]'/);
    refuse(vocab('[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\na\n'), /vocab\.txt: has 'a' twice/);
    refuse(vocab(Buffer.from([0x61, 0x0a, 0xff, 0x0a])), /vocab\.txt: line 2 is not UTF-8 text/);
    const bpe = (merges, /** @type {object} */ json = { '<s>': 0, '</s>': 1, a: 2 }) =>
        modelFolder('bert-seqcls', { 'vocab.json': json, 'merges.txt': merges });
    refuse(bpe('#version: 0.2\na b c\n'), /merges\.txt: line 2 is not a pair of pieces/);
    refuse(bpe('', { a: 0 }), /vocab\.json: has no '<s>'/);
    const spm = (bytes, config = { model_type: 'albert' }) =>
        modelFolder('bert-seqcls', { 'config.json': config, 'spiece.model': bytes });
    refuse(
        spm('x', { model_type: 'bert' }),
        /spiece\.model: neither config\.json's model_type .* says whose it is/,
    );
    refuse(spm(''), /spiece\.model: is not a sentencepiece model/);
    refuse(
        spm(Buffer.from([0x0a, 0x7f, 0x0a])),
        /spiece\.model: is not a sentencepiece model, or is cut off/,
    );
    const piece = (text, score = [0x15, 0, 0, 0x80, 0xbf]) =>
        Buffer.from([0x0a, text.length + 7, 0x0a, text.length, ...Buffer.from(text), ...score]);
    refuse(spm(piece('a')), /spiece\.model: has no '\[CLS\]'/);
    const of_type = (type) => Buffer.concat([piece('a'), Buffer.from([0x12, 2, 0x18, type])]);
    refuse(spm(of_type(1)), /spiece\.model: has no '\[CLS\]'/);
    refuse(
        spm(of_type(2)),
        /spiece\.model: a sentencepiece model of type 2; only unigram models can be read/,
    );
    refuse(
        spm(piece('a', [0x15, 0, 0, 0xc0, 0x7f])),
        /spiece\.model: the score of piece 0 is not a finite number/,
    );
});

test('files beside the model that are absurdly large are refused', () => {
    const path = modelFolder('bert-seqcls', { 'tokenizer.json': '{}' });
    truncateSync(join(path, 'tokenizer.json'), 2 ** 32);
    refuse(path, /tokenizer\.json: has 4294967296 bytes, more than 4 GB/);
    const model = new Message()
        .set(1, new Message().set(1, 'a').bytes())
        .set(3, new Message().set(2, Buffer.alloc(2 ** 24 + 1)).bytes())
        .bytes();
    refuse(
        modelFolder('bert-seqcls', {
            'config.json': { model_type: 'albert' },
            'spiece.model': model,
        }),
        /spiece\.model: its charsmap has more than/,
    );
});

test('a sentencepiece model that is cut anywhere is refused or whole', () => {
    const text = (number, value) => new Message().set(number, value);
    const pieces = ['<pad>', '<unk>', '[CLS]', '[SEP]', '[MASK]', 'a'].map((name) =>
        text(1, name).bytes(),
    );
    const model = new Message()
        .set(1, ...pieces)
        .set(2, new Message().set(3, 1).set(40, 1).bytes())
        .set(3, text(2, 'charsmap').bytes())
        .bytes();
    const whole = modelFolder('bert-seqcls', {
        'config.json': { model_type: 'albert' },
        'spiece.model': model,
    });
    assert.match(
        readModel(convert(whole).path).tensors['tokenizer.json'].bytes.toString(),
        /"Unigram","unk_id":1/,
    );
    for (let n = 0; n < model.length; n++) {
        const path = modelFolder('bert-seqcls', {
            'config.json': { model_type: 'albert' },
            'spiece.model': model.subarray(0, n),
        });
        const { status, stderr } = run(path, '-o', join(path, 'out'));
        assert.ok(
            status === 0 || (status === 1 && /spiece\.model/.test(stderr)),
            `${n}: ${status} ${stderr}`,
        );
    }
});
