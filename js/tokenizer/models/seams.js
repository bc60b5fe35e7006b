/**
 * Where a word of BPE falls apart: between two characters that are never next to each other where
 * two pieces are merged. No merge reaches across, so each side becomes the same tokens alone. A run
 * of Chinese, which has no spaces, is thus a word for each character, not one of thousands of
 * bytes.
 */

/** @import { Vocabulary } from '../vocabulary.js' */
/** @import { Merges } from './merges.js' */

/** Nothing is known of characters from this one on; those that stand for bytes are before. */
const FIRST_UNITS = 0x200;

export class Seams {
    /** 1 for characters that are pieces. Those that are not may become anything. */
    #is_piece;

    /** 1 for each character and the next one that some merge puts together. */
    #is_joined = new Uint8Array(FIRST_UNITS * FIRST_UNITS);

    /**
     * @param {Vocabulary} vocabulary  whose pieces have no affixes
     * @param {Merges} merges
     */
    constructor(vocabulary, merges) {
        this.#is_piece = Uint8Array.from({ length: FIRST_UNITS }, (_, unit) =>
            vocabulary.id(String.fromCharCode(unit)) < 0 ? 0 : 1,
        );
        const { pool, starts, ends } = vocabulary.table;
        for (let rank = 0; rank < merges.size; rank++) {
            const before = pool[ends[vocabulary.entry(merges.left[rank])] - 1];
            const behind = pool[starts[vocabulary.entry(merges.right[rank])]];
            if (before < FIRST_UNITS && behind < FIRST_UNITS) {
                this.#is_joined[before * FIRST_UNITS + behind] = 1;
            }
        }
    }

    /**
     * @param {Uint16Array} units
     * @param {number} start  of a word, or where it was cut
     * @param {number} end
     * @returns {number}  where to cut it next, or its end
     */
    next(units, start, end) {
        const is_piece = this.#is_piece;
        const is_joined = this.#is_joined;
        let before = units[start];
        if (before >= FIRST_UNITS || is_piece[before] === 0) return end;
        for (let i = start + 1; i < end; i++) {
            const unit = units[i];
            if (unit >= FIRST_UNITS || is_piece[unit] === 0) return end;
            if (is_joined[before * FIRST_UNITS + unit] === 0) return i;
            before = unit;
        }
        return end;
    }
}
