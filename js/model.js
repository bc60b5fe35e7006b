/**
 * A model as the caller's thread sees it: a handle on a worker of its own. Nothing is computed
 * here, so the caller never blocks.
 */
import { resolveSource, startWorker } from '#platform';

import { BertError, describe, fromMessage } from './errors.js';
import { openURL } from './loader/download.js';
import { Feeder } from './loader/feed.js';

/** The model that is used when none is named: English sentiment. It comes with the package. */
const DEFAULT_MODEL = new URL('./models/sentiment-minilm-l6-q8.safetensors', import.meta.url);

/** Milliseconds for the worker to say that it is there: its script is small. */
const START_TIMEOUT = 30_000;

/**
 * @typedef {string | URL | Uint8Array | ArrayBuffer | Blob} ModelSource
 *   a URL; in Node also a path; or the file's bytes
 */

/**
 * @typedef {object} LoadOptions
 * @property {AbortSignal} [signal]  ends loading
 * @property {(progress: {loaded: number, total: number}) => void} [onprogress]  in bytes
 * @property {'base' | 'relaxed'} [variant]  of the engine; default the fastest that runs here
 * @property {number} [threads]  most that will work, 1 to 64; default one a core, at most 4. A page
 *   needs to be cross-origin isolated for more than one
 * @property {string} [int8_kernel]  of the engine; default the winner of a short race
 */

/**
 * @typedef {object} ForwardOptions
 * @property {boolean} [hidden_states]  also the embeddings' output and every layer's
 * @property {boolean} [attentions]  also every head's probabilities
 * @property {number} [batch_size]  sequences computed together; default as many as fit
 * @property {AbortSignal} [signal]
 */

/**
 * Loads a converted model into a worker of its own.
 *
 * @param {ModelSource | null} [source]  default: the bundled sentiment model
 * @param {LoadOptions} [options]
 * @returns {Promise<Model>}
 */
export async function loadModel(source, options = {}) {
    const { signal, onprogress, variant, threads, int8_kernel } = options;
    if (variant !== undefined && variant !== 'base' && variant !== 'relaxed') {
        throw new BertError('BAD_OPTION', `variant is ${describe(variant)}, expected 'base' or 'relaxed'`);
    }
    const given = toSource(source ?? DEFAULT_MODEL);
    signal?.throwIfAborted();
    const is_download = typeof given === 'string' && /^https?:/i.test(given);
    const request = { source: is_download ? undefined : given, variant, threads, int8_kernel };
    const connection = new Connection();
    const download = new AbortController();
    try {
        if (is_download) connection.feed(openURL(new URL(given), download.signal));
        await connection.ready(signal);
        const info = await connection.call('load', request, signal, onprogress);
        return new Model(connection, info);
    } catch (error) {
        download.abort(error);
        connection.end(new BertError('DISPOSED', 'loading failed'));
        throw error;
    }
}

/**
 * @param {ModelSource} source
 * @returns {string | Uint8Array | Blob}
 */
function toSource(source) {
    if (typeof source === 'string') return resolveSource(source);
    if (source instanceof URL) return source.href;
    if (source instanceof ArrayBuffer) return new Uint8Array(source);
    if (source instanceof Uint8Array || source instanceof Blob) return source;
    throw new BertError('BAD_INPUT', `a model is a URL, a path or bytes, got ${describe(source)}`);
}

/** Made by loadModel(). */
export class Model {
    /** @type {Connection} */
    #connection;

    /**
     * @param {Connection} connection
     * @param {import('./encoder.js').ModelInfo} info
     */
    constructor(connection, info) {
        this.#connection = connection;
        /**
         * What the model is made for.
         * @readonly
         */
        this.config = info.config;
        /** @readonly */
        this.name = info.name;
    }

    /**
     * Metadata, the engine's build and why, threads and memory.
     * @returns {Promise<import('./encoder.js').ModelInfo>}
     */
    info() {
        return this.#connection.call('info', {});
    }

    /**
     * @param {import('./encoder.js').TextInput[]} inputs
     * @param {import('./tokenizer/index.js').EncodeOptions} [options]
     * @returns {Promise<import('./encoder.js').Encoded[]>}
     */
    tokenize(inputs, options = {}) {
        return this.#connection.call('tokenize', { inputs: toList(inputs), options });
    }

    /**
     * Every output under its ONNX name, for each sequence alone: no batch dimension, no rows for
     * tokens whose mask is 0. What `hidden_states` and `attentions` ask for has those names.
     * @param {import('./sequences.js').Sequence[]} sequences
     * @param {ForwardOptions} [options]
     * @returns {Promise<Record<string, import('./sequences.js').Tensor>[]>}
     */
    async forward(sequences, { hidden_states, attentions, batch_size, signal } = {}) {
        const outputs = { ...this.config.outputs };
        if (hidden_states) outputs.hidden_states = { output: 'hidden_states' };
        if (attentions) outputs.attentions = { output: 'attentions' };
        return this.#connection.call('forward', { sequences: toList(sequences), outputs, batch_size }, signal);
    }

