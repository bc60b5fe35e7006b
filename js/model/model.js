/**
 * A model as the caller's thread sees it: a handle on a worker of its own. Nothing is computed
 * here, so the caller never blocks.
 */

import { engineModules } from '#files';
import { hasWorkers, packageURL, resolveSource } from '#platform';

import { CachedDownload, NOT_CACHED } from '../cache/cached_download.js';
import { openLibrary } from '../cache/library.js';
import { BertError, describe, fromMessage, noTokenizer, withoutPlace } from '../errors.js';
import { isModule, toPost } from '../loader/compile.js';
import { openMirrors } from '../loader/mirrors.js';
import { openSource } from '../loader/source.js';
import { asyncDispose } from '../platform/async_dispose.js';
import { requireCompiler, requireSIMD } from '../platform/webassembly.js';
import { bytesOf, isBlob, kindOf } from '../realms.js';
import { configuration } from '../sources/configure.js';
import { formOf } from '../sources/forms.js';
import { Connection, openWorker } from './connection.js';
import { withDefaultModel } from './default_model.js';
import { endWhenDropped, forget } from './dropped.js';
import { toSequences } from './inputs.js';
import { ModelTokenizer } from './model_tokenizer.js';
import { Monitor } from './monitor.js';
import { reportLoading } from './progress.js';
import { checkReplicas, keepBytes, Replicas } from './replicas.js';

/** Of a timer. */
const MOST_MS = 2 ** 31 - 1;

/** @import { Answering } from './replicas.js' */
/** @import { ModelInfo } from '../worker/loaded_model.js' */
/** @typedef {Omit<ModelInfo, 'cache' | 'replicas'>} WorkerInfo  what the worker knows */
/** @import { TokenizerTraits } from '../worker/tokenizer_calls.js' */

/**
 * @typedef {string | URL | Uint8Array | ArrayBuffer | Blob} SourceOfFile
 * @typedef {SourceOfFile | SourceOfFile[] | FileList | FileSystemHandle} ModelSource
 *   a converted file: its URL, in Node also its path, or its bytes; several are places of the same
 *   file, in order: where one fails, the next goes on. Or a model as its author gave it: its name
 *   on the Hub (`org/name`), a folder (a URL that ends in `/`, in Node a path; in pages its Files
 *   or its handle), or its weights (`.onnx`, `.safetensors`) with the other files beside them
 */

/**
 * @typedef {object} EngineOptions
 * @property {AbortSignal} [signal]  ends loading
 * @property {boolean} [streaming]  whether the model is there as soon as its tokenizer is: calls
 *   are computed while their next layers arrive, and fail if these do not; default false
 * @property {boolean} [cache]  whether a model that comes from a URL is stored on this device, and
 *   comes from there the next time; default true
 * @property {boolean} [offline]  whether the model may come from this device alone, without one
 *   request; default false
 * @property {number} [idle_timeout]  milliseconds in which something of a download must come, or
 *   the rest is asked for again; default 30000
 * @property {number} [retry_delay]  milliseconds before a second try that follows one that brought
 *   nothing; each later one waits twice as long; default 500
 * @property {'base' | 'relaxed'} [variant]  build of the engine, without or with relaxed SIMD;
 *   default the fastest that runs here
 * @property {number} [threads]  most that will compute, 1 to 64; default one a core, at most 4. A
 *   page needs to be cross-origin isolated for more than one
 * @property {number} [replicas]  workers with the same model and one thread each, 1 to 16, among
 *   which a call with many texts is split; each has all of the weights. For pages that are not
 *   cross-origin isolated: where threads are to be had, these are better; default 1
 * @property {boolean} [in_thread]  whether the engine runs on the caller's thread, in steps between
 *   which the event loop has its turns; default where there are no workers. What cannot import at
 *   run time (a service worker, an edge runtime) imports from `bert-wasm/in-thread`
 * @property {WebAssembly.Module | SourceOfFile} [wasm]  the engine, where it cannot be fetched or
 *   compiled: `engine-base.wasm` or `engine-relaxed.wasm` of the package, with one thread; default
 *   the package's own
 * @property {string} [int8_kernel]  how 8-bit integers are multiplied: 'simd128',
 *   'relaxed-dot-i16' or 'relaxed-dot-i32', if the build has it; default the winner of a short race
 * @property {(call: import('./monitor.js').CallMetrics) => void} [onmetrics]  called after every
 *   call of a pipeline
 * @property {boolean} [performance_marks]  whether every such call is a `performance.measure()`
 *   named `bert-wasm MODEL`, for profilers; default false
 *
 * @typedef {EngineOptions & import('../sources/resolve.js').SourceOptions
 *   & import('./progress.js').ProgressOptions} ModelLoadOptions
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
export function loadModel(source, options) {
    return openModel(source, options);
}

/**
 * @param {ModelSource | null} [source]
 * @param {ModelLoadOptions} [options]
 * @param {string} [task]  that it is loaded for
 * @returns {Promise<Model>}
 */
