/** A tokenizer.json as BERT has it, around a vocabulary. */

import { BertError, describe } from '../../errors.js';
import { bytesOf } from '../../realms.js';
import { PREFIX } from './word_pieces.js';

/** In this order the first of a vocabulary that is made here. */
export const SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];

export const PRE_TOKENIZER = { type: 'BertPreTokenizer' };

/** @param {boolean} lowercase  and without accents */
export const normalizerOf = (lowercase) => ({
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase,
});

/**
 * @param {string[]} pieces  by id, special ones among them
 * @param {boolean} lowercase
 * @returns {Uint8Array}
 */
export function toTokenizerFile(pieces, lowercase) {
    /** @type {Map<string, number>} */
    const ids = new Map(pieces.map((piece, id) => [piece, id]));
    const special = (/** @type {string} */ id, type_id = 0) => ({ SpecialToken: { id, type_id } });
    const text = (/** @type {string} */ id, type_id = 0) => ({ Sequence: { id, type_id } });
    const single = [special('[CLS]'), text('A'), special('[SEP]')];
    const used = (/** @type {string} */ id) => [id, { id, ids: [ids.get(id)], tokens: [id] }];
    const file = {
        version: '1.0',
        truncation: null,
        padding: null,
        added_tokens: SPECIAL.map((content) => ({
            id: ids.get(content),
            content,
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: true,
        })),
        normalizer: normalizerOf(lowercase),
        pre_tokenizer: PRE_TOKENIZER,
        post_processor: {
            type: 'TemplateProcessing',
            single,
            pair: [...single, text('B', 1), special('[SEP]', 1)],
            special_tokens: Object.fromEntries(['[CLS]', '[SEP]'].map(used)),
        },
        decoder: { type: 'WordPiece', prefix: PREFIX, cleanup: true },
        model: {
            type: 'WordPiece',
            unk_token: '[UNK]',
            continuing_subword_prefix: PREFIX,
            max_input_chars_per_word: 100,
            vocab: Object.fromEntries(ids),
        },
    };
    return new TextEncoder().encode(JSON.stringify(file));
}

/**
 * What callers have: a tokenizer.json, or a vocab.txt, a piece a line, of which one is made.
 * @param {unknown} given  its text, or its bytes
 * @param {boolean} lowercase  of a vocab.txt
 * @returns {Uint8Array}
 */
export function readTokenizerFile(given, lowercase) {
    const bytes = typeof given === 'string' ? new TextEncoder().encode(given) : bytesOf(given);
    if (!bytes) {
        throw new BertError(
            'BAD_OPTION',
            `tokenizer must be a tokenizer.json or a vocab.txt, as text or bytes, not ` +
                describe(given),
        );
    }
    const text = new TextDecoder().decode(bytes);
    if (/^\s*\{/.test(text)) return bytes;
    const pieces = text.replace(/\r?\n$/, '').split(/\r?\n/);
    const ids = new Map(pieces.map((piece, id) => [piece, id]));
    const twice = pieces.find((piece, id) => ids.get(piece) !== id);
    if (twice !== undefined) {
        throw new BertError('BAD_OPTION', `a vocab.txt must have '${twice}' once`);
    }
    const missing = SPECIAL.find((piece) => !pieces.includes(piece));
    if (missing) {
        throw new BertError(
            'BAD_OPTION',
            `a vocab.txt must have ${missing}, which tokenizer has not`,
        );
    }
    return toTokenizerFile(pieces, lowercase);
}
