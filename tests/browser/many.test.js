/** The view Many: files in, labels on, files out. */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import Papa from 'papaparse';

import { FaultyServer } from '../tools/faulty_server.js';
import { TOO_LONG, tasksWhile } from '../tools/tasks.js';
import { commandLine, LAST_DIGIT, variantOf } from '../tools/workbench.js';
import { assertAccessible, assertFits, atEnd, MODEL, openSite, SITE, TIMEOUT } from './site.js';

/** @typedef {import('playwright-core').Page} Page */

/** A part of the view. @param {Page} page @param {string} name */
const part = (page, name) => page.locator(`#view-many [data-part="${name}"]`);

/** @param {Page} page @param {string} state */
const reached = (page, state) => page.waitForSelector(`#view-many[data-state=${state}]`);

/** Files are chosen from a disk: from memory they would come through the page's thread. */
const FILES = mkdtempSync(join(tmpdir(), 'many-'));
after(() => rmSync(FILES, { recursive: true }));

/** @param {Page} page @param {string} name @param {string | Buffer} content */
async function give(page, name, content) {
    writeFileSync(join(FILES, name), content);
    await part(page, 'file').setInputFiles(join(FILES, name));
}

/** @param {import('node:test').TestContext} t @param {Parameters<typeof openSite>[1]} [how] */
async function openMany(t, how) {
    const opened = await openSite(t, { hash: '#many', ...how });
    opened.page.setDefaultTimeout(100_000); // a machine may do other things, too
    await opened.page.waitForSelector('#view-many[data-state]');
    return opened;
}

/** What is shown of the first rows, as cells, once what changed is drawn. @param {Page} page */
const shownRows = (page) =>
    page.evaluate(async () => {
        // The table draws in the frame after a change: the second one finds it drawn.
        for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
        return [...document.querySelectorAll('#view-many [data-part=space] > [role=row]')]
            .map((row) => ({
                index: Number(row.getAttribute('aria-rowindex')) - 2,
                no: row.querySelector('.many-no')?.textContent,
                text: row.querySelector('.many-words')?.textContent,
                label: row.querySelector('select')?.selectedOptions[0]?.text,
                group: row.querySelector('.many-group')?.textContent,
                date: row.querySelector('.many-date')?.textContent,
            }))
            .sort((a, b) => a.index - b.index);
    });

/** Waits for what the line above the table says. @param {Page} page @param {string} words */
const counted = (page, words) =>
    page.waitForFunction(
        (expected) =>
            document.querySelector('#view-many [data-part=count]')?.textContent === expected &&
            !document.querySelector('#view-many [aria-busy]'),
        words,
    );

/** The address is written once a state rests. @param {Page} page @param {string} hash */
const isAddress = (page, hash) =>
    page.waitForFunction((expected) => location.hash === expected, hash);

