/**
 * The page as people meet it: build/site from a real server, with its headers, in Chromium.
 *
 * Every test also checks what must never happen: an error in the console, a violation of the
 * content security policy, a request to another origin. Conditions are waited for, never time.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
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

/** Until the words of this text are weighed. @param {Page} page @param {string} text */
async function weighed(page, text) {
    await page.waitForFunction(
        (wanted) =>
            document.querySelector('#words[data-state="weighed"] #words-text')?.textContent ===
            wanted,
        text,
    );
}

// --- a model of the visitor's own ---------------------------------------------------------------

const GOLDEN = fileURLToPath(new URL('../golden/', import.meta.url));
const FILES = ['model.onnx', 'config.json', 'tokenizer.json', 'tokenizer_config.json'];

/** Files of a model of tests/golden/pipelines. @param {string} name */
const filesOf = (name) => FILES.map((file) => join(GOLDEN, 'pipelines', name, file));

/** @param {Page} page @param {'ready' | 'failed' | 'working' | 'empty'} state */
async function own(page, state) {
    const section = page.locator(`#own[data-state="${state}"]`);
    const other = page.locator('#own[data-state="failed"] #own-detail');
    if (state === 'ready') {
        // A failure is told at once, in its own words.
        await section.or(other).first().waitFor();
        if (await other.isVisible()) assert.fail(await other.innerText());
    }
    await section.waitFor();
}

/** What a model of the visitor's says: its rows. @param {Page} page @param {RegExp} [remark] */
async function ownAnswer(page, remark = /^$/) {
    await page.locator('#own-remark', { hasText: remark }).waitFor({ state: 'attached' });
    return page.locator('#own-rows .score').allInnerTexts();
}

/** @param {string} text */
const bare = (text) => text.replace(/\s+/g, ' ').trim();

test('files are converted, read the text, and are saved as one', TIMEOUT, async (t) => {
    const { page } = await open(t);
    await page.goto(server.url);
    await answer(page);
    await page.setInputFiles('#own-files', filesOf('text-classification-roberta'));
    await own(page, 'ready');
    assert.equal(await page.locator('#own-name').innerText(), 'model');
    assert.match(await page.locator('#own-task').innerText(), /^classifies texts, \d.* MB$/);
    const before = (await ownAnswer(page)).map(bare);
    const { id2label } = JSON.parse(
        readFileSync(join(GOLDEN, 'pipelines/text-classification-roberta/config.json'), 'utf8'),
    );
    const labels = before.map((row) => row.replace(/ \d[\d.]*%$/, ''));
    assert.deepEqual(labels.sort(), Object.values(id2label).sort());

    // The text changes, by typing and by an example; so does the answer.
    await page.fill('#text', 'Something else.');
    await page.waitForFunction(
        (row) =>
            document.querySelector('#own-rows')?.textContent?.replace(/\s+/g, ' ').trim() !== row,
        before.join(' '),
    );
    await page.fill('#text', ' ');
    assert.deepEqual(await ownAnswer(page, /^Nothing to read yet\.$/), []);
    await page.getByRole('button', { name: 'Battery died' }).click();
    const example = await ownAnswer(page);

    const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('link', { name: 'Save the converted file' }).click(),
    ]);
    assert.equal(download.suggestedFilename(), 'model.bert-wasm.safetensors');
    const path = join(mkdtempSync(join(tmpdir(), 'bert-wasm-page-')), 'saved.safetensors');
    t.after(() => rmSync(join(path, '..'), { recursive: true }));
    await download.saveAs(path);
    const native = spawnSync(
        join(BUILD, 'native/bert-convert'),
        [join(GOLDEN, 'pipelines/text-classification-roberta'), '-o', `${path}.native`],
        { encoding: 'utf8' },
    );
    assert.equal(native.status, 0, native.stderr);
    const dataOf = (/** @type {string} */ file) => {
        const bytes = readFileSync(file);
        return bytes.subarray(8 + Number(bytes.readBigUInt64LE(0)));
    };
    assert.ok(dataOf(path).equals(dataOf(`${path}.native`)), 'as the native converter writes it');

    await page.setInputFiles('#own-files', path);
    await own(page, 'ready');
    assert.equal(await page.locator('#own-name').innerText(), 'saved');
    assert.deepEqual(await ownAnswer(page), example);
    assert.equal(await page.locator('#own-save').isVisible(), false, 'it is saved already');

    await page.getByRole('button', { name: 'Remove' }).click();
    await own(page, 'empty');
    assert.equal((await answer(page)).label, 'Negative', "the page's own model goes on");
});

test('a folder of transformers or sentence-transformers is converted', TIMEOUT, async (t) => {
    const { page } = await open(t);
    await page.goto(server.url);
    await answer(page);
    for (const [folder, does, remark] of /** @type {[string, RegExp, RegExp][]} */ ([
        ['huggingface/bert-seqcls', /^classifies texts/, /^$/],
        ['sentence/bert-prompts', /^makes vectors/, /^A vector of 16 numbers: -?0\.\d+, /],
    ])) {
        await page.setInputFiles('#own-folder', join(GOLDEN, folder));
        await own(page, 'ready');
        assert.equal(await page.locator('#own-name').innerText(), folder.split('/')[1]);
        assert.match(await page.locator('#own-task').innerText(), does);
        await ownAnswer(page, remark);
    }
});

