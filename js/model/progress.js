/** Progress of loading, for callers: numbers, and steps as transformers.js reports them. */

import { kindOf } from '../realms.js';

/** Milliseconds in which a new rate takes the place of the old one, for the most part. */
const SMOOTHING = 2000;

/** Milliseconds that a rate is measured over, at least. */
const LEAST = 100;

/**
 * @typedef {object} Rated
 * @property {number} rate  bytes a second, smoothed
 * @property {'fetch' | 'convert'} [phase]  of a conversion: `loaded` and `total` are bytes that it
 *   has fetched and needs, or its steps, and begin anew with each phase; none while the model's
 *   own file arrives
 *
 * @typedef {import('../worker/loaded_model.js').Arrival & Rated} LoadProgress
 *
 * @typedef {object} LoadStatus  a step of loading
 * @property {'initiate' | 'download' | 'progress' | 'done' | 'ready'} status  in this order,
 *   'progress' many times
 * @property {string} name  of the model's source, the first of several
 * @property {string} file  the same
 * @property {number} [loaded]  bytes, of 'progress'
 * @property {number} [total]  bytes, of 'progress'
 * @property {number} [layers]  that can be computed with what is there, of 'progress'
 * @property {number} [rate]  bytes a second, smoothed, of 'progress'
 * @property {'fetch' | 'convert'} [phase]  of a conversion, of 'progress'
 * @property {number} [progress]  per cent, of 'progress'
 * @property {string} [task]  without aliases, of a pipeline's 'ready'
 *
 * @typedef {object} ProgressOptions
 * @property {(progress: LoadProgress) => void} [onprogress]  called while the model arrives
 * @property {(status: LoadStatus) => void} [progress_callback]  transformers.js's `onprogress`
 */

/**
 * @typedef {import('../worker/loaded_model.js').Arrival & Pick<Rated, 'phase'>} Arrived
 */

/**
 * @param {unknown} source  of the model
 * @param {ProgressOptions} callbacks
 * @param {string} [task]
 */
export function reportLoading(source, { onprogress, progress_callback }, task) {
    const first = Array.isArray(source) ? source[0] : source;
    const name = typeof first === 'string' || kindOf(first) === 'URL' ? String(first) : 'model';
    const report = (/** @type {Omit<LoadStatus, 'name' | 'file'>} */ status) =>
        progress_callback?.({ name, file: name, ...status });
    const rate = new Rate();
    let has_begun = false;
    report({ status: 'initiate' });
    return {
        /** Undefined where nobody wants to know. */
        onprogress:
            onprogress || progress_callback
                ? (/** @type {Arrived} */ arrived) => {
                      const progress = { ...arrived, rate: rate.update(arrived.loaded) };
                      const { loaded, total } = arrived;
                      if (!has_begun) report({ status: 'download' });
                      has_begun = true;
                      report({ status: 'progress', ...progress, progress: (100 * loaded) / total });
                      onprogress?.(progress);
                  }
                : undefined,
        done() {
            report({ status: 'done' });
            report({ status: 'ready', ...(task && { task }) });
        },
    };
}

/** How fast a number grows. */
class Rate {
    #at = performance.now();
    #n = 0;
    #rate = 0;

    /**
     * @param {number} n  so far
     * @returns {number}  a second
     */
    update(n) {
        const ms = performance.now() - this.#at;
        if (this.#rate && ms < LEAST && n >= this.#n) return this.#rate;
        // Less than before: it was begun anew.
        const now = (1000 * Math.max(0, n - this.#n)) / Math.max(ms, 1);
        const weight = this.#rate ? 1 - Math.exp(-ms / SMOOTHING) : 1;
        this.#rate += weight * (now - this.#rate);
        this.#at += ms;
        this.#n = n;
        return this.#rate;
    }
}
