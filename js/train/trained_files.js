/** What a training gives is the files of a folder: a model file is made of them. */

/**
 * @typedef {object} SaveOptions
 * @property {import('../sources/choose.js').Dtype} [dtype]  how weights are stored: 'f32', 'f16',
 *   'q8', 'q7' or 'q4'; default 'q8'
 * @property {string} [name]  that the model gets; default that of the base, or `bert`
 * @property {AbortSignal} [signal]  ends the conversion
 */

/**
 * @param {Record<string, Uint8Array>} files  as export() gives them
 * @param {SaveOptions & {name: string}} options
 * @returns {Promise<Uint8Array>}
 */
export async function toModelFile(files, { dtype, name, signal }) {
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
        return await file.read(0, file.n_bytes);
    } finally {
        await file.remove();
    }
}
