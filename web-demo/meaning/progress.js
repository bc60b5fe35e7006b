/** How far sentences are read and compared, in words and with a button that ends it. */

import { inPercent, inTime, inWhole } from '../shell/format.js';
import { showWork } from '../shell/work.js';

/**
 * @param {HTMLElement} place
 * @param {object} how
 * @param {number} how.delay  milliseconds until it is seen: of small work nothing is
 * @param {AbortSignal} how.signal  of the work
 * @param {() => void} how.cancel
 */
export function startProgress(place, how) {
    const { step, done } = showWork({ place, words: 'Reading …', label: 'Comparing', ...how });
    const begin = performance.now();
    return {
        /** The work is over. */
        end: done,
        read(/** @type {number} */ done, /** @type {number} */ total) {
            const seconds = (performance.now() - begin) / 1000;
            const left =
                done && seconds > 1 ? `, ${inTime((seconds / done) * (total - done))} left` : '';
            step({ done, total }, `Read: ${inWhole(done)} of ${inWhole(total)}${left}`);
        },
        compared(/** @type {number} */ share) {
            step({ done: share, total: 1 }, `Comparing all with all: ${inPercent(share)}`);
        },
    };
}