export async function openModel(source, options = {}, task) {
    checkOptions(options);
    requireSIMD();
    if (inThread(options) && !options.wasm) requireCompiler();
    if (source == null) return withDefaultModel((url) => openModel(url, options, task));
    return openFrom(source, options, task, (found, report) => openFile(found, options, report));
}

/** @typedef {ReturnType<typeof reportLoading>} Report */

/**
 * @template T
 * @typedef {(found: import('../sources/find.js').FoundFile, report: Report) => Promise<T>} Open
 */

/**
 * Opens the file that a source leads to: it is found, and converted, if need be.
 * @template T
 * @param {ModelSource} source
 * @param {ModelLoadOptions} options
 * @param {string | undefined} task
 * @param {Open<T>} open
 * @returns {Promise<T>}
 */
async function openFrom(source, options, task, open) {
    const form = formOf(source);
    const given = form === null ? toSources(/** @type {any} */ (source)) : [];
    options.signal?.throwIfAborted();
    const report = reportLoading(source, options, task);
    if (form !== null) return openFound(source, options, report, open);
    try {
        return await open({ given }, report);
    } catch (error) {
        if (given.length > 1 || !mayBeFound(given[0], /** @type {any} */ (error))) throw error;
        return openFound(source, options, report, open, error);
    }
}

/**
 * Whether what is no file of ours may be weights as their author gave them, under a name of
 * somebody else's; or a host that has a folder in place of a file.
 * @param {string | Uint8Array | Blob} source
 * @param {{code?: string, is_foreign?: true}} failure
 */
function mayBeFound(source, { code, is_foreign }) {
    const name = typeof source === 'string' ? source : 'name' in source ? String(source.name) : '';
    if (code === 'FETCH_FAILED') return /^https?:\/\/[^/]+\/$/.test(name);
    return is_foreign === true && /\.safetensors(\?|$)/i.test(name);
}

/**
 * What has to be found, and perhaps converted.
 * @template T
 * @param {unknown} source
 * @param {ModelLoadOptions} options
 * @param {Report} report
 * @param {Open<T>} open
 * @param {any} [failure]  of loading it as a file of ours
 * @returns {Promise<T>}
 */
async function openFound(source, options, report, open, failure) {
    const find = async () => {
        const { findModel } = await importSources();
        const library = options.cache === false ? null : await openLibrary().catch(() => null);
        return findModel(source, options, { ...configuration, library }, (progress) =>
            report.onprogress?.({ ...progress, layers: 0 }),
        );
    };
    const found = await find().catch((error) => {
        throw failure && !failure.is_foreign ? failure : error;
    });
    try {
        return await open(found, report);
    } catch (error) {
        const is_damaged = found.forget && /** @type {any} */ (error).code === 'FETCH_FAILED';
        if (!is_damaged || options.offline) throw error;
        await found.forget?.();
        return await open(await find(), report);
    } finally {
        await found.remove?.();
    }
}

/** What few programs need, and in pages is a file of its own. */
async function importSources() {
    try {
        return await import('#sources');
    } catch (cause) {
        throw new BertError(
            'UNSUPPORTED',
            'what finds and converts models cannot be imported here: give the address or the ' +
                `bytes of a converted file (${/** @type {Error} */ (cause).message})`,
            { cause },
        );
    }
}

