/**
 * What callers get of an output that the core does not compute: activations and pooling of rows.
 * Pipelines take scores from logits by the same two functions.
 */

/**
 * @typedef {object} FloatTensor
 * @property {number[]} dims  how many of each dimension, the outermost first
 * @property {Float32Array} data  row-major
 */

/**
 * Each power is taken twice: it is not rounded to the array in between, and no array is needed for
 * it. That is faster than keeping them.
 * @template {Float32Array | number[]} [T=number[]]
 * @param {ArrayLike<number>} logits
 * @param {T} [scores]  where they go, in place too
 * @returns {T}
 */
export function softmax(logits, scores = /** @type {any} */ (new Array(logits.length))) {
    const { length } = logits;
    let largest = -Infinity;
    let sum = 0;
    for (let i = 0; i < length; i++) largest = Math.max(largest, logits[i]);
    for (let i = 0; i < length; i++) sum += Math.exp(logits[i] - largest);
    for (let i = 0; i < length; i++) scores[i] = Math.exp(logits[i] - largest) / sum;
    return scores;
}

/** @param {number} x */
export function sigmoid(x) {
    return 1 / (1 + Math.exp(-x));
}

/**
 * @param {Float32Array} data  rows of n_columns, changed in place
 * @param {number} n_columns
 * @param {import('../loader/model_file.js').OutputRequest['activation']} activation
 */
export function activate(data, n_columns, activation) {
    if (activation === 'sigmoid') {
        data.forEach((x, i) => {
            data[i] = sigmoid(x);
        });
    }
    if (activation !== 'softmax') return;
    for (let start = 0; start < data.length; start += n_columns) {
        const row = data.subarray(start, start + n_columns);
        softmax(row, row);
    }
}

/**
 * One row of many.
 * @param {FloatTensor} tensor  [n_rows, n_columns]
 * @param {NonNullable<import('../loader/model_file.js').OutputRequest['pooling']>} pooling
 * @param {number} [first]  the first row that counts
 * @returns {FloatTensor}
 */
export function pool({ dims: [n_rows, n_columns], data }, pooling, first = 0) {
    const start = first * n_columns;
    if (pooling === 'cls') return { dims: [n_columns], data: data.slice(start, start + n_columns) };
    if (pooling === 'last_token') {
        return { dims: [n_columns], data: data.slice((n_rows - 1) * n_columns) };
    }
    const sums = new Float64Array(n_columns);
    for (let row = first, at = start; row < n_rows; row++) {
        for (let column = 0; column < n_columns; column++) sums[column] += data[at++];
    }
    return { dims: [n_columns], data: Float32Array.from(sums, (sum) => sum / (n_rows - first)) };
}
