/** Vectors of texts: how alike the first one and each other are, and the numbers themselves. */

import { copyText, make } from '../../shell/dom.js';
import { inWhole } from '../../shell/format.js';
import { addField, answerTo, linesOf, say, scoreRow } from '../reading.js';

/** Numbers of a vector that are shown. */
const MOST = 8;

/** @type {import('../tasks.js').MountTask} */
export function mount(node, context) {
    const { pipe } = context;
    const { config } = pipe.model;
    const is_sentence_model = Object.values(config.outputs).some(
        (/** @type {any} */ { output }) => output === 'sentence_embedding',
    );
    const texts = addField(node, {
        label: 'Texts, one a line: each is compared with the first',
        sample:
            'The parcel arrived two days late.\n' +
            'My delivery came later than promised.\n' +
            'The soup needs more salt.',
        hint: is_sentence_model
            ? undefined
            : 'This model was not made for comparing: its vectors are the mean of their tokens.',
    });
    const names = Object.keys(config.prompts);
    const prompt = make('select', { id: 'your_model-prompt' });
    if (names.length) {
        const usual = config.default_prompt_name;
        prompt.append(make('option', { value: '' }, usual ? `the usual (${usual})` : 'none'));
        prompt.append(...names.map((name) => make('option', { value: name }, name)));
        const label = make('label', { htmlFor: prompt.id }, 'Prompt before each text');
        node.append(make('div', { className: 'your_model-field' }, label, prompt));
    }
    const { stop } = answerTo(node, [texts, prompt], context, async (options) => {
        const given = linesOf(texts.value);
        if (!given.length) return 'Nothing to read yet.';
        const { dims, data } = await pipe(given, {
            pooling: is_sentence_model ? null : 'mean',
            prompt_name: prompt.value || null,
            ...options,
        });
        const n = dims[1];
        const rows = given.map(
            (_, i) => /** @type {Float32Array} */ (data.subarray(i * n, (i + 1) * n)),
        );
        const scores = rows.slice(1).map((row) => cosine(rows[0], row));
        const bars = scores.map((score, i) =>
            scoreRow({ label: given[i + 1], score, is_share: false, has_bar: true }),
        );
        const numbers = make(
            'table',
            { className: 'your_model-vectors numbers' },
            make('caption', { className: 'hint' }, `Vectors of ${inWhole(n)} numbers`),
            make(
                'tbody',
                {},
                ...rows.map((row, i) =>
                    make(
                        'tr',
                        {},
                        make('th', { scope: 'row', dir: 'auto' }, given[i]),
                        make('td', {}, `${Array.from(row.subarray(0, MOST), say).join(', ')}, …`),
                    ),
                ),
            ),
        );
        const copy = make('button', { type: 'button' }, 'Copy vectors as JSON');
        copy.onclick = () =>
            copyText(
                copy,
                JSON.stringify(rows.map((row, i) => ({ text: given[i], vector: [...row] }))),
            );
        const best = scores.indexOf(Math.max(...scores));
        const words = scores.length
            ? `Most alike, ${say(scores[best])}: ${given[best + 1]}`
            : `A vector of ${n} numbers`;
        return { nodes: [...bars, numbers, copy], words };
    });
    return stop;
}

/** Cosine of the angle between two vectors. @param {Float32Array} a @param {Float32Array} b */
function cosine(a, b) {
    let dot = 0;
    let of_a = 0;
    let of_b = 0;
    for (let i = 0; i < a.length; i++) {
        dot += a[i] * b[i];
        of_a += a[i] * a[i];
        of_b += b[i] * b[i];
    }
    return dot / (Math.sqrt(of_a * of_b) || 1);
}
