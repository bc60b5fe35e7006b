/**
 * A URL as a source that survives: what a network and its servers do is healed here, and who reads
 * sees one stream of bytes. After a drop, silence, or an answer that may be another one later, the
 * rest is asked for, from the next byte on, always at the first address: one that it redirects to
 * may have expired. A server that ignores ranges, or does them wrong, is asked for the whole, and
 * what is there is skipped. A file that has become another one is the reader's to begin anew.
 *
 * Lengths that servers state are believed only until the reader knows better: see Source.expect().
 */

import { BertError } from '../errors.js';
import { ask, checkStart, difference, passing, reasonOf } from './answer.js';
import { ChunkPool, takeFrom } from './chunks.js';

/** @typedef {import('./chunks.js').Chunk} Chunk */
/** @typedef {import('./answer.js').Answer} Answer */

/**
 * @typedef {object} Source  a file's bytes, from any place on, as often as they are asked for
 * @property {string} label  for messages
 * @property {number} [n_bytes]  of the whole file, once the first chunk is there, if it is known
 * @property {(n_bytes: number) => void} [expect]  tells how many it must have by its header: of a
 *   source that has this, n_bytes is what a server says, which may be wrong
 * @property {(from: number, to?: number) => AsyncIterable<Chunk>} read  from this byte to the end,
 *   or to the byte before another one, if the source can: a download, a file and a Blob do; each
 *   chunk is valid until the next one is asked for, or until it is recycled, if that can be. One
 *   reading at a time: a new one ends the one before. Who reads from 0 takes what the file is now
 * @property {(chunk: Chunk) => void} [recycle]  gives the chunk's memory back, for later ones
 * @property {() => void} [release]  nothing more is read: gives back the memory that chunks had
 * @property {import('./answer.js').Identity | null} [identity]  of the file, once the first chunk
 *   is there, if it came from a server
 * @property {boolean} [gives_parts]  whether the server answered with a part, when it was last
 *   asked for one
 * @property {string | null} [stored]  the SHA-256 by which the chunk that was given last is in the
 *   cache: it came from there
 * @property {(sha256: string, chunk: Uint8Array) => void} [keep]  has a chunk of the model stored,
 *   which was checked: it is copied
 */

/**
 * @typedef {object} DownloadOptions
 * @property {AbortSignal} [signal]
 * @property {number} [idle_timeout]  milliseconds in which something must come
 * @property {number} [retry_delay]  milliseconds before the second try in a row that brings
 *   nothing; each later one waits twice as long
 * @property {Record<string, string>} [headers]  for the host of the URL, and for no other
 * @property {import('./answer.js').Identity} [identity]  of the file that it must be: another one
 *   is FILE_CHANGED
 * @property {boolean} [is_json]  whether the file is JSON, which is an error message in place of
 *   any other
 */

export const IDLE_TIMEOUT = 30_000;
export const RETRY_DELAY = 500;

/** Tries in a row that bring nothing, before the file's first answer and after it. */
const MOST_IN_VAIN = { before: 2, after: 5 };

const UNKNOWN = { etag: null, last_modified: null };

/**
 * @param {URL} url
 * @param {DownloadOptions} [options]
 * @returns {Source}
 */
export function openURL(url, options) {
    return new Download(url, options);
}

class Download {
    #url;
    #signal;
    #idle_timeout;
    #retry_delay;
    #headers;
    #is_json;

    /** Of the file that it must be. */
    #wanted;

    #pool = new ChunkPool();

    /** Of the file that is being read. @type {import('./answer.js').Identity | null} */
    #identity = null;

    /** Bytes that it must have. @type {number | null} */
    #expected = null;

    /** Where it ends, by a server that was asked for more. @type {number | null} */
    #end = null;

    /** Whether parts can be asked for, as far as is known. */
    #has_ranges = true;

    /** Whether there was an answer, which may be the file. */
    #has_answered = false;

    /** The byte before which all was read once. */
    #furthest = 0;

    /** Whether all was read up to there. */
    #has_ended = false;

    /**
     * Whether the browser's own cache may answer. It keeps what came before a connection broke off,
     * of which a reader does not get all; but it keeps, too, what came damaged, or ended too early.
     * @type {'no-store' | undefined}
     */
    #cache;

    /** Parts in a row that broke off before their first byte. */
    #n_broken = 0;

