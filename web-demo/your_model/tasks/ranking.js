/** Documents in the order of how well they answer a query. */

import { make } from '../../shell/dom.js';
import { addField, answerTo, cutNote, linesOf, scoreRow } from '../reading.js';

/** @type {import('../tasks.js').MountTask} */
export function mount(node, context) {
    const { pipe } = context;
    const query = addField(node, {
        label: 'Query',
        sample: 'How many people live in Berlin?',
        is_line: true,
    });
    const documents = addField(node, {
        label: 'Documents, one a line',
        sample:
            'New York City is famous for its museums.\n' +
            'Berlin has a population of 3,520,031 registered inhabitants.\n' +
            'Berlin lies on the river Spree.',
    });
    const { stop } = answerTo(node, [query, documents], context, async (options) => {
        if (!query.value.trim()) return 'Type a query.';
        const given = linesOf(documents.value);
        if (!given.length) return 'Type documents, one a line.';
        const ranked = /** @type {{corpus_id: number, score: number, truncated?: true}[]} */ (
            await pipe(query.value, given, options)
        );
        const is_share = ranked.every(({ score }) => score >= 0 && score <= 1);
        const items = ranked.map(({ corpus_id, score }) =>
            make('li', {}, scoreRow({ label: given[corpus_id], score, is_share })),
        );
        const list = make('ol', { className: 'your_model-ranked' }, ...items);
        const is_cut = ranked.some(({ truncated }) => truncated);
        return { nodes: [list, ...cutNote(is_cut)], words: `First: ${given[ranked[0].corpus_id]}` };
    });
    return stop;
}
