/** Labels of the visitor's own: how well each fits a text. */

import { make } from '../../shell/dom.js';
import { inPercent } from '../../shell/format.js';
import { addField, answerTo, cutNote, scoreRow } from '../reading.js';

/** @type {import('../tasks.js').MountTask} */
export function mount(node, context) {
    const { pipe } = context;
    const text = addField(node, {
        label: 'Text',
        key: 'Text for own labels',
        sample: 'The battery dies after two hours, and nobody answers the phone.',
    });
    const labels = addField(node, {
        label: 'Labels, with commas',
        sample: 'a complaint, praise, a question',
        is_line: true,
    });
    const several = make('input', { type: 'checkbox', id: 'your_model-several' });
    const name = make('label', { htmlFor: several.id }, 'Several may fit');
    node.append(make('div', { className: 'row your_model-check' }, several, name));
    const { stop } = answerTo(node, [text, labels, several], context, async (options) => {
        if (!text.value.trim()) return 'Nothing to read yet.';
        const wanted = labels.value.split(',').map((label) => label.trim());
        const given = [...new Set(wanted.filter(Boolean))];
        if (!given.length) return 'Type a label or several.';
        const multi_label = several.checked;
        const found = await pipe(text.value, given, { multi_label, ...options });
        const rows = found.labels.map((/** @type {string} */ label, /** @type {number} */ i) =>
            scoreRow({ label, score: found.scores[i] }),
        );
        return {
            nodes: [...rows, ...cutNote(found.truncated)],
            words: `${found.labels[0]}, ${inPercent(found.scores[0])}`,
        };
    });
    return stop;
}
