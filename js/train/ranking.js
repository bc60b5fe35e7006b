/**
 * Queries and documents, of which a cross-encoder learns which answer which (Nogueira & Cho 2019,
 * "Passage Re-ranking with BERT"): each document is a pair with its query and a target, 1 or 0.
 */

import { BertError, describe, withPlace } from '../errors.js';
import { ndcg, reciprocalRank } from '../metrics/ranking.js';
import { topIndices } from '../pipelines/scores.js';
import { toSequence } from './sequences.js';

/** Queries whose pairs are tokenized between two checks for an abort. */
const QUERIES_A_TURN = 8;

/** @typedef {import('./examples.js').Labelled} Labelled */
/** @typedef {import('./examples.js').Read} Read */
/** @typedef {import('./trainer.js').Sequence} Sequence */
/** @typedef {Sequence & {example: number}} RankedPair  of the query with this index */

/**
 * @param {any} example
 * @returns {Read}
 */
export function readRanked(example) {
    const { query, documents, relevant } = example ?? {};
    const areTexts =
        Array.isArray(documents) && documents.every((document) => typeof document === 'string');
    if (typeof query !== 'string' || !areTexts || !Array.isArray(relevant)) {
        throw new BertError(
            'BAD_INPUT',
            'it must be {query, documents, relevant}, texts and the indices of those that answer ' +
                `the query, not ${describe(example)}`,
        );
    }
    const n = documents.length;
    const other = relevant.findIndex((i) => !(Number.isInteger(i) && i >= 0 && i < n));
    if (n === 0 || other >= 0) {
        throw new BertError(
            'BAD_INPUT',
            n === 0
                ? 'it must have a document or more'
                : `its relevant must be indices of its documents, 0 to ${n - 1}, ` +
                      `not ${describe(relevant[other])}`,
        );
    }
    // As the pipeline does.
    const read = documents.map((document) => document.trim());
    return { text: query.trim(), documents: read, relevant: [...relevant], labels: [] };
}

/**
 * There is something to tell apart.
 * @param {Read[]} examples
 * @param {string} what  one is, for messages
 */
export function checkRelevant(examples, what) {
    const kinds = examples.flatMap(({ documents = [], relevant = [] }) =>
        documents.map((_, i) => relevant.includes(i)),
    );
    if (kinds.includes(true) && kinds.includes(false)) return;
    const which = kinds[0]
        ? 'all documents are relevant in every'
        : 'no document is relevant in any';
    throw new BertError(
        'BAD_INPUT',
        `${which} ${what}: there must be some that are and some that are not`,
    );
}

/**
 * @param {import('../tokenizer/index.js').Tokenizer} tokenizer
 * @param {Labelled[]} examples
 * @param {number} max_length  tokens of a pair, special ones included: what is longer is cut
 * @param {string} what  one is, for messages
 * @param {import('../worker/engine.js').Turn} turn
 * @returns {Promise<RankedPair[]>}
 */
export async function toRankedPairs(tokenizer, examples, max_length, what, turn) {
    /** @type {RankedPair[]} */
    const pairs = [];
    for (const [i, { text, documents = [], relevant = [] }] of examples.entries()) {
        if (i % QUERIES_A_TURN === QUERIES_A_TURN - 1) await turn();
        try {
            for (const [d, text_pair] of documents.entries()) {
                const targets = [Number(relevant.includes(d))];
                const pair = { text, text_pair, labels: [], targets };
                pairs.push({ ...toSequence(tokenizer, pair, max_length), example: i });
            }
        } catch (error) {
            throw withPlace(error, `${what} ${i}`, i);
        }
    }
    return pairs;
}

/**
 * Means over queries, as evaluate() has them.
 * @param {RankedPair[]} pairs  those of a query one after another
 * @param {Float32Array[]} logits  one of each
 * @returns {{mrr_at_10: number, ndcg_at_10: number}}
 */
export function rankingMetrics(pairs, logits) {
    /** @type {Map<number, {scores: number[], gains: number[]}>} */
    const queries = new Map();
    for (const [i, { example, targets = [] }] of pairs.entries()) {
        const query = queries.get(example) ?? { scores: [], gains: [] };
        queries.set(example, query);
        query.scores.push(logits[i][0]);
        query.gains.push(targets[0]);
    }
    let [reciprocals, gains] = [0, 0];
    for (const query of queries.values()) {
        const ranked = topIndices(query.scores, query.scores.length);
        reciprocals += reciprocalRank(ranked, query.gains);
        gains += ndcg(ranked, query.gains);
    }
    return { mrr_at_10: reciprocals / queries.size, ndcg_at_10: gains / queries.size };
}
