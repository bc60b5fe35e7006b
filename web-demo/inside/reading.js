/**
 * A text inside a model: its pieces, and what the model does with them. Everything is asked for
 * when it is wanted, and kept as long as it is small: all maps of 512 pieces would be 75 MB.
 *
 * @typedef {import('../../js/explain/tokens.js').Token} Token
 * @typedef {import('../../js/explain/attribution.js').Attributions} Attributions
 * @typedef {import('../shell/explain.js').Explain} Explain
 * @typedef {Token & {id: number | null}} Piece
 */

import { nextFrame } from '../shell/dom.js';

/** Most pieces of a text whose maps are all kept. */
const MOST_KEPT = 128;

/** Milliseconds of computing at a time. */
const SLICE = 8;

/** Pixels of a side of a head's small picture, at most. */
export const THUMBNAIL = 32;

export class Reading {
    #pipe;
    #explain;
    #input;
    #signal;

    /** By layer: [n_heads, n, n]. @type {Map<number, Float32Array>} */
    #maps = new Map();

    /** @type {Float32Array | null} */
    #flow = null;

    /** By layer. @type {Map<number, Float32Array>} */
    #likeness = new Map();

    /** @type {Attributions | null} */
    attributions = null;

    /**
     * @param {any} pipe
     * @param {Explain} explain
     * @param {{text: string, text_pair?: string}} input
     * @param {AbortSignal} signal
     * @param {Piece[]} pieces
     * @param {boolean} is_cut
     * @param {{ids: ArrayLike<number>, type_ids: ArrayLike<number>}} encoded
     */
    constructor(pipe, explain, input, signal, pieces, is_cut, encoded) {
        this.#pipe = pipe;
        this.#explain = explain;
        this.#input = input;
        this.#signal = signal;
        this.pieces = pieces;
        this.is_cut = is_cut;
        this.encoded = encoded;
        const { encoder, labels } = pipe.model.config;
        this.n = pieces.length;
        this.n_layers = Number(encoder.n_layers);
        this.n_heads = Number(encoder.n_heads);
        this.is_classifier = Number(encoder.n_labels) > 0 && labels.length > 0;
        this.is_regression = pipe.model.config.problem_type === 'regression';
    }

    /**
     * @param {any} pipe
     * @param {Explain} explain
     * @param {{text: string, text_pair?: string}} input
     * @param {AbortSignal} signal
     * @param {number} layer  whose maps are wanted first
     */
    static async of(pipe, explain, input, signal, layer) {
        const { tokenizer, config } = pipe.model;
        const at = Math.min(layer, Number(config.encoder.n_layers) - 1);
        const [{ tokens, maps, truncated }, encoded] = await Promise.all([
            explain.attentionMaps(pipe, input, { layer: at, signal }),
            tokenizer.encode(input.text, {
                text_pair: input.text_pair,
                truncation: { max_length: config.max_length },
            }),
        ]);
        signal.throwIfAborted();
        const is_same = encoded.ids.length === tokens.length;
        const pieces = tokens.map((token, i) => ({
            ...token,
            id: is_same ? encoded.ids[i] : null,
        }));
        const reading = new Reading(pipe, explain, input, signal, pieces, !!truncated, encoded);
        reading.#maps.set(at, maps.data);
        return reading;
    }

