/**
 * Pieces of text and their ids, looked up by the units of a text without making strings: an
 * open-addressing hash over typed arrays, the pieces themselves in one pool. Some 20 bytes and the
 * text for each piece, where a Map of strings takes more than a hundred, and the longest piece at a
 * place is found by hashing the text once.
 *
 * Rejected: a trie, which reads the text once only but needs some six nodes for each piece.
 */

import { badTokenizer, isWellFormed } from './file.js';
import { textOf, unitsOf } from './normalized_string.js';

/**
 * FNV-1a over units: hash = ((hash ^ unit) * HASH_FACTOR) & HASH_MASK. 21 bits with a factor of 9
 * stay within the 30 that are a small integer in every engine, and need no call of Math.imul.
 */
export const HASH_SEED = 0x1c9dc5;
export const HASH_FACTOR = 0x1b3;
export const HASH_MASK = 0x1fffff;

/** Ids may leave gaps, but tables by id should not be mostly gaps. */
const MAX_GAPS = 1 << 16;

/**
 * Pieces one after another in a pool. All arrays may have room left.
 * @typedef {object} Pieces
 * @property {Uint16Array} pool  their text
 * @property {Uint32Array} ends  of each, where in the pool it ends
 * @property {Uint32Array} ids
 * @property {Uint32Array} hashes
 * @property {number} size  how many there are
 */

/**
 * The pieces of a model, both ways.
 * @typedef {Pick<Vocabulary, 'size' | 'id' | 'piece'>} PieceList
 */

/**
 * What pieces begin with that is not in the text, as `##`. Its hash is known, so that looking up
 * the rest takes no longer than looking up a whole piece.
 */
export class Prefix {
    /**
     * @param {string} text
     */
    constructor(text) {
        /** @readonly */
        this.units = unitsOf(text);
        /** @readonly */
        this.hash = hashOf(this.units, 0, this.units.length, HASH_SEED);
    }
}

export const NO_PREFIX = new Prefix('');

/**
 * Finds pieces at a place in a text.
 * @internal  its arrays are read in place by the models
 */
export class PieceTable {
    /** Pairs of a hash and an entry + 1; 0 for no entry. */
    #slots;

    #mask;

    /** Hashes of the beginnings of the text at hand, by length. */
    #hashes = new Int32Array(1);

    /** Length of the longest piece, in units. */
    #longest_length = 0;

    /**
     * @param {Uint16Array} pool  the text of all pieces
     * @param {number} capacity  how many pieces there may be
     */
    constructor(pool, capacity) {
        /** @readonly */
        this.pool = pool;
        /** Where each piece begins and ends in the pool, and its id. */
        this.starts = new Uint32Array(capacity);
        this.ends = new Uint32Array(capacity);
        this.ids = new Uint32Array(capacity);
        this.size = 0;
        // At most half full, so that a search ends soon.
        const slots = 2 ** Math.ceil(Math.log2(2 * Math.max(capacity, 2)));
        this.#slots = new Int32Array(2 * slots);
        this.#mask = slots - 1;
    }

    /**
     * @param {Pieces} pieces
     * @returns {PieceTable | null}  null if two of them are the same
     */
    static of({ pool, ends, ids, hashes, size }) {
        const table = new PieceTable(pool.slice(0, size > 0 ? ends[size - 1] : 0), size);
        table.ids.set(ids.subarray(0, size));
        table.ends.set(ends.subarray(0, size));
        if (size > 0) table.starts.set(ends.subarray(0, size - 1), 1);
        return table.#enter(hashes.subarray(0, size)) ? table : null;
    }

    /**
     * @param {number} start  in the pool
     * @param {number} end
     * @param {number} id
     * @returns {boolean}  false if it is there already
     */
    add(start, end, id) {
        const entry = this.size;
        this.starts[entry] = start;
        this.ends[entry] = end;
        this.ids[entry] = id;
        return this.#enter(Uint32Array.of(hashOf(this.pool, start, end, HASH_SEED)));
    }

    clear() {
        this.#slots.fill(0);
        this.size = 0;
    }

