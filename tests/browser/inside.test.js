/** The view Inside: what it shows against what the package says in Node. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';

import { DIST } from '../js/built.js';
import { TOO_LONG, tasksWhile } from '../tools/tasks.js';
import { assertAccessible, assertFits, cancelOnceBegun, openSite, TIMEOUT } from './site.js';

const { pipeline } = await import(new URL('index.node.js', DIST).href);
const { attentionMaps, attentionRollout, attribute } = await import(
    new URL('explain.js', DIST).href
);

/** @typedef {import('playwright-core').Page} Page */

const TEXT = 'I expected a dull evening, but the film was wonderful.';
const MODEL = 'web-demo/models/sentiment-minilm-l6-q8.safetensors';

/**
 * Chromium's engine fuses products where Node's may not, and 8 bits make more of it: shares may be
 * so far apart.
 */
const NEAR = 0.04;

/** @type {Promise<any> | undefined} */
let loading;
const model = () => (loading ??= pipeline('text-classification', MODEL));
after(async () => (await loading)?.dispose());

/** @param {Record<string, string>} state */
const at = (state) => `#inside?${new URLSearchParams(state)}`;

/** The picture is there, and so are all heads. @param {Page} page @param {string} [mode] */
async function isShown(page, mode = 'lines') {
    await page.waitForSelector(`#view-inside[data-shown=${mode}][data-overview=whole]`, TIMEOUT);
}

/** @param {Page} page */
const readout = (page) => page.locator('[data-part=readout]').innerText();

/** Names and numbers of a readout. @param {string} words @returns {[string, number][]} */
const figures = (words) =>
    [...words.matchAll(/(?:“([^”]+)”|(\[\w+\])) (\d[\d.]*)(%?)/g)].map(
        ([, word, special, number, percent]) => [
            word ?? special,
            Number(number) / (percent ? 100 : 1),
        ],
    );

/** @param {number} shown @param {number} expected @param {number} [least] */
function assertNear(shown, expected, least = NEAR) {
    assert.ok(Math.abs(shown - expected) <= least, `${shown} is shown, ${expected} is right`);
}

test('pieces, ids and places; where a piece looks', TIMEOUT, async (t) => {
    const { page } = await openSite(t, { hash: at({ text: TEXT, layer: '2', head: '5' }) });
    await isShown(page);
    const classify = await model();
    const encoded = await classify.model.tokenizer.encode(TEXT);
    const shown = await page
        .locator('[data-piece]')
        .evaluateAll((chips) =>
            chips.map((chip) =>
                [...chip.querySelectorAll('.inside-token, .inside-id')].map(
                    (each) => each.textContent,
                ),
            ),
        );
    assert.deepEqual(
        shown,
        encoded.tokens.map((/** @type {string} */ token, /** @type {number} */ i) => [
            token,
            String(encoded.ids[i]),
            encoded.sequence[i] < 0
                ? 'special'
                : `${encoded.offsets[2 * i]}–${encoded.offsets[2 * i + 1]}`,
        ]),
    );
    const kinds = await page.locator('[data-kind=special]').allInnerTexts();
    assert.equal(kinds.length, 2);

    const { tokens, maps } = await attentionMaps(classify, TEXT, { layer: 1, head: 4 });
    const n = tokens.length;
    const film = tokens.findIndex(({ token }) => token === 'film');
    const names = tokens.map(({ token }) => token);
    let apart = 0;
    /** @param {number} piece */
    const check = async (piece) => {
        const said = figures(await readout(page));
        assert.equal(said.length, 5);
        for (const [word, share] of said) {
            const expected = maps.data[piece * n + names.indexOf(word)];
            assertNear(share, expected);
            apart = Math.max(apart, Math.abs(share - expected));
        }
    };
    await page.hover(`[data-piece="${film}"]`);
    await page.getByText('“film” (piece 10) looks at ').waitFor();
    await check(film);
    await page.hover('#view-inside h1');
    await page.getByText('Point at a piece').waitFor();

    // By keyboard, then kept.
    await page.locator('[data-piece="0"]').focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    assert.match(await readout(page), /^“expected”/);
    await check(2);
    await page.keyboard.press('Enter');
    await page.hover('#view-inside h1');
    assert.match(await readout(page), /^“expected”/);
    await page.waitForURL(/piece=3/);
    assert.match(await page.locator('#announcement').innerText(), /^“expected”.* looks at/);

    // In the picture itself.
    await page.locator('[data-part=picture] [data-side=from]', { hasText: 'film' }).click();
    assert.match(await readout(page), /^“film”/);
    t.diagnostic(`shares of attention are at most ${(100 * apart).toFixed(1)} points from Node's`);
});

