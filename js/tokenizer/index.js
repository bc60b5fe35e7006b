/**
 * A tokenizer from the `tokenizer.json` of Hugging Face `tokenizers`: an interpreter for the file,
 * one module for each stage, each stage's kinds under their names in the file.
 *
 *     added tokens   added_vocabulary.js   [MASK] and others, before all else
 *     normalizer     normalizers.js        lower case, accents, ...: a new text with its alignment
 *     pre-tokenizer  pre_tokenizers.js     words
 *     model          models/               the tokens of a word
 *     truncation     truncation.js         what fits
 *     post-processor post_processors.js    special tokens, types
 *     decoder        decoders.js           the way back
 *
 * It gives the library's ids and places for any text, in time and memory proportional to the text,
 * and refuses by name what it does not know: a tokenizer that is nearly right makes a model that is
 * quietly wrong. Rejected: compiling the library itself to wasm, which is two megabytes instead of
 * forty kilobytes, and no faster.
 */

import { BertError, describe, withPlace } from '../errors.js';
import { readOptions } from '../options.js';
import { AddedVocabulary } from './added_vocabulary.js';
import { makeDecoder } from './decoders.js';
import { assemble } from './encoding.js';
import { badTokenizer } from './file.js';
import { makeModel } from './models/index.js';
import { NormalizedString, readUnits, textOf } from './normalized_string.js';
import { makeNormalizer } from './normalizers.js';
import { makePostProcessor, piecesOf } from './post_processors.js';
import { makePreTokenizer } from './pre_tokenizers.js';
import { readTokenizer } from './reader.js';
import { TokenBuffer } from './token_buffer.js';
import { readTruncation, truncate } from './truncation.js';

/** @import { Encoding, SequenceTokens } from './encoding.js' */
/** @import { Fields } from './file.js' */
/** @import { Truncation, TruncationOptions, Windows } from './truncation.js' */

/**
 * @typedef {object} EncodeOptions
 * @property {string | null} [text_pair]  a second text; default null: none
 * @property {boolean} [add_special_tokens]  whether [CLS], [SEP] and the like are added; default
 *   true
 * @property {TruncationOptions | null} [truncation]  how a text that is too long is cut; default
 *   null: it is not
 */

/**
 * @typedef {object} DecodeOptions
 * @property {boolean} [skip_special_tokens]  whether [CLS], [SEP] and the like are left out;
 *   default true
 */

/** The buffers of a text of more units are given back after it. */
const KEPT_UNITS = 1 << 20;

/** A tokenizer of Hugging Face, from its tokenizer.json: its ids and places for any text. */
export class Tokenizer {
    #normalizer;
    #pre_tokenizer;
    #model;
    #post_processor;
    #decoder;
    #text = new NormalizedString();
    #added;
    #source = new Uint16Array(256);
    #buffers = [new TokenBuffer(), new TokenBuffer()];

    /** @type {(id: number) => string} */
    #tokenText;

    /**
     * The word of each token of a text, which takes another pass over it: to remember the words of
     * every text would make all slower, and hardly any are asked for.
     * @type {(text: unknown) => Int32Array}
     */
    #wordsOf;

    /**
     * Makes a tokenizer.
     * @param {string | Uint8Array | ArrayBuffer} file  tokenizer.json, or its bytes
     * @returns {Tokenizer}
     * @throws {BertError} BAD_TOKENIZER if it is broken or has what is not supported
     */
    static fromJSON(file) {
        return new Tokenizer(readTokenizer(file));
    }

