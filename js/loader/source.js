/**
 * Where model bytes come from: a URL, a file, or bytes at hand, all as one stream.
 *
 * A server that answers with an error or with a page of HTML is told apart here, where URL, status
 * and content type are known.
 */
import { openFile } from '#platform';

import { BertError } from '../errors.js';

/**
 * @typedef {object} Source
 * @property {string} label  for messages
 * @property {number} [n_bytes]  if known before the end
 * @property {AsyncIterable<Uint8Array>} chunks
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
    const reader = stream.getReader(); // Safari's streams are not async iterable
    try {
        for (;;) {
            const { done, value } = await reader.read();
            if (done) return;
            yield value;
        }
    } catch (error) {
        if (signal?.aborted) throw signal.reason;
        throw new BertError('FETCH_FAILED', `${label}: the transfer broke off (${/** @type {Error} */ (error).message})`, { cause: error });
    } finally {
        reader.cancel().catch(() => {});
    }
}
