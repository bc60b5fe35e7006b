/** Metrics of classification, from a confusion matrix: rows are the true classes, columns the predicted. */

/**
 * @param {number[]} expected  class indices
 * @param {number[]} predicted
 * @param {number} n_classes
 * @returns {number[][]}
 */
export function confusion(expected, predicted, n_classes) {
    const matrix = Array.from({ length: n_classes }, () => new Array(n_classes).fill(0));
    expected.forEach((truth, i) => matrix[truth][predicted[i]]++);
    return matrix;
}

/** @param {number[][]} matrix */
export function accuracy(matrix) {
    const total = matrix.flat().reduce((a, b) => a + b, 0);
    return matrix.reduce((sum, row, i) => sum + row[i], 0) / total;
}

/**
 * The mean of the classes' F1. A class that neither occurs nor is predicted counts 0, as in
 * scikit-learn.
 * @param {number[][]} matrix
 */
export function macroF1(matrix) {
    const f1 = matrix.map((row, i) => {
        const n_true = row.reduce((a, b) => a + b, 0);
        const n_predicted = matrix.reduce((sum, other) => sum + other[i], 0);
        return n_true + n_predicted ? (2 * row[i]) / (n_true + n_predicted) : 0;
    });
    return f1.reduce((a, b) => a + b, 0) / matrix.length;
}
