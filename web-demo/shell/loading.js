/** A model that is on its way: bytes, rate and time left; or why it did not come. */

import { make } from './dom.js';
import { showFailure } from './failure.js';
import { inArrival, inMegabytes } from './format.js';

/**
 * Shows in `node` how a model arrives, and empties it when it is there. Where it does not come,
 * says why, and tries again when asked: the promise waits for that.
 *
 * @template T
 * @param {HTMLElement} node
 * @param {import('./models.js').Models} models
 * @param {import('./models.js').Kind} kind
 * @returns {Promise<T>}  the pipeline
 */
export async function whenLoaded(node, models, kind) {
    const ask = () => /** @type {Promise<any>} */ (models[kind]());
    if (models.isReady(kind)) return ask();
    for (;;) {
        const { element, show } = makeProgress('Loading the model');
        const onloading = (/** @type {any} */ { detail }) => {
            if (detail.kind === kind) show(detail);
        };
        models.addEventListener('loading', onloading);
        node.replaceChildren(element);
        try {
            const pipe = await ask();
            node.replaceChildren();
            return pipe;
        } catch (error) {
            await new Promise((resolve) => {
                const again = () => {
                    removeEventListener('online', again);
                    resolve(undefined);
                };
                addEventListener('online', again);
                showFailure(node, {
                    title: 'The model could not be loaded',
                    error,
                    ...(isPageCode(error) ? {} : { action: ['Try again', again] }),
                });
            });
        } finally {
            models.removeEventListener('loading', onloading);
        }
    }
}

/** A module that failed once may stay so until the page is reloaded. @param {any} error */
const isPageCode = (error) => error.code === 'PAGE_CODE';

let n_made = 0;

/**
 * A bar with words for it.
 * @param {string} title
 */
export function makeProgress(title) {
    const id = `progress-${++n_made}`;
    const bar = make('progress', { id });
    const words = make('p', { className: 'hint numbers' }, 'Starting …');
    const label = make('label', {}, title);
    label.htmlFor = id;
    const element = make('div', { className: 'loading' }, label, bar, words);

    /** @param {{loaded: number, total: number, rate: number}} progress  total 0: not known yet */
    const show = ({ loaded, total, rate }) => {
        if (total) Object.assign(bar, { max: total, value: loaded });
        else bar.removeAttribute('value');
        words.textContent =
            total && loaded >= total
                ? `${inMegabytes(total)} are here, getting ready …`
                : inArrival(loaded, total, rate);
    };
    return { element, show };
}
