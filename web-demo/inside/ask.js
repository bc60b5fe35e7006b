/** What is asked: which text or pair is read, and which model reads it. */

import { make, partsOf } from '../shell/dom.js';

/** @typedef {import('../shell/models.js').Kind} Kind */

/** What there is to try. @type {{text: string, pair?: string}[]} */
const SAMPLES = [
    { text: 'I expected a dull evening, but the film was wonderful.' },
    { text: "The animal didn't cross the street because it was too tired." },
    { text: "Unbelievably, the antidisestablishmentarians weren't unenthusiastic." },
    { text: 'The bank raised its rates, so we sat down on the bank of the river.' },
    { text: 'A man is playing the guitar.', pair: 'Somebody makes music.' },
];

/**
 * @param {HTMLElement} section
 * @param {object} how
 * @param {import('../shell/models.js').Models} how.models
 * @param {() => void} how.onwrite  at each key
 * @param {() => void} how.onsample  one of the texts to try was taken
 * @param {(kind: Kind) => void} how.onmodel
 */
export function makeAsk(section, { models, onwrite, onsample, onmodel }) {
    const parts = partsOf(section);

    /** The first sample, where there is none. @param {{text?: string, pair?: string}} texts */
    function write({ text = SAMPLES[0].text, pair = '' }) {
        parts.text.value = text;
        parts.pair.value = pair;
    }

    parts.sample.append(
        make('option', { value: '' }, 'Texts to try'),
        ...SAMPLES.map(({ text, pair }, i) =>
            make('option', { value: String(i) }, pair ? `${text} + ${pair}` : text),
        ),
    );
    parts.text.oninput = onwrite;
    parts.pair.oninput = onwrite;
    parts.sample.onchange = () => {
        if (parts.sample.value === '') return;
        write(SAMPLES[Number(parts.sample.value)]);
        parts.sample.value = '';
        onsample();
    };
    parts.model.onchange = () => onmodel(parts.model.value);

    return {
        write,
        /** @returns {import('./state.js').Input} */
        input() {
            const [text, text_pair] = [parts.text.value.trim(), parts.pair.value.trim()];
            return text_pair ? { text, text_pair } : { text };
        },
        /** Names the models as they are now. @param {Kind} chosen */
        showModels(chosen) {
            const kinds = /** @type {Kind[]} */ (['classifier', 'embedder']);
            parts.model.replaceChildren(
                ...kinds.map((kind) => {
                    const what = models.isVisitors(kind)
                        ? 'your own'
                        : kind === 'classifier'
                          ? 'says how texts sound'
                          : 'makes vectors of sentences';
                    const size = models.isReady(kind) ? '' : ', 24 MB to load';
                    const words = `${models.nameOf(kind)} (${what}${size})`;
                    return make('option', { value: kind }, words);
                }),
            );
            parts.model.value = chosen;
        },
    };
}
