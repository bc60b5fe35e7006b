/** loadModel() and pipeline() on a small model, through the built package and its worker. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { BertError, loadModel, pipeline } from 'bert-wasm';
import { Tokenizer } from 'bert-wasm/tokenizer';

import { LIBRARY } from './built.js';
import { CONFIG, modelBytes, TOKENIZER, tensors } from './model_bytes.js';
import '../tools/own_cache.js';

const bytes = modelBytes();
const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-'));
const path = join(folder, 'tiny model.safetensors');
writeFileSync(path, bytes);
after(() => rmSync(folder, { recursive: true }));

const withCode =
    (code, message = /./) =>
    (error) => {
        assert.ok(error instanceof BertError, error.stack);
        assert.equal(error.code, code, error.stack);
        assert.match(error.message, message);
        return true;
    };

let model;
/** What no type allows. @returns {any} */
const wrong = (value) => value;

/** Where a server listens. */
const addressOf = (server) => `http://127.0.0.1:${server.address().port}`;

before(async () => {
    model = await loadModel(bytes);
});
after(() => model.dispose());

test('a model from bytes, a Blob, a path, a URL and a web server is the same', async () => {
    const server = createServer((_, response) => response.end(bytes)).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const [expected] = await model.forward([{ input_ids: [2, 6, 8, 3] }]);
    const sources = [
        bytes.slice().buffer,
        new Blob([bytes]),
        path,
        new URL(`file://${encodeURI(path)}`),
        `${addressOf(server)}/model`,
        new URL(`${addressOf(server)}/`),
    ];
    for (const source of sources) {
        const other = await loadModel(source);
        assert.deepEqual(await other.forward([{ input_ids: [2, 6, 8, 3] }]), [expected]);
        other.dispose();
    }
    server.close();
});

test('info says what was loaded, how it runs and why', async () => {
    const info = await model.info();
    assert.equal(info.name, 'tiny');
    assert.equal(info.revision, 'r1');
    assert.equal(info.verified, true);
    assert.equal(info.threads, Math.min(4, availableParallelism()), info.threads_reason);
    assert.match(info.variant, /^(base|relaxed)$/);
    assert.match(info.reason, /relaxed SIMD/);
    assert.ok(info.memory_bytes > 65536);
    const base = await loadModel(bytes, { variant: 'base' });
    assert.deepEqual((({ variant, reason }) => ({ variant, reason }))(await base.info()), {
        variant: 'base',
        reason: 'asked for',
    });
    base.dispose();
});

test('hidden states and attentions come on demand', async () => {
    const [plain] = await model.forward([{ input_ids: [2, 6, 3] }]);
    assert.deepEqual(Object.keys(plain), ['logits']);
    const [full] = await model.forward([{ input_ids: [2, 6, 3] }], {
        hidden_states: true,
        attentions: true,
    });
    assert.deepEqual(full.hidden_states.dims, [3, 3, 16]);
    assert.deepEqual(full.attentions.dims, [2, 2, 3, 3]);
    for (let row = 0; row < 12; row++) {
        const sum = full.attentions.data.slice(row * 3, row * 3 + 3).reduce((a, b) => a + b);
        assert.ok(Math.abs(sum - 1) < 1e-5, `attention row ${row} sums to ${sum}`);
    }
});

test('a sequence has the same bits alone and in a batch of 32 of mixed lengths', async () => {
    const sequences = Array.from({ length: 32 }, (_, i) => ({
        input_ids: Array.from({ length: 1 + ((i * 7) % 12) }, (__, k) => (i * 13 + k * 5) % 40),
    }));
    const together = await model.forward(sequences);
    for (const [i, sequence] of sequences.entries()) {
        const [alone] = await model.forward([sequence]);
        assert.deepEqual(alone, together[i], `sequence ${i}`);
    }
    assert.deepEqual(await model.forward(sequences, { batch_size: 3 }), together);
    assert.deepEqual(await model.forward([]), []);
});

