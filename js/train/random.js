/**
 * Random numbers of a seed, the same in every JavaScript engine: there is nothing in them but
 * 32-bit integers and sums. By sfc32 (Doty-Humphrey, PractRand).
 */

/** Rounds until the first number depends on all of the seed. */
const WARM_UP = 15;

/** Uniform numbers whose sum, less half of them, has the variance 1. */
const SUMMED = 12;

export class Random {
    #a;
    #b;
    #c;
    #counter = 1;

    /**
     * @param {number} seed  a whole number
     * @param {number} purpose  another sequence for each
     * @param {number} [index]  and for each of these, below 2^32
     */
    constructor(seed, purpose, index = 0) {
        this.#a = seed | 0;
        this.#b = (Math.floor(seed / 2 ** 32) ^ purpose) | 0;
        this.#c = index | 0;
        for (let i = 0; i < WARM_UP; i++) this.next();
    }

    /** @returns {number}  a whole number from 0 to 2^32 - 1 */
    next() {
        const next = (this.#a + this.#b + this.#counter) | 0;
        this.#counter = (this.#counter + 1) | 0;
        this.#a = this.#b ^ (this.#b >>> 9);
        this.#b = (this.#c + (this.#c << 3)) | 0;
        this.#c = (((this.#c << 21) | (this.#c >>> 11)) + next) | 0;
        return next >>> 0;
    }

    /** @param {number} n @returns {number}  a whole number from 0 to n - 1 */
    below(n) {
        return Math.floor((this.next() / 2 ** 32) * n);
    }

    /**
     * A normal number: of mean 0 and variance 1, and as good as normal up to three times that.
     * Rejected: Box and Muller's, whose logarithm and cosine each JavaScript engine rounds its own
     * way.
     */
    normal() {
        let sum = 0;
        for (let i = 0; i < SUMMED; i++) sum += this.next();
        return sum / 2 ** 32 - SUMMED / 2;
    }

    /**
     * In another order: Fisher and Yates's.
     * @template T
     * @param {readonly T[]} items
     * @returns {T[]}
     */
    shuffled(items) {
        const all = [...items];
        for (let i = all.length - 1; i > 0; i--) {
            const j = this.below(i + 1);
            [all[i], all[j]] = [all[j], all[i]];
        }
        return all;
    }
}
