/**
 * The decoders of tokenizer.json, each under its name there: from tokens back to text.
 */

import { make } from './file.js';

/** @import { Fields } from './file.js' */

/**
 * @typedef {object} Decoder
 * @property {(tokens: string[]) => string} decode
 */

/**
 * What cleaning up replaces, in this order. `do not` is a peculiarity of the library.
 * @type {readonly [from: string, to: string][]}
 */
const CLEANUP = [
    [' .', '.'], [' ?', '?'], [' !', '!'], [' ,', ','], [" ' ", "'"], [" n't", "n't"], [" 'm", "'m"],
    [' do not', " don't"], [" 's", "'s"], [" 've", "'ve"], [" 're", "'re"],
];

/**
 * Puts words apart and continuing pieces to their words.
 * @implements {Decoder}
 */
class WordPieceDecoder {
    /**
     * @param {Fields} fields
     */
    constructor(fields) {
        /** @private */
        this.prefix = fields.string('prefix');
        /** @private */
        this.cleanup = fields.boolean('cleanup');
    }

    /**
     * @param {string[]} tokens
     * @returns {string}
     */
    decode(tokens) {
        return tokens.map((token, i) => {
            let text = token;
            if (i > 0) {
                text = token.startsWith(this.prefix) ? token.slice(this.prefix.length) : ` ${token}`;
            }
            // Token by token, as the library does: not across two.
            if (!this.cleanup) return text;
            return CLEANUP.reduce((cleaned, [from, to]) => cleaned.replaceAll(from, to), text);
        }).join('');
    }
}

/** @type {Record<string, (fields: Fields) => Decoder>} */
const DECODERS = {
    WordPiece: (fields) => new WordPieceDecoder(fields),
};

/**
 * @param {unknown} config
 * @returns {Decoder}
 */
export function makeDecoder(config) {
    return make(DECODERS, 'decoder', config, 0);
}
