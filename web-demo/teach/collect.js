/** Lines with labels, as they are in a file, and what is to be learned of them. */

import { guessColumns } from '../files/guess_columns.js';
import { textOf } from '../files/parse_rows.js';

/** More lines would take a browser hours: of more, so many are taken, from all over the file. */
export const MOST_LINES = 20_000;

/** In place of a label's index: the text has none, or has several. */
export const NONE = -1;
export const SEVERAL = -2;

/**
 * @typedef {object} Collected
 * @property {string[]} texts  each once
 * @property {Int32Array} given  of each, the index of its label
 * @property {string[]} labels  the most frequent first
 * @property {Map<number, string[]>} several  by text, its labels, where it has several
 * @property {number} n_rows  of the file
 * @property {number} n_empty  lines without a text
 * @property {number} n_again  lines whose text and label were there before
 * @property {boolean} is_part  whether there were too many
 */

/**
 * @param {import('../files/parse_rows.js').Parsed} parsed
 * @param {{text: number, label: number}} columns  by index; label -1: there are none
 * @returns {Collected}
 */
export function collect({ n: n_rows, columns }, { text, label }) {
    const n = Math.min(n_rows, MOST_LINES);
    /** @type {Map<string, Set<string>>} */
    const found = new Map();
    /** @type {Map<string, number>} */
    const counts = new Map();
    let [n_empty, n_again] = [0, 0];
    for (let i = 0; i < n; i++) {
        const row = Math.floor((i * n_rows) / n);
        const words = textOf(columns[text][row]).trim();
        const own = label < 0 ? '' : textOf(columns[label][row]).trim();
        if (!words) {
            n_empty++;
            continue;
        }
        const before = found.get(words);
        if (before && (!own || before.has(own))) n_again++;
        const labels = before ?? new Set();
        found.set(words, labels);
        if (own && !labels.has(own)) {
            labels.add(own);
            counts.set(own, (counts.get(own) ?? 0) + 1);
        }
    }
    const labels = [...counts].sort((a, b) => b[1] - a[1]).map(([name]) => name);
    const index_of = new Map(labels.map((name, i) => [name, i]));
    const texts = [...found.keys()];
    const given = new Int32Array(texts.length).fill(NONE);
    /** @type {Map<number, string[]>} */
    const several = new Map();
    [...found.values()].forEach((own, i) => {
        if (own.size > 1) {
            given[i] = SEVERAL;
            several.set(i, [...own]);
        }
        for (const only of own.size === 1 ? own : []) given[i] = index_of.get(only) ?? NONE;
    });
    return { texts, given, labels, several, n_rows, n_empty, n_again, is_part: n < n_rows };
}

const LABEL_NAMES =
    /^(labels?|class|classes|categor(y|ies)|target|tags?|sentiment|intent|topic|answer)$/i;

/** Rows that are looked at. */
const LOOKED_AT = 500;

/** Of the column with the labels, for the most part. */
const MOST_VALUES = 30;

/**
 * Which column has the texts and which the labels: one that is called so, or that has few different
 * words.
 * @param {import('../files/parse_rows.js').Parsed} parsed
 * @returns {{text: number, label: number}}  label -1: none has
 */
export function guessBoth(parsed) {
    const { names, columns, n } = parsed;
    const all = [...columns.keys()];
    const named = all.length < 2 ? -1 : names.findIndex((name) => LABEL_NAMES.test(name.trim()));
    const may = all.filter((i) => i !== named);
    const text =
        may[
            guessColumns({
                ...parsed,
                names: may.map((i) => names[i]),
                columns: may.map((i) => columns[i]),
            }).text
        ];
    if (named >= 0) return { text, label: named };
    const others = all.filter((i) => i !== text);
    const looked_at = Math.min(n, LOOKED_AT);
    const valuesOf = (/** @type {number} */ i) =>
        new Set(columns[i].slice(0, looked_at).map((cell) => textOf(cell).trim()));
    const counted = others.map((i) => ({ i, n: valuesOf(i).size }));
    // Beside texts alone, a column that is the same all through may be meant nevertheless.
    const few = counted.filter(({ n }) => n > 1 || others.length === 1);
    const [best] = few.sort((a, b) => a.n - b.n);
    const most = Math.min(MOST_VALUES, Math.max(2, looked_at / 2));
    return { text, label: best && best.n <= most ? best.i : -1 };
}
