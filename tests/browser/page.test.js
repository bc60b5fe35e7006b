/**
 * The page as people meet it: build/site from a real server, with its headers, in Chromium.
 *
 * Every test also checks what must never happen: an error in the console, a violation of the
 * content security policy, a request to another origin. Conditions are waited for, never time.
 */

import assert from 'node:assert/strict';
import {
    cpSync,
    existsSync,
    mkdtempSync,
    readFileSync,
    rmSync,
    truncateSync,
    writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

import { serve } from '../../web-demo/serve.js';
import { FaultyServer } from '../tools/faulty_server.js';

const BUILD = fileURLToPath(new URL('../../build/', import.meta.url));
const SITE = join(BUILD, 'site');
const MODEL = 'bert-wasm/models/sentiment-minilm-l6-q8.safetensors';
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

const GOOD = 'What a wonderful film, I laughed all the way through.';
const BAD = 'The plot is thin and the jokes fall flat.';
const TIMEOUT = { timeout: 120_000 };

/** @typedef {import('playwright-core').Page} Page */

/** @type {import('playwright-core').Browser} */
let browser;
/** @type {Awaited<ReturnType<typeof serve>>} */
let server;

before(async () => {
    assert.ok(
        existsSync(CHROMIUM),
        `there is no Chromium at ${CHROMIUM}: install it ` +
            '(Debian: apt-get install chromium) or set CHROMIUM to where it is',
    );
    const model = join(SITE, MODEL);
    assert.ok(existsSync(model), `${model} is missing: build the page first (make site)`);
    server = await serve(SITE, 0);
    browser = await chromium.launch({
        executablePath: CHROMIUM,
        args: [
            '--headless',
            '--no-sandbox',
            '--disable-gpu',
            '--disable-quic',
            '--no-first-run',
            '--disable-background-networking',
            '--disable-component-update',
            '--disable-sync',
            // Another host would be a failed request, and so an error in the console.
            '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
        ],
    });
});

after(async () => {
    await browser?.close();
    await server?.close();
});

/**
 * A page in a browser profile of its own, at `url`.
 * @param {import('node:test').TestContext} t
 * @param {import('playwright-core').BrowserContextOptions} [options]
 * @param {object} [more]
 * @param {string} [more.url]
 * @param {RegExp} [more.expected]  console errors that belong to the test
 */
async function open(t, options, { url = server.url, expected } = {}) {
    const context = await browser.newContext(options);
    /** @type {string[]} */
    const problems = [];
    context.on('console', (message) => {
        const text = message.text();
        if (message.type() === 'error' && !expected?.test(text)) problems.push(text);
    });
    context.on('weberror', (error) => problems.push(String(error.error())));
    context.on('request', (request) => {
        if (!request.url().startsWith(url)) problems.push(`request to ${request.url()}`);
    });
    await context.exposeFunction('report', (/** @type {string} */ what) => problems.push(what));
    await context.addInitScript(() => {
        document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
            Reflect.get(globalThis, 'report')(`${violatedDirective} forbids ${blockedURI}`),
        );
    });
    t.after(async () => {
        await context.close();
        assert.deepEqual(problems, []);
    });
    const page = await context.newPage();
    return { context, page };
}

/** The answer that is shown. @param {Page} page */
async function answer(page) {
    await page.waitForSelector('#result[data-state="answered"]');
    return {
        label: await page.locator('#verdict').innerText(),
        percent: parseFloat(await page.locator('#probability').innerText()),
    };
}

/** The scores of Positive and Negative, in percent. @param {Page} page */
async function meters(page) {
    return page
        .getByRole('meter')
        .evaluateAll((meters) =>
            meters.map((meter) => /** @type {HTMLMeterElement} */ (meter).value),
        );
}

/** Until the service worker has saved all there is. @param {Page} page */
async function saved(page) {
    await page.locator('#fact-offline', { hasText: /^ready/ }).waitFor();
}

/** @param {Page} page @param {string} text */
async function classify(page, text) {
    await page.fill('#text', text);
    return answer(page);
}

/** @param {Page} page */
async function assertWorks(page) {
    const good = await classify(page, GOOD);
    assert.equal(good.label, 'Positive');
    assert.ok(good.percent > 80 && good.percent <= 100, `${good.percent}`);
    const bad = await classify(page, BAD);
    assert.equal(bad.label, 'Negative');
    assert.ok(bad.percent > 80 && bad.percent <= 100, `${bad.percent}`);
}

