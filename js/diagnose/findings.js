/** What the engine finds wherever it runs, in a page or in Node. */

import { hasWorkers } from '#platform';
import { openStore, space } from '#storage';

import { BertError } from '../errors.js';
import { Connection, openWorker } from '../model/connection.js';
import { hasRelaxedSIMD, requireCompiler, requireSIMD } from '../platform/webassembly.js';
import { chooseThreads } from '../worker/n_threads.js';

/**
 * @typedef {object} Finding  something that was looked at
 * @property {string} name  'simd', 'compiler', 'worker', 'relaxed-simd', 'threads', ...
 * @property {'good' | 'lesser' | 'missing'} state  lesser: it runs, and could run better; missing:
 *   it cannot run
 * @property {string} found  what is there
 * @property {string} [advice]  what to do about what is not good
 */

/**
 * @typedef {object} Diagnosis
 * @property {boolean} ok  whether nothing is missing
 * @property {Finding[]} findings
 */

/**
 * @param {Finding[]} findings
 * @returns {Diagnosis}
 */
export function diagnosisOf(findings) {
    return { ok: findings.every(({ state }) => state !== 'missing'), findings };
}

/** @returns {Promise<Finding[]>} */
export async function commonFindings() {
    return [
        needed('simd', 'WebAssembly with 128-bit SIMD', requireSIMD),
        needed('compiler', 'WebAssembly may be compiled', requireCompiler),
        await worker(),
        relaxedSIMD(),
        await threads(),
        await storage(),
    ];
}

/**
 * @param {string} name
 * @param {string} found
 * @param {() => void} require  throws what is missing
 * @returns {Finding}
 */
function needed(name, found, require) {
    try {
        require();
        return { name, state: 'good', found };
    } catch (error) {
        return missing(name, error);
    }
}

/**
 * @param {string} name
 * @param {any} error  whose message says what to do
 * @returns {Finding}
 */
export function missing(name, error) {
    const what = error instanceof BertError ? error.code : 'it failed';
    return { name, state: 'missing', found: what, advice: error.message };
}

/** Starts one, as loading a model does. @returns {Promise<Finding>} */
async function worker() {
    if (!hasWorkers()) {
        return {
            name: 'worker',
            state: 'lesser',
            found: "there are none, and the engine runs on the caller's thread",
            advice: "import from 'bert-wasm/in-thread' where nothing can be imported at run time",
        };
    }
    try {
        const connection = new Connection(await openWorker(false));
        await connection.ready();
        connection.end(new BertError('DISPOSED', 'it was to be seen whether it starts'));
        return { name: 'worker', state: 'good', found: 'it starts' };
    } catch (error) {
        return missing('worker', error);
    }
}

/** @returns {Finding} */
function relaxedSIMD() {
    const name = 'relaxed-simd';
    if (typeof WebAssembly !== 'undefined' && hasRelaxedSIMD()) {
        return { name, state: 'good', found: 'the faster build runs' };
    }
    return {
        name,
        state: 'lesser',
        found: 'the base build runs, which is slower',
        advice:
            'Chrome and Edge 114, Firefox 146, Safari 27.3 and Node 22 have relaxed SIMD, ' +
            'Node 20 with --experimental-wasm-relaxed-simd',
    };
}

/** @returns {Promise<Finding>} */
async function threads() {
    const { threads, threads_reason } = await chooseThreads();
    const found = `${threads}: ${threads_reason}`;
    if (threads > 1 || threads_reason === 'there is one core') {
        return { name: 'threads', state: 'good', found };
    }
    const advice =
        globalThis.crossOriginIsolated === false
            ? 'serve the page with Cross-Origin-Opener-Policy: same-origin and ' +
              'Cross-Origin-Embedder-Policy: require-corp'
            : 'this browser runs one thread alone; others may run more';
    return { name: 'threads', state: 'lesser', found, advice };
}

/** What downloaded models are stored in. */
const STORES = {
    opfs: "files of the page's origin",
    cache: 'the Cache API',
    folder: "a folder of the user's cache",
};

/** Whether a downloaded model may stay: it is tried. @returns {Promise<Finding>} */
async function storage() {
    const name = 'storage';
    try {
        const store = await openStore();
        await store.chunks.put('diagnose', Uint8Array.of(1));
        await store.chunks.delete('diagnose');
        const { used, quota } = await space();
        const room = Number.isFinite(quota) ? `, ${Math.round((quota - used) / 1e6)} MB free` : '';
        return { name, state: 'good', found: `${STORES[store.kind]}${room}` };
    } catch (error) {
        return {
            name,
            state: 'lesser',
            found: 'none: a model is downloaded every time',
            advice:
                `${/** @type {Error} */ (error).message}. A page needs https and no private ` +
                'window, Node a cache folder that it may write to: $XDG_CACHE_HOME',
        };
    }
}