    /** Ends the reading. @type {AbortController | undefined} */
    #reading;

    /** @type {number | undefined} */
    n_bytes;

    /** @type {boolean | undefined} */
    gives_parts;

    /**
     * @param {URL} url
     * @param {DownloadOptions} [options]
     */
    constructor(
        url,
        {
            signal,
            idle_timeout = IDLE_TIMEOUT,
            retry_delay = RETRY_DELAY,
            headers,
            identity,
            is_json,
        } = {},
    ) {
        this.label = url.href;
        this.#url = url;
        this.#signal = signal;
        this.#headers = headers;
        this.#wanted = identity ?? null;
        this.#is_json = is_json;
        this.#idle_timeout = idle_timeout;
        this.#retry_delay = retry_delay;
    }

    /** @param {number} n_bytes */
    expect(n_bytes) {
        this.#expected = n_bytes;
    }

    /** What answers say of the file. */
    get identity() {
        return this.#identity;
    }

    /** @param {Chunk} chunk */
    recycle(chunk) {
        this.#pool.recycle(chunk);
    }

    release() {
        this.#pool = new ChunkPool();
    }

    /**
     * @param {number} from
     * @param {number} [to]
     */
    async *read(from, to) {
        this.#reading?.abort(new DOMException('another place is wanted', 'AbortError'));
        const reading = new AbortController();
        const abort = () => reading.abort(this.#signal?.reason);
        this.#reading = reading;
        this.#signal?.addEventListener('abort', abort, { once: true });
        if (this.#signal?.aborted) abort();
        if (from === 0) this.#identity = this.#expected = null;
        if (this.#wanted) this.#identity = this.#wanted;
        this.#end = null;
        this.#cache = from < this.#furthest || this.#has_ended ? 'no-store' : undefined;
        this.#has_ended = false;
        try {
            let n_in_vain = 0;
            for (let at = from; ; ) {
                const before = at;
                /** @type {BertError & import('./answer.js').Passing} */
                let failure;
                try {
                    for await (const chunk of this.#ask(at, to, reading.signal)) {
                        const rest = (to ?? Infinity) - at;
                        if (chunk.length > rest) {
                            // A server that ignores the end of a range.
                            if (rest) yield chunk.subarray(0, rest);
                            return;
                        }
                        at += chunk.length;
                        this.#furthest = Math.max(this.#furthest, at);
                        yield chunk;
                        // Server and header agree: the connection's end is not waited for.
                        if (at === this.#expected && at === this.n_bytes) return;
                    }
                    this.#has_ended = true;
                    const end = to ?? this.#expected ?? this.n_bytes ?? 0;
                    if (at >= end || at === this.#end) return;
                    if (at === before && !this.#has_ranges) return; // there is no more of it
                    failure = passing(`${this.label}: the transfer ended after ${at} bytes`);
                    if (at === before) this.#has_ranges = false;
                    this.#cache = 'no-store';
                } catch (error) {
                    if (reading.signal.aborted) throw reading.signal.reason;
                    failure = /** @type {BertError} */ (error);
                    // All is there: how the connection ends does not matter.
                    if (at >= (to ?? this.#expected ?? Infinity)) return;
                }
                n_in_vain = at > before ? 0 : n_in_vain + 1;
                const has_begun = this.#identity !== null;
                const can_pass =
                    failure.code === 'FETCH_FAILED' && (failure.is_passing || has_begun);
                if (!can_pass) throw failure;
                if (n_in_vain > MOST_IN_VAIN[this.#has_answered ? 'after' : 'before']) {
                    failure.message += ` (tried ${n_in_vain} times)`;
                    throw failure;
                }
                await this.#pause(n_in_vain, failure.retry_after, reading.signal);
            }
        } finally {
            this.#signal?.removeEventListener('abort', abort);
            reading.abort();
        }
    }

    /**
     * What comes of one request.
     * @param {number} at  byte of the file
     * @param {number | undefined} to
     * @param {AbortSignal} reading
     */
    async *#ask(at, to, reading) {
        const request = new AbortController();
        const end = () => request.abort(reading.reason);
        reading.addEventListener('abort', end, { once: true });
        try {
            reading.throwIfAborted();
            const asking = ask(this.#url, {
                ...(this.#has_ranges ? { from: at, to } : { from: 0 }),
                cache: this.#cache,
                headers: this.#headers,
                signal: request.signal,
            });
            const answer = await this.#within(asking, request);
            this.#compare(answer, at);
            this.#has_answered = true;
            const { body, begins_at, identity, what } = answer;
            this.gives_parts = answer.is_part;
            if (!body) {
                if (identity.length === at) this.#end = at;
                return;
            }
            let n_unwanted = at - begins_at;
            if (n_unwanted < 0 || answer.is_packed) {
                this.#has_ranges = false;
                throw passing(`${this.label}: not the bytes that were asked for (${what})`);
            }
            let has_come = false;
            const stream = takeFrom(body, this.#pool);
            for (;;) {
                const { done, value } = await this.#within(stream.next(), request).catch(
                    (error) => {
                        // A part of what was packed as a whole cannot be unpacked.
                        const is_broken = !has_come && begins_at > 0 && !request.signal.aborted;
                        if (is_broken && ++this.#n_broken > 1) this.#has_ranges = false;
                        throw error;
                    },
                );
                if (value?.length) {
                    if (!has_come && begins_at === 0)
                        checkStart(this.#url, value, what, this.#is_json);
                    has_come = true;
                    this.#n_broken = 0;
                    this.#identity ??= identity;
                    const n = Math.min(n_unwanted, value.length);
                    n_unwanted -= n;
                    if (n < value.length) yield value.subarray(n);
                    else this.recycle(value);
                }
                if (done) return;
            }
        } finally {
            reading.removeEventListener('abort', end);
            request.abort();
        }
    }

    /**
     * Sees to it that this is the file that is being read.
     * @param {Answer} answer
     * @param {number} at
     */
    #compare({ identity, body }, at) {
        let changed = this.#identity && difference(this.#identity, identity);
        if (!this.#identity && body && at > 0 && this.#expected !== null) {
            changed = difference({ ...UNKNOWN, length: this.#expected }, identity);
        }
        if (changed) {
            throw new BertError(
                'FILE_CHANGED',
                `${this.label}: it is another file than the one that was being read: ${changed}`,
            );
        }
        if (this.#wanted && this.#identity && body) {
            const { etag, last_modified, length } = this.#identity;
            this.#identity = {
                etag: etag ?? identity.etag,
                last_modified: last_modified ?? identity.last_modified,
                length,
            };
        }
        this.n_bytes = identity.length ?? undefined;
    }

    /**
     * Work of a request, which ends where that takes too long.
     * @template T
     * @param {Promise<T>} work
     * @param {AbortController} request
     * @returns {Promise<T>}
     */
    async #within(work, request) {
        /** @type {ReturnType<typeof setTimeout> | undefined} */
        let timer;
        const silence = new Promise((_, reject) => {
            timer = setTimeout(() => {
                const s = this.#idle_timeout / 1000;
                reject(passing(`${this.label}: nothing came for ${s} s`));
                request.abort();
            }, this.#idle_timeout);
        });
        try {
            return await Promise.race([work, /** @type {Promise<never>} */ (silence)]);
        } catch (error) {
            if (error instanceof BertError) throw error;
            throw passing(`${this.label}: the transfer broke off (${reasonOf(error)})`, error);
        } finally {
            clearTimeout(timer);
        }
    }

    /**
     * Waits before the next try; no longer than until the network is back.
     * @param {number} n_in_vain
     * @param {number} least
     * @param {AbortSignal} signal
     * @returns {Promise<void>}
     */
    #pause(n_in_vain, least = 0, signal) {
        const delay = n_in_vain && this.#retry_delay * 2 ** (n_in_vain - 1);
        // A machine without a network is waited for, once the file has begun to come.
        const is_offline = globalThis.navigator?.onLine === false && this.#identity !== null;
        const ms = Math.max(delay, least, is_offline ? this.#idle_timeout : 0);
        return new Promise((resolve, reject) => {
            const finish = () => {
                clearTimeout(timer);
                globalThis.removeEventListener?.('online', finish);
                signal.removeEventListener('abort', finish);
                if (signal.aborted) reject(signal.reason);
                else resolve();
            };
            const timer = setTimeout(finish, ms);
            globalThis.addEventListener?.('online', finish);
            signal.addEventListener('abort', finish);
            if (signal.aborted) finish();
        });
    }
}