    /** @param {number} layer  from 0 @returns {Promise<Float32Array>}  [n_heads, n, n] */
    async maps(layer) {
        const had = this.#maps.get(layer);
        if (had) return had;
        const { maps } = await this.#explain.attentionMaps(this.#pipe, this.#input, {
            layer,
            signal: this.#signal,
        });
        this.#signal.throwIfAborted();
        if (this.n > MOST_KEPT) this.#maps.clear();
        this.#maps.set(layer, maps.data);
        return maps.data;
    }

    /**
     * One map: of a head, or the mean of a layer's.
     * @param {number} layer  from 0
     * @param {number | null} head  from 0; null: their mean
     * @returns {Promise<Float32Array>}  [n, n]
     */
    async map(layer, head) {
        const all = await this.maps(layer);
        const size = this.n ** 2;
        if (head !== null) return all.subarray(head * size, (head + 1) * size);
        const mean = new Float32Array(size);
        for (let first = 0; first < all.length; first += size) {
            for (let i = 0; i < size; i++) mean[i] += all[first + i] / this.n_heads;
            if (size > MOST_KEPT ** 2) await nextFrame();
        }
        return mean;
    }

    /**
     * Rollout: what of each piece is in each of the last layer.
     * @returns {Promise<Float32Array>}
     */
    async flow() {
        if (this.#flow) return this.#flow;
        const { matrix } = await this.#explain.attentionRollout(this.#pipe, this.#input, {
            signal: this.#signal,
        });
        this.#flow = matrix.data;
        return matrix.data;
    }

    /**
     * How alike the pieces are behind a layer: cosines of their hidden states.
     * @param {number} layer  0: the embeddings
     * @returns {Promise<Float32Array>}  [n, n]
     */
    async likeness(layer) {
        const had = this.#likeness.get(layer);
        if (had) return had;
        const { encoder } = this.#pipe.model.config;
        const { ids, type_ids } = this.encoded;
        const has_types = Number(encoder.n_token_types) > 1;
        const { hidden } = await this.#pipe.model.forward(
            { input_ids: ids, ...(has_types ? { token_type_ids: type_ids } : {}) },
            {
                outputs: { hidden: { output: 'hidden_states', index: layer } },
                signal: this.#signal,
            },
        );
        const d = hidden.dims.at(-1);
        const data = unitRows(hidden.data, d);
        const { n } = this;
        const cosines = new Float32Array(n * n);
        let deadline = performance.now() + SLICE;
        for (let i = 0; i < n; i++) {
            for (let j = 0; j <= i; j++) {
                let sum = 0;
                for (let k = 0, a = i * d, b = j * d; k < d; k++) sum += data[a++] * data[b++];
                cosines[i * n + j] = sum;
                cosines[j * n + i] = sum;
            }
            if (performance.now() > deadline) {
                await nextFrame();
                this.#signal.throwIfAborted();
                deadline = performance.now() + SLICE;
            }
        }
        if (n > MOST_KEPT) this.#likeness.clear();
        this.#likeness.set(layer, cosines);
        return cosines;
    }

    /**
     * Hides each piece in turn; scores are in log-odds.
     * @param {AbortSignal} signal  of this work alone
     * @param {(progress: {done: number, total: number}) => void} onprogress
     */
    async attribute(signal, onprogress) {
        const work = new AbortController();
        const stop = () => work.abort();
        for (const each of [signal, this.#signal]) each.addEventListener('abort', stop);
        this.attributions = await this.#explain.attribute(this.#pipe, this.#input, {
            scale: 'log-odds',
            signal: work.signal,
            onprogress,
        });
    }

    /**
     * Small pictures of a layer's heads: the largest weight of each block.
     * @param {number} layer
     * @returns {Promise<Float32Array[]>}  of each head, [side, side]
     */
    async thumbnails(layer) {
        const { n, n_heads } = this;
        const all = await this.maps(layer);
        const side = Math.min(n, THUMBNAIL);
        const places = Uint16Array.from({ length: n }, (_, i) => Math.floor((i * side) / n));
        const pictures = [];
        for (let head = 0; head < n_heads; head++) {
            const small = new Float32Array(side * side);
            for (let row = 0, at = head * n * n; row < n; row++) {
                const begin = places[row] * side;
                for (let column = 0; column < n; column++, at++) {
                    const place = begin + places[column];
                    if (all[at] > small[place]) small[place] = all[at];
                }
            }
            pictures.push(small);
            if (n > MOST_KEPT) await nextFrame();
        }
        return pictures;
    }
}

/** @param {Float32Array} data @param {number} d */
function unitRows(data, d) {
    const rows = new Float32Array(data);
    for (let first = 0; first < rows.length; first += d) {
        let squares = 0;
        for (let i = first; i < first + d; i++) squares += rows[i] ** 2;
        const length = Math.sqrt(squares) || 1;
        for (let i = first; i < first + d; i++) rows[i] /= length;
    }
    return rows;
}
