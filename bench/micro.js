/**
 * The kernels' share of what 128-bit vectors can do at most on this machine, both measured in the
 * same rounds: micro.c, built for relaxed SIMD.
 *
 *     make bench-kernels
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { median } from './statistics.js';

const { values: options } = parseArgs({
    options: { dist: { type: 'string' }, quick: { type: 'boolean', default: false } },
});

/** Milliseconds of one measurement, and measurements of each. */
const MEASURE = 10;
const ROUNDS = options.quick ? 15 : 40;

/** Which works are measured against which peak: the fastest of several. */
const PEAKS = [
    { peaks: ['multiply-add'], works: /^f32/ },
    { peaks: ['dot of 16 bits'], works: /simd128/ },
    { peaks: ['relaxed dot, 16 bits', 'relaxed dot, 32 bits'], works: /^8-bit|^relaxed/ },
];

const module = await WebAssembly.compile(
    readFileSync(join(import.meta.dirname, '../build/bench/micro.wasm')),
);
const { exports } = await WebAssembly.instantiate(module, {});
const micro = /** @type {Record<string, any>} */ (exports);

/** @param {number} address */
function text(address) {
    const bytes = new Uint8Array(micro.memory.buffer);
    return new TextDecoder().decode(bytes.subarray(address, bytes.indexOf(0, address)));
}

micro.micro_prepare();
const works = Array.from({ length: micro.micro_count() }, (_, i) => {
    const run = (/** @type {number} */ n) => {
        const start = performance.now();
        micro.micro_run(i, n);
        return performance.now() - start;
    };
    return {
        name: text(micro.micro_name(i)),
        operations: micro.micro_operations(i),
        run,
        n_repeats: 1,
        /** @type {number[]} */ rates: [],
    };
});
for (const work of works) {
    // The first runs are compiled for speed meanwhile.
    for (let ms = 0; ms < MEASURE; work.n_repeats *= 2) ms = work.run(work.n_repeats);
    work.n_repeats = Math.max(
        1,
        Math.round(((work.n_repeats / 2) * MEASURE) / work.run(work.n_repeats / 2)),
    );
}
for (let round = 0; round < ROUNDS; round++) {
    for (const work of works) {
        work.rates.push((work.operations * work.n_repeats) / work.run(work.n_repeats) / 1e6);
    }
}

const rate = Object.fromEntries(works.map(({ name, rates }) => [name, median(rates)]));
const width = Math.max(...works.map(({ name }) => name.length));
console.log(`${'one thread'.padEnd(width)}   10^9/s   of the peak`);
for (const { name } of works) {
    const peak = PEAKS.find(({ works }) => works.test(name))?.peaks.reduce((a, b) =>
        rate[a] > rate[b] ? a : b,
    );
    const share =
        peak && peak !== name
            ? `${((100 * rate[name]) / rate[peak]).toFixed(0).padStart(6)} % of ${peak}`
            : '';
    console.log(
        (
            `${name.padEnd(width)} ${rate[name].toFixed(rate[name] > 10 ? 1 : 2).padStart(8)}   ` +
            `${share}`
        ).trimEnd(),
    );
}
