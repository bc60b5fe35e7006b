/**
 * What takes long of many vectors: places on a map, pairs, the tree of clusters. Whoever no longer
 * wants it ends the worker.
 *
 * @typedef {object} Question
 * @property {Float32Array} vectors  [n, d], each of length 1
 * @property {number} n
 * @property {number} d
 * @property {number} most_pairs
 *
 * @typedef {object} Answer
 * @property {Float64Array} points  [n, 2]
 * @property {number[]} share  of the variance, along both
 * @property {import('./clusters.js').Pair[]} pairs  the most alike first
 * @property {Float64Array} counts  of bestPairs()
 * @property {import('./clusters.js').Merge[]} merges
 */

import { agglomerate, bestPairs, similarities } from './clusters.js';
import { principalComponents } from './pca.js';

/** @typedef {typeof import('../../js/index.js')} Library */

const scope = /** @type {any} */ (globalThis);

scope.onmessage = async (/** @type {MessageEvent<Question>} */ { data }) => {
    const { vectors, n, d, most_pairs } = data;
    try {
        const report =
            (/** @type {number} */ from, /** @type {number} */ to) =>
            (/** @type {number} */ share) =>
                scope.postMessage({ progress: from + share * (to - from) });
        const { points, share } = principalComponents(vectors, n, d);
        report(0, 0.1)(1);
        const library = /** @type {unknown} */ (await import('bert-wasm'));
        const { similarity } = /** @type {Library} */ (library);
        const all = await similarities(vectors, n, d, similarity, report(0.1, 0.7));
        const { pairs, counts } = bestPairs(all, n, most_pairs);
        const merges = agglomerate(all, n, report(0.7, 1));
        scope.postMessage({ answer: { points, share, pairs, counts, merges } });
    } catch (error) {
        scope.postMessage({ error: /** @type {Error} */ (error).message });
    }
};
