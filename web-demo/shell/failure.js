/** Errors in plain words, with what to do and a button that does it. */

import { make } from './dom.js';

/** What to do about an error, by the code of BertError. @type {Record<string, string>} */
const ADVICE = {
    FETCH_FAILED:
        'A file that the page needs did not arrive. Check the connection and try again. ' +
        'If that does not help, it is missing on the server: please tell whoever runs this page.',
    BAD_MODEL_FILE:
        'The model arrived damaged, or does not fit this page. Try again: it will be ' +
        'fetched afresh.',
    OUT_OF_MEMORY:
        'This device has too little free memory for it. Close other pages or programs, and try ' +
        'again.',
    UNSUPPORTED:
        'This browser is too old for it. Please use a current Firefox, Chrome, Edge or Safari.',
    PAGE_CODE:
        'A part of the page did not arrive: the connection is gone, or the page was replaced by ' +
        'a new version meanwhile. Reload it.',
};
const OTHER_ADVICE = 'Try again. If that does not help, reload the page.';
const OFFLINE_ADVICE =
    'You seem to be offline, and what is needed is not saved on this device. Connect, then try ' +
    'again.';

/**
 * @typedef {object} Failure
 * @property {string} title  what could not be done
 * @property {unknown} error
 * @property {string} [advice]  instead of what the error's code gives
 * @property {[string, () => void]} [action]  the button's words, and what it does; default: reloads
 *   the page
 */

/**
 * Fills a node with an error, which screen readers say at once.
 * @param {HTMLElement} node
 * @param {Failure} failure
 */
export function showFailure(node, { title, error, advice, action }) {
    const { code = '', message } = /** @type {Error & {code?: string}} */ (error);
    const isOffline = !navigator.onLine && (code === 'FETCH_FAILED' || code === 'PAGE_CODE');
    const advised = isOffline ? OFFLINE_ADVICE : (advice ?? ADVICE[code] ?? OTHER_ADVICE);
    const [words, act] = action ?? ['Reload the page', () => location.reload()];
    node.replaceChildren(
        make(
            'div',
            { className: 'failure', role: 'alert' },
            make('h3', {}, title),
            make('p', {}, advised),
            make('p', { className: 'hint detail' }, message),
            make('button', { type: 'button', onclick: act }, words),
        ),
    );
}

/**
 * What an import of a part of the page gives, or why it did not come.
 * @template T
 * @param {Promise<T>} importing
 * @returns {Promise<T>}
 */
export const partOfPage = (importing) =>
    importing.catch((error) => Promise.reject(pageCode(error)));

/** An import of a part of the page that failed. @param {unknown} error */
export function pageCode(error) {
    const { message } = /** @type {Error} */ (error);
    return Object.assign(new Error(message, { cause: error }), { code: 'PAGE_CODE' });
}
