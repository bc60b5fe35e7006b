/** Where model bytes come from: a URL, a file, or given bytes, all as one stream. */

import { openFile } from '#platform';

import { openURL, readStream } from './download.js';

/** @typedef {import('./download.js').Source} Source */
/** @typedef {import('./download.js').Chunk} Chunk */

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
        return { label, n_bytes: source.size, ...readStream(source.stream(), label) };
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
    const chunk = /** @type {Chunk} */ (bytes);
    yield chunk;
}
