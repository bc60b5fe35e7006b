/**
 * A model as the caller's thread sees it: a handle on a worker of its own. Nothing is computed
 * here, so the caller never blocks.
 */

import { engineModules } from '#files';
import { hasWorkers, packageURL, resolveSource } from '#platform';

import { BertError, describe, fromMessage, noTokenizer, withoutPlace } from '../errors.js';
import { isModule, toPost } from '../loader/compile.js';
import { openURL } from '../loader/download.js';
import { asyncDispose } from '../platform/async_dispose.js';
import { requireCompiler, requireSIMD } from '../platform/webassembly.js';
import { Connection, openWorker } from './connection.js';
import { withDefaultModel } from './default_model.js';
import { endWhenDropped } from './dropped.js';
import { toSequences } from './inputs.js';
import { ModelTokenizer } from './model_tokenizer.js';
import { Monitor } from './monitor.js';

/** @import { ModelInfo } from '../worker/loaded_model.js' */
/** @import { TokenizerTraits } from '../worker/tokenizer_calls.js' */

/**
 * @typedef {string | URL | Uint8Array | ArrayBuffer | Blob} ModelSource
 *   a URL; in Node also a path; or the file's bytes
 */

/**
 * @typedef {object} ModelLoadOptions
 * @property {AbortSignal} [signal]  ends loading
 * @property {(progress: {loaded: number, total: number}) => void} [onprogress]  bytes of the model
 * @property {'base' | 'relaxed'} [variant]  build of the engine, without or with relaxed SIMD;
 *   default the fastest that runs here
 * @property {number} [threads]  most that will compute, 1 to 64; default one a core, at most 4. A
 *   page needs to be cross-origin isolated for more than one
 * @property {boolean} [in_thread]  whether the engine runs on the caller's thread, in steps between
 *   which the event loop has its turns; default where there are no workers. What cannot import at
 *   run time (a service worker, an edge runtime) imports from `bert-wasm/in-thread`
 * @property {WebAssembly.Module | ModelSource} [wasm]  the engine, where it cannot be fetched or
 *   compiled: `engine-base.wasm` or `engine-relaxed.wasm` of the package, with one thread; default
 *   the package's own
 * @property {string} [int8_kernel]  how 8-bit integers are multiplied: 'simd128',
 *   'relaxed-dot-i16' or 'relaxed-dot-i32', if the build has it; default the winner of a short race
 * @property {(call: import('./monitor.js').CallMetrics) => void} [onmetrics]  called after every
 *   call of a pipeline
 * @property {boolean} [performance_marks]  whether every such call is a `performance.measure()`
 *   named `bert-wasm MODEL`, for profilers; default false
 */

/**
 * @typedef {object} ForwardOptions
 * @property {Record<string, import('../loader/model_file.js').OutputRequest>} [outputs]  what is
 *   computed, by the result's name; default the outputs of the ONNX model
 * @property {boolean} [hidden_states]  whether the embeddings' output and every layer's are among
 *   the results; default false
 * @property {boolean} [attentions]  whether every head's probabilities are; default false
 * @property {number} [batch_size]  most sequences computed together, from 1; default as many as fit
 * @property {AbortSignal} [signal]  ends the call
 */

/** @typedef {Record<string, import('../worker/outputs.js').FloatTensor>} Outputs  by name */

/**
 * @typedef {object} Progress  of a call with many texts
 * @property {number} done  texts that are done
 * @property {number} total  texts
 */

/**
 * Loads a converted model into a worker of its own.
 *
 * @param {ModelSource | null} [source]  default that of bert-wasm-sentiment
 * @param {ModelLoadOptions} [options]
 * @returns {Promise<Model>}
 * @throws {BertError} BAD_INPUT or BAD_OPTION where an argument is wrong
 * @throws {BertError} FETCH_FAILED or BAD_MODEL_FILE where the file is
 * @throws {BertError} UNSUPPORTED, OUT_OF_MEMORY or ENGINE_FAILED where it cannot be run here
 */
