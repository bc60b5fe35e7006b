/**
 * Metaspace, the space of sentencepiece: a character that can be seen, usually U+2581, stands for
 * it and begins each word, so that a text can be put together again from its pieces.
 */

import { badTokenizer } from './file.js';
import { NormalizedString, unitsOf } from './normalized_string.js';

/** @import { Fields } from './file.js' */
/** @import { Sink } from './pre_tokenizers.js' */

/** The buffers of a text of more units are given back after it. */
const KEPT_UNITS = 1 << 20;

/** Whether one is put before a text that does not begin with one: always, never, or only at 0. */
const SCHEMES = /** @type {const} */ (['always', 'never', 'first']);

/**
 * @param {Fields} fields
 */
function readOptions(fields) {
    const replacement = fields.string('replacement');
    if ([...replacement].length !== 1) throw fields.wrong('replacement', 'one character');
    let scheme = fields.oneOf('prepend_scheme', SCHEMES, 'always');
    // Files of before 2023 have this instead.
    const is_old = fields.get('add_prefix_space') !== null;
    if (is_old && !fields.boolean('add_prefix_space')) {
        if (fields.get('prepend_scheme') !== null && scheme !== 'never') {
            throw badTokenizer(
                fields.where,
                `prepend_scheme must be 'never' with add_prefix_space: false, not '${scheme}'`,
            );
        }
        scheme = 'never';
    }
    const is_split = fields.get('split') === null || fields.boolean('split');
    return { replacement, scheme, is_split };
}

export class Metaspace {
    #replacement;
    #scheme;
    #is_split;
    #word = new NormalizedString();

    /**
     * @param {Fields} fields
     */
    constructor(fields) {
        const { replacement, scheme, is_split } = readOptions(fields);
        this.#replacement = unitsOf(replacement);
        this.#scheme = scheme;
        this.#is_split = is_split;
    }

    /**
     * @param {NormalizedString} text
     * @param {number} start
     * @param {number} end
     * @param {Sink} sink
     */
    preTokenize(text, start, end, sink) {
        if (end === start) return;
        const word = this.#word;
        const scheme = this.#scheme;
        const replacement = this.#replacement;
        const prefix = scheme === 'always' || (scheme === 'first' && text.start(start) === 0);
        word.copyWithSpace(text, start, end, replacement, prefix);
        const { units, length } = word;
        let from = 0;
        if (this.#is_split) {
            const [first, second] = replacement;
            for (let i = 1; i < length; i++) {
                if (units[i] !== first || (second !== undefined && units[i + 1] !== second)) {
                    continue;
                }
                sink(word, from, i);
                from = i;
            }
        }
        sink(word, from, length);
        if (length > KEPT_UNITS) word.release();
    }
}

/**
 * @param {Fields} fields
 * @returns {(tokens: string[]) => string[]}
 */
export function metaspaceDecoder(fields) {
    const { replacement, scheme } = readOptions(fields);
    return (tokens) =>
        tokens.map((token, i) =>
            token.replaceAll(replacement, i === 0 && scheme !== 'never' ? '' : ' '),
        );
}