/**
 * How a file's bytes get to a worker: what is here already, or a file, the worker reads itself;
 * else the caller's thread downloads.
 * @param {import('../sources/find.js').FoundFile} found
 * @param {ModelLoadOptions} options
 * @returns {{source: string | Uint8Array | Blob | undefined, n_sources: number,
 *   download: ((signal: AbortSignal) => CachedDownload) | null}}  source: undefined where there is
 *   a download
 */
function readingOf({ given, stored, headers }, options) {
    const { idle_timeout, retry_delay, cache = true, offline = false } = options;
    const [first] = given;
    const url = typeof first === 'string' && /^https?:/i.test(first) ? first : null;
    const is_fed = given.length !== 1 || url !== null;
    const download = (/** @type {AbortSignal} */ signal) => {
        const options_of_download = { signal, idle_timeout, retry_delay, headers };
        const sources = given.map((each) => openSource(each, options_of_download));
        const network = stored ? nothing(stored) : openMirrors(sources, signal);
        return new CachedDownload(network, cache ? (stored ?? url) : null, {
            offline: offline || stored !== undefined,
            headers,
            signal,
        });
    };
    return {
        source: is_fed ? undefined : first,
        n_sources: Math.max(1, given.length),
        download: is_fed ? download : null,
    };
}

/**
 * @param {import('../sources/find.js').FoundFile} found
 * @param {ModelLoadOptions} options
 * @param {Report} report
 * @returns {Promise<Model>}
 */
async function openFile(found, options, report) {
    const {
        signal,
        streaming,
        variant,
        threads,
        int8_kernel,
        onmetrics,
        performance_marks,
        wasm,
        replicas = 1,
    } = options;
    const in_thread = inThread(options);
    const { source, n_sources, download: begin } = readingOf(found, options);
    const request = {
        source,
        n_sources,
        variant,
        threads: replicas > 1 ? 1 : threads,
        int8_kernel,
        streaming,
        engines: engines(wasm),
        in_thread: !!in_thread,
    };
    const download = new AbortController();
    /** @type {CachedDownload | undefined} */
    let cached;
    /** @type {Connection | undefined} */
    let connection;
    let kept = () => source;
    /** @type {Connection[]} */
    const copies = [];
    const failed = (/** @type {any} */ error) => {
        download.abort(error);
        if (error.code === 'BAD_MODEL_FILE') cached?.refused();
        for (const each of connection ? [connection, ...copies] : []) each.end(error);
    };
    try {
        connection = new Connection(await openWorker(in_thread));
        const ready = connection.ready(signal);
        if (begin) {
            // What the page's policy forbids its own may allow the worker: it is asked first.
            if (!wasm && !mayCompile()) await ready;
            cached = begin(download.signal);
            if (replicas > 1) kept = keepBytes(cached);
            connection.feed(cached);
        }
        await ready;
        const info = await connection.call('load', request, signal, report.onprogress);
        const monitor = new Monitor(info.name, { onmetrics, performance_marks });
        const file = replicas > 1 ? kept() : undefined;
        const copy = async () => {
            const each = new Connection(await openWorker(false));
            copies.push(each);
            await each.ready(signal);
            await each.call('load', { ...request, source: file, n_sources: 1 }, signal);
        };
        await Promise.all(Array.from({ length: replicas - 1 }, copy));
        const all = copies.length ? new Replicas([connection, ...copies]) : connection;
        const model = new Model(all, info, monitor, cached, found.reason);
        const loaded = connection;
        const done = () => {
            loaded.fed();
            report.done();
        };
        if (streaming) {
            // Calls that wait for the rest of it learn why it does not come.
            connection.call('whole', {}, signal, report.onprogress).then(done, failed);
        } else {
            done();
        }
        return model;
    } catch (error) {
        failed(error);
        throw error;
    }
}

/**
 * What is stored comes from nowhere else.
 * @param {string} label
 * @returns {import('../loader/download.js').Source}
 */
function nothing(label) {
    return { label, async *read() {} };
}

/** @param {ModelLoadOptions} options */
function inThread({ in_thread }) {
    return in_thread || !hasWorkers();
}

