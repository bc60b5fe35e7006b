/** The view Teach: lines with labels in, a classifier of the visitor's own out. */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { converted } from '../js/converted.js';
import { TOO_LONG, tasksWhile } from '../tools/tasks.js';
import { assertAccessible, assertFits, openSite, TIMEOUT } from './site.js';

/** @typedef {import('playwright-core').Page} Page */

/** A part of the view. @param {Page} page @param {string} name */
const part = (page, name) => page.locator(`#view-teach [data-part="${name}"]`);

/** @param {Page} page @param {...string} states  one of them */
const reached = (page, ...states) =>
    page.waitForSelector(states.map((state) => `#view-teach[data-state=${state}]`).join());

const FILES = mkdtempSync(join(tmpdir(), 'teach-'));
after(() => rmSync(FILES, { recursive: true }));

/** @param {Page} page @param {string} name @param {string | Buffer} content */
async function give(page, name, content) {
    writeFileSync(join(FILES, name), content);
    await part(page, 'file').setInputFiles(join(FILES, name));
    await page.waitForFunction(
        (expected) =>
            document.querySelector('#view-teach [data-part=source-name]')?.textContent ===
                expected ||
            document.querySelector('#view-teach')?.getAttribute('data-state') === 'refused',
        name,
    );
}

/** @param {Page} page @param {string} lines */
async function paste(page, lines) {
    await part(page, 'paste').fill(lines);
    await part(page, 'use-paste').click();
    await reached(page, 'few', 'ready');
}

/** Lines by label. @param {Page} page */
const labelsOf = (page) =>
    part(page, 'labels')
        .locator('li')
        .evaluateAll((items) =>
            items.map((item) => [
                item.querySelector('bdi')?.textContent,
                item.querySelector('.numbers')?.textContent,
            ]),
        );

/** Sentences that a tiny vocabulary tells apart. */
const GOOD = ['a wonderful film', 'what a good story', 'I loved it', 'great acting', 'so good'];
const BAD = ['a terrible film', 'what a bad story', 'I hated it', 'poor acting', 'so bad'];
const LABELLED = [...GOOD.map((text) => [text, 'good']), ...BAD.map((text) => [text, 'bad'])];
const TSV = LABELLED.map((row) => row.join('\t')).join('\n');

/** A model that learns in moments, in place of the page's own. */
const TINY = readFileSync(converted('pipelines/feature-extraction-bert', 'q8'));

/**
 * @param {import('node:test').TestContext} t
 * @param {Parameters<typeof openSite>[1] & {is_tiny?: boolean}} [how]
 */
async function openTeach(t, { is_tiny = true, prepare, ...how } = {}) {
    const opened = await openSite(t, {
        hash: '#teach',
        ready: false,
        prepare: async (context) => {
            if (is_tiny) {
                await context.route('**/all-minilm-*.safetensors', (route) =>
                    route.fulfill({ body: TINY }),
                );
            }
            // Nobody is there to choose a folder.
            await context.addInitScript(() => Reflect.deleteProperty(self, 'showDirectoryPicker'));
            await prepare?.(context);
        },
        ...how,
    });
    opened.page.setDefaultTimeout(100_000);
    await opened.page.waitForSelector('#view-teach[data-state]');
    return opened;
}

/** Sets fields under More, too. @param {Page} page @param {Record<string, string>} fields */
async function set(page, fields) {
    await part(page, 'more').evaluate((/** @type {any} */ details) => (details.open = true));
    for (const [name, value] of Object.entries(fields)) await part(page, name).fill(value);
}

/** Under which the tiny model learns ten lines. */
const QUICK = { epochs: '40', batch: '4', rate: '0.005' };

