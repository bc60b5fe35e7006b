/**
 * Training in an instance of train.wasm: a batch becomes a loss, its gradients and a step. What is
 * computed is core/train.h's.
 *
 * Memory: the trainer's block, stacks of threads, then scratch: the weights that it begins with,
 * later a batch. It is as large as all of that from the start, as an engine's is.
 */

import { BERT_ALIGNMENT } from '#core';

import { BertError } from '../errors.js';
import { aligned } from '../loader/layout.js';
import { Core } from '../worker/core.js';
import { openCore, STACK_BYTES, sharedMemory } from '../worker/engine.js';
import { Instance } from '../worker/instance.js';
import { writeTable } from '../worker/tensor_table.js';

/**
 * @typedef {object} Tensor  in F32, as the core has it
 * @property {number[]} shape
 * @property {Float32Array} values
 *
 * @typedef {Map<string, Tensor>} Tensors  by name
 *
 * @typedef {object} Tokens  what is encoded as one
 * @property {Uint32Array} ids
 * @property {Uint32Array} type_ids
 *
 * @typedef {object} Labels  what the objective makes of a sequence
 * @property {Int32Array} labels
 * @property {Float32Array} [targets]  of objectives that have numbers in place of labels
 * @property {Float32Array} [teacher]  logits of another model
 *
 * @typedef {Tokens & Labels} Sequence  what is learned from one example
 *
 * @typedef {object} Limits  of a batch
 * @property {number} max_tokens
 * @property {number} max_sequences
 * @property {number} max_sequence_tokens
 *
 * @typedef {object} TrainerConfig
 * @property {Objective<any> | Objective<any>[]} objective  one, or one of each task: the first,
 *   until turnTo()
 * @property {number} threads
 * @property {boolean} recomputes  see bert_train_options
 * @property {number} memory  bytes that it may take
 * @property {Adapters | null} [lora]  that are trained in place of layers; default none
 *
 * @typedef {object} Adapters  see bert_lora
 * @property {number} rank
 * @property {number} targets  bits of bert_lora_target
 * @property {number} alpha
 * @property {number} seed
 *
 * @typedef {TrainerConfig & Limits} TrainerOptions
 */

/**
 * @template [T=Sequence]  an example
 * @typedef {object} Objective  what is learned: a loss of some outputs. Files of objectives/
 * @property {string[]} outputs  that the loss is of
 * @property {(batch: T[]) => Tokens[]} [sequences]  that are encoded for it, where examples are no
 *   sequences
 * @property {(batch: T[]) => number[]} rows  of each of them
 * @property {(limits: Limits) => {rows: number[], numbers: number}} most  rows of each output, and
 *   numbers that loss() reserves besides
 * @property {(batch: T[]) => Uint32Array} [lmTokens]  of lm_logits: tokens that have a row
 * @property {(pass: Pass, batch: T[]) => number} loss  writes its gradients
 * @property {(batch: T[]) => number} weight  what loss() divides by where the pass says nothing
 *   else, as it does for a batch in parts
 * @property {boolean} [overwrites]  whether it writes them over the outputs, which run() does not
 *   give then: half the memory, where outputs are large
 */

/**
 * @typedef {object} Pass  a batch on its way, in the memory of the module
 * @property {Instance} instance  what is reserved of it is given back after the step
 * @property {PassOutput[]} outputs
 * @property {(array: Uint32Array | Int32Array | Float32Array) => number} write  gives an address
 * @property {(loss: (at: number) => number) => number} lossOf  calls a loss of the module, which
 *   writes to `at` and gives a status
 * @property {number} divisor  what the sum of the loss is divided by; 0: the objective's weight()
 *
 * @typedef {object} PassOutput
 * @property {number} data  address of its numbers
 * @property {number} gradient  address of their gradients
 * @property {number} n_rows
 * @property {number} n_columns  loss() may leave fewer, where only the first ones are its own
 *
 * @typedef {object} Learned  a parameter, and what AdamW remembers of it
 * @property {string} name
 * @property {Float32Array<ArrayBuffer>} value
 * @property {Float32Array<ArrayBuffer>} mean
 * @property {Float32Array<ArrayBuffer>} square
 *
 * @typedef {[embeddings: number, attention: number, attention_output: number, output: number,
 *   pooler: number, classifier: number]} Dropout  rates: bert_dropout in core/train.h
 */

