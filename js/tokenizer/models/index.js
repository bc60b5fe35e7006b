/**
 * The models of tokenizer.json, each under its name there.
 */

import { make } from '../file.js';
import { isScored } from '../scored_vocabulary.js';
import { Bpe } from './bpe.js';
import { Unigram } from './unigram.js';
import { WordLevel } from './word_level.js';
import { WordPiece } from './word_piece.js';

/** @import { Fields } from '../file.js' */
/** @import { NormalizedString } from '../normalized_string.js' */
/** @import { TokenBuffer } from '../token_buffer.js' */
/** @import { PieceList } from '../vocabulary.js' */

/**
 * @typedef {object} Model
 * @property {PieceList} vocabulary
 * @property {number} unknown_id  that stands for what it does not know; -1: there is none
 * @property {string} [continuing_prefix]  of pieces that continue a word
 * @property {(text: NormalizedString, start: number, end: number, tokens: TokenBuffer) => void}
 *     tokenize  puts the tokens of a word where they belong
 */

/** @type {Record<string, (fields: Fields) => Model>} */
const MODELS = {
    BPE: (fields) => new Bpe(fields),
    Unigram: (fields) => new Unigram(fields),
    WordLevel: (fields) => new WordLevel(fields),
    WordPiece: (fields) => new WordPiece(fields),
};

/**
 * @param {Record<string, unknown>} config
 * @returns {Model}
 */
export function makeModel(config) {
    return make(MODELS, 'model', withType(config), 0);
}

/**
 * Files of 2020, which the published BERT tokenizers still are, do not name the type of the model.
 * @param {Record<string, unknown>} config
 * @returns {Record<string, unknown>}
 */
function withType(config) {
    if (Object.hasOwn(config, 'type')) return config;
    if (Object.hasOwn(config, 'merges')) return { ...config, type: 'BPE' };
    if (Object.hasOwn(config, 'max_input_chars_per_word')) return { ...config, type: 'WordPiece' };
    return isScored(config.vocab) ? { ...config, type: 'Unigram' } : config;
}
