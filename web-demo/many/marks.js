/** What stands in the arrays of results, on the page's thread and on the worker's. */

/** In place of a label's index: there is none. */
export const NONE = 0xffff;

/** Of a row; together in a byte. */
export const EMPTY = 1; // has no text
export const FAILED = 2; // its text could not be classified
export const CUT = 4; // its text is longer than the model reads: only the beginning was

/** The label that counts: the one by hand, or the model's. */
export const labelOf = (
    /** @type {Uint16Array} */ hand,
    /** @type {Uint16Array} */ labels,
    /** @type {number} */ row,
) => (hand[row] === NONE ? labels[row] : hand[row]);