test('the model loads, and what is typed gets its label and scores', TIMEOUT, async (t) => {
    const { page } = await open(t);
    await page.goto(server.url);
    assert.equal((await answer(page)).label, 'Positive', 'the sample sentence');
    await assertWorks(page);

    await page.fill('#text', '');
    await page.locator('#text').pressSequentially(GOOD, { delay: 5 });
    assert.equal((await answer(page)).label, 'Positive');

    await page.getByRole('meter', { name: 'Positive' }).waitFor();
    const [positive, negative] = await meters(page);
    assert.ok(positive > 80, `${positive}`);
    assert.ok(Math.abs(positive + negative - 100) < 0.01, `${positive} and ${negative}`);
    assert.match(await page.locator('#remark').innerText(), /^Read in \d+ ms\.$/);
    assert.equal(await page.locator('#fact-model').innerText(), 'sentiment-minilm-l6');
    assert.match(await page.locator('#fact-dtype').innerText(), /^q8\b/);
    assert.match(await page.locator('#fact-engine').innerText(), /^(relaxed|base), .+ \(.+\)$/);
    assert.match(await page.locator('#fact-memory').innerText(), /^\d+\.\d MB$/);
    const announced = page.getByRole('status').filter({ hasText: /^Positive, \d/ });
    await announced.waitFor({ state: 'attached' });
});

test('a page searches embeddings under its content security policy', TIMEOUT, async (t) => {
    const { page } = await open(t);
    await page.goto(server.url);
    await answer(page);
    const found = await page.evaluate(async () => {
        const url = new URL('bert-wasm/index.js', document.baseURI).href;
        const { semanticSearch, similarity } = await import(url);
        const data = Float32Array.of(1, 0, 0, 1, 3, 4);
        const query = { dims: [2], data: Float32Array.of(0, 1) };
        return [
            await semanticSearch(query, { dims: [3, 2], data }, { top_k: 2 }),
            [...(await similarity(query, { dims: [3, 2], data }, { score: 'dot' })).data],
        ];
    });
    assert.deepEqual(found, [
        [
            { corpus_id: 1, score: 1 },
            { corpus_id: 2, score: 0.8 },
        ],
        [0, 1, 4],
    ]);
});

test('empty text gets no verdict', TIMEOUT, async (t) => {
    const { page } = await open(t);
    await page.goto(server.url);
    await answer(page);
    await page.fill('#text', ' \n ');
    assert.equal(await page.locator('#result').getAttribute('data-state'), 'empty');
    assert.doesNotMatch(await page.locator('.verdict').innerText(), /positive|negative|%/i);
    assert.deepEqual(await meters(page), [0, 0]);
    await assertWorks(page);
});

test('an answer is never that of another text', TIMEOUT, async (t) => {
    const { page } = await open(t);
    await page.goto(server.url);
    await answer(page);
    const shown = await page.evaluate(
        async ([good, bad]) => {
            const text = /** @type {HTMLTextAreaElement} */ (document.querySelector('#text'));
            const result = /** @type {HTMLElement} */ (document.querySelector('#result'));
            /** @type {[string, string | undefined][]} */
            const shown = [];
            const observer = new MutationObserver(() => {
                const { state, label } = result.dataset;
                if (state === 'answered') shown.push([text.value, label]);
            });
            observer.observe(result, { attributes: true });
            for (let i = 0; i < 40; i++) {
                // changes that come while older ones wait, run and end
                text.value = `${i % 2 ? good : bad} `.repeat(1 + (i % 5) * 4);
                text.dispatchEvent(new Event('input'));
                await new Promise((resolve) => setTimeout(resolve, (i * 37) % 230));
            }
            return new Promise((resolve) => {
                const check = setInterval(() => {
                    if (result.dataset.state !== 'answered') return;
                    clearInterval(check);
                    resolve(shown);
                }, 20);
            });
        },
        [GOOD, BAD],
    );
    assert.ok(shown.length > 3, `${shown.length} answers`);
    for (const [text, label] of shown) {
        assert.equal(label, text.startsWith(GOOD) ? 'POSITIVE' : 'NEGATIVE', text.slice(0, 60));
    }
});

