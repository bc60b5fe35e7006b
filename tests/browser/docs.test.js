/**
 * The script tags of the documents, as they stand: each block of HTML in README.md and
 * docs/bundlers-and-headers.md is a page beside a copy of the package, from a plain static server,
 * with and without the two headers for threads.
 */

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';
import sirv from 'sirv';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const HEADERS = {
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
};

/** @type {{where: string, html: string}[]} */
const blocks = ['README.md', 'docs/bundlers-and-headers.md'].flatMap((file) =>
    [...readFileSync(join(ROOT, file), 'utf8').matchAll(/^```html\n([\s\S]*?)^```$/gm)].map(
        ([, html], i) => ({ where: `${file}, ${i + 1}`, html }),
    ),
);

/** What a page says of itself, by the model's info(). */
const INFO = `<script type="module">
    import { loadModel } from './bert-wasm/index.js';

    const model = await loadModel();
    const { threads, threads_reason } = await model.info();
    document.body.append(JSON.stringify({ threads, threads_reason }));
</script>
`;

/** @type {import('playwright-core').Browser} */
let browser;
/** @type {string} */
let folder;

before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bert-wasm-docs-'));
    cpSync(join(ROOT, 'build/dist'), join(folder, 'bert-wasm'), { recursive: true });
    const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'];
    browser = await chromium.launch({ executablePath: CHROMIUM, args });
});

after(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
});

/**
 * What the page with this HTML has in its body once `pattern` is there.
 * @param {string} html
 * @param {Record<string, string>} headers
 * @param {RegExp} pattern
 */
async function visit(html, headers, pattern) {
    writeFileSync(join(folder, 'index.html'), `<!doctype html>\n<meta charset="utf-8">\n${html}`);
    const files = sirv(folder, { dev: true });
    const server = createServer((request, response) => {
        for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
        files(request, response);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
    const page = await browser.newPage();
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    try {
        await page.goto(`http://127.0.0.1:${port}/`);
        const body = page.locator('body', { hasText: pattern });
        await body.waitFor({ timeout: 60_000 });
        return await body.innerText();
    } finally {
        await page.close();
        server.closeAllConnections();
        server.close();
    }
}

test('there are script tags', () => {
    assert.ok(blocks.length >= 2, `${blocks.length}`);
});

for (const { where, html } of blocks) {
    for (const [name, headers] of /** @type {const} */ ([
        ['without headers', {}],
        ['with both headers', HEADERS],
    ])) {
        test(`${where}, ${name}`, async () => {
            assert.match(await visit(html, headers, /POSITIVE/), /"label":"POSITIVE","score":0\.9/);
        });
    }
}

test('without the headers there is one thread, and info() says why', async () => {
    const { threads, threads_reason } = JSON.parse(await visit(INFO, {}, /threads_reason/));
    assert.equal(threads, 1);
    const reason = cpus().length > 1 ? /the page is not cross-origin isolated/ : /one core/;
    assert.match(threads_reason, reason);
    const page = readFileSync(join(ROOT, 'docs/bundlers-and-headers.md'), 'utf8');
    if (cpus().length > 1) assert.ok(page.includes(`// 1, '${threads_reason}'`), threads_reason);
});

test('with them there are as many as cores, at most 4', async () => {
    const { threads } = JSON.parse(await visit(INFO, HEADERS, /threads_reason/));
    assert.equal(threads, Math.min(4, cpus().length));
});