    /**
     * Makes the next pieces, whose places are known, findable.
     * @param {Uint32Array} hashes  theirs
     * @returns {boolean}  false if one is there already
     */
    #enter(hashes) {
        const { pool, starts, ends } = this;
        const slots = this.#slots;
        const mask = this.#mask;
        const first = this.size;
        const count = hashes.length;
        let longest = this.#longest_length;
        for (let i = 0; i < count; i++) {
            const entry = first + i;
            const hash = hashes[i];
            const start = starts[entry];
            const length = ends[entry] - start;
            let slot = spread(hash) & mask;
            for (let other = slots[2 * slot + 1]; other !== 0; other = slots[2 * slot + 1]) {
                const is_same = slots[2 * slot] === hash;
                if (is_same && this.#equals(other - 1, NO_PREFIX, pool, start, length))
                    return false;
                slot = (slot + 1) & mask;
            }
            slots[2 * slot] = hash;
            slots[2 * slot + 1] = entry + 1;
            if (length > longest) longest = length;
        }
        this.size = first + count;
        this.#longest_length = longest;
        return true;
    }

    /**
     * @param {Uint16Array} units
     * @param {number} start
     * @param {number} end
     * @returns {number}  the entry of the piece that this is, or -1
     */
    find(units, start, end) {
        if (end - start > this.#longest_length) return -1;
        const hash = hashOf(units, start, end, HASH_SEED);
        return this.#lookUp(hash, NO_PREFIX, units, start, end - start);
    }

    /**
     * @param {Uint16Array} units
     * @param {number} start
     * @param {number} end
     * @param {Prefix} [prefix]
     * @returns {number}  the entry of the longest piece that begins the prefix and text together
     *     and is longer than the prefix; or -1
     */
    longest(units, start, end, prefix = NO_PREFIX) {
        if (this.#hashes.length <= this.#longest_length) {
            this.#hashes = new Int32Array(this.#longest_length + 1);
        }
        const hashes = this.#hashes;
        const slots = this.#slots;
        const mask = this.#mask;
        const length = Math.min(end - start, this.#longest_length - prefix.units.length);
        let { hash } = prefix;
        for (let n = 1; n <= length; n++) {
            hash = ((hash ^ units[start + n - 1]) * HASH_FACTOR) & HASH_MASK;
            hashes[n] = hash;
        }
        for (let n = length; n > 0; n--) {
            // Most lengths fail at their first slot: without a call.
            if (slots[2 * (spread(hashes[n]) & mask) + 1] === 0) continue;
            const entry = this.#lookUp(hashes[n], prefix, units, start, n);
            if (entry >= 0) return entry;
        }
        return -1;
    }

    /**
     * @param {number} hash
     * @param {Prefix} prefix
     * @param {Uint16Array} units
     * @param {number} start
     * @param {number} length
     * @returns {number}  an entry, or -1
     */
    #lookUp(hash, prefix, units, start, length) {
        const slots = this.#slots;
        const mask = this.#mask;
        for (let slot = spread(hash) & mask; ; slot = (slot + 1) & mask) {
            const entry = slots[2 * slot + 1] - 1;
            if (entry < 0) return -1;
            const is_same = slots[2 * slot] === hash;
            if (is_same && this.#equals(entry, prefix, units, start, length)) return entry;
        }
    }

    /**
     * @param {number} entry
     * @param {Prefix} prefix
     * @param {Uint16Array} units
     * @param {number} start
     * @param {number} length
     * @returns {boolean}
     */
    #equals(entry, prefix, units, start, length) {
        const { pool } = this;
        const before = prefix.units;
        const from = this.starts[entry];
        const middle = from + before.length;
        if (this.ends[entry] !== middle + length) return false;
        for (let i = 0; i < length; i++) {
            if (pool[middle + i] !== units[start + i]) return false;
        }
        for (let i = 0; i < before.length; i++) {
            if (pool[from + i] !== before[i]) return false;
        }
        return true;
    }
}

/**
 * @param {Uint16Array} units
 * @param {number} start
 * @param {number} end
 * @param {number} seed  the hash of what is before them
 * @returns {number}
 */
function hashOf(units, start, end, seed) {
    let hash = seed;
    for (let i = start; i < end; i++) hash = ((hash ^ units[i]) * HASH_FACTOR) & HASH_MASK;
    return hash;
}

/**
 * The low bits of the hash depend on the low bits of the units alone.
 * @param {number} hash
 * @returns {number}
 */
function spread(hash) {
    return hash ^ (hash >>> 11);
}

/**
 * The vocabulary of a model: all its pieces, both ways.
 */
export class Vocabulary {
    /** Any entry for a gap; null if ids are entries, as they are in nearly all files. */
    #entries;

