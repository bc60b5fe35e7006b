/** Room on this device. */

/**
 * Bytes that this page may still store, whatever it has stored; Infinity where the browser does not
 * say.
 * @param {import('../../js/index.js').CacheSize} size  of the models
 */
export async function freeBytes({ used, quota }) {
    const { usage = used } = (await navigator.storage?.estimate?.()) ?? {};
    return Math.max(0, quota - usage);
}
