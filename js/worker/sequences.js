/**
 * Between what callers have (sequences of ids, padded and masked as they like) and what the core
 * takes (a ragged batch), and back.
 *
 * Tokens whose mask is 0 are left out; the others keep their positions, but that models which do
 * not count padding do not count what is left out of it either. One exception keeps the answer that
 * of the reference: a pooler reads the first token even where its mask is 0, so there the first
 * token is computed, attended to by nobody, and its row is left out of the results.
 */

import { BertError, describe } from '../errors.js';
import { OF_TOKENS } from '../loader/config.js';
import { activate, pool } from './outputs.js';

/**
 * @typedef {ArrayLike<number> | ArrayLike<bigint>} Integers
 */

/**
 * @typedef {object} Sequence
 * @property {Integers} input_ids  ids of its tokens, special ones included
 * @property {Integers} [attention_mask]  0 or 1 a token; default all 1
 * @property {Integers} [token_type_ids]  0 or 1 a token, as the tokenizer gives them; default all 0
 * @property {Integers} [lm_rows]  the tokens, as indices into input_ids in ascending order, that
 *   lm_logits are wanted for; default all whose mask is 1
 */

/**
 * @typedef {object} PreparedSequence  the tokens that are computed
 * @property {Uint32Array} ids
 * @property {Uint32Array} token_types
 * @property {Uint32Array} positions
 * @property {Uint8Array} attended
 * @property {Uint32Array} [lm_rows]  indices of these tokens
 */

/**
 * @typedef {object} FloatTensor
 * @property {number[]} dims  how many of each dimension, the outermost first
 * @property {Float32Array} data  row-major
 */

/**
 * @param {Sequence} sequence
 * @param {{reads_first: boolean, padding_id: number}} model  see readsFirst() and paddingId()
 * @returns {PreparedSequence}
 */
export function prepare(sequence, { reads_first, padding_id }) {
    if (typeof sequence !== 'object' || sequence === null) {
        throw new BertError(
            'BAD_INPUT',
            `a sequence must be an object with input_ids, not ${describe(sequence)}`,
        );
    }
    const ids = toIntegers(sequence.input_ids, 'input_ids');
    const n = ids.length;
    const mask = optional(sequence.attention_mask, 'attention_mask', n, 1);
    const types = optional(sequence.token_type_ids, 'token_type_ids', n, 0);
    for (const value of mask) {
        if (value > 1) {
            throw new BertError('BAD_INPUT', `attention_mask must be 0 or 1, not ${value}`);
        }
    }
    let n_padding = 0; // left out and not counted
    /** @type {number[]} */
    const positions = [];
    const kept = Uint32Array.from(ids.keys()).filter((i) => {
        const keep = mask[i] === 1 || (i === 0 && reads_first);
        if (keep) positions.push(i - n_padding);
        else if (ids[i] === padding_id) n_padding++;
        return keep;
    });
    if (!mask.includes(1)) {
        throw new BertError('EMPTY_SEQUENCE', 'there is no token to attend to');
    }
    return {
        ids: kept.map((i) => ids[i]),
        token_types: kept.map((i) => types[i]),
        positions: Uint32Array.from(positions),
        attended: Uint8Array.from(kept, (i) => mask[i]),
        ...(sequence.lm_rows ? { lm_rows: toRows(sequence.lm_rows, mask, kept) } : {}),
    };
}

/**
 * @param {Integers} given
 * @param {Uint32Array} mask
 * @param {Uint32Array} kept  the tokens that are computed
 */
function toRows(given, mask, kept) {
    const rows = toIntegers(given, 'lm_rows');
    rows.forEach((token, i) => {
        if (mask[token] !== 1) {
            throw new BertError(
                'BAD_INPUT',
                `lm_rows[${i}] must be a token whose mask is 1, not ${token}`,
            );
        }
        if (i > 0 && token <= rows[i - 1]) {
            throw new BertError(
                'BAD_INPUT',
                `lm_rows must ascend: lm_rows[${i}] is ${token} after ${rows[i - 1]}`,
            );
        }
    });
    return rows.map((token) => kept.indexOf(token));
}

