/**
 * Unicode as Hugging Face `tokenizers` sees it: sets of code points, lower case, decomposition,
 * composition and combining classes.
 *
 * The sets are stored (unicode_tables.js), because `\p{...}` follows the version of Unicode that
 * the browser happens to have while the library follows several others; tokens must not depend on
 * the browser. Lower case, decomposition and composition are taken from the engine, one code point
 * or pair at a time: Unicode promises never to change them for a code point that has been assigned,
 * so it is enough to store where the library and later versions differ. Rejected: normalising
 * whole strings with String.prototype.normalize, which does not tell where each character came
 * from.
 */

import {
    COMBINING_CLASSES,
    DECIMAL,
    LETTER,
    LOWER_CASE,
    NONSPACING,
    NUMBER_CHANGES,
    NUMERIC,
    OTHER,
    PUNCTUATION,
    SCRIPTS,
    SIGN_CHANGES,
    SPACING,
    UNDECOMPOSED,
    WORD_CHANGES,
    WORD_REST,
} from './unicode_tables.js';

const BMP = 0x10000;

/** Space as Rust has it (White_Space); this one is promised not to change. */
const WHITESPACE = [
    0x09, 0x0d, 0x20, 0x20, 0x85, 0x85, 0xa0, 0xa0, 0x1680, 0x1680, 0x2000, 0x200a, 0x2028, 0x2029,
    0x202f, 0x202f, 0x205f, 0x205f, 0x3000, 0x3000,
];

/**
 * The ideographs that BERT sets apart. 2B820..2B91F are missing in the library too, which so
 * leaves a part of CJK Extension E together.
 */
const CHINESE = [
    0x3400, 0x4dbf, 0x4e00, 0x9fff, 0xf900, 0xfaff, 0x20000, 0x2a6df, 0x2a700, 0x2b73f, 0x2b740,
    0x2b81f, 0x2b920, 0x2ceaf, 0x2f800, 0x2fa1f,
];

/**
 * A set of code points: a bit for each of the first 65,536, a search among runs for the others.
 */
export class CodePointSet {
    #runs;
    #bits = new Int32Array(BMP / 32);

    /**
     * @param {ArrayLike<number>} runs  first and last code point of each, rising
     */
    constructor(runs) {
        this.#runs = Uint32Array.from(runs);
        for (let r = 0; r < runs.length; r += 2) {
            const last = Math.min(runs[r + 1], BMP - 1);
            for (let c = runs[r]; c <= last; c++) this.#bits[c >> 5] |= 1 << (c & 31);
        }
    }

