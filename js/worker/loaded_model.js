/**
 * A model in the worker: tokenizer and engine behind the methods that cross the thread boundary.
 * It can be called as soon as its tokenizer is there; calls wait in the engine for the weights that
 * they need. One call at a time; the worker sees to it.
 */

import { BERT_DEFAULT_MAX_TOKENS, BERT_VERSION } from '#core';

import { BertError, describe, noTokenizer, withPlace } from '../errors.js';
import { ModelFile } from '../loader/load.js';
import { Tokenizer } from '../tokenizer/index.js';
import { chooseBuild } from './builds.js';
import { Engine, openCore } from './engine.js';
import { race, warmUp } from './race.js';
import { batchesOf } from './sequences.js';
import { HelpingThreads } from './threads.js';
import { compare } from './verify.js';

/**
 * @typedef {import('./builds.js').BuildRequest & {int8_kernel?: string}} LoadRequest
 */

/**
 * @typedef {object} KernelChoice
 * @property {string | null} kernel  that multiplies 8-bit integers; null: the model has none
 * @property {string} [kernel_reason]  why that kernel, and whether q7 would be faster here
 * @property {Record<string, number>} [kernel_gops]  of the last race: 10^9 operations a second,
 *   also of kernels that only q7 has
 *
 * @typedef {import('./builds.js').BuildChoice & KernelChoice} Choice
 */

/**
 * Calls after which kernels race again. The first race may be run before the engine has compiled
 * each of them for speed, above all where it is busy; by then it has.
 */
const RACE_AGAIN_AFTER = 2;

/**
 * @typedef {object} ForwardRequest
 * @property {import('./sequences.js').Sequence[]} sequences
 * @property {Record<string, import('../loader/model_file.js').OutputRequest>} outputs  by the
 *   result's name
 * @property {number} [batch_size]  most sequences computed together; default no limit
 * @property {number} [batch_tokens]  most tokens computed together, 1 to 1024; default 1024. A
 *   longer sequence is alone
 */

/**
 * @typedef {object} Computed
 * @property {Record<string, import('./outputs.js').FloatTensor>[]} outputs  of each sequence
 * @property {number} n_batches
 * @property {number} batch_fill  tokens computed together, over the most of a batch: 0 to 1
 */

/**
 * @typedef {object} ModelMetadata
 * @property {string} version  of this library
 * @property {string} name  as the converter was told
 * @property {string} revision  likewise; may be empty
 * @property {string} source_sha256  of the ONNX file that was converted; of a Hugging Face folder,
 *   of its config and of its tensors' names, types and shapes
 * @property {string | null} card  what it says of itself, in Markdown; null: nothing
 * @property {string} dtype  of the weights: 'f32', 'f16', 'q8', 'q7' or 'q4'
 * @property {import('../loader/model_file.js').ModelConfig} config  what the model is made for
 * @property {boolean} tokenizer  whether it has one
 * @property {boolean} verified  whether every chunk's SHA-256 was checked
 * @property {number} replicas  workers that have the model
 * @property {number} memory_bytes  of the engine, or of all replicas'
 * @property {Arrival} arrival  how much of the model is there
 * @property {import('../cache/cached_download.js').CacheReport} cache  where it came from, as the
 *   caller's thread knows
 */

/**
 * @typedef {object} Arrival
 * @property {number} loaded  bytes of the model's file that have arrived
 * @property {number} total  bytes of it
 * @property {number} layers  that can be computed: what they need is there, and checked
 */

/** @typedef {ModelMetadata & Choice} ModelInfo */

export class LoadedModel {
    /** @type {Engine} */
    #engine;

    /** @type {import('../loader/model_file.js').ModelHeader} */
    #header;

    /** @type {boolean} */
    #is_verified;

    /** @type {Choice} */
    #choice;

    /** @type {HelpingThreads} */
    #helpers;

    /** Calls until kernels race again. */
    #n_calls_to_race = RACE_AGAIN_AFTER;

    /** Called with #arrival each time that more is there. @type {(arrival: Arrival) => void} */
    #onprogress;

    /** @type {Arrival} */
    #arrival = { loaded: 0, total: 0, layers: 0 };

    /** Why it will never be whole. @type {unknown} */
    #failure;

    /** Until all of it is there. @type {Promise<void>} */
    #whole = Promise.resolve();

    /** null: the model was converted without one. @type {Tokenizer | null} */
    tokenizer = null;

