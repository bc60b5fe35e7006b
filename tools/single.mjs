/**
 * The library for pages in one file: the worker's script and the WebAssembly modules are inside.
 *
 *     node tools/single.mjs build/dist build/single/index.js
 *
 * Bytes become characters of a string, U+0000 to U+00FF: after gzip that is 4 % more than the bytes
 * themselves. Rejected: base64, 41 % more; a compressed stream in base64, as small after gzip, but
 * which has to be unpacked before a worker starts.
 */

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';

import { common, shrink } from './page_bundle.mjs';

const [dist, out] = process.argv.slice(2);

/** @type {import('esbuild').Plugin} */
const inside = {
    name: 'files that are inside',
    setup({ onResolve, onLoad }) {
        onResolve({ filter: /^#files$/ }, () => ({
            path: resolve('js/platform/files_inside.js'),
        }));
        onResolve({ filter: /^inside:/ }, ({ path }) => ({
            path: path.slice('inside:'.length),
            namespace: 'inside',
        }));
        // Once more the engine, for hosts that have no workers: those import bert-wasm/in-thread.
        // And the converter, larger than all the rest, with what finds models for it.
        onResolve({ filter: /^#(in-thread|sources)$/ }, ({ path }) => ({
            path,
            namespace: 'outside',
        }));
        onLoad({ filter: /./, namespace: 'outside' }, () => ({
            contents: "throw new Error('it is not in this file');",
        }));
        onLoad({ filter: /./, namespace: 'inside' }, ({ path }) => ({
            loader: 'text',
            contents: readFileSync(`${dist}/${path}`, path.endsWith('.wasm') ? 'latin1' : 'utf8'),
        }));
    },
};

await build({
    ...common,
    platform: 'browser',
    charset: 'utf8',
    entryPoints: ['js/index.js'],
    outfile: out,
    plugins: [inside],
});
await shrink(out);
const bytes = readFileSync(out);
console.log(`${out}: ${bytes.length} bytes, ${gzipSync(bytes, { level: 9 }).length} gzipped`);
