/**
 * One instance of the WebAssembly engine as an object: owns the memory, and turns statuses of
 * wasm/engine.c into BertErrors. Runs in the worker.
 *
 * Memory, from engine_heap() on: weights, tensor table, model, session, stacks of threads, then
 * scratch for one call. Nothing is freed; the worker ends with its model.
 *
 * Addresses go up to 4 GiB: what the module returns as one is a signed number until >>> 0.
 */
import { BertError } from '../errors.js';
import { isDotSound } from './sound_dot.js';
import { limitOf, mostTokens, outputBytes, sizesOf } from '../outputs.js';
import { version as VERSION } from '../../package.json';

/** The 8-bit kernel of four products at once. */
const DOT_I32 = 'relaxed-dot-i32';

const ALIGNMENT = 64;
const PAGE = 65536;

/** Pages of the whole address space. */
const MOST_PAGES = 65536;

/** Memory of an engine that is only asked for sizes. */
const PROBE_BYTES = 4 * PAGE;

/** Bytes of a helping thread's stack, as the first thread's in the Makefile. */
const STACK_BYTES = 65536;

/** Room for inputs, names and the usual outputs of one call beyond the largest hidden states. */
const SCRATCH_BYTES = 1 << 20;

/**
 * Products of weights and activations of a thread after which encode() may be interrupted: 10 to 40
 * milliseconds, a turn of the event loop being some tens of microseconds.
 */
const TURN_PRODUCTS = 1e9;

/** Shared memory that is not sized for it may grow by so much for large outputs. */
const GROWTH_BYTES = 1 << 28;

/**
 * @typedef {object} RaggedBatch  sequences laid end to end; see bert_batch in core/bert.h
 * @property {Uint32Array} lengths
 * @property {Uint32Array} ids
 * @property {Uint32Array} token_types
 * @property {Uint32Array} positions
 * @property {Uint8Array} attended
 * @property {Uint32Array} [lm_tokens]  those that lm_logits are wanted for; default all
 */

/**
 * @typedef {object} EngineOptions
 * @property {number} max_tokens  of a batch; 0: the default
 * @property {number} threads  most that will work
 */

export class Engine {
    /**
     * An engine for models of this config, if that fits. With several threads its memory is shared,
     * and has its final size from the start: growing shared memory crashes some browsers.
     *
     * @param {WebAssembly.Module} module  a build with threads if and only if there are several
     * @param {import('../loader/model_file.js').ModelHeader} header
     * @param {EngineOptions} options
     */
    static async create(module, header, options) {
        const is_shared = options.threads > 1;
        const probe = await Engine.#instantiate(module, is_shared ? shared(PROBE_BYTES, 0) : undefined, header, options);
        const n_bytes = probe.#neededBytes(header, options);
        if (n_bytes > MOST_PAGES * PAGE) {
            throw new BertError('MODEL_TOO_LARGE', `model '${header.metadata.name}' needs ${inMiB(n_bytes)} MiB of memory, WebAssembly has ${inMiB(MOST_PAGES * PAGE)}: convert it with a smaller --dtype (it is ${header.metadata.dtype})`);
        }
        if (!is_shared) return probe;
        const { encoder } = header.config;
        const words = outputBytes(sizesOf(encoder), ['lm_logits'], mostTokens(header.config));
        return Engine.#instantiate(module, shared(n_bytes, Math.max(GROWTH_BYTES, words + SCRATCH_BYTES)), header, options);
    }

