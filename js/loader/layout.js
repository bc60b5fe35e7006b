/**
 * Where the tensors of a file go in the engine's memory. Most lie there as in the file; those of 4
 * bits become 8-bit ones on the way: bert_q4_expand() in core/bert.h.
 */

import { BertError } from '../errors.js';

const ALIGNMENT = 64;
const Q4 = '.q4';

/** As in core/bert.h: weights of a group, columns of a panel, inputs side by side in it. */
const GROUP = 32;
const PANEL = 8;
const QUAD = 4;

/**
 * @typedef {object} Weight  a tensor as the core sees it
 * @property {string} name
 * @property {'F32' | 'F16' | 'I8'} dtype
 * @property {number[]} shape
 * @property {number} at  in the block of all weights
 * @property {number} n_bytes
 * @property {number} start  of its bytes in the data section
 * @property {number} end
 * @property {number} q4_columns  of the units that it is expanded from; 0: stored as it is
 */

/**
 * @param {import('./model_file.js').TensorEntry[]} tensors
 * @param {string} label
 * @returns {{weights: Weight[], weights_bytes: number}}
 */
export function layOut(tensors, label) {
    /** @type {Weight[]} */
    const weights = [];
    let at = 0;
    for (const { name, dtype, shape, start, end } of tensors) {
        const expanded =
            dtype === 'U8' && name.endsWith(Q4) ? expand(name, shape, label) : undefined;
        if (dtype === 'U8' && !expanded) continue; // for JavaScript, or padding
        const stored = {
            name,
            dtype: /** @type {Weight['dtype']} */ (dtype),
            shape,
            n_bytes: end - start,
            q4_columns: 0,
        };
        const weight = { ...(expanded ?? stored), at, start, end };
        weights.push(weight);
        at += Math.ceil(weight.n_bytes / ALIGNMENT) * ALIGNMENT;
    }
    return { weights, weights_bytes: at };
}

/**
 * Bytes of a unit of 4-bit weights.
 * @param {number} n_columns
 */
export function unitBytes(n_columns) {
    return n_columns * (1 + GROUP / 2);
}

/**
 * Bytes that a unit becomes.
 * @param {number} n_columns
 */
export function expandedBytes(n_columns) {
    return n_columns * GROUP;
}

/**
 * What a tensor of 4-bit units becomes.
 * @param {string} name
 * @param {number[]} shape
 * @param {string} label
 */
function expand(name, shape, label) {
    const [n_rows, n_groups, unit] = shape;
    const q4_columns = [1, PANEL].find((n) => unitBytes(n) === unit);
    if (shape.length !== 3 || !q4_columns) {
        throw new BertError(
            'BAD_MODEL_FILE',
            `${label}: tensor '${name}' has shape ${JSON.stringify(shape)}, ` +
                'which are no units of 4-bit weights',
        );
    }
    const n_inputs = n_groups * GROUP;
    return {
        name: `${name.slice(0, -Q4.length)}.weight`,
        dtype: /** @type {const} */ ('I8'),
        shape: q4_columns === 1 ? [n_rows, n_inputs] : [n_rows, n_inputs / QUAD, PANEL, QUAD],
        n_bytes: n_rows * n_groups * expandedBytes(q4_columns),
        q4_columns,
    };
}
