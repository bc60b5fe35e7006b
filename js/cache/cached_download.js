/**
 * A download that goes through the cache, as a source of bytes: what is stored comes from there,
 * the rest from the network; who reads it sees one file. It runs on the thread of the caller, so
 * that stored chunks are read while the worker still starts. The worker checks each chunk's
 * SHA-256, wherever it comes from, and stores those that came from the network (keeper.js).
 *
 * One load at a time fetches a URL. Another one waits for what the first stores, chunk by chunk,
 * and goes on by itself when the first has ended, or stores nothing any more.
 *
 * Nothing that goes wrong with storing ends a load: report() tells of it.
 */

import { isOffline } from '#storage';

import { BertError } from '../errors.js';
import { difference } from '../loader/answer.js';
import { sha256 } from '../loader/sha256.js';
import { openLibrary } from './library.js';
import { bytesOf, readLayout, startOf } from './manifest.js';
import { revalidate } from './revalidate.js';

/** Stored chunks that are read ahead: each takes some turns, and little of them is work. */
const AHEAD = 4;

/** Milliseconds between looks at what another load stores. */
const POLL = 100;

/** Milliseconds after which another load that stores nothing is no longer waited for. */
const PATIENCE = 60_000;

/** @typedef {import('../loader/download.js').Source} Source */
/** @typedef {import('../loader/chunks.js').Chunk} Chunk */
/** @typedef {import('./library.js').Library} Library */
/** @typedef {import('./manifest.js').Manifest} Manifest */

/**
 * @typedef {object} CacheReport  where a model came from, and whether it is stored
 * @property {import('./store.js').StoreKind | 'none'} store  where: the files of the page's origin,
 *   its Cache API, in Node a folder, or nowhere
 * @property {boolean} complete  whether all of it is stored, to be loaded without a connection
 * @property {number} from_cache  bytes of the model that came from there
 * @property {number} fetched  bytes that came from the network
 * @property {string | null} reason  why it is not stored, or not as it should be
 *
 * @typedef {object} Kept  what the worker says of storing
 * @property {boolean} is_busy  whether it has chunks to store
 * @property {string} [sha256]  of a chunk that is stored now
 * @property {string} [reason]  why no more are stored
 */

/** What is said of a model that did not come from a URL, or was not to be stored. */
export const NOT_CACHED = Object.freeze({
    store: /** @type {const} */ ('none'),
    complete: false,
    from_cache: 0,
    fetched: 0,
    reason: /** @type {string | null} */ ('it does not come from the network'),
});

/** A server that says nothing of its file. */
const UNKNOWN = { etag: null, last_modified: null, length: null };

export class CachedDownload {
    #network;
    #options;

    /** @type {Promise<Library | null>} */
    #opening;

    /** @type {Manifest | null} */
    #manifest = null;

    /** Whether the header must come from the network: what is stored of it does not do. */
    #is_fresh = false;

    #has_begun = false;

    /** @type {Promise<import('./revalidate.js').Revalidation> | undefined} */
    #revalidation;

    /** SHA-256 of chunks that may be stored. @type {Set<string>} */
    #possible = new Set();

    /** Of chunks that came from the store. @type {Set<string>} */
    #given = new Set();

    /** Chunks that are read ahead, by SHA-256. @type {Map<string, Promise<Uint8Array | null>>} */
    #ahead = new Map();

    /** Of chunks that are not stored. @type {Set<string> | null} null: not known */
    #missing = null;

    /** @type {(() => void) | null} */
    #release = null;

    /** @type {Promise<void> | undefined} */
    #claiming;

    #is_closed = false;
    #is_busy = false;

    /** @type {(() => void)[]} */
    #waiting = [];

    /** @type {CacheReport} */
    #report = { ...NOT_CACHED, reason: null };

    /** Tells the worker where to store what it gets from the network; null: nowhere. */
    onkeep = (/** @type {import('./store.js').StoreKind | null} */ _) => {};

    /** Of the stored chunk that was read last; null: that came from the network. */
    stored = /** @type {string | null} */ (null);