    /**
     * A model that can be called: its tokenizer is there, its weights are on their way.
     * @param {import('../loader/download.js').Source} source  the model's file
     * @param {LoadRequest} request
     * @param {(arrival: Arrival) => void} onprogress
     */
    static async begin(source, { int8_kernel, ...wanted }, onprogress) {
        const chosen = await chooseBuild(wanted);
        const file = new ModelFile(source);
        /** @type {HelpingThreads | undefined} */
        let helpers;
        try {
            const core = await openCore(chosen.module, chosen.threads > 1);
            const header = await file.readHeader(core);
            const { engine, build } = await createEngine(core, header, chosen, wanted);
            checkKernel(engine, int8_kernel);
            // They start while weights arrive, but not before it is clear that there is a model.
            helpers = new HelpingThreads(build.threads - 1);
            const address = engine.beginModel(header);
            engine.openSession(int8_kernel ?? null);
            helpers.join(engine);
            const choice = {
                ...build,
                kernel: int8_kernel ?? null,
                ...(int8_kernel && { kernel_reason: 'asked for' }),
            };
            const model = new LoadedModel(engine, header, file, choice, helpers, onprogress);
            const is_racing = isQuantised(header.metadata.dtype) && !int8_kernel;
            if (is_racing) warmUp(engine);
            await model.#receive(file, address);
            if (is_racing) model.#race();
            return model;
        } catch (error) {
            helpers?.end();
            await file.close();
            throw error;
        }
    }

    /**
     * @param {Engine} engine
     * @param {import('../loader/model_file.js').ModelHeader} header
     * @param {ModelFile} file
     * @param {Choice} choice
     * @param {HelpingThreads} helpers
     * @param {(arrival: Arrival) => void} onprogress
     */
    constructor(engine, header, { is_verified }, choice, helpers, onprogress) {
        this.#engine = engine;
        this.#header = header;
        this.#is_verified = is_verified;
        this.#choice = choice;
        this.#helpers = helpers;
        this.#onprogress = onprogress;
        this.config = header.config;
    }

