/** What the views of all tasks have in common: fields that keep their texts, and answers. */

import { make } from '../shell/dom.js';
import { inPercent } from '../shell/format.js';

/** Milliseconds without a key before a text is read. */
const DEBOUNCE = 200;

/** Milliseconds after which it is said that reading takes its time. */
const PATIENCE = 400;

/**
 * @typedef {object} TaskContext  what the view of a task is given
 * @property {any} pipe  the pipeline of the task
 * @property {(words: string) => void} announce
 *
 * @typedef {object} Reading  an answer
 * @property {Node[]} nodes
 * @property {string} words  the same in a sentence, for who does not see it
 *
 * @typedef {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} Field
 */

/** What was typed, by label: it is still there when another model is opened. */
const typed = /** @type {Map<string, string>} */ (new Map());

let n_made = 0;

/**
 * A field with its label, and perhaps a hint. The texts go nowhere but to the model.
 * @param {HTMLElement} node  gets it
 * @param {{label: string, sample: string, hint?: string, key?: string, is_line?: boolean}} about
 * @returns {HTMLInputElement | HTMLTextAreaElement}
 */
export function addField(node, { label, sample, hint, key = label, is_line = false }) {
    const id = `your_model-field-${++n_made}`;
    const field = make(is_line ? 'input' : 'textarea', {
        id,
        dir: 'auto',
        spellcheck: false,
        autocomplete: 'off',
        value: typed.get(key) ?? sample,
    });
    field.addEventListener('input', () => typed.set(key, field.value));
    const name = make('label', { htmlFor: id }, label);
    const words = hint ? [make('p', { className: 'hint', id: `${id}-hint` }, hint)] : [];
    if (hint) field.setAttribute('aria-describedby', `${id}-hint`);
    node.append(make('div', { className: 'your_model-field' }, name, field, ...words));
    return field;
}

/**
 * Reads what is in fields whenever that changes; only the answer to the newest counts.
 * @param {HTMLElement} node  gets the answer
 * @param {Field[]} fields
 * @param {TaskContext} context
 * @param {(options: {signal: AbortSignal}) => Promise<Reading | string>} read  a string: why there
 *   is no answer
 * @returns {{again: () => void, stop: () => void}}
 */
export function answerTo(node, fields, { announce }, read) {
    const output = make('div', { className: 'your_model-answer', dataset: { part: 'answer' } });
    node.append(output);
    let reading = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let debounce;

    async function run() {
        const { signal } = reading;
        const slow = setTimeout(() => {
            const stop = make('button', { type: 'button', onclick: cancel }, 'Cancel');
            output.replaceChildren(
                make('div', { className: 'row' }, make('span', {}, 'Reading …'), stop),
            );
        }, PATIENCE);
        try {
            const result = await read({ signal });
            if (signal.aborted) return;
            if (typeof result === 'string') remark(result);
            else {
                output.replaceChildren(...result.nodes);
                output.dataset.state = 'answered';
                announce(result.words);
            }
        } catch (error) {
            if (signal.aborted) return;
            remark(/** @type {Error} */ (error).message);
        } finally {
            clearTimeout(slow);
        }
    }

    /** @param {string} words */
    function remark(words) {
        output.replaceChildren(make('p', { className: 'hint' }, words));
        output.dataset.state = 'remark';
        announce(words);
    }

    function stop() {
        reading.abort();
        clearTimeout(debounce);
    }

    function cancel() {
        stop();
        remark('Cancelled. Change the text to have it read again.');
    }

    function again(delay = 0) {
        stop();
        reading = new AbortController();
        output.dataset.state = 'reading';
        debounce = setTimeout(run, delay);
    }

    for (const field of fields) field.addEventListener('input', () => again(DEBOUNCE));
    again();
    return { again, stop };
}

/**
 * A label with a bar and its number.
 * @param {object} about
 * @param {string | Node} about.label
 * @param {string} [about.name]  of the bar; default the label
 * @param {number} about.score
 * @param {string} [about.tone]  see shell/tone.js
 * @param {boolean} [about.is_share]  0 to 1, written in per cent; default true
 * @param {boolean} [about.has_bar]  default whether it is a share
 */
export function scoreRow({
    label,
    name,
    score,
    tone = 'other',
    is_share = true,
    has_bar = is_share,
}) {
    const words = make('span', { className: 'your_model-label', dir: 'auto' }, label);
    const number = make('span', { className: 'numbers' }, is_share ? inPercent(score) : say(score));
    const bar = make('meter', { min: 0, max: 1, value: Math.min(1, Math.max(0, score)) });
    bar.setAttribute('aria-label', name ?? words.textContent ?? '');
    const row = make('div', { className: 'your_model-score', dataset: { tone } }, words);
    row.append(...(has_bar ? [bar] : [make('span')]), number);
    return row;
}

/** Of numbers that are no shares. @param {number} number */
export const say = (number) =>
    new Intl.NumberFormat('en-GB', { maximumSignificantDigits: 3 }).format(number);

/** Lines that are not empty. @param {string} text */
export const linesOf = (text) =>
    text
        .split('\n')
        .map((line) => line.trim())
        .filter(Boolean);

/** Beside an answer where a text was cut. @param {boolean | undefined} truncated */
export const cutNote = (truncated) =>
    truncated
        ? [
              make(
                  'p',
                  { className: 'hint' },
                  'The text is longer than the model reads: the answer is about its beginning.',
              ),
          ]
        : [];
