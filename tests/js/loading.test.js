/**
 * loadModel() over a bad network: the model is there and answers as it should, each chunk came
 * once, or the error is one that can be told from others; and nothing is left behind.
 */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { loadModel, pipeline } from 'bert-wasm';

import { A_PAGE, FaultyServer } from '../tools/faulty_server.js';
import '../tools/own_cache.js';
import { LIBRARY } from './built.js';
import { CONFIG, modelBytes, tensors } from './model_bytes.js';

/** @typedef {import('../tools/faulty_server.js').Fault} Fault */

const run = promisify(execFile);

/** Of some hundred chunks. */
const LARGE = { ...CONFIG, encoder: { ...CONFIG.encoder, vocab_size: 6000 } };
const MODEL = modelBytes({ config: LARGE, chunk_bytes: 4096 });
const OTHER = modelBytes({
    config: LARGE,
    chunk_bytes: 4096,
    list: tensors(LARGE).map((tensor) => ({ ...tensor, bytes: tensor.bytes.map((b) => b ^ 1) })),
});
const N_HEADER = 8 + new DataView(MODEL.buffer, MODEL.byteOffset).getUint32(0, true);
const SOON = { retry_delay: 1, idle_timeout: 5000, cache: false };
const IDS = { input_ids: [2, 5, 6, 8, 3] };

/** @param {Uint8Array} bytes */
async function answerOf(bytes) {
    const model = await loadModel(bytes);
    const { logits } = await model.forward(IDS);
    model.dispose();
    return logits.data;
}

const ANSWER = await answerOf(MODEL);
const OTHER_ANSWER = await answerOf(OTHER);
assert.notDeepEqual(ANSWER, OTHER_ANSWER);

/**
 * @param {import('node:test').TestContext} t
 * @param {{[path: string]: Uint8Array}} [files]
 */
async function serve(t, files = { '/model': MODEL }) {
    const server = await FaultyServer.open(files);
    t.after(() => server.close());
    return server;
}

/** @param {any} source @param {Uint8Array | Float32Array} [answer] @param {object} [options] */
async function loads(source, answer = ANSWER, options = {}) {
    const model = await loadModel(source, { ...SOON, ...options });
    const { logits } = await model.forward(IDS);
    assert.deepEqual(logits.data, answer);
    assert.equal((await model.info()).verified, true);
    model.dispose();
}

/** @param {FaultyServer} server */
const ranges = (server) => server.log.map(({ range }) => range);

/** @param {number} at  byte of the file, in its data */
const chunkStart = (at) => N_HEADER + 4096 * Math.floor((at - N_HEADER) / 4096);

test('cut at ten random points: it answers, and every byte came once', async (t) => {
    const seed = process.env.SEED ?? `${randomInt(2 ** 31)}`;
    console.log(`SEED=${seed}`);
    let state = Number(seed);
    const server = await serve(t);
    const cuts = Array.from({ length: 10 }, () => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        return { cut: 1 + Math.floor((state / 2 ** 32) * (MODEL.length / 11)) };
    });
    server.faults.set('/model', cuts);
    await loads(`${server.url}model`);
    assert.equal(server.log.length, 11);
    assert.equal(
        server.log.reduce((sum, { n_bytes }) => sum + n_bytes, 0),
        MODEL.length,
    );
});

test('a flipped byte is asked for again from its chunk on, once', async (t) => {
    const server = await serve(t);
    for (const flip of [N_HEADER, N_HEADER + 5000, MODEL.length - 1]) {
        server.log.length = 0;
        server.faults.set('/model', [{ flip }]);
        await loads(`${server.url}model`);
        assert.deepEqual(ranges(server), ['whole', `bytes=${chunkStart(flip)}-`]);
    }
    server.log.length = 0;
    server.faults.set('/model', { flip: N_HEADER + 5000 });
    await assert.rejects(loadModel(`${server.url}model`, SOON), {
        code: 'BAD_MODEL_FILE',
        message: /\/model: chunk 1 is damaged, twice in a row: its SHA-256 must be/,
    });
    assert.deepEqual(ranges(server), ['whole', `bytes=${N_HEADER + 4096}-`]);
});

