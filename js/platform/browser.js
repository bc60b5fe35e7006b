/**
 * What differs between a browser and Node, browser side: `#platform` in package.json's imports.
 * Both files export the same functions.
 */

import { workerScript } from '#files';

import { BertError } from '../errors.js';
import { watchStart } from './worker_start.js';

/**
 * @typedef {object} Port  the other thread, whichever side this is
 * @property {(message: unknown, transfer?: ArrayBuffer[]) => void} post
 * @property {(listener: (message: any) => void) => void} onMessage
 */

/**
 * @typedef {object} WorkerExtras
 * @property {(listener: (error: Error) => void) => void} onError  it could not load, crashed or
 *   ended
 * @property {() => void} terminate
 * @property {(is_alive: boolean) => void} keepAlive  whether the process waits for the worker
 */

/** @typedef {Port & WorkerExtras} WorkerHandle */

/** Scripts that import one of another origin. @type {Map<string, string>} */
const blobs = new Map();

export function hasWorkers() {
    return typeof Worker !== 'undefined';
}

/**
 * The worker of a model. A page cannot make one of a script of another origin, so there a Blob
 * imports it. A page without an origin (a sandboxed frame) has none but others; what it makes of a
 * Blob cannot be a module in Chromium. A Blob that is the script itself need not be one.
 * @returns {WorkerHandle}
 */
export function startWorker() {
    const script = packageURL(workerScript());
    const { origin, protocol } = new URL(script);
    if (protocol === 'blob:') return start(script, 'classic', script);
    const own = self.origin; // a sandboxed frame's location says another
    if (own === 'null') return start(blobOf(`importScripts("${script}")`), 'classic', script);
    if (origin !== own) return start(blobOf(`import "${script}"`), 'module', script);
    return start(script, 'module', script);
}

/**
 * A thread that helps this worker: the script that runs here, once more.
 * @returns {WorkerHandle}
 */
export function startHelper() {
    const { href } = self.location;
    return start(href, isClassic() ? 'classic' : 'module', href);
}

/**
 * @param {string} url
 * @param {WorkerType} type
 * @param {string} script  that runs there in the end, for messages
 * @returns {WorkerHandle}
 */
function start(url, type, script) {
    const why = watchStart(script, url !== script);
    const worker = new Worker(url, { type });
    return {
        post: (message, transfer = []) => worker.postMessage(message, transfer),
        onMessage: (listener) => worker.addEventListener('message', ({ data }) => listener(data)),
        onError: (listener) =>
            worker.addEventListener('error', async (event) =>
                listener(event.message ? new Error(event.message) : await why()),
            ),
        terminate: () => worker.terminate(),
        keepAlive: () => {},
    };
}

/** Whether this worker's script is no module: one has no importScripts(). */
function isClassic() {
    try {
        /** @type {any} */ (globalThis).importScripts();
        return true;
    } catch {
        return false;
    }
}

/**
 * The address of a script of this page's. It stays: helping threads start from it, too.
 * @param {string} text
 */
function blobOf(text) {
    const url =
        blobs.get(text) ?? URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    blobs.set(text, url);
    return url;
}

/**
 * The address of a file of the package, so that it means the same in the worker. Bundlers may have
 * made it one without a host. vite 5 to 7 move the scripts of a package to node_modules/.vite/deps
 * while they develop, and leave its other files behind.
 * @param {URL} url
 * @returns {string}
 */
export function packageURL(url) {
    return resolveSource(url.href).replace(
        /\/node_modules\/\.vite\/deps\w*\//,
        '/node_modules/bert-wasm/build/dist/',
    );
}

export function n_cores() {
    return navigator.hardwareConcurrency;
}

/** @returns {Promise<Port>} */
export async function parentPort() {
    return {
        post: (message, transfer = []) => self.postMessage(message, { transfer }),
        onMessage: (listener) => self.addEventListener('message', ({ data }) => listener(data)),
    };
}

/**
 * A model's location as a URL, so that it means the same in the worker.
 * @param {string} source
 * @returns {string}
 */
export function resolveSource(source) {
    const base = globalThis.document?.baseURI ?? globalThis.location?.href;
    if (!URL.canParse(source, base)) {
        throw new BertError('BAD_INPUT', `'${source}' is not a valid URL`);
    }
    return new URL(source, base).href;
}

/**
 * @param {URL} url
 * @returns {import('../loader/download.js').Source}
 */
export function openFile(url) {
    throw new BertError(
        'UNSUPPORTED',
        `${url.href}: a page cannot read files by URL; pass the File or its bytes`,
    );
}

/**
 * Where the sentiment model lies if it lies beside the script; who fetches it finds out.
 * @returns {Promise<string | undefined>}
 */
export async function sentimentBeside() {
    // By a file that is there anyway: bundlers make a path of the machine that they run on of an
    // `import.meta.url` that stands alone.
    const script = new URL('./search.wasm', import.meta.url);
    const name = 'models/sentiment-minilm-l6-q8.safetensors';
    return URL.canParse(name, script) ? new URL(name, script).href : undefined;
}
