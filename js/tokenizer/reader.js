/**
 * Reads tokenizer.json, its vocabulary straight from the bytes.
 *
 * Nearly all of the file is the vocabulary, tens of thousands of pieces with their ids. JSON.parse
 * makes an object with as many properties of it, only for us to take it apart again: that was most
 * of the time and of the memory that a tokenizer took to load. So one scan of the bytes puts the
 * pieces into typed arrays, and JSON.parse gets the file without them.
 *
 * This reports no errors. Whatever is unusual, from an id with a decimal point to a file that is
 * not JSON at all, is left to readFile, which reads the whole file by JSON.parse and says what is
 * wrong.
 *
 * It runs once in most processes, before any engine has compiled it: there is no call for an
 * ordinary character, and numbers are small integers, for which V8 never allocates. Rejected:
 * scanning the decoded text, whose charCodeAt is a call until it is compiled, and which is a copy
 * of the file twice as large; filling the hash table in the same loop, which takes longer to
 * compile than it saves; skipping space without a call, which saves nothing.
 */

import { bytesOf } from '../realms.js';
import { duplicateKey, Fields, isWellFormed, readFile } from './file.js';
import { Merges, VERSION } from './models/merges.js';
import { textOf } from './normalized_string.js';
import { ScoredVocabulary, wantsScores } from './scored_vocabulary.js';
import { HASH_FACTOR, HASH_MASK, HASH_SEED, Vocabulary } from './vocabulary.js';

/** @import { ScoredPieces } from './scored_vocabulary.js' */
/** @import { Pieces } from './vocabulary.js' */

const TAB = 0x09;
const LINE_FEED = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const OPEN = 0x7b;
const CLOSE = 0x7d;

/** An id with more digits is surely too large, and might not be a small integer. */
const MAX_DIGITS = 9;

/** Far beyond any vocabulary; the arrays have room for four times as much. */
const MAX_BYTES = 1 << 26;

/** What the shortest member of a vocabulary takes: `"":0` and a comma or bracket. */
const SHORTEST_MEMBER = 5;

/** The same of a list of pieces and scores: `["",0]`. */
const SHORTEST_PAIR = 7;

/** A score with more digits would have to be rounded twice. */
const MAX_SCORE_DIGITS = 18;

/** Powers of ten, as double precision has them. */
const POWERS = Float64Array.from({ length: MAX_SCORE_DIGITS + 1 }, (_, k) => Number(`1e${k}`));

/** The same of the merges: `"a b"`; and the longest, in units. */
const SHORTEST_MERGE = 6;
const LONGEST_MERGE = 4096;

/** The least code point of each length in UTF-8. */
const LEAST = [0, 0, 0x80, 0x800, 0x10000];

/**
 * @param {string | Uint8Array | ArrayBuffer} file
 * @returns {Fields}  `vocab` of its model is a Vocabulary, or an object where readFile read it
 */
export function readTokenizer(file) {
    const bytes = encoded(file);
    return (bytes === null ? null : readDirectly(bytes)) ?? readFile(file);
}

/**
 * @param {unknown} file
 * @returns {Uint8Array | null}
 */
function encoded(file) {
    // TextEncoder would put U+FFFD for half a surrogate pair.
    if (typeof file === 'string' && isWellFormed(file)) return new TextEncoder().encode(file);
    return bytesOf(file);
}

/**
 * @param {Uint8Array} bytes
 * @returns {Fields | null}
 */
function readDirectly(bytes) {
    if (bytes.length > MAX_BYTES) return null;
    const start = findVocabulary(bytes);
    if (start < 0) return null;
    const is_list = bytes[start] === OPEN_LIST;
    const found = is_list ? readScoredPieces(bytes, start) : readPieces(bytes, start);
    if (found === null) return null;
    const { pieces } = found;
    const vocabulary =
        'scores' in pieces ? ScoredVocabulary.fromPieces(pieces) : Vocabulary.fromPieces(pieces);
    if (vocabulary === null) return null;
    const merges_start = vocabulary instanceof Vocabulary ? findMerges(bytes, found.end) : -1;
    const merges =
        vocabulary instanceof Vocabulary && merges_start >= 0
            ? readMerges(bytes, merges_start, vocabulary)
            : null;
    try {
        const text = textWithout(bytes, [
            [start + 1, found.end - 1],
            ...(merges === null ? [] : [[merges_start + 1, merges.end - 1]]),
        ]);
        const value = JSON.parse(text);
        if (duplicateKey(text) !== null || is_list !== wantsScores(value.model)) return null;
        // No key occurs twice, so this is the object or list that was found.
        value.model.vocab = vocabulary;
        if (merges !== null) {
            // With a prefix other pieces are merged.
            if (value.model.continuing_subword_prefix) return null;
            value.model.merges = merges.merges;
        }
        return new Fields(value, '');
    } catch {
        return null;
    }
}

