/**
 * What calls of pipelines have in common: many at once, streams, long texts, errors, progress,
 * metrics.
 */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { BertError, loadModel, pipeline, semanticSearch } from 'bert-wasm';

import { Histogram } from '../../js/model/monitor.js';
import { converted } from './converted.js';
import { randomFrom } from './tokenizer_texts.js';

const withCode =
    (code, message = /./) =>
    (error) => {
        assert.ok(error instanceof BertError, error.stack);
        assert.equal(error.code, code, error.stack);
        assert.match(error.message, message);
        return true;
    };

/** Every call's metrics. */
const calls = [];
let classify;
let embed;
before(async () => {
    classify = await pipeline('sentiment-analysis', null, {
        onmetrics: (call) => calls.push(call),
        performance_marks: true,
    });
    embed = await pipeline('embeddings', converted('pipelines/feature-extraction-bert'));
});
after(() => {
    classify.dispose();
    embed.dispose();
});

const words = ['good', 'bad', 'a', 'film', 'wonderful', 'dull', 'story', 'never', 'not'];
const random = randomFrom(7);
const sentence = (n) => Array.from({ length: n }, () => random.pick(words)).join(' ');

test('an array of texts of any length: the answers of each alone, in order', async () => {
    const texts = Array.from({ length: 60 }, (_, i) => sentence(1 + ((i * 37) % 90)));
    const together = await classify(texts, { batch_tokens: 200 });
    const alone = [];
    for (const text of texts) alone.push((await classify(text))[0]);
    assert.deepEqual(together, alone);
    assert.deepEqual(await classify([]), []);
});

test('100 calls at once are answered in order; those that fail change nothing', async () => {
    const order = [];
    const results = await Promise.allSettled(
        Array.from({ length: 100 }, (_, i) =>
            classify(i % 10 === 3 ? i : `${sentence(5)} ${i}`).finally(() => order.push(i)),
        ),
    );
    const failed = results.flatMap(({ status }, i) => (status === 'rejected' ? [i] : []));
    assert.deepEqual(failed, [3, 13, 23, 33, 43, 53, 63, 73, 83, 93]);
    const answered = order.filter((i) => !failed.includes(i));
    assert.deepEqual(
        answered,
        [...answered].sort((a, b) => a - b),
    );
});

test('1,000 calls use no more memory of the engine', async () => {
    const texts = [sentence(3), sentence(40)];
    await classify(texts);
    const { memory_bytes } = await classify.model.info();
    for (let i = 0; i < 1000; i++) await classify(texts[i % 2]);
    assert.equal((await classify.model.info()).memory_bytes, memory_bytes);
});

test('one bad input rejects the call, or stands in its place', async () => {
    const texts = ['good', 7, 'bad', { text: 'good', text_pair: 3 }];
    await assert.rejects(classify(texts), withCode('BAD_INPUT', /^text 1: .* not number 7/));
    const results = await classify(texts, { errors: 'return' });
    assert.deepEqual(
        results.map(({ label, index }) => label ?? index),
        ['POSITIVE', 1, 'NEGATIVE', 3],
    );
    assert.match(results[3].message, /^text 3: text_pair must be a string, not number 3/);
    const long = sentence(600);
    await assert.rejects(
        classify(['good', long], { overflow: 'error' }),
        withCode('SEQUENCE_TOO_LONG', /^text 1: the text is longer than the 256 tokens/),
    );
    const [first, second] = await classify(['good', long], { overflow: 'error', errors: 'return' });
    assert.equal(first.label, 'POSITIVE');
    assert.equal(second.code, 'SEQUENCE_TOO_LONG');
});

test('options that there are not, or that cannot be, are refused by name', async () => {
    const refused = (options, message) =>
        assert.rejects(async () => classify('a', options), withCode('BAD_OPTION', message));
    await refused({ topk: 1 }, /text-classification has no option 'topk'; it has top_k/);
    await refused({ top_k: 0 }, /top_k must be a whole number >= 1 or null, not number 0/);
    await refused(
        { overflow: 'cut' },
        /overflow must be 'truncate', 'error' or 'window', not string "cut"/,
    );
    await refused(
        { batch_tokens: 2000 },
        /batch_tokens must be a whole number from 1 to 1024, not number 2000/,
    );
    await refused({ stride: -1 }, /stride/);
    await refused({ stride: 600, overflow: 'window' }, /stride/);
    await refused({ signal: 7 }, /signal must be an AbortSignal, not number 7/);
    await refused('x', /the options of text-classification must be an object, not string "x"/);
    await assert.rejects(async () => classify('a', null), withCode('BAD_OPTION'));
});

