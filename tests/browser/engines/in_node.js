/**
 * Runs checks of checks.js in Node, with this build of the engine, and prints what they give:
 *
 *     node --experimental-wasm-relaxed-simd in_node.js relaxed http://127.0.0.1:8080/ answer batch
 */

import * as checks from './checks.js';

const library = await import(new URL('../../../build/dist/index.node.js', import.meta.url).href);
const [variant, base, ...names] = process.argv.slice(2);
/** @type {{[check: string]: unknown}} */
const results = {};
for (const name of names)
    results[name] = await Reflect.get(checks, name)(library, { variant, base, cache: false });
console.log(JSON.stringify(results));
