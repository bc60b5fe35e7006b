/**
 * Byte pair encoding (Sennrich et al. 2016, as in GPT-2 and RoBERTa): a word is cut into
 * characters; then the pair of neighbours with the lowest rank, the first of equals, is merged,
 * until no pair may be.
 *
 * For a short word all pairs are compared for each merge, which is quickest for a few. A long one,
 * and a word may be megabytes, is cut where no piece lies across (seams.js), as between most of the
 * bytes of Chinese; what is still long then keeps its pairs in a heap: n log n. Words that occur
 * again, nearly all, are found in a cache.
 */

import { utf8 } from '../byte_level.js';
import { badTokenizer } from '../file.js';
import { codePointAt, isLeadSurrogate, unitsOf } from '../normalized_string.js';
import { quote, Vocabulary } from '../vocabulary.js';
import { byteIds } from './byte_pieces.js';
import { Heap } from './heap.js';
import { Merges, NEVER } from './merges.js';
import { Seams } from './seams.js';
import { WordCache } from './word_cache.js';

/** @import { Fields } from '../file.js' */
/** @import { NormalizedString } from '../normalized_string.js' */
/** @import { TokenBuffer } from '../token_buffer.js' */

/** Words of more symbols are merged with a heap. */
const SHORT = 48;

/** Words of more units are cut, and not kept in the cache. */
const CACHED_LENGTH = 40;

/** Ids of the symbols of the first code points are kept in a table. */
const FIRST_SYMBOLS = 0x200;

/** Room for more symbols is given back after the word that needed it. */
const KEPT_SYMBOLS = 1 << 16;

/** A place in the heap is rank * PLACES + position, exact in double precision. */
const PLACES = 2 ** 28;

/** Id of a symbol that has not been looked up. */
const NOT_YET = -2;

export class Bpe {
    #where;
    #prefix;
    #suffix;
    #merges;
    #unknown;
    #fuses_unknown;
    #ignores_merges;

    /** Ids of the pieces that stand for a byte, null if there are none. */
    #byte_ids;

    /** Ids of the first symbols: first of a word and not the last, last and not the first, ... */
    #symbol_ids = [0, 1, 2, 3].map(() => new Int32Array(FIRST_SYMBOLS).fill(NOT_YET));

    #scratch;

    /** Whether symbols are what is written in the word. */
    #is_bare;

    /** Made for the first long word. @type {Seams | null} */
    #seams = null;

    #cache = new WordCache();
    #heap = new Heap();

    /** Bytes that the library counts for each; later, in a long word, where the one before is. */
    #bytes = new Int32Array(SHORT);

    /** The rank of each with the next; in a long word where the next is. */
    #nexts = new Int32Array(SHORT);

