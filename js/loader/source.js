/** Where model bytes come from: a URL, a file, or given bytes, all alike. */

import { openFile } from '#platform';

import { bytesOf, isBlob } from '../realms.js';
import { failed, reasonOf } from './answer.js';
import { ChunkPool, takeFrom } from './chunks.js';
import { openURL } from './download.js';

/** @typedef {import('./download.js').Source} Source */
/** @typedef {import('./chunks.js').Chunk} Chunk */

/**
 * @param {string | Uint8Array | Blob} source  absolute URL (http:, https:, file:) or bytes
 * @param {import('./download.js').DownloadOptions} [options]
 * @returns {Source}
 */
export function openSource(source, options) {
    const bytes = bytesOf(source);
    if (bytes) {
        return {
            label: 'the given bytes',
            n_bytes: bytes.length,
            async *read(from, to) {
                yield bytes.subarray(from, to);
            },
        };
    }
    if (isBlob(source)) return openBlob(source);
    const url = new URL(/** @type {string} */ (source));
    return url.protocol === 'file:' ? openFile(url) : openURL(url, options);
}

/**
 * @param {Blob} blob
 * @returns {Source}
 */
function openBlob(blob) {
    const label = 'name' in blob ? `file '${blob.name}'` : 'the given Blob';
    const pool = new ChunkPool();
    return {
        label,
        n_bytes: blob.size,
        async *read(from, to) {
            const { next, cancel } = takeFrom(blob.slice(from, to).stream(), pool);
            try {
                for (;;) {
                    const { done, value } = await next();
                    if (value?.length) yield value;
                    if (done) return;
                }
            } catch (error) {
                // A file that was changed or removed since it was chosen.
                throw failed(`${label}: it cannot be read (${reasonOf(error)})`, error);
            } finally {
                cancel().catch(() => {});
            }
        },
        recycle: (chunk) => pool.recycle(chunk),
    };
}
