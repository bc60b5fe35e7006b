/**
 * The normalizer Precompiled: a table of sentencepiece ("charsmap"), strings and what takes their
 * place, which is NFKC with some changes in nearly all files. It is a double array trie over UTF-8
 * bytes (darts-clone) that leads to places in a row of strings that end in NUL.
 *
 * It is applied as the library applies it, oddities and all, since models have been published with
 * the ids that result:
 *   - cluster by cluster, not the longest key at each place as sentencepiece does;
 *   - a cluster of fewer than 6 bytes becomes what the *shortest* key it begins with becomes, and
 *     what is behind that key in the cluster is lost;
 *   - of any other cluster each character becomes what the shortest key it begins with becomes;
 *   - a character that becomes nothing at the beginning of the text is not taken into account, so
 *     that all that follows comes from the character before the one it should.
 *
 * Nearly all characters are clusters of their own, so most texts are a CharMap; the others go
 * cluster by cluster.
 */

import { CharMap } from './char_map.js';
import { badTokenizer } from './file.js';
import { graphemeEnd, standsAlone } from './graphemes.js';
import { codePointAt } from './normalized_string.js';

/** @import { Fields } from './file.js' */
/** @import { NormalizedString } from './normalized_string.js' */

/** Clusters of so many bytes or more are not looked up as a whole. */
const LONG_CLUSTER = 6;

/** The most units that a CharMap has room for. */
const MAX_MAPPED = 31;

const NOTHING = new Int32Array(0);

export class Precompiled {
    #trie;
    #strings;

    /** Strings that have been read, by their place. @type {Map<number, Int32Array>} */
    #found = new Map();

    #bytes = new Uint8Array(8);
    #alone;
    #changes = new Changes();

    /**
     * @param {Fields} fields
     */
    constructor(fields) {
        const bytes = decodeBase64(fields.string('precompiled_charsmap'));
        const name = 'precompiled_charsmap';
        if (bytes === null) throw fields.wrong(name, 'base64');
        const view = new DataView(bytes.buffer);
        const size = bytes.length < 4 ? 0 : view.getUint32(0, true);
        if (size < 4 || size % 4 !== 0 || size > bytes.length - 4) {
            throw badTokenizer(
                fields.where,
                `${name} is cut off: it says its trie has ${size} bytes, ` +
                    `and has ${bytes.length} in all`,
            );
        }
        this.#trie = new Uint32Array(size / 4);
        for (let i = 0; i < size / 4; i++) this.#trie[i] = view.getUint32(4 + 4 * i, true);
        this.#strings = bytes.subarray(4 + size);
        try {
            new TextDecoder('utf-8', { fatal: true }).decode(this.#strings);
        } catch (cause) {
            throw badTokenizer(fields.where, `the strings of ${name} are not UTF-8`, { cause });
        }
        this.#alone = new CharMap((c) => this.#mapAlone(c));
    }

    /**
     * @param {NormalizedString} text
     */
    normalize(text) {
        if (!text.map(this.#alone)) this.#normalizeClusters(text);
    }

    /**
     * @param {number} c
     * @returns {string | null}
     */
    #mapAlone(c) {
        if (c === 0x0d || !standsAlone(c)) return null;
        const units = Uint16Array.of(c, 0);
        const self = String.fromCodePoint(c);
        for (let i = 0; i < self.length; i++) units[i] = self.charCodeAt(i);
        const found = this.#find(units, 0, self.length);
        if (found === null) return self;
        if (found.length === 0 || found.length > MAX_MAPPED) return null;
        const text = String.fromCodePoint(...found);
        return text.length > MAX_MAPPED ? null : text;
    }

    /**
     * @param {NormalizedString} text
     */
    #normalizeClusters(text) {
        const { units, length } = text;
        const changes = this.#changes;
        changes.clear(length);
        for (let i = 0; i < length; ) {
            const end = graphemeEnd(units, i, length);
            const found =
                byteLength(units, i, end) < LONG_CLUSTER ? this.#find(units, i, end) : null;
            if (found !== null) {
                let characters = 0;
                for (let k = i; k < end; characters++) k += codePointAt(units, k) < 0x10000 ? 1 : 2;
                changes.replace(characters, found);
                i = end;
                continue;
            }
            while (i < end) {
                const code_point = codePointAt(units, i);
                const next = i + (code_point < 0x10000 ? 1 : 2);
                const part = this.#find(units, i, next);
                if (part === null) changes.push(code_point, 0);
                else changes.replace(1, part);
                i = next;
            }
        }
        text.transform(changes.code_points, changes.changes, changes.length);
        changes.release();
    }

    /**
     * @param {Uint16Array} units
     * @param {number} start
     * @param {number} end  at most 5 bytes on
     * @returns {Int32Array | null}  what the shortest key that they begin with becomes; null: they
     *     begin with none
     */
    #find(units, start, end) {
        const trie = this.#trie;
        const bytes = this.#bytes;
        const length = encode(units, start, end, bytes);
        let node = offset(trie[0]);
        for (let i = 0; i < length; i++) {
            const byte = bytes[i];
            if (byte === 0) return null;
            node ^= byte;
            // Behind the end of the trie is nothing, and no label.
            const unit = trie[node];
            if (unit === undefined || (unit & 0x800000ff) !== byte) return null;
            node ^= offset(unit);
            if (((unit >>> 8) & 1) === 1) return this.#string(trie[node] & 0x7fffffff);
        }
        return null;
    }

