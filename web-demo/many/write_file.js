/**
 * Rows and results as a file.
 *
 * CSV is written twice over. As data it holds every cell as it is. For Excel and other spreadsheets
 * it begins with the mark by which they know UTF-8, and cells that begin with = + - @ or a tab get
 * an apostrophe before them: whoever wrote a comment could else have written a formula, which runs
 * on the machine of whoever opens the file (CSV injection). That changes such cells, so it is not
 * done where a program reads on; plain numbers stay as they are in both.
 */

import Papa from 'papaparse';

import { textOf } from '../files/parse_rows.js';
import { labelOf, NONE } from './marks.js';

/** Rows in a piece of the file. */
const PIECE = 5000;

const FORMULA = /^[=+\-@\t\r]/;
const NUMBER = /^[-+]?\d+([.,]\d+)*(e[-+]?\d+)?%?$/i;

/** @typedef {'csv' | 'excel' | 'jsonl'} Kind */

/**
 * @param {object} given
 * @param {Kind} given.kind
 * @param {string[]} given.names  of the columns
 * @param {unknown[][]} given.columns
 * @param {import('./order.js').Data} given.data
 * @param {Uint32Array | null} given.rows  which, null: all
 * @param {string} given.delimiter
 * @returns {{blob: Blob, n_marked: number}}  n_marked: cells with an apostrophe
 */
export function writeFile({ kind, names, columns, data, rows, delimiter }) {
    const { label_names, labels, hand, scores } = data;
    const own = ownNames(names);
    let n_marked = 0;
    const guarded = (/** @type {string} */ cell) => {
        if (kind !== 'excel' || !FORMULA.test(cell) || NUMBER.test(cell)) return cell;
        n_marked++;
        return `'${cell}`;
    };
    const results = (/** @type {number} */ row) => [
        label_names[labels[row]] ?? null,
        Number.isNaN(scores[row]) ? null : scores[row],
        hand[row] === NONE ? null : label_names[labelOf(hand, labels, row)],
    ];
    const n = rows?.length ?? data.n;
    const parts = [];
    if (kind === 'excel') parts.push('\ufeff');
    if (kind !== 'jsonl') {
        const header = [...names.map(guarded), ...own];
        parts.push(`${Papa.unparse([header], { delimiter })}\r\n`);
    }
    for (let from = 0; from < n; from += PIECE) {
        const lines = [];
        for (let i = from; i < Math.min(n, from + PIECE); i++) {
            const row = rows ? rows[i] : i;
            const found = results(row);
            if (kind === 'jsonl') {
                const record = names.map((name, c) => [name, columns[c][row]]);
                const added = own.map((name, c) => [name, found[c]]);
                lines.push(JSON.stringify(Object.fromEntries([...record, ...added])));
            } else {
                const cells = columns.map((column) => guarded(textOf(column[row])));
                const added = found.map((value) => guarded(textOf(value)));
                lines.push([...cells, ...added]);
            }
        }
        parts.push(
            kind === 'jsonl'
                ? `${lines.join('\n')}\n`
                : `${Papa.unparse(/** @type {string[][]} */ (lines), { delimiter })}\r\n`,
        );
    }
    const type = kind === 'jsonl' ? 'application/jsonl' : 'text/csv';
    return { blob: new Blob(parts, { type: `${type};charset=utf-8` }), n_marked };
}

/** What is added is called differently where the file has such columns. @param {string[]} names */
export function ownNames(names) {
    return ['label', 'score', 'corrected'].map((name) => {
        let own = name;
        for (let k = 2; names.includes(own); k++) own = `${name}_${k}`;
        return own;
    });
}
