/** What may stand in the places that are left out; pressed, it stands there. */

import { make } from '../../shell/dom.js';
import { inPercent } from '../../shell/format.js';
import { addField, answerTo, cutNote, scoreRow } from '../reading.js';

/** Words for each place. */
const MOST = 5;

/** @type {import('../tasks.js').MountTask} */
export function mount(node, context) {
    const { pipe } = context;
    const mask = /** @type {string} */ (pipe.model.tokenizer.traits.mask.token);
    const text = addField(node, {
        label: `Text, with ${mask} where a word is left out`,
        key: `Text with ${mask}`,
        sample: `The capital of France is ${mask}, and its river is the ${mask}.`,
    });
    const add = make('button', { type: 'button', onclick: insertMask }, `Insert ${mask}`);
    node.append(make('div', { className: 'row' }, add));

    function insertMask() {
        const { selectionStart, selectionEnd } = text;
        text.setRangeText(mask, selectionStart ?? 0, selectionEnd ?? 0, 'end');
        changed();
    }

    function changed() {
        text.dispatchEvent(new Event('input'));
        text.focus();
    }

    /** @param {number} place  which of the masks @param {string} token */
    function insertWord(place, token) {
        const parts = text.value.split(mask);
        const before = parts.slice(0, place + 1).join(mask);
        const after = parts.slice(place + 1).join(mask);
        // What continues a word has no space before it.
        const start = token.startsWith('##') ? before.trimEnd() : before;
        text.value = start + token.replace(/^##/, '').trim() + after;
        changed();
    }

    const { stop } = answerTo(node, [text], context, async (options) => {
        if (!text.value.includes(mask))
            return `Nothing is left out. Put ${mask} where a word may be.`;
        const found = await pipe(text.value, { top_k: MOST, ...options });
        const places = /** @type {{token_str: string, score: number, truncated?: true}[][]} */ (
            Array.isArray(found[0]) ? found : [found]
        );
        const nodes = places.map((fillings, place) => {
            const title = places.length > 1 ? `Place ${place + 1}` : 'Into the place';
            const rows = fillings.map(({ token_str, score }) => {
                const put = make(
                    'button',
                    { type: 'button', onclick: () => insertWord(place, token_str) },
                    token_str.trim() || '(space)',
                );
                return scoreRow({ label: put, score });
            });
            const legend = make('legend', {}, title);
            return make('fieldset', { className: 'your_model-place' }, legend, ...rows);
        });
        const words = places.map(([{ token_str, score }]) => `${token_str}, ${inPercent(score)}`);
        return { nodes: [...nodes, ...cutNote(places[0][0].truncated)], words: words.join('; ') };
    });
    return stop;
}
