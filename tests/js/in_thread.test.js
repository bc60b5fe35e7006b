/** The engine on the caller's thread, in Node; tests/browser/worker.test.js has pages. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { DIST } from './built.js';

const { BertError, pipeline } = await import(new URL('index.node.js', DIST).href);
const bundled = await import(new URL('in-thread.node.js', DIST).href);

const TEXTS = Array.from({ length: 12 }, (_, i) =>
    'It was dull, and then it was not. '.repeat(1 + 3 * i),
);
const LOGITS = { top_k: null, function_to_apply: 'none' };

/** @param {string} name */
const file = (name) => readFileSync(new URL(name, DIST));

test('the answers are those of a worker, to the bit', async (t) => {
    const [here, there] = await Promise.all([
        pipeline('sentiment-analysis', null, { in_thread: true, threads: 2 }),
        pipeline('sentiment-analysis', null, { threads: 1 }),
    ]);
    t.after(() => [here, there].forEach((each) => each.dispose()));
    assert.deepEqual(await here(TEXTS, LOGITS), await there(TEXTS, LOGITS));
    const { threads, threads_reason } = await here.model.info();
    assert.deepEqual([threads, threads_reason], [1, "the engine is on the caller's thread"]);
});

test('bert-wasm/in-thread has the same names, and is in thread by default', async () => {
    const library = await import(new URL('index.node.js', DIST).href);
    const { startHere, ...names } = bundled;
    assert.deepEqual(Object.keys(names), Object.keys(library));
    for (const in_thread of [undefined, true, false]) {
        const classify = await bundled.pipeline('sentiment-analysis', null, { in_thread });
        const { threads_reason } = await classify.model.info();
        const is_here = in_thread !== false;
        assert.equal(threads_reason === "the engine is on the caller's thread", is_here);
        classify.dispose();
    }
});

test('the event loop has its turns, in which an abort or a dispose ends a call', async () => {
    const classify = await pipeline('sentiment-analysis', null, { in_thread: true });
    const controller = new AbortController();
    let n_turns = 0;
    const count = () => {
        n_turns++;
        if (n_turns === 3) controller.abort();
        if (n_turns < 3) setImmediate(count);
    };
    setImmediate(count);
    await assert.rejects(classify(TEXTS, { signal: controller.signal }), { name: 'AbortError' });
    assert.equal(n_turns, 3);
    assert.equal((await classify('What a wonderful film.'))[0].label, 'POSITIVE');

    const running = classify(TEXTS);
    setImmediate(() => classify.dispose());
    await assert.rejects(running, { code: 'DISPOSED' });
    await assert.rejects(classify('No more.'), { code: 'DISPOSED' });
});

test('what the caller changes after a call is not seen', async (t) => {
    const classify = await pipeline('sentiment-analysis', null, { in_thread: true });
    t.after(() => classify.dispose());
    const encoded = await classify.model.tokenizer.encode('What a wonderful film.');
    const ids = [...encoded.ids];
    const expected = await classify.model.forward({ input_ids: [...ids] });
    const sequence = { input_ids: ids };
    const running = classify.model.forward(sequence);
    ids.fill(0);
    assert.deepEqual(await running, expected);
});

test('the module is given: compiled, as bytes, by its URL', async () => {
    const bytes = file('engine-base.wasm');
    for (const wasm of [
        new WebAssembly.Module(bytes),
        new Uint8Array(bytes),
        new Blob([bytes]),
        new URL('engine-base.wasm', DIST),
    ]) {
        for (const in_thread of [true, false]) {
            const classify = await pipeline('sentiment-analysis', null, { wasm, in_thread });
            const { variant, reason, threads } = await classify.model.info();
            assert.deepEqual([variant, reason, threads], ['base', 'its module was given', 1]);
            assert.equal((await classify('What a wonderful film.'))[0].label, 'POSITIVE');
            classify.dispose();
        }
    }
});

test('another module than the engine is refused by name', async () => {
    for (const [wasm, code, why] of /** @type {const} */ ([
        [file('engine-base-threads.wasm'), 'BAD_OPTION', /not a build with threads/],
        [file('search.wasm'), 'BAD_OPTION', /not another module/],
        [Buffer.from('<!doctype html>'), 'ENGINE_FAILED', /is not a WebAssembly module/],
        [file('search.wasm').subarray(0, 99), 'ENGINE_FAILED', /the given bytes: .*WebAssembly/],
        [42, 'BAD_INPUT', /must be a URL, a path or bytes, not number 42/],
    ])) {
        const error = await pipeline('sentiment-analysis', null, { wasm, in_thread: true }).then(
            () => assert.fail(`${why}`),
            (/** @type {any} */ error) => error,
        );
        assert.ok(error instanceof BertError);
        assert.equal(error.code, code, error.message);
        assert.match(error.message, why);
    }
});
