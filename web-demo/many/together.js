/** What the results are together: labels, how sure the model is, over time, by group; in words. */

import { inLong, inShort } from '../files/dates.js';
import { make, nextFrame } from '../shell/dom.js';
import { inPercent, inUnits, inWhole } from '../shell/format.js';
import { SURE, toneOf, wordOf } from '../shell/tone.js';
import { BarChart, coloursOf } from './charts.js';
import { inScore } from './table.js';

/** @typedef {import('./summary.js').Summary} Summary */

/** Labels that are listed; the others are in the files. */
const MOST_LABELS = 12;

/** Milliseconds between two counts of what is there so far, and two drawings of it. */
const COUNT_EVERY = 700;
const DRAW_EVERY = 2500;

/** @type {Record<import('../files/dates.js').Period, string>} */
const EACH = { day: 'each day', week: 'each week', month: 'each month', year: 'each year' };

export class Together {
    #parts;
    #on;
    #scores_chart;
    #time_chart;

    /** Those that are counted. @type {import('./rows.js').Rows | null} */
    #rows = null;
    #counted_at = 0;
    #drawn_at = 0;
    #is_counting = false;

    /** @type {Summary | null} */
    #summary = null;

    /** @type {string[]} */
    #labels = [];

    /** What groups are sorted by: 'n', 'mean', 'name' or a label's index. */
    #by = 'n';

    /**
     * @param {Record<string, any>} parts
     * @param {object} on
     * @param {(show: string) => void} on.show  rows with a label are wanted
     * @param {(code: number) => void} on.group
     */
    constructor(parts, on) {
        this.#parts = parts;
        this.#on = on;
        this.#scores_chart = new BarChart(parts['scores-figure']);
        this.#time_chart = new BarChart(parts['time-figure']);
    }

