/** The view The machine: facts, loading, a measurement, and all of it as text. */

import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { FaultyServer } from '../tools/faulty_server.js';
import {
    assertAccessible,
    assertFits,
    atEnd,
    longTasks,
    MODEL,
    openSite,
    SITE,
    TIMEOUT,
} from './site.js';

/** @typedef {import('playwright-core').Page} Page */

const WIDTHS = [360, 768, 1280, 1920];

const MODEL_SIZE = `${(statSync(join(SITE, MODEL)).size / 1e6).toFixed(1)} MB`;

/** @param {Page} page @param {string} name */
const part = (page, name) => page.locator(`#view-machine [data-part="${name}"]`);

/** @param {import('node:test').TestContext} t @param {Parameters<typeof openSite>[1]} [how] */
async function open(t, how) {
    const options = { permissions: ['clipboard-read', 'clipboard-write'] };
    const site = await openSite(t, { hash: '#machine', options, ...how });
    await part(site.page, 'facts').waitFor();
    await part(site.page, 'findings-table').waitFor();
    return site;
}

/** @param {Page} page @param {string} name */
const fact = (page, name) =>
    part(page, 'facts')
        .locator('div', { has: page.locator(`dt:text-is("${name}")`) })
        .locator('dd')
        .innerText();

/** What a model that is loaded the same way says. @param {Page} page */
const infoOf = (page) =>
    page.evaluate(async () => {
        const link = document.querySelector('link[rel=modulepreload]');
        const { loadModel } = await import(Reflect.get(/** @type {object} */ (link), 'href'));
        const model = await loadModel('models/sentiment-minilm-l6-q8.safetensors');
        const info = await model.info();
        model.dispose();
        return info;
    });

const copied = (/** @type {Page} */ page) => page.evaluate(() => navigator.clipboard.readText());

/** @param {Page} page */
async function measure(page) {
    await page.getByRole('button', { name: 'Measure' }).click();
    await page.waitForSelector('[data-part=bench][data-state=done]');
}

test('what it says of the engine is true', TIMEOUT, async (t) => {
    const { page } = await open(t);
    const info = await infoOf(page);
    assert.equal(await fact(page, 'Library'), `bert-wasm ${info.version}`);
    assert.equal(await fact(page, 'Engine'), `${info.variant}: ${info.reason}`);
    assert.equal(await fact(page, 'Threads'), `${info.threads}: ${info.threads_reason}`);
    assert.match(await fact(page, 'Isolation'), /^yes: .*Cross-Origin-Opener-Policy/);
    assert.equal(await fact(page, 'Weights'), 'q8');
    assert.match(await fact(page, 'Memory'), /^\d+\.\d MB/);
    assert.equal(await fact(page, 'Model'), `sentiment-minilm-l6, ${MODEL_SIZE}`);
    assert.match(await fact(page, 'Storage'), /^models take \d.+ MB; .+ [MG]B are free$/);
    assert.equal(await part(page, 'isolation').isVisible(), false);
    const rows = part(page, 'findings').locator('tr');
    const found = await rows.evaluateAll((all) =>
        all.map((each) => /** @type {HTMLElement} */ (each).dataset.finding),
    );
    for (const name of ['simd', 'compiler', 'worker', 'relaxed-simd', 'threads', 'storage']) {
        assert.ok(found.includes(name), name);
    }
    assert.equal(await rows.filter({ hasText: 'missing' }).count(), 0);
});

test('how it loaded is told step by step', TIMEOUT, async (t) => {
    const { page } = await open(t);
    const steps = await part(page, 'steps')
        .locator('tr')
        .evaluateAll((rows) =>
            rows.map((row) => {
                const [what, begin, took] = [...row.children].map((each) => each.textContent ?? '');
                const number = (/** @type {string} */ text) => Number(text.replace(/[^\d]/g, ''));
                return { what, begin: number(begin), took: number(took) };
            }),
        );
    assert.deepEqual(
        steps.slice(0, 5).map(({ what }) => what),
        [
            'The page',
            'Its code',
            'The library',
            'Worker started, engine compiled',
            `The model, ${MODEL_SIZE} from the network`,
        ],
    );
    const [page_step, , library, engine, model] = steps;
    assert.equal(page_step.begin, 0);
    assert.ok(engine.begin >= library.begin + library.took - 1);
    assert.ok(Math.abs(model.begin - (engine.begin + engine.took)) <= 2);
    t.diagnostic(steps.map(({ what, begin, took }) => `${what}: ${begin} + ${took} ms`).join('; '));

    await page.reload();
    await part(page, 'steps').locator('tr', { hasText: 'from this device' }).waitFor();
});

