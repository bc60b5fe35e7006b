/**
 * The server of the tests against bad networks does to an answer what it is told and nothing else,
 * and counts what it did. Asked by fetch(), and by node:http where an answer does not end well.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { A_PAGE, FaultyServer } from '../tools/faulty_server.js';

/** @typedef {import('../tools/faulty_server.js').Fault} Fault */
/** @typedef {import('node:http').IncomingHttpHeaders} Headers */

const SIZE = 300_000;
const FILE = Uint8Array.from({ length: SIZE }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
const NEWER = FILE.map((byte) => byte ^ 0x55);

/**
 * A server of one file, with this fault.
 * @param {import('node:test').TestContext} t
 * @param {Fault | Fault[]} [fault]
 */
async function open(t, fault) {
    const server = await FaultyServer.open({ '/model': FILE });
    t.after(() => server.close());
    if (fault) server.faults.set('/model', fault);
    return { server, url: `${server.url}model` };
}

/** @param {string} url @param {{[name: string]: string}} [headers] @param {string} [method] */
async function load(url, headers = {}, method = 'GET') {
    const response = await fetch(url, { headers, method });
    const body = new Uint8Array(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, body };
}

/**
 * What comes of an answer, and how it ends.
 * @param {string} url
 * @returns {Promise<{how: string, body: Buffer, headers?: Headers}>}
 */
function receive(url) {
    return new Promise((resolve) => {
        const answer = { how: 'no answer', body: Buffer.from('') };
        const end = (/** @type {string} */ how) => resolve({ ...answer, how });
        get(url, (response) => {
            Object.assign(answer, { how: 'broken off', headers: response.headers });
            response.on('data', (part) => {
                answer.body = Buffer.concat([answer.body, part]);
            });
            response.on('end', () => end('ended'));
            response.on('error', () => end(answer.how));
        }).on('error', () => end(answer.how));
    });
}

/** All that comes on a connection until it ends. @param {string} url */
async function receiveRaw(url) {
    const { port, pathname, host } = new URL(url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    return Buffer.concat(await socket.toArray());
}

const part = (/** @type {number} */ from, /** @type {number} */ end) => FILE.subarray(from, end);

test('without a fault: the file, its length, type and tag', async (t) => {
    const { server, url } = await open(t);
    const { status, headers, body } = await load(url);
    assert.equal(status, 200);
    assert.deepEqual(body, FILE);
    assert.equal(headers.get('content-length'), `${SIZE}`);
    assert.equal(headers.get('content-type'), 'application/octet-stream');
    assert.equal(headers.get('accept-ranges'), 'bytes');
    assert.equal(headers.get('cross-origin-opener-policy'), null);
    const etag = headers.get('etag') ?? '';
    assert.match(etag, /^"[0-9a-f]{16}"$/);
    const again = await load(url, { 'If-None-Match': etag });
    assert.deepEqual([again.status, again.body.length], [304, 0]);
    const head = await load(url, {}, 'HEAD');
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, `${SIZE}`]);
    assert.equal((await load(url, {}, 'PUT')).status, 405);
    assert.equal((await load(`${server.url}nothing`)).status, 404);
});

test('folders, the longest path first, and a file that was written again', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-faulty-'));
    t.after(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'index.html'), 'a page');
    writeFileSync(join(folder, 'a b.wasm'), '1');
    const server = await FaultyServer.open({ '/': folder, '/sub/': folder, '/sub/model': FILE });
    t.after(() => server.close());
    for (const [path, type] of [
        ['', 'text/html; charset=utf-8'],
        ['sub/', 'text/html; charset=utf-8'],
        ['sub/a%20b.wasm', 'application/wasm'],
    ]) {
        const { status, headers } = await load(server.url + path);
        assert.deepEqual([status, headers.get('content-type')], [200, type], path);
    }
    assert.deepEqual((await load(`${server.url}sub/model`)).body, FILE);
    const before = await load(`${server.url}a%20b.wasm`);
    await new Promise((resolve) => setTimeout(resolve, 10)); // another time of change
    writeFileSync(join(folder, 'a b.wasm'), '2');
    const after = await load(`${server.url}a%20b.wasm`);
    assert.equal(String.fromCharCode(...after.body), '2');
    assert.notEqual(after.headers.get('etag'), before.headers.get('etag'));
});

