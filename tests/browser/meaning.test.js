/** The view Meaning: what it shows against what the package says in Node. */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { agglomerate, cutTree, placeOf } from '../../web-demo/meaning/clusters.js';
import { principalComponents } from '../../web-demo/meaning/pca.js';
import { SAMPLE } from '../../web-demo/meaning/sample.js';
import { DIST } from '../js/built.js';
import { TOO_LONG, tasksWhile } from '../tools/tasks.js';
import { assertAccessible, assertFits, cancelOnceBegun, openSite, TIMEOUT } from './site.js';

const { pipeline, semanticSearch, similarity } = await import(new URL('index.node.js', DIST).href);

/** @typedef {import('playwright-core').Page} Page */

const MODEL = 'web-demo/models/all-minilm-l6-v2-q8.safetensors';
const SENTENCES = SAMPLE.split('\n');

/** Engines may round otherwise, and 8 bits make more of it. */
const NEAR = 0.03;

/** @type {Promise<any> | undefined} */
let loading;
const model = () => (loading ??= pipeline('feature-extraction', MODEL));
after(async () => (await loading)?.dispose());

/** @type {Promise<any> | undefined} */
let reading;
const vectors = () =>
    (reading ??= model().then((/** @type {any} */ embed) => embed(SENTENCES, { normalize: true })));

/** @param {Page} page @param {string} part */
const part = (page, part) => page.locator(`#view-meaning [data-part=${part}]`);

/** @param {Page} page @param {string} [mode] */
const isShown = (page, mode = 'map') =>
    page.waitForSelector(`#view-meaning[data-state=full][data-shown=${mode}]`, TIMEOUT);

/** @param {number} shown @param {number} expected @param {number} [least] */
function assertNear(shown, expected, least = NEAR) {
    assert.ok(Math.abs(shown - expected) <= least, `${shown} is shown, ${expected} is right`);
}

/** @param {number} n */
const many = (n) =>
    Array.from(
        { length: n },
        (_, i) =>
            `The ${['cat', 'rain', 'soup', 'program', 'striker'][i % 5]} of number ${i} ` +
            `${['sleeps', 'falls', 'boils', 'crashes', 'scores'][i % 5]} again`,
    ).join('\n');

