/** Bytes that are shipped: code as it is, and as servers compress it. */

import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';

/**
 * @param {string | string[]} files  paths, or a folder
 * @param {RegExp} [pattern]
 * @returns {{name: string, bytes: number, gzip: number}[]}
 */
export function measureFiles(files, pattern = /\.(m?js|wasm)$/) {
    const paths =
        typeof files === 'string' ? readdirSync(files).map((name) => join(files, name)) : files;
    return (
        paths
            // The benchmark's own script is nobody's.
            .filter((path) => pattern.test(path) && basename(path) !== 'show.js')
            .map((path) => {
                const bytes = readFileSync(path);
                return {
                    name: basename(path),
                    bytes: bytes.length,
                    gzip: gzipSync(bytes, { level: 9 }).length,
                };
            })
    );
}
