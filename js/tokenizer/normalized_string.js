/**
 * A text on its way through the normalizers: what it has become, and the character of the caller's
 * text that each unit of it came from.
 *
 * Everything is UTF-16 units in typed arrays. Each unit comes from exactly one character of the
 * original (where several were composed or replaced, the library names one), so one array of starts
 * says it all. Most texts never need it: until something is inserted or removed, positions differ
 * by a constant. Rejected: code points (twice the memory, and offsets would have to be counted
 * again) and a start and an end for each unit, as the library has them (twice again).
 *
 * One NormalizedString serves all the texts of a tokenizer, one after another, so that its buffers
 * are used again.
 */

import { DELETED, pooledAt, pooledLength, SAME, UNMAPPED } from './char_map.js';
import { whitespace } from './unicode.js';

/** @import { CharMap } from './char_map.js' */
/** @import { Pattern } from './replace_patterns.js' */

/** Larger buffers are given back after the text that needed them. */
const KEPT_UNITS = 1 << 20;

/**
 * @param {number} unit
 * @returns {boolean}
 */
export function isLeadSurrogate(unit) {
    return (unit & 0xfc00) === 0xd800;
}

/**
 * @param {number} unit
 * @returns {boolean}
 */
export function isTrailSurrogate(unit) {
    return (unit & 0xfc00) === 0xdc00;
}

/**
 * @param {Uint16Array} units  no lone surrogates
 * @param {number} at
 * @returns {number}  the code point that begins there
 */
export function codePointAt(units, at) {
    const unit = units[at];
    if (!isLeadSurrogate(unit)) return unit;
    return ((unit & 0x3ff) << 10) + (units[at + 1] & 0x3ff) + 0x10000;
}

/**
 * The units of the caller's text. A surrogate without its other half becomes U+FFFD.
 * @param {string} text
 * @param {Uint16Array} units  at least as long
 */
export function readUnits(text, units) {
    const length = text.length;
    for (let i = 0; i < length; i++) {
        const unit = text.charCodeAt(i);
        units[i] = unit;
        if ((unit & 0xf800) !== 0xd800) continue;
        const is_pair =
            isLeadSurrogate(unit) && i + 1 < length && isTrailSurrogate(text.charCodeAt(i + 1));
        if (is_pair) units[++i] = text.charCodeAt(i);
        else units[i] = 0xfffd;
    }
}

/**
 * @param {string} text
 * @returns {Uint16Array}
 */
export function unitsOf(text) {
    const units = new Uint16Array(text.length);
    readUnits(text, units);
    return units;
}

/**
 * @param {Uint16Array} units
 * @param {number} start
 * @param {number} end
 * @returns {string}
 */
export function textOf(units, start, end) {
    // A short one, as most are, without a call with many arguments.
    if (end - start === 1) return String.fromCharCode(units[start]);
    let text = '';
    // In parts, for the engine's limit on the number of arguments.
    for (let i = start; i < end; i += 4096) {
        const part = units.subarray(i, Math.min(end, i + 4096));
        text += String.fromCharCode.apply(null, /** @type {any} */ (part));
    }
    return text;
}

/**
 * What a text becomes is written to one of two.
 * @typedef {object} Buffer
 * @property {Uint16Array} units
 * @property {Uint32Array} starts
 */

/** @internal  its fields are read by all stages; byte_level.js writes them, too */
export class NormalizedString {
    /** @type {Buffer[]} */
    #buffers = [newBuffer(), newBuffer()];

    /** Which of the buffers holds the units, -1 for none: they are the source's. */
    #current = -1;

    constructor() {
        /**
         * The caller's text.
         * @type {Uint16Array}
         */
        this.source = new Uint16Array(0);
        /** What it, or a part of it, has become. */
        this.units = this.source;
        this.length = 0;
        /**
         * Where in the source the character of each unit begins; null if that is the unit's own
         * position + shift.
         * @type {Uint32Array | null}
         */
        this.starts = null;
        this.shift = 0;
    }

    /**
     * Begins with a part of a text.
     * @param {Uint16Array} source  no lone surrogates
     * @param {number} from
     * @param {number} to
     */
    reset(source, from, to) {
        this.source = source;
        this.units = source.subarray(from, to);
        this.length = to - from;
        this.starts = null;
        this.shift = from;
        this.#current = -1;
        for (const buffer of this.#buffers) {
            if (buffer.units.length > KEPT_UNITS && buffer.units.length > 4 * source.length) {
                Object.assign(buffer, newBuffer());
            }
        }
    }

    /**
     * Gives a large text's memory back.
     */
    release() {
        this.reset(new Uint16Array(0), 0, 0);
    }

    /**
     * @param {number} at  a unit, the first of its character
     * @returns {number}  where in the source the character that it came from begins
     */
    start(at) {
        return this.starts === null ? at + this.shift : this.starts[at];
    }