test('examples work from the keyboard', TIMEOUT, async (t) => {
    const { page } = await open(t);
    await page.goto(server.url);
    await weighed(page, await page.locator('#text').inputValue());
    await page.locator('#text').focus();
    await page.keyboard.press('Tab'); // the words' numbers
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    assert.equal((await answer(page)).label, 'Negative');
    assert.equal(await page.locator('#text').inputValue(), BAD);
    const outline = await page
        .locator('button:focus-visible')
        .evaluate((button) => getComputedStyle(button).outlineStyle);
    assert.notEqual(outline, 'none');
});

test('offline after load, and a reload offline', TIMEOUT, async (t) => {
    const own = await serve(SITE, 0);
    t.after(() => own.close());
    const { context, page } = await open(t, {}, { url: own.url });
    await page.goto(own.url);
    await answer(page);
    await saved(page);
    await context.setOffline(true);
    await own.close(); // and really nobody answers
    await assertWorks(page);
    await page.reload();
    assert.equal((await answer(page)).label, 'Positive');
    await assertWorks(page);
});

test('a model that was replaced on the server is noticed', TIMEOUT, async (t) => {
    const copy = mkdtempSync(join(tmpdir(), 'bert-wasm-site-'));
    t.after(() => rmSync(copy, { recursive: true }));
    cpSync(SITE, copy, { recursive: true });
    const own = await serve(copy, 0);
    t.after(() => own.close());
    const { page } = await open(t, {}, { url: own.url });
    await page.goto(own.url);
    await answer(page);
    await saved(page);

    const bytes = readFileSync(join(copy, MODEL));
    const at = bytes.indexOf('sentiment-minilm-l6');
    bytes.write('SENTIMENT', at);
    writeFileSync(join(copy, MODEL), bytes);
    await page.reload();
    await page.locator('#fact-model', { hasText: 'SENTIMENT-minilm-l6' }).waitFor();
    await assertWorks(page);
});

test('a model that is cut off is told, and a retry helps', TIMEOUT, async (t) => {
    const copy = mkdtempSync(join(tmpdir(), 'bert-wasm-site-'));
    t.after(() => rmSync(copy, { recursive: true }));
    cpSync(SITE, copy, { recursive: true });
    truncateSync(join(copy, MODEL), 1_000_000);
    const own = await serve(copy, 0);
    t.after(() => own.close());
    const expected = /status of 416/;
    const { page } = await open(t, {}, { url: own.url, expected });
    await page.goto(own.url);
    await page.waitForSelector('#stage[data-state="failed"]');
    assert.match(await page.locator('#failure').innerText(), /arrived damaged[\s\S]*cut off/);

    cpSync(join(SITE, MODEL), join(copy, MODEL));
    await page.click('#retry');
    await answer(page);
    await assertWorks(page);
});

/** The site on a server whose faults the test sets. @param {import('node:test').TestContext} t */
async function faulty(t) {
    const own = await FaultyServer.open({ '/': SITE });
    t.after(() => own.close());
    return own;
}

test('two tabs at the first visit fetch the model once', TIMEOUT, async (t) => {
    const own = await faulty(t);
    own.faults.set(`/${MODEL}`, { rate: 20e6 });
    const { context, page } = await open(t, {}, { url: own.url });
    const other = await context.newPage();
    await Promise.all([page.goto(own.url), other.goto(own.url)]);
    for (const tab of [page, other]) await assertWorks(tab);
    const gets = own.log.filter(({ path, method }) => path === `/${MODEL}` && method === 'GET');
    assert.deepEqual(
        gets.map(({ range }) => range),
        ['whole'],
    );
});

test(
    'a server that says nothing any more does not keep the page from opening',
    TIMEOUT,
    async (t) => {
        const own = await faulty(t);
        const { page } = await open(t, {}, { url: own.url });
        await page.goto(own.url);
        await answer(page);
        await saved(page);
        for (const path of new Set(own.log.map((exchange) => exchange.path))) {
            own.faults.set(path, { silent: true });
        }
        await page.reload();
        assert.equal((await answer(page)).label, 'Positive');
        await assertWorks(page);
    },
);

test('a new version that comes slowly is not mixed with the saved one', TIMEOUT, async (t) => {
    const own = await faulty(t);
    const { page } = await open(t, {}, { url: own.url });
    await page.goto(own.url);
    await answer(page);
    await saved(page);
    const main = readFileSync(join(SITE, 'main.js'), 'utf8');
    own.files.set('/main.js', Buffer.from(`document.body.dataset.version = '2';\n${main}`));
    own.faults.set('/main.js', { delay: 2000 });
    await page.reload();
    await answer(page);
    assert.equal(await page.locator('body').getAttribute('data-version'), '2');
});

