/** Work that takes long says so, and can be cancelled; of short work nothing is shown. */

import { make } from './dom.js';

/** Milliseconds after which work takes long. */
const PATIENCE = 300;

/**
 * @param {object} work
 * @param {HTMLElement} work.place  where it is said: what is there goes
 * @param {string} work.words
 * @param {string} [work.label]  of the bar; default the words
 * @param {number} [work.delay]  milliseconds until it is seen
 * @param {AbortSignal} work.signal  once it is aborted, nothing is said any more
 * @param {() => void} work.cancel
 */
export function showWork({ place, words, label = words, delay = PATIENCE, signal, cancel }) {
    const bar = make('progress', { 'aria-label': label });
    const said = make('p', { className: 'hint numbers' }, words);
    const button = make('button', { type: 'button', onclick: cancel }, 'Cancel');
    const element = make('div', { className: 'work' }, bar, said, button);
    const timer = setTimeout(() => {
        if (!signal.aborted) place.replaceChildren(element);
    }, delay);
    signal.addEventListener('abort', () => clearTimeout(timer));
    return {
        /**
         * @param {{done: number, total: number}} progress
         * @param {string} [words]  default those that are there
         */
        step({ done, total }, words) {
            if (signal.aborted) return;
            bar.max = total;
            bar.value = done;
            if (words !== undefined) said.textContent = words;
        },
        done() {
            clearTimeout(timer);
            element.remove();
        },
    };
}
