/**
 * The WebAssembly engine as an object: picks the build, owns the memory, and turns statuses of
 * wasm/engine.c into BertErrors. Runs in the worker.
 *
 * Memory, from engine_heap() on: weights, tensor table, model, session, then scratch for one call.
 * Nothing is freed; the worker ends with its model.
 */
import { openSource } from './loader/source.js';
import { BertError } from './errors.js';
import { version as VERSION } from '../package.json';

const ALIGNMENT = 64;
const PAGE = 65536;

/** (module (func (result v128) 3 x (v128.const 0) f32x4.relaxed_madd)), and with f32x4.abs of one. */
const V128_ZERO = [0xfd, 0x0c, ...new Array(16).fill(0)];
const moduleWith = (/** @type {number[]} */ body) =>
    new Uint8Array([
        0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0,
        10, body.length + 4, 1, body.length + 2, 0, ...body, 0x0b,
    ]);
const SIMD = moduleWith([...V128_ZERO, 0xfd, 0xe0, 0x01]);
const RELAXED_SIMD = moduleWith([...V128_ZERO, ...V128_ZERO, ...V128_ZERO, 0xfd, 0x85, 0x02]);

/**
 * @typedef {'base' | 'relaxed'} Variant
 */

/**
 * @param {Variant} [wanted]
 * @returns {{variant: Variant, reason: string}}
 */
export function chooseVariant(wanted) {
    if (!globalThis.WebAssembly?.validate(SIMD)) {
        throw new BertError('UNSUPPORTED', 'WebAssembly with 128-bit SIMD is needed: Chrome 91, Firefox 89, Safari 16.4, Node 16.4 or later');
    }
    const relaxed = WebAssembly.validate(RELAXED_SIMD);
    if (wanted === 'relaxed' && !relaxed) throw new BertError('UNSUPPORTED', 'relaxed SIMD was asked for, and this JavaScript engine does not have it');
    if (wanted) return { variant: wanted, reason: 'asked for' };
    return relaxed
        ? { variant: 'relaxed', reason: 'this JavaScript engine has relaxed SIMD' }
        : { variant: 'base', reason: 'this JavaScript engine has no relaxed SIMD' };
}

/**
 * @param {Variant} variant
 * @returns {Promise<WebAssembly.Module>}
 */
export async function compile(variant) {
    // Both literal, so that bundlers see the files.
    const url = variant === 'relaxed'
        ? new URL('./engine-relaxed.wasm', import.meta.url)
        : new URL('./engine-base.wasm', import.meta.url);
    const source = await openSource(url.href);
    const bytes = new Uint8Array(await new Response(toStream(source.chunks)).arrayBuffer());
    if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0x61 || bytes[2] !== 0x73 || bytes[3] !== 0x6d) {
        throw new BertError('ENGINE_FAILED', `${source.label} is no WebAssembly module: is it served from where the package's files are?`);
    }
    return WebAssembly.compile(bytes);
}

/** @param {AsyncIterable<Uint8Array>} chunks */
function toStream(chunks) {
    const iterator = chunks[Symbol.asyncIterator]();
    return new ReadableStream({
        async pull(controller) {
            const { done, value } = await iterator.next();
            if (done) controller.close();
            else controller.enqueue(value);
        },
    });
}

/**
 * @typedef {object} RaggedBatch  sequences laid end to end; see bert_batch in core/bert.h
 * @property {Uint32Array} lengths
 * @property {Uint32Array} ids
 * @property {Uint32Array} token_types
 * @property {Uint32Array} positions
 * @property {Uint8Array} attended
 */

export class Engine {
    /** @param {WebAssembly.Module} module */
    static async create(module) {
        const { exports } = await WebAssembly.instantiate(module, {});
        const engine = new Engine(/** @type {any} */ (exports));
        const version = engine.#string(engine.wasm.engine_version());
        if (version !== VERSION) {
            throw new BertError('ENGINE_FAILED', `the WebAssembly module is of version ${version}, the JavaScript of ${VERSION}: deploy both together`);
        }
        return engine;
    }

    /** @param {Record<string, any>} exports  of wasm/engine.c */
    constructor(exports) {
        /** @private */
        this.wasm = exports;
        this.top = this.wasm.engine_heap();
        /** @private */
        this.dtypes = this.#names(this.wasm.engine_dtype_name);
        /** @private */
        this.outputs = this.#names(this.wasm.engine_output_name);
    }

    /** All of the memory. Valid until the next reserve(). */
    get heap() {
        return new Uint8Array(this.wasm.memory.buffer);
    }

    get memoryBytes() {
        return this.wasm.memory.buffer.byteLength;
    }

    get threads() {
        return this.wasm.engine_threads();
    }

