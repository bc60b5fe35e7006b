/**
 * A source that is not a file of ours becomes one: it is found, converted once (js/convert/), and
 * stored by where it came from, so that the next start loads it from there. In pages a file of its
 * own, which is fetched when a source needs it: nothing here may have a state that index.js has,
 * too, so settings and the cache are passed.
 */

import { BertError } from '../errors.js';
import { locate } from './resolve.js';

/** Milliseconds that loading what is stored waits to hear whether its source is still the same. */
const PATIENCE = 1000;

/** Milliseconds between looks at what another page or process converts. */
const POLL = 200;

/** Weights that the converter finds, with what goes with them. */
const BY_ITSELF = /^([\w.-]+\/)?model\.safetensors(\.index\.json)?$|^(onnx\/)?model\.onnx$/;

/** @typedef {import('../cache/library.js').Library} Library */
/** @import { Place, ResolvedFiles, SourceOptions } from './resolve.js' */

/**
 * @typedef {object} FoundFile  a file of ours
 * @property {(string | Uint8Array | Blob)[]} given  places that have it; none of one that is
 *   stored
 * @property {string} [stored]  what it is stored by: nothing else is read
 * @property {Record<string, string>} [headers]  that its host wants
 * @property {string | null} [reason]  why a conversion is not stored
 * @property {() => Promise<void>} [remove]  takes it away, once it was read
 * @property {() => Promise<void>} [forget]  it is damaged where it is stored
 */

/**
 * @typedef {object} FindOptions
 * @property {boolean} [cache]
 * @property {boolean} [offline]
 * @property {AbortSignal} [signal]
 * @property {number} [idle_timeout]
 * @property {number} [retry_delay]
 * @property {unknown} [in_thread]
 *
 * @typedef {(progress: import('../convert/index.js').ConversionProgress) => void} OnProgress
 *
 * @param {unknown} source
 * @param {FindOptions & SourceOptions} options  of loadModel()
 * @param {{hub: string | null, token: string | null, library: Library | null}} here  what was
 *   configured, and where models are stored, if they are to be
 * @param {OnProgress} [onprogress]
 * @returns {Promise<FoundFile>}
 */
export async function findModel(source, options, { hub, token, library }, onprogress) {
    const { cache = true, offline = false, signal, idle_timeout, retry_delay } = options;
    const place = await locate(source, options, {
        hub,
        token,
        cache,
        offline,
        isStored: async (url) => Boolean(await library?.findWhole(url)),
        download: { signal, idle_timeout, retry_delay },
    });
    const stored = () => library?.findWhole(place.address) ?? null;
    const before = await stored();
    if (before && offline) return fromLibrary(library, place);
    const finding = place.resolve();
    if (before) {
        // Who does not answer, or refuses to, has nothing newer.
        const late = new Promise((resolve) => setTimeout(resolve, PATIENCE, null));
        const found = await Promise.race([finding.catch(() => null), late]);
        signal?.throwIfAborted();
        if (!found || (found.own === undefined && found.identity === before.identity.etag)) {
            return fromLibrary(library, place);
        }
    }
    const found = await finding;
    if (found.own !== undefined) return { given: [found.own], headers: found.headers };
    if (await found.isOwn()) {
        const { source: own, headers } = found.files[found.weights];
        return { given: [own], headers };
    }
    if (!library) return convertNow(place, found, null, options, onprogress);
    for (;;) {
        // Another page or process may be at it.
        const release = await library.lock(place.address).catch(() => () => {});
        const made = await stored();
        if (made?.identity.etag === found.identity) {
            release?.();
            return fromLibrary(library, place);
        }
        if (!release) {
            await sleep(POLL, signal);
            continue;
        }
        try {
            return await convertNow(place, found, library, options, onprogress);
        } finally {
            release();
        }
    }
}

/**
 * @param {Library | null} library
 * @param {Place} place
 * @returns {FoundFile}
 */
function fromLibrary(library, { address }) {
    const forget = async () => void (await library?.delete(address));
    return { given: [], stored: address, forget };
}

/**
 * @param {Place} place
 * @param {ResolvedFiles} found
 * @param {Library | null} library
 * @param {FindOptions} options
 * @param {OnProgress} [onprogress]
 * @returns {Promise<FoundFile>}
 */
async function convertNow(place, found, library, { signal, in_thread }, onprogress) {
    const { convert, keepConverted } = await importConverter();
    const files = await found.fetch((loaded, total) =>
        onprogress?.({ phase: 'fetch', loaded, total }),
    );
    const file = await convert(files, {
        folder: place.name,
        model: BY_ITSELF.test(found.weights) ? '' : found.weights,
        dtype: place.dtype,
        name: place.name,
        revision: place.revision,
        in_thread: !!in_thread,
        onprogress,
        signal,
    });
    const kept = { given: [file.source], remove: file.remove };
    if (!library) return { ...kept, reason: 'cache: false, or nothing can be stored here' };
    const identity = { etag: found.identity, last_modified: null, length: null };
    const reason = await keepConverted(library, place.address, identity, file, signal);
    if (reason) return { ...kept, reason };
    await file.remove();
    return fromLibrary(library, place);
}

async function importConverter() {
    try {
        return await import('#convert');
    } catch (cause) {
        throw new BertError(
            'UNSUPPORTED',
            'the converter cannot be imported here: give a converted file ' +
                `(${/** @type {Error} */ (cause).message})`,
            { cause },
        );
    }
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} [signal]
 */
async function sleep(milliseconds, signal) {
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    signal?.throwIfAborted();
}
