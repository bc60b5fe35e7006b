/** The loader against damaged, lying and interrupted model files. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BertError } from '../../js/errors.js';
import { Feed, Feeder } from '../../js/loader/feed.js';
import { load } from '../../js/loader/load.js';
import { CONFIG, modelBytes, tensors, withHeader } from './model_bytes.js';

/** 4-bit units as bytes: bert_q4_expand() of core/bert.h a second time. */
function expanded(units, n_columns) {
    const unit = 17 * n_columns;
    const n = 32 * n_columns;
    return Uint8Array.from({ length: (units.length / unit) * n }, (_, i) => {
        const start = Math.floor(i / n) * unit;
        const at = i % n;
        const byte = units[start + n_columns + (at >> 5) * 16 + (at % 16)];
        const nibble = at % 32 < 16 ? byte & 15 : byte >> 4;
        return (nibble - 8) * units[start + (n_columns === 1 ? 0 : (at >> 2) % 8)];
    });
}

/** Loads into plain memory, in chunks of `step` bytes as a network would bring them. */
/**
 * @param {import('../../js/loader/download.js').Chunk} bytes
 * @param {object} [options]
 * @param {number} [options.step]  bytes of a chunk
 * @param {number} [options.n_bytes]  that the file is said to have
 * @param {(loaded: number, total: number) => void} [options.onprogress]
 */
async function loadBytes(bytes, { step = bytes.length, n_bytes, onprogress = () => {} } = {}) {
    let memory = new Uint8Array(0);
    async function* chunks() {
        for (let i = 0; i < bytes.length; i += step) yield bytes.subarray(i, i + step);
    }
    const engine = {
        reserve(n) {
            const address = Math.ceil(memory.length / 64) * 64 + 64;
            const before = memory;
            memory = new Uint8Array(address + n);
            memory.set(before);
            return address;
        },
        get heap() {
            return memory;
        },
        expand(units, n_units, n_columns, address) {
            memory.set(
                expanded(memory.subarray(units, units + n_units * 17 * n_columns), n_columns),
                address,
            );
        },
    };
    let tokenizer = null;
    const destination = {
        open: async () => engine,
        tokenizer: (given) => {
            tokenizer = given;
        },
    };
    const loaded = await load(
        { label: 'test', n_bytes, chunks: chunks() },
        destination,
        onprogress,
    );
    return { ...loaded, memory, tokenizer };
}

const refused = (bytes, message) =>
    assert.rejects(loadBytes(bytes), (/** @type {any} */ error) => {
        assert.equal(error.code, 'BAD_MODEL_FILE', error.stack);
        assert.match(error.message, message);
        return true;
    });

const good = modelBytes();

test('every tensor arrives where the header says, however the bytes are cut', async () => {
    for (const step of [1, 7, 64, 1000, 1024, good.length]) {
        const { header, address, memory, tokenizer, verified } = await loadBytes(good, { step });
        const data = good.subarray(good.length - header.data_bytes);
        const [{ end: n_tokenizer }] = header.tensors;
        assert.deepEqual(tokenizer, data.slice(0, n_tokenizer));
        assert.equal(
            header.weights.length,
            header.tensors.filter(({ dtype }) => dtype !== 'U8').length,
        );
        for (const { name, at, n_bytes, start, end } of header.weights) {
            assert.equal((address + at) % 64, 0, `${name} is not aligned`);
            assert.deepEqual(
                memory.slice(address + at, address + at + n_bytes),
                data.slice(start, end),
                name,
            );
        }
        assert.equal(verified, true);
    }
});

test('4-bit tensors arrive as 8-bit ones, however the bytes are cut', async () => {
    const bytes = (n) => Uint8Array.from({ length: n }, (_, i) => i * 7 + (i >> 3));
    const list = [
        { name: 'embeddings.word.q4', dtype: 'U8', shape: [9, 2, 17], bytes: bytes(9 * 2 * 17) },
        { name: 'embeddings.word.scale', dtype: 'F32', shape: [9], bytes: bytes(36) },
        { name: 'layers.0.output.q4', dtype: 'U8', shape: [5, 3, 136], bytes: bytes(5 * 3 * 136) },
        { name: 'layers.0.output.scale', dtype: 'F32', shape: [40], bytes: bytes(160) },
    ];
    const file = modelBytes({ list });
    for (const step of [1, 7, 1000, file.length]) {
        const { header, address, memory } = await loadBytes(file, { step });
        assert.deepEqual(
            header.weights.map(({ name, dtype, shape }) => [name, dtype, shape]),
            [
                ['embeddings.word.weight', 'I8', [9, 64]],
                ['embeddings.word.scale', 'F32', [9]],
                ['layers.0.output.weight', 'I8', [5, 24, 8, 4]],
                ['layers.0.output.scale', 'F32', [40]],
            ],
        );
        header.weights.forEach(({ name, at, n_bytes, q4_columns }, i) => {
            const expected = q4_columns ? expanded(list[i].bytes, q4_columns) : list[i].bytes;
            assert.deepEqual(memory.slice(address + at, address + at + n_bytes), expected, name);
        });
    }
    for (const shape of [
        [9, 34],
        [9, 1, 34],
        [17, 9, 2],
    ]) {
        await refused(
            modelBytes({ list: [{ ...list[0], shape }] }),
            /embeddings\.word\.q4.*no units of 4-bit weights/,
        );
    }
});

