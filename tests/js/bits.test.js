/**
 * The same answer however asked, to the bit, from the engine that ships: alone or in a batch, on
 * one thread or two, and, of a model with integers, by each kernel, in the base build and in the
 * relaxed one; and a 4-bit file, which becomes an 8-bit model.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { loadModel } from 'bert-wasm';

import { CHECKSUM } from '../browser/engines/judge.js';
import { RELAXED_FLAGS } from '../tools/node_flags.js';
import { LIBRARY } from './built.js';
import { CONVERTER, converted, GOLDEN, rewritten, scratch } from './converted.js';

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
                const name = [variant, info.kernel ?? 'none', at_work].join(', ');
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
    return run(SCRIPT, [path, n_words, most, variants]);
}

/**
 * What a script prints, in a process of its own.
 * @param {string} script
 * @param {unknown} argument
 */
function run(script, argument) {
    const args = [...RELAXED_FLAGS, '--input-type=module', '-e', script, JSON.stringify(argument)];
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
        encoding: 'utf8',
        timeout: 240e3,
    });
    assert.deepEqual([status, signal], [0, null], stderr.slice(-2000));
    return JSON.parse(stdout);
}

/**
 * One answer; in f32 and f16 one for each build: a multiply-add is rounded once in the relaxed one,
 * twice in base.
 * @param {Record<string, string>} answers
 */
function assertSame(answers) {
    const is_quantised = !Object.keys(answers).some((name) => name.includes(', none,'));
    for (const variant of is_quantised ? ['base, relaxed'] : ['base', 'relaxed']) {
        const own = Object.entries(answers).filter(([name]) =>
            variant.includes(name.split(',')[0]),
        );
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

/** The checks that run in browsers and hosts, too, so that all of them have these bits. */
const CHECKS_URL = JSON.stringify(new URL('../browser/engines/checks.js', import.meta.url).href);
const CHECKS = `
    import * as library from ${LIBRARY};
    import { batch } from ${CHECKS_URL};

    const checksums = {};
    const kernels = JSON.parse(process.argv[1]);
    const ways = [['base', 'simd128'], ...kernels.map((kernel) => ['relaxed', kernel])];
    for (const [variant, int8_kernel] of ways) {
        const way = { variant, int8_kernel, threads: 1 };
        const done = await batch(library, way).catch((error) => {
            if (error.code !== 'BAD_OPTION' || int8_kernel === 'simd128') throw error;
        });
        if (done) checksums[Object.values(way).join(', ')] = done.checksum;
    }
    console.log(JSON.stringify(checksums));
`;

test('1,500 texts have one answer in every build, by every kernel', (t) => {
    const checksums = run(CHECKS, KERNELS.relaxed);
    t.diagnostic(Object.keys(checksums).join('; '));
    assert.ok(Object.keys(checksums).length >= 2);
    for (const [way, checksum] of Object.entries(checksums)) {
        assert.equal(checksum, CHECKSUM, way);
    }
});

test('a file of format version 2 is a q7 model, with its bits', async () => {
    const path = converted('bert-seqcls5-odd', 'q7');
    const before = join(scratch, 'before.safetensors');
    writeFileSync(
        before,
        rewritten(path, ({ __metadata__: metadata }) => {
            const { encoder, ...config } = JSON.parse(metadata.config);
            delete encoder.integers;
            metadata.config = JSON.stringify({ encoder, ...config });
            metadata.format_version = '2';
            metadata.dtype = 'q8';
        }),
    );
    assert.deepEqual(hashes(before, 400, 64), hashes(path, 400, 64));
    const model = await loadModel(before);
    assert.equal((await model.info()).dtype, 'q7');
    model.dispose();
    const golden = join(GOLDEN, 'bert-seqcls5-odd/golden.json');
    const args = ['--verify', golden, '--tolerance', '0.5', before];
    const { status, stderr } = spawnSync(CONVERTER, args, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
});

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
