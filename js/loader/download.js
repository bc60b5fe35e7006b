/**
 * A URL, or any stream, as chunks of bytes. An answer that is an error or a page of HTML is refused
 * here, where URL, status and content type are known.
 */

import { BertError } from '../errors.js';

/** Bytes that are asked for at a time. */
const READ_BYTES = 1 << 20;

/**
 * @typedef {Uint8Array<ArrayBuffer>} Chunk
 *
 * @typedef {object} Source  a file's bytes, from any place on, as often as they are asked for
 * @property {string} label  for messages
 * @property {number} [n_bytes]  of the whole file, once the first chunk is there, if it can be
 *   known
 * @property {(from: number) => AsyncIterable<Chunk>} read  from this byte to the end; each chunk is
 *   valid until the next one is asked for, or until it is recycled, if that can be. One reading at
 *   a time: the one before has ended, or is ended
 * @property {(chunk: Chunk) => void} [recycle]  gives the chunk's memory back, for later ones
 * @property {import('../cache/manifest.js').FileVersion} [version]  of the file, as the server
 *   names it, once the first chunk is there
 * @property {string | null} [stored]  the SHA-256 by which the chunk that was given last is in the
 *   cache: it came from there
 * @property {(sha256: string, chunk: Uint8Array) => void} [keep]  has a chunk of the model, which
 *   was checked, stored: it is copied
 */

/**
 * @param {URL} url
 * @param {AbortSignal} [signal]
 * @returns {Source}
 */
export function openURL(url, signal) {
    const pool = new ChunkPool();
    /** @type {Source} */
    const source = {
        label: url.href,
        recycle: (chunk) => pool.recycle(chunk),
        async *read(from) {
            const response = await ask(url, from, signal);
            // With a content encoding the length is that of the compressed bytes: of no use.
            const length = response.headers.get('content-encoding')
                ? null
                : response.headers.get('content-length');
            source.version = {
                etag: response.headers.get('etag'),
                last_modified: response.headers.get('last-modified'),
            };
            const begins_at = response.status === 206 ? from : 0;
            if (length) source.n_bytes = begins_at + Number(length);
            const stream = /** @type {ReadableStream<Chunk>} */ (response.body);
            let n_unwanted = from - begins_at;
            for await (const chunk of readStream(stream, url.href, pool, signal)) {
                const n = Math.min(n_unwanted, chunk.length);
                n_unwanted -= n;
                if (n < chunk.length) yield chunk.subarray(n);
                else pool.recycle(chunk);
            }
        },
    };
    return source;
}

/**
 * @param {URL} url
 * @param {number} from
 * @param {AbortSignal} [signal]
 */
async function ask(url, from, signal) {
    const headers = /** @type {Record<string, string>} */ (from ? { Range: `bytes=${from}-` } : {});
    let response;
    try {
        response = await fetch(url, { signal, headers });
    } catch (error) {
        if (signal?.aborted) throw signal.reason;
        throw new BertError(
            'FETCH_FAILED',
            `${url.href}: no answer (${/** @type {Error} */ (error).message})`,
            { cause: error },
        );
    }
    const type = response.headers.get('content-type') ?? 'none';
    if (!response.ok || !response.body) {
        throw new BertError(
            'FETCH_FAILED',
            `${url.href}: HTTP status ${response.status}, content type ${type}`,
        );
    }
    if (/^text\/html\b/i.test(type)) {
        throw new BertError(
            'FETCH_FAILED',
            `${url.href}: the server sent a page (HTTP status ${response.status}, ` +
                `content type ${type}), not a model file`,
        );
    }
    return response;
}

/**
 * @param {ReadableStream<Chunk>} stream
 * @param {string} label
 * @param {ChunkPool} pool
 * @param {AbortSignal} [signal]
 */
export async function* readStream(stream, label, pool, signal) {
    const { next, cancel } = takeFrom(stream, pool);
    try {
        for (;;) {
            const { done, value } = await next();
            if (value?.length) yield value;
            if (done) return;
        }
    } catch (error) {
        if (signal?.aborted) throw signal.reason;
        throw new BertError(
            'FETCH_FAILED',
            `${label}: the transfer broke off (${/** @type {Error} */ (error).message})`,
            { cause: error },
        );
    } finally {
        cancel().catch(() => {});
    }
}

/** Memory of chunks, used again where the engine can. */
export class ChunkPool {
    /** @type {ArrayBuffer[]} */
    #free = [];

    take() {
        return new Uint8Array(this.#free.pop() ?? new ArrayBuffer(READ_BYTES));
    }

    /** @param {Chunk} chunk */
    recycle({ buffer }) {
        if (buffer.byteLength === READ_BYTES) this.#free.push(buffer);
    }
}

/**
 * Reads into buffers that are used again where the engine can (half the time of fresh ones in
 * Chromium); not every stream or engine can.
 * @param {ReadableStream<Chunk>} stream
 * @param {ChunkPool} pool
 * @returns {{
 *   next: () => Promise<{done: boolean, value?: Chunk}>,
 *   cancel: () => Promise<void>,
 * }}
 */
function takeFrom(stream, pool) {
    let reader;
    try {
        reader = stream.getReader({ mode: 'byob' });
    } catch {
        const plain = stream.getReader(); // Safari's streams are not async iterable
        return { next: () => plain.read(), cancel: () => plain.cancel() };
    }
    const byob = reader;
    return {
        next: () => /** @type {Promise<{done: boolean, value?: Chunk}>} */ (byob.read(pool.take())),
        cancel: () => byob.cancel(),
    };
}
