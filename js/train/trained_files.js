/** What a training gives is the files of a folder: a model file is made of them, with its card. */

import { checkCard } from './card.js';
import { withClassifier, withMetadata } from './file_header.js';

/**
 * @typedef {object} SaveOptions
 * @property {import('../sources/choose.js').Dtype} [dtype]  how weights are stored: 'f32', 'f16',
 *   'q8', 'q7' or 'q4'; default 'q8'
 * @property {string} [name]  that the model gets; default that of the base, or `bert`
 * @property {string} [card]  what the file says of itself, in Markdown, up to 65,536 characters;
 *   default `card` of what was trained
 * @property {AbortSignal} [signal]  ends the conversion
 */

/**
 * @param {Record<string, Uint8Array>} files  as export() gives them
 * @param {SaveOptions & {name: string, card: string}} options
 * @param {{labels: string[], classifier: import('./file_header.js').Classifier}} [head]  on its
 *   embeddings
 * @returns {Promise<Uint8Array>}
 */
export async function toModelFile(files, { dtype, name, card, signal }, head) {
    checkCard(card);
    const { convert } = await import('#convert');
    const readable = Object.entries(files).map(([path, bytes]) => [
        path,
        {
            size: bytes.length,
            read: async (/** @type {number} */ start, /** @type {number} */ end) =>
                bytes.slice(start, end),
        },
    ]);
    const file = await convert(Object.fromEntries(readable), { dtype, name, signal });
    try {
        const bytes = await file.read(0, file.n_bytes);
        return withMetadata(bytes, ({ config, ...metadata }) => ({
            ...metadata,
            config: head ? withClassifier(config, head.labels, head.classifier) : config,
            card,
        }));
    } finally {
        await file.remove();
    }
}

/**
 * A card is README.md of a folder, as the hub shows it.
 * @param {Record<string, Uint8Array>} files
 * @param {string} card
 * @returns {Record<string, Uint8Array>}
 */
export function withReadme(files, card) {
    return { ...files, 'README.md': new TextEncoder().encode(checkCard(card)) };
}