test('matrix, rollout, hidden states, attribution', TIMEOUT, async (t) => {
    const { page } = await openSite(t, {
        hash: at({ text: TEXT, layer: '3', head: 'mean', mode: 'matrix' }),
    });
    await isShown(page, 'matrix');
    const classify = await model();
    const { tokens, maps } = await attentionMaps(classify, TEXT, { layer: 2 });
    const n = tokens.length;
    const picture = page.locator('[data-part=picture] svg');
    await picture.focus();
    for (const key of ['ArrowRight', 'ArrowRight', 'ArrowDown']) await page.keyboard.press(key);
    let mean = 0;
    for (let head = 0; head < 12; head++) mean += maps.data[head * n * n + n + 2] / 12;
    const cell = await readout(page);
    assert.match(cell, /^“i” looks at “expected”: /);
    assertNear(parseFloat(cell.split(': ')[1]) / 100, mean);
    assert.equal(await page.locator('#announcement').innerText(), cell);

    await page.locator('[data-part=flow]').check();
    await isShown(page, 'matrix');
    const { matrix } = await attentionRollout(classify, TEXT);
    await page.locator('[data-piece="0"]').focus();
    assert.match(await readout(page), /holds, in the last layer, /);
    const names = tokens.map(({ token }) => token);
    for (const [word, share] of figures(await readout(page))) {
        assertNear(share, matrix.data[names.indexOf(word)]);
    }
    await page.locator('[data-part=flow]').uncheck();

    await page.getByRole('button', { name: 'Hidden states' }).click();
    await page.selectOption('[data-part=layer]', '6');
    await isShown(page, 'states');
    const { ids, type_ids } = await classify.model.tokenizer.encode(TEXT);
    const { hidden_states } = await classify.model.forward(
        { input_ids: ids, token_type_ids: type_ids },
        { outputs: {}, hidden_states: true },
    );
    const d = hidden_states.dims[2];
    const row = (/** @type {number} */ i) =>
        hidden_states.data.subarray((6 * n + i) * d, (6 * n + i + 1) * d);
    const dot = (/** @type {Float32Array} */ a, /** @type {Float32Array} */ b) =>
        a.reduce((sum, x, i) => sum + x * b[i], 0);
    await page.locator('[data-piece="9"]').focus();
    const alike = figures(await readout(page));
    assert.equal(alike.length, 5);
    for (const [word, cosine] of alike) {
        const other = row(names.indexOf(word));
        const expected = dot(row(9), other) / Math.sqrt(dot(row(9), row(9)) * dot(other, other));
        assertNear(cosine, expected, 0.08);
    }
    await page.selectOption('[data-part=layer]', '0');
    await isShown(page, 'states');

    await page.getByRole('button', { name: 'Attribution' }).click();
    await isShown(page, 'answer');
    const { score, tokens: parts } = await attribute(classify, TEXT);
    await page.locator('[data-piece="11"]').focus();
    const words = await readout(page);
    const [, whole, without] = words.match(
        /^“wonderful” speaks for Positive: without it, ([\d.]+)% becomes ([\d.]+)%$/,
    ) ?? [words, '', ''];
    assertNear(Number(whole) / 100, score, 0.1);
    assertNear(Number(without) / 100, score - parts[10].score, 0.1);
    assert.equal((await picture.locator('rect[fill="var(--positive)"]').count()) > 0, true);
});