    /**
     * Reads the data of the file.
     * @param {ModelFile} file
     * @param {number} address  where the weights go
     * @returns {Promise<void>}  until the tokenizer is there, or it is clear that there is none
     */
    #receive(file, address) {
        const engine = this.#engine;
        return new Promise((resolve, reject) => {
            const reading = file.readData(this.#header, engine, address, {
                ontokenizer: (json) => {
                    this.tokenizer = json && openTokenizer(json);
                    resolve();
                },
                onprogress: (loaded, total) => {
                    const layers = engine.layers_ready;
                    const before = this.#arrival;
                    if (loaded === before.loaded && layers === before.layers) return;
                    this.#arrival = { loaded, total, layers };
                    this.#onprogress(this.#arrival);
                },
            });
            this.#whole = reading.finally(() => file.close());
            this.#whole.catch((error) => {
                this.#failure = error;
                engine.breakOff(error);
                this.#helpers.end();
                reject(error);
            });
        });
    }

    /**
     * Waits until all of it is there.
     * @param {(arrival: Arrival) => void} onprogress  in place of the one before
     */
    async whole(onprogress) {
        this.#onprogress = onprogress;
        await this.#whole;
    }

    /** info() once the threads have come that will come. */
    async settledInfo() {
        await this.#helpers.wait(this.#engine);
        return this.info();
    }

    /** @returns {Omit<ModelInfo, 'cache' | 'replicas'>} */
    info() {
        const { name, revision, source_sha256, card, dtype } = this.#header.metadata;
        const { n_threads } = this.#engine;
        const are_all = n_threads === this.#choice.threads;
        return {
            version: BERT_VERSION,
            name,
            revision,
            source_sha256,
            card: card ?? null,
            dtype,
            config: this.config,
            tokenizer: this.tokenizer !== null,
            verified: this.#is_verified,
            ...this.#choice,
            threads: n_threads,
            threads_reason: are_all ? this.#choice.threads_reason : this.#helpers.reason,
            memory_bytes: this.#engine.memory_bytes,
            arrival: this.#arrival,
        };
    }

    /**
     * @param {ForwardRequest} request
     * @param {import('./engine.js').Turn} turn
     */
    async forward(request, turn) {
        try {
            return (await this.compute(request, turn)).outputs;
        } catch (error) {
            if (!(error instanceof BertError) || error.index !== undefined) throw error;
            if (error === this.#failure) throw error;
            // The core does not say which sequence it refuses: it is the one that fails alone.
            for (const [i, sequence] of request.sequences.entries()) {
                await this.compute({ ...request, sequences: [sequence] }, turn).catch((own) => {
                    throw withPlace(own, `sequence ${i}`, i);
                });
            }
            throw error;
        }
    }

    /**
     * @param {ForwardRequest} request
     * @param {import('./engine.js').Turn} turn  awaited between batches, and between their layers
     *   where these take long or are waited for: throws if the call was aborted
     * @param {(indices: number[]) => void} [ondone]  called with the sequences of each batch
     * @returns {Promise<Computed>}
     */
    async compute({ sequences, outputs, batch_size, batch_tokens = Infinity }, turn, ondone) {
        // Enough for full speed, few enough that a layer ends soon.
        const most_tokens = Math.min(batch_tokens, BERT_DEFAULT_MAX_TOKENS);
        const limits = { most_tokens, most_sequences: batch_size };
        /** @type {Computed['outputs']} */
        const results = new Array(sequences.length);
        let n_batches = 0;
        let n_tokens = 0;
        for (const batch of batchesOf(sequences, outputs, this.#engine, limits)) {
            await turn();
            const computed = await this.#engine.encode(batch.tokens, batch.outputs, turn);
            batch.split(computed).forEach((result, i) => {
                results[batch.indices[i]] = result;
            });
            n_batches++;
            n_tokens += batch.tokens.ids.length;
            ondone?.(batch.indices);
        }
        if (this.#choice.kernel_gops && --this.#n_calls_to_race === 0) this.#race();
        return {
            outputs: results,
            n_batches,
            batch_fill: n_batches && n_tokens / (n_batches * most_tokens),
        };
    }

    /**
     * @param {import('./engine.js').Turn} turn
     * @returns {Promise<import('./verify.js').Verification>}
     */
    async verify(turn) {
        const { reference, config, metadata } = this.#header;
        const { name, dtype } = metadata;
        if (!reference?.cases.length) {
            throw new BertError(
                'NO_REFERENCE',
                `the file of model '${name}' has no answers of the original model to ` +
                    'compare with: convert it again',
            );
        }
        const results = await this.forward(
            { sequences: reference.cases, outputs: config.outputs },
            turn,
        );
        return { ...compare(reference, results, name), dtype };
    }

    #race() {
        const raced = race(this.#engine);
        if (raced.kernel !== this.#choice.kernel) this.#engine.useKernel(raced.kernel);
        this.#choice = { ...this.#choice, ...raced };
    }

    /** @throws {BertError} NO_TOKENIZER */
    needTokenizer() {
        if (this.tokenizer) return this.tokenizer;
        throw noTokenizer(this.#header.metadata.name);
    }
}

/**
 * An engine; of one thread where shared memory is refused.
 * @param {import('./core.js').Core} core
 * @param {import('../loader/model_file.js').ModelHeader} header
 * @param {Awaited<ReturnType<typeof chooseBuild>>} chosen
 * @param {import('./builds.js').BuildRequest} wanted
 */
async function createEngine(core, header, { module, ...build }, wanted) {
    try {
        return { engine: await Engine.create(core, header, build.threads), build };
    } catch (error) {
        const { code, message } = /** @type {BertError} */ (error);
        if (build.threads === 1 || code !== 'OUT_OF_MEMORY') throw error;
        const { module, ...alone } = await chooseBuild({ ...wanted, threads: 1 });
        const core = await openCore(module, false);
        core.configure(header.config.encoder);
        return {
            engine: await Engine.create(core, header, 1),
            build: { ...alone, threads_reason: message },
        };
    }
}

/** @param {Uint8Array} bytes */
function openTokenizer(bytes) {
    const tokenizer = Tokenizer.fromJSON(bytes);
    // Its tables are made now, while weights are on their way.
    tokenizer.encode('Warm up.');
    return tokenizer;
}

/**
 * Whether 8-bit integers are multiplied: 4-bit weights become those while they load.
 * @param {string} dtype
 */
function isQuantised(dtype) {
    return /^q/.test(dtype);
}

/**
 * @param {Engine} engine
 * @param {string} [wanted]
 */
function checkKernel({ kernels }, wanted) {
    if (wanted === undefined || kernels.includes(wanted)) return;
    throw new BertError(
        'BAD_OPTION',
        `int8_kernel must be ${kernels.join(' or ')} in this build, not ${describe(wanted)}`,
    );
}
