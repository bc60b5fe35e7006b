/** The packages as npm would publish them, installed into a folder of their own. */

import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { install, pack } from '../js/packed.js';

const TESTS = fileURLToPath(new URL('../', import.meta.url));

/**
 * @param {string[]} [files]  of the folder of tests, that are copied there
 * @returns {{folder: string, remove: () => void}}
 */
export function installAll(files = []) {
    const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-installed-'));
    const remove = () => rmSync(folder, { recursive: true, force: true });
    try {
        install(folder, [pack('bert-wasm', folder), pack('bert-wasm-sentiment', folder)]);
        for (const file of files) cpSync(join(TESTS, file), join(folder, file));
        return { folder, remove };
    } catch (error) {
        remove();
        throw error;
    }
}