    /**
     * Whether the model gives here the answers of the ONNX model that it was converted from, as far
     * as its dtype allows: `ok` if `error` is at most 1.5 times what the converter measured
     * (`expected_error`, the cost of the dtype) and 0.0002 (rounding of another machine).
     * @param {{signal?: AbortSignal}} [options]
     * @returns {Promise<import('./verify.js').Verification>}
     */
    verify({ signal } = {}) {
        return this.#connection.call('verify', {}, signal);
    }

    /**
     * Texts to outputs of the core, for pipelines.
     * @param {import('./encoder.js').TextInput[]} inputs
     * @param {string[]} outputs
     * @param {{signal?: AbortSignal}} [options]
     * @returns {Promise<{outputs: Record<string, import('./sequences.js').Tensor>, truncated: boolean}[]>}
     */
    run(inputs, outputs, { signal } = {}) {
        return this.#connection.call('run', { inputs, outputs }, signal);
    }

    /** Ends the worker and gives its memory back. Calls that are still running are rejected. */
    dispose() {
        this.#connection.end(new BertError('DISPOSED', `model '${this.name}' was disposed`));
    }

    async [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
        this.dispose();
    }
}

/**
 * @template T
 * @param {T[]} values
 * @returns {T[]}
 */
function toList(values) {
    if (!Array.isArray(values)) throw new BertError('BAD_INPUT', `expected an array, got ${describe(values)}`);
    return values;
}

/**
 * Requests to a worker and their answers. Ends once: by end(), or when the worker dies.
 */
class Connection {
    constructor() {
        this.worker = startWorker();
        /** @type {Map<number, {resolve: (value: any) => void, reject: (reason: unknown) => void, onprogress?: (progress: any) => void}>} */
        this.pending = new Map();
        this.nextId = 1;
        this.feeder = new Feeder((message, transfer) => this.ended || this.worker.post({ feed: message }, transfer));
        /** @type {Error | undefined} */
        this.ended = undefined;
        this.worker.onMessage((message) => this.#receive(message));
        this.worker.onError((error) =>
            this.end(new BertError('ENGINE_FAILED', `the worker failed: ${error.message}`, { cause: error })));
    }

    /**
     * The worker's first message, or an error: never silence.
     * @param {AbortSignal} [signal]
     */
    async ready(signal) {
        const timer = setTimeout(
            () => this.end(new BertError('ENGINE_FAILED', `the worker did not answer in ${START_TIMEOUT / 1000} s`)),
            START_TIMEOUT,
        );
        try {
            await this.#wait(0, signal);
        } finally {
            clearTimeout(timer);
        }
    }

    /**
     * @param {string} method
     * @param {unknown} request
     * @param {AbortSignal} [signal]
     * @param {(progress: any) => void} [onprogress]
     * @returns {Promise<any>}
     */
    async call(method, request, signal, onprogress) {
        if (this.ended) throw this.ended;
        signal?.throwIfAborted();
        const id = this.nextId++;
        const answer = this.#wait(id, signal, onprogress);
        try {
            this.worker.post({ id, method, request });
        } catch (error) {
            const cause = /** @type {Error} */ (error);
            this.#settle(id, (call) => call.reject(new BertError('BAD_INPUT', `the input cannot be sent to the worker: ${cause.message}`, { cause })));
        }
        return answer;
    }

    /**
     * Sends a download to the worker, which may not be ready yet: messages wait for it.
     * @param {Promise<import('./loader/download.js').Source>} opening
     */
    feed(opening) {
        this.feeder.send(opening);
    }

    /** @param {Error} reason  of every call from now on */
    end(reason) {
        if (this.ended) return;
        this.ended = reason;
        this.worker.terminate();
        for (const id of [...this.pending.keys()]) this.#settle(id, (call) => call.reject(reason));
    }

    /**
     * @param {number} id
     * @param {AbortSignal} [signal]
     * @param {(progress: any) => void} [onprogress]
     * @returns {Promise<any>}
     */
    #wait(id, signal, onprogress) {
        const promise = new Promise((resolve, reject) => {
            this.pending.set(id, { resolve, reject, onprogress });
        });
        this.worker.keepAlive(true);
        if (!signal) return promise;
        const abort = () => {
            if (!this.pending.has(id)) return;
            this.worker.post({ abort: id });
            this.#settle(id, (call) => call.reject(signal.reason));
        };
        signal.addEventListener('abort', abort, { once: true });
        return promise.finally(() => signal.removeEventListener('abort', abort));
    }

    /**
     * @param {number} id
     * @param {(call: {resolve: (value: any) => void, reject: (reason: unknown) => void}) => void} how
     */
    #settle(id, how) {
        const call = this.pending.get(id);
        if (!call) return; // aborted meanwhile
        this.pending.delete(id);
        if (this.pending.size === 0) this.worker.keepAlive(false);
        how(call);
    }

    /** @param {any} message */
    #receive(message) {
        if (message.ready) this.#settle(0, (call) => call.resolve(undefined));
        else if (message.recycled) this.feeder.recycled(message.recycled);
        else if (message.progress) this.pending.get(message.id)?.onprogress?.(message.progress);
        else if (message.error) this.#settle(message.id, (call) => call.reject(fromMessage(message.error)));
        else this.#settle(message.id, (call) => call.resolve(message.result));
    }
}
