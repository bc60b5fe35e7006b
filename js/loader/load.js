/**
 * Streams a model file into the engine's memory: header first, then every byte goes straight to
 * where the kernels will read it. Each chunk's SHA-256 is checked while the next one arrives.
 */

import { BertError } from '../errors.js';
import { expandedBytes, unitBytes } from './layout.js';
import { headerBytes, parseHeader } from './model_file.js';

const TOKENIZER = 'tokenizer.json';

/**
 * @typedef {object} LoadedModel
 * @property {import('./model_file.js').ModelHeader} header
 * @property {number} address  of the block that header.weights lie in
 * @property {boolean} verified  false where the page has no crypto.subtle (plain http)
 */

/**
 * @typedef {object} Memory
 * @property {(n_bytes: number) => number} reserve  gives the aligned address of a block
 * @property {Uint8Array} heap  all of the memory as it is now
 * @property {(units: number, n_units: number, n_columns: number, address: number) => void} expand
 *   4-bit units at one address to 8-bit weights at another
 *
 * @typedef {object} Destination  what a model is loaded into
 * @property {(header: import('./model_file.js').ModelHeader) => Promise<Memory>} open
 * @property {(bytes: Uint8Array) => void} tokenizer  takes tokenizer.json, if there is one, while
 *   the weights arrive
 */

/**
 * @param {import('./download.js').Source} source
 * @param {Destination} destination
 * @param {(loaded: number, total: number) => void} onprogress
 * @returns {Promise<LoadedModel>}
 */
export async function load(source, destination, onprogress) {
    const reader = new Reader(source);
    try {
        return await loadFrom(reader, source, destination, onprogress);
    } finally {
        await reader.close();
    }
}

/**
 * @param {Reader} reader
 * @param {import('./download.js').Source} source
 * @param {Destination} destination
 * @param {(loaded: number, total: number) => void} onprogress
 * @returns {Promise<LoadedModel>}
 */
async function loadFrom(reader, source, destination, onprogress) {
    const first = await reader.take(8);
    const n_header = headerBytes(first, source.label);
    const header = parseHeader(await reader.take(n_header), source.label);
    const total = 8 + n_header + header.data_bytes;
    if (source.n_bytes !== undefined && source.n_bytes !== total) {
        const what = source.n_bytes < total ? 'is cut off' : 'has bytes after its end';
        throw new BertError(
            'BAD_MODEL_FILE',
            `${source.label}: ${what}: ${source.n_bytes} bytes, the header says ${total}`,
        );
    }

    const [first_tensor] = header.tensors;
    const tokenizer = new Uint8Array(first_tensor.name === TOKENIZER ? first_tensor.end : 0);
    const memory = await destination.open(header);
    const writer = new Writer(memory, header, tokenizer);

    const checks = [];
    for (
        let start = 0, chunk = 0;
        start < header.data_bytes;
        start += header.chunk_bytes, chunk++
    ) {
        const bytes = await reader.take(Math.min(header.chunk_bytes, header.data_bytes - start));
        writer.write(bytes, start);
        if (globalThis.crypto?.subtle) {
            const checked = check(bytes, header.chunk_sha256[chunk], chunk, source.label);
            // Reported by Promise.all, or not at all if the stream fails first.
            checked.catch(() => {});
            checks.push(checked);
        }
        if (tokenizer.length > start && tokenizer.length <= start + bytes.length) {
            await Promise.all(checks);
            destination.tokenizer(tokenizer);
        }
        onprogress(8 + n_header + start + bytes.length, total);
    }
    await reader.end();
    await Promise.all(checks);
    return {
        header,
        address: writer.address,
        verified: checks.length > 0,
    };
}

/** Puts the bytes of the data section where they belong. */
class Writer {
    /**
     * @param {Memory} memory
     * @param {import('./model_file.js').ModelHeader} header
     * @param {Uint8Array} tokenizer  to be filled
     */
    constructor(memory, { weights, weights_bytes, chunk_bytes }, tokenizer) {
        this.memory = memory;
        this.weights = weights;
        this.tokenizer = tokenizer;
        this.address = memory.reserve(weights_bytes);
        const largest = Math.max(0, ...weights.map(({ q4_columns }) => unitBytes(q4_columns)));
        /**
         * Where 4-bit units wait until they are whole: what is left of a chunk, and the next one.
         */
        this.staging = largest ? memory.reserve(largest + chunk_bytes) : 0;
        this.n_staged = 0;
        this.next = 0; // the first weight that is not yet complete
    }

