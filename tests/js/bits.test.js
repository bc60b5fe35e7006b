/**
 * The same answer however asked, to the bit, from the engine that ships: alone or in a batch, on
 * one thread or two, by each kernel for 8-bit integers; and a 4-bit file, which becomes an 8-bit
 * model.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { RELAXED_FLAGS } from '../tools/node_flags.js';
import { LIBRARY } from './built.js';
import { converted } from './converted.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Runs in a process of its own: a hash of all hidden states and logits, for every way to ask. */
const SCRIPT = `
    import { createHash } from 'node:crypto';
    import { loadModel } from ${LIBRARY};

    const [path, n_words, most, variants] = JSON.parse(process.argv[1]);
    const lengths = [16, 1, 3, most, 24, 7];
    const sequences = lengths.map((n, s) => ({
        input_ids: Array.from({ length: n }, (_, i) => (s * 977 + i * 7919) % n_words),
    }));
    const hash = (results) => {
        const sum = createHash('sha256');
        for (const { data } of results.flatMap((result) => Object.values(result))) {
            sum.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
        }
        return sum.digest('hex').slice(0, 16);
    };
    const hashes = {};
    for (const [variant, kernels] of Object.entries(variants)) {
        for (const int8_kernel of kernels) {
            for (const threads of [1, 2]) {
                const options = { variant, threads, int8_kernel: int8_kernel ?? undefined };
                const model = await loadModel(path, options).catch((error) => {
                    // Not for these integers, or not right here: js/worker/relaxed_dot.js.
                    if (error.code !== 'BAD_OPTION' || int8_kernel === 'simd128') throw error;
                });
                if (!model) continue;
                const info = await model.info();
                const at_work = info.threads + ' of ' + threads + ' threads';
                const name = [variant, info.kernel, at_work].join(', ');
                for (const [how, batch_size] of [['together', undefined], ['alone', 1]]) {
                    const asked = { hidden_states: true, batch_size };
                    hashes[name + ', ' + how] = hash(await model.forward(sequences, asked));
                }
                model.dispose();
            }
        }
    }
    console.log(JSON.stringify(hashes));
`;

const KERNELS = {
    base: ['simd128'],
    relaxed: ['simd128', 'relaxed-dot-i16', 'relaxed-dot-i32', 'relaxed-dot-i32-signed'],
};

/**
 * @param {string} path
 * @param {number} n_words
 * @param {number} most
 * @param {Record<string, (string | null)[]>} variants  the kernels of each
 * @returns {Record<string, string>}  hashes by way to ask
 */
function hashes(path, n_words, most, variants = KERNELS) {
    const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [
            ...RELAXED_FLAGS,
            '--input-type=module',
            '-e',
            SCRIPT,
            JSON.stringify([path, n_words, most, variants]),
        ],
        { encoding: 'utf8', timeout: 240e3 },
    );
    assert.equal(status, 0, stderr.slice(-2000));
    return JSON.parse(stdout);
}

/** One answer for each build: a multiply-add is rounded once in the relaxed one, twice in base. */
function assertSame(answers) {
    for (const variant of ['base', 'relaxed']) {
        const own = Object.entries(answers).filter(([name]) => name.startsWith(variant));
        assert.ok(own.length >= 4, `${variant}: ${own.length} ways`);
        assert.ok(
            own.some(([name]) => name.includes('2 of 2 threads')),
            `${variant} ran on two threads`,
        );
        assert.equal(
            new Set(own.map(([, hash]) => hash)).size,
            1,
            JSON.stringify(Object.fromEntries(own), null, 1),
        );
    }
}

test('the bundled model', () => {
    assertSame(
        hashes(join(root, 'build/dist/models/sentiment-minilm-l6-q8.safetensors'), 30522, 200),
    );
});

const NO_KERNELS = { base: [null], relaxed: [null] };

for (const dtype of ['f32', 'f16', 'q8', 'q7', 'q4']) {
    test(`${dtype}, of odd dimensions`, () => {
        const kernels = dtype.startsWith('q') ? KERNELS : NO_KERNELS;
        const answers = hashes(converted('bert-seqcls5-odd', dtype), 400, 64, kernels);
        assertSame(answers);
        assert.equal(
            Object.keys(answers).some((name) => name.includes('relaxed-dot-i16')),
            dtype === 'q7',
        );
    });
}

for (const name of [
    'albert-tokcls-groups2',
    'deberta-v2-conv-seqcls',
    'deberta-base',
    'mpnet-base',
    'roberta-mlm',
    'bert-sentence-mean-norm',
]) {
    test(`${name}, f32 and q8`, () => {
        assertSame(hashes(converted(name, 'f32'), 300, 60, NO_KERNELS));
        assertSame(hashes(converted(name, 'q8'), 300, 60));
    });
}