test('a text of 50,000 tokens: the mean of its windows, in the memory of one', async () => {
    const long = [];
    const read = await pipeline(
        'text-classification',
        converted('pipelines/text-classification-bert'),
        { onmetrics: (call) => long.push(call) },
    );
    const text = sentence(49_000);
    await read(sentence(600), { overflow: 'window', stride: 50 });
    const { memory_bytes } = await read.model.info();
    const result = await read(text, { top_k: null, overflow: 'window', stride: 50 });
    assert.equal((await read.model.info()).memory_bytes, memory_bytes);
    assert.equal(result[0].truncated, undefined);
    const { n_windows, n_tokens } = long.at(-1);
    assert.ok(n_tokens > 50_000 && n_windows > 100, `${n_tokens} tokens in ${n_windows} windows`);

    const truncation = { max_length: 512, stride: 50 };
    const [encoded] = await read.model.tokenizer.encodeBatch([text], { truncation });
    const windows = [encoded, ...(encoded.overflow ?? [])];
    assert.equal(windows.length, n_windows);
    const outputs = await read.model.forward(windows.map(({ ids }) => ({ input_ids: ids })));
    const { labels } = read.model.config;
    const want = labels.map(() => 0);
    outputs.forEach(({ logits: { data } }, w) => {
        const powers = Array.from(data, Math.exp);
        const sum = powers.reduce((a, b) => a + b);
        powers.forEach((power, i) => {
            want[i] += ((power / sum) * windows[w].ids.length) / n_tokens;
        });
    });
    for (const { label, score } of result) {
        assert.ok(
            Math.abs(score - want[labels.indexOf(label)]) < 1e-6,
            `${label}: ${score}, not ${want}`,
        );
    }
    read.dispose();
});

test('embeddings of windows are their mean, weighted by tokens', async () => {
    const { max_length } = embed.model.config;
    const text = sentence(3 * max_length);
    const whole = await embed(text, { pooling: 'mean', overflow: 'window', stride: 3 });
    const [encoded] = await embed.model.tokenizer.encodeBatch([text], {
        truncation: { max_length, stride: 3 },
    });
    const windows = [encoded, ...encoded.overflow].map(({ ids }) => ids);
    const outputs = await embed.model.forward(windows.map((ids) => ({ input_ids: ids })));
    const n_tokens = windows.reduce((sum, ids) => sum + ids.length, 0);
    const want = new Float64Array(whole.dims[1]);
    for (const {
        last_hidden_state: { data },
    } of outputs) {
        data.forEach((x, i) => {
            want[i % want.length] += x / n_tokens;
        });
    }
    whole.data.forEach((x, i) => assert.ok(Math.abs(x - want[i]) < 1e-5, `${i}: ${x} ${want[i]}`));
    assert.deepEqual(whole.truncated, [false]);
    assert.deepEqual((await embed(text, { pooling: 'mean' })).truncated, [true]);
    await assert.rejects(embed(text, { overflow: 'window' }), withCode('BAD_OPTION', /pooling/));
});

test('pairs in windows: the longer text is cut, the other is in every window', async () => {
    const [result] = await classify(
        { text: sentence(1200), text_pair: 'good' },
        { overflow: 'window' },
    );
    assert.ok(result.score > 0.5);
    assert.ok(calls.at(-1).n_windows >= 3);
    const both = { text: sentence(900), text_pair: sentence(800) };
    await assert.rejects(classify(both, { overflow: 'window' }), withCode('BAD_INPUT', /tokens/));
});

test('embeddings: dimensions, int8 and bits', async () => {
    const texts = ['a good film', 'a dull story'];
    const full = await embed(texts, { pooling: 'mean' });
    const width = full.dims[1];
    const unit = await embed(texts, { pooling: 'mean', dimensions: 8, normalize: true });
    assert.deepEqual(unit.dims, [2, 8]);
    for (const [r, row] of unit.tolist().entries()) {
        const kept = full.tolist()[r].slice(0, 8);
        const length = Math.hypot(...kept);
        row.forEach((x, i) => assert.ok(Math.abs(x - kept[i] / length) < 1e-6));
    }
    const int8 = await embed(texts, { pooling: 'mean', precision: 'int8' });
    assert.equal(int8.type, 'int8');
    int8.data.forEach((x, i) =>
        assert.ok(
            Math.abs(x * int8.scales[Math.floor(i / width)] - full.data[i]) <=
                int8.scales[Math.floor(i / width)] * 0.51,
        ),
    );
    const ubinary = await embed(texts, { pooling: 'mean', precision: 'ubinary' });
    assert.deepEqual([ubinary.type, ubinary.dims], ['uint8', [2, width / 8]]);
    full.data.forEach((x, i) =>
        assert.equal((ubinary.data[i >> 3] >> (7 - (i & 7))) & 1, x > 0 ? 1 : 0),
    );
    const [found] = await semanticSearch(ubinary, ubinary, { top_k: 1 });
    assert.deepEqual(found, [{ corpus_id: 0, score: 1 }]);
    const binary = await embed(texts, { pooling: 'mean', quantize: true });
    assert.deepEqual(
        [binary.type, Array.from(binary.data)],
        ['int8', Array.from(ubinary.data, (byte) => byte - 128)],
    );
    await assert.rejects(
        embed('a', { dimensions: width + 1 }),
        withCode('BAD_OPTION', /dimensions/),
    );
    const ragged = await embed(texts, { pooling: 'none' });
    assert.deepEqual(
        ragged.map(({ dims }) => dims.length),
        [3, 3],
    );
});

