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

export class Fingerprint {
    #sums = new Int32Array(LANES.length);

    /**
     * @param {Uint32Array | Int32Array | Float32Array} array  whose length counts, too
     */
    add({ buffer, byteOffset, length }) {
        const words = new Int32Array(buffer, byteOffset, length);
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
        return this;
    }

    /** @param {string} text */
    addText(text) {
        return this.add(Uint32Array.from(text, (character) => character.codePointAt(0) ?? 0));
    }

    /** So far, in hex. */
    toString() {
        return Array.from(this.#sums, (sum) => (sum >>> 0).toString(16).padStart(8, '0')).join('');
    }
}

/** @param {import('./trainer.js').Tensors} tensors */
export function ofTensors(tensors) {
    const print = new Fingerprint();
    for (const [name, { values }] of tensors) print.addText(name).add(values);
    return print.toString();
}

/** @param {import('./trainer.js').Sequence[]} sequences */
export function ofSequences(sequences) {
    const print = new Fingerprint();
    for (const { ids, type_ids, labels, targets } of sequences) {
        print.add(ids).add(type_ids).add(labels);
        if (targets) print.add(targets);
    }
    return print.toString();
}
