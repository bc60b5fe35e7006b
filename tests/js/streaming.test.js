/**
 * Models that are used while their weights arrive: loadModel(..., { streaming: true }). A server
 * here sends as many bytes as a test wants, so that what has come by then is known.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, test } from 'node:test';

import { BertError, loadModel, pipeline } from 'bert-wasm';

import { ModelFile } from '../../js/loader/load.js';
import { Engine } from '../../js/worker/engine.js';
import { FaultyServer } from '../tools/faulty_server.js';
import { converted } from './converted.js';
import { openCore } from './core.js';
import { modelBytes, rechunked } from './model_bytes.js';

/** @typedef {import('../../js/worker/loaded_model.js').Arrival} Arrival */

/** A server of one file, of which it sends what it is told to; all of it, if it is asked again. */
class HeldServer {
    #server;
    #bytes;
    #n_sent = 0;

    /** @type {import('node:http').ServerResponse | undefined} */
    #response;

    /** Once there is a request. */
    asked;

    /** Once the client has gone, or has got everything. @type {Promise<unknown>} */
    closed;

    /** @param {Uint8Array} bytes @param {number} until */
    constructor(bytes, until) {
        this.#bytes = bytes;
        this.#server = createServer((_, response) => {
            response.writeHead(200, { 'Content-Length': bytes.length });
            if (this.#response) return response.end(bytes);
            this.#response = response;
            this.send(until);
        }).listen(0, '127.0.0.1');
        this.asked = once(this.#server, 'request');
        this.closed = this.asked.then(([, response]) => once(response, 'close'));
        after(() => {
            this.#server.close();
            this.#server.closeAllConnections();
        });
    }

