/**
 * Loads and disposes of a model many times, and prints the memory of this process after each:
 *
 *     node --expose-gc memory.js 60
 */

import * as library from 'bert-wasm';

import { memory } from '../browser/engines/checks.js';

/** @type {number[]} */
const samples = [];
await memory(library, {
    n_cycles: Number(process.argv[2]),
    async measure() {
        const { rss } = process.memoryUsage();
        samples.push(rss);
    },
});
console.log(JSON.stringify(samples));
