/**
 * Files that are read part by part, in any order and several parts at a time: of a server, a disk
 * or a page's user, all alike. What is under way is the loader's (download.js): a part that breaks
 * off is asked for again, at the address that was given; a file that became another one is told.
 */

import { BertError } from '../errors.js';
import { hash } from '../loader/sha256.js';
import { openSource } from '../loader/source.js';

/** @typedef {import('../loader/answer.js').Identity} Identity */
/** @typedef {import('../loader/download.js').DownloadOptions} DownloadOptions */

/**
 * @typedef {object} ReadableFile
 * @property {string} label  for messages
 * @property {number} size  bytes
 * @property {string} identity  another one where the file is another one: a hash, if there is one
 * @property {string | Blob} source  a URL, or the file itself, as loadModel() takes it
 * @property {Record<string, string>} [headers]  that its host wants
 * @property {string} [path]  where Node can read it without asking anybody
 * @property {Blob} [blob]  what has its bytes
 * @property {(start: number, end: number) => Promise<Uint8Array<ArrayBuffer>>} read  from this byte
 *   to the one before another
 * @property {(onread: (n_bytes: number) => void) => Promise<ReadableFile>} [store]  puts it where
 *   it is stored before it is read, and gives it from there
 */

/**
 * @typedef {object} Facts  of a file
 * @property {number} size
 * @property {string} identity  where it is a hash, of 40 digits that of Git or of 64 SHA-256, a
 *   file that is read in one piece is compared with it
 * @property {Identity} [answer]  what its server has said of it
 */

const SHA256 = /^[0-9a-f]{64}$/;
const GIT = /^[0-9a-f]{40}$/;

/**
 * @param {string | Blob} source  URL or the file
 * @param {string} label
 * @param {Facts} facts
 * @param {DownloadOptions} [options]
 * @returns {ReadableFile}
 */
export function readableFile(source, label, { size, identity, answer }, options = {}) {
    // What each answer says, so that the next one is seen to be of the same file.
    let known = answer ?? { etag: null, last_modified: null, length: size };
    return {
        label,
        size,
        identity,
        source,
        ...(typeof source !== 'string' && { blob: source }),
        headers: options.headers,
        async read(start, end) {
            const bytes = new Uint8Array(end - start);
            const file = openSource(source, { ...options, identity: known });
            let at = 0;
            for await (const chunk of file.read(start, end)) {
                bytes.set(chunk, at);
                at += chunk.length;
                file.recycle?.(chunk);
            }
            if (at < bytes.length) {
                throw new BertError(
                    'FETCH_FAILED',
                    `${label}: it is cut off after ${start + at} bytes, it must have ${size}`,
                );
            }
            known = file.identity ?? known;
            if (start === 0 && end === size) await checkHash(label, bytes, identity);
            return bytes;
        },
    };
}

/**
 * All of a small file.
 * @param {ReadableFile} file
 * @param {number} most  bytes that it may have
 */
export async function readText(file, most) {
    if (file.size > most) {
        throw new BertError(
            'BAD_INPUT',
            `${file.label}: it must have at most ${most} bytes, not ${file.size}`,
        );
    }
    return new TextDecoder().decode(await file.read(0, file.size));
}

/**
 * Compares a file with the hash that it is known by, where there is one and the page can.
 * @param {string} label
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {string} identity
 */
async function checkHash(label, bytes, identity) {
    const kind = SHA256.test(identity) ? 'SHA-256' : GIT.test(identity) ? 'SHA-1' : null;
    if (!globalThis.crypto?.subtle || !kind) return;
    const is_sha256 = kind === 'SHA-256';
    const found = await hash(kind, is_sha256 ? bytes : gitBlob(bytes));
    if (found === identity) return;
    throw new BertError(
        'FETCH_FAILED',
        `${label}: its ${is_sha256 ? 'SHA-256' : 'Git hash'} must be ${identity}, not ${found}: ` +
            'it was damaged on the way, or the repository has another one now',
    );
}

/** What Git hashes of a file. @param {Uint8Array} bytes */
function gitBlob(bytes) {
    const start = new TextEncoder().encode(`blob ${bytes.length}\0`);
    const blob = new Uint8Array(start.length + bytes.length);
    blob.set(start);
    blob.set(bytes, start.length);
    return blob;
}
