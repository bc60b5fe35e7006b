/**
 * The core as a C library: the example of examples/c is built as its README says and answers as the
 * package does; the code on top of core/bert.h compiles as it stands.
 */
import assert from 'node:assert/strict';
import { execFileSync, execSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { pipeline } from 'bert-wasm';

import { scratch } from './converted.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MODEL = 'web-demo/models/sentiment-minilm-l6-q8.safetensors';
const STRICT = '-std=c11 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wconversion -Werror';

/** Digits that the example prints, and a build with fused multiply-adds may differ in. */
const TOLERANCE = 1e-4;

/** @param {string} command */
const shell = (command) => execSync(command, { cwd: ROOT, encoding: 'utf8' });

before(() => shell('make --no-print-directory lib'));

test('classify.c answers as the package does', async () => {
    const [command] =
        readFileSync(join(ROOT, 'examples/c/README.md'), 'utf8').match(/^ {4}cc .*$/m) ?? [];
    assert.ok(command, 'the README says how to compile it');
    shell(command.replace('cc ', `cc ${STRICT} `));
    const texts = ['What a wonderful film.', 'It was dull, and far too long.', 'Well.'];
    const lines = execFileSync(
        process.execPath,
        ['build/dist/cli.js', 'tokenize', '--model', MODEL, ...texts],
        { cwd: ROOT },
    );
    const printed = execFileSync(join(ROOT, 'build/classify'), [MODEL], {
        cwd: ROOT,
        input: lines,
        encoding: 'utf8',
    });
    const classify = await pipeline('sentiment-analysis', join(ROOT, MODEL));
    const expected = await classify(texts, { top_k: 1 });
    classify.dispose();
    const got = printed
        .trim()
        .split('\n')
        .map((line) => line.split(' '));
    assert.deepEqual(
        got.map(([label]) => label),
        expected.flat().map(({ label }) => label),
    );
    expected.flat().forEach(({ score }, i) => {
        assert.ok(
            Math.abs(score - Number(got[i][1])) < TOLERANCE,
            `${texts[i]}: ${got[i][1]}, the package says ${score}`,
        );
    });
});

test('classify.c says what is wrong', () => {
    const run = (/** @type {string[]} */ args, /** @type {string} */ input) =>
        assert.throws(
            () =>
                execFileSync(join(ROOT, 'build/classify'), args, {
                    cwd: ROOT,
                    input,
                    stdio: 'pipe',
                }),
            ({ status, stderr }) => {
                assert.match(
                    stderr.toString(),
                    args.length
                        ? /^a token id is not in the vocabulary: ids\n$/
                        : /^usage: classify MODEL/,
                );
                return status !== 0;
            },
        );
    run([MODEL], '{"ids": [101, 99999]}\n');
    run([], '');
});

test('the code on top of bert.h compiles, in C; the header in C++ too', () => {
    const header = readFileSync(join(ROOT, 'core/bert.h'), 'utf8');
    const comment = header.slice(0, header.indexOf('*/'));
    const code = [...comment.matchAll(/^ \* {5}(.*)$/gm)].map(([, line]) => line).join('\n');
    assert.match(code, /bert_encode\(/);
    const example = join(scratch, 'example.c');
    writeFileSync(example, `#include <stdio.h>\n#include <stdlib.h>\n#include <bert.h>\n${code}\n`);
    shell(`cc ${STRICT} -Ibuild/native -fsyntax-only ${example}`);
    shell('cc -x c++ -Wall -Wextra -Wshadow -Wconversion -Werror -fsyntax-only core/bert.h');
});