/** Room for the ends of blocks. */
const SLACK_BYTES = 64 * BERT_ALIGNMENT;

/** Memory that a table of tensors takes for each: its entry, and its name. */
const ENTRY_BYTES = 256;

/** The whole address space. */
const MOST_BYTES = 2 ** 32;

export class Trainer {
    /** @type {Instance} */
    #instance;
    #core;
    #module;
    #options;
    #objectives;
    #objective;
    #has_types;

    /** Tops of the stacks that no thread has yet. @type {number[]} */
    #stacks = [];

    /** Of parameters. @type {string[]} */
    #names = [];

    /** Of the model's tensors. @type {Record<string, number[]>} */
    #shapes = {};

    /**
     * @param {WebAssembly.Module} module  a build of train.wasm, with threads if there are several
     * @param {import('../loader/model_file.js').EncoderConfig} encoder
     * @param {Tensors} tensors  that it begins with: all that the config asks for
     * @param {TrainerOptions} options
     */
    static async open(module, encoder, tensors, options) {
        const probe = await openCore(module, options.threads > 1);
        probe.configure(encoder);
        const trainer = new Trainer(probe, module, options);
        const n_bytes = trainer.#neededBytes(tensors);
        if (n_bytes > Math.min(options.memory, MOST_BYTES)) throw tooLarge(n_bytes, options);
        if (options.threads === 1) {
            trainer.#instance.growTo(n_bytes);
            trainer.#begin(tensors);
            return trainer;
        }
        const memory = sharedMemory(n_bytes, 0);
        const core = new Core(await Instance.create(module, memory));
        core.configure(encoder);
        const shared = new Trainer(core, module, options);
        shared.#begin(tensors);
        return shared;
    }

