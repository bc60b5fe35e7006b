/** What was learned, by the lines that were set aside: how many are right, and which are not. */

import { make } from '../shell/dom.js';
import { inPercent, inUnits, inWhole } from '../shell/format.js';

/** Labels of which a table is still small. */
const MOST_OF_TABLE = 12;

/** Wrong lines, and pairs of labels, that are shown. */
const MOST_SHOWN = 50;

/** Lines below which a few more or less change much. */
const FEW = 50;

/** @typedef {import('./teaching.js').Taught} Taught */

/**
 * @param {Taught} taught
 * @returns {{n: number, n_right: number, frequent: string, n_frequent: number}}  frequent: the
 *   label that most of the lines have
 */
export function scoreOf({ checked }) {
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const { label } of checked) counts.set(label, (counts.get(label) ?? 0) + 1);
    const [frequent, n_frequent] = [...counts].sort((a, b) => b[1] - a[1])[0];
    const n_right = checked.filter(({ label, answer }) => label === answer.label).length;
    return { n: checked.length, n_right, frequent, n_frequent };
}

/**
 * @param {Record<string, any>} parts
 * @param {Taught} taught
 */
export function showOutcome(parts, taught) {
    const { n, n_right, frequent, n_frequent } = scoreOf(taught);
    parts.score.textContent = `${inWhole(n_right)} of ${inUnits(n, 'line')} right`;
    parts.comparison.replaceChildren(
        ...comparisonRow('This model', n_right / n),
        ...comparisonRow(`Always ${frequent}`, n_frequent / n),
    );
    parts['score-hint'].textContent =
        'On lines that it has not learned from.' +
        (n < FEW ? ` They are few: one more or less is ${inPercent(1 / n)}.` : '');
    const wrong = taught.checked.filter(({ label, answer }) => label !== answer.label);
    parts['wrong-part'].hidden = wrong.length === 0;
    parts['wrong-title'].textContent =
        wrong.length === 1
            ? 'The one that is wrong'
            : `The ${inWhole(wrong.length)} that are wrong`;
    parts.wrong.replaceChildren(
        ...wrong
            .slice(0, MOST_SHOWN)
            .map(({ text, label, answer }) =>
                make(
                    'li',
                    {},
                    make('span', { dir: 'auto' }, text),
                    make(
                        'span',
                        { className: 'hint' },
                        'It is ',
                        make('b', {}, make('bdi', {}, label)),
                        ', the model says ',
                        make('b', {}, make('bdi', {}, answer.label)),
                        `, ${inPercent(answer.score)}`,
                    ),
                ),
            ),
    );
    const more = wrong.length - MOST_SHOWN;
    if (more > 0)
        parts.wrong.append(make('li', { className: 'hint' }, `and ${inWhole(more)} more`));
    parts.confusion.replaceChildren(
        ...(taught.labels.length <= MOST_OF_TABLE ? table(taught) : pairs(taught)),
    );
}

/** @param {string} name @param {number} share */
function comparisonRow(name, share) {
    const bar = make('meter', { max: 1, value: share, 'aria-label': name });
    return [
        make('span', { dir: 'auto' }, name),
        bar,
        make('span', { className: 'numbers' }, inPercent(share)),
    ];
}

/** Lines by the label they have and the one that the model gave. @param {Taught} taught */
function countsOf({ labels, checked }) {
    const counts = labels.map(() => labels.map(() => 0));
    for (const { label, answer } of checked) {
        counts[labels.indexOf(label)][labels.indexOf(answer.label)]++;
    }
    return counts;
}

/** @param {Taught} taught */
function table(taught) {
    const { labels } = taught;
    const counts = countsOf(taught);
    const most = Math.max(1, ...counts.flat());
    const head = labels.map((label) => make('th', { scope: 'col' }, make('bdi', {}, label)));
    const rows = counts.map((row, is) => {
        const cells = row.map((n, says) => {
            const cell = make('td', {}, n ? inWhole(n) : '·');
            cell.className = is === says ? 'teach-right' : n ? 'teach-wrong' : '';
            cell.style.setProperty('--share', `${Math.round((100 * n) / most)}%`);
            return cell;
        });
        const name = make('th', { scope: 'row' }, make('bdi', {}, labels[is]));
        return make('tr', {}, name, ...cells);
    });
    const corner = make('td', { className: 'hint' }, 'is ↓, says →');
    return [make('thead', {}, make('tr', {}, corner, ...head)), make('tbody', {}, ...rows)];
}

/** Of many labels: which are taken for which. @param {Taught} taught */
function pairs(taught) {
    const { labels } = taught;
    const found = countsOf(taught)
        .flatMap((row, is) => row.map((n, says) => ({ is, says, n })))
        .filter(({ is, says, n }) => is !== says && n > 0)
        .sort((a, b) => b.n - a.n)
        .slice(0, MOST_SHOWN);
    const head = ['is', 'the model says', 'lines'].map((name) =>
        make('th', { scope: 'col' }, name),
    );
    const rows = found.map(({ is, says, n }) => {
        const names = [is, says].map((i) => make('td', {}, make('bdi', {}, labels[i])));
        return make('tr', {}, ...names, make('td', {}, inWhole(n)));
    });
    return [make('thead', {}, make('tr', {}, ...head)), make('tbody', {}, ...rows)];
}
