/**
 * What 8 bits cost sentence encoders with real weights, here, in onnxruntime and in LiteRT: the
 * cosine between mean-pooled embeddings and those of f32, of the first sentences of SST-2's development set, and
 * Spearman's correlation on STS-B's. Nothing is calibrated.
 *
 * onnxruntime has the same weights, in the integers that its own quantize_dynamic() makes, and is
 * given each text alone: in a batch its answers are others. LiteRT has them as its recipe of 8 bits
 * that needs no texts makes them; 7 GB of Python packages do that.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { spearman } from '../js/metrics/index.js';
import { readSentences, runLiteRT, writeLiteRT } from './models.js';

const ROOT = join(import.meta.dirname, '..');
const PAIRS = process.env.STSB ?? join(ROOT, '../shared/data/tasks/stsb/dev.tsv');

const N_SENTENCES = 100;
const N_PAIRS = 400;
const BATCH = 32; // of ours, which changes no bit

/** @type {('f32' | 'q8' | 'q7' | 'q4')[]} */
const DTYPES = ['f32', 'q8', 'q7', 'q4'];

/**
 * @typedef {object} EncoderAccuracy
 * @property {string} model
 * @property {string} runtime
 * @property {string} dtype
 * @property {number} bytes  of the file
 * @property {number} cosine  to f32, mean
 * @property {number} least_cosine
 * @property {number | null} spearman  STS-B, per cent; null without the file
 */

/**
 * @param {import('./real_models.js').RealModel[]} models
 * @param {{dist: string, converter: string}} options
 * @returns {Promise<EncoderAccuracy[]>}
 */
export async function measureEncoders(models, { dist, converter }) {
    const { loadModel } = await import(join(resolve(dist), 'index.node.js'));
    const sentences = readSentences(N_SENTENCES);
    if (sentences.length === 0) throw new Error('there are no sentences of SST-2 (SENTENCES)');
    const pairs = readPairs();
    const texts = [...sentences, ...pairs.flatMap(({ texts }) => texts)];
    const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-encoders-'));
    /** @type {EncoderAccuracy[]} */
    const rows = [];
    try {
        for (const { name: model, directory, prefix } of models) {
            /** @type {number[][]} */
            let ids = [];
            /** @type {number[][]} */
            let references = [];
            for (const dtype of DTYPES) {
                const file = join(folder, `${model}-${dtype}.safetensors`);
                execFileSync(converter, [directory, '-o', file, '--dtype', dtype]);
                const loaded = await loadModel(file, { threads: 1 });
                if (dtype === 'f32') ids = await idsOf(loaded, texts, prefix);
                const embeddings = await runOurs(loaded, ids);
                loaded.dispose();
                if (dtype === 'f32') references = embeddings;
                const bytes = statSync(file).size;
                const measured = compare(embeddings, references, sentences.length, pairs);
                rows.push({ model, runtime: 'bert-wasm', dtype, bytes, ...measured });
                rmSync(file);
            }
            for (const { runtime, file, run } of others(model, directory)) {
                const measured = compare(await run(ids), references, sentences.length, pairs);
                const bytes = statSync(file).size;
                rows.push({ model, runtime, dtype: 'int8', bytes, ...measured });
            }
        }
        return rows;
    } finally {
        rmSync(folder, { recursive: true });
    }
}

/**
 * Who else has the model in 8 bits.
 * @param {string} model
 * @param {string} directory
 */
function others(model, directory) {
    const onnx = join(directory, 'model_quantized.onnx');
    const found = [
        {
            runtime: 'onnxruntime',
            file: onnx,
            run: (/** @type {number[][]} */ ids) => runOnnx(onnx, ids),
        },
    ];
    try {
        const file = join(writeLiteRT(`litert-${model}`, directory), 'padded-q8.tflite');
        found.push({ runtime: 'LiteRT', file, run: async (ids) => embedByLiteRT(file, ids) });
    } catch (error) {
        console.error(`LiteRT is left out: ${/** @type {Error} */ (error).message}`);
    }
    return found;
}

/** @param {string} file @param {number[][]} sequences @returns {number[][]} */
function embedByLiteRT(file, sequences) {
    const script = join(import.meta.dirname, 'litert_embeddings.py');
    const embeddings = JSON.parse(runLiteRT(script, [file], JSON.stringify(sequences)));
    return embeddings.map((/** @type {number[]} */ each) => {
        const length = Math.hypot(...each);
        return each.map((x) => x / length);
    });
}

