/**
 * A download that the caller's thread begins while the worker still starts, and hands to it chunk
 * by chunk: no chunk is copied, its memory comes back to be filled again, and no more than a few
 * are under way. In Chromium a model is there in two thirds of the time that the worker would take
 * to fetch it: that cannot read while it reads the tokenizer.
 *
 * The caller begins at a byte of its choice; where the worker wants another one, it asks. Each
 * reading has a number: what is still under way of an older one is dropped.
 *
 * Rejected: posting the response's stream, which takes longer than either.
 */

import { fromMessage, toMessage } from '../errors.js';

/** Most chunks under way: enough for the time in which the worker is busy. */
const WINDOW = 12;

/** @typedef {import('./download.js').Source} Source */
/** @typedef {import('./chunks.js').Chunk} Chunk */
/** @typedef {import('../cache/keeper.js').Keeper} Keeper */

/**
 * @typedef {{chunk: Chunk} | {end: true}} Arrived
 * @typedef {(Arrived & {label: string, n_bytes?: number, stored?: string | null}
 *   | {error: ReturnType<typeof toMessage>})} Part  with what the source is, now that it came
 * @typedef {Part & {reading: number}} FeedMessage  to the worker
 *
 * @typedef {{recycled: Chunk} | {read: number, reading: number} | {expect: number}} FeedRequest
 *   from the worker: a chunk that it has read; or from which byte it wants the file; or how many
 *   bytes the file must have
 */

/** The caller's end. */
export class Feeder {
    #source;
    #post;

    #n_free = WINDOW;

    /** The number of the reading that is wanted. */
    #reading = -1;

    /** @type {(() => void) | undefined} */
    #wake;

    /**
     * @param {Source} source
     * @param {(message: FeedMessage, transfer?: ArrayBuffer[]) => void} post  to the worker
     */
    constructor(source, post) {
        this.#source = source;
        this.#post = post;
    }

    /**
     * Sends all of it from a byte on, or why it failed.
     * @param {number} from
     * @param {number} [reading]
     */
    async send(from, reading = 0) {
        this.#reading = reading;
        this.#wake?.();
        const source = this.#source;
        try {
            for await (const chunk of source.read(from)) {
                while (this.#n_free === 0 && reading === this.#reading) {
                    await new Promise((resolve) => {
                        this.#wake = () => resolve(undefined);
                    });
                }
                if (reading !== this.#reading) return;
                this.#n_free--;
                // Memory that is not made for this chunk may hold others.
                const own = source.recycle ? chunk : chunk.slice();
                const { label, n_bytes, stored } = source;
                this.#post({ reading, chunk: own, label, n_bytes, stored }, [own.buffer]);
            }
            const { label, n_bytes } = source;
            this.#post({ reading, end: true, label, n_bytes });
        } catch (error) {
            this.#post({ reading, error: toMessage(error) });
        }
    }

    /** @param {FeedRequest} request */
    receive(request) {
        if ('read' in request) {
            this.send(request.read, request.reading);
            return;
        }
        if ('expect' in request) {
            this.#source.expect?.(request.expect);
            return;
        }
        this.#n_free++;
        this.#source.recycle?.(request.recycled);
        this.#wake?.();
    }
}

/** The worker's end: a source. */
export class Feed {
    #post;

    /** Where the caller has begun, until that is asked for. @type {number | null} */
    #begun_at;

    #reading = 0;

    /** @type {FeedMessage[]} */
    #messages = [];

    /** @type {(() => void) | undefined} */
    #wake;

    /** Chunks of the model that came from the cache. @type {Set<string>} */
    #stored = new Set();

    /** @type {Keeper | undefined} */
    #keeper;

    /** Bytes that the file must have. @type {number | undefined} */
    #expected;

    /** @type {number | undefined} */
    n_bytes;

    /**
     * @param {string} label
     * @param {number | null} begun_at  the byte at which the caller has begun to send; null: it has
     *   not
     * @param {(request: FeedRequest, transfer?: ArrayBuffer[]) => void} post  to the caller
     * @param {Keeper} [keeper]  of what was fetched
     */
    constructor(label, begun_at, post, keeper) {
        this.label = label;
        this.#begun_at = begun_at;
        this.#post = post;
        this.#keeper = keeper;
    }

    /** @param {FeedMessage} message */
    receive(message) {
        if (message.reading < this.#reading) {
            if ('chunk' in message) this.recycle(message.chunk);
            return;
        }
        this.#messages.push(message);
        this.#wake?.();
    }

    /** @param {number} from */
    async *read(from) {
        if (from !== this.#begun_at) this.#want(from);
        if (from === 0) this.#expected = undefined;
        this.#begun_at = null;
        let at = from;
        /** Where it was found to end. */
        let end = -1;
        for (let reading = this.#reading; reading === this.#reading; ) {
            while (!this.#messages.length) {
                await new Promise((resolve) => {
                    this.#wake = () => resolve(undefined);
                });
            }
            const message = /** @type {FeedMessage} */ (this.#messages.shift());
            if ('error' in message) throw fromMessage(message.error);
            this.label = message.label;
            this.n_bytes = message.n_bytes;
            if ('stored' in message && message.stored) this.#stored.add(message.stored);
            if ('end' in message) {
                if (at === end || at >= (this.#expected ?? 0)) return;
                // The caller did not know yet that there must be more.
                end = at;
                this.#want(at);
                reading = this.#reading;
                continue;
            }
            at += message.chunk.length;
            yield message.chunk;
        }
    }

    /**
     * @param {string} sha256
     * @param {Uint8Array} chunk
     */
    keep(sha256, chunk) {
        if (!this.#stored.has(sha256)) this.#keeper?.keep(sha256, chunk);
    }

    /**
     * Asks for the file from this byte on; what is under way is dropped.
     * @param {number} from
     */
    #want(from) {
        const dropped = this.#messages.splice(0);
        for (const message of dropped) if ('chunk' in message) this.recycle(message.chunk);
        this.#stored.clear(); // one of them may have been damaged
        this.#post({ read: from, reading: ++this.#reading });
    }

    /** @param {number} n_bytes */
    expect(n_bytes) {
        this.#expected = n_bytes;
        this.#post({ expect: n_bytes });
    }

    /** @param {Chunk} chunk */
    recycle(chunk) {
        this.#post({ recycled: chunk }, [chunk.buffer]);
    }
}
