/** `bert-wasm serve` by real requests: answers, refusals, streams, metrics, and how it ends. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { ServerMetrics } from '../../js/cli/prometheus.js';
import { cli, lineReader, objects, printed, standsStill, start } from './cli_process.js';
import { modelBytes } from './model_bytes.js';

const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-serve-'));
const MODEL = join(folder, 'tiny.safetensors');
writeFileSync(MODEL, modelBytes());

const running = [];
after(() => {
    for (const child of running) child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
});

/** A server, once it says where it is. */
async function serve(...args) {
    const child = start(['serve', '--model', MODEL, '--port', '0', ...args]);
    running.push(child);
    const { url, tasks } = JSON.parse(await lineReader(child.stdout)());
    let stderr = '';
    child.stderr.on('data', (data) => {
        stderr += data;
    });
    return { child, url, tasks, exit: once(child, 'exit'), stderr: () => stderr };
}

let server;
before(async () => {
    server = await serve('--max-bytes', '100000');
});

const JSON_TYPE = 'application/json';
const LINES = 'application/x-ndjson';
const post = (path, body, type = JSON_TYPE, more = {}) =>
    fetch(new URL(path, server.url), {
        method: 'POST',
        headers: { 'Content-Type': type },
        body,
        ...more,
    });

async function refused(answer, status, code, message) {
    const { status: got, headers } = answer;
    const { error } = await answer.json();
    assert.deepEqual([got, error.code], [status, code], error.message);
    assert.match(error.message, message);
    return headers;
}

/** A request whose body is written and whose answer is read by hand. */
function stream(url, type = LINES) {
    const request = httpRequest(new URL('/classify', url), {
        method: 'POST',
        headers: { 'Content-Type': type },
        agent: new Agent(),
    });
    request.flushHeaders();
    return { request, response: once(request, 'response').then(([response]) => response) };
}

const record = (i) => ({ id: i, text: ['good film', 'bad', 'the film . a'][i % 3] });

test('a record, an array, lines: the answers of the command', async () => {
    assert.deepEqual(server.tasks, ['classify']);
    assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
    const records = Array.from({ length: 500 }, (_, i) => record(i));
    const lines = records.map((one) => `${JSON.stringify(one)}\n`).join('');
    const want = printed(['classify', '--model', MODEL, '--input', '-', '--format', 'jsonl'], {
        input: lines,
    });
    for (const path of ['/', '/classify']) {
        assert.deepEqual(await (await post(path, JSON.stringify(records[1]))).json(), want[1]);
        assert.deepEqual(
            await (
                await post(path, JSON.stringify(records), 'application/json; charset=utf-8')
            ).json(),
            want,
        );
        const answer = await post(path, lines, LINES);
        assert.equal(answer.headers.get('content-type'), LINES);
        assert.deepEqual(objects(await answer.text()), want);
    }
    assert.deepEqual(await (await post('/', '[]')).json(), []);
    const best = await (await post('/?top_k=2', JSON.stringify(record(0)))).json();
    assert.deepEqual([best.id, best.labels.length], [0, 2]);
});

test('100 requests at a time: each gets its own answer', async () => {
    const ids = Array.from({ length: 100 }, (_, i) => i);
    const answers = await Promise.all(
        ids.map(async (i) => (await post('/', JSON.stringify(record(i)))).json()),
    );
    assert.deepEqual(
        answers.map(({ id }) => id),
        ids,
    );
    answers.forEach(({ score }, i) => assert.equal(score, answers[i % 3].score));
});

