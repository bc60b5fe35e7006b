/** Workers with the same model, among which calls are split. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { loadModel, pipeline } from 'bert-wasm';

import { FaultyServer } from '../tools/faulty_server.js';
import { DIST } from './built.js';

// Not as Python names its files: those are looked into before they are loaded.
const FILE = '/own.safetensors';
const MODEL = new URL('models/sentiment-minilm-l6-q8.safetensors', DIST);
const LOGITS = /** @type {const} */ ({ top_k: null, function_to_apply: 'none' });
const TEXTS = Array.from(
    { length: 21 },
    (_, i) => `It was fine, ${'or not '.repeat(i % 7)}in all.`,
);

/** @type {FaultyServer} */
let server;
/** @type {string} */
let url;

before(async () => {
    server = await FaultyServer.open({ [FILE]: readFileSync(MODEL) });
    url = new URL(FILE, server.url).href;
});
after(() => server.close());

/** @param {string | URL} model @param {object} [options] */
const open = (model, options) =>
    pipeline('sentiment-analysis', model, { cache: false, ...options });

test('the answers are those of one worker, in their order', async (t) => {
    const one = await open(MODEL, { threads: 1 });
    t.after(() => one.dispose());
    for (const replicas of [2, 3]) {
        const several = await open(MODEL, { replicas });
        t.after(() => several.dispose());
        for (const texts of [TEXTS, TEXTS.slice(0, 2), TEXTS.slice(0, 1), []]) {
            assert.deepEqual(await several(texts, LOGITS), await one(texts, LOGITS));
        }
        assert.deepEqual(await several(TEXTS[0], LOGITS), await one(TEXTS[0], LOGITS));
        const [info, own] = [await several.model.info(), await one.model.info()];
        assert.deepEqual([info.replicas, info.threads, own.replicas], [replicas, 1, 1]);
        assert.equal(info.memory_bytes >= replicas * own.memory_bytes, true);
    }
});

test('the file is downloaded once', async () => {
    server.log.length = 0;
    const classify = await open(url, { replicas: 3 });
    assert.equal((await classify(TEXTS)).length, TEXTS.length);
    classify.dispose();
    const { length } = readFileSync(MODEL);
    assert.deepEqual(server.counts(FILE), { whole: { n_requests: 1, n_bytes: length } });
});

test('a damaged chunk is damaged for none: what is read once more goes to all', async () => {
    server.log.length = 0;
    server.faults.set(FILE, [{ flip: 20e6 }]);
    const classify = await open(url, { replicas: 2 });
    const { verified } = await classify.model.info();
    assert.equal(verified, true);
    assert.equal((await classify(TEXTS)).length, TEXTS.length);
    classify.dispose();
    assert.ok(server.log.length > 1, 'something was read once more');
});

test('an error says which text or sequence of all it is about', async () => {
    const classify = await open(MODEL, { replicas: 2 });
    const bad = /** @type {any} */ ([...TEXTS, 42]);
    const error = await classify(bad).catch((/** @type {any} */ error) => error);
    assert.deepEqual([error.code, error.index], ['BAD_INPUT', 21]);
    const long = [...TEXTS, 'word '.repeat(900)];
    const options = /** @type {const} */ ({ overflow: 'error', errors: 'return' });
    const results = /** @type {any[]} */ (await classify(long, options));
    assert.deepEqual([results[21].code, results[21].index], ['SEQUENCE_TOO_LONG', 21]);
    assert.equal(results[20].label, 'POSITIVE');
    const sequences = Array.from({ length: 9 }, () => ({ input_ids: [101, 2307, 102] }));
    sequences[7].input_ids[1] = 1e6;
    await assert.rejects(classify.model.forward(sequences), {
        code: 'BAD_TOKEN_ID',
        index: 7,
        message: /^sequence 7: /,
    });
    classify.dispose();
});

test('progress counts all, and ends at the whole', async () => {
    const classify = await open(MODEL, { replicas: 2 });
    /** @type {number[]} */
    const seen = [];
    const onprogress = (/** @type {any} */ { done, total }) => {
        assert.equal(total, TEXTS.length);
        seen.push(done);
    };
    await classify(TEXTS, { onprogress });
    assert.deepEqual([seen.at(-1), [...seen].sort((a, b) => a - b)], [TEXTS.length, seen]);
    classify.dispose();
});

test('an abort ends all, a dispose too; later calls', async () => {
    const classify = await open(MODEL, { replicas: 2 });
    const many = new Array(400).fill('It was fine, or not. '.repeat(9));
    const controller = new AbortController();
    const running = classify(many, { signal: controller.signal });
    setImmediate(() => controller.abort());
    await assert.rejects(running, { name: 'AbortError' });
    assert.equal((await classify(TEXTS)).length, TEXTS.length);
    const ended = classify(many);
    setImmediate(() => classify.dispose());
    await assert.rejects(ended, { code: 'DISPOSED' });
    await assert.rejects(classify(TEXTS), { code: 'DISPOSED' });
});

test('what cannot be is refused', async () => {
    for (const [options, why] of /** @type {[any, RegExp][]} */ ([
        [{ replicas: 0 }, /replicas must be a whole number from 1 to 16, not number 0/],
        [{ replicas: 17 }, /not number 17/],
        [{ replicas: '2' }, /not string "2"/],
        [{ replicas: 2, threads: 2 }, /threads must be 1 with replicas/],
        [{ replicas: 2, in_thread: true }, /replicas must be 1 with in_thread/],
        [{ replicas: 2, streaming: true }, /streaming must be false with replicas/],
    ])) {
        await assert.rejects(loadModel(MODEL, options), { code: 'BAD_OPTION', message: why });
    }
});
