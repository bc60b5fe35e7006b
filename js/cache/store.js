/**
 * What stores of every kind have in common. A store has two shelves of blobs by key: `chunks` of
 * model files under their SHA-256, and `models`, which tell of each URL what its file is made of
 * (manifest.js). Because chunks are keyed by what is in them, nothing is ever half-written under a
 * name: what was interrupted goes on with what is there, and files share what they have in common.
 *
 * `#storage` in package.json's imports is what a host has: storage_browser.js or storage_node.js.
 * Both export the same functions.
 */

/**
 * @typedef {object} Shelf
 * @property {(key: string) => Promise<Uint8Array<ArrayBuffer> | null>} get  null: it has none. The
 *   buffer is the caller's
 * @property {(key: string, bytes: Uint8Array<ArrayBuffer>) => Promise<void>} put  whole, or not at
 *   all
 * @property {(key: string) => Promise<void>} delete  also what is not there
 * @property {() => Promise<Map<string, number>>} list  bytes by key
 *
 * @typedef {object} Store
 * @property {StoreKind} kind
 * @property {Shelf} models
 * @property {Shelf} chunks
 *
 * @typedef {'opfs' | 'cache' | 'folder'} StoreKind  files of the page's origin, its Cache API, or
 *   in Node a folder
 *
 * @typedef {object} Space
 * @property {number} used  bytes, by whoever shares the quota
 * @property {number} quota  bytes; Infinity where it is not told
 */

export {};
