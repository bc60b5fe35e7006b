/**
 * The pre-tokenizers of tokenizer.json, each under its name there. A pre-tokenizer cuts a part of
 * a text into words and hands each to a sink, a model or the next pre-tokenizer of a sequence, so
 * that no list of words is ever made. A sink is also told which text the word is of: pre-tokenizers
 * that write a word anew (Metaspace, ByteLevel) hand on one of their own.
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

/** @typedef {(text: NormalizedString, start: number, end: number) => void} Sink */

/**
 * @typedef {object} PreTokenizer
 * @property {(text: NormalizedString, start: number, end: number, sink: Sink) => void} preTokenize
 */

/**
 * What becomes of a delimiter: `the-final--countdown` split at `-` is, with
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
 * @param {boolean} previous  whether the part before is a delimiter
 * @param {boolean} found  whether this one is
 * @returns {boolean}  whether the text is cut between the two
 */
function isCut(behavior, previous, found) {
    switch (behavior) {
        case 'MergedWithPrevious':
            return previous || !found;
        case 'MergedWithNext':
            return !previous || found;
        case 'Contiguous':
            return previous !== found;
        default:
            return true;
    }
}

/**
 * Splits at what a pattern matches, or at what is between that.
 * @implements {PreTokenizer}
 */
class Split {
    /**
     * @param {Match} match
     * @param {Behavior} behavior
     * @param {boolean} [invert]
     */
    constructor(match, behavior, invert = false) {
        /** @private */
        this.match = match;
        /** @private */
        this.behavior = behavior;
        /** @private */
        this.invert = invert;
    }

    /**
     * @param {NormalizedString} text
     * @param {number} start
     * @param {number} end
     * @param {Sink} sink
     */
    preTokenize(text, start, end, sink) {
        const { match, behavior, invert } = this;
        const { units } = text;
        const isRemoved = behavior === 'Removed';
        let from = start; // where what has not been handed on begins
        let previous = false; // whether the part before is a delimiter
        for (let at = start; at < end; ) {
            // A part: a match, or all up to the next.
            let to = match(units, at, end);
            const found = to > at !== invert;
            if (to === at) {
                do to += isLeadSurrogate(units[to]) ? 2 : 1;
                while (to < end && match(units, to, end) === to);
            }
            if (isCut(behavior, previous, found)) {
                if (at > from && !(isRemoved && previous)) sink(text, from, at);
                from = at;
            }
            previous = found;
            at = to;
        }
        if (end > from && !(isRemoved && previous)) sink(text, from, end);
    }
}

/**
 * Splits at space, which is removed, and around each punctuation character.
 * @implements {PreTokenizer}
 */
class BertPreTokenizer {
    constructor() {
        /** @private */
        this.space = whitespace();
        /** @private */
        this.punctuation = punctuation();
        /**
         * For ASCII: 0 within a word, 1 space, 2 punctuation.
         * @private
         */
        this.ascii = Uint8Array.from({ length: ASCII }, (_, c) => this.kind(c));
    }

    /**
     * @private
     * @param {number} codePoint
     * @returns {number}
     */
    kind(codePoint) {
        if (this.space.has(codePoint)) return 1;
        return this.punctuation.has(codePoint) ? 2 : 0;
    }

    /**
     * @param {NormalizedString} text
     * @param {number} start
     * @param {number} end
     * @param {Sink} sink
     */
    preTokenize(text, start, end, sink) {
        const { units } = text;
        const { ascii } = this;
        let from = start;
        for (let i = start; i < end; ) {
            const unit = units[i];
            const wide = isLeadSurrogate(unit);
            const next = wide ? i + 2 : i + 1;
            const kind =
                unit < ASCII ? ascii[unit] : this.kind(wide ? codePointAt(units, i) : unit);
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
 * Runs of letters, marks, digits and connectors (\w), and runs of what is neither that nor space.
 * @implements {PreTokenizer}
 */
class Whitespace {
    constructor() {
        /** @private */
        this.space = whitespace();
        /** @private */
        this.word = word();
    }

    /**
     * @param {NormalizedString} text
     * @param {number} start
     * @param {number} end
     * @param {Sink} sink
     */
    preTokenize(text, start, end, sink) {
        let from = start;
        let current = 0; // of what the run is: 0 space, 1 word, 2 other
        for (let i = start; i < end; ) {
            const codePoint = codePointAt(text.units, i);
            let kind = 2;
            if (this.word.has(codePoint)) kind = 1;
            else if (this.space.has(codePoint)) kind = 0;
            if (kind !== current) {
                if (current !== 0) sink(text, from, i);
                from = i;
                current = kind;
            }
            i += codePoint < 0x10000 ? 1 : 2;
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
            const codePoint = codePointAt(text.units, i);
            const found = script(codePoint);
            if (found >= 0 && found !== current) {
                if (current >= 0) sink(text, from, i);
                from = i;
                current = found;
            }
            i += codePoint < 0x10000 ? 1 : 2;
        }
        if (current >= 0) sink(text, from, end);
    }
}

/**
 * @implements {PreTokenizer}
 */
class Sequence {
    /**
     * @param {Fields} fields
     */
    constructor(fields) {
        /** @private */
        this.preTokenizers = fields
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
        for (let k = this.preTokenizers.length - 1; k >= 0; k--) {
            const preTokenizer = this.preTokenizers[k];
            const after = next;
            next = (part, from, to) => preTokenizer.preTokenize(part, from, to, after);
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
