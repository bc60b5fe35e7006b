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
export const shrink = (file) =>
    rewrite(file, {
        ecma: 2020,
        compress: { passes: 3, inline: 1, reduce_funcs: false }, // small after gzip
    });

/**
 * Names of functions and classes stay, for traces of errors.
 * @param {string} file  for Node
 */
export const shortenLocals = (file) =>
    rewrite(file, { mangle: { keep_fnames: true, keep_classnames: true }, compress: false });

/**
 * @param {string} file
 * @param {import('terser').MinifyOptions} options
 */
async function rewrite(file, options) {
    const { code } = await minify(readFileSync(file, 'utf8'), { module: true, ...options });
    if (!code) throw new Error(`${file}: nothing is left of it`);
    writeFileSync(file, code);
}
