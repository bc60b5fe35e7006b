/**
 * The tokenizer of a loaded model, which is in its worker: the methods of Tokenizer, as promises.
 */

import { BertError, describe, withoutPlace } from '../errors.js';
import { textsOf } from './inputs.js';

/**
 * @typedef {import('../worker/tokenizer_calls.js').Encoded} Encoded
 * @typedef {import('../tokenizer/index.js').EncodeOptions} EncodeOptions
 * @typedef {import('../tokenizer/index.js').DecodeOptions} DecodeOptions
 * @typedef {import('./inputs.js').TextInput} TextInput
 */

/** The tokenizer of a loaded model, in its worker: what a Tokenizer does, as promises. */
export class ModelTokenizer {
    /** @type {(method: string, request: object, signal?: AbortSignal) => Promise<any>} */
    #call;

    /**
     * @internal
     * @param {(method: string, request: object, signal?: AbortSignal) => Promise<any>} call  of the
     *   worker
     * @param {import('../worker/tokenizer_calls.js').TokenizerTraits} traits
     */
    constructor(call, traits) {
        this.#call = call;
        /**
         * What pipelines need to know of it.
         * @internal
         * @readonly
         */
        this.traits = traits;
    }

    /**
     * The tokens of a text or a pair, with ids for the model and their places in the text.
     * @param {string} text  of any length
     * @param {EncodeOptions} [options]
     * @returns {Promise<Encoded>}
     * @throws {BertError} BAD_INPUT, BAD_OPTION or DISPOSED, as all of its methods
     */
    async encode(text, { text_pair, ...options } = {}) {
        const [encoded] = await this.encodeBatch(
            [/** @type {TextInput} */ ({ text, text_pair })],
            options,
        ).catch((error) => {
            throw withoutPlace(error);
        });
        return encoded;
    }

    /**
     * The same for many.
     * @param {TextInput[]} texts  texts, or {text, text_pair}
     * @param {Omit<EncodeOptions, 'text_pair'>} [options]
     * @returns {Promise<Encoded[]>}
     */
    async encodeBatch(texts, options = {}) {
        return this.#call('encode', { inputs: toList(texts, 'texts').map(textsOf), options });
    }

    /**
     * Text again, as the tokenizer's decoder puts it together.
     * @param {ArrayLike<number>} ids  those that do not exist are left out
     * @param {DecodeOptions} [options]
     * @returns {Promise<string>}
     */
    async decode(ids, options) {
        const [text] = await this.decodeBatch([ids], options);
        return text;
    }

    /**
     * The same for many.
     * @param {ArrayLike<number>[]} lists  of ids
     * @param {DecodeOptions} [options]
     * @returns {Promise<string[]>}
     */
    async decodeBatch(lists, options = {}) {
        return this.#call('decode', { lists: toList(lists, 'lists of ids'), options });
    }

    /**
     * The id of a token.
     * @param {string} token  as in the vocabulary: `##ing`, `Ġthe`, `▁the`, `[MASK]`
     * @returns {Promise<number | null>}  null if there is none
     */
    async tokenToId(token) {
        const [id] = await this.tokensToIds([token]);
        return id;
    }

    /**
     * The same for many.
     * @param {string[]} tokens  as in the vocabulary
     * @returns {Promise<(number | null)[]>}
     */
    async tokensToIds(tokens) {
        return this.#call('tokensToIds', { tokens: toList(tokens, 'tokens') });
    }

    /**
     * The token of an id.
     * @param {number} id  from 0
     * @returns {Promise<string | null>}  null if there is none
     */
    async idToToken(id) {
        const [token] = await this.#call('idsToTokens', { ids: [id] });
        return token;
    }

    /**
     * The texts of lists of tokens, as the tokenizer's decoder puts them together; for pipelines.
     * @internal
     * @param {import('../worker/tokenizer_calls.js').TokenList[]} lists
     * @param {AbortSignal} [signal]
     * @returns {Promise<string[]>}
     */
    async joinTokens(lists, signal) {
        return this.#call('joinTokens', { lists }, signal);
    }
}

/**
 * @template T
 * @param {T[]} values
 * @param {string} what
 * @returns {T[]}
 */
function toList(values, what) {
    if (!Array.isArray(values)) {
        throw new BertError('BAD_INPUT', `${what} must be an array, not ${describe(values)}`);
    }
    return values;
}
