/** How bundles are made, and made small. */

import { readFileSync, writeFileSync } from 'node:fs';

import { minify } from 'terser';

/** @type {import('esbuild').BuildOptions} Of every bundle. */
export const common = {
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    legalComments: 'none',
    logLevel: 'warning',
    external: ['bert-wasm-sentiment'], // of its own, and perhaps not there
};

/**
 * terser makes a bundle a few per cent smaller than esbuild does.
 * @param {string} file
 */
export async function shrink(file) {
    const { code } = await minify(readFileSync(file, 'utf8'), {
        module: true,
        ecma: 2020,
        compress: { passes: 3, inline: 1, reduce_funcs: false },
    }); // small after gzip
    if (!code) throw new Error(`${file}: nothing is left of it`);
    writeFileSync(file, code);
}

/**
 * Names of functions and classes stay, for traces of errors.
 * @param {string} file  for Node
 */
export async function shortenLocals(file) {
    const names = { keep_fnames: true, keep_classnames: true };
    const { code } = await minify(readFileSync(file, 'utf8'), {
        module: true,
        mangle: names,
        compress: false,
    });
    if (!code) throw new Error(`${file}: nothing is left of it`);
    writeFileSync(file, code);
}