test('padding changes nothing', async () => {
    const [expected] = await model.forward([{ input_ids: [2, 6, 3], token_type_ids: [0, 1, 1] }]);
    const [padded] = await model.forward([
        {
            input_ids: [2, 6, 3, 0, 0],
            attention_mask: [1, 1, 1, 0, 0],
            token_type_ids: [0, 1, 1, 0, 0],
        },
    ]);
    assert.deepEqual(padded, expected);
});

test('the tokenizer of a model answers as Tokenizer does', async () => {
    const { tokenizer } = model;
    const own = Tokenizer.fromJSON(TOKENIZER);
    const plain = ({ ids, type_ids, tokens, offsets, sequence }) => ({
        ids,
        type_ids,
        tokens,
        offsets,
        sequence,
    });
    assert.deepEqual(
        plain(await tokenizer.encode('a b', { text_pair: 'b' })),
        plain(own.encode('a b', { text_pair: 'b' })),
    );
    const options = { truncation: { max_length: 3 } };
    const [first, second] = await tokenizer.encodeBatch(
        ['a b a b', { text: 'a', text_pair: null }],
        options,
    );
    assert.deepEqual(plain(first), plain(own.encode('a b a b', options)));
    assert.deepEqual(first.overflow.map(plain), own.encode('a b a b', options).overflow.map(plain));
    assert.deepEqual(plain(second), plain(own.encode('a', options)));
    const { ids } = own.encode('a b');
    assert.equal(await tokenizer.decode(ids), own.decode(ids));
    assert.equal(
        await tokenizer.decode(ids, { skip_special_tokens: false }),
        own.decode(ids, { skip_special_tokens: false }),
    );
    assert.equal(await tokenizer.tokenToId('a'), own.tokenToId('a'));
    assert.equal(await tokenizer.tokenToId('no such token'), null);
    assert.equal(await tokenizer.idToToken(ids[1]), own.idToToken(ids[1]));
    assert.equal(await tokenizer.idToToken(1e6), null);
    await assert.rejects(
        tokenizer.encode('a', { padding: true }),
        withCode('BAD_OPTION', /padding/),
    );
    const bare = await loadModel(modelBytes({ tokenizer: null }));
    assert.throws(() => bare.tokenizer, withCode('NO_TOKENIZER', /tokenizer\.json/));
    bare.dispose();
});

test('forward takes a sequence, several, or a batch with rows, padded or not', async () => {
    const rows = [
        [2, 6, 8, 3],
        [2, 9, 3],
    ];
    const want = await model.forward(rows.map((input_ids) => ({ input_ids })));
    assert.deepEqual(await model.forward({ input_ids: rows[0] }), want[0]);
    assert.deepEqual(await model.forward({ input_ids: rows }), want);
    const padded = {
        input_ids: [rows[0], [...rows[1], 0]],
        attention_mask: [
            [1, 1, 1, 1],
            [1, 1, 1, 0],
        ],
    };
    assert.deepEqual(await model.forward(padded), want);
    const tensor = (values) => ({ dims: [2, 4], data: BigInt64Array.from(values.flat(), BigInt) });
    assert.deepEqual(
        await model.forward({
            input_ids: tensor(padded.input_ids),
            attention_mask: tensor(padded.attention_mask),
        }),
        want,
    );
    await assert.rejects(
        model.forward({ input_ids: rows, attention_mask: [[1]] }),
        withCode('BAD_INPUT', /attention_mask must have 2 rows, as input_ids has, not 1/),
    );
    await assert.rejects(
        model.forward({ input_ids: { dims: [3, 4], data: [1] } }),
        withCode('BAD_INPUT', /must have dims .*, not \[3,4\] and 1/),
    );
    await assert.rejects(
        model.forward({ input_ids: rows, attention_mask: 1 }),
        withCode('BAD_INPUT', /attention_mask must have rows, .* not number 1/),
    );
    await assert.rejects(model.forward(7), withCode('BAD_INPUT', /number 7/));
    await assert.rejects(model.forward({}), withCode('BAD_INPUT', /input_ids/));
});

