/** The server of the page: its headers, its types, and what it says when it cannot start. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { serve } from '../../web-demo/serve.js';

const SCRIPT = fileURLToPath(new URL('../../web-demo/serve.js', import.meta.url));
const site = mkdtempSync(join(tmpdir(), 'bert-wasm-serve-'));
writeFileSync(join(site, 'index.html'), '<!doctype html><title>x</title>');
writeFileSync(join(site, 'a.js'), 'export {};');
writeFileSync(join(site, 'a.wasm'), '');
writeFileSync(join(site, 'a.safetensors'), '0123456789');
mkdirSync(join(site, 'empty'));
after(() => rmSync(site, { recursive: true }));

test('types, isolation and policy, on errors too', async (t) => {
    const { url, close } = await serve(site, 0);
    t.after(close);
    const types = {
        '': 'text/html;charset=utf-8',
        'a.js': 'text/javascript',
        'a.wasm': 'application/wasm',
        'a.safetensors': 'application/octet-stream',
    };
    for (const [path, type] of Object.entries(types)) {
        const { status, headers } = await fetch(url + path);
        assert.deepEqual([status, headers.get('content-type')], [200, type], path);
    }
    for (const path of ['', 'a.js', 'nothing.js']) {
        const { headers } = await fetch(url + path);
        assert.equal(headers.get('cross-origin-opener-policy'), 'same-origin');
        assert.equal(headers.get('cross-origin-embedder-policy'), 'require-corp');
        assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin');
        const policy = headers.get('content-security-policy') ?? '';
        assert.match(policy, /default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker/);
    }
    assert.equal((await fetch(`${url}nothing.js`)).status, 404);
});

test('a changed file is seen at once, an unchanged one is not sent again', async (t) => {
    const { url, close } = await serve(site, 0);
    t.after(close);
    const first = await fetch(`${url}a.safetensors`);
    assert.equal(first.headers.get('cache-control'), 'no-cache');
    const headers = { 'if-none-match': first.headers.get('etag') ?? '' };
    assert.equal((await fetch(`${url}a.safetensors`, { headers })).status, 304);
    writeFileSync(join(site, 'a.safetensors'), 'another');
    assert.equal(await (await fetch(`${url}a.safetensors`, { headers })).text(), 'another');
});

test('what is wrong is said', async (t) => {
    await assert.rejects(serve(join(site, 'empty'), 0), /has no index\.html.*make site/);
    const { url, close } = await serve(site, 0);
    t.after(close);
    const { port } = new URL(url);
    await assert.rejects(serve(site, Number(port)), new RegExp(`port ${port} is taken`));

    const run = (/** @type {string[]} */ ...args) => {
        const { status, stderr } = spawnSync('node', [SCRIPT, ...args], { encoding: 'utf8' });
        assert.match(stderr, /^.+\n$/, 'one line');
        return status;
    };
    assert.equal(run(site, port), 1);
    assert.equal(run(join(site, 'empty'), '0'), 1);
    assert.equal(run(), 2);
    assert.equal(run(site, '99999'), 2);
});
