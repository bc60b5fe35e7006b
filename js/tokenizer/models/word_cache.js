/**
 * What became of the words of BPE, so that each is merged once. It is emptied when it is full, and
 * small enough that filling it again costs little.
 */

import { PieceTable } from '../vocabulary.js';

const CACHED_WORDS = 1 << 14;
const CACHED_UNITS = 1 << 17;
const CACHED_TOKENS = 1 << 16;

export class WordCache {
    constructor() {
        /** @private */
        this.table = new PieceTable(new Uint16Array(CACHED_UNITS), CACHED_WORDS);
        /** For each word the number of its tokens, then id, start and end of each. */
        this.results = new Int32Array(3 * CACHED_TOKENS);
        /** @private */
        this.nUnits = 0;
        /** @private */
        this.nResults = 0;
    }

    /**
     * @param {Uint16Array} units
     * @param {number} start
     * @param {number} end
     * @returns {number}  where in the results it is, or -1
     */
    find(units, start, end) {
        const entry = this.table.find(units, start, end);
        return entry < 0 ? -1 : this.table.ids[entry];
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
        const isFull =
            this.table.size === CACHED_WORDS ||
            this.nUnits + end - start > CACHED_UNITS ||
            this.nResults + 3 * count + 1 > this.results.length;
        if (isFull) {
            this.table.clear();
            this.nUnits = 0;
            this.nResults = 0;
        }
        const { table, results } = this;
        const from = this.nUnits;
        for (let i = start; i < end; i++) table.pool[this.nUnits++] = units[i];
        const at = this.nResults;
        table.add(from, this.nUnits, at);
        results[this.nResults++] = count;
        for (let k = 0; k < count; k++) {
            results[this.nResults++] = ids[k];
            results[this.nResults++] = starts[k];
            results[this.nResults++] = ends[k];
        }
        return at;
    }
}