test('bad input is refused by name and the model stays usable', async () => {
    const [expected] = await model.forward([{ input_ids: [2, 3] }]);
    const refused = (sequence, code, message) =>
        assert.rejects(model.forward([{ input_ids: [2] }, sequence]), withCode(code, message));
    await refused({ input_ids: [2, 40] }, 'BAD_TOKEN_ID', /40/);
    await refused({ input_ids: [2], token_type_ids: [2] }, 'BAD_TOKEN_TYPE', /token_types/);
    await refused(
        { input_ids: Array(13).fill(2) },
        'SEQUENCE_TOO_LONG',
        /at most 12 tokens, not 13/,
    );
    await refused(
        { input_ids: [2.5] },
        'BAD_INPUT',
        /sequence 1: input_ids\[0\] must be .*, not number 2.5/,
    );
    await refused({ input_ids: [() => 0] }, 'BAD_INPUT', /cannot be sent/);
    await assert.rejects(
        model.forward('abc'),
        withCode('BAD_INPUT', /an array of such, not string "abc"/),
    );
    await assert.rejects(
        model.tokenizer.encodeBatch(['a', 42]),
        withCode('BAD_INPUT', /text 1: text must be a string, not number 42/),
    );
    assert.deepEqual(await model.forward([{ input_ids: [2, 3] }]), [expected]);
});

test('100 concurrent calls, some bad, are answered each with its own', async () => {
    const calls = Array.from({ length: 100 }, (_, i) =>
        model.forward([{ input_ids: i % 10 === 9 ? [99] : [2, i % 40] }]),
    );
    const results = await Promise.allSettled(calls);
    for (const [i, result] of results.entries()) {
        assert.equal(result.status, i % 10 === 9 ? 'rejected' : 'fulfilled', `call ${i}`);
        if (result.status === 'fulfilled') {
            assert.deepEqual(result.value, await model.forward([{ input_ids: [2, i % 40] }]));
        }
    }
});

test('1,000 calls use no more memory', async () => {
    await model.forward([{ input_ids: Array(12).fill(1) }], { attentions: true });
    const { memory_bytes } = await model.info();
    for (let i = 0; i < 1000; i++) await model.forward([{ input_ids: [1 + (i % 39)] }]);
    assert.equal((await model.info()).memory_bytes, memory_bytes);
});

test("abort rejects at once, with the signal's reason, and later calls work", async () => {
    await assert.rejects(model.forward([{ input_ids: [1] }], { signal: AbortSignal.abort() }), {
        name: 'AbortError',
    });
    const controller = new AbortController();
    const sequences = Array.from({ length: 20000 }, () => ({ input_ids: Array(12).fill(1) }));
    const call = model.forward(sequences, { signal: controller.signal });
    const queued = model.forward([{ input_ids: [5] }]);
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(call, (error) => error === reason);
    assert.equal((await queued).length, 1);
    await assert.rejects(loadModel(bytes, { signal: AbortSignal.abort() }), { name: 'AbortError' });
});

