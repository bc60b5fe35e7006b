/**
 * The patterns that text is split at: strings, and the regular expressions that tokenizers use. No
 * expression of a file is ever run. Those known are recognised by their text, and what they match
 * is written out here, in time proportional to the text; others are refused by name.
 *
 * Letters, numbers and so on are those of Oniguruma, with which the library runs them.
 */

import { badTokenizer } from './file.js';
import { codePointAt, isLeadSurrogate, unitsOf } from './normalized_string.js';
import { CodePointSet, decimal, letter, number, sign, whitespace, wordSign } from './unicode.js';

/** @import { Fields } from './file.js' */

/**
 * Where the match that begins at `at` ends; `at` itself if none begins there.
 * @typedef {(units: Uint16Array, at: number, end: number) => number} Match
 */

/** @typedef {Pick<CodePointSet, 'has'>} SetLike */

/** A string is searched for at each place. */
const MAX_PATTERN = 256;

const NEW_LINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const APOSTROPHE = 0x27;

/** Kinds of characters; anything else is 0. */
const LETTER = 1;
const NUMBER = 2;
const BLANK = 3;
/** Half of a surrogate pair: the whole has a kind. */
const HALF = 4;

/** @type {Uint8Array | null} */
let kinds = null;

/**
 * @returns {Uint8Array}  of each unit
 */
function unitKinds() {
    if (kinds === null) {
        kinds = new Uint8Array(0x10000);
        for (let c = 0; c < 0x10000; c++) kinds[c] = kindOf(c);
        kinds.fill(HALF, 0xd800, 0xe000);
    }
    return kinds;
}

/**
 * @param {number} c
 * @returns {number}
 */
function kindOf(c) {
    if (letter().has(c)) return LETTER;
    if (number().has(c)) return NUMBER;
    return whitespace().has(c) ? BLANK : 0;
}

/**
 * How the patterns of GPT-2 and those after it differ.
 * @typedef {object} Variant
 * @property {'none' | 'lower' | 'any'} contractions  whether `'s` in `it's` is set apart: never, in
 *   lower case, or in any case
 * @property {boolean} has_lead  whether any sign may begin a word, as in `(word`, or only a space
 * @property {number} digits  most numbers that stay together
 * @property {boolean} keeps_lines  whether line ends stay with what is before them
 */

/**
 * Words, numbers and signs, each with a space before them, and space.
 * @param {Variant} variant
 * @returns {Match}
 */
function words({ contractions, has_lead, digits, keeps_lines }) {
    const kind_of_unit = unitKinds();
    /**
     * @param {Uint16Array} units
     * @param {number} at
     * @returns {number}
     */
    const kindAt = (units, at) => {
        const kind = kind_of_unit[units[at]];
        return kind === HALF ? kindOf(codePointAt(units, at)) : kind;
    };
    /**
     * @param {Uint16Array} units
     * @param {number} at
     * @param {number} end
     * @param {number} kind
     * @returns {number}  behind all characters of a kind
     */
    const skip = (units, at, end, kind) => {
        let i = at;
        for (;;) {
            while (i < end && kind_of_unit[units[i]] === kind) i++;
            if (i >= end || kind_of_unit[units[i]] !== HALF || kindAt(units, i) !== kind) return i;
            i += 2;
        }
    };
    return (units, at, end) => {
        const unit = units[at];
        if (unit === APOSTROPHE && contractions !== 'none') {
            const to = contraction(units, at, end, contractions === 'any');
            if (to > at) return to;
        }
        let kind = kindAt(units, at);
        let from = at;
        if (kind !== LETTER && kind !== NUMBER) {
            const next = isLeadSurrogate(unit) ? at + 2 : at + 1;
            const is_lead = unit === SPACE || (has_lead && unit !== NEW_LINE && unit !== RETURN);
            const behind = is_lead && next < end ? kindAt(units, next) : BLANK;
            if (
                behind === LETTER ||
                (unit === SPACE && behind === 0) ||
                (unit === SPACE && behind === NUMBER && !has_lead)
            ) {
                from = next;
                kind = behind;
            }
        }
        if (kind === BLANK) return blank(units, at, skip(units, at, end, BLANK), end, keeps_lines);
        if (kind === NUMBER && digits < Infinity) {
            let to = from;
            for (let n = 0; n < digits && to < end && kindAt(units, to) === NUMBER; n++) {
                to += isLeadSurrogate(units[to]) ? 2 : 1;
            }
            return to;
        }
        let to = skip(units, from, end, kind);
        if (kind === 0 && keeps_lines) while (to < end && isLineEnd(units[to])) to++;
        return to;
    };
}

