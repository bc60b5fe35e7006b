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
         * @readonly
         */
        this.traits = traits;
    }

    /**
     * @param {string} text
     * @param {EncodeOptions} [options]
     * @returns {Promise<Encoded>}
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
     * @param {TextInput[]} texts  texts, or {text, text_pair}
     * @param {Omit<EncodeOptions, 'text_pair'>} [options]
     * @returns {Promise<Encoded[]>}
     */
    async encodeBatch(texts, options = {}) {
        return this.#call('encode', { inputs: toList(texts, 'texts').map(textsOf), options });
    }

    /**
     * @param {ArrayLike<number>} ids
     * @param {DecodeOptions} [options]
     * @returns {Promise<string>}
     */
    async decode(ids, options) {
        const [text] = await this.decodeBatch([ids], options);
        return text;
    }

    /**
     * @param {ArrayLike<number>[]} lists
     * @param {DecodeOptions} [options]
     * @returns {Promise<string[]>}
     */
    async decodeBatch(lists, options = {}) {
        return this.#call('decode', { lists: toList(lists, 'lists of ids'), options });
    }

    /**
     * @param {string} token
     * @returns {Promise<number | null>}  its id, null if there is none
     */
    async tokenToId(token) {
        const [id] = await this.tokensToIds([token]);
        return id;
    }

    /**
     * @param {string[]} tokens
     * @returns {Promise<(number | null)[]>}
     */
    async tokensToIds(tokens) {
        return this.#call('tokensToIds', { tokens: toList(tokens, 'tokens') });
    }

    /**
     * @param {number} id
     * @returns {Promise<string | null>}
     */
    async idToToken(id) {
        const [token] = await this.#call('idsToTokens', { ids: [id] });
        return token;
    }

    /**
     * The texts of lists of tokens, as the tokenizer's decoder puts them together; for pipelines.
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
