/** Correlations of two lists of numbers, -1 to 1; NaN where one of them does not vary. */

/**
 * Pearson's correlation: how well a line describes the one by the other.
 * @param {number[]} a  numbers
 * @param {number[]} b  as many
 * @returns {number}  -1 to 1; NaN where one of them does not vary
 */
export function pearson(a, b) {
    const x = centred(a);
    const y = centred(b);
    const dot = (/** @type {number[]} */ u, /** @type {number[]} */ v) =>
        u.reduce((sum, one, i) => sum + one * v[i], 0);
    const r = dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
    return Math.max(-1, Math.min(1, r)); // rounding may go beyond 1
}

/**
 * Spearman's correlation: how well their orders agree. Equal numbers share their mean rank.
 * @param {number[]} a  numbers
 * @param {number[]} b  as many
 * @returns {number}  -1 to 1; NaN where one of them does not vary
 */
export function spearman(a, b) {
    return pearson(ranks(a), ranks(b));
}

/** @param {number[]} numbers */
function centred(numbers) {
    const mean = numbers.reduce((a, b) => a + b, 0) / numbers.length;
    // the mean of equal numbers may be rounded, which would let them vary
    if (numbers.every((x) => x === numbers[0])) return numbers.map(() => 0);
    return numbers.map((x) => x - mean);
}

/**
 * Ranks from 1, ties by the mean.
 * @param {number[]} numbers
 */
function ranks(numbers) {
    const order = numbers.map((_, i) => i).sort((i, k) => numbers[i] - numbers[k]);
    const result = new Array(numbers.length);
    for (let begin = 0, end = 0; begin < order.length; begin = end) {
        while (end < order.length && numbers[order[end]] === numbers[order[begin]]) end++;
        for (let i = begin; i < end; i++) result[order[i]] = (begin + 1 + end) / 2;
    }
    return result;
}