    /**
     * Counts, now and then while they are classified, and whenever asked to.
     * @param {import('./rows.js').Rows | null} rows
     * @param {boolean} is_now
     */
    async count(rows, is_now) {
        const { results } = this.#parts;
        this.#rows = rows;
        if (!rows || rows.n_done === 0) {
            results.hidden = true;
            return;
        }
        const now = performance.now();
        if (!is_now && (this.#is_counting || now - this.#counted_at < COUNT_EVERY)) return;
        const is_drawn = is_now || now - this.#drawn_at >= DRAW_EVERY;
        this.#counted_at = now;
        if (is_drawn) this.#drawn_at = now;
        this.#is_counting = true;
        try {
            const summary = await rows.call('summary');
            if (this.#rows !== rows) return;
            results.hidden = false;
            await this.#show(summary, rows.label_names, is_drawn);
        } finally {
            this.#is_counting = false;
        }
    }

    /**
     * @param {Summary} summary
     * @param {string[]} labels
     * @param {boolean} is_whole  with the charts
     */
    async #show(summary, labels, is_whole) {
        this.#summary = summary;
        this.#labels = labels;
        this.#showLabels();
        if (!is_whole) return;
        await nextFrame();
        this.#showScores();
        await nextFrame();
        this.#showTime();
        await nextFrame();
        this.#showGroups();
    }

    #showLabels() {
        const { counts, n_done, n_unsure, n_empty, n_failed, n_cut } = this.#known;
        const colours = coloursOf(this.#labels);
        const order = [...counts.keys()].sort((a, b) => counts[b] - counts[a] || a - b);
        this.#parts.labels.replaceChildren(
            ...order.slice(0, MOST_LABELS).map((label) => {
                const share = counts[label] / Math.max(1, n_done);
                const word = wordOf(this.#labels[label]);
                const meter = make('meter', { max: 1, value: share });
                meter.setAttribute('aria-label', `${word}: share`);
                meter.style.setProperty('--bar', `var(${colours[label]})`);
                const show = () => this.#on.show(`label:${label}`);
                return make(
                    'li',
                    { dataset: { tone: toneOf(this.#labels[label]) } },
                    make('button', { type: 'button', className: 'plain', onclick: show }, word),
                    make(
                        'span',
                        { className: 'numbers' },
                        `${inWhole(counts[label])} · ${inPercent(share)}`,
                    ),
                    meter,
                );
            }),
        );
        const facts = [
            n_unsure &&
                `${inWhole(n_unsure)} not sure (best label below ${Math.round(100 * SURE)} %)`,
            n_empty && `${inUnits(n_empty, 'row')} without a text`,
            n_failed && `${inUnits(n_failed, 'text')} could not be read`,
            n_cut && `${inUnits(n_cut, 'text')} longer than the model reads at once`,
            order.length > MOST_LABELS && `${order.length - MOST_LABELS} rarer labels not listed`,
        ].filter(Boolean);
        this.#parts.facts.textContent = facts.join(' · ');
    }

    get #known() {
        return /** @type {Summary} */ (this.#summary);
    }

    #showScores() {
        const { from, width, counts } = this.#known.scores;
        const is_share = from === 0 && Math.abs(width * counts.length - 1) < 1e-9;
        const value = (/** @type {number} */ x) =>
            is_share ? `${Math.round(100 * x)}` : x.toPrecision(3);
        // Scores that no text can have are left away.
        const first = Math.max(
            0,
            counts.findIndex((bin) => bin.some((n) => n > 0)),
        );
        const shown = counts.slice(first);
        const unit = is_share ? ' %' : '';
        const places = shown.map((_, i) => {
            const low = from + (first + i) * width;
            return `${value(low)}–${value(low + width)}${unit}`;
        });
        const marks = shown.map((_, i) => `${value(from + (first + i) * width)}${unit}`);
        const sums = shown.map((bin) => bin.reduce((sum, n) => sum + n, 0));
        const most = sums.indexOf(Math.max(...sums));
        this.#scores_chart.show(
            {
                places,
                marks,
                counts: shown,
                labels: this.#labels,
                first: 'Score',
            },
            `How many texts have which score, ${inUnits(places.length, 'bar')}: most, ` +
                `${inWhole(sums[most] ?? 0)}, have ${places[most] ?? 'none'}.`,
        );
    }

    #showTime() {
        const { time } = this.#known;
        this.#parts['time-figure'].hidden = !time || time.begins.length < 2;
        if (!time || time.begins.length < 2) return;
        const { period, begins, counts } = time;
        this.#parts['time-title'].textContent = `Over time, ${EACH[period]}`;
        const sums = counts.map((each) => each.reduce((sum, n) => sum + n, 0));
        const most = sums.indexOf(Math.max(...sums));
        this.#time_chart.show(
            {
                places: begins.map(inLong),
                marks: begins.map((day) => inShort(day, period)),
                counts,
                labels: this.#labels,
                first:
                    period === 'day' ? 'Day' : `${period[0].toUpperCase()}${period.slice(1)} from`,
            },
            `How many texts ${EACH[period]}, by label, from ${inLong(begins[0])}, ` +
                `${inUnits(begins.length, 'bar')}: most, ${inWhole(sums[most])}, ` +
                `from ${inLong(begins[most])}.`,
        );
    }

    #showGroups() {
        const { groups, n_groups } = this.#known;
        const { 'groups-panel': panel, 'groups-head': head, groups: body } = this.#parts;
        const more = this.#parts['groups-more'];
        panel.hidden = groups.length === 0;
        if (panel.hidden) return;
        const columns = [
            { by: 'name', title: 'Group' },
            { by: 'n', title: 'Texts' },
            ...this.#labels
                .slice(0, MOST_LABELS)
                .map((label, i) => ({ by: String(i), title: wordOf(label) })),
            { by: 'mean', title: 'Mean score' },
        ];
        head.replaceChildren(
            make(
                'tr',
                {},
                ...columns.map(({ by, title }) => {
                    const sort = () => {
                        this.#by = by;
                        this.#showGroups();
                        head.querySelector(`[data-by="${by}"]`)?.focus();
                    };
                    const button = make(
                        'button',
                        { type: 'button', className: 'plain', onclick: sort, dataset: { by } },
                        title,
                    );
                    const cell = make('th', { scope: 'col' }, button);
                    if (by === this.#by) {
                        cell.setAttribute('aria-sort', by === 'name' ? 'ascending' : 'descending');
                        button.append(by === 'name' ? ' ↑' : ' ↓');
                    }
                    return cell;
                }),
            ),
        );
        body.replaceChildren(
            ...this.#sorted(groups).map(({ name, code, n, counts, mean }) =>
                make(
                    'tr',
                    {},
                    make(
                        'th',
                        { scope: 'row', dir: 'auto' },
                        make(
                            'button',
                            {
                                type: 'button',
                                className: 'plain',
                                onclick: () => this.#on.group(code),
                            },
                            name || '(none)',
                        ),
                    ),
                    make('td', {}, inWhole(n)),
                    ...counts
                        .slice(0, MOST_LABELS)
                        .map((count) => make('td', {}, inPercent(count / n))),
                    make('td', {}, inScore(mean)),
                ),
            ),
        );
        more.hidden = n_groups <= groups.length;
        more.textContent = `The ${groups.length} largest of ${inWhole(n_groups)} groups.`;
    }

    /** @param {import('./summary.js').Group[]} groups */
    #sorted(groups) {
        const by = this.#by;
        if (by === 'name') return [...groups].sort((a, b) => a.name.localeCompare(b.name));
        const key = (/** @type {import('./summary.js').Group} */ { n, mean, counts }) =>
            by === 'n' ? n : by === 'mean' ? mean : counts[Number(by)] / n;
        return [...groups].sort((a, b) => key(b) - key(a));
    }

    /** @param {import('./rows.js').Rows} rows @param {Summary} summary */
    inWords({ name, n, label_names, model_name }, summary) {
        const { counts, n_done, n_unsure, n_empty, n_failed, n_hand, n_agreed, time } = summary;
        const share = (/** @type {number} */ count, /** @type {number} */ of) =>
            `${inWhole(count)} (${inPercent(count / Math.max(1, of))})`;
        const order = [...counts.keys()].sort((a, b) => counts[b] - counts[a] || a - b);
        const n_other = n_hand - n_agreed;
        const unsure = `best label below ${Math.round(100 * SURE)} %`;
        const lines = [
            `${name}: ${inUnits(n, 'row')}, ${inWhole(n_done)} classified by ${model_name}`,
            ...order
                .filter((label) => counts[label] > 0)
                .map((label) => `${wordOf(label_names[label])}: ${share(counts[label], n_done)}`),
            n_unsure && `Not sure (${unsure}): ${share(n_unsure, n_done)}`,
            n_empty && `Without a text: ${inWhole(n_empty)}`,
            n_failed && `Could not be read: ${inWhole(n_failed)}`,
            n_hand &&
                `By hand: ${inUnits(n_hand, 'label')}, ${inWhole(n_other)} other than the model's`,
            time && `Dates: from ${inLong(time.begins[0])}`,
        ];
        if (summary.groups.length > 0) {
            lines.push('', ['Group', 'Texts', ...label_names.map(wordOf), 'Mean score'].join('\t'));
            for (const group of summary.groups) {
                const shares = group.counts.map((count) => inPercent(count / group.n));
                lines.push(
                    [group.name || '(none)', group.n, ...shares, inScore(group.mean)].join('\t'),
                );
            }
        }
        return `${lines.filter((line) => line || line === '').join('\n')}\n`;
    }
}
