/**
 * Metrics of classification, from a confusion matrix: rows are the true classes, columns the
 * predicted.
 */

import { scoresOf, summary } from './counts.js';

/** @import { Scores } from './counts.js' */

/**
 * How often each class was taken for each.
 * @param {number[]} expected  class indices, from 0
 * @param {number[]} predicted  as many
 * @param {number} n_classes  how many classes there are
 * @returns {number[][]}  rows are the true classes, columns the predicted
 */
export function confusion(expected, predicted, n_classes) {
    const matrix = Array.from({ length: n_classes }, () => new Array(n_classes).fill(0));
    expected.forEach((truth, i) => matrix[truth][predicted[i]]++);
    return matrix;
}

/**
 * The share of predictions that are right.
 * @param {number[][]} matrix  as confusion() gives it
 * @returns {number}
 */
export function accuracy(matrix) {
    return sum(matrix.map((row, i) => row[i])) / sum(matrix.flat());
}

/**
 * Precision, recall and F1 of every class, and their averages. Where nothing was predicted or
 * nothing is true the score is 0, as in scikit-learn.
 * @param {number[][]} matrix  as confusion() gives it
 * @returns {{classes: Scores[], micro: Scores, macro: Scores, weighted: Scores}}  classes in the
 *   matrix's order
 */
export function classScores(matrix) {
    const counts = matrix.map((row, i) => ({
        correct: row[i],
        predicted: sum(matrix.map((other) => other[i])),
        expected: sum(row),
    }));
    return { classes: counts.map(scoresOf), ...summary(counts) };
}

/**
 * The mean of the classes' F1. A class that neither occurs nor is predicted counts 0, as in
 * scikit-learn.
 * @param {number[][]} matrix  as confusion() gives it
 * @returns {number}
 */
export function macroF1(matrix) {
    return classScores(matrix).macro.f1;
}

/**
 * Matthews correlation coefficient, of any number of classes: 1 all right, 0 no better than chance;
 * 0 also where only one class occurs or is predicted.
 * @param {number[][]} matrix  as confusion() gives it
 * @returns {number}
 */
export function matthews(matrix) {
    const n = sum(matrix.flat());
    const correct = sum(matrix.map((row, i) => row[i]));
    const expected = matrix.map(sum);
    const predicted = matrix.map((_, i) => sum(matrix.map((row) => row[i])));
    const dot = (/** @type {number[]} */ a, /** @type {number[]} */ b) =>
        sum(a.map((x, i) => x * b[i]));
    const spread = (n * n - dot(expected, expected)) * (n * n - dot(predicted, predicted));
    return spread === 0 ? 0 : (n * correct - dot(expected, predicted)) / Math.sqrt(spread);
}

/** @param {number[]} numbers */
function sum(numbers) {
    return numbers.reduce((a, b) => a + b, 0);
}
