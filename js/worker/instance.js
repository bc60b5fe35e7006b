/**
 * One instance of a WebAssembly build of wasm/engine.c, or of wasm/train.c, with its memory: what
 * numbers and addresses are to the module are arrays, texts and BertErrors here. core.js asks
 * questions through it, engine.js computes.
 *
 * Blocks lie in the order in which they were reserved, from engine_heap() on. None is freed but
 * scratch, which is what lies above `top` again: the worker ends with its model.
 *
 * Addresses go up to 4 GiB: what the module returns as one is a signed number until >>> 0.
 */

import { BERT_VERSION } from '#core';

import { BertError } from '../errors.js';
import { aligned } from '../loader/layout.js';

/** Of WebAssembly memory. */
export const PAGE_BYTES = 65536;

/** @internal  its fields are for core.js and engine.js */
export class Instance {
    /**
     * @param {WebAssembly.Module} module
     * @param {WebAssembly.Memory} [memory]  shared, for a build with threads; default the module's
     *   own
     */
    static async create(module, memory) {
        const { exports } = await WebAssembly.instantiate(
            module,
            memory ? { env: { memory } } : {},
        );
        const instance = new Instance(module, /** @type {any} */ (exports), memory);
        const version = instance.text(instance.wasm.engine_version());
        if (version !== BERT_VERSION) {
            throw new BertError(
                'ENGINE_FAILED',
                `the WebAssembly module is of version ${version}, ` +
                    `the JavaScript of ${BERT_VERSION}: deploy both together`,
            );
        }
        return instance;
    }

    /**
     * @param {WebAssembly.Module} module
     * @param {Record<string, any>} exports  of wasm/model.c and what includes it
     * @param {WebAssembly.Memory} [memory]
     */
    constructor(module, exports, memory = exports.memory) {
        this.module = module;
        this.wasm = exports;
        this.memory = /** @type {WebAssembly.Memory} */ (memory);
        /** The first address that is free. */
        this.top = this.wasm.engine_heap() >>> 0;
    }

    /** All of the memory. Valid until the next reserve(). */
    get heap() {
        return new Uint8Array(this.memory.buffer);
    }

    /** Of the memory. */
    get n_bytes() {
        return this.memory.buffer.byteLength;
    }

    /**
     * The address of a new block, on BERT_ALIGNMENT bytes.
     * @param {number} n_bytes
     * @returns {number}
     */
    reserve(n_bytes) {
        const address = this.top;
        const top = aligned(address + n_bytes);
        this.growTo(top);
        this.top = top;
        return address;
    }

    /** @param {number} n_bytes  that the memory has at least, from now on */
    growTo(n_bytes) {
        const n_missing = n_bytes - this.n_bytes;
        if (n_missing <= 0) return;
        try {
            this.memory.grow(Math.ceil(n_missing / PAGE_BYTES));
        } catch (error) {
            throw new BertError(
                'OUT_OF_MEMORY',
                `${inMiB(n_missing)} MiB more than ${inMiB(this.n_bytes)} MiB were ` +
                    'refused: ask for less at a time, or load the model with threads: 1',
                { cause: error },
            );
        }
    }

    /**
     * What `work` reserves is scratch.
     * @template T
     * @param {() => T} work
     * @returns {T}
     */
    scratch(work) {
        const { top } = this;
        try {
            return work();
        } finally {
            this.top = top;
        }
    }

    /**
     * @param {Uint32Array | Uint8Array} array
     * @returns {number} its address
     */
    write(array) {
        const address = this.reserve(array.byteLength);
        this.heap.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), address);
        return address;
    }

    /**
     * @param {string} text
     * @returns {number} its address; terminated
     */
    writeText(text) {
        return this.write(new TextEncoder().encode(`${text}\0`));
    }

    /**
     * @param {number} address
     * @param {number} n
     * @returns {Uint32Array} a copy of the numbers there
     */
    read(address, n) {
        return new Uint32Array(this.memory.buffer, address, n).slice();
    }

    /** @param {number} pointer  to a terminated text */
    text(pointer) {
        const { heap } = this;
        const address = pointer >>> 0;
        // A copy: shared memory cannot be decoded.
        return new TextDecoder().decode(heap.slice(address, heap.indexOf(0, address)));
    }

    /**
     * Names of an enum's values.
     * @param {(value: number) => number} nameOf  a function of the module
     * @returns {string[]}
     */
    names(nameOf) {
        const names = [];
        for (let i = 0, name; (name = this.text(nameOf(i))); i++) names.push(name);
        return names;
    }

    /** @param {number} status */
    check(status) {
        if (status !== 0) throw this.error();
    }

    /** Why the module's last function failed. */
    error() {
        const { wasm } = this;
        const text = this.text(wasm.engine_error_text());
        const subject = this.text(wasm.engine_error_subject());
        // NaN: there is none.
        const [value, limit] = [wasm.engine_error_value(), wasm.engine_error_limit()];
        const numbers = Number.isNaN(limit) ? `${value}` : `${value}, limit ${limit}`;
        return new BertError(
            this.text(wasm.engine_error_name()),
            `${text}: ${subject}${Number.isNaN(value) ? '' : ` (${numbers})`}`,
        );
    }
}

/** @param {number} n_bytes */
export function inMiB(n_bytes) {
    return Math.ceil(n_bytes / 2 ** 20);
}
