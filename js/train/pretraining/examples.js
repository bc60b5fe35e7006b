/**
 * What is learned from in an epoch: stretches of documents, or pairs of them, some of whose words
 * are masked. Each draws random numbers of its own, by the seed, the epoch and its index.
 */

import { BERT_IGNORED_LABEL } from '#core';

import { Random } from '../random.js';
import { framed } from './frame.js';

/** Of random numbers; those of an epoch are the next. */
const PURPOSE = 1 << 16;

/** Of the chosen words (Devlin et al. 2018, BERT, section 3.1): masked, and another word's. */
const [MASKED, OTHER] = [0.8, 0.1];

/** @typedef {import('../objectives/masked_words.js').MaskedSequence} MaskedSequence */
/** @typedef {import('./documents.js').Stretch} Stretch */

/**
 * @typedef {object} Words  what a chosen word may become
 * @property {number} mask
 * @property {Uint32Array} others  ids of words, special tokens not among them
 * @property {number} share  of words that are chosen
 */

/**
 * Words of a sequence that are chosen: their share, rounded, but one at least.
 * @param {number} n
 * @param {number} share
 */
export const nChosen = (n, share) => Math.max(1, Math.round(share * n));

/**
 * Chooses words and masks them: 80 % become the mask, 10 % another word, 10 % stay.
 * @param {Uint32Array} ids  changed in place
 * @param {number[]} places  of tokens that may be chosen
 * @param {Words} words
 * @param {Random} random
 * @returns {Int32Array}  of each token what it was, or BERT_IGNORED_LABEL
 */
export function maskWords(ids, places, { mask, others, share }, random) {
    const labels = new Int32Array(ids.length).fill(BERT_IGNORED_LABEL);
    for (const place of random.shuffled(places).slice(0, nChosen(places.length, share))) {
        labels[place] = ids[place];
        const drawn = random.next() / 2 ** 32;
        if (drawn < MASKED) ids[place] = mask;
        else if (drawn < MASKED + OTHER) ids[place] = others[random.below(others.length)];
    }
    return labels;
}

/** Sequences of some stretches. */
export class Examples {
    #documents;
    #stretches;
    #frame;
    #words;
    #room;
    #seed;

    /**
     * @param {object} from
     * @param {import('./documents.js').Documents} from.documents
     * @param {Stretch[]} from.stretches  that are learned from
     * @param {import('./frame.js').Frame} from.frame  of two texts: pairs are learned
     * @param {Words} from.words
     * @param {number} from.room  tokens of a sequence without special ones
     * @param {number} from.seed
     */
    constructor({ documents, stretches, frame, words, room, seed }) {
        this.#documents = documents;
        this.#stretches = stretches;
        this.#frame = frame;
        this.#words = words;
        this.#room = room;
        this.#seed = seed;
    }

    get length() {
        return this.#stretches.length;
    }

    /**
     * @param {number} index  of a stretch
     * @param {number} epoch
     * @returns {MaskedSequence}
     */
    sequence(index, epoch) {
        const random = new Random(this.#seed, PURPOSE + epoch, index);
        const stretch = this.#stretches[index];
        const { label, texts } =
            this.#frame.text_types.length === 2
                ? this.#pair(stretch, random)
                : { texts: [this.#documents.ids(stretch.first, stretch.end)] };
        const { ids, type_ids, places } = framed(this.#frame, texts);
        const labels = maskWords(ids, places, this.#words, random);
        return { ids, type_ids, labels, label };
    }

    /**
     * A stretch in two, or its beginning and what is another document's, half of the time each; of
     * one sentence alone always that (Devlin et al. 2018, section 3.1 and appendix A.2).
     * @param {Stretch} stretch
     * @param {Random} random
     */
    #pair({ document, first, end }, random) {
        const documents = this.#documents;
        const is_next = random.below(2) === 0 && end - first > 1;
        const cut = first + 1 + (end - first > 1 ? random.below(end - first - 1) : 0);
        const text = documents.ids(first, cut);
        if (is_next) return { label: 0, texts: [text, documents.ids(cut, end)] };
        const other = this.#other(document, random);
        const from = other.first + random.below(other.end - other.first);
        const room = this.#room - text.length;
        const to = documents.end(from, other.end, room);
        return { label: 1, texts: [text, documents.ids(from, to).subarray(0, room)] };
    }

    /**
     * A stretch of another document.
     * @param {number} document
     * @param {Random} random
     */
    #other(document, random) {
        for (;;) {
            const other = this.#stretches[random.below(this.#stretches.length)];
            if (other.document !== document) return other;
        }
    }
}
