/** Runs of bytes of a wanted length from a source, whose chunks are of any length. */

import { BertError } from '../errors.js';

export class Reader {
    #source;

    /** @type {AsyncIterator<import('./chunks.js').Chunk> | null} */
    #iterator = null;

    /** The last chunk. @type {import('./chunks.js').Chunk} */
    #whole = new Uint8Array(0);

    /** What is left of it. @type {Uint8Array} */
    #chunk = new Uint8Array(0);

    /** Bytes of the file before the next one that is read. */
    at = 0;

    /** Called with the bytes of the file up to what has arrived. @type {(n: number) => void} */
    onread = () => {};

    /** @param {import('./download.js').Source} source */
    constructor(source) {
        this.#source = source;
    }

    /**
     * Fills all of it.
     * @template {Uint8Array} T
     * @param {T} bytes
     * @returns {Promise<T>} the same
     */
    async fill(bytes) {
        for (let n_filled = 0; n_filled < bytes.length; ) {
            const n_missing = bytes.length - n_filled;
            if (this.#chunk.length === 0) await this.#next(n_missing);
            const part = this.#chunk.subarray(0, n_missing);
            bytes.set(part, n_filled);
            n_filled += part.length;
            this.#chunk = this.#chunk.subarray(part.length);
            this.at += part.length;
        }
        return bytes;
    }

    /**
     * Reads on at another byte, which the source is asked for.
     * @param {number} at
     */
    async seek(at) {
        await this.close();
        this.#recycle();
        this.#chunk = new Uint8Array(0);
        this.at = at;
    }

    /** Refuses bytes after the last one that was wanted. */
    async end() {
        if (this.#chunk.length === 0) {
            const { done, value } = await this.#chunks().next();
            if (done || value.length === 0) return;
        }
        throw new BertError(
            'BAD_MODEL_FILE',
            `${this.#source.label}: it has bytes after its end, from ${this.at} on`,
        );
    }

    /** Ends the transfer, if it has not ended. */
    async close() {
        const iterator = this.#iterator;
        this.#iterator = null;
        await iterator?.return?.();
    }

    /** Those that follow what was read. */
    #chunks() {
        const iterator = this.#iterator ?? this.#source.read(this.at)[Symbol.asyncIterator]();
        this.#iterator = iterator;
        return iterator;
    }

    #recycle() {
        if (this.#whole.length) this.#source.recycle?.(this.#whole);
        this.#whole = new Uint8Array(0);
    }

    /** @param {number} n_missing */
    async #next(n_missing) {
        this.#recycle();
        const { done, value } = await this.#chunks().next();
        if (done) {
            throw new BertError(
                'BAD_MODEL_FILE',
                `${this.#source.label}: it is cut off after ${this.at} bytes, ` +
                    `at least ${n_missing} more were expected`,
            );
        }
        this.#chunk = this.#whole = value;
        this.onread(this.at + value.length);
    }
}
