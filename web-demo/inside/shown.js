/**
 * A picture as it is read: piece by piece, and where it is a matrix cell by cell.
 *
 * @typedef {object} Shown
 * @property {Element & HTMLOrSVGElement} element
 * @property {(i: number) => string} words  of a piece; -1: while none is looked at
 * @property {(i: number) => Float32Array | null} weights  what a piece has to do with each
 * @property {(i: number) => void} [mark]  shows a piece in the picture; -1: none of them
 *
 * @typedef {object} Reader  who is told what is done in a picture
 * @property {(i: number) => void} point  at a piece; -1: the pointer has left
 * @property {(i: number) => void} choose  a piece
 * @property {(words: string, by_key: boolean) => void} say  what a cell is
 * @property {() => void} leave  the cells
 */

import { inUnits } from '../shell/format.js';
import { drawMatrix, makeReadable } from '../shell/matrix.js';

/**
 * A matrix of pieces whose cells are read.
 * @param {import('../shell/matrix.js').Matrix} matrix
 * @param {(row: number, column: number) => string} wordsOf  a cell
 * @param {Reader} reader
 */
export async function readableMatrix(matrix, wordsOf, { say, leave }) {
    const drawn = await drawMatrix(matrix);
    const n = matrix.labels.length;
    makeReadable(drawn, {
        n,
        label: `${matrix.title}, a matrix of ${inUnits(n, 'piece')}.`,
        look: (row, column, by_key) => say(wordsOf(row, column), by_key),
        leave,
    });
    return drawn.svg;
}
