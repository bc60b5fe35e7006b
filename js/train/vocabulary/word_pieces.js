/**
 * A WordPiece vocabulary of words and how often there are: characters, of which the most frequent
 * pair is merged again and again (Sennrich et al. 2016, "Neural Machine Translation of Rare Words
 * with Subword Units", section 3.2), pieces that continue a word marked by ##.
 *
 * Pieces and their order are those of the WordPieceTrainer of Hugging Face `tokenizers`, with one
 * difference: there the ids of continuing characters, by which ties are broken, are another each
 * time it runs. Here they follow the other characters, in their order.
 */

import { Queue } from './queue.js';

/** Of pieces that continue a word. */
export const PREFIX = '##';

/** A pair of ids is one number. */
const PAIR = 2 ** 26;

/** Merges between two turns of the event loop. */
const MERGES_A_TURN = 16;

/** Pairs that are counted between two. */
const WORDS_A_TURN = 4096;

/**
 * @typedef {object} VocabularyLimits
 * @property {number} size  pieces, special ones and characters included; fewer where no pair is
 *   left
 * @property {number} min_frequency  of a pair that is merged
 * @property {number} limit_alphabet  characters that there may be, the most frequent
 *
 * @typedef {object} Word
 * @property {number} count
 * @property {number[]} pieces
 *
 * @typedef {object} Candidate  a pair that may be merged
 * @property {number} pair
 * @property {number} count
 * @property {Set<Word>} words  that have it
 */

/**
 * @param {Map<string, number>} counts  by word
 * @param {string[]} special  pieces that come first
 * @param {VocabularyLimits} limits
 * @param {import('../../worker/engine.js').Turn} turn
 * @returns {Promise<string[]>}  by id
 */
export async function trainWordPieces(counts, special, limits, turn) {
    const pieces = [...special];
    /** @type {Map<string, number>} */
    const ids = new Map(special.map((piece, id) => [piece, id]));
    const idOf = (/** @type {string} */ piece) => {
        const known = ids.get(piece);
        if (known !== undefined) return known;
        ids.set(piece, pieces.length);
        return pieces.push(piece) - 1;
    };
    const words = spell(counts, limits.limit_alphabet, idOf);
    /** @type {Map<number, Candidate>} */
    const found = new Map();
    for (const [i, word] of words.entries()) {
        if (i % WORDS_A_TURN === WORDS_A_TURN - 1) await turn();
        for (let k = 1; k < word.pieces.length; k++) {
            count(found, word.pieces[k - 1] * PAIR + word.pieces[k], word.count, word);
        }
    }
    const pair_counts = new Map([...found.values()].map((each) => [each.pair, each.count]));
    const queue = new Queue(comesBefore);
    for (const each of found.values()) queue.push(each);
    for (let n = 1; pieces.length < limits.size; n++) {
        if (n % MERGES_A_TURN === 0) await turn();
        const top = queue.pop();
        if (!top) break;
        const now = /** @type {number} */ (pair_counts.get(top.pair));
        if (top.count !== now) {
            queue.push({ ...top, count: now });
            continue;
        }
        if (top.count < limits.min_frequency) break;
        const [a, b] = [Math.floor(top.pair / PAIR), top.pair % PAIR];
        const merged = idOf(pieces[a] + pieces[b].slice(PREFIX.length));
        /** @type {Map<number, Candidate>} */
        const changed = new Map();
        for (const word of top.words) merge(word, a, b, merged, changed);
        for (const { pair, count: change, words: at } of changed.values()) {
            const sum = (pair_counts.get(pair) ?? 0) + change;
            pair_counts.set(pair, sum);
            if (at.size > 0 && sum > 0) queue.push({ pair, count: sum, words: at });
        }
    }
    return pieces;
}

/** The most frequent, of those the one of the least ids. @type {import('./queue.js').Before} */
const comesBefore = (/** @type {Candidate} */ a, /** @type {Candidate} */ b) =>
    a.count > b.count || (a.count === b.count && a.pair < b.pair);

/**
 * Words as characters. One that is not in the alphabet is left out.
 * @param {Map<string, number>} counts
 * @param {number} limit  of the alphabet
 * @param {(piece: string) => number} idOf
 * @returns {Word[]}
 */
function spell(counts, limit, idOf) {
    /** @type {Map<string, number>} */
    const characters = new Map();
    /** @type {Set<string>} */
    const continuing = new Set();
    for (const [word, n] of counts) {
        let is_first = true;
        for (const character of word) {
            characters.set(character, (characters.get(character) ?? 0) + n);
            if (!is_first) continuing.add(character);
            is_first = false;
        }
    }
    const byCode = (/** @type {string} */ a, /** @type {string} */ b) =>
        Number(a.codePointAt(0)) - Number(b.codePointAt(0));
    const alphabet = [...characters]
        .sort(([a, n], [b, m]) => m - n || byCode(a, b))
        .slice(0, limit)
        .map(([character]) => character)
        .sort(byCode);
    const first_ids = new Map(alphabet.map((c) => [c, idOf(c)]));
    const next_ids = new Map(
        alphabet.filter((c) => continuing.has(c)).map((c) => [c, idOf(PREFIX + c)]),
    );
    return [...counts].map(([word, n]) => {
        /** @type {number[]} */
        const pieces = [];
        let is_first = true;
        for (const character of word) {
            const id = (is_first ? first_ids : next_ids).get(character);
            if (id !== undefined) pieces.push(id);
            is_first = false;
        }
        return { count: n, pieces };
    });
}

/**
 * @param {Map<number, Candidate>} candidates
 * @param {number} pair
 * @param {number} change
 * @param {Word} [word]  that has the pair now
 */
function count(candidates, pair, change, word) {
    let candidate = candidates.get(pair);
    if (!candidate) candidates.set(pair, (candidate = { pair, count: 0, words: new Set() }));
    candidate.count += change;
    if (word) candidate.words.add(word);
}

/**
 * @param {Word} word
 * @param {number} a
 * @param {number} b
 * @param {number} merged  a and b in one
 * @param {Map<number, Candidate>} changed  how often pairs next to it are more or fewer
 */
function merge(word, a, b, merged, changed) {
    const { pieces } = word;
    for (let i = 0; i + 1 < pieces.length; i++) {
        if (pieces[i] !== a || pieces[i + 1] !== b) continue;
        pieces.splice(i, 2, merged);
        if (i > 0) {
            const before = pieces[i - 1] * PAIR;
            count(changed, before + a, -word.count);
            count(changed, before + merged, word.count, word);
        }
        if (i + 1 < pieces.length) {
            const after = pieces[i + 1];
            count(changed, b * PAIR + after, -word.count);
            count(changed, merged * PAIR + after, word.count, word);
        }
    }
}
