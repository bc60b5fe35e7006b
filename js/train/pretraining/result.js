/** What pretrain() gives. */

import { loadModel } from '../../model/model.js';
import { toModelFile, withReadme } from '../trained_files.js';

/** @import { Model, ModelLoadOptions } from '../../model/model.js' */
/** @import { SaveOptions } from '../trained_files.js' */

/**
 * @typedef {object} Outcome  of the worker
 * @property {import('./run.js').PretrainEpoch[]} history
 * @property {number} n_steps
 * @property {number} n_documents
 * @property {number} n_sequences
 * @property {number} n_tokens
 * @property {number} threads
 * @property {number} memory_bytes
 * @property {Record<string, Uint8Array>} files
 */

/** A model that was pre-trained. pretrain() makes it. */
export class Pretrained {
    #name;

    /** @type {Record<string, Uint8Array>} */
    #files;

    /**
     * @internal
     * @param {string} name
     * @param {Outcome} outcome
     * @param {string} card
     */
    constructor(name, outcome, card) {
        this.#name = name;
        this.#files = outcome.files;
        /**
         * what can be said of it by what is known here, in Markdown: corpus, recipe and what the
         * validation found. Files have it, unless they get another
         * @readonly
         */
        this.card = card;
        /**
         * what became of each epoch that has ended
         * @readonly
         */
        this.history = outcome.history;
        /**
         * of the last validation; null without one
         * @readonly
         */
        this.metrics = outcome.history.at(-1)?.validation ?? null;
        /**
         * that were made
         * @readonly
         */
        this.n_steps = outcome.n_steps;
        /**
         * of the corpus
         * @readonly
         */
        this.n_documents = outcome.n_documents;
        /**
         * of an epoch; those of the validation are not among them
         * @readonly
         */
        this.n_sequences = outcome.n_sequences;
        /**
         * of the corpus, special ones not counted
         * @readonly
         */
        this.n_tokens = outcome.n_tokens;
        /**
         * that were at work in the end
         * @readonly
         */
        this.threads = outcome.threads;
        /**
         * of WebAssembly memory that training took
         * @readonly
         */
        this.memory_bytes = outcome.memory_bytes;
    }

    /**
     * The model, loaded: for pipeline() and all that takes a model.
     * @param {SaveOptions & ModelLoadOptions} [options]  what it is
     *   converted to, and how it is loaded
     * @returns {Promise<Model>}
     */
    async model({ dtype, name, card, ...options } = {}) {
        return loadModel(await this.save({ dtype, name, card, signal: options.signal }), options);
    }

    /**
     * A file that loadModel() loads.
     * @param {SaveOptions} [options]
     * @returns {Promise<Uint8Array>}
     */
    async save({ dtype = 'q8', name = this.#name, card = this.card, signal } = {}) {
        return toModelFile(this.#files, { dtype, name, card, signal });
    }

    /**
     * The model as transformers saves it, in float32: its `from_pretrained()` opens a folder of
     * these files, and so does loadModel().
     * @param {{card?: string}} [options]  `card`: as of save()
     * @returns {Promise<Record<string, Uint8Array>>}  by name: `config.json`, `model.safetensors`,
     *   `tokenizer.json`, `tokenizer_config.json`, `README.md`
     */
    async export({ card = this.card } = {}) {
        return withReadme(this.#files, card);
    }
}
