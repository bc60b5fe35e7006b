/** The rows that were put away last, until they are brought back or others take their place. */

import { inUnits } from '../shell/format.js';

/** @typedef {import('./rows.js').Rows} Rows */

export class Undo {
    #parts;

    /** @type {Rows | null} */
    kept = null;

    /**
     * @param {object} parts
     * @param {HTMLElement} parts.panel
     * @param {HTMLElement} parts.words
     * @param {HTMLButtonElement} parts.button
     * @param {(rows: Rows) => void} onundo
     */
    constructor(parts, onundo) {
        this.#parts = parts;
        parts.button.onclick = () => {
            const rows = this.kept;
            if (!rows) return;
            this.kept = null;
            parts.panel.hidden = true;
            onundo(rows);
        };
    }

    /** Rows without any result are not worth it. @param {Rows} rows */
    keep(rows) {
        if (rows.n_done === 0 && rows.n_hand === 0) {
            rows.close();
            return;
        }
        this.kept?.close();
        this.kept = rows;
        this.#parts.words.textContent =
            `${inUnits(rows.n_done, 'result')} of ${rows.name} ` +
            `${rows.n_done === 1 ? 'was' : 'were'} put away.`;
        this.#parts.panel.hidden = false;
    }
}
