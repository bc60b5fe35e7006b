/**
 * A repository of a Hub as a folder. Its list gives sizes and hashes of all files in one answer;
 * where a mirror has none, each file is asked for. The revision is pinned to its commit where the
 * host lets that be seen, so that files of two commits do not mix. In Node files go through the
 * user's Hub cache, which Python reads and fills, too (disk_node.js).
 */

import { openHubCache, seesRedirects } from '#disk';

import { BertError } from '../errors.js';
import { IDLE_TIMEOUT, openURL } from '../loader/download.js';
import { describe } from './describe.js';
import { probe } from './folder.js';
import { readableFile } from './readable.js';

/** @import { DownloadOptions } from '../loader/download.js' */
/** @import { Folder } from './folder.js' */
/** @import { Hub } from './hub.js' */
/** @import { ReadableFile } from './readable.js' */

/**
 * @typedef {object} Repository
 * @property {string} name  `org/name`
 * @property {string} revision  a branch, a tag or a commit
 * @property {string} subfolder  '' or ends in a slash
 *
 * @typedef {{size: number, hash: string}} Entry  of a list: a hash of Git, or SHA-256
 */

/** Entries of one answer: of a longer list it has the first ones. */
const PAGE = 1000;

/** Bytes of a list. */
const MOST_BYTES = 16 << 20;

/**
 * @param {Hub} hub
 * @param {Repository} repository
 * @param {object} options
 * @param {boolean} options.cache  whether files go through the user's Hub cache, where there is one
 * @param {boolean} options.offline  whether they must come from there
 * @param {DownloadOptions} options.download
 * @returns {Promise<Folder>}
 */
export async function openRepository(hub, repository, { cache, offline, download }) {
    const { name, revision, subfolder } = repository;
    const stored = cache && hub.has_revisions ? await openHubCache(name) : null;
    const address = hub.urlOf(name, revision, subfolder);
    const label = `${name} (${hub.label}, ${revision}${subfolder && `, ${subfolder}`})`;
    const snapshot = async () => stored?.openSnapshot({ revision, subfolder, label, address });
    if (offline) {
        const found = await snapshot();
        if (found) return found;
        throw new BertError(
            'FETCH_FAILED',
            `${label}: it is not stored on this device, and may not be fetched (offline)`,
        );
    }
    const options = { ...download, headers: hub.headers };
    const ask = (/** @type {string} */ url) =>
        describe(url, {
            headers: hub.headers,
            sees_redirects: seesRedirects,
            timeout: download.idle_timeout ?? IDLE_TIMEOUT,
            signal: download.signal,
        });
    const first = await ask(hub.urlOf(name, revision, `${subfolder}config.json`));
    const tried = [`config.json: ${first.said}`];
    const refusal = hub.has_lists ? refusalOf(first, hub) : null;
    if (refusal !== null || first.status === 0 || first.status >= 500) {
        const found = await snapshot();
        if (found) return found;
    }
    if (refusal !== null) throw new BertError('FETCH_FAILED', `${label}: ${refusal}`);
    const at = first.commit ?? revision;
    const list = hub.has_lists ? await readList(hub, { ...repository, revision: at }, options) : {};
    if (list.failure) tried.push(`its list: ${list.failure}`);
    const commit = first.commit === null ? null : { commit: first.commit, revision };

    /** @param {string} path  in the repository */
    const find = async (path) => {
        const url = hub.urlOf(name, at, path);
        const entry = list.entries?.get(path);
        if (entry) return { url, ...entry };
        if (list.is_complete) return null;
        if (!stored || !commit) return probe(url, options);
        const { status, etag, size, said } = await ask(url);
        if (status === 404) return null;
        if (status === 0 || status >= 400) throw failedAt(url, said);
        return etag === null || size === null ? probe(url, options) : { url, size, hash: etag };
    };

    return {
        label,
        address,
        is_listed: list.is_complete ?? false,
        tried,
        async open(file) {
            const path = subfolder + file;
            const found = await find(path);
            if (found === null || 'read' in found) return found;
            const { url, size, hash } = found;
            const own = { ...options, is_json: path.endsWith('.json') };
            const remote = {
                ...readableFile(url, url, { size, identity: hash }, own),
                source: hub.urlOf(name, revision, path), // what is stored of it stays by that
            };
            return stored && commit
                ? stored.through(remote, url, { ...commit, path }, own)
                : remote;
        },
        names: async () =>
            list.entries
                ? [...list.entries.keys()]
                      .filter((path) => path.startsWith(subfolder))
                      .map((path) => path.slice(subfolder.length))
                : null,
    };
}

/**
 * Why a repository cannot be read at all.
 * @param {import('./describe.js').Description} first
 * @param {Hub} hub
 * @returns {string | null}
 */
function refusalOf({ status, code, said }, { label, headers }) {
    const token =
        'Authorization' in headers
            ? 'the token that was sent does not do'
            : 'give a token (in Node HF_TOKEN, elsewhere configure({ token }))';
    if (status === 403 || (status === 401 && code === 'GatedRepo')) {
        return `${said}: not everyone may read it: accept its conditions on its page, and ${token}`;
    }
    if (status === 401) {
        return (
            `${said}: ${label} has no such repository, or not everyone may read it: is the name ` +
            `right? If so, ${token}`
        );
    }
    if (status === 404 && code === 'RepoNotFound') return `${said}: there is no such repository`;
    if (status === 404 && code === 'RevisionNotFound') return `${said}: it has no such revision`;
    return null;
}

/**
 * What a repository has.
 * @param {Hub} hub
 * @param {Repository} repository
 * @param {DownloadOptions} options
 * @returns {Promise<{entries?: Map<string, Entry>, is_complete?: boolean, failure?: string}>}
 */
async function readList(hub, { name, revision, subfolder }, options) {
    const url = hub.listOf(name, revision, subfolder);
    try {
        const source = openURL(new URL(url), { ...options, is_json: true });
        let text = '';
        let n_bytes = 0;
        const decoder = new TextDecoder();
        for await (const chunk of source.read(0)) {
            n_bytes += chunk.length;
            if (n_bytes > MOST_BYTES) return { failure: `it has more than ${MOST_BYTES} bytes` };
            text += decoder.decode(chunk, { stream: true });
            source.recycle?.(chunk);
        }
        const list = JSON.parse(text + decoder.decode());
        const entries = new Map();
        for (const { type, path, size, oid, lfs } of list) {
            const hash = lfs?.oid ?? oid;
            const n = lfs?.size ?? size;
            const isRight = typeof path === 'string' && Number.isSafeInteger(n) && n >= 0;
            if (type !== 'file') continue;
            if (!isRight || !/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(hash)) {
                return { failure: 'it is not a list of files' };
            }
            entries.set(path, { size: n, hash });
        }
        return { entries, is_complete: list.length < PAGE };
    } catch (error) {
        if (options.signal?.aborted) throw error;
        const { status, message } = /** @type {Error & {status?: number}} */ (error);
        return { failure: status ? `HTTP status ${status}` : message };
    }
}

/** @param {string} url @param {string} said */
function failedAt(url, said) {
    return new BertError('FETCH_FAILED', `${url}: ${said}`);
}