test('a measurement runs, is drawn with its numbers, and is copied', TIMEOUT, async (t) => {
    const { page } = await open(t, { hash: '#machine?tokens=16&rounds=1' });
    assert.equal(await page.getByRole('checkbox', { name: '16', exact: true }).isChecked(), true);
    assert.equal(await page.getByRole('checkbox', { name: '128' }).isChecked(), false);
    await longTasks(page);
    const { threads } = await infoOf(page);
    await page.getByRole('button', { name: 'Measure' }).click();
    await page.getByRole('progressbar', { name: 'Measuring' }).waitFor();
    await page.waitForSelector('[data-part=bench][data-state=done]');
    const rows = (await part(page, 'bench').locator('tbody tr').allInnerTexts()).map((row) =>
        row.replace(/\s+/g, ' ').trim(),
    );
    const expected = [
        /^16 tokens$/,
        ...[/^One text, /, /^32 texts together, /].flatMap(({ source }) =>
            (threads > 1 ? ['1 thread', `${threads} threads`] : ['1 thread']).map(
                (words) => new RegExp(`${source}${words} [\\d.,]+ ms [\\d,]+ tokens/s$`),
            ),
        ),
    ];
    assert.equal(rows.length, expected.length, rows.join('\n'));
    for (const [i, pattern] of expected.entries()) assert.match(rows[i], pattern);
    t.diagnostic(`long tasks of the page: ${await longTasks(page)} ms`);

    await page.getByRole('button', { name: 'Copy as text' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    const text = await copied(page);
    assert.match(text, /^sentiment-minilm-l6 \((relaxed|base), /);
    assert.match(
        text,
        /\| tokens \| texts \| threads \| ms a text \| tokens a second \| rounds \|/,
    );
    assert.match(text, /\| 16 \| one text \| 1 \| [\d.]+ \| \d+ \| 1 \|/);
    t.diagnostic(text);
    const own = part(page, 'baseline').locator('tr', { hasText: 'bert-wasm on this device, 1' });
    assert.match(await own.innerText(), /[\d.]+ ms\s+–\s+–/);

    await page.getByRole('button', { name: 'Copy all as text' }).click();
    const all = await copied(page);
    const info = await infoOf(page);
    for (const expected of [
        `- Threads: ${info.threads}: ${info.threads_reason}`,
        '- relaxed-simd: ',
        '| The library | ',
        '| 16 | 32 texts together | 1 |',
        await page.evaluate(() => navigator.userAgent),
    ]) {
        assert.ok(all.includes(expected), `${expected} in\n${all}`);
    }
    await assertAccessible(page);
    for (const width of WIDTHS) await assertFits(page, width);
});

test('a measurement is cancelled, also by opening another view', TIMEOUT, async (t) => {
    const { page } = await open(t, { hash: '#machine?tokens=512&rounds=9' });
    await page.getByRole('button', { name: 'Measure' }).click();
    await page.locator('[data-part=bench]', { hasText: '32 texts together' }).waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await part(page, 'bench').filter({ hasText: 'Cancelled.' }).waitFor();
    assert.equal(await page.getByRole('button', { name: 'Measure' }).isEnabled(), true);

    await page.getByRole('button', { name: 'Measure' }).click();
    await page.waitForSelector('[data-part=bench][data-state=working]');
    await page.evaluate(() => {
        location.hash = '#your_model';
    });
    await page.waitForSelector('[data-part=bench][data-state=idle]', { state: 'attached' });

    await page.goBack();
    await part(page, 'facts').waitFor();
    await page.getByRole('checkbox', { name: '512' }).uncheck();
    await page.getByRole('checkbox', { name: '16', exact: true }).check();
    await page.getByLabel('Rounds').selectOption('1');
    await measure(page);
    await page.waitForURL(/#machine\?tokens=16&rounds=1$/);
});

test('without isolation it says why one thread computes, and mends it', TIMEOUT, async (t) => {
    const own = await FaultyServer.open({ '/': SITE });
    atEnd(t, () => own.close());
    const { page } = await open(t, { url: own.url });
    assert.match(await fact(page, 'Threads'), /^1: .*not cross-origin isolated/);
    assert.match(await fact(page, 'Isolation'), /^no: /);
    const panel = await part(page, 'isolation').innerText();
    assert.match(panel, /Cross-Origin-Opener-Policy: same-origin/);
    assert.match(panel, /Cross-Origin-Embedder-Policy: require-corp/);
    await assertAccessible(page);
    for (const width of WIDTHS) await assertFits(page, width);
    await page.getByRole('button', { name: 'Reload with all threads' }).click();
    await page.waitForFunction(() => crossOriginIsolated);
    await part(page, 'facts').waitFor();
    assert.match(await fact(page, 'Threads'), /^[2-4]: /);
    assert.equal(await part(page, 'isolation').isVisible(), false);
});

test('the baseline is what the project has measured', TIMEOUT, async (t) => {
    const { machine, rows } = JSON.parse(
        readFileSync(new URL('../../bench/results.json', import.meta.url), 'utf8'),
    );
    const { page } = await open(t);
    const about = await part(page, 'baseline-about').innerText();
    assert.ok(about.includes(machine.cpu) && about.includes(machine.date), about);
    const found = rows.find(
        (/** @type {any} */ row) =>
            row.environment === 'chromium' &&
            row.runtime === 'onnxruntime_web' &&
            row.model === 'minilm' &&
            row.dtype === 'q8' &&
            row.threads === 2 &&
            row.job === '16 tokens',
    );
    const median = found.ms.toSorted((/** @type {number} */ a, /** @type {number} */ b) => a - b)[
        Math.floor(found.ms.length / 2)
    ];
    const row = part(page, 'baseline').locator('tr', { hasText: /^onnxruntime-web .*2 threads/ });
    assert.ok((await row.innerText()).includes(`${median.toFixed(1)} ms`));
    for (const name of ['bert-wasm 0', 'onnxruntime-web', 'LiteRT.js']) {
        assert.ok((await part(page, 'baseline').innerText()).includes(name), name);
    }
});

test('fits from 360 to 1920 px, and is accessible', TIMEOUT, async (t) => {
    const { page } = await open(t);
    for (const width of WIDTHS) await assertFits(page, width);
    await assertAccessible(page);
});
