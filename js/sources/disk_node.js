/**
 * What Node has beside the network: folders on a disk, what the environment says of the Hub, and
 * the user's Hub cache, which huggingface_hub of Python reads and fills, too:
 *
 *     models--org--name/blobs/HASH              each file once, under what the Hub calls its ETag
 *     models--org--name/snapshots/COMMIT/PATH   links to those
 *     models--org--name/refs/REVISION           the commit that a branch or tag is at
 *
 * A blob is written to a name of its own, checked, then renamed: two processes, or this one and
 * Python, may fetch the same file twice and never spoil it. Rejected: Python's locks, which are
 * flock()'s and only there to spare the second download.
 */

import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
    copyFile,
    mkdir,
    open,
    readdir,
    readFile,
    readlink,
    rename,
    rm,
    stat,
    symlink,
    writeFile,
} from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { BertError } from '../errors.js';
import { openURL } from '../loader/download.js';
import { readableFile } from './readable.js';

/** @import { DownloadOptions } from '../loader/download.js' */
/** @import { Folder } from './folder.js' */
/** @import { ReadableFile } from './readable.js' */

/** @typedef {DownloadOptions & {onread: (n_bytes: number) => void}} StoreOptions */

export const seesRedirects = true;

const HASH = /^([0-9a-f]{40}|[0-9a-f]{64})$/;
const COMMIT = /^[0-9a-f]{40}$/;

/** Folders in folders that are listed. */
const MOST_DEPTH = 3;

/** What says to programs that make copies that a folder is a cache. */
const TAG =
    'Signature: 8a477f597d28d172789f06886806bc55\n' +
    '# This file is a cache directory tag created by bert-wasm.\n' +
    '# For information about cache directory tags see https://bford.info/cachedir/\n';

/** @param {string | undefined} text */
const isTrue = (text) => /^(1|on|yes|true)$/i.test(text ?? '');

/** @param {string} path  may begin with `~/` and have variables */
const expand = (path) =>
    path
        .replace(/^~(?=\/|\\|$)/, () => homedir())
        .replace(/\$\{?(\w+)\}?/g, (whole, name) => process.env[name] ?? whole);

/** $HF_HOME */
function home() {
    const { HF_HOME, XDG_CACHE_HOME } = process.env;
    return expand(HF_HOME || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface'));
}

/**
 * What the user's environment says, as huggingface_hub reads it.
 * @returns {{hub?: string, token?: string, offline: boolean}}
 */
export function environment() {
    const { env } = process;
    return {
        hub: env.HF_ENDPOINT?.replace(/\/+$/, '') || undefined,
        token: isTrue(env.HF_HUB_DISABLE_IMPLICIT_TOKEN) ? undefined : readToken(),
        offline: isTrue(env.HF_HUB_OFFLINE || env.TRANSFORMERS_OFFLINE),
    };
}

/** @returns {string | undefined} */
function readToken() {
    const { HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH } = process.env;
    const given = HF_TOKEN || HUGGING_FACE_HUB_TOKEN;
    if (given) return given.trim() || undefined;
    try {
        return readFileSync(expand(HF_TOKEN_PATH || join(home(), 'token')), 'utf8').trim();
    } catch {
        return undefined; // the user has not logged in
    }
}

/**
 * A folder on a disk.
 * @param {string} url  file:, ends in a slash
 * @param {string} [subfolder]  '' or ends in a slash
 * @returns {Promise<Folder>}
 */
export async function openDisk(url, subfolder = '') {
    const path = join(fileURLToPath(url), subfolder);
    const found = await stat(path).catch(() => null);
    if (!found?.isDirectory()) {
        throw new BertError('FETCH_FAILED', `${path}: there is no such folder`);
    }
    return folderAt(path, { label: path, address: pathToFileURL(join(path, '/')).href });
}

/**
 * @param {string} path
 * @param {{label: string, address: string}} names
 * @returns {Folder}
 */
function folderAt(path, names) {
    return {
        ...names,
        is_listed: true,
        tried: [],
        open: (name) => openOnDisk(join(path, name)),
        names: () => namesIn(path),
    };
}

/** @param {string} path @returns {Promise<ReadableFile | null>} */
async function openOnDisk(path) {
    const found = await stat(path).catch(() => null);
    if (!found?.isFile()) return null;
    const { size, mtimeMs } = found;
    // In a Hub cache it is a link to what is named by its hash.
    const target = basename(await readlink(path).catch(() => ''));
    const identity = HASH.test(target) ? target : `${size} bytes of ${mtimeMs}`;
    // It was compared with its hash before it got that name.
    const file = readableFile(pathToFileURL(path).href, path, { size, identity: '' });
    return { ...file, identity, path };
}

/** @param {string} folder @param {string} [below] @returns {Promise<string[]>} */
async function namesIn(folder, below = '') {
    const names = [];
    const entries = await readdir(join(folder, below), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
        const name = below + entry.name;
        if (!entry.isDirectory()) names.push(name);
        else if (name.split('/').length < MOST_DEPTH && !entry.name.startsWith('.')) {
            names.push(...(await namesIn(folder, `${name}/`)));
        }
    }
    return names.sort();
}

/**
 * Where the user's Hub cache has a repository, or would have it.
 * @param {string} repo  org/name
 */
export async function openHubCache(repo) {
    const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE } = process.env;
    const root = expand(HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE || join(home(), 'hub'));
    return new HubCache(root, join(root, `models--${repo.replaceAll('/', '--')}`));
}

export class HubCache {
    #root;
    #folder;