test('reads labelled lines, guesses their columns, and says what is there', TIMEOUT, async (t) => {
    const { page } = await openTeach(t);
    assert.equal(await part(page, 'job').isVisible(), false);
    await paste(page, TSV);
    await reached(page, 'ready');
    assert.deepEqual(await labelsOf(page), [
        ['good', '5 lines'],
        ['bad', '5 lines'],
    ]);
    assert.match(await part(page, 'remarks').innerText(), /better with 20 lines/);

    const rows = LABELLED.map(([text, label], i) => `${i},"${text}, or so",2025-01-01,${label}`);
    await give(page, 'table.csv', ['id,said,when,category', ...rows].join('\n'));
    await reached(page, 'ready');
    assert.equal(await part(page, 'text').locator('option:checked').innerText(), 'said');
    assert.equal(await part(page, 'label').locator('option:checked').innerText(), 'category');
    assert.match(await part(page, 'source-facts').innerText(), /^10 texts, 10 with a label, 2/);

    await part(page, 'label').selectOption({ label: 'None: by hand' });
    await reached(page, 'few');
    assert.match(await part(page, 'lack').innerText(), /^No line has a label/);
    assert.ok(await part(page, 'start').isDisabled());

    const records = LABELLED.map(([text, label]) => JSON.stringify({ label, text }));
    await give(page, 'lines.jsonl', records.join('\n'));
    await reached(page, 'ready');
    assert.equal((await labelsOf(page))[0][0], 'good');

    await give(page, 'book.xlsx', Buffer.from('PK\u0003\u0004 and so on'));
    await reached(page, 'refused');
    assert.match(await part(page, 'refused').innerText(), /Excel workbook/);
    assert.ok(await part(page, 'labels').isVisible(), 'what was there stays');
    await part(page, 'clear').click();
    await reached(page, 'empty');
});

test('reading a large file can be cancelled', TIMEOUT, async (t) => {
    const { page } = await openTeach(t);
    writeFileSync(join(FILES, 'large.tsv'), `${TSV}\n`.repeat(200_000));
    await part(page, 'file').setInputFiles(join(FILES, 'large.tsv'));
    await reached(page, 'parsing');
    await part(page, 'parsing-cancel').click();
    await reached(page, 'empty');
});

test('says what is too few, one, twice or not decided', TIMEOUT, async (t) => {
    const { page } = await openTeach(t);
    const lack = async (/** @type {string} */ lines) => {
        await paste(page, lines);
        const words = await part(page, 'lack').innerText();
        assert.equal(await page.getAttribute('#view-teach', 'data-state'), 'few');
        await part(page, 'clear').click();
        return words;
    };
    assert.match(await lack(GOOD.map((text) => `${text}\tgood`).join('\n')), /same label, good/);
    assert.match(
        await lack('one\ta\ntwo\ta\nthree\tb\nfour\tb\nfive\tb\nsix\tb\n'),
        /Missing: 2 lines more of a\./,
    );
    const many = Array.from({ length: 150 }, (_, i) => `text ${i}\tlabel ${i}`);
    await give(page, 'many.tsv', ['text\tlabel', ...many].join('\n'));
    assert.match(await part(page, 'lack').innerText(), /150 different labels/);

    // One line twice, one with two labels, one label of which there is too little.
    await give(page, 'odd.tsv', `${TSV}\nso bad\tbad\nfine\tgood\nfine\tbad\nwhy\task\n\tbad\n`);
    await reached(page, 'ready');
    const remarks = await part(page, 'remarks').innerText();
    assert.match(remarks, /1 line is there twice/);
    assert.match(remarks, /1 text with several labels/);
    assert.match(remarks, /1 line without a text/);
    assert.deepEqual((await labelsOf(page)).at(-1), ['ask', '1 line, left out: it needs 4']);
    assert.match(await part(page, 'start-hint').innerText(), /^10 lines/);
    await part(page, 'by-hand').locator('summary').click();
    assert.match(await part(page, 'undecided').innerText(), /fine\s+There with: good, bad/);
    await part(page, 'undecided').locator('select').selectOption('good');
    assert.match(await part(page, 'start-hint').innerText(), /^11 lines/);
});

