/**
 * What Node has to store models in: a folder of the user's cache directory. A blob is written to a
 * temporary name, then renamed. See store.js.
 */

import { mkdir, open, readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

import { lockFile } from './lock_file.js';

/** What a process that was ended has left is swept after so many milliseconds. */
const LEFT_BEHIND = 3_600_000;

const TEMPORARY = '.tmp';

/** $XDG_CACHE_HOME/bert-wasm/models, or where this system keeps such things. */
function home() {
    const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
    const folder =
        XDG_CACHE_HOME ||
        (process.platform === 'win32' && LOCALAPPDATA) ||
        join(homedir(), process.platform === 'darwin' ? 'Library/Caches' : '.cache');
    return join(folder, 'bert-wasm', 'models');
}

/** @returns {Promise<import('./store.js').Store>} */
export async function openStore() {
    const folder = home();
    return {
        kind: 'folder',
        models: shelfOf(join(folder, 'files')),
        chunks: shelfOf(join(folder, 'chunks')),
    };
}

let n_written = 0;

/**
 * @param {string} folder  made when it is written to
 * @returns {import('./store.js').Shelf}
 */
function shelfOf(folder) {
    return {
        async get(key) {
            let file;
            try {
                file = await open(join(folder, key));
                const bytes = new Uint8Array((await file.stat()).size);
                let n_read = 0;
                for (let n = -1; n !== 0 && n_read < bytes.length; n_read += n) {
                    n = (await file.read(bytes, n_read)).bytesRead;
                }
                return bytes.subarray(0, n_read);
            } catch {
                return null;
            } finally {
                await file?.close();
            }
        },
        async put(key, bytes) {
            await mkdir(folder, { recursive: true });
            const path = join(folder, key);
            const temporary = `${path}.${process.pid}.${n_written++}${TEMPORARY}`;
            try {
                await writeFile(temporary, bytes);
                await rename(temporary, path);
            } catch (error) {
                await rm(temporary, { force: true }).catch(() => {});
                throw error;
            }
        },
        async delete(key) {
            await rm(join(folder, key), { force: true });
        },
        async list() {
            const sizes = new Map();
            for (const name of await readdir(folder).catch(() => [])) {
                const path = join(folder, name);
                const found = await stat(path).catch(() => null); // it is gone
                if (!found?.isFile()) continue;
                if (!name.endsWith(TEMPORARY)) sizes.set(name, found.size);
                else if (Date.now() - found.mtimeMs > LEFT_BEHIND) await rm(path, { force: true });
            }
            return sizes;
        },
    };
}

/**
 * A lock that all processes of the user see.
 * @param {string} name
 * @returns {Promise<(() => void) | null>}  gives it back; null: another has it
 */
export async function tryLock(name) {
    const folder = join(home(), 'locks');
    await mkdir(folder, { recursive: true });
    return lockFile(join(folder, name));
}

/** @returns {Promise<import('./store.js').Space>} */
export async function space() {
    await mkdir(home(), { recursive: true });
    const { bavail, blocks, bsize } = await statfs(home());
    return { used: (blocks - bavail) * bsize, quota: blocks * bsize };
}

/** A folder stays. @returns {Promise<boolean>} */
export async function persist() {
    return true;
}

/** Node does not know. */
export function isOffline() {
    return false;
}