    /**
     * @param {string} root
     * @param {string} folder  of the repository
     */
    constructor(root, folder) {
        this.#root = root;
        this.#folder = folder;
    }

    /**
     * What is stored of a revision.
     * @param {{revision: string, subfolder: string, label: string, address: string}} wanted
     * @returns {Promise<Folder | null>}
     */
    async openSnapshot({ revision, subfolder, label, address }) {
        const ref = () => readFile(join(this.#folder, 'refs', revision), 'utf8').catch(() => '');
        const commit = COMMIT.test(revision) ? revision : (await ref()).trim();
        if (!COMMIT.test(commit)) return null;
        const path = join(this.#snapshot(commit), subfolder);
        const found = await stat(path).catch(() => null);
        return found?.isDirectory() ? folderAt(path, { label, address }) : null;
    }

    /**
     * A file of a Hub that is stored before it is read; where nothing can be stored, it is read as
     * it is.
     * @param {ReadableFile} remote  whose identity is what the Hub calls its ETag
     * @param {string} url  of this commit's
     * @param {{commit: string, revision: string, path: string}} place
     * @param {DownloadOptions} options
     * @returns {ReadableFile}
     */
    through(remote, url, place, options) {
        const path = join(this.#snapshot(place.commit), ...place.path.split('/'));
        /** @type {ReadableFile | undefined} */
        let stored;
        /** @type {Promise<ReadableFile> | undefined} */
        let storing;
        const open = async (/** @type {(n_bytes: number) => void} */ onread) => {
            const file =
                (await openOnDisk(path)) ??
                ((await this.#store(remote, url, place, path, { ...options, onread }))
                    ? await openOnDisk(path)
                    : null);
            stored = file ?? undefined;
            return file ?? remote;
        };
        const store = (onread = (/** @type {number} */ _) => {}) => {
            storing ??= open(onread).catch((error) => {
                storing = undefined; // the next one tries again
                throw error;
            });
            return storing;
        };
        return {
            ...remote,
            get source() {
                return (stored ?? remote).source;
            },
            read: async (start, end) => (await store()).read(start, end),
            store,
        };
    }

    /** @param {string} commit */
    #snapshot(commit) {
        return join(this.#folder, 'snapshots', commit);
    }

    /**
     * @param {ReadableFile} remote
     * @param {string} url
     * @param {{commit: string, revision: string, path: string}} place
     * @param {string} link
     * @param {StoreOptions} options
     * @returns {Promise<boolean>}  false: nothing can be stored there
     */
    async #store(remote, url, { commit, revision }, link, options) {
        const blob = join(this.#folder, 'blobs', remote.identity);
        try {
            await mkdir(dirname(blob), { recursive: true });
            await mkdir(dirname(link), { recursive: true });
            const tag = join(this.#root, 'CACHEDIR.TAG');
            await writeFile(tag, TAG, { flag: 'wx' }).catch(() => {}); // it has one
            if (revision !== commit) await this.#point(revision, commit);
        } catch {
            return false;
        }
        const isThere = await stat(blob).then(
            ({ size }) => size === remote.size,
            () => false,
        );
        if (!isThere) await this.#fetch(remote, url, blob, options);
        await linkTo(blob, link);
        return true;
    }

    /** @param {string} revision @param {string} commit */
    async #point(revision, commit) {
        const ref = join(this.#folder, 'refs', ...revision.split('/'));
        if ((await readFile(ref, 'utf8').catch(() => '')) === commit) return;
        await mkdir(dirname(ref), { recursive: true });
        await writeFile(ref, commit);
    }

    /**
     * @param {ReadableFile} remote
     * @param {string} url
     * @param {string} blob
     * @param {StoreOptions} options
     */
    async #fetch({ label, size, identity }, url, blob, { onread, ...options }) {
        const temporary = `${blob}.${randomUUID().slice(0, 8)}.incomplete`;
        const isGit = identity.length === 40;
        const hash = HASH.test(identity) ? createHash(isGit ? 'sha1' : 'sha256') : null;
        if (isGit) hash?.update(`blob ${size}\0`);
        const known = { etag: null, last_modified: null, length: size };
        const download = openURL(new URL(url), { ...options, identity: known });
        const file = await open(temporary, 'wx');
        try {
            let at = 0;
            for await (const chunk of download.read(0, size)) {
                hash?.update(chunk);
                for (let n = 0; n < chunk.length; ) {
                    n += (await file.write(chunk, n)).bytesWritten;
                }
                at += chunk.length;
                onread(chunk.length);
                download.recycle?.(chunk);
            }
            const found = hash?.digest('hex') ?? identity;
            if (at !== size || found !== identity) {
                throw new BertError(
                    'FETCH_FAILED',
                    at === size
                        ? `${label}: its hash must be ${identity}, not ${found}: it was damaged ` +
                              'on the way, or the repository has another one now'
                        : `${label}: it is cut off after ${at} bytes, it must have ${size}`,
                );
            }
            await file.close();
            await rename(temporary, blob);
        } catch (error) {
            await file.close().catch(() => {});
            await rm(temporary, { force: true }).catch(() => {});
            throw error;
        }
    }
}

/**
 * @param {string} blob
 * @param {string} link
 */
async function linkTo(blob, link) {
    try {
        await symlink(relative(dirname(link), blob), link);
    } catch (error) {
        const { code } = /** @type {NodeJS.ErrnoException} */ (error);
        if (code === 'EEXIST') return; // another process was faster
        await copyFile(blob, link); // Windows has no links for everyone
    }
}
