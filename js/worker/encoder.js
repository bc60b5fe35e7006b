/**
 * A loaded model in the worker: tokenizer and engine behind the methods that cross the thread
 * boundary. One call at a time; the worker sees to it.
 */

import { version } from '../../package.json';
import { BertError, describe, noTokenizer, withPlace } from '../errors.js';
import { mostTokens, outputBytes, paddingId, readsFirst, sizesOf } from '../loader/config.js';
import { load } from '../loader/load.js';
import { Tokenizer } from '../tokenizer/index.js';
import { chooseThreads, chooseVariant, compile } from './builds.js';
import { Engine } from './engine.js';
import { race, warmUp } from './race.js';
import { cut, join, prepare, split } from './sequences.js';
import { startThreads } from './threads.js';
import { compare } from './verify.js';

/**
 * @typedef {object} LoadRequest
 * @property {'base' | 'relaxed'} [variant]
 * @property {number} [threads]
 * @property {string} [int8_kernel]
 */

/**
 * @typedef {object} BuildChoice  what runs the model
 * @property {'base' | 'relaxed'} variant  build of the engine
 * @property {string} reason  why that variant
 * @property {number} threads  that are at work now, of those that were wanted
 * @property {string} threads_reason  why so many
 * @property {string | null} kernel  that multiplies 8-bit integers; null: the model has none
 * @property {Record<string, number>} [kernel_gops]  of the last race: 10^9 operations a second
 */

/**
 * Calls after which kernels race again. The first race may be run before the engine has compiled
 * each of them for speed, above all where it is busy; by then it has.
 */
const RACE_AGAIN_AFTER = 2;

/** Tokens of a batch: enough for full speed, few enough that a layer ends soon. */
const MAX_TOKENS = 1024;

/** Bytes of a batch's outputs, beyond one sequence's: words' logits of 1024 tokens may be 1 GB. */
const MAX_OUTPUT_BYTES = 64 << 20;

/**
 * @typedef {object} ForwardRequest
 * @property {import('./sequences.js').Sequence[]} sequences
 * @property {Record<string, import('../loader/config.js').OutputRequest>} outputs  by the result's
 *   name
 * @property {number} [batch_size]  sequences computed together; default as many as fit
 * @property {number} [batch_tokens]  tokens computed together, 1 to 1024; default 1024. A longer
 *   sequence is alone
 */

/**
 * @typedef {object} Computed
 * @property {Record<string, import('./sequences.js').FloatTensor>[]} outputs  of each sequence
 * @property {number} n_batches
 * @property {number} batch_fill  tokens computed together, of what a batch may have; 0 to 1
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
 */

/** @typedef {ModelMetadata & BuildChoice} ModelInfo */

export class Encoder {
    /**
     * @param {Promise<import('../loader/download.js').Source>} opening  of the model's file
     * @param {LoadRequest} request
     * @param {(loaded: number, total: number) => void} onprogress
     */
    static async load(
        opening,
        { variant: wanted_variant, threads: wanted_threads, int8_kernel },
        onprogress,
    ) {
        opening.catch(() => {}); // reported by the await below
        const build = {
            ...chooseVariant(wanted_variant),
            ...(await chooseThreads(wanted_threads)),
        };
        const compiled = compile(build.variant, build.threads > 1);
        compiled.catch(() => {}); // reported by the await below
        /** @type {import('./threads.js').HelpingThreads | undefined} */
        let helpers;
        try {
            /** @type {Engine | undefined} */
            let engine;
            /** @type {Tokenizer | null} */
            let tokenizer = null;
            const model = await load(
                await opening,
                {
                    async open(header) {
                        engine = await Engine.create(await compiled, header, {
                            max_tokens: MAX_TOKENS,
                            threads: build.threads,
                        });
                        // Not before it is clear that there is a model.
                        helpers = startThreads(build.threads - 1);
                        if (isQuantised(header.metadata.dtype)) warmUp(engine);
                        return engine;
                    },
                    tokenizer(bytes) {
                        tokenizer = Tokenizer.fromJSON(bytes);
                        // Its tables are made now, while weights are on their way.
                        tokenizer.encode('Warm up.');
                    },
                },
                onprogress,
            );
            const ready = /** @type {Engine} */ (engine);
            const choice = {
                ...build,
                ...chooseKernel(ready, model.header.metadata.dtype, int8_kernel),
            };
            ready.openModel(model);
            ready.openSession(choice.kernel ?? undefined);
            const threads = /** @type {import('./threads.js').HelpingThreads} */ (helpers);
            threads.join(ready);
            return new Encoder(ready, model, tokenizer, choice, threads);
        } catch (error) {
            helpers?.end();
            throw error;
        }
    }

