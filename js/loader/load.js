/**
 * Streams a model file into the engine's memory: header first, then every byte goes straight to
 * where the kernels will read it. Each chunk's SHA-256 is checked while the next ones arrive; if it
 * is wrong, the file is read once more from that chunk on. Rejected: to check a chunk before it is
 * written, for which the network would wait.
 */

import { BertError } from '../errors.js';
import { headerBytes, parseHeader } from './model_file.js';

const TOKENIZER = 'tokenizer.json';

/** Most chunks whose SHA-256 is being computed. */
const MOST_UNCHECKED = 4;

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
        if (this.#source.expect) {
            this.#source.expect(total);
        } else if (n_bytes !== undefined && n_bytes !== total) {
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
        const verified = Boolean(globalThis.crypto?.subtle);
        /** @type {T | null} */
        let tokenizer = null;
        let start = 0;
        /**
         * @type {{
         *   start: number,
         *   writer: WriterState,
         *   damage: Promise<string | null>,
         *   copy: Uint8Array | undefined,
         * }[]}
         */
        let unchecked = [];
        /** Where the chunk begins that is damaged once already; they are read in order. */
        let reread = -1;
        const settle = async () => {
            const [first, ...rest] = unchecked;
            const damage = await first.damage;
            unchecked = rest;
            if (damage === null) {
                const hash = chunk_sha256[first.start / chunk_bytes];
                if (first.copy) this.#source.keep?.(hash, first.copy);
                return;
            }
            if (first.start === reread) {
                throw new BertError(
                    'BAD_MODEL_FILE',
                    `${this.#source.label}: chunk ${first.start / chunk_bytes} is damaged, ` +
                        `twice in a row: ${damage}`,
                );
            }
            start = reread = first.start;
            unchecked = [];
            writer.state = first.writer;
            await this.#reader.seek(n_before + start);
        };
        while (start < data_bytes || unchecked.length) {
            if (start === data_bytes || unchecked.length === MOST_UNCHECKED) {
                await settle();
                continue;
            }
            const bytes = await this.#reader.take(Math.min(chunk_bytes, data_bytes - start));
            const end = start + bytes.length;
            if (verified) {
                const damage = damageOf(bytes, chunk_sha256[start / chunk_bytes]);
                damage.catch(() => {}); // not looked at if the stream fails first
                const copy = this.#source.keep && bytes.slice();
                unchecked.push({ start, writer: writer.state, damage, copy });
            }
            writer.write(bytes, start);
            start = end;
            if (json.length && json.length <= start && tokenizer === null) {
                while (unchecked.length && json.length <= start) await settle();
                if (json.length <= start) tokenizer = openTokenizer(json);
            }
            onprogress(n_before + start, n_before + data_bytes);
        }
        await this.#reader.end();
        return { address: writer.address, verified, tokenizer };
    }

    /** Ends the transfer, if it has not ended. */
    async close() {
        await this.#reader.close();
    }
}

/**
 * @typedef {object} WriterState
 * @property {number} next  the first weight that is not yet complete
 * @property {Uint8Array} staged  bytes of 4-bit units that wait until they are whole
 */

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

    /** How far it is: set, it goes back to there. @type {WriterState} */
    get state() {
        const staged = this.#memory.heap.slice(this.#staging, this.#staging + this.#n_staged);
        return { next: this.#next, staged };
    }

    set state({ next, staged }) {
        this.#next = next;
        this.#n_staged = staged.length;
        this.#memory.heap.set(staged, this.#staging);
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
 * What is wrong with a chunk; null: nothing.
 * @param {Uint8Array} bytes
 * @param {string} expected  lower-case hex
 */
async function damageOf(bytes, expected) {
    const digest = new Uint8Array(
        await crypto.subtle.digest('SHA-256', /** @type {BufferSource} */ (bytes)),
    );
    const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
    return hex === expected ? null : `its SHA-256 must be ${expected}, not ${hex}`;
}

/** Takes runs of bytes of a wanted length from a source, whose chunks are of any length. */
class Reader {
    #source;

    /** @type {AsyncIterator<import('./chunks.js').Chunk> | null} */
    #iterator = null;

    /** The last chunk. @type {import('./chunks.js').Chunk} */
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

    /**
     * Goes on from another byte.
     * @param {number} from
     */
    async seek(from) {
        await this.close();
        this.#drop();
        this.n_read = from;
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

    /** Gives the last chunk back. */
    #drop() {
        if (this.#whole.length) this.#source.recycle?.(this.#whole);
        this.#chunk = this.#whole = new Uint8Array(0);
    }

    /** @param {number} n_missing */
    async #next(n_missing) {
        this.#drop();
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