test('groups, pairs, search and a CSV file are what Node computes', TIMEOUT, async (t) => {
    const { page } = await openSite(t, { hash: '#meaning' });
    await isShown(page);
    const { data } = await vectors();
    const [n, d] = [SENTENCES.length, 384];
    const all = new Float32Array((n * (n - 1)) / 2);
    const { data: matrix } = await similarity(
        { dims: [n, d], data },
        { dims: [n, d], data },
        { score: 'dot' },
    );
    for (let i = 0; i < n; i++) {
        for (let j = i + 1; j < n; j++) all[placeOf(n, i, j)] = matrix[i * n + j];
    }

    const rows = await part(page, 'pairs_rows')
        .locator('tr')
        .evaluateAll((trs) =>
            trs.map((tr) => ({
                alike: Number(tr.firstElementChild?.firstChild?.textContent),
                is_marked: Number(tr.firstElementChild?.childNodes.length) > 1,
                both: [...tr.querySelectorAll('p')].map((p) => p.textContent ?? ''),
            })),
        );
    assert.equal(rows.length, 10);
    let apart = 0;
    for (const { alike, is_marked, both } of rows) {
        const [i, j] = both.map((each) => SENTENCES.indexOf(each));
        assertNear(alike, matrix[i * n + j]);
        apart = Math.max(apart, Math.abs(alike - matrix[i * n + j]));
        assert.equal(is_marked, alike >= 0.8);
    }
    assert.deepEqual(rows[0].both, [
        'The parcel arrived two weeks late.',
        'The package came two weeks late.',
    ]);
    t.diagnostic(`similarities are at most ${apart.toFixed(3)} from Node's`);
    await part(page, 'duplicates').fill('52');
    const n_alike = all.filter((each) => each >= 0.52 - 1e-6).length;
    assert.equal(
        await part(page, 'pairs_words').innerText(),
        `${n_alike} pairs of near duplicates.`,
    );

    const clusters = cutTree(agglomerate(Float32Array.from(all), n), n, 0.15).filter(
        ({ length }) => length > 1,
    );
    const groups = part(page, 'groups').locator('details');
    assert.equal(await groups.count(), clusters.length);
    for (const [index, cluster] of clusters.entries()) {
        await groups.nth(index).locator('summary').click();
        await groups.nth(index).locator('li').first().waitFor(); // 'toggle' comes after the click
        const members = await groups.nth(index).locator('li').allInnerTexts();
        assert.deepEqual(members.toSorted(), cluster.map((i) => SENTENCES[i]).toSorted());
        assert.equal(await groups.nth(index).locator('.meaning-name').innerText(), members[0]);
    }
    await part(page, 'threshold').fill('60');
    await page.getByText('1 group, each named', { exact: false }).waitFor();
    await part(page, 'threshold').fill('15');
    await page.getByText('6 groups, each named', { exact: false }).waitFor();

    await part(page, 'query').fill('kick-off in the stadium');
    const found = part(page, 'found').locator('li');
    await found.nth(4).waitFor();
    const embed = await model();
    const { data: query } = await embed(['kick-off in the stadium'], { normalize: true });
    const corpus = { dims: [n, d], data };
    const [best] = await semanticSearch({ dims: [1, d], data: query }, corpus);
    for (const [index, row] of (await found.allInnerTexts()).slice(0, 3).entries()) {
        const [score, sentence] = row.split(/\n+/);
        assertNear(Number(score), best[index].score);
        assert.equal(sentence, SENTENCES[best[index].corpus_id]);
    }

    const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.locator('#view-meaning [data-save=csv]').click(),
    ]);
    assert.equal(download.suggestedFilename(), 'sentences.csv');
    const lines = readFileSync(await download.path(), 'utf8')
        .trimEnd()
        .split('\r\n');
    assert.equal(lines[0], 'sentence,group,group_name,x,y');
    const { points } = principalComponents(data, n, d);
    for (const [i, line] of lines.slice(1).entries()) {
        const [, sentence, group, x, y] =
            line.match(/^"(.*?)",(\d*),(?:".*?")?,([-\d.]+),([-\d.]+)$/) ?? [];
        assert.equal(sentence, SENTENCES[i]);
        assert.equal(
            Number(group) - 1,
            clusters.findIndex((cluster) => cluster.includes(i)),
        );
        assertNear(Number(x), points[2 * i], 0.05);
        assertNear(Number(y), points[2 * i + 1], 0.05);
    }
});

test('a sentence of the map by pointer, tap and keys; the link restores it', TIMEOUT, async (t) => {
    const text = [...SENTENCES.slice(8, 16), 'مرحبا بالعالم', 'One more, with "quotes"'].join('\n');
    const { page, context, base } = await openSite(t, {
        hash: `#meaning?${new URLSearchParams({ text, find: 'a refund', groups: '20' })}`,
    });
    await isShown(page);
    const map = part(page, 'picture').locator('svg');
    const readout = part(page, 'readout');
    await map.focus();
    await page.keyboard.press('ArrowRight');
    const first = await readout.innerText();
    assert.match(first, /^“.+”, one of \d in the group of “.+”. Most like it, by 0\.\d\d: “.+”$/);
    await page.waitForURL(/sentence=\d/); // it is written once a state rests
    assert.equal(await page.locator('#announcement').innerText(), first);
    // Keys go on in a picture that is drawn anew.
    for (const width of [1000, 1280]) {
        const drawn = await map.elementHandle();
        await page.setViewportSize({ width, height: 720 });
        await page.waitForFunction((old) => !old?.isConnected, drawn);
    }
    await page.keyboard.press('ArrowRight');
    assert.notEqual(await readout.innerText(), first);

    // Where the mark is, the sentence is.
    const ring = map.locator('[data-page-only] circle');
    await ring.scrollIntoViewIfNeeded();
    const place = /** @type {{x: number, y: number, width: number, height: number}} */ (
        await ring.boundingBox()
    );
    const second = await readout.innerText();
    await page.keyboard.press('ArrowLeft');
    await page.mouse.move(place.x + place.width / 2, place.y + place.height / 2);
    assert.equal(await readout.innerText(), second);
    await page.mouse.down();
    await page.mouse.up();

    await page.locator('#view-meaning [data-mode=matrix]').click();
    await isShown(page, 'matrix');
    await page.waitForURL(/mode=matrix/);
    await map.focus();
    await page.keyboard.press('ArrowRight');
    assert.match(await readout.innerText(), /^\d\.\d\d: “.+” and “.+”$/);

    for (const mode of ['map', 'matrix']) {
        await page.locator(`#view-meaning [data-mode=${mode}]`).click();
        await isShown(page, mode);
        await page.waitForURL(({ hash }) => hash.includes('mode=matrix') === (mode === 'matrix'));
        await page.mouse.move(0, 0);
        const other = await context.newPage();
        await other.goto(base + new URL(page.url()).hash);
        await isShown(other, mode);
        await other.locator('[data-part=found] li').first().waitFor();
        const picture = (/** @type {Page} */ each) =>
            part(each, 'picture')
                .locator('svg')
                .evaluate((svg) => svg.outerHTML);
        assert.equal(await picture(other), await picture(page));
        assert.equal(await part(other, 'text').inputValue(), text);
        await other.close();
    }
});