test('gzip, ranges that are ignored, lengths that lie, no length at all', async (t) => {
    const server = await serve(t);
    const half = { cut: MODEL.length >> 1 };
    for (const faults of /** @type {Fault[][]} */ ([
        [{ gzip: true }],
        [{ gzip: true, cut: 5000 }, { gzip: true }],
        [{ ranges: false, ...half }, { ranges: false }],
        [{ headers: { 'Content-Length': `${MODEL.length - 1000}` } }],
        [{ headers: { 'Content-Length': `${MODEL.length + 1000}` } }],
        [{ framing: 'close' }],
        [{ framing: 'close', ...half }],
        [{ framing: 'chunked', ...half }],
        [{ redirect: true, ...half }, { redirect: { uses: 0 } }, { redirect: true }],
        [{ headers: { ETag: null }, ...half }, { headers: { ETag: null } }],
    ])) {
        server.faults.set('/model', [...faults]);
        await loads(`${server.url}model`);
    }
});

test('a file that changes meanwhile is loaded anew, once', async (t) => {
    const server = await serve(t);
    const change = { cut: MODEL.length >> 1, change: OTHER };
    server.faults.set('/model', [change]);
    await loads(`${server.url}model`, OTHER_ANSWER);
    assert.deepEqual(ranges(server), ['whole', `bytes=${MODEL.length >> 1}-`, 'whole']);
    server.files.set('/model', MODEL);
    const back = { cut: MODEL.length >> 1, change: MODEL };
    server.faults.set('/model', [change, {}, back]);
    await assert.rejects(loadModel(`${server.url}model`, SOON), {
        code: 'FILE_CHANGED',
        message: /model: it is another file than the one that was being read: its ETag was/,
    });
});

test('several places: one that fails, one that is damaged, one of another file', async (t) => {
    const server = await serve(t, { '/a': MODEL, '/b': MODEL });
    const sources = [`${server.url}a`, new URL(`${server.url}b`)];
    const cut = MODEL.length >> 1;
    for (const fault of /** @type {Fault[]} */ ([
        { status: 404 },
        A_PAGE,
        { flip: N_HEADER + 9000 },
        { body: 'PK\x03\x04 and so on' },
        { truncate: cut },
        { cut, ranges: false },
    ])) {
        server.faults.set('/a', fault);
        await loads(sources);
    }
    assert.deepEqual([server.log.at(-1)?.path, server.log.at(-1)?.range], ['/b', `bytes=${cut}-`]);
    // The second is another model: what the first began is not gone on with.
    server.files.set('/b', OTHER);
    await loads(sources, OTHER_ANSWER);
    await loads([MODEL, `${server.url}b`]);
    server.faults.set('/b', { status: 404 });
    await loads([`${server.url}b`, 'no/such/file', new Blob([MODEL])]);
    const classify = await pipeline('text-classification', [`${server.url}b`, MODEL], SOON);
    assert.equal((await classify('a good film.')).length, 1);
    classify.dispose();
    await assert.rejects(loadModel([`${server.url}b`, 'no/such/file']), {
        code: 'FETCH_FAILED',
        message: /\/b: HTTP status 404.*; .*no\/such\/file: cannot be read/,
    });
});

test('progress: bytes as they arrive, the total of the header, a rate', async (t) => {
    const server = await serve(t);
    const fault = { rate: 400_000, framing: /** @type {const} */ ('chunked') };
    server.faults.set('/model', fault);
    /** @type {{loaded: number, total: number, rate: number}[]} */
    const seen = [];
    await loads(`${server.url}model`, ANSWER, {
        onprogress: (/** @type {any} */ progress) => seen.push(progress),
    });
    assert.ok(seen.length > 4, `${seen.length} reports in a second`);
    assert.ok(seen.every(({ total }) => total === MODEL.length));
    assert.ok(seen.every(({ loaded }, i) => i === 0 || loaded >= seen[i - 1].loaded));
    const { loaded, rate } = seen[seen.length - 1];
    assert.equal(loaded, MODEL.length);
    assert.ok(rate > 40_000 && rate < 800_000, `${rate} bytes/s`);
});