test('progress reaches the total', async () => {
    const seen = [];
    await loadBytes(good, { onprogress: (loaded, total) => seen.push([loaded, total]) });
    assert.deepEqual(seen.at(-1), [good.length, good.length]);
    assert.ok(
        seen.every(([loaded], i) => i === 0 || loaded > seen[i - 1][0]),
        'progress goes back',
    );
});

test('a file cut off anywhere is refused', async () => {
    const { header } = await loadBytes(good);
    const n_header = good.length - header.data_bytes;
    const cuts = [
        ...Array(n_header).keys(),
        ...header.tensors.flatMap(({ start, end }) => [n_header + start, n_header + end - 1]),
    ];
    for (const n of cuts) await refused(good.slice(0, n), /cut off/);
});

test("a length that is not the header's is refused before anything is read", async () => {
    await assert.rejects(loadBytes(good, { n_bytes: good.length - 1 }), /is cut off/);
    await assert.rejects(loadBytes(good, { n_bytes: good.length + 1 }), /bytes after its end/);
});

test('bytes after the end are refused', async () => {
    await refused(new Uint8Array([...good, 0]), /bytes after its end/);
});

test('a flipped bit in any chunk is found', async () => {
    const { header } = await loadBytes(good);
    for (let at = good.length - header.data_bytes; at < good.length; at += 999) {
        const bytes = good.slice();
        bytes[at] ^= 4;
        await refused(bytes, /chunk \d+ is damaged/);
    }
});

test('what is no model file is refused by what it is', async () => {
    await refused(
        new TextEncoder().encode('<!doctype html><html></html>'),
        /not a safetensors file.*<!doctyp/,
    );
    await refused(withHeader('[]', Buffer.alloc(0)), /array of 0/);
    await refused(withHeader('{"a"', Buffer.alloc(0)), /no JSON/);
    await refused(withHeader('{}', Buffer.alloc(0)), /not of this library/);
    await refused(
        withHeader(`{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`, Buffer.alloc(0)),
        /not of this library/,
    );
    const latin = withHeader('{"__metadata__":{}}', Buffer.alloc(0));
    latin[10] = 0xff;
    await refused(latin, /not UTF-8/);
    await refused(
        new Uint8Array([255, 255, 255, 255, 255, 255, 255, 255, 1]),
        /not a safetensors file/,
    );
});

test('each rule of the format', async () => {
    const name = 'layers.0.attention.query.weight';
    const spoilt = (change) => modelBytes({ change });
    for (const format_version of ['1', '3', '02', 2]) {
        await refused(
            modelBytes({ metadata: /** @type {any} */ ({ format_version }) }),
            new RegExp(`format version ${format_version}; .* reads 2: convert the model again`),
        );
    }
    await refused(
        spoilt((h) => {
            h[name].dtype = 'F64';
        }),
        /dtype string "F64"/,
    );
    await refused(
        spoilt((h) => {
            h[name].dtype = '__proto__';
        }),
        /dtype/,
    );
    await refused(
        spoilt((h) => {
            h[name] = null;
        }),
        /dtype undefined/,
    );
    await refused(
        spoilt((h) => {
            h[name].shape = [2, -16, 8];
        }),
        /shape \[2,-16,8\]/,
    );
    await refused(
        spoilt((h) => {
            h[name].shape = [1, 1, 1, 1, 256];
        }),
        /shape/,
    );
    await refused(
        spoilt((h) => {
            h[name].shape = [2 ** 31, 2 ** 31, 8];
        }),
        /has 1024 bytes, not/,
    );
    await refused(
        spoilt((h) => {
            h[name].shape = [2, 16, 4];
        }),
        /has 1024 bytes, not 512/,
    );
    await refused(
        spoilt((h) => {
            h[name].data_offsets = [0];
        }),
        /data_offsets/,
    );
    await refused(
        spoilt((h) => {
            h[name].data_offsets[0] += 4;
            h[name].data_offsets[1] += 4;
        }),
        /starts at/,
    );
    await refused(
        spoilt((h) => {
            h.extra = h[name];
        }),
        /starts at/,
    );
    await refused(
        spoilt((h) => {
            delete h[name];
        }),
        /starts at/,
    );
    await refused(modelBytes({ metadata: { chunk_bytes: '0' } }), /chunk_bytes/);
    await refused(modelBytes({ metadata: { chunk_sha256: 'abc' } }), /chunk hashes/);
    await refused(modelBytes({ metadata: { config: '7' } }), /config is number 7/);
    await refused(modelBytes({ config: { ...CONFIG, labels: ['a'] } }), /as labels of 3 classes/);
    await refused(
        modelBytes({ config: { ...CONFIG, max_length: 13 } }),
        /max_length number 13, with 12 positions/,
    );
});

