/** Pieces in words, and what a picture was made of. */

import { inWhole } from '../shell/format.js';

/** @typedef {import('./reading.js').Piece} Piece */

/** Of the pieces that one has to do with, so many are said. */
const N_SAID = 5;

/** What is said while no piece is looked at. */
export const HOW_TO = 'Point at a piece, tap it to keep it, or use the arrow keys.';

/** @param {Piece} piece */
export const said = ({ token, special }) => (special ? token : `“${token}”`);

/**
 * A piece, and those that it has most to do with.
 * @param {object} what
 * @param {Piece[]} what.pieces
 * @param {number} what.i  the piece
 * @param {string} what.does  what is between it and the others: 'looks at'
 * @param {Float32Array} what.weights  of all pieces
 * @param {number} [what.but]  a piece that is not said
 * @param {(weight: number) => string} what.inWords
 */
export function sayStrongest({ pieces, i, does, weights, but = -1, inWords }) {
    const list = Array.from(weights, (weight, at) => ({ weight, at }))
        .filter(({ at }) => at !== but)
        .sort((a, b) => b.weight - a.weight || a.at - b.at)
        .slice(0, N_SAID)
        .map(({ weight, at }) => `${said(pieces[at])} ${inWords(weight)}`);
    return `${said(pieces[i])} (piece ${inWhole(i + 1)}) ${does} ${list.join(', ')}`;
}

/**
 * The line below a picture.
 * @param {import('./state.js').Input} input
 * @param {string} model
 */
export function madeOf({ text, text_pair }, model) {
    const pair = text_pair ? ` + “${short(text_pair)}”` : '';
    return `“${short(text)}”${pair}, ${model}, bert-wasm`;
}

/** @param {string} text */
const short = (text) => (text.length > 70 ? `${text.slice(0, 69).trimEnd()}…` : text);
