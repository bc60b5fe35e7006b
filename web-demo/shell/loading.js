/** A model that is on its way: bytes, rate and time left; or why it did not come. */

import { make } from './dom.js';
import { showFailure } from './failure.js';
import { inMegabytes, inTenths, inTime } from './format.js';

/** Milliseconds of a download before its rate says something. */
const SETTLED = 700;

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
    let begin = 0;
    let begun_with = 0;

    /** @param {{loaded: number, total: number}} progress  in bytes; total 0: not known yet */
    const show = ({ loaded, total }) => {
        if (!total) {
            bar.removeAttribute('value');
            words.textContent = 'Starting …';
            return;
        }
        if (!begin) {
            begin = performance.now();
            begun_with = loaded;
        }
        bar.max = total;
        bar.value = loaded;
        if (loaded >= total) {
            words.textContent = `${inMegabytes(total)} are here, getting ready …`;
            return;
        }
        const passed = performance.now() - begin;
        const rate = (1000 * (loaded - begun_with)) / passed; // bytes a second
        const time =
            passed > SETTLED && rate > 0
                ? `, ${inTenths(rate / 1e6)} MB/s, ${inTime((total - loaded) / rate)} left`
                : '';
        words.textContent = `${inMegabytes(loaded)} of ${inMegabytes(total)}${time}`;
    };
    return { element, show };
}