test('an abort rejects with its reason, and the connection is closed', async (t) => {
    const server = await serve(t);
    const reason = new Error('another model was chosen');
    const url = `${server.url}model`;
    /** @type {[string, Fault | Fault[], number][]}  with how many requests there are then */
    const cases = [
        ['before an answer', { silent: true }, 1],
        ['in the header', { stall: 1000 }, 1],
        ['in the midst', { stall: MODEL.length >> 1 }, 1],
        ['between two tries', [{ cut: 9000 }, { status: 503 }], 2],
    ];
    for (const [name, fault, n_requests] of cases) {
        server.log.length = 0;
        server.faults.set('/model', fault);
        const controller = new AbortController();
        const options = { signal: controller.signal, retry_delay: 1e6, cache: false };
        const loading = loadModel(url, options);
        while (server.log.length < n_requests) {
            await new Promise((resolve) => setImmediate(resolve));
        }
        controller.abort(reason);
        await assert.rejects(loading, (error) => error === reason, name);
        while (!server.log.every(({ is_over }) => is_over)) {
            await new Promise((resolve) => setImmediate(resolve));
        }
    }
    const signal = AbortSignal.abort(reason);
    server.log.length = 0;
    await assert.rejects(loadModel(url, { signal }), (error) => error === reason);
    assert.equal(server.log.length, 0);
});

test('an abort at any moment rejects with its reason, or comes too late', async (t) => {
    const server = await serve(t);
    const reason = new Error('any moment');
    let n_aborted = 0;
    for (let turns = 0; turns < 4000; turns = 2 * turns + 1) {
        const controller = new AbortController();
        const loading = loadModel(`${server.url}model`, {
            signal: controller.signal,
            cache: false,
        });
        loading.catch(() => {});
        for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
        controller.abort(reason);
        const result = await loading.catch((error) => error);
        if (result === reason) n_aborted++;
        else result.dispose();
    }
    assert.ok(n_aborted > 3, `${n_aborted}`);
});

test('Node ends by itself after an abort, a failure, and a model', async (t) => {
    const server = await serve(t);
    server.faults.set('/model', [{}, { silent: true }, { stall: 5000 }, { status: 503 }]);
    const program = `
        import { loadModel } from ${LIBRARY};
        const url = ${JSON.stringify(`${server.url}model`)};
        await loadModel(url, { cache: false });
        for (const ms of [300, 300, 300]) {
            const controller = new AbortController();
            setTimeout(() => controller.abort('late'), ms);
            const options = { signal: controller.signal, retry_delay: 60_000, cache: false };
            await loadModel(url, options).catch((error) => console.log(error));
        }
        await loadModel('http://127.0.0.1:1/', { retry_delay: 1 })
            .catch(({ code }) => console.log(code));
    `;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], {
        timeout: 30_000,
    });
    assert.deepEqual(stdout.trim().split('\n'), ['late', 'late', 'late', 'FETCH_FAILED']);
});

test('nothing is left of a download once its model is there', async () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc');
    const server = await FaultyServer.open({ '/model': MODEL });
    const models = [];
    const load = async () => models.push(await loadModel(`${server.url}model`, { cache: false }));
    await load();
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 8; i++) await load();
    // Of each at most the buffer that its stream read last; others are freed some turns later.
    const most = before + 9 * (1 << 20);
    let left = Infinity;
    for (let i = 0; i < 100 && left > most; i++) {
        gc();
        await new Promise((resolve) => setTimeout(resolve, 10));
        left = process.memoryUsage().arrayBuffers;
    }
    for (const model of models) model.dispose();
    await server.close();
    assert.ok(left <= most, `${left} bytes, at most ${most}`);
});
