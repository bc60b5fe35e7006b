/** The package as npm would publish it, installed into a folder of its own. */

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/**
 * @param {string[]} [files]  of the folder of tests, that are copied there
 * @returns {{folder: string, remove: () => void}}
 */
export function install(files = []) {
    const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-installed-'));
    const remove = () => rmSync(folder, { recursive: true, force: true });
    try {
        npm(ROOT, 'pack', '--pack-destination', folder);
        writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
        const packed = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
        npm(folder, 'install', '--offline', ...packed.map((name) => `./${name}`));
        for (const file of files) cpSync(join(ROOT, 'tests', file), join(folder, file));
        return { folder, remove };
    } catch (error) {
        remove();
        throw error;
    }
}

/** @param {string} cwd @param {string[]} args */
function npm(cwd, ...args) {
    const options = ['--silent', '--ignore-scripts', '--no-fund', '--no-audit'];
    const run = spawnSync('npm', [...args, ...options], { cwd, encoding: 'utf8' });
    if (run.status !== 0) throw new Error(`npm ${args.join(' ')}: ${run.stdout}${run.stderr}`);
}
