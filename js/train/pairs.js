/**
 * Pairs of sentences, of which embeddings are learned: read as callers give them, and, in the
 * worker, as tokens.
 */

import { BertError, describe, withPlace } from '../errors.js';
import { readText } from '../pipelines/call.js';

/** Texts that are tokenized between two checks for an abort. */
const TEXTS_A_TURN = 64;

/** @typedef {import('./objectives/pairs.js').Pair} Pair */
/** @typedef {import('./trainer.js').Tokens} Tokens */

/**
 * @param {any} example
 * @returns {import('./examples.js').Read}
 */
export function readPair(example) {
    const { text_pair, score, negative } = example ?? {};
    if (typeof text_pair !== 'string') {
        throw new BertError(
            'BAD_INPUT',
            'it must be {text, text_pair, score}, {text, text_pair} or {text, text_pair, ' +
                `negative}, not ${describe(example)}`,
        );
    }
    if (score !== undefined && !(typeof score === 'number' && score >= -1 && score <= 1)) {
        throw new BertError(
            'BAD_INPUT',
            `its score must be a cosine from -1 to 1, not ${describe(score)}: divide scores of 0 ` +
                'to 5 by 5',
        );
    }
    if (negative !== undefined && (typeof negative !== 'string' || score !== undefined)) {
        throw new BertError(
            'BAD_INPUT',
            typeof negative === 'string'
                ? 'it must have a score or a negative, not both'
                : `its negative must be a string, not ${describe(negative)}`,
        );
    }
    return {
        ...readText(example),
        ...(score !== undefined && { score }),
        ...(negative !== undefined && { negative }),
        labels: [],
    };
}

/**
 * All have a score, or none has.
 * @param {import('./examples.js').Read[]} pairs
 * @param {string} what  one is, for messages
 */
export function checkScores(pairs, what) {
    const has_score = pairs[0].score !== undefined;
    const index = pairs.findIndex(({ score }) => (score !== undefined) !== has_score);
    if (index < 0) return;
    const error = new BertError(
        'BAD_INPUT',
        `it must have ${has_score ? 'a score' : 'no score'}, as those before it`,
    );
    throw withPlace(error, `${what} ${index}`, index);
}

/**
 * @param {import('../tokenizer/index.js').Tokenizer} tokenizer
 * @param {import('./examples.js').Labelled[]} examples
 * @param {number} max_length  tokens, special ones included: what is longer is cut
 * @param {string} what  one is, for messages
 * @param {import('../worker/engine.js').Turn} turn
 * @returns {Promise<Pair[]>}
 */
export async function toPairs(tokenizer, examples, max_length, what, turn) {
    /** @type {Map<string, Tokens>} */
    const known = new Map();
    const sentence = (/** @type {string} */ text) => {
        let own = known.get(text);
        if (own) return own;
        const { ids, type_ids } = tokenizer.encode(text, { truncation: { max_length } });
        if (ids.length === 0) throw new BertError('EMPTY_SEQUENCE', 'a text has no tokens');
        known.set(text, (own = { ids, type_ids }));
        return own;
    };
    /** @type {Pair[]} */
    const pairs = [];
    for (const [i, { text, text_pair, negative, score = null }] of examples.entries()) {
        if (i % TEXTS_A_TURN === TEXTS_A_TURN - 1) await turn();
        const texts = [text, /** @type {string} */ (text_pair)];
        if (negative !== undefined) texts.push(negative);
        try {
            pairs.push({ sentences: texts.map(sentence), score });
        } catch (error) {
            throw withPlace(error, `${what} ${i}`, i);
        }
    }
    return pairs;
}

/**
 * Tokens and sequences that a batch has at most, whatever is drawn.
 * @param {Pair[][]} sets
 * @param {number} batch_size  pairs
 * @returns {import('./trainer.js').Limits}
 */
export function limitsOfPairs(sets, batch_size) {
    const length = (/** @type {Tokens} */ { ids }) => ids.length;
    const most = sets.map((pairs) =>
        pairs
            .map(({ sentences }) => sentences.map(length).reduce((sum, n) => sum + n, 0))
            .sort((a, b) => b - a)
            .slice(0, batch_size)
            .reduce((sum, n) => sum + n, 0),
    );
    const all = sets.flat();
    return {
        max_tokens: largest(most),
        max_sequences: batch_size * largest(all.map(({ sentences }) => sentences.length)),
        max_sequence_tokens: largest(all.flatMap(({ sentences }) => sentences.map(length))),
    };
}

/** @param {number[]} numbers  at least 0 */
function largest(numbers) {
    return numbers.reduce((most, n) => Math.max(most, n), 0);
}
