/**
 * `bert-wasm/train`: fine-tuning, in a page or in Node. An encoder learns labels from examples; all
 * of its weights are trained, in float32, in a worker of its own.
 */

import { trainerModules } from '#files';
import { hasWorkers, startTrainer } from '#platform';

import { BertError } from '../errors.js';
import { toPost } from '../loader/compile.js';
import { Connection } from '../model/connection.js';
import { loadModel, Model } from '../model/model.js';
import { requireCompiler, requireSIMD } from '../platform/webassembly.js';
import { classWeights, labelled, labelsFor, readExamples, split } from './examples.js';
import { SPAN_LABELS } from './head.js';
import { readTrainOptions } from './options.js';

/** @import { ModelSource } from '../model/model.js' */

/** What transformers calls the number of a regression. */
const NUMBER = 'LABEL_0';

// Types that programs name.
/** @typedef {import('./examples.js').Example} Example */
/** @typedef {import('./options.js').TrainOptions} TrainOptions */
/** @typedef {import('./run.js').TrainProgress} TrainProgress */

/**
 * Trains a model on examples, beginning with another one's weights.
 *
 * @param {ModelSource} base  a model that loadModel() would load; one that is no converted file is
 *   converted to float32 first
 * @param {Iterable<Example> | AsyncIterable<Example>} examples  of the task: `{text, label}`,
 *   perhaps with a `text_pair`, or by its `problem_type` {text, labels} or {text, score}; for
 *   token-classification `{tokens, labels}` or `{text, labels}`,
 *   with a label for each word
 * @param {TrainOptions} [options]
 * @returns {Promise<FineTuned>}
 * @throws {BertError} BAD_INPUT with the `index` of an example that is none or whose label is none
 *   of `labels`; BAD_OPTION, also where the loss is no longer a number
 * @throws {BertError} OUT_OF_MEMORY where training would take more than it may; UNSUPPORTED where
 *   there are no workers, or the base is of a family that cannot be trained; what loadModel() does
 */
export async function fineTune(base, examples, options = {}) {
    const given = readTrainOptions(options);
    const { task, problem_type, labels: wanted, seed, signal, stop } = given;
    requireSIMD();
    requireCompiler();
    if (!hasWorkers()) throw new BertError('UNSUPPORTED', 'training needs workers');
    if (base === null || base === undefined) {
        throw new BertError('BAD_INPUT', `a base must be a model's source, not ${base}`);
    }
    signal?.throwIfAborted();
    const readSet = (/** @type {unknown} */ set, /** @type {string} */ what) =>
        readExamples(set, what, task, wanted, problem_type);
    let read = await readSet(examples, 'example');
    /** @type {typeof read | null} */
    let validation = null;
    if (typeof given.validation === 'number') {
        const parts = split(read, given.validation, task, seed, problem_type);
        ({ examples: read, validation } = parts);
    } else if (given.validation !== undefined) {
        validation = await readSet(given.validation, 'validation example');
    }
    const { connection, info } = await openBase(base, given);
    try {
        const labels =
            problem_type === 'regression'
                ? [NUMBER]
                : task === 'question-answering'
                  ? SPAN_LABELS
                  : labelsFor(read, wanted, info.labels);
        const withLabels = (/** @type {typeof read} */ set, /** @type {string} */ what) =>
            labelled(set, what, labels, problem_type);
        const learned = withLabels(read, 'example');
        const request = {
            ...given,
            labels,
            examples: learned,
            validation: validation && withLabels(validation, 'validation example'),
            class_weights: classWeights(given.class_weights, learned, labels, problem_type),
            has_checkpoints: given.oncheckpoint !== undefined,
            load: undefined,
            onprogress: undefined,
            oncheckpoint: undefined,
            signal: undefined,
            stop: undefined,
        };
        const halt = () => connection.call('stop', {}).catch(() => {});
        stop?.addEventListener('abort', halt);
        if (stop?.aborted) halt();
        try {
            const told = (/** @type {any} */ { checkpoint, ...progress }) =>
                checkpoint ? given.oncheckpoint?.(checkpoint) : given.onprogress?.(progress);
            const wants = given.onprogress ?? given.oncheckpoint;
            const outcome = await connection.call('train', request, signal, wants && told);
            if (stop?.aborted && outcome.n_steps === 0) throw stop.reason;
            return new FineTuned(info.name, labels, outcome);
        } finally {
            stop?.removeEventListener('abort', halt);
        }
    } finally {
        connection.end(new BertError('DISPOSED', 'the training has ended'));
    }
}