    /**
     * @param {number} at  after a character
     * @returns {number}  where in the source the character before it ends
     */
    end(at) {
        if (this.starts === null) return at + this.shift;
        const start = this.starts[at - 1];
        return isLeadSurrogate(this.source[start]) ? start + 2 : start + 1;
    }

    /**
     * @param {number} start
     * @param {number} end
     * @returns {string}
     */
    slice(start, end) {
        return textOf(this.units, start, end);
    }

    /**
     * Replaces each character by what the map has for it.
     * @param {CharMap} map
     * @returns {boolean}  false if the map could not say for some character; nothing has changed
     */
    map(map) {
        const { units, length } = this;
        const first = map.firstPage();
        const target = this.#target(length);
        const out = target.units;
        let i = 0;
        // As long as one unit becomes one, positions stay.
        if (this.starts === null) {
            while (i < length) {
                const unit = units[i];
                if (unit < 256) {
                    const code = first[unit];
                    if (code <= 0) break;
                    out[i++] = code - 1;
                } else if (!isLeadSurrogate(unit)) {
                    const code = map.code(unit);
                    if (code <= 0) break;
                    out[i++] = code - 1;
                } else {
                    if (map.code(codePointAt(units, i)) !== SAME) break;
                    out[i++] = unit;
                    out[i] = units[i];
                    i++;
                }
            }
            if (i === length) {
                this.#commit(target, length, false);
                return true;
            }
        }
        return this.#mapUneven(map, target, i);
    }

