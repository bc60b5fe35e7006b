/**
 * WordPiece (Schuster and Nakajima 2012, as in BERT): a word is the longest piece it begins with,
 * then the longest continuing piece the rest begins with, and so on; if a rest begins with none,
 * the whole word is unknown.
 *
 * Continuing pieces (`##ing`) are looked up by the rest as it stands in the text, whose hash begins
 * with that of the prefix. Rejected: a table of their own without the prefix, which takes time to
 * make and is no faster.
 *
 * A word is at most max_input_chars_per_word long and each of its places tries at most the length
 * of the longest piece: linear in the text. The linear-time automaton (Song et al. 2021) would gain
 * on words of many pieces; English has 1.3 a word.
 */

import { badTokenizer } from '../file.js';
import { isTrailSurrogate } from '../normalized_string.js';
import { NO_PREFIX, Prefix, Vocabulary } from '../vocabulary.js';

/** @import { Fields } from '../file.js' */
/** @import { NormalizedString } from '../normalized_string.js' */
/** @import { TokenBuffer } from '../token_buffer.js' */

export class WordPiece {
    #max_characters;
    #continuing;

    /**
     * @param {Fields} fields
     */
    constructor(fields) {
        /** @readonly */
        this.vocabulary = Vocabulary.of(fields.where, fields.object('vocab'));
        const unknown = fields.string('unk_token');
        /** @readonly */
        this.unknown_id = this.vocabulary.id(unknown);
        if (this.unknown_id < 0) {
            throw badTokenizer(
                fields.where,
                `unk_token ${JSON.stringify(unknown)} is not in the vocabulary`,
            );
        }
        this.#max_characters = fields.integer('max_input_chars_per_word');
        /** @readonly */
        this.continuing_prefix = fields.string('continuing_subword_prefix');
        this.#continuing = new Prefix(this.continuing_prefix);
    }

    /**
     * @param {NormalizedString} text
     * @param {number} start  of a word
     * @param {number} end
     * @param {TokenBuffer} tokens  where its tokens go
     */
    tokenize(text, start, end, tokens) {
        const { units } = text;
        if (end - start > this.#max_characters && this.#isTooLong(units, start, end)) {
            tokens.push(this.unknown_id, text.start(start), text.end(end));
            return;
        }
        const mark = tokens.length;
        const { table } = this.vocabulary;
        let prefix = NO_PREFIX;
        for (let from = start; from < end; ) {
            const entry = table.longest(units, from, end, prefix);
            if (entry < 0) {
                tokens.length = mark;
                tokens.push(this.unknown_id, text.start(start), text.end(end));
                return;
            }
            const to = from + table.ends[entry] - table.starts[entry] - prefix.units.length;
            tokens.push(table.ids[entry], text.start(from), text.end(to));
            from = to;
            prefix = this.#continuing;
        }
    }

    /**
     * The limit counts characters, not units.
     * @param {Uint16Array} units
     * @param {number} start
     * @param {number} end
     * @returns {boolean}
     */
    #isTooLong(units, start, end) {
        let characters = 0;
        for (let i = start; i < end && characters <= this.#max_characters; i++) {
            if (!isTrailSurrogate(units[i])) characters++;
        }
        return characters > this.#max_characters;
    }
}
