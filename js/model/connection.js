/** The way to a worker and back: requests, their answers, their aborts. */

import { startWorker } from '#platform';

import { BertError, fromMessage } from '../errors.js';
import { Feeder } from '../loader/feed.js';

/** @typedef {import('../platform/browser.js').WorkerHandle} WorkerHandle */

/** Milliseconds in which the worker must have started: its script is small. */
const START_TIMEOUT = 30_000;

/** Milliseconds that a worker which is no longer needed may take to store what it has fetched. */
const STORE_TIMEOUT = 10_000;

/**
 * @typedef {object} Pending  a call that waits for its answer
 * @property {(value: any) => void} resolve
 * @property {(reason: unknown) => void} reject
 * @property {(progress: any) => void} [onprogress]
 */

/**
 * A worker, or what does its work on this thread.
 * @param {boolean | (() => WorkerHandle)} in_thread  or what starts it
 * @returns {Promise<WorkerHandle>}
 * @throws {BertError} ENGINE_FAILED or UNSUPPORTED
 */
export async function openWorker(in_thread) {
    try {
        if (!in_thread) return startWorker();
    } catch (error) {
        throw failed(error); // a page's policy, say, may refuse a worker
    }
    if (typeof in_thread === 'function') return in_thread();
    try {
        return (await import('#in-thread')).startHere();
    } catch (cause) {
        throw new BertError(
            'UNSUPPORTED',
            "the engine cannot be imported here: import from 'bert-wasm/in-thread' in place of " +
                `'bert-wasm' (${/** @type {Error} */ (cause).message})`,
            { cause },
        );
    }
}

/** Requests to a worker and their answers. It ends once: by end(), or when the worker dies. */
export class Connection {
    /** @type {WorkerHandle} */
    #worker;

    /** By id. @type {Map<number, Pending>} */
    #pending = new Map();

    #next_id = 1;

    /** @type {Error | undefined} */
    #ended;

    /** @type {Error | undefined} */
    #end_when_idle;

    /** @type {Feeder | undefined} */
    #feeder;

    /** @type {import('../cache/cached_download.js').CachedDownload | undefined} */
    #cached;

    /** @param {WorkerHandle} worker  whose first message has not come yet */
    constructor(worker) {
        this.#worker = worker;
        this.#worker.onMessage((message) => this.#receive(message));
        this.#worker.onError((error) => this.end(failed(error)));
    }

    /**
     * Waits for the worker's first message; throws if there is none in time.
     * @param {AbortSignal} [signal]
     */
    async ready(signal) {
        const timer = setTimeout(
            () =>
                this.end(
                    new BertError(
                        'ENGINE_FAILED',
                        `the worker did not answer in ${START_TIMEOUT / 1000} s`,
                    ),
                ),
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
        return (await this.timedCall(method, request, signal, onprogress)).result;
    }

    /**
     * @param {string} method
     * @param {unknown} request
     * @param {AbortSignal} [signal]
     * @param {(progress: any) => void} [onprogress]
     * @returns {Promise<{result: any, queue_ms: number}>}  with the time that it waited for
     *   earlier calls
     */
    async timedCall(method, request, signal, onprogress) {
        if (this.#ended) throw this.#ended;
        signal?.throwIfAborted();
        const id = this.#next_id++;
        const answer = this.#wait(id, signal, onprogress);
        try {
            this.#worker.post({ id, method, request, wants_progress: onprogress !== undefined });
        } catch (error) {
            const cause = /** @type {Error} */ (error);
            this.#settle(id, (call) =>
                call.reject(
                    new BertError(
                        'BAD_INPUT',
                        `the input cannot be sent to the worker: ${cause.message}`,
                        { cause },
                    ),
                ),
            );
        }
        return answer;
    }

    /**
     * Sends a file to the worker, which may not be ready yet: messages wait for it.
     * @param {import('../cache/cached_download.js').CachedDownload} source
     */
    feed(source) {
        this.#cached = source;
        source.onkeep = (kind) => this.#worker.post({ keep: kind });
        const begun_at = 0;
        this.#worker.post({ open_feed: { label: source.label, begun_at } });
        this.#feeder = new Feeder(
            source,
            (message, transfer) => this.#ended || this.#worker.post({ feed: message }, transfer),
        );
        this.#feeder.send(begun_at);
    }

    /** The worker has all of the file. */
    fed() {
        this.#feeder = undefined;
        this.#cached?.release();
    }

    /** @param {Error} reason  of every call from now on */
    end(reason) {
        if (this.#ended) return;
        this.#ended = reason;
        this.#terminate();
        for (const id of [...this.#pending.keys()]) this.#settle(id, (call) => call.reject(reason));
    }

    /** At once, but for what is being stored. */
    async #terminate() {
        const cached = this.#cached;
        if (cached?.is_busy) {
            const timer = setTimeout(() => cached.close(), STORE_TIMEOUT);
            await cached.settled();
            clearTimeout(timer);
        }
        cached?.close();
        this.#worker.terminate();
    }

    /** The process waits for what is asked for, and for what is being stored. */
    #keepAlive() {
        this.#worker.keepAlive(this.#pending.size > 0 || this.#cached?.is_busy === true);
    }

    /**
     * Answers what runs first.
     * @param {Error} reason
     */
    endWhenIdle(reason) {
        this.#end_when_idle = reason;
        if (this.#pending.size === 0) this.end(reason);
    }

    /**
     * @param {number} id
     * @param {AbortSignal} [signal]
     * @param {(progress: any) => void} [onprogress]
     * @returns {Promise<any>}
     */
    #wait(id, signal, onprogress) {
        const promise = new Promise((resolve, reject) => {
            this.#pending.set(id, { resolve, reject, onprogress });
        });
        this.#keepAlive();
        if (!signal) return promise;
        const abort = () => {
            if (!this.#pending.has(id)) return;
            this.#worker.post({ abort: id });
            this.#settle(id, (call) => call.reject(signal.reason));
        };
        signal.addEventListener('abort', abort, { once: true });
        return promise.finally(() => signal.removeEventListener('abort', abort));
    }

    /**
     * @param {number} id
     * @param {(call: Pending) => void} how
     */
    #settle(id, how) {
        const call = this.#pending.get(id);
        if (!call) return; // aborted meanwhile
        this.#pending.delete(id);
        this.#keepAlive();
        how(call);
        if (this.#end_when_idle) this.endWhenIdle(this.#end_when_idle);
    }

    /** @param {any} message */
    #receive(message) {
        if (message.ready) {
            this.#settle(0, (call) => call.resolve(undefined));
        } else if (message.feed) {
            this.#feeder?.receive(message.feed);
        } else if (message.kept) {
            this.#cached?.receive(message.kept);
            this.#keepAlive();
        } else if (message.progress) {
            this.#pending.get(message.id)?.onprogress?.(message.progress);
        } else if (message.error) {
            this.#settle(message.id, (call) => call.reject(failed(fromMessage(message.error))));
        } else {
            this.#settle(message.id, (call) =>
                call.resolve({ result: message.result, queue_ms: message.queue_ms }),
            );
        }
    }
}

/**
 * What the platform throws (a trap of the engine, no memory for an array) is the cause of an error
 * of ours.
 * @param {any} error
 * @returns {BertError}
 */
function failed(error) {
    if (error instanceof BertError) return error;
    return new BertError('ENGINE_FAILED', `the worker failed: ${error.message}`, { cause: error });
}