    /**
     * @param {Source} network
     * @param {string | null} url  under which it is stored; null: it is not
     * @param {object} [options]
     * @param {boolean} [options.offline]  whether nothing may be fetched
     * @param {Record<string, string>} [options.headers]  that its host wants
     * @param {AbortSignal} [options.signal]
     */
    constructor(network, url, options = {}) {
        this.url = url ?? '';
        this.#network = network;
        this.#options = options;
        this.#opening = this.#open();
    }

    get label() {
        return this.#network.label;
    }

    get n_bytes() {
        return this.#manifest?.n_bytes ?? this.#network.n_bytes;
    }

    /** @param {number} n_bytes */
    expect(n_bytes) {
        this.#network.expect?.(n_bytes);
    }

    /** None for bytes that are another's. */
    get recycle() {
        const network = this.#network;
        if (this.stored === null && !network.recycle) return undefined;
        return (/** @type {Chunk} */ chunk) => network.recycle?.(chunk);
    }

    /**
     * @param {number} from  0 for the second time: what came does not do
     * @returns {AsyncGenerator<Chunk>}
     */
    async *read(from) {
        const tail = new Tail(this.#network);
        try {
            const library = await this.#opening;
            if (from === 0 && this.#has_begun) {
                this.#is_fresh = true;
                this.#manifest = null;
                this.#claiming = undefined;
                this.#report = { ...this.#report, from_cache: 0, fetched: 0 };
            }
            this.#has_begun = true;
            let at = from;
            if (!library) {
                this.onkeep(null);
                if (this.#options.offline) throw this.#unreachable();
            } else if (!this.#manifest) {
                this.#manifest = await this.#mayFetch(library, () => this.#find(library));
            }
            if (library && !this.#manifest && from === 0) {
                for await (const piece of this.#readHeader(tail, library)) {
                    at += piece.length;
                    yield piece;
                }
            }
            if (library && this.#manifest)
                yield* this.#readChunks(library, this.#manifest, tail, at);
            else if (tail.at !== at) tail.seek(at);
            for (;;) {
                const piece = await this.#fetched(tail);
                if (!piece) return;
                yield piece;
            }
        } finally {
            await tail.close();
        }
    }

    /** @param {Kept} kept */
    receive({ is_busy, sha256, reason }) {
        if (sha256) this.#missing?.delete(sha256);
        this.#note(reason);
        this.#is_busy = is_busy;
        if (this.#missing?.size === 0 || reason) this.#giveBack();
        this.#wake();
    }

    /** Until nothing is being stored. */
    async settled() {
        await this.#claiming;
        while (this.#is_busy && !this.#is_closed) {
            await new Promise((resolve) => this.#waiting.push(() => resolve(undefined)));
        }
    }

    get is_busy() {
        return this.#is_busy;
    }

    /** The file is no model: a header that was stored is not to be used again. */
    async refused() {
        const library = await this.#opening;
        if (this.#manifest && !this.#is_fresh) await library?.delete(this.url).catch(() => {});
    }

    /** @returns {CacheReport} */
    report() {
        return { ...this.#report, complete: this.#missing?.size === 0 };
    }

    release() {
        this.#network.release?.();
    }

    /** Nothing more is read or stored. */
    close() {
        this.#is_closed = true;
        this.#giveBack();
        this.#wake();
    }

    async #open() {
        const { offline, headers, signal } = this.#options;
        if (!this.url) {
            this.#note('cache: false, or it does not come from a URL');
            return null;
        }
        try {
            const library = await openLibrary();
            this.#report.store = library.kind;
            this.#manifest = await this.#find(library);
            if (this.#manifest && !offline && !isOffline()) {
                const { url, identity, n_bytes } = this.#manifest;
                const stored = { ...identity, length: n_bytes };
                this.#revalidation = revalidate(url, stored, { headers, signal });
            }
            return library;
        } catch (error) {
            this.#note(`nothing can be stored here: ${/** @type {Error} */ (error).message}`);
            return null;
        }
    }

    /** What is stored of it, if that may be used. @param {Library} library */
    async #find(library) {
        const manifest = this.#is_fresh ? null : await library.find(this.url);
        if (!manifest) return null;
        this.#expect(manifest, manifest.chunks);
        library.save({ ...manifest, used_at: Date.now() }).catch(() => {}); // it stays as it was
        return manifest;
    }

    /**
     * @param {Manifest} manifest
     * @param {Iterable<string>} stored  chunks that may be
     */
    #expect({ chunks }, stored) {
        this.#possible = new Set(stored);
        this.#missing = new Set(chunks);
    }

    /**
     * Until the header is there.
     * @param {Tail} tail
     * @param {Library} library
     */
    async *#readHeader(tail, library) {
        const others = library.manifests().catch(() => []);
        tail.seek(0);
        let read = new Uint8Array(0);
        for (;;) {
            const piece = await this.#fetched(tail);
            if (!piece) return;
            const both = new Uint8Array(read.length + piece.length);
            both.set(read);
            both.set(piece, read.length);
            read = both;
            const layout = readLayout(read);
            if (layout !== 'more') {
                if (layout) {
                    const identity = this.#network.identity ?? UNKNOWN;
                    const manifest = { url: this.url, identity, used_at: Date.now(), ...layout };
                    const named = (await others).flatMap(({ chunks }) => chunks);
                    this.#expect(manifest, named);
                    this.#manifest = manifest;
                    this.#claiming ??= this.#claim(library, manifest);
                } else {
                    this.#note('it is not a model file of this version');
                }
                yield piece;
                return;
            }
            yield piece;
        }
    }

    /**
     * @param {Library} library
     * @param {Manifest} manifest
     * @param {Tail} tail
     * @param {number} at
     */
    async *#readChunks(library, manifest, tail, at) {
        const { header, n_bytes, chunk_bytes } = manifest;
        if (at < header.length) {
            this.#report.from_cache += header.length - at;
            this.stored = null;
            yield header.slice(at);
            at = header.length;
        }
        while (at < n_bytes) {
            const chunk = Math.floor((at - header.length) / chunk_bytes);
            let bytes = await this.#storedChunk(library, manifest, chunk);
            if (!bytes && tail.at !== at) {
                const hash = manifest.chunks[chunk];
                bytes = await this.#mayFetch(library, () => {
                    this.#possible.add(hash);
                    return this.#storedChunk(library, manifest, chunk);
                });
            }
            if (bytes) {
                await tail.close();
                // Before all is there, it has to be known whether it does.
                if (chunk === manifest.chunks.length - 1) await this.#revalidated();
                const part = bytes.subarray(at - startOf(manifest, chunk));
                this.#report.from_cache += part.length;
                this.stored = manifest.chunks[chunk];
                at += part.length; // before it is transferred
                yield part;
                continue;
            }
            this.#claiming ??= this.#claim(library, manifest);
            if (tail.at !== at) tail.seek(at);
            const piece = await this.#fetched(tail);
            if (!piece) return;
            at += piece.length;
            yield piece;
        }
        if (this.#missing?.size === 0) this.#giveBack();
    }

    async #revalidated() {
        if (this.#is_fresh || !this.#revalidation) return;
        const { difference, reason } = await this.#revalidation;
        this.#note(reason);
        this.#refuse(difference);
    }

    /**
     * @param {Library} library
     * @param {Manifest} manifest
     * @param {number} chunk
     */
    async #storedChunk(library, manifest, chunk) {
        const hash = manifest.chunks[chunk];
        if (!this.#possible.has(hash)) return null;
        for (const next of manifest.chunks.slice(chunk, chunk + AHEAD)) {
            if (!this.#possible.has(next) || this.#ahead.has(next)) continue;
            const reading = library.chunks.get(next);
            reading.catch(() => {}); // told where it is awaited
            this.#ahead.set(next, reading);
        }
        const bytes = /** @type {Awaited<ReturnType<typeof library.chunks.get>>} */ (
            await this.#ahead.get(hash)
        );
        this.#ahead.delete(hash);
        // Who wants a chunk for the second time may have found it damaged.
        const isRight =
            bytes?.length === bytesOf(manifest, chunk) &&
            (!this.#given.has(hash) || (await sha256(bytes)) === hash);
        if (isRight) {
            this.#given.add(hash);
            this.#missing?.delete(hash);
            return bytes;
        }
        this.#possible.delete(hash);
        this.#missing?.add(hash);
        if (bytes?.length) await library.chunks.delete(hash).catch(() => {});
        return null;
    }

    /**
     * What the network gives next. @param {Tail} tail
     */
    async #fetched(tail) {
        const piece = await tail.next();
        this.stored = null;
        if (!piece) return null;
        this.#report.fetched += piece.length;
        const { identity } = this.#network;
        if (this.#manifest && identity) {
            this.#refuse(difference({ ...this.#manifest.identity, length: null }, identity));
        }
        return piece;
    }

    /** @param {string | null} difference  between what is stored and what the server has */
    #refuse(difference) {
        if (difference === null) return;
        throw new BertError(
            'FILE_CHANGED',
            `${this.label}: the server has another file than the one that is stored: ${difference}`,
        );
    }

    /**
     * Waits until this load may fetch, or for what another one stores.
     * @template T
     * @param {Library} library
     * @param {() => Promise<T | null>} look  for it
     * @returns {Promise<T | null>}  null: it may fetch
     */
    async #mayFetch(library, look) {
        const { offline, signal } = this.#options;
        if (offline) throw this.#unreachable();
        const begin = performance.now();
        while (!this.#release) {
            try {
                this.#release = await library.lock(this.url);
            } catch (error) {
                this.#note(`it may be fetched twice: ${/** @type {Error} */ (error).message}`);
                this.#release = () => {};
            }
            // What was read ahead may have been stored since, and nobody stores it from now on.
            if (this.#release) this.#ahead.clear();
            const found = await look();
            if (found) return found;
            if (this.#release) break;
            if (performance.now() - begin > PATIENCE) this.#release = () => {};
            else await sleep(POLL, signal);
        }
        if (this.#is_closed) this.#giveBack();
        return null;
    }

    /**
     * Has what is missing stored, if there is room for it.
     * @param {Library} library
     * @param {Manifest} manifest
     */
    async #claim(library, manifest) {
        try {
            const before = this.#is_fresh ? await library.find(this.url) : null;
            const reason = await library.makeRoom(manifest);
            if (reason) return this.#giveUp(reason);
            await library.save({ ...manifest, used_at: Date.now() });
            this.onkeep(library.kind);
            if (before) await library.sweep();
        } catch (error) {
            this.#giveUp(`it cannot be stored: ${/** @type {Error} */ (error).message}`);
        }
    }

    /** Others need not wait for what is not stored. @param {string} reason */
    #giveUp(reason) {
        this.#note(reason);
        this.onkeep(null);
        this.#giveBack();
    }

    /** The first reason is the one that counts. @param {string | null | undefined} reason */
    #note(reason) {
        this.#report.reason ??= reason ?? null;
    }

