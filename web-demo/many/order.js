/** Which rows are shown, and in what order. */

import { SURE } from '../shell/tone.js';
import { EMPTY, FAILED, labelOf, NONE } from './marks.js';

/**
 * @typedef {object} Order
 * @property {'row' | 'text' | 'label' | 'score' | 'group' | 'date' | 'alike'} by
 * @property {boolean} is_down
 * @property {string} show  'all', 'unsure', 'hand', 'none' or 'label:' and a label's index
 * @property {number} group  a group's code, or -1: all
 * @property {string} words  that the text has, however they are written
 *
 * @typedef {object} Data  what is known of the rows
 * @property {number} n
 * @property {string[]} texts
 * @property {Uint32Array} groups  codes
 * @property {string[]} group_names
 * @property {Float64Array} days
 * @property {string[]} label_names
 * @property {Uint16Array} labels
 * @property {Float64Array} scores
 * @property {Uint16Array} hand
 * @property {Uint8Array} flags
 * @property {Map<number, number> | null} alike  by row, how like a query its text is; only these
 *   rows are shown
 * @property {Record<string, Uint32Array>} ranks  of strings, once they were sorted
 */

const collator = new Intl.Collator('en-GB', { numeric: true });

/** Places of strings in the order of the alphabet; equal strings have one. @param {string[]} all */
function ranksOf(all) {
    const order = Uint32Array.from(all, (_, i) => i);
    order.sort((a, b) => collator.compare(all[a], all[b]));
    const ranks = new Uint32Array(all.length);
    for (let i = 1; i < order.length; i++) {
        const isNew = all[order[i]] !== all[order[i - 1]];
        ranks[order[i]] = ranks[order[i - 1]] + Number(isNew);
    }
    return ranks;
}

/** @param {Data} data @param {Order} how @returns {Uint32Array} rows */
export function orderOf(data, how) {
    const shown = rowsOf(data, how);
    const { by, is_down } = how;
    if (by === 'row' && !is_down) return shown;
    const key = keyOf(data, by);
    const keys = new Float64Array(data.n);
    for (const row of shown) keys[row] = key(row);
    const sign = is_down ? -1 : 1;
    // What has no value is last in either direction; of equal ones the first row is first.
    return shown.sort((a, b) => {
        const [x, y] = [keys[a], keys[b]];
        if (x === y) return a - b;
        if (Number.isNaN(x)) return Number.isNaN(y) ? a - b : 1;
        return Number.isNaN(y) ? -1 : sign * (x - y);
    });
}

/** @param {Data} data @param {Order['by']} by @returns {(row: number) => number} */
function keyOf(data, by) {
    const { hand, labels, scores, groups, days, alike, label_names, group_names, ranks } = data;
    switch (by) {
        case 'text': {
            const rank = (ranks.texts ??= ranksOf(data.texts));
            return (row) => (data.flags[row] & EMPTY ? NaN : rank[row]);
        }
        case 'label': {
            const rank = ranksOf(label_names);
            return (row) => rank[labelOf(hand, labels, row)] ?? NaN;
        }
        case 'group': {
            const rank = (ranks.groups ??= ranksOf(group_names));
            return (row) => (group_names[groups[row]] === '' ? NaN : rank[groups[row]]);
        }
        case 'score':
            return (row) => scores[row];
        case 'date':
            return (row) => days[row];
        case 'alike':
            return (row) => alike?.get(row) ?? NaN;
        default:
            return (row) => row;
    }
}

/** @param {Data} data @param {Order} how */
function rowsOf(data, { show, group, words }) {
    const { n, texts, groups, alike } = data;
    const fits = fitsOf(data, show);
    const wanted = words.toLocaleLowerCase();
    const rows = new Uint32Array(n);
    let n_rows = 0;
    for (let row = 0; row < n; row++) {
        if (
            (group < 0 || groups[row] === group) &&
            (!alike || alike.has(row)) &&
            fits(row) &&
            (wanted === '' || texts[row].toLocaleLowerCase().includes(wanted))
        ) {
            rows[n_rows++] = row;
        }
    }
    return rows.slice(0, n_rows);
}

/** @param {Data} data @param {string} show @returns {(row: number) => boolean} */
function fitsOf({ hand, labels, scores, flags }, show) {
    if (show === 'unsure') return (row) => hand[row] === NONE && scores[row] < SURE;
    if (show === 'hand') return (row) => hand[row] !== NONE;
    if (show === 'none') return (row) => (flags[row] & (EMPTY | FAILED)) > 0;
    if (!show.startsWith('label:')) return () => true;
    const label = Number(show.slice(6));
    return (row) => labelOf(hand, labels, row) === label;
}
