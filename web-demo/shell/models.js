/**
 * The models that the views share. The page's own are loaded when a view first asks for one; a
 * model of the visitor's own may take the place of either.
 *
 * Events: 'loading' while one arrives (detail: {kind, loaded, total, rate}, in bytes and bytes a
 * second; total 0: not known yet), 'change' when another model takes a place (detail: {kind}).
 *
 * @typedef {typeof import('../../js/index.js')} Library
 * @typedef {import('../../js/index.js').TextClassificationPipeline} Classify
 * @typedef {import('../../js/index.js').FeatureExtractionPipeline} Embed
 * @typedef {'classifier' | 'embedder'} Kind
 *
 * @typedef {object} Visitors  a model of the visitor's own
 * @property {string} name
 * @property {any} pipe
 * @property {{source: any, options?: Record<string, any>}} [file]  what loadModel() takes to load
 *   it again, where that is known
 */

import { partOfPage } from './failure.js';

/** The page's own. */
export const OWN = /** @type {const} */ ({
    classifier: {
        task: 'text-classification',
        name: 'sentiment-minilm-l6',
        file: 'models/sentiment-minilm-l6-q8.safetensors',
    },
    embedder: {
        task: 'feature-extraction',
        name: 'all-minilm-l6-v2',
        file: 'models/all-minilm-l6-v2-q8.safetensors',
    },
});

export class Models extends EventTarget {
    /** What is loading or loaded. @type {Map<Kind, Promise<any>>} */
    #own = new Map();

    /** @type {Map<Kind, Visitors>} */
    #visitors = new Map();

    /** When what was reached, in milliseconds since the page was asked for. */
    timeline = /** @type {{what: string, at: number}[]} */ ([]);

    /** The package itself. @returns {Promise<Library>} */
    async library() {
        const library = await partOfPage(import('bert-wasm'));
        this.#reached('the library has come');
        return /** @type {Library} */ (/** @type {unknown} */ (library));
    }

    /** What says how texts sound, or the visitor's own classifier. @returns {Promise<Classify>} */
    classifier() {
        return this.#get('classifier');
    }

    /** What makes vectors of sentences, or the visitor's own. @returns {Promise<Embed>} */
    embedder() {
        return this.#get('embedder');
    }

    /** Of the model in a place. @param {Kind} kind */
    nameOf(kind) {
        return this.#visitors.get(kind)?.name ?? OWN[kind].name;
    }

    /** The visitor's own in a place. @param {Kind} kind */
    visitorsOf(kind) {
        return this.#visitors.get(kind);
    }

    /** Whether the visitor's own is in a place. @param {Kind} kind */
    isVisitors(kind) {
        return this.#visitors.has(kind);
    }

    /** Whether a model is there, so that asking for it takes no time. @param {Kind} kind */
    isReady(kind) {
        return this.#visitors.has(kind) || this.#ready.has(kind);
    }

    /** @type {Set<Kind>} */
    #ready = new Set();

    /**
     * Puts a model of the visitor's own into a place, or the page's own back.
     * Who opened it disposes it.
     * @param {Kind} kind
     * @param {Visitors | null} visitors
     */
    use(kind, visitors) {
        if (visitors) this.#visitors.set(kind, visitors);
        else this.#visitors.delete(kind);
        this.dispatchEvent(new CustomEvent('change', { detail: { kind } }));
    }

    /** @param {Kind} kind */
    #get(kind) {
        const visitors = this.#visitors.get(kind);
        if (visitors) return Promise.resolve(visitors.pipe);
        const had = this.#own.get(kind);
        if (had) return had;
        const loading = this.#load(kind);
        this.#own.set(kind, loading);
        loading.then(
            () => this.#ready.add(kind),
            () => this.#own.delete(kind), // it may be asked for again
        );
        return loading;
    }

    /** @param {Kind} kind */
    async #load(kind) {
        const { task, name, file } = OWN[kind];
        /** @param {{loaded: number, total: number, rate: number}} progress */
        const report = ({ loaded, total, rate }) => {
            if (total) this.#reached(`the engine is compiled, ${name} arrives in it`);
            const detail = { kind, loaded, total, rate };
            this.dispatchEvent(new CustomEvent('loading', { detail }));
        };
        report({ loaded: 0, total: 0, rate: 0 });
        const { pipeline } = await this.library();
        this.#reached(`${name} is asked for`);
        const pipe = await pipeline(task, new URL(file, document.baseURI).href, {
            onprogress: report,
            onmetrics: ({ total_ms }) => {
                this.#reached(`${name} is asked its first text`, performance.now() - total_ms);
                this.#reached(`${name} has given its first answer`);
            },
        });
        this.#reached(`${name} is ready`);
        return pipe;
    }

    /** @param {string} what @param {number} [at] */
    #reached(what, at = performance.now()) {
        if (this.timeline.some((each) => each.what === what)) return;
        this.timeline.push({ what, at });
    }
}
