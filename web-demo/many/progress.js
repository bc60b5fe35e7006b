/** How far the rows are, as a bar and in words. */

import { ENCODINGS } from '../files/formats.js';
import { inTime, inUnits, inWhole } from '../shell/format.js';

/**
 * @param {import('./rows.js').Rows} rows
 * @param {import('./many.js').State} state
 * @param {import('./classify_all.js').ClassifyAll | null} work  null: the model is not there yet,
 *   or nothing is done
 * @param {object} parts
 * @param {HTMLElement} parts.facts  of the file
 * @param {HTMLElement} parts.title
 * @param {HTMLProgressElement} parts.bar
 * @param {HTMLElement} parts.words
 * @param {HTMLButtonElement} parts.rest  goes on with it
 */
export function drawProgress(rows, state, work, { facts, title, bar, words, rest }) {
    const { n, n_done, seconds } = rows;
    const so_far = `${inWhole(n_done)} of ${inWhole(n)}`;
    const { names, encoding } = rows.source;
    const more =
        state === 'full'
            ? `classified in ${inTime(seconds)} by ${rows.model_name}`
            : `${inUnits(names.length, 'column')}, ${ENCODINGS[encoding]}`;
    facts.textContent = `${inUnits(n, 'row')}, ${more}`;
    bar.max = n;
    if (state === 'working' && !work) bar.removeAttribute('value');
    else bar.value = n_done;
    if (state === 'stopped' || state === 'paused') {
        title.textContent = state === 'paused' ? 'Paused' : 'Stopped';
        words.textContent = `${so_far}. What is done is kept.`;
        rest.textContent = `Classify the other ${inWhole(n - n_done)}`;
        return;
    }
    title.textContent = work ? 'Classifying' : 'Waiting for the model';
    const pace = work?.pace;
    words.textContent = pace
        ? `${so_far}, ${inWhole(pace.rate)} texts/s, ${inTime(pace.left)} left`
        : so_far;
}