test('ranges: 206, 416, of the end; several and others are ignored', async (t) => {
    const { url } = await open(t);
    for (const [range, from, end] of /** @type {[string, number, number][]} */ ([
        ['bytes=0-0', 0, 1],
        ['bytes=1000-1999', 1000, 2000],
        ['bytes=299000-', 299_000, SIZE],
        ['bytes=299000-999999', 299_000, SIZE],
        ['bytes=-5', SIZE - 5, SIZE],
    ])) {
        const { status, headers, body } = await load(url, { Range: range });
        assert.equal(status, 206, range);
        assert.deepEqual(body, part(from, end), range);
        assert.equal(headers.get('content-range'), `bytes ${from}-${end - 1}/${SIZE}`);
        assert.equal(headers.get('content-length'), `${end - from}`);
    }
    const { status, headers } = await load(url, { Range: `bytes=${SIZE}-` });
    assert.deepEqual([status, headers.get('content-range')], [416, `bytes */${SIZE}`]);
    for (const range of ['bytes=0-1,5-6', 'bytes=-', 'lines=1-2']) {
        assert.equal((await load(url, { Range: range })).status, 200, range);
    }
});

test('If-Range: the part of the same file, the whole of another', async (t) => {
    const { server, url } = await open(t);
    const etag = (await load(url)).headers.get('etag') ?? '';
    const asked = { Range: 'bytes=5-9', 'If-Range': etag };
    assert.equal((await load(url, asked)).status, 206);
    server.files.set('/model', NEWER);
    const { status, body } = await load(url, asked);
    assert.deepEqual([status, body], [200, NEWER]);
});

test('ranges: false ignores Range', async (t) => {
    const { url } = await open(t, { ranges: false });
    const { status, headers, body } = await load(url, { Range: 'bytes=5-9' });
    assert.deepEqual([status, body.length, headers.get('accept-ranges')], [200, SIZE, null]);
});

test('cut: the connection ends after as many bytes, in each framing', async (t) => {
    const { server, url } = await open(t);
    for (const framing of /** @type {const} */ (['length', 'chunked', 'close'])) {
        server.faults.set('/model', { cut: 100_001, framing });
        const { how, body, headers } = await receive(url);
        assert.equal(how, framing === 'close' ? 'ended' : 'broken off', framing);
        assert.deepEqual(new Uint8Array(body), part(0, 100_001));
        assert.equal(headers?.['content-length'], framing === 'length' ? `${SIZE}` : undefined);
        await assert.rejects(async () => {
            const { body } = await load(url);
            assert.equal(body.length, SIZE);
        });
    }
    server.faults.set('/model', { cut: 0 });
    assert.deepEqual(
        [(await receive(url)).how, (await receive(url)).body.length],
        ['broken off', 0],
    );
    server.faults.set('/model', { cut: SIZE });
    assert.equal((await receive(url)).how, 'ended');
});

test('a cut counts the bytes of its answer', async (t) => {
    const { url } = await open(t, { cut: 10 });
    await assert.rejects(load(url, { Range: 'bytes=1000-1999' }), /terminated|fetch failed/);
});

test('stall: nothing more comes, and the connection stays', async (t) => {
    const { server, url } = await open(t, { stall: 70_000 });
    const aborted = new AbortController();
    const response = await fetch(url, { signal: aborted.signal });
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    let n_bytes = 0;
    while (n_bytes < 70_000) n_bytes += (await reader.read()).value?.length ?? 0;
    assert.equal(n_bytes, 70_000);
    const silence = new Promise((resolve) => setTimeout(resolve, 200, 'silence'));
    assert.equal(await Promise.race([reader.read().catch(() => 'an end'), silence]), 'silence');
    aborted.abort();
    assert.deepEqual(server.counts('/model'), { whole: { n_requests: 1, n_bytes: 70_000 } });
});