test('each rule of the config', async () => {
    const config = (change) => modelBytes({ config: { ...CONFIG, ...change }, list: tensors() });
    const encoder = (change) => config({ encoder: { ...CONFIG.encoder, ...change } });
    const output = (request) => config({ outputs: { answer: request } });
    await refused(config({ architecture: 1 }), /number 1 as architecture/);
    await refused(config({ encoder: [] }), /no encoder/);
    await refused(encoder({ pooling: null }), /encoder has null as pooling/);
    await refused(config({ outputs: [] }), /no outputs/);
    await refused(config({ problem_type: 7 }), /number 7 as problem_type/);
    await refused(config({ max_length: 2.5 }), /max_length number 2.5/);
    await refused(
        encoder({ n_positions: 14, first_position: 3 }),
        /max_length number 12, with 11 positions/,
    );
    await refused(
        encoder({ n_positions: 0, n_distances: 11 }),
        /max_length number 12, with 11 positions/,
    );
    await refused(
        encoder({ n_labels: 0, n_token_labels: 2 }),
        /output 'logits' is string "logits", which the model does not have/,
    );
    await refused(config({ labels: [], outputs: {} }), /array of 0 as labels of 3 classes/);
    await refused(output('logits'), /output 'answer' is string "logits", not an object/);
    for (const name of ['token_logits', 'lm_logits', 'sentence_embedding', 'toString', 3]) {
        await refused(output({ output: name }), /'answer' is .*, which the model does not have/);
    }
    for (const index of [-1, 3, 0.5, '0']) {
        await refused(
            output({ output: 'logits', index }),
            /'answer' has index .*, of 3 parts of logits/,
        );
    }
    await refused(output({ output: 'hidden_states', index: 3 }), /index number 3, of 3 parts/);
    await refused(output({ output: 'attentions', index: 2 }), /index number 2, of 2 parts/);
    await refused(
        output({ output: 'logits', activation: 'relu' }),
        /'answer' has activation string "relu"/,
    );
    await refused(output({ output: 'logits', axis: 1 }), /'answer' has a field 'axis'/);
    await loadBytes(output({ output: 'logits', index: 2, activation: 'softmax' }));
});

test('each rule of the reference', async () => {
    const good_case = {
        input_ids: [1, 2],
        token_type_ids: [0, 1],
        outputs: { logits: { step: 1, largest: 1, samples: [1, 2, 3] } },
    };
    const file = (reference) => modelBytes({ metadata: { reference: JSON.stringify(reference) } });
    const one = (change) => file({ error: 0, cases: [{ ...good_case, ...change }] });
    assert.deepEqual((await loadBytes(one({}))).header.reference, { error: 0, cases: [good_case] });
    assert.equal((await loadBytes(good)).header.reference, null);
    await refused(
        modelBytes({ metadata: { reference: '{"error": nan}' } }),
        /reference is no JSON/,
    );
    await refused(file([]), /reference is array of 0/);
    await refused(file({ cases: [] }), /reference has error undefined/);
    await refused(file({ error: -1, cases: [] }), /error number -1/);
    await refused(file({ error: 0, cases: {} }), /Object as cases/);
    await refused(file({ error: 0, cases: [3] }), /case 0 of the reference is number 3/);
    await refused(one({ input_ids: [1, -2] }), /array of 2 as input_ids/);
    await refused(one({ input_ids: [] }), /array of 0 as input_ids/);
    await refused(one({ token_type_ids: [0] }), /array of 1 as token_type_ids of 2 tokens/);
    await refused(one({ outputs: null }), /null as outputs/);
    await refused(
        one({ outputs: { pooled: { step: 1, largest: 1, samples: [1] } } }),
        /has an output 'pooled', the model has not/,
    );
    await refused(
        one({ outputs: { logits: { step: 0, largest: 1, samples: [1] } } }),
        /output 'logits': step is number 0/,
    );
    await refused(
        one({ outputs: { logits: { step: 1, samples: [1] } } }),
        /output 'logits': largest is undefined/,
    );
    await refused(
        one({ outputs: { logits: { step: 1, largest: 1, samples: [] } } }),
        /samples are array of 0/,
    );
    await refused(
        one({ outputs: { logits: { step: 1, largest: 1, samples: [null] } } }),
        /samples are array of 1, or not all numbers/,
    );
});