export async function loadModel(source, options = {}) {
    const { signal, onprogress, onmetrics, performance_marks } = options;
    const { variant, threads, int8_kernel, wasm } = options;
    const in_thread = options.in_thread || !hasWorkers();
    if (variant !== undefined && variant !== 'base' && variant !== 'relaxed') {
        throw new BertError(
            'BAD_OPTION',
            `variant must be 'base' or 'relaxed', not ${describe(variant)}`,
        );
    }
    requireSIMD();
    if (in_thread && !wasm) requireCompiler();
    if (source == null) return withDefaultModel((url) => loadModel(url, options));
    const given = toSource(source);
    signal?.throwIfAborted();
    const is_download = typeof given === 'string' && /^https?:/i.test(given);
    const request = {
        source: is_download ? undefined : given,
        variant,
        threads,
        int8_kernel,
        engines: engines(wasm),
        in_thread: !!in_thread,
    };
    const download = new AbortController();
    /** @type {Connection | undefined} */
    let connection;
    try {
        connection = new Connection(await openWorker(in_thread));
        const ready = connection.ready(signal);
        if (is_download) {
            // What the page's policy forbids its own may allow the worker: it is asked first.
            if (!wasm && !mayCompile()) await ready;
            connection.feed(openURL(new URL(given), download.signal));
        }
        await ready;
        const info = await connection.call('load', request, signal, onprogress);
        return new Model(
            connection,
            info,
            new Monitor(info.name, { onmetrics, performance_marks }),
        );
    } catch (error) {
        download.abort(error);
        connection?.end(new BertError('DISPOSED', 'loading failed'));
        throw error;
    }
}

/** Whether the policy of this page allows WebAssembly. */
function mayCompile() {
    try {
        requireCompiler();
        return true;
    } catch {
        return false;
    }
}

/**
 * The builds of the engine, for the worker.
 * @param {ModelLoadOptions['wasm']} given
 * @returns {Record<string, import('../loader/compile.js').ModuleSource>}
 */
function engines(given) {
    if (given) return { given: isModule(given) ? given : toSource(given) };
    try {
        return Object.fromEntries(
            Object.entries(engineModules()).map(([name, file]) => [name, toPost(file)]),
        );
    } catch (cause) {
        throw new BertError(
            'UNSUPPORTED',
            "the package's files have no address here: give the engine as `wasm` " +
                `(${/** @type {Error} */ (cause).message})`,
            { cause },
        );
    }
}

/**
 * @param {ModelSource} source
 * @returns {string | Uint8Array | Blob}
 */
function toSource(source) {
    if (typeof source === 'string') return resolveSource(source);
    if (source instanceof URL) return packageURL(source);
    if (source instanceof ArrayBuffer) return new Uint8Array(source);
    if (source instanceof Uint8Array || source instanceof Blob) return source;
    throw new BertError(
        'BAD_INPUT',
        `a model must be a URL, a path or bytes, not ${describe(source)}`,
    );
}

/** A model in a worker of its own, which nothing blocks. loadModel() makes it. */
export class Model {
    /** @type {Connection} */
    #connection;

    /** @type {Monitor} */
    #monitor;

    /** @type {ModelTokenizer | null} */
    #tokenizer;

    /**
     * @internal
     * @param {Connection} connection
     * @param {ModelInfo & {tokenizer_traits: TokenizerTraits | null}} info
     * @param {Monitor} monitor
     */
    constructor(connection, info, monitor) {
        this.#connection = connection;
        this.#monitor = monitor;
        /**
         * what the model is made for
         * @readonly
         */
        this.config = info.config;
        /**
         * as the converter was told
         * @readonly
         */
        this.name = info.name;
        this.#tokenizer =
            info.tokenizer_traits &&
            new ModelTokenizer(
                // Who holds the tokenizer alone holds the model.
                (method, request, signal) => this.#connection.call(method, request, signal),
                info.tokenizer_traits,
            );
        endWhenDropped(this, connection);
    }

