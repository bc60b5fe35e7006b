/**
 * Streams a model file into the engine: header first, then chunk by chunk what follows. The SHA-256
 * of a chunk is checked while the next one arrives, and only then its bytes go to where kernels
 * read them, so that what the engine has been told of can be computed with at once. A chunk that is
 * damaged is read once more from its start, and all that follows with it: the source is a stream.
 *
 * Rejected: writing first and checking afterwards, which saves a copy of a tenth of a millisecond
 * for a chunk, but then everything would have to be undone for one that is damaged.
 */

import { BertError } from '../errors.js';
import { headerBytes, parseHeader } from './model_file.js';
import { Reader } from './reader.js';
import { sha256 } from './sha256.js';
import { Writer } from './writer.js';

const TOKENIZER = 'tokenizer.json';

/** Milliseconds between two reports of progress. */
const REPORT_EVERY = 50;

/** Chunks in memory at a time: one is checked while the next one arrives. */
const UNDER_WAY = 2;

/** @typedef {import('./model_file.js').ModelHeader} ModelHeader */

/**
 * @typedef {object} Memory  of the engine
 * @property {(n_bytes: number) => number} reserve  gives the aligned address of a block
 * @property {Uint8Array} heap  all of the memory as it is now
 * @property {(units: number, n_units: number, n_columns: number, address: number) => void} expand
 *   4-bit units at one address to 8-bit weights at another
 * @property {(weight: number) => void} take  all bytes of this weight of the header are there
 *
 * @typedef {object} Listeners
 * @property {(json: Uint8Array | null) => void} ontokenizer  called with tokenizer.json once it is
 *   there; with null, before anything else, if the file has none
 * @property {(loaded: number, total: number) => void} onprogress  in bytes of the file, as
 *   they arrive, and when some are in their place
 */

/** A file on its way: readHeader(), then readData(), then close(), in any case. */
export class ModelFile {
    /** @type {import('./download.js').Source} */
    #source;

    /** @type {Reader} */
    #reader;

    /** Whether chunks are checked: a page of plain http has no crypto.subtle. */
    is_verified = Boolean(globalThis.crypto?.subtle);

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
        const n_header = headerBytes(await this.#reader.fill(new Uint8Array(8)), label);
        const header = parseHeader(await this.#reader.fill(new Uint8Array(n_header)), core, label);
        const total = this.#reader.at + header.data_bytes;
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
     * @param {ModelHeader} header
     * @param {Memory} memory
     * @param {number} address  of the block that the weights go to
     * @param {Listeners} listeners
     */
    async readData(header, memory, address, listeners) {
        const { chunk_bytes, chunk_sha256 } = header;
        const begin = this.#reader.at;
        const json = new Uint8Array(
            header.tensors[0].name === TOKENIZER ? header.tensors[0].end : 0,
        );
        const chunks = new Chunks(this.#reader, header, this.is_verified, this.#source.label);
        const writer = new Writer(memory, address, header, json);
        const total = begin + header.data_bytes;
        let [told, told_at] = [0, 0];
        const tell = (/** @type {number} */ n_arrived) => {
            // Never less than before, although a damaged chunk is read once more.
            [told, told_at] = [Math.max(told, n_arrived), performance.now()];
            listeners.onprogress(told, total);
        };
        this.#reader.onread = (n_arrived) => {
            if (n_arrived < total && performance.now() - told_at >= REPORT_EVERY) tell(n_arrived);
        };
        if (json.length === 0) listeners.ontokenizer(null);
        await chunks.readAll((bytes, start) => {
            const end = start + bytes.length;
            writer.write(bytes, start);
            if (this.is_verified) this.#source.keep?.(chunk_sha256[start / chunk_bytes], bytes);
            if (start < json.length && json.length <= end) listeners.ontokenizer(json);
            tell(begin + end);
        });
        await this.#reader.end();
    }

    /** Ends the transfer, if it has not ended. */
    async close() {
        await this.#reader.close();
    }
}

/** The chunks of the data section, in order, each of them right. */
class Chunks {
    #reader;
    #header;
    #is_verified;
    #label;

    /** Where the data section begins in the file. */
    #begin;

    /** @type {Uint8Array<ArrayBuffer>[]} */
    #buffers = [];

    /**
     * @param {Reader} reader  at the data section
     * @param {ModelHeader} header
     * @param {boolean} is_verified
     * @param {string} label
     */
    constructor(reader, header, is_verified, label) {
        this.#reader = reader;
        this.#begin = reader.at;
        this.#header = header;
        this.#is_verified = is_verified;
        this.#label = label;
    }

    /** @param {(bytes: Uint8Array, start: number) => void} write  start: in the data section */
    async readAll(write) {
        const { chunk_bytes, chunk_sha256 } = this.#header;
        for (let next = 0, damaged = -1; ; ) {
            const found = await this.#readFrom(next, write);
            if (!found) return;
            const { chunk, sha256 } = found;
            if (chunk === damaged) {
                throw new BertError(
                    'BAD_MODEL_FILE',
                    `${this.#label}: chunk ${chunk} is damaged, twice in a row: ` +
                        `its SHA-256 must be ${brief(chunk_sha256[chunk])}, not ${brief(sha256)}`,
                );
            }
            next = damaged = chunk;
            await this.#reader.seek(this.#begin + chunk * chunk_bytes);
        }
    }

    /**
     * @param {number} first
     * @param {(bytes: Uint8Array, start: number) => void} write
     * @returns {Promise<{chunk: number, sha256: string} | null>}  the first that is damaged
     */
    async #readFrom(first, write) {
        const { data_bytes, chunk_bytes, chunk_sha256 } = this.#header;
        /** @type {{chunk: number, sha256: string} | null} */
        let damaged = null;
        /** Each ends when its chunk is written, or will not be. @type {Promise<void>[]} */
        const settled = [];
        for (let chunk = first; chunk < chunk_sha256.length && !damaged; chunk++) {
            if (settled.length === UNDER_WAY) await settled.shift();
            const start = chunk * chunk_bytes;
            const bytes = await this.#read(chunk, Math.min(chunk_bytes, data_bytes - start));
            const digest = this.#is_verified ? sha256(bytes) : chunk_sha256[chunk];
            const settle = async (/** @type {Promise<void> | undefined} */ before) => {
                const found = await digest;
                await before;
                if (damaged) return;
                if (found === chunk_sha256[chunk]) write(bytes, start);
                else damaged = { chunk, sha256: found };
            };
            const settling = settle(settled.at(-1));
            // Reported where it is awaited, or not at all if the stream fails first.
            settling.catch(() => {});
            settled.push(settling);
        }
        await settled.at(-1);
        return damaged;
    }

    /**
     * @param {number} chunk
     * @param {number} n_bytes
     */
    #read(chunk, n_bytes) {
        const { chunk_bytes } = this.#header;
        const buffer = (this.#buffers[chunk % UNDER_WAY] ??= new Uint8Array(
            Math.min(chunk_bytes, this.#header.data_bytes),
        ));
        return this.#reader.fill(buffer.subarray(0, n_bytes));
    }
}

/** @param {string} hash  of 64 digits, which would fill a message */
function brief(hash) {
    return `${hash.slice(0, 8)}...`;
}
