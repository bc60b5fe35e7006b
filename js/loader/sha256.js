/** Hashes as model files, the cache and the Hub write them. */

/**
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Promise<string>}  lower-case hex
 */
export function sha256(bytes) {
    return hash('SHA-256', bytes);
}

/**
 * @param {'SHA-256' | 'SHA-1'} kind
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Promise<string>}  lower-case hex
 */
export async function hash(kind, bytes) {
    const digest = new Uint8Array(await crypto.subtle.digest(kind, bytes));
    return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
