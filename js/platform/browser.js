/**
 * What differs between a browser and Node, browser side: `#platform` in package.json's imports.
 * Both files export the same functions.
 */

import { BertError } from '../errors.js';

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

/** @returns {WorkerHandle} */
export function startWorker() {
    // Literal, so that bundlers see the file; the worker is one self-contained module.
    const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
    return {
        post: (message, transfer = []) => worker.postMessage(message, transfer),
        onMessage: (listener) => worker.addEventListener('message', ({ data }) => listener(data)),
        onError: (listener) =>
            worker.addEventListener('error', (event) =>
                listener(new Error(event.message || 'the worker script could not be loaded')),
            ),
        terminate: () => worker.terminate(),
        keepAlive: () => {},
    };
}

export function n_cores() {
    return navigator.hardwareConcurrency || 1;
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
 * @returns {Promise<{n_bytes: number, chunks: AsyncIterable<Uint8Array<ArrayBuffer>>}>}
 */
export async function openFile(url) {
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
