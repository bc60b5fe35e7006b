/**
 * A word is a piece, or unknown.
 */

import { badTokenizer } from '../file.js';
import { quote, Vocabulary } from '../vocabulary.js';

/** @import { Fields } from '../file.js' */
/** @import { NormalizedString } from '../normalized_string.js' */
/** @import { TokenBuffer } from '../token_buffer.js' */

export class WordLevel {
    #unknown;
    #where;

    /**
     * @param {Fields} fields
     */
    constructor(fields) {
        /** @readonly */
        this.vocabulary = Vocabulary.of(fields.where, fields.object('vocab'));
        this.#unknown = fields.string('unk_token');
        /** @readonly */
        this.unknown_id = this.vocabulary.id(this.#unknown);
        this.#where = fields.where;
    }

    /**
     * @param {NormalizedString} text
     * @param {number} start
     * @param {number} end
     * @param {TokenBuffer} tokens
     */
    tokenize(text, start, end, tokens) {
        const { table } = this.vocabulary;
        const entry = table.find(text.units, start, end);
        const id = entry < 0 ? this.unknown_id : table.ids[entry];
        // A vocabulary of all there is does without, as in the library.
        if (id < 0) {
            throw badTokenizer(
                this.#where,
                `a word is not in the vocabulary, nor is unk_token ` + quote(this.#unknown),
            );
        }
        tokens.push(id, text.start(start), text.end(end));
    }
}
