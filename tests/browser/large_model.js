/**
 * A model file of BERT-large's size (335 M parameters, q8, 338 MB) with weights out of a hat, for
 * tests of what only size can break. What it answers means nothing, but it is the same everywhere.
 */

import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';

const HIDDEN = 1024;
const WIDE = 4096;
const N_LAYERS = 24;
const VOCABULARY = 30522;
const N_POSITIONS = 512;
const CHUNK_BYTES = 1 << 20;
const CONFIG = {
    architecture: 'bert',
    encoder: {
        vocab_size: VOCABULARY,
        hidden_size: HIDDEN,
        embedding_size: HIDDEN,
        intermediate_size: WIDE,
        n_layers: N_LAYERS,
        n_heads: 16,
        n_positions: N_POSITIONS,
        n_token_types: 2,
        n_labels: 2,
        layer_norm_eps: 1e-12,
        activation: 'gelu',
        pooler_activation: 'tanh',
    },
    outputs: { logits: { output: 'logits' } },
    labels: ['no', 'yes'],
    problem_type: null,
    max_length: N_POSITIONS,
};

/** Names, dtypes, shapes and what fills them, in the order of use. */
function tensors() {
    /** @type {{name: string, dtype: string, shape: number[], fill: 'integers' | number}[]} */
    const list = [];
    const vector = (
        /** @type {string} */ name,
        /** @type {number} */ n,
        /** @type {number} */ value,
    ) => list.push({ name, dtype: 'F32', shape: [n], fill: value });
    const norm = (/** @type {string} */ name) => {
        vector(`${name}.weight`, HIDDEN, 1);
        vector(`${name}.bias`, HIDDEN, 0.01);
    };
    const table = (/** @type {string} */ name, /** @type {number} */ n) => {
        list.push({ name: `${name}.weight`, dtype: 'I8', shape: [n, HIDDEN], fill: 'integers' });
        vector(`${name}.scale`, n, 0.001);
    };
    const matrix = (
        /** @type {string} */ name,
        /** @type {number} */ n_in,
        /** @type {number} */ n_out,
    ) => {
        list.push({
            name: `${name}.weight`,
            dtype: 'I8',
            shape: [n_out / 8, n_in / 4, 8, 4],
            fill: 'integers',
        });
        vector(`${name}.scale`, n_out, 0.0015);
        vector(`${name}.bias`, n_out, 0.02);
    };
    table('embeddings.word', VOCABULARY);
    table('embeddings.position', N_POSITIONS);
    list.push({ name: 'embeddings.token_type.weight', dtype: 'F32', shape: [2, HIDDEN], fill: 0 });
    norm('embeddings.norm');
    for (let i = 0; i < N_LAYERS; i++) {
        vector(`layers.${i}.smooth`, HIDDEN, 1);
        for (const name of ['query', 'key', 'value']) {
            matrix(`layers.${i}.attention.${name}`, HIDDEN, HIDDEN);
        }
        vector(`layers.${i}.attention.output.smooth`, HIDDEN, 1);
        matrix(`layers.${i}.attention.output`, HIDDEN, HIDDEN);
        norm(`layers.${i}.attention.norm`);
        vector(`layers.${i}.intermediate.smooth`, HIDDEN, 1);
        matrix(`layers.${i}.intermediate`, HIDDEN, WIDE);
        vector(`layers.${i}.output.smooth`, WIDE, 1);
        matrix(`layers.${i}.output`, WIDE, HIDDEN);
        norm(`layers.${i}.output.norm`);
    }
    list.push({
        name: 'pooler.weight',
        dtype: 'F16',
        shape: [HIDDEN / 8, HIDDEN, 8],
        fill: 'integers',
    });
    vector('pooler.bias', HIDDEN, 0);
    list.push({ name: 'classifier.weight', dtype: 'F32', shape: [1, HIDDEN, 8], fill: 'integers' });
    vector('classifier.bias', 2, 0);
    return list;
}

const BYTES = { F32: 4, F16: 2, I8: 1 };

/** xorshift32. @param {number} seed */
function random(seed) {
    return () => {
        seed ^= seed << 13;
        seed ^= seed >>> 17;
        seed ^= seed << 5;
        return seed >>> 0;
    };
}

/**
 * The bytes of a tensor.
 * @param {ReturnType<typeof tensors>[number]} tensor
 * @param {() => number} next
 */
function fill({ dtype, shape, fill }, next) {
    const count = shape.reduce((a, b) => a * b, 1);
    if (typeof fill === 'number') return Buffer.from(new Float32Array(count).fill(fill).buffer);
    if (dtype === 'I8') {
        return Buffer.from(Int8Array.from({ length: count }, () => (next() % 127) - 63).buffer);
    }
    if (dtype === 'F32') {
        return Buffer.from(
            Float32Array.from({ length: count }, () => ((next() % 127) - 63) / 1000).buffer,
        );
    }
    // Halves between 2^-9 and 2^-7 and their negatives.
    return Buffer.from(
        Uint16Array.from(
            { length: count },
            () => (next() & 1 ? 0x9800 : 0x1800) + (next() % 0x0800),
        ).buffer,
    );
}

/** Writes it. @param {string} path */
export function writeLargeModel(path) {
    const list = tensors();
    /** @type {Record<string, object>} */
    const header = {};
    let end = 0;
    for (const { name, dtype, shape } of list) {
        const n = shape.reduce((a, b) => a * b, BYTES[dtype]);
        const padding = -end & 63;
        if (padding) {
            header[`padding.${end}`] = {
                dtype: 'U8',
                shape: [padding],
                data_offsets: [end, (end += padding)],
            };
        }
        header[name] = { dtype, shape, data_offsets: [end, (end += n)] };
    }
    const n_chunks = Math.ceil(end / CHUNK_BYTES);
    const text = (/** @type {string[]} */ hashes) =>
        JSON.stringify({
            __metadata__: {
                format: 'bert-wasm',
                format_version: '3',
                name: 'large',
                revision: '',
                dtype: 'q7',
                source_sha256: '0'.repeat(64),
                config: JSON.stringify(CONFIG),
                chunk_bytes: String(CHUNK_BYTES),
                chunk_sha256: hashes.join(','),
            },
            ...header,
        });
    const room = Math.ceil((8 + text(new Array(n_chunks).fill('0'.repeat(64))).length) / 64) * 64;
    const file = openSync(path, 'w');
    /** @type {string[]} */
    const hashes = [];
    let hash = createHash('sha256');
    let written = 0;
    const put = (/** @type {Buffer} */ bytes) => {
        writeSync(file, bytes, 0, bytes.length, room + written);
        for (let at = 0; at < bytes.length; ) {
            const n = Math.min(bytes.length - at, CHUNK_BYTES - (written % CHUNK_BYTES));
            hash.update(bytes.subarray(at, at + n));
            at += n;
            written += n;
            if (written % CHUNK_BYTES === 0 || written === end) {
                hashes.push(hash.digest('hex'));
                hash = createHash('sha256');
            }
        }
    };
    const next = random(20240);
    for (const tensor of list) {
        put(Buffer.alloc(-written & 63));
        put(fill(tensor, next));
    }
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(room - 8));
    writeSync(
        file,
        Buffer.concat([length, Buffer.from(text(hashes).padEnd(room - 8))]),
        0,
        room,
        0,
    );
    closeSync(file);
    return { bytes: room + end };
}