test('pictures are saved whole: SVG and PNG', TIMEOUT, async (t) => {
    const { page } = await openSite(t, { hash: '#meaning' });
    await isShown(page);
    for (const mode of ['map', 'matrix']) {
        await page.locator(`#view-meaning [data-mode=${mode}]`).click();
        await isShown(page, mode);
        /** @param {string} ending */
        const save = async (ending) => {
            const [download] = await Promise.all([
                page.waitForEvent('download'),
                page.locator(`#view-meaning [data-save=${ending}]`).click(),
            ]);
            assert.equal(download.suggestedFilename(), `sentences-${mode}.${ending}`);
            return readFileSync(await download.path());
        };
        const text = String(await save('svg'));
        const { error, size, labels } = await page.evaluate((source) => {
            const read = new DOMParser().parseFromString(source, 'image/svg+xml');
            return {
                error: read.querySelector('parsererror')?.textContent,
                size: ['width', 'height'].map((name) => read.documentElement.getAttribute(name)),
                labels: read.querySelectorAll('text').length,
            };
        }, text);
        assert.equal(error, undefined);
        assert.ok(labels > 20);
        assert.doesNotMatch(text, /var\(|url\(|href=|@import|<script|<style|foreignObject/);
        const png = await save('png');
        assert.deepEqual(
            [png.readUInt32BE(16), png.readUInt32BE(20)],
            size.map((each) => Math.round(2 * Number(each))),
        );
        t.diagnostic(`${mode}: SVG ${text.length} bytes, PNG ${png.length}`);
    }
});

test('labels of the map are not on one another', TIMEOUT, async (t) => {
    const { page } = await openSite(t, { hash: '#meaning' });
    await isShown(page);
    for (const width of [360, 1280]) {
        await assertFits(page, width);
        await isShown(page);
        const boxes = await part(page, 'picture')
            .locator('[data-labels] text')
            .evaluateAll((texts) =>
                texts.map((each) => {
                    const { left, right, top, bottom } = each.getBoundingClientRect();
                    return { left, right, top, bottom };
                }),
            );
        assert.ok(boxes.length >= 12, `${boxes.length} labels at ${width} px`);
        boxes.forEach((a, i) => {
            for (const b of boxes.slice(0, i)) {
                const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
                const along = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
                assert.ok(across < 1 || along < 1, 'two labels overlap');
            }
        });
    }
});

test('axe-core finds nothing, and nothing hangs over', TIMEOUT, async (t) => {
    const { page } = await openSite(t, { hash: '#meaning?find=rain&sentence=3' });
    await isShown(page);
    await part(page, 'found').locator('li').first().waitFor();
    await assertAccessible(page);
    await page.locator('#view-meaning [data-mode=matrix]').click();
    await isShown(page, 'matrix');
    for (const width of [360, 768, 1920]) await assertFits(page, width);
    await part(page, 'text').fill('One alone');
    await page.waitForSelector('#view-meaning[data-state=empty]');
    await assertFits(page, 360);
    await assertAccessible(page);
});

test(
    '1,000 sentences of a file: nothing blocks; it can be stopped, and goes on',
    TIMEOUT,
    async (t) => {
        const { page } = await openSite(t, { hash: '#meaning' });
        await isShown(page);
        const file = join(tmpdir(), `sentences-${process.pid}.txt`);
        writeFileSync(file, many(1000));
        /** @type {Record<string, {own: number[], clock: number[]}>} */
        const tasks = {};
        const begin = Date.now();
        tasks.reading = await tasksWhile(page, async () => {
            // So many are read at once, and what has been is kept.
            await cancelOnceBegun(
                page,
                '#view-meaning [data-part=working]',
                () => part(page, 'file').setInputFiles(file),
                128,
            );
            await page.getByText(/^Stopped\. \d+ sentences are still to be read/).waitFor();
            const left = await part(page, 'working').innerText();
            assert.ok(parseInt(left.slice(9), 10) < 1000, left);
            await part(page, 'read').click();
            await part(page, 'picture').getByText('1,000 sentences, all-minilm').waitFor(TIMEOUT);
        });
        const seconds = (Date.now() - begin) / 1000;
        tasks.threshold = await tasksWhile(page, async () => {
            await part(page, 'threshold').fill('40');
            await part(page, 'threshold').press('ArrowRight');
            await page.getByText('alike by at least 0.41').waitFor();
        });
        tasks.search = await tasksWhile(page, async () => {
            await part(page, 'query').fill('bad weather');
            await part(page, 'found').locator('li').first().waitFor();
        });
        assert.match(await part(page, 'found').locator('li').first().innerText(), /rain/);
        tasks.keys = await tasksWhile(page, async () => {
            await part(page, 'picture').locator('svg').focus();
            await page.keyboard.press('ArrowRight');
        });
        assert.match(await part(page, 'readout').innerText(), /^“The /);
        t.diagnostic(`read and compared in ${seconds.toFixed(1)} s`);
        t.diagnostic(`longest tasks in ms: ${JSON.stringify(tasks)}`);
        for (const [what, { own }] of Object.entries(tasks)) assert.ok(own[0] < TOO_LONG, what);
        await page.locator('#view-meaning [data-mode=matrix]').click();
        await page.getByText('A matrix of more than 100 sentences cannot be read').waitFor();
        assert.ok(await part(page, 'link').isDisabled());
    },
);

test('more than a few are read when asked, also right after typing', TIMEOUT, async (t) => {
    const { page } = await openSite(t, { hash: '#meaning' });
    await isShown(page);
    await part(page, 'text').fill(many(110));
    await page.getByText('They are read when you press the button.').waitFor();
    await part(page, 'text').fill(many(120));
    await part(page, 'read').click();
    await part(page, 'picture').getByText('120 sentences, all-minilm').waitFor(TIMEOUT);
    assert.equal(await part(page, 'working').innerText(), '');
});

test('what fails says so, and can be tried again', TIMEOUT, async (t) => {
    const { page } = await openSite(t, { hash: '#meaning' });
    await isShown(page);
    // A profile of its own: in this one the model is stored.
    const context = await /** @type {import('playwright-core').Browser} */ (
        page.context().browser()
    ).newContext({ serviceWorkers: 'block' });
    t.after(() => context.close());
    const failing = await context.newPage();
    const broken = new Set(['model', 'worker']);
    await failing.route('**/all-minilm-*.safetensors', (route) =>
        broken.has('model') ? route.fulfill({ status: 404 }) : route.continue(),
    );
    await failing.route('**/projection_worker.js', (route) =>
        broken.has('worker') ? route.fulfill({ status: 404 }) : route.continue(),
    );
    await failing.goto(page.url());
    const failure = part(failing, 'working').locator('.failure');
    await failure.getByText('The model could not be loaded').waitFor(TIMEOUT);
    assert.equal(await part(failing, 'text').inputValue(), SAMPLE);
    broken.delete('model');
    await failure.getByRole('button').click();
    await failure.getByText('The sentences could not be compared').waitFor(TIMEOUT);
    broken.delete('worker');
    await failure.getByRole('button').click();
    await isShown(failing);
});
