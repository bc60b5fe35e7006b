/**
 * semanticSearch() and similarity() of the built package, against a plain loop and a plain sort.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

import { BertError, semanticSearch, similarity } from 'bert-wasm';

import { LIBRARY } from './built.js';

let state = 12345;
/** xorshift32: a whole number below n. */
function random(n) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
}

/** Small whole numbers: sums of products are exact in every type, and many scores are equal. */
const MAKE = {
    f32: (n, d) => ({
        dims: [n, d],
        data: Float32Array.from({ length: n * d }, () => random(7) - 3),
    }),
    int8: (n, d) => ({
        dims: [n, d],
        data: Int8Array.from({ length: n * d }, () => random(256) - 128),
    }),
    binary: (n, d) => ({
        dims: [n, d],
        data: Uint8Array.from({ length: (n * d) / 8 }, () => random(256)),
    }),
};

/** Numbers of a row; of bits 1 and -1. */
function rowOf({ dims, data }, row) {
    const d = dims[dims.length - 1];
    if (!(data instanceof Uint8Array)) return [...data.subarray(row * d, (row + 1) * d)];
    return Array.from({ length: d }, (_, i) =>
        (data[(row * d + i) >> 3] >> (i & 7)) & 1 ? 1 : -1,
    );
}

const rowsOf = (embeddings) =>
    Array.from({ length: embeddings.dims[0] }, (_, row) => rowOf(embeddings, row));

function dot(a, b) {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
    return sum;
}

function scoreOf(a, b, score) {
    if (score === 'dot') return dot(a, b);
    const lengths = Math.sqrt(dot(a, a) * dot(b, b));
    return lengths === 0 ? 0 : dot(a, b) / lengths;
}

/** What semanticSearch() gives for queries [q, d]: everything scored and sorted. */
function plainSearch(queries, corpus, top_k, score) {
    const rows = rowsOf(corpus);
    return rowsOf(queries).map((query) => {
        const all = rows.map((row, corpus_id) => ({
            corpus_id,
            score: scoreOf(query, row, score),
        }));
        return all.sort((a, b) => b.score - a.score || a.corpus_id - b.corpus_id).slice(0, top_k);
    });
}

for (const [type, make] of Object.entries(MAKE)) {
    test(`${type}: the same as a plain sort, at all sizes`, async () => {
        for (let round = 0; round < 120; round++) {
            const d = (1 + random(round % 10 ? 40 : 400)) * (type === 'binary' ? 8 : 1);
            const queries = make(1 + random(round % 7 ? 4 : 90), d);
            const corpus = make(1 + random(round % 5 ? 50 : 3000), d);
            const top_k = 1 + random(round % 3 ? 12 : 200);
            const score = round % 2 ? 'cosine' : 'dot';
            assert.deepEqual(
                await semanticSearch(queries, corpus, { top_k, score }),
                plainSearch(queries, corpus, top_k, score),
                JSON.stringify({ round, queries: queries.dims, corpus: corpus.dims, top_k, score }),
            );
        }
    });

    test(`${type}: similarity is every score`, async () => {
        for (let round = 0; round < 20; round++) {
            const d = (1 + random(70)) * 8;
            const a = make(1 + random(60), d);
            const b = make(1 + random(400), d);
            for (const score of /** @type {const} */ (['cosine', 'dot'])) {
                const { dims, data } = await similarity(a, b, { score });
                assert.deepEqual(dims, [a.dims[0], b.dims[0]]);
                const rows = rowsOf(b);
                assert.deepEqual(
                    data,
                    Float32Array.from(
                        rowsOf(a).flatMap((row) => rows.map((other) => scoreOf(row, other, score))),
                    ),
                );
            }
        }
    });
}

test('the defaults are ten, by cosine', async () => {
    const queries = MAKE.f32(2, 9);
    const corpus = MAKE.f32(40, 9);
    assert.deepEqual(
        await semanticSearch(queries, corpus),
        plainSearch(queries, corpus, 10, 'cosine'),
    );
    assert.deepEqual(
        await similarity(queries, corpus),
        await similarity(queries, corpus, { score: 'cosine' }),
    );
});

test('one query without a dimension for it has one list', async () => {
    const { data } = MAKE.f32(1, 6);
    const corpus = MAKE.f32(30, 6);
    const [list] = await semanticSearch({ dims: [1, 6], data }, corpus);
    assert.deepEqual(await semanticSearch({ dims: [6], data }, corpus), list);
    assert.deepEqual((await similarity({ dims: [6], data }, corpus)).dims, [1, 30]);
});