test('a stream: in order, read as far as results are taken, closed then', async () => {
    let n_read = 0;
    let is_closed = false;
    async function* source() {
        try {
            for (;;) yield `${sentence(20)} ${n_read++}`;
        } finally {
            is_closed = true;
        }
    }
    const texts = [];
    async function* kept() {
        for await (const text of source()) {
            texts.push(text);
            yield text;
        }
    }
    const results = [];
    for await (const result of classify(kept())) {
        results.push(result);
        if (results.length === 600) break;
    }
    assert.ok(is_closed);
    // Two groups of 256 ahead at most, and one that is being filled.
    assert.ok(n_read <= 600 + 3 * 256, `${n_read} were read`);
    assert.deepEqual(results.slice(0, 40), await classify(texts.slice(0, 40)));
});

test('a stream of which inputs come one by one is answered one by one', async () => {
    let answered = Promise.resolve();
    let release;
    async function* source() {
        for (let i = 0; i < 3; i++) {
            await answered; // the answer before, or this would never end
            answered = new Promise((resolve) => {
                release = resolve;
            });
            yield `good film ${i}`;
        }
    }
    let n = 0;
    for await (const { label } of classify(source())) {
        assert.equal(label, 'POSITIVE');
        n++;
        release();
    }
    assert.equal(n, 3);
});

test('a stream: results come before an error after them, or go on behind it', async () => {
    const inputs = () => ['good', 'bad', 7, 'good'].values();
    const got = [];
    await assert.rejects(
        async () => {
            for await (const { label } of classify(inputs())) got.push(label);
        },
        withCode('BAD_INPUT', /^text 2: .* not number 7/),
    );
    assert.deepEqual(got, ['POSITIVE', 'NEGATIVE']);
    const all = [];
    for await (const result of classify(inputs(), { errors: 'return' })) {
        all.push(result.label ?? result.code);
    }
    assert.deepEqual(all, ['POSITIVE', 'NEGATIVE', 'BAD_INPUT', 'POSITIVE']);
    async function* failing() {
        yield 'good';
        throw new Error('the source failed');
    }
    await assert.rejects(async () => {
        for await (const _ of classify(failing()));
    }, /the source failed/);
    const controller = new AbortController();
    await assert.rejects(async () => {
        for await (const _ of classify(inputs(), { signal: controller.signal, errors: 'return' })) {
            controller.abort(new Error('enough'));
        }
        // Aborted from the start.
        for await (const _ of classify(inputs(), { signal: controller.signal }));
    }, /enough/);
});

test('progress of a call: ever more texts, all in the end', async () => {
    const seen = [];
    await classify(
        Array.from({ length: 50 }, () => sentence(60)),
        { onprogress: (progress) => seen.push(progress), batch_tokens: 256 },
    );
    assert.ok(seen.length > 3, `${seen.length}`);
    assert.ok(seen.every(({ done, total }, i) => total === 50 && done >= (seen[i - 1]?.done ?? 0)));
    assert.equal(seen.at(-1).done, 50);
});

test('metrics: of each call, of all, and as marks', async () => {
    const before = classify.model.metrics();
    performance.clearMeasures();
    calls.length = 0;
    await Promise.all([classify([sentence(10), sentence(20)]), classify('good')]);
    await classify('a', { signal: AbortSignal.abort(new RangeError('no')) }).catch(() => {});
    const [first, second, third] = calls;
    assert.equal(first.model, classify.model.name);
    assert.deepEqual([first.n_texts, first.n_windows, first.n_batches], [2, 2, 1]);
    assert.ok(first.n_tokens >= 34 && first.batch_fill > 0.03 && first.batch_fill <= 1);
    assert.ok(first.tokenize_ms >= 0 && first.encode_ms > 0 && first.total_ms >= first.encode_ms);
    assert.equal(third.error, 'RangeError');
    const { calls: n, errors, texts, tokens, pending, latency_ms } = classify.model.metrics();
    assert.deepEqual(
        [
            n - before.calls,
            errors - before.errors,
            texts - before.texts,
            tokens - before.tokens,
            pending,
        ],
        [3, 1, 3, first.n_tokens + second.n_tokens, 0],
    );
    assert.equal(latency_ms.count, before.latency_ms.count + 2);
    assert.ok(
        latency_ms.p50 <= latency_ms.p90 &&
            latency_ms.p90 <= latency_ms.p99 &&
            latency_ms.p99 <= latency_ms.max,
    );
    calls.length = 0;
    await Promise.all(Array.from({ length: 20 }, () => classify([sentence(30), sentence(30)])));
    assert.ok(
        calls.at(-1).queue_ms > calls[0].queue_ms,
        'the last of many waits for those before it',
    );
    const marks = performance.getEntriesByType('measure').slice(0, 3);
    assert.deepEqual(
        marks.map(({ name }) => name),
        Array(3).fill(`bert-wasm ${classify.model.name}`),
    );
    assert.equal(/** @type {PerformanceMeasure} */ (marks[0]).detail.n_texts, 2);
});

