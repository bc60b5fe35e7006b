/**
 * A download against what networks and servers do to it, on a real server: what arrives, what was
 * asked for, and what is said when nothing helps. No waiting: tries follow after a millisecond.
 */

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';

import { openURL } from '../../js/loader/download.js';
import { openMirrors } from '../../js/loader/mirrors.js';
import { A_PAGE, FaultyServer } from '../tools/faulty_server.js';

/** @typedef {import('../tools/faulty_server.js').Fault} Fault */
/** @typedef {import('../../js/loader/download.js').Source} Source */

const SIZE = 300_000;
const FILE = Uint8Array.from({ length: SIZE }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
const NEWER = FILE.map((byte) => byte ^ 0x55);
const HALF = SIZE / 2;

/**
 * A server of one file, with this fault, and a source of it.
 * @param {import('node:test').TestContext} t
 * @param {Fault | Fault[]} fault
 * @param {import('../../js/loader/download.js').DownloadOptions} [options]
 */
async function open(t, fault, options) {
    const server = await FaultyServer.open({ '/model': FILE });
    t.after(() => server.close());
    server.faults.set('/model', fault);
    const url = `${server.url}model`;
    return { server, url, source: openURL(new URL(url), { retry_delay: 1, ...options }) };
}

/**
 * @param {Source} source
 * @param {number} [from]
 * @param {number} [expected]  told once the first bytes are there, as by a header
 */
async function readAll(source, from = 0, expected) {
    const parts = [];
    for await (const chunk of source.read(from)) {
        if (expected !== undefined) source.expect?.(expected);
        parts.push(chunk.slice());
        source.recycle?.(chunk);
    }
    return new Uint8Array(Buffer.concat(parts));
}

/** @param {FaultyServer} server */
const asked = (server) => server.log.map(({ range }) => range);

/** @param {FaultyServer} server */
const sent = (server) => server.log.reduce((sum, { n_bytes }) => sum + n_bytes, 0);

const fetchFailed = (/** @type {RegExp} */ message) => (/** @type {any} */ error) => {
    assert.equal(error.code, 'FETCH_FAILED', error.stack);
    assert.match(error.message, message);
    return true;
};

test('cut at ten random points, it arrives whole, and no byte is sent twice', async (t) => {
    const seed = process.env.SEED ?? `${randomInt(2 ** 31)}`;
    console.log(`SEED=${seed}`);
    let state = Number(seed);
    const random = () => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        return state / 2 ** 32;
    };
    for (const framing of /** @type {const} */ (['length', 'chunked', 'close'])) {
        const faults = Array.from({ length: 10 }, () => {
            return { cut: 1 + Math.floor((random() * SIZE) / 11), framing };
        });
        const { server, source } = await open(t, [...faults]);
        assert.deepEqual(await readAll(source, 0, SIZE), FILE, framing);
        let at = 0;
        const expected = faults.map(({ cut }) => {
            const range = at ? `bytes=${at}-` : 'whole';
            at += cut;
            return range;
        });
        assert.deepEqual(asked(server), [...expected, `bytes=${at}-`], framing);
        assert.equal(sent(server), SIZE, framing);
    }
});

