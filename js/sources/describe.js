/** What a Hub says of a file before it is fetched: the first question that it is asked. */

import { identityOf, reasonOf } from '../loader/answer.js';

/**
 * @typedef {object} Description
 * @property {number} status  of the answer; 0: there was none
 * @property {string} said  the status, or why there was no answer, for messages
 * @property {string | null} code  what the Hub calls an error: `RepoNotFound`, `GatedRepo`, ...
 * @property {string | null} commit  that the revision is at, if the host lets it be seen
 * @property {string | null} etag  a hash of the file, where redirects can be seen
 * @property {number | null} size
 */

/** Redirects within the host that are followed. */
const MOST_REDIRECTS = 5;

/** Of a commit. */
const COMMIT = /^[0-9a-f]{40}$/;

/**
 * A redirect to another host is not followed where it can be seen: what is asked for stands in the
 * redirect itself, and no header of ours is for that host. Pages cannot see redirects.
 * @param {string} url
 * @param {object} options
 * @param {Record<string, string>} options.headers
 * @param {boolean} options.sees_redirects
 * @param {number} options.timeout  milliseconds
 * @param {AbortSignal} [options.signal]
 * @returns {Promise<Description>}
 */
export async function describe(url, { headers, sees_redirects, timeout, signal }) {
    const asking = new AbortController();
    const abort = () => asking.abort(signal?.reason);
    const timer = setTimeout(() => asking.abort(), timeout);
    signal?.addEventListener('abort', abort, { once: true });
    try {
        signal?.throwIfAborted();
        let response = await head(url, headers, sees_redirects, asking.signal);
        for (let n = 0, at = url; n < MOST_REDIRECTS && isRedirect(response); n++) {
            const next = new URL(response.headers.get('location') ?? '', at);
            if (next.origin !== new URL(url).origin) break;
            at = next.href;
            response = await head(at, headers, sees_redirects, asking.signal);
        }
        return descriptionOf(response);
    } catch (error) {
        if (signal?.aborted) throw signal.reason;
        const why = asking.signal.aborted ? `in ${timeout / 1000} s` : `(${reasonOf(error)})`;
        return { ...NOTHING, said: `no answer ${why}` };
    } finally {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
    }
}

/** @type {Description} */
const NOTHING = { status: 0, said: '', code: null, commit: null, etag: null, size: null };

/**
 * @param {string} url
 * @param {Record<string, string>} headers
 * @param {boolean} sees_redirects
 * @param {AbortSignal} signal
 */
function head(url, headers, sees_redirects, signal) {
    const redirect = sees_redirects ? 'manual' : 'follow';
    return fetch(url, { method: 'HEAD', headers, redirect, cache: 'no-cache', signal });
}

/** @param {Response} response */
function isRedirect({ status, headers }) {
    return status >= 300 && status < 400 && headers.has('location');
}

/** @param {Response} response @returns {Description} */
function descriptionOf(response) {
    const { status, headers } = response;
    const commit = headers.get('x-repo-commit');
    const code = headers.get('x-error-code');
    const linked = headers.get('x-linked-etag');
    const { etag, length } = identityOf(response);
    const size = headers.get('x-linked-size');
    const tag = linked?.replace(/^W\//, '') ?? etag;
    return {
        status,
        said: `HTTP status ${status}${code ? `, ${code}` : ''}`,
        code,
        commit: commit && COMMIT.test(commit) ? commit : null,
        etag: tag?.replace(/^"|"$/g, '') ?? null,
        size: size === null ? length : Number(size),
    };
}