for (const threads of [1, 2]) {
    test(`a batch on ${threads} threads ends within two layers, the next is right`, async () => {
        const n_layers = 24;
        // One layer's weights for all: a small file for a lot of work.
        const encoder = {
            ...CONFIG.encoder,
            hidden_size: 384,
            embedding_size: 384,
            intermediate_size: 1536,
            n_heads: 12,
            n_positions: 512,
        };
        const list = tensors({ ...CONFIG, encoder: { ...encoder, n_layers: 1 } });
        const config = {
            ...CONFIG,
            max_length: 512,
            encoder: { ...encoder, n_layers, n_layer_groups: 1, layers_per_group: 1 },
        };
        const large = await loadModel(modelBytes({ config, list, chunk_bytes: 1 << 20 }), {
            threads,
        });
        const batch = [512, 512].map((n) => ({
            input_ids: Array.from({ length: n }, (_, i) => i % 40),
        }));
        const short = [{ input_ids: [2, 6, 8, 3] }];
        const [expected] = await large.forward(short);
        const started = performance.now();
        const results = await large.forward(batch);
        const whole = performance.now() - started;
        const controller = new AbortController();
        const reason = new Error('enough');
        const call = assert.rejects(
            large.forward(batch, { signal: controller.signal }),
            (error) => error === reason,
        );
        const next = large.forward(short);
        await new Promise((resolve) => {
            setTimeout(resolve, whole / 8);
        }); // until its layers are running
        const aborted = performance.now();
        controller.abort(reason);
        await call;
        assert.ok(performance.now() - aborted < whole / n_layers, 'the call itself ends at once');
        assert.deepEqual(await next, [expected]);
        const waited = performance.now() - aborted;
        assert.ok(
            waited < whole / 4,
            `the next call waited for ${waited.toFixed()} of ${whole.toFixed()} ms`,
        );
        assert.deepEqual(await large.forward(batch), results);
        large.dispose();
    });
}

test('dispose rejects what runs and what comes, twice is once', async () => {
    const other = await loadModel(bytes);
    const running = other.forward(
        Array.from({ length: 5000 }, () => ({ input_ids: Array(12).fill(1) })),
    );
    other.dispose();
    other.dispose();
    await assert.rejects(running, withCode('DISPOSED', /tiny/));
    await assert.rejects(other.info(), withCode('DISPOSED'));
});

test("models that do not fit their config are refused with the core's status", async () => {
    const refused = (options, code, message) =>
        assert.rejects(loadModel(modelBytes(options)), withCode(code, message));
    const encoder = (change) => ({
        config: { ...CONFIG, encoder: { ...CONFIG.encoder, ...change } },
        list: tensors(),
    });
    await refused({ list: tensors().slice(1) }, 'MISSING_TENSOR', /embeddings\.word\.weight/);
    await refused(
        {
            list: [
                ...tensors(),
                { name: 'extra', dtype: 'F32', shape: [1], bytes: new Uint8Array(4) },
            ],
        },
        'UNKNOWN_TENSOR',
        /extra/,
    );
    await refused(encoder({ n_heads: 3 }), 'BAD_FIELD', /n_heads/);
    await refused(encoder({ n_layers: 2 ** 31 }), 'BAD_FIELD', /n_layers/);
    await refused(encoder({ embedding_size: 32 }), 'BAD_FIELD', /embedding_size/);
    await refused(encoder({ vocab_size: 41 }), 'BAD_SHAPE', /embeddings\.word\.weight/);
    await refused(encoder({ activation: 'swish' }), 'BAD_FIELD', /activation/);
    await refused(encoder({ depth: 3 }), 'UNKNOWN_FIELD', /depth/);
    await refused(encoder({ vocab_size: '40' }), 'UNKNOWN_FIELD', /vocab_size/);
    await assert.rejects(loadModel(bytes.slice(0, 5000)), withCode('BAD_MODEL_FILE', /cut off/));
    await assert.rejects(
        loadModel(modelBytes({ tokenizer: '{"model":{"type":"Foo"}}' })),
        withCode('BAD_TOKENIZER', /Foo|tokenizer\.json/),
    );
});

