/**
 * A converted model goes into the models of this device (js/cache/): the next start finds it there,
 * as it finds a converted file that it has downloaded. Nothing of a conversion that failed gets
 * there: it is stored when it is whole.
 */

import { bytesOf, readLayout, startOf } from '../cache/manifest.js';
import { BertError } from '../errors.js';
import { headerLength, LENGTH_BYTES } from '../loader/header_length.js';

/**
 * @param {import('../cache/library.js').Library} library
 * @param {string} key  in the place of a URL
 * @param {import('../loader/answer.js').Identity} identity  of what it was made of
 * @param {import('./host_node.js').OutputFile} file
 * @param {AbortSignal} [signal]
 * @returns {Promise<string | null>}  why it is not stored
 */
export async function keepConverted(library, key, identity, file, signal) {
    const layout = await layoutOf(file);
    const manifest = { url: key, identity, used_at: Date.now(), ...layout };
    const reason = await library.makeRoom(manifest);
    if (reason) return reason;
    try {
        // Named before they are there: others sweep away what no manifest names.
        await library.save(manifest);
        for (const [i, hash] of layout.chunks.entries()) {
            signal?.throwIfAborted();
            const start = startOf(layout, i);
            await library.chunks.put(hash, await file.read(start, start + bytesOf(layout, i)));
        }
        return null;
    } catch (error) {
        await library.delete(key);
        signal?.throwIfAborted();
        return `it cannot be stored: ${/** @type {Error} */ (error).message}`;
    }
}

/** @param {import('./host_node.js').OutputFile} file */
async function layoutOf(file) {
    const n = headerLength(await file.read(0, LENGTH_BYTES));
    const layout = n === null ? null : readLayout(await file.read(0, LENGTH_BYTES + n));
    if (layout === null || layout === 'more' || layout.n_bytes !== file.n_bytes) {
        throw new BertError('ENGINE_FAILED', 'the converter has made a file that is none');
    }
    return layout;
}
