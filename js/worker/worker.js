/**
 * The worker: takes requests one after the other, answers each with a result or an error. A failed
 * request changes nothing for the next. Messages:
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
import { LoadedModel } from './loaded_model.js';
import { runTexts } from './texts.js';
import { TOKENIZER_CALLS, traitsOf } from './tokenizer_calls.js';

/** Buffers of at least so many bytes are transferred; smaller ones are sooner copied. */
const TRANSFER_BYTES = 1 << 16;

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

/** Methods that do not wait for the calls before them: these may wait for what they tell of. */
const AT_ONCE = ['whole', 'info'];

/** @param {AbortSignal} signal */
function abortOf(signal) {
    return new Promise((resolve) => {
        signal.addEventListener('abort', resolve, { once: true });
    });
}

/**
 * Loads, and anew where the file has become another one meanwhile, or where another place may have
 * a better one.
 * @param {() => Promise<LoadedModel>} load
 * @param {number} n_sources
 */
async function beginAnew(load, n_sources) {
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
 * @param {boolean} [is_here]  whether it leads to this thread: the caller knows what works here
 * @returns {() => void}  ends what runs, and gives the model back
 */
export function answer(port, is_here = false) {
    /** @type {LoadedModel | undefined} */
    let model;
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
    async function handle({ id, method, request, wants_progress }, signal) {
        signal.throwIfAborted();
        const onprogress = (/** @type {object} */ progress) => {
            if (wants_progress) port.post({ id, progress });
        };
        const turn = async (/** @type {Promise<void> | undefined} */ until) => {
            // An abort that was posted has come after a turn.
            await (until ? Promise.race([until, abortOf(signal)]) : nextTurn());
            signal.throwIfAborted();
        };
        if (method === 'load') {
            const source = feed ?? openSource(request.source, { signal });
            model = await beginAnew(async () => {
                const begun = await LoadedModel.begin(source, request, onprogress);
                if (!request.streaming) await begun.whole(onprogress);
                return begun;
            }, request.n_sources);
            return {
                ...model.info(),
                tokenizer_traits: model.tokenizer && traitsOf(model.tokenizer),
            };
        }
        if (!model) throw new Error('no model is loaded');
        if (method === 'whole') return model.whole(onprogress);
        if (method === 'info') return model.settledInfo();
        if (Object.hasOwn(TOKENIZER_CALLS, method)) {
            return TOKENIZER_CALLS[method](model.needTokenizer(), request);
        }
        if (method === 'run') return runTexts(model, request, turn, onprogress);
        if (method === 'forward') return model.forward(request, turn);
        if (method === 'verify') return model.verify(turn);
        throw new Error(`no method ${method}`);
    }

    port.onMessage((message) => {
        if ('serve' in message) {
            serve(message.serve, () => port.post({ serving: true })).catch(() =>
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
        const is_at_once = AT_ONCE.includes(message.method);
        const answered = (is_at_once ? Promise.resolve() : last)
            .then(() => {
                queue_ms = performance.now() - received;
                return handle(message, controller.signal);
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
        model = undefined;
    };
}
