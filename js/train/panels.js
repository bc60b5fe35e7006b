/** Matrices as the core has them, in panels of columns (docs/model-file.md), and as others do. */

import { BERT_PANEL } from '#core';

/** @param {number} n_out @param {number} n_in  of a matrix */
export const panelsShape = (n_out, n_in) => [Math.ceil(n_out / BERT_PANEL), n_in, BERT_PANEL];

/**
 * Where each number of a matrix is, by its output, then by its input.
 * @param {number} n_out
 * @param {number} n_in
 * @param {(row: number, panel: number) => void} visit  their indices
 */
function each(n_out, n_in, visit) {
    for (let out = 0, row = 0; out < n_out; out++) {
        let panel = Math.floor(out / BERT_PANEL) * n_in * BERT_PANEL + (out % BERT_PANEL);
        for (let i = 0; i < n_in; i++, row++, panel += BERT_PANEL) visit(row, panel);
    }
}

/**
 * @param {Float32Array} panels
 * @param {number} n_out
 * @param {number} n_in
 * @returns {Float32Array<ArrayBuffer>}  [n_out, n_in]
 */
export function toRows(panels, n_out, n_in) {
    const rows = new Float32Array(n_out * n_in);
    each(n_out, n_in, (row, panel) => {
        rows[row] = panels[panel];
    });
    return rows;
}

/**
 * @param {(row: number) => number} draw  each number, one after the other
 * @param {number} n_out
 * @param {number} n_in
 */
export function toPanels(draw, n_out, n_in) {
    const panels = new Float32Array(panelsShape(n_out, n_in).reduce((n, size) => n * size, 1));
    each(n_out, n_in, (row, panel) => {
        panels[panel] = draw(row);
    });
    return panels;
}