test('without room for the model the page works, and says so', TIMEOUT, async (t) => {
    const own = await faulty(t);
    const { context, page } = await open(t, {}, { url: own.url });
    const session = await context.newCDPSession(page);
    const quotaSize = 5e6;
    await session.send('Storage.overrideQuotaForOrigin', { origin: own.url, quotaSize });
    await page.goto(own.url);
    await assertWorks(page);
    const report = await page.evaluate(async () => {
        const url = new URL('bert-wasm/index.js', document.baseURI).href;
        const { loadModel } = await import(url);
        const model = await loadModel(null);
        return (await model.info()).cache;
    });
    assert.equal(report.complete, false);
    assert.match(report.reason, /exceed its storage quota|there is room for/);
    assert.equal(await page.locator('#fact-offline').innerText(), 'until the page is closed');
});

/** @type {[string, {status: number, contentType?: string, body?: string}, RegExp][]} */
const MISSING = [
    ['nowhere', { status: 404 }, /status 404/],
    ['a page', { status: 200, contentType: 'text/html', body: '<p>Hello' }, /text\/html/],
    ['no model', { status: 200, contentType: 'text/plain', body: 'Hello, world.' }, /safetensors/],
];
for (const [what, response, message] of MISSING) {
    test(`the model is ${what}: told in words, and a retry helps`, TIMEOUT, async (t) => {
        const expected = /status of 404/;
        const { context, page } = await open(t, { serviceWorkers: 'block' }, { expected });
        await context.route('**/*.safetensors', (route) => route.fulfill(response));
        await page.goto(server.url);
        await page.waitForSelector('#stage[data-state="failed"]');
        const words = await page.getByRole('alert').innerText();
        assert.match(words, /The model could not be loaded/);
        assert.match(words, /try again/i);
        assert.match(words, message);
        assert.ok(!(await page.locator('#result').isVisible()));

        await context.unroute('**/*.safetensors');
        await page.click('#retry');
        await answer(page);
        await assertWorks(page);
        assert.match(await page.locator('#fact-offline').innerText(), /until the page is closed/);
    });
}

test('the result keeps its height whatever is typed', TIMEOUT, async (t) => {
    const { page } = await open(t, { viewport: { width: 360, height: 740 } });
    await page.addInitScript(() => {
        const heights = new Set();
        Object.assign(globalThis, { heights });
        const observer = new ResizeObserver(([{ contentRect }]) => heights.add(contentRect.height));
        document.addEventListener('DOMContentLoaded', () =>
            observer.observe(/** @type {Element} */ (document.querySelector('#stage'))),
        );
    });
    await page.goto(server.url);
    await answer(page);
    await assertWorks(page);
    await page.fill('#text', '');
    await classify(page, `${GOOD} `.repeat(200));
    assert.match(await page.locator('#remark').innerText(), /512 tokens/);
    assert.equal(await page.evaluate(() => Reflect.get(globalThis, 'heights').size), 1);
});

/** Until the words of this text are weighed. @param {Page} page @param {string} text */
async function weighed(page, text) {
    await page.waitForFunction(
        (wanted) =>
            document.querySelector('#words[data-state="weighed"] #words-text')?.textContent ===
            wanted,
        text,
    );
}

test(
    'every word of a short text is weighed: in colour, by a line, and in numbers',
    TIMEOUT,
    async (t) => {
        const { page } = await open(t);
        await page.goto(server.url);
        const sample = await page.locator('#text').inputValue();
        await weighed(page, sample);

        const text = 'What a wonderful  film 👩‍🚀';
        await page.fill('#text', text);
        await weighed(page, text);
        const strongest = page.locator('#words-text mark[data-strength="3"]');
        assert.deepEqual(await strongest.allInnerTexts(), ['wonderful']);
        assert.equal(await strongest.getAttribute('data-towards'), 'positive');
        assert.match(
            (await strongest.getAttribute('title')) ?? '',
            /^wonderful: \d+\.\d points towards positive$/,
        );
        await page.locator('summary').focus();
        await page.keyboard.press('Enter');
        const row = page.getByRole('row', { name: 'wonderful' });
        assert.match(await row.innerText(), /^wonderful\s+positive\s+\d+\.\d$/);
        assert.equal(await page.getByRole('row').count(), 1 + 5);

        await page.fill('#text', BAD);
        await weighed(page, BAD);
        await page.fill('#text', ' ');
        await page.locator('#words').waitFor({ state: 'hidden' });
    },
);