    /**
     * @param {WebAssembly.Module} module
     * @param {WebAssembly.Memory | undefined} memory
     * @param {import('../loader/model_file.js').ModelHeader} header
     * @param {EngineOptions} options
     */
    static async #instantiate(module, memory, header, options) {
        const { exports } = await WebAssembly.instantiate(module, memory ? { env: { memory } } : {});
        const engine = new Engine(module, /** @type {any} */ (exports), memory);
        const version = engine.#string(engine.wasm.engine_version());
        if (version !== VERSION) {
            throw new BertError('ENGINE_FAILED', `the WebAssembly module is of version ${version}, the JavaScript of ${VERSION}: deploy both together`);
        }
        engine.#configure(header.config, options);
        return engine;
    }

    /**
     * @param {WebAssembly.Module} module
     * @param {Record<string, any>} exports  of wasm/engine.c
     * @param {WebAssembly.Memory} [memory]  default: the module's own
     */
    constructor(module, exports, memory = exports.memory) {
        /** @private */
        this.module = module;
        /** @private */
        this.wasm = exports;
        /** @private */
        this.memory = memory;
        this.top = this.wasm.engine_heap() >>> 0;
        /** @private @type {EngineOptions & {max_sequence_tokens: number}} */
        this.options = { max_tokens: 0, max_sequence_tokens: 0, threads: 1 };
        /** Products of one token in one layer. @private */
        this.products = 0;
        /** @private */
        this.dtypes = this.#names(this.wasm.engine_dtype_name);
        /** @private */
        this.outputs = this.#names(this.wasm.engine_output_name);
        /** Names of the 8-bit kernels that this build has, and this JavaScript engine runs right. */
        this.kernels = this.#names(this.wasm.engine_kernel_name).filter((name, i) =>
            i > 0 && this.wasm.engine_kernel_exists(i) && (name !== DOT_I32 || isDotSound()));
    }

    /**
     * @param {import('../loader/model_file.js').ModelConfig} config
     * @param {EngineOptions} options
     */
    #configure(config, { max_tokens, threads }) {
        const { wasm } = this;
        const scratch = this.top;
        wasm.engine_config_init();
        for (const [name, value] of Object.entries(config.encoder)) {
            const field = this.#write(name);
            if (typeof value === 'number') this.#check(wasm.engine_config_number(field, value));
            else this.#check(wasm.engine_config_choice(field, this.#write(String(value))));
            this.top = scratch;
        }
        // The core knows the limit of a model that has one.
        const max_sequence_tokens = Number.isFinite(limitOf(config.encoder)) ? 0 : mostTokens(config);
        this.options = { max_tokens, max_sequence_tokens, threads };
        const [hidden, intermediate] = [Number(config.encoder.hidden_size), Number(config.encoder.intermediate_size)];
        this.products = 4 * hidden ** 2 + 2 * hidden * intermediate;
        wasm.engine_options(max_tokens, max_sequence_tokens, threads, 0);
    }

    /**
     * Everything up to the first call's end, if it asks for no more than the last hidden states.
     * @param {import('../loader/model_file.js').ModelHeader} header
     * @param {EngineOptions} options
     */
    #neededBytes({ weights, weights_bytes, chunk_bytes, config }, { max_tokens, threads }) {
        const model = this.wasm.engine_model_bytes() >>> 0, session = this.wasm.engine_session_bytes() >>> 0;
        if (!model || !session) throw this.#error();
        const names = weights.length * (ALIGNMENT * 2 + this.wasm.engine_tensor_size());
        const staging = weights.some(({ q4_columns }) => q4_columns) ? 2 * chunk_bytes : 0;
        const scratch = SCRATCH_BYTES + Math.max(max_tokens, mostTokens(config)) * Number(config.encoder.hidden_size) * 4;
        return this.top + weights_bytes + staging + names + model + session + threads * STACK_BYTES + scratch + 16 * ALIGNMENT;
    }

    /** All of the memory. Valid until the next reserve(). */
    get heap() {
        return new Uint8Array(this.memory.buffer);
    }

    get memoryBytes() {
        return this.memory.buffer.byteLength;
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
                this.memory.grow(Math.ceil(missing / PAGE));
            } catch (error) {
                this.top = address;
                throw new BertError('OUT_OF_MEMORY', `${inMiB(n_bytes)} MiB more than ${inMiB(this.memoryBytes)} MiB were refused: ask for less at a time, or load the model with threads: 1`, { cause: error });
            }
        }
        return address;
    }

    /**
     * 4-bit units to 8-bit weights; see bert_q4_expand() in core/bert.h.
     * @param {number} units  their address
     * @param {number} n_units
     * @param {number} n_columns  of a unit
     * @param {number} address  where the weights go
     */
    expand(units, n_units, n_columns, address) {
        this.wasm.engine_expand(units, n_units, n_columns, address);
    }

    /**
     * @param {import('../loader/load.js').LoadedModel} model
     */
    openModel({ header, address }) {
        const { wasm } = this;
        const { weights } = header;
        const names = weights.map(({ name }) => this.#write(name));
        const table = this.reserve(weights.length * wasm.engine_tensor_size());
        weights.forEach(({ dtype, shape, at, n_bytes }, i) => {
            const [d0 = 0, d1 = 0, d2 = 0, d3 = 0] = shape;
            wasm.engine_tensor_set(table, i, names[i], this.dtypes.indexOf(dtype), shape.length, d0, d1, d2, d3, address + at, n_bytes);
        });
        const n_bytes = wasm.engine_model_bytes() >>> 0;
        if (!n_bytes) throw this.#error();
        const memory = this.reserve(n_bytes);
        this.#check(wasm.engine_model_open(table, weights.length, memory, n_bytes));
    }

    /** @param {string} [kernel]  the 8-bit kernel; default: the core's */
    openSession(kernel) {
        const { wasm, options: { max_tokens, max_sequence_tokens, threads } } = this;
        wasm.engine_options(max_tokens, max_sequence_tokens, threads, kernel ? this.#kernel(kernel) : 0);
        const n_bytes = wasm.engine_session_bytes() >>> 0;
        if (!n_bytes) throw this.#error();
        const memory = this.reserve(n_bytes);
        this.#check(wasm.engine_session_open(memory, n_bytes));
    }

    /** @param {string} kernel  the 8-bit kernel from now on */
    useKernel(kernel) {
        this.#check(this.wasm.engine_use_kernel(this.#kernel(kernel)));
    }

    /**
     * What a helping thread needs: serve() takes it there.
     * @returns {HelpingThread}
     */
    helpingThread() {
        return { module: this.module, memory: this.memory, stack_top: this.reserve(STACK_BYTES) + STACK_BYTES };
    }

    /**
     * A fixed piece of work with one kernel; see bert_int8_kernel_trial() in core/bert.h.
     * @param {string} kernel
     * @param {number} n_repeats
     */
    tryKernel(kernel, n_repeats) {
        this.wasm.engine_kernel_trial(this.#kernel(kernel), n_repeats);
    }

    /** @param {string} name */
    #kernel(name) {
        return this.#names(this.wasm.engine_kernel_name).indexOf(name);
    }

    /**
     * One batch at a time: the next call waits for this one's end.
     * @param {RaggedBatch} batch
     * @param {string[]} wanted  names of outputs
     * @param {() => Promise<void>} turn  awaited between layers where these take long; what it throws ends the call
     * @returns {Promise<Record<string, Float32Array>>}  each output of the whole batch, as bert.h shapes
     *   it, where it lies: valid until the next call
     */
    async encode(batch, wanted, turn) {
        const { wasm } = this;
        const scratch = this.top;
        try {
            const n_sequences = batch.lengths.length;
            const lengths = this.#writeArray(batch.lengths);
            const ids = this.#writeArray(batch.ids);
            const token_types = this.#writeArray(batch.token_types);
            const positions = this.#writeArray(batch.positions);
            const attended = this.#writeArray(batch.attended);
            const n_lm_tokens = batch.lm_tokens?.length ?? 0;
            const lm_tokens = batch.lm_tokens ? this.#writeArray(batch.lm_tokens) : 0;
            const addresses = new Uint32Array(this.outputs.length);
            /** @type {Record<string, number>} */
            const counts = {};
            for (const name of wanted) {
                const index = this.outputs.indexOf(name);
                const count = wasm.engine_output_count(index >>> 0, n_sequences, lengths, n_lm_tokens, lm_tokens);
                if (count < 0) throw this.#error();
                counts[name] = count;
                addresses[index] = this.reserve(count * 4);
            }
            this.#check(wasm.engine_encode_begin(n_sequences, lengths, ids, token_types, positions, attended, n_lm_tokens, lm_tokens, this.#writeArray(addresses)));
            const n_layers = Math.max(1, Math.floor(TURN_PRODUCTS * this.threads / this.products / Math.max(1, batch.ids.length)));
            while (wasm.engine_encode_step(n_layers) > 0) await turn();
            return Object.fromEntries(wanted.map((name) =>
                [name, new Float32Array(this.memory.buffer, addresses[this.outputs.indexOf(name)], counts[name])]));
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

    /** @param {number} pointer */
    #string(pointer) {
        const { heap } = this;
        const address = pointer >>> 0;
        // A copy: shared memory cannot be decoded.
        return new TextDecoder().decode(heap.slice(address, heap.indexOf(0, address)));
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
        const [value, limit] = [wasm.engine_error_value(), wasm.engine_error_limit()]; // NaN: there is none
        const numbers = Number.isNaN(value) ? '' : Number.isNaN(limit) ? ` (${value})` : ` (${value}, limit ${limit})`;
        return new BertError(this.#string(wasm.engine_error_name()), `${text}: ${subject}${numbers}`);
    }
}

/**
 * @typedef {object} HelpingThread
 * @property {WebAssembly.Module} module
 * @property {WebAssembly.Memory} memory
 * @property {number} stack_top
 */

/**
 * Lends this thread to the session in that memory. Does not return.
 * @param {HelpingThread} thread
 * @param {() => void} onready  called just before
 */
export async function serve({ module, memory, stack_top }, onready) {
    const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
    const wasm = /** @type {any} */ (exports);
    wasm._emscripten_stack_restore(stack_top);
    onready();
    wasm.engine_serve();
}

/**
 * @param {number} n_bytes
 * @param {number} growth  bytes, or fewer where a browser does not promise so many
 */
function shared(n_bytes, growth) {
    const initial = Math.ceil(n_bytes / PAGE);
    const memory = (/** @type {number} */ more) =>
        new WebAssembly.Memory({ initial, maximum: Math.min(initial + Math.ceil(more / PAGE), MOST_PAGES), shared: true });
    try {
        return memory(growth);
    } catch (error) {
        try {
            return memory(Math.min(growth, GROWTH_BYTES));
        } catch {
            throw new BertError('OUT_OF_MEMORY', `${inMiB(n_bytes)} MiB of shared memory were refused: load the model with threads: 1`, { cause: error });
        }
    }
}

/** @param {number} n_bytes */
function inMiB(n_bytes) {
    return Math.ceil(n_bytes / 2 ** 20);
}
