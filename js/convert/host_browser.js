/** What a page and its workers have for a conversion. See host_node.js. */

import { BertError } from '../errors.js';

/** @typedef {import('./host_node.js').Output} Output */
/** @typedef {import('./converter.js').OutputPart} OutputPart */

/**
 * Reads a Blob at once, as workers alone can.
 * @param {import('./at_hand.js').ListedFile} file
 * @returns {((into: Uint8Array, start: number) => boolean) | null}  null: it cannot be read so
 */
export function openNow({ name, blob }) {
    const { FileReaderSync } = /** @type {any} */ (globalThis);
    if (!blob || !FileReaderSync) return null;
    const reader = new FileReaderSync();
    return (into, start) => {
        try {
            const part = blob.slice(start, start + into.length);
            into.set(new Uint8Array(reader.readAsArrayBuffer(part)));
        } catch (cause) {
            throw new BertError(
                'FETCH_FAILED',
                `${name}: it cannot be read (${/** @type {Error} */ (cause).message})`,
                { cause },
            );
        }
        return true;
    };
}

/** @returns {import('./host_node.js').Hash | null} */
export const openHash = () => null;

/**
 * A Blob, which browsers keep on disk when it is large.
 * @param {string} [path]
 * @returns {Promise<Output>}
 */
export async function openOutput(path) {
    if (path !== undefined) {
        throw new BertError('BAD_OPTION', 'a page has no paths: leave `path` out');
    }
    /** Blobs, so that the bytes need not stay. @type {{at: number, blob: Blob}[]} */
    let written = [];
    return {
        async write(parts) {
            for (const { at, bytes } of parts) written.push({ at, blob: new Blob([bytes]) });
        },
        async finish() {
            written.sort((a, b) => a.at - b.at); // the header came last
            const source = new Blob(written.map(({ blob }) => blob));
            written = [];
            return {
                source,
                n_bytes: source.size,
                read: async (start, end) =>
                    new Uint8Array(await source.slice(start, end).arrayBuffer()),
                async remove() {},
            };
        },
        async abandon() {
            written = [];
        },
    };
}
