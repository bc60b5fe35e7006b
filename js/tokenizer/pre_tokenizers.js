/**
 * The pre-tokenizers of tokenizer.json, each under its name there. A pre-tokenizer cuts a part of
 * a text into words and hands each to a sink, a model or the next pre-tokenizer of a sequence, so
 * that no list of words is ever made. A sink is also told which text the word is in: pre-tokenizers
 * that rewrite a word (Metaspace, ByteLevel) hand on a text of their own.
 */

import { ByteLevel } from './byte_level.js';
import { make } from './file.js';
import { Metaspace } from './metaspace.js';
import { codePointAt, isLeadSurrogate } from './normalized_string.js';
import { eachOf, readMatch } from './patterns.js';
import { numeric, punctuation, script, whitespace, word } from './unicode.js';

/** @import { Fields } from './file.js' */
/** @import { NormalizedString } from './normalized_string.js' */
/** @import { Match } from './patterns.js' */
/** @import { CodePointSet } from './unicode.js' */

/** @typedef {(text: NormalizedString, start: number, end: number) => void} Sink */

/**
 * @typedef {object} PreTokenizer
 * @property {(text: NormalizedString, start: number, end: number, sink: Sink) => void} preTokenize
 */

/**
 * What happens to a delimiter: `the-final--countdown` split at `-` is, with
 * Removed              the, final, countdown
 * Isolated             the, -, final, -, -, countdown
 * MergedWithPrevious   the-, final-, -, countdown
 * MergedWithNext       the, -final, -, -countdown
 * Contiguous           the, -, final, --, countdown
 * @typedef {'Removed' | 'Isolated' | 'MergedWithPrevious' | 'MergedWithNext'
 *   | 'Contiguous'} Behavior
 */

/** @type {readonly Behavior[]} */
const BEHAVIORS = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'];

const ASCII = 128;

/**
 * @param {Behavior} behavior
 * @param {boolean} was_found  whether the part before is a delimiter
 * @param {boolean} is_found  whether this one is
 * @returns {boolean}  whether the text is cut between the two
 */
function isCut(behavior, was_found, is_found) {
    switch (behavior) {
        case 'MergedWithPrevious':
            return was_found || !is_found;
        case 'MergedWithNext':
            return !was_found || is_found;
        case 'Contiguous':
            return was_found !== is_found;
        default:
            return true;
    }
}

/**
 * Splits at what a pattern matches, or at what is between that.
 * @implements {PreTokenizer}
 */
class Split {
    #match;
    #behavior;
    #is_inverted;

    /**
     * @param {Match} match
     * @param {Behavior} behavior
     * @param {boolean} [is_inverted]
     */
    constructor(match, behavior, is_inverted = false) {
        this.#match = match;
        this.#behavior = behavior;
        this.#is_inverted = is_inverted;
    }

    /**
     * @param {NormalizedString} text
     * @param {number} start
     * @param {number} end
     * @param {Sink} sink
     */
    preTokenize(text, start, end, sink) {
        const match = this.#match;
        const behavior = this.#behavior;
        const is_inverted = this.#is_inverted;
        const { units } = text;
        const is_removed = behavior === 'Removed';
        let from = start; // where what has not been handed on begins
        let was_found = false; // whether the part before is a delimiter
        for (let at = start; at < end; ) {
            // A part: a match, or all up to the next.
            let to = match(units, at, end);
            const is_found = to > at !== is_inverted;
            if (to === at) {
                do to += isLeadSurrogate(units[to]) ? 2 : 1;
                while (to < end && match(units, to, end) === to);
            }
            if (isCut(behavior, was_found, is_found)) {
                if (at > from && !(is_removed && was_found)) sink(text, from, at);
                from = at;
            }
            was_found = is_found;
            at = to;
        }
        if (end > from && !(is_removed && was_found)) sink(text, from, end);
    }
}

/**
 * Splits at space, which is removed, and around each punctuation character.
 * @implements {PreTokenizer}
 */
class BertPreTokenizer {
    #space = whitespace();
    #punctuation = punctuation();

    /** bertKind() of ASCII. */
    #ascii = Uint8Array.from({ length: ASCII }, (_, c) => bertKind(c, whitespace(), punctuation()));

