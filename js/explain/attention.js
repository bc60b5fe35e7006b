/** Attention: the probabilities of every head, and how they flow through the layers. */

import { BertError, describe } from '../errors.js';
import { oneOf, readOptions } from '../pipelines/options.js';
import { nextTurn } from '../platform/turn.js';
import { modelOf, runText, toTokens } from './tokens.js';

/**
 * @typedef {object} AttentionOptions
 * @property {number | number[]} [layer]  which layers, from 0, the one next to the embeddings;
 *   default all
 * @property {number | number[]} [head]  which heads of them, from 0; default all
 * @property {AbortSignal} [signal]  ends the call
 *
 * @typedef {object} AttentionMaps
 * @property {import('./tokens.js').Token[]} tokens  of the maps' rows and columns
 * @property {import('../worker/outputs.js').FloatTensor} maps  [layers, heads, n, n], in the
 *   order asked for: in row i what token i takes from each token; rows sum to 1
 * @property {true} [truncated]  where the text was longer than the model reads
 *
 * @typedef {object} RolloutOptions
 * @property {'mean' | 'max' | 'min'} [head_fusion]  how a layer's heads become one map; default
 *   'mean'
 * @property {number} [discard_ratio]  the smallest of a layer's weights, this part of them all, are
 *   taken for 0; from 0, below 1; default 0
 * @property {AbortSignal} [signal]  ends the call
 *
 * @typedef {object} Rollout
 * @property {import('./tokens.js').Token[]} tokens  of the matrix's rows and columns
 * @property {Float32Array} scores  the first row: how much of each token is in the first one
 *   ([CLS])
 * @property {import('../worker/outputs.js').FloatTensor} matrix  [n, n]: in row i what of each
 *   token is in the last layer's token i; rows sum to 1
 * @property {true} [truncated]  where the text was longer than the model reads
 */

/** Milliseconds of computing before the event loop has a turn. */
const MOST_MS = 10;

/**
 * The attention maps of a text. Only those asked for are sent by the worker: all those of 512
 * tokens of a model with 12 layers of 12 heads are 150 MB.
 *
 * @param {import('./tokens.js').ModelOrPipe} model
 * @param {import('./tokens.js').TextInput} text  or {text, text_pair}
 * @param {AttentionOptions} [options]
 * @returns {Promise<AttentionMaps>}
 */
export async function attentionMaps(model, text, options = {}) {
    const of = modelOf(model);
    const { layer, head, signal } = readOptions('attentionMaps', options, {
        layer: undefined,
        head: undefined,
        signal: undefined,
    });
    const { n_layers, n_heads } = sizesOf(of);
    const layers = choose('layer', layer, n_layers);
    const heads = choose('head', head, n_heads);
    const requests = layers.flatMap((index) => {
        const whole = { output: 'attentions', index };
        return head === undefined ? [whole] : heads.map((each) => ({ ...whole, head: each }));
    });
    const { read, outputs, cut } = await runText(of, text, requests, signal);
    const n = read.ids.length;
    const maps = {
        dims: [layers.length, heads.length, n, n],
        data: new Float32Array(layers.length * heads.length * n * n),
    };
    let at = 0;
    for (const { data } of outputs) {
        maps.data.set(data, at);
        at += data.length;
    }
    return { tokens: toTokens(read), maps, ...cut };
}

/**
 * How information flows from a text's tokens into the last layer's, by attention rollout (Abnar and
 * Zuidema 2020, Quantifying Attention Flow in Transformers): with A the map of a layer, fused of
 * its heads, the product over the layers of (A + I) / 2, rows brought to a sum of 1.
 *
 * @param {import('./tokens.js').ModelOrPipe} model
 * @param {import('./tokens.js').TextInput} text  or {text, text_pair}
 * @param {RolloutOptions} [options]
 * @returns {Promise<Rollout>}
 */
