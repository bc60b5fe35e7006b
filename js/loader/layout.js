/**
 * Where the tensors of a file go in the engine's memory. Most lie there as in the file; those of 4
 * bits become 8-bit ones on the way: bert_q4_expand() in core/bert.h.
 */

import { BERT_ALIGNMENT } from '#core';

import { BertError } from '../errors.js';

const Q4 = '.q4';

/** Bytes of 4-bit units that 32 bits of address space have no room for once they are 8-bit. */
const MOST_Q4_BYTES = 2 ** 31;

/**
 * @typedef {object} Weight  a tensor as the core sees it
 * @property {string} name
 * @property {string} dtype  of the core
 * @property {number[]} shape
 * @property {number} at  in the block of all weights
 * @property {number} n_bytes
 * @property {number} start  of its bytes in the data section
 * @property {number} end
 * @property {Units | null} q4  the units that it is expanded from; null: it is stored as it is
 *
 * @typedef {object} Units  of 4-bit weights
 * @property {number} n_columns  of a unit
 * @property {number} unit_bytes
 * @property {number} expanded_bytes  that a unit becomes
 *
 * @typedef {object} Expansion  what a tensor of such units becomes
 * @property {number} n_columns  of a unit
 * @property {string} dtype
 * @property {number[]} shape
 * @property {number} n_bytes
 */

/**
 * The next multiple of BERT_ALIGNMENT.
 * @param {number} n
 */
export function aligned(n) {
    return Math.ceil(n / BERT_ALIGNMENT) * BERT_ALIGNMENT;
}

/**
 * @param {import('./model_file.js').TensorEntry[]} tensors
 * @param {import('./model_file.js').CoreFacts} core
 * @param {string} label
 * @returns {{weights: Weight[], weights_bytes: number}}
 */
export function layOut(tensors, core, label) {
    /** @type {Weight[]} */
    const weights = [];
    let at = 0;
    for (const tensor of tensors) {
        const { name, dtype, shape, start, end } = tensor;
        const is_q4 = dtype === 'U8' && name.endsWith(Q4);
        if (dtype === 'U8' && !is_q4) continue; // for JavaScript, or padding
        const weight = is_q4
            ? expanded(tensor, core, label)
            : { name, dtype, shape, n_bytes: end - start, q4: null };
        weights.push({ ...weight, at, start, end });
        at += aligned(weight.n_bytes);
    }
    return { weights, weights_bytes: at };
}

/**
 * @param {import('./model_file.js').TensorEntry} tensor  of 4-bit units
 * @param {import('./model_file.js').CoreFacts} core
 * @param {string} label
 * @returns {Omit<Weight, 'at' | 'start' | 'end'>}
 */
function expanded({ name, shape, start, end }, core, label) {
    if (end - start >= MOST_Q4_BYTES) {
        throw new BertError(
            'MODEL_TOO_LARGE',
            `${label}: tensor '${name}' must have less than ${MOST_Q4_BYTES} bytes, ` +
                `not ${end - start}`,
        );
    }
    const expansion = shape.length === 3 ? core.expansionOf(shape) : null;
    if (!expansion) {
        throw new BertError(
            'BAD_MODEL_FILE',
            `${label}: tensor '${name}' must have a shape of 4-bit units, ` +
                `not ${JSON.stringify(shape)}`,
        );
    }
    const { n_columns, ...tensor } = expansion;
    const unit_bytes = shape[2];
    const n_units = (end - start) / unit_bytes;
    return {
        ...tensor,
        name: `${name.slice(0, -Q4.length)}.weight`,
        q4: { n_columns, unit_bytes, expanded_bytes: tensor.n_bytes / n_units },
    };
}
