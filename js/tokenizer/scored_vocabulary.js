/**
 * The pieces of a Unigram model with their scores, and a trie to find all those that begin at a
 * place in a text.
 *
 * The trie is a hash table of its edges in one typed array, a node being the slot of the edge that
 * leads to it: some 30 bytes for each piece of a large vocabulary, and built in one pass over them
 * in any order. Rejected: a double array, whose search for free places takes several times as long
 * to build as this, and which is hardly faster to look up; one over UTF-8 bytes, twice as deep.
 */

import { badTokenizer, isWellFormed } from './file.js';
import { textOf, unitsOf } from './normalized_string.js';
import { quote } from './vocabulary.js';

/**
 * Pieces one after another in a pool, their ids their places in the list. All arrays may have room
 * left.
 * @typedef {object} ScoredPieces
 * @property {Uint16Array} pool
 * @property {Uint32Array} ends  of each, where in the pool it ends
 * @property {Float64Array} scores
 * @property {number} size
 * @property {null} hashes  they are not needed
 */

/** A node and eight bits of a unit are one number; so are the other eight and an id. */
const MAX_SLOTS = 1 << 23;

/** A longer one would make the search slow; it is surely a mistake. */
const MAX_PIECE = 1024;

/**
 * @param {unknown} vocab  of a model
 * @returns {boolean}  whether it is pieces with scores
 */
export function isScored(vocab) {
    return Array.isArray(vocab) || vocab instanceof ScoredVocabulary;
}

/**
 * @param {Record<string, unknown>} model  of the file
 * @returns {boolean}  whether its vocabulary should be pieces with scores
 */
export function wantsScores(model) {
    return (
        model.type === 'Unigram' ||
        (!Object.hasOwn(model, 'type') &&
            !Object.hasOwn(model, 'max_input_chars_per_word') &&
            Array.isArray(model.vocab))
    );
}

/**
 * Pairs of numbers for each slot: the node and the low bits of a unit of the edge that the slot is,
 * zero if it is none; the unit's high bits, and the id + 1 of the piece that ends there.
 */
export class Trie {
    #room;

    /**
     * @param {number} slots  a power of 2
     */
    constructor(slots) {
        /** @readonly */
        this.slots = new Int32Array(2 * slots);
        /** @readonly */
        this.mask = slots - 1;
        /** @readonly */
        this.root = slots + 1;
        this.#room = Math.floor(slots * 0.8);
    }

    /**
     * @param {ScoredPieces} pieces
     * @returns {Trie | null}  null if two are the same, or they are too large
     */
    static of(pieces) {
        const n_units = pieces.size > 0 ? pieces.ends[pieces.size - 1] : 0;
        // Pieces share beginnings, so most likely half as many nodes as units are enough.
        let slots = 1 << Math.ceil(Math.log2(Math.max(0.7 * n_units, 64)));
        for (; slots <= MAX_SLOTS; slots *= 2) {
            const trie = new Trie(slots);
            const added = trie.#add(pieces);
            if (added === pieces.size) return trie;
            if (added >= 0) return null;
        }
        return null;
    }

    /**
     * @param {ScoredPieces} pieces
     * @returns {number}  how many were added before one that is the same as another; -1 if there
     *     is no room
     */
    #add({ pool, ends, size }) {
        const { slots, mask, root } = this;
        let room = this.#room;
        let i = 0;
        for (let id = 0; id < size; id++) {
            const end = ends[id];
            if (end - i > MAX_PIECE) return id;
            if (end === i) continue; // the empty piece is never found
            let node = root;
            for (; i < end; i++) {
                const unit = pool[i];
                const low = (node << 8) | (unit & 255);
                const high = unit >> 8;
                let slot = spread(node, unit) & mask;
                for (let edge = slots[2 * slot]; edge !== 0; edge = slots[2 * slot]) {
                    if (edge === low && slots[2 * slot + 1] >>> 24 === high) break;
                    slot = (slot + 1) & mask;
                }
                if (slots[2 * slot] === 0) {
                    if (--room < 0) return -1;
                    slots[2 * slot] = low;
                    slots[2 * slot + 1] = high << 24;
                }
                node = slot + 1;
            }
            const value = 2 * (node - 1) + 1;
            if ((slots[value] & 0xffffff) !== 0) return id;
            slots[value] |= id + 1;
        }
        return size;
    }

    /**
     * @param {Uint16Array} units
     * @param {number} start
     * @param {number} end
     * @returns {number}  the id of the piece that this is, or -1
     */
    find(units, start, end) {
        let node = this.root;
        for (let i = start; i < end && node > 0; i++) node = this.step(node, units[i]);
        return end > start && node > 0 ? this.id(node) : -1;
    }

    /**
     * @param {number} node
     * @param {number} unit
     * @returns {number}  the node that the unit leads to, 0 if there is none
     */
    step(node, unit) {
        const { slots, mask } = this;
        const low = (node << 8) | (unit & 255);
        for (let slot = spread(node, unit) & mask; ; slot = (slot + 1) & mask) {
            const edge = slots[2 * slot];
            if (edge === 0) return 0;
            if (edge === low && slots[2 * slot + 1] >>> 24 === unit >> 8) return slot + 1;
        }
    }

    /**
     * @param {number} node
     * @returns {number}  the id of the piece that ends there, or -1
     */
    id(node) {
        return (this.slots[2 * node - 1] & 0xffffff) - 1;
    }
}