/**
 * @param {unknown} values
 * @param {string} name
 * @returns {Uint32Array}
 */
function toIntegers(values, name) {
    const list = /** @type {ArrayLike<number | bigint> | undefined} */ (values);
    if (typeof list !== 'object' || list === null || typeof list.length !== 'number') {
        throw new BertError(
            'BAD_INPUT',
            `${name} must be an array of integers, not ${describe(values)}`,
        );
    }
    return Uint32Array.from(list, (value, i) => {
        const number = typeof value === 'bigint' ? Number(value) : value;
        if (!Number.isInteger(number) || number < 0 || number > 0xffffffff) {
            throw new BertError(
                'BAD_INPUT',
                `${name}[${i}] must be an integer >= 0, not ${describe(value)}`,
            );
        }
        return number;
    });
}

/**
 * @param {unknown} values
 * @param {string} name
 * @param {number} length
 * @param {number} fill
 */
function optional(values, name, length, fill) {
    if (values === undefined || values === null) return new Uint32Array(length).fill(fill);
    const integers = toIntegers(values, name);
    if (integers.length !== length) {
        throw new BertError(
            'BAD_INPUT',
            `${name} has ${integers.length} values, input_ids ${length}`,
        );
    }
    return integers;
}

/**
 * Runs of consecutive sequences that are no larger than the limits, as [begin, end). A sequence
 * that is larger alone is alone.
 * @param {PreparedSequence[]} sequences
 * @param {number} max_sequences
 * @param {{most: number, of: (sequence: PreparedSequence) => number}[]} limits  of a sum over the
 *   sequences
 * @returns {[number, number][]}
 */
export function cut(sequences, max_sequences, limits) {
    /** @type {[number, number][]} */
    const batches = [];
    let begin = 0;
    let sums = limits.map(() => 0);
    sequences.forEach((sequence, i) => {
        const own = limits.map(({ of }) => of(sequence));
        if (
            i > begin &&
            (i - begin >= max_sequences || limits.some(({ most }, k) => sums[k] + own[k] > most))
        ) {
            batches.push([begin, i]);
            begin = i;
            sums = limits.map(() => 0);
        }
        sums = sums.map((sum, k) => sum + own[k]);
    });
    if (begin < sequences.length) batches.push([begin, sequences.length]);
    return batches;
}

/**
 * @param {PreparedSequence[]} sequences
 * @returns {import('./engine.js').RaggedBatch}
 */
export function join(sequences) {
    const n_tokens = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
    const batch = {
        lengths: Uint32Array.from(sequences, ({ ids }) => ids.length),
        ids: new Uint32Array(n_tokens),
        token_types: new Uint32Array(n_tokens),
        positions: new Uint32Array(n_tokens),
        attended: new Uint8Array(n_tokens),
    };
    let at = 0;
    for (const { ids, token_types, positions, attended } of sequences) {
        batch.ids.set(ids, at);
        batch.token_types.set(token_types, at);
        batch.positions.set(positions, at);
        batch.attended.set(attended, at);
        at += ids.length;
    }
    return sequences.some(({ lm_rows }) => lm_rows)
        ? { ...batch, lm_tokens: lmTokens(sequences) }
        : batch;
}

/** @param {PreparedSequence[]} sequences  at least one of which has lm_rows */
function lmTokens(sequences) {
    let first = 0;
    return Uint32Array.from(
        sequences.flatMap(({ ids, lm_rows }) => {
            const tokens = Array.from(lm_rows ?? ids.keys(), (row) => first + row);
            first += ids.length;
            return tokens;
        }),
    );
}

