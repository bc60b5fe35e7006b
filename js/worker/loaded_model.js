/**
 * A loaded model in the worker: tokenizer and engine behind the methods that cross the thread
 * boundary. One call at a time; the worker sees to it.
 */

import { BERT_DEFAULT_MAX_TOKENS, BERT_VERSION } from '#core';

import { BertError, describe, noTokenizer, withPlace } from '../errors.js';
import { ModelFile } from '../loader/load.js';
import { Tokenizer } from '../tokenizer/index.js';
import { chooseBuild } from './builds.js';
import { Engine, openCore } from './engine.js';
import { race, warmUp } from './race.js';
import { batchesOf } from './sequences.js';
import { startThreads } from './threads.js';
import { compare } from './verify.js';

/**
 * @typedef {object} LoadRequest
 * @property {'base' | 'relaxed'} [variant]
 * @property {number} [threads]
 * @property {string} [int8_kernel]
 */

/**
 * @typedef {object} KernelChoice
 * @property {string | null} kernel  that multiplies 8-bit integers; null: the model has none
 * @property {Record<string, number>} [kernel_gops]  of the last race: 10^9 operations a second
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
 * @property {string} source_sha256  of the ONNX file that was converted
 * @property {string} dtype  of the weights: 'f32', 'f16', 'q8' or 'q4'
 * @property {import('../loader/model_file.js').ModelConfig} config  what the model is made for
 * @property {boolean} tokenizer  whether it has one
 * @property {boolean} verified  whether every chunk's SHA-256 was checked
 * @property {number} memory_bytes  of the engine
 * @property {import('../cache/cached_download.js').CacheReport} cache  where it came from, as the
 *   caller's thread knows
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

    /** @type {import('./threads.js').HelpingThreads} */
    #helpers;

    /** Calls until kernels race again; 0: they do not. @type {number} */
    #n_calls_to_race;

    /**
     * @param {import('../loader/download.js').Source} source  the model's file
     * @param {LoadRequest} request
     * @param {(loaded: number, total: number) => void} onprogress
     */
    static async load(source, { int8_kernel, ...wanted }, onprogress) {
        const { module, ...build } = await chooseBuild(wanted);
        const file = new ModelFile(source);
        /** @type {import('./threads.js').HelpingThreads | undefined} */
        let helpers;
        try {
            const core = await openCore(module, build.threads > 1);
            const header = await file.readHeader(core);
            const { dtype } = header.metadata;
            const engine = await Engine.create(core, header, build.threads);
            // They start while weights arrive, but not before it is clear that there is a model.
            helpers = startThreads(build.threads - 1);
            if (isQuantised(dtype)) warmUp(engine);
            const data = await file.readData(header, engine, openTokenizer, onprogress);
            const choice = { ...build, ...chooseKernel(engine, dtype, int8_kernel) };
            engine.openModel(header.weights, data.address);
            engine.openSession(choice.kernel);
            helpers.join(engine);
            return new LoadedModel(engine, header, data, choice, helpers);
        } catch (error) {
            helpers?.end();
            throw error;
        } finally {
            await file.close();
        }
    }

    /**
     * @param {Engine} engine
     * @param {import('../loader/model_file.js').ModelHeader} header
     * @param {import('../loader/load.js').Loaded<Tokenizer>} data
     * @param {Choice} choice
     * @param {import('./threads.js').HelpingThreads} helpers
     */
    constructor(engine, header, { tokenizer, verified }, choice, helpers) {
        this.#engine = engine;
        this.#header = header;
        this.#is_verified = verified;
        this.#choice = choice;
        this.#helpers = helpers;
        this.#n_calls_to_race = choice.kernel_gops ? RACE_AGAIN_AFTER : 0;
        this.config = header.config;
        /** null: the model was converted without one. */
        this.tokenizer = tokenizer;
    }

    /** info() once the threads have come that will come. */
    async settledInfo() {
        await this.#helpers.wait(this.#engine);
        return this.info();
    }

    /** @returns {Omit<ModelInfo, 'cache'>} */
    info() {
        const { name, revision, source_sha256, dtype } = this.#header.metadata;
        return {
            version: BERT_VERSION,
            name,
            revision,
            source_sha256,
            dtype,
            config: this.config,
            tokenizer: this.tokenizer !== null,
            verified: this.#is_verified,
            ...this.#choice,
            threads: this.#engine.n_threads,
            memory_bytes: this.#engine.memory_bytes,
        };
    }

    /**
     * @param {ForwardRequest} request
     * @param {() => Promise<void>} turn
     */
    async forward(request, turn) {
        try {
            return (await this.compute(request, turn)).outputs;
        } catch (error) {
            if (!(error instanceof BertError) || error.index !== undefined) throw error;
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
     * @param {() => Promise<void>} turn  awaited between batches, and between their layers where
     *   these take long: throws if the call was aborted
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
        if (this.#n_calls_to_race && --this.#n_calls_to_race === 0) this.#raceAgain();
        return {
            outputs: results,
            n_batches,
            batch_fill: n_batches && n_tokens / (n_batches * most_tokens),
        };
    }

    /**
     * @param {() => Promise<void>} turn
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

    #raceAgain() {
        const { kernel, kernel_gops } = race(this.#engine);
        if (kernel !== this.#choice.kernel) this.#engine.useKernel(kernel);
        this.#choice = { ...this.#choice, kernel, kernel_gops };
    }

    /** @throws {BertError} NO_TOKENIZER */
    needTokenizer() {
        if (this.tokenizer) return this.tokenizer;
        throw noTokenizer(this.#header.metadata.name);
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
    return dtype === 'q8' || dtype === 'q4';
}

/**
 * @param {Engine} engine
 * @param {string} dtype
 * @param {string} [wanted]
 * @returns {KernelChoice}
 */
function chooseKernel(engine, dtype, wanted) {
    if (wanted !== undefined && !engine.kernels.includes(wanted)) {
        throw new BertError(
            'BAD_OPTION',
            `int8_kernel must be ${engine.kernels.join(' or ')} in this build, ` +
                `not ${describe(wanted)}`,
        );
    }
    if (!isQuantised(dtype)) return { kernel: null };
    return wanted ? { kernel: wanted } : race(engine);
}
