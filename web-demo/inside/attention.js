/** The picture of attention: as lines between pieces, or as a matrix of all of them. */

import { inPercent } from '../shell/format.js';
import { drawLines, MOST_ROWS } from './pictures.js';
import { readableMatrix } from './shown.js';
import { WEIGHTS } from './weights.js';
import { HOW_TO, said, sayStrongest } from './words.js';

/** @typedef {import('./shown.js').Shown} Shown */
/** @typedef {import('./state.js').View} View */

/**
 * @param {object} what
 * @param {View} what.view
 * @param {import('./reading.js').Piece[]} what.pieces
 * @param {Float32Array} what.map  [n, n]
 * @param {number} what.first  piece of the lines
 * @param {number} what.width
 * @param {string} what.footer
 * @param {import('./shown.js').Reader} what.reader
 * @returns {Promise<Shown>}
 */
export async function drawAttention({ view, pieces, map, first, width, footer, reader }) {
    const { mode, has_flow } = view;
    const n = pieces.length;
    const labels = pieces.map(({ token }) => token);
    const does = has_flow ? 'holds, in the last layer,' : 'looks at';
    const titles = { title: titleOf(view), footer, width };
    const weights = (/** @type {number} */ i) => map.subarray(i * n, (i + 1) * n);
    const read = {
        weights,
        words: (/** @type {number} */ i) =>
            i < 0
                ? HOW_TO
                : sayStrongest({ pieces, i, does, weights: weights(i), inWords: inPercent }),
    };
    if (mode === 'matrix') {
        const matrix = {
            ...titles,
            ...WEIGHTS,
            labels,
            values: map,
            rows: has_flow ? 'pieces of the last layer' : 'the piece that looks',
            columns: has_flow ? 'what of each is in them' : 'the piece looked at',
        };
        const wordsOf = (/** @type {number} */ row, /** @type {number} */ column) =>
            `${said(pieces[row])} ${does} ${said(pieces[column])}: ` +
            inPercent(map[row * n + column]);
        return { ...read, element: await readableMatrix(matrix, wordsOf, reader) };
    }
    const { svg, show, pieceAt } = drawLines({
        ...titles,
        labels: labels.slice(first, first + MOST_ROWS),
        first,
        weights: map,
        n,
        heads: has_flow ? ['last layer', 'pieces'] : ['looks', 'is looked at'],
    });
    svg.setAttribute('role', 'img');
    svg.setAttribute(
        'aria-label',
        `${titles.title}: lines between pieces. Choose a word piece to hear where it looks.`,
    );
    svg.addEventListener('pointermove', ({ clientY }) => {
        const at = pieceAt(clientY);
        if (at >= 0) reader.point(at);
    });
    svg.addEventListener('click', ({ clientY }) => {
        const at = pieceAt(clientY);
        if (at >= 0) reader.choose(at);
    });
    svg.addEventListener('pointerleave', () => reader.point(-1));
    return { ...read, element: svg, mark: show };
}

/** @param {View} view */
function titleOf({ layer, head, has_flow }) {
    if (has_flow) return 'Attention through all layers (rollout)';
    const of_heads = head === null ? 'the mean of all heads' : `head ${head}`;
    return `Attention in layer ${layer}, ${of_heads}`;
}