/**
 * What is asked for of a batch's outputs, taken apart by sequence.
 * @param {Record<string, Float32Array>} outputs  as Engine.encode() returns them; only read
 * @param {PreparedSequence[]} sequences
 * @param {import('../loader/config.js').Sizes} sizes
 * @param {Record<string, import('../loader/config.js').OutputRequest>} requests  by the result's
 *   name
 * @returns {Record<string, FloatTensor>[]}
 */
export function split(outputs, sequences, sizes, requests) {
    const n_tokens = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
    const n_squares = sequences.reduce((sum, { ids }) => sum + ids.length ** 2, 0);
    const place = {
        s: 0,
        n: 0,
        skip: 0,
        token: 0,
        square: 0,
        lm_row: 0,
        n_lm_rows: 0,
        n_tokens,
        n_squares,
    };
    return sequences.map(({ ids, attended, lm_rows }, s) => {
        const skip = attended[0] ? 0 : 1;
        // Where all rows were asked for, the one that is skipped is among them.
        const lm_skip = lm_rows ? 0 : skip;
        const n_lm_rows = (lm_rows?.length ?? ids.length) - lm_skip;
        place.lm_row += lm_skip;
        Object.assign(place, { s, n: ids.length, skip, n_lm_rows });
        const result = Object.fromEntries(
            Object.entries(requests).map(([name, request]) => [
                name,
                take(outputs[request.output], request, place, sizes),
            ]),
        );
        place.token += ids.length;
        place.square += ids.length ** 2;
        place.lm_row += n_lm_rows;
        return result;
    });
}

/**
 * @typedef {object} Place  of a sequence in a batch
 * @property {number} s  its index
 * @property {number} n  its tokens
 * @property {number} skip  1: the first of them is in no result
 * @property {number} token  tokens before it
 * @property {number} square  the same, of each sequence squared
 * @property {number} lm_row  rows of lm_logits before its own
 * @property {number} n_lm_rows
 * @property {number} n_tokens  of the batch
 * @property {number} n_squares  likewise
 */

/**
 * @param {Float32Array} data  an output of a batch
 * @param {import('../loader/config.js').OutputRequest} request
 * @param {Place} place
 * @param {import('../loader/config.js').Sizes} sizes
 * @returns {FloatTensor}
 */
function take(
    data,
    { output, index, head, activation, pooling },
    place,
    { n_layers, n_heads, columns },
) {
    const { s, n, skip, token, lm_row, n_lm_rows, n_tokens } = place;
    const width = columns[output];
    const rows = (/** @type {number} */ first, /** @type {number} */ n_rows) =>
        data.subarray(first * width, (first + n_rows) * width);
    const layer = (/** @type {number} */ l) => ({
        dims: [n - skip, width],
        data: rows(l * n_tokens + token + skip, n - skip),
    });
    /** @type {FloatTensor} */
    let tensor;
    if (output === 'attentions') {
        tensor = stack(n_layers, index, (l) => maps(data, l, n_heads, head, place));
    } else if (output === 'hidden_states') {
        tensor = stack(n_layers + 1, index, layer);
    } else if (output === 'lm_logits') {
        tensor = { dims: [n_lm_rows, width], data: rows(lm_row, n_lm_rows).slice() };
    } else {
        const { dims, data: view } = OF_TOKENS.includes(output)
            ? layer(0)
            : { dims: [width], data: rows(s, 1) };
        tensor = { dims, data: view.slice() };
    }
    if (pooling) tensor = pool(tensor, pooling);
    if (activation) activate(tensor.data, tensor.dims[tensor.dims.length - 1], activation);
    return index === undefined || output === 'attentions' || output === 'hidden_states'
        ? tensor
        : column(tensor, index);
}

/**
 * A layer's attention probabilities, without the row and the column of a token that is skipped.
 * @param {Float32Array} data
 * @param {number} layer
 * @param {number} n_heads
 * @param {number | undefined} head  of which alone
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
    if (index !== undefined) {
        const { dims, data } = part(index);
        return { dims, data: data.slice() };
    }
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
