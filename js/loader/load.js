/**
 * Streams a model file into the engine's memory: header first, then every byte goes straight to
 * where the kernels will read it. Each chunk's SHA-256 is checked while the next one arrives.
 */

import { BertError } from '../errors.js';
import { headerBytes, parseHeader } from './model_file.js';

const TOKENIZER = 'tokenizer.json';

/** @typedef {import('./model_file.js').ModelHeader} ModelHeader */

/**
 * @typedef {object} Memory  of the engine
 * @property {(n_bytes: number) => number} reserve  gives the aligned address of a block
 * @property {Uint8Array} heap  all of the memory as it is now
 * @property {(units: number, n_units: number, n_columns: number, address: number) => void} expand
 *   4-bit units at one address to 8-bit weights at another
 */

/**
 * @template T
 * @typedef {object} Loaded
 * @property {number} address  of the block that header.weights lie in
 * @property {boolean} verified  false where the page has no crypto.subtle (plain http)
 * @property {T | null} tokenizer  null: the file has none
 */

/** A file on its way: readHeader(), then readData(), then close(), in any case. */
export class ModelFile {
    /** @type {import('./download.js').Source} */
    #source;

    /** @type {Reader} */
    #reader;

    /** @param {import('./download.js').Source} source */
    constructor(source) {
        this.#source = source;
        this.#reader = new Reader(source);
    }