/**
 * @param {number} node
 * @param {number} unit
 * @returns {number}
 */
function spread(node, unit) {
    const hash = Math.imul(node, 0x9e3779b1) ^ Math.imul(unit, 0x85ebca6b);
    return hash ^ (hash >>> 15);
}

export class ScoredVocabulary {
    #ends;
    #pool;

    /**
     * Use ScoredVocabulary.of or ScoredVocabulary.fromPieces.
     * @param {ScoredPieces} pieces
     * @param {Trie} trie
     */
    constructor({ pool, ends, scores, size }, trie) {
        this.size = size;
        /** @readonly */
        this.trie = trie;
        /** @readonly */
        this.scores = scores.slice(0, size);
        this.#ends = ends.slice(0, size);
        this.#pool = pool.slice(0, size > 0 ? ends[size - 1] : 0);
    }

    /**
     * @param {string} where  in the file, for messages
     * @param {unknown} value  pieces and scores, or what the reader of the file made of them
     * @returns {ScoredVocabulary}
     */
    static of(where, value) {
        if (value instanceof ScoredVocabulary) return value;
        if (!Array.isArray(value)) throw badTokenizer(where, 'vocab must be a list');
        return makeVocabulary(where, value);
    }

    /**
     * @param {ScoredPieces} pieces
     * @returns {ScoredVocabulary | null}  null if two are the same, or they are too large
     */
    static fromPieces(pieces) {
        const trie = Trie.of(pieces);
        return trie === null ? null : new ScoredVocabulary(pieces, trie);
    }

    /**
     * @param {string} piece
     * @returns {number}  its id, or -1
     */
    id(piece) {
        return this.trie.find(unitsOf(piece), 0, piece.length);
    }

    /**
     * @param {number} id
     * @returns {string | null}  its piece
     */
    piece(id) {
        if (!(id >= 0 && id < this.size)) return null;
        return textOf(this.#pool, id > 0 ? this.#ends[id - 1] : 0, this.#ends[id]);
    }
}

/**
 * @param {string} where
 * @param {unknown[]} list
 * @returns {ScoredVocabulary}
 */
function makeVocabulary(where, list) {
    const size = list.length;
    const ends = new Uint32Array(size);
    const scores = new Float64Array(size);
    const names = list.map((pair, i) => {
        const [piece, score] = Array.isArray(pair) ? pair : [];
        if (typeof piece !== 'string' || !Array.isArray(pair) || pair.length !== 2) {
            throw badTokenizer(where, `vocab[${i}] must be a piece and its score`);
        }
        if (!isWellFormed(piece)) {
            throw badTokenizer(where, `${quote(piece)} has half a surrogate pair`);
        }
        if (piece.length > MAX_PIECE) {
            throw badTokenizer(
                where,
                `${quote(piece)} must have at most ${MAX_PIECE} characters, not ${piece.length}`,
            );
        }
        if (typeof score !== 'number' || !Number.isFinite(score)) {
            throw badTokenizer(
                where,
                `the score of ${quote(piece)} must be a number, ` +
                    `not ${typeof score === 'number' ? score : JSON.stringify(score)}`,
            );
        }
        scores[i] = readAgain(score);
        ends[i] = (i > 0 ? ends[i - 1] : 0) + piece.length;
        return piece;
    });
    const pool = unitsOf(names.join(''));
    const vocabulary = ScoredVocabulary.fromPieces({ pool, ends, scores, size, hashes: null });
    if (vocabulary !== null) return vocabulary;
    const seen = new Set();
    for (const name of names) {
        if (name !== '' && seen.has(name)) {
            throw badTokenizer(where, `the piece ${quote(name)} occurs twice`);
        }
        seen.add(name);
    }
    throw badTokenizer(where, `its ${size} pieces are more than there is room for`);
}

/**
 * @param {number} score  as JSON.parse read it
 * @returns {number}  as the library reads it: see readScore in reader.js
 */
function readAgain(score) {
    if (score === 0) return score; // there are two of them
    const [digits, exponent = '0'] = String(score).split('e');
    const [whole, part = ''] = digits.split('.');
    const power = Number(exponent) - part.length;
    const number = Number(whole + part);
    return power < 0 ? number / Number(`1e${-power}`) : number * Number(`1e${power}`);
}
