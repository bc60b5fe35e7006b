/**
 * Between what callers have (sequences of ids, padded and masked as they like) and what the core
 * takes (a ragged batch), and back.
 *
 * Tokens whose mask is 0 are left out; the others keep their positions. One exception keeps the
 * answer that of the reference: a pooler reads the first token even where its mask is 0, so there
 * the first token is computed, attended to by nobody, and its row is left out of the results.
 */
import { BertError, describe } from './errors.js';

/**
 * @typedef {ArrayLike<number> | ArrayLike<bigint>} Integers
 */

/**
 * @typedef {object} Sequence
 * @property {Integers} input_ids
 * @property {Integers} [attention_mask]  0 or 1 a token; default all 1
 * @property {Integers} [token_type_ids]  default all 0
 */

/**
 * @typedef {object} PreparedSequence  the tokens that are computed
 * @property {Uint32Array} ids
 * @property {Uint32Array} token_types
 * @property {Uint32Array} positions
 * @property {Uint8Array} attended
 */

/**
 * @typedef {object} Tensor
 * @property {number[]} dims
 * @property {Float32Array} data  row-major
 */

/**
 * @param {Sequence} sequence
 * @param {boolean} needs_first  the head reads the first token
 * @param {string} where  for messages: `sequence 3`
 * @returns {PreparedSequence}
 */
export function prepare(sequence, needs_first, where) {
    if (typeof sequence !== 'object' || sequence === null) {
        throw new BertError('BAD_INPUT', `${where}: expected an object with input_ids, got ${describe(sequence)}`);
    }
    const ids = toIntegers(sequence.input_ids, 'input_ids', where);
    const n = ids.length;
    const mask = optional(sequence.attention_mask, 'attention_mask', where, n, 1);
    const types = optional(sequence.token_type_ids, 'token_type_ids', where, n, 0);
    for (const value of mask) {
        if (value > 1) throw new BertError('BAD_INPUT', `${where}: attention_mask has ${value}, expected 0 or 1`);
    }
    const kept = Uint32Array.from(ids.keys()).filter((i) => mask[i] || (i === 0 && needs_first));
    if (!mask.includes(1)) throw new BertError('EMPTY_SEQUENCE', `${where}: there is no token to attend to`);
    return {
        ids: kept.map((i) => ids[i]),
        token_types: kept.map((i) => types[i]),
        positions: kept,
        attended: Uint8Array.from(kept, (i) => mask[i]),
    };
}

/**
 * @param {unknown} values
 * @param {string} name
 * @param {string} where
 * @returns {Uint32Array}
 */
function toIntegers(values, name, where) {
    const list = /** @type {ArrayLike<number | bigint> | undefined} */ (values);
    if (typeof list !== 'object' || list === null || typeof list.length !== 'number') {
        throw new BertError('BAD_INPUT', `${where}: ${name} is ${describe(values)}, expected an array of integers`);
    }
    return Uint32Array.from(list, (value, i) => {
        const number = typeof value === 'bigint' ? Number(value) : value;
        if (!Number.isInteger(number) || number < 0 || number > 0xffffffff) {
            throw new BertError('BAD_INPUT', `${where}: ${name}[${i}] is ${describe(value)}, expected an integer >= 0`);
        }
        return number;
    });
}

/**
 * @param {unknown} values
 * @param {string} name
 * @param {string} where
 * @param {number} length
 * @param {number} fill
 */
function optional(values, name, where, length, fill) {
    if (values === undefined || values === null) return new Uint32Array(length).fill(fill);
    const integers = toIntegers(values, name, where);
    if (integers.length !== length) {
        throw new BertError('BAD_INPUT', `${where}: ${name} has ${integers.length} values, input_ids ${length}`);
    }
    return integers;
}

/**
 * Runs of consecutive sequences of at most `max_tokens` and `max_sequences`, as [begin, end).
 * @param {PreparedSequence[]} sequences
 * @param {number} max_tokens
 * @param {number} max_sequences
 * @returns {[number, number][]}
 */
export function cut(sequences, max_tokens, max_sequences) {
    /** @type {[number, number][]} */
    const batches = [];
    let begin = 0;
    let n_tokens = 0;
    sequences.forEach(({ ids }, i) => {
        if (i > begin && (n_tokens + ids.length > max_tokens || i - begin >= max_sequences)) {
            batches.push([begin, i]);
            begin = i;
            n_tokens = 0;
        }
        n_tokens += ids.length;
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
    return batch;
}

/**
 * The outputs of a batch, taken apart by sequence.
 * @param {Record<string, Float32Array>} outputs  as Engine.encode() returns them
 * @param {PreparedSequence[]} sequences
 * @param {{hidden_size: number, n_layers: number, n_heads: number, n_labels: number}} config
 * @returns {Record<string, Tensor>[]}
 */
export function split(outputs, sequences, { hidden_size, n_layers, n_heads, n_labels }) {
    const n_tokens = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
    const n_squares = sequences.reduce((sum, { ids }) => sum + ids.length ** 2, 0);
    let token = 0;
    let square = 0;
    return sequences.map(({ ids, attended }, s) => {
        const n = ids.length;
        /** @type {Record<string, (data: Float32Array) => Tensor>} */
        const cutters = {
            last_hidden_state: (data) => tensor([n, hidden_size], data, token * hidden_size),
            pooler_output: (data) => tensor([hidden_size], data, s * hidden_size),
            logits: (data) => tensor([n_labels], data, s * n_labels),
            hidden_states: (data) => stack(n_layers + 1, (layer) =>
                tensor([n, hidden_size], data, (layer * n_tokens + token) * hidden_size)),
            attentions: (data) => stack(n_layers, (layer) =>
                tensor([n_heads, n, n], data, (layer * n_squares + square) * n_heads)),
        };
        const result = Object.fromEntries(Object.entries(outputs).map(([name, data]) => {
            const whole = cutters[name](data);
            return [name, attended[0] ? whole : withoutFirstToken(whole, n)];
        }));
        token += n;
        square += n * n;
        return result;
    });
}

/**
 * @param {number[]} dims
 * @param {Float32Array} data
 * @param {number} start
 * @returns {Tensor}
 */
function tensor(dims, data, start) {
    const count = dims.reduce((product, n) => product * n, 1);
    return { dims, data: data.slice(start, start + count) };
}

/**
 * @param {number} n
 * @param {(index: number) => Tensor} part
 * @returns {Tensor}
 */
function stack(n, part) {
    const parts = Array.from({ length: n }, (_, i) => part(i));
    const dims = parts.length ? parts[0].dims : [];
    const size = parts.length ? parts[0].data.length : 0;
    const data = new Float32Array(n * size);
    parts.forEach((one, i) => data.set(one.data, i * size));
    return { dims: [n, ...dims], data };
}

/**
 * Leaves out row 0, and column 0 of attention probabilities, of every dimension of n tokens.
 * @param {Tensor} whole
 * @param {number} n
 * @returns {Tensor}
 */
function withoutFirstToken({ dims, data }, n) {
    // Only the token dimensions have a meaning of length n: the last but one and, square, the last.
    if (dims.length < 2) return { dims, data };
    const width = dims[dims.length - 1];
    const square = dims.length === 4;
    const rows = data.length / width;
    const first = square ? 1 : 0;
    const out = new Float32Array((rows - rows / n) * (width - first));
    let at = 0;
    for (let row = 0; row < rows; row++) {
        if (row % n === 0) continue;
        out.set(data.subarray(row * width + first, (row + 1) * width), at);
        at += width - first;
    }
    return { dims: [...dims.slice(0, -2), n - 1, width - first], data: out };
}
