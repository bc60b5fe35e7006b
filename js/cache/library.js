/**
 * The models of a store: which there are, what of them, and which have to go. The chunks of a file
 * belong to every manifest that names them.
 */

import { openStore, space, tryLock } from '#storage';

import { sha256 } from '../loader/sha256.js';
import { bytesOf, decodeManifest, encodeManifest } from './manifest.js';

/** @import { Manifest } from './manifest.js' */

/** Bytes that models may take, unless another budget is set. */
const BUDGET = 2e9;

/**
 * @typedef {object} CachedModel
 * @property {string} url  that it came from
 * @property {number} n_bytes  of the whole file
 * @property {number} stored_bytes  of them that are stored
 * @property {boolean} complete  whether it can be loaded without a connection
 * @property {number} used_at  when it was last loaded, in milliseconds since 1970
 */

/** @type {Promise<Library> | undefined} */
let opened;

/** @returns {Promise<Library>}  rejected where nothing can be stored */
export function openLibrary() {
    opened ??= openStore().then((store) => new Library(store));
    opened.catch(() => {
        opened = undefined; // perhaps the next time
    });
    return opened;
}

export class Library {
    /** Bytes that models may take. */
    static budget = BUDGET;

    #store;

    /** @param {import('./store.js').Store} store */
    constructor(store) {
        this.#store = store;
        this.kind = store.kind;
        this.chunks = store.chunks;
    }

    /** @param {string} url @returns {Promise<Manifest | null>} */
    async find(url) {
        return this.#read(await keyOf(url));
    }

    /**
     * What is stored of a URL, if that is all.
     * @param {string} url
     * @returns {Promise<Manifest | null>}
     */
    async findWhole(url) {
        const manifest = await this.find(url);
        if (!manifest) return null;
        const sizes = await this.chunks.list();
        const isThere = (/** @type {string} */ hash, /** @type {number} */ i) =>
            sizes.get(hash) === bytesOf(manifest, i);
        return manifest.chunks.every(isThere) ? manifest : null;
    }

    /** Writes what is known of a URL. @param {Manifest} manifest */
    async save(manifest) {
        await this.#store.models.put(await keyOf(manifest.url), encodeManifest(manifest));
    }

    /**
     * The sole right to fetch a URL, among all that use this store.
     * @param {string} url
     */
    async lock(url) {
        return tryLock(await keyOf(url));
    }

    /** Of all URLs, the one that was not used for longest first. @returns {Promise<Manifest[]>} */
    async manifests() {
        const keys = [...(await this.#store.models.list()).keys()];
        const manifests = await Promise.all(keys.map((key) => this.#read(key)));
        return manifests.filter((each) => each !== null).sort((a, b) => a.used_at - b.used_at);
    }

    /** @returns {Promise<CachedModel[]>}  the one used last first */
    async list() {
        const [manifests, sizes] = await Promise.all([this.manifests(), this.chunks.list()]);
        return manifests.reverse().map((manifest) => {
            const { url, n_bytes, used_at, header, chunks } = manifest;
            const stored = chunks.filter((hash, i) => sizes.get(hash) === bytesOf(manifest, i));
            return {
                url,
                n_bytes,
                stored_bytes: header.length + sum(stored.map((hash) => sizes.get(hash))),
                complete: stored.length === chunks.length,
                used_at,
            };
        });
    }

    /** Bytes that are stored. */
    async used() {
        const { models, chunks } = this.#store;
        const sizes = await Promise.all([models.list(), chunks.list()]);
        return sum(sizes.flatMap((each) => [...each.values()]));
    }

    /**
     * Takes a URL's model away, or all there is. What other URLs have, too, stays.
     * @param {string} [url]
     * @returns {Promise<boolean>}  whether there was any
     */
    async delete(url) {
        const { models } = this.#store;
        const keys = url ? [await keyOf(url)] : [...(await models.list()).keys()];
        let was_any = false;
        for (const key of keys) {
            was_any ||= (await models.get(key)) !== null;
            await models.delete(key);
        }
        await this.sweep();
        return was_any;
    }

    /** Takes chunks away that no URL has: of older versions, and of what was deleted. */
    async sweep() {
        const stored = await this.chunks.list();
        const named = new Set((await this.manifests()).flatMap(({ chunks }) => chunks));
        for (const hash of stored.keys()) if (!named.has(hash)) await this.chunks.delete(hash);
    }

    /**
     * Makes room for all of a file: the models that were not used for longest go first, none that
     * is being fetched.
     * @param {Manifest} manifest
     * @returns {Promise<string | null>}  why there is none
     */
    async makeRoom(manifest) {
        const { used, quota } = await space();
        const others = (await this.manifests()).filter(({ url }) => url !== manifest.url);
        const { budget } = Library;
        const wanted = manifest.n_bytes;
        if (wanted > budget) {
            return `it has ${say(wanted)}, and cache.budget is ${say(budget)}`;
        }
        if (total([manifest, ...others]) <= budget && wanted <= quota - used) return null;

        const all = [...(await this.chunks.list()).values()];
        const limit = Math.min(budget, quota - used + sum(all));
        if (wanted > limit) return `it has ${say(wanted)}, and there is room for ${say(limit)}`;
        const staying = new Set(others);
        for (const other of others) {
            if (total([manifest, ...staying]) <= limit) break;
            const release = await this.lock(other.url);
            if (!release) continue; // it is being fetched
            await this.delete(other.url);
            release();
            staying.delete(other);
        }
        return null;
    }

    /** @param {string} key @returns {Promise<Manifest | null>} */
    async #read(key) {
        const bytes = await this.#store.models.get(key);
        if (!bytes) return null;
        const manifest = decodeManifest(bytes);
        if (!manifest && bytes.length) await this.#store.models.delete(key);
        return manifest;
    }
}

/** URLs are too long for names of files. @param {string} url */
function keyOf(url) {
    return sha256(new TextEncoder().encode(url));
}

/** Bytes of all of these, where what several have counts once. @param {Manifest[]} manifests */
function total(manifests) {
    const sizes = new Map();
    for (const manifest of manifests) {
        for (const [i, hash] of manifest.chunks.entries()) sizes.set(hash, bytesOf(manifest, i));
    }
    return sum([...sizes.values(), ...manifests.map(({ header }) => header.length)]);
}

/** @param {(number | undefined)[]} numbers */
function sum(numbers) {
    return numbers.reduce((/** @type {number} */ total, n) => total + (n ?? 0), 0);
}

/** @param {number} n_bytes */
function say(n_bytes) {
    return n_bytes < 1e5 ? `${n_bytes} bytes` : `${(n_bytes / 1e6).toFixed(1)} MB`;
}
