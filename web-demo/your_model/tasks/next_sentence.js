/** Whether one text follows another. */

import { make } from '../../shell/dom.js';
import { inPercent } from '../../shell/format.js';
import { addField, answerTo, cutNote, scoreRow } from '../reading.js';

/** @type {import('../tasks.js').MountTask} */
export function mount(node, context) {
    const { pipe } = context;
    const first = addField(node, { label: 'First text', sample: 'She opened the window.' });
    const second = addField(node, {
        label: 'Does this follow?',
        sample: 'The air was cold, and smelled of rain.',
    });
    const { stop } = answerTo(node, [first, second], context, async (options) => {
        if (!first.value.trim() || !second.value.trim()) return 'Type both texts.';
        const pair = { text: first.value, text_pair: second.value };
        const { is_next, score, truncated } = await pipe(pair, options);
        const verdict = is_next ? 'It follows' : 'It does not follow';
        return {
            nodes: [
                make('p', { className: 'your_model-verdict' }, verdict),
                scoreRow({ label: 'follows', score }),
                scoreRow({ label: 'does not', score: 1 - score }),
                ...cutNote(truncated),
            ],
            words: `${verdict}, ${inPercent(score)}`,
        };
    });
    return stop;
}