/**
 * @param {Uint8Array} bytes
 * @param {number[][]} gaps  start and end of each, rising
 * @returns {string}  the text without those
 */
function textWithout(bytes, gaps) {
    const rest = new Uint8Array(bytes.length);
    let done = 0;
    let length = 0;
    for (const [start, end] of [...gaps, [bytes.length, bytes.length]]) {
        rest.set(bytes.subarray(done, start), length);
        length += start - done;
        done = end;
    }
    // A byte order mark is not JSON; readFile knows where it is allowed.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
        rest.subarray(0, length),
    );
}

/**
 * @param {Uint8Array} bytes
 * @returns {number}  where `model.vocab` is, an object or a list; or -1. It is certain if the rest
 *     of the file turns out to be valid JSON
 */
function findVocabulary(bytes) {
    const { length } = bytes;
    let depth = 0;
    let in_model = false;
    for (let i = 0; i < length; i++) {
        const c = bytes[i];
        if (c < QUOTE) continue; // space, most of what is between strings
        if (c === QUOTE) {
            const end = endOfString(bytes, i + 1);
            if (end < 0) return -1;
            if (depth === 1 && isString(bytes, i + 1, end, 'model')) {
                in_model = bytes[valueBehind(bytes, end + 1)] === OPEN;
            } else if (depth === 2 && in_model && isString(bytes, i + 1, end, 'vocab')) {
                return valueBehind(bytes, end + 1);
            }
            i = end;
        } else if ((c | 0x20) === OPEN) {
            // [ or {
            depth++;
        } else if ((c | 0x20) === CLOSE) {
            depth--;
            if (depth < 2) in_model = false;
        }
    }
    return -1;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} from  behind the vocabulary
 * @returns {number}  where the list `merges` of the same object is, or -1; as certain as that
 */
function findMerges(bytes, from) {
    const { length } = bytes;
    let depth = 0;
    for (let i = from; i < length && depth >= 0; i++) {
        const c = bytes[i];
        if (c < QUOTE) continue;
        if (c === QUOTE) {
            const end = endOfString(bytes, i + 1);
            if (end < 0) return -1;
            if (depth === 0 && isString(bytes, i + 1, end, 'merges')) {
                const start = valueBehind(bytes, end + 1);
                return bytes[start] === OPEN_LIST ? start : -1;
            }
            i = end;
        } else if ((c | 0x20) === OPEN) {
            depth++;
        } else if ((c | 0x20) === CLOSE) {
            depth--;
        }
    }
    return -1;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} from  after the opening quote
 * @returns {number}  where the closing quote is, or -1
 */
function endOfString(bytes, from) {
    let end = bytes.indexOf(QUOTE, from);
    while (end >= 0) {
        let backslashes = 0;
        while (bytes[end - 1 - backslashes] === BACKSLASH) backslashes++;
        if (backslashes % 2 === 0) return end;
        end = bytes.indexOf(QUOTE, end + 1);
    }
    return -1;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} start
 * @param {number} end
 * @param {string} text  ASCII
 * @returns {boolean}
 */
function isString(bytes, start, end, text) {
    if (end - start !== text.length) return false;
    for (let i = 0; i < text.length; i++) {
        if (bytes[start + i] !== text.charCodeAt(i)) return false;
    }
    return true;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} from  after a key
 * @returns {number}  where its value begins if that is an object or a list, or -1
 */
function valueBehind(bytes, from) {
    let i = from;
    while (bytes[i] <= SPACE) i++;
    if (bytes[i] !== COLON) return -1;
    i++;
    while (bytes[i] <= SPACE) i++;
    return bytes[i] === OPEN || bytes[i] === OPEN_LIST ? i : -1;
}

