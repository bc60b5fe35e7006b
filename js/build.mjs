/**
 * Bundles the package into the folder given: for browsers and for Node each the library and its
 * self-contained worker, the command line, and the types.
 *
 *     node js/build.mjs build/dist
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';

const out = process.argv[2];
const common = { bundle: true, format: 'esm', target: 'es2022', minify: true, legalComments: 'none', logLevel: 'warning' };
const node = { ...common, platform: 'node', target: 'node20.19', minify: false };

await Promise.all([
    build({ ...common, platform: 'browser', entryPoints: { index: 'js/index.js', worker: 'js/worker.js', tokenizer: 'js/tokenizer/index.js' }, outdir: out }),
    build({ ...node, entryPoints: { 'index.node': 'js/index.js', 'worker.node': 'js/worker.js' }, outdir: out }),
    build({ ...node, entryPoints: ['js/cli.js'], outdir: out }),
]);
chmodSync(`${out}/cli.js`, 0o755);
execFileSync('node_modules/.bin/tsc', ['-p', 'tsconfig.json', '--emitDeclarationOnly', '--declaration', '--noEmit', 'false', '--outDir', `${out}/types`], { stdio: 'inherit' });

const size = (/** @type {string} */ file) => gzipSync(readFileSync(`${out}/${file}`), { level: 9 }).length;
console.log(`${out}: index.js ${size('index.js')} bytes gzipped, worker.js ${size('worker.js')}, tokenizer.js alone ${size('tokenizer.js')}`);