export async function attentionRollout(model, text, options = {}) {
    const of = modelOf(model);
    const { head_fusion, discard_ratio, signal } = readOptions(
        'attentionRollout',
        options,
        { head_fusion: 'mean', discard_ratio: 0, signal: undefined },
        {
            head_fusion: oneOf(...Object.keys(FUSIONS)),
            discard_ratio: (ratio) =>
                typeof ratio === 'number' && ratio >= 0 && ratio < 1
                    ? null
                    : 'a number >= 0 and < 1',
        },
    );
    const requests = Array.from({ length: sizesOf(of).n_layers }, (_, index) => ({
        output: 'attentions',
        index,
    }));
    const { read, outputs, cut } = await runText(of, text, requests, signal);
    const n = read.ids.length;
    /** @type {Float64Array | undefined} */
    let flow;
    for (const heads of outputs) {
        await nextTurn();
        const map = step(discard(fuse(heads.data, n, head_fusion), discard_ratio), n);
        flow = flow ? await product(map, flow, n, signal) : map;
    }
    const data = Float32Array.from(flow ?? []);
    return {
        tokens: toTokens(read),
        scores: data.slice(0, n),
        matrix: { dims: [n, n], data },
        ...cut,
    };
}

/**
 * Two heads to one; for a mean the sum is divided afterwards.
 * @type {Record<string, (a: number, b: number) => number>}
 */
const FUSIONS = {
    mean: (a, b) => a + b,
    max: Math.max,
    min: Math.min,
};

/**
 * @param {Float32Array} heads  [n_heads, n, n]
 * @param {number} n
 * @param {string} head_fusion
 */
function fuse(heads, n, head_fusion) {
    const size = n * n;
    const n_added = head_fusion === 'mean' ? heads.length / size : 1;
    const fused = Float64Array.from(heads.subarray(0, size));
    const fusion = FUSIONS[head_fusion];
    for (let first = size; first < heads.length; first += size) {
        for (let i = 0; i < size; i++) fused[i] = fusion(fused[i], heads[first + i]);
    }
    return fused.map((value) => value / n_added);
}

/**
 * @param {Float64Array} map  changed in place
 * @param {number} ratio
 */
function discard(map, ratio) {
    const n_discarded = Math.floor(map.length * ratio);
    if (n_discarded === 0) return map;
    const most = map.slice().sort()[n_discarded - 1];
    return map.map((weight) => (weight > most ? weight : 0));
}

/**
 * What a layer does to its tokens: half of each stays what it was.
 * @param {Float64Array} map  changed in place
 * @param {number} n
 */
function step(map, n) {
    for (let row = 0; row < n; row++) {
        map[row * (n + 1)] += 1; // halving both is left to the division by the sum
        const weights = map.subarray(row * n, (row + 1) * n);
        const sum = weights.reduce((a, b) => a + b, 0);
        for (let i = 0; i < n; i++) weights[i] /= sum;
    }
    return map;
}

/**
 * The product a b. For long texts it takes a while: the event loop has its turns.
 * @param {Float64Array} a
 * @param {Float64Array} b
 * @param {number} n
 * @param {AbortSignal} [signal]
 */
async function product(a, b, n, signal) {
    const c = new Float64Array(n * n);
    let started = performance.now();
    for (let i = 0; i < n; i++) {
        const row = c.subarray(i * n, (i + 1) * n);
        for (let k = 0; k < n; k++) {
            const weight = a[i * n + k];
            for (let j = 0, at = k * n; j < n; j++) row[j] += weight * b[at++];
        }
        if (performance.now() - started > MOST_MS) {
            await nextTurn();
            signal?.throwIfAborted();
            started = performance.now();
        }
    }
    return c;
}

/** @param {import('../model/model.js').Model} model */
function sizesOf({ config: { encoder } }) {
    return { n_layers: Number(encoder.n_layers), n_heads: Number(encoder.n_heads) };
}

/**
 * @param {string} name
 * @param {unknown} wanted
 * @param {number} n  that there are
 * @returns {number[]}
 */
function choose(name, wanted, n) {
    if (wanted === undefined) return [...Array(n).keys()];
    const list = Array.isArray(wanted) ? wanted : [wanted];
    for (const each of list) {
        if (!Number.isInteger(each) || each < 0 || each >= n) {
            throw new BertError(
                'BAD_OPTION',
                `${name} must be a whole number from 0 to ${n - 1}, or a list of them, ` +
                    `not ${describe(each)}`,
            );
        }
    }
    return list;
}
