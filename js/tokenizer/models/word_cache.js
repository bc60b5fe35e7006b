/**
 * The tokens of words of BPE, so that each is merged once. It is emptied when it is full, and small
 * enough that filling it again costs little.
 */

import { PieceTable } from '../vocabulary.js';

const CACHED_WORDS = 1 << 14;
const CACHED_UNITS = 1 << 17;
const CACHED_TOKENS = 1 << 16;

export class WordCache {
    #table = new PieceTable(new Uint16Array(CACHED_UNITS), CACHED_WORDS);
    #n_units = 0;
    #n_results = 0;

    constructor() {
        /** For each word the number of its tokens, then id, start and end of each. */
        this.results = new Int32Array(3 * CACHED_TOKENS);
    }

    /**
     * @param {Uint16Array} units
     * @param {number} start
     * @param {number} end
     * @returns {number}  where in the results it is, or -1
     */
    find(units, start, end) {
        const entry = this.#table.find(units, start, end);
        return entry < 0 ? -1 : this.#table.ids[entry];
    }

    /**
     * @param {Uint16Array} units
     * @param {number} start
     * @param {number} end
     * @param {{ids: Int32Array, starts: Int32Array, ends: Int32Array}} symbols
     * @param {number} count
     * @returns {number}  where in the results it is
     */
    add(units, start, end, { ids, starts, ends }, count) {
        const is_full =
            this.#table.size === CACHED_WORDS ||
            this.#n_units + end - start > CACHED_UNITS ||
            this.#n_results + 3 * count + 1 > this.results.length;
        if (is_full) {
            this.#table.clear();
            this.#n_units = 0;
            this.#n_results = 0;
        }
        const { results } = this;
        const table = this.#table;
        const from = this.#n_units;
        for (let i = start; i < end; i++) table.pool[this.#n_units++] = units[i];
        const at = this.#n_results;
        table.add(from, this.#n_units, at);
        results[this.#n_results++] = count;
        for (let k = 0; k < count; k++) {
            results[this.#n_results++] = ids[k];
            results[this.#n_results++] = starts[k];
            results[this.#n_results++] = ends[k];
        }
        return at;
    }
}