/** What a button saves. @param {Page} page @param {string} button */
async function saved(page, button) {
    const [download] = await Promise.all([
        page.waitForEvent('download'),
        part(page, button).click(),
    ]);
    return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

const TABLE = [
    ['id', 'when', 'shop', 'comment'],
    ['1', '2025-03-01', 'North', 'Lovely tea, and "proper" scones; we will be back.'],
    ['2', '2025-03-02', 'South', 'The room was cold\nand the soup was, too.'],
    ['3', '2025-03-03', 'North', 'Café très bien, says my aunt.'],
    ['4', '2025-03-04', 'South', ''],
];
const TEXTS = TABLE.slice(1).map((row) => row[3]);

/** UTF-16LE with its mark. @param {string} text */
const utf16 = (text) => Buffer.from(`\ufeff${text}`, 'utf16le');

test('reads every format that people have', TIMEOUT, async (t) => {
    const { page } = await openMany(t, { ready: false });
    const csv = Papa.unparse(TABLE);
    const semicolons = Papa.unparse(TABLE, { delimiter: ';' });
    const tabs = Papa.unparse(TABLE, { delimiter: '\t' });
    const records = TABLE.slice(1).map(([id, when, shop, comment]) => ({
        id: Number(id),
        when,
        shop,
        comment,
    }));
    const jsonl = records.map((record) => JSON.stringify(record)).join('\n');
    /** @type {[string, string | Buffer][]} */
    const files = [
        ['a.csv', csv],
        ['bom.csv', `\ufeff${semicolons}`],
        ['sep.csv', `sep=;\r\n${semicolons}`],
        ['western.csv', Buffer.from(csv, 'latin1')],
        ['unicode.txt', utf16(tabs)],
        ['a.tsv', tabs],
        ['pipes.csv', Papa.unparse(TABLE, { delimiter: '|' })],
        ['a.jsonl', `${jsonl}\n`],
        ['a.json', JSON.stringify(records)],
        ['mac.csv', Papa.unparse(TABLE, { newline: '\r' })],
    ];
    for (const [name, content] of files) {
        await give(page, name, content);
        await page.waitForFunction(
            (expected) =>
                document.querySelector('#view-many [data-part=source-name]')?.textContent ===
                    expected &&
                document.querySelector('#view-many')?.getAttribute('data-state') === 'ready',
            name,
        );
        await counted(page, '4 rows');
        const rows = await shownRows(page);
        assert.deepEqual(
            rows.map(({ text }) => text),
            TEXTS,
            name,
        );
        assert.deepEqual(
            rows.map(({ group }) => group),
            ['North', 'South', 'North', 'South'],
            name,
        );
        assert.equal(rows[3].date, '2025-03-04', name);
    }
    t.diagnostic(`${files.length} files`);
});

test('reads lines, and what is pasted', TIMEOUT, async (t) => {
    const { page } = await openMany(t, { ready: false });
    await give(page, 'lines.txt', 'Good, and kind.\r\n\r\nBad, slow, dear.\r\nSo, so.\r\n');
    await reached(page, 'ready');
    await counted(page, '3 rows');
    assert.deepEqual(
        (await shownRows(page)).map(({ text }) => text),
        ['Good, and kind.', 'Bad, slow, dear.', 'So, so.'],
    );
    // A list that is called a table, though its commas part nothing.
    await give(page, 'list.csv', 'comment\nGood, and kind.\nBad, slow, dear.\n');
    await counted(page, '2 rows');
    assert.equal((await shownRows(page))[1].text, 'Bad, slow, dear.');
    await part(page, 'clear').click();
    await reached(page, 'empty');
    await part(page, 'paste').fill(Papa.unparse(TABLE, { delimiter: '\t' }));
    await part(page, 'use-paste').click();
    await counted(page, '4 rows');
    assert.equal((await shownRows(page))[1].text, TEXTS[1]);
});

test('a wrong guess is put right: format, letters, header, order of dates', TIMEOUT, async (t) => {
    const { page } = await openMany(t, { ready: false });
    await give(
        page,
        'dates.csv',
        'said,on\nall was well here,01/02/2025\nnot so good,03/04/2025\n',
    );
    await reached(page, 'ready');
    assert.equal(
        await part(page, 'first-label').innerText(),
        '01/02/2025 is written with',
        'says that it may be read in two ways',
    );
    assert.equal(await part(page, 'first').inputValue(), 'day');
    await part(page, 'first').selectOption('month');
    await page.locator('#view-many .many-how summary').click();
    await part(page, 'has-header').uncheck();
    await counted(page, '3 rows');
    assert.equal((await shownRows(page))[0].text, 'said');
    await part(page, 'format').selectOption('lines');
    await page.waitForFunction(() =>
        document.querySelector('.many-words')?.textContent?.includes(','),
    );
    assert.equal((await shownRows(page))[1].text, 'all was well here,01/02/2025');
});

test('says what is no text, and leaves what was there', TIMEOUT, async (t) => {
    const { page } = await openMany(t, { ready: false });
    /** @type {[string, Buffer, RegExp][]} */
    const files = [
        ['book.xlsx', Buffer.from('PK\u0003\u0004 and so on'), /save it as CSV.*Excel workbook/s],
        ['old.xls', Buffer.from([0xd0, 0xcf, 0x11, 0xe0, 0]), /save it as CSV.*older Office/is],
        ['a.pdf', Buffer.from('%PDF-1.7 '), /PDF/],
        ['a.gz', Buffer.from([0x1f, 0x8b, 8, 0]), /compressed/],
        ['photo.bin', Buffer.from([1, 2, 0, 0, 0, 4, 5, 6, 0, 7, 0, 0]), /not a file of text/],
        ['none.csv', Buffer.from(''), /empty/],
        ['head.csv', Buffer.from('\n\n'), /no rows/],
        ['bad.jsonl', Buffer.from('one\ntwo\n'), /JSON/],
    ];
    for (const [name, content, expected] of files) {
        await give(page, name, content);
        await page.waitForFunction(
            (expected) =>
                document
                    .querySelector('#view-many [data-part=refused] h3')
                    ?.textContent?.includes(expected),
            name,
        );
        assert.match(await part(page, 'refused').innerText(), expected, name);
        assert.equal(await part(page, 'empty').isVisible(), true, name);
    }
    await assertAccessible(page);
    await give(page, 'good.csv', Papa.unparse(TABLE));
    await reached(page, 'ready');
    await give(page, 'book.xlsx', files[0][1]);
    await reached(page, 'refused');
    assert.equal(await part(page, 'start').isVisible(), true, 'the rows before are still there');
});

test('the sample: labels, pictures, groups, and no fault in any state', TIMEOUT, async (t) => {
    const { page } = await openMany(t);
    await assertAccessible(page);
    for (const width of [360, 768, 1920]) await assertFits(page, width);
    await part(page, 'sample').click();
    await reached(page, 'full');
    await counted(page, '60 rows');
    const rows = await shownRows(page);
    assert.match(rows[0].label ?? '', /^(Positive|Neutral|Negative)$/);
    await part(page, 'labels').locator('li').first().waitFor();
    const shares = await part(page, 'labels').locator('li .numbers').allInnerTexts();
    const sum = shares.reduce((total, words) => total + Number.parseInt(words, 10), 0);
    assert.equal(sum, 60);
    await part(page, 'groups').locator('tr').nth(4).waitFor();
    assert.match(
        (await part(page, 'time-figure').locator('[role=img]').getAttribute('aria-label')) ?? '',
        /each week.*from 1 September 2025/,
    );
    const numbers = part(page, 'time-figure').locator('tbody td');
    await part(page, 'time-figure').locator('summary').click();
    const counts = await numbers.allInnerTexts();
    assert.equal(
        counts.reduce((total, n) => total + Number(n), 0),
        60,
        'each row is in the picture',
    );
    await assertAccessible(page);
    for (const width of [360, 480, 768, 1024, 1440, 1920]) await assertFits(page, width);

    // By the tables of groups and labels to the rows.
    await part(page, 'groups').getByText('Gym', { exact: true }).click();
    await counted(page, '12 of 60 rows');
    assert.ok((await shownRows(page)).every(({ group }) => group === 'Gym'));
    await part(page, 'words').fill('WEIGHTS');
    await counted(page, '2 of 60 rows');
    await part(page, 'words').fill('no such words');
    await part(page, 'none').waitFor();
    await assertAccessible(page);
    await assertFits(page, 360);
    await part(page, 'none-all').click();
    await counted(page, '60 rows');
    await part(page, 'show').selectOption('unsure');
    await page.waitForFunction(() => location.hash.includes('show=unsure'));
    await part(page, 'all').click();

    // Sorted by the table's own headers.
    await page.setViewportSize({ width: 1280, height: 800 });
    const header = part(page, 'head').getByRole('button', { name: 'Text' });
    await header.click();
    await page.waitForSelector('#view-many [aria-sort=ascending][data-by=text]');
    const texts = (await shownRows(page)).map(({ text }) => text ?? '');
    const collator = new Intl.Collator('en', { numeric: true });
    assert.deepEqual(texts, [...texts].sort(collator.compare));
    await header.click();
    await page.waitForSelector('#view-many [aria-sort=descending][data-by=text]');
    await isAddress(page, '#many?sample=1&sort=text&down=1');
});

test('keys go through the table, and show whole texts', TIMEOUT, async (t) => {
    const { page } = await openMany(t, { ready: false });
    const long = 'There is much to say about it, and I say it all at once. '.repeat(12);
    const lines = Array.from({ length: 500 }, (_, i) => `${i} ${i === 1 ? long : 'is fine'}`);
    await give(page, 'lines.txt', lines.join('\n'));
    await counted(page, '500 rows');
    await page.locator('#view-many [data-part=space] > [aria-rowindex="2"]').focus();
    await page.keyboard.press('ArrowDown');
    const row = page.locator('#view-many [data-part=space] > [aria-rowindex="3"]');
    const heightOf = async () => (await row.boundingBox())?.height ?? 0;
    const before = await heightOf();
    await page.keyboard.press('Enter');
    await page.waitForSelector('#view-many .many-open');
    assert.ok((await heightOf()) > before + 20, 'the whole text is seen');
    await assertAccessible(page);
    await page.keyboard.press('Enter');
    assert.equal(await heightOf(), before);
    const focused = () =>
        page.evaluate(() => document.activeElement?.getAttribute('aria-rowindex'));
    await page.keyboard.press('End');
    await page.waitForFunction(
        () => document.activeElement?.getAttribute('aria-rowindex') === '501',
    );
    await page.keyboard.press('ArrowUp');
    assert.equal(await focused(), '500');
    await page.keyboard.press('Home');
    await page.waitForFunction(() => document.activeElement?.getAttribute('aria-rowindex') === '2');
    assert.equal(await part(page, 'grid').getAttribute('aria-rowcount'), '501');
});

test('labels as the command line has them, and files that hold them', TIMEOUT, async (t) => {
    const { page } = await openMany(t);
    const texts = [
        ...['It works.', 'It does not work at all!', 'Fine, I suppose.', '=1+1 is what I typed'],
        ...[
            '- the queue was long',
            '+1 from me',
            '@home it is better',
            '-5',
            'It works.',
            '',
            '  ',
        ],
        ...['Too dear; and "slow",\r\ntwice.', '漢字 and ελληνικά 🙂', 'so '.repeat(700)],
    ];
    const names = ['nr', 'label', 'comment, of them'];
    const given = texts.map((text, i) => [String(i), i % 2 ? 'a' : 'b', text]);
    await give(page, 'all.csv', Papa.unparse([names, ...given]));
    await reached(page, 'ready');
    await part(page, 'start').click();
    await reached(page, 'full');
    assert.match(await part(page, 'facts').innerText(), /2 rows without a text/);
    assert.match(await part(page, 'facts').innerText(), /1 text longer than the model reads/);

    const input = join(FILES, 'all.jsonl');
    writeFileSync(input, texts.map((text) => JSON.stringify({ text })).join('\n'));
    const variant = await variantOf(page);
    assert.match(variant, /^(base|relaxed)$/);
    const expected = await commandLine(['classify', '--input', input, '--variant', variant]);

    const plain = await saved(page, 'save-csv');
    assert.equal(plain.name, 'all-labels.csv');
    const rows = /** @type {string[][]} */ (
        Papa.parse(plain.bytes.toString(), { skipEmptyLines: true }).data
    );
    assert.deepEqual(rows[0], [...names, 'label_2', 'score', 'corrected']);
    assert.deepEqual(
        rows.slice(1).map((row) => row.slice(0, 3)),
        given,
        'what came is what goes',
    );
    let n_equal = 0;
    for (const [i, text] of texts.entries()) {
        const [, , , label, score, corrected] = rows[i + 1];
        assert.equal(corrected, '');
        // The command line answers for a text of nothing; here it has no label.
        if (text.trim() === '') {
            assert.deepEqual([label, score], ['', '']);
            continue;
        }
        assert.equal(label, expected[i].label, text);
        const apart = Math.abs(Number(score) - expected[i].score);
        assert.ok(apart <= LAST_DIGIT, `${text}: ${apart}`);
        n_equal += Number(apart === 0);
    }
    t.diagnostic(
        `labels equal, and ${n_equal} of ${texts.length - 2} scores to the bit: ${variant}`,
    );

    const excel = await saved(page, 'save-excel');
    assert.deepEqual([...excel.bytes.subarray(0, 3)], [0xef, 0xbb, 0xbf]);
    const guarded = /** @type {string[][]} */ (
        Papa.parse(excel.bytes.toString().slice(1), { skipEmptyLines: true }).data
    ).slice(1);
    assert.deepEqual(
        guarded.map((row) => row[2]),
        texts.map((text) => (/^[=+@]|^- /.test(text) ? `'${text}` : text)),
    );

    const lines = (await saved(page, 'save-jsonl')).bytes.toString().trimEnd().split('\n');
    assert.deepEqual(
        lines.map((line) => JSON.parse(line)['comment, of them']),
        texts,
    );
    assert.equal(JSON.parse(lines[0]).score, Number(rows[1][4]));
});

test('10,000 texts: smooth, paused, gone on with, cancelled at once', {
    timeout: 300_000,
}, async (t) => {
    const { page } = await openMany(t);
    const words = ['tea', 'soup', 'cake', 'staff', 'room'];
    const lines = Array.from({ length: 10_000 }, (_, i) => {
        const word = words[i % words.length];
        return i % 4 ? `Good ${word}.` : `Bad ${word} ${i}`; // many are equal
    });
    await give(page, 'ten-thousand.txt', lines.join('\n'));
    await reached(page, 'ready');
    await counted(page, '10,000 rows');
    assert.match(await part(page, 'notes').innerText(), /2,505 different texts/);
    const begun = Date.now();
    const { own, clock } = await tasksWhile(page, async () => {
        await part(page, 'start').click();
        await part(page, 'pause').click();
        await reached(page, 'paused');
        const doneAt = () => part(page, 'progress-words').innerText();
        await page.waitForFunction(() =>
            document
                .querySelector('#view-many [data-part=progress-words]')
                ?.textContent?.includes('What is done is kept'),
        );
        assert.equal(await part(page, 'pause').isVisible(), false);
        await part(page, 'resume').click();
        await page.waitForFunction(() =>
            document
                .querySelector('#view-many [data-part=progress-words]')
                ?.textContent?.includes('left'),
        );
        assert.match(await doneAt(), /^[\d,]+ of 10,000, [\d,]+ texts\/s, \d+ (s|min) left$/);
        await reached(page, 'full');
    });
    const seconds = (Date.now() - begun) / 1000;
    t.diagnostic(
        `10,000 rows in ${seconds.toFixed(1)} s, ${Math.round(10_000 / seconds)} rows/s; longest ` +
            `tasks ${own} ms of its own, ${clock} ms by the clock`,
    );
    assert.ok(own[0] < TOO_LONG, `a task took ${own[0]} ms`);
    const rows = await shownRows(page);
    assert.equal(rows[0].label, 'Negative');
    assert.equal(rows[1].label, 'Positive');

    // Another file; the results before come back when asked for.
    await give(
        page,
        'others.txt',
        Array.from({ length: 3000 }, (_, i) => `The soup was ${i} times too cold for me.`).join(
            '\n',
        ),
    );
    await counted(page, '3,000 rows');
    assert.match(await part(page, 'undo-words').innerText(), /10,000 results of ten-thousand.txt/);
    await part(page, 'start').click();
    await page.waitForFunction(() =>
        document
            .querySelector('#view-many [data-part=progress-words]')
            ?.textContent?.includes('left'),
    );
    await assertAccessible(page);
    const took = await page.evaluate(async () => {
        const view = /** @type {HTMLElement} */ (document.querySelector('#view-many'));
        const before = performance.now();
        /** @type {HTMLElement} */ (view.querySelector('[data-part=cancel]')).click();
        while (view.dataset.state !== 'stopped') await new Promise((go) => setTimeout(go));
        return performance.now() - before;
    });
    t.diagnostic(`cancelled in ${took.toFixed(1)} ms`);
    const [, done] =
        /^([\d,]+) of 3,000/.exec(await part(page, 'progress-words').innerText()) ?? [];
    const n_done = Number((done ?? '').replace(',', ''));
    assert.ok(n_done > 0 && n_done < 3000, `${n_done} are kept`);
    await part(page, 'show').selectOption({ label: 'Negative' });
    await page.waitForFunction(() =>
        /^[\d,]+ of 3,000 rows$/.test(
            document.querySelector('#view-many [data-part=count]')?.textContent ?? '',
        ),
    );
    await assertAccessible(page);
    assert.match(await part(page, 'rest').innerText(), /^Classify the other [\d,]+$/);
    await part(page, 'all').click();
    await part(page, 'undo-button').click();
    await counted(page, '10,000 rows');
    await reached(page, 'full');
    assert.equal(await part(page, 'source-name').innerText(), 'ten-thousand.txt');
});

test('100,000 rows: read, scrolled, sorted and filtered without a wait', TIMEOUT, async (t) => {
    const { page } = await openMany(t, { ready: false });
    const lines = Array.from(
        { length: 100_000 },
        (_, i) => `${(i * 7919) % 100_003},${i % 12},"Comment ${i} on, well, what ${i % 97} said"`,
    );
    const begun = Date.now();
    const { own, clock } = await tasksWhile(page, async () => {
        await give(page, 'large.csv', `key,area,comment\n${lines.join('\n')}\n`);
        await counted(page, '100,000 rows');
        t.diagnostic(`read in ${((Date.now() - begun) / 1000).toFixed(1)} s`);
        await page.evaluate(async () => {
            const body = /** @type {HTMLElement} */ (
                document.querySelector('#view-many [data-part=body]')
            );
            const frame = () => new Promise(requestAnimationFrame);
            for (let i = 0; i < 60; i++) {
                body.scrollTop += i < 40 ? 400 : (body.scrollHeight / 25) | 0;
                await frame();
            }
            body.scrollTop = body.scrollHeight;
            await frame();
        });
        await page.waitForSelector('#view-many [aria-rowindex="100001"]');
        await part(page, 'head').getByRole('button', { name: 'Text' }).click();
        await page.waitForSelector('#view-many [aria-sort=ascending][data-by=text]');
        await part(page, 'words').fill('what 96 said');
        await counted(page, '1,030 of 100,000 rows');
        await part(page, 'group').selectOption({ label: '5' });
        await counted(page, '86 of 100,000 rows');
        await part(page, 'all').click();
        await counted(page, '100,000 rows');
    });
    const n_elements = await page.locator('#view-many [data-part=space] > *').count();
    t.diagnostic(
        `longest tasks ${own} ms of its own, ${clock} ms by the clock; ` +
            `${n_elements} rows in the page`,
    );
    assert.ok(own[0] < TOO_LONG, `a task took ${own[0]} ms`);
    assert.ok(n_elements < 60);
    // What it would take to search by meaning is said before it is done.
    await part(page, 'query').fill('somebody complains');
    await part(page, 'query').press('Enter');
    await part(page, 'meaning-start').waitFor();
    assert.match(
        await part(page, 'meaning-words').innerText(),
        /For 100,000 texts that takes about \d+ min on this device, and 38.4 MB/,
    );
    await assertAccessible(page);
    await part(page, 'meaning-cancel').click();
});

test('labels by hand: marked, counted, undone, saved', TIMEOUT, async (t) => {
    const { page } = await openMany(t);
    await part(page, 'sample').click();
    await reached(page, 'full');
    await counted(page, '60 rows');
    const row = (/** @type {number} */ i) =>
        page.locator(`#view-many [data-part=space] > [aria-rowindex="${i + 2}"]`);
    assert.equal((await shownRows(page))[0].label, 'Positive');
    await row(0).locator('select').selectOption({ label: 'Negative' });
    assert.equal(await row(0).getByText('by hand').isVisible(), true);
    assert.equal(
        await part(page, 'hand-words').innerText(),
        '1 label by hand: 1 corrected, 0 confirmed',
    );
    // With keys: 3 is Positive.
    await row(0).focus();
    for (let i = 0; i < 9; i++) {
        await page.keyboard.press('ArrowDown');
        await page.keyboard.press('3');
    }
    const hand = () => part(page, 'hand-words').innerText();
    assert.match(await hand(), /^10 labels by hand/);
    const [, n_other, n_same] = /(\d+) corrected, (\d+) confirmed/.exec(await hand()) ?? [];
    assert.equal(Number(n_other) + Number(n_same), 10);
    assert.match(
        await part(page, 'agreement').innerText(),
        new RegExp(`${n_same} are the model's own: it agrees with you in ${n_same}0.0%`),
    );
    await assertAccessible(page);
    await part(page, 'show').selectOption('hand');
    await counted(page, '10 of 60 rows');
    await part(page, 'only').check();
    const some = (await saved(page, 'save-csv')).bytes.toString();
    assert.equal(Papa.parse(some, { skipEmptyLines: true }).data.length, 11);
    await part(page, 'all').click();
    const { data } = Papa.parse((await saved(page, 'save-csv')).bytes.toString(), {
        header: true,
        skipEmptyLines: true,
    });
    const rows = /** @type {Record<string, string>[]} */ (data);
    assert.equal(rows.length, 60);
    assert.deepEqual([rows[0].label, rows[0].corrected], ['POSITIVE', 'NEGATIVE']);
    assert.equal(rows[9].corrected, 'POSITIVE');
    assert.equal(rows[10].corrected, '');
    for (let i = 0; i < 10; i++) await part(page, 'hand-undo').click();
    assert.equal(await hand(), '');
    assert.equal((await shownRows(page))[0].label, 'Positive');
    // Cleared, and brought back.
    await part(page, 'clear').click();
    await reached(page, 'empty');
    await part(page, 'undo-button').click();
    await reached(page, 'full');
    await counted(page, '60 rows');
});

test('finds by meaning, and says in words what all are together', TIMEOUT, async (t) => {
    const { page, context } = await openMany(t);
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await part(page, 'sample').click();
    await reached(page, 'full');
    await part(page, 'query').fill('someone was billed more than once');
    await part(page, 'query').press('Enter');
    await page.waitForSelector('#view-many [role=gridcell] >> text=/% alike/');
    const [first, second] = await shownRows(page);
    t.diagnostic(`found: ${first.text} | ${second.text}`);
    assert.match(`${first.text} ${second.text}`, /charged twice/);
    await assertAccessible(page);
    await part(page, 'query').fill('');
    await counted(page, '60 rows');
    assert.equal((await shownRows(page))[0].no, '1');

    await part(page, 'copy').click();
    await part(page, 'copy').getByText('Copied').waitFor();
    const words = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(words, /^sample-comments.csv: 60 rows, 60 classified by sentiment-minilm-l6\n/);
    assert.match(words, /\nGroup\tTexts\tNegative\tNeutral\tPositive\tMean score\nPool\t12\t/);
});

test('the address restores what was chosen, and no text is in it', TIMEOUT, async (t) => {
    const { page } = await openMany(t, { hash: '#many?sample=1&show=NEGATIVE&sort=score&down=1' });
    await reached(page, 'full');
    await page.waitForSelector('#view-many [aria-sort=descending][data-by=score]');
    await page.waitForFunction(() =>
        /^\d\d of 60 rows$/.test(
            document.querySelector('#view-many [data-part=count]')?.textContent ?? '',
        ),
    );
    assert.ok((await shownRows(page)).every(({ label }) => label === 'Negative'));
    await part(page, 'words').fill('coin');
    await part(page, 'group').selectOption({ label: 'Pool' });
    await counted(page, '1 of 60 rows');
    await isAddress(page, '#many?sample=1&sort=score&down=1&show=NEGATIVE');
});

test('a model that does not come is said, and asked for again', TIMEOUT, async (t) => {
    const server = await FaultyServer.open({ '/': SITE });
    atEnd(t, () => server.close());
    server.faults.set(`/${MODEL}`, { status: 404 });
    const { page } = await openMany(t, {
        url: `${server.url}index.html`,
        ready: false,
        expected: /404/,
    });
    await part(page, 'sample').click();
    await part(page, 'model').getByRole('button', { name: 'Try again' }).waitFor();
    assert.equal(await part(page, 'progress-title').innerText(), 'Waiting for the model');
    await assertAccessible(page);
    await assertFits(page, 360);
    await part(page, 'cancel').click();
    await reached(page, 'ready');
    server.faults.delete(`/${MODEL}`);
    await part(page, 'start').click();
    await reached(page, 'full');
    await counted(page, '60 rows');
});

/**
 * The view with models that the test makes: `how` says what they do.
 * @param {Page} page
 * @param {{labels: string[]}} how
 */
async function mountWith(page, how) {
    const { files } = JSON.parse(readFileSync(join(SITE, 'files.json'), 'utf8'));
    const code = files.find((/** @type {string} */ file) => /\/many-\w+\.js$/.test(file));
    await page.evaluate(
        async ({ code, labels }) => {
            const classify = async (
                /** @type {string[]} */ texts,
                /** @type {any} */ { signal },
            ) => {
                await new Promise((go) => setTimeout(go, 5));
                signal.throwIfAborted();
                return texts.map((text) => {
                    if (text.includes('bad model')) throw new Error('the engine has gone');
                    if (text.includes('odd')) return new Error('no such text was ever seen');
                    const i = text.length % labels.length;
                    return { label: labels[i], score: labels.length === 1 ? text.length : 0.5 };
                });
            };
            classify.model = { config: { labels } };
            const models = new EventTarget();
            Object.assign(models, {
                name: 'mine',
                classifier: async () => classify,
                isReady: () => true,
                isVisitors: () => true,
                nameOf: () => Reflect.get(models, 'name'),
            });
            Reflect.set(globalThis, 'models', models);
            const href = `${code.slice(0, code.lastIndexOf('/'))}/many.css`;
            const link = Object.assign(document.createElement('link'), { rel: 'stylesheet', href });
            document.head.append(link);
            const section = /** @type {HTMLElement} */ (document.querySelector('#view-many'));
            const { mount } = await import(`./${code}`);
            const app = { models, remember() {}, announce() {}, go() {} };
            mount(section, app);
            section.hidden = false;
            /** @type {HTMLElement} */ (document.querySelector('#view-read')).hidden = true;
        },
        { code, labels: how.labels },
    );
}

test('any labels; what fails keeps what is done, and goes on', TIMEOUT, async (t) => {
    const { page } = await openSite(t, { ready: false });
    await page.waitForSelector('[data-code=running]');
    const labels = ['anger', 'joy', 'fear', 'surprise', 'love', 'sadness', 'calm', 'pride'];
    await mountWith(page, { labels });
    const lines = Array.from({ length: 1000 }, (_, i) => `${i} ${'so '.repeat(i % 7)}it was`);
    lines[3] = 'odd';
    lines[700] = 'a bad model';
    await give(page, 'mine.txt', lines.join('\n'));
    await reached(page, 'ready');
    assert.equal(await part(page, 'start-hint').innerText(), 'With your model, mine');
    await part(page, 'start').click();
    await reached(page, 'failed');
    const failed = await part(page, 'failed').innerText();
    assert.match(failed, /Stopped after \d+ rows/);
    assert.match(failed, /the engine has gone/);
    assert.equal((await shownRows(page))[3].label, 'Failed');
    const rest = page.locator('#view-many [aria-rowindex="5"] .many-note');
    assert.equal(await rest.innerText(), 'no such text was ever seen');
    await assertAccessible(page);
    await assertFits(page, 360);
    await page.setViewportSize({ width: 1280, height: 800 });
    // The model gets better; what was done is not done again.
    const n_done = Number(/after (\d+)/.exec(failed)?.[1]);
    assert.ok(n_done > 0 && n_done < 700, `${n_done} are kept`);
    await part(page, 'labels').locator('li').nth(7).waitFor();
    await assertAccessible(page);
    await part(page, 'show').selectOption('none');
    await counted(page, '1 of 1,000 rows');

    // Another model takes the place: the results stay, and say whose they are.
    await page.evaluate(() => {
        const models = Reflect.get(globalThis, 'models');
        models.name = 'other';
        const event = new CustomEvent('change', { detail: { kind: 'classifier' } });
        models.dispatchEvent(event);
    });
    assert.match(await part(page, 'other-model').innerText(), /of mine\.\s+Classify with other/);
});

test('a model of one value sorts by it', TIMEOUT, async (t) => {
    const { page } = await openSite(t, { ready: false });
    await page.waitForSelector('[data-code=running]');
    await mountWith(page, { labels: ['stars'] });
    await give(page, 'mine.txt', 'a text\nanother text\nit\n');
    await reached(page, 'ready');
    await part(page, 'start').click();
    await reached(page, 'full');
    await part(page, 'head').getByRole('button', { name: 'Score' }).click();
    await page.waitForSelector('#view-many [aria-sort=ascending][data-by=score]');
    assert.deepEqual(
        (await shownRows(page)).map(({ text }) => text),
        ['it', 'a text', 'another text'],
    );
    await assertAccessible(page);
    const { bytes } = await saved(page, 'save-csv');
    assert.equal(bytes.toString().split('\r\n')[1], 'a text,stars,6,');
});
