/**
 * Loading in Chromium over a bad network, from the page's origin and from another, where a page
 * does not see most of what a server says: the model answers, or the error tells what was wrong.
 */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { CONFIG, modelBytes } from '../js/model_bytes.js';
import { launchChromium } from '../tools/chromium.js';
import { A_PAGE, FaultyServer } from '../tools/faulty_server.js';

/** @typedef {import('../tools/faulty_server.js').Fault} Fault */

const DIST = fileURLToPath(new URL('../../build/dist/', import.meta.url));
const CHUNK = 4096;
const MODEL = modelBytes({
    config: { ...CONFIG, encoder: { ...CONFIG.encoder, vocab_size: 6000 } },
    chunk_bytes: CHUNK,
});
const HALF = MODEL.length >> 1;

const N_HEADER = Buffer.from(MODEL.buffer, MODEL.byteOffset, 8).readUInt32LE();

/** Where so many chunks of the model end. */
const endOf = (/** @type {number} */ n_chunks) => 8 + N_HEADER + n_chunks * CHUNK;
const PAGE = '<!doctype html><title>Loading</title>';

/** @type {import('playwright-core').Browser} */
let browser;
/** @type {import('playwright-core').Page} */
let page;
/** @type {FaultyServer} */
let server;

before(async () => {
    server = await FaultyServer.open({
        '/': DIST,
        '/index.html': new Uint8Array(Buffer.from(PAGE)),
        '/model': MODEL,
    });
    browser = await launchChromium();
    page = await browser.newPage();
    await page.goto(`${server.url}index.html`);
});

after(async () => {
    await browser?.close();
    await server?.close();
});

let n_loads = 0;

/** Its browser's cache has nothing of it: what was left of one load would be used by the next. */
const fresh = (/** @type {string} */ url) => `${url}?${n_loads++}`;

/**
 * What becomes of loadModel() in the page, which aborts after so many milliseconds.
 * @param {string | string[]} source
 * @param {object} [options]
 * @param {number} [abort_after]
 * @returns {Promise<{logits?: number[], progress?: any, code?: string, message?: string}>}
 */
function load(source, options = {}, abort_after) {
    return page.evaluate(
        async ([from, more, ms]) => {
            const seen = /** @type {any[]} */ ([]);
            Reflect.set(globalThis, 'seen', seen); // at once: what is asked next is of this load
            const library = './index.js';
            const { loadModel } = await import(new URL(library, document.baseURI).href);
            const controller = new AbortController();
            if (ms !== undefined) setTimeout(() => controller.abort(new Error('enough')), ms);
            try {
                const model = await loadModel(from, {
                    cache: false,
                    retry_delay: 1,
                    signal: controller.signal,
                    onprogress: (/** @type {any} */ progress) => seen.push(progress),
                    ...more,
                });
                const { logits } = await model.forward({ input_ids: [2, 5, 6, 8, 3] });
                model.dispose();
                return { logits: [...logits.data], progress: seen.at(-1) };
            } catch ({ code, message }) {
                return { code, message };
            }
        },
        /** @type {const} */ ([
            Array.isArray(source) ? source.map(fresh) : fresh(source),
            options,
            abort_after,
        ]),
    );
}

test('what is healed, from the own origin and from another', async () => {
    const { logits } = await load(`${server.url}model`);
    assert.equal(logits?.length, 3);
    for (const origin of [server.url, server.other]) {
        for (const faults of /** @type {Fault[][]} */ ([
            [],
            [{ cut: HALF }],
            [{ cut: 1000 }, { cut: HALF }, { cut: 5000, framing: 'chunked' }],
            [{ framing: 'close', cut: HALF }],
            [{ stall: HALF }],
            [{ silent: true }],
            [{ status: 503 }, { cut: HALF }, { status: 503 }],
            [{ flip: HALF }],
            [{ gzip: true }],
            [{ gzip: true, cut: HALF >> 1 }, { gzip: true }],
            [{ cut: HALF, ranges: false }, { ranges: false }],
            [{ headers: { 'Content-Length': `${MODEL.length - 1000}` } }],
            [{ headers: { 'Content-Length': `${MODEL.length + 1000}` } }],
            [{ redirect: true, cut: HALF }, { redirect: { uses: 0 } }, { redirect: true }],
        ])) {
            server.faults.set('/model', [...faults]);
            const what = `${origin} ${JSON.stringify(faults)}`;
            const loaded = await load(`${origin}model`, { idle_timeout: 500 });
            assert.deepEqual(loaded.logits, logits, `${what}: ${loaded.message}`);
            const { loaded: n_bytes, total, rate } = loaded.progress;
            assert.deepEqual([n_bytes, total], [MODEL.length, MODEL.length], what);
            assert.ok(rate > 0, what);
        }
    }
});

test('cut from another origin: no byte comes twice, no request is asked for before', async () => {
    server.log.length = 0;
    // Cut once all that was sent is here: Chromium drops what nobody has read by then.
    const [first, second] = [endOf(50), endOf(52)];
    server.faults.set('/model', [{ stall: first }, { stall: second - first }]);
    const loading = load(`${server.other}model`);
    for (const end of [first, second]) {
        await page.waitForFunction((n) => Reflect.get(globalThis, 'seen').at(-1)?.loaded >= n, end);
        server.hangUp('/model');
    }
    assert.ok((await loading).logits);
    // Before the rest Chromium's cache may ask for one byte.
    const counts = server.counts('/model');
    const ranges = JSON.stringify(counts);
    const n_bytes = Object.values(counts).reduce((sum, each) => sum + each.n_bytes, 0);
    assert.ok(n_bytes >= MODEL.length && n_bytes <= MODEL.length + 2, ranges);
    assert.deepEqual(counts.whole, { n_requests: 1, n_bytes: first }, ranges);
    assert.ok(server.log.every(({ method }) => method === 'GET'));
});

test('what cannot be healed says what it is', async () => {
    const refused = async (/** @type {string} */ url, /** @type {string} */ code, message) => {
        const failure = await load(url);
        assert.equal(failure.code, code, failure.message);
        assert.match(String(failure.message), message);
    };
    for (const origin of [server.url, server.other]) {
        server.faults.set('/model', A_PAGE);
        await refused(`${origin}model`, 'FETCH_FAILED', /sent a page \(HTTP status 200, .*html/);
        server.faults.set('/model', { flip: HALF });
        await refused(`${origin}model`, 'BAD_MODEL_FILE', /is damaged, twice in a row/);
        server.faults.delete('/model');
        await refused(`${origin}none`, 'FETCH_FAILED', /none.*: HTTP status 404/);
    }
    server.faults.set('/model', { headers: { 'Access-Control-Allow-Origin': null } });
    await refused('http://127.0.0.1:1/model', 'FETCH_FAILED', /Access-Control-Allow-Origin/);
});

test('an abort closes the connection', async () => {
    server.log.length = 0;
    server.faults.set('/model', { stall: HALF });
    const { message } = await load(`${server.url}model`, {}, 500);
    assert.equal(message, 'enough');
    while (!server.log.every(({ is_over }) => is_over)) {
        await new Promise((resolve) => setImmediate(resolve));
    }
});
