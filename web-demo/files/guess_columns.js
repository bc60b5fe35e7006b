/** Which column has the texts, which the groups, which the dates: proposed, to be changed. */

import { parseDay } from './dates.js';
import { textOf } from './parse_rows.js';

/** Rows that are looked at. */
const LOOKED_AT = 500;

/** The most different values of a column of groups. */
const MOST_GROUPS = 60;

/**
 * @param {import('./parse_rows.js').Parsed} parsed
 * @returns {{text: number, group: number, date: number}}  indices of columns, -1: none
 */
export function guessColumns({ columns, names }) {
    const facts = columns.map((column) => {
        const cells = column
            .slice(0, LOOKED_AT)
            .map(textOf)
            .filter((cell) => cell.trim());
        const n = Math.max(1, cells.length);
        return {
            n: cells.length,
            length: cells.reduce((sum, { length }) => sum + length, 0) / n,
            dates: cells.filter((cell) => !Number.isNaN(parseDay(cell, true))).length / n,
            n_different: new Set(cells).size,
            numbers: cells.filter((cell) => !Number.isNaN(Number(cell))).length / n,
        };
    });
    const isAddress = (/** @type {number} */ i) =>
        /^https?:\S+$/.test(textOf(columns[i].find((cell) => textOf(cell))));
    const indices = [...columns.keys()];
    const longest = (/** @type {number[]} */ among) =>
        among.reduce((best, i) => (facts[i].length > (facts[best]?.length ?? -1) ? i : best), -1);
    const text = Math.max(0, longest(indices.filter((i) => facts[i].dates < 0.8 && !isAddress(i))));
    const others = indices.filter((i) => i !== text && facts[i].n > 0);
    const date = others.find((i) => facts[i].dates >= 0.8 && facts[i].n_different > 1) ?? -1;
    const isGroup = (/** @type {number} */ i) =>
        i !== date &&
        facts[i].length <= 40 &&
        facts[i].n_different > 1 &&
        facts[i].n_different <= Math.min(MOST_GROUPS, Math.max(2, facts[i].n / 2));
    const group =
        others.find((i) => isGroup(i) && facts[i].numbers < 0.5) ??
        others.find((i) => isGroup(i) && facts[i].n_different <= 12 && !/id$/i.test(names[i])) ??
        -1;
    return { text, group, date };
}