/**
 * The members of an object. What is behind the end of an array is undefined and equal to nothing
 * that is allowed, so that the end need not be looked for.
 * @param {Uint8Array} bytes
 * @param {number} start  where the object begins
 * @returns {{pieces: Pieces, end: number} | null}  and where the object ends; null if its members
 *     are not all plain integers of few digits, or it is not valid JSON
 */
function readPieces(bytes, start) {
    // Room for the most there can be; what is not used of such large arrays takes no memory.
    const room = bytes.length - start;
    const max_pieces = Math.floor(room / SHORTEST_MEMBER);
    const ids = new Uint32Array(max_pieces);
    const pieces = {
        pool: new Uint16Array(room),
        ends: new Uint32Array(max_pieces),
        ids,
        hashes: new Uint32Array(max_pieces),
        size: 0,
    };
    let c = COMMA;
    let i = start + 1;
    while (c === COMMA) {
        i = skipSpace(bytes, i);
        if (bytes[i] !== QUOTE) {
            // Only an empty object may have none behind the bracket.
            if (bytes[i] !== CLOSE || pieces.size > 0) return null;
            return { pieces, end: i + 1 };
        }
        i = readPiece(bytes, i + 1, pieces);
        if (i < 0) return null;
        i = skipSpace(bytes, i);
        if (bytes[i] !== COLON) return null;
        i = skipSpace(bytes, i + 1);
        const digits = i;
        let id = 0;
        c = bytes[i];
        while (c >= ZERO && c <= NINE) {
            id = id * 10 + c - ZERO;
            c = bytes[++i];
        }
        if (i === digits || i > digits + MAX_DIGITS) return null;
        if (bytes[digits] === ZERO && i > digits + 1) return null;
        ids[pieces.size++] = id;
        i = skipSpace(bytes, i);
        c = bytes[i++];
    }
    return c === CLOSE ? { pieces, end: i } : null;
}

/**
 * The pieces and scores of a list, `["piece", -1.5]` each, as readPieces reads members.
 * @param {Uint8Array} bytes
 * @param {number} start  where the list begins
 * @returns {{pieces: ScoredPieces, end: number} | null}  and where it ends; null if a score is
 *     written with an exponent or with many digits, or it is not valid JSON
 */
function readScoredPieces(bytes, start) {
    const room = bytes.length - start;
    const max_pieces = Math.floor(room / SHORTEST_PAIR);
    const pieces = {
        pool: new Uint16Array(room),
        ends: new Uint32Array(max_pieces),
        scores: new Float64Array(max_pieces),
        size: 0,
        hashes: null,
    };
    let c = COMMA;
    let i = start + 1;
    while (c === COMMA) {
        i = skipSpace(bytes, i);
        if (bytes[i] !== OPEN_LIST) {
            if (bytes[i] !== CLOSE_LIST || pieces.size > 0) return null;
            return { pieces, end: i + 1 };
        }
        i = skipSpace(bytes, i + 1);
        if (bytes[i] !== QUOTE) return null;
        i = readPiece(bytes, i + 1, pieces);
        if (i < 0) return null;
        i = skipSpace(bytes, i);
        if (bytes[i] !== COMMA) return null;
        i = readScore(bytes, skipSpace(bytes, i + 1), pieces);
        if (i < 0) return null;
        i = skipSpace(bytes, i);
        if (bytes[i] !== CLOSE_LIST) return null;
        pieces.size++;
        i = skipSpace(bytes, i + 1);
        c = bytes[i++];
    }
    return c === CLOSE_LIST ? { pieces, end: i } : null;
}

/**
 * Puts a number with the scores. Its digits become a whole number, that is rounded, and then
 * divided by a power of ten and rounded again, which is how the library reads numbers: the last bit
 * may decide between two ways to cut a word.
 * @param {Uint8Array} bytes
 * @param {number} from
 * @param {ScoredPieces} pieces
 * @returns {number}  behind the number, or -1
 */
