/**
 * Pieces of text and their ids, looked up by the units of a text without making strings: an
 * open-addressing hash over typed arrays, the pieces themselves in one pool. Some 20 bytes and the
 * text for each piece, where a Map of strings takes more than a hundred, and the longest piece at a
 * place is found by hashing the text once.
 *
 * Rejected: a trie, which needs no second look at the text but some six nodes for each piece.
 */

import { badTokenizer, isWellFormed } from './file.js';
import { isTrailSurrogate, textOf, unitsOf } from './normalized_string.js';

/** FNV-1a over units. */
const HASH_SEED = 0x811c9dc5;
const HASH_PRIME = 0x01000193;

/** Ids may leave gaps, but not so many that tables by id would be mostly gaps. */
const MAX_GAPS = 1 << 16;

/**
 * Finds pieces at a place in a text.
 */
export class PieceTable {
    /**
     * @param {Uint16Array} pool  the text of all pieces
     * @param {number} capacity  how many pieces there may be
     */
    constructor(pool, capacity) {
        /** @readonly */
        this.pool = pool;
        /** Of each piece, where in the pool it begins and ends, and its id. */
        this.starts = new Uint32Array(capacity);
        this.ends = new Uint32Array(capacity);
        this.ids = new Uint32Array(capacity);
        this.size = 0;
        /** Length of the longest piece, in units. */
        this.longestLength = 0;
        // At most half full, so that a search ends soon.
        const slots = 2 ** Math.ceil(Math.log2(2 * Math.max(capacity, 2)));
        /**
         * Pairs of a hash and an entry + 1; 0 for no entry.
         * @private
         */
        this.slots = new Int32Array(2 * slots);
        /** @private */
        this.mask = slots - 1;
        /**
         * Hashes of the beginnings of the text at hand, by length.
         * @private
         */
        this.hashes = new Int32Array(1);
    }

    /**
     * @param {number} start  in the pool
     * @param {number} end
     * @param {number} id
     * @returns {boolean}  false if it is there already
     */
    add(start, end, id) {
        const { pool, slots, mask } = this;
        const hash = hashOf(pool, start, end);
        let slot = spread(hash) & mask;
        for (; slots[2 * slot + 1] !== 0; slot = (slot + 1) & mask) {
            const same = slots[2 * slot] === hash;
            if (same && this.equals(slots[2 * slot + 1] - 1, pool, start, end - start)) return false;
        }
        const entry = this.size++;
        slots[2 * slot] = hash;
        slots[2 * slot + 1] = entry + 1;
        this.starts[entry] = start;
        this.ends[entry] = end;
        this.ids[entry] = id;
        this.longestLength = Math.max(this.longestLength, end - start);
        return true;
    }

    /**
     * @param {Uint16Array} units
     * @param {number} start
     * @param {number} end
     * @returns {number}  the entry of the piece that this is, or -1
     */
    find(units, start, end) {
        if (end - start > this.longestLength) return -1;
        return this.lookUp(hashOf(units, start, end), units, start, end - start);
    }

    /**
     * @param {Uint16Array} units
     * @param {number} start
     * @param {number} end
     * @returns {number}  the entry of the longest piece that the text begins with, or -1
     */
    longest(units, start, end) {
        if (this.hashes.length <= this.longestLength) {
            this.hashes = new Int32Array(this.longestLength + 1);
        }
        const { hashes, slots, mask } = this;
        const length = Math.min(end - start, this.longestLength);
        let hash = HASH_SEED | 0;
        for (let n = 1; n <= length; n++) {
            hash = Math.imul(hash ^ units[start + n - 1], HASH_PRIME);
            hashes[n] = hash;
        }
        for (let n = length; n > 0; n--) {
            // Most lengths fail at their first slot: without a call.
            if (slots[2 * (spread(hashes[n]) & mask) + 1] === 0) continue;
            const entry = this.lookUp(hashes[n], units, start, n);
            if (entry >= 0) return entry;
        }
        return -1;
    }

    /**
     * @private
     * @param {number} hash
     * @param {Uint16Array} units
     * @param {number} start
     * @param {number} length
     * @returns {number}  an entry, or -1
     */
    lookUp(hash, units, start, length) {
        const { slots, mask } = this;
        for (let slot = spread(hash) & mask; ; slot = (slot + 1) & mask) {
            const entry = slots[2 * slot + 1] - 1;
            if (entry < 0) return -1;
            if (slots[2 * slot] === hash && this.equals(entry, units, start, length)) return entry;
        }
    }