test('a stream that breaks is reported as it broke, and is closed', async () => {
    let closed = false;
    async function* chunks() {
        try {
            yield good.subarray(0, 3000);
            throw new Error('connection reset');
        } finally {
            closed = true;
        }
    }
    const memory = new Uint8Array(good.length);
    await assert.rejects(
        load(
            { label: 'x', chunks: chunks() },
            { open: async () => ({ reserve: () => 0, heap: memory, expand() {} }), tokenizer() {} },
            () => {},
        ),
        /connection reset/,
    );
    assert.ok(closed);
});

/**
 * A Feed and a Feeder joined as by two threads: messages arrive later, and what is transferred is
 * gone here.
 */
function joined() {
    const later =
        (deliver) =>
        (message, transfer = []) => {
            const copy = structuredClone(message, { transfer });
            setImmediate(() => deliver(copy));
        };
    const counts = { under_way: 0, most: 0 };
    const feed = new Feed(
        later((chunk) => {
            counts.under_way--;
            feeder.recycled(chunk);
        }),
    );
    const feeder = new Feeder(
        later((message) => {
            if (message.chunk) counts.most = Math.max(counts.most, ++counts.under_way);
            feed.receive(message);
        }),
    );
    return { feed, feeder, counts };
}

test('a file fed by another thread arrives whole, its chunks used again', async () => {
    const file = new Uint8Array(1 << 20).map((_, i) => i * 31);
    const { feed, feeder, counts } = joined();
    const memories = [];
    let n_made = 0;
    async function* chunks() {
        for (let i = 0; i < file.length; i += 4096) {
            if (!memories.length) n_made++;
            const chunk = new Uint8Array(memories.pop() ?? new ArrayBuffer(4096));
            chunk.set(file.subarray(i, i + 4096));
            yield chunk;
        }
    }
    feeder.send(
        Promise.resolve({
            label: 'a file',
            n_bytes: file.length,
            chunks: chunks(),
            recycle: ({ buffer }) => memories.push(buffer),
        }),
    );
    const source = await feed.open();
    assert.deepEqual([source.label, source.n_bytes], ['a file', file.length]);
    const parts = [];
    for await (const chunk of source.chunks) {
        parts.push(chunk.slice());
        source.recycle?.(chunk);
    }
    assert.deepEqual(new Uint8Array(Buffer.concat(parts)), file);
    assert.ok(counts.most <= 12, `${counts.most} chunks under way`);
    assert.ok(n_made <= 13, `${n_made} buffers were made`);
});

test('chunks of memory that others share are copied before they are sent', async () => {
    const shared = new Uint8Array([1, 2, 3, 4, 5, 6]);
    const { feed, feeder } = joined();
    async function* chunks() {
        yield shared.subarray(0, 3);
        yield shared.subarray(3);
    }
    feeder.send(Promise.resolve({ label: 'x', chunks: chunks() }));
    const parts = [];
    for await (const chunk of (await feed.open()).chunks) parts.push(...chunk);
    assert.deepEqual(parts, [1, 2, 3, 4, 5, 6]);
});

test('a feed that fails tells why, at its start or later', async () => {
    const start = joined();
    start.feeder.send(Promise.reject(new BertError('FETCH_FAILED', 'HTTP status 404')));
    await assert.rejects(start.feed.open(), { code: 'FETCH_FAILED', message: 'HTTP status 404' });
    const later = joined();
    async function* chunks() {
        yield new Uint8Array(3);
        throw new BertError('FETCH_FAILED', 'the transfer broke off');
    }
    later.feeder.send(Promise.resolve({ label: 'x', chunks: chunks() }));
    const source = await later.feed.open();
    await assert.rejects(
        (async () => {
            for await (const _ of source.chunks);
        })(),
        { code: 'FETCH_FAILED', message: 'the transfer broke off' },
    );
});
