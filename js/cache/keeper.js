/**
 * The worker's end of the cache: stores the chunks that came from the network, once their SHA-256
 * was checked. Nobody waits for it. Where the disk is slower than the network, chunks are left out
 * rather than kept in memory: the next load fetches them.
 */

import { openStore } from '#storage';

/** Bytes that may wait. */
const MOST_WAITING = 64 << 20;

/** @typedef {import('./cached_download.js').Kept} Kept */
/** @typedef {import('./store.js').StoreKind} StoreKind */

export class Keeper {
    #say;

    /** @type {{hash: string, bytes: Uint8Array<ArrayBuffer>}[]} */
    #waiting = [];

    #n_bytes = 0;

    /** Where to; undefined: not known yet; null: nowhere. @type {StoreKind | null | undefined} */
    #kind;

    #is_running = false;

    /** @param {(kept: Kept) => void} say  what became of it */
    constructor(say) {
        this.#say = say;
    }

    /**
     * @param {string} hash  SHA-256
     * @param {Uint8Array} bytes  a chunk: it is copied
     */
    keep(hash, bytes) {
        if (this.#kind === null) return;
        if (this.#n_bytes + bytes.length > MOST_WAITING) {
            this.#say({ is_busy: true, reason: 'the disk is slower than the network' });
            return;
        }
        this.#waiting.push({ hash, bytes: new Uint8Array(bytes) });
        this.#n_bytes += bytes.length;
        if (this.#waiting.length === 1) this.#say({ is_busy: true });
        this.#run();
    }

    /** @param {StoreKind | null} kind  null: nothing is to be stored */
    begin(kind) {
        this.#kind = kind;
        if (kind === null) this.#stop();
        else this.#run();
    }

    async #run() {
        if (!this.#kind || this.#is_running) return;
        this.#is_running = true;
        try {
            const { chunks } = await openStore(this.#kind);
            while (this.#waiting.length) {
                const [{ hash, bytes }] = this.#waiting;
                await chunks.put(hash, bytes);
                this.#waiting.shift();
                this.#n_bytes -= bytes.length;
                this.#say({ is_busy: this.#waiting.length > 0, sha256: hash });
            }
        } catch (error) {
            this.#stop(`not all could be stored: ${/** @type {Error} */ (error).message}`);
        }
        this.#is_running = false;
    }

    /** @param {string} [reason] */
    #stop(reason) {
        this.#kind = null;
        this.#waiting = [];
        this.#n_bytes = 0;
        this.#say({ is_busy: false, reason });
    }
}