test('lines get labels by hand, by the keys alone', TIMEOUT, async (t) => {
    const { page } = await openTeach(t);
    const texts = Array.from({ length: 30 }, (_, i) => `Line number ${i + 1}`);
    await paste(page, texts.join('\n'));
    await reached(page, 'few');
    assert.match(await part(page, 'by-hand-title').innerText(), /^30 lines/);
    const field = part(page, 'new-label');
    for (const label of ['odd', 'even', 'typo']) {
        await field.fill(label);
        await field.press('Enter');
    }
    await part(page, 'labels-by-hand').getByRole('button', { name: 'Remove typo' }).click();
    await part(page, 'undecided').locator('select').first().focus();
    for (const key of '121212120') await page.keyboard.press(key);
    assert.deepEqual(await labelsOf(page), [
        ['odd', '4 lines'],
        ['even', '4 lines'],
    ]);
    await reached(page, 'ready');
    assert.equal(await part(page, 'place').innerText(), '1 to 20 of 30');
    await part(page, 'next').click();
    assert.match(await part(page, 'undecided').innerText(), /^Line number 21/);
    await part(page, 'earlier').click();
    assert.equal(await part(page, 'undecided').locator('select').first().inputValue(), '0');
    const [file] = await Promise.all([
        page.waitForEvent('download'),
        part(page, 'save-lines').click(),
    ]);
    const saved = readFileSync(await file.path(), 'utf8')
        .trim()
        .split('\n');
    assert.equal(saved.length, 8);
    assert.deepEqual(JSON.parse(saved[1]), { text: 'Line number 2', label: 'even' });
    // Another column, or the same one again: what was given by hand stays.
    await part(page, 'label').selectOption('0');
    await part(page, 'label').selectOption('-1');
    await page.waitForFunction(() =>
        /8 with a label/.test(
            document.querySelector('#view-teach [data-part=source-facts]')?.textContent ?? '',
        ),
    );
    await assertAccessible(page);
    await assertFits(page, 360);
});

test('teaches the page’s own model while its thread stays free', TIMEOUT, async (t) => {
    const { page } = await openTeach(t, { is_tiny: false, hash: '#teach?epochs=2&seed=1' });
    const sample = await samplePiece(page);
    await paste(page, sample);
    assert.equal(await part(page, 'epochs').inputValue(), '2', 'the address has it');
    const began = performance.now();
    const { own } = await tasksWhile(page, async () => {
        await part(page, 'start').click();
        await reached(page, 'loading');
        await reached(page, 'teaching');
        await page.waitForFunction(() =>
            /lines\/s/.test(
                document.querySelector('#view-teach [data-part=work-words]')?.textContent ?? '',
            ),
        );
        await page.waitForSelector('#view-teach [data-part=loss-curve] polyline');
        await reached(page, 'done');
    });
    t.diagnostic(`24 lines, twice: ${Math.round(performance.now() - began)} ms`);
    t.diagnostic(`longest tasks: ${own.join(', ')} ms`);
    t.diagnostic(await part(page, 'results-facts').innerText());
    assert.ok(own[0] < TOO_LONG, `the page's thread was kept for ${own[0]} ms`);
    assert.match(await part(page, 'score').innerText(), /^\d of 6 lines right$/);
    assert.equal(await part(page, 'confusion').locator('tbody tr').count(), 3);
    assert.equal(
        await page.evaluate(() => document.activeElement?.textContent),
        'Your new model',
        'that is where it goes on',
    );
});

/** A part of the sample, as it is given to visitors: 8 lines of each label. @param {Page} page */
async function samplePiece(page) {
    await part(page, 'sample').click();
    await reached(page, 'ready');
    assert.deepEqual(
        (await labelsOf(page)).map(([, n]) => n),
        ['20 lines', '20 lines', '20 lines'],
    );
    const texts = ['When does it open?', 'Is there a bus?', 'May I come in?', 'How long is it?'];
    await part(page, 'clear').click();
    const all = [
        ...[...texts, ...texts.map((text) => `${text} Please tell me.`)].map((l) => `${l}\task`),
        ...GOOD.concat('lovely', 'thank you', 'well done').map((text) => `${text}\tgood`),
        ...BAD.concat('dirty', 'never again', 'too cold').map((text) => `${text}\tbad`),
    ];
    return all.join('\n');
}