    async url() {
        if (!this.#server.listening) await once(this.#server, 'listening');
        const { port } = /** @type {import('node:net').AddressInfo} */ (this.#server.address());
        return `http://127.0.0.1:${port}/model`;
    }

    /** @param {number} until  the byte before which the next one is held back */
    send(until) {
        this.#response?.write(this.#bytes.subarray(this.#n_sent, until));
        this.#n_sent = until;
        if (until === this.#bytes.length) this.#response?.end();
    }
}

/**
 * A model of a held server.
 * @param {Uint8Array} bytes
 * @param {number} until
 * @param {import('bert-wasm').LoadOptions} [options]
 */
async function held(bytes, until, options) {
    const server = new HeldServer(bytes, until);
    const model = await loadModel(await server.url(), {
        streaming: true,
        cache: false,
        ...options,
    });
    after(() => model.dispose());
    return { server, model };
}

/**
 * Asks until it is so: each answer of info() comes from the worker, and takes its time.
 * @param {import('bert-wasm').Model} model
 * @param {(arrival: Arrival) => boolean} isSo
 */
async function arrival(model, isSo) {
    for (;;) {
        const info = await model.info();
        if (isSo(info.arrival)) return info.arrival;
    }
}

/** Where the data section begins, and the tensors of a file, in order. */
function tensorsOf(/** @type {Uint8Array} */ file) {
    const begin = 8 + Number(Buffer.from(file.buffer, file.byteOffset, 8).readBigUInt64LE());
    const { __metadata__, ...tensors } = JSON.parse(
        new TextDecoder().decode(file.subarray(8, begin)),
    );
    return Object.entries(tensors).map(([name, { data_offsets }]) => ({
        name,
        start: begin + data_offsets[0],
        end: begin + data_offsets[1],
    }));
}

/** The end of what the embeddings and the layers up to this one need, in whole chunks. */
function endOfLayer(
    /** @type {Uint8Array} */ file,
    /** @type {number} */ layer,
    chunk_bytes = 1024,
) {
    const tensors = tensorsOf(file);
    const begin = tensors[0].start;
    const last = tensors.findLast(
        // A layer leaves its rows as the next one wants them.
        ({ name }) => name.startsWith(`layers.${layer}.`) || name === `layers.${layer + 1}.smooth`,
    );
    const n_chunks = Math.ceil(((last?.end ?? 0) - begin) / chunk_bytes);
    return Math.min(begin + n_chunks * chunk_bytes, file.length);
}

const SEQUENCES = [7, 1, 12, 3].map((n, s) => ({
    input_ids: Array.from({ length: n }, (_, i) => (s * 37 + i * 11) % 40),
}));
const ASKED = { hidden_states: true };

const tiny = modelBytes();

/** @type {(code: string) => (error: unknown) => boolean} */
const withCode = (code) => (error) => error instanceof BertError && error.code === code;

test('layers run when their weights are there, while the next ones are on their way', async () => {
    /** @type {(() => void)[]} */
    const waiting = [];
    let until = endOfLayer(tiny, 0);
    async function* read(/** @type {number} */ from) {
        for (let at = from; at < tiny.length; ) {
            while (at >= until) await new Promise((resolve) => waiting.push(() => resolve(null)));
            const end = Math.min(until, at + 1000);
            yield tiny.slice(at, end);
            at = end;
        }
    }
    const file = new ModelFile({ label: 'held', read });
    const core = await openCore();
    const header = await file.readHeader(core);
    const engine = await Engine.create(core, header, 1);
    const address = engine.beginModel(header);
    engine.openSession(null);

    const n_left = /** @type {number[]} */ ([]);
    const { wasm } = core.instance;
    core.instance.wasm = {
        ...wasm,
        engine_encode_step(/** @type {number} */ n) {
            n_left.push(wasm.engine_encode_step(n));
            return n_left.at(-1);
        },
    };
    let onwait = () => {};
    const waits = async () => new Promise((resolve) => (onwait = () => resolve(undefined)));
    const turn = async (/** @type {Promise<void> | undefined} */ given) => {
        if (given) onwait();
        await given;
    };
    const ids = Uint32Array.of(2, 6, 8, 3);
    const batch = {
        lengths: Uint32Array.of(4),
        ids,
        token_types: new Uint32Array(4),
        positions: Uint32Array.of(0, 1, 2, 3),
        attended: new Uint8Array(4).fill(1),
    };
    const begun = waits();
    const answer = engine.encode(batch, ['logits'], turn);
    await begun;
    assert.deepEqual(n_left, [3], 'two layers and the heads: nothing can run yet');
    assert.equal(engine.layers_ready, 0);

    const ran = waits();
    const read_all = file.readData(header, engine, address, {
        ontokenizer() {},
        onprogress() {},
    });
    await ran;
    assert.deepEqual(n_left, [3, 2], 'the first layer ran, and the second waits');
    assert.equal(engine.layers_ready, 1);

    until = tiny.length;
    waiting.shift()?.();
    const { logits } = await answer;
    assert.deepEqual(n_left.at(-1), 0);
    const streamed = logits.slice();
    await read_all;
    assert.deepEqual((await engine.encode(batch, ['logits'], turn)).logits, streamed);
    const plain = await loadModel(tiny);
    const { logits: expected } = await plain.forward({ input_ids: [...ids] });
    plain.dispose();
    assert.deepEqual(streamed, expected.data);
});

for (const [name, dtype, threads] of /** @type {[string, string, number][]} */ ([
    ['bert-seqcls5-odd', 'f32', 1],
    ['bert-seqcls5-odd', 'f32', 2],
    ['bert-seqcls5-odd', 'f16', 2],
    ['bert-seqcls5-odd', 'q8', 1],
    ['bert-seqcls5-odd', 'q8', 2],
    ['bert-seqcls5-odd', 'q4', 2],
    ['albert-tokcls-groups2', 'f32', 1],
    ['albert-tokcls-groups2', 'q8', 2],
])) {
    test(`${name}, ${dtype}, ${threads} threads: the same bits as when all is there`, async () => {
        const file = rechunked(new Uint8Array(readFileSync(converted(name, dtype))), 1024);
        const plain = await loadModel(file, { threads });
        const expected = await plain.forward(SEQUENCES, ASKED);
        const { arrival: whole } = await plain.info();
        plain.dispose();
        assert.deepEqual([whole.loaded, whole.total], [file.length, file.length]);

        const { server, model } = await held(file, endOfLayer(file, 0), { threads });
        const answer = model.forward(SEQUENCES, ASKED);
        const begun = await arrival(model, ({ layers }) => layers > 0);
        assert.ok(begun.loaded < file.length);
        server.send(file.length);
        assert.deepEqual(await answer, expected);
        assert.deepEqual(await arrival(model, ({ loaded }) => loaded === file.length), whole);
        assert.deepEqual(await model.forward(SEQUENCES, ASKED), expected);
    });
}

test('a pipeline and the tokenizer are there before the weights are', async () => {
    const server = new HeldServer(tiny, tensorsOf(tiny)[0].end + 1024);
    /** @type {Arrival[]} */
    const seen = [];
    const classify = await pipeline('text-classification', await server.url(), {
        streaming: true,
        cache: false,
        onprogress: (each) => seen.push(each),
    });
    const { arrival: begun } = await classify.model.info();
    assert.ok(begun.loaded < begun.total);
    assert.equal(begun.total, tiny.length);
    assert.equal((await classify.model.tokenizer.encode('good film .')).ids.length, 5);
    const answer = classify('good film .');
    server.send(tiny.length);
    const plain = await pipeline('text-classification', tiny);
    assert.deepEqual(await answer, await plain('good film .'));
    plain.dispose();
    await arrival(classify.model, ({ loaded }) => loaded === tiny.length);
    classify.dispose();
    const { rate: _, ...end } = /** @type {any} */ (seen.at(-1));
    assert.deepEqual(end, { loaded: tiny.length, total: tiny.length, layers: 2 });
    assert.ok(seen.every((each, i) => i === 0 || each.loaded >= seen[i - 1].loaded));
});

test('without streaming a model is there when all of it is', async () => {
    const server = new HeldServer(tiny, endOfLayer(tiny, 0));
    let is_there = false;
    /** @type {(value: unknown) => void} */
    let onlayer;
    const layer = new Promise((resolve) => (onlayer = resolve));
    const loading = loadModel(await server.url(), {
        cache: false,
        onprogress: ({ layers }) => layers > 0 && onlayer(undefined),
    }).then((model) => {
        is_there = true;
        return model;
    });
    await layer;
    assert.equal(is_there, false);
    server.send(tiny.length);
    const model = await loading;
    assert.equal((await model.info()).arrival.loaded, tiny.length);
    model.dispose();
});

test('damage that comes later rejects the calls that wait, and all that follow', async () => {
    const damaged = tiny.slice();
    damaged[damaged.length - 1] ^= 1;
    const { server, model } = await held(damaged, endOfLayer(tiny, 0));
    const calls = [model.forward(SEQUENCES), model.forward(SEQUENCES[0])];
    const rejected = calls.map((call) =>
        assert.rejects(call, (/** @type {any} */ error) => {
            assert.ok(withCode('BAD_MODEL_FILE')(error), error.stack);
            assert.match(error.message, /^http.*: chunk \d+ is damaged/);
            return true;
        }),
    );
    await arrival(model, ({ layers }) => layers > 0);
    server.send(damaged.length);
    await Promise.all(rejected);
    await assert.rejects(model.forward(SEQUENCES), withCode('BAD_MODEL_FILE'));
    await assert.rejects(model.info(), withCode('BAD_MODEL_FILE'));
});

test('a call that waits can be aborted, and the next one is answered', async () => {
    const { server, model } = await held(tiny, endOfLayer(tiny, 0));
    const controller = new AbortController();
    const aborted = model.forward(SEQUENCES, { signal: controller.signal });
    await arrival(model, ({ layers }) => layers > 0);
    controller.abort();
    await assert.rejects(aborted, { name: 'AbortError' });
    const answer = model.forward(SEQUENCES, ASKED);
    server.send(tiny.length);
    const plain = await loadModel(tiny);
    assert.deepEqual(await answer, await plain.forward(SEQUENCES, ASKED));
    plain.dispose();
});

test("the load's signal ends the model, its calls and the download", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const { server, model } = await held(tiny, endOfLayer(tiny, 0), { signal });
    const call = model.forward(SEQUENCES);
    controller.abort(new Error('enough'));
    await assert.rejects(call, /enough/);
    await assert.rejects(model.forward(SEQUENCES), /enough/);
    await server.closed;
});

test('dispose() ends the download', async () => {
    const { server, model } = await held(tiny, endOfLayer(tiny, 0));
    const call = model.forward(SEQUENCES);
    model.dispose();
    await assert.rejects(call, withCode('DISPOSED'));
    await server.closed;
});

test('streaming must be a boolean', async () => {
    await assert.rejects(
        loadModel(tiny, /** @type {any} */ ({ streaming: 'yes' })),
        /streaming must be true or false, not string "yes"/,
    );
});

test('a chunk that is damaged on its way is read once more, with what follows it', async () => {
    const server = await FaultyServer.open({ '/model': tiny });
    after(() => server.close());
    const [{ start: begin }] = tensorsOf(tiny);
    for (const chunk of [0, 3, Math.floor((tiny.length - 1 - begin) / 1024)]) {
        for (const streaming of [false, true]) {
            const at = begin + chunk * 1024;
            server.log.length = 0;
            server.faults.set('/model', [{ flip: at + 5 }]);
            const model = await loadModel(`${server.url}model`, { streaming, cache: false });
            const plain = await loadModel(tiny);
            assert.deepEqual(
                await model.forward(SEQUENCES, ASKED),
                await plain.forward(SEQUENCES, ASKED),
            );
            plain.dispose();
            model.dispose();
            const { whole, ...again } = server.counts('/model');
            assert.equal(whole.n_requests, 1);
            assert.deepEqual(again, {
                [`bytes=${at}-`]: { n_requests: 1, n_bytes: tiny.length - at },
            });
        }
    }
});
