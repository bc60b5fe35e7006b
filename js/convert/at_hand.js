/**
 * Bytes of a file that the converter can have at once. It asks for them in the middle of a
 * computation, where nothing can be waited for: a file on disk, or a Blob in a worker, is read
 * then; of others what is needed is fetched before.
 */

import { openNow } from '#convert-host';

/**
 * @typedef {object} ListedFile  a file as a worker can be told of it
 * @property {string} name  its path in the model's folder, with /
 * @property {number} size  bytes
 * @property {string} [path]  where Node can read it
 * @property {Blob} [blob]  it, or what has its bytes
 *
 * @typedef {{start: number, end: number}} Range  bytes start .. end - 1
 */

export class FileAtHand {
    /** @type {((into: Uint8Array, start: number) => boolean) | null} */
    #read;

    /** By start; they do not overlap. @type {{start: number, bytes: Uint8Array}[]} */
    #pieces = [];

    /** @param {ListedFile} file */
    constructor(file) {
        this.name = file.name;
        this.size = file.size;
        this.#read = openNow(file);
    }

    /**
     * @param {Uint8Array} into  is filled
     * @param {number} start  of the bytes in the file
     * @returns {boolean}  false: they are not at hand
     */
    read(into, start) {
        if (this.#read) return this.#read(into, start);
        const end = start + into.length;
        if (this.missing({ start, end }).length) return false;
        for (const { start: at, bytes } of this.#pieces) {
            const [from, to] = [Math.max(start, at), Math.min(end, at + bytes.length)];
            if (from < to) into.set(bytes.subarray(from - at, to - at), from - start);
        }
        return true;
    }

    /**
     * What has to be fetched.
     * @param {Range} wanted
     * @returns {Range[]}
     */
    missing({ start, end }) {
        if (this.#read) return [];
        const missing = [];
        let at = start;
        for (const { start: from, bytes } of this.#pieces) {
            if (from >= end) break;
            if (from > at) missing.push({ start: at, end: from });
            at = Math.max(at, from + bytes.length);
        }
        if (at < end) missing.push({ start: at, end });
        return missing;
    }

    /**
     * @param {number} start
     * @param {Uint8Array} bytes  none of which was at hand
     */
    add(start, bytes) {
        this.#pieces.push({ start, bytes });
        this.#pieces.sort((a, b) => a.start - b.start);
    }

    /** Gives back what was fetched. */
    drop() {
        this.#pieces = [];
    }
}
