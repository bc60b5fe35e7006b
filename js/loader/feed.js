/**
 * A download that the caller's thread begins while the worker still starts, and hands to it chunk
 * by chunk: no chunk is copied, its memory comes back to be filled again, and no more than a few
 * are under way. In Chromium a model is there in two thirds of the time that the worker would take
 * to fetch it: that cannot read while it reads the tokenizer.
 *
 * Rejected: posting the response's stream, which takes longer than either.
 */

import { fromMessage, toMessage } from '../errors.js';

/** Most chunks under way: enough for the time in which the worker is busy. */
const WINDOW = 12;

/** @typedef {import('./download.js').Source} Source */
/** @typedef {import('./download.js').Chunk} Chunk */

/** @typedef {{opened: {label: string, n_bytes?: number}} | {chunk: Chunk}} Fed */
/** @typedef {Fed | {end: true} | {error: ReturnType<typeof toMessage>}} FeedMessage */

/** The caller's end. */
export class Feeder {
    #post;

    #n_free = WINDOW;

    /** @type {(chunk: Chunk) => void} */
    #recycle = () => {};

    /** @type {(() => void) | undefined} */
    #wake;

    /** @param {(message: FeedMessage, transfer?: ArrayBuffer[]) => void} post  to the worker */
    constructor(post) {
        this.#post = post;
    }

    /**
     * Sends all of it, or why it failed.
     * @param {Promise<Source>} opening
     */
    async send(opening) {
        try {
            const { label, n_bytes, chunks, recycle } = await opening;
            if (recycle) this.#recycle = recycle;
            this.#post({ opened: { label, n_bytes } });
            for await (const chunk of chunks) {
                while (this.#n_free === 0) {
                    await new Promise((resolve) => {
                        this.#wake = () => resolve(undefined);
                    });
                }
                this.#n_free--;
                // Memory that is not made for this chunk may hold others.
                const own = recycle ? chunk : chunk.slice();
                this.#post({ chunk: own }, [own.buffer]);
            }
            this.#post({ end: true });
        } catch (error) {
            this.#post({ error: toMessage(error) });
        }
    }

    /** @param {Chunk} chunk  that the worker has read */
    recycled(chunk) {
        this.#n_free++;
        this.#recycle(chunk);
        this.#wake?.();
    }
}

/** The worker's end. */
export class Feed {
    #recycle;

    /** @type {FeedMessage[]} */
    #messages = [];

    /** @type {(() => void) | undefined} */
    #wake;

    /** @param {(chunk: Chunk) => void} recycle  back to the caller */
    constructor(recycle) {
        this.#recycle = recycle;
    }

    /** @param {FeedMessage} message */
    receive(message) {
        this.#messages.push(message);
        this.#wake?.();
    }

    /** @returns {Promise<Source>} */
    async open() {
        const message = await this.#next();
        if (!('opened' in message)) throw new Error('a feed begins with what it is');
        return { ...message.opened, chunks: this.#chunks(), recycle: this.#recycle };
    }

    async *#chunks() {
        for (;;) {
            const message = await this.#next();
            if ('chunk' in message) yield message.chunk;
            else return;
        }
    }

    async #next() {
        while (!this.#messages.length) {
            await new Promise((resolve) => {
                this.#wake = () => resolve(undefined);
            });
        }
        const message = /** @type {FeedMessage} */ (this.#messages.shift());
        if ('error' in message) throw fromMessage(message.error);
        return message;
    }
}
