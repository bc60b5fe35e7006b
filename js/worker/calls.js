/**
 * A worker's end of a Connection (js/model/connection.js), whatever it answers: one call after the
 * other, each with a result or an error. A failed call changes nothing for the next. Messages:
 *
 *     in    {id, method, request, wants_progress}    a request
 *           {abort: id}                              the caller no longer wants its answer
 *           {open_feed: {label, begun_at}}           the model's file comes from the caller, in
 *           {feed: part}                             parts: js/loader/feed.js
 *           {keep: kind}                             the store for what was fetched of it; or null
 *           {serve: thread}                          this worker helps another one from now on
 *     out   {ready: true}, or {id: 0, error}         once
 *           {id, result, queue_ms}, {id, error, queue_ms}, {id, progress}
 *           {feed: request}                          what is wanted of the model's file
 *           {kept: facts}                            what became of storing it: js/cache/keeper.js
 *           {serving: boolean}                       the answer to {serve}
 */

import { Keeper } from '../cache/keeper.js';
import { toMessage } from '../errors.js';
import { Feed } from '../loader/feed.js';
import { openSource } from '../loader/source.js';
import { nextTurn } from '../platform/turn.js';
import { requireCompiler, requireSIMD } from '../platform/webassembly.js';
import { kindOf } from '../realms.js';
import { serve } from './engine.js';

/** Buffers of at least so many bytes are transferred; smaller ones are sooner copied. */
const TRANSFER_BYTES = 1 << 16;

/**
 * @typedef {object} Call
 * @property {string} method
 * @property {any} request
 * @property {AbortSignal} signal
 * @property {(progress: object) => void} onprogress
 * @property {import('./engine.js').Turn} turn
 * @property {(source: any) => import('../loader/download.js').Source} open  what the caller feeds,
 *   or this source
 *
 * @typedef {object} Answers
 * @property {(call: Call) => Promise<unknown>} handle
 * @property {string[]} at_once  methods that do not wait for the calls before them
 * @property {string} [serves]  the export of the module that lends a thread; default
 *   'engine_serve'
 */

/**
 * Buffers of a result that are transferred instead of copied.
 * @param {unknown} value
 * @param {ArrayBuffer[]} [found]
 * @returns {ArrayBuffer[]}
 */
function transferOf(value, found = []) {
    if (ArrayBuffer.isView(value)) {
        const { buffer } = value;
        if (kindOf(buffer) === 'ArrayBuffer' && buffer.byteLength >= TRANSFER_BYTES) {
            found.push(/** @type {ArrayBuffer} */ (buffer));
        }
    } else if (typeof value === 'object' && value !== null) {
        for (const part of Object.values(value)) transferOf(part, found);
    }
    return found;
}

/** @param {AbortSignal} signal */
function abortOf(signal) {
    return new Promise((resolve) => {
        signal.addEventListener('abort', resolve, { once: true });
    });
}

/**
 * Loads, and anew where the file has become another one meanwhile, or where another place may have
 * a better one.
 * @template T
 * @param {() => Promise<T>} load
 * @param {number} n_sources
 * @returns {Promise<T>}
 */
export async function beginAnew(load, n_sources) {
    for (let n = 1; ; n++) {
        try {
            return await load();
        } catch (error) {
            const { code } = /** @type {any} */ (error);
            const is_other = code === 'FILE_CHANGED' && n <= n_sources;
            if (!is_other && !(code === 'BAD_MODEL_FILE' && n < n_sources)) throw error;
        }
    }
}

/**
 * Answers what comes through the port.
 * @param {import('../platform/browser.js').Port} port
 * @param {Answers} answers
 * @param {boolean} [is_here]  whether it leads to this thread: the caller knows what works here
 * @returns {() => void}  ends what runs
 */
export function answerCalls(port, { handle, at_once, serves }, is_here = false) {
    /** @type {Map<number, AbortController>} */
    const running = new Map();
    let last = Promise.resolve();
    /** @type {Feed | undefined} */
    let feed;
    const keeper = new Keeper((kept) => port.post({ kept }));

    /**
     * @param {{id: number, method: string, request: any, wants_progress: boolean}} message
     * @param {AbortSignal} signal
     */
    async function answer({ id, method, request, wants_progress }, signal) {
        signal.throwIfAborted();
        const onprogress = (/** @type {object} */ progress) => {
            if (wants_progress) port.post({ id, progress }, transferOf(progress));
        };
        /** One for all waits. @type {Promise<unknown> | undefined} */
        let aborted;
        const turn = async (/** @type {Promise<void> | undefined} */ until) => {
            // An abort that was posted has come after a turn.
            if (until) await Promise.race([until, (aborted ??= abortOf(signal))]);
            else await nextTurn();
            signal.throwIfAborted();
        };
        const open = (/** @type {any} */ source) => feed ?? openSource(source, { signal });
        return handle({ method, request, signal, onprogress, turn, open });
    }

    port.onMessage((message) => {
        if ('serve' in message) {
            serve(message.serve, () => port.post({ serving: true }), serves).catch(() =>
                port.post({ serving: false }),
            );
            return;
        }
        if ('open_feed' in message) {
            const { label, begun_at } = message.open_feed;
            /** @type {ConstructorParameters<typeof Feed>[2]} */
            const post = (request, transfer) => port.post({ feed: request }, transfer);
            feed = new Feed(label, begun_at, post, keeper);
            return;
        }
        if ('keep' in message) {
            keeper.begin(message.keep);
            return;
        }
        if ('feed' in message) {
            feed?.receive(message.feed);
            return;
        }
        if ('abort' in message) {
            running.get(message.abort)?.abort();
            return;
        }
        const { id } = message;
        const controller = new AbortController();
        running.set(id, controller);
        const received = performance.now();
        let queue_ms = 0;
        const is_at_once = at_once.includes(message.method);
        const answered = (is_at_once ? Promise.resolve() : last)
            .then(() => {
                queue_ms = performance.now() - received;
                return answer(message, controller.signal);
            })
            .then((result) => port.post({ id, result, queue_ms }, transferOf(result)))
            .catch((error) => port.post({ id, error: toMessage(error), queue_ms }))
            .finally(() => running.delete(id));
        if (!is_at_once) last = answered;
    });
    try {
        if (!is_here) {
            requireSIMD();
            requireCompiler();
        }
        port.post({ ready: true });
    } catch (error) {
        port.post({ id: 0, error: toMessage(error) });
    }
    return () => {
        for (const controller of running.values()) controller.abort();
    };
}
