/**
 * A lock that all processes of a user see: a file that one of them could create. Who holds it
 * touches it from time to time. It is stale if its process is gone, or has not touched it for long
 * (another process may have got the number, or another machine the folder).
 *
 * Two that find the same stale lock at once may both take it: then a file is fetched twice, and
 * nothing else is wrong, since chunks are written whole.
 */

import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';

/** Milliseconds between touches, and until a lock that is not touched counts for nothing. */
const TOUCH = 5000;
const STALE = 60_000;

/** Paths of locks that this process holds. @type {Set<string>} */
const held = new Set();

/**
 * @param {string} path
 * @returns {Promise<(() => void) | null>}  gives it back; null: another has it
 */
export async function lockFile(path) {
    if (held.has(path)) return null;
    held.add(path);
    try {
        if (!(await create(path)) && !((await isStale(path)) && (await replace(path)))) {
            held.delete(path);
            return null;
        }
    } catch (error) {
        held.delete(path);
        throw error;
    }
    const timer = setInterval(() => {
        const now = new Date();
        utimes(path, now, now).catch(() => {});
    }, TOUCH);
    timer.unref();
    return () => {
        clearInterval(timer);
        rm(path, { force: true })
            .catch(() => {})
            .finally(() => held.delete(path));
    };
}

/** @param {string} path @returns {Promise<boolean>} */
async function create(path) {
    try {
        await writeFile(path, String(process.pid), { flag: 'wx' });
        return true;
    } catch (error) {
        if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false;
        throw error;
    }
}

/** @param {string} path */
async function replace(path) {
    await rm(path, { force: true });
    return create(path);
}

/** @param {string} path */
async function isStale(path) {
    try {
        const [{ mtimeMs }, text] = await Promise.all([stat(path), readFile(path, 'utf8')]);
        const pid = Number(text); // 0: it is being written
        if (pid && !isAlive(pid)) return true;
        // An earlier process may have had this one's number, as in a container.
        const begin = Date.now() - process.uptime() * 1000;
        return mtimeMs < (pid === process.pid ? begin : Date.now() - STALE);
    } catch {
        return false; // gone: the next try gets it
    }
}

/** @param {number} pid */
function isAlive(pid) {
    try {
        return process.kill(pid, 0);
    } catch (error) {
        return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
    }
}
