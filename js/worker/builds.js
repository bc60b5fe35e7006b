/**
 * Which build of the engine runs here, and why: base or relaxed SIMD, one thread or several.
 */

import { BERT_MAX_THREADS } from '#core';
import { n_cores } from '#platform';

import { BertError, describe } from '../errors.js';
import { compileFrom } from '../loader/compile.js';

/** Most threads where the caller does not say: more pay off for large batches alone. */
const DEFAULT_THREADS = 4;

/** Milliseconds for a shared buffer to arrive in a message. */
const SHARE_TIMEOUT = 1000;

/**
 * (module (func (result v128) 3 x (v128.const 0) f32x4.relaxed_madd)), and with f32x4.abs of one.
 */
const V128_ZERO = [0xfd, 0x0c, ...new Array(16).fill(0)];
const moduleWith = (/** @type {number[]} */ body) =>
    // biome-ignore format: as the sections of a module are read
    new Uint8Array([
        0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0,
        10, body.length + 4, 1, body.length + 2, 0, ...body, 0x0b,
    ]);
const SIMD = moduleWith([...V128_ZERO, 0xfd, 0xe0, 0x01]);
const RELAXED_SIMD = moduleWith([...V128_ZERO, ...V128_ZERO, ...V128_ZERO, 0xfd, 0x85, 0x02]);

/**
 * @typedef {'base' | 'relaxed'} Variant
 *
 * @typedef {object} BuildChoice
 * @property {'base' | 'relaxed'} variant  build of the engine
 * @property {string} reason  why that variant
 * @property {number} threads  that are at work now, of those that were wanted
 * @property {string} threads_reason  why so many
 */

/**
 * @typedef {object} BuildRequest
 * @property {Variant} [variant]  default the best that runs here
 * @property {number} [threads]  likewise
 * @property {Record<string, string | Uint8Array | WebAssembly.Module>} engines  where each build is
 */

/**
 * @param {BuildRequest} request
 * @returns {Promise<BuildChoice & {module: WebAssembly.Module}>}
 */
export async function chooseBuild({ variant, threads, engines }) {
    const build = { ...chooseVariant(variant), ...(await chooseThreads(threads)) };
    const name = build.threads > 1 ? `${build.variant}-threads` : build.variant;
    return { ...build, module: await compileFrom(engines[name]) };
}

/**
 * @param {Variant} [wanted]
 * @returns {{variant: Variant, reason: string}}
 */
function chooseVariant(wanted) {
    if (!globalThis.WebAssembly?.validate(SIMD)) {
        throw new BertError(
            'UNSUPPORTED',
            'WebAssembly with 128-bit SIMD is needed: Chrome 91, Firefox 89, Safari 16.4, ' +
                'Node 16.4 or later',
        );
    }
    const has_relaxed = WebAssembly.validate(RELAXED_SIMD);
    if (wanted === 'relaxed' && !has_relaxed) {
        throw new BertError(
            'UNSUPPORTED',
            'relaxed SIMD was asked for, and this JavaScript engine does not have it',
        );
    }
    if (wanted) return { variant: wanted, reason: 'asked for' };
    return has_relaxed
        ? { variant: 'relaxed', reason: 'this JavaScript engine has relaxed SIMD' }
        : { variant: 'base', reason: 'this JavaScript engine has no relaxed SIMD' };
}

/**
 * How many threads there will be.
 *
 * @param {number} [wanted]
 * @returns {Promise<{threads: number, threads_reason: string}>}
 */
async function chooseThreads(wanted) {
    if (
        wanted !== undefined &&
        !(Number.isInteger(wanted) && wanted >= 1 && wanted <= BERT_MAX_THREADS)
    ) {
        throw new BertError(
            'BAD_OPTION',
            `threads must be a whole number from 1 to ${BERT_MAX_THREADS}, ` +
                `not ${describe(wanted)}`,
        );
    }
    const cores = n_cores();
    const threads = wanted ?? Math.min(cores, DEFAULT_THREADS);
    if (threads === 1) {
        return { threads, threads_reason: wanted ? 'asked for' : 'there is one core' };
    }
    if (!(await canShare())) {
        return {
            threads: 1,
            threads_reason: 'memory cannot be shared: the page is not cross-origin isolated',
        };
    }
    return { threads, threads_reason: wanted ? 'asked for' : `there are ${cores} cores` };
}

/** Whether a shared buffer can really be sent in a message: that it exists does not say so. */
async function canShare() {
    if (typeof SharedArrayBuffer === 'undefined' || globalThis.crossOriginIsolated === false) {
        return false;
    }
    const { port1, port2 } = new MessageChannel();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    try {
        return await new Promise((resolve) => {
            timer = setTimeout(() => resolve(false), SHARE_TIMEOUT);
            port1.onmessage = ({ data }) => resolve(data instanceof SharedArrayBuffer);
            port2.postMessage(new SharedArrayBuffer(8));
        });
    } catch {
        return false;
    } finally {
        clearTimeout(timer);
        port1.close();
    }
}
