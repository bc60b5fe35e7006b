/**
 * What each dtype costs: file size, accuracy on SST-2's development set through the sentiment head,
 * and the cosine between mean-pooled embeddings of its first 300 sentences and those of f32.
 *
 *     make bench-accuracy
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const ROOT = join(import.meta.dirname, '..');
const { values: options } = parseArgs({
    options: {
        model: { type: 'string', default: process.env.MODEL_ONNX ?? join(ROOT, '../shared/models/sentiment-minilm-l6') },
        sentences: { type: 'string', default: process.env.SENTENCES ?? join(ROOT, '../shared/data/sst2-dev.tsv') },
        converter: { type: 'string', default: join(ROOT, 'build/native/bert-convert') },
        dist: { type: 'string', default: join(ROOT, 'build/dist') },
        variants: { type: 'string', default: 'f32 f16 q8' },
        calibrate: { type: 'string' },
    },
});

const N_EMBEDDINGS = 300;

const { pipeline } = await import(join(options.dist, 'index.node.js'));
const examples = readFileSync(options.sentences, 'utf8').trimEnd().split('\n').slice(1).map((line) => line.split('\t'));
const texts = examples.map(([text]) => text);
const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-accuracy-'));

/**
 * @param {string} dtype
 * @returns {Promise<{mib: number, labels: string[], embeddings: Float64Array[]}>}
 */
async function measure(dtype) {
    const file = join(folder, `${dtype}.safetensors`);
    const calibration = options.calibrate && dtype.startsWith('q') ? ['--calibrate', options.calibrate] : [];
    execFileSync(options.converter, [options.model, '-o', file, '--dtype', dtype, ...calibration], { stdio: ['ignore', 'ignore', 'inherit'] });
    const classify = await pipeline('text-classification', file);
    const labels = (await classify(texts)).map((/** @type {{label: string}[] | {label: string}} */ result) => [result].flat()[0].label);
    const encoded = await classify.model.tokenize(texts.slice(0, N_EMBEDDINGS));
    const outputs = await classify.model.forward(
        encoded.map((/** @type {{ids: Uint32Array}} */ { ids }) => ({ input_ids: ids })), { hidden_states: true });
    const embeddings = outputs.map((/** @type {any} */ output) => meanPool(output.hidden_states));
    await classify.dispose();
    return { mib: statSync(file).size / 2 ** 20, labels, embeddings };
}

/**
 * The mean over the tokens of the last layer, of length 1.
 * @param {{dims: number[], data: Float32Array}} states  [n_layers + 1, n, hidden]
 */
function meanPool({ dims: [n_states, n, hidden], data }) {
    const sum = new Float64Array(hidden);
    const last = data.subarray((n_states - 1) * n * hidden);
    last.forEach((x, i) => { sum[i % hidden] += x; });
    const length = Math.hypot(...sum);
    return sum.map((x) => x / length);
}

try {
    /** @type {Awaited<ReturnType<typeof measure>> | undefined} */
    let reference;
    console.log('| dtype | file, MB | SST-2 dev, % | answers other than f32 | cosine to f32, mean | least |');
    console.log('| --- | --- | --- | --- | --- | --- |');
    for (const dtype of options.variants.split(' ')) {
        const result = await measure(dtype);
        reference ??= result;
        const { embeddings, labels } = reference;
        const right = result.labels.filter((label, i) => label === (examples[i][1] === '1' ? 'POSITIVE' : 'NEGATIVE')).length;
        const others = result.labels.filter((label, i) => label !== labels[i]).length;
        const cosines = result.embeddings.map((a, i) => a.reduce((sum, x, j) => sum + x * embeddings[i][j], 0));
        const mean = cosines.reduce((a, b) => a + b) / cosines.length;
        console.log(`| ${dtype} | ${(result.mib * 2 ** 20 / 1e6).toFixed(1)} | ${(100 * right / texts.length).toFixed(2)} | ${others} | ${mean.toFixed(5)} | ${Math.min(...cosines).toFixed(4)} |`);
    }
} finally {
    rmSync(folder, { recursive: true });
}
