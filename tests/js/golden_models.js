/** The small models of tests/golden/pipelines, converted. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'bert-wasm-golden-'));
after(() => rmSync(scratch, { recursive: true }));

/** Path of the model file. */
export function convert(name, dtype = 'f32') {
    const path = join(scratch, `${name}-${dtype}.safetensors`);
    if (existsSync(path)) return path;
    const converter = process.env.BERT_CONVERT ?? join(root, 'build/native/bert-convert');
    assert.ok(existsSync(converter), 'make native');
    const { status, stderr } = spawnSync(converter, [join(root, 'tests/golden/pipelines', name), '-o', path, '--dtype', dtype], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return path;
}
