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
 * @typedef {object} Source
 * @property {string} label  for messages
 * @property {number} [n_bytes]  if known before the end
 * @property {AsyncIterable<Chunk>} chunks  each valid until the next one is asked for, or
 *   until it is recycled, if that can be
 * @property {(chunk: Chunk) => void} [recycle]  gives the chunk's memory back, for later ones
 */

/**
 * @param {URL} url
 * @param {AbortSignal} [signal]
 * @returns {Promise<Source>}
 */
export async function openURL(url, signal) {
    let response;
    try {
        response = await fetch(url, { signal });
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
                `content type ${type}), not the file`,
        );
    }
    // With a content encoding the length is that of the compressed bytes, which is of no use.
    const length = response.headers.get('content-encoding')
        ? null
        : response.headers.get('content-length');
    return {
        label: url.href,
        n_bytes: length ? Number(length) : undefined,
        ...readStream(response.body, url.href, signal),
    };
}

/**
 * @param {ReadableStream<Chunk>} stream
 * @param {string} label
 * @param {AbortSignal} [signal]
 * @returns {Pick<Source, 'chunks' | 'recycle'>}
 */
export function readStream(stream, label, signal) {
    const { next, cancel, recycle } = takeFrom(stream);
    async function* chunks() {
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
    return { chunks: chunks(), recycle };
}

/**
 * Reads into buffers that are used again where the engine can (half the time of fresh ones in
 * Chromium); not every stream or engine can.
 * @param {ReadableStream<Chunk>} stream
 * @returns {{
 *   next: () => Promise<{done: boolean, value?: Chunk}>,
 *   cancel: () => Promise<void>,
 *   recycle?: Source['recycle'],
 * }}
 */
function takeFrom(stream) {
    let reader;
    try {
        reader = stream.getReader({ mode: 'byob' });
    } catch {
        const plain = stream.getReader(); // Safari's streams are not async iterable
        return { next: () => plain.read(), cancel: () => plain.cancel() };
    }
    const byob = reader;
    /** @type {ArrayBuffer[]} */
    const free = [];
    return {
        next: () =>
            /** @type {Promise<{done: boolean, value?: Chunk}>} */ (
                byob.read(new Uint8Array(free.pop() ?? new ArrayBuffer(READ_BYTES)))
            ),
        cancel: () => byob.cancel(),
        recycle: (chunk) => void free.push(chunk.buffer),
    };
}