test('what cannot be answered: status, code and message, and it goes on', async () => {
    await refused(await post('/', '{oops'), 400, 'BAD_INPUT', /not valid JSON/);
    await refused(
        await post('/', '[{"text":"a"},{"text":1}]'),
        400,
        'BAD_INPUT',
        /^record 1: text must be a string, not number 1/,
    );
    await refused(await post('/', '{"id":1}'), 400, 'BAD_INPUT', /^the record: text must be /);
    await refused(await post('/', '["a"]'), 400, 'BAD_INPUT', /^record 0 must be a JSON object/);
    await refused(await post('/?top_k=x', '[]'), 400, 'BAD_OPTION', /top_k must be .*, not 'x'/);
    await refused(await post('/?colour=red', '[]'), 400, 'BAD_OPTION', /no option 'colour'.*top_k/);
    await refused(
        await post('/', '{}', 'text/plain'),
        415,
        'UNSUPPORTED_MEDIA_TYPE',
        /text\/plain/,
    );
    await refused(await post('/ner', '{}'), 404, 'NOT_FOUND', /no \/ner.*\/classify/);
    await refused(await fetch(`${server.url}/`), 404, 'NOT_FOUND', /no \/\/;/);
    assert.equal(
        (await refused(await fetch(server.url), 405, 'METHOD_NOT_ALLOWED', /POST/)).get('allow'),
        'POST',
    );
    assert.equal(
        (await refused(await post('/info', '{}'), 405, 'METHOD_NOT_ALLOWED', /GET/)).get('allow'),
        'GET, HEAD',
    );
    await refused(await post('/', `"${'x'.repeat(100_000)}"`), 413, 'TOO_LARGE', /100000 bytes/);
    const chunked = stream(server.url, JSON_TYPE); // its length is not said
    chunked.request.on('error', () => {}); // it may be cut off while it writes
    chunked.request.write(`"${'x'.repeat(150_000)}`);
    const response = await chunked.response;
    assert.equal(response.statusCode, 413);
    chunked.request.destroy();
    assert.ok((await (await post('/', JSON.stringify(record(0)))).json()).label);
});

test('lines: an answer for each as it comes, an error in its place', async () => {
    const { request, response } = stream(server.url);
    const next = lineReader(await response);
    for (const i of [0, 1]) {
        request.write(`${JSON.stringify(record(i))}\n`);
        assert.equal(JSON.parse(await next()).id, i);
    }
    request.write('{oops\n');
    assert.match(JSON.parse(await next()).error.message, /^line:3: the line is not valid JSON/);
    request.write(`{"id":3,"text":"${'x'.repeat(100_000)}"}\n{"id":4}\n`);
    assert.match(
        JSON.parse(await next()).error.message,
        /^line:4: the line has \d+ bytes; at most 100000/,
    );
    const wrong = JSON.parse(await next());
    assert.deepEqual([wrong.id, wrong.error.code], [4, 'BAD_INPUT']);
    request.end(JSON.stringify(record(5)));
    assert.equal(JSON.parse(await next()).id, 5);
    assert.equal(await next(), undefined);
});

const metrics = async (url) =>
    Object.fromEntries(
        (await (await fetch(new URL('/metrics', url))).text())
            .split('\n')
            .filter((line) => line && !line.startsWith('#'))
            .map((line) => [
                line.slice(0, line.lastIndexOf(' ')),
                Number(line.slice(line.lastIndexOf(' ') + 1)),
            ]),
    );

test('a reader that stops: no more is read; one that goes away: no more is computed', async (t) => {
    const { request, response } = stream(server.url);
    const answer = await response;
    const texts = async () => (await metrics(server.url))['bert_texts_total{task="classify"}'];
    const first = await texts();
    const n = 20_000;
    const note = 'x'.repeat(2000); // 40 MB
    const lines = Array.from(
        { length: 1000 },
        (_, i) => `${JSON.stringify({ ...record(i), note })}\n`,
    ).join('');
    const write = async () => {
        for (let i = 0; i < n; i += 1000) {
            if (!request.write(lines)) await once(request, 'drain');
        }
        request.end();
    };
    const written = write();
    const done = await standsStill(async () => (await texts()) - first);
    t.diagnostic(`${done} of ${n} answered before any was taken`);
    assert.ok(done < n / 2, `${done} of ${n} are answered, and nobody took them`);
    const next = lineReader(answer);
    for (let i = 0; i < n; i++) assert.equal(JSON.parse(await next()).id, i % 1000);
    await written;

    const leaving = stream(server.url);
    leaving.request.on('error', () => {});
    leaving.request.write(lines);
    (await leaving.response).on('error', () => {}).destroy();
    await standsStill(
        async () =>
            (await metrics(server.url))['bert_requests_total{path="/classify",status="499"}'] ?? 0,
    );
    assert.equal((await metrics(server.url)).bert_requests_running, 1, 'the one that asks');
});

