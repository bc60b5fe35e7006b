/** A file that is being read into rows: how far it is, and why it is refused. */

import { Refusal } from '../files/refusal.js';
import { showFailure } from '../shell/failure.js';
import { Rows } from './rows.js';

/** @typedef {import('../files/read_file.js').How} How */

export class Opening {
    #parts;
    #on;

    /** What is being read. @type {Rows | null} */
    #rows = null;

    /**
     * @param {object} parts
     * @param {HTMLProgressElement} parts.bar
     * @param {HTMLElement} parts.words
     * @param {HTMLButtonElement} parts.cancel
     * @param {HTMLElement} parts.refused  says why
     * @param {object} on
     * @param {() => void} on.begin
     * @param {() => void} on.cancel
     * @param {() => void} on.refuse
     * @param {() => void} on.choose  another file
     */
    constructor(parts, on) {
        this.#parts = parts;
        this.#on = on;
        parts.cancel.onclick = () => this.#rows?.close();
    }

    get is_reading() {
        return !!this.#rows;
    }

    /**
     * @param {Blob} blob
     * @param {string} name
     * @param {How} how
     * @param {import('./rows.js').Choice} [choice]
     * @returns {Promise<Rows | null>}  null: cancelled, refused, or another file came after it
     */
    async read(blob, name, how, choice) {
        const { bar, words } = this.#parts;
        this.#rows?.close();
        const rows = new Rows(blob, name);
        this.#rows = rows;
        bar.value = 0;
        words.textContent = `Reading ${name}`;
        this.#on.begin();
        try {
            await rows.parse(how, (share) => {
                bar.value = share;
            });
            await rows.choose(choice ?? rows.choice);
        } catch (error) {
            if (this.#rows !== rows) return null;
            this.#rows = null;
            rows.close();
            if (/** @type {Error} */ (error).name === 'AbortError') this.#on.cancel();
            else this.#refuse(name, error);
            return null;
        }
        if (this.#rows !== rows) return null;
        this.#rows = null;
        return rows;
    }

    /** @param {string} name @param {unknown} error */
    #refuse(name, error) {
        this.#on.refuse();
        showFailure(this.#parts.refused, {
            title: `“${name}” could not be read`,
            error,
            ...(error instanceof Refusal ? { advice: error.advice } : {}),
            action: ['Choose another file', () => this.#on.choose()],
        });
    }
}
