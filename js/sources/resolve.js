/**
 * Whatever names a model becomes a file of ours, which loads as it is, or a set of files that a
 * conversion makes one of. In pages a file of its own, which is fetched when a source needs it:
 * nothing here may have a state that index.js has, too, so settings and the cache are passed.
 */

import { environment, openDisk } from '#disk';
import { packageURL, resolveSource } from '#platform';

import { BertError, describe } from '../errors.js';
import { sha256 } from '../loader/sha256.js';
import { isBlob, kindOf } from '../realms.js';
import { choose, DTYPES, isOwn, ownName } from './choose.js';
import { checkPath, openAddress, openFiles, openHandle } from './folder.js';
import { formOf, isHubName } from './forms.js';
import { openHub } from './hub.js';
import { openRepository } from './repository.js';

/** @import { Dtype } from './choose.js' */
/** @import { Folder } from './folder.js' */
/** @import { ReadableFile } from './readable.js' */

/** Where names lead, if nothing else is said. */
const HUB = 'https://huggingface.co';

/** What weights are converted to, if nothing else is said. */
const DTYPE = 'q8';

/** A page of the Hub, as it stands in a browser's bar. */
const HUB_PAGE =
    /^https:\/\/(?:huggingface|hf)\.co\/([^/?#]+\/[^/?#]+)(?:\/(tree|blob|resolve)\/([^/?#]+)(?:\/([^?#]+))?)?\/?(?:[?#].*)?$/;

/**
 * @typedef {object} SourceOptions  of sources that are not a converted file
 * @property {string} [revision]  of a name on the Hub: a branch, a tag or a commit; default 'main'
 * @property {string} [subfolder]  of a name or a folder: the one in it that has the model; default
 *   none
 * @property {string} [file]  of a name or a folder: the weights to take, as
 *   'onnx/model_quantized.onnx'; default a converted file, then safetensors, then ONNX
 * @property {Dtype} [dtype]  what weights are converted to: 'q8', 'q7', 'q4', 'f16' or 'f32';
 *   default 'q8'
 *
 * @typedef {object} Context
 * @property {string | null} hub  as configure() has it
 * @property {string | null} token
 * @property {boolean} cache  whether anything may be stored, and what is stored used
 * @property {boolean} offline  whether nothing may be fetched
 * @property {(url: string) => Promise<boolean>} isStored  whether a file is in the cache
 * @property {import('../loader/download.js').DownloadOptions} download
 *
 * @typedef {object} ResolvedFile  a converted file
 * @property {string | Blob} own
 * @property {Record<string, string>} [headers]  that its host wants
 *
 * @typedef {object} ResolvedFiles  what a conversion makes a file of
 * @property {undefined} [own]
 * @property {Record<string, ReadableFile>} files  by their path in the folder
 * @property {(onprogress?: (loaded: number, total: number) => void) =>
 *   Promise<Record<string, ReadableFile>>} fetch  stores what goes through a cache, and gives the
 *   files from there
 * @property {string} weights  the path of the weights: one file, or an index of several
 * @property {() => Promise<boolean>} isOwn  whether the weights are a converted file after all: it
 *   is looked into
 * @property {string} identity  another one where a file is another one
 *
 * @typedef {object} Place  where a model is, as far as that is known without a request
 * @property {string} name  of the model
 * @property {string} revision  '' where there are none
 * @property {Dtype} dtype  to convert to
 * @property {string} address  with the dtype: what a conversion is stored by
 * @property {() => Promise<ResolvedFile | ResolvedFiles>} resolve
 */

/**
 * @param {unknown} source  of a form of forms.js, or a file that was found to be none of ours
 * @param {SourceOptions} options
 * @param {Context} context
 * @returns {Promise<Place>}  whose resolve() throws FETCH_FAILED where nothing is found, with what
 *   was tried, and BAD_MODEL_FILE where a file is wrong
 * @throws {BertError} BAD_OPTION
 */
export async function locate(source, options, context) {
    checkOptions(options);
    const { dtype } = options;
    const place = await openPlace(source, options, context);
    const { name, revision = '', address, file, open, find = async () => null } = place;
    return {
        name,
        revision,
        dtype: dtype ?? DTYPE,
        address: `${address}${file ?? ''}#${dtype ?? DTYPE}`,
        async resolve() {
            const stored = await find();
            if (stored) return stored;
            const { own, files, weights } = await choose(await open(), { file, dtype });
            if (own) return { own: own.source, headers: own.headers };
            return {
                files,
                fetch: (onprogress) => fetchAll(files, onprogress),
                weights,
                isOwn: () => isOwn(weights, files[weights]),
                identity: await identityOf(files, weights),
            };
        },
    };
}

/**
 * @typedef {object} Found
 * @property {string} name
 * @property {string} [revision]
 * @property {string} address  of the folder
 * @property {string} [file]  the weights, if that was said
 * @property {() => Promise<Folder>} open
 * @property {() => Promise<ResolvedFile | null>} [find]  what is stored already, if nothing may be
 *   fetched
 *
 * @param {any} source
 * @param {SourceOptions} options
 * @param {Context} context
 * @returns {Promise<Found>}
 */
async function openPlace(source, options, context) {
    const { subfolder, file } = options;
    const below = subfolder ? `${subfolder}/` : '';
    const kind = kindOf(source);
    if (kind === 'FileSystemDirectoryHandle') {
        const { name } = source;
        return {
            name,
            address: `files:${name}/${below}`,
            file,
            open: () => openHandle(source, below),
        };
    }
    if (kind === 'FileSystemFileHandle') return placeOfFiles([await source.getFile()], '');
    if (kind === 'FileList' || Array.isArray(source)) {
        return placeOfFiles(Array.from(source), below, file);
    }
    if (isBlob(source)) return placeOfFiles([/** @type {File} */ (source)], '');
    const text = String(source);
    const page = HUB_PAGE.exec(text);
    if (page && isHubName(page[1])) {
        const [, name, kind, revision, path] = page;
        const asked = kind === 'tree' ? { subfolder: path } : { file: path };
        const given = { ...(revision && { revision: decodeURIComponent(revision) }), ...asked };
        return placeOnHub(name, { ...given, ...options }, context);
    }
    if (kind !== 'URL' && formOf(source) === 'name') return placeOnHub(text, options, context);
    const url = kind === 'URL' ? packageURL(source) : resolveSource(text);
    const is_folder = formOf(source) === 'folder' || url.endsWith('/');
    return placeOfURL(url, is_folder, below, file, context);
}

/**
 * @param {string} name  org/name
 * @param {SourceOptions} options
 * @param {Context} context
 * @returns {Found}
 */
function placeOnHub(name, { revision = 'main', subfolder, file, dtype }, context) {
    const { offline: isOffline, hub: of_environment, token } = environment();
    const offline = context.offline || isOffline;
    // The environment's token is for the environment's Hub.
    const hub = openHub(
        context.hub ?? of_environment ?? HUB,
        context.token ?? (context.hub === null ? (token ?? null) : null),
    );
    const below = subfolder ? `${subfolder}/` : '';
    const { cache, download } = context;
    const address = hub.urlOf(name, revision, below);
    const options = { ...download, headers: hub.headers };
    const open = () => {
        if (address.startsWith('file:')) return openDisk(hub.urlOf(name, revision, ''), below);
        if (!hub.has_lists) return openWeb(address, options, offline);
        return openRepository(
            hub,
            { name, revision, subfolder: below },
            { cache, offline, download },
        );
    };
    const find = async () => {
        for (const each of offline && !file ? (dtype ? [dtype] : DTYPES) : []) {
            const own = hub.urlOf(name, revision, below + ownName(each));
            if (await context.isStored(own)) return { own };
        }
        return null;
    };
    return { name, revision, address, file, open, find };
}

/**
 * @param {string} url
 * @param {boolean} is_folder
 * @param {string} below
 * @param {string | undefined} file
 * @param {Context} context
 * @returns {Found}
 */
function placeOfURL(url, is_folder, below, file, { offline, download }) {
    const at = new URL(url);
    let folder = new URL(is_folder ? at.pathname.replace(/\/?$/, '/') : './', at);
    let weights = file;
    if (!is_folder) {
        weights = decodeURIComponent(at.pathname.slice(at.pathname.lastIndexOf('/') + 1));
        if (/\/onnx\/$/.test(folder.pathname)) {
            weights = `onnx/${weights}`;
            folder = new URL('../', folder);
        }
    }
    const address = new URL(below, folder).href;
    const parts = decodeURIComponent(folder.pathname).split('/').filter(Boolean);
    const open = () => {
        if (folder.protocol === 'file:') return openDisk(folder.href, below);
        // An address may have a signature, which those of its neighbours do without.
        const exact = is_folder || !weights ? {} : { [weights]: at.href };
        return openWeb(address, download, offline, exact);
    };
    return { name: parts.at(-1) ?? at.host, address, file: weights, open };
}

/**
 * @param {string} address
 * @param {import('../loader/download.js').DownloadOptions} options
 * @param {boolean} offline
 * @param {Record<string, string>} [exact]  addresses of files that are not below
 */
async function openWeb(address, options, offline, exact) {
    if (!offline) return openAddress(address, options, exact);
    throw new BertError(
        'FETCH_FAILED',
        `${address}: it is not stored on this device, and offline: true forbids to fetch it`,
    );
}

/**
 * @param {File[]} list
 * @param {string} below
 * @param {string} [file]
 * @returns {Found}
 */
function placeOfFiles(list, below, file) {
    if (!list.length) throw new BertError('BAD_INPUT', 'a model must have files, not a list of 0');
    const folder = openFiles(list, below);
    const [{ name }] = list;
    return {
        name: list.length === 1 ? name.replace(/\.\w+$/, '') : folder.label,
        address: list.length === 1 ? `files:` : folder.address,
        file: list.length === 1 ? name : file,
        open: async () => folder,
    };
}

/** @param {Record<string, unknown>} options */
function checkOptions({ revision, subfolder, file, dtype }) {
    if (revision !== undefined) checkPath(revision, 'revision');
    if (subfolder !== undefined) checkPath(subfolder, 'subfolder');
    if (file !== undefined) checkPath(file, 'file');
    if (dtype === undefined || DTYPES.includes(/** @type {Dtype} */ (dtype))) return;
    throw new BertError(
        'BAD_OPTION',
        `dtype must be ${DTYPES.map((each) => `'${each}'`).join(', ')}, not ${describe(dtype)}`,
    );
}

/**
 * @param {Record<string, ReadableFile>} files
 * @param {string} weights
 */
async function identityOf(files, weights) {
    const lines = Object.keys(files)
        .sort()
        .map((name) => `${name} ${files[name].size} ${files[name].identity}`);
    const text = [weights, ...lines].join('\n');
    if (!globalThis.crypto?.subtle) return text; // nothing is stored there
    return sha256(new TextEncoder().encode(text));
}

/**
 * @param {Record<string, ReadableFile>} files
 * @param {(loaded: number, total: number) => void} [onprogress]  bytes
 */
async function fetchAll(files, onprogress) {
    const all = Object.entries(files);
    const total = all.reduce((sum, [, { store, size }]) => sum + (store ? size : 0), 0);
    let loaded = 0;
    const onread = (/** @type {number} */ n_bytes) => {
        loaded += n_bytes;
        onprogress?.(loaded, total);
    };
    const stored = await Promise.all(
        all.map(async ([name, file]) => [name, (await file.store?.(onread)) ?? file]),
    );
    return Object.fromEntries(stored);
}