    /**
     * @param {number} start
     * @returns {Int32Array}  the code points of the string that begins there
     */
    #string(start) {
        let found = this.#found.get(start);
        if (found === undefined) {
            const end = this.#strings.indexOf(0, start);
            const bytes = this.#strings.subarray(start, end < 0 ? undefined : end);
            found = Int32Array.from(
                new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes),
                (c) => /** @type {number} */ (c.codePointAt(0)),
            );
            this.#found.set(start, found.length > 0 ? found : NOTHING);
        }
        return found;
    }
}

/**
 * The characters of a text to be, with what each does to the text that is: see
 * NormalizedString.transform.
 */
class Changes {
    constructor() {
        this.code_points = new Int32Array(256);
        this.changes = new Int32Array(256);
        this.length = 0;
    }

    /**
     * @param {number} n_expected  about how many there will be
     */
    clear(n_expected) {
        this.length = 0;
        if (n_expected > this.code_points.length) {
            this.code_points = new Int32Array(n_expected + 32);
            this.changes = new Int32Array(n_expected + 32);
        }
    }

    release() {
        if (this.code_points.length > 1 << 16) {
            this.code_points = new Int32Array(256);
            this.changes = new Int32Array(256);
        }
    }

    /**
     * @param {number} code_point
     * @param {number} change
     */
    push(code_point, change) {
        const at = this.length++;
        if (at === this.code_points.length) {
            const { code_points, changes } = this;
            this.code_points = new Int32Array(2 * at);
            this.code_points.set(code_points);
            this.changes = new Int32Array(2 * at);
            this.changes.set(changes);
        }
        this.code_points[at] = code_point;
        this.changes[at] = change;
    }

    /**
     * @param {number} count  how many characters go
     * @param {Int32Array} code_points  those that take their place
     */
    replace(count, code_points) {
        for (let k = 0; k < code_points.length; k++) this.push(code_points[k], k < count ? 0 : 1);
        // What removes them is the last character there is, of this string or of one before.
        const removed = count - code_points.length;
        if (removed > 0 && this.length > 0) this.changes[this.length - 1] -= removed;
    }
}

/**
 * @param {number} unit
 * @returns {number}  where the children of a node are, from where it is itself
 */
function offset(unit) {
    return (unit >>> 10) << ((unit & 0x200) >>> 6);
}

/**
 * @param {Uint16Array} units
 * @param {number} start
 * @param {number} end
 * @returns {number}  how many bytes they take in UTF-8, LONG_CLUSTER for that many and more
 */
function byteLength(units, start, end) {
    let n = 0;
    for (let i = start; i < end && n < LONG_CLUSTER; i++) {
        const unit = units[i];
        if (unit < 0x80) n++;
        else n += unit < 0x800 || (unit & 0xf800) === 0xd800 ? 2 : 3;
    }
    return Math.min(n, LONG_CLUSTER);
}

/**
 * @param {Uint16Array} units
 * @param {number} start
 * @param {number} end
 * @param {Uint8Array} bytes  where they go in UTF-8; at least 3 more than they take
 * @returns {number}  how many
 */
function encode(units, start, end, bytes) {
    let n = 0;
    for (let i = start; i < end; ) {
        const c = codePointAt(units, i);
        i += c < 0x10000 ? 1 : 2;
        if (c < 0x80) {
            bytes[n++] = c;
            continue;
        }
        if (c < 0x800) {
            bytes[n++] = 0xc0 | (c >> 6);
        } else {
            if (c < 0x10000) {
                bytes[n++] = 0xe0 | (c >> 12);
            } else {
                bytes[n++] = 0xf0 | (c >> 18);
                bytes[n++] = 0x80 | ((c >> 12) & 0x3f);
            }
            bytes[n++] = 0x80 | ((c >> 6) & 0x3f);
        }
        bytes[n++] = 0x80 | (c & 0x3f);
    }
    return n;
}

/**
 * @param {string} text
 * @returns {Uint8Array | null}
 */
function decodeBase64(text) {
    let binary = '';
    try {
        binary = atob(text);
    } catch {
        return null;
    }
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
}
