/** Which picture is drawn: its kind, the layer and the head, and which pieces of many. */

import { make, partsOf } from '../shell/dom.js';
import { inWhole } from '../shell/format.js';
import { MOST_ROWS } from './pictures.js';
import { isAttention } from './state.js';

/** @typedef {import('./state.js').Mode} Mode */
/** @typedef {import('./state.js').View} View */

/** What is said above each picture. @type {Record<Mode, string>} */
const ABOUT = {
    lines:
        'Left the pieces that look, right those that they look at: the wider a line, the more of ' +
        'their attention it has. Special pieces take what a head has no other use for.',
    matrix: 'Each row is a piece that looks: its weights make 100% together.',
    states:
        'How alike what the model knows of any two pieces is behind a layer: the cosine of their ' +
        'hidden states. Pieces begin as words of a dictionary, and end as parts of this text.',
    answer:
        'Each piece is hidden in turn: a bar is what the answer’s log-odds lose by it. ' +
        'Where several pieces say the same, each has a short bar.',
};
const ABOUT_FLOW =
    'Rollout follows attention through all layers: what of each piece has come into each piece ' +
    'of the last layer, all heads taken together.';

/**
 * @param {HTMLElement} section
 * @param {object} how
 * @param {(changed: Partial<View>) => void} how.onchange
 * @param {(by: number) => void} how.onturn  to earlier pieces or later ones, so many
 */
export function makeControls(section, { onchange, onturn }) {
    const parts = partsOf(section);
    const buttons = /** @type {HTMLElement[]} */ ([...section.querySelectorAll('[data-mode]')]);

    for (const button of buttons) {
        button.onclick = () => onchange({ mode: /** @type {Mode} */ (button.dataset.mode) });
    }
    parts.layer.onchange = () => onchange({ layer: Number(parts.layer.value) });
    parts.head.onchange = () => onchange({ head: Number(parts.head.value) || null });
    parts.flow.onchange = () => onchange({ has_flow: parts.flow.checked });
    parts.earlier.onclick = () => onturn(-MOST_ROWS);
    parts.later.onclick = () => onturn(MOST_ROWS);

    /** @param {Mode} mode @param {number} first  piece that is drawn @param {number} n */
    function showPages(mode, first, n) {
        const last = Math.min(n, first + MOST_ROWS);
        const [from, to, all] = [first + 1, last, n].map(inWhole);
        parts.pages.hidden = n <= MOST_ROWS || (mode !== 'lines' && mode !== 'answer');
        parts.pages_words.textContent = `Drawn: pieces ${from} to ${to} of ${all}`;
        parts.earlier.disabled = first === 0;
        parts.later.disabled = last === n;
    }

    return {
        /** What a model has to choose from. @param {{n_layers: number, n_heads: number}} shape */
        fill({ n_layers, n_heads }) {
            const numbers = (/** @type {number} */ n) =>
                Array.from({ length: n }, (_, i) =>
                    make('option', { value: String(i + 1) }, String(i + 1)),
                );
            parts.layer.replaceChildren(
                make('option', { value: '0' }, 'Embeddings'),
                ...numbers(n_layers),
            );
            parts.head.replaceChildren(
                make('option', { value: 'mean' }, 'Mean of all'),
                ...numbers(n_heads),
            );
        },
        /**
         * @param {View} view
         * @param {{first: number, n: number}} pieces  the first that is drawn, and how many are
         */
        show({ mode, layer, head, has_flow }, { first, n }) {
            for (const button of buttons) {
                button.setAttribute('aria-pressed', String(button.dataset.mode === mode));
            }
            const is_attention = isAttention(mode);
            parts.where.hidden = mode === 'answer';
            for (const each of [parts.head_choice, parts.flow_label]) each.hidden = !is_attention;
            parts.layer.options[0].hidden = is_attention;
            parts.layer.options[0].disabled = is_attention;
            parts.layer.disabled = is_attention && has_flow;
            parts.head.disabled = has_flow;
            parts.layer.value = String(layer);
            parts.head.value = String(head ?? 'mean');
            parts.flow.checked = has_flow;
            parts.about.textContent = is_attention && has_flow ? ABOUT_FLOW : ABOUT[mode];
            showPages(mode, first, n);
        },
    };
}
