/** The loader against damaged, lying and interrupted model files. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readLayout } from '../../js/cache/manifest.js';
import { BertError } from '../../js/errors.js';
import { Feed, Feeder } from '../../js/loader/feed.js';
import { ModelFile } from '../../js/loader/load.js';
import { openCore } from './core.js';
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

const CORE = await openCore();

/** Loads into plain memory, in chunks of `step` bytes as a network would bring them. */
/**
 * @param {import('../../js/loader/download.js').Chunk} bytes
 * @param {object} [options]
 * @param {number} [options.step]  bytes of a chunk
 * @param {number} [options.n_bytes]  that the file is said to have
 * @param {(loaded: number, total: number) => void} [options.onprogress]
 * @param {number[]} [options.flips]  a byte that is wrong in each reading in turn
 * @param {number[]} [options.reads]  gets where each began
 */
async function loadBytes(
    bytes,
    { step = bytes.length, n_bytes, onprogress = () => {}, flips = [], reads = [] } = {},
) {
    let memory = new Uint8Array(0);
    const taken = [];
    async function* chunks(from) {
        const file = bytes.slice();
        const flip = flips[reads.length];
        if (flip !== undefined) file[flip] ^= 4;
        reads.push(from);
        for (let i = from; i < file.length; i += step) yield file.subarray(i, i + step);
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
        take: (weight) => taken.push(weight),
    };
    const file = new ModelFile({ label: 'test', n_bytes, read: chunks });
    const header = await file.readHeader(CORE);
    const address = engine.reserve(header.weights_bytes);
    let tokenizer = null;
    const ontokenizer = (json) => {
        tokenizer = json;
    };
    await file.readData(header, engine, address, { ontokenizer, onprogress });
    assert.deepEqual(taken, [...header.weights.keys()]);
    return { address, tokenizer, verified: file.is_verified, header, memory };
}