    /**
     * Use Tokenizer.fromJSON.
     * @internal
     * @param {Fields} file
     */
    constructor(file) {
        const version = file.get('version');
        if (version !== null && version !== '1.0') {
            throw badTokenizer('', `version must be "1.0", not ${describe(version)}`);
        }
        /**
         * @template T
         * @param {string} name
         * @param {(config: unknown) => T} make
         * @returns {T | null}
         */
        const optional = (name, make) => {
            const config = file.get(name);
            return config === null ? null : make(config);
        };
        this.#normalizer = optional('normalizer', (config) => makeNormalizer(config));
        this.#pre_tokenizer = optional('pre_tokenizer', (config) => makePreTokenizer(config));
        this.#model = makeModel(file.object('model'));
        this.#post_processor = optional('post_processor', (config) => makePostProcessor(config));
        this.#decoder = optional('decoder', (config) => makeDecoder(config));
        const added = file.get('added_tokens') === null ? [] : file.list('added_tokens');
        this.#added = new AddedVocabulary(
            added,
            this.#model.vocabulary,
            this.#normalizer,
            this.#text,
        );
        this.#tokenText = (id) =>
            this.#model.vocabulary.piece(id) ?? this.#added.token(id)?.content ?? '';
        this.#wordsOf = (text) => {
            const [tokens] = this.#buffers;
            this.#tokenize(text, 'text', tokens, true);
            return tokens.words();
        };
        /** how many tokens there are, added ones included */
        this.vocab_size = this.#model.vocabulary.size + this.#added.n_new;
    }

    /**
     * The tokens of a text or a pair, with ids for the model and their places in the text.
     * @param {string} text  of any length, empty too; half a surrogate pair counts as U+FFFD
     * @param {EncodeOptions} [options]
     * @returns {Encoding}  one of its own: the next call does not change it
     * @throws {BertError} BAD_INPUT if a text is not a string, has what the vocabulary cannot say,
     *     or cannot be truncated as it should; BAD_OPTION
     */
    encode(text, options = {}) {
        const { text_pair, add_special_tokens, truncation } = readEncodeOptions(options);
        return this.#encodeTexts(text, text_pair, add_special_tokens, truncation);
    }

    /**
     * The same for many, one after another and without padding.
     * @param {readonly (string | readonly [text: string, text_pair: string])[]} texts  texts, or
     *     pairs of them
     * @param {Omit<EncodeOptions, 'text_pair'>} [options]
     * @returns {Encoding[]}  one for each
     * @throws {BertError} BAD_INPUT, BAD_OPTION as encode(), with the `index` of the text
     */
    encodeBatch(texts, options = {}) {
        if (!Array.isArray(texts)) {
            throw new BertError('BAD_INPUT', `texts must be an array, not ${describe(texts)}`);
        }
        const { text_pair, add_special_tokens, truncation } = readEncodeOptions(options);
        if (text_pair !== null) {
            throw new BertError(
                'BAD_OPTION',
                'encodeBatch has no option text_pair; give pairs as ' +
                    '[text, text_pair] among the texts',
            );
        }
        return texts.map((each, i) => {
            try {
                if (Array.isArray(each) && each.length !== 2) {
                    throw new BertError(
                        'BAD_INPUT',
                        `a pair must be [text, text_pair], not ${describe(each)}`,
                    );
                }
                const [text, pair] = Array.isArray(each) ? each : [each, null];
                return this.#encodeTexts(text, pair, add_special_tokens, truncation);
            } catch (error) {
                throw withPlace(error, `text ${i}`, i);
            }
        });
    }

    /**
     * The text of ids, as the file's decoder makes it, which may differ from what was encoded.
     * @param {Iterable<number>} ids  those that do not exist are left out
     * @param {DecodeOptions} [options]
     * @returns {string}
     * @throws {BertError} BAD_INPUT if one is not an integer
     */
    decode(ids, options = {}) {
        const { skip_special_tokens } = readOptions('decode', options, {
            skip_special_tokens: true,
        });
        checkFlag('skip_special_tokens', skip_special_tokens);
        const tokens = [];
        for (const id of checkIds(ids)) {
            const token = this.idToToken(id);
            // As in the library, what has no token is left out.
            if (token === null || (skip_special_tokens && this.#added.isSpecial(token))) continue;
            tokens.push(token);
        }
        return this.joinTokens(tokens);
    }

    /**
     * The text of tokens, as the file's decoder puts them together. It need not know them.
     * @param {string[]} tokens  as in the vocabulary
     * @returns {string}
     */
    joinTokens(tokens) {
        return this.#decoder === null ? tokens.join(' ') : this.#decoder(tokens).join('');
    }

    /**
     * the id that stands for what the vocabulary does not know; null if there is none. Byte-level
     * models do not need it, but their vocabularies have it by name
     * @returns {number | null}
     */
    get unknown_id() {
        const { unknown_id } = this.#model;
        return unknown_id >= 0 ? unknown_id : (this.tokenToId('<unk>') ?? this.tokenToId('[UNK]'));
    }

    /** what a token that continues a word begins with, `##`; empty: such tokens are not marked */
    get continuing_prefix() {
        return this.#model.continuing_prefix ?? '';
    }

    /**
     * The id of a token.
     * @param {string} token  as in the vocabulary: `##ing`, `Ġthe`, `▁the`, `[MASK]`
     * @returns {number | null}  null if there is none
     * @throws {BertError} BAD_INPUT if it is not a string
     */
    tokenToId(token) {
        if (typeof token !== 'string') {
            throw new BertError('BAD_INPUT', `a token must be a string, not ${describe(token)}`);
        }
        const added = this.#added.id(token);
        const id = added >= 0 ? added : this.#model.vocabulary.id(token);
        return id >= 0 ? id : null;
    }

    /**
     * The token of an id.
     * @param {number} id  from 0
     * @returns {string | null}  null if there is none; a normalized added token as it is found in a
     *   text
     */
    idToToken(id) {
        return this.#added.token(id)?.found ?? this.#model.vocabulary.piece(id);
    }

    /**
     * @param {unknown} text
     * @param {unknown} pair  null for none
     * @param {boolean} with_special
     * @param {Truncation | null} truncation
     * @returns {Encoding}
     */
    #encodeTexts(text, pair, with_special, truncation) {
        const sequences = [this.#tokenize(text, 'text', this.#buffers[0])];
        if (pair !== null) sequences.push(this.#tokenize(pair, 'text_pair', this.#buffers[1]));
        const pieces = piecesOf(this.#post_processor, pair !== null, with_special);
        const lengths = sequences.map(({ ids }) => ids.length);
        /** @type {Windows[]} */
        let windows = lengths.map((length) => [[0, length]]);
        if (truncation !== null) {
            windows = truncate(lengths, truncation, {
                single: countSpecial(piecesOf(this.#post_processor, false, true)),
                now: countSpecial(pieces),
            });
        }
        const tokenText = this.#tokenText;
        const wordsOf = this.#wordsOf;
        return assemble(
            { pieces, tokenText, wordsOf, text, text_pair: pair, words: null },
            sequences,
            windows,
        );
    }

    /**
     * The tokens of a text, without special ones.
     * @param {unknown} text
     * @param {string} where  its name in messages
     * @param {TokenBuffer} tokens
     * @param {boolean} [with_words]
     * @returns {SequenceTokens}
     */
    #tokenize(text, where, tokens, with_words = false) {
        if (typeof text !== 'string') {
            throw new BertError('BAD_INPUT', `${where} must be a string, not ${describe(text)}`);
        }
        tokens.clear(with_words);
        const { length } = text;
        const is_large = length > KEPT_UNITS;
        if (is_large || length > this.#source.length) {
            this.#source = new Uint16Array(Math.max(length, 2 * this.#source.length));
        }
        const source = this.#source;
        readUnits(text, source);
        const { given } = this.#added;
        /** @type {(start: number, end: number) => void} */
        const onText = (start, end) => this.#tokenizePart(source, start, end, tokens);
        if (given === null) {
            onText(0, length);
        } else {
            given.split(source, length, onText, (token, start, end, is_bare) => {
                tokens.nextWord();
                tokens.push(token.id, start, end);
                if (!is_bare) tokens.setSurface(textOf(source, start, end));
            });
        }
        if (is_large) {
            this.#source = new Uint16Array(256);
            this.#text.release();
        }
        return {
            ids: tokens.ids.subarray(0, tokens.length),
            offsets: tokens.offsets.subarray(0, 2 * tokens.length),
            surfaces: tokens.surfaces,
            text,
        };
    }

    /**
     * The tokens of a part of a text that is between added tokens.
     * @param {Uint16Array} source
     * @param {number} start
     * @param {number} end
     * @param {TokenBuffer} tokens
     */
    #tokenizePart(source, start, end, tokens) {
        const text = this.#text;
        const normalizer = this.#normalizer;
        const pre_tokenizer = this.#pre_tokenizer;
        const model = this.#model;
        text.reset(source, start, end);
        normalizer?.normalize(text);
        /** @type {(word: NormalizedString, from: number, to: number) => void} */
        const onWord = (word, from, to) => {
            tokens.nextWord();
            model.tokenize(word, from, to, tokens);
        };
        /** @type {(from: number, to: number) => void} */
        const onText = (from, to) => {
            if (pre_tokenizer !== null) pre_tokenizer.preTokenize(text, from, to, onWord);
            else if (to > from) onWord(text, from, to);
        };
        const { normalized } = this.#added;
        if (normalized === null) {
            onText(0, text.length);
            return;
        }
        normalized.split(text.units, text.length, onText, (token, from, to, is_bare) => {
            tokens.nextWord();
            tokens.push(token.id, text.start(from), text.end(to));
            if (!is_bare || token.found !== this.#tokenText(token.id)) {
                tokens.setSurface(text.slice(from, to));
            }
        });
    }
}

/**
 * @param {{ids: number[] | null}[]} pieces
 * @returns {number}
 */
function countSpecial(pieces) {
    return pieces.reduce((n, { ids }) => n + (ids === null ? 0 : ids.length), 0);
}

/**
 * @param {unknown} options
 * @returns {{text_pair: unknown, add_special_tokens: boolean, truncation: Truncation | null}}
 */
function readEncodeOptions(options) {
    const { text_pair, add_special_tokens, truncation } = readOptions('encode', options, {
        text_pair: null,
        add_special_tokens: true,
        truncation: null,
    });
    checkFlag('add_special_tokens', add_special_tokens);
    return {
        text_pair,
        add_special_tokens,
        truncation: truncation === null ? null : readTruncation(truncation),
    };
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function checkFlag(name, value) {
    if (typeof value !== 'boolean') {
        throw new BertError('BAD_OPTION', `${name} must be true or false, not ${describe(value)}`);
    }
}

/**
 * @param {unknown} ids
 * @returns {number[]}
 */
function checkIds(ids) {
    const is_iterable = typeof ids === 'object' && ids !== null && Symbol.iterator in ids;
    if (!is_iterable) {
        throw new BertError('BAD_INPUT', `ids must be an array of integers, not ${describe(ids)}`);
    }
    const list = Array.from(/** @type {Iterable<number>} */ (ids));
    const wrong = list.findIndex((id) => !Number.isInteger(id));
    if (wrong >= 0) {
        throw new BertError(
            'BAD_INPUT',
            `ids[${wrong}] must be an integer, not ` + describe(list[wrong]),
        );
    }
    return list;
}
