/**
 * Several workers with the same model, for batches where memory cannot be shared: a page that is
 * not cross-origin isolated. Each has its own memory and one thread; a call with many texts is
 * split among them, all else the first one answers. To a Model they are one connection.
 *
 * The file is read once: the first worker loads it, from wherever it comes, and the others load
 * what passed, from memory.
 */

import { BertError, describe, withPlace } from '../errors.js';

/** @typedef {import('./connection.js').Connection} Connection */
/** @typedef {Pick<Connection, 'call' | 'timedCall' | 'end' | 'endWhenIdle'>} Answering */

/** Most workers: each has all of the weights. */
const MOST_REPLICAS = 16;

/** What the requests of these methods have many of. */
const SPLIT = /** @type {Record<string, string>} */ ({ run: 'inputs', forward: 'sequences' });

/**
 * @param {number} replicas
 * @param {{threads?: number, in_thread?: unknown, streaming?: boolean}} others  that it excludes
 */
export function checkReplicas(replicas, { threads = 1, in_thread, streaming }) {
    const fault = (/** @type {string} */ what) => new BertError('BAD_OPTION', what);
    if (!(Number.isInteger(replicas) && replicas >= 1 && replicas <= MOST_REPLICAS)) {
        throw fault(
            `replicas must be a whole number from 1 to ${MOST_REPLICAS}, not ${describe(replicas)}`,
        );
    }
    if (replicas === 1) return;
    if (threads !== 1) throw fault('threads must be 1 with replicas: each has one thread');
    if (in_thread) throw fault('replicas must be 1 with in_thread: each is a worker');
    if (streaming) throw fault('streaming must be false with replicas: they load what passed');
}

/**
 * Keeps the bytes that are read of a source.
 * @param {{read: (from: number) => AsyncIterable<Uint8Array>}} source
 * @returns {() => Blob}  gives the file, once it was read; to be called once
 */
export function keepBytes(source) {
    const read = source.read.bind(source);
    let bytes = new Uint8Array(1 << 20);
    let n_bytes = 0;
    source.read = async function* (from) {
        let at = from;
        for await (const piece of read(from)) {
            const end = at + piece.length;
            if (end > bytes.length) {
                const larger = new Uint8Array(Math.max(end, 2 * bytes.length));
                larger.set(bytes.subarray(0, n_bytes));
                bytes = larger;
            }
            bytes.set(piece, at); // what is read once more is better
            n_bytes = Math.max(n_bytes, end);
            at = end;
            yield piece;
        }
    };
    return () => {
        const file = new Blob([bytes.subarray(0, n_bytes)]);
        bytes = new Uint8Array(0);
        return file;
    };
}

/** Connections whose workers have the same model. */
export class Replicas {
    #all;

    /** @param {Connection[]} connections */
    constructor(connections) {
        this.#all = connections;
    }

    /** @type {Connection['call']} */
    async call(method, request, signal, onprogress) {
        if (method === 'info') return this.#info();
        return (await this.timedCall(method, request, signal, onprogress)).result;
    }

    /** @type {Connection['timedCall']} */
    async timedCall(method, request, signal, onprogress) {
        const name = SPLIT[method];
        const given = /** @type {any} */ (request);
        const parts = name ? partsOf(given[name], this.#all.length) : [];
        if (parts.length < 2) {
            return this.#all[0].timedCall(method, request, signal, onprogress);
        }
        const rest = new AbortController();
        const abort = () => rest.abort(signal?.reason);
        signal?.throwIfAborted();
        signal?.addEventListener('abort', abort, { once: true });
        const done = parts.map(() => 0);
        const total = given[name].length;
        const ask = async (/** @type {{first: number, items: unknown[]}} */ part, i = 0) => {
            const progress =
                onprogress &&
                ((/** @type {{done: number}} */ each) => {
                    done[i] = each.done;
                    onprogress({ done: done.reduce((sum, n) => sum + n, 0), total });
                });
            const own = { ...given, [name]: part.items };
            try {
                return await this.#all[i].timedCall(method, own, rest.signal, progress);
            } catch (error) {
                rest.abort(error);
                throw moved(error, part.first);
            }
        };
        try {
            return joined(method, await Promise.all(parts.map(ask)));
        } finally {
            signal?.removeEventListener('abort', abort);
        }
    }

    /** @param {Error} reason */
    end(reason) {
        for (const each of this.#all) each.end(reason);
    }

    /** @param {Error} reason */
    endWhenIdle(reason) {
        for (const each of this.#all) each.endWhenIdle(reason);
    }

    async #info() {
        const infos = await Promise.all(this.#all.map((each) => each.call('info', {})));
        const memory_bytes = infos.reduce((sum, info) => sum + info.memory_bytes, 0);
        const threads_reason = 'each replica has one';
        return { ...infos[0], threads_reason, memory_bytes, replicas: infos.length };
    }
}

/**
 * Parts of a list, one after the other, that take about the same time: by characters, or tokens.
 * @param {any[]} items
 * @param {number} n  most parts
 */
function partsOf(items, n) {
    const costs = items.map(costOf);
    const total = costs.reduce((sum, cost) => sum + cost, 0);
    /** @type {{first: number, items: unknown[]}[]} */
    const parts = [];
    let spent = 0;
    for (const [i, item] of items.entries()) {
        const part = Math.min(n - 1, Math.floor((n * (spent + costs[i] / 2)) / total));
        if (parts.length === 0 || part > parts.length - 1) parts.push({ first: i, items: [] });
        parts[parts.length - 1].items.push(item);
        spent += costs[i];
    }
    return parts;
}

/** @param {any} item  a text, a pair, or a sequence of ids */
function costOf(item) {
    const { text = '', text_pair = '', input_ids = '' } = item ?? {};
    return 1 + (text?.length ?? 0) + (text_pair?.length ?? 0) + (input_ids?.length ?? 0);
}

/**
 * An error as of the whole list.
 * @param {any} error
 * @param {number} first  item of the part
 */
function moved(error, first) {
    if (!(error?.index >= 0)) return error;
    const index = error.index + first;
    return withPlace(error, `sequence ${index}`, index);
}

/**
 * @param {string} method
 * @param {{result: any, queue_ms: number}[]} answers
 */
function joined(method, answers) {
    const queue_ms = Math.max(...answers.map((each) => each.queue_ms));
    const results = answers.map(({ result }) => result);
    if (method === 'forward') return { result: results.flat(), queue_ms };
    const all = results.map(({ metrics }) => metrics);
    const sum = (/** @type {string} */ name) => all.reduce((n, each) => n + each[name], 0);
    const longest = (/** @type {string} */ name) => Math.max(...all.map((each) => each[name]));
    const n_batches = sum('n_batches');
    const filled = all.reduce((n, each) => n + each.batch_fill * each.n_batches, 0);
    const metrics = {
        n_texts: sum('n_texts'),
        n_windows: sum('n_windows'),
        n_tokens: sum('n_tokens'),
        n_batches,
        batch_fill: n_batches && filled / n_batches,
        tokenize_ms: longest('tokenize_ms'),
        encode_ms: longest('encode_ms'),
    };
    return { result: { results: results.flatMap((each) => each.results), metrics }, queue_ms };
}