test('silent: no answer, until the server goes', async (t) => {
    const { server, url } = await open(t, { silent: true });
    const answer = receive(url);
    const silence = new Promise((resolve) => setTimeout(resolve, 200, 'silence'));
    assert.equal(await Promise.race([answer, silence]), 'silence');
    await server.down();
    assert.equal((await answer).how, 'no answer');
});

test('rate and delay: the time that they say, not less', async (t) => {
    const { server, url } = await open(t, { rate: 600_000 });
    const took = async () => {
        const start = performance.now();
        assert.deepEqual((await load(url)).body, FILE);
        return performance.now() - start;
    };
    assert.ok((await took()) > 400);
    server.faults.set('/model', { delay: 300 });
    assert.ok((await took()) >= 299);
});

test('flip and truncate: the wrong bytes under the right tag', async (t) => {
    const { server, url } = await open(t);
    const etag = (await load(url)).headers.get('etag');
    server.faults.set('/model', { flip: 1234 });
    const flipped = await load(url);
    assert.equal(flipped.headers.get('etag'), etag);
    assert.deepEqual(
        [...flipped.body.keys()].filter((i) => flipped.body[i] !== FILE[i]),
        [1234],
    );
    server.faults.set('/model', { truncate: 4321 });
    const short = await load(url);
    assert.deepEqual(short.body, part(0, 4321));
    assert.equal(short.headers.get('etag'), etag);
    assert.equal(short.headers.get('content-length'), '4321');
});

test('false lengths: too long breaks off, too short ends early', async (t) => {
    const { server, url } = await open(t);
    server.faults.set('/model', { headers: { 'Content-Length': `${SIZE + 1}` } });
    assert.equal((await receive(url)).how, 'broken off');
    server.faults.set('/model', { headers: { 'Content-Length': '1000' } });
    const raw = await receiveRaw(url);
    const at = raw.indexOf('\r\n\r\n') + 4;
    assert.match(raw.toString('latin1', 0, at), /^content-length: 1000\r$/im);
    assert.deepEqual(new Uint8Array(raw.subarray(at)), FILE);
    server.faults.clear();
    assert.deepEqual((await load(url)).body, FILE);
});

test('headers are others, or left out; framing leaves out the length', async (t) => {
    const { server, url } = await open(t);
    server.faults.set('/model', {
        headers: { 'Content-Type': null, ETag: '"another"', 'X-A': 'b' },
    });
    const { headers } = await load(url);
    assert.equal(headers.get('content-type'), null);
    assert.equal(headers.get('etag'), '"another"');
    assert.equal(headers.get('x-a'), 'b');
    assert.equal((await load(url, { 'If-None-Match': '"another"' })).status, 200);
    server.faults.set('/model', { framing: 'chunked' });
    const chunked = await load(url);
    assert.equal(chunked.headers.get('transfer-encoding'), 'chunked');
    assert.equal(chunked.headers.get('content-length'), null);
    assert.deepEqual(chunked.body, FILE);
});

