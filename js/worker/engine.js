/**
 * A model in an instance of the core, and the session that runs it: weights become a model there,
 * batches become outputs. A batch may be encoded while weights arrive: it waits for those of its
 * next layer.
 *
 * Memory: weights, tensor table, model, session, stacks of threads, room in which weights of 4 bits
 * wait, then scratch for one call. It is as large as all of that from the start: growing it later
 * would copy the weights in engines that cannot grow in place.
 */

import {
    BERT_ALIGNMENT,
    BERT_DEFAULT_MAX_SEQUENCE_TOKENS,
    BERT_DEFAULT_MAX_TOKENS,
    BERT_INTEGERS_7_BITS,
} from '#core';

import { BertError } from '../errors.js';
import { Core } from './core.js';
import { Instance, inMiB, PAGE_BYTES } from './instance.js';
import { relaxedDot } from './relaxed_dot.js';
import { writeTable } from './tensor_table.js';

/**
 * The kernels of four products at once, by how they need the relaxed dot's second side.
 * @type {Record<string, import('./relaxed_dot.js').SecondSide>}
 */
const DOTS = { 'relaxed-dot-i32': 'unsigned', 'relaxed-dot-i32-signed': 'signed' };

/** Pages of the whole address space. */
const MOST_PAGES = 65536;

/** Memory of an instance that is only asked. */
const PROBE_BYTES = 4 * PAGE_BYTES;

/** Bytes of a helping thread's stack, as the first thread's in the Makefile. */
export const STACK_BYTES = 65536;

/** Room for inputs, names and the usual outputs of one call beyond the largest hidden states. */
const SCRATCH_BYTES = 1 << 20;

/**
 * Products of weights and activations of a thread after which encode() may be interrupted: 10 to 40
 * milliseconds, a turn of the event loop being some tens of microseconds.
 */
const TURN_PRODUCTS = 1e9;

/** Bytes that shared memory may grow by, for larger outputs than it was sized for. */
const GROWTH_BYTES = 1 << 28;

/**
 * @typedef {object} RaggedBatch  sequences laid end to end; see bert_batch in core/bert.h
 * @property {Uint32Array} lengths
 * @property {Uint32Array} ids
 * @property {Uint32Array} token_types
 * @property {Uint32Array} positions
 * @property {Uint8Array} attended
 * @property {Uint32Array} [lm_tokens]  those that lm_logits are wanted for; default all
 * @property {Uint32Array} [pool_from]  default all 0
 *
 * @typedef {(until?: Promise<void>) => Promise<void>} Turn  lets others have their turn, or lets
 *   them have it until something has come; throws if the call was aborted meanwhile
 */

/**
 * An instance to be asked, of a module that Engine.create() then gets.
 * @param {WebAssembly.Module} module
 * @param {boolean} is_threaded  whether it is a build with threads
 */
export async function openCore(module, is_threaded) {
    const memory = is_threaded ? sharedMemory(PROBE_BYTES, 0) : undefined;
    return new Core(await Instance.create(module, memory));
}

export class Engine {
    /** @type {Instance} */
    #instance;

    /** @type {number} */
    #n_threads;

    /** Products of one token in one layer. @type {number} */
    #n_products;

    /** @type {number} */
    #n_layers;

    /** By their number in the core. @type {string[]} */
    #kernel_names;

    /** That the model's layers are multiplied in, if they are. @type {number} */
    #integers;

    /**
     * The call that waits for more weights.
     * @type {{resolve: () => void, reject: (reason: unknown) => void} | undefined}
     */
    #waiting;

    /** Why no more weights will come. @type {{reason: unknown} | undefined} */
    #broken;

