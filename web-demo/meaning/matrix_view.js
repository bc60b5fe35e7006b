/** The matrix in the page: how alike any two sentences are, group by group. */

import { make } from '../shell/dom.js';
import { inHundredths, inUnits, inWhole } from '../shell/format.js';
import { drawMatrix, makeReadable } from '../shell/matrix.js';
import { putPicture } from '../shell/picture.js';
import { product } from './clusters.js';

const MOST_IN_MATRIX = 100;
const WIDEST = 820;

/**
 * @param {{picture: HTMLElement, readout: HTMLElement}} parts
 * @param {object} what
 * @param {import('./compare.js').Compared} what.compared
 * @param {import('./groups.js').Grouping} what.grouping
 * @param {string} what.footer
 * @param {() => boolean} what.isWanted  still, once it is drawn
 * @param {(words: string) => void} what.announce
 */
export async function showMatrix(
    { picture, readout },
    { compared: { sentences, data, d }, grouping, footer, isWanted, announce },
) {
    const n = sentences.length;
    if (n > MOST_IN_MATRIX) {
        picture.replaceChildren(
            make(
                'p',
                { className: 'panel hint' },
                `A matrix of more than ${inWhole(MOST_IN_MATRIX)} sentences cannot be read: ` +
                    'these are shown as a map, groups and pairs.',
            ),
        );
        readout.textContent = '';
        return;
    }
    const { groups, order } = grouping;
    const values = new Float32Array(n * n);
    order.forEach((i, row) => {
        order.forEach((j, column) => {
            values[row * n + column] = product(data, i * d, j * d, d);
        });
    });
    let at = 0;
    const begins = groups.map(({ members }) => (at += members.length));
    const drawn = await drawMatrix({
        title: 'How alike any two sentences are',
        footer,
        labels: order.map((i) => sentences[i]),
        values,
        tint: (value) => Math.max(0, value),
        legend: [0, 0.25, 0.5, 0.75, 1].map((value) => [inHundredths(value), value]),
        rows: 'sentences, group by group',
        columns: 'the same',
        width: Math.min(picture.clientWidth, WIDEST),
        groups: begins.filter((begin) => begin < n),
    });
    if (!isWanted()) return;
    const words =
        'Point at a cell, tap it, or use the arrow keys. 1 is the same meaning, 0 is nothing ' +
        'in common; lines part the groups.';
    makeReadable(drawn, {
        n,
        label: `A matrix of ${inUnits(n, 'sentence')}.`,
        look(row, column, by_key) {
            readout.textContent =
                `${inHundredths(values[row * n + column])}: “${sentences[order[row]]}” and ` +
                `“${sentences[order[column]]}”`;
            if (by_key) announce(readout.textContent);
        },
        leave: () => {
            readout.textContent = words;
        },
    });
    readout.textContent = words;
    putPicture(picture, drawn.svg);
}