    /**
     * Use Vocabulary.of or Vocabulary.fromPieces.
     * @param {PieceTable} table
     * @param {Uint32Array | null} entries  of the table, by id
     */
    constructor(table, entries) {
        /** @readonly */
        this.table = table;
        this.#entries = entries;
        /** How many pieces there are. */
        this.size = table.size;
    }

    /**
     * @param {string} where  in the file, for messages
     * @param {object} value  ids by piece, or the vocabulary that the reader of the file made of
     *   them
     * @returns {Vocabulary}
     */
    static of(where, value) {
        if (value instanceof Vocabulary) return value;
        const members = /** @type {Record<string, unknown>} */ (value);
        return makeVocabulary(where, members);
    }

    /**
     * @param {Pieces} pieces
     * @returns {Vocabulary | null}  null if two of them or of their ids are the same, or an id is
     *     far beyond the number of pieces
     */
    static fromPieces(pieces) {
        const { ids, size } = pieces;
        let entry = 0;
        while (entry < size && ids[entry] === entry) entry++;
        const entries = entry === size ? null : entriesById(ids, size);
        if (entry < size && entries === null) return null;
        const table = PieceTable.of(pieces);
        return table === null ? null : new Vocabulary(table, entries);
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
        const { pool, starts, ends, ids } = this.table;
        const entry = this.entry(id);
        if (entry === undefined || ids[entry] !== id) return null;
        return textOf(pool, starts[entry], ends[entry]);
    }

    /**
     * @param {number} id  of a piece
     * @returns {number}  the entry of the table
     */
    entry(id) {
        return this.#entries === null ? id : this.#entries[id];
    }
}

/**
 * @param {Uint32Array} ids
 * @param {number} size  how many
 * @returns {Uint32Array | null}  null if two are the same, or one is far beyond their number
 */
function entriesById(ids, size) {
    let n_ids = 0;
    for (let entry = 0; entry < size; entry++) n_ids = Math.max(n_ids, ids[entry] + 1);
    if (n_ids > 2 * size + MAX_GAPS) return null;
    const entries = new Uint32Array(n_ids);
    for (let entry = 0; entry < size; entry++) {
        const id = ids[entry];
        const other = entries[id];
        if (ids[other] === id && other !== entry) return null;
        entries[id] = entry;
    }
    return entries;
}

/**
 * @param {string} where
 * @param {Record<string, unknown>} members  ids by piece
 * @returns {Vocabulary}
 */
function makeVocabulary(where, members) {
    const names = Object.keys(members);
    const { length } = names;
    let n_units = 0;
    for (const name of names) {
        const id = members[name];
        if (!isWellFormed(name)) {
            throw badTokenizer(where, `${quote(name)} has half a surrogate pair`);
        }
        if (typeof id !== 'number' || !Number.isInteger(id) || id < 0) {
            throw badTokenizer(
                where,
                `the id of ${quote(name)} must be an integer, not ${JSON.stringify(id)}`,
            );
        }
        if (id >= 2 * length + MAX_GAPS) {
            throw badTokenizer(
                where,
                `the id of ${quote(name)}, ${id}, is far beyond the ${length} pieces`,
            );
        }
        n_units += name.length;
    }
    const pool = new Uint16Array(n_units);
    const ends = new Uint32Array(length);
    const ids = new Uint32Array(length);
    const hashes = new Uint32Array(length);
    let end = 0;
    for (let entry = 0; entry < length; entry++) {
        const name = names[entry];
        const start = end;
        for (let i = 0; i < name.length; i++) pool[end++] = name.charCodeAt(i);
        ends[entry] = end;
        ids[entry] = /** @type {number} */ (members[name]);
        hashes[entry] = hashOf(pool, start, end, HASH_SEED);
    }
    const vocabulary = Vocabulary.fromPieces({ pool, ends, ids, hashes, size: length });
    if (vocabulary === null) throw sameId(where, names, ids);
    return vocabulary;
}

/**
 * @param {string} where
 * @param {string[]} names  of pieces
 * @param {Uint32Array} ids  theirs, of which two are the same
 * @returns {Error}
 */
function sameId(where, names, ids) {
    /** @type {Map<number, string>} */
    const owners = new Map();
    let i = 0;
    for (; !owners.has(ids[i]); i++) owners.set(ids[i], names[i]);
    const owner = owners.get(ids[i]) ?? '';
    return badTokenizer(where, `${quote(names[i])} and ${quote(owner)} have the same id ${ids[i]}`);
}

/**
 * @param {string} piece
 * @returns {string}  for a message
 */
export function quote(piece) {
    return JSON.stringify(piece.slice(0, 80));
}