test('what was taught is tried, saved, and used in other views', TIMEOUT, async (t) => {
    const { page } = await openTeach(t);
    await paste(page, TSV);
    await set(page, QUICK);
    await part(page, 'start').click();
    await reached(page, 'done');
    assert.match(await part(page, 'score').innerText(), /^[012] of 2 lines right$/);
    await part(page, 'trial').fill('what a good film');
    const shares = await part(page, 'answer').locator('.numbers').allInnerTexts();
    const sum = shares.reduce((total, share) => total + parseFloat(share), 0);
    assert.ok(shares.length === 2 && Math.abs(sum - 100) < 0.2, `${shares}`);
    await assertAccessible(page);
    for (const width of [360, 1920]) await assertFits(page, width);

    await part(page, 'model-name').fill('mine of today');
    const [file] = await Promise.all([
        page.waitForEvent('download'),
        part(page, 'save-model').click(),
    ]);
    assert.equal(file.suggestedFilename(), 'mine-of-today-q8.safetensors');
    const path = join(FILES, 'mine.safetensors');
    await file.saveAs(path);
    /** @type {string[]} */
    const names = [];
    page.on('download', (download) => names.push(download.suggestedFilename()));
    await part(page, 'save-folder').click();
    await page.waitForFunction(() =>
        /tokenizer_config/.test(
            document.querySelector('#view-teach [data-part=saved]')?.textContent ?? '',
        ),
    );
    await page.waitForFunction(() => true);
    for (const end = Date.now() + 10_000; names.length < 5 && Date.now() < end; ) {
        await page.waitForEvent('download', { timeout: 500 }).catch(() => {});
    }
    assert.deepEqual(names.sort(), [
        'README.md',
        'config.json',
        'model.safetensors',
        'tokenizer.json',
        'tokenizer_config.json',
    ]);

    await part(page, 'use').click();
    assert.match(await part(page, 'used').innerText(), /use it now, as mine-of-today/);
    await page.evaluate(() => (location.hash = '#read?text=a%20good%20story'));
    await page.waitForSelector('#view-read [data-part=model-name]:visible');
    assert.equal(
        await page.locator('#view-read [data-part=model-name]').innerText(),
        'mine-of-today',
    );
    await page.evaluate(() => (location.hash = '#your_model'));
    const place = page.locator('#view-your_model [data-kind=classifier]');
    await place.waitFor();
    assert.match(await place.innerText(), /mine-of-today, yours/);
    // What was saved is a model as any other, and may be where the next one begins.
    await page.locator('#view-your_model [data-part=files]').setInputFiles(path);
    await page.waitForSelector('#view-your_model [data-part=card]:visible');
    await page.locator('#view-your_model [data-kind=embedder] button').first().click();
    await place.getByRole('button', { name: /own back/ }).click();
    await page.evaluate(() => (location.hash = '#teach'));
    assert.ok(await part(page, 'use').isVisible(), 'it is no longer used');
    await part(page, 'setup-title').click();
    await part(page, 'base').selectOption('mine');
    await part(page, 'epochs').fill('1');
    await part(page, 'start').click();
    await reached(page, 'loading', 'teaching', 'checking');
    await reached(page, 'done');
    assert.match(await part(page, 'results-facts').innerText(), /read 1 time\./);
});

test('cancelled: the best until then is kept, or nothing', TIMEOUT, async (t) => {
    const { page } = await openTeach(t);
    const some = Array.from({ length: 200 }, (_, i) => `${LABELLED[i % 10][0]} ${i}\t${i % 2}`);
    await paste(page, some.join('\n'));
    await set(page, { ...QUICK, epochs: '100', batch: '1' });
    await part(page, 'start').click();
    await page.waitForSelector('#view-teach [data-part=right-curve] circle');
    await part(page, 'cancel').click();
    await reached(page, 'stopped');
    assert.match(await part(page, 'note').innerText(), /best until then is kept/);
    assert.match(await part(page, 'results-facts').innerText(), /read \d+ times? of 100/);
    await part(page, 'setup-title').click();
    assert.ok(await part(page, 'start').isVisible());
    await page.reload();
    await page.waitForSelector('#view-teach[data-state=empty]');

    // In the first pass: of so many lines, the first step alone is made.
    const lines = Array.from({ length: 3000 }, (_, i) => `${LABELLED[i % 10][0]} ${i}\t${i % 2}`);
    await give(page, 'long.tsv', ['text\tlabel', ...lines].join('\n'));
    await part(page, 'start').click();
    await reached(page, 'teaching');
    await part(page, 'cancel').click();
    await reached(page, 'stopped');
    assert.match(await part(page, 'note').innerText(), /Nothing is kept/);
    assert.equal(await part(page, 'results').isVisible(), false);
    await assertAccessible(page);
});