/**
 * A worker that has read the base.
 * @param {ModelSource} base
 * @param {ReturnType<typeof readTrainOptions>} options
 * @returns {Promise<{connection: Connection, info: {name: string, labels: string[]}}>}
 */
function openBase(base, { load, task, threads, signal }) {
    const { onprogress, ...source_options } = load;
    const load_options = { dtype: /** @type {const} */ ('f32'), ...source_options, signal };
    return Model.openFile(base, load_options, async ({ source, n_sources, download }) => {
        const connection = new Connection(startTrainer());
        const ended = new AbortController();
        try {
            const ready = connection.ready(signal);
            if (download) connection.feed(download(ended.signal));
            await ready;
            const modules = Object.entries(trainerModules());
            const engines = Object.fromEntries(modules.map(([name, file]) => [name, toPost(file)]));
            const request = { source, n_sources, task, threads, engines };
            const info = await connection.call('load', request, signal, onprogress);
            connection.fed();
            return { connection, info };
        } catch (error) {
            ended.abort(error);
            connection.end(/** @type {Error} */ (error));
            throw error;
        }
    });
}

/** A model that was trained. fineTune() makes it. */
export class FineTuned {
    #name;

    /** @type {Record<string, Uint8Array>} */
    #files;

    /**
     * @internal
     * @param {string} name  of the base
     * @param {string[]} labels
     * @param {Omit<import('./run.js').Outcome, 'tensors'> & {files: Record<string, Uint8Array>}}
     *   outcome
     */
    constructor(name, labels, { history, best_epoch, threads, memory_bytes, files }) {
        this.#name = name;
        this.#files = files;
        /**
         * in the order of the classifier
         * @readonly
         */
        this.labels = labels;
        /**
         * what became of each epoch that has ended
         * @readonly
         */
        this.history = history;
        /**
         * the epoch whose weights these are: the best by its validation, without one the last; 0:
         * training was stopped before the first had ended
         * @readonly
         */
        this.best_epoch = best_epoch;
        /**
         * of the validation of that epoch; null without one
         * @readonly
         */
        this.metrics = history[best_epoch - 1]?.validation ?? null;
        /**
         * that were at work in the end
         * @readonly
         */
        this.threads = threads;
        /**
         * of WebAssembly memory that training took
         * @readonly
         */
        this.memory_bytes = memory_bytes;
    }

    /**
     * The model, loaded: for pipeline() and all that takes a model.
     * @param {SaveOptions & import('../model/model.js').ModelLoadOptions} [options]  what it is
     *   converted to, and how it is loaded
     * @returns {Promise<Model>}
     */
    async model({ dtype, name, ...options } = {}) {
        return loadModel(await this.save({ dtype, name, signal: options.signal }), options);
    }

    /**
     * A file that loadModel() loads.
     * @param {SaveOptions} [options]
     * @returns {Promise<Uint8Array>}
     */
    async save({ dtype = 'q8', name = this.#name, signal } = {}) {
        const { convert } = await import('#convert');
        const files = Object.entries(this.#files).map(([path, bytes]) => [
            path,
            {
                size: bytes.length,
                read: async (/** @type {number} */ start, /** @type {number} */ end) =>
                    bytes.slice(start, end),
            },
        ]);
        const file = await convert(Object.fromEntries(files), { dtype, name, signal });
        try {
            return await file.read(0, file.n_bytes);
        } finally {
            await file.remove();
        }
    }

    /**
     * The model as transformers saves it, in float32: its `from_pretrained()` opens a folder of
     * these files, and so does loadModel().
     * @returns {Promise<Record<string, Uint8Array>>}  by name: `config.json`, `model.safetensors`,
     *   `tokenizer.json`, `tokenizer_config.json`
     */
    async export() {
        return { ...this.#files };
    }
}

/**
 * @typedef {object} SaveOptions
 * @property {import('../sources/choose.js').Dtype} [dtype]  how weights are stored: 'f32', 'f16',
 *   'q8', 'q7' or 'q4'; default 'q8'
 * @property {string} [name]  that the model gets; default the base's
 * @property {AbortSignal} [signal]  ends the conversion
 */
