/** Whether a file is still what its server has, asked beside loading what is stored of it. */

/** Milliseconds that loading waits for the server's answer, from when it was asked. */
const PATIENCE = 1000;

/** @typedef {import('./manifest.js').FileVersion} FileVersion */

/**
 * @typedef {object} Revalidation
 * @property {boolean} is_outdated
 * @property {string | null} reason  why that is not known
 */

/**
 * @param {string} url
 * @param {FileVersion & {n_bytes: number}} stored
 * @param {AbortSignal} [signal]
 * @returns {Promise<Revalidation>}
 */
export async function revalidate(url, stored, signal) {
    const asking = new AbortController();
    const abort = () => asking.abort();
    const timer = setTimeout(abort, PATIENCE);
    signal?.addEventListener('abort', abort);
    try {
        const answer = await fetch(url, {
            method: 'HEAD',
            cache: 'no-cache',
            signal: asking.signal,
        });
        if (!answer.ok) {
            const reason = `the server was asked for a newer one: HTTP status ${answer.status}`;
            return { is_outdated: false, reason };
        }
        return { is_outdated: isOther(stored, answer.headers), reason: null };
    } catch {
        const reason = 'the server was asked for a newer one, and did not answer';
        return { is_outdated: false, reason };
    } finally {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
    }
}

/**
 * What a page cannot read says nothing.
 * @param {FileVersion & {n_bytes: number}} stored
 * @param {Headers} headers
 */
function isOther({ etag, last_modified, n_bytes }, headers) {
    const is_packed = headers.has('content-encoding');
    const length = is_packed ? null : headers.get('content-length');
    return (
        areOther(etag, headers.get('etag')) ||
        areOther(last_modified, headers.get('last-modified')) ||
        areOther(String(n_bytes), length)
    );
}

/**
 * Whether two names of a version are of different ones. Servers that pack an answer weaken its tag.
 * @param {string | null | undefined} a
 * @param {string | null | undefined} b
 */
export function areOther(a, b) {
    const plain = (/** @type {string} */ tag) => tag.replace(/^W\//, '');
    return Boolean(a && b) && plain(String(a)) !== plain(String(b));
}
