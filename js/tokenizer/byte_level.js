/**
 * The byte level of GPT-2: a text as the bytes of its UTF-8, each written as a character that can
 * be seen, so that a vocabulary of 256 characters has all texts. A space is `Ġ`.
 */

import { codePointAt, NormalizedString, textOf, unitsOf } from './normalized_string.js';
import { GPT2 } from './patterns.js';

/** @import { Fields } from './file.js' */
/** @import { Sink } from './pre_tokenizers.js' */

const SPACE = 0x20;

/** The buffers of a word of more units are given back after it. */
const KEPT_UNITS = 1 << 16;

/**
 * What stands for each byte: itself if it can be seen, else the next character from U+0100 on.
 */
const UNITS = new Uint16Array(256);
/** The bytes that characters stand for, -1 for none. */
const BYTES = new Int16Array(0x144).fill(-1);
for (let byte = 0, next = 0x100; byte < 256; byte++) {
    const is_seen = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    UNITS[byte] = is_seen ? byte : next++;
    BYTES[UNITS[byte]] = byte;
}

/**
 * @param {number} code_point
 * @returns {number[]}  its bytes
 */
export function utf8(code_point) {
    const c = code_point;
    if (c < 0x80) return [c];
    const bytes = [0x80 | (c & 0x3f)];
    if (c >= 0x800) bytes.unshift(0x80 | ((c >> 6) & 0x3f));
    if (c >= 0x10000) bytes.unshift(0x80 | ((c >> 12) & 0x3f));
    const length = bytes.length;
    return [((0xf0 << (3 - length)) & 0xff) | (c >> (6 * length)), ...bytes];
}

/**
 * The normalizer ByteLevel, a map of characters.
 * @param {number} code_point
 * @returns {string}
 */
export function byteLevel(code_point) {
    return String.fromCharCode(...utf8(code_point).map((byte) => UNITS[byte]));
}

/**
 * The decoder ByteLevel: bytes that are not valid UTF-8 become U+FFFD.
 * @param {string[]} tokens
 * @returns {string[]}
 */
export function decodeByteLevel(tokens) {
    const encoder = new TextEncoder();
    const parts = tokens.map((token) => {
        const units = unitsOf(token);
        // A token with a character that stands for no byte, as [MASK] with a space, is plain text.
        if (!units.every((unit) => unit < BYTES.length && BYTES[unit] >= 0)) {
            return encoder.encode(textOf(units, 0, units.length));
        }
        return Uint8Array.from(units, (unit) => BYTES[unit]);
    });
    const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
    let at = 0;
    for (const part of parts) {
        bytes.set(part, at);
        at += part.length;
    }
    return [new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)];
}

/**
 * A word as its bytes.
 */
class Word extends NormalizedString {
    #room = new Uint16Array(256);
    #places = new Uint32Array(256);

    /**
     * @param {NormalizedString} text
     * @param {number} from
     * @param {number} to
     * @param {boolean} has_prefix  whether a space that is not in the text comes first, as if from
     *     the character at `from`
     */
    write(text, from, to, has_prefix) {
        // Three bytes for a unit are the most; large words are counted.
        let most = 3 * (to - from) + 1;
        if (most > KEPT_UNITS) most = countBytes(text.units, from, to) + 1;
        if (most > this.#room.length) {
            const room = most > KEPT_UNITS ? most : 2 * most;
            this.#room = new Uint16Array(room);
            this.#places = new Uint32Array(room);
        }
        const { units } = text;
        const room = this.#room;
        this.source = text.source;
        this.units = room;
        if (text.starts === null && !has_prefix) {
            let i = from;
            let o = 0;
            while (i < to && units[i] < 0x80) room[o++] = UNITS[units[i++]];
            if (i === to) {
                this.length = o;
                this.starts = null;
                this.shift = text.shift + from;
                return;
            }
        }
        this.#writeBytes(text, from, to, has_prefix);
    }

    /**
     * @param {NormalizedString} text
     * @param {number} from
     * @param {number} to
     * @param {boolean} has_prefix
     */
    #writeBytes(text, from, to, has_prefix) {
        const { units } = text;
        const room = this.#room;
        const places = this.#places;
        let o = 0;
        if (has_prefix) {
            places[0] = text.start(from);
            room[o++] = UNITS[SPACE];
        }
        for (let i = from; i < to; ) {
            const place = text.start(i);
            const c = codePointAt(units, i);
            i += c < 0x10000 ? 1 : 2;
            if (c < 0x80) {
                places[o] = place;
                room[o++] = UNITS[c];
                continue;
            }
            const length = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
            places[o] = place;
            room[o++] = UNITS[((0xf0 << (3 - length)) & 0xff) | (c >> (6 * length))];
            for (let k = length - 1; k >= 0; k--) {
                places[o] = place;
                room[o++] = UNITS[0x80 | ((c >> (6 * k)) & 0x3f)];
            }
        }
        this.length = o;
        this.starts = places;
    }

    /**
     * Gives a large word's memory back.
     * @override
     */
    release() {
        super.release();
        if (this.#room.length <= 2 * KEPT_UNITS) return;
        this.#room = new Uint16Array(256);
        this.#places = new Uint32Array(256);
    }
}

/**
 * @param {Uint16Array} units
 * @param {number} from
 * @param {number} to
 * @returns {number}  at least as many as their bytes
 */
function countBytes(units, from, to) {
    let n = 0;
    // Two of the four of a surrogate pair for each of its halves.
    for (let i = from; i < to; i++) {
        const unit = units[i];
        n += unit < 0x80 ? 1 : unit < 0x800 || (unit & 0xf800) === 0xd800 ? 2 : 3;
    }
    return n;
}

/**
 * The pre-tokenizer ByteLevel: words as GPT-2 has them, and those as bytes. trim_offsets is for the
 * post-processor of the same name.
 */
export class ByteLevel {
    #adds_space;
    #match;
    #word = new Word();

    /**
     * @param {Fields} fields
     */
    constructor(fields) {
        fields.boolean('trim_offsets');
        this.#adds_space = fields.boolean('add_prefix_space');
        this.#match = fields.boolean('use_regex', true) ? GPT2() : null;
    }

    /**
     * @param {NormalizedString} text
     * @param {number} start
     * @param {number} end
     * @param {Sink} sink
     */
    preTokenize(text, start, end, sink) {
        if (start === end) return;
        const match = this.#match;
        const word = this.#word;
        const { units } = text;
        let from = start;
        if (this.#adds_space && units[start] !== SPACE) {
            from = match === null ? end : behindSpace(match, units, start, end);
            word.write(text, start, from, true);
            sink(word, 0, word.length);
        }
        while (from < end) {
            const to = match === null ? end : match(units, from, end);
            word.write(text, from, to, false);
            sink(word, 0, word.length);
            from = to;
        }
        word.release();
    }
}

/**
 * @param {(units: Uint16Array, at: number, end: number) => number} match
 * @param {Uint16Array} units
 * @param {number} start
 * @param {number} end
 * @returns {number}  where the first word ends if a space is before the text; the next word begins
 *     there, whatever was before
 */
function behindSpace(match, units, start, end) {
    const beginning = new Uint16Array(end - start + 1);
    beginning[0] = SPACE;
    beginning.set(units.subarray(start, end), 1);
    return start + match(beginning, 0, beginning.length) - 1;
}