/** @returns {{texts: string[], score: number}[]} none without the file */
function readPairs() {
    if (!existsSync(PAIRS)) return [];
    const lines = readFileSync(PAIRS, 'utf8').trimEnd().split('\n');
    return lines.slice(1, N_PAIRS + 1).map((line) => {
        const [a, b, score] = line.split('\t');
        return { texts: [a, b], score: Number(score) };
    });
}

/**
 * @param {number[][]} embeddings  of sentences, then of pairs
 * @param {number[][]} references  the same, of f32
 * @param {number} n_sentences
 * @param {{score: number}[]} pairs
 */
function compare(embeddings, references, n_sentences, pairs) {
    const cosines = references.slice(0, n_sentences).map((each, i) => dot(each, embeddings[i]));
    const similarities = pairs.map((_, i) => {
        const at = n_sentences + 2 * i;
        return dot(embeddings[at], embeddings[at + 1]);
    });
    const scores = pairs.map(({ score }) => score);
    return {
        cosine: cosines.reduce((sum, each) => sum + each) / cosines.length,
        least_cosine: Math.min(...cosines),
        spearman: pairs.length ? 100 * spearman(scores, similarities) : null,
    };
}

/**
 * @param {any} model
 * @param {string[]} texts
 * @param {string} prefix
 * @returns {Promise<number[][]>}
 */
async function idsOf(model, texts, prefix) {
    const encoded = await model.tokenizer.encodeBatch(texts.map((text) => prefix + text));
    return encoded.map((/** @type {{ids: Uint32Array}} */ { ids }) => [...ids]);
}

/** @param {any} model @param {number[][]} sequences */
async function runOurs(model, sequences) {
    const embeddings = [];
    for (let i = 0; i < sequences.length; i += BATCH) {
        const batch = sequences.slice(i, i + BATCH).map((input_ids) => ({ input_ids }));
        for (const { hidden_states } of await model.forward(batch, { hidden_states: true })) {
            const { dims, data } = hidden_states; // [n_layers + 1, n, hidden]
            embeddings.push(meanPool(data.slice(-dims[1] * dims[2]), dims[2]));
        }
    }
    return embeddings;
}

/** @param {string} file @param {number[][]} sequences */
async function runOnnx(file, sequences) {
    const ort = createRequire(import.meta.url)('onnxruntime-node');
    const session = await ort.InferenceSession.create(file, { logSeverityLevel: 3 });
    const embeddings = [];
    for (const ids of sequences) {
        const tensor = (/** @type {(id: number) => number} */ number) =>
            new ort.Tensor(
                'int64',
                BigInt64Array.from(ids, (id) => BigInt(number(id))),
                [1, ids.length],
            );
        const { last_hidden_state } = await session.run({
            input_ids: tensor((id) => id),
            attention_mask: tensor(() => 1),
            token_type_ids: tensor(() => 0),
        });
        embeddings.push(meanPool(last_hidden_state.data, last_hidden_state.dims[2]));
    }
    await session.release();
    return embeddings;
}

/**
 * Of length 1.
 * @param {Float32Array} states  [n, hidden]
 * @param {number} hidden
 */
function meanPool(states, hidden) {
    /** @type {number[]} */
    const sum = new Array(hidden).fill(0);
    states.forEach((x, i) => {
        sum[i % hidden] += x;
    });
    const length = Math.hypot(...sum);
    return sum.map((x) => x / length);
}

/** @param {number[]} a @param {number[]} b */
function dot(a, b) {
    return a.reduce((sum, x, i) => sum + x * b[i], 0);
}

/**
 * @param {EncoderAccuracy[]} rows
 * @returns {string}  a table in Markdown
 */
export function encodersTable(rows) {
    return [
        '| model | | file, MB | cosine to f32, mean | least | STS-B, Spearman, % |',
        '| --- | --- | --- | --- | --- | --- |',
        ...rows.map(
            ({ model, runtime, dtype, bytes, cosine, least_cosine, spearman: correlation }) =>
                `| ${model} | ${runtime} ${dtype} | ${(bytes / 1e6).toFixed(1)} ` +
                `| ${cosine.toFixed(4)} | ${least_cosine.toFixed(4)} ` +
                `| ${correlation === null ? '' : correlation.toFixed(2)} |`,
        ),
    ].join('\n');
}