    /**
     * The rest of map(), where the number of units changes.
     * @param {CharMap} map
     * @param {Buffer} target  holds the first n units
     * @param {number} n
     * @returns {boolean}
     */
    #mapUneven(map, target, n) {
        const { units, length, starts, shift } = this;
        const first = map.firstPage();
        withStarts(target);
        for (let k = 0; k < n; k++) {
            target.starts[k] = isTrailSurrogate(units[k]) ? k - 1 + shift : k + shift;
        }
        let o = n;
        for (let i = n; i < length; ) {
            // Room for the longest that one character can become.
            if (o + 32 > target.units.length) grow(target, o, o + length - i + 32);
            const from = starts === null ? i + shift : starts[i];
            const unit = units[i];
            const is_wide = isLeadSurrogate(unit);
            const code =
                unit < 256 ? first[unit] : map.code(is_wide ? codePointAt(units, i) : unit);
            if (code > 0) {
                target.units[o] = code - 1;
                target.starts[o++] = from;
            } else if (code < UNMAPPED) {
                const end = o + pooledLength(code);
                for (let p = pooledAt(code); o < end; p++) {
                    target.units[o] = map.pool[p];
                    target.starts[o++] = from;
                }
            } else if (code === SAME) {
                target.units[o] = unit;
                target.starts[o++] = from;
                target.units[o] = units[i + 1];
                target.starts[o++] = from;
            } else if (code !== DELETED) {
                return false;
            }
            i += is_wide ? 2 : 1;
        }
        this.#commit(target, o, true);
        return true;
    }

    /**
     * Replaces the whole text by code points, each with its change: 0 if it takes a character's
     * place, 1 if it is new, -n if it takes a character's place and removes the n after that. A new
     * one comes from the character before it, as in the library; the order of combining marks makes
     * that visible.
     * @param {Int32Array} code_points
     * @param {Int32Array} changes
     * @param {number} count
     */
    transform(code_points, changes, count) {
        const target = this.#target(2 * count);
        withStarts(target);
        const { units, starts } = target;
        let o = 0;
        // Where the next character of the text is, and where the one before it came from.
        let i = 0;
        let from = 0;
        for (let k = 0; k < count; k++) {
            let removed = -changes[k];
            if (removed >= 0) {
                from = this.start(i);
                i += isLeadSurrogate(this.units[i]) ? 2 : 1;
                for (; removed > 0; removed--) i += isLeadSurrogate(this.units[i]) ? 2 : 1;
            } else if (i > 0) {
                from = this.start(i - (isTrailSurrogate(this.units[i - 1]) ? 2 : 1));
            }
            const code_point = code_points[k];
            starts[o] = from;
            if (code_point < 0x10000) {
                units[o++] = code_point;
            } else {
                units[o++] = 0xd7c0 + (code_point >> 10);
                starts[o] = from;
                units[o++] = 0xdc00 | (code_point & 0x3ff);
            }
        }
        this.#commit(target, o, true);
    }

    /**
     * Replaces each match by a string, all of which comes from the last character of the match.
     * @param {Pattern} pattern
     * @param {Uint16Array} content
     */
    replace(pattern, content) {
        const { units, length } = this;
        let match = pattern.find(units, 0, length);
        if (match < 0) return;
        const target = this.#target(length);
        withStarts(target);
        let o = 0;
        let i = 0;
        for (;;) {
            const stop = match < 0 ? length : match;
            const room = o + stop - i + content.length;
            if (room > target.units.length) grow(target, o, room + length - stop);
            for (; i < stop; i++, o++) {
                target.units[o] = units[i];
                target.starts[o] = this.start(isTrailSurrogate(units[i]) ? i - 1 : i);
            }
            if (match < 0) break;
            i = pattern.end;
            const from = this.start(i - (isTrailSurrogate(units[i - 1]) ? 2 : 1));
            for (let k = 0; k < content.length; k++, o++) {
                target.units[o] = content[k];
                target.starts[o] = from;
            }
            match = pattern.find(units, i, length);
        }
        this.#commit(target, o, true);
    }

    /**
     * Becomes a part of another text, with a string in place of each space, and one more in front
     * unless the part begins with a space or with that string.
     * @param {NormalizedString} text
     * @param {number} start
     * @param {number} end  more than start
     * @param {Uint16Array} content
     * @param {boolean} has_prefix  whether there may be one in front
     */
    copyWithSpace(text, start, end, content, has_prefix) {
        const n = content.length;
        const before = has_prefix && !startsWithSpace(text.units, start, end, content) ? n : 0;
        this.source = text.source;
        const target = this.#target(n * (end - start) + before);
        withStarts(target);
        const { units, starts } = target;
        const from = text.units;
        for (let k = 0; k < before; k++) {
            units[k] = content[k];
            starts[k] = text.start(start);
        }
        let o = before;
        for (let i = start; i < end; i++) {
            const unit = from[i];
            const at =
                text.starts !== null
                    ? text.starts[i]
                    : i + text.shift - (isTrailSurrogate(unit) ? 1 : 0);
            if (unit !== 0x20) {
                units[o] = unit;
                starts[o++] = at;
                continue;
            }
            for (let k = 0; k < n; k++) {
                units[o] = content[k];
                starts[o++] = at;
            }
        }
        this.#commit(target, o, true);
    }

    /**
     * Puts a string, which comes from the first character, in front of a text that is not empty.
     * @param {Uint16Array} prefix
     */
    prepend(prefix) {
        const { units, length } = this;
        if (length === 0 || prefix.length === 0) return;
        const n = prefix.length;
        const target = this.#target(length + n);
        withStarts(target);
        target.units.set(prefix);
        target.starts.fill(this.start(0), 0, n);
        for (let i = 0; i < length; i++) {
            target.units[n + i] = units[i];
            target.starts[n + i] = this.start(isTrailSurrogate(units[i]) ? i - 1 : i);
        }
        this.#commit(target, length + n, true);
    }

    /**
     * Removes space from its ends.
     * @param {boolean} left
     * @param {boolean} right
     */
    strip(left, right) {
        const space = whitespace();
        let from = 0;
        let to = this.length;
        while (left && from < to && space.has(this.units[from])) from++;
        while (right && to > from && space.has(this.units[to - 1])) to--;
        this.units = this.units.subarray(from, to);
        this.length = to - from;
        if (this.starts === null) this.shift += from;
        else this.starts = this.starts.subarray(from, to);
    }

    /**
     * The buffer that the text is not in, with room for at least `room` units.
     * @param {number} room
     * @returns {Buffer}
     */
    #target(room) {
        const buffer = this.#buffers[this.#current === 0 ? 1 : 0];
        if (buffer.units.length < room) grow(buffer, 0, room);
        return buffer;
    }

    /**
     * Makes a buffer that has been filled hold the text.
     * @param {Buffer} buffer
     * @param {number} length
     * @param {boolean} has_starts  whether its starts have been filled too
     */
    #commit(buffer, length, has_starts) {
        this.#current = this.#buffers.indexOf(buffer);
        this.units = buffer.units;
        this.length = length;
        this.starts = has_starts ? buffer.starts : null;
    }
}

/**
 * @returns {Buffer}
 */
function newBuffer() {
    return { units: new Uint16Array(256), starts: new Uint32Array(0) };
}

/**
 * @param {Buffer} buffer
 */
function withStarts(buffer) {
    if (buffer.starts.length < buffer.units.length) {
        buffer.starts = new Uint32Array(buffer.units.length);
    }
}

/**
 * @param {Buffer} buffer
 * @param {number} filled  how many units to keep
 * @param {number} room
 */
function grow(buffer, filled, room) {
    const size = Math.max(room, buffer.units.length + (buffer.units.length >> 1));
    const { units, starts } = buffer;
    buffer.units = new Uint16Array(size);
    buffer.units.set(units.subarray(0, filled));
    if (starts.length === 0) return;
    buffer.starts = new Uint32Array(size);
    buffer.starts.set(starts.subarray(0, filled));
}

/**
 * @param {Uint16Array} units
 * @param {number} start
 * @param {number} end
 * @param {Uint16Array} content
 * @returns {boolean}  whether they begin with a space or with what is put for one
 */
function startsWithSpace(units, start, end, content) {
    if (units[start] === 0x20) return true;
    let k = 0;
    while (k < content.length && start + k < end && units[start + k] === content[k]) k++;
    return k === content.length;
}
