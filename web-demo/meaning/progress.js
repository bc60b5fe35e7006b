/** How far sentences are read and compared, in words and with a button that ends it. */

import { make } from '../shell/dom.js';
import { inPercent, inTime, inWhole } from '../shell/format.js';

/**
 * @param {HTMLElement} node  is filled
 * @param {object} how
 * @param {number} how.delay  milliseconds until it is seen: of small work nothing is
 * @param {AbortSignal} how.signal  of the work
 * @param {() => void} how.cancel
 */
export function startProgress(node, { delay, signal, cancel }) {
    const bar = make('progress', { 'aria-label': 'Comparing' });
    const words = make('p', { className: 'hint numbers' }, 'Reading …');
    const button = make('button', { type: 'button', onclick: cancel }, 'Cancel');
    const timer = setTimeout(
        () => node.replaceChildren(make('div', {}, bar, words, button)),
        delay,
    );
    const begin = performance.now();
    const end = () => clearTimeout(timer);
    signal.addEventListener('abort', end);
    return {
        /** The work is over. */
        end,
        read(/** @type {number} */ done, /** @type {number} */ total) {
            if (signal.aborted) return;
            bar.max = total;
            bar.value = done;
            const seconds = (performance.now() - begin) / 1000;
            const left =
                done && seconds > 1 ? `, ${inTime((seconds / done) * (total - done))} left` : '';
            words.textContent = `Read: ${inWhole(done)} of ${inWhole(total)}${left}`;
        },
        compared(/** @type {number} */ share) {
            bar.max = 1;
            bar.value = share;
            words.textContent = `Comparing all with all: ${inPercent(share)}`;
        },
    };
}
