/**
 * What callers get of an output that the core does not compute: activations and pooling of rows.
 */

/**
 * @param {Float32Array} data  rows of n_columns, changed in place
 * @param {number} n_columns
 * @param {import('../loader/config.js').OutputRequest['activation']} activation
 */
export function activate(data, n_columns, activation) {
    if (activation === 'sigmoid') {
        data.forEach((x, i) => {
            data[i] = 1 / (1 + Math.exp(-x));
        });
    }
    if (activation !== 'softmax') return;
    for (let start = 0; start < data.length; start += n_columns) {
        const row = data.subarray(start, start + n_columns);
        const largest = row.reduce((a, b) => Math.max(a, b), -Infinity);
        let sum = 0;
        for (const x of row) sum += Math.exp(x - largest);
        row.forEach((x, i) => {
            row[i] = Math.exp(x - largest) / sum;
        });
    }
}

/**
 * One row of many.
 * @param {import('./sequences.js').FloatTensor} tensor  [n_rows, n_columns]
 * @param {NonNullable<import('../loader/config.js').OutputRequest['pooling']>} pooling
 * @returns {import('./sequences.js').FloatTensor}
 */
export function pool({ dims: [n_rows, n_columns], data }, pooling) {
    if (pooling === 'cls') return { dims: [n_columns], data: data.slice(0, n_columns) };
    if (pooling === 'last_token') {
        return { dims: [n_columns], data: data.slice((n_rows - 1) * n_columns) };
    }
    const sums = new Float64Array(n_columns);
    for (let row = 0, at = 0; row < n_rows; row++) {
        for (let column = 0; column < n_columns; column++) sums[column] += data[at++];
    }
    return { dims: [n_columns], data: Float32Array.from(sums, (sum) => sum / n_rows) };
}
