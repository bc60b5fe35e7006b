/**
 * How far each runtime's 8 bits are from its own f32, with the same weights and the same texts:
 * cosines of mean-pooled embeddings. First the one f32 with the other: both must be the same model.
 */

/**
 * @typedef {object} Fidelity
 * @property {string} runtime
 * @property {string} dtype
 * @property {string} reference  the runtime whose f32 it is compared with
 * @property {number} mean
 * @property {number} least
 */

/** @type {[runtime: string, dtype: 'f32' | 'q8', reference: string][]} */
const COMPARED = [
    ['litert', 'f32', 'bert_wasm'],
    ['bert_wasm', 'q8', 'bert_wasm'],
    ['litert', 'q8', 'litert'],
];

/**
 * @param {{start: (setting: any) => Promise<import('./node.js').Handle>}} host
 * @param {import('./models.js').Model} model
 * @param {number[][]} sequences
 * @returns {Promise<Fidelity[]>}
 */
export async function measureFidelity(host, model, sequences) {
    const jobs = sequences.map((ids) => ({ name: '', batches: [[ids]], is_mean: true }));
    /** @type {Record<string, number[][]>} */
    const embeddings = {};
    for (const runtime of ['bert_wasm', 'litert']) {
        for (const dtype of /** @type {const} */ (['f32', 'q8'])) {
            const handle = await host.start({ runtime, model, dtype, threads: 1 });
            embeddings[`${runtime} ${dtype}`] = await handle.prepare(jobs, 0);
            await handle.close();
        }
    }
    return COMPARED.map(([runtime, dtype, reference]) => {
        const references = embeddings[`${reference} f32`];
        const cosines = embeddings[`${runtime} ${dtype}`].map((embedding, i) =>
            cosine(embedding, references[i]),
        );
        const mean = cosines.reduce((sum, each) => sum + each) / cosines.length;
        return { runtime, dtype, reference, mean, least: Math.min(...cosines) };
    });
}

/** @param {number[]} a @param {number[]} b */
function cosine(a, b) {
    const product = a.reduce((sum, x, i) => sum + x * b[i], 0);
    return product / (Math.hypot(...a) * Math.hypot(...b));
}
