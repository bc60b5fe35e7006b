/**
 * The package's other files in Node: files.js, and where a bundler for servers has taken this
 * script elsewhere, those of the package that is installed where the program was started. Such
 * bundlers make addresses for browsers of the literal URLs, or leave the files behind.
 */

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import * as files from './files.js';

export * from './files.js';

export const nodeWorkerScript = () => find(files.nodeWorkerScript(), 'worker.node.js');

/** @returns {Record<string, import('./files.js').PackageFile>} */
export const engineModules = () => findBuilds(files.engineModules(), 'engine');

export const nodeConverterScript = () =>
    find(files.nodeConverterScript(), 'convert-worker.node.js');

export const converterModule = () => find(files.converterModule(), 'convert.wasm');

export const nodeTrainerScript = () => find(files.nodeTrainerScript(), 'train-worker.node.js');

/** @returns {Record<string, import('./files.js').PackageFile>} */
export const trainerModules = () => findBuilds(files.trainerModules(), 'train');

export const searchModule = () => find(files.searchModule(), 'search.wasm');

/**
 * @param {Record<string, import('./files.js').PackageFile>} modules  by build
 * @param {string} name
 */
function findBuilds(modules, name) {
    return Object.fromEntries(
        Object.entries(modules).map(([build, file]) => [
            build,
            find(file, `${name}-${build}.wasm`),
        ]),
    );
}

/**
 * @template {import('./files.js').PackageFile} File
 * @param {File} file
 * @param {string} name
 * @returns {File | URL}
 */
function find(file, name) {
    if (!('href' in file) || (/^file:/.test(file.href) && existsSync(fileURLToPath(file.href)))) {
        return file;
    }
    try {
        const require = createRequire(resolve('package.json'));
        const folder = dirname(require.resolve('bert-wasm/package.json'));
        return pathToFileURL(join(folder, 'build/dist', name));
    } catch {
        return file; // whoever opens it says that it is not there
    }
}
