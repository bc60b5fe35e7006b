/**
 * What callers give a model: a text or a pair of them; and to forward() one sequence, several, or a
 * batch in the form of other libraries, padded or not.
 */

import { BertError, describe } from '../errors.js';

/**
 * @typedef {string | {text: string, text_pair?: string | null}} TextInput  a text, or a pair
 *
 * @typedef {import('../worker/sequences.js').Integers} Integers
 *
 * @typedef {{dims: readonly number[], data: Integers}} IntegerTensor  [n_sequences, n_tokens],
 *   row-major
 *
 * @typedef {object} Batch  a row a sequence
 * @property {ArrayLike<Integers> | IntegerTensor} input_ids  [n_sequences, n_tokens]
 * @property {ArrayLike<Integers> | IntegerTensor} [attention_mask]  1, or 0 where a row is padded;
 *   default all 1
 * @property {ArrayLike<Integers> | IntegerTensor} [token_type_ids]  default all 0
 */

const FIELDS = /** @type {const} */ (['input_ids', 'attention_mask', 'token_type_ids']);

/**
 * @param {unknown} input  should be a TextInput
 * @returns {{text?: unknown, text_pair?: unknown}}
 */
export function textsOf(input) {
    return typeof input === 'object' && input !== null ? input : { text: input };
}

/**
 * @param {unknown} input
 * @returns {{sequences: import('../worker/sequences.js').Sequence[], is_one: boolean}}
 */
export function toSequences(input) {
    if (Array.isArray(input)) return { sequences: input, is_one: false };
    if (typeof input !== 'object' || input === null) {
        throw new BertError(
            'BAD_INPUT',
            'the input must be an object with input_ids, or an array of such, ' +
                `not ${describe(input)}`,
        );
    }
    const given = /** @type {Record<string, any>} */ (input);
    if (!isBatch(given.input_ids)) return { sequences: [/** @type {any} */ (input)], is_one: true };
    const columns = FIELDS.filter(
        (field) => given[field] !== undefined && given[field] !== null,
    ).map((field) => /** @type {const} */ ([field, rowsOf(given[field], field)]));
    const n = columns[0][1].length;
    for (const [field, rows] of columns) {
        if (rows.length !== n) {
            throw new BertError(
                'BAD_INPUT',
                `${field} must have ${n} rows, as input_ids has, not ${rows.length}`,
            );
        }
    }
    const sequences = Array.from({ length: n }, (_, i) =>
        Object.fromEntries(columns.map(([field, rows]) => [field, rows[i]])),
    );
    return { sequences: /** @type {any} */ (sequences), is_one: false };
}

/** @param {any} ids */
function isBatch(ids) {
    return (
        typeof ids === 'object' &&
        ids !== null &&
        (Array.isArray(ids.dims) || (Array.isArray(ids) && typeof ids[0] === 'object'))
    );
}

/**
 * @param {any} value
 * @param {string} field
 * @returns {Integers[]}
 */
function rowsOf(value, field) {
    if (!Array.isArray(value?.dims)) {
        if (Array.isArray(value)) return value;
        throw new BertError(
            'BAD_INPUT',
            `${field} must have rows, as input_ids has, not ${describe(value)}`,
        );
    }
    const [n, width] = value.dims;
    if (value.dims.length !== 2 || value.data?.length !== n * width) {
        throw new BertError(
            'BAD_INPUT',
            `${field} must have dims [n_sequences, n_tokens] and as many values, ` +
                `not ${JSON.stringify(value.dims)} and ${value.data?.length}`,
        );
    }
    return Array.from({ length: n }, (_, i) => value.data.slice(i * width, (i + 1) * width));
}
