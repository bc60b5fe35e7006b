/**
 * An instance of convert.wasm, which is one conversion: what numbers and addresses are to the
 * module are files, texts and BertErrors here. Its memory goes with it.
 */

import { openHash } from '#convert-host';
import { BERT_VERSION } from '#core';

import { BertError } from '../errors.js';
import { inMB, instead, tooLarge } from './too_large.js';

/** Of WebAssembly memory. */
const PAGE_BYTES = 65536;

/** What wasm/convert_host.h knows. */
const [NOTHING, FOLDER] = [-1, -2];

/**
 * @typedef {object} Needed  bytes of a file that are needed
 * @property {import('./at_hand.js').FileAtHand} file
 * @property {number} start
 * @property {number} end
 *
 * @typedef {{at: number, bytes: Uint8Array<ArrayBuffer>}} OutputPart  at: in the model file
 */

export class Converter {
    /** @type {any} */
    #wasm;

    /** @type {WebAssembly.Memory} */
    #memory;

    #files;
    #folder;
    #most_bytes;

    /** What was written since it was last taken. @type {OutputPart[]} */
    #output = [];

    /** What was asked for and not at hand. @type {Needed | null} */
    missed = null;

    /** Sentences about what was settled, and how. @type {string[]} */
    notes = [];

    /**
     * @param {string} folder  what the folder of the files is called, for messages
     * @param {import('./at_hand.js').FileAtHand[]} files
     * @param {number} memory  bytes that the conversion may take
     */
    constructor(folder, files, memory) {
        this.#folder = folder;
        this.#files = files;
        this.#most_bytes = memory;
        this.#memory = new WebAssembly.Memory({
            initial: 32,
            maximum: Math.floor(memory / PAGE_BYTES),
        });
    }

    /** @param {WebAssembly.Module} module */
    async start(module) {
        const host = {
            find: (/** @type {number} */ path) => this.#find(this.#text(path)),
            size: (/** @type {number} */ handle) => this.#files[handle].size,
            read: (
                /** @type {number} */ handle,
                /** @type {number} */ start,
                /** @type {number} */ n_bytes,
                /** @type {number} */ into,
            ) => this.#read(this.#files[handle], start, n_bytes >>> 0, into),
            write: (
                /** @type {number} */ at,
                /** @type {number} */ data,
                /** @type {number} */ n_bytes,
            ) => this.#output.push({ at, bytes: this.#heap(data, n_bytes >>> 0).slice() }),
            ...this.#hashes(),
            note: (/** @type {number} */ sentence) => this.notes.push(this.#text(sentence)),
        };
        const env = { memory: this.#memory, emscripten_notify_memory_growth() {} };
        const { exports } = await WebAssembly.instantiate(module, { host, env });
        this.#wasm = exports;
        this.#wasm._initialize();
        const version = this.#text(this.#wasm.convert_version());
        if (version !== BERT_VERSION) {
            throw new BertError(
                'ENGINE_FAILED',
                `convert.wasm is of version ${version}, the JavaScript of ${BERT_VERSION}: ` +
                    'deploy both together',
            );
        }
    }

    /** Bytes that it has taken: it never gives any back. */
    get n_bytes() {
        return this.#memory.buffer.byteLength;
    }

    /** Steps that are done, and all of them. */
    get progress() {
        return { done: this.#wasm.convert_done(), total: this.#wasm.convert_total() };
    }

    /**
     * @param {string} name
     * @param {string} value
     */
    setOption(name, value) {
        this.#check(this.#wasm.convert_option(this.#write(name), this.#write(value)), 'BAD_OPTION');
    }

    /**
     * @param {string} model  the file of the folder that has it; '' for what is found there
     * @returns {boolean}  false: first what `missed` says has to be at hand, for another instance
     */
    open(model) {
        const path = model ? `${this.#folder}/${model}` : this.#folder;
        return this.#run(() => this.#wasm.convert_open(this.#write(path)));
    }

    /** Refuses what would not fit. */
    checkMemory() {
        const n_bytes = this.#wasm.convert_memory();
        this.#check(n_bytes, 'OUT_OF_MEMORY');
        if (n_bytes > this.#most_bytes) throw tooLarge(this.#folder, n_bytes, this.#most_bytes);
    }

    /** What the next step reads. @returns {Needed[]} */
    needs() {
        return Array.from({ length: this.#wasm.convert_n_needs() }, (_, i) => ({
            file: this.#files[this.#wasm.convert_need_file(i)],
            start: this.#wasm.convert_need_start(i),
            end: this.#wasm.convert_need_end(i),
        }));
    }

    /** @returns {boolean}  as open(), but that the step can be tried again */
    step() {
        return this.#run(() => this.#wasm.convert_step());
    }

    /** What was written since the last time. */
    takeOutput() {
        return this.#output.splice(0);
    }

    /** @param {() => number} call */
    #run(call) {
        this.missed = null;
        let is_ok;
        try {
            is_ok = call();
        } catch (error) {
            // abort() is a trap: without memory, nearly always.
            if (this.#wasm.convert_is_short()) throw this.#outOfMemory(error);
            throw new BertError(
                'ENGINE_FAILED',
                `the converter failed: ${/** @type {Error} */ (error).message}`,
                { cause: error },
            );
        }
        if (this.missed) return false;
        if (!is_ok && this.#wasm.convert_is_short()) throw this.#outOfMemory();
        this.#check(is_ok, 'BAD_MODEL_FILE');
        return true;
    }

    /**
     * @param {number} is_ok
     * @param {string} code
     */
    #check(is_ok, code) {
        if (!is_ok) throw new BertError(code, this.#text(this.#wasm.convert_fault()));
    }

    /** @param {unknown} [cause] */
    #outOfMemory(cause) {
        const what = `the conversion has taken ${inMB(this.n_bytes)} and needs more`;
        return new BertError('OUT_OF_MEMORY', `${what}: ${instead(this.#folder)}`, { cause });
    }

    /** SHA-256, where it is to be had at once. */
    #hashes() {
        /** @type {import('./host_node.js').Hash[]} */
        const hashes = [];
        return {
            hash_begin: () => {
                const hash = openHash();
                return hash ? hashes.push(hash) - 1 : NOTHING;
            },
            hash_add: (
                /** @type {number} */ i,
                /** @type {number} */ data,
                /** @type {number} */ n_bytes,
            ) => hashes[i].add(this.#heap(data, n_bytes >>> 0)),
            hash_end: (/** @type {number} */ i, /** @type {number} */ into) =>
                this.#heap(into, 32).set(hashes[i].end()),
        };
    }

    /** @param {string} path */
    #find(path) {
        const folder = `${this.#folder}/`;
        const clean = path.replace(/\/+$/, '');
        if (clean === this.#folder) return FOLDER;
        if (!clean.startsWith(folder)) return NOTHING;
        const name = clean.slice(folder.length).replace(/^(\.\/)+/, '');
        const handle = this.#files.findIndex((file) => file.name === name);
        if (handle >= 0) return handle;
        return this.#files.some((file) => file.name.startsWith(`${name}/`)) ? FOLDER : NOTHING;
    }

    /**
     * @param {import('./at_hand.js').FileAtHand} file
     * @param {number} start
     * @param {number} n_bytes
     * @param {number} into
     */
    #read(file, start, n_bytes, into) {
        if (file.read(this.#heap(into, n_bytes), start)) return 1;
        this.missed ??= { file, start, end: start + n_bytes };
        return 0;
    }

    /**
     * @param {number} address
     * @param {number} n_bytes
     */
    #heap(address, n_bytes) {
        return new Uint8Array(this.#memory.buffer, address >>> 0, n_bytes);
    }

    /** @param {number} pointer  to a terminated text */
    #text(pointer) {
        const heap = new Uint8Array(this.#memory.buffer);
        const address = pointer >>> 0;
        return new TextDecoder().decode(heap.subarray(address, heap.indexOf(0, address)));
    }

    /** @param {string} text @returns {number} its address; terminated */
    #write(text) {
        const bytes = new TextEncoder().encode(`${text}\0`);
        const address = this.#wasm.convert_alloc(bytes.length);
        if (!address) throw this.#outOfMemory();
        this.#heap(address, bytes.length).set(bytes);
        return address;
    }
}