test('percentiles of the histogram are right within 5 %', () => {
    const histogram = new Histogram();
    const values = Array.from({ length: 5000 }, () => 10 ** (random.below(7000) / 1000 - 2));
    for (const value of values) histogram.add(value);
    values.sort((a, b) => a - b);
    for (const share of [0.001, 0.1, 0.5, 0.9, 0.99, 1]) {
        const want = values[Math.ceil(share * values.length) - 1];
        assert.ok(
            Math.abs(histogram.percentile(share) / want - 1) < 0.05,
            `${share}: ${histogram.percentile(share)}, not ${want}`,
        );
    }
    assert.deepEqual(new Histogram().summary(), {
        count: 0,
        sum: 0,
        max: 0,
        p50: 0,
        p90: 0,
        p99: 0,
    });
});

test('progress of loading as transformers.js reports it', async () => {
    const seen = [];
    const loaded = [];
    const path = converted('pipelines/text-classification-bert');
    const pipe = await pipeline('text-classification', path, {
        progress_callback: (each) => seen.push(each),
        onprogress: (each) => loaded.push(each),
    });
    pipe.dispose();
    assert.deepEqual(
        [...new Set(seen.map(({ status }) => status))],
        ['initiate', 'download', 'progress', 'done', 'ready'],
    );
    assert.ok(seen.every(({ name, file }) => name === path && file === path));
    const { total, progress, rate } = seen.findLast(({ status }) => status === 'progress');
    assert.deepEqual([progress, loaded.at(-1).loaded, loaded.at(-1).rate], [100, total, rate]);
    assert.ok(rate > 0 && Number.isFinite(rate), `${rate}`);
    assert.equal(seen.at(-1).task, 'text-classification');
    const own = [];
    const model = await loadModel(path, { progress_callback: (each) => own.push(each) });
    model.dispose();
    assert.deepEqual(own[0], { status: 'initiate', name: path, file: path });
    assert.deepEqual(own.at(-1), { status: 'ready', name: path, file: path });
});

test('several tasks of one model: loaded once, not disposed for a wrong one', async () => {
    const model = await loadModel(converted('pipelines/text-classification-bert'));
    const one = await pipeline('text-classification', model);
    const two = await pipeline('embeddings', model);
    await assert.rejects(
        pipeline('fill-mask', model),
        withCode(
            'WRONG_TASK',
            /fill-mask needs a model with a language model head; '.*' has a sequence classifier/,
        ),
    );
    assert.equal((await one('a')).length, 1);
    assert.equal((await two('a', { pooling: 'cls' })).dims.length, 2);
    model.dispose();
    await assert.rejects(one('a'), withCode('DISPOSED'));
});

test('a model whose head does not do a task is refused, naming both', async () => {
    const has = {
        'text-classification-bert': 'a sequence classifier',
        'token-classification-bert': 'a token classifier',
        'fill-mask-bert': 'a language model head',
        'question-answering-bert': 'a span head (start and end of an answer)',
        'feature-extraction-bert': 'no head',
    };
    /** @type {Record<string, string[]>} */
    const does = {
        'text-classification': ['text-classification-bert'],
        'token-classification': ['token-classification-bert'],
        'fill-mask': ['fill-mask-bert'],
        'question-answering': ['question-answering-bert'],
        'zero-shot-classification': [],
        'text-ranking': [],
    };
    for (const [name, head] of Object.entries(has)) {
        const model = await loadModel(converted(`pipelines/${name}`));
        for (const [task, fitting] of Object.entries(does)) {
            const made = pipeline(/** @type {any} */ (task), model);
            if (fitting.includes(name)) {
                await made;
            } else {
                await assert.rejects(
                    made,
                    withCode('WRONG_TASK', new RegExp(`^${task} needs .*'${model.name}' has`)),
                );
            }
            if (fitting.includes(name) || head === 'a sequence classifier') continue;
            await assert.rejects(made, (/** @type {any} */ error) => error.message.endsWith(head));
        }
        model.dispose();
    }
});