    /**
     * @param {Core} core  with the config
     * @param {WebAssembly.Module} module
     * @param {TrainerOptions} options
     */
    constructor(core, module, options) {
        this.#core = core;
        this.#instance = core.instance;
        this.#module = module;
        this.#options = options;
        this.#objectives = [options.objective].flat();
        this.#objective = this.#objectives[0];
        this.#has_types = Number(core.encoder.n_token_types) > 1;
        this.#instance.wasm.train_set_options(
            options.max_tokens,
            options.max_sequence_tokens,
            options.threads,
            options.recomputes ? 1 : 0,
        );
        if (options.lora) {
            const { rank, targets, alpha, seed } = options.lora;
            this.#instance.wasm.train_set_lora(rank, targets, alpha, seed);
        }
    }

    /** Bytes of the trainer's block. */
    #blockBytes() {
        const { wasm } = this.#instance;
        const n_bytes = wasm.train_bytes() >>> 0;
        if (n_bytes > 0) return n_bytes;
        const error = this.#instance.error();
        if (error.code === 'MODEL_TOO_LARGE') {
            throw tooLarge(wasm.engine_error_value(), this.#options, wasm.engine_error_limit());
        }
        throw error;
    }

    /** @param {Tensors} tensors */
    #neededBytes(tensors) {
        const { max_tokens, max_sequences, threads } = this.#options;
        const beginning = [...tensors.values()].reduce(
            (sum, { values }) => sum + aligned(values.byteLength) + ENTRY_BYTES,
            0,
        );
        const n_numbers = this.#objectives.map((objective) => {
            const most = objective.most(this.#options);
            const n_copies = objective.overwrites ? 1 : 2;
            return this.#outputs(objective, most.rows).reduce(
                (sum, each) => sum + n_copies * each.n_rows * each.n_columns,
                most.numbers,
            );
        });
        const batch = 4 * (3 * max_tokens + max_sequences + Math.max(...n_numbers));
        return (
            this.#instance.top +
            aligned(this.#blockBytes()) +
            (threads - 1) * STACK_BYTES +
            Math.max(beginning, batch) +
            SLACK_BYTES
        );
    }

    /** @param {Tensors} tensors */
    #begin(tensors) {
        const instance = this.#instance;
        const { wasm } = instance;
        const { threads } = this.#options;
        const n_bytes = this.#blockBytes();
        const block = instance.reserve(n_bytes);
        for (let i = 1; i < threads; i++) {
            this.#stacks.push(instance.reserve(STACK_BYTES) + STACK_BYTES);
        }
        const all = [...tensors].map(([name, { shape, values }]) => ({
            name,
            dtype: 'F32',
            shape,
            values,
            n_bytes: values.byteLength,
        }));
        instance.scratch(() => {
            const addresses = all.map(({ values }) => instance.write(bytesOf(values)));
            const table = writeTable(this.#core, all, (i) => addresses[i]);
            instance.check(wasm.train_open(table, all.length, block, n_bytes));
        });
        this.#names = Array.from({ length: wasm.train_n_parameters() }, (_, i) =>
            instance.text(wasm.train_parameter_name(i)),
        );
        this.#shapes = Object.fromEntries(all.map(({ name, shape }) => [name, shape]));
    }

    /** Threads at work now. @returns {number} */
    get n_threads() {
        return this.#instance.wasm.train_threads();
    }

    get memory_bytes() {
        return this.#instance.n_bytes;
    }

    /**
     * What one more thread needs.
     * @returns {import('../worker/engine.js').HelpingThread}
     */
    helpingThread() {
        const stack_top = /** @type {number} */ (this.#stacks.pop());
        return { module: this.#module, memory: this.#instance.memory, stack_top };
    }

    /** @param {number} index  of the objective of the next run() */
    turnTo(index) {
        this.#objective = this.#objectives[index];
    }

    /**
     * The loss of some examples, as the objective has it.
     * @param {any[]} batch  sequences, or what the objective makes them of
     * @param {boolean} learns  whether gradients are computed, too: step() uses them
     * @param {number} [divisor]  what the sum of the loss is divided by, for a batch in parts;
     *   default its weight
     * @returns {{loss: number, outputs: Float32Array[]}}  the objective's, in its order
     */
    run(batch, learns, divisor = 0) {
        const instance = this.#instance;
        const { wasm } = instance;
        const objective = this.#objective;
        return instance.scratch(() => {
            const write = (/** @type {Uint32Array | Int32Array | Float32Array} */ array) =>
                instance.write(bytesOf(array));
            /** @type {Tokens[]} */
            const sequences = objective.sequences?.(batch) ?? batch;
            const lengths = write(Uint32Array.from(sequences, ({ ids }) => ids.length));
            const ids = write(joined(sequences.map((each) => each.ids)));
            const types = this.#has_types
                ? write(joined(sequences.map((each) => each.type_ids)))
                : 0;
            const lm_tokens = objective.lmTokens?.(batch);
            const lm_at = lm_tokens ? write(lm_tokens) : 0;
            const outputs = this.#outputs(objective, objective.rows(batch)).map((each) => {
                const n_bytes = 4 * each.n_rows * each.n_columns;
                const data = instance.reserve(n_bytes);
                const gradient = objective.overwrites ? data : instance.reserve(n_bytes);
                return { ...each, data, gradient };
            });
            const table = write(
                Uint32Array.from(
                    outputs.flatMap(({ output, data, gradient }) => [output, data, gradient]),
                ),
            );
            const n_lm = lm_tokens?.length ?? 0;
            instance.check(
                wasm.train_forward(
                    sequences.length,
                    lengths,
                    ids,
                    types,
                    n_lm,
                    lm_at,
                    table,
                    outputs.length,
                ),
            );
            const numbers = (/** @type {number} */ at, /** @type {number} */ n) =>
                new Float32Array(instance.memory.buffer, at, n);
            /** @type {Pass['lossOf']} */
            const lossOf = (compute) => {
                const at = instance.reserve(4);
                instance.check(compute(at));
                return numbers(at, 1)[0];
            };
            const loss = objective.loss({ instance, outputs, write, lossOf, divisor }, batch);
            if (learns) instance.check(wasm.train_backward(table, outputs.length));
            if (objective.overwrites) return { loss, outputs: [] };
            return {
                loss,
                outputs: outputs.map(({ data, n_rows, n_columns }) =>
                    numbers(data, n_rows * n_columns).slice(),
                ),
            };
        });
    }

    /**
     * An objective's outputs.
     * @param {Objective<any>} objective
     * @param {number[]} rows  of each
     */
    #outputs(objective, rows) {
        return objective.outputs.map((name, i) => ({
            output: this.#core.outputIndex(name),
            n_rows: rows[i],
            n_columns: this.#core.outputs[name].n_columns,
        }));
    }

    /**
     * Scales the gradients down to a length, if theirs is more.
     * @param {number} max_norm  Infinity: any will do
     * @returns {number}  their length before
     */
    clip(max_norm) {
        return this.#instance.wasm.train_clip(max_norm);
    }

    /**
     * A step by the gradients that there are.
     * @param {number} learning_rate
     * @param {number} weight_decay
     */
    step(learning_rate, weight_decay) {
        this.#instance.wasm.train_step(learning_rate, weight_decay);
    }

    /** What a loss of this batch alone is divided by. @param {Sequence[]} batch */
    weightOf(batch) {
        return this.#objective.weight(batch);
    }

    /**
     * Dropout from the next run() on.
     * @param {Dropout | null} rates  null: none
     * @param {number} seed
     */
    setDropout(rates, seed) {
        const all = rates ?? [0, 0, 0, 0, 0, 0];
        this.#instance.check(this.#instance.wasm.train_set_dropout(seed, ...all));
    }

    /** @param {number} n_trained  see bert_train_freeze() */
    freeze(n_trained) {
        this.#instance.wasm.train_freeze(n_trained);
    }

    /** @param {number} decay  see bert_train_scale_layers() */
    scaleLayers(decay) {
        this.#instance.wasm.train_scale_layers(decay);
    }

    /**
     * Words are elsewhere for the next run(), then restore() brings them back: see
     * bert_train_perturb().
     * @param {number} epsilon
     */
    perturb(epsilon) {
        this.#instance.check(this.#instance.wasm.train_perturb(epsilon));
    }

    restore() {
        this.#instance.wasm.train_restore();
    }

    /**
     * What the learning rate is multiplied by: bert_schedule() in core/train.h.
     * @param {number} kind  of bert_schedule_kind
     * @param {number} step  from 0
     * @param {number} n_warmup  steps
     * @param {number} n_steps
     * @returns {number}
     */
    schedule(kind, step, n_warmup, n_steps) {
        return this.#instance.wasm.train_schedule(kind, step, n_warmup, n_steps);
    }

    /** @returns {Tensors}  copies of all parameters as they are now */
    parameters() {
        return new Map(
            this.#names.map((name, i) => {
                const values = this.#numbers(this.#instance.wasm.train_parameter_value, i).slice();
                return [name, { shape: this.#shapes[name] ?? [values.length], values }];
            }),
        );
    }

    /** @param {Tensors} tensors  of what parameters() gave */
    setParameters(tensors) {
        const { wasm } = this.#instance;
        for (const [name, { values }] of tensors) {
            this.#numbers(wasm.train_parameter_value, this.#names.indexOf(name)).set(values);
        }
        wasm.train_set_n_steps(wasm.train_n_steps());
    }

    /** @returns {Learned[]}  copies of what is not as it was at the beginning */
    learned() {
        const { wasm } = this.#instance;
        return this.#names
            .filter((_, i) => wasm.train_parameter_is_trained(i))
            .map((name) => this.learnedOf(name));
    }

    /** @param {string} name  of a parameter @returns {Learned}  copies */
    learnedOf(name) {
        const { wasm } = this.#instance;
        const i = this.#names.indexOf(name);
        return {
            name,
            value: this.#numbers(wasm.train_parameter_value, i).slice(),
            mean: this.#numbers(wasm.train_parameter_mean, i).slice(),
            square: this.#numbers(wasm.train_parameter_square, i).slice(),
        };
    }

    /** @param {Learned} learned  of a parameter; beyond what it has, if that is less, are zeros */
    setLearnedOf({ name, value, mean, square }) {
        const { wasm } = this.#instance;
        const i = this.#names.indexOf(name);
        const put = (/** @type {Float32Array} */ numbers, /** @type {Float32Array} */ values) => {
            numbers.fill(0, values.length);
            numbers.set(values);
        };
        put(this.#numbers(wasm.train_parameter_value, i), value);
        put(this.#numbers(wasm.train_parameter_mean, i), mean);
        put(this.#numbers(wasm.train_parameter_square, i), square);
    }

    /**
     * Goes on from there.
     * @param {Learned[]} learned  what learned() gave
     * @param {number} n_steps  that had been made then
     */
    setLearned(learned, n_steps) {
        for (const each of learned) this.setLearnedOf(each);
        this.#instance.wasm.train_set_n_steps(n_steps);
    }

    /**
     * The model as it is now, what adapters have learned added to it, which begin anew.
     * @returns {Tensors}  copies
     */
    merged() {
        const { wasm, memory } = this.#instance;
        wasm.train_merge();
        return new Map(
            Array.from({ length: wasm.train_n_tensors() }, (_, i) => {
                const name = this.#instance.text(wasm.train_tensor_name(i));
                const shape = this.#shapes[name];
                const count = shape.reduce((n, size) => n * size, 1);
                const at = wasm.train_tensor_data(i) >>> 0;
                return [
                    name,
                    { shape, values: new Float32Array(memory.buffer, at, count).slice() },
                ];
            }),
        );
    }

    /**
     * @param {(index: number) => number} addressOf  an export
     * @param {number} i  of a parameter
     */
    #numbers(addressOf, i) {
        const { wasm, memory } = this.#instance;
        const count = wasm.train_parameter_count(i);
        return new Float32Array(memory.buffer, addressOf(i) >>> 0, count);
    }
}

/**
 * @template {Uint32Array | Int32Array | Float32Array} T
 * @param {T[]} arrays
 * @returns {T}  end to end
 */
export function joined(arrays) {
    const Kind = /** @type {any} */ (arrays[0].constructor);
    const all = new Kind(arrays.reduce((n, { length }) => n + length, 0));
    let at = 0;
    for (const array of arrays) {
        all.set(array, at);
        at += array.length;
    }
    return all;
}

/** @param {Uint32Array | Int32Array | Float32Array} array */
function bytesOf({ buffer, byteOffset, byteLength }) {
    return new Uint8Array(buffer, byteOffset, byteLength);
}

/**
 * @param {number} n_bytes
 * @param {TrainerOptions} options
 * @param {number} [limit]
 */
function tooLarge(n_bytes, { memory, recomputes, max_tokens }, limit = Infinity) {
    const inMB = (/** @type {number} */ n) => `${Math.ceil(n / 1e6)} MB`;
    const most = Math.min(memory, limit, MOST_BYTES);
    const raise = memory === most ? 'memory higher, or ' : '';
    return new BertError(
        'OUT_OF_MEMORY',
        `training takes about ${inMB(n_bytes)} for batches of up to ${max_tokens} tokens, more ` +
            `than the ${inMB(most)} that it may: set ${raise}batch_size or max_length lower` +
            (recomputes ? '' : ', or recomputes: true'),
    );
}