test('where no word decides, none is coloured', TIMEOUT, async (t) => {
    const { page } = await open(t);
    await page.goto(server.url);
    const text = "Don't watch this awful rubbish.";
    await page.fill('#text', text);
    await weighed(page, text);
    assert.match(await page.locator('#words-remark').innerText(), /No word decides alone/);
    assert.equal(await page.locator('#words-text mark').count(), 0);
});

test(
    'the words of a longer text are weighed when asked, those of a long one never',
    TIMEOUT,
    async (t) => {
        const { page } = await open(t);
        await page.goto(server.url);
        await answer(page);
        const longer = `${GOOD} ${BAD} `.repeat(3);
        await page.fill('#text', longer);
        await page.waitForSelector('#words[data-state="offered"]');
        assert.ok(!(await page.locator('#words-text').isVisible()));
        await page.getByRole('button', { name: 'Weigh every word' }).press('Enter');
        await weighed(page, longer);
        await page.fill('#text', longer.repeat(3));
        await page.waitForSelector('#words[data-state="long"]');
        assert.ok(!(await page.getByRole('button', { name: 'Weigh every word' }).isVisible()));
        await page.fill('#text', GOOD);
        await weighed(page, GOOD);
    },
);

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    test(`weighed words can be read, ${colorScheme}`, TIMEOUT, async (t) => {
        const { page } = await open(t, { colorScheme });
        await page.goto(server.url);
        await weighed(page, await page.locator('#text').inputValue());
        const found = await page.evaluate(() =>
            ['positive', 'negative'].flatMap((towards) =>
                ['1', '2', '3'].map((strength) => {
                    const mark = document.createElement('mark');
                    Object.assign(mark.dataset, { towards, strength });
                    document.querySelector('#words-text')?.append(mark);
                    const { color, backgroundColor, borderBottomColor, borderBottomStyle } =
                        getComputedStyle(mark);
                    const canvas = document
                        .createElement('canvas')
                        .getContext('2d', { willReadFrequently: true });
                    if (!canvas) throw new Error('no canvas');
                    /** @param {string[]} layers  the lowest first */
                    const luminance = (...layers) => {
                        for (const layer of layers) {
                            canvas.fillStyle = layer;
                            canvas.fillRect(0, 0, 1, 1);
                        }
                        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data]
                            .map((x) => x / 255)
                            .map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
                        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
                    };
                    const contrast = (/** @type {number} */ a, /** @type {number} */ b) =>
                        (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
                    const paper = getComputedStyle(document.body).backgroundColor;
                    return {
                        isTinted: luminance(paper, backgroundColor) !== luminance(paper),
                        borderBottomStyle,
                        text: contrast(luminance(color), luminance(paper, backgroundColor)),
                        line: contrast(luminance(borderBottomColor), luminance(paper)),
                    };
                }),
            ),
        );
        for (const [i, { isTinted, borderBottomStyle, text, line }] of found.entries()) {
            assert.ok(isTinted);
            assert.equal(borderBottomStyle, i < 3 ? 'solid' : 'dashed');
            assert.ok(text >= 4.5, `text ${text}`);
            assert.ok(line >= 3, `line ${line}`);
        }
    });
}

for (const width of [360, 1280]) {
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
        test(`fits ${width} px, ${colorScheme}`, TIMEOUT, async (t) => {
            const { page } = await open(t, { viewport: { width, height: 800 }, colorScheme });
            await page.goto(server.url);
            await weighed(page, await page.locator('#text').inputValue());
            const { scrollWidth, paper } = await page.evaluate(() => ({
                scrollWidth: document.documentElement.scrollWidth,
                paper: getComputedStyle(document.body).backgroundColor,
            }));
            assert.equal(scrollWidth, width);
            assert.equal(paper, colorScheme === 'dark' ? 'rgb(22, 24, 28)' : 'rgb(250, 249, 246)');
            const path = join(BUILD, `screenshots/page-${width}-${colorScheme}`);
            await page.screenshot({ path: `${path}.png`, fullPage: true });
        });
    }
}
