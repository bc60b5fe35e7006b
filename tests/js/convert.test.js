/**
 * The converter in the package: convert.wasm makes the bytes that the native one makes, of every
 * export in tests/golden, and refuses what that refuses, with the same sentence.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';

import { convert } from '../../build/dist/convert.node.js';
import { CONVERTER, GOLDEN, scratch } from './converted.js';
import { filesOf } from './readable.js';

/** Folders of tests/golden that have a model, in folders of theirs, too. */
function models(folder = GOLDEN) {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const path = join(folder, entry.name);
        if (!entry.isDirectory()) return [];
        const is_model = [
            'model.onnx',
            'onnx/model.onnx',
            'model.safetensors',
            'modules.json',
        ].some((name) => existsSync(join(path, name)));
        return is_model ? [path] : models(path);
    });
}

/** What the native converter makes of a folder: bytes, or a sentence. */
function native(folder, dtype) {
    const path = join(scratch, 'native.safetensors');
    const { status, stderr } = spawnSync(CONVERTER, [folder, '-o', path, '--dtype', dtype], {
        encoding: 'utf8',
    });
    if (status === 0) return { bytes: readFileSync(path) };
    return { refusal: `\n${stderr.trimEnd()}`.split('\nbert-convert: ').at(-1) };
}

/** The same of convert.wasm. */
async function inWasm(folder, options) {
    try {
        const file = await convert(filesOf(folder), { folder, name: basename(folder), ...options });
        const bytes = await file.read(0, file.n_bytes);
        await file.remove();
        return { bytes: Buffer.from(bytes) };
    } catch (error) {
        return { refusal: error.message, code: error.code };
    }
}

const ALL = models();

test('there are models', () => assert.ok(ALL.length > 50, `${ALL.length}`));

for (const folder of ALL) {
    for (const dtype of ['f32', 'q8']) {
        test(`${folder.slice(GOLDEN.length + 1)}, ${dtype}`, async () => {
            const expected = native(folder, dtype);
            const made = await inWasm(folder, { dtype });
            if (expected.bytes) {
                assert.equal(made.refusal, undefined);
                assert.ok(made.bytes.equals(expected.bytes), 'other bytes');
            } else {
                assert.equal(made.code, 'BAD_MODEL_FILE');
                assert.equal(made.refusal, expected.refusal);
            }
        });
    }
}
