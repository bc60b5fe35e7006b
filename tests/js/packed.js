/** Programs that have installed the packages from their tarballs. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { pack as packed } from '../../tools/packages.mjs';

export { NAMES, PACKAGES } from '../../tools/packages.mjs';

/** @typedef {import('../../tools/packages.mjs').PackageName} PackageName */

/**
 * @param {PackageName} name
 * @param {string} folder
 * @returns {string}  the tarball
 */
export function pack(name, folder) {
    return join(folder, packed(name, ['--pack-destination', folder]).filename);
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