test('fractions: as near as float32 is, best first, and a row is exactly like itself', async () => {
    const floats = (n, d) => ({
        dims: [n, d],
        data: Float32Array.from({ length: n * d }, () => random(2 ** 31) / 2 ** 30 - 1),
    });
    const corpus = floats(2000, 383);
    const queries = { dims: [5, 383], data: corpus.data.slice(0, 5 * 383) };
    /** @type {any} */
    const found = await semanticSearch(queries, corpus, { top_k: 50 });
    const want = plainSearch(queries, corpus, 50, 'cosine');
    found.forEach((list, q) => {
        assert.deepEqual(list[0], { corpus_id: q, score: 1 });
        list.forEach(({ score }, i) => {
            assert.ok(
                Math.abs(score - want[q][i].score) < 1e-6,
                `${score} and ${want[q][i].score}`,
            );
            assert.ok(i === 0 || score <= list[i - 1].score);
        });
    });
});

test('of equal scores the first row is first, and only so many are kept', async () => {
    const corpus = { dims: [5000, 2], data: new Float32Array(10000).fill(1) };
    const list = await semanticSearch({ dims: [2], data: Float32Array.of(1, 1) }, corpus, {
        top_k: 4,
    });
    assert.deepEqual(
        list,
        [0, 1, 2, 3].map((corpus_id) => ({ corpus_id, score: 1 })),
    );
});

test('what is not a number is last, in order', async () => {
    const corpus = { dims: [7, 1], data: Float32Array.of(NaN, -1, NaN, 3, -Infinity, NaN, 2) };
    const query = { dims: [1], data: Float32Array.of(1) };
    const ids = async (top_k) =>
        (await semanticSearch(query, corpus, { top_k, score: 'dot' })).map(
            ({ corpus_id }) => corpus_id,
        );
    assert.deepEqual(await ids(10), [3, 6, 1, 4, 0, 2, 5]);
    assert.deepEqual(await ids(5), [3, 6, 1, 4, 0]);
    assert.deepEqual(await ids(2), [3, 6]);
});

test('a row of zeros is like nothing', async () => {
    const corpus = { dims: [2, 3], data: Float32Array.of(0, 0, 0, 1, 0, 0) };
    assert.deepEqual(await semanticSearch({ dims: [3], data: Float32Array.of(1, 0, 0) }, corpus), [
        { corpus_id: 1, score: 1 },
        { corpus_id: 0, score: 0 },
    ]);
});

test('an empty corpus, and no queries, have empty lists', async () => {
    const nothing = { dims: [0, 4], data: new Float32Array(0) };
    const some = MAKE.f32(2, 4);
    assert.deepEqual(await semanticSearch(some, nothing), [[], []]);
    assert.deepEqual(await semanticSearch({ dims: [4], data: new Float32Array(4) }, nothing), []);
    assert.deepEqual(await semanticSearch(nothing, some), []);
    assert.deepEqual(await similarity(some, nothing), { dims: [2, 0], data: new Float32Array(0) });
});

test('rows of the most dimensions, and arrays that are parts of others', async () => {
    const corpus = MAKE.f32(3, 65536);
    const queries = MAKE.f32(2, 65536);
    assert.deepEqual(
        await semanticSearch(queries, corpus),
        plainSearch(queries, corpus, 10, 'cosine'),
    );
    const whole = MAKE.int8(11, 7);
    const part = { dims: [9, 7], data: whole.data.subarray(13, 13 + 63) };
    assert.deepEqual(await semanticSearch(part, part), plainSearch(part, part, 10, 'cosine'));
    const shared = { dims: [4, 8], data: new Float32Array(new SharedArrayBuffer(128)).fill(2) };
    assert.equal((await semanticSearch(shared, shared))[0].length, 4);
});

/** Some hundred milliseconds' work. */
const large = () => [
    MAKE.f32(300, 384),
    {
        dims: [20000, 384],
        data: new Float32Array(20000 * 384).map((_, i) => ((i * 7919) % 13) - 6),
    },
];

test('the event loop has turns, and searches do not disturb each other', async () => {
    const [queries, corpus] = large();
    const few = MAKE.f32(7, 384);
    const bits = MAKE.binary(40, 800);
    const rows = MAKE.binary(300, 800);
    let n_turns = 0;
    let is_done = false;
    const count = () => {
        n_turns++;
        if (!is_done) setTimeout(count, 0);
    };
    setTimeout(count, 0);
    const start = performance.now();
    const together = await Promise.all([
        semanticSearch(queries, corpus),
        semanticSearch(few, corpus),
        semanticSearch(bits, rows),
    ]);
    const ms = performance.now() - start;
    is_done = true;
    assert.ok(ms > 50, `${ms} ms is too little to tell`);
    assert.ok(n_turns >= ms / 60, `${n_turns} turns in ${ms.toFixed()} ms`);
    assert.deepEqual(together[1], plainSearch(few, corpus, 10, 'cosine'));
    assert.deepEqual(together[2], plainSearch(bits, rows, 10, 'cosine'));
    assert.deepEqual(together[0], await semanticSearch(queries, corpus));
});