    /**
     * The address of a new block, on 64 bytes.
     * @param {number} n_bytes
     * @returns {number}
     */
    reserve(n_bytes) {
        const address = this.top;
        this.top = Math.ceil((address + n_bytes) / ALIGNMENT) * ALIGNMENT;
        const missing = this.top - this.memoryBytes;
        if (missing > 0) {
            try {
                this.wasm.memory.grow(Math.ceil(missing / PAGE));
            } catch (error) {
                this.top = address;
                throw new BertError('OUT_OF_MEMORY', `${Math.ceil(n_bytes / 2 ** 20)} MiB more than ${this.memoryBytes >> 20} MiB were refused`, { cause: error });
            }
        }
        return address;
    }

    /**
     * @param {import('./loader/load.js').LoadedModel} model
     */
    openModel({ header, address }) {
        const { wasm } = this;
        const scratch = this.top;
        wasm.engine_config_init();
        for (const [name, value] of Object.entries(header.config.encoder)) {
            const field = this.#write(name);
            if (typeof value === 'number') this.#check(wasm.engine_config_number(field, value));
            else this.#check(wasm.engine_config_choice(field, this.#write(String(value))));
        }
        this.top = scratch;

        const tensors = header.tensors.filter(({ dtype }) => dtype !== 'U8');
        const names = tensors.map(({ name }) => this.#write(name));
        const table = this.reserve(tensors.length * wasm.engine_tensor_size());
        tensors.forEach(({ dtype, shape, start, end }, i) => {
            const [d0 = 0, d1 = 0, d2 = 0, d3 = 0] = shape;
            wasm.engine_tensor_set(table, i, names[i], this.dtypes.indexOf(dtype), shape.length, d0, d1, d2, d3, address + start, end - start);
        });
        const n_bytes = wasm.engine_model_bytes();
        if (!n_bytes) throw this.#error();
        const memory = this.reserve(n_bytes);
        this.#check(wasm.engine_model_open(table, tensors.length, memory, n_bytes));
    }

    /**
     * @param {{max_tokens: number, max_sequence_tokens: number}} options  0: the default
     */
    openSession({ max_tokens, max_sequence_tokens }) {
        const n_bytes = this.wasm.engine_session_bytes(max_tokens, max_sequence_tokens) >>> 0;
        if (!n_bytes) throw this.#error();
        const memory = this.reserve(n_bytes);
        this.#check(this.wasm.engine_session_open(max_tokens, max_sequence_tokens, memory, n_bytes));
    }

    /**
     * @param {RaggedBatch} batch
     * @param {string[]} wanted  names of outputs
     * @returns {Record<string, Float32Array>}  each output of the whole batch, as bert.h shapes it
     */
    encode(batch, wanted) {
        const { wasm } = this;
        const scratch = this.top;
        try {
            const n_sequences = batch.lengths.length;
            const lengths = this.#writeArray(batch.lengths);
            const ids = this.#writeArray(batch.ids);
            const token_types = this.#writeArray(batch.token_types);
            const positions = this.#writeArray(batch.positions);
            const attended = this.#writeArray(batch.attended);
            const addresses = new Uint32Array(this.outputs.length);
            /** @type {Record<string, number>} */
            const counts = {};
            for (const name of wanted) {
                const index = this.outputs.indexOf(name);
                const count = wasm.engine_output_count(index >>> 0, n_sequences, lengths);
                if (count < 0) throw this.#error();
                counts[name] = count;
                addresses[index] = this.reserve(count * 4);
            }
            this.#check(wasm.engine_encode(n_sequences, lengths, ids, token_types, positions, attended, this.#writeArray(addresses)));
            return Object.fromEntries(wanted.map((name) =>
                [name, new Float32Array(wasm.memory.buffer, addresses[this.outputs.indexOf(name)], counts[name]).slice()]));
        } finally {
            this.top = scratch;
        }
    }

    /**
     * @param {Uint32Array | Uint8Array} array
     * @returns {number} its address
     */
    #writeArray(array) {
        const address = this.reserve(array.byteLength);
        this.heap.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), address);
        return address;
    }

    /** @param {string} text */
    #write(text) {
        return this.#writeArray(new TextEncoder().encode(`${text}\0`));
    }

    /** @param {number} address */
    #string(address) {
        const { heap } = this;
        return new TextDecoder().decode(heap.subarray(address, heap.indexOf(0, address)));
    }

    /** @param {(index: number) => number} nameOf */
    #names(nameOf) {
        const names = [];
        for (let i = 0, name; (name = this.#string(nameOf(i))); i++) names.push(name);
        return names;
    }

    /** @param {number} status */
    #check(status) {
        if (status !== 0) throw this.#error();
    }

    #error() {
        const { wasm } = this;
        const subject = this.#string(wasm.engine_error_subject());
        const text = this.#string(wasm.engine_error_text());
        const [value, limit] = [wasm.engine_error_value(), wasm.engine_error_limit()];
        const numbers = value || limit ? ` (${value}, limit ${limit})` : '';
        return new BertError(this.#string(wasm.engine_error_name()), `${text}: ${subject}${numbers}`);
    }
}