test('all heads: one is chosen by tap and by keys; the link restores it', TIMEOUT, async (t) => {
    const { page, context, base } = await openSite(t, {
        hash: at({ text: TEXT, pair: 'Nobody left early.', layer: '6', head: '3' }),
    });
    await isShown(page);
    assert.equal(await page.locator('[data-kind=second]').count(), 4);
    const heads = page.locator('[data-part=overview] svg');
    const mark = page.locator('[data-part=overview] svg > rect:last-of-type');
    await heads.scrollIntoViewIfNeeded();
    const place = /** @type {{x: number, y: number, width: number, height: number}} */ (
        await mark.boundingBox()
    );
    // From layer 6, head 3 to layer 4, head 8: as many cells away.
    await page.mouse.click(
        place.x + place.width / 2 + 5 * place.width,
        place.y + place.height / 2 - 2 * place.height,
    );
    await isShown(page);
    assert.equal(await page.locator('[data-part=layer]').inputValue(), '4');
    assert.equal(await page.locator('[data-part=head]').inputValue(), '8');
    await heads.focus();
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('ArrowRight');
    await isShown(page);
    await page.waitForURL(/layer=3&head=9/);
    assert.equal(await page.locator('#announcement').innerText(), 'Layer 3, head 9');

    for (const mode of ['matrix', 'lines']) {
        await page.locator(`[data-mode=${mode}]`).click();
        await isShown(page, mode);
        await page.locator('[data-piece="3"]').click();
        await page.waitForURL(({ hash }) => hash.includes(`mode=${mode}`) && /piece=4/.test(hash));
        const other = await context.newPage();
        await other.goto(base + new URL(page.url()).hash);
        await isShown(other, mode);
        const pictureOf = (/** @type {Page} */ each) =>
            each.evaluate(() =>
                [...document.querySelectorAll('#view-inside svg, .inside-pieces')]
                    .map(({ outerHTML }) => outerHTML.replace(/ tabindex="[^"]*"/g, ''))
                    .join('\n'),
            );
        await page.hover('#view-inside h1');
        assert.equal(await readout(other), await readout(page));
        assert.equal(await pictureOf(other), await pictureOf(page));
        await other.close();
        await page.locator('[data-piece="3"]').click(); // lets it go
    }
});

test('pictures are saved whole: SVG and PNG', TIMEOUT, async (t) => {
    const { page } = await openSite(t, {
        hash: at({ text: TEXT, layer: '6', head: '3', piece: '11' }),
    });
    await isShown(page);
    /** @param {string} part @param {string} ending */
    const save = async (part, ending) => {
        const [download] = await Promise.all([
            page.waitForEvent('download'),
            page.locator(`[data-part=${part}] [data-save=${ending}]`).click(),
        ]);
        assert.match(download.suggestedFilename(), new RegExp(`^inside-\\w+\\.${ending}$`));
        return readFileSync(await download.path());
    };
    /** @param {string} part @param {string} place */
    const check = async (part, place) => {
        const text = String(await save(part, 'svg'));
        const { error, size } = await page.evaluate((source) => {
            const read = new DOMParser().parseFromString(source, 'image/svg+xml');
            return {
                error: read.querySelector('parsererror')?.textContent,
                size: ['width', 'height'].map((name) => read.documentElement.getAttribute(name)),
            };
        }, text);
        assert.equal(error, undefined);
        assert.doesNotMatch(text, /var\(|url\(|@import|<script|<style|foreignObject/);
        for (const [, address] of text.matchAll(/href="([^"]*)"/g)) {
            assert.match(address, /^data:image\/png;base64,/);
        }
        for (const [, address] of text.matchAll(/(https?:[^"\s]*)/g)) {
            assert.equal(address, 'http://www.w3.org/2000/svg');
        }
        assert.match(text, /bert-wasm<\/text>|se…<\/text>|…<\/text>/);
        const png = await save(part, 'png');
        assert.equal(png.toString('latin1', 1, 4), 'PNG');
        assert.deepEqual(
            [png.readUInt32BE(16), png.readUInt32BE(20)],
            size.map((each) => Math.round(2 * Number(each))),
        );
        t.diagnostic(`${place}: SVG ${text.length} bytes, PNG ${png.length}`);
    };
    await check('saving', 'lines');
    await check('overview_saving', 'all heads');
    await page.locator('[data-mode=matrix]').click();
    await isShown(page, 'matrix');
    await check('saving', 'matrix');
    await page.locator('[data-mode=answer]').click();
    await isShown(page, 'answer');
    await check('saving', 'attribution');
});

test('axe-core finds nothing, and nothing hangs over', TIMEOUT, async (t) => {
    const { page } = await openSite(t, { hash: at({ text: TEXT, piece: '11' }) });
    await isShown(page);
    await assertAccessible(page);
    for (const mode of ['matrix', 'states', 'answer']) {
        await page.locator(`[data-mode=${mode}]`).click();
        await isShown(page, mode);
        if (mode === 'matrix') await assertAccessible(page);
        for (const width of [360, 1920]) await assertFits(page, width);
    }
    await page.locator('[data-mode=lines]').click();
    for (const width of [360, 768, 1280, 1920]) {
        await assertFits(page, width);
        await isShown(page);
    }
    await page.locator('#view-inside [data-part=text]').fill('');
    await page.waitForSelector('#view-inside[data-state=empty]');
    await assertFits(page, 360);
});

test(
    'as many pieces as are read: nothing blocks the page; work that is long is asked for',
    TIMEOUT,
    async (t) => {
        const { page } = await openSite(t, { hash: '#inside' });
        await isShown(page);
        const text = 'The film was good, and so was the talk. '.repeat(30);
        const picture = page.locator('#view-inside [data-part=picture]');
        /** @type {Record<string, {own: number[], clock: number[]}>} */
        const tasks = {};
        tasks.reading = await tasksWhile(page, async () => {
            await page.locator('#view-inside [data-part=text]').fill(text);
            await page.waitForSelector('[data-part=all]');
            await isShown(page);
        });
        const n = parseInt(await page.locator('[data-part=pieces_words]').innerText(), 10);
        assert.equal(n, 256, 'what the model reads');
        assert.equal(
            await page.locator('[data-part=pages_words]').innerText(),
            `Drawn: pieces 1 to 60 of ${n}`,
        );
        tasks.lines = await tasksWhile(page, async () => {
            await page.locator('[data-part=later]').click();
            await isShown(page);
            await page.locator('[data-piece="70"]').hover();
            await page.getByText('(piece 71) looks at').waitFor();
        });
        tasks.matrix = await tasksWhile(page, async () => {
            await page.locator('#view-inside [data-mode=matrix]').click();
            await isShown(page, 'matrix');
            await picture.locator('svg').focus();
            await page.keyboard.press('ArrowDown');
        });
        assert.match(await readout(page), /^“the” looks at \[CLS\]: /);
        tasks.rollout = await tasksWhile(page, async () => {
            await page.locator('[data-part=flow]').check();
            await isShown(page, 'matrix');
        });
        tasks.states = await tasksWhile(page, async () => {
            await page.locator('[data-mode=states]').click();
            await isShown(page, 'states');
        });
        await page.locator('[data-mode=answer]').click();
        await isShown(page, 'answer');
        tasks.weighing = await tasksWhile(page, async () => {
            // Not by role: to find that in a page with so many buttons is work in the page.
            await cancelOnceBegun(page, '#view-inside [data-part=picture]', () =>
                picture.locator('button.main').click(),
            );
            await picture.locator('p', { hasText: 'Stopped.' }).waitFor();
        });
        tasks.pieces = await tasksWhile(page, async () => {
            await page.locator('[data-part=all]').click();
            await page.waitForFunction(() => document.activeElement?.matches('[data-piece="128"]'));
        });
        t.diagnostic(`${n} pieces, longest tasks in ms: ${JSON.stringify(tasks)}`);
        for (const [what, { own }] of Object.entries(tasks)) assert.ok(own[0] < TOO_LONG, what);
    },
);

test(
    'the embedder has no answer; what fails says so, and can be tried again',
    TIMEOUT,
    async (t) => {
        const { page } = await openSite(t, {
            hash: at({ text: TEXT, mode: 'answer', model: 'embedder' }),
        });
        await page.getByRole('button', { name: 'Use sentiment-minilm-l6' }).click();
        await isShown(page, 'answer');
        assert.equal(await page.locator('[data-part=model]').inputValue(), 'classifier');
        await page.waitForURL(({ hash }) => !hash.includes('embedder'));

        // A profile of its own: in this one the model is stored.
        const context = await /** @type {import('playwright-core').Browser} */ (
            page.context().browser()
        ).newContext({ serviceWorkers: 'block' });
        t.after(() => context.close());
        const failing = await context.newPage();
        let is_broken = true;
        await failing.route('**/sentiment-*.safetensors', (route) =>
            is_broken ? route.fulfill({ status: 404 }) : route.continue(),
        );
        await failing.goto(page.url());
        const failure = failing.locator('#view-inside .failure');
        await failure.waitFor(TIMEOUT);
        assert.match(await failure.innerText(), /The model could not be loaded/);
        is_broken = false;
        await failure.getByRole('button').click();
        await isShown(failing, 'answer');

        const without = await context.newPage();
        await without.route('**/bert-wasm/explain.js', (route) => route.fulfill({ status: 404 }));
        await without.goto(page.url());
        await without
            .locator('#view-inside .failure', { hasText: 'could not be read' })
            .waitFor(TIMEOUT);
        assert.match(
            await without.locator('#view-inside .failure').innerText(),
            /A part of the page did not arrive[\s\S]*Reload the page/,
        );
    },
);
