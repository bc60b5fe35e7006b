/** The package's own WebAssembly modules, wherever it is served from. */

import { packageURL } from '#platform';

import { BertError } from '../errors.js';
import { openSource } from './source.js';

/**
 * What the worker can be sent.
 * @param {import('../platform/files.js').PackageFile} file
 * @returns {string | Uint8Array | WebAssembly.Module}
 */
export function toPost(file) {
    return 'href' in file ? packageURL(file) : file;
}

/**
 * @param {string | Uint8Array | WebAssembly.Module} file  a string: its URL
 * @returns {Promise<WebAssembly.Module>}
 */
export async function compileFrom(file) {
    if (file instanceof WebAssembly.Module) return file;
    const source = openSource(file);
    const parts = [];
    for await (const chunk of source.read(0)) parts.push(chunk.slice());
    const bytes = new Uint8Array(parts.reduce((n_bytes, part) => n_bytes + part.length, 0));
    let at = 0;
    for (const part of parts) {
        bytes.set(part, at);
        at += part.length;
    }
    if (
        bytes.length < 4 ||
        bytes[0] !== 0 ||
        bytes[1] !== 0x61 ||
        bytes[2] !== 0x73 ||
        bytes[3] !== 0x6d
    ) {
        throw new BertError(
            'ENGINE_FAILED',
            `${source.label} is not a WebAssembly module: is it served from where the ` +
                "package's files are?",
        );
    }
    return WebAssembly.compile(bytes);
}
