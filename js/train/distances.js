/**
 * What attention knows of distances, MPNet's and DeBERTa's, as transformers has it: the way back of
 * converter/huggingface/relative.c.
 */

import { BertError } from '../errors.js';

/** @typedef {import('../loader/model_file.js').EncoderConfig} EncoderConfig */
/** @typedef {import('./trainer.js').Tensors} Tensors */

// ------------------------------------------------------------------------------------ MPNet --

/** Distances that have a bias of their own, and the farthest that is told from others. */
export const N_BUCKETS = 32;
const MOST_DISTANCE = 128;

/**
 * The bucket of a distance key - query: Raffel et al. 2019, T5, section 2.1, as MPNet has it.
 * @param {number} distance
 */
function bucketOf(distance) {
    const half = N_BUCKETS / 2;
    const exact = half / 2;
    const n = Math.abs(distance);
    const far =
        exact +
        Math.floor((Math.log(n / exact) / Math.log(MOST_DISTANCE / exact)) * (half - exact));
    return (distance > 0 ? half : 0) + (n < exact ? n : Math.min(far, half - 1));
}

/**
 * The biases of distances as MPNet has them, by bucket and head.
 * @param {Float32Array} values  [n_heads, 2 D - 1]
 * @param {number} n_heads
 * @returns {Float32Array<ArrayBuffer>}  [N_BUCKETS, n_heads]; zeros of those that are too far
 */
export function bucketsOf(values, n_heads) {
    const n = values.length / n_heads;
    const buckets = new Float32Array(N_BUCKETS * n_heads);
    for (let i = 0; i < n; i++) {
        const bucket = bucketOf(i - (n - 1) / 2);
        for (let h = 0; h < n_heads; h++) buckets[bucket * n_heads + h] = values[h * n + i];
    }
    return buckets;
}

// ---------------------------------------------------------------------------------- DeBERTa --

/** Distances that transformers can be told to put into buckets, at most. */
const MOST_POSITIONS = 2 ** 20;

/** `pos_att_type` of config.json. @type {Record<string, string[]>} */
const TYPES = { c2p: ['c2p'], p2c: ['p2c'], c2p_p2c: ['c2p', 'p2c'] };

/** @param {EncoderConfig} encoder @returns {string[]} */
const typesOf = ({ position_attention }) => TYPES[String(position_attention)] ?? [];

/**
 * Whether tables of distances are beside what they are made of.
 * @param {EncoderConfig} encoder
 */
export const hasSource = ({ relative_source = 'none' }) => relative_source !== 'none';

/**
 * What config.json says of distances.
 * @param {EncoderConfig} encoder
 * @param {Tensors} tensors
 * @returns {Record<string, unknown>}
 */
export function disentangled(encoder, tensors) {
    const n_positions = Number(encoder.n_positions);
    const types = typesOf(encoder);
    if (types.length === 0) {
        return {
            relative_attention: false,
            pos_att_type: null,
            position_biased_input: n_positions > 0,
            max_position_embeddings: n_positions,
        };
    }
    const { furthest, n_buckets } = spanOf(encoder, tensors);
    // Without embeddings of positions nothing else depends on how many there are.
    const max_position_embeddings = n_positions || furthest;
    return {
        relative_attention: true,
        pos_att_type: types,
        position_biased_input: n_positions > 0,
        max_position_embeddings,
        max_relative_positions: furthest === max_position_embeddings ? -1 : furthest,
        ...(encoder.relative_source !== 'own_unbiased' && {
            position_buckets: n_buckets || -1,
            share_att_key: encoder.relative_source === 'shared',
            norm_rel_ebd: Number(encoder.relative_norm) === 1 ? 'layer_norm' : 'none',
        }),
    };
}

/**
 * Which distances share a row of the tables: the settings that give the model's rows.
 * @param {EncoderConfig} encoder
 * @param {Tensors} tensors
 * @returns {{furthest: number, n_buckets: number}}  n_buckets 0: each distance has a row, up to
 *   `furthest`
 */
function spanOf(encoder, tensors) {
    const { values: rows } = /** @type {import('./trainer.js').Tensor} */ (
        tensors.get('relative.rows')
    );
    const span = Number(encoder.n_relative_rows) / 2;
    const fits = (/** @type {(distance: number) => number} */ place) =>
        rows.every((row, i) => {
            const at = span + place(i - (rows.length - 1) / 2);
            return row === Math.min(Math.max(at, 0), 2 * span - 1);
        });
    if (fits((distance) => distance)) return { furthest: span, n_buckets: 0 };
    const middle = Math.floor(span / 2);
    for (let furthest = middle + 2; furthest <= MOST_POSITIONS; furthest++) {
        if (fits((distance) => logBucket(distance, middle, furthest))) {
            return { furthest, n_buckets: span };
        }
    }
    throw new BertError('UNSUPPORTED', 'transformers has no such rows of distances');
}

/**
 * He et al. 2020, DeBERTa v2, in float32 as its code has it: from the middle on, buckets grow.
 * @param {number} distance
 * @param {number} middle
 * @param {number} furthest  that the last bucket stands for
 */
function logBucket(distance, middle, furthest) {
    const magnitude = Math.abs(distance);
    if (magnitude <= middle) return distance;
    const log = (/** @type {number} */ x) => Math.fround(Math.log(Math.fround(x)));
    const share = Math.fround(log(magnitude / middle) / log((furthest - 1) / middle));
    return Math.sign(distance) * (Math.ceil(Math.fround(share * (middle - 1))) + middle);
}

/**
 * Throws unless what is trained could be written down for transformers.
 * @param {import('./base.js').Base} base
 */
export function requireDistances({ name, config: { encoder }, tensors }) {
    if (typesOf(encoder).length === 0) return;
    if (!hasSource(encoder)) {
        throw new BertError(
            'UNSUPPORTED',
            `'${name}' cannot be trained: it does not have what DeBERTa's tables of distances ` +
                'are made of, which files of dtype f32 have that were made of a Hugging Face ' +
                'folder: begin with such a folder or its name on the Hub, or convert it again ' +
                'with --dtype f32 (an ONNX file does not have it)',
        );
    }
    spanOf(encoder, tensors);
}
