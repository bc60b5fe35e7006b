/** Special tokens around ids, as the tokenizer puts them around texts. */

/**
 * @typedef {object} Frame
 * @property {Uint32Array[]} ids  before the first text, after each
 * @property {Uint32Array[]} type_ids  of those
 * @property {number[]} text_types  of the texts
 * @property {number} n_special  tokens in all
 */

/** What every tokenizer makes tokens of. */
const TEXT = 'a';

/**
 * @param {import('../../tokenizer/index.js').Tokenizer} tokenizer
 * @param {number} n_texts  1 or 2
 * @returns {Frame}
 */
export function frameOf(tokenizer, n_texts) {
    const { ids, type_ids, sequence } = tokenizer.encode(TEXT, {
        text_pair: n_texts === 2 ? TEXT : null,
    });
    /** @type {number[][]} */
    const places = Array.from({ length: n_texts + 1 }, () => []);
    /** @type {number[]} */
    const text_types = [];
    let n_before = 0;
    for (let i = 0; i < ids.length; i++) {
        if (sequence[i] >= 0) {
            n_before = sequence[i] + 1;
            text_types[sequence[i]] = type_ids[i];
        } else {
            places[n_before].push(i);
        }
    }
    const of = (/** @type {Uint32Array} */ array) =>
        places.map((indices) => Uint32Array.from(indices, (i) => array[i]));
    return {
        ids: of(ids),
        type_ids: of(type_ids),
        text_types,
        n_special: places.flat().length,
    };
}

/**
 * @param {Frame} frame
 * @param {Uint32Array[]} texts  their ids
 * @returns {{ids: Uint32Array, type_ids: Uint32Array, places: number[]}}  `places`: of the tokens
 *   that are of a text
 */
export function framed({ ids: around, type_ids: around_types, text_types, n_special }, texts) {
    const n = texts.reduce((sum, { length }) => sum + length, n_special);
    const [ids, type_ids] = [new Uint32Array(n), new Uint32Array(n)];
    /** @type {number[]} */
    const places = [];
    let at = 0;
    for (let i = 0; i <= texts.length; i++) {
        ids.set(around[i], at);
        type_ids.set(around_types[i], at);
        at += around[i].length;
        if (i === texts.length) break;
        ids.set(texts[i], at);
        type_ids.fill(text_types[i], at, at + texts[i].length);
        for (let k = 0; k < texts[i].length; k++) places.push(at + k);
        at += texts[i].length;
    }
    return { ids, type_ids, places };
}