/** @param {ModelLoadOptions} options  those that are read here */
function checkOptions(options) {
    const { variant, streaming, signal, idle_timeout, retry_delay, threads } = options;
    if (variant !== undefined && variant !== 'base' && variant !== 'relaxed') {
        throw new BertError(
            'BAD_OPTION',
            `variant must be 'base' or 'relaxed', not ${describe(variant)}`,
        );
    }
    if (streaming !== undefined && typeof streaming !== 'boolean') {
        throw new BertError(
            'BAD_OPTION',
            `streaming must be true or false, not ${describe(streaming)}`,
        );
    }
    if (signal !== undefined && kindOf(signal) !== 'AbortSignal') {
        throw new BertError('BAD_OPTION', `signal must be an AbortSignal, not ${describe(signal)}`);
    }
    checkTimes({ idle_timeout, retry_delay });
    checkReplicas(options.replicas ?? 1, { threads, in_thread: inThread(options), streaming });
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
 * @param {SourceOfFile | SourceOfFile[]} source
 * @returns {(string | Uint8Array | Blob)[]}
 */
function toSources(source) {
    if (!Array.isArray(source)) return [toSource(source)];
    if (source.length) return source.map(toSource);
    throw new BertError('BAD_INPUT', 'a model must have at least one source, not an array of 0');
}

/**
 * @param {SourceOfFile} source
 * @returns {string | Uint8Array | Blob}
 */
function toSource(source) {
    if (typeof source === 'string') return resolveSource(source);
    if (kindOf(source) === 'URL') return packageURL(/** @type {URL} */ (source));
    if (isBlob(source)) {
        // jsdom's are plain objects to the platform, which can neither send nor read them.
        if (isBlob(globalThis.structuredClone?.(source))) return source;
        throw new BertError(
            'BAD_INPUT',
            "a model's Blob must be the platform's own: pass its bytes",
        );
    }
    const bytes = bytesOf(source);
    if (bytes) return bytes;
    throw new BertError(
        'BAD_INPUT',
        `a model must be a URL, a path or bytes, not ${describe(source)}`,
    );
}

/** @param {Record<string, number | undefined>} times */
function checkTimes(times) {
    for (const [name, ms] of Object.entries(times)) {
        if (ms !== undefined && !(typeof ms === 'number' && ms > 0 && ms <= MOST_MS)) {
            throw new BertError(
                'BAD_OPTION',
                `${name} must be milliseconds from 1 to ${MOST_MS}, not ${describe(ms)}`,
            );
        }
    }
}

/** A model in a worker of its own, which nothing blocks. loadModel() makes it. */
export class Model {
    /**
     * For those who read a model's file otherwise: js/train/.
     * @internal
     * @template T
     * @param {ModelSource} source
     * @param {ModelLoadOptions} options
     * @param {(reading: ReturnType<typeof readingOf>) => Promise<T>} open
     * @returns {Promise<T>}
     */
    static openFile(source, options, open) {
        return openFrom(source, options, undefined, (found) => open(readingOf(found, options)));
    }

    /** @type {Answering} */
    #connection;

    /** @type {Monitor} */
    #monitor;

    /** @type {CachedDownload | undefined} */
    #cached;

    /** What is said where it came from no cache. */
    #not_cached;

    /** @type {ModelTokenizer | null} */
    #tokenizer;

    /**
     * @internal
     * @param {Answering} connection
     * @param {WorkerInfo & {tokenizer_traits: TokenizerTraits | null}} info
     * @param {Monitor} monitor
     * @param {CachedDownload} [cached]  that it came from, if it came from a URL
     * @param {string | null} [reason]  why a conversion is not stored
     */
    constructor(connection, info, monitor, cached, reason) {
        this.#connection = connection;
        this.#monitor = monitor;
        this.#cached = cached;
        this.#not_cached = reason ? { ...NOT_CACHED, reason } : NOT_CACHED;
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
     * Metadata, the engine's build and why, threads, memory, and whether the model is stored.
     * @returns {Promise<ModelInfo>}
     */
    async info() {
        const info = await this.#connection.call('info', {});
        await this.#cached?.settled();
        return { replicas: 1, ...info, cache: this.#cached?.report() ?? this.#not_cached };
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
        forget(this.#connection);
    }

    /** So that `await using` disposes of it. */
    async [asyncDispose]() {
        this.dispose();
    }
}
