/** What the lines hold: how many each label has, and what is wrong with them. */

import { make } from '../shell/dom.js';
import { inUnits, inWhole } from '../shell/format.js';
import { MOST_LINES } from './collect.js';
import { MOST_LABELS, NEEDED } from './lines.js';

/** Labels that are shown; more would be no overview. */
const SHOWN = 24;

/** Lines of a label with which a model learns well, for the most part. */
const GOOD = 20;

/**
 * Whether there is enough to learn from, and if not, what is missing.
 * @param {import('./lines.js').Lines} lines
 * @returns {string | null}  null: it is enough
 */
export function lackOf(lines) {
    const counts = [...lines.counts()].filter(([, n]) => n > 0);
    const enough = counts.filter(([, n]) => n >= NEEDED);
    if (counts.length > MOST_LABELS) {
        return (
            `There are ${inWhole(counts.length)} different labels; at most ${MOST_LABELS} can be ` +
            'told apart here. Is it the right column?'
        );
    }
    if (enough.length >= 2) return null;
    if (counts.length === 0) {
        return (
            `No line has a label. Two labels or more are needed, with ${NEEDED} lines each: ` +
            'choose their column, or give them by hand.'
        );
    }
    if (counts.length === 1) {
        return (
            `All lines have the same label, ${counts[0][0]}. There must be others to tell it ` +
            `from: ${NEEDED} lines of another label or more.`
        );
    }
    const missing = counts
        .filter(([, n]) => n < NEEDED)
        .sort((a, b) => b[1] - a[1])
        .slice(0, 2 - enough.length)
        .map(([label, n]) => `${inUnits(NEEDED - n, 'line')} more of ${label}`);
    return `Too few lines: each label needs ${NEEDED}. Missing: ${missing.join(', ')}.`;
}

/**
 * @param {Record<string, any>} parts
 * @param {import('./lines.js').Lines} lines
 */
export function showWhatIsThere({ labels, remarks }, lines) {
    const counts = [...lines.counts()].filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
    const most = Math.max(1, ...counts.map(([, n]) => n));
    const rows = counts.slice(0, SHOWN).map(([label, n]) => {
        const few = n < NEEDED ? `, left out: it needs ${NEEDED}` : '';
        const bar = make('meter', { max: most, value: n });
        bar.setAttribute('aria-label', `Lines labelled ${label}`);
        return make(
            'li',
            {},
            make('bdi', {}, label),
            make('span', { className: 'numbers' }, `${inUnits(n, 'line')}${few}`),
            bar,
        );
    });
    const more = counts.length - rows.length;
    if (more > 0) rows.push(make('li', { className: 'hint' }, `and ${inWhole(more)} more labels`));
    labels.replaceChildren(...rows);
    remarks.replaceChildren(...remarksOn(lines, counts).map((words) => make('li', {}, words)));
}

/**
 * @param {import('./lines.js').Lines} lines
 * @param {[string, number][]} counts
 */
function remarksOn(lines, counts) {
    const { n_rows, n_empty, n_again, is_part } = lines.facts;
    const n_labelled = counts.reduce((sum, [, n]) => sum + n, 0);
    const n_without = lines.texts.length - n_labelled;
    const least = Math.min(...counts.map(([, n]) => n).filter((n) => n >= NEEDED));
    const remarks = [...lines.source.notes];
    if (is_part) {
        remarks.push(
            `${inWhole(MOST_LINES)} of the ${inWhole(n_rows)} lines are taken, from all over the ` +
                'file: more would take hours.',
        );
    }
    if (n_again > 0) {
        const are = n_again === 1 ? 'line is' : 'lines are';
        remarks.push(`${inWhole(n_again)} ${are} there twice: each is learned once.`);
    }
    if (n_empty > 0) remarks.push(`${inUnits(n_empty, 'line')} without a text.`);
    if (lines.several.size > 0) {
        remarks.push(
            `${inUnits(lines.several.size, 'text')} with several labels: decide below, or they ` +
                'are left out.',
        );
    } else if (n_labelled > 0 && n_without > 0) {
        remarks.push(`${inUnits(n_without, 'line')} without a label, left out.`);
    }
    if (least < GOOD) {
        remarks.push(`It will do better with ${GOOD} lines of each label or more.`);
    }
    return remarks;
}
