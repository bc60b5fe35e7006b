/** Whether a file is still what its server has, asked beside loading what is stored of it. */

import { difference, identityOf } from '../loader/answer.js';

/** Milliseconds that loading waits for the server's answer, from when it was asked. */
const PATIENCE = 1000;

/** @typedef {import('../loader/answer.js').Identity} Identity */

/**
 * @typedef {object} Revalidation
 * @property {string | null} difference  between what is stored and what the server has
 * @property {string | null} reason  why that is not known
 */

/**
 * @param {string} url
 * @param {Identity} stored
 * @param {{signal?: AbortSignal, headers?: Record<string, string>}} [options]  headers: that its
 *   host wants
 * @returns {Promise<Revalidation>}
 */
export async function revalidate(url, stored, { signal, headers } = {}) {
    const asking = new AbortController();
    const abort = () => asking.abort();
    const timer = setTimeout(abort, PATIENCE);
    signal?.addEventListener('abort', abort);
    try {
        const head = await fetch(url, {
            method: 'HEAD',
            cache: 'no-cache',
            headers: headers ?? {},
            signal: asking.signal,
        });
        if (head.ok) return { difference: difference(stored, identityOf(head)), reason: null };
        return { difference: null, reason: `${UNKNOWN}: HTTP status ${head.status}` };
    } catch {
        return { difference: null, reason: `${UNKNOWN}: it did not answer` };
    } finally {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
    }
}

const UNKNOWN = 'the server was asked whether it has a newer one';
