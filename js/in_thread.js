/**
 * The package with the engine on the caller's thread, for hosts that have no workers and import
 * nothing at run time, as service workers and edge runtimes. The names are those of index.js, which
 * itself imports this file where `in_thread` is wanted or there are no workers.
 */

import * as library from './index.js';
import { startHere } from './worker/in_thread.js';

export * from './index.js';
export { startHere };

/** @type {typeof library.loadModel} */
export const loadModel = (source, options) => library.loadModel(source, inThread(options));

/** @type {typeof library.pipeline} */
export const pipeline = (
    /** @type {any} */ task,
    /** @type {any} */ model,
    /** @type {any} */ options,
) => /** @type {any} */ (library.pipeline(task, model, inThread(options)));

/**
 * The engine goes with the options, as nothing may be imported.
 * @param {import('./index.js').LoadOptions} [options]
 * @returns {any}
 */
function inThread(options) {
    return { ...options, in_thread: (options?.in_thread ?? true) && startHere };
}