test('each kind of model answers in its way', TIMEOUT, async (t) => {
    const { page } = await open(t);
    await page.goto(server.url);
    await answer(page);
    for (const [name, does, text, remark, rows] of [
        ['token-classification-bert', 'finds names', 'Anna Smith lives in Berlin.', /^$/, /: \w+ /],
        ['fill-mask-bert', 'fills in words', 'The film was [MASK].', /^$/, /%$/],
        ['fill-mask-bert', 'fills in words', 'No mask.', /\[MASK\]/, null],
        [
            'question-answering-bert',
            'answers questions',
            'Where does Anna live? Anna lives in Berlin.',
            /^(It finds no answer\.)?$/,
            undefined,
        ],
        ['question-answering-bert', 'answers questions', 'No question.', /^Type a question/, null],
        ['feature-extraction-bert', 'makes vectors', 'A text.', /^A vector of 32 numbers/, null],
    ]) {
        await page.fill('#text', String(text));
        await page.setInputFiles('#own-files', filesOf(String(name)));
        await own(page, 'ready');
        assert.ok((await page.locator('#own-task').innerText()).startsWith(String(does)));
        const found = await ownAnswer(page, /** @type {RegExp} */ (remark));
        if (rows === null) assert.deepEqual(found, [], String(name));
        if (rows) assert.match(bare(found[0]), /** @type {RegExp} */ (rows));
    }
});

test('files are dropped anywhere on the page', TIMEOUT, async (t) => {
    const { page } = await open(t);
    await page.goto(server.url);
    await answer(page);
    const files = filesOf('text-classification-bert').map((path) => [
        path.split('/').at(-1),
        readFileSync(path).toString('base64'),
    ]);
    const transfer = await page.evaluateHandle(
        (all) => {
            const made = new DataTransfer();
            for (const [name, base64] of all) {
                const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
                made.items.add(new File([bytes], name));
            }
            return made;
        },
        /** @type {[string, string][]} */ (files),
    );
    await page.dispatchEvent('h1', 'dragover', { dataTransfer: transfer });
    assert.equal(await page.locator('#own[data-over]').count(), 1);
    await page.dispatchEvent('h1', 'drop', { dataTransfer: transfer });
    await own(page, 'ready');
    assert.equal(await page.locator('#own[data-over]').count(), 0);
    assert.match(await page.locator('#own-task').innerText(), /^classifies texts/);
});

test('files that are no model are told what is wrong, and what to do', TIMEOUT, async (t) => {
    const { page } = await open(t);
    await page.goto(server.url);
    await answer(page);
    const [model, config, tokenizer] = filesOf('text-classification-bert');
    const weights = join(GOLDEN, 'huggingface/bert-seqcls/model.safetensors');
    const cut = { name: 'model.onnx', mimeType: '', buffer: readFileSync(model).subarray(0, 5000) };
    const read = (/** @type {string} */ path) => ({
        name: String(path.split('/').at(-1)),
        mimeType: '',
        buffer: readFileSync(path),
    });
    for (const [files, advice, detail] of /** @type {[any[], RegExp, RegExp][]} */ ([
        [[read(weights)], /together with config\.json/, /has no config\.json/],
        [[read(tokenizer)], /together with config\.json/, /no weights|has no/],
        [[cut, read(config), read(tokenizer)], /Only encoders like BERT/, /model\.onnx/],
        [[read(model), read(config)], /Choose its tokenizer\.json/, /tokenizer/],
    ])) {
        await page.setInputFiles('#own-files', files);
        await own(page, 'failed');
        await page.locator('#own-advice', { hasText: advice }).waitFor();
        assert.match(await page.locator('#own-detail').innerText(), detail);
        assert.equal(await page.getByRole('alert').filter({ visible: true }).count(), 1);
    }
    await page.setInputFiles('#own-files', filesOf('text-classification-bert'));
    await own(page, 'ready');
    await ownAnswer(page);
});

test('a conversion shows how far it is, and can be cancelled', TIMEOUT, async (t) => {
    const { page } = await open(t, { serviceWorkers: 'block' });
    /** @type {() => void} */
    let release = () => {};
    const held = new Promise((resolve) => {
        release = () => resolve(undefined);
    });
    await page.route('**/convert.wasm', async (route) => {
        await held;
        await route.continue().catch(() => {}); // the page does not want it any more
    });
    await page.goto(server.url);
    await answer(page);
    await page.setInputFiles('#own-files', filesOf('text-classification-bert'));
    await own(page, 'working');
    const bar = page.getByRole('progressbar', { name: 'Reading the files' });
    await bar.waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await own(page, 'empty');
    release();
    // Steps are told while it runs.
    await page.evaluate(() => {
        const seen = new Set();
        Reflect.set(globalThis, 'seen', seen);
        const text = /** @type {Element} */ (document.querySelector('#own-progress-text'));
        new MutationObserver(() => seen.add(text.textContent)).observe(text, { childList: true });
    });
    await page.setInputFiles('#own-files', filesOf('text-classification-bert'));
    await own(page, 'ready');
    const seen = await page.evaluate(() => [...Reflect.get(globalThis, 'seen')]);
    assert.ok(seen.filter((text) => /^step \d+ of \d+$/.test(text)).length > 2, seen.join());
});

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

            await page.setInputFiles('#own-files', filesOf('text-classification-multi-label'));
            await own(page, 'ready');
            await ownAnswer(page);
            const fits = () => document.documentElement.scrollWidth;
            assert.equal(await page.evaluate(fits), width);
            await page.locator('#own').screenshot({ path: `${path}-own.png` });
            await page.setInputFiles('#own-files', filesOf('text-classification-bert').slice(1));
            await own(page, 'failed');
            assert.equal(await page.evaluate(fits), width);
            await page.locator('#own').screenshot({ path: `${path}-failed.png` });
        });
    }
}
