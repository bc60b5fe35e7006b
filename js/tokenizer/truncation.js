/**
 * Truncation: which tokens of a text, or of each text of a pair, are kept, and which go to
 * overflowing windows. Windows are ranges; nothing is copied here.
 *
 * The rules, and when they cannot be followed, are the Rust library's. It differs in one case: a
 * max_length less than the number of special tokens wraps around there (in release builds) so that
 * nothing is truncated; here it is refused.
 */

import { BertError, describe } from '../errors.js';
import { isInteger } from './file.js';

/** @typedef {'longest_first' | 'only_first' | 'only_second'} TruncationStrategy */

/**
 * @typedef {object} TruncationOptions
 * @property {number} max_length  most tokens, the special ones included
 * @property {TruncationStrategy} [strategy]  which text of a pair loses tokens; default
 *   'longest_first'
 * @property {number} [stride]  tokens that a window shares with the one before, from 0; default 0
 * @property {'right' | 'left'} [direction]  the side that loses tokens; default 'right'
 */

/** @typedef {Required<TruncationOptions>} Truncation */

/**
 * Ranges of tokens: first what is kept, then what overflows.
 * @typedef {[start: number, end: number][]} Windows
 */

/** @type {readonly TruncationStrategy[]} */
export const STRATEGIES = ['longest_first', 'only_first', 'only_second'];
export const DIRECTIONS = /** @type {const} */ (['right', 'left']);

/**
 * @param {unknown} options
 * @returns {Truncation}
 */
export function readTruncation(options) {
    if (typeof options !== 'object' || options === null || Array.isArray(options)) {
        throw badOption(`truncation must be an object with max_length, not ${describe(options)}`);
    }
    const {
        max_length,
        strategy = 'longest_first',
        stride = 0,
        direction = 'right',
        ...others
    } = /** @type {TruncationOptions & Record<string, unknown>} */ (options);
    const unknown = Object.keys(others)[0];
    if (unknown !== undefined) {
        throw badOption(
            `truncation has no option '${unknown}'; ` +
                'it has max_length, strategy, stride and direction',
        );
    }
    for (const [name, value] of Object.entries({ max_length, stride })) {
        if (!isInteger(value)) {
            throw badOption(
                `truncation.${name} must be a number of tokens, not ${describe(value)}`,
            );
        }
    }
    if (!STRATEGIES.includes(strategy)) {
        throw badOption(
            `truncation.strategy must be one of ${STRATEGIES.join(', ')}, ` +
                `not ${describe(strategy)}`,
        );
    }
    if (!DIRECTIONS.includes(direction)) {
        throw badOption(`truncation.direction must be right or left, not ${describe(direction)}`);
    }
    return { max_length, strategy, stride, direction };
}

/**
 * @param {number[]} lengths  tokens of each text
 * @param {Truncation} truncation
 * @param {{single: number, now: number}} n_special  special tokens that are added to a single
 *     text, and to this one or pair
 * @returns {Windows[]}  for each text
 */
export function truncate(lengths, truncation, n_special) {
    const { strategy, stride, direction } = truncation;
    const room = truncation.max_length - n_special.now;
    if (room < 0) {
        throw badOption(
            `truncation.max_length must be at least ${n_special.now}, the number of special ` +
                `tokens, not ${truncation.max_length}`,
        );
    }
    if (truncation.max_length >= n_special.single) checkStride(truncation, n_special.single);
    const kept = keep(lengths, room, strategy);
    return lengths.map((length, i) => {
        if (kept[i] >= length) return [[0, length]];
        if (kept[i] > 0 && stride >= kept[i]) {
            throw badOption(
                `truncation.stride must be less than ${kept[i]}, the tokens of this text that ` +
                    `max_length ${truncation.max_length} leaves, not ${stride}`,
            );
        }
        return windows(length, kept[i], stride, direction);
    });
}

/**
 * The library's check of options, whatever the text.
 * @param {Truncation} truncation
 * @param {number} n_special
 */
function checkStride({ max_length, stride }, n_special) {
    const room = max_length - n_special;
    if (room < stride) {
        throw badOption(
            `truncation.stride must be at most ${room}, the tokens that max_length ` +
                `${max_length} leaves beside ${n_special} special ones, not ${stride}`,
        );
    }
}

/**
 * @param {number[]} lengths
 * @param {number} room
 * @param {TruncationStrategy} strategy
 * @returns {number[]}  how many tokens of each text may stay
 */
function keep(lengths, room, strategy) {
    if (room === 0) return lengths.map(() => 0);
    const total = lengths.reduce((sum, length) => sum + length, 0);
    const excess = total - room;
    if (excess <= 0) return lengths;
    if (strategy === 'longest_first') {
        return lengths.length === 1 ? [room] : keepLongest(lengths[0], lengths[1], room);
    }
    const cut = strategy === 'only_first' ? 0 : 1;
    if (cut >= lengths.length) {
        throw badOption("truncation.strategy must not be 'only_second' without a text_pair");
    }
    if (lengths[cut] <= excess) {
        throw new BertError(
            'BAD_INPUT',
            `${excess} tokens are over truncation.max_length, but ` +
                `the ${cut === 0 ? 'first' : 'second'} text, which alone may be truncated, has ` +
                `${lengths[cut]}`,
        );
    }
    return lengths.map((length, i) => (i === cut ? length - excess : length));
}

/**
 * The longer text gives way until both are of one length; then both do.
 * @param {number} first
 * @param {number} second
 * @param {number} room
 * @returns {number[]}
 */
function keepLongest(first, second, room) {
    const shorter = Math.min(first, second);
    if (2 * shorter <= room) {
        return first > second ? [room - shorter, shorter] : [shorter, room - shorter];
    }
    const half = room >> 1;
    return first > second ? [room - half, half] : [half, room - half];
}

/**
 * @param {number} length
 * @param {number} size
 * @param {number} stride
 * @param {'right' | 'left'} direction
 * @returns {Windows}
 */
function windows(length, size, stride, direction) {
    if (size === 0) {
        return [
            [0, 0],
            [0, length],
        ];
    }
    /** @type {Windows} */
    const found = [];
    for (let done = 0; ; done += size - stride) {
        const end = Math.min(done + size, length);
        found.push(direction === 'right' ? [done, end] : [length - end, length - done]);
        if (end === length) return found;
    }
}

/**
 * @param {string} message
 * @returns {BertError}
 */
function badOption(message) {
    return new BertError('BAD_OPTION', message);
}
