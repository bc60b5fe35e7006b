/** A corpus as callers give it: lines, which go to the worker in groups. */

import { BertError, describe, withPlace } from '../../errors.js';
import { blobLines } from '../../examples/blob.js';
import { isBlob } from '../../realms.js';

/** Units of a group, more or less: a message, and what the worker does between two turns. */
const GROUP_UNITS = 1 << 16;

/**
 * @typedef {Iterable<string> | AsyncIterable<string> | Blob} Corpus  a text file, or its lines: a
 *   sentence or a paragraph each, an empty one between two documents
 */

/**
 * Its lines. A corpus of which a vocabulary is made is gone through twice.
 * @param {unknown} corpus
 * @param {string} what  it is, for messages
 * @returns {AsyncGenerator<string[], void>}
 */
export async function* lineGroups(corpus, what) {
    const lines = isBlob(corpus) ? linesOf(corpus) : iterable(corpus, what);
    /** @type {string[]} */
    let group = [];
    let [index, n_units] = [0, 0];
    for await (const line of lines) {
        if (typeof line !== 'string') {
            const error = new BertError('BAD_INPUT', `it must be a string, not ${describe(line)}`);
            throw withPlace(error, `line ${index} of the ${what}`, index);
        }
        index++;
        group.push(line);
        n_units += line.length + 1;
        if (n_units < GROUP_UNITS) continue;
        yield group;
        [group, n_units] = [[], 0];
    }
    if (group.length > 0) yield group;
}

/**
 * @param {any} corpus
 * @param {string} what
 * @returns {Iterable<unknown>}
 */
function iterable(corpus, what) {
    const is_one =
        typeof corpus === 'object' &&
        corpus !== null &&
        [Symbol.iterator, Symbol.asyncIterator].some((each) => typeof corpus[each] === 'function');
    if (is_one) return corpus;
    throw new BertError(
        'BAD_INPUT',
        `the ${what} must be lines, as an array or another iterable, or a Blob of text, not ` +
            describe(corpus),
    );
}

/**
 * Whether it can be gone through once alone, as what a generator gives.
 * @param {any} corpus
 */
export function isSpent(corpus) {
    return [Symbol.iterator, Symbol.asyncIterator].some(
        (each) => typeof corpus?.[each] === 'function' && corpus[each]() === corpus,
    );
}

/** @param {Blob} blob */
async function* linesOf(blob) {
    for await (const lines of blobLines(blob)) yield* lines;
}
