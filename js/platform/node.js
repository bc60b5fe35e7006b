/** What differs between a browser and Node, Node side. See browser.js. */

import { existsSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parentPort as port, Worker, workerData } from 'node:worker_threads';

import {
    nodeConverterScript,
    nodeTrainerScript,
    nodeWorkerScript,
    SENTIMENT_FILE,
    sentimentModel,
} from '#files';

import { BertError } from '../errors.js';

/** Bytes of a file that are read at a time. */
const READ_BYTES = 1 << 18;

export function hasWorkers() {
    return true;
}

/** @returns {import('./browser.js').WorkerHandle} */
export function startWorker() {
    return start(nodeWorkerScript());
}

/** @returns {import('./browser.js').WorkerHandle} */
export function startConverter() {
    return start(nodeConverterScript());
}

/** @returns {import('./browser.js').WorkerHandle} */
export function startTrainer() {
    return start(nodeTrainerScript());
}

/** @returns {import('./browser.js').WorkerHandle} */
export function startHelper() {
    return start(new URL(workerData.script));
}

/**
 * @param {URL} script
 * @returns {import('./browser.js').WorkerHandle}
 */
function start(script) {
    // The worker is self-contained: it needs no flags of the main script (--input-type, --import).
    const worker = new Worker(script, { execArgv: [], workerData: { script: script.href } });
    return {
        post: (message, transfer = []) => worker.postMessage(message, transfer),
        onMessage: (listener) => worker.on('message', listener),
        onError: (listener) => {
            worker.on('error', listener);
            worker.on('exit', (code) =>
                listener(new Error(`the worker thread ended (exit code ${code})`)),
            );
        },
        terminate: () => void worker.terminate(),
        keepAlive: (is_alive) => (is_alive ? worker.ref() : worker.unref()),
    };
}

/**
 * The address of a package's file.
 * @param {URL} url
 * @returns {string}
 */
export function packageURL({ href }) {
    if (URL.canParse(href)) return href;
    throw new BertError(
        'BAD_INPUT',
        `${href} is an address for browsers, which a bundler made of a file: tell it to leave ` +
            "the file's package to Node (Next.js: serverExternalPackages)",
    );
}

export const n_cores = availableParallelism;

/** @returns {Promise<import('./browser.js').Port>} */
export async function parentPort() {
    if (!port) throw new BertError('ENGINE_FAILED', 'worker.node.js was not started as a worker');
    const parent = port;
    return {
        post: (message, transfer = []) => parent.postMessage(message, transfer),
        onMessage: (listener) => parent.on('message', listener),
    };
}

/**
 * URLs stay; everything else is a path.
 * @param {string} source
 * @returns {string}
 */
export function resolveSource(source) {
    if (!/^(https?|file):/i.test(source)) return pathToFileURL(resolve(source)).href;
    if (!URL.canParse(source)) throw new BertError('BAD_INPUT', `'${source}' is not a valid URL`);
    return source;
}

/**
 * What a path leads to.
 * @param {string} path
 * @returns {'file' | 'folder' | null}
 */
export function kindOfPath(path) {
    try {
        return statSync(path).isDirectory() ? 'folder' : 'file';
    } catch {
        return null; // who opens it says why
    }
}

/**
 * @param {URL} url  file:
 * @returns {import('../loader/download.js').Source}
 */
export function openFile(url) {
    const buffer = new Uint8Array(READ_BYTES);
    /** @type {import('../loader/download.js').Source} */
    const source = {
        label: decodeURIComponent(url.pathname),
        async *read(from, to = Infinity) {
            let file;
            try {
                file = await open(url);
                source.n_bytes = (await file.stat()).size;
                for (let at = from; at < to; ) {
                    const n = Math.min(buffer.length, to - at);
                    const { bytesRead } = await file.read(buffer, 0, n, at);
                    if (bytesRead === 0) return;
                    yield buffer.subarray(0, bytesRead);
                    at += bytesRead;
                }
            } catch (error) {
                throw unreadable(url, error);
            } finally {
                await file?.close();
            }
        },
    };
    return source;
}

/**
 * @param {URL} url
 * @param {unknown} error
 */
function unreadable(url, error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    return new BertError(
        'FETCH_FAILED',
        `${decodeURIComponent(url.pathname)}: cannot be read (${code})`,
        { cause: error },
    );
}

/**
 * Where the sentiment model is, if this package cannot see it: among the packages of the folder
 * that the program was started in, as with `npx`, or beside the script, as in a checkout.
 * @returns {Promise<string | undefined>}
 */
export async function sentimentBeside() {
    try {
        const program = createRequire(resolve('package.json'));
        return pathToFileURL(program.resolve(`bert-wasm-sentiment/${SENTIMENT_FILE}`)).href;
    } catch {
        const beside = sentimentModel();
        return beside && existsSync(beside) ? beside.href : undefined;
    }
}
