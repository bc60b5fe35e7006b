/** The package's own WebAssembly modules, wherever it is served from. */

import { packageURL } from '#platform';

import { BertError } from '../errors.js';
import { requireCompiler } from '../platform/webassembly.js';
import { kindOf } from '../realms.js';
import { openSource } from './source.js';

/** @typedef {string | Uint8Array | Blob | WebAssembly.Module} ModuleSource  a string: its URL */

/**
 * What the worker can be sent.
 * @param {import('../platform/files.js').PackageFile} file
 * @returns {ModuleSource}
 */
export function toPost(file) {
    return 'href' in file ? packageURL(file) : file;
}

/**
 * Whether it is a module already, of this realm or another.
 * @param {unknown} value
 * @returns {value is WebAssembly.Module}
 */
export function isModule(value) {
    return kindOf(value) === 'WebAssembly.Module';
}

/**
 * @param {ModuleSource} file
 * @returns {Promise<WebAssembly.Module>}
 */
export async function compileFrom(file) {
    if (isModule(file)) return file;
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
    return WebAssembly.compile(bytes).catch((cause) => {
        requireCompiler();
        throw new BertError('ENGINE_FAILED', `${source.label}: ${cause.message}`, { cause });
    });
}