    /**
     * An engine for models of this config, if that fits. With several threads its memory is shared,
     * and has its final size from the start: growing shared memory crashes some browsers.
     *
     * @param {Core} probe  see openCore(); it has the header's config
     * @param {import('../loader/model_file.js').ModelHeader} header
     * @param {number} n_threads  most that will work
     */
    static async create(probe, header, n_threads) {
        const engine = new Engine(probe, header, n_threads);
        const n_bytes = engine.#neededBytes(header);
        if (n_bytes > MOST_PAGES * PAGE_BYTES) {
            throw new BertError(
                'MODEL_TOO_LARGE',
                `model '${header.metadata.name}' needs ${inMiB(n_bytes)} MiB of memory, ` +
                    `WebAssembly has ${inMiB(MOST_PAGES * PAGE_BYTES)}: ` +
                    `convert it with a smaller --dtype (it is ${header.metadata.dtype})`,
            );
        }
        if (n_threads === 1) {
            engine.#instance.growTo(n_bytes);
            return engine;
        }
        const words = probe.outputs.lm_logits
            ? probe.outputBytes(['lm_logits'], engine.most_tokens)
            : 0;
        const memory = sharedMemory(n_bytes, Math.max(GROWTH_BYTES, words + SCRATCH_BYTES));
        const core = new Core(await Instance.create(probe.instance.module, memory));
        core.configure(header.config.encoder);
        return new Engine(core, header, n_threads);
    }

