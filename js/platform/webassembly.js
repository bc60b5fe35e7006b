/** What WebAssembly can do here: found out with modules of some bytes, before any is fetched. */

import { BertError } from '../errors.js';

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
const simd = () => moduleWith([...V128_ZERO, 0xfd, 0xe0, 0x01]);

/** @throws {BertError} UNSUPPORTED where the engine cannot run in any browser like this one */
export function requireSIMD() {
    if (!globalThis.WebAssembly?.validate) {
        throw new BertError(
            'UNSUPPORTED',
            'there is no WebAssembly here: a setting of the browser may have turned it off ' +
                "(Lockdown Mode, enhanced security): allow it for this site's address",
        );
    }
    if (WebAssembly.validate(simd())) return;
    throw new BertError(
        'UNSUPPORTED',
        'WebAssembly with 128-bit SIMD is needed: Chrome 91, Firefox 89, Safari 16.4, ' +
            'Node 16.4 or later',
    );
}

/** @throws {BertError} UNSUPPORTED where a policy forbids to compile modules */
export function requireCompiler() {
    try {
        new WebAssembly.Module(simd());
    } catch (cause) {
        throw new BertError(
            'UNSUPPORTED',
            'the Content-Security-Policy forbids WebAssembly: it needs ' +
                `script-src 'wasm-unsafe-eval' (${/** @type {Error} */ (cause).message})`,
            { cause },
        );
    }
}

export function hasRelaxedSIMD() {
    return WebAssembly.validate(
        moduleWith([...V128_ZERO, ...V128_ZERO, ...V128_ZERO, 0xfd, 0x85, 0x02]),
    );
}
