/**
 * BERT-large, 335 million parameters in q8, in Chromium: loaded over HTTP from a page that forbids
 * all but itself, and answering as it does in Node, to the bit.
 */

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { serve } from '../../web-demo/serve.js';
import { launchChromium } from '../tools/chromium.js';
import { writeLargeModel } from './large_model.js';

const DIST = fileURLToPath(new URL('../../build/dist/', import.meta.url));
const NEEDED = 2 ** 30;

const input_ids = Array.from({ length: 24 }, (_, i) => 100 + i * 1234);

/** What cannot be run here, or false. */
function missing() {
    const { bavail, bsize } = statfsSync(tmpdir());
    if (bavail * bsize < NEEDED) return 'SKIPPED: BERT-large needs 1 GiB of free disk';
    return freemem() < NEEDED ? 'SKIPPED: BERT-large needs 1 GiB of free memory' : false;
}

test('BERT-large q8 runs in Chromium, and answers as in Node', {
    timeout: 280_000,
    skip: missing(),
}, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'bert-large-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'large.safetensors');
    const { bytes } = writeLargeModel(path);
    assert.ok(bytes > 330e6, `${bytes} bytes`);
    cpSync(DIST, join(folder, 'bert-wasm'), {
        recursive: true,
        filter: (from) => !from.endsWith('.safetensors'),
    });
    writeFileSync(join(folder, 'index.html'), '<!doctype html><title>BERT-large</title>');

    const { loadModel } = await import(join(DIST, 'index.node.js'));
    const model = await loadModel(path, { threads: 1, variant: 'base' });
    const [{ logits }] = await model.forward([{ input_ids }]);
    model.dispose();
    assert.ok(
        logits.data.every(Number.isFinite) && logits.data[0] !== logits.data[1],
        `${logits.data}`,
    );

    const server = await serve(folder, 0);
    const browser = await launchChromium();
    t.after(async () => {
        await browser.close();
        await server.close();
    });
    const page = await browser.newPage();
    await page.goto(server.url);
    const answer = await page.evaluate(async (/** @type {number[]} */ input_ids) => {
        const library = './bert-wasm/index.js';
        const { loadModel } = await import(library);
        const start = performance.now();
        const model = await loadModel(new URL('large.safetensors', location.href), {
            variant: 'base',
        });
        const loaded = performance.now();
        const [{ logits }] = await model.forward([{ input_ids }]);
        const answered = performance.now();
        const { threads, memory_bytes } = await model.info();
        model.dispose();
        return {
            data: [...logits.data],
            load_ms: loaded - start,
            answer_ms: answered - loaded,
            threads,
            memory_bytes,
        };
    }, input_ids);
    t.diagnostic(
        `${(bytes / 1e6).toFixed(0)} MB loaded in ${(answer.load_ms / 1e3).toFixed(1)} s, ` +
            `${input_ids.length} tokens in ` +
            `${answer.answer_ms.toFixed(0)} ms on ${answer.threads} threads, ` +
            `${(answer.memory_bytes / 1e6).toFixed(0)} MB of memory`,
    );
    assert.deepEqual(answer.data, [...logits.data]);
});
