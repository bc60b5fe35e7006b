/** Work that takes a while: what is done, how much of it, and a way to end it. */

import { make } from '../shell/dom.js';
import { inWhole } from '../shell/format.js';

/** Milliseconds of work before it shows: what is quicker would only flicker. */
const SHOWN_AFTER = 350;

let n_made = 0;

export function makeWork() {
    const id = `read-work-${++n_made}`;
    const bar = make('progress', { id });
    const label = make('label', { htmlFor: id });
    const words = make('span', { className: 'hint numbers' });
    const cancel = make('button', { type: 'button' }, 'Cancel');
    const element = make(
        'div',
        { className: 'read-work', hidden: true, dataset: { part: 'working' } },
        make('div', { className: 'read-work-head' }, label, words),
        make('div', { className: 'read-work-bar' }, bar, cancel),
    );
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;

    return {
        element,
        /** @param {string} what @param {() => void} oncancel */
        begin(what, oncancel) {
            clearTimeout(timer);
            label.textContent = what;
            words.textContent = '';
            bar.removeAttribute('value');
            cancel.onclick = oncancel;
            timer = setTimeout(() => {
                element.hidden = false;
            }, SHOWN_AFTER);
        },
        /** @param {number} done @param {number} total */
        show(done, total) {
            bar.max = total;
            bar.value = done;
            words.textContent = `${inWhole(done)} of ${inWhole(total)}`;
        },
        end() {
            clearTimeout(timer);
            element.hidden = true;
        },
    };
}
