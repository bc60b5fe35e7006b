/** What the results are together: by label, by how sure the model is, over time, by group. */

import { beginOf, nextOf, periodFor } from '../files/dates.js';
import { SURE } from '../shell/tone.js';
import { CUT, EMPTY, FAILED, labelOf, NONE } from './marks.js';

/** Groups that are shown; more would be no summary. */
const MOST_GROUPS = 200;

/** Parts of the range of scores. */
const N_BINS = 20;

/**
 * @typedef {object} Summary
 * @property {number} n_done  rows with a label
 * @property {number[]} counts  of each label; those by hand count
 * @property {number} n_unsure
 * @property {number} n_empty
 * @property {number} n_failed
 * @property {number} n_cut
 * @property {number} n_hand  labels by hand
 * @property {number} n_agreed  of these the model's own
 * @property {{from: number, width: number, counts: number[][]}} scores  how many rows of each label
 *   the model gave scores from `from + i * width` on
 * @property {{period: import('../files/dates.js').Period, begins: number[],
 *   counts: number[][]} | null} time  how many rows of each label lie in the periods that begin on
 *   these days
 * @property {Group[]} groups  the largest first
 * @property {number} n_groups
 *
 * @typedef {{name: string, code: number, n: number, counts: number[], mean: number}} Group
 *   mean: of the scores
 */

/** @param {import('./order.js').Data} data @returns {Summary} */
export function summaryOf(data) {
    const { n, labels, hand, scores, flags, days, label_names, groups, group_names } = data;
    const zeros = () => new Array(label_names.length).fill(0);
    const counts = zeros();
    let [n_done, n_unsure, n_empty, n_failed, n_cut, n_hand, n_agreed] = [0, 0, 0, 0, 0, 0, 0];
    let [least, most] = [0, 1];
    let [first, last] = [Infinity, -Infinity];
    for (let row = 0; row < n; row++) {
        const flag = flags[row];
        n_empty += Number((flag & EMPTY) > 0);
        n_failed += Number((flag & FAILED) > 0);
        n_cut += Number((flag & CUT) > 0);
        if (hand[row] !== NONE) {
            n_hand++;
            n_agreed += Number(hand[row] === labels[row]);
        }
        const label = labelOf(hand, labels, row);
        if (label === NONE) continue;
        n_done++;
        counts[label]++;
        n_unsure += Number(hand[row] === NONE && scores[row] < SURE);
        if (scores[row] < least) least = scores[row];
        if (scores[row] > most) most = scores[row];
        if (days[row] < first) first = days[row];
        if (days[row] > last) last = days[row];
    }

    const width = (most - least) / N_BINS;
    const bins = Array.from({ length: N_BINS }, zeros);
    /** @type {Map<number, Group>} */
    const by_group = new Map();
    const period = periodFor(last - first);
    const begins = [];
    for (let day = beginOf(first, period); day <= last; day = nextOf(day, period)) begins.push(day);
    const places = new Map(begins.map((day, i) => [day, i]));
    const periods = begins.map(zeros);
    for (let row = 0; row < n; row++) {
        const label = labelOf(hand, labels, row);
        if (label === NONE) continue;
        const bin = Math.min(N_BINS - 1, Math.floor((scores[row] - least) / width));
        if (labels[row] !== NONE) bins[bin][labels[row]]++;
        const place = Number.isNaN(days[row]) ? undefined : places.get(beginOf(days[row], period));
        if (place !== undefined) periods[place][label]++;
        if (group_names.length === 0) continue;
        const code = groups[row];
        let group = by_group.get(code);
        if (!group) {
            group = { name: group_names[code], code, n: 0, counts: zeros(), mean: 0 };
            by_group.set(code, group);
        }
        group.n++;
        group.counts[label]++;
        group.mean += Number.isNaN(scores[row]) ? 0 : scores[row];
    }
    const all_groups = [...by_group.values()].sort((a, b) => b.n - a.n || a.code - b.code);
    for (const group of all_groups) group.mean /= group.n;
    return {
        n_done,
        counts,
        n_unsure: label_names.length > 1 ? n_unsure : 0,
        n_empty,
        n_failed,
        n_cut,
        n_hand,
        n_agreed,
        scores: { from: least, width, counts: bins },
        time: begins.length ? { period, begins, counts: periods } : null,
        groups: all_groups.slice(0, MOST_GROUPS),
        n_groups: all_groups.length,
    };
}
