/**
 * What Replace looks for: a string, or one of the few regular expressions that files have, known by
 * their text and each searched for by hand. None is ever compiled: one from a stranger's file could
 * keep a regular expression engine busy for ever.
 */

import { badTokenizer } from './file.js';
import { unitsOf } from './normalized_string.js';
import { whitespace } from './unicode.js';

/** @import { Fields } from './file.js' */

/**
 * @typedef {object} Pattern
 * @property {(units: Uint16Array, from: number, to: number) => number} find  where the first match
 *     from there on begins, or -1
 * @property {number} end  where that match ends
 */

/** Longest pattern and replacement: there may be one at each place of a text. */
const MAX_PATTERN = 256;

/** Characters with a meaning of their own in regular expressions. */
const META = /[\\^$.|?*+()[\]{}]/;

/** What may be repeated. */
const ATOMS = ['\\s', '\\n', '\\r', '\\t', ' '];

/** The least number of repeats, and whether more belong to the same match. */
const QUANTIFIERS = new Map([
    ['', { least: 1, is_greedy: false }],
    ['+', { least: 1, is_greedy: true }],
    ['{2,}', { least: 2, is_greedy: true }],
]);

/**
 * Knuth, Morris and Pratt would be linear for any pattern; those in tokenizers are a few
 * characters, so the plain search is linear in the text.
 * @implements {Pattern}
 */
class Literal {
    #units;

    /**
     * @param {string} text  not empty
     */
    constructor(text) {
        this.#units = unitsOf(text);
        this.end = 0;
    }

    /**
     * @param {Uint16Array} units
     * @param {number} from
     * @param {number} to
     * @returns {number}
     */
    find(units, from, to) {
        const pattern = this.#units;
        const last = to - pattern.length;
        for (let i = from; i <= last; i++) {
            let k = 0;
            while (k < pattern.length && units[i + k] === pattern[k]) k++;
            if (k === pattern.length) {
                this.end = i + k;
                return i;
            }
        }
        return -1;
    }
}

/**
 * A run of characters of a kind.
 * @implements {Pattern}
 */
class Run {
    #has;
    #least;
    #is_greedy;

    /**
     * @param {(unit: number) => boolean} has
     * @param {{least: number, is_greedy: boolean}} quantifier
     */
    constructor(has, { least, is_greedy }) {
        this.#has = has;
        this.#least = least;
        this.#is_greedy = is_greedy;
        this.end = 0;
    }

    /**
     * @param {Uint16Array} units
     * @param {number} from
     * @param {number} to
     * @returns {number}
     */
    find(units, from, to) {
        const has = this.#has;
        const least = this.#least;
        const is_greedy = this.#is_greedy;
        for (let i = from; i < to; i++) {
            if (!has(units[i])) continue;
            let end = i + 1;
            while (is_greedy && end < to && has(units[end])) end++;
            if (end - i >= least) {
                this.end = end;
                return i;
            }
            i = end;
        }
        return -1;
    }
}

/**
 * @param {string} regex
 * @returns {Pattern | null}  null if it is not known
 */
function knownPattern(regex) {
    const atom = ATOMS.find((each) => regex.startsWith(each));
    const quantifier = atom === undefined ? undefined : QUANTIFIERS.get(regex.slice(atom.length));
    if (atom !== undefined && quantifier !== undefined) {
        const space = whitespace();
        const unit = { '\\n': 0x0a, '\\r': 0x0d, '\\t': 0x09 }[atom] ?? 0x20;
        return new Run(atom === '\\s' ? (c) => space.has(c) : (c) => c === unit, quantifier);
    }
    return regex === '' || META.test(regex) ? null : new Literal(regex);
}

/**
 * @param {Fields} fields  `pattern` of which is a String or a Regex
 * @returns {Pattern}
 */
export function readPattern(fields) {
    const { String: text, Regex: regex } = fields.object('pattern');
    if (typeof regex === 'string') {
        const known = regex.length > MAX_PATTERN ? null : knownPattern(regex);
        if (known !== null) return known;
        throw badTokenizer(
            fields.where,
            `the regular expression ${JSON.stringify(regex.slice(0, 80))} is not supported`,
        );
    }
    if (typeof text !== 'string') throw fields.wrong('pattern', 'a String or Regex');
    if (text === '' || text.length > MAX_PATTERN) throw tooLong(fields);
    return new Literal(text);
}

/**
 * @param {Fields} fields
 * @returns {string}
 */
export function readContent(fields) {
    const content = fields.string('content');
    if (content.length > MAX_PATTERN) throw tooLong(fields);
    return content;
}

/**
 * @param {Fields} fields
 * @returns {Error}
 */
function tooLong(fields) {
    return badTokenizer(
        fields.where,
        `the pattern must be 1 to ${MAX_PATTERN} characters, the content no more`,
    );
}