test('a model that does not fit 4 GiB is refused before it is downloaded', async () => {
    // Only the header exists: whoever asks for more waits forever.
    const vocab_size = 2 ** 24;
    const hidden = 80;
    const n_bytes = vocab_size * hidden * 4;
    const chunk_bytes = 2 ** 26;
    const head = modelBytes({
        config: {
            ...CONFIG,
            encoder: { ...CONFIG.encoder, vocab_size, hidden_size: hidden, embedding_size: hidden },
        },
        tokenizer: null,
        list: [],
        metadata: {
            name: 'huge',
            chunk_bytes: String(chunk_bytes),
            chunk_sha256: Array(n_bytes / chunk_bytes)
                .fill('0'.repeat(64))
                .join(','),
        },
        change: (header) => {
            header['embeddings.word.weight'] = {
                dtype: 'F32',
                shape: [vocab_size, hidden],
                data_offsets: [0, n_bytes],
            };
        },
    });
    const server = createServer((_, response) => response.write(head)).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    for (const threads of [1, 2]) {
        await assert.rejects(
            loadModel(`${addressOf(server)}/`, { threads }),
            withCode(
                'MODEL_TOO_LARGE',
                /'huge' needs 51\d\d MiB of memory, WebAssembly has 4096.*--dtype \(it is f32\)/,
            ),
        );
    }
    server.closeAllConnections();
    server.close();
});

test('parts of outputs: a column, a layer, an activation', async () => {
    const encoder = { ...CONFIG.encoder, n_labels: 0, n_token_labels: 2 };
    const outputs = {
        start: { output: 'token_logits', index: 0 },
        end: { output: 'token_logits', index: 1 },
        both: { output: 'token_logits' },
        chances: { output: 'token_logits', activation: 'softmax' },
        states: { output: 'hidden_states', index: 1 },
        maps: { output: 'attentions', index: 1 },
    };
    const other = await loadModel(
        modelBytes({ config: { ...CONFIG, encoder, outputs, labels: ['a', 'b'] } }),
    );
    const [{ start, end, both, chances, states, maps, hidden_states, attentions }] =
        await other.forward([{ input_ids: [2, 6, 8, 3] }], {
            hidden_states: true,
            attentions: true,
        });
    other.dispose();
    assert.deepEqual(
        [start.dims, end.dims, both.dims, states.dims, maps.dims],
        [[4], [4], [4, 2], [4, 16], [2, 4, 4]],
    );
    both.data.forEach((x, i) => {
        assert.equal((i % 2 ? end : start).data[i >> 1], x);
        assert.ok(Math.abs(chances.data[i] - 1 / (1 + Math.exp(both.data[i ^ 1] - x))) < 1e-6);
    });
    assert.deepEqual(states.data, hidden_states.data.slice(64, 128));
    assert.deepEqual(maps.data, attentions.data.slice(32));
});

test('sequences are as long as positions, distances or max_length allow', async () => {
    const most = async (change, max_length) => {
        const other = await loadModel(
            modelBytes({
                config: { ...CONFIG, encoder: { ...CONFIG.encoder, ...change }, max_length },
            }),
        );
        const lengths = [10, 11, 12, 13, 512, 513, 2000, 2001];
        const answers = await Promise.allSettled(
            lengths.map((n) => other.forward([{ input_ids: Array(n).fill(3) }])),
        );
        other.dispose();
        for (const one of answers) {
            const is_right = one.status === 'fulfilled' || one.reason.code === 'SEQUENCE_TOO_LONG';
            assert.ok(is_right, JSON.stringify(one));
        }
        return Math.max(...lengths.filter((_, i) => answers[i].status === 'fulfilled'));
    };
    assert.equal(await most({}, 11), 12);
    assert.equal(await most({ first_position: 2 }, 10), 10);
    assert.equal(await most({ n_positions: 0 }, 12), 512);
    assert.equal(await most({ n_positions: 0 }, 2000), 2000);
});