test('silence, before an answer and in its midst, is not waited for', async (t) => {
    for (const faults of [[{ silent: true }], [{ stall: HALF }], [{ stall: 0 }, { stall: HALF }]]) {
        const { server, source } = await open(t, [...faults], { idle_timeout: 100 });
        assert.deepEqual(await readAll(source), FILE);
        assert.equal(server.log.length, faults.length + 1);
    }
    const { source } = await open(t, { silent: true }, { idle_timeout: 20 });
    await assert.rejects(readAll(source), fetchFailed(/model: nothing came for 0\.02 s \(tried 3/));
    const stalled = await open(t, { stall: 1000, ranges: false }, { idle_timeout: 20 });
    await assert.rejects(readAll(stalled.source), fetchFailed(/nothing came .*\(tried 6 times/));
});

test('answers that may be others later are asked for again, the rest is not', async (t) => {
    for (const status of [408, 425, 429, 500, 502, 503, 504]) {
        const { server, source } = await open(t, [{ status }, { status }]);
        assert.deepEqual(await readAll(source), FILE, `${status}`);
        assert.equal(server.log.length, 3);
        const later = await open(t, [{ cut: HALF }, { status }, { status }, { status }]);
        assert.deepEqual(await readAll(later.source), FILE, `${status}`);
        assert.deepEqual(asked(later.server), ['whole', ...Array(4).fill(`bytes=${HALF}-`)]);
    }
    for (const status of [400, 401, 403, 404, 410, 418]) {
        const { server, source } = await open(t, { status });
        await assert.rejects(readAll(source), fetchFailed(new RegExp(`HTTP status ${status}`)));
        assert.equal(server.log.length, 1, `${status}`);
    }
    const { server, source } = await open(t, { status: 503 });
    await assert.rejects(
        readAll(source),
        fetchFailed(
            /model: HTTP status 503, content type [^ ]+: .* try again later \(tried 3 times/,
        ),
    );
    assert.equal(server.log.length, 3);
});

test('what Retry-After says is kept', async (t) => {
    const { server, source } = await open(t, [
        { status: 429, headers: { 'Retry-After': '1' } },
        { status: 503, headers: { 'Retry-After': 'Thu, 01 Jan 1970 00:00:00 GMT' } },
    ]);
    const begun = performance.now();
    assert.deepEqual(await readAll(source), FILE);
    assert.ok(performance.now() - begun > 900, 'it did not wait for a second');
    assert.equal(server.log.length, 3);
});

test('a server that is gone for a while, and one that stays away', async (t) => {
    const { server, source } = await open(t, [{ cut: HALF }]);
    const chunks = source.read(0)[Symbol.asyncIterator]();
    let n = 0;
    while (n < HALF) n += (await chunks.next()).value.length;
    await server.down();
    const rest = chunks.next();
    await server.up();
    for (let step = await rest; !step.done; step = await chunks.next()) n += step.value.length;
    assert.equal(n, SIZE);
    await server.down();
    await assert.rejects(
        readAll(source),
        fetchFailed(/model: no answer \(fetch failed: .*ECONNREFUSED.*\) \(tried 6 times\)/),
    );
});

test('the next try does not wait once the network is back', async (t) => {
    const page = new EventTarget();
    for (const name of /** @type {const} */ (['addEventListener', 'removeEventListener'])) {
        assert.equal(globalThis[name], undefined);
        globalThis[name] = page[name].bind(page);
        t.after(() => Reflect.deleteProperty(globalThis, name));
    }
    const { server, source } = await open(t, [{ cut: HALF }, { status: 503 }, { status: 503 }], {
        retry_delay: 1e6,
    });
    const reading = readAll(source);
    for (const n_requests of [2, 3]) {
        await until(() => server.log.length === n_requests);
        await closed(server);
        // The pause begins some turns after the answer.
        while (server.log.length === n_requests) {
            page.dispatchEvent(new Event('online'));
            await new Promise((resolve) => setImmediate(resolve));
        }
    }
    assert.deepEqual(await reading, FILE);
});

test('Range that is ignored: what is there is skipped', async (t) => {
    const { server, source } = await open(t, [{ cut: HALF }, { ranges: false }]);
    assert.deepEqual(await readAll(source), FILE);
    assert.deepEqual(asked(server), ['whole', `bytes=${HALF}-`]);
    assert.deepEqual(await readAll(source, 299_990), FILE.subarray(299_990));
    const { source: far } = await open(t, { ranges: false });
    assert.deepEqual(await readAll(far, HALF), FILE.subarray(HALF));
});

test('a part that begins elsewhere than it should is not taken for the right one', async (t) => {
    const shifted = (/** @type {number} */ from) => ({
        status: 206,
        ranges: false, // it is made here
        body: FILE.subarray(from),
        headers: { 'Content-Range': `bytes ${from}-${SIZE - 1}/${SIZE}`, ETag: null },
    });
    for (const from of [HALF - 1000, HALF + 1000]) {
        const { server, source } = await open(t, [{ cut: HALF }, shifted(from)]);
        assert.deepEqual(await readAll(source), FILE);
        assert.deepEqual(
            asked(server),
            from < HALF ? ['whole', `bytes=${HALF}-`] : ['whole', `bytes=${HALF}-`, 'whole'],
        );
    }
});

test('packed on the way: its length is not believed, its parts are not', async (t) => {
    const { source } = await open(t, { gzip: true });
    assert.deepEqual(await readAll(source, 0, SIZE), FILE);
    assert.equal(source.n_bytes, undefined);
    const cut = await open(t, [{ gzip: true, cut: 1000 }, {}]);
    assert.deepEqual(await readAll(cut.source, 0, SIZE), FILE);
    // A part of the packed bytes, told and not told.
    for (const encoding of ['gzip', null]) {
        const part = {
            status: 206,
            ranges: false,
            body: new Uint8Array(1000).fill(7),
            headers: { 'Content-Encoding': 'gzip', 'Content-Range': null, ETag: null },
        };
        const parts = encoding ? [part] : [part, part];
        const { server, source: packed } = await open(t, [{ cut: HALF }, ...parts]);
        assert.deepEqual(await readAll(packed), FILE);
        assert.equal(asked(server).at(-1), 'whole');
    }
});

test('lengths that are false', async (t) => {
    const said = (/** @type {number} */ n) => ({ headers: { 'Content-Length': `${n}` } });
    const shorter = await open(t, [said(HALF), {}]);
    assert.deepEqual(await readAll(shorter.source, 0, SIZE), FILE);
    assert.deepEqual(asked(shorter.server), ['whole', `bytes=${HALF}-`]);
    const longer = await open(t, said(SIZE + 1000));
    assert.deepEqual(await readAll(longer.source, 0, SIZE), FILE);
    assert.equal(longer.server.log.length, 1);
    assert.deepEqual(await readAll(longer.source), FILE, 'and without a header');
});

test('a file that ends too early ends', async (t) => {
    for (const ranges of [true, false]) {
        const { server, source } = await open(t, { truncate: HALF, ranges });
        assert.deepEqual(await readAll(source, 0, SIZE), FILE.subarray(0, HALF));
        assert.ok(server.log.length <= 3, `${server.log.length} requests`);
    }
});

test('a file that changes is told, and is what it is now for who begins anew', async (t) => {
    const changes = [
        {},
        { headers: { ETag: null, 'Last-Modified': 'Thu, 01 Jan 1970 00:00:00 GMT' } },
    ];
    for (const first of changes) {
        const then = first.headers ? { headers: { ETag: null, 'Last-Modified': 'now' } } : {};
        const { source } = await open(t, [{ cut: HALF, change: NEWER, ...first }, then]);
        await assert.rejects(readAll(source), (/** @type {any} */ error) => {
            assert.equal(error.code, 'FILE_CHANGED');
            assert.match(
                error.message,
                /model: it is another file .*(ETag|Last-Modified) was .* now/,
            );
            return true;
        });
        assert.deepEqual(await readAll(source), NEWER);
    }
    // Without anything else its length tells; a weak tag is the strong one's.
    const none = { headers: { ETag: null } };
    const { source } = await open(t, [{ cut: HALF, change: FILE.subarray(1), ...none }, none]);
    await assert.rejects(readAll(source), { code: 'FILE_CHANGED', message: /length was 300000/ });
    const weak = await open(t, [
        { cut: HALF, headers: { ETag: 'W/"a"' } },
        { cut: 10, headers: { ETag: '"a"' } },
        { headers: { ETag: '"a-gzip"' } },
    ]);
    assert.deepEqual(await readAll(weak.source), FILE);
});

test('an address that expires is asked for at the first one again', async (t) => {
    const { server, source } = await open(t, [
        { redirect: { uses: 1 }, cut: 1000 },
        { redirect: { uses: 0 } },
        { redirect: true, cut: 1000 },
        { redirect: true },
    ]);
    assert.deepEqual(await readAll(source), FILE);
    assert.deepEqual(
        server.log.filter(({ status }) => status === 302).length,
        4,
        'every try began at the first address',
    );
    assert.equal(sent(server), SIZE);
    const first = await open(t, [{ redirect: { uses: 0 } }]);
    assert.deepEqual(await readAll(first.source), FILE);
    const never = await open(t, { redirect: { uses: 0 } });
    await assert.rejects(
        readAll(never.source),
        fetchFailed(/model: HTTP status 403, content type none, from http.*\/signed\/.*tried 3/),
    );
});

test('what is said in place of a file is told', async (t) => {
    const type = (/** @type {string} */ name) => ({ headers: { 'Content-Type': name } });
    for (const [fault, message] of /** @type {[Fault, RegExp][]} */ ([
        [A_PAGE, /sent a page \(HTTP status 200, content type text\/html; charset=utf-8\), not/],
        [
            { ...A_PAGE, ...type('application/octet-stream') },
            /sent a page \(HTTP status 200, content type application\/octet-stream\), not the file/,
        ],
        [{ ...A_PAGE, status: 404 }, /HTTP status 404, content type text\/html.*address right/],
        [
            { body: '{"error": "Repository not found"}', status: 401, ...type('application/json') },
            /HTTP status 401, content type application\/json: "Repository not found": may everyone/,
        ],
        [
            { body: '{"error": {"message": "no such model"}}', ...type('application/json') },
            /sent a message \(HTTP status 200, content type application\/json\).*"no such model"/,
        ],
        [
            { body: 'Not here.\n', status: 404, ...type('text/plain') },
            /HTTP status 404, content type text\/plain: "Not here\."/,
        ],
    ])) {
        const { server, source, url } = await open(t, fault);
        await assert.rejects(readAll(source), fetchFailed(message));
        await assert.rejects(readAll(source), fetchFailed(new RegExp(url)));
        assert.equal(server.log.length, 2, 'there was another try');
    }
    // Once the file has begun, such an answer may pass: that of a network that wants a login.
    const login = { ...A_PAGE, ranges: false };
    const { source } = await open(t, [{ cut: HALF }, login, { ...login, status: 404 }]);
    assert.deepEqual(await readAll(source), FILE);
});

/**
 * Until this is so.
 * @param {() => boolean} condition
 */
async function until(condition) {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** No request is under way. @param {FaultyServer} server */
const closed = (server) => until(() => server.log.every(({ is_over }) => is_over));

test('an abort ends it at once, wherever it is, and the connection', async (t) => {
    const reason = new Error('not wanted');
    /** @type {[string, Fault | Fault[], number][]}  with the bytes that come before */
    const cases = [
        ['before an answer', { silent: true }, 0],
        ['in the midst', { stall: HALF }, HALF],
        ['in the midst, while bytes come', { rate: 100_000 }, 1000],
        ['between two tries', [{ cut: HALF }, { status: 503 }], HALF],
    ];
    for (const [name, fault, n_before] of cases) {
        const controller = new AbortController();
        const { server, source } = await open(t, fault, {
            signal: controller.signal,
            retry_delay: 1e6,
        });
        const chunks = source.read(0)[Symbol.asyncIterator]();
        let n = 0;
        while (n < n_before) n += (await chunks.next()).value.length;
        const rest = (async () => {
            while (!(await chunks.next()).done);
        })();
        const n_requests = Array.isArray(fault) ? fault.length : 1;
        await until(() => server.log.length === n_requests);
        if (n_requests > 1) await closed(server);
        controller.abort(reason);
        await assert.rejects(rest, (error) => error === reason, name);
        await closed(server);
    }
    const signal = AbortSignal.abort(reason);
    const { server, source } = await open(t, {}, { signal });
    await assert.rejects(readAll(source), (error) => error === reason);
    assert.equal(server.log.length, 0);
});

test('who stops to read ends the connection; a new reading ends the one before', async (t) => {
    const { server, source } = await open(t, { stall: HALF });
    for await (const _ of source.read(0)) break;
    await closed(server);
    const first = source.read(0)[Symbol.asyncIterator]();
    let n = 0;
    while (n < HALF) n += (await first.next()).value.length;
    const waiting = first.next();
    server.faults.delete('/model');
    const second = readAll(source, HALF);
    await assert.rejects(waiting, { name: 'AbortError' });
    assert.deepEqual(await second, FILE.subarray(HALF));
});

test('several places, in order: the next goes on where one stops', async (t) => {
    const server = await FaultyServer.open({ '/a': FILE, '/b': FILE, '/c': FILE });
    t.after(() => server.close());
    const places = (
        /** @type {Fault} */ a,
        /** @type {Fault} */ b,
        /** @type {Fault} */ c = {},
    ) => {
        server.log.length = 0;
        for (const [path, fault] of Object.entries({ a, b, c }))
            server.faults.set(`/${path}`, fault);
        const urls = ['a', 'b', 'c'].map((path) => new URL(path, server.url));
        return openMirrors(urls.map((url) => openURL(url, { retry_delay: 1 })));
    };
    const first = () => server.log.map(({ path, range }) => `${path} ${range}`);
    assert.deepEqual(await readAll(places({}, {})), FILE);
    assert.deepEqual(first(), ['/a whole']);
    assert.deepEqual(await readAll(places({ status: 404 }, { status: 404 })), FILE);
    assert.deepEqual(first(), ['/a whole', '/b whole', '/c whole']);
    const cut = places({ cut: HALF, ranges: false }, { status: 404 });
    assert.deepEqual(await readAll(cut, 0, SIZE), FILE);
    assert.deepEqual(first().slice(-2), [`/b bytes=${HALF}-`, `/c bytes=${HALF}-`]);
    assert.equal(cut.label, `${server.url}c`);
    const short = places({ truncate: HALF }, {});
    assert.deepEqual(await readAll(short, 0, SIZE), FILE);
    assert.equal(first().at(-1), `/b bytes=${HALF}-`);
    // Who begins anew gets the next place.
    const anew = places({}, { status: 500 });
    for (const place of ['/a', '/c', '/a']) {
        assert.deepEqual(await readAll(anew), FILE);
        assert.equal(first().at(-1), `${place} whole`);
    }
    const none = places({ status: 404 }, A_PAGE, { status: 403 });
    await assert.rejects(readAll(none), fetchFailed(/a: .*404.*; .*b: .*a page.*; .*c: .*403/));
    const other = places({ cut: HALF, ranges: false }, { body: FILE.subarray(9) });
    await assert.rejects(readAll(other, 0, SIZE), { code: 'FILE_CHANGED' });
});