    /**
     * @param {Core} core  with the header's config
     * @param {import('../loader/model_file.js').ModelHeader} header
     * @param {number} n_threads
     */
    constructor(core, { config }, n_threads) {
        const { instance, encoder } = core;
        const { wasm } = instance;
        this.core = core;
        this.#instance = instance;
        this.#n_threads = n_threads;
        const [hidden, intermediate] = [encoder.hidden_size, encoder.intermediate_size].map(Number);
        this.#n_products = 4 * hidden ** 2 + 2 * hidden * intermediate;
        this.#n_layers = Number(encoder.n_layers);
        /** Most tokens of a sequence here. */
        this.most_tokens = Number.isFinite(core.most_tokens)
            ? core.most_tokens
            : Math.max(BERT_DEFAULT_MAX_SEQUENCE_TOKENS, config.max_length);
        this.#setOptions();
        this.#kernel_names = instance.names(wasm.engine_kernel_name);
        this.#integers = wasm.engine_integers();
        /**
         * Names of the 8-bit kernels that this build has for the model, and this JavaScript engine
         * runs right; the first does everywhere.
         */
        this.kernels = this.#kernelsFor(this.#integers);
        /** Those that only a model of 7-bit integers would have. */
        this.kernels_of_q7 = this.#kernelsFor(BERT_INTEGERS_7_BITS).filter(
            (name) => !this.kernels.includes(name),
        );
    }

    /** @param {number} integers  of the core's */
    #kernelsFor(integers) {
        const { wasm } = this.#instance;
        return this.#kernel_names.filter((name, kernel) => {
            if (kernel === 0 || !wasm.engine_kernel_exists(integers, kernel)) return false;
            if (!(name in DOTS)) return true;
            return integers === BERT_INTEGERS_7_BITS
                ? relaxedDot() !== null
                : relaxedDot() === DOTS[name];
        });
    }

    /** @param {number} [kernel]  0: the core's choice */
    #setOptions(kernel = 0) {
        this.#instance.wasm.engine_options(
            BERT_DEFAULT_MAX_TOKENS,
            this.most_tokens,
            this.#n_threads,
            kernel,
        );
    }

    /** Bytes of the session that was set up last. */
    #sessionBytes() {
        const n_bytes = this.#instance.wasm.engine_session_bytes() >>> 0;
        if (n_bytes === 0) throw this.#instance.error();
        return n_bytes;
    }

    /**
     * Bytes that are used by the end of the first call, if it asks for the last hidden states at
     * most.
     * @param {import('../loader/model_file.js').ModelHeader} header
     */
    #neededBytes({ weights, weights_bytes, chunk_bytes }) {
        const { core } = this;
        const names = weights.length * (2 * BERT_ALIGNMENT + this.#tensorSize());
        const staging = weights.some(({ q4 }) => q4) ? 2 * chunk_bytes : 0;
        const scratch =
            SCRATCH_BYTES +
            Math.max(BERT_DEFAULT_MAX_TOKENS, this.most_tokens) *
                Number(core.encoder.hidden_size) *
                4;
        return (
            this.#instance.top +
            weights_bytes +
            staging +
            names +
            core.model_bytes +
            this.#sessionBytes() +
            this.#n_threads * STACK_BYTES +
            scratch +
            16 * BERT_ALIGNMENT
        );
    }

    /** Bytes of an entry of the table of tensors. @returns {number} */
    #tensorSize() {
        return this.#instance.wasm.engine_tensor_size();
    }

    /** All of the memory. Valid until the next reserve(). */
    get heap() {
        return this.#instance.heap;
    }

    get memory_bytes() {
        return this.#instance.n_bytes;
    }

    /** Threads at work now. @returns {number} */
    get n_threads() {
        return this.#instance.wasm.engine_threads();
    }

    /**
     * The address of a new block.
     * @param {number} n_bytes
     * @returns {number}
     */
    reserve(n_bytes) {
        return this.#instance.reserve(n_bytes);
    }

    /**
     * 4-bit units to 8-bit weights: bert_q4_expand() in core/bert.h.
     * @param {number} units  their address
     * @param {number} n_units
     * @param {number} n_columns  of a unit
     * @param {number} address  where the weights go
     */
    expand(units, n_units, n_columns, address) {
        this.#instance.wasm.engine_expand(units, n_units, n_columns, address);
    }

    /**
     * A model whose weights are still to come: take() says of each that it has.
     * @param {import('../loader/model_file.js').ModelHeader} header
     * @returns {number}  the address of the block that the weights go to
     */
    beginModel({ weights, weights_bytes }) {
        const { core } = this;
        const instance = this.#instance;
        const { wasm } = instance;
        const address = instance.reserve(weights_bytes);
        const table = writeTable(core, weights, (i) => address + weights[i].at);
        const memory = instance.reserve(core.model_bytes);
        instance.check(wasm.engine_model_begin(table, weights.length, memory, core.model_bytes));
        return address;
    }

    /** @param {number} weight  whose bytes are all there, and right */
    take(weight) {
        const instance = this.#instance;
        const before = this.#steps_ready;
        instance.check(instance.wasm.engine_model_take(weight));
        if (this.#steps_ready === before) return;
        this.#waiting?.resolve();
        this.#waiting = undefined;
    }

    /** @param {unknown} reason  why no more weights will come */
    breakOff(reason) {
        this.#broken = { reason };
        this.#waiting?.reject(reason);
    }

    /** Of an encoding, with the weights that are there. @returns {number} */
    get #steps_ready() {
        return this.#instance.wasm.engine_steps_ready();
    }

    /** Layers that a batch can go through now. */
    get layers_ready() {
        return Math.min(this.#steps_ready, this.#n_layers);
    }

    /** Until one more step can run. @returns {Promise<void>} */
    #moreSteps() {
        return new Promise((resolve, reject) => {
            if (this.#broken) reject(this.#broken.reason);
            else this.#waiting = { resolve, reject };
        });
    }

    /** @param {string | null} kernel  the 8-bit kernel; null: the core's choice */
    openSession(kernel) {
        const instance = this.#instance;
        this.#setOptions(kernel === null ? 0 : this.#kernel(kernel));
        const n_bytes = this.#sessionBytes();
        const memory = instance.reserve(n_bytes);
        instance.check(instance.wasm.engine_session_open(memory, n_bytes));
    }

    /** @param {string} kernel  the 8-bit kernel from now on */
    useKernel(kernel) {
        const instance = this.#instance;
        instance.check(instance.wasm.engine_use_kernel(this.#kernel(kernel)));
    }

    /**
     * What a helping thread needs: serve() takes it there.
     * @returns {HelpingThread}
     */
    helpingThread() {
        const { module, memory } = this.#instance;
        return { module, memory, stack_top: this.reserve(STACK_BYTES) + STACK_BYTES };
    }

    /**
     * A fixed piece of work with one kernel: bert_int8_kernel_trial() in core/bert.h.
     * @param {string} kernel
     * @param {number} n_repeats
     * @returns {number}  the same of all `kernels`
     */
    tryKernel(kernel, n_repeats) {
        const { wasm } = this.#instance;
        const integers = this.kernels.includes(kernel) ? this.#integers : BERT_INTEGERS_7_BITS;
        return wasm.engine_kernel_trial(integers, this.#kernel(kernel), n_repeats);
    }

    /** @param {string} name */
    #kernel(name) {
        return this.#kernel_names.indexOf(name);
    }

    /**
     * One batch at a time: the next call waits for this one's end.
     * @param {RaggedBatch} batch
     * @param {string[]} wanted  names of outputs
     * @param {Turn} turn  awaited between layers where these take long, or have not come yet; what
     *   it throws ends the call
     * @returns {Promise<Record<string, Float32Array>>}  each output of the whole batch, as bert.h
     *   shapes it, where it lies: valid until the next call
     */
    async encode(batch, wanted, turn) {
        const { core } = this;
        const instance = this.#instance;
        const { wasm, top } = instance;
        try {
            const n_sequences = batch.lengths.length;
            const lengths = instance.write(batch.lengths);
            const ids = instance.write(batch.ids);
            const token_types = instance.write(batch.token_types);
            const positions = instance.write(batch.positions);
            const attended = instance.write(batch.attended);
            const n_lm_tokens = batch.lm_tokens?.length ?? 0;
            const lm_tokens = batch.lm_tokens ? instance.write(batch.lm_tokens) : 0;
            const pool_from = batch.pool_from ? instance.write(batch.pool_from) : 0;
            const addresses = new Uint32Array(core.n_outputs);
            const places = wanted.map((name) => {
                const count = core.outputCount(name, n_sequences, lengths, n_lm_tokens, lm_tokens);
                const address = instance.reserve(4 * count);
                addresses[core.outputIndex(name)] = address;
                return { name, address, count };
            });
            instance.check(
                wasm.engine_encode_begin(
                    n_sequences,
                    lengths,
                    ids,
                    token_types,
                    positions,
                    attended,
                    n_lm_tokens,
                    lm_tokens,
                    pool_from,
                    instance.write(addresses),
                ),
            );
            const n_layers = Math.max(
                1,
                Math.floor(
                    (TURN_PRODUCTS * this.n_threads) /
                        this.#n_products /
                        Math.max(1, batch.ids.length),
                ),
            );
            for (let n_left; (n_left = wasm.engine_encode_step(n_layers)) > 0; ) {
                const n_done = this.#n_layers + 1 - n_left; // a step for the heads
                await turn(n_done < this.#steps_ready ? undefined : this.#moreSteps());
            }
            return Object.fromEntries(
                places.map(({ name, address, count }) => [
                    name,
                    new Float32Array(instance.memory.buffer, address, count),
                ]),
            );
        } finally {
            instance.top = top;
        }
    }
}

/**
 * @typedef {object} HelpingThread
 * @property {WebAssembly.Module} module
 * @property {WebAssembly.Memory} memory
 * @property {number} stack_top
 */

/**
 * Lends this thread to what computes in that memory. Does not return.
 * @param {HelpingThread} thread
 * @param {() => void} onready  called just before
 * @param {string} [serves]  the export of the module that does it; default a session's
 */
export async function serve({ module, memory, stack_top }, onready, serves = 'engine_serve') {
    const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
    const wasm = /** @type {any} */ (exports);
    wasm._emscripten_stack_restore(stack_top);
    onready();
    wasm[serves]();
}

/**
 * @param {number} n_bytes
 * @param {number} growth  bytes that it may grow by; fewer where a browser does not allow so many
 */
export function sharedMemory(n_bytes, growth) {
    const initial = Math.ceil(n_bytes / PAGE_BYTES);
    const memory = (/** @type {number} */ more) =>
        new WebAssembly.Memory({
            initial,
            maximum: Math.min(initial + Math.ceil(more / PAGE_BYTES), MOST_PAGES),
            shared: true,
        });
    try {
        return memory(growth);
    } catch (error) {
        try {
            return memory(Math.min(growth, GROWTH_BYTES));
        } catch {
            throw new BertError(
                'OUT_OF_MEMORY',
                `${inMiB(n_bytes)} MiB of shared memory were refused`,
                { cause: error },
            );
        }
    }
}
