/**
 * Times a model in Node, on one thread: each build of the engine, 16, 128 and 512 tokens, the
 * cases interleaved so that other load on the machine falls on all of them alike. Medians.
 *
 *     make bench          or: node bench/bench.js [MODEL ...]
 */
import { cpus } from 'node:os';

import { loadModel } from '../build/dist/index.node.js';

const ROUNDS = 15;
const LENGTHS = [16, 128, 512];

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

async function open(source, variant) {
    try {
        return await loadModel(source, { variant });
    } catch (error) {
        if (error.code !== 'UNSUPPORTED') throw error;
        console.error(`left out: ${variant}: ${error.message}`);
        return null;
    }
}

const cases = [];
for (const source of process.argv.length > 2 ? process.argv.slice(2) : [undefined]) {
    for (const variant of ['base', 'relaxed']) {
        const model = await open(source, variant);
        if (!model) continue;
        const { name, dtype, config, memory_bytes } = await model.info();
        for (const n of LENGTHS.filter((length) => length <= config.max_length)) {
            const sequence = { input_ids: Array.from({ length: n }, (_, i) => (i * 37) % config.encoder.vocab_size) };
            cases.push({ model, sequence, times: [], row: { model: name, dtype, variant, tokens: n, 'engine MiB': Math.round(memory_bytes / 2 ** 20) } });
        }
    }
}
for (let round = 0; round < ROUNDS; round++) {
    for (const { model, sequence, times } of cases) {
        const start = performance.now();
        await model.forward([sequence]);
        times.push(performance.now() - start);
    }
}
for (const { model } of cases) model.dispose();

console.log(`${cpus()[0].model}, Node ${process.version}, one thread, medians of ${ROUNDS}`);
console.table(cases.map(({ row, times }) => ({ ...row, ms: Number(median(times).toFixed(1)) })));
