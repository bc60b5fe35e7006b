/**
 * What tells one run's data from another's: 64 bits, by the mixing of Murmur3 (Appleby), in two
 * lanes. Nobody is kept from forging it. Rejected: SHA-256, which pages without HTTPS have none of,
 * and which takes seconds of a model's weights in JavaScript.
 */

/** Factors of a lane, odd. */
const LANES = [
    [0xcc9e2d51, 0x1b873593],
    [0x9e3779b1, 0x85ebca77],
];

class Fingerprint {
    #sums = new Int32Array(LANES.length);

    /**
     * @param {Int32Array} words  whose number counts, too
     */
    #addWords(words) {
        const { length } = words;
        LANES.forEach(([first, second], lane) => {
            let sum = this.#sums[lane] ^ length;
            for (let i = 0; i < length; i++) {
                let word = Math.imul(words[i], first);
                word = Math.imul((word << 15) | (word >>> 17), second);
                sum ^= word;
                sum = (Math.imul((sum << 13) | (sum >>> 19), 5) + 0xe6546b64) | 0;
            }
            this.#sums[lane] = Math.imul(sum ^ (sum >>> 16), second);
        });
    }

    /**
     * @param {any} value  data: arrays of numbers, lists, maps and objects of such, texts
     * @returns {this}
     */
    add(value) {
        if (ArrayBuffer.isView(value)) {
            const array = /** @type {Float32Array} */ (value);
            const is_wide = array.BYTES_PER_ELEMENT === 4;
            const { buffer, byteOffset, length } = array;
            this.#addWords(
                is_wide ? new Int32Array(buffer, byteOffset, length) : Int32Array.from(array),
            );
        } else if (typeof value === 'object' && value !== null) {
            const parts = Symbol.iterator in value ? [...value] : Object.entries(value);
            this.#addWords(Int32Array.of(parts.length));
            for (const part of parts) this.add(part);
        } else {
            this.#addWords(Int32Array.from([...String(value)], (c) => Number(c.codePointAt(0))));
        }
        return this;
    }

    /** So far, in hex. */
    toString() {
        return Array.from(this.#sums, (sum) => (sum >>> 0).toString(16).padStart(8, '0')).join('');
    }
}

/** @param {unknown} value  as Fingerprint.add() takes it */
export function fingerprint(value) {
    return new Fingerprint().add(value).toString();
}
