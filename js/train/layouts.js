/**
 * A model's tensors with their numbers where transformers has them: the way back of
 * converter/huggingface/.
 */

import { bucketsOf, hasSource, N_BUCKETS } from './distances.js';
import { toRows } from './panels.js';

/** @typedef {import('../loader/model_file.js').EncoderConfig} EncoderConfig */
/** @typedef {import('./trainer.js').Tensor} Tensor */
/** @typedef {import('./trainer.js').Tensors} Tensors */

/** Of a layer with one matrix for queries, keys and values: `joined`. */
export const JOINED = 'attention.joined';

/** What DeBERTa's tables of distances are called, in a layer. */
const RELATIVE_TABLE = /\.attention\.relative_(query|key)\.weight$/;

/**
 * @param {Tensors} tensors
 * @param {EncoderConfig} encoder
 * @param {boolean} joins  whether layers have one matrix for queries, keys and values
 * @returns {[string, Tensor][]}  by our names, matrices [n_out, n_in]
 */
export function theirLayout(tensors, encoder, joins) {
    /** @type {[string, Tensor][]} */
    const all = [];
    for (const [name, tensor] of tensors) {
        const [, layer, part, what] = /^(.*)attention\.(query|key|value)\.(\w+)$/.exec(name) ?? [];
        if (name === 'relative.rows' || (hasSource(encoder) && RELATIVE_TABLE.test(name))) {
            continue; // by the config, and by what they are made of
        }
        if (name === 'attention.bias') {
            const n_heads = tensor.shape[0];
            const values = bucketsOf(tensor.values, n_heads);
            all.push([name, { shape: [N_BUCKETS, n_heads], values }]);
        } else if (name === 'conv.weight') {
            all.push([name, kernel(matrix(name, tensor, tensors))]);
        } else if (joins && part && what === 'weight') {
            if (part === 'query') {
                all.push([`${layer}${JOINED}.weight`, joined(layer, tensors, encoder)]);
            }
        } else if (!joins || part !== 'key') {
            // A bias of keys adds the same to all scores of a query: those families have none.
            all.push([name, tensor.shape.length === 3 ? matrix(name, tensor, tensors) : tensor]);
        }
    }
    return all;
}

/**
 * @param {string} name
 * @param {Tensor} tensor  in panels
 * @param {Tensors} tensors
 */
export function matrix(name, { shape: [, n_in], values }, tensors) {
    // What has no bias, a projection of DeBERTa v1's distances, is square.
    const bias = tensors.get(name.replace(/weight$/, 'bias'));
    const n_out = bias?.values.length ?? n_in;
    return { shape: [n_out, n_in], values: toRows(values, n_out, n_in) };
}

/**
 * Queries, keys and values in one matrix, head by head.
 * @param {string} layer
 * @param {Tensors} tensors
 * @param {EncoderConfig} encoder
 * @returns {Tensor}  [3 hidden_size, hidden_size]
 */
function joined(layer, tensors, { n_heads }) {
    const parts = ['query', 'key', 'value'].map((part) => {
        const name = `${layer}attention.${part}.weight`;
        return matrix(name, /** @type {Tensor} */ (tensors.get(name)), tensors);
    });
    const [n_out, n_in] = parts[0].shape;
    const head = (n_out / Number(n_heads)) * n_in;
    const values = new Float32Array(3 * n_out * n_in);
    for (const [i, part] of parts.entries()) {
        for (let at = 0; at < part.values.length; at += head) {
            values.set(part.values.subarray(at, at + head), 3 * at + i * head);
        }
    }
    return { shape: [3 * n_out, n_in], values };
}

/**
 * A convolution's matrix, whose inputs are a window of tokens.
 * @param {Tensor} matrix  [n_out, size * n_out]
 * @returns {Tensor}  [n_out, n_out, size]
 */
function kernel({ shape: [n_out, n_in], values }) {
    const size = n_in / n_out;
    const own = new Float32Array(values.length);
    for (let out = 0; out < n_out; out++) {
        for (let i = 0; i < n_in; i++) {
            own[out * n_in + (i % n_out) * size + Math.floor(i / n_out)] = values[out * n_in + i];
        }
    }
    return { shape: [n_out, n_out, size], values: own };
}
