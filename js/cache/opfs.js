/**
 * A store in the files of the page's origin. A file is written to another place and takes its name
 * when it is closed. Engines without createWritable() (Safari before 26) have the Cache API, which
 * does the same: rejected, to write there in place by handles that workers alone have.
 */

/** @typedef {import('./store.js').Shelf} Shelf */

/** @returns {Promise<import('./store.js').Store>} */
export async function openFiles() {
    if (!('createWritable' in FileSystemFileHandle.prototype)) {
        throw new Error('files of the origin cannot be written');
    }
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle('bert-wasm', { create: true });
    const [models, chunks] = await Promise.all(
        ['models', 'chunks'].map((name) => folder.getDirectoryHandle(name, { create: true })),
    );
    return { kind: 'opfs', models: shelfOf(models), chunks: shelfOf(chunks) };
}

/**
 * @param {FileSystemDirectoryHandle} folder
 * @returns {Shelf}
 */
function shelfOf(folder) {
    return {
        async get(key) {
            try {
                const file = await (await folder.getFileHandle(key)).getFile();
                return new Uint8Array(await file.arrayBuffer());
            } catch {
                return null;
            }
        },
        async put(key, bytes) {
            const handle = await folder.getFileHandle(key, { create: true });
            const file = await handle.createWritable();
            try {
                await file.write(bytes);
                await file.close();
            } catch (error) {
                await file.abort().catch(() => {});
                throw error;
            }
        },
        async delete(key) {
            await folder.removeEntry(key).catch(() => {});
        },
        async list() {
            const sizes = new Map();
            for await (const [key, handle] of folder.entries()) {
                const file = await /** @type {FileSystemFileHandle} */ (handle)
                    .getFile()
                    .catch(() => null); // it is gone
                if (file) sizes.set(key, file.size);
            }
            return sizes;
        },
    };
}