function readScore(bytes, from, { scores, size }) {
    let i = from;
    const is_negative = bytes[i] === MINUS;
    if (is_negative) i++;
    const first = i;
    let point = -1;
    // Nine digits and nine more: both and their sum are exact before the one rounding.
    let high = 0;
    let low = 0;
    let n_low = 0;
    let n = 0;
    for (; ; i++) {
        const c = bytes[i];
        if (c >= ZERO && c <= NINE) {
            if (n < 9) {
                high = high * 10 + c - ZERO;
            } else {
                low = low * 10 + c - ZERO;
                n_low++;
            }
            if (++n > MAX_SCORE_DIGITS) return -1;
        } else if (c === POINT && point < 0 && n > 0) {
            point = i;
        } else {
            break;
        }
    }
    if (n === 0 || point === i - 1 || (bytes[i] | 0x20) === 0x65) return -1;
    if (bytes[first] === ZERO && n > 1 && point !== first + 1) return -1;
    const score = (high * POWERS[n_low] + low) / POWERS[point < 0 ? 0 : i - 1 - point];
    scores[size] = is_negative ? -score : score;
    return i;
}

/**
 * The merges of a list, `"a b"` or `["a", "b"]` each.
 * @param {Uint8Array} bytes
 * @param {number} start  where the list begins
 * @param {Vocabulary} vocabulary
 * @returns {{merges: Merges, end: number} | null}  and where it ends; null if a piece is not in the
 *     vocabulary, or it is not valid JSON, or begins as old files do
 */
function readMerges(bytes, start, { table }) {
    const room = Math.floor((bytes.length - start) / SHORTEST_MERGE);
    const columns = [0, 1, 2].map(() => new Uint32Array(room));
    const [left, right, merged] = columns;
    // The two pieces of a merge, one behind the other.
    const pool = new Uint16Array(LONGEST_MERGE);
    const ends = new Uint32Array(2);
    const pair = { pool, ends, ids: ends, hashes: new Uint32Array(2), size: 0 };
    let rank = 0;
    let c = COMMA;
    let i = start + 1;
    const is_pair = bytes[skipSpace(bytes, i)] === OPEN_LIST;
    while (c === COMMA) {
        i = skipSpace(bytes, i);
        if (rank === 0 && bytes[i] === CLOSE_LIST) {
            c = CLOSE_LIST;
            i++;
            break;
        }
        if (is_pair) {
            if (bytes[i] !== OPEN_LIST) return null;
            i = skipSpace(bytes, i + 1);
        }
        if (bytes[i] !== QUOTE) return null;
        pair.size = 0;
        i = readPiece(bytes, i + 1, pair);
        if (i < 0) return null;
        let split = ends[0];
        let end = split;
        if (is_pair) {
            i = skipSpace(bytes, i);
            if (bytes[i] !== COMMA) return null;
            i = skipSpace(bytes, i + 1);
            if (bytes[i] !== QUOTE) return null;
            pair.size = 1;
            i = readPiece(bytes, i + 1, pair);
            if (i < 0) return null;
            end = ends[1];
            i = skipSpace(bytes, i);
            if (bytes[i++] !== CLOSE_LIST) return null;
        } else {
            split = pool.indexOf(SPACE);
            if (split < 0 || split >= end) return null;
            end--;
            for (let k = split; k < end; k++) {
                pool[k] = pool[k + 1];
                if (pool[k] === SPACE) return null;
            }
        }
        if (end >= LONGEST_MERGE || isVersion(pool)) return null;
        const a = table.find(pool, 0, split);
        const b = table.find(pool, split, end);
        const ab = table.find(pool, 0, end);
        if (a < 0 || b < 0 || ab < 0) return null;
        left[rank] = table.ids[a];
        right[rank] = table.ids[b];
        merged[rank++] = table.ids[ab];
        i = skipSpace(bytes, i);
        c = bytes[i++];
    }
    if (c !== CLOSE_LIST) return null;
    const [a, b, ab] = columns.map((column) => column.slice(0, rank));
    return { merges: new Merges(a, b, ab), end: i };
}

/**
 * @param {Uint16Array} pool
 * @returns {boolean}  whether this may be the line that old files begin with, and not a merge
 */
function isVersion(pool) {
    return pool[0] === VERSION.charCodeAt(0) && textOf(pool, 0, VERSION.length) === VERSION;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} from
 * @returns {number}  behind the space there
 */