    /**
     * @param {NormalizedString} text
     * @param {number} start
     * @param {number} end
     * @param {Sink} sink
     */
    preTokenize(text, start, end, sink) {
        const { units } = text;
        const space = this.#space;
        const signs = this.#punctuation;
        const ascii = this.#ascii;
        let from = start;
        for (let i = start; i < end; ) {
            const unit = units[i];
            const is_wide = isLeadSurrogate(unit);
            const next = is_wide ? i + 2 : i + 1;
            const kind =
                unit < ASCII
                    ? ascii[unit]
                    : bertKind(is_wide ? codePointAt(units, i) : unit, space, signs);
            if (kind !== 0) {
                if (i > from) sink(text, from, i);
                if (kind === 2) sink(text, i, next);
                from = next;
            }
            i = next;
        }
        if (end > from) sink(text, from, end);
    }
}

/**
 * @param {number} code_point
 * @param {CodePointSet} space
 * @param {CodePointSet} signs
 * @returns {number}  0 within a word, 1 space, 2 punctuation
 */
function bertKind(code_point, space, signs) {
    if (space.has(code_point)) return 1;
    return signs.has(code_point) ? 2 : 0;
}

/**
 * Runs of letters, marks, digits and connectors (\w), and runs of what is neither that nor space.
 * @implements {PreTokenizer}
 */
class Whitespace {
    #space = whitespace();
    #word = word();

    /**
     * @param {NormalizedString} text
     * @param {number} start
     * @param {number} end
     * @param {Sink} sink
     */
    preTokenize(text, start, end, sink) {
        const letters = this.#word;
        const space = this.#space;
        let from = start;
        let current = 0; // of what the run is: 0 space, 1 word, 2 other
        for (let i = start; i < end; ) {
            const code_point = codePointAt(text.units, i);
            let kind = 2;
            if (letters.has(code_point)) kind = 1;
            else if (space.has(code_point)) kind = 0;
            if (kind !== current) {
                if (current !== 0) sink(text, from, i);
                from = i;
                current = kind;
            }
            i += code_point < 0x10000 ? 1 : 2;
        }
        if (current !== 0) sink(text, from, end);
    }
}

/**
 * Runs of one script. What goes with any script, as space, stays with what is before it, and is
 * lost where there is nothing before it, as in the library.
 * @implements {PreTokenizer}
 */
class UnicodeScripts {
    /**
     * @param {NormalizedString} text
     * @param {number} start
     * @param {number} end
     * @param {Sink} sink
     */
    preTokenize(text, start, end, sink) {
        let from = end;
        let current = -1;
        for (let i = start; i < end; ) {
            const code_point = codePointAt(text.units, i);
            const found = script(code_point);
            if (found >= 0 && found !== current) {
                if (current >= 0) sink(text, from, i);
                from = i;
                current = found;
            }
            i += code_point < 0x10000 ? 1 : 2;
        }
        if (current >= 0) sink(text, from, end);
    }
}

/**
 * @implements {PreTokenizer}
 */
class Sequence {
    #pre_tokenizers;

    /**
     * @param {Fields} fields
     */
    constructor(fields) {
        this.#pre_tokenizers = fields
            .list('pretokenizers')
            .map((config) => makePreTokenizer(config, fields.depth + 1));
    }

    /**
     * @param {NormalizedString} text
     * @param {number} start
     * @param {number} end
     * @param {Sink} sink
     */
    preTokenize(text, start, end, sink) {
        let next = sink;
        for (let k = this.#pre_tokenizers.length - 1; k >= 0; k--) {
            const pre_tokenizer = this.#pre_tokenizers[k];
            const after = next;
            next = (part, from, to) => pre_tokenizer.preTokenize(part, from, to, after);
        }
        if (end > start) next(text, start, end);
    }
}

/** @type {Record<string, (fields: Fields) => PreTokenizer>} */
const PRE_TOKENIZERS = {
    BertPreTokenizer: () => new BertPreTokenizer(),
    ByteLevel: (fields) => new ByteLevel(fields),
    Digits: (fields) =>
        new Split(
            eachOf(numeric()),
            fields.boolean('individual_digits') ? 'Isolated' : 'Contiguous',
        ),
    Metaspace: (fields) => new Metaspace(fields),
    Punctuation: (fields) =>
        new Split(eachOf(punctuation()), fields.oneOf('behavior', BEHAVIORS, 'Isolated')),
    Sequence: (fields) => new Sequence(fields),
    Split: (fields) =>
        new Split(readMatch(fields), fields.oneOf('behavior', BEHAVIORS), fields.boolean('invert')),
    UnicodeScripts: () => new UnicodeScripts(),
    Whitespace: () => new Whitespace(),
    WhitespaceSplit: () => new Split(eachOf(whitespace()), 'Removed'),
};

/**
 * @param {unknown} config
 * @param {number} [depth]
 * @returns {PreTokenizer}
 */
export function makePreTokenizer(config, depth = 0) {
    return make(PRE_TOKENIZERS, 'pre-tokenizer', config, depth);
}
