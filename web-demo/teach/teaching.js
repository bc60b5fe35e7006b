/** One teaching: the base is fetched, learns, and what it has learned is checked. */

import { partOfPage } from '../shell/failure.js';
import { setAside } from './set_aside.js';

/** Texts that the new model is asked at once. */
const BATCH = 32;

/**
 * @typedef {import('./lines.js').Example} Example
 * @typedef {import('./settings.js').Chosen} Chosen
 * @typedef {import('../../js/train/index.js').TrainProgress} TrainProgress
 *
 * @typedef {{label: string, score: number}} Answer
 *
 * @typedef {object} Taught  a model that has learned
 * @property {string} source  the name of the lines
 * @property {any} trained  what fineTune() gave
 * @property {any} classify  its pipeline
 * @property {string[]} labels
 * @property {number} n_learned  lines
 * @property {{text: string, label: string, answer: Answer}[]} checked
 * @property {number} epochs  that were wanted
 * @property {boolean} is_part  whether it was stopped before they had all ended
 * @property {number} seconds
 *
 * @typedef {'loading' | 'teaching' | 'checking'} Phase
 *
 * @typedef {object} Listener
 * @property {(phase: Phase) => void} phase
 * @property {(progress: {loaded: number, total: number}) => void} load
 * @property {(progress: TrainProgress) => void} step
 * @property {(progress: {done: number, total: number}) => void} check
 */

export class Teaching {
    #app;
    #on;

    /** Ends it with nothing. */
    #ending = new AbortController();

    /** Ends it with what there is. */
    #stopping = new AbortController();

    /** Whether enough lines have been checked. */
    #is_enough = false;

    /** @type {Phase} */
    #phase = 'loading';

    /** @param {import('../shell/main.js').App} app @param {Listener} on */
    constructor(app, on) {
        this.#app = app;
        this.#on = on;
    }

    get #is_stopped() {
        return this.#stopping.signal.aborted || this.#ending.signal.aborted;
    }

    /**
     * While it learns, what it has learned in whole passes is kept, and a second call throws it
     * away; while it is checked, the lines that were are enough.
     */
    cancel() {
        if (this.#phase === 'checking') this.#is_enough = true;
        else if (this.#phase === 'loading' || this.#is_stopped) this.#ending.abort();
        else this.#stopping.abort();
    }

    /**
     * @param {Example[]} examples
     * @param {string} source  the name of the lines
     * @param {Chosen} chosen
     * @returns {Promise<Taught | null>}  null: it was cancelled before a pass had ended
     */
    async run(examples, source, chosen) {
        const began = performance.now();
        try {
            const { learned, checked } = setAside(examples, chosen.share, chosen.seed);
            const trained = await this.#train(learned, checked, chosen);
            if (trained.best_epoch === 0) return null;
            const seconds = (performance.now() - began) / 1000;
            const answered = await this.#check(trained, checked);
            const { epochs } = chosen;
            return {
                source,
                trained,
                n_learned: learned.length,
                epochs,
                is_part: trained.history.length < epochs,
                seconds,
                ...answered,
            };
        } catch (error) {
            if (this.#is_stopped && /** @type {Error} */ (error).name === 'AbortError') return null;
            throw error;
        }
    }

    /**
     * @param {Example[]} learned
     * @param {Example[]} checked
     * @param {Chosen} chosen
     */
    async #train(learned, checked, { base, epochs, seed, ...chosen }) {
        const { learning_rate, batch_size, max_length, recomputes } = chosen;
        const { fineTune } = await partOfPage(import('bert-wasm/train'));
        return fineTune(base.source, learned, {
            validation: checked,
            epochs,
            learning_rate,
            batch_size,
            max_length,
            seed,
            recomputes,
            load: { ...base.options, onprogress: this.#on.load },
            onprogress: (progress) => {
                this.#enter('teaching');
                this.#on.step(progress);
            },
            signal: this.#ending.signal,
            stop: this.#stopping.signal,
        });
    }

    /** As it will be saved. @param {any} trained @param {Example[]} checked */
    async #check(trained, checked) {
        this.#enter('checking');
        const { pipeline } = await this.#app.models.library();
        const model = await trained.model();
        try {
            const classify = await pipeline('text-classification', model);
            const answered = await this.#ask(classify, checked);
            return { classify, labels: model.config.labels, checked: answered };
        } catch (error) {
            model.dispose();
            throw error;
        }
    }

    /** @param {any} classify @param {Example[]} checked */
    async #ask(classify, checked) {
        const answered = [];
        for (let from = 0; from < checked.length; from += BATCH) {
            if (this.#is_enough && from > 0) break;
            this.#on.check({ done: from, total: checked.length });
            const batch = checked.slice(from, from + BATCH);
            const answers = await classify(batch.map(({ text }) => text));
            for (const [i, example] of batch.entries()) {
                answered.push({ ...example, answer: answers[i] });
            }
        }
        return answered;
    }

    /** @param {Phase} phase */
    #enter(phase) {
        if (this.#phase === phase) return;
        this.#phase = phase;
        this.#on.phase(phase);
    }
}
