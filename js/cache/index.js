/** What programs see of the models that are stored on this device. */

import { persist, space } from '#storage';

import { BertError, describe } from '../errors.js';
import { Library, openLibrary } from './library.js';

/** @import { CachedModel } from './library.js' */

/**
 * @typedef {object} CacheSize
 * @property {number} used  bytes of models that are stored
 * @property {number} budget  bytes that they may take
 * @property {number} quota  bytes that this page's origin, or the disk, has for everything
 */

/** What `cache` can do. */
class ModelCache {
    /**
     * bytes that models may take: what was not used for longest goes first. A program sets it
     * before it loads; default 2e9
     */
    get budget() {
        return Library.budget;
    }

    /** @param {number} n_bytes  from 0 */
    set budget(n_bytes) {
        if (typeof n_bytes !== 'number' || !(n_bytes >= 0)) {
            throw new BertError(
                'BAD_OPTION',
                `cache.budget must be a number of bytes, not ${describe(n_bytes)}`,
            );
        }
        Library.budget = n_bytes;
    }

    /**
     * What is stored, also in part: the model used last comes first.
     * @returns {Promise<CachedModel[]>}  none where nothing can be stored
     */
    async list() {
        const library = await openLibrary().catch(() => null);
        return library?.list().catch(() => []) ?? [];
    }

    /**
     * Takes a model away, or all.
     * @param {string | URL} [url]  that it came from; default all
     * @returns {Promise<boolean>}  whether there was one
     * @throws {BertError} UNSUPPORTED where the store fails: it may still be there
     */
    async delete(url) {
        const library = await openLibrary().catch(() => null);
        try {
            return (await library?.delete(url === undefined ? undefined : String(url))) ?? false;
        } catch (cause) {
            const { message } = /** @type {Error} */ (cause);
            throw new BertError('UNSUPPORTED', `nothing could be deleted: ${message}`, { cause });
        }
    }

    /**
     * Asks the browser not to take models away when the device is short of room.
     * @returns {Promise<boolean>}  whether it agrees; in Node true
     */
    persist() {
        return persist();
    }

    /**
     * How much is stored, and how much can be.
     * @returns {Promise<CacheSize>}
     */
    async size() {
        const library = await openLibrary().catch(() => null);
        const { quota } = await space().catch(() => ({ quota: 0 }));
        return { used: (await library?.used().catch(() => 0)) ?? 0, budget: Library.budget, quota };
    }
}

/** The models that are stored on this device: those that came from URLs. */
export const cache = new ModelCache();
