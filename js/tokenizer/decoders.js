/**
 * The decoders of tokenizer.json, each under its name there: from tokens back to text.
 */

import { decodeByteLevel } from './byte_level.js';
import { make } from './file.js';

/** @import { Fields } from './file.js' */

/**
 * What becomes of the tokens of a text, which put together are the text.
 * @typedef {(tokens: string[]) => string[]} Decoder
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
 * @param {Fields} fields
 * @returns {Decoder}
 */
function wordPiece(fields) {
    const prefix = fields.string('prefix');
    const cleanup = fields.boolean('cleanup');
    return (tokens) => tokens.map((token, i) => {
        let text = token;
        if (i > 0) text = token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
        // Token by token, as the library does: not across two.
        if (!cleanup) return text;
        return CLEANUP.reduce((cleaned, [from, to]) => cleaned.replaceAll(from, to), text);
    });
}

/**
 * What ends a word becomes the space behind it.
 * @param {Fields} fields
 * @returns {Decoder}
 */
function bpe(fields) {
    const suffix = fields.string('suffix');
    if (suffix === '') throw fields.wrong('suffix', 'at least one character');
    return (tokens) => tokens.map((token, i) =>
        token.replaceAll(suffix, i === tokens.length - 1 ? '' : ' '));
}

/**
 * @param {Fields} fields
 * @returns {Decoder}
 */
function sequence(fields) {
    const decoders = fields.list('decoders').map((config) => makeDecoder(config, fields.depth + 1));
    return (tokens) => decoders.reduce((texts, decoder) => decoder(texts), tokens);
}

/** @type {Record<string, (fields: Fields) => Decoder>} */
const DECODERS = {
    BPEDecoder: bpe,
    ByteLevel: () => decodeByteLevel,
    Fuse: () => (tokens) => [tokens.join('')],
    Sequence: sequence,
    WordPiece: wordPiece,
};

/**
 * @param {unknown} config
 * @param {number} [depth]
 * @returns {Decoder}
 */
export function makeDecoder(config, depth = 0) {
    return make(DECODERS, 'decoder', config, depth);
}