const refused = (bytes, message, code = 'BAD_MODEL_FILE') =>
    assert.rejects(loadBytes(bytes), (/** @type {any} */ error) => {
        assert.equal(error.code, code, error.stack);
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
        header.weights.forEach(({ name, at, n_bytes, q4 }, i) => {
            const expected = q4 ? expanded(list[i].bytes, q4.n_columns) : list[i].bytes;
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
            /embeddings\.word\.q4.* must have a shape of 4-bit units, not \[/,
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

test('a chunk that stays damaged is refused', async () => {
    const { header } = await loadBytes(good);
    for (let at = good.length - header.data_bytes; at < good.length; at += 999) {
        const bytes = good.slice();
        bytes[at] ^= 4;
        await refused(bytes, /chunk \d+ is damaged, twice/);
    }
});

/** A file of 4-bit weights and of others, in chunks that cut units. */
function mixedFile() {
    const bytes = (n) => Uint8Array.from({ length: n }, (_, i) => i * 7 + (i >> 3));
    const n = 64 * 3 * 136;
    return modelBytes({
        list: [
            { name: 'layers.0.output.q4', dtype: 'U8', shape: [64, 3, 136], bytes: bytes(n) },
            { name: 'layers.0.output.scale', dtype: 'F32', shape: [40], bytes: bytes(160) },
        ],
    });
}

test('a damaged chunk is read once more from its start, and all is as it should be', async () => {
    for (const file of [good, mixedFile()]) {
        const { header, memory, address } = await loadBytes(file);
        const n_header = file.length - header.data_bytes;
        for (let at = n_header; at < file.length; at += 499) {
            for (const step of [700, file.length]) {
                const reads = [];
                const loaded = await loadBytes(file, { flips: [at], reads, step });
                assert.deepEqual(loaded.memory.slice(address), memory.slice(address));
                assert.deepEqual(
                    loaded.tokenizer,
                    file.slice(n_header, n_header + header.tensors[0].end),
                );
                const chunk = Math.floor((at - n_header) / 1024);
                assert.deepEqual(reads, [0, n_header + 1024 * chunk], `byte ${at}`);
            }
        }
        const flips = [n_header + 5000, n_header + 9000, n_header + 12_000];
        const reads = [];
        const loaded = await loadBytes(file, { flips, reads });
        assert.deepEqual(loaded.memory.slice(address), memory.slice(address));
        assert.deepEqual(
            reads.slice(1),
            flips.map((flip) => n_header + 1024 * Math.floor((flip - n_header) / 1024)),
        );
        await assert.rejects(loadBytes(file, { flips: [flips[1], flips[1]] }), /damaged, twice/);
    }
});

test('what is no model file is refused by what it is', async () => {
    await refused(
        new TextEncoder().encode('<!doctype html><html></html>'),
        /not a safetensors file.*<!doctyp/,
    );
    await refused(
        withHeader('[]', Buffer.alloc(0)),
        /the header must be an object, not array of 0/,
    );
    await refused(withHeader('{"a"', Buffer.alloc(0)), /the header is not valid JSON/);
    await refused(withHeader('{}', Buffer.alloc(0)), /not of this library/);
    const nested = `{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`;
    await refused(withHeader(nested, Buffer.alloc(0)), /the header is not valid JSON: it nests/);
    for (const [start, kind] of [
        ['\ufeff <html>', 'a page of HTML'],
        ['{"error":1}', 'JSON'],
        ['\0asm\x01\0\0\0', 'a WebAssembly module'],
        ['PK\x03\x04....', 'a zip archive'],
        ['\x08\x07\x12\x07pytorch', 'an ONNX file'],
        ['version https://git-lfs', 'a pointer of Git LFS'],
        ['GGUF....', 'a GGUF file'],
    ]) {
        await refused(
            new Uint8Array(Buffer.from(start.padEnd(64, '.'))),
            new RegExp(`not a safetensors file, but ${kind}|not a safetensors file, ${kind}`),
        );
    }
    await refused(new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 1, 2]), /but packed by gzip/);
    const latin = withHeader('{"__metadata__":{}}', Buffer.alloc(0));
    latin[10] = 0xff;
    await refused(latin, /not valid UTF-8/);
    await refused(
        new Uint8Array([255, 255, 255, 255, 255, 255, 255, 255, 1]),
        /not a safetensors file/,
    );
});

test('headers of any size are refused at once', async () => {
    const MOST = 32 << 20;
    const many = (/** @type {number} */ n, /** @type {any} */ entry) =>
        modelBytes({
            change: (h) => {
                for (let i = 0; i < n; i++) h[`z${i}`] = entry;
            },
        });
    const empty = { dtype: 'F32', shape: [0], data_offsets: [0, 0] };
    const text = (/** @type {string} */ json) => withHeader(json, Buffer.alloc(0));
    const all = '['.repeat(MOST - 64);
    const quoted = (/** @type {string} */ field, /** @type {string} */ json) =>
        modelBytes({ metadata: { [field]: json } });
    const names = `{${Array.from({ length: 2e6 }, (_, i) => `"${i}":0`).join(',')}}`;
    const cpuOf = async (/** @type {() => unknown} */ work) => {
        const begun = process.cpuUsage();
        await work();
        const { user, system } = process.cpuUsage(begun);
        return (user + system) / 1000;
    };
    const numbers = `[${'0,'.repeat(MOST / 2 - 100)}0]`;
    const parsing = await cpuOf(() => JSON.parse(numbers));
    for (const [file, message] of /** @type {[Uint8Array<ArrayBuffer>, RegExp][]} */ ([
        [many(500_000, empty), /the header is not valid JSON: it has more than \d+ names/],
        [many(60_000, empty), /it must have at most 32768 tensors, not 60\d\d\d/],
        [many(200_000, 0), /at most 32768 tensors/],
        [text(all), /the header is not valid JSON: it nests more than 16 deep/],
        [text(`{"a":${all.slice(9)}`), /it nests/],
        [text(`{"__metadata__":${names}}`), /names/],
        [text(`"${all.slice(9)}`), /the header is not valid JSON/],
        [text(`{"a":${numbers}}`), /not of this library/],
        [quoted('config', all.slice(1 << 20)), /the config is not valid JSON: it nests/],
        [quoted('reference', all.slice(1 << 20)), /the reference is not valid JSON: it nests/],
        [quoted('config', names), /the config is not valid JSON: it has more than/],
    ])) {
        const ms = await cpuOf(() => refused(file, message));
        // A header that is refused late takes more than a hundred times as long.
        assert.ok(ms < 10 * parsing, `${message}: ${ms} ms, parsing alone ${parsing} ms`);
    }
    // The caller's thread reads a header, too, for the cache.
    const nested = text(`{"a":${all.slice(9)}`);
    const ms = await cpuOf(() => assert.equal(readLayout(nested), null));
    assert.ok(ms < 10 * parsing, `${ms} ms, parsing alone ${parsing} ms`);
});

test('each rule of the format', async () => {
    const name = 'layers.0.attention.query.weight';
    const spoilt = (change) => modelBytes({ change });
    for (const format_version of ['1', '4', '02', 2]) {
        await refused(
            modelBytes({ metadata: /** @type {any} */ ({ format_version }) }),
            new RegExp(`must be 2 or 3 .*, not ${format_version}: convert the model again`),
        );
    }
    await refused(
        spoilt((h) => {
            h[name].dtype = 'F64';
        }),
        /the dtype of tensor .* must be F32, F16, I8, U8, not string "F64"/,
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
        /dtype .* not undefined/,
    );
    await refused(
        spoilt((h) => {
            h[name].shape = [2, -16, 8];
        }),
        /shape .* must be up to 4 whole numbers, not \[2,-16,8\]/,
    );
    await refused(
        spoilt((h) => {
            h[name].shape = [1, 1, 1, 1, 256];
        }),
        /shape .* not \[1,1,1,1,256\]/,
    );
    await refused(
        spoilt((h) => {
            h[name].shape = [2 ** 31, 2 ** 31, 8];
        }),
        /must have [0-9]+ bytes, not 1024/,
    );
    await refused(
        spoilt((h) => {
            h[name].shape = [2, 16, 4];
        }),
        /must have 512 bytes, not 1024/,
    );
    await refused(
        spoilt((h) => {
            h[name].data_offsets = [0];
        }),
        /data_offsets .* must be two whole numbers, not \[0\]/,
    );
    await refused(
        spoilt((h) => {
            h[name].data_offsets[0] += 4;
            h[name].data_offsets[1] += 4;
        }),
        /must start at/,
    );
    await refused(
        spoilt((h) => {
            h.extra = h[name];
        }),
        /must start at/,
    );
    await refused(
        spoilt((h) => {
            delete h[name];
        }),
        /must start at/,
    );
    await refused(
        modelBytes({ metadata: { chunk_bytes: '0' } }),
        /chunk_bytes must be a whole number from 1024 to 67108864, not string "0"/,
    );
    await refused(
        modelBytes({ metadata: { chunk_sha256: 'abc' } }),
        /chunk_sha256 must be [0-9]+ hashes/,
    );
    await refused(
        modelBytes({ metadata: { config: '7' } }),
        /the config must be an object, not number 7/,
    );
    await refused(
        modelBytes({ config: { ...CONFIG, labels: ['a'] } }),
        /labels must be an array of 3 strings, not array of 1/,
    );
    await refused(
        modelBytes({ config: { ...CONFIG, max_length: 13 } }),
        /max_length must be a whole number from 1 to 12, not number 13/,
    );
});

test('each rule of the config', async () => {
    const config = (change) => modelBytes({ config: { ...CONFIG, ...change }, list: tensors() });
    const encoder = (change) => config({ encoder: { ...CONFIG.encoder, ...change } });
    const output = (request) => config({ outputs: { answer: request } });
    await refused(config({ architecture: 1 }), /architecture must be a string, not number 1/);
    await refused(config({ encoder: [] }), /encoder must be an object, not array of 0/);
    await refused(
        encoder({ pooling: null }),
        /encoder\.pooling must be a number or a string, not null/,
    );
    await refused(config({ outputs: [] }), /outputs must be an object, not array of 0/);
    await refused(
        config({ problem_type: 7 }),
        /problem_type must be a string or null, not number 7/,
    );
    await refused(config({ max_length: 2.5 }), /max_length must be .*, not number 2.5/);
    await refused(
        encoder({ n_positions: 14, first_position: 3 }),
        /max_length must be a whole number from 1 to 11, not number 12/,
    );
    await refused(
        encoder({ n_positions: 0, n_distances: 11, position_attention: 'bias' }),
        /max_length must be a whole number from 1 to 11, not number 12/,
    );
    await refused(encoder({ n_headz: 1 }), /n_headz/, 'UNKNOWN_FIELD');
    await refused(encoder({ n_positions: 2, first_position: 3 }), /first_position/, 'BAD_FIELD');
    await refused(
        encoder({ n_labels: 0, n_token_labels: 2 }),
        /output 'logits' must be one of last_hidden_state, .*, not string "logits"/,
    );
    await refused(
        config({ labels: [], outputs: {} }),
        /labels must be an array of 3 strings, not array of 0/,
    );
    await refused(output('logits'), /output 'answer' must be an object, not string "logits"/);
    for (const name of ['token_logits', 'lm_logits', 'sentence_embedding', 'toString', 3]) {
        await refused(
            output({ output: name }),
            /'answer' must be one of last_hidden_state, .*, not /,
        );
    }
    for (const index of [-1, 3, 0.5, '0']) {
        await refused(
            output({ output: 'logits', index }),
            /the index of .*'answer' must be from 0 to 2, not /,
        );
    }
    await refused(
        output({ output: 'hidden_states', index: 3 }),
        /index .* from 0 to 2, not number 3/,
    );
    await refused(output({ output: 'attentions', index: 2 }), /index .* from 0 to 1, not number 2/);
    await refused(
        output({ output: 'logits', activation: 'relu' }),
        /the activation of .*'answer' must be 'softmax' or 'sigmoid', not string "relu"/,
    );
    await refused(output({ output: 'logits', axis: 1 }), /'answer' has an unknown field 'axis'/);
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
        /the reference is not valid JSON/,
    );
    await refused(file([]), /the reference must be an object, not array of 0/);
    await refused(
        file({ cases: [] }),
        /the error of the reference must be a number >= 0, not undefined/,
    );
    await refused(file({ error: -1, cases: [] }), /error .* not number -1/);
    await refused(
        file({ error: 0, cases: {} }),
        /the cases of the reference must be an array, not Object/,
    );
    await refused(
        file({ error: 0, cases: [3] }),
        /case 0 of the reference must be an object, not number 3/,
    );
    await refused(
        one({ input_ids: [1, -2] }),
        /input_ids of case 0 of the reference must be whole numbers >= 0, not array of 2/,
    );
    await refused(one({ input_ids: [] }), /input_ids .* not array of 0/);
    await refused(
        one({ token_type_ids: [0] }),
        /token_type_ids .* must be 2 whole numbers >= 0, not array of 1/,
    );
    await refused(one({ outputs: null }), /outputs of case 0 .* must be an object, not null/);
    await refused(
        one({ outputs: { pooled: { step: 1, largest: 1, samples: [1] } } }),
        /has an output 'pooled' that the model does not have/,
    );
    await refused(
        one({ outputs: { logits: { step: 0, largest: 1, samples: [1] } } }),
        /step of output 'logits' .* must be a whole number >= 1, not number 0/,
    );
    await refused(
        one({ outputs: { logits: { step: 1, samples: [1] } } }),
        /largest of output 'logits' .* not undefined/,
    );
    await refused(
        one({ outputs: { logits: { step: 1, largest: 1, samples: [] } } }),
        /samples of output 'logits' .* must be an array of numbers, not array of 0/,
    );
    await refused(
        one({ outputs: { logits: { step: 1, largest: 1, samples: [null] } } }),
        /samples .* not array of 1/,
    );
});

test('a stream that breaks is reported as it broke', async () => {
    async function* chunks() {
        yield good.subarray(0, good.length - 100);
        throw new Error('connection reset');
    }
    const file = new ModelFile({ label: 'x', read: chunks });
    const header = await file.readHeader(CORE);
    const memory = { reserve: () => 0, heap: new Uint8Array(good.length), expand() {}, take() {} };
    const listeners = { ontokenizer() {}, onprogress() {} };
    await assert.rejects(file.readData(header, memory, 0, listeners), /connection reset/);
});

test('a file that is not wanted any longer ends its transfer', async () => {
    let has_ended = false;
    async function* chunks() {
        try {
            yield good;
        } finally {
            has_ended = true;
        }
    }
    const file = new ModelFile({ label: 'x', read: chunks });
    await file.readHeader(CORE);
    assert.equal(has_ended, false);
    await file.close();
    assert.equal(has_ended, true);
});

/**
 * A Feed of a source, joined with a Feeder as by two threads: messages arrive later, and what is
 * transferred is gone here.
 * @param {import('../../js/loader/download.js').Source} source
 * @param {number | null} [begun_at]
 */
function fed(source, begun_at = 0) {
    const later =
        (deliver) =>
        (message, transfer = []) => {
            const copy = structuredClone(message, { transfer });
            setImmediate(() => deliver(copy));
        };
    const counts = { under_way: 0, most: 0 };
    const feed = new Feed(
        source.label,
        begun_at,
        later((request) => {
            if (request.recycled) counts.under_way--;
            feeder.receive(request);
        }),
    );
    const feeder = new Feeder(
        source,
        later((message) => {
            if (message.chunk) counts.most = Math.max(counts.most, ++counts.under_way);
            feed.receive(message);
        }),
    );
    if (begun_at !== null) feeder.send(begun_at);
    return { feed, counts };
}

const FILE = new Uint8Array(1 << 20).map((_, i) => i * 31);

/** A source of FILE whose chunks are used again. */
function recycling() {
    const memories = [];
    const counts = { n_made: 0, reads: /** @type {number[]} */ ([]) };
    const source = {
        label: 'a file',
        n_bytes: FILE.length,
        async *read(from) {
            counts.reads.push(from);
            for (let i = from; i < FILE.length; i += 4096) {
                if (!memories.length) counts.n_made++;
                const chunk = new Uint8Array(memories.pop() ?? new ArrayBuffer(4096));
                const part = FILE.subarray(i, i + 4096);
                chunk.set(part);
                yield chunk.subarray(0, part.length);
            }
        },
        recycle: ({ buffer }) => memories.push(buffer),
    };
    return { source, counts };
}

test('a file fed by another thread arrives whole, its chunks used again', async () => {
    const { source, counts } = recycling();
    const { feed, counts: sent } = fed(source);
    const parts = [];
    for await (const chunk of feed.read(0)) {
        parts.push(chunk.slice());
        feed.recycle(chunk);
    }
    assert.deepEqual([feed.label, feed.n_bytes], ['a file', FILE.length]);
    assert.deepEqual(new Uint8Array(Buffer.concat(parts)), FILE);
    assert.ok(sent.most <= 12, `${sent.most} chunks under way`);
    assert.ok(counts.n_made <= 13, `${counts.n_made} buffers were made`);
    assert.deepEqual(counts.reads, [0]);
});

test('a file is fed from where it is wanted, what is under way is dropped', async () => {
    for (const begun_at of [0, 5000, null]) {
        const { source, counts } = recycling();
        const { feed } = fed(source, begun_at);
        for (const from of [5000, 70_000, 3, 70_001]) {
            const iterator = feed.read(from);
            let at = from;
            for (let i = 0; i < 5; i++) {
                const { value } = /** @type {any} */ (await iterator.next());
                assert.deepEqual(value, FILE.slice(at, at + value.length), `at ${at}`);
                at += value.length;
                feed.recycle(value);
            }
            await iterator.return();
        }
        const parts = [];
        for await (const chunk of feed.read(9)) {
            parts.push(chunk.slice());
            feed.recycle(chunk);
        }
        assert.deepEqual(new Uint8Array(Buffer.concat(parts)), FILE.subarray(9));
        const begun = begun_at === 0 ? [0] : [];
        assert.deepEqual(counts.reads, [...begun, 5000, 70_000, 3, 70_001, 9]);
    }
});

test('chunks of memory that others share are copied before they are sent', async () => {
    const shared = new Uint8Array([1, 2, 3, 4, 5, 6]);
    async function* read() {
        yield shared.subarray(0, 3);
        yield shared.subarray(3);
    }
    const { feed } = fed({ label: 'x', read });
    const parts = [];
    for await (const chunk of feed.read(0)) parts.push(...chunk);
    assert.deepEqual(parts, [1, 2, 3, 4, 5, 6]);
});

test('a feed that fails tells why', async () => {
    async function* read() {
        yield new Uint8Array(3);
        throw new BertError('FETCH_FAILED', 'the transfer broke off');
    }
    const { feed } = fed({ label: 'x', read });
    await assert.rejects(
        (async () => {
            for await (const _ of feed.read(0));
        })(),
        { code: 'FETCH_FAILED', message: 'the transfer broke off' },
    );
});