test('what fails says why, and what to do', TIMEOUT, async (t) => {
    let fails = true;
    const { page } = await openTeach(t, {
        is_tiny: false,
        expected: /all-minilm|404/,
        prepare: (context) =>
            context.route('**/all-minilm-*.safetensors', (route) =>
                fails ? route.fulfill({ status: 404 }) : route.fulfill({ body: TINY }),
            ),
    });
    await paste(page, TSV);
    await part(page, 'start').click();
    await reached(page, 'failed');
    assert.match(await part(page, 'failed').innerText(), /did not arrive/);
    fails = false;
    await set(page, { ...QUICK, rate: '1', epochs: '1' });
    await part(page, 'failed').getByRole('button').click();
    await reached(page, 'done');

    await part(page, 'setup-title').click();
    await set(page, { epochs: '0' });
    await part(page, 'start').click();
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'teach-epochs');
    assert.equal(await page.getAttribute('#view-teach', 'data-state'), 'done');
    await set(page, { epochs: '1', tokens: '8000' });
    await part(page, 'start').click();
    await reached(page, 'failed');
    assert.match(await part(page, 'failed').innerText(), /max_length must be at most/);
    await assertAccessible(page);
    await assertFits(page, 360);
});

test('too little memory: says how much, and what to lower', TIMEOUT, async (t) => {
    const { page } = await openTeach(t, { is_tiny: false });
    const long = 'word and word again '.repeat(120);
    const lines = Array.from({ length: 400 }, (_, i) => `${i} ${long}\t${i % 2 ? 'a' : 'b'}`);
    await give(page, 'long.tsv', ['text\tlabel', ...lines].join('\n'));
    await set(page, { batch: '300' });
    await part(page, 'start').click();
    await reached(page, 'failed');
    const words = await part(page, 'failed').innerText();
    assert.match(words, /Lines at a time/);
    assert.match(words, /takes about \d+ MB/);
    t.diagnostic(words.replace(/\s+/g, ' '));
    await part(page, 'failed').getByRole('button', { name: 'Teach with less memory' }).click();
    await reached(page, 'loading', 'failed');
    assert.ok(await part(page, 'lean').isChecked());
});

test('once the model and the code are there, no connection is needed', TIMEOUT, async (t) => {
    const { page, context } = await openTeach(t);
    await paste(page, TSV);
    await set(page, { ...QUICK, epochs: '1' });
    await part(page, 'start').click();
    await reached(page, 'done');
    await context.setOffline(true);
    await part(page, 'setup-title').click();
    await part(page, 'start').click();
    await reached(page, 'loading', 'teaching', 'checking');
    await reached(page, 'done');
    await context.setOffline(false);
});

test('looks right empty, ready and while it teaches', TIMEOUT, async (t) => {
    const { page } = await openTeach(t, { hash: '#teach?sample=1' });
    await reached(page, 'ready');
    await assertAccessible(page);
    for (const width of [360, 1920]) await assertFits(page, width);
    await set(page, { epochs: '100', batch: '1' });
    await part(page, 'start').click();
    await reached(page, 'teaching');
    await assertAccessible(page);
    for (const width of [360, 1920]) await assertFits(page, width);
    await part(page, 'cancel').click();
    await reached(page, 'stopped');
    await part(page, 'clear').click();
    await reached(page, 'empty');
    await assertAccessible(page);
    for (const width of [360, 1920]) await assertFits(page, width);
});
