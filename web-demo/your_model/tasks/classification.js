/** Texts, or pairs of them, get labels: a bar for each. */

import { make } from '../../shell/dom.js';
import { toneOf, wordOf } from '../../shell/tone.js';
import { addField, answerTo, cutNote, say, scoreRow } from '../reading.js';

/** Labels that are shown. */
const MOST = 12;

/** @type {import('../tasks.js').MountTask} */
export function mount(node, context) {
    const { pipe } = context;
    const text = addField(node, {
        label: 'Text',
        sample: 'The food was lovely and the waiter could not have been kinder.',
    });
    const pair = make('details', {}, make('summary', {}, 'It reads pairs of texts'));
    node.append(pair);
    const second = addField(pair, { label: 'Second text', sample: '' });
    pair.open = second.value !== '';
    const { stop } = answerTo(node, [text, second], context, async (options) => {
        if (!text.value.trim()) return 'Nothing to read yet.';
        const input = second.value.trim()
            ? { text: text.value, text_pair: second.value }
            : text.value;
        const all = await pipe(input, { top_k: null, ...options });
        const is_share = pipe.model.config.problem_type !== 'regression';
        const rows = all
            .slice(0, MOST)
            .map((/** @type {{label: string, score: number}} */ { label, score }) =>
                scoreRow({ label: wordOf(label), score, tone: toneOf(label), is_share }),
            );
        const more = all.length - rows.length;
        const rest = more > 0 ? [make('p', { className: 'hint' }, `and ${more} more labels`)] : [];
        const [{ label, score, truncated }] = all;
        const number = is_share ? `${Math.round(100 * score)} per cent` : say(score);
        return {
            nodes: [...rows, ...rest, ...cutNote(truncated)],
            words: `${wordOf(label)}, ${number}`,
        };
    });
    return stop;
}
