/**
 * Extended grapheme clusters (Unicode Standard Annex 29) as the library cuts text into them, for
 * Precompiled, to which only clusters of fewer than 6 bytes matter. So flags need no rule:
 * a regional indicator has 4 bytes and what could follow it at least 2.
 */

import { CharMap } from './char_map.js';
import { codePointAt } from './normalized_string.js';
import { CodePointSet, once, unpack } from './unicode.js';
import {
    CONSONANT,
    GRAPHEME_CONTROL,
    GRAPHEME_EXTEND,
    GRAPHEME_PREPEND,
    GRAPHEME_SPACING,
    LINKER,
    PICTOGRAPHIC,
} from './unicode_tables.js';

const ZWNJ = 0x200c;
const ZWJ = 0x200d;

/** What a code point is to clusters. */
const OTHER = 0;
const CONTROL = 1;
const PICTURE = 2;
const INDIC_CONSONANT = 3;
const LEADING = 4;
const OPEN_SYLLABLE = 5;
const CLOSED_SYLLABLE = 6;
const VOWEL = 7;
const TRAILING = 8;
const PREPEND = 9;
const JOINER = 10;
const SPACING = 11;
const EXTEND = 12;
const INDIC_LINKER = 13;

/** The first that a code point is in counts. */
const SETS = /** @type {const} */ ([
    [LINKER, INDIC_LINKER],
    [GRAPHEME_EXTEND, EXTEND],
    [GRAPHEME_SPACING, SPACING],
    [GRAPHEME_PREPEND, PREPEND],
    [GRAPHEME_CONTROL, CONTROL],
    [PICTOGRAPHIC, PICTURE],
    [CONSONANT, INDIC_CONSONANT],
]);

/**
 * Hangul, and the vowels of Kirat Rai that are like its own: first, last, kind.
 */
const HANGUL = [
    [0x1100, 0x115f, LEADING],
    [0x1160, 0x11a7, VOWEL],
    [0x11a8, 0x11ff, TRAILING],
    [0xa960, 0xa97c, LEADING],
    [0xd7b0, 0xd7c6, VOWEL],
    [0xd7cb, 0xd7fb, TRAILING],
    [0x16d63, 0x16d63, VOWEL],
    [0x16d67, 0x16d6a, VOWEL],
];

const sets = once(() =>
    SETS.map(([runs, kind]) => ({ set: new CodePointSet(unpack(runs, 2)), kind })),
);

/**
 * @param {number} c
 * @returns {number}
 */
function findKind(c) {
    if (c === ZWJ) return JOINER;
    if (c >= 0xac00 && c <= 0xd7a3) {
        return (c - 0xac00) % 28 === 0 ? OPEN_SYLLABLE : CLOSED_SYLLABLE;
    }
    for (const [first, last, kind] of HANGUL) if (c >= first && c <= last) return kind;
    for (const { set, kind } of sets()) if (set.has(c)) return kind;
    return OTHER;
}

/** Kinds, remembered. */
const kinds = once(() => new CharMap((c) => String.fromCharCode(findKind(c))));

/**
 * @param {number} code_point
 * @returns {boolean}  whether it is a cluster of its own wherever this is true of its neighbours
 *     too, except for CR and LF
 */
export function standsAlone(code_point) {
    return findKind(code_point) < VOWEL;
}

/**
 * @param {number} kind
 * @param {number} next
 * @returns {boolean}  whether the two are of one syllable of Hangul
 */
function isSyllable(kind, next) {
    switch (kind) {
        case LEADING:
            return (
                next === LEADING ||
                next === VOWEL ||
                next === OPEN_SYLLABLE ||
                next === CLOSED_SYLLABLE
            );
        case OPEN_SYLLABLE:
        case VOWEL:
            return next === VOWEL || next === TRAILING;
        default:
            return (kind === CLOSED_SYLLABLE || kind === TRAILING) && next === TRAILING;
    }
}

/**
 * @param {Uint16Array} units
 * @param {number} start  of a cluster
 * @param {number} length
 * @returns {number}  where it ends
 */
export function graphemeEnd(units, start, length) {
    const map = kinds();
    const first = codePointAt(units, start);
    let i = start + (first < 0x10000 ? 1 : 2);
    // Most characters of most texts stand between two that cannot join.
    if (first < 0x300 && !(units[i] >= 0x300)) {
        return first === 0x0d && i < length && units[i] === 0x0a ? i + 1 : i;
    }
    let kind = map.code(first) - 1;
    if (kind === CONTROL) return i;
    // A picture and what extends it; a consonant, 2 if a linker follows.
    let is_picture = kind === PICTURE;
    let conjunct = kind === INDIC_CONSONANT ? 1 : 0;
    while (i < length) {
        const code_point = codePointAt(units, i);
        const next = map.code(code_point) - 1;
        const is_joined =
            next >= JOINER ||
            (kind === PREPEND && next !== CONTROL) ||
            (kind === JOINER && is_picture && next === PICTURE) ||
            (conjunct === 2 && next === INDIC_CONSONANT) ||
            isSyllable(kind, next);
        if (!is_joined) break;
        if (next === INDIC_CONSONANT) conjunct = 1;
        else if (next === INDIC_LINKER && conjunct > 0) conjunct = 2;
        else if (next < JOINER || next === SPACING || code_point === ZWNJ) conjunct = 0;
        // A second joiner is no extension of the picture.
        if (next === PICTURE) is_picture = true;
        else if (next < JOINER || next === SPACING || kind === JOINER) is_picture = false;
        kind = next;
        i += code_point < 0x10000 ? 1 : 2;
    }
    return i;
}
