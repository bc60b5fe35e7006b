/** Sentences compared all with all: the model makes vectors, a worker what follows from them. */

/** @typedef {import('./projection_worker.js').Answer} Answer */
/**
 * @typedef {object} Compared
 * @property {string[]} sentences
 * @property {Float32Array} data  [n, d]
 * @property {number} d
 * @property {number} n_cut  sentences that the model could not read whole
 * @property {Answer} answer
 */

const MOST_PAIRS = 1000;

/**
 * @param {string[]} sentences
 * @param {object} how
 * @param {import('./vectors.js').Vectors} how.vectors
 * @param {import('../shell/models.js').Embed} how.embed
 * @param {AbortSignal} how.signal
 * @param {(done: number, total: number) => void} how.onread
 * @param {(share: number) => void} how.oncompare
 * @returns {Promise<Compared>}
 */
export async function compare(sentences, { vectors, embed, signal, onread, oncompare }) {
    const { data, d, n_cut } = await vectors.of(sentences, embed, { signal, onprogress: onread });
    const answer = await ask(data, sentences.length, d, signal, oncompare);
    return { sentences, data, d, n_cut, answer };
}

/**
 * @param {Float32Array} data
 * @param {number} n
 * @param {number} d
 * @param {AbortSignal} signal
 * @param {(share: number) => void} onprogress
 * @returns {Promise<Answer>}
 */
function ask(data, n, d, signal, onprogress) {
    const worker = new Worker(new URL('./projection_worker.js', import.meta.url), {
        type: 'module',
    });
    const answer = new Promise((resolve, reject) => {
        worker.onmessage = ({ data: { progress, answer, error } }) => {
            if (answer) resolve(answer);
            else if (error) reject(new Error(error));
            else onprogress(progress);
        };
        worker.onerror = ({ message }) =>
            reject(new Error(message ?? 'a part of the page did not come'));
        signal.addEventListener('abort', () => reject(signal.reason));
    }).finally(() => worker.terminate());
    worker.postMessage({ vectors: data, n, d, most_pairs: MOST_PAIRS });
    return /** @type {Promise<Answer>} */ (answer);
}
