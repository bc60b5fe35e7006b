/**
 * The merges of BPE: which two pieces become which third, and which pair goes first. A hash of
 * pairs of ids over typed arrays, some 20 bytes for each merge; a Map of strings takes ten times as
 * much.
 */

import { badTokenizer } from '../file.js';
import { quote } from '../vocabulary.js';

/** @import { Vocabulary } from '../vocabulary.js' */

/** The rank of a pair that is not merged: behind all others. */
export const NEVER = 0x7fffffff;

/** The merges of old files begin with such a line. */
export const VERSION = '#version';

export class Merges {
    /** Ranks + 1, 0 for none; at most half are taken. */
    #slots;

    #mask;

    /**
     * The later of two merges of the same pair holds, as in the library.
     * @param {Uint32Array} left  ids, by rank
     * @param {Uint32Array} right
     * @param {Uint32Array} merged
     */
    constructor(left, right, merged) {
        /** How many there are. */
        this.size = left.length;
        /** @readonly */
        this.left = left;
        /** @readonly */
        this.right = right;
        /** @readonly */
        this.merged = merged;
        const { length } = left;
        const slots = 2 ** Math.ceil(Math.log2(2 * Math.max(length, 2)));
        this.#slots = new Int32Array(slots);
        this.#mask = slots - 1;
        for (let rank = 0; rank < length; rank++) {
            this.#slots[this.#slot(left[rank], right[rank])] = rank + 1;
        }
    }

    /**
     * @param {string} where  in the file, for messages
     * @param {unknown} value  pairs of pieces, or the merges that the reader of the file made of
     *   them
     * @param {Vocabulary} vocabulary
     * @param {string} prefix  what a piece within a word begins with, and loses when it is merged
     * @returns {Merges}
     */
    static of(where, value, vocabulary, prefix) {
        if (value instanceof Merges) return value;
        if (!Array.isArray(value)) throw badTokenizer(where, 'merges must be a list');
        const is_line = typeof value[0] === 'string';
        const list = is_line ? value.filter((line) => !String(line).startsWith(VERSION)) : value;
        const columns = [0, 1, 2].map(() => new Uint32Array(list.length));
        for (let rank = 0; rank < list.length; rank++) {
            const name = `${where}: merge ${rank}`;
            const pair =
                is_line && typeof list[rank] === 'string' ? list[rank].split(' ') : list[rank];
            const is_pair =
                Array.isArray(pair) &&
                pair.length === 2 &&
                pair.every((each) => typeof each === 'string') &&
                is_line === (pair !== list[rank]);
            if (!is_pair) {
                throw badTokenizer(
                    name,
                    'must be two pieces, in all merges as "a b" or in all as ["a", "b"]',
                );
            }
            if (!pair[1].startsWith(prefix)) {
                throw badTokenizer(
                    name,
                    `${quote(pair[1])} does not begin with ${quote(prefix)}, the ` +
                        'continuing_subword_prefix',
                );
            }
            const pieces = [...pair, pair[0] + pair[1].slice(prefix.length)];
            pieces.forEach((piece, k) => {
                const id = vocabulary.id(piece);
                if (id < 0) throw badTokenizer(name, `${quote(piece)} is not in the vocabulary`);
                columns[k][rank] = id;
            });
        }
        return new Merges(columns[0], columns[1], columns[2]);
    }

    /**
     * @param {number} left  an id
     * @param {number} right
     * @returns {number}  the lowest goes first; NEVER if the two are not merged
     */
    rank(left, right) {
        const rank = this.#slots[this.#slot(left, right)] - 1;
        return rank < 0 ? NEVER : rank;
    }

    /**
     * @param {number} left
     * @param {number} right
     * @returns {number}  where the pair is, or would be
     */
    #slot(left, right) {
        const slots = this.#slots;
        const mask = this.#mask;
        let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
        hash ^= hash >>> 15;
        for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
            const rank = slots[slot] - 1;
            if (rank < 0 || (this.left[rank] === left && this.right[rank] === right)) return slot;
        }
    }
}
