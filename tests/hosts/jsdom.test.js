/**
 * The package in Node, with what jsdom makes: its arrays, buffers, signals, URLs and Blobs are of
 * another realm, the last three of classes that are no platform's.
 */

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before } from 'node:test';

import { BertError, loadModel, pipeline } from 'bert-wasm';

import { Outcome } from '../tools/outcome.js';
import { PACKAGES } from './runtimes.js';

const MODEL = new URL('../../web-demo/models/sentiment-minilm-l6-q8.safetensors', import.meta.url);
const TEXTS = ['What a wonderful film.', 'The plot is thin and the jokes fall flat.'];

const folder = join(PACKAGES, 'jsdom/package.json');
const skip =
    !existsSync(folder) && 'NOT TESTED: jsdom, which is not installed (tools/npm_packages.sh)';
const outcome = new Outcome('hosts', 'jsdom', skip);
const bytes = readFileSync(MODEL);

/** @type {any} */
let window;
/** @type {Awaited<ReturnType<typeof pipeline<'sentiment-analysis'>>>} */
let classify;

before(async () => {
    if (skip) return console.error(skip);
    const { JSDOM } = createRequire(folder)('jsdom');
    window = new JSDOM('', { url: 'http://localhost/', runScripts: 'outside-only' }).window;
    classify = await pipeline('sentiment-analysis');
});

after(() => {
    classify?.dispose();
    window?.close();
    outcome.write(skip ? '' : createRequire(folder)('jsdom/package.json').version);
});

/** @param {any} source */
async function assertLoads(source) {
    const model = await loadModel(source);
    assert.equal((await model.info()).verified, true);
    model.dispose();
}

outcome.declare('bytes', '', async () => {
    await assertLoads(window.Uint8Array.from(bytes));
    await assertLoads(window.Uint8Array.from(bytes).buffer);
});

outcome.declare('URL', '', () => assertLoads(new window.URL(MODEL)));

outcome.declare('Blob', '', async () => {
    await assertLoads(new Blob([bytes]));
    for (const source of [new window.Blob([bytes]), new window.File([bytes], 'model')]) {
        await assert.rejects(loadModel(source), (error) => {
            assert.ok(error instanceof BertError);
            assert.equal(error.code, 'BAD_INPUT');
            assert.match(error.message, /Blob must be the platform's own: pass its bytes/);
            return true;
        });
    }
});

outcome.declare('arrays', '', async () => {
    const answers = await classify(window.Array.from(TEXTS));
    assert.deepEqual(answers, await classify(TEXTS));
    const ids = [101, 2023, 102];
    const input = window.eval(`({ input_ids: new Int32Array([${ids}]) })`);
    const { logits } = await classify.model.forward(input);
    assert.deepEqual(logits, (await classify.model.forward({ input_ids: ids })).logits);
});

outcome.declare('signals', '', async () => {
    const many = new Array(500).fill(TEXTS[0]);
    const before = new window.AbortController();
    before.abort();
    await assert.rejects(classify(many, { signal: before.signal }), { name: 'AbortError' });

    const during = new window.AbortController();
    const call = classify(many, {
        signal: during.signal,
        onprogress: () => during.abort(new window.Error('enough')),
    });
    await assert.rejects(call, { name: 'Error', message: 'enough' });
    assert.equal((await classify(TEXTS)).length, 2);

    const loading = new window.AbortController();
    const load = loadModel(MODEL, { signal: loading.signal });
    loading.abort();
    await assert.rejects(load, { name: 'AbortError' });
});

outcome.declare('errors', '', async () => {
    const error = await classify(window.eval("['a', 7]")).catch((error) => error);
    assert.ok(error instanceof BertError);
    assert.equal(error.code, 'BAD_INPUT');
    const failed = new window.Error('the text could not be read');
    async function* texts() {
        yield TEXTS[0];
        throw failed;
    }
    await assert.rejects(
        async () => {
            for await (const _ of classify(texts()));
        },
        (error) => error === failed,
    );
});
