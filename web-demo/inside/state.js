/**
 * What is looked at, and how the address has it: a link restores it.
 *
 * @typedef {import('../shell/models.js').Kind} Kind
 * @typedef {import('../shell/views.js').State} State
 * @typedef {'lines' | 'matrix' | 'states' | 'answer'} Mode  which picture is drawn
 * @typedef {{text: string, text_pair?: string}} Input
 *
 * @typedef {object} View
 * @property {Kind} kind  of the model
 * @property {Mode} mode
 * @property {number} layer  from 1; 0: the embeddings
 * @property {number | null} head  from 1; null: the mean of all
 * @property {boolean} has_flow  whether attention is that through all layers (rollout)
 * @property {number} chosen  the piece that is kept, from 0; -1: none
 */

import { MOST_IN_LINK } from '../shell/router.js';

const MODES = /** @type {Mode[]} */ (['lines', 'matrix', 'states', 'answer']);

/** In the page's own classifier this one looks for what turns the sentence. */
const FIRST = { layer: '6', head: '3' };

/** @param {Mode} mode */
export const isAttention = (mode) => mode === 'lines' || mode === 'matrix';

/** @param {Input} input */
export const fitsLink = ({ text, text_pair = '' }) =>
    text.length + text_pair.length <= MOST_IN_LINK;

/** @param {State} state @returns {View} */
export function viewOf(state) {
    const number = (/** @type {string | undefined} */ value, /** @type {number} */ least) =>
        Math.max(least, Math.floor(Number(value)) || least);
    const mode = MODES.find((mode) => mode === state.mode) ?? 'lines';
    const head = state.head ?? FIRST.head;
    return {
        kind: state.model === 'embedder' ? 'embedder' : 'classifier',
        mode,
        layer: number(state.layer ?? FIRST.layer, mode === 'states' ? 0 : 1),
        head: Number(head) >= 1 ? number(head, 1) : null,
        has_flow: state.flow === 'yes',
        chosen: number(state.piece, 0) - 1,
    };
}

/** @param {View} view @param {Input} input @returns {State} */
export function stateOf({ kind, mode, layer, head, has_flow, chosen }, input) {
    const { text, text_pair } = input;
    const fits = fitsLink(input);
    return {
        ...(fits ? { text } : {}),
        ...(fits && text_pair ? { pair: text_pair } : {}),
        ...(kind === 'classifier' ? {} : { model: kind }),
        mode,
        layer: String(layer),
        head: String(head ?? 'mean'),
        ...(has_flow ? { flow: 'yes' } : {}),
        ...(chosen < 0 ? {} : { piece: String(chosen + 1) }),
    };
}
