/** The picture of hidden states: how alike what the model knows of any two pieces is. */

import { inHundredths } from '../shell/format.js';
import { readableMatrix } from './shown.js';
import { HOW_TO, said, sayStrongest } from './words.js';

/**
 * @param {object} what
 * @param {import('./reading.js').Piece[]} what.pieces
 * @param {Float32Array} what.cosines  [n, n]
 * @param {number} what.layer  0: the embeddings
 * @param {number} what.width
 * @param {string} what.footer
 * @param {import('./shown.js').Reader} what.reader
 * @returns {Promise<import('./shown.js').Shown>}
 */
export async function drawHiddenStates({ pieces, cosines, layer, width, footer, reader }) {
    const n = pieces.length;
    let least = 1;
    for (const value of cosines) if (value < least) least = value;
    const range = 1 - least || 1;
    const tint = (/** @type {number} */ value) => Math.max(0, (value - least) / range) ** 1.5;
    const rowOf = (/** @type {number} */ i) => cosines.subarray(i * n, (i + 1) * n);
    const matrix = {
        title:
            layer === 0
                ? 'How alike pieces are as embeddings'
                : `How alike pieces are behind layer ${layer}`,
        footer,
        width,
        labels: pieces.map(({ token }) => token),
        values: cosines,
        tint,
        legend: [0, 0.25, 0.5, 0.75, 1].map((share) => {
            const value = least + share * range;
            return /** @type {[string, number]} */ ([inHundredths(value), value]);
        }),
        rows: 'pieces',
        columns: 'the same, cosines',
    };
    const wordsOf = (/** @type {number} */ row, /** @type {number} */ column) =>
        `${said(pieces[row])} and ${said(pieces[column])}: ` +
        inHundredths(cosines[row * n + column]);
    return {
        element: await readableMatrix(matrix, wordsOf, reader),
        weights: (i) => rowOf(i).map(tint),
        words: (i) =>
            i < 0
                ? HOW_TO
                : sayStrongest({
                      pieces,
                      i,
                      does: 'is most like',
                      weights: rowOf(i),
                      but: i,
                      inWords: inHundredths,
                  }),
    };
}
