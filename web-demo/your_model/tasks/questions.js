/** A question is answered from a text, where the answer is marked. */

import { make } from '../../shell/dom.js';
import { inPercent } from '../../shell/format.js';
import { addField, answerTo, scoreRow } from '../reading.js';

/** Answers that are shown. */
const MOST = 3;

/** @type {import('../tasks.js').MountTask} */
export function mount(node, context) {
    const { pipe } = context;
    const question = addField(node, {
        label: 'Question',
        sample: 'Where does Maria live?',
        is_line: true,
    });
    const text = addField(node, {
        label: 'Text that has the answer',
        sample: 'Maria works for a bakery in Ghent. She lives with her sister in Bruges.',
    });
    const { stop } = answerTo(node, [question, text], context, async (options) => {
        const given = text.value;
        if (!question.value.trim()) return 'Type a question.';
        if (!given.trim()) return 'Type a text that has the answer.';
        const found = await pipe(question.value, given, { top_k: MOST, ...options });
        const answers =
            /** @type {{answer: string, score: number, start: number, end: number}[]} */ (
                [found].flat().filter(({ answer }) => answer.trim())
            );
        if (!answers.length) return 'It finds no answer.';
        const [{ answer, start, end, score }] = answers;
        const marked = make(
            'p',
            { className: 'your_model-marked', dir: 'auto' },
            given.slice(0, start),
            make('mark', { dataset: { colour: '0' } }, given.slice(start, end)),
            given.slice(end),
        );
        const rows = answers.map((each) =>
            scoreRow({ label: each.answer, score: Math.min(1, each.score) }),
        );
        return { nodes: [marked, ...rows], words: `${answer}, ${inPercent(Math.min(1, score))}` };
    });
    return stop;
}
