/** Progress of loading as transformers.js reports it: one object for each step. */

import { kindOf } from '../realms.js';

/** @import { Arrival } from '../worker/loaded_model.js' */

/**
 * @typedef {object} LoadStatus  a step of loading
 * @property {'initiate' | 'download' | 'progress' | 'done' | 'ready'} status  in this order,
 *   'progress' many times
 * @property {string} name  of the model's source
 * @property {string} file  the same
 * @property {number} [loaded]  bytes, of 'progress'
 * @property {number} [total]  bytes, of 'progress'
 * @property {number} [progress]  per cent, of 'progress'
 * @property {string} [task]  without aliases, of 'ready'
 */

/**
 * @param {unknown} source  of the model
 * @param {string} task
 * @param {(status: LoadStatus) => void} callback
 * @param {((arrival: Arrival) => void) | undefined} onprogress  called as well
 */
export function reportStatuses(source, task, callback, onprogress) {
    const name = ['String', 'URL'].includes(kindOf(source)) ? String(source) : 'model';
    const report = (/** @type {Omit<LoadStatus, 'name' | 'file'>} */ status) =>
        callback({ name, file: name, ...status });
    let begun = false;
    report({ status: 'initiate' });
    return {
        onprogress(/** @type {Arrival} */ arrival) {
            const { loaded, total } = arrival;
            if (!begun) report({ status: 'download' });
            begun = true;
            report({
                status: 'progress',
                loaded,
                total,
                progress: total > 0 ? (100 * loaded) / total : 0,
            });
            onprogress?.(arrival);
        },
        done() {
            report({ status: 'done' });
            report({ status: 'ready', task });
        },
    };
}
