/** Names and the like, marked in their text. */

import { make } from '../../shell/dom.js';
import { inPercent, inUnits } from '../../shell/format.js';
import { addField, answerTo, cutNote } from '../reading.js';

/** Colours that there are; each mark has its label beside it as well. */
const N_COLOURS = 6;

/** @type {import('../tasks.js').MountTask} */
export function mount(node, context) {
    const { pipe } = context;
    const labels = /** @type {string[]} */ (pipe.model.config.labels);
    const groups = [...new Set(labels.map((label) => label.replace(/^[BI]-/, '')))];
    const colourOf = (/** @type {string} */ label) => String(groups.indexOf(label) % N_COLOURS);

    const text = addField(node, {
        label: 'Text',
        key: 'Text with names',
        sample: 'Maria Schmidt lives in New York and works for Volkswagen.',
    });
    const { stop } = answerTo(node, [text], context, async (options) => {
        const given = text.value;
        if (!given.trim()) return 'Nothing to read yet.';
        const found = await pipe(given, { aggregation_strategy: 'first', ...options });
        const cut = cutNote(found.truncated);
        if (!found.length) {
            return { nodes: [make('p', {}, 'It finds none.'), ...cut], words: 'It finds none.' };
        }
        const marked = make('p', { className: 'your_model-marked', dir: 'auto' });
        let at = 0;
        for (const { entity_group, start, end, score } of found) {
            marked.append(given.slice(at, start));
            const label = make('span', { className: 'your_model-tag' }, ` ${entity_group}`);
            marked.append(
                make(
                    'mark',
                    { title: inPercent(score), dataset: { colour: colourOf(entity_group) } },
                    given.slice(start, end),
                    label,
                ),
            );
            at = end;
        }
        marked.append(given.slice(at));
        const counted = countLabels(found);
        const legend = make(
            'ul',
            { className: 'your_model-legend', dataset: { part: 'legend' } },
            ...counted.map(([label, n, mean]) =>
                make(
                    'li',
                    { dataset: { colour: colourOf(label) } },
                    make('b', {}, label),
                    ` ${n}, sure by ${inPercent(mean)}`,
                ),
            ),
        );
        const words = counted.map(([label, n]) => `${n} ${label}`).join(', ');
        return {
            nodes: [marked, legend, ...cut],
            words: `${inUnits(found.length, 'mark')}: ${words}`,
        };
    });
    return stop;
}

/**
 * How often each label is there, and the mean of its probabilities.
 * @param {{entity_group: string, score: number}[]} found
 * @returns {[string, number, number][]}
 */
function countLabels(found) {
    const sums = /** @type {Map<string, {n: number, sum: number}>} */ (new Map());
    for (const { entity_group, score } of found) {
        const { n, sum } = sums.get(entity_group) ?? { n: 0, sum: 0 };
        sums.set(entity_group, { n: n + 1, sum: sum + score });
    }
    return [...sums].map(([label, { n, sum }]) => [label, n, sum / n]);
}
