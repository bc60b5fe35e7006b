/**
 * What each dtype costs: file size, accuracy on SST-2's development set through the sentiment head,
 * and the cosine between mean-pooled embeddings of its first 300 sentences and those of f32.
 *
 *     make bench-accuracy              and then the same of sentence encoders: encoders.js
 *
 * Calibrated files are made with 100 texts of another data set.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { encodersTable, measureEncoders } from './encoders.js';
import { prepareEncoders, SENTIMENT } from './real_models.js';

const ROOT = join(import.meta.dirname, '..');
const MODEL = SENTIMENT;
const SENTENCES = process.env.SENTENCES ?? join(ROOT, '../shared/data/sst2-dev.tsv');
const CALIBRATION = process.env.CALIBRATION ?? join(ROOT, '../shared/data/reviews-dev.tsv');

const N_EMBEDDINGS = 300;
const N_CALIBRATION = 100;

const VARIANTS = [
    { name: 'f32', dtype: 'f32' },
    { name: 'f16', dtype: 'f16' },
    { name: 'q8', dtype: 'q8' },
    { name: 'q8, calibrated', dtype: 'q8', calibrated: true },
    { name: 'q7', dtype: 'q7' },
    { name: 'q7, calibrated', dtype: 'q7', calibrated: true },
    { name: 'q4', dtype: 'q4' },
    { name: 'q4, calibrated', dtype: 'q4', calibrated: true },
];

/**
 * @typedef {object} Accuracy
 * @property {string} name  of the variant
 * @property {number} bytes  of the file
 * @property {number} right  per cent of the answers
 * @property {number} others  answers that are not f32's
 * @property {number} cosine  mean
 * @property {number} least_cosine
 */

/** @param {string} path  of a TSV file with a header */
function readRows(path) {
    return readFileSync(path, 'utf8')
        .trimEnd()
        .split('\n')
        .slice(1)
        .map((line) => line.split('\t'));
}

/**
 * @param {{dist: string, converter: string}} options
 * @returns {Promise<Accuracy[]>}
 */
export async function measureAccuracy({ dist, converter }) {
    for (const path of [MODEL, SENTENCES, CALIBRATION]) {
        if (!existsSync(path)) throw new Error(`there is no ${path}`);
    }
    const { pipeline } = await import(join(resolve(dist), 'index.node.js'));
    const examples = readRows(SENTENCES);
    const texts = examples.map(([text]) => text);
    const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-accuracy-'));
    const calibration = join(folder, 'calibration.jsonl');

    /** @param {typeof VARIANTS[number]} variant */
    async function run({ dtype, calibrated }) {
        const file = join(folder, `${dtype}.safetensors`);
        const extra = calibrated ? ['--calibrate', calibration] : [];
        execFileSync(converter, [MODEL, '-o', file, '--dtype', dtype, ...extra], {
            stdio: ['ignore', 'ignore', 'inherit'],
        });
        const classify = await pipeline('text-classification', file);
        if (!existsSync(calibration)) {
            const encoded = await classify.model.tokenizer.encodeBatch(
                readRows(CALIBRATION)
                    .slice(0, N_CALIBRATION)
                    .map(([text]) => text),
            );
            writeFileSync(
                calibration,
                encoded
                    .map(
                        (/** @type {{ids: Uint32Array}} */ { ids }) =>
                            `${JSON.stringify({ ids: [...ids] })}\n`,
                    )
                    .join(''),
            );
        }
        const results = await classify(texts);
        const encoded = await classify.model.tokenizer.encodeBatch(texts.slice(0, N_EMBEDDINGS));
        const outputs = await classify.model.forward(
            encoded.map((/** @type {{ids: Uint32Array}} */ { ids }) => ({ input_ids: ids })),
            { hidden_states: true },
        );
        classify.dispose();
        return {
            bytes: statSync(file).size,
            labels: results.map(
                (/** @type {{label: string}[] | {label: string}} */ result) =>
                    [result].flat()[0].label,
            ),
            embeddings: outputs.map((/** @type {any} */ output) => meanPool(output.hidden_states)),
        };
    }

    try {
        /** @type {Awaited<ReturnType<typeof run>> | undefined} */
        let reference;
        const rows = [];
        for (const variant of VARIANTS) {
            const result = await run(variant);
            reference ??= result;
            const { embeddings, labels } = reference;
            const cosines = result.embeddings.map(
                (/** @type {Float64Array} */ a, /** @type {number} */ i) =>
                    a.reduce((sum, x, j) => sum + x * embeddings[i][j], 0),
            );
            rows.push({
                name: variant.name,
                bytes: result.bytes,
                right:
                    (100 *
                        result.labels.filter(
                            (/** @type {string} */ label, /** @type {number} */ i) =>
                                label === (examples[i][1] === '1' ? 'POSITIVE' : 'NEGATIVE'),
                        ).length) /
                    texts.length,
                others: result.labels.filter(
                    (/** @type {string} */ label, /** @type {number} */ i) => label !== labels[i],
                ).length,
                cosine:
                    cosines.reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b) /
                    cosines.length,
                least_cosine: Math.min(...cosines),
            });
        }
        return rows;
    } finally {
        rmSync(folder, { recursive: true });
    }
}

/**
 * The mean over the tokens of the last layer, of length 1.
 * @param {{dims: number[], data: Float32Array}} states  [n_layers + 1, n, hidden]
 */
function meanPool({ dims: [n_states, n, hidden], data }) {
    const sum = new Float64Array(hidden);
    const last = data.subarray((n_states - 1) * n * hidden);
    last.forEach((x, i) => {
        sum[i % hidden] += x;
    });
    const length = Math.hypot(...sum);
    return sum.map((x) => x / length);
}

/**
 * @param {Accuracy[]} rows
 * @returns {string}  a table in Markdown
 */
export function accuracyTable(rows) {
    return [
        '| dtype | file, MB | SST-2 dev (872), % | answers other than f32 | cosine to f32, ' +
            'mean | least |',
        '| --- | --- | --- | --- | --- | --- |',
        ...rows.map(
            ({ name, bytes, right, others, cosine, least_cosine }) =>
                `| ${name} | ${(bytes / 1e6).toFixed(1)} | ${right.toFixed(2)} | ${others} ` +
                `| ${cosine.toFixed(4)} | ${least_cosine.toFixed(3)} |`,
        ),
    ].join('\n');
}

if (process.argv[1] === import.meta.filename) {
    const options = {
        dist: join(ROOT, 'build/dist'),
        converter: join(ROOT, 'build/native/bert-convert'),
    };
    const dtypes = await measureAccuracy(options);
    const encoders = await measureEncoders(prepareEncoders(console.error), options);
    console.log(`${accuracyTable(dtypes)}\n\n${encodersTable(encoders)}\n`);
    console.log(JSON.stringify({ dtypes, encoders })); // for bench/measured.json
}
