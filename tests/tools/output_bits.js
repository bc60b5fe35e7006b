/**
 * A hash of all that the product answers over tests/golden, a line for each model and dtype: of
 * the converted file, and of every output in each build. Before and after a change that must not
 * change an answer:
 *
 *     node tests/tools/output_bits.js > before.txt      # in a checkout that is built
 *     node tests/tools/output_bits.js | diff before.txt -
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { RELAXED_FLAGS } from './node_flags.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const GOLDEN = join(ROOT, 'tests/golden');
const CONVERTER = join(ROOT, 'build/native/bert-convert');
const DTYPES = ['f32', 'f16', 'q8', 'q7', 'q4'];

if (!RELAXED_FLAGS.every((flag) => process.execArgv.includes(flag))) {
    const { status } = spawnSync(process.execPath, [...RELAXED_FLAGS, ...process.argv.slice(1)], {
        stdio: 'inherit',
    });
    process.exit(status ?? 1);
}

const { loadModel } = await import('bert-wasm');

/**
 * The first 16 digits of a SHA-256.
 * @param {Iterable<Uint8Array | Float32Array>} parts
 */
function hash(parts) {
    const sum = createHash('sha256');
    for (const part of parts) sum.update(part);
    return sum.digest('hex').slice(0, 16);
}

/**
 * @param {string} path  of a converted file
 * @param {any[]} cases  of golden.json
 * @param {'base' | 'relaxed'} variant
 */
async function answers(path, cases, variant) {
    const model = await loadModel(path, { variant, threads: 2 });
    const parts = [];
    for (const { input_ids, attention_mask, token_type_ids } of cases) {
        /** @type {import('../../js/worker/sequences.js').Sequence[]} */
        const sequences = input_ids.map((ids, i) => ({
            input_ids: ids,
            attention_mask: attention_mask[i],
            token_type_ids: token_type_ids?.[i],
        }));
        const results = await model.forward(sequences, { hidden_states: true, attentions: true });
        for (const result of results)
            for (const { data } of Object.values(result)) parts.push(data);
    }
    model.dispose();
    return hash(parts);
}

const scratch = mkdtempSync(join(tmpdir(), 'bert-wasm-bits-'));
for (const name of readdirSync(GOLDEN).sort()) {
    const golden = join(GOLDEN, name, 'golden.json');
    if (name.startsWith('refuse-') || !existsSync(golden)) continue;
    const { cases } = JSON.parse(readFileSync(golden, 'utf8'));
    for (const dtype of DTYPES) {
        const path = join(scratch, `${name}-${dtype}.safetensors`);
        const { status } = spawnSync(
            CONVERTER,
            [join(GOLDEN, name), '-o', path, '--dtype', dtype],
            { stdio: 'ignore' },
        );
        if (status !== 0) {
            console.log(`${name} ${dtype} is refused`);
            continue;
        }
        const file = hash([readFileSync(path)]);
        const base = await answers(path, cases, 'base');
        const relaxed = await answers(path, cases, 'relaxed');
        console.log(`${name} ${dtype} file ${file} base ${base} relaxed ${relaxed}`);
    }
}
rmSync(scratch, { recursive: true });