    /**
     * @private
     * @param {number} entry
     * @param {Uint16Array} units
     * @param {number} start
     * @param {number} length
     * @returns {boolean}
     */
    equals(entry, units, start, length) {
        const from = this.starts[entry];
        if (this.ends[entry] - from !== length) return false;
        for (let i = 0; i < length; i++) {
            if (this.pool[from + i] !== units[start + i]) return false;
        }
        return true;
    }
}

/**
 * @param {Uint16Array} units
 * @param {number} start
 * @param {number} end
 * @returns {number}
 */
function hashOf(units, start, end) {
    let hash = HASH_SEED | 0;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ units[i], HASH_PRIME);
    return hash;
}

/**
 * The low bits of the hash depend on the low bits of the units alone.
 * @param {number} hash
 * @returns {number}
 */
function spread(hash) {
    return hash ^ (hash >>> 15);
}

/**
 * The vocabulary of a model: all its pieces, both ways.
 */
export class Vocabulary {
    /**
     * @param {string} where  in the file, for messages
     * @param {Record<string, unknown>} pieces  ids by piece
     */
    constructor(where, pieces) {
        const names = Object.keys(pieces);
        let nUnits = 0;
        let nIds = 0;
        for (const name of names) {
            const id = pieces[name];
            if (!isWellFormed(name)) {
                throw badTokenizer(where, `${quote(name)} has half a surrogate pair`);
            }
            if (typeof id !== 'number' || !Number.isInteger(id) || id < 0) {
                throw badTokenizer(where, `the id of ${quote(name)} must be an integer, ` +
                    `not ${JSON.stringify(id)}`);
            }
            if (id >= 2 * names.length + MAX_GAPS) {
                throw badTokenizer(where, `the id of ${quote(name)}, ${id}, is far beyond the ` +
                    `${names.length} pieces`);
            }
            nIds = Math.max(nIds, id + 1);
            nUnits += name.length;
        }
        const pool = new Uint16Array(nUnits);
        /** @readonly */
        this.table = new PieceTable(pool, names.length);
        /**
         * Entries by id, -1 for gaps.
         * @private
         */
        this.entries = new Int32Array(nIds).fill(-1);
        let end = 0;
        for (const name of names) {
            const id = /** @type {number} */ (pieces[name]);
            if (this.entries[id] >= 0) {
                throw badTokenizer(where,
                    `${quote(name)} and ${quote(this.piece(id) ?? '')} have the same id ${id}`);
            }
            const start = end;
            for (let i = 0; i < name.length; i++) pool[end++] = name.charCodeAt(i);
            this.entries[id] = this.table.size;
            this.table.add(start, end, id);
        }
        /** How many pieces there are. */
        this.size = names.length;
    }

    /**
     * @param {string} piece
     * @returns {number}  its id, or -1
     */
    id(piece) {
        const entry = this.table.find(unitsOf(piece), 0, piece.length);
        return entry < 0 ? -1 : this.table.ids[entry];
    }

    /**
     * @param {number} id
     * @returns {string | null}  its piece
     */
    piece(id) {
        const entry = id < this.entries.length ? this.entries[id] : -1;
        if (entry === undefined || entry < 0) return null;
        return textOf(this.table.pool, this.table.starts[entry], this.table.ends[entry]);
    }

    /**
     * The pieces that begin with a prefix, without it.
     * @param {string} prefix
     * @returns {PieceTable}
     */
    without(prefix) {
        if (prefix === '') return this.table;
        const { table } = this;
        const units = unitsOf(prefix);
        const chosen = [];
        for (let entry = 0; entry < table.size; entry++) {
            const start = table.starts[entry];
            // An empty rest cannot be found in a text, and a half of a pair is none.
            if (table.ends[entry] - start <= units.length) continue;
            if (isTrailSurrogate(table.pool[start + units.length])) continue;
            if (units.every((unit, i) => table.pool[start + i] === unit)) chosen.push(entry);
        }
        const rest = new PieceTable(table.pool, chosen.length);
        for (const entry of chosen) {
            rest.add(table.starts[entry] + units.length, table.ends[entry], table.ids[entry]);
        }
        return rest;
    }
}

/**
 * @param {string} piece
 * @returns {string}  for a message
 */
function quote(piece) {
    return JSON.stringify(piece.slice(0, 80));
}