test('verify compares with the answers in the file, as far as their error allows', async () => {
    const cases = [{ input_ids: [2, 6, 8, 3], token_type_ids: [0, 0, 1, 1] }, { input_ids: [5] }];
    const [first, second] = (await model.forward(cases)).map(({ logits }) => [...logits.data]);
    const verified = async (outputs, error = 0) => {
        const reference = {
            error,
            cases: cases.map((one, i) => ({ ...one, outputs: outputs[i] })),
        };
        const other = await loadModel(
            modelBytes({ metadata: { reference: JSON.stringify(reference) } }),
        );
        try {
            return await other.verify();
        } finally {
            other.dispose();
        }
    };
    const whole = { logits: { step: 1, largest: 1, samples: first } };
    const sampled = { logits: { step: 2, largest: 1, samples: [second[0], second[2]] } };
    assert.deepEqual(await verified([whole, sampled]), {
        ok: true,
        error: 0,
        expected_error: 0,
        cases: [{ logits: 0 }, { logits: 0 }],
        dtype: 'f32',
    });
    const off = (by) => [
        whole,
        { logits: { step: 2, largest: 1, samples: [second[0], second[2] + by] } },
    ];
    const largest = Math.max(1, ...first.map(Math.abs), ...second.map(Math.abs));
    assert.ok(largest < 5);
    assert.equal((await verified(off(1e-4))).ok, true);
    const wrong = await verified(off(0.1));
    assert.equal(wrong.ok, false);
    assert.equal(wrong.error, wrong.cases[1].logits);
    assert.ok(wrong.error > 0.1 / largest - 1e-6 && wrong.error < 0.1 + 1e-6, `${wrong.error}`);
    assert.equal((await verified(off(0.1), 0.1)).ok, true, 'what the dtype costs is no failure');
    const flipped = first.map((x, i) => (i === 1 ? -x : x));
    assert.equal(
        (await verified([{ logits: { step: 1, largest: 1, samples: flipped } }, sampled])).ok,
        false,
    );
    await assert.rejects(
        verified([{ logits: { step: 1, largest: 1, samples: first.slice(1) } }, sampled]),
        withCode('BAD_MODEL_FILE', /case 0 .* must have 3 samples of output 'logits', not 2/),
    );
    await assert.rejects(model.verify(), withCode('NO_REFERENCE', /'tiny'.*convert it again/));
    const empty = await loadModel(
        modelBytes({ metadata: { reference: '{"error":0,"cases":[]}' } }),
    );
    await assert.rejects(empty.verify(), withCode('NO_REFERENCE'));
    empty.dispose();
});

