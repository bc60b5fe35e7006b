/**
 * Where model bytes come from: a URL, a file, or bytes at hand, all as one stream.
 *
 * A server that answers with an error or with a page of HTML is told apart here, where URL, status
 * and content type are known.
 */
import { openFile } from '#platform';

import { BertError } from '../errors.js';

/** Bytes that are asked for at a time. */
const READ_BYTES = 1 << 20;

/**
 * @typedef {object} Source
 * @property {string} label  for messages
 * @property {number} [n_bytes]  if known before the end
 * @property {AsyncIterable<Uint8Array>} chunks  each valid until the next one is asked for
 */

/**
 * @param {string | Uint8Array | Blob} source  absolute URL (http:, https:, file:) or bytes
 * @param {AbortSignal} [signal]
 * @returns {Promise<Source>}
 */
export async function openSource(source, signal) {
    if (source instanceof Uint8Array) {
        return { label: 'the given bytes', n_bytes: source.length, chunks: once(source) };
    }
    if (source instanceof Blob) {
        const label = 'name' in source ? `file '${source.name}'` : 'the given Blob';
        return { label, n_bytes: source.size, chunks: read(source.stream(), label) };
    }
    const url = new URL(source);
    if (url.protocol === 'file:') {
        const { n_bytes, chunks } = await openFile(url);
        return { label: decodeURIComponent(url.pathname), n_bytes, chunks };
    }
    return openURL(url, signal);
}

/** @param {Uint8Array} bytes */
async function* once(bytes) {
    yield bytes;
}

/**
 * @param {URL} url
 * @param {AbortSignal} [signal]
 * @returns {Promise<Source>}
 */
async function openURL(url, signal) {
    let response;
    try {
        response = await fetch(url, { signal });
    } catch (error) {
        if (signal?.aborted) throw signal.reason;
        throw new BertError('FETCH_FAILED', `${url.href}: no answer (${/** @type {Error} */ (error).message})`, { cause: error });
    }
    const type = response.headers.get('content-type') ?? 'none';
    if (!response.ok || !response.body) {
        throw new BertError('FETCH_FAILED', `${url.href}: HTTP status ${response.status}, content type ${type}`);
    }
    if (/^text\/html\b/i.test(type)) {
        throw new BertError('FETCH_FAILED', `${url.href}: the server sent a page (status ${response.status}, content type ${type}), not a model file`);
    }
    // With a content encoding the length is that of the compressed bytes: of no use.
    const length = response.headers.get('content-encoding') ? null : response.headers.get('content-length');
    return { label: url.href, n_bytes: length ? Number(length) : undefined, chunks: read(response.body, url.href, signal) };
}

/**
 * @param {ReadableStream<Uint8Array>} stream
 * @param {string} label
 * @param {AbortSignal} [signal]
 */
async function* read(stream, label, signal) {
    const take = takeFrom(stream);
    try {
        for (;;) {
            const { done, value } = await take.next();
            if (value?.length) yield value;
            if (done) return;
        }
    } catch (error) {
        if (signal?.aborted) throw signal.reason;
        throw new BertError('FETCH_FAILED', `${label}: the transfer broke off (${/** @type {Error} */ (error).message})`, { cause: error });
    } finally {
        take.cancel().catch(() => {});
    }
}

/**
 * Reads into one buffer over and over where the engine can (half the time of fresh buffers in
 * Chromium); not every stream or engine can. A chunk is valid until the next one is asked for.
 * @param {ReadableStream<Uint8Array>} stream
 * @returns {{next: () => Promise<{done: boolean, value?: Uint8Array}>, cancel: () => Promise<void>}}
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
    let buffer = new ArrayBuffer(READ_BYTES);
    return {
        async next() {
            const { done, value } = await byob.read(new Uint8Array(buffer));
            if (value) buffer = /** @type {ArrayBuffer} */ (value.buffer); // the old one was detached
            return { done, value };
        },
        cancel: () => byob.cancel(),
    };
}
