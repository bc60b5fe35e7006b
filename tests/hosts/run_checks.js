/**
 * Runs checks in a runtime, with the package that is installed beside this file, and prints what
 * they give:
 *
 *     node run_checks.js answer batch
 *
 * The last model is not disposed of: the process must end all the same.
 */

import 'node:module'; // with it a global of Deno's own comes

import * as checks from '../browser/engines/checks.js';

const before = Reflect.ownKeys(globalThis).length;
const library = await import('bert-wasm');
/** @type {{[check: string]: unknown}} */
const results = { n_new_globals: Reflect.ownKeys(globalThis).length - before };
for (const name of process.argv.slice(2)) results[name] = await Reflect.get(checks, name)(library);
await library.loadModel();
const { bun, deno, node } = process.versions;
console.log(JSON.stringify({ ...results, version: bun ?? deno ?? node }));
