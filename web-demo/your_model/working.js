/** How far a model is: being read or fetched, converted, loaded; with a button that ends it. */

import { make } from '../shell/dom.js';
import { inArrival, inWhole } from '../shell/format.js';

/**
 * @param {string} title
 * @param {() => void} cancel
 */
export function makeWorking(title, cancel) {
    const bar = make('progress', { id: 'your_model-progress' });
    const label = make('label', { htmlFor: bar.id, dataset: { part: 'doing' } }, title);
    const words = make(
        'p',
        { className: 'hint numbers', dataset: { part: 'progress' } },
        'Starting …',
    );
    const button = make('button', { type: 'button', onclick: cancel }, 'Cancel');
    const element = make(
        'div',
        { className: 'panel your_model-working' },
        label,
        bar,
        words,
        button,
    );

    /**
     * @param {import('./get_page.js').Progress} progress
     * @param {string} doing  where it is not a conversion's step
     */
    const show = ({ loaded, total, rate, phase }, doing) => {
        const is_step = phase === 'convert';
        label.textContent = is_step ? 'Converting, and comparing with the original' : doing;
        if (total) Object.assign(bar, { max: total, value: loaded });
        else bar.removeAttribute('value');
        words.textContent = is_step
            ? `Step ${inWhole(loaded)} of ${inWhole(total)}`
            : inArrival(loaded, total, rate);
    };
    return { element, show };
}
