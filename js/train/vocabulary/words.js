/** Words of a corpus, as BERT's normalizer and pre-tokenizer have them, and how often there are. */

import { NormalizedString, textOf, unitsOf } from '../../tokenizer/normalized_string.js';
import { makeNormalizer } from '../../tokenizer/normalizers.js';
import { makePreTokenizer } from '../../tokenizer/pre_tokenizers.js';
import { normalizerOf, PRE_TOKENIZER } from './tokenizer_file.js';

export class WordCounts {
    #normalizer;
    #pre_tokenizer = makePreTokenizer(PRE_TOKENIZER);
    #text = new NormalizedString();

    /** by word @type {Map<string, number>} */
    counts = new Map();

    /** @param {boolean} lowercase */
    constructor(lowercase) {
        this.#normalizer = makeNormalizer(normalizerOf(lowercase));
    }

    /** @param {string} line */
    add(line) {
        const text = this.#text;
        text.reset(unitsOf(line), 0, line.length);
        this.#normalizer.normalize(text);
        this.#pre_tokenizer.preTokenize(text, 0, text.length, ({ units }, start, end) => {
            const word = textOf(units, start, end);
            this.counts.set(word, (this.counts.get(word) ?? 0) + 1);
        });
    }
}