test('a signal ends it, with its reason', async () => {
    const [queries, corpus] = large();
    await assert.rejects(semanticSearch(queries, corpus, { signal: AbortSignal.abort() }), {
        name: 'AbortError',
    });
    const start = performance.now();
    await semanticSearch(queries, corpus);
    const whole = performance.now() - start;
    for (const call of [semanticSearch, similarity]) {
        const controller = new AbortController();
        const reason = new Error('enough');
        setTimeout(() => controller.abort(reason), 0);
        const begun = performance.now();
        await assert.rejects(
            call(queries, corpus, { signal: controller.signal }),
            (error) => error === reason,
        );
        const ms = performance.now() - begun;
        assert.ok(ms < whole / 2, `${ms.toFixed()} of ${whole.toFixed()} ms`);
    }
});

test('bad input says what is wrong with which', async () => {
    const good = MAKE.f32(2, 8);
    const refused = (call, code, message) =>
        assert.rejects(call, (/** @type {any} */ error) => {
            assert.ok(error instanceof BertError, error.stack);
            assert.equal(error.code, code);
            assert.match(error.message, message);
            return true;
        });
    /** @type {[any, RegExp][]} */
    const bad = [
        [null, /must be \{dims, data\}, not null/],
        [[1, 2], /must have dims .*, not undefined/],
        [{ dims: [2, 2, 2], data: new Float32Array(8) }, /dims .*, not \[2,2,2\]/],
        [{ dims: [1.5, 8], data: new Float32Array(12) }, /dims .*, not \[1.5,8\]/],
        [{ dims: [-1, 8], data: new Float32Array(8) }, /dims .*, not \[-1,8\]/],
        [{ dims: [2, 8], data: [1, 2] }, /not array of 2/],
        [{ dims: [2, 8], data: new Float64Array(16) }, /not Float64Array/],
        [
            { dims: [2, 8], data: new Float32Array(15) },
            /dims \[2,8\] must have a Float32Array of 16, not of 15/,
        ],
        [{ dims: [2, 8], data: new Uint8Array(15) }, /must have a Uint8Array of 2, not of 15/],
        [{ dims: [2, 12], data: new Uint8Array(3) }, /a multiple of 8 dimensions .*, not 12/],
        [{ dims: [2, 0], data: new Float32Array(0) }, /1 to 65536 dimensions, not 0/],
        [{ dims: [1, 65537], data: new Float32Array(65537) }, /1 to 65536 dimensions, not 65537/],
    ];
    for (const [embeddings, message] of bad) {
        await refused(
            semanticSearch(embeddings, good),
            'BAD_INPUT',
            new RegExp(`^the query embeddings .*${message.source}`),
        );
        await refused(
            semanticSearch(good, embeddings),
            'BAD_INPUT',
            new RegExp(`^the corpus embeddings .*${message.source}`),
        );
        await refused(
            similarity(good, embeddings),
            'BAD_INPUT',
            new RegExp(`^the second embeddings .*${message.source}`),
        );
    }
    await refused(semanticSearch(good, MAKE.f32(2, 9)), 'BAD_INPUT', /8 dimensions .* 9/);
    await refused(semanticSearch(good, MAKE.int8(2, 8)), 'BAD_INPUT', /Float32Array .* Int8Array/);
    for (const top_k of /** @type {any[]} */ ([0, -1, 1.5, NaN, '3'])) {
        await refused(semanticSearch(good, good, { top_k }), 'BAD_OPTION', /^top_k must be /);
    }
    await refused(
        semanticSearch(good, good, { score: /** @type {any} */ ('euclidean') }),
        'BAD_OPTION',
        /score must be .*, not string "euclidean"/,
    );
    await refused(
        similarity(good, good, { score: /** @type {any} */ (null) }),
        'BAD_OPTION',
        /score must be .*, not null/,
    );
});

test('a script that has searched ends', () => {
    const script = `import { semanticSearch } from ${LIBRARY};
        const data = new Float32Array(4).fill(1);
        const query = { dims: [2], data: data.subarray(2) };
        console.log((await semanticSearch(query, { dims: [2, 2], data })).length);`;
    const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
        encoding: 'utf8',
        timeout: 20000,
    });
    assert.deepEqual({ status, stdout }, { status: 0, stdout: '2\n' });
});
