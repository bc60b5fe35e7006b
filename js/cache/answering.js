/**
 * A store that answers in time, or is taken for one that cannot. Browsers store through a process
 * of their own; where that hangs, its promises are never settled, and what waited for one would
 * wait for ever, although a model can do without what is stored.
 */

/** Milliseconds for one call: a disk that sleeps needs a few seconds to wake up. */
const PATIENCE = 10_000;

/** @typedef {import('./store.js').Shelf} Shelf */
/** @typedef {import('./store.js').Store} Store */

/**
 * What a call gives, unless it takes too long.
 * @template T
 * @param {Promise<T>} call
 * @param {number} [patience]  in milliseconds
 * @returns {Promise<T>}
 */
export function inTime(call, patience = PATIENCE) {
    return new Promise((resolve, reject) => {
        const late = () => {
            reject(new Error(`the browser's storage has not answered for ${patience / 1000} s`));
        };
        const timer = setTimeout(late, patience);
        call.then(resolve, reject).finally(() => clearTimeout(timer));
    });
}

/**
 * @param {Store} store
 * @param {number} [patience]  of each call, in milliseconds
 * @returns {Store}
 */
export function answering({ kind, models, chunks }, patience) {
    return { kind, models: shelf(models, patience), chunks: shelf(chunks, patience) };
}

/** @param {Shelf} of @param {number} [patience] @returns {Shelf} */
function shelf(of, patience) {
    return {
        // What does not come is not there.
        get: (key) => inTime(of.get(key), patience).catch(() => null),
        put: (key, bytes) => inTime(of.put(key, bytes), patience),
        delete: (key) => inTime(of.delete(key), patience),
        list: () => inTime(of.list(), patience),
    };
}