/**
 * @param {number} unit
 * @returns {boolean}
 */
function isLineEnd(unit) {
    return unit === NEW_LINE || unit === RETURN;
}

/**
 * @param {Uint16Array} units
 * @param {number} from
 * @param {number} to  where the space ends
 * @param {number} end
 * @param {boolean} keeps_lines
 * @returns {number}  how far it goes together: up to the last line end, or leaving its last
 *     character to the word behind it
 */
function blank(units, from, to, end, keeps_lines) {
    if (keeps_lines) {
        let last = to;
        while (last > from && !isLineEnd(units[last - 1])) last--;
        if (last > from) return last;
    }
    return to === end || to === from + 1 ? to : to - 1;
}

/**
 * @param {Uint16Array} units
 * @param {number} at  the apostrophe
 * @param {number} end
 * @param {boolean} ignores_case
 * @returns {number}  behind 's, 't, 'm, 'd, 're, 've or 'll, or `at`
 */
function contraction(units, at, end, ignores_case) {
    /** @type {(i: number) => number} */
    const lower = (i) => {
        const unit = i < end ? units[i] : 0;
        if (ignores_case && unit > 0x40 && unit < 0x5b) return unit + 0x20;
        return ignores_case && unit === 0x17f ? 0x73 : unit; // the long s
    };
    const a = lower(at + 1);
    if (a === 0x73 || a === 0x74 || a === 0x6d || a === 0x64) return at + 2;
    const b = lower(at + 2);
    const is_two = ((a === 0x72 || a === 0x76) && b === 0x65) || (a === 0x6c && b === 0x6c);
    return is_two ? at + 3 : at;
}

export const GPT2 = () =>
    words({ contractions: 'lower', has_lead: false, digits: Infinity, keeps_lines: false });

/**
 * CLIP's: words, single numbers and signs, without space.
 * @returns {Match}
 */
function clip() {
    const match = words({ contractions: 'lower', has_lead: false, digits: 1, keeps_lines: false });
    return (units, at, end) => (whitespace().has(units[at]) ? at : match(units, at, end));
}

/**
 * From one to `most` characters of a class.
 * @param {SetLike} set
 * @param {number} most
 * @returns {Match}
 */
function some(set, most) {
    return (units, at, end) => {
        let to = at;
        for (let n = 0; n < most && to < end; n++) {
            const code_point = codePointAt(units, to);
            if (!set.has(code_point)) break;
            to += code_point < 0x10000 ? 1 : 2;
        }
        return to;
    };
}

/**
 * @param {CodePointSet} set
 * @returns {Match}
 */
export function eachOf(set) {
    return some(set, 1);
}

/**
 * @param {(() => SetLike)[]} sets
 * @returns {() => SetLike}  what is in none of them
 */
function not(...sets) {
    return () => ({ has: (c) => !sets.some((set) => set().has(c)) });
}

/**
 * @param {string} characters
 * @returns {() => CodePointSet}
 */
function ranges(characters) {
    return () => new CodePointSet(unitsOf(characters));
}

/** \w, which without brackets has the superscripts and fractions of Latin-1 too. */
const bareWord = () => ({
    /** @type {(c: number) => boolean} */
    has: (c) => wordSign().has(c) || (c < 0x100 && number().has(c)),
});