test('sources that cannot be read say why', async () => {
    const server = createServer((request, response) => {
        if (request.url === '/html') {
            response.setHeader('content-type', 'text/html').end('<!doctype html>');
        } else if (request.url === '/short') {
            response
                .writeHead(200, { 'content-length': bytes.length })
                .write(bytes.subarray(0, 4000), () => response.destroy());
        } else {
            response.writeHead(404).end();
        }
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const root = addressOf(server);
    await assert.rejects(
        loadModel('no/such/file'),
        withCode('FETCH_FAILED', /no\/such\/file.*ENOENT/),
    );
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    await assert.rejects(loadModel(empty), withCode('FETCH_FAILED', /empty\/: it has no weights/));
    await assert.rejects(
        loadModel(`${root}/missing`),
        withCode('FETCH_FAILED', /missing: HTTP status 404/),
    );
    await assert.rejects(
        loadModel(`${root}/html`),
        withCode('FETCH_FAILED', /sent a page.*text\/html/),
    );
    const soon = { retry_delay: 1 };
    await assert.rejects(
        loadModel(`${root}/short`, soon),
        withCode('FETCH_FAILED', /broke off .*tried 6 times/),
    );
    await assert.rejects(
        loadModel('http://127.0.0.1:1/', soon),
        withCode('FETCH_FAILED', /no answer/),
    );
    await assert.rejects(loadModel([]), withCode('BAD_INPUT', /at least one source/));
    for (const name of ['idle_timeout', 'retry_delay']) {
        for (const ms of [0, -1, NaN, Infinity, '5']) {
            await assert.rejects(
                loadModel(bytes, wrong({ [name]: ms })),
                withCode('BAD_OPTION', new RegExp(`${name} must be milliseconds from 1 to`)),
            );
        }
    }
    await assert.rejects(loadModel(wrong(42)), withCode('BAD_INPUT', /number 42/));
    await assert.rejects(
        loadModel(bytes, wrong({ variant: 'fast' })),
        withCode('BAD_OPTION', /string "fast"/),
    );
    server.close();
});

test('text-classification: shapes, top_k, pairs, truncation', async () => {
    const classify = await pipeline('text-classification', bytes);
    const one = await classify('a good film.');
    assert.equal(one.length, 1);
    assert.ok(CONFIG.labels.includes(one[0].label) && one[0].score > 1 / 3 && one[0].score <= 1);
    const all = await classify('a good film.', { top_k: null });
    assert.deepEqual(all.map(({ label }) => label).sort(), [...CONFIG.labels].sort());
    assert.deepEqual(all[0], one[0]);
    assert.ok(Math.abs(all.reduce((sum, { score }) => sum + score, 0) - 1) < 1e-6);
    assert.deepEqual(await classify(['a good film.', 'bad']), [...one, ...(await classify('bad'))]);
    assert.deepEqual(await classify(['a good film.'], { top_k: 2 }), [all.slice(0, 2)]);
    assert.deepEqual(await classify([]), []);
    assert.notDeepEqual(
        await classify({ text: 'good', text_pair: 'film' }),
        await classify('good film'),
    );
    const [long] = await classify('a '.repeat(50));
    assert.equal(long.truncated, true);
    assert.equal('truncated' in one[0], false);
    for (const bad of [42, null, undefined, ['a', 7], { text: 1 }, { text: 'a', text_pair: 2 }]) {
        await assert.rejects(classify(wrong(bad)), withCode('BAD_INPUT', /must be a string/));
    }
    await assert.rejects(classify('a', { top_k: 0 }), withCode('BAD_OPTION', /top_k/));
    classify.dispose();
    await assert.rejects(classify('a'), withCode('DISPOSED'));
});

test('scores by problem type', async () => {
    const scoresOf = async (change) => {
        const classify = await pipeline(
            'text-classification',
            modelBytes({ config: { ...CONFIG, ...change } }),
        );
        const scores = (await classify('good', { top_k: null })).map(({ score }) => score);
        const [{ logits }] = await classify.model.forward([{ input_ids: [2, 6, 3] }]);
        classify.dispose();
        return { scores, logits: [...logits.data].sort((a, b) => b - a) };
    };
    const regression = await scoresOf({ problem_type: 'regression' });
    assert.deepEqual(regression.scores, regression.logits);
    const multi = await scoresOf({ problem_type: 'multi_label_classification' });
    multi.logits.forEach((x, i) =>
        assert.ok(Math.abs(multi.scores[i] - 1 / (1 + Math.exp(-x))) < 1e-12),
    );
});

test('a model without tokenizer or head is refused for the task, naming both', async () => {
    const bare = {
        ...CONFIG,
        labels: [],
        outputs: {},
        encoder: { ...CONFIG.encoder, n_labels: 0 },
    };
    await assert.rejects(
        pipeline('text-classification', modelBytes({ config: bare })),
        withCode('WRONG_TASK', /'tiny' has no head/),
    );
    await assert.rejects(
        pipeline(wrong('translation'), bytes),
        withCode('BAD_OPTION', /text-classification/),
    );
    const classify = await pipeline('sentiment-analysis', modelBytes({ tokenizer: null }));
    await assert.rejects(classify('a'), withCode('NO_TOKENIZER', /tokenizer\.json/));
    classify.dispose();
});

test('a script that forgets dispose() ends by itself', () => {
    const script = `
        import { loadModel } from ${LIBRARY};
        const model = await loadModel(${JSON.stringify(path)});
        const [{ logits }] = await model.forward([{ input_ids: [2, 3] }]);
        console.log(logits.data.length);`;
    const { status, stdout, signal } = spawnSync(
        process.execPath,
        ['--input-type=module', '-e', script],
        { encoding: 'utf8', timeout: 20000 },
    );
    assert.deepEqual({ status, signal, stdout }, { status: 0, signal: null, stdout: '3\n' });
});
