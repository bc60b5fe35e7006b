/** Precision, recall and F1 from counts, and their averages over classes or types. */

/**
 * @typedef {object} Counts
 * @property {number} correct
 * @property {number} predicted
 * @property {number} expected
 */

/**
 * @typedef {object} Scores
 * @property {number} precision  share of what was predicted that is true
 * @property {number} recall  share of what is true that was predicted
 * @property {number} f1  their harmonic mean
 * @property {number} support  how many there are in truth
 */

/**
 * @param {Counts} counts
 * @returns {Scores}
 */
export function scoresOf({ correct, predicted, expected }) {
    return {
        precision: ratio(correct, predicted),
        recall: ratio(correct, expected),
        f1: ratio(2 * correct, predicted + expected),
        support: expected,
    };
}

/**
 * Averages: micro counts all together, macro is the plain mean over classes, weighted their mean
 * weighted by support.
 * @param {Counts[]} counts
 * @returns {{micro: Scores, macro: Scores, weighted: Scores}}
 */
export function summary(counts) {
    const total = (/** @type {keyof Counts} */ key) =>
        counts.reduce((sum, one) => sum + one[key], 0);
    const support = total('expected');
    const scores = counts.map(scoresOf);
    const mean = (/** @type {(one: Scores) => number} */ weight, /** @type {number} */ weights) => {
        const of = (/** @type {'precision' | 'recall' | 'f1'} */ key) =>
            ratio(
                scores.reduce((sum, one) => sum + weight(one) * one[key], 0),
                weights,
            );
        return { precision: of('precision'), recall: of('recall'), f1: of('f1'), support };
    };
    return {
        micro: scoresOf({
            correct: total('correct'),
            predicted: total('predicted'),
            expected: support,
        }),
        macro: mean(() => 1, counts.length),
        weighted: mean((one) => one.support, support),
    };
}

/**
 * 0 of 0 is 0.
 * @param {number} part
 * @param {number} whole
 */
function ratio(part, whole) {
    return whole === 0 ? 0 : part / whole;
}
