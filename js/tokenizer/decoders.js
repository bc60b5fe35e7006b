/**
 * The decoders of tokenizer.json, each under its name there: from tokens back to text.
 */

import { decodeByteLevel } from './byte_level.js';
import { make } from './file.js';
import { metaspaceDecoder } from './metaspace.js';
import { textOf, unitsOf } from './normalized_string.js';
import { readContent, readPattern } from './replace_patterns.js';

/** @import { Fields } from './file.js' */

/**
 * Turns the tokens of a text into strings that, put together, are the text.
 * @typedef {(tokens: string[]) => string[]} Decoder
 */

/**
 * What cleaning up replaces, in this order. `do not` is a peculiarity of the library.
 * @type {readonly [from: string, to: string][]}
 */
const CLEANUP = [
    [' .', '.'],
    [' ?', '?'],
    [' !', '!'],
    [' ,', ','],
    [" ' ", "'"],
    [" n't", "n't"],
    [" 'm", "'m"],
    [' do not', " don't"],
    [" 's", "'s"],
    [" 've", "'ve"],
    [" 're", "'re"],
];

/**
 * Puts words apart and continuing pieces to their words.
 * @param {Fields} fields
 * @returns {Decoder}
 */
function wordPiece(fields) {
    const prefix = fields.string('prefix');
    const cleanup = fields.boolean('cleanup');
    return (tokens) =>
        tokens.map((token, i) => {
            let text = token;
            if (i > 0) text = token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
            // Token by token, as the library does: not across two.
            if (!cleanup) return text;
            return CLEANUP.reduce((cleaned, [from, to]) => cleaned.replaceAll(from, to), text);
        });
}

/**
 * @param {Fields} fields
 * @returns {Decoder}
 */
function replace(fields) {
    const pattern = readPattern(fields);
    const content = readContent(fields);
    return (tokens) =>
        tokens.map((token) => {
            const units = unitsOf(token);
            const { length } = units;
            let text = '';
            let done = 0;
            for (;;) {
                const match = pattern.find(units, done, length);
                text += textOf(units, done, match < 0 ? length : match);
                if (match < 0) return text;
                text += content;
                done = pattern.end;
            }
        });
}

/**
 * Removes up to `start` and `stop` of a character from the start and the end of each token.
 * @param {Fields} fields
 * @returns {Decoder}
 */
function strip(fields) {
    const content = fields.string('content');
    const start = fields.integer('start');
    const stop = fields.integer('stop');
    if ([...content].length !== 1) throw fields.wrong('content', 'one character');
    return (tokens) =>
        tokens.map((token) => {
            const { length } = content;
            let from = 0;
            let to = token.length;
            for (let n = 0; n < start && token.startsWith(content, from); n++) from += length;
            for (let n = 0; n < stop && to > from && token.endsWith(content, to); n++) to -= length;
            return token.slice(from, to);
        });
}

/**
 * Pieces that stand for a byte, `<0x0A>`, become the text of these bytes, or U+FFFD each where they
 * are not valid UTF-8.
 * @param {string[]} tokens
 * @returns {string[]}
 */
function byteFallback(tokens) {
    const texts = [];
    /** @type {number[]} */
    let bytes = [];
    for (let i = 0; i <= tokens.length; i++) {
        const byte = i < tokens.length ? byteOf(tokens[i]) : -1;
        if (byte >= 0) {
            bytes.push(byte);
            continue;
        }
        if (bytes.length > 0) texts.push(decodeBytes(bytes));
        bytes = [];
        if (i < tokens.length) texts.push(tokens[i]);
    }
    return texts;
}

/**
 * @param {string} token
 * @returns {number}  the byte that it stands for, -1 if none
 */
function byteOf(token) {
    // A plus is taken for a sign by the library.
    const match = /^<0x(\+[0-9a-f]|[0-9a-f]{2})>$/i.exec(token);
    return match === null ? -1 : parseInt(match[1], 16);
}

/**
 * @param {number[]} bytes
 * @returns {string}
 */
function decodeBytes(bytes) {
    try {
        const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
        return decoder.decode(Uint8Array.from(bytes));
    } catch {
        return '\ufffd'.repeat(bytes.length);
    }
}

/**
 * What ends a word becomes the space behind it.
 * @param {Fields} fields
 * @returns {Decoder}
 */
function bpe(fields) {
    const suffix = fields.string('suffix');
    if (suffix === '') throw fields.wrong('suffix', 'at least one character');
    return (tokens) =>
        tokens.map((token, i) => token.replaceAll(suffix, i === tokens.length - 1 ? '' : ' '));
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
    ByteFallback: () => byteFallback,
    ByteLevel: () => decodeByteLevel,
    Fuse: () => (tokens) => [tokens.join('')],
    Metaspace: metaspaceDecoder,
    Replace: replace,
    Sequence: sequence,
    Strip: strip,
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
