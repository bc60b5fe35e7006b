/** Models of tests/golden, converted for a test file. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

export const GOLDEN = fileURLToPath(new URL('../golden', import.meta.url));
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const CONVERTER = process.env.BERT_CONVERT ?? join(ROOT, 'build/native/bert-convert');

/** Is there until the test file ends. */
export const scratch = mkdtempSync(join(tmpdir(), 'bert-wasm-test-'));
after(() => rmSync(scratch, { recursive: true }));

/**
 * @param {string} name  of a folder in tests/golden, `pipelines/fill-mask-bert`
 * @param {string} [dtype]
 * @returns {string}  the path of the converted file
 */
export function converted(name, dtype = 'f32') {
    assert.ok(existsSync(CONVERTER), 'make native');
    const path = join(scratch, `${name.replaceAll('/', '-')}-${dtype}.safetensors`);
    if (existsSync(path)) return path;
    const { status, stderr } = spawnSync(
        CONVERTER,
        [join(GOLDEN, name), '-o', path, '--dtype', dtype],
        { encoding: 'utf8' },
    );
    assert.equal(status, 0, stderr);
    return path;
}

/**
 * The bytes of a model file after `change(header)`, or with the text that it returns; padded as the
 * format wants it.
 * @param {string} path
 * @param {(header: any) => string | Buffer | void} change
 */
export function rewritten(path, change) {
    const file = readFileSync(path);
    const n = Number(file.readBigUInt64LE(0));
    const header = JSON.parse(file.toString('utf8', 8, 8 + n));
    const unpadded = Buffer.from(change(header) ?? JSON.stringify(header));
    const text = Buffer.concat([unpadded, Buffer.alloc(-(8 + unpadded.length) & 63, ' ')]);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([length, text, file.subarray(8 + n)]);
}