test('gzip: packed, without ranges, with a weak tag; not for who does not take it', async (t) => {
    const { url } = await open(t, { gzip: true });
    const packed = await load(url, { 'Accept-Encoding': 'gzip' });
    assert.equal(packed.headers.get('content-encoding'), 'gzip');
    assert.match(packed.headers.get('etag') ?? '', /^W\//);
    assert.notEqual(packed.headers.get('content-length'), `${SIZE}`);
    assert.deepEqual(packed.body, FILE);
    const plain = await load(url, { 'Accept-Encoding': 'identity', Range: 'bytes=0-9' });
    assert.deepEqual([plain.status, plain.body.length], [206, 10]);
});

test('a page, another status, another body in place of the file', async (t) => {
    const { server, url } = await open(t, A_PAGE);
    const page = await load(url);
    assert.equal(page.status, 200);
    assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
    assert.match(new TextDecoder().decode(page.body), /^<!doctype html>/);
    server.faults.set('/model', { status: 503 });
    assert.deepEqual([(await load(url)).status, (await load(url)).body.length], [503, 0]);
    server.faults.set('/model', { status: 500, body: 'broken' });
    const broken = await load(url);
    assert.deepEqual([broken.status, new TextDecoder().decode(broken.body)], [500, 'broken']);
});

test('change: the file is another once the answer has ended', async (t) => {
    const { url } = await open(t, [{ cut: 1000, change: NEWER }]);
    const { how, headers, body } = await receive(url);
    assert.deepEqual([how, body.length], ['broken off', 1000]);
    const rest = await load(url, { Range: 'bytes=1000-' });
    assert.notEqual(rest.headers.get('etag'), headers?.etag);
    assert.deepEqual(rest.body, NEWER.subarray(1000));
});

test('a list of faults is for as many requests in turn', async (t) => {
    const { url } = await open(t, [{ cut: 10 }, { status: 500 }]);
    assert.equal((await receive(url)).how, 'broken off');
    assert.equal((await load(url)).status, 500);
    assert.equal((await load(url)).status, 200);
});

test('redirect: an address of the other origin, until it expires', async (t) => {
    const { server, url } = await open(t, [
        { redirect: { uses: 1 }, cut: 1000 },
        { redirect: true },
    ]);
    const { status, headers } = await fetch(url, { redirect: 'manual' });
    const signed = headers.get('location') ?? '';
    assert.equal(status, 302);
    assert.ok(signed.startsWith(server.other), signed);
    assert.equal((await receive(signed)).how, 'broken off');
    assert.equal((await load(signed)).status, 403);
    assert.equal((await load(signed.replace(server.other, server.url))).status, 404);

    const { body } = await load(url, { Range: 'bytes=1000-' });
    assert.deepEqual(body, part(1000, SIZE));
    assert.deepEqual(server.counts('/model'), {
        whole: { n_requests: 2, n_bytes: 1000 },
        'bytes=1000-': { n_requests: 1, n_bytes: SIZE - 1000 },
    });
    assert.deepEqual(
        server.log.map(({ path, origin, status }) => [path, origin, status].join(' ')),
        [
            '/model own 302',
            '/model other 200',
            '/model other 403',
            `${new URL(signed).pathname} own 404`,
            '/model own 302',
            '/model other 206',
        ],
    );
});

test('the other origin is open to all, but lets neither If-Range in nor lengths out', async (t) => {
    const { server } = await open(t);
    const { status, headers } = await load(`${server.other}model`, {}, 'OPTIONS');
    assert.equal(status, 204);
    assert.equal(headers.get('access-control-allow-origin'), '*');
    const allowed = headers.get('access-control-allow-headers') ?? '';
    assert.match(allowed, /\brange\b/i);
    assert.doesNotMatch(allowed, /if-range/i);
    const exposed = (await load(`${server.other}model`)).headers;
    assert.equal(exposed.get('access-control-allow-origin'), '*');
    assert.match(exposed.get('access-control-expose-headers') ?? '', /\betag\b/i);
    assert.doesNotMatch(exposed.get('access-control-expose-headers') ?? '', /length|encoding/i);
    assert.equal(
        (await load(`${server.url}model`)).headers.get('access-control-allow-origin'),
        null,
    );
    assert.deepEqual(server.counts('/model'), { whole: { n_requests: 2, n_bytes: 2 * SIZE } });
});

test('isolated: the headers for it, on errors too, from the own origin alone', async (t) => {
    const server = await FaultyServer.open({ '/model': FILE }, { isolated: true });
    t.after(() => server.close());
    for (const path of ['model', 'nothing']) {
        const { headers } = await load(server.url + path);
        assert.equal(headers.get('cross-origin-opener-policy'), 'same-origin');
        assert.equal(headers.get('cross-origin-embedder-policy'), 'require-corp');
        const others = (await load(server.other + path)).headers;
        assert.equal(others.get('cross-origin-opener-policy'), null);
    }
});

test('down and up again, at the same addresses', async (t) => {
    const { server, url } = await open(t);
    const addresses = [server.url, server.other];
    await server.down();
    await assert.rejects(load(url), /fetch failed/);
    await server.up();
    assert.deepEqual([server.url, server.other], addresses);
    assert.deepEqual((await load(url)).body, FILE);
});