function skipSpace(bytes, from) {
    let i = from;
    let c = bytes[i];
    while (c === SPACE || c === LINE_FEED || c === RETURN || c === TAB) c = bytes[++i];
    return i;
}

/**
 * Puts a string behind the pieces, and its hash with theirs if they have any, but does not count
 * it.
 * @param {Uint8Array} bytes
 * @param {number} from  after the opening quote
 * @param {Pick<Pieces, 'pool' | 'ends' | 'size'> & {hashes: Uint32Array | null}} pieces
 * @returns {number}  after the closing quote, or -1
 */
function readPiece(bytes, from, { pool, ends, hashes, size }) {
    let end = size > 0 ? ends[size - 1] : 0;
    let hash = HASH_SEED;
    let i = from;
    let c = bytes[i];
    while (c !== QUOTE) {
        if (c > QUOTE && c < 0x80 && c !== BACKSLASH) {
            i++;
        } else {
            const character = readCharacter(bytes, i);
            if (character < 0) return -1;
            i += character & 15;
            c = character >> 4;
            if (c > 0xffff) {
                const lead = 0xd7c0 + (c >> 10);
                pool[end++] = lead;
                hash = ((hash ^ lead) * HASH_FACTOR) & HASH_MASK;
                c = 0xdc00 + (c & 0x3ff);
            }
        }
        pool[end++] = c;
        hash = ((hash ^ c) * HASH_FACTOR) & HASH_MASK;
        c = bytes[i];
    }
    ends[size] = end;
    if (hashes !== null) hashes[size] = hash;
    return i + 1;
}

/**
 * A character of a string, however it is written.
 * @param {Uint8Array} bytes
 * @param {number} at
 * @returns {number}  its code point * 16 + the bytes that it takes; -1 if it is not valid
 */
function readCharacter(bytes, at) {
    const first = bytes[at];
    if (first === BACKSLASH) return readEscape(bytes, at);
    if (first < 0x80) return first >= SPACE ? (first << 4) | 1 : -1;
    if (!(first >= 0xc2 && first <= 0xf4)) return -1;
    const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    let code_point = first & (0x7f >> length);
    for (let i = 1; i < length; i++) {
        const next = bytes[at + i];
        if ((next & 0xc0) !== 0x80) return -1;
        code_point = (code_point << 6) | (next & 0x3f);
    }
    const is_surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
    if (code_point < LEAST[length] || code_point > 0x10ffff || is_surrogate) return -1;
    return (code_point << 4) | length;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} at
 * @returns {number}  as of readCharacter; -1 also for half a surrogate pair
 */
function readEscape(bytes, at) {
    switch (bytes[at + 1]) {
        case QUOTE:
            return (QUOTE << 4) | 2;
        case BACKSLASH:
            return (BACKSLASH << 4) | 2;
        case 0x2f:
            return (0x2f << 4) | 2; // \/
        case 0x62:
            return (0x08 << 4) | 2; // \b
        case 0x66:
            return (0x0c << 4) | 2; // \f
        case 0x6e:
            return (LINE_FEED << 4) | 2;
        case 0x72:
            return (RETURN << 4) | 2;
        case 0x74:
            return (TAB << 4) | 2;
    }
    const unit = readUnit(bytes, at);
    if (unit < 0xd800 || unit > 0xdfff) return unit < 0 ? -1 : (unit << 4) | 6;
    const trail = readUnit(bytes, at + 6);
    if (unit > 0xdbff || trail < 0xdc00 || trail > 0xdfff) return -1;
    return ((((unit - 0xd7c0) << 10) | (trail & 0x3ff)) << 4) | 12;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} at
 * @returns {number}  the unit that is written as \uXXXX there, or -1
 */
function readUnit(bytes, at) {
    if (bytes[at] !== BACKSLASH || bytes[at + 1] !== 0x75) return -1;
    let unit = 0;
    for (let i = at + 2; i < at + 6; i++) {
        const c = bytes[i];
        const letter = c | 0x20;
        let digit = -1;
        if (c >= ZERO && c <= NINE) digit = c - ZERO;
        else if (letter >= 0x61 && letter <= 0x66) digit = letter - 0x57;
        if (digit < 0) return -1;
        unit = (unit << 4) | digit;
    }
    return unit;
}