    /**
     * @param {number} code_point
     * @returns {boolean}
     */
    has(code_point) {
        if (code_point < BMP)
            return ((this.#bits[code_point >> 5] >>> (code_point & 31)) & 1) !== 0;
        const run = findRun(this.#runs, 2, code_point);
        return run >= 0 && code_point <= this.#runs[run + 1];
    }
}

/**
 * @param {Uint32Array} runs
 * @param {number} width  numbers in a run; its first code point is the first
 * @param {number} code_point
 * @returns {number}  where the last run that begins at or before the code point is, or -width
 */
function findRun(runs, width, code_point) {
    let low = 0;
    let high = runs.length / width;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (runs[middle * width] <= code_point) low = middle + 1;
        else high = middle;
    }
    return (low - 1) * width;
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/**
 * @param {string} text  as in unicode_tables.js
 * @param {number} width  numbers in a run
 * @returns {Uint32Array}  runs: first, last, and what else there is
 */
export function unpack(text, width) {
    const numbers = [];
    let end = 0;
    for (let i = 0; i < text.length; ) {
        let value = 0;
        let digit = 32;
        for (let shift = 0; digit >= 32; shift += 5) {
            digit = DIGITS.indexOf(text[i++]);
            value |= (digit & 31) << shift;
        }
        const field = numbers.length % width;
        if (field === 0) value += end;
        if (field === 1) end = (value += numbers[numbers.length - 1]) + 1;
        numbers.push(value);
    }
    return Uint32Array.from(numbers);
}

/**
 * @param {Uint32Array} runs
 * @param {Uint32Array} others
 * @returns {Uint32Array}  of what is in one of the two
 */
function differing(runs, others) {
    // Each edge changes whether it is; two at one place, nothing.
    const edges = Uint32Array.from([...runs, ...others], (edge, i) => edge + (i % 2)).sort();
    const kept = edges.filter((edge, i) => edge !== edges[i - 1] && edge !== edges[i + 1]);
    return kept.map((edge, i) => edge - (i % 2));
}

/**
 * @template T
 * @param {() => T} build
 * @returns {() => T}  builds it at the first call: a tokenizer pays for what it uses
 */
export function once(build) {
    /** @type {T | undefined} */
    let built;
    return () => (built ??= build());
}

export const whitespace = once(() => new CodePointSet(WHITESPACE));
export const chinese = once(() => new CodePointSet(CHINESE));
/** Categories Cc, Cf and Co, U+0000 and U+FFFD; unassigned code points are not in it. */
export const other = once(() => new CodePointSet(unpack(OTHER, 2)));
/** ASCII punctuation and the categories P. */
export const punctuation = once(() => new CodePointSet(unpack(PUNCTUATION, 2)));
/** Category Mn. */
export const nonspacing = once(() => new CodePointSet(unpack(NONSPACING, 2)));
const spacing = once(() => new CodePointSet(unpack(SPACING, 2)));
/** Categories N. */
export const numeric = once(() => new CodePointSet(unpack(NUMERIC, 2)));
/** What \w matches. */
export const word = once(() => new CodePointSet(wordRuns()));
const wordRuns = once(() => differing(unpack(LETTER, 2), unpack(WORD_REST, 2)));

/** Category L. This and what follows is so in regular expressions of the file, run by Oniguruma. */
export const letter = once(() => new CodePointSet(unpack(LETTER, 2)));
/** Categories N. */
export const number = once(
    () => new CodePointSet(differing(unpack(NUMERIC, 2), unpack(NUMBER_CHANGES, 2))),
);
/** What \d matches. */
export const decimal = once(() => new CodePointSet(unpack(DECIMAL, 2)));
/** Categories P. */
export const sign = once(
    () => new CodePointSet(differing(unpack(PUNCTUATION, 2), unpack(SIGN_CHANGES, 2))),
);
/** What \w matches in brackets. */
export const wordSign = once(
    () => new CodePointSet(differing(wordRuns(), unpack(WORD_CHANGES, 2))),
);

const undecomposed = once(() => new CodePointSet(unpack(UNDECOMPOSED, 2)));
const combiningRuns = once(() => unpack(COMBINING_CLASSES, 3));

/**
 * @param {number} code_point
 * @returns {boolean}  whether it is of a category M
 */
export function isMark(code_point) {
    return nonspacing().has(code_point) || spacing().has(code_point);
}

/**
 * @param {number} code_point
 * @returns {number}  the canonical combining class, 0 for what does not combine
 */
export function combiningClass(code_point) {
    if (code_point < 0x300) return 0;
    const runs = combiningRuns();
    const run = findRun(runs, 3, code_point);
    return run >= 0 && code_point <= runs[run + 1] ? runs[run + 2] : 0;
}

const scriptRuns = once(() => unpack(SCRIPTS, 3));

/**
 * @param {number} code_point
 * @returns {number}  its script, a number; -1 for what goes with any, as space
 */
export function script(code_point) {
    const runs = scriptRuns();
    const run = findRun(runs, 3, code_point);
    return run >= 0 && code_point <= runs[run + 1] ? runs[run + 2] : -1;
}

/**
 * @param {number} code_point
 * @returns {string}  its lower case without regard to what is around it (so no final sigma)
 */
export function lowerCase(code_point) {
    if (code_point >= 0x1c89) {
        for (const [first, last, lower] of LOWER_CASE) {
            if (code_point >= first && code_point <= last) {
                return String.fromCodePoint(lower + code_point - first);
            }
        }
    }
    return String.fromCodePoint(code_point).toLowerCase();
}

/**
 * @param {number} code_point
 * @param {'NFD' | 'NFKD'} form
 * @returns {string}  its full decomposition, or itself
 */
export function decompose(code_point, form) {
    const text = String.fromCodePoint(code_point);
    if (code_point < 0x80 || undecomposed().has(code_point)) return text;
    return text.normalize(form);
}

/** What composes with the character before it though its combining class is 0. */
const JOINING = new Set([
    0x9be, 0x9d7, 0xb3e, 0xb56, 0xb57, 0xbbe, 0xbd7, 0xcc2, 0xcd5, 0xcd6, 0xd3e, 0xd57, 0xdcf,
    0xddf, 0x102e, 0x1b35, 0x11127, 0x1133e, 0x11357, 0x114b0, 0x114ba, 0x114bd, 0x115af,
]);

const HANGUL = { first: 0xac00, last: 0xd7a3, leading: 0x1100, vowel: 0x1161, trailing: 0x11a7 };

/**
 * @param {number} first  a starter
 * @param {number} second
 * @param {number} second_class  its combining class
 * @returns {number}  what the two compose to, or -1
 */
export function compose(first, second, second_class) {
    if (second_class === 0 && !JOINING.has(second)) {
        if (second < HANGUL.vowel || second > HANGUL.trailing + 27) return -1;
        return composeHangul(first, second);
    }
    const pair = String.fromCodePoint(first, second).normalize('NFC');
    const composed = /** @type {number} */ (pair.codePointAt(0));
    const length = composed < BMP ? 1 : 2;
    return pair.length === length && !undecomposed().has(composed) ? composed : -1;
}

/**
 * @param {number} first
 * @param {number} second
 * @returns {number}
 */
function composeHangul(first, second) {
    const { leading, vowel, trailing } = HANGUL;
    if (first >= leading && first < leading + 19 && second >= vowel && second < vowel + 21) {
        return HANGUL.first + ((first - leading) * 21 + second - vowel) * 28;
    }
    const is_open =
        first >= HANGUL.first && first <= HANGUL.last && (first - HANGUL.first) % 28 === 0;
    return is_open && second > trailing ? first + second - trailing : -1;
}
