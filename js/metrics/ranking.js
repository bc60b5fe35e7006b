/** Metrics of one ranked list; callers take the mean over all queries. */

/**
 * One over the rank (from 1) of the first relevant document; 0 if there is none among the first k.
 * The mean over queries is the MRR@k.
 * @param {number[]} ranked  documents (their indices), best first
 * @param {number[]} gains  of every document by index: 0 is not relevant
 * @param {number} [k]  how many count, from 1; default 10
 * @returns {number}  0 to 1
 */
export function reciprocalRank(ranked, gains, k = 10) {
    const place = ranked.slice(0, k).findIndex((document) => gains[document] > 0);
    return place < 0 ? 0 : 1 / (place + 1);
}

/**
 * Normalised discounted cumulative gain: the gains of the first k, each divided by log2(rank + 1),
 * over the most that an order can have; 0 where no document is relevant.
 * @param {number[]} ranked  documents (their indices), best first
 * @param {number[]} gains  of every document by index, not negative; 0 and 1, or grades
 * @param {number} [k]  how many count, from 1; default 10
 * @returns {number}  0 to 1
 */
export function ndcg(ranked, gains, k = 10) {
    const discounted = (/** @type {number[]} */ list) =>
        list.slice(0, k).reduce((sum, gain, i) => sum + gain / Math.log2(i + 2), 0);
    const best = discounted([...gains].sort((a, b) => b - a));
    return best === 0 ? 0 : discounted(ranked.map((document) => gains[document])) / best;
}

/**
 * The share of lists whose first k have the expected one: accuracy@k.
 * @template T
 * @param {T[]} expected  of each list what should be found
 * @param {T[][]} ranked  lists, best first
 * @param {number} k  how many count, from 1
 * @returns {number}  0 to 1
 */
export function hitRate(expected, ranked, k) {
    const hits = expected.filter((one, i) => ranked[i].slice(0, k).includes(one));
    return hits.length / expected.length;
}