test('GET /info and /metrics', async () => {
    const { tasks, name, dtype } = await (await fetch(new URL('/info', server.url))).json();
    assert.deepEqual([tasks, name, dtype], [['classify'], 'tiny', 'f32']);
    const before = await metrics(server.url);
    await (await post('/classify', '[{"text":"good film"},{"text":"bad"}]')).text();
    await (await post('/classify', '{}')).text();
    const now = await metrics(server.url);
    const grown = (name) => now[name] - (before[name] ?? 0);
    assert.equal(grown('bert_texts_total{task="classify"}'), 3);
    assert.equal(grown('bert_text_errors_total{task="classify"}'), 1);
    assert.equal(grown('bert_tokens_total'), 7);
    assert.equal(grown('bert_requests_total{path="/classify",status="200"}'), 1);
    assert.equal(grown('bert_requests_total{path="/classify",status="400"}'), 1);
    assert.equal(grown('bert_request_seconds_count'), 3, 'and the first look at the metrics');
    assert.equal(now['bert_request_seconds_bucket{le="+Inf"}'], now.bert_request_seconds_count);
    assert.ok(
        now['bert_request_seconds_bucket{le="0.005"}'] <=
            now['bert_request_seconds_bucket{le="10"}'],
    );
    // Of the model: a call for the two records; the third was refused before it.
    assert.equal(grown('bert_model_texts_total'), 2);
    assert.equal(grown('bert_model_call_seconds_count'), 1);
    assert.equal(now.bert_model_calls_running, 0);
    for (const part of ['queue', 'tokenize', 'encode']) {
        assert.ok(grown(`bert_model_${part}_seconds_total`) >= 0, part);
    }
    assert.ok(grown('bert_model_encode_seconds_total') > 0);
    assert.ok(grown('bert_model_encode_seconds_total') <= grown('bert_model_call_seconds_sum'));
    assert.ok(now.process_resident_memory_bytes > 1e7);
});

test('metrics of calls that failed, by code; their time is not counted', () => {
    const counted = new ServerMetrics();
    for (const call of [
        { error: 'OUT_OF_MEMORY', total_ms: 1 },
        { error: 'AbortError', total_ms: 1 },
        { error: 'AbortError', total_ms: 1 },
        { total_ms: 20 },
    ]) {
        counted.onCall(/** @type {any} */ (call));
    }
    /** @type {any} */
    const model = {
        texts: 1,
        tokens: 2,
        pending: 3,
        queue_ms: 4,
        tokenize_ms: 5,
        encode_ms: 6000,
    };
    const text = counted.text([], model);
    for (const line of [
        'bert_model_call_errors_total{code="OUT_OF_MEMORY"} 1',
        'bert_model_call_errors_total{code="AbortError"} 2',
        'bert_model_call_seconds_count 1',
        'bert_model_call_seconds_bucket{le="0.01"} 0',
        'bert_model_call_seconds_bucket{le="0.025"} 1',
        'bert_model_encode_seconds_total 6',
        'bert_model_calls_running 3',
    ]) {
        assert.ok(text.split('\n').includes(line), `${line}:\n${text}`);
    }
});

test('SIGTERM: what runs is finished, nothing new is taken', async () => {
    const { child, url, exit, stderr } = await serve();
    const { request, response } = stream(url);
    const next = lineReader(await response);
    request.write(`${JSON.stringify(record(0))}\n`);
    assert.equal(JSON.parse(await next()).id, 0);
    const idle = await fetch(new URL('/info', url)); // leaves a connection open
    await idle.text();
    child.kill('SIGTERM');
    const { port } = new URL(url);
    for (let code; code !== 'ECONNREFUSED'; ) {
        // until the signal has arrived
        const socket = connect(Number(port), '127.0.0.1');
        code = await new Promise((resolve) => {
            socket.once('connect', () => resolve('connected'));
            socket.on('error', (/** @type {any} */ error) => resolve(error.code));
        });
        socket.destroy();
    }
    request.write(`${JSON.stringify(record(1))}\n`);
    assert.equal(JSON.parse(await next()).id, 1);
    request.end();
    assert.equal(await next(), undefined);
    assert.deepEqual(await exit, [0, null]);
    assert.equal(stderr(), '');
});

test('SIGINT ends an idle server, a second signal one that waits', async () => {
    const idle = await serve();
    idle.child.kill('SIGINT');
    assert.deepEqual(await idle.exit, [0, null]);
    const busy = await serve();
    const { request, response } = stream(busy.url);
    request.on('error', () => {});
    (await response).on('error', () => {});
    busy.child.kill('SIGTERM');
    busy.child.kill('SIGINT');
    assert.deepEqual(await busy.exit, [1, null]);
});

test('wrong options, and a port that is taken', () => {
    for (const args of [['--port', 'x'], ['--port', '70000'], ['--task', 'fly'], ['text']]) {
        assert.equal(cli(['serve', ...args]).status, 2, args.join(' '));
    }
    const { status, stderr } = cli(['serve', '--model', MODEL, '--port', new URL(server.url).port]);
    assert.equal(status, 1);
    assert.match(stderr, /cannot be listened to \(EADDRINUSE\)/);
});
