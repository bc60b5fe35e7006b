/**
 * Which build of the engine runs here, and why: base or relaxed SIMD, one thread or several.
 */

import { BERT_INTEGERS_7_BITS } from '#core';

import { BertError } from '../errors.js';
import { compileFrom } from '../loader/compile.js';
import { hasRelaxedSIMD } from '../platform/webassembly.js';
import { Instance } from './instance.js';
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
 * @property {Record<string, import('../loader/compile.js').ModuleSource>} engines  where each build
 *   is; or the one that is `given`
 * @property {boolean} [in_thread]  whether this is the caller's thread
 */

/**
 * @param {BuildRequest} request
 * @returns {Promise<BuildChoice & {module: WebAssembly.Module}>}
 */
export async function chooseBuild({ variant, threads, engines, in_thread }) {
    const { given } = engines;
    const choice = await chooseThreads(
        threads,
        in_thread && "the engine is on the caller's thread",
    );
    if (given) return { ...(await openGiven(given)), ...choice, threads: 1 };
    const build = { ...chooseVariant(variant), ...choice };
    const name = build.threads > 1 ? `${build.variant}-threads` : build.variant;
    return { ...build, module: await compileFrom(engines[name]) };
}

/**
 * A module that the caller gives: it says itself what it is.
 * @param {import('../loader/compile.js').ModuleSource} file
 */
async function openGiven(file) {
    const module = await compileFrom(file);
    const names = WebAssembly.Module.exports(module).map(({ name }) => name);
    if (!names.includes('engine_version') || WebAssembly.Module.imports(module).length) {
        throw new BertError(
            'BAD_OPTION',
            'wasm must be engine-base.wasm or engine-relaxed.wasm of the package, not ' +
                (names.includes('engine_version') ? 'a build with threads' : 'another module'),
        );
    }
    const instance = await Instance.create(module);
    const { wasm } = instance;
    const is_relaxed = instance
        .names(wasm.engine_kernel_name)
        .some(
            (name, i) =>
                /^relaxed/.test(name) && wasm.engine_kernel_exists(BERT_INTEGERS_7_BITS, i),
        );
    /** @type {Variant} */
    const variant = is_relaxed ? 'relaxed' : 'base';
    return { variant, reason: 'its module was given', module };
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
