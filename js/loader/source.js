/** Where model bytes come from: a URL, a file, or given bytes, all alike. */

import { openFile } from '#platform';

import { ChunkPool, openURL, readStream } from './download.js';

/** @typedef {import('./download.js').Source} Source */
/** @typedef {import('./download.js').Chunk} Chunk */

/**
 * @param {string | Uint8Array | Blob} source  absolute URL (http:, https:, file:) or bytes
 * @param {AbortSignal} [signal]
 * @returns {Source}
 */
export function openSource(source, signal) {
    if (source instanceof Uint8Array) {
        return {
            label: 'the given bytes',
            n_bytes: source.length,
            async *read(from) {
                yield/** @type {Chunk} */ (source.subarray(from));
            },
        };
    }
    if (source instanceof Blob) {
        const label = 'name' in source ? `file '${source.name}'` : 'the given Blob';
        const pool = new ChunkPool();
        return {
            label,
            n_bytes: source.size,
            read: (from) => readStream(source.slice(from).stream(), label, pool),
            recycle: (chunk) => pool.recycle(chunk),
        };
    }
    const url = new URL(source);
    return url.protocol === 'file:' ? openFile(url) : openURL(url, signal);
}
