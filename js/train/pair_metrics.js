/**
 * How good embeddings are by pairs of sentences: of pairs with scores how well the cosines agree
 * with those; of others how often the second sentence is the one that is nearest to the first.
 */

import { spearman } from '../metrics/correlation.js';
import { batchesOf } from './batches.js';
import { distinct } from './objectives/pairs.js';

/** Places that count in mrr_at_10. */
const MOST_PLACES = 10;

/** Anchors that are compared with all answers between two checks for an abort. */
const ANCHORS_A_TURN = 16;

/** @typedef {import('./objectives/pairs.js').Pair} Pair */
/** @typedef {import('./trainer.js').Tokens} Tokens */
/** @typedef {Map<Tokens, Float32Array>} Vectors  of length 1 */

/**
 * @param {{batch_size: number}} request
 * @param {Pair[]} pairs
 * @param {import('./trainer.js').Trainer} trainer
 * @param {{turn: import('../worker/engine.js').Turn}} caller
 * @returns {Promise<import('./run.js').ValidationMetrics>}
 */
export async function validatePairs({ batch_size }, pairs, trainer, { turn }) {
    /** @type {Vectors} */
    const vectors = new Map();
    let sum = 0;
    for (const batch of batchesOf(pairs, batch_size)) {
        await turn();
        const { loss, outputs } = trainer.run(batch, false);
        const sentences = distinct(batch);
        const width = outputs[0].length / sentences.length;
        sentences.forEach((each, i) => {
            vectors.set(each, unit(outputs[0].subarray(i * width, (i + 1) * width)));
        });
        sum += loss * batch.length;
    }
    const metrics =
        pairs[0].score === null
            ? await ofAnswers(pairs, vectors, turn)
            : { spearman: agreement(pairs, vectors) };
    return { loss: sum / pairs.length, ...metrics };
}

/** @param {Float32Array} row @returns {Float32Array}  of length 1 */
function unit(row) {
    const length = Math.sqrt(dot(row, row));
    return row.map((x) => x / (length || 1));
}

/** @param {Float32Array} a @param {Float32Array} b */
function dot(a, b) {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
    return sum;
}

/**
 * @param {Pair[]} pairs  with scores
 * @param {Vectors} vectors
 */
function agreement(pairs, vectors) {
    const vector = (/** @type {Tokens} */ each) => /** @type {Float32Array} */ (vectors.get(each));
    const found = pairs.map(({ sentences: [a, b] }) => dot(vector(a), vector(b)));
    const wanted = pairs.map(({ score }) => Number(score));
    return spearman(found, wanted) || 0; // NaN where one does not vary
}

/**
 * Each distinct first sentence among all that are no first ones of it; the nearest of its own
 * counts.
 * @param {Pair[]} pairs
 * @param {Vectors} vectors
 * @param {import('../worker/engine.js').Turn} turn
 */
async function ofAnswers(pairs, vectors, turn) {
    const vector = (/** @type {Tokens} */ each) => /** @type {Float32Array} */ (vectors.get(each));
    /** @type {Map<Tokens, Set<Tokens>>} */
    const answers = new Map();
    for (const { sentences } of pairs) {
        const [anchor, answer] = sentences;
        answers.set(anchor, (answers.get(anchor) ?? new Set()).add(answer));
    }
    const candidates = new Set(pairs.flatMap(({ sentences }) => sentences.slice(1)));
    let [n_first, reciprocals, n] = [0, 0, 0];
    for (const [anchor, own] of answers) {
        if (n++ % ANCHORS_A_TURN === 0) await turn();
        const nearness = (/** @type {Tokens} */ each) => dot(vector(anchor), vector(each));
        const best = Math.max(...[...own].map(nearness));
        let place = 1;
        for (const each of candidates) {
            if (each !== anchor && !own.has(each) && nearness(each) >= best) place++;
        }
        if (place === 1) n_first++;
        if (place <= MOST_PLACES) reciprocals += 1 / place;
    }
    return { accuracy: n_first / answers.size, mrr_at_10: reciprocals / answers.size };
}
