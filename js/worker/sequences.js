/**
 * From what callers have (sequences of ids, padded and masked as they like) to what the core takes:
 * ragged batches, with a way to take their outputs apart.
 *
 * Which tokens of a masked sequence are computed, and at which positions, the core says. Where the
 * first one is computed only because the model reads it by its place, nobody attends to it, and its
 * row is left out of the results: the answer is that of the reference.
 */

import { BertError, describe, withPlace } from '../errors.js';
import { split } from './results.js';

/** Bytes of a batch's outputs, beyond one sequence's: words' logits of 1024 tokens may be 1 GB. */
const MAX_OUTPUT_BYTES = 64 << 20;

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
 * @property {number} [pool_from]  the token, as an index into input_ids, from which on tokens are
 *   pooled: those before it are a prompt that does not count; default 0
 */

/**
 * @typedef {object} PreparedSequence  the tokens that are computed
 * @property {Uint32Array} ids
 * @property {Uint32Array} token_types
 * @property {Uint32Array} positions
 * @property {Uint8Array} attended
 * @property {Uint32Array} [lm_rows]  indices of these tokens
 * @property {number} pool_from  likewise
 */

/**
 * @typedef {object} Batch
 * @property {number[]} indices  of its sequences
 * @property {import('./engine.js').RaggedBatch} tokens
 * @property {string[]} outputs  that the core must compute
 * @property {(computed: Record<string, Float32Array>) => Results[]} split  what was asked for, of
 *   each sequence, from these outputs
 *
 * @typedef {Record<string, import('./outputs.js').FloatTensor>} Results
 *
 * @typedef {Pick<import('./engine.js').Engine, 'core' | 'most_tokens'>} Limits  of a model: what
 *   the core says, and most tokens of a sequence
 */

/**
 * Batches of sequences, the longest first, as many together as fit; one that does not fit is alone.
 * All sequences are checked before the first batch.
 * @param {Sequence[]} sequences
 * @param {Record<string, import('../loader/model_file.js').OutputRequest>} requests  by the
 *   result's name
 * @param {Limits} model
 * @param {{most_tokens: number, most_sequences?: number}} most  of a batch; default no limit
 * @returns {Generator<Batch>}
 */
export function* batchesOf(sequences, requests, model, { most_tokens, most_sequences = Infinity }) {
    const { core } = model;
    const prepared = sequences.map((sequence, i) => {
        try {
            return prepare(sequence, model);
        } catch (error) {
            throw withPlace(error, `sequence ${i}`, i);
        }
    });
    const outputs = [...new Set(Object.values(requests).map(({ output }) => output))];
    const batchOf = (/** @type {number[]} */ indices) => {
        const batch = indices.map((i) => prepared[i]);
        return {
            indices,
            tokens: join(batch),
            outputs,
            split: (/** @type {Record<string, Float32Array>} */ computed) =>
                split(computed, batch, requests, core),
        };
    };
    const longest_first = [...prepared.keys()].sort(
        (a, b) => prepared[b].ids.length - prepared[a].ids.length,
    );
    /** @type {number[]} */
    let indices = [];
    let [n_tokens, n_bytes] = [0, 0];
    for (const i of longest_first) {
        const { ids, lm_rows } = prepared[i];
        const own_bytes = core.outputBytes(outputs, ids.length, lm_rows?.length);
        const fits =
            indices.length < most_sequences &&
            n_tokens + ids.length <= most_tokens &&
            n_bytes + own_bytes <= MAX_OUTPUT_BYTES;
        if (indices.length > 0 && !fits) {
            yield batchOf(indices);
            indices = [];
            [n_tokens, n_bytes] = [0, 0];
        }
        indices.push(i);
        n_tokens += ids.length;
        n_bytes += own_bytes;
    }
    if (indices.length > 0) yield batchOf(indices);
}

/**
 * @param {Sequence} sequence
 * @param {Limits} model
 * @returns {PreparedSequence}
 */
export function prepare(sequence, { core, most_tokens }) {
    if (typeof sequence !== 'object' || sequence === null) {
        throw new BertError(
            'BAD_INPUT',
            `a sequence must be an object with input_ids, not ${describe(sequence)}`,
        );
    }
    const ids = toIntegers(sequence.input_ids, 'input_ids');
    const types = optional(sequence.token_type_ids, 'token_type_ids', ids.length, 0);
    const mask = toMask(sequence.attention_mask, ids.length);
    const { kept, positions } = core.keep(ids, mask);
    // Before memory is asked for: outputs of a sequence that is too long may be too large for it.
    if (kept.length > most_tokens) {
        throw new BertError(
            'SEQUENCE_TOO_LONG',
            `a sequence must have at most ${most_tokens} tokens, not ${kept.length}`,
        );
    }
    return {
        ids: kept.map((i) => ids[i]),
        token_types: kept.map((i) => types[i]),
        positions,
        attended: Uint8Array.from(kept, (i) => mask[i]),
        ...(sequence.lm_rows ? { lm_rows: toRows(sequence.lm_rows, mask, kept) } : {}),
        pool_from: sequence.pool_from ? toPlace(sequence.pool_from, mask, kept) : 0,
    };
}

/**
 * @param {unknown} values
 * @param {number} n
 * @returns {Uint8Array}
 */
function toMask(values, n) {
    const mask = optional(values, 'attention_mask', n, 1);
    const bad = mask.findIndex((value) => value > 1);
    if (bad >= 0) {
        throw new BertError('BAD_INPUT', `attention_mask[${bad}] must be 0 or 1, not ${mask[bad]}`);
    }
    if (!mask.includes(1)) {
        throw new BertError('EMPTY_SEQUENCE', `there is no token to attend to`);
    }
    return Uint8Array.from(mask);
}

/**
 * @param {Integers} given
 * @param {Uint8Array} mask
 * @param {Uint32Array} kept  the tokens that are computed
 */
function toRows(given, mask, kept) {
    const rows = toIntegers(given, 'lm_rows');
    rows.forEach((token, i) => {
        if (mask[token] !== 1) {
            throw new BertError(
                'BAD_INPUT',
                `lm_rows[${i}] must be the index of a token whose mask is 1, ` + `not ${token}`,
            );
        }
        if (i > 0 && token <= rows[i - 1]) {
            throw new BertError(
                'BAD_INPUT',
                `lm_rows[${i}] must be above ${rows[i - 1]}, the one before it, ` + `not ${token}`,
            );
        }
    });
    return rows.map((token) => kept.indexOf(token));
}

/**
 * @param {unknown} given
 * @param {Uint8Array} mask
 * @param {Uint32Array} kept  the tokens that are computed
 */
function toPlace(given, mask, kept) {
    const from = /** @type {number} */ (given);
    if (!Number.isInteger(from) || from < 0 || !mask.subarray(from).includes(1)) {
        throw new BertError(
            'BAD_INPUT',
            'pool_from must be the index of a token at or before the last one whose mask is 1, ' +
                `not ${describe(given)}`,
        );
    }
    return kept.findIndex((token) => token >= from);
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
            `${name} must have ${length} values, one a token, not ${integers.length}`,
        );
    }
    return integers;
}

/**
 * @param {PreparedSequence[]} sequences
 * @returns {import('./engine.js').RaggedBatch}
 */
function join(sequences) {
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
    return {
        ...batch,
        ...(sequences.some(({ lm_rows }) => lm_rows) ? { lm_tokens: lmTokens(sequences) } : {}),
        ...(sequences.some(({ pool_from }) => pool_from > 0)
            ? { pool_from: Uint32Array.from(sequences, ({ pool_from }) => pool_from) }
            : {}),
    };
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