    /**
     * @param {Engine} engine
     * @param {import('../loader/load.js').LoadedModel} model
     * @param {Tokenizer | null} tokenizer
     * @param {BuildChoice} choice
     * @param {ReturnType<typeof startThreads>} helpers
     */
    constructor(engine, { header, verified }, tokenizer, choice, helpers) {
        this.engine = engine;
        this.metadata = header.metadata;
        this.config = header.config;
        this.reference = header.reference;
        this.sizes = sizesOf(header.config.encoder);
        this.tokenizer = tokenizer;
        this.verified = verified;
        this.choice = choice;
        /** Calls until kernels race again. */
        this.calls_to_race = choice.kernel_gops ? RACE_AGAIN_AFTER : 0;
        this.helpers = helpers;
    }

    /** info() once the threads have come that will come. */
    async settledInfo() {
        await this.helpers.wait(this.engine);
        return this.info();
    }

    /** @returns {ModelInfo} */
    info() {
        const { name, revision, source_sha256, dtype } = this.metadata;
        return {
            version,
            name,
            revision,
            source_sha256,
            dtype,
            config: this.config,
            tokenizer: this.tokenizer !== null,
            verified: this.verified,
            ...this.choice,
            threads: this.engine.threads,
            memory_bytes: this.engine.memoryBytes,
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
     * The longest first, as many together as fit into a batch.
     * @param {ForwardRequest} request
     * @param {() => Promise<void>} turn  awaited between batches, and between their layers where
     *   these take long: throws if the call was aborted
     * @param {(indices: number[]) => void} [ondone]  called with the sequences of each batch
     * @returns {Promise<Computed>}
     */
    async compute(
        { sequences, outputs, batch_size = Infinity, batch_tokens = MAX_TOKENS },
        turn,
        ondone,
    ) {
        const {
            config: { encoder },
            sizes,
        } = this;
        const model = { reads_first: readsFirst(encoder), padding_id: paddingId(encoder) };
        const most = mostTokens(this.config);
        const prepared = sequences.map((sequence, i) => {
            try {
                const one = prepare(sequence, model);
                // Before memory is asked for: outputs of one that is too long may be too large.
                checkLength(one, most);
                return one;
            } catch (error) {
                throw withPlace(error, `sequence ${i}`, i);
            }
        });
        const order = [...prepared.keys()].sort(
            (a, b) => prepared[b].ids.length - prepared[a].ids.length,
        );
        const wanted = [...new Set(Object.values(outputs).map(({ output }) => output))];
        const most_tokens = Math.min(batch_tokens, MAX_TOKENS);
        const limits = [
            {
                most: most_tokens,
                of: (/** @type {import('./sequences.js').PreparedSequence} */ { ids }) =>
                    ids.length,
            },
            {
                most: MAX_OUTPUT_BYTES,
                of: (/** @type {import('./sequences.js').PreparedSequence} */ { ids, lm_rows }) =>
                    outputBytes(sizes, wanted, ids.length, lm_rows?.length),
            },
        ];
        /** @type {Record<string, import('./sequences.js').FloatTensor>[]} */
        const results = new Array(sequences.length);
        const batches = cut(
            order.map((i) => prepared[i]),
            batch_size,
            limits,
        );
        let n_tokens = 0;
        for (const [begin, end] of batches) {
            await turn();
            const indices = order.slice(begin, end);
            const batch = indices.map((i) => prepared[i]);
            const parts = split(
                await this.engine.encode(join(batch), wanted, turn),
                batch,
                sizes,
                outputs,
            );
            parts.forEach((part, k) => {
                results[indices[k]] = part;
            });
            n_tokens += batch.reduce((sum, { ids }) => sum + ids.length, 0);
            ondone?.(indices);
        }
        if (this.calls_to_race && --this.calls_to_race === 0) this.#raceAgain();
        return {
            outputs: results,
            n_batches: batches.length,
            batch_fill: batches.length && n_tokens / (batches.length * most_tokens),
        };
    }

    /**
     * @param {() => Promise<void>} turn
     * @returns {Promise<import('./verify.js').Verification>}
     */
    async verify(turn) {
        const {
            reference,
            config,
            metadata: { name, dtype },
        } = this;
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
        const { kernel, kernel_gops } = race(this.engine);
        if (kernel !== this.choice.kernel) this.engine.useKernel(kernel);
        this.choice = { ...this.choice, kernel, kernel_gops };
    }

    /** @throws {BertError} NO_TOKENIZER */
    needTokenizer() {
        if (this.tokenizer) return this.tokenizer;
        throw noTokenizer(this.metadata.name);
    }
}

/**
 * @param {import('./sequences.js').PreparedSequence} sequence
 * @param {number} most
 */
function checkLength({ ids: { length } }, most) {
    if (length <= most) return;
    throw new BertError(
        'SEQUENCE_TOO_LONG',
        `the sequence has ${length} tokens, more than the ${most} that the model allows`,
    );
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
 * @returns {{kernel: string | null, kernel_gops?: Record<string, number>}}
 */
function chooseKernel(engine, dtype, wanted) {
    if (wanted !== undefined && !engine.kernels.includes(wanted)) {
        throw new BertError(
            'BAD_OPTION',
            `int8_kernel is ${describe(wanted)}; this build has ${engine.kernels.join(', ')}`,
        );
    }
    if (!isQuantised(dtype)) return { kernel: null };
    return wanted ? { kernel: wanted } : race(engine);
}
