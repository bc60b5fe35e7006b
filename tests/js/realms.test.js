/** Values of another realm (a frame, a test runner's sandbox, Node's vm) are what they are here. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createContext, runInContext } from 'node:vm';

import { BertError, loadModel, pipeline, semanticSearch } from 'bert-wasm';
import { Tokenizer } from 'bert-wasm/tokenizer';

import { Tensor } from '../../js/pipelines/tensor.js';
import { modelBytes, TOKENIZER } from './model_bytes.js';

const realm = createContext({ bytes: Array.from(modelBytes()), TOKENIZER });
const there = (/** @type {string} */ code) => runInContext(code, realm);

/** What has the class `name` in a realm that has its own. */
const signal = there(`
    class AbortSignal {
        aborted = false;
        listeners = new Set();
        addEventListener(type, listener) { this.listeners.add(listener); }
        removeEventListener(type, listener) { this.listeners.delete(listener); }
        throwIfAborted() { if (this.aborted) throw this.reason; }
        abort(reason) {
            Object.assign(this, { aborted: true, reason });
            for (const listener of this.listeners) listener();
        }
        get [Symbol.toStringTag]() { return 'AbortSignal'; }
    }
    new AbortSignal();
`);

test('bytes, arrays and options', async () => {
    for (const code of ['Uint8Array.from(bytes)', 'Uint8Array.from(bytes).buffer']) {
        const classify = await pipeline(
            'text-classification',
            there(code),
            there('({ threads: 1 })'),
        );
        assert.equal((await classify(there("['a good film.', 'a']"))).length, 2);
        const ids = there('({ input_ids: new Int32Array([2, 5, 3]) })');
        assert.equal((await classify.model.forward(ids)).logits.data.length, 3);
        classify.dispose();
    }
    const model = await loadModel(there('[Uint8Array.from(bytes)]'));
    model.dispose();
    for (const code of ['TOKENIZER', 'Uint8Array.from(TOKENIZER, (c) => c.charCodeAt(0))']) {
        assert.deepEqual([...Tokenizer.fromJSON(there(code)).encode('a').ids], [2, 5, 3]);
    }
    const rows = there('({ dims: [2, 2], data: Float32Array.of(1, 0, 0, 1) })');
    const query = there('({ dims: [2], data: Float32Array.of(0, 1) })');
    const [first] = /** @type {any} */ (await semanticSearch(query, rows));
    assert.equal(first.corpus_id, 1);
    assert.equal(new Tensor(there('Float32Array.of(1)'), [1]).type, 'float32');
    assert.equal(new Tensor(there('Int8Array.of(1)'), [1]).type, 'int8');
});

test('a URL, a Blob, a signal, by what they say that they are', async () => {
    const tagged = (/** @type {string} */ name, /** @type {object} */ value) =>
        Object.defineProperty(value, Symbol.toStringTag, { value: name });
    const url = tagged('URL', {
        href: 'http://127.0.0.1:1/m',
        toString: () => 'http://127.0.0.1:1/m',
    });
    await assert.rejects(loadModel(/** @type {any} */ (url), { retry_delay: 1 }), {
        code: 'FETCH_FAILED',
        message: /127\.0\.0\.1:1\/m: no answer/,
    });
    const classify = await pipeline('text-classification', modelBytes(), { signal });
    const running = classify(Array(2000).fill('a good film.'), { signal });
    signal.abort('enough');
    await assert.rejects(running, (reason) => reason === 'enough');
    classify.dispose();
    for (const no_signal of [null, 42, {}, 'abort']) {
        await assert.rejects(loadModel(modelBytes(), { signal: /** @type {any} */ (no_signal) }), {
            code: 'BAD_OPTION',
            message: /signal must be an AbortSignal, not/,
        });
    }
});

test('errors', () => {
    const error = there(
        "Object.assign(new TypeError('x'), { name: 'BertError', code: 'BAD_INPUT' })",
    );
    assert.ok(error instanceof BertError);
    assert.ok(!(there("new TypeError('x')") instanceof BertError));
    assert.ok(!(/** @type {any} */ ({ name: 'BertError' } instanceof BertError)));
});

test('no source asks whether a value is of a class of its own realm', () => {
    const folder = new URL('../../js/', import.meta.url);
    const platform =
        /instanceof (Array|ArrayBuffer|Blob|File|\w*Error|URL|AbortSignal|\w+\d+Array|Map|Promise)\b/;
    const own = /instanceof (BertError|UsageError|HTTPError)\b/;
    for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        if (!file.endsWith('.js')) continue;
        for (const line of readFileSync(new URL(file, folder), 'utf8').split('\n')) {
            assert.ok(!platform.test(line) || own.test(line), `js/${file}: ${line.trim()}`);
        }
    }
});
