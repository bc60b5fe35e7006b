/**
 * What differs between a browser and Node, browser side: `#platform` in package.json's imports.
 * Both files export the same functions.
 */

import { converterScript, sentimentModel, trainerScript, workerScript } from '#files';

import { BertError } from '../errors.js';
import { isScript, watchStart } from './worker_start.js';

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

/** Addresses of scripts of this page's, by those of the same scripts elsewhere. */
const copies = /** @type {Map<string, Promise<string>>} */ (new Map());

export function hasWorkers() {
    return typeof Worker !== 'undefined';
}

/**
 * The worker of a model. A page cannot make one of a script of another origin, so there it makes it
 * of a copy. A page without an origin (a sandboxed frame) has none but others. Rejected: a Blob
 * that imports the script. On isolated pages WebKit does not start it, and Firefox no helping
 * threads, unless the other origin sends headers that it has no reason to send.
 * @returns {WorkerHandle}
 */
export function startWorker() {
    return startScript(workerScript());
}

/**
 * The worker of a conversion.
 * @returns {WorkerHandle}
 */
export function startConverter() {
    return startScript(converterScript());
}

/**
 * The worker of a training.
 * @returns {WorkerHandle}
 */
export function startTrainer() {
    return startScript(trainerScript());
}

/**
 * @param {URL} file  of the package
 * @returns {WorkerHandle}
 */
function startScript(file) {
    const script = packageURL(file);
    const { origin, protocol } = new URL(script);
    if (protocol === 'blob:') return start(script, 'classic', script);
    const is_own = origin === self.origin; // a sandboxed frame's location says another
    return is_own ? start(script, 'module', script) : startCopy(script);
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

/**
 * A worker of a script that is fetched first. What is posted meanwhile waits.
 * @param {string} script
 * @returns {WorkerHandle}
 */
function startCopy(script) {
    const starting = copyOf(script).then((url) => start(url, 'classic', script));
    const then = (/** @type {(worker: WorkerHandle) => void} */ act) => {
        starting.then(act, () => {}); // who listens for errors is told
    };
    return {
        post: (message, transfer) => then((worker) => worker.post(message, transfer)),
        onMessage: (listener) => then((worker) => worker.onMessage(listener)),
        onError: (listener) => {
            starting.then((worker) => worker.onError(listener), listener);
        },
        terminate: () => then((worker) => worker.terminate()),
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
 * The address of a copy of a script. It stays: helping threads start from it, and later models.
 * @param {string} script
 * @returns {Promise<string>}
 */
async function copyOf(script) {
    const made = copies.get(script);
    if (made) return made;
    const why = watchStart(script, true);
    const making = fetch(script).then(async (response) => {
        const type = response.headers.get('content-type') ?? '';
        if (!response.ok || !isScript(type)) throw await why();
        const text = await response.text();
        return URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    });
    const copy = making.catch(async (error) => {
        copies.delete(script); // the next model may find it
        throw error instanceof BertError ? error : await why();
    });
    copies.set(script, copy);
    return copy;
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
 * What a path leads to: pages have none.
 * @param {string} _path
 * @returns {'file' | 'folder' | null}
 */
export function kindOfPath(_path) {
    return null;
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
    return sentimentModel()?.href;
}
