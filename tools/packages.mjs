/** The packages as npm would publish them. */

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const from = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));

/** Where each is published from. */
export const PACKAGES = {
    'bert-wasm': from('..'),
    'bert-wasm-sentiment': from('../build/sentiment'),
    'bert-wasm-single': from('../build/single'),
};

/** @typedef {keyof typeof PACKAGES} PackageName */

export const NAMES = /** @type {PackageName[]} */ (Object.keys(PACKAGES));

/**
 * @param {PackageName} name
 * @param {string[]} options  of `npm pack`
 * @returns {{filename: string, size: number, files: {path: string}[]}}
 */
export function pack(name, options) {
    const printed = execFileSync('npm', ['pack', '--json', '--ignore-scripts', ...options], {
        cwd: PACKAGES[name],
        encoding: 'utf8',
    });
    return JSON.parse(printed)[0];
}
