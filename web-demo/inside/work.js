/** Work that takes long says so, and can be cancelled; of short work nothing is shown. */

import { make } from '../shell/dom.js';

/** Milliseconds after which work takes long. */
const PATIENCE = 300;

/**
 * @param {object} work
 * @param {HTMLElement} work.place  where it is said
 * @param {string} work.words
 * @param {AbortSignal} work.signal  once it is aborted, nothing is said any more
 * @param {() => void} work.cancel
 */
export function showWork({ place, words, signal, cancel }) {
    const bar = make('progress', { 'aria-label': words });
    const element = make(
        'div',
        { className: 'inside-work' },
        bar,
        make('p', { className: 'hint' }, words),
        make('button', { type: 'button', onclick: cancel }, 'Cancel'),
    );
    const timer = setTimeout(() => {
        if (!signal.aborted) place.replaceChildren(element);
    }, PATIENCE);
    signal.addEventListener('abort', () => clearTimeout(timer));
    return {
        /** @param {{done: number, total: number}} progress */
        step({ done, total }) {
            bar.max = total;
            bar.value = done;
        },
        done() {
            clearTimeout(timer);
            element.remove();
        },
    };
}