/** @type {Record<string, () => SetLike>} */
const CLASSES = {
    ' ': ranges('  '),
    '\\n': ranges('\n\n'),
    '[\\r\\n]': ranges('\n\n\r\r'),
    '[0-9]': ranges('09'),
    '[a-z]': ranges('az'),
    '[A-Z]': ranges('AZ'),
    '[a-zA-Z]': ranges('AZaz'),
    '\\s': whitespace,
    '\\S': not(whitespace),
    '\\d': decimal,
    '\\D': not(decimal),
    '\\w': bareWord,
    '\\W': not(bareWord),
    '[^\\w\\s]': not(wordSign, whitespace),
    '[^\\s\\w]': not(wordSign, whitespace),
    '\\p{L}': letter,
    '\\p{N}': number,
    '\\p{Nd}': decimal,
    '\\p{P}': sign,
    '[^\\s\\p{L}\\p{N}]': not(whitespace, letter, number),
};

/** How often: the end of an expression. */
const COUNTS = { '': 1, '+': Infinity, '{1,2}': 2, '{1,3}': 3 };

const SPACES = '\\s+(?!\\S)|\\s+';
const ANY_CASE = ["(?i:'s|'t|'re|'ve|'m|'ll|'d)", "'(?i:[sdmt]|ll|ve|re)"];

/** @type {Record<string, () => Match>} */
const EXPRESSIONS = {
    [`'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|${SPACES}`]: GPT2,
    [`'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|${SPACES}`]: GPT2,
    "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+": clip,
    '\\w+|[^\\w\\s]+': () => {
        const match = [some(bareWord(), Infinity), some(CLASSES['[^\\w\\s]'](), Infinity)];
        return (units, at, end) => {
            const to = match[0](units, at, end);
            return to > at ? to : match[1](units, at, end);
        };
    },
};
// GPT-4's, Llama 3's and Qwen's: the same but for how many numbers stay together.
for (const [count, digits] of /** @type {const} */ ([
    ['{1,3}', 3],
    ['', 1],
    ['+', Infinity],
])) {
    const variant = () => words({ contractions: 'any', has_lead: true, digits, keeps_lines: true });
    for (const apart of ANY_CASE) {
        const ends = `| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|${SPACES}`;
        EXPRESSIONS[`${apart}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}${count}${ends}`] = variant;
        EXPRESSIONS[
            `${apart}|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}${count}| ?[^\\s\\p{L}\\p{N}]++` +
                `[\\r\\n]*|\\s*[\\r\\n]|${SPACES}`
        ] = variant;
    }
}

/**
 * @param {Fields} fields  with a `pattern`
 * @returns {Match}
 */
export function readMatch(fields) {
    const { String: text, Regex: expression } = fields.object('pattern');
    if (typeof expression === 'string') {
        const match = known(expression);
        if (match !== null) return match;
        throw badTokenizer(
            fields.where,
            `the regular expression ${JSON.stringify(expression.slice(0, 200))} is not supported`,
        );
    }
    if (typeof text !== 'string') throw fields.wrong('pattern', 'a String or Regex');
    if (text === '' || text.length > MAX_PATTERN) {
        throw badTokenizer(fields.where, `the pattern must be 1 to ${MAX_PATTERN} characters`);
    }
    const pattern = unitsOf(text);
    const { length } = pattern;
    return (units, at, end) => {
        let k = 0;
        while (k < length && at + k < end && units[at + k] === pattern[k]) k++;
        return k === length ? at + length : at;
    };
}

/**
 * @param {string} expression
 * @returns {Match | null}
 */
function known(expression) {
    if (Object.hasOwn(EXPRESSIONS, expression)) return EXPRESSIONS[expression]();
    for (const [count, most] of Object.entries(COUNTS)) {
        if (!expression.endsWith(count)) continue;
        const name = expression.slice(0, expression.length - count.length);
        if (Object.hasOwn(CLASSES, name)) return some(CLASSES[name](), most);
    }
    return null;
}
