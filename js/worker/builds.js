/**
 * Which build of the engine runs here, and why: base or relaxed SIMD, one thread or several.
 */

import { BertError } from '../errors.js';
import { compileFrom } from '../loader/compile.js';
import { hasRelaxedSIMD } from '../platform/webassembly.js';
import { chooseThreads } from './n_threads.js';

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
    const has_relaxed = hasRelaxedSIMD();
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
