/**
 * Folders that have a model's files: what a page's user has chosen, and what lies at an address.
 * Those of a disk are in disk_node.js, repositories in repository.js.
 */

import { BertError } from '../errors.js';
import { openURL } from '../loader/download.js';
import { readableFile } from './readable.js';

/** @import { ReadableFile } from './readable.js' */
/** @import { DownloadOptions } from '../loader/download.js' */

/**
 * @typedef {object} Folder
 * @property {string} label  for messages
 * @property {string} address  what its conversion is stored by
 * @property {boolean} is_listed  whether it is known what is in it
 * @property {string[]} tried  what was asked before its files, and how that went
 * @property {(name: string) => Promise<ReadableFile | null>} open  a file, by its path in it; null:
 *   there is none
 * @property {() => Promise<string[] | null>} names  all paths, if they are known
 */

/** Folders in folders of a page's user that are looked into. */
const MOST_DEPTH = 3;

/**
 * Files that a page's user has chosen or dropped.
 * @param {Iterable<File>} list
 * @param {string} [subfolder]  '' or ends in a slash
 * @returns {Folder}
 */
export function openFiles(list, subfolder = '') {
    const paths = Array.from(list, (file) => ({
        file,
        path: file.webkitRelativePath || file.name,
    }));
    const [{ path: first }] = paths;
    const root = first.slice(0, first.indexOf('/') + 1);
    const isBelow = root && paths.every(({ path }) => path.startsWith(root));
    const start = (isBelow ? root : '') + subfolder;
    const files = new Map(
        paths
            .filter(({ path }) => path.startsWith(start))
            .map(({ file, path }) => [path.slice(start.length), file]),
    );
    return folderOf(start.slice(0, -1) || 'the given files', files);
}

/**
 * @param {FileSystemDirectoryHandle} handle
 * @param {string} [subfolder]  '' or ends in a slash
 * @returns {Promise<Folder>}
 */
export async function openHandle(handle, subfolder = '') {
    const files = new Map();
    const walk = async (/** @type {FileSystemDirectoryHandle} */ folder, path = '', depth = 0) => {
        for await (const [name, entry] of folder.entries()) {
            if (entry.kind === 'file') {
                if (!path.startsWith(subfolder)) continue;
                const file = await /** @type {FileSystemFileHandle} */ (entry).getFile();
                files.set((path + name).slice(subfolder.length), file);
            } else if (depth < MOST_DEPTH && !name.startsWith('.')) {
                const below = /** @type {FileSystemDirectoryHandle} */ (entry);
                await walk(below, `${path}${name}/`, depth + 1);
            }
        }
    };
    await walk(handle);
    return folderOf(handle.name || 'the given folder', files);
}

/**
 * @param {string} label
 * @param {Map<string, File>} files
 * @returns {Folder}
 */
function folderOf(label, files) {
    return {
        label,
        address: `files:${label}/`,
        is_listed: true,
        tried: [],
        async open(name) {
            const file = files.get(name);
            if (!file) return null;
            const identity = `${file.size} bytes of ${file.lastModified}`;
            return readableFile(file, `file '${name}'`, { size: file.size, identity });
        },
        names: async () => [...files.keys()],
    };
}

/**
 * What lies at an address that has no list: each file is asked for.
 * @param {string} url  ends in a slash
 * @param {DownloadOptions} options
 * @param {Record<string, string>} [exact]  addresses of files by their path, if they are others
 * @returns {Folder}
 */
export function openAddress(url, options, exact = {}) {
    return {
        label: url,
        address: url,
        is_listed: false,
        tried: [],
        open: (name) => probe(exact[name] ?? addressIn(url, name), options),
        names: async () => null,
    };
}

/** @param {string} folder @param {string} path */
function addressIn(folder, path) {
    return new URL(path.split('/').map(encodeURIComponent).join('/'), folder).href;
}

/**
 * A file of a server, if there is one: its first byte is asked for, which tells how many there are.
 * @param {string} url
 * @param {DownloadOptions} options
 * @returns {Promise<ReadableFile | null>}
 */
export async function probe(url, options) {
    const own = { ...options, is_json: /\.json$/i.test(new URL(url).pathname) };
    const source = openURL(new URL(url), own);
    try {
        for await (const _ of source.read(0, 1));
    } catch (error) {
        const { status } = /** @type {BertError & {status?: number}} */ (error);
        if (status === 404 || status === 410) return null;
        throw error;
    }
    const { n_bytes: size, identity: answer } = source;
    if (size === undefined || (!source.gives_parts && size > 0)) return fetchWhole(url, own);
    const identity = answer?.etag ?? answer?.last_modified ?? `${size} bytes`;
    return readableFile(url, url, { size, identity, answer: answer ?? undefined }, own);
}

/**
 * A file of a server that gives no parts, or does not say how many bytes there are.
 * @param {string} url
 * @param {DownloadOptions} options
 */
async function fetchWhole(url, options) {
    const source = openURL(new URL(url), options);
    const parts = [];
    for await (const chunk of source.read(0)) {
        parts.push(new Blob([chunk])); // which need not stay in memory
        source.recycle?.(chunk);
    }
    const blob = new Blob(parts);
    const { etag, last_modified } = source.identity ?? {};
    const identity = etag ?? last_modified ?? `${blob.size} bytes`;
    return readableFile(blob, url, { size: blob.size, identity });
}

/** @param {unknown} path @param {string} name  of the option */
export function checkPath(path, name) {
    const parts = typeof path === 'string' ? path.split('/') : [''];
    const isRight = parts.every((part) => part !== '' && part !== '.' && part !== '..');
    if (isRight && !/[\\?#\0]/.test(String(path))) return;
    throw new BertError(
        'BAD_OPTION',
        `${name} must be a path inside the repository or folder, not ${JSON.stringify(path)}`,
    );
}