    /**
     * @param {Fields} fields
     */
    constructor(fields) {
        /**
         * @param {string} name
         * @returns {string}
         */
        const optional = (name) => (fields.get(name) === null ? '' : fields.string(name));
        /**
         * @param {string} name
         * @returns {boolean}
         */
        const flag = (name) => fields.get(name) !== null && fields.boolean(name);
        const dropout = fields.get('dropout');
        if (dropout !== null && dropout !== 0) {
            throw badTokenizer(fields.where, 'dropout is not supported: it cuts words at random');
        }
        this.#where = fields.where;
        /** @readonly */
        this.vocabulary = Vocabulary.of(fields.where, fields.object('vocab'));
        /** @readonly */
        this.continuing_prefix = optional('continuing_subword_prefix');
        this.#prefix = unitsOf(this.continuing_prefix);
        this.#suffix = unitsOf(optional('end_of_word_suffix'));
        this.#merges = Merges.of(
            fields.where,
            fields.get('merges'),
            this.vocabulary,
            this.continuing_prefix,
        );
        this.#unknown = fields.get('unk_token') === null ? null : fields.string('unk_token');
        /** @readonly */
        this.unknown_id = this.#unknown === null ? -1 : this.vocabulary.id(this.#unknown);
        this.#fuses_unknown = flag('fuse_unk');
        this.#ignores_merges = flag('ignore_merges');
        this.#byte_ids = flag('byte_fallback') ? byteIds(this.vocabulary) : null;
        if (this.#byte_ids !== null && this.#prefix.length + this.#suffix.length > 0) {
            throw badTokenizer(
                fields.where,
                'byte_fallback is not supported together with ' +
                    'continuing_subword_prefix or end_of_word_suffix',
            );
        }
        this.#scratch = new Uint16Array(this.#prefix.length + 2 + this.#suffix.length);
        this.#is_bare = this.#prefix.length + this.#suffix.length === 0;
        /**
         * The id of each symbol of the word at hand, and where it starts and ends, counted from the
         * start of the word.
         * @internal  for WordCache
         */
        this.ids = new Int32Array(SHORT);
        this.starts = new Int32Array(SHORT);
        this.ends = new Int32Array(SHORT);
    }

    /**
     * @param {NormalizedString} text
     * @param {number} start
     * @param {number} end
     * @param {TokenBuffer} tokens
     */
    tokenize(text, start, end, tokens) {
        const { units } = text;
        if (this.#ignores_merges) {
            const { table } = this.vocabulary;
            const entry = table.find(units, start, end);
            if (entry >= 0) {
                tokens.push(table.ids[entry], text.start(start), text.end(end));
                return;
            }
        }
        if (end - start <= CACHED_LENGTH || !this.#is_bare) {
            this.#tokenizePart(text, start, end, tokens);
            return;
        }
        this.#seams ??= new Seams(this.vocabulary, this.#merges);
        for (let from = start; from < end; ) {
            const to = this.#seams.next(units, from, end);
            this.#tokenizePart(text, from, to, tokens);
            from = to;
        }
    }

    /**
     * A word, or the part of it between two seams.
     * @param {NormalizedString} text
     * @param {number} start
     * @param {number} end
     * @param {TokenBuffer} tokens
     */
    #tokenizePart(text, start, end, tokens) {
        const { units } = text;
        const cache = this.#cache;
        const is_cached = end - start <= CACHED_LENGTH;
        let at = is_cached ? cache.find(units, start, end) : -1;
        if (at < 0) {
            let count = this.#symbols(units, start, end);
            count = count <= SHORT ? this.#mergeShort(count) : this.#mergeLong(count);
            if (is_cached) at = cache.add(units, start, end, this, count);
            if (at < 0) {
                for (let k = 0; k < count; k++) {
                    tokens.push(
                        this.ids[k],
                        text.start(start + this.starts[k]),
                        text.end(start + this.ends[k]),
                    );
                }
                if (this.ids.length > KEPT_SYMBOLS) {
                    this.#reserve(SHORT);
                    this.#heap = new Heap();
                }
                return;
            }
        }
        const { results } = cache;
        const last = at + 3 * results[at];
        for (at++; at < last; at += 3) {
            tokens.push(
                results[at],
                text.start(start + results[at + 1]),
                text.end(start + results[at + 2]),
            );
        }
    }

    /**
     * @param {number} room
     */
    #reserve(room) {
        this.ids = new Int32Array(room);
        this.starts = new Int32Array(room);
        this.ends = new Int32Array(room);
        this.#bytes = new Int32Array(room);
        this.#nexts = new Int32Array(room);
    }

    /**
     * Cuts a word into symbols.
     * @param {Uint16Array} units
     * @param {number} start
     * @param {number} end
     * @returns {number}  how many
     */
    #symbols(units, start, end) {
        // Bytes may be more than units.
        const room = (end - start) * (this.#byte_ids === null ? 1 : 3);
        if (room > this.ids.length) this.#reserve(room);
        const { ids, starts, ends } = this;
        const bytes = this.#bytes;
        const is_bare = this.#is_bare;
        const first = this.#symbol_ids[0];
        let count = 0;
        // What is unknown is put in only at the next symbol that is not a byte.
        let pending = -1;
        let pending_end = 0;
        let pending_bytes = 0;
        let is_shifted = false; // whether the library has lost count of the bytes
        for (let i = start; i < end; ) {
            const unit = units[i];
            const next = isLeadSurrogate(unit) ? i + 2 : i + 1;
            let id = is_bare && unit < FIRST_SYMBOLS ? first[unit] : NOT_YET;
            if (id === NOT_YET) id = this.#symbol(units, i, next, i === start, next === end);
            const n_bytes = unit < 0x80 ? 1 : unit < 0x800 ? 2 : next - i + 2;
            if (id < 0 && this.#byte_ids !== null) {
                const bytesOf = utf8(codePointAt(units, i));
                if (bytesOf.every((byte) => this.#hasByte(byte))) {
                    is_shifted ||= pending >= 0;
                    for (const byte of bytesOf) {
                        ids[count] = this.#byte_ids[byte];
                        starts[count] = i - start;
                        ends[count] = next - start;
                        bytes[count++] = 1;
                    }
                    i = next;
                    continue;
                }
            }
            if (pending >= 0 && (id >= 0 || !this.#fuses_unknown)) {
                count = this.#addUnknown(count, pending, pending_end, pending_bytes);
                pending = -1;
            }
            if (id >= 0) {
                ids[count] = id;
                starts[count] = i - start;
                ends[count] = next - start;
                bytes[count++] = n_bytes;
            } else if (this.#unknown === null) {
                is_shifted = true;
            } else {
                if (pending < 0) {
                    pending = i - start;
                    pending_bytes = 0;
                }
                pending_end = next - start;
                pending_bytes += n_bytes;
            }
            i = next;
        }
        if (pending >= 0) count = this.#addUnknown(count, pending, pending_end, pending_bytes);
        if (is_shifted) this.#shift(units, start, end, count);
        return count;
    }

    /**
     * @param {number} count
     * @param {number} from
     * @param {number} to
     * @param {number} n_bytes
     * @returns {number}  count + 1
     */
    #addUnknown(count, from, to, n_bytes) {
        if (this.unknown_id < 0) {
            throw badTokenizer(
                this.#where,
                'a character is not in the vocabulary, nor is unk_token ' +
                    quote(this.#unknown ?? ''),
            );
        }
        this.ids[count] = this.unknown_id;
        this.starts[count] = from;
        this.ends[count] = to;
        this.#bytes[count] = n_bytes;
        return count + 1;
    }

    /**
     * @param {number} byte
     * @returns {boolean}
     */
    #hasByte(byte) {
        return this.#byte_ids !== null && this.#byte_ids[byte] >= 0;
    }

    /**
     * @param {Uint16Array} units
     * @param {number} from
     * @param {number} to
     * @param {boolean} is_first  of its word
     * @param {boolean} is_last
     * @returns {number}  the id of the symbol, or -1
     */
    #symbol(units, from, to, is_first, is_last) {
        const known = this.#symbol_ids[(is_first ? 2 : 0) + (is_last ? 1 : 0)];
        const unit = units[from];
        if (unit < FIRST_SYMBOLS && known[unit] !== NOT_YET) return known[unit];
        const scratch = this.#scratch;
        const prefix = this.#prefix;
        const suffix = this.#suffix;
        let n = 0;
        if (!is_first) for (let k = 0; k < prefix.length; k++) scratch[n++] = prefix[k];
        for (let k = from; k < to; k++) scratch[n++] = units[k];
        if (is_last) for (let k = 0; k < suffix.length; k++) scratch[n++] = suffix[k];
        const { table } = this.vocabulary;
        const entry = table.find(scratch, 0, n);
        const id = entry < 0 ? -1 : table.ids[entry];
        if (unit < FIRST_SYMBOLS) known[unit] = id;
        return id;
    }

    /**
     * Puts the symbols where the library thinks they are. It adds up bytes, so that all symbols
     * behind a character that it left out or postponed are too early.
     * @param {Uint16Array} units
     * @param {number} start
     * @param {number} end
     * @param {number} count
     */
    #shift(units, start, end, count) {
        const places = new Int32Array(3 * (end - start));
        let total = 0;
        for (let i = start; i < end; ) {
            const unit = units[i];
            const next = isLeadSurrogate(unit) ? i + 2 : i + 1;
            const n_bytes = unit < 0x80 ? 1 : unit < 0x800 ? 2 : next - i + 2;
            for (let k = 0; k < n_bytes; k++) places[total++] = i - start;
            i = next;
        }
        let at = 0;
        for (let k = 0; k < count; k++) {
            this.starts[k] = places[at];
            at += this.#bytes[k];
            const last = places[at - 1];
            this.ends[k] = last + (isLeadSurrogate(units[start + last]) ? 2 : 1);
        }
    }

    /**
     * @param {number} count  of symbols
     * @returns {number}  how many are left
     */
    #mergeShort(count) {
        const { ids, starts, ends } = this;
        const merges = this.#merges;
        const ranks = this.#nexts;
        let n = count;
        for (let k = 0; k + 1 < n; k++) ranks[k] = merges.rank(ids[k], ids[k + 1]);
        for (;;) {
            let best = NEVER;
            let at = -1;
            for (let k = 0; k + 1 < n; k++) {
                if (ranks[k] < best) {
                    best = ranks[k];
                    at = k;
                }
            }
            if (at < 0) return n;
            ids[at] = merges.merged[best];
            ends[at] = ends[at + 1];
            n--;
            for (let k = at + 1; k < n; k++) {
                ids[k] = ids[k + 1];
                starts[k] = starts[k + 1];
                ends[k] = ends[k + 1];
                ranks[k] = ranks[k + 1];
            }
            if (at > 0) ranks[at - 1] = merges.rank(ids[at - 1], ids[at]);
            if (at + 1 < n) ranks[at] = merges.rank(ids[at], ids[at + 1]);
        }
    }

    /**
     * The same with a heap of the pairs. A pair that no longer exists stays in it, and is told by
     * its rank, which is not that of the pair in its place.
     * @param {number} count
     * @returns {number}
     */
    #mergeLong(count) {
        const { ids, starts, ends } = this;
        const merges = this.#merges;
        const nexts = this.#nexts;
        const previous = this.#bytes;
        const heap = this.#heap;
        heap.reserve(count);
        for (let k = 0; k < count; k++) {
            previous[k] = k - 1;
            nexts[k] = k + 1;
            const rank = k + 1 < count ? merges.rank(ids[k], ids[k + 1]) : NEVER;
            if (rank !== NEVER) heap.append(rank * PLACES + k);
        }
        heap.order();
        while (heap.size > 0) {
            const top = heap.pop();
            const rank = Math.floor(top / PLACES);
            const at = top - rank * PLACES;
            const right = nexts[at];
            if (ids[at] < 0 || right === count || merges.rank(ids[at], ids[right]) !== rank) {
                continue;
            }
            ids[at] = merges.merged[rank];
            ids[right] = -1;
            ends[at] = ends[right];
            const next = nexts[right];
            nexts[at] = next;
            if (next < count) {
                previous[next] = at;
                const behind = merges.rank(ids[at], ids[next]);
                if (behind !== NEVER) heap.push(behind * PLACES + at);
            }
            const before = previous[at];
            if (before >= 0) {
                const ahead = merges.rank(ids[before], ids[at]);
                if (ahead !== NEVER) heap.push(ahead * PLACES + before);
            }
        }
        let n = 0;
        for (let k = 0; k < count; k = nexts[k], n++) {
            ids[n] = ids[k];
            starts[n] = starts[k];
            ends[n] = ends[k];
        }
        return n;
    }
}
