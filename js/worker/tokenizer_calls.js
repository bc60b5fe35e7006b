/**
 * What the caller's thread (ModelTokenizer) asks of a model's tokenizer, in the worker: always for
 * many at once.
 */

import { withPlace } from '../errors.js';

/**
 * @typedef {import('../tokenizer/index.js').Tokenizer} Tokenizer
 * @typedef {import('./texts.js').Texts} Texts
 *
 * @typedef {object} Encoded  the tokens of a text or a pair
 * @property {Uint32Array} ids  of the tokens, for the model
 * @property {Uint32Array} type_ids  token types (segments)
 * @property {string[]} tokens  as they are in the vocabulary
 * @property {Uint32Array} offsets  flat [start, end] pairs, UTF-16 indices into the token's own
 *   text
 * @property {Int8Array} sequence  0: of text, 1: of text_pair, -1: a special token
 * @property {Encoded[]} [overflow]  further windows, of what did not fit; with `truncation`
 *
 * @typedef {(string | string[])[]} TokenList  tokens; a list among them is put together first
 *
 * @typedef {object} TokenizerTraits  what pipelines need to know of a tokenizer
 * @property {number | null} unknown_id  that stands for what the vocabulary does not know
 * @property {{token: string, id: number} | null} mask  the token that stands for one to be filled
 *   in
 * @property {string} continuing_prefix  what a token that continues a word begins with, `##`;
 *   empty: such tokens are not marked
 */

/** What families call the mask token. */
const MASK_TOKENS = ['[MASK]', '<mask>'];

/**
 * @param {Tokenizer} tokenizer
 * @returns {TokenizerTraits}
 */
export function traitsOf(tokenizer) {
    const token = MASK_TOKENS.find((each) => tokenizer.tokenToId(each) !== null);
    return {
        unknown_id: tokenizer.unknown_id,
        continuing_prefix: tokenizer.continuing_prefix,
        mask: token === undefined ? null : { token, id: Number(tokenizer.tokenToId(token)) },
    };
}

/**
 * By name, as messages have it.
 * @type {Record<string, (tokenizer: Tokenizer, request: any) => any>}
 */
export const TOKENIZER_CALLS = {
    /**
     * @param {Tokenizer} tokenizer
     * @param {{inputs: Texts[], options: import('../tokenizer/index.js').EncodeOptions}} request
     */
    encode: (tokenizer, { inputs, options }) =>
        inputs.map(({ text, text_pair }, i) => {
            try {
                return toEncoded(tokenizer.encode(text, { ...options, text_pair }));
            } catch (error) {
                throw withPlace(error, `text ${i}`, i);
            }
        }),
    /**
     * @param {Tokenizer} tokenizer
     * @param {{lists: number[][], options: import('../tokenizer/index.js').DecodeOptions}} request
     */
    decode: (tokenizer, { lists, options }) => lists.map((ids) => tokenizer.decode(ids, options)),
    /** @param {Tokenizer} tokenizer @param {{lists: TokenList[]}} request */
    joinTokens: (tokenizer, { lists }) =>
        lists.map((list) =>
            tokenizer.joinTokens(
                list.map((each) => (typeof each === 'string' ? each : tokenizer.joinTokens(each))),
            ),
        ),
    /** @param {Tokenizer} tokenizer @param {{tokens: string[]}} request */
    tokensToIds: (tokenizer, { tokens }) => tokens.map((token) => tokenizer.tokenToId(token)),
    /** @param {Tokenizer} tokenizer @param {{ids: number[]}} request */
    idsToTokens: (tokenizer, { ids }) => ids.map((id) => tokenizer.idToToken(id)),
};

/**
 * @param {import('../tokenizer/encoding.js').Encoding} encoding
 * @returns {Encoded}
 */
function toEncoded({ ids, type_ids, tokens, offsets, sequence, overflow }) {
    return {
        ids,
        type_ids,
        tokens,
        offsets,
        sequence,
        ...(overflow.length ? { overflow: overflow.map(toEncoded) } : {}),
    };
}
