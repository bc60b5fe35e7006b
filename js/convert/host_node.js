/**
 * What Node has for a conversion: `#convert-host` in package.json's imports; for pages
 * host_browser.js. Both export the same functions.
 */

import { createHash } from 'node:crypto';
import { openSync, readSync } from 'node:fs';
import { mkdtemp, open, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { BertError } from '../errors.js';

/** @typedef {import('./converter.js').OutputPart} OutputPart */

/**
 * Reads a file of this machine's at once.
 * @param {import('./at_hand.js').ListedFile} file
 * @returns {((into: Uint8Array, start: number) => boolean) | null}  null: it is not one
 */
export function openNow({ path, size }) {
    if (path === undefined) return null;
    const descriptor = openSync(path, 'r'); // closed when the worker ends
    return (into, start) => {
        for (let n = 0; n < into.length; ) {
            const n_read = readSync(descriptor, into, n, into.length - n, start + n);
            if (n_read === 0) {
                throw new BertError(
                    'FILE_CHANGED',
                    `${path}: has become shorter than the ${size} bytes that it had`,
                );
            }
            n += n_read;
        }
        return true;
    };
}

/**
 * @typedef {object} Hash  SHA-256 of bytes that come piece by piece
 * @property {(bytes: Uint8Array) => void} add
 * @property {() => Uint8Array} end  the 32 bytes of it
 *
 * @returns {Hash | null}  null: there is none that answers at once
 */
export function openHash() {
    const hash = createHash('sha256');
    return { add: (bytes) => void hash.update(bytes), end: () => hash.digest() };
}

/**
 * @typedef {object} Output  the model file while it is written
 * @property {(parts: OutputPart[]) => Promise<void>} write
 * @property {() => Promise<OutputFile>} finish
 * @property {() => Promise<void>} abandon  leaves no trace
 *
 * @typedef {object} OutputFile  a model file that was made here
 * @property {string | Blob} source  what loadModel() takes: in Node a file: URL
 * @property {number} n_bytes
 * @property {(start: number, end: number) => Promise<Uint8Array<ArrayBuffer>>} read  bytes start ..
 *   end - 1
 * @property {() => Promise<void>} remove  takes it away, if it lies in a temporary place
 */

/**
 * The file is written under another name beside the one that it gets.
 * @param {string} [path]  default in a temporary folder
 * @returns {Promise<Output>}
 */
export async function openOutput(path) {
    const folder = path === undefined ? await mkdtemp(join(tmpdir(), 'bert-wasm-')) : undefined;
    const place = folder ? join(folder, 'model.safetensors') : resolve(String(path));
    const temporary = join(dirname(place), `.${basename(place)}.${process.pid}.tmp`);
    const remove = async () => {
        if (folder) await rm(folder, { recursive: true, force: true });
    };
    /** @type {import('node:fs/promises').FileHandle} */
    let file;
    try {
        file = await open(temporary, 'wx');
    } catch (error) {
        await remove();
        throw unwritable(place, error);
    }
    const abandon = async () => {
        await file.close().catch(() => {});
        await rm(temporary, { force: true });
        await remove();
    };
    return {
        async write(parts) {
            try {
                for (const { at, bytes } of parts) await writeAll(file, bytes, at);
            } catch (error) {
                throw unwritable(place, error);
            }
        },
        async finish() {
            try {
                const n_bytes = (await file.stat()).size;
                await file.close();
                await rename(temporary, place);
                return {
                    source: pathToFileURL(place).href,
                    n_bytes,
                    read: (start, end) => readFrom(place, start, end),
                    remove,
                };
            } catch (error) {
                await abandon();
                throw unwritable(place, error);
            }
        },
        abandon,
    };
}

/**
 * @param {import('node:fs/promises').FileHandle} file
 * @param {Uint8Array} bytes
 * @param {number} at
 */
async function writeAll(file, bytes, at) {
    for (let n = 0; n < bytes.length; ) {
        n += (await file.write(bytes, n, bytes.length - n, at + n)).bytesWritten;
    }
}

/**
 * @param {string} path
 * @param {number} start
 * @param {number} end
 */
async function readFrom(path, start, end) {
    const file = await open(path);
    try {
        const bytes = new Uint8Array(end - start);
        await file.read(bytes, 0, bytes.length, start);
        return bytes;
    } finally {
        await file.close();
    }
}

/**
 * @param {string} path
 * @param {unknown} error
 */
function unwritable(path, error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    return new BertError('BAD_OPTION', `${path}: cannot be written (${code})`, { cause: error });
}
