/** What a page, its workers and a service worker have to store models in. See store.js. */

import { answering, inTime } from './answering.js';
import { openCaches } from './cache_api.js';
import { openFiles } from './opfs.js';

/** @typedef {import('./store.js').Store} Store */
/** @typedef {import('./store.js').StoreKind} StoreKind */

/**
 * @param {StoreKind} [kind]  that another thread has opened; default the first that works
 * @returns {Promise<Store>}
 */
export async function openStore(kind) {
    if (kind) return open(kind);
    if (!globalThis.isSecureContext) throw new Error('plain http keeps nothing: use https');
    return open('opfs').catch(() => open('cache'));
}

/** @param {StoreKind} kind */
async function open(kind) {
    return answering(await inTime(kind === 'opfs' ? openFiles() : openCaches()));
}

/**
 * A lock that all pages of the origin see, and that ends with its page.
 * @param {string} name
 * @returns {Promise<(() => void) | null>}  gives it back; null: another has it
 */
export function tryLock(name) {
    return new Promise((resolve, reject) => {
        navigator.locks
            .request(`bert-wasm ${name}`, { ifAvailable: true }, (lock) => {
                if (!lock) return resolve(null);
                return new Promise((release) => resolve(() => release(undefined)));
            })
            .catch(reject);
    });
}

/** @returns {Promise<import('./store.js').Space>} */
export async function space() {
    const { storage } = navigator;
    const estimate = storage?.estimate ? await inTime(storage.estimate()) : {};
    const { usage = 0, quota = Infinity } = estimate;
    return { used: usage, quota };
}

/** Asks that the browser never takes what is stored away by itself. @returns {Promise<boolean>} */
export async function persist() {
    return (await navigator.storage?.persist?.()) ?? false;
}

/** Whether it is known that there is no network. */
export function isOffline() {
    return globalThis.navigator?.onLine === false;
}