    #unreachable() {
        const missing = this.#missing?.size;
        const what = missing
            ? `${missing} of its ${this.#manifest?.chunks.length} parts are not stored`
            : 'it is not stored';
        const { reason } = this.#report;
        return new BertError(
            'FETCH_FAILED',
            `${this.url}: ${what}${reason ? ` (${reason})` : ''}, and offline: true forbids to ` +
                'fetch it',
        );
    }

    #giveBack() {
        this.#release?.();
        this.#release = null;
    }

    #wake() {
        for (const wake of this.#waiting.splice(0)) wake();
    }
}

/** A reading of the network that knows where it is. */
class Tail {
    #source;

    /** @type {AsyncIterator<Chunk> | null} */
    #iterator = null;

    /** The byte that comes next; NaN: nothing is read. */
    at = Number.NaN;

    /** @param {Source} source */
    constructor(source) {
        this.#source = source;
    }

    /** @param {number} at */
    seek(at) {
        this.at = at;
        this.#iterator = this.#source.read(at)[Symbol.asyncIterator]();
    }

    /** @returns {Promise<Chunk | null>}  null: it has ended */
    async next() {
        const { done, value } = (await this.#iterator?.next()) ?? { done: true, value: null };
        if (done) return null;
        this.at += value.length;
        return value;
    }

    async close() {
        const iterator = this.#iterator;
        this.#iterator = null;
        this.at = Number.NaN;
        await iterator?.return?.();
    }
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} [signal]
 */
function sleep(milliseconds, signal) {
    return new Promise((resolve, reject) => {
        const abort = () => {
            clearTimeout(timer);
            reject(signal?.reason);
        };
        const timer = setTimeout(() => {
            signal?.removeEventListener('abort', abort);
            resolve(undefined);
        }, milliseconds);
        if (signal?.aborted) abort();
        else signal?.addEventListener('abort', abort, { once: true });
    });
}
