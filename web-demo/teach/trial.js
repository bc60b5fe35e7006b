/** A text of the visitor's, read by the new model as it is typed. */

import { make } from '../shell/dom.js';
import { inPercent } from '../shell/format.js';

/** Milliseconds without a key before a text is read. */
const DEBOUNCE = 200;

/** Labels that are shown. */
const MOST = 8;

export class Trial {
    #parts;
    #announce;

    /** The new model's pipeline. @type {any} */
    #classify = null;

    /** @type {ReturnType<typeof setTimeout> | undefined} */
    #debounce;
    #reading = new AbortController();

    /** @param {Record<string, any>} parts @param {(words: string) => void} announce */
    constructor(parts, announce) {
        this.#parts = parts;
        this.#announce = announce;
        parts.trial.oninput = () => {
            clearTimeout(this.#debounce);
            this.#debounce = setTimeout(() => this.#read(true), DEBOUNCE);
        };
    }

    /** @param {any} classify */
    use(classify) {
        this.#classify = classify;
        this.#read(false);
    }

    /** @param {boolean} is_said  to screen readers, too */
    async #read(is_said) {
        this.#reading.abort();
        this.#reading = new AbortController();
        const { signal } = this.#reading;
        const { trial, answer } = this.#parts;
        const text = trial.value.trim();
        if (!text) {
            answer.replaceChildren(
                make('p', { className: 'hint' }, 'Type something to have it read.'),
            );
            return;
        }
        try {
            const all = await this.#classify(text, { top_k: MOST, signal });
            if (signal.aborted) return;
            answer.replaceChildren(...all.map(row));
            const [{ label, score }] = all;
            if (is_said) this.#announce(`${label}, ${Math.round(100 * score)} per cent`);
        } catch (error) {
            if (signal.aborted) return;
            answer.replaceChildren(make('p', { className: 'hint' }, error.message));
        }
    }
}

/** @param {{label: string, score: number}} found */
function row({ label, score }) {
    const bar = make('meter', { max: 1, value: score, 'aria-label': label });
    const words = make('span', { className: 'numbers' }, inPercent(score));
    return make('div', { className: 'teach-score' }, make('bdi', {}, label), bar, words);
}
