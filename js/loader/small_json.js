/**
 * JSON of a file that nobody has checked: what it nests and how much it names is bounded before it
 * is parsed, which for 32 MB of brackets or names takes many seconds.
 */

import { BERT_MAX_TENSORS } from '#core';

/** Names in a header: of each tensor and of its padding, with three fields each, and the rest. */
export const MOST_NAMES = 8 * BERT_MAX_TENSORS + 1000;

const MOST_DEPTH = 16;

const [QUOTE, BACKSLASH, COLON] = ['"', '\\', ':'].map((mark) => mark.charCodeAt(0));
const [OPEN_ARRAY, OPEN_OBJECT] = ['[', '{'].map((mark) => mark.charCodeAt(0));
const [CLOSE_ARRAY, CLOSE_OBJECT] = [']', '}'].map((mark) => mark.charCodeAt(0));

/**
 * @param {string} text
 * @returns {any}
 * @throws {Error} if it is not JSON, or too much of it
 */
export function parseSmall(text) {
    let depth = 0;
    let n_names = 0;
    for (let i = 0; i < text.length; i++) {
        const mark = text.charCodeAt(i);
        if (mark === QUOTE) {
            for (i++; i < text.length && text.charCodeAt(i) !== QUOTE; i++) {
                if (text.charCodeAt(i) === BACKSLASH) i++;
            }
        } else if (mark === OPEN_ARRAY || mark === OPEN_OBJECT) {
            if (++depth > MOST_DEPTH) throw new Error(`it nests more than ${MOST_DEPTH} deep`);
        } else if (mark === CLOSE_ARRAY || mark === CLOSE_OBJECT) {
            depth--;
        } else if (mark === COLON && ++n_names > MOST_NAMES) {
            throw new Error(`it has more than ${MOST_NAMES} names`);
        }
    }
    return JSON.parse(text);
}
