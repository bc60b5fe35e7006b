/**
 * Unigram (Kudo 2018, sentencepiece): of all the ways to cut a word into pieces the one whose
 * scores, logarithms of probabilities, have the greatest sum; found in one pass (Viterbi), each
 * place remembering the best way to it. A character that is not a piece costs ten more than the
 * worst piece, and neighbouring ones become one unknown token.
 *
 * Sums are in double precision and in the library's order, and of two equal ways the first is kept:
 * a long word has ways that differ in the last bit.
 *
 * Linear in the text, since a piece has a limited length. Buffers of 16 bytes for each unit of the
 * word serve all words, unless one is very long.
 */

import { BertError } from '../../errors.js';
import { badTokenizer } from '../file.js';
import { codePointAt, isLeadSurrogate } from '../normalized_string.js';
import { ScoredVocabulary } from '../scored_vocabulary.js';
import { byteIds } from './byte_pieces.js';

/** @import { Fields } from '../file.js' */
/** @import { NormalizedString } from '../normalized_string.js' */
/** @import { TokenBuffer } from '../token_buffer.js' */

/** How much worse an unknown character is than the worst piece. */
const UNKNOWN_PENALTY = 10;

/** The buffers of a word of more units are given back after it. */
const KEPT_UNITS = 1 << 16;

/**
 * For each place in a word the best way to it.
 */
class Paths {
    /**
     * @param {number} length
     */
    constructor(length) {
        /** The sum of scores; then, of places on the best way, the next one. */
        this.scores = new Float64Array(length + 1);
        /** Where its last piece begins, -1 if there is no way yet. */
        this.starts = new Int32Array(length + 1);
        /** The id of that piece. */
        this.ids = new Int32Array(length + 1);
    }
}

export class Unigram {
    #unknown_score;
    #byte_ids;
    #paths = new Paths(256);

    /**
     * @param {Fields} fields
     */
    constructor(fields) {
        /** @readonly */
        this.vocabulary = ScoredVocabulary.of(
            fields.where,
            fields.get('vocab') ?? fields.list('vocab'),
        );
        const { size, scores } = this.vocabulary;
        /**
         * -1 for none: then what is unknown is an error.
         * @readonly
         */
        this.unknown_id = fields.get('unk_id') === null ? -1 : fields.integer('unk_id');
        if (this.unknown_id >= size) {
            throw badTokenizer(
                fields.where,
                `unk_id must be below ${size}, the number of pieces, not ${this.unknown_id}`,
            );
        }
        let least = Infinity;
        for (let id = 0; id < size; id++) if (scores[id] < least) least = scores[id];
        this.#unknown_score = least - UNKNOWN_PENALTY;
        this.#byte_ids =
            fields.get('byte_fallback') !== null && fields.boolean('byte_fallback')
                ? byteIds(this.vocabulary)
                : null;
    }

    /**
     * @param {NormalizedString} text
     * @param {number} start  of a word
     * @param {number} end
     * @param {TokenBuffer} tokens  where its tokens go
     */
    tokenize(text, start, end, tokens) {
        const length = end - start;
        let paths = this.#paths;
        if (length >= paths.ids.length) {
            paths = new Paths(Math.min(2 * length, Math.max(length, KEPT_UNITS)));
            if (length <= KEPT_UNITS) this.#paths = paths;
        }
        this.#search(text.units, start, length, paths);
        // The way was found from its end; turn it round.
        const { scores: next, starts, ids } = paths;
        for (let to = length; to > 0; to = starts[to]) next[starts[to]] = to;
        for (let from = 0; from < length; ) {
            let to = next[from];
            const id = ids[to];
            if (id === this.unknown_id) {
                while (to < length && ids[next[to]] === id) to = next[to];
                this.#pushUnknown(text, start + from, start + to, tokens);
            } else {
                tokens.push(id, text.start(start + from), text.end(start + to));
            }
            from = to;
        }
    }

    /**
     * @param {Uint16Array} units
     * @param {number} start
     * @param {number} length
     * @param {Paths} paths
     */
    #search(units, start, length, { scores, starts, ids }) {
        const { trie, scores: piece_scores } = this.vocabulary;
        const { slots, mask, root } = trie;
        starts.fill(-1, 0, length + 1);
        scores[0] = 0;
        for (let at = 0; at < length; ) {
            const here = scores[at];
            const behind = isLeadSurrogate(units[start + at]) ? at + 2 : at + 1;
            let is_piece = false;
            let node = root;
            for (let i = at; i < length; ) {
                // As Trie.step, which this is the only hurried use of.
                const unit = units[start + i];
                const low = (node << 8) | (unit & 255);
                const hash = Math.imul(node, 0x9e3779b1) ^ Math.imul(unit, 0x85ebca6b);
                let slot = (hash ^ (hash >>> 15)) & mask;
                let edge = slots[2 * slot];
                let rest = slots[2 * slot + 1];
                while (edge !== 0 && (edge !== low || rest >>> 24 !== unit >> 8)) {
                    slot = (slot + 1) & mask;
                    edge = slots[2 * slot];
                    rest = slots[2 * slot + 1];
                }
                if (edge === 0) break;
                node = slot + 1;
                i++;
                const id = (rest & 0xffffff) - 1;
                if (id < 0) continue;
                const score = piece_scores[id] + here;
                if (starts[i] < 0 || score > scores[i]) {
                    scores[i] = score;
                    starts[i] = at;
                    ids[i] = id;
                }
                if (i === behind) is_piece = true;
            }
            if (!is_piece) {
                const score = this.#unknown_score + here;
                if (starts[behind] < 0 || score > scores[behind]) {
                    if (this.unknown_id < 0) throw unknown(units, start + at);
                    scores[behind] = score;
                    starts[behind] = at;
                    ids[behind] = this.unknown_id;
                }
            }
            at = behind;
        }
    }

    /**
     * @param {NormalizedString} text
     * @param {number} from
     * @param {number} to
     * @param {TokenBuffer} tokens
     */
    #pushUnknown(text, from, to, tokens) {
        const start = text.start(from);
        const end = text.end(to);
        // Together unknown characters may be a piece.
        const id = this.vocabulary.trie.find(text.units, from, to);
        if (id >= 0) {
            tokens.push(id, start, end);
            return;
        }
        const content = text.slice(from, to);
        if (this.#byte_ids !== null) {
            const bytes = new TextEncoder().encode(content);
            if (bytes.every((byte) => this.#byte_ids?.[byte] !== -1)) {
                for (const byte of bytes) tokens.push(this.#byte_ids[byte], start, end);
                return;
            }
        }
        tokens.push(this.unknown_id, start, end);
        tokens.setSurface(content);
    }
}

/**
 * @param {Uint16Array} units
 * @param {number} at
 * @returns {BertError}
 */
function unknown(units, at) {
    const hex = codePointAt(units, at).toString(16);
    return new BertError(
        'BAD_INPUT',
        `the tokenizer has no piece for U+${hex.toUpperCase()}, and no ` +
            'unk_id for what it does not know',
    );
}
