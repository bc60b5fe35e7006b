/**
 * `bert-wasm/train`: fine-tuning, in a page or in Node. An encoder learns labels from examples; all
 * of its weights are trained, in float32, in a worker of its own.
 */

import { BertError } from '../errors.js';
import { loadModel } from '../model/model.js';
import { classWeights, labelled, labelsFor, readExamples, split } from './examples.js';
import { openBase, requireTrainer } from './opening.js';
import { readTrainOptions } from './options.js';
import { toModelFile } from './trained_files.js';

export { Pretrained, pretrain } from './pretraining/index.js';

/** @import { Model, ModelSource } from '../model/model.js' */

// Types that programs name.
/** @typedef {import('./examples.js').Example} Example */
/** @typedef {import('./options.js').TrainOptions} TrainOptions */
/** @typedef {import('./run.js').TrainProgress} TrainProgress */
/** @typedef {import('./trained_files.js').SaveOptions} SaveOptions */
/** @typedef {import('./pretraining/corpus.js').Corpus} Corpus */
/** @typedef {import('./pretraining/options.js').PretrainOptions} PretrainOptions */
/** @typedef {import('./pretraining/run.js').PretrainProgress} PretrainProgress */

/**
 * Trains a model on examples, beginning with another one's weights.
 *
 * @param {ModelSource} base  a model that loadModel() would load; one that is no converted file is
 *   converted to float32 first
 * @param {Iterable<Example> | AsyncIterable<Example>} examples  of the task: `{text, label}`,
 *   perhaps with a `text_pair`; for token-classification `{tokens, labels}` or `{text, labels}`,
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
    const { task, labels: wanted, seed, signal, stop } = given;
    requireTrainer();
    if (base === null || base === undefined) {
        throw new BertError('BAD_INPUT', `a base must be a model's source, not ${base}`);
    }
    signal?.throwIfAborted();
    let read = await readExamples(examples, 'example', task, wanted);
    /** @type {typeof read | null} */
    let validation = null;
    if (typeof given.validation === 'number') {
        ({ examples: read, validation } = split(read, given.validation, task, seed));
    } else if (given.validation !== undefined) {
        validation = await readExamples(given.validation, 'validation example', task, wanted);
    }
    const { connection, info } = await openBase(base, given);
    try {
        const labels = labelsFor(read, wanted, info.labels);
        const learned = labelled(read, 'example', labels);
        const request = {
            ...given,
            labels,
            examples: learned,
            validation: validation && labelled(validation, 'validation example', labels),
            class_weights: classWeights(given.class_weights, learned, labels),
            load: undefined,
            onprogress: undefined,
            signal: undefined,
            stop: undefined,
        };
        const halt = () => connection.call('stop', {}).catch(() => {});
        stop?.addEventListener('abort', halt);
        if (stop?.aborted) halt();
        try {
            const outcome = await connection.call('train', request, signal, given.onprogress);
            if (stop?.aborted && outcome.n_steps === 0) throw stop.reason;
            return new FineTuned(info.name, labels, outcome);
        } finally {
            stop?.removeEventListener('abort', halt);
        }
    } finally {
        connection.end(new BertError('DISPOSED', 'the training has ended'));
    }
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
        return toModelFile(this.#files, { dtype, name, signal });
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
