/** Examples to sequences of tokens with labels, in the worker. */

import { BERT_IGNORED_LABEL } from '#core';

import { BertError, withPlace } from '../errors.js';

/** Texts that are tokenized between two checks for an abort. */
const TEXTS_A_TURN = 64;

/** @typedef {import('./examples.js').Labelled} Labelled */
/** @typedef {import('./trainer.js').Sequence} Sequence */

/**
 * @param {import('../tokenizer/index.js').Tokenizer} tokenizer
 * @param {Labelled[]} examples
 * @param {number} max_length  tokens, special ones included: what is longer is cut
 * @param {string} what  one is, for messages
 * @param {import('../worker/engine.js').Turn} turn
 * @returns {Promise<Sequence[]>}
 */
export async function toSequences(tokenizer, examples, max_length, what, turn) {
    /** @type {Sequence[]} */
    const sequences = [];
    for (const [i, example] of examples.entries()) {
        if (i % TEXTS_A_TURN === TEXTS_A_TURN - 1) await turn();
        try {
            sequences.push(toSequence(tokenizer, example, max_length));
        } catch (error) {
            throw withPlace(error, `${what} ${i}`, i);
        }
    }
    return sequences;
}

/**
 * @param {import('../tokenizer/index.js').Tokenizer} tokenizer
 * @param {Labelled} example
 * @param {number} max_length
 * @returns {Sequence}
 */
export function toSequence(
    tokenizer,
    { text, text_pair, ends, labels, targets, teacher },
    max_length,
) {
    const encoding = tokenizer.encode(text, { text_pair, truncation: { max_length } });
    const { ids, type_ids } = encoding;
    if (ids.length === 0) throw new BertError('EMPTY_SEQUENCE', 'the text has no tokens');
    if (targets) {
        return { ids, type_ids, labels: new Int32Array(), targets: Float32Array.from(targets) };
    }
    if (teacher) {
        const [own, logits] = [Int32Array.from(labels), Float32Array.from(teacher)];
        return { ids, type_ids, labels: own, teacher: logits };
    }
    const own = ends ? ofWords(encoding, ends, labels) : Int32Array.from(labels);
    if (own.every((label) => label === BERT_IGNORED_LABEL)) {
        throw new BertError('EMPTY_SEQUENCE', 'none of its words has a token');
    }
    return { ids, type_ids, labels: own };
}

/**
 * The first token of a word has its label, others have none.
 * @param {import('../tokenizer/encoding.js').Encoding} encoding
 * @param {number[]} ends  of the words
 * @param {number[]} labels
 */
function ofWords({ length, offsets, sequence }, ends, labels) {
    const own = new Int32Array(length).fill(BERT_IGNORED_LABEL);
    let next = 0;
    for (let i = 0; i < length; i++) {
        const [start, end] = [offsets[2 * i], offsets[2 * i + 1]];
        if (sequence[i] !== 0 || start === end) continue;
        // A word has no token of its own where the tokenizer knows none of its characters.
        while (next < ends.length && ends[next] <= start) next++;
        const begin = next > 0 ? ends[next - 1] + 1 : 0;
        if (next === ends.length || end <= begin) continue;
        own[i] = labels[next++];
    }
    return own;
}