    /**
     * @param {import('./model_file.js').CoreFacts} core  gets the model's config
     * @returns {Promise<ModelHeader>}
     */
    async readHeader(core) {
        const { label } = this.#source;
        const n_header = headerBytes(await this.#reader.take(8), label);
        const header = parseHeader(await this.#reader.take(n_header), core, label);
        const total = this.#reader.n_read + header.data_bytes;
        const { n_bytes } = this.#source;
        if (n_bytes !== undefined && n_bytes !== total) {
            const what = n_bytes < total ? 'it is cut off' : 'it has bytes after its end';
            throw new BertError(
                'BAD_MODEL_FILE',
                `${label}: ${what}: it must have ${total} bytes, not ${n_bytes}`,
            );
        }
        return header;
    }

    /**
     * @template T
     * @param {ModelHeader} header
     * @param {Memory} memory
     * @param {(bytes: Uint8Array) => T} openTokenizer  called with tokenizer.json, if there is one,
     *   while the weights arrive
     * @param {(loaded: number, total: number) => void} onprogress  in bytes
     * @returns {Promise<Loaded<T>>}
     */
    async readData(header, memory, openTokenizer, onprogress) {
        const { data_bytes, chunk_bytes, chunk_sha256, tensors } = header;
        const n_before = this.#reader.n_read;
        const json = new Uint8Array(tensors[0].name === TOKENIZER ? tensors[0].end : 0);
        const writer = new Writer(memory, header, json);
        /** @type {T | null} */
        let tokenizer = null;
        const checks = [];
        for (let start = 0, chunk = 0; start < data_bytes; start += chunk_bytes, chunk++) {
            const bytes = await this.#reader.take(Math.min(chunk_bytes, data_bytes - start));
            writer.write(bytes, start);
            if (globalThis.crypto?.subtle) {
                const hash = chunk_sha256[chunk];
                const checked = check(bytes, hash, chunk, this.#source.label);
                const copy = this.#source.keep && bytes.slice();
                // Reported by Promise.all, or not at all if the stream fails first.
                checked.then(
                    () => copy && this.#source.keep?.(hash, copy),
                    () => {},
                );
                checks.push(checked);
            }
            if (json.length > start && json.length <= start + bytes.length) {
                await Promise.all(checks);
                tokenizer = openTokenizer(json);
            }
            onprogress(n_before + start + bytes.length, n_before + data_bytes);
        }
        await this.#reader.end();
        await Promise.all(checks);
        return { address: writer.address, verified: checks.length > 0, tokenizer };
    }

    /** Ends the transfer, if it has not ended. */
    async close() {
        await this.#reader.close();
    }
}

/** Puts the bytes of the data section where they belong. */
class Writer {
    /** @type {Memory} */
    #memory;

    /** @type {import('./layout.js').Weight[]} */
    #weights;

    /** @type {Uint8Array} */
    #tokenizer;

    /** Where 4-bit units wait until they are whole: what is left of a chunk, and the next one. */
    #staging = 0;

    #n_staged = 0;

    /** The first weight that is not yet complete. */
    #next = 0;

    /**
     * @param {Memory} memory
     * @param {ModelHeader} header
     * @param {Uint8Array} tokenizer  to be filled
     */
    constructor(memory, { weights, weights_bytes, chunk_bytes }, tokenizer) {
        this.#memory = memory;
        this.#weights = weights;
        this.#tokenizer = tokenizer;
        this.address = memory.reserve(weights_bytes);
        const largest = Math.max(0, ...weights.map(({ q4 }) => q4?.unit_bytes ?? 0));
        if (largest) this.#staging = memory.reserve(largest + chunk_bytes);
    }

    /**
     * @param {Uint8Array} bytes
     * @param {number} start  in the data section, where the last ones ended
     */
    write(bytes, start) {
        const end = start + bytes.length;
        if (start < this.#tokenizer.length) {
            this.#tokenizer.set(bytes.subarray(0, this.#tokenizer.length - start), start);
        }
        for (; this.#next < this.#weights.length; this.#next++) {
            const weight = this.#weights[this.#next];
            if (weight.start >= end) return;
            const from = Math.max(weight.start, start);
            const part = bytes.subarray(from - start, Math.min(weight.end, end) - start);
            const at = this.address + weight.at;
            if (weight.q4) this.#expand(weight.q4, at, part, from - weight.start);
            else this.#memory.heap.set(part, at + from - weight.start);
            if (weight.end > end) return;
        }
    }

    /**
     * @param {import('./layout.js').Units} units
     * @param {number} address  where the weight goes
     * @param {Uint8Array} part  of its bytes
     * @param {number} offset  of the part
     */
    #expand({ n_columns, unit_bytes, expanded_bytes }, address, part, offset) {
        const memory = this.#memory;
        const staging = this.#staging;
        memory.heap.set(part, staging + this.#n_staged);
        const n_before = (offset - this.#n_staged) / unit_bytes;
        const n_bytes = this.#n_staged + part.length;
        const n_units = Math.floor(n_bytes / unit_bytes);
        memory.expand(staging, n_units, n_columns, address + n_before * expanded_bytes);
        memory.heap.copyWithin(staging, staging + n_units * unit_bytes, staging + n_bytes);
        this.#n_staged = n_bytes - n_units * unit_bytes;
    }
}

/**
 * @param {Uint8Array} bytes
 * @param {string} expected  lower-case hex
 * @param {number} chunk
 * @param {string} label
 */
async function check(bytes, expected, chunk, label) {
    const digest = new Uint8Array(
        await crypto.subtle.digest('SHA-256', /** @type {BufferSource} */ (bytes)),
    );
    const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
    if (hex !== expected) {
        throw new BertError(
            'BAD_MODEL_FILE',
            `${label}: chunk ${chunk} is damaged: its SHA-256 must be ${expected}, ` +
                `not ${hex}: fetch it again`,
        );
    }
}

/** Takes runs of bytes of a wanted length from a source, whose chunks are of any length. */
class Reader {
    #source;

    /** @type {AsyncIterator<import('./download.js').Chunk> | null} */
    #iterator = null;

    /** The last chunk. @type {import('./download.js').Chunk} */
    #whole = new Uint8Array(0);

    /** What is left of it. @type {Uint8Array} */
    #chunk = new Uint8Array(0);

    /** @type {Uint8Array} */
    #buffer = new Uint8Array(0);

    n_read = 0;

    /** @param {import('./download.js').Source} source */
    constructor(source) {
        this.#source = source;
    }

    /**
     * Exactly `n` bytes, valid until the next call: one buffer serves them all.
     * @param {number} n
     */
    async take(n) {
        if (this.#chunk.length >= n) return this.#cut(n);
        if (this.#buffer.length < n) this.#buffer = new Uint8Array(n);
        const bytes = this.#buffer.subarray(0, n);
        let n_filled = 0;
        while (n_filled < n) {
            if (this.#chunk.length === 0) await this.#next(n - n_filled);
            const part = this.#cut(Math.min(n - n_filled, this.#chunk.length));
            bytes.set(part, n_filled);
            n_filled += part.length;
        }
        return bytes;
    }

    /** Refuses bytes after the last tensor. */
    async end() {
        if (this.#chunk.length === 0) {
            const { done, value } = await this.#chunks().next();
            if (done || value.length === 0) return;
        }
        throw new BertError(
            'BAD_MODEL_FILE',
            `${this.#source.label}: it has bytes after its end, from ${this.n_read} on`,
        );
    }

    async close() {
        const iterator = this.#iterator;
        this.#iterator = null;
        await iterator?.return?.();
    }

    /** Those that follow what was read. */
    #chunks() {
        const iterator = this.#iterator ?? this.#source.read(this.n_read)[Symbol.asyncIterator]();
        this.#iterator = iterator;
        return iterator;
    }

    /** @param {number} n */
    #cut(n) {
        const part = this.#chunk.subarray(0, n);
        this.#chunk = this.#chunk.subarray(n);
        this.n_read += n;
        return part;
    }

    /** @param {number} n_missing */
    async #next(n_missing) {
        if (this.#whole.length) this.#source.recycle?.(this.#whole);
        this.#whole = new Uint8Array(0);
        const { done, value } = await this.#chunks().next();
        if (done) {
            throw new BertError(
                'BAD_MODEL_FILE',
                `${this.#source.label}: it is cut off after ${this.n_read} bytes, ` +
                    `at least ${n_missing} more were expected`,
            );
        }
        this.#chunk = this.#whole = value;
    }
}