    /**
     * Metadata, the engine's build and why, threads and memory.
     * @returns {Promise<ModelInfo>}
     */
    info() {
        return this.#connection.call('info', {});
    }

    /**
     * the model's tokenizer, in its worker
     * @throws {BertError} NO_TOKENIZER if it was converted without one; info() says so, too
     */
    get tokenizer() {
        if (this.#tokenizer) return this.#tokenizer;
        throw noTokenizer(this.name);
    }

    /**
     * Every output under its ONNX name, for each sequence alone: no batch dimension, no rows for
     * tokens whose mask is 0. What `hidden_states` and `attentions` ask for has those names.
     * @throws {BertError} BAD_INPUT, BAD_TOKEN_ID, BAD_TOKEN_TYPE, EMPTY_SEQUENCE or
     *   SEQUENCE_TOO_LONG where a sequence is wrong; NO_SUCH_OUTPUT; OUT_OF_MEMORY; DISPOSED
     * @overload
     * @param {import('../worker/sequences.js').Sequence} input  one sequence
     * @param {ForwardOptions} [options]
     * @returns {Promise<Outputs>}
     */
    /**
     * @overload
     * @param {import('../worker/sequences.js').Sequence[] | import('./inputs.js').Batch} input
     *   sequences of any lengths, or a batch with a row for each
     * @param {ForwardOptions} [options]
     * @returns {Promise<Outputs[]>}
     */
    /**
     * @param {any} input
     * @param {ForwardOptions} [options]
     * @returns {Promise<any>}
     */
    async forward(input, { outputs: wanted, hidden_states, attentions, batch_size, signal } = {}) {
        const { sequences, is_one } = toSequences(input);
        const outputs = { ...(wanted ?? this.config.outputs) };
        if (hidden_states) outputs.hidden_states = { output: 'hidden_states' };
        if (attentions) outputs.attentions = { output: 'attentions' };
        const results = await this.#connection
            .call('forward', { sequences, outputs, batch_size }, signal)
            .catch((error) => {
                throw is_one ? withoutPlace(error) : error;
            });
        return is_one ? results[0] : results;
    }

    /**
     * Whether the model gives here the answers of the ONNX model that it was converted from, as far
     * as its dtype allows: `ok` if `error` is at most 1.5 times what the converter measured
     * (`expected_error`, the cost of the dtype) and 0.0002 (rounding of another machine).
     * @param {{signal?: AbortSignal}} [options]
     * @returns {Promise<import('../worker/verify.js').Verification>}
     * @throws {BertError} NO_REFERENCE if the file has no answers to compare with
     */
    verify({ signal } = {}) {
        return this.#connection.call('verify', {}, signal);
    }

    /**
     * Texts to outputs of the core, for pipelines. An error in one text takes its place among the
     * results; any other rejects the call.
     * @internal
     * @param {import('../worker/texts.js').TextsRequest} request
     * @param {{signal?: AbortSignal, onprogress?: (progress: Progress) => void}} [options]
     * @returns {Promise<(import('../worker/texts.js').TextResult | BertError)[]>}
     */
    async run(request, { signal, onprogress } = {}) {
        const end = this.#monitor.begin(request.inputs.length);
        try {
            const {
                result: { results, metrics },
                queue_ms,
            } = await this.#connection.timedCall('run', request, signal, onprogress);
            end({ ...metrics, queue_ms });
            return results.map((/** @type {any} */ each) =>
                each.error ? fromMessage(each.error) : each,
            );
        } catch (error) {
            end(error);
            throw error;
        }
    }

    /**
     * What pipelines have done with this model: counters, and how long calls took.
     * @returns {import('./monitor.js').Metrics}
     */
    metrics() {
        return this.#monitor.snapshot();
    }

    /** Ends the worker and gives its memory back. Calls that are still running are rejected. */
    dispose() {
        this.#connection.end(new BertError('DISPOSED', `model '${this.name}' was disposed`));
    }

    /** So that `await using` disposes of it. */
    async [asyncDispose]() {
        this.dispose();
    }
}
