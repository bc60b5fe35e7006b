/** The packages as npm would publish them, and programs that have installed them. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Where each package is published from. */
export const PACKAGES = {
    'bert-wasm': ROOT,
    'bert-wasm-sentiment': join(ROOT, 'build/sentiment'),
    'bert-wasm-single': join(ROOT, 'build/single'),
};

/** @typedef {keyof typeof PACKAGES} PackageName */

/**
 * @param {PackageName} name
 * @param {string} folder
 * @returns {string}  the tarball
 */
export function pack(name, folder) {
    const options = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
    const printed = execFileSync('npm', options, { cwd: PACKAGES[name], encoding: 'utf8' });
    return join(folder, JSON.parse(printed)[0].filename);
}

/**
 * A program's folder with packages installed from their tarballs, without a network.
 * @param {string} folder  is made
 * @param {string[]} tarballs
 */
export function install(folder, tarballs) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{"type": "module", "private": true}');
    const options = ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund'];
    execFileSync('npm', [...options, ...tarballs], { cwd: folder, stdio: 'pipe' });
}
