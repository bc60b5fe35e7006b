/** A store in the Cache API of the page's origin: blobs as answers of addresses that nobody has. */

/** Not below the origin: an extension's is no http. */
const BASE = 'https://bert-wasm.invalid/';

/** @returns {Promise<import('./store.js').Store>} */
export async function openCaches() {
    const [models, chunks] = await Promise.all(
        ['models', 'chunks'].map((name) => caches.open(`bert-wasm-${name}`)),
    );
    return { kind: 'cache', models: shelfOf(models), chunks: shelfOf(chunks) };
}

/**
 * @param {Cache} cache
 * @returns {import('./store.js').Shelf}
 */
function shelfOf(cache) {
    return {
        async get(key) {
            const answer = await cache.match(BASE + key).catch(() => undefined);
            return answer ? new Uint8Array(await answer.arrayBuffer()) : null;
        },
        async put(key, bytes) {
            const headers = { 'Content-Length': String(bytes.length) };
            await cache.put(BASE + key, new Response(bytes, { headers }));
        },
        async delete(key) {
            await cache.delete(BASE + key);
        },
        async list() {
            const sizes = new Map();
            for (const request of await cache.keys()) {
                const answer = await cache.match(request);
                const size = Number(answer?.headers.get('Content-Length') ?? 0);
                sizes.set(request.url.slice(BASE.length), size);
            }
            return sizes;
        },
    };
}
