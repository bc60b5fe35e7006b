/** Folders as the converter of the package takes them. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Files of a folder that the worker cannot read by itself, as those of a server.
 * @param {string} folder
 * @returns {import('../../js/convert/index.js').ReadableFiles}
 */
export function filesOf(folder) {
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
        statSync(join(folder, name)).isFile(),
    );
    return Object.fromEntries(
        names.map((name) => [name, fileOf(readFileSync(join(folder, name)))]),
    );
}

/** @param {Uint8Array} bytes */
export function fileOf(bytes) {
    return {
        size: bytes.length,
        read: async (start, end) => new Uint8Array(bytes.subarray(start, end)),
    };
}

/** The same where the worker can. @param {string} folder */
export function pathsOf(folder) {
    const files = Object.entries(filesOf(folder));
    return Object.fromEntries(
        files.map(([name, file]) => [name, { ...file, path: join(folder, name) }]),
    );
}
