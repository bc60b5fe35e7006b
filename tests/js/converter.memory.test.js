/**
 * How much memory a conversion takes: layers pass through it one at a time, so that it is the
 * embeddings, a few layers and a sum of small things, not the model. Models of real size are made
 * here of random weights; the large ones are 1.4 GB on disk while they are converted.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statfsSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { writeBertOnnx, writeRoberta } from './large_models.js';

const CONVERTER = new URL('../../build/native/bert-convert', import.meta.url).pathname;
const FOLDER = mkdtempSync(join(tmpdir(), 'bert-memory-'));
after(() => rmSync(FOLDER, { recursive: true }));

const BASE = { n_layers: 12, hidden: 768, n_words: 30522 };
const LARGE = { n_layers: 24, hidden: 1024, n_words: 50265 };

/** Megabytes that the process has had at most; 0: it has ended. @param {number} pid */
function peakOf(pid) {
    try {
        const [, kb] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
        return Number(kb ?? 0) / 1000;
    } catch {
        return 0;
    }
}

/** Converts the folder `name`; gives megabytes. @param {string} name  @param {string} dtype */
async function convert(name, dtype) {
    const out = join(FOLDER, `${name}.out`);
    const args = [join(FOLDER, name), '-o', out, '--dtype', dtype];
    const child = spawn(CONVERTER, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let peak = 0;
    let said = '';
    child.stderr.on('data', (text) => (said += text));
    const watch = setInterval(() => (peak = Math.max(peak, peakOf(child.pid ?? 0))), 5);
    const code = await new Promise((resolve) => child.on('close', resolve));
    clearInterval(watch);
    assert.equal(code, 0, said);
    const size = statSync(out).size / 1e6;
    rmSync(out);
    return { peak, size };
}

const skip = !existsSync('/proc/self/status') && 'only Linux tells the memory of a process';
const space = statfsSync(tmpdir());
const is_full = space.bavail * space.bsize < 3e9 && 'there is no room for a model of 1.4 GB';

test('a BERT-base in ONNX, 438 MB, becomes q8 or f32 in 300 MB of memory', { skip }, async (t) => {
    writeBertOnnx(join(FOLDER, 'base'), BASE);
    for (const [dtype, megabytes] of Object.entries({ q8: 111, f32: 438 })) {
        const { peak, size } = await convert('base', dtype);
        t.diagnostic(`${dtype}: ${peak.toFixed(0)} MB`);
        assert.ok(Math.abs(size - megabytes) < 1, `the file has ${size} MB`);
        assert.ok(peak > 100 && peak < 300, `${dtype} took ${peak} MB`);
    }
    rmSync(join(FOLDER, 'base'), { recursive: true });
});

for (const [kind, write] of /** @type {const} */ ([
    ['safetensors', writeRoberta],
    ['ONNX', writeBertOnnx],
])) {
    // The way is the same as BERT-base's, and takes minutes on busy machines.
    const is_left_out = !process.env.LARGE && 'LARGE=1 runs it';
    const name = `RoBERTa-large's size in ${kind}, 1.4 GB, becomes q8 in 600 MB of memory`;
    test(name, { skip: skip || is_full || is_left_out }, async (t) => {
        write(join(FOLDER, kind), LARGE);
        const { peak, size } = await convert(kind, 'q8');
        t.diagnostic(`${peak.toFixed(0)} MB`);
        assert.ok(size > 355 && size < 362, `the file has ${size} MB`);
        assert.ok(peak > 300 && peak < 600, `it took ${peak} MB`);
        rmSync(join(FOLDER, kind), { recursive: true });
    });
}
