/**
 * What callers get of a batch's outputs: each sequence its own rows, or a part of them, without the
 * row of a first token that nobody attends to.
 */

import { LAYERED } from '../loader/model_file.js';
import { activate, pool } from './outputs.js';

/** @import { FloatTensor } from './outputs.js' */

/** @typedef {Pick<import('./core.js').Core, 'outputs' | 'encoder'>} Shapes  of a model's outputs */

/**
 * What is asked for of a batch's outputs, taken apart by sequence.
 * @param {Record<string, Float32Array>} outputs  as Engine.encode() returns them; only read
 * @param {import('./sequences.js').PreparedSequence[]} sequences
 * @param {Record<string, import('../loader/model_file.js').OutputRequest>} requests  by the
 *   result's name
 * @param {Shapes} shapes
 * @returns {Record<string, FloatTensor>[]}
 */
export function split(outputs, sequences, requests, shapes) {
    const n_tokens = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
    const n_squares = sequences.reduce((sum, { ids }) => sum + ids.length ** 2, 0);
    let [token, square, lm_row] = [0, 0, 0];
    return sequences.map(({ ids, attended, lm_rows, pool_from }, s) => {
        const n = ids.length;
        const skip = attended[0] ? 0 : 1;
        // Where all rows were asked for, the one that is skipped is among them.
        const lm_skip = lm_rows ? 0 : skip;
        const n_lm_rows = (lm_rows?.length ?? n) - lm_skip;
        lm_row += lm_skip;
        const n_unpooled = Math.max(0, pool_from - skip);
        const own = { s, n, skip, n_unpooled, token, square, lm_row, n_lm_rows };
        const place = { ...own, n_tokens, n_squares };
        const result = Object.fromEntries(
            Object.entries(requests).map(([name, request]) => [
                name,
                take(outputs[request.output], request, place, shapes),
            ]),
        );
        token += n;
        square += n ** 2;
        lm_row += n_lm_rows;
        return result;
    });
}

/**
 * @typedef {object} Place  of a sequence in a batch
 * @property {number} s  its index
 * @property {number} n  its tokens
 * @property {number} skip  1: the first of them is in no result
 * @property {number} n_unpooled  of its rows, those before the first that is pooled
 * @property {number} token  tokens before it
 * @property {number} square  the same, of each sequence squared
 * @property {number} lm_row  rows of lm_logits before its own
 * @property {number} n_lm_rows
 * @property {number} n_tokens  of the batch
 * @property {number} n_squares  likewise
 */

/**
 * @param {Float32Array} data  an output of a batch
 * @param {import('../loader/model_file.js').OutputRequest} request
 * @param {Place} place
 * @param {Shapes} shapes
 * @returns {FloatTensor}
 */
function take(data, { output, index, head, activation, pooling }, place, { outputs, encoder }) {
    const { s, n, skip, n_unpooled, token, lm_row, n_lm_rows, n_tokens } = place;
    const { n_columns, n_layers, is_of_tokens } = outputs[output];
    const rows = (/** @type {number} */ first, /** @type {number} */ n_rows) => ({
        dims: [n_rows, n_columns],
        data: data.subarray(first * n_columns, (first + n_rows) * n_columns),
    });
    const layer = (/** @type {number} */ l) => rows(l * n_tokens + token + skip, n - skip);
    /** @type {FloatTensor} */
    let tensor;
    if (output === 'attentions') {
        const n_heads = Number(encoder.n_heads);
        tensor = stack(n_layers, index, (l) => maps(data, l, n_heads, head, place));
    } else if (output === 'hidden_states') {
        tensor = stack(n_layers, index, layer);
    } else if (output === 'lm_logits') {
        tensor = copy(rows(lm_row, n_lm_rows));
    } else if (is_of_tokens) {
        tensor = copy(layer(0));
    } else {
        tensor = { dims: [n_columns], data: rows(s, 1).data.slice() };
    }
    if (pooling) tensor = pool(tensor, pooling, n_unpooled);
    if (activation) activate(tensor.data, tensor.dims[tensor.dims.length - 1], activation);
    return index === undefined || LAYERED.includes(output) ? tensor : column(tensor, index);
}

/**
 * @param {FloatTensor} tensor
 * @returns {FloatTensor}
 */
function copy({ dims, data }) {
    return { dims, data: data.slice() };
}

/**
 * A layer's attention probabilities, without the row and the column of a token that is skipped.
 * @param {Float32Array} data
 * @param {number} layer
 * @param {number} n_heads
 * @param {number | undefined} head  the only one that is wanted; undefined: all
 * @param {Place} place
 * @returns {FloatTensor}
 */
function maps(data, layer, n_heads, head, { n, skip, square, n_squares }) {
    const n_maps = head === undefined ? n_heads : 1;
    const start = (layer * n_squares + square) * n_heads + (head ?? 0) * n * n;
    const kept = n - skip;
    const view = data.subarray(start, start + n_maps * n * n);
    const dims = head === undefined ? [n_heads, kept, kept] : [kept, kept];
    if (!skip) return { dims, data: view };
    const out = new Float32Array(n_maps * kept * kept);
    let at = 0;
    for (let row = 0; row < n_maps * n; row++) {
        if (row % n === 0) continue;
        out.set(view.subarray(row * n + 1, (row + 1) * n), at);
        at += kept;
    }
    return { dims, data: out };
}

/**
 * All layers, or one, copied.
 * @param {number} n
 * @param {number | undefined} index
 * @param {(layer: number) => FloatTensor} part
 * @returns {FloatTensor}
 */
function stack(n, index, part) {
    if (index !== undefined) return copy(part(index));
    const parts = Array.from({ length: n }, (_, i) => part(i));
    const dims = parts.length ? parts[0].dims : [];
    const size = parts.length ? parts[0].data.length : 0;
    const data = new Float32Array(n * size);
    parts.forEach((one, i) => data.set(one.data, i * size));
    return { dims: [n, ...dims], data };
}

/**
 * A column of a tensor's rows: one dimension less.
 * @param {FloatTensor} tensor
 * @param {number} index
 * @returns {FloatTensor}
 */
function column({ dims, data }, index) {
    const width = dims[dims.length - 1];
    return {
        dims: dims.slice(0, -1),
        data: Float32Array.from({ length: data.length / width }, (_, i) => data[i * width + index]),
    };
}