    /**
     * @param {Uint8Array} bytes
     * @param {number} start  in the data section, where the last ones ended
     */
    write(bytes, start) {
        const end = start + bytes.length;
        if (start < this.tokenizer.length) {
            this.tokenizer.set(bytes.subarray(0, this.tokenizer.length - start), start);
        }
        for (; this.next < this.weights.length; this.next++) {
            const weight = this.weights[this.next];
            if (weight.start >= end) return;
            const from = Math.max(weight.start, start);
            const part = bytes.subarray(from - start, Math.min(weight.end, end) - start);
            if (weight.q4_columns) this.#expand(weight, part, from - weight.start);
            else this.memory.heap.set(part, this.address + weight.at + from - weight.start);
            if (weight.end > end) return;
        }
    }

    /**
     * @param {import('./layout.js').Weight} weight
     * @param {Uint8Array} part  of its bytes
     * @param {number} offset  of the part
     */
    #expand({ at, q4_columns }, part, offset) {
        const { memory, staging } = this;
        const unit = unitBytes(q4_columns);
        memory.heap.set(part, staging + this.n_staged);
        const n_before = (offset - this.n_staged) / unit;
        const n_bytes = this.n_staged + part.length;
        const n_units = Math.floor(n_bytes / unit);
        memory.expand(
            staging,
            n_units,
            q4_columns,
            this.address + at + n_before * expandedBytes(q4_columns),
        );
        memory.heap.copyWithin(staging, staging + n_units * unit, staging + n_bytes);
        this.n_staged = n_bytes - n_units * unit;
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
            `${label}: chunk ${chunk} is damaged (SHA-256 ${hex}, expected ${expected}): ` +
                'fetch it again',
        );
    }
}

/** Takes runs of bytes of a wanted length from a stream of chunks of any length. */
class Reader {
    /** @param {import('./download.js').Source} source */
    constructor(source) {
        this.label = source.label;
        this.iterator = source.chunks[Symbol.asyncIterator]();
        this.recycle = source.recycle;
        /** The last chunk, and what is left of it. @type {import('./download.js').Chunk} */
        this.whole = new Uint8Array(0);
        /** @type {Uint8Array} */
        this.chunk = new Uint8Array(0);
        /** @type {Uint8Array} */
        this.buffer = new Uint8Array(0);
        this.n_read = 0;
    }

    /**
     * Exactly `n` bytes, valid until the next call: one buffer serves them all.
     * @param {number} n
     */
    async take(n) {
        if (this.chunk.length >= n) return this.#cut(n);
        if (this.buffer.length < n) this.buffer = new Uint8Array(n);
        const bytes = this.buffer.subarray(0, n);
        let filled = 0;
        while (filled < n) {
            if (this.chunk.length === 0) await this.#next(n - filled);
            const part = this.#cut(Math.min(n - filled, this.chunk.length));
            bytes.set(part, filled);
            filled += part.length;
        }
        return bytes;
    }

    /** Refuses bytes after the last tensor. */
    async end() {
        if (this.chunk.length === 0) {
            const { done, value } = await this.iterator.next();
            if (done || value.length === 0) return;
        }
        throw new BertError(
            'BAD_MODEL_FILE',
            `${this.label}: has bytes after its end, from ${this.n_read} on`,
        );
    }

    async close() {
        await this.iterator.return?.();
    }

    /** @param {number} n */
    #cut(n) {
        const part = this.chunk.subarray(0, n);
        this.chunk = this.chunk.subarray(n);
        this.n_read += n;
        return part;
    }

    /** @param {number} missing */
    async #next(missing) {
        if (this.whole.length) this.recycle?.(this.whole);
        const { done, value } = await this.iterator.next();
        if (done) {
            throw new BertError(
                'BAD_MODEL_FILE',
                `${this.label}: is cut off after ${this.n_read} bytes, ` +
                    `at least ${missing} more were expected`,
            );
        }
        this.chunk = this.whole = value;
    }
}
