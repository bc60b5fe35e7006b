/** The view Your model: opening, card, tasks, places, what is kept. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { HubServer } from '../tools/hub_server.js';
import { assertAccessible, assertFits, longTasks, openSite, SITE, TIMEOUT } from './site.js';

/** @typedef {import('playwright-core').Page} Page */

const GOLDEN = fileURLToPath(new URL('../golden/', import.meta.url));
const BUILD = fileURLToPath(new URL('../../build/', import.meta.url));
const FILES = ['model.onnx', 'config.json', 'tokenizer.json', 'tokenizer_config.json'];
const WIDTHS = [360, 768, 1280, 1920];

/** Files of a model of tests/golden/pipelines. @param {string} name */
const filesOf = (name) => FILES.map((file) => join(GOLDEN, 'pipelines', name, file));

/** A repository as its author has it. @param {string} name  of tests/golden/huggingface */
function repository(name) {
    const folder = join(GOLDEN, 'huggingface', name);
    const files = readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((each) => each.isFile() && !/golden|onnx/.test(each.name))
        .map(({ parentPath, name }) => join(parentPath, name));
    return Object.fromEntries(
        files.map((file) => [file.slice(folder.length + 1), readFileSync(file)]),
    );
}

/** @type {HubServer} */
let hub;
before(async () => {
    hub = await HubServer.open();
    hub.add('org/bert-seqcls', repository('bert-seqcls'));
    hub.add('org/sentence', repository('sentence-cls'));
    hub.add('org/private', repository('bert-seqcls'), { access: 'private' });
});
after(() => hub.close());

/** @param {Page} page @param {string} name */
const part = (page, name) => page.locator(`#view-your_model [data-part="${name}"]`);

/** @param {import('node:test').TestContext} t @param {Parameters<typeof openSite>[1]} [how] */
async function open(t, how) {
    const site = await openSite(t, { hash: '#your_model', ...how });
    await part(site.page, 'choose-files').waitFor();
    return site;
}

/** @param {Page} page @param {'ready' | 'failed' | 'working' | 'empty' | 'asking'} state */
async function staged(page, state) {
    const stage = part(page, 'stage');
    const failed = stage.locator('.failure .detail');
    const wanted = page.locator(`#view-your_model [data-part=stage][data-state="${state}"]`);
    if (state === 'ready') {
        // A failure is told at once, in its own words.
        await page.waitForSelector(
            '[data-part=stage]:is([data-state=ready], [data-state=failed])',
            {
                state: 'attached',
            },
        );
        if (await failed.isVisible()) assert.fail(await stage.innerText());
    }
    await wanted.waitFor({ state: 'attached' });
}

/** @param {Page} page @param {string | string[] | any[]} files */
async function openFiles(page, files) {
    await part(page, 'files').setInputFiles(files);
    await staged(page, 'ready');
}

/** The answer that a task shows. @param {Page} page @param {'answered' | 'remark'} [state] */
async function answer(page, state = 'answered') {
    const found = page.locator(`[data-part=answer][data-state=${state}]`);
    await found.waitFor();
    return bare(await found.innerText());
}

/** Nothing hangs over the page's edge at any width. @param {Page} page */
async function fits(page) {
    for (const width of WIDTHS) await assertFits(page, width);
}

/** @param {string} text */
const bare = (text) => text.replace(/\s+/g, ' ').trim();

/** @param {Page} page @param {string} name */
const facts = async (page, name) =>
    bare(
        await part(page, 'facts')
            .locator('div', { has: page.locator(`dt:text-is("${name}")`) })
            .locator('dd')
            .innerText(),
    );

test('files are converted, read the text, and are saved as one', TIMEOUT, async (t) => {
    const { page } = await open(t);
    await staged(page, 'empty');
    await openFiles(page, filesOf('text-classification-roberta'));
    assert.equal(await part(page, 'title').innerText(), 'model');
    assert.match(
        await part(page, 'summary').innerText(),
        /^RoBERTa, .+ MB\. It classifies texts\.$/,
    );
    assert.equal(await facts(page, 'Weights'), 'q8');
    assert.equal(await facts(page, 'Labels'), 'negative, neutral, positive');
    assert.match(await facts(page, 'SHA-256 of what it was made of'), /^[0-9a-f]{64}$/);
    assert.match(await facts(page, 'Kept here'), /^no: it was opened from files$/);

    const before = await answer(page);
    assert.match(before, /Positive \d+\.\d%/);
    await page.getByLabel('Text', { exact: true }).fill(' ');
    assert.equal(await answer(page, 'remark'), 'Nothing to read yet.');
    await page.getByLabel('Text', { exact: true }).fill('Something else.');
    const other = await answer(page);
    assert.notEqual(other, before);

    await part(page, 'verify').click();
    await part(page, 'verified').filter({ hasText: 'are those of the original' }).waitFor();

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

    await openFiles(page, path);
    assert.equal(await part(page, 'title').innerText(), 'saved');
    assert.equal(await answer(page), other, 'the text is still there, and its answer the same');
    assert.equal(await part(page, 'save').isVisible(), false, 'it is saved already');

    await page.getByRole('button', { name: 'Close' }).click();
    await staged(page, 'empty');
    assert.equal(await part(page, 'card').isVisible(), false);
});

test(
    'folders are converted, to the dtype that is chosen, and show a licence',
    TIMEOUT,
    async (t) => {
        const { page } = await open(t);
        for (const [folder, dtype, does] of [
            ['huggingface/bert-seqcls', 'f32', /It classifies texts/],
            ['sentence/bert-prompts', 'q4', /It makes vectors/],
        ]) {
            await part(page, 'open').evaluate((details) => details.setAttribute('open', ''));
            await part(page, 'dtype').selectOption(String(dtype));
            await part(page, 'folder').setInputFiles(join(GOLDEN, String(folder)));
            await part(page, 'title')
                .filter({ hasText: String(folder).split('/')[1] })
                .waitFor();
            assert.match(await part(page, 'summary').innerText(), /** @type {RegExp} */ (does));
            assert.equal(await facts(page, 'Weights'), dtype);
        }
        assert.ok(await page.getByLabel('Prompt before each text').isVisible());
        await answer(page);

        const files = filesOf('text-classification-bert').map((path) => ({
            name: String(path.split('/').at(-1)),
            mimeType: '',
            buffer: readFileSync(path),
        }));
        const licence = { name: 'LICENSE', mimeType: '', buffer: Buffer.from('Apache\n\nTerms.') };
        await openFiles(page, [...files, licence]);
        await part(page, 'facts').locator('summary', { hasText: 'Apache' }).click();
        assert.match(await part(page, 'facts').locator('pre').innerText(), /Terms\./);
    },
);

/**
 * @typedef {object} Case  a model of tests/golden/pipelines, and what its view shows
 * @property {string} model
 * @property {string} tab  that is open by itself
 * @property {string[]} tabs
 * @property {RegExp} answer
 * @property {(page: Page) => Promise<void>} [more]
 */

/** @type {Case[]} */
const CASES = [
    {
        model: 'text-classification-multi-label',
        tab: 'Classification',
        tabs: ['Classification', 'Likeness'],
        answer: /(toxic|insult|threat|obscene) \d+\.\d%/,
    },
    {
        model: 'text-classification-regression',
        tab: 'Classification',
        tabs: ['Classification', 'Ranking', 'Likeness'],
        answer: /^LABEL_0 -?[\d.]+$/,
    },
    {
        model: 'token-classification-bert',
        tab: 'Entities',
        tabs: ['Entities', 'Likeness'],
        answer: /(PER|LOC|ORG) \d+, sure by \d+\.\d%/,
        async more(page) {
            const [label] = await page.locator('mark .your_model-tag').allInnerTexts();
            assert.match(label.trim(), /^(PER|LOC|ORG)$/);
            const text = await page.getByLabel('Text', { exact: true }).inputValue();
            const marked = await page.locator('.your_model-marked').evaluate((node) => {
                for (const tag of node.querySelectorAll('.your_model-tag')) tag.remove();
                return node.textContent;
            });
            assert.equal(bare(String(marked)), bare(text), 'the text is whole');
        },
    },
    {
        model: 'question-answering-bert',
        tab: 'Questions',
        tabs: ['Questions', 'Likeness'],
        answer: /./,
        async more(page) {
            const text = await page.getByLabel('Text that has the answer').inputValue();
            assert.equal(await page.locator('.your_model-marked').textContent(), text);
            assert.notEqual(await page.locator('mark').innerText(), '');
            await page.getByLabel('Question').fill('');
            assert.equal(await answer(page, 'remark'), 'Type a question.');
        },
    },
    {
        model: 'fill-mask-bert',
        tab: 'Missing words',
        tabs: ['Missing words', 'Likeness'],
        answer: /^Place 1 .+ Place 2 .+%$/i,
        async more(page) {
            const field = page.getByLabel('Text, with [MASK]');
            await page.getByRole('group', { name: 'Place 2' }).getByRole('button').first().click();
            assert.match(await field.inputValue(), /\[MASK\]/);
            await page.getByRole('group', { name: 'Into the place' }).waitFor();
            const buttons = page.getByRole('group', { name: 'Into the place' }).getByRole('button');
            await buttons.first().click();
            assert.match(await answer(page, 'remark'), /^Nothing is left out/);
            assert.doesNotMatch(await field.inputValue(), /\[MASK\]/);
            await page.getByRole('button', { name: 'Insert [MASK]' }).click();
            await answer(page);
        },
    },
    {
        model: 'zero-shot-bert',
        tab: 'Labels of your own',
        tabs: ['Labels of your own', 'Classification', 'Likeness'],
        answer: /a complaint \d+\.\d%/,
        async more(page) {
            const sum = async () => {
                await answer(page);
                const meters = await page
                    .locator('#view-your_model [data-part=answer]')
                    .getByRole('meter')
                    .evaluateAll((all) => all.map((each) => Reflect.get(each, 'value')));
                return meters.reduce((a, b) => a + b, 0);
            };
            assert.ok(Math.abs((await sum()) - 1) < 1e-3);
            const before = await answer(page);
            await page.getByLabel('Several may fit').check();
            await page.waitForFunction(
                (old) =>
                    document
                        .querySelector('#view-your_model [data-part=answer][data-state=answered]')
                        ?.textContent?.replace(/\s+/g, '') !== old,
                before.replace(/\s+/g, ''),
            );
            await answer(page);
        },
    },
    {
        model: 'text-ranking-bert',
        tab: 'Ranking',
        tabs: ['Ranking', 'Classification', 'Likeness'],
        answer: /Berlin has a population .+%/,
        async more(page) {
            const shares = (
                await page.locator('#view-your_model [data-part=answer] .numbers').allInnerTexts()
            ).map(parseFloat);
            assert.deepEqual(
                shares,
                shares.toSorted((a, b) => b - a),
                'the best comes first',
            );
            assert.equal(shares.length, 3);
        },
    },
    {
        model: 'next-sentence-bert',
        tab: 'Classification',
        tabs: ['Classification', 'Next sentence', 'Likeness'],
        answer: /LABEL_\d \d+\.\d%/,
        async more(page) {
            await page.getByRole('button', { name: 'Next sentence' }).click();
            assert.match(await answer(page), /^It (follows|does not follow) follows \d+\.\d%/);
        },
    },
    {
        model: 'feature-extraction-bert',
        tab: 'Likeness',
        tabs: ['Likeness'],
        answer: /My delivery came later than promised\. -?[\d.]+ .*Vectors of 32 numbers/,
    },
];

for (const half of [CASES.slice(0, 5), CASES.slice(5)]) {
    const names = half.map(({ tab }) => tab).join(', ');
    test(`each kind of model does in its way what it can: ${names}`, TIMEOUT, async (t) => {
        const { page } = await open(t);
        for (const { model, tab, tabs, answer: expected, more } of half) {
            await openFiles(page, filesOf(model));
            const buttons = part(page, 'tasks').getByRole('button');
            assert.deepEqual(await buttons.allInnerTexts(), tabs, model);
            const pressed = part(page, 'tasks').locator('[aria-pressed=true]');
            assert.equal(await pressed.innerText(), tab, model);
            assert.match(await answer(page), expected, model);
            await fits(page);
            await assertAccessible(page);
            await more?.(page);
        }
    });
}

test('files are dropped anywhere on the page', TIMEOUT, async (t) => {
    const { page } = await open(t);
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
    await page.dispatchEvent('header', 'dragover', { dataTransfer: transfer });
    assert.equal(await page.locator('#view-your_model[data-over]').count(), 1);
    await page.dispatchEvent('header', 'drop', { dataTransfer: transfer });
    await staged(page, 'ready');
    assert.equal(await page.locator('#view-your_model[data-over]').count(), 0);
    assert.match(await part(page, 'summary').innerText(), /It classifies texts/);

    await page.evaluate(() => {
        location.hash = '#machine';
    });
    await page.waitForSelector('#view-machine:not([hidden]) h1');
    await page.dispatchEvent('header', 'dragover', { dataTransfer: transfer });
    assert.equal(await page.locator('#view-your_model[data-over]').count(), 0, 'another view');
});

test('files that are no model are told what is wrong, and what to do', TIMEOUT, async (t) => {
    const { page } = await open(t);
    const [model, config, tokenizer] = filesOf('text-classification-bert');
    const weights = join(GOLDEN, 'huggingface/bert-seqcls/model.safetensors');
    const cut = { name: 'model.onnx', mimeType: '', buffer: readFileSync(model).subarray(0, 5000) };
    const read = (/** @type {string} */ path) => ({
        name: String(path.split('/').at(-1)),
        mimeType: '',
        buffer: readFileSync(path),
    });
    const text = { name: 'letter.txt', mimeType: 'text/plain', buffer: Buffer.from('Dear all,') };
    for (const [files, advice, detail] of /** @type {[any[], RegExp, RegExp][]} */ ([
        [[read(weights)], /together with config\.json/, /has no config\.json/],
        [[read(tokenizer)], /together with config\.json/, /no weights|has no/],
        [[cut, read(config), read(tokenizer)], /Only encoders like BERT/, /model\.onnx/],
        [[read(model), read(config)], /Choose its tokenizer\.json/, /tokenizer/],
        [[text], /Only encoders like BERT|together with config/, /./],
    ])) {
        await part(page, 'files').setInputFiles(files);
        await page.locator('[data-part=stage] .failure', { hasText: advice }).waitFor();
        await staged(page, 'failed');
        assert.match(await page.locator('[data-part=stage] .detail').innerText(), detail);
        assert.equal(await page.getByRole('alert').filter({ visible: true }).count(), 1);
    }
    const [chooser] = await Promise.all([
        page.waitForEvent('filechooser'),
        page.getByRole('button', { name: 'Choose other files' }).click(),
    ]);
    await chooser.setFiles(filesOf('text-classification-bert'));
    await staged(page, 'ready');
    await answer(page);
});

test('a conversion shows how far it is, and can be cancelled', TIMEOUT, async (t) => {
    const { page } = await open(t, { options: { serviceWorkers: 'block' } });
    /** @type {() => void} */
    let release = () => {};
    const held = new Promise((resolve) => {
        release = () => resolve(undefined);
    });
    await page.route('**/convert.wasm', async (route) => {
        await held;
        await route.continue().catch(() => {}); // the page does not want it any more
    });
    await part(page, 'files').setInputFiles(filesOf('text-classification-bert'));
    await staged(page, 'working');
    await page.getByRole('progressbar', { name: 'Reading the files' }).waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await staged(page, 'empty');
    release();
    // Steps are told while it runs.
    await page.evaluate(() => {
        const seen = new Set();
        Reflect.set(globalThis, 'seen', seen);
        const stage = /** @type {Element} */ (document.querySelector('[data-part=stage]'));
        const look = () => seen.add(stage.querySelector('[data-part=progress]')?.textContent);
        new MutationObserver(look).observe(stage, { childList: true, subtree: true });
    });
    await longTasks(page);
    await openFiles(page, filesOf('text-classification-bert'));
    const seen = await page.evaluate(() => [...Reflect.get(globalThis, 'seen')]);
    assert.ok(seen.filter((text) => /^Step \d+ of \d+$/.test(text)).length > 2, seen.join());
    t.diagnostic(`long tasks of the page while it converts: ${await longTasks(page)} ms`);
});

/** @param {Page} page @param {string} name @param {string} [token] */
async function fetchByName(page, name, token = '') {
    await part(page, 'open').evaluate((details) => details.setAttribute('open', ''));
    await part(page, 'more').evaluate((details) => details.setAttribute('open', ''));
    await part(page, 'hub').fill(hub.url);
    await part(page, 'token').fill(token);
    await part(page, 'name').fill(name);
    await page.getByRole('button', { name: 'Get it' }).click();
}

test('a name is fetched by a document without texts, kept, and opens again', TIMEOUT, async (t) => {
    const origins = [hub.url, hub.cdn.other];
    const { page, base } = await open(t, { origins });
    await page.evaluate(() => {
        const seen = new Set();
        Reflect.set(globalThis, 'seen', seen);
        const stage = /** @type {Element} */ (document.querySelector('[data-part=stage]'));
        const look = () => seen.add(stage.querySelector('[data-part=doing]')?.textContent);
        new MutationObserver(look).observe(stage, { childList: true, subtree: true });
    });
    await fetchByName(page, 'org/bert-seqcls');
    await staged(page, 'ready');
    const seen = await page.evaluate(() => [...Reflect.get(globalThis, 'seen')]);
    assert.ok(seen.includes('Fetching org/bert-seqcls'), seen.join());
    assert.ok(seen.includes('Converting, and comparing with the original'), seen.join());
    assert.equal(await page.locator('iframe').count(), 0, 'the document is gone');
    assert.match(await facts(page, 'Kept here'), /^yes/);
    await answer(page);
    await page.waitForURL(/#your_model\?model=org/);
    const state = new URLSearchParams(new URL(page.url()).hash.split('?')[1]);
    assert.deepEqual(Object.fromEntries(state), {
        model: 'org/bert-seqcls',
        dtype: 'q8',
        hub: hub.url,
    });
    const asked = await page.locator('#requests-list').textContent();
    assert.ok(asked?.includes(`${hub.url}/org/bert-seqcls/resolve/`), 'its requests are told');

    // The address opens it again: from this device, without asking anybody.
    const n_before = hub.asked().length;
    await page.reload();
    await staged(page, 'ready');
    await answer(page);
    assert.equal(hub.asked().length, n_before);

    // So does the list.
    await page.getByRole('button', { name: 'Close' }).click();
    await staged(page, 'empty');
    const row = part(page, 'kept').locator('tr', { hasText: 'org/bert-seqcls' });
    assert.match(bare(await row.innerText()), /q8 .+ MB .+ complete/);
    await page.getByRole('button', { name: 'Open org/bert-seqcls' }).click();
    await staged(page, 'ready');
    assert.equal(hub.asked().length, n_before);
    const of_hub = await page.evaluate(
        (url) => fetch(url).then(String, (error) => error.name),
        `${base}models/README.md`,
    );
    assert.match(of_hub, /Response/);
});

test('the page itself may ask nobody else, the document may', TIMEOUT, async (t) => {
    const { page } = await open(t, { expected: /Content Security Policy|violates/ });
    const policies = await page.evaluate(async () => {
        const read = async (/** @type {string} */ path) =>
            /connect-src [^;"]*/.exec(await (await fetch(path)).text())?.[0];
        const header = async (/** @type {string} */ path) =>
            /connect-src [^;"]*/.exec(
                (await fetch(path)).headers.get('content-security-policy') ?? '',
            )?.[0];
        const code = document.querySelector('link[rel=modulepreload]')?.getAttribute('href') ?? '';
        return {
            page: [await read('./'), await header('./')],
            get: [await read('get.html'), await header('get.html')],
            worker: await header(code.replace('index.js', 'worker.js')),
        };
    });
    assert.deepEqual(policies.page, ["connect-src 'self'", "connect-src 'self'"]);
    assert.deepEqual(policies.get, Array(2).fill("connect-src 'self' https: http:"));
    assert.equal(policies.worker, "connect-src 'self'", 'it is given the texts');
});

test('an address opens what it names when it is told to', TIMEOUT, async (t) => {
    const state = new URLSearchParams({ model: 'org/sentence', hub: hub.url, dtype: 'f16' });
    const n_before = hub.asked().length;
    const { page } = await open(t, {
        hash: `#your_model?${state}`,
        origins: [hub.url, hub.cdn.other],
    });
    await staged(page, 'asking');
    assert.match(await part(page, 'stage').innerText(), new RegExp(`${hub.url}/org/sentence`));
    assert.equal(hub.asked().length, n_before, 'nothing was fetched');
    await assertAccessible(page);
    await part(page, 'stage').getByRole('button', { name: 'Get it' }).click();
    await staged(page, 'ready');
    assert.equal(await facts(page, 'Weights'), 'f16');
    await answer(page);

    await page.evaluate(() => {
        location.hash = '#your_model?model=org/other';
    });
    await staged(page, 'asking');
    await part(page, 'stage').getByRole('button', { name: 'Not now' }).click();
    await staged(page, 'empty');
});

test('what cannot be fetched says why; a token helps where one is needed', TIMEOUT, async (t) => {
    const { page } = await open(t, {
        origins: [hub.url, hub.cdn.other],
        expected: /status of 40[0-9]/,
    });
    await fetchByName(page, 'org/nobody');
    await page.locator('[data-part=stage] .failure', { hasText: 'Is the name right' }).waitFor();
    assert.match(await page.locator('[data-part=stage] .detail').innerText(), /no such repository/);
    await fetchByName(page, 'no name at all');
    await page.locator('[data-part=stage] .failure', { hasText: /./ }).waitFor();
    await fetchByName(page, 'org/private', hub.token);
    await staged(page, 'ready');
    await answer(page);
    const stored = await page.evaluate(() =>
        JSON.stringify({ ...localStorage, url: location.href }),
    );
    assert.ok(!stored.includes(hub.token), 'the token is kept nowhere');
});

test('a download can be cancelled, and goes on later', TIMEOUT, async (t) => {
    const { page } = await open(t, { origins: [hub.url, hub.cdn.other] });
    const weights = '/org/bert-seqcls/model.safetensors';
    hub.cdn.faults.set(weights, { stall: 1000 });
    t.after(() => hub.cdn.faults.delete(weights));
    await fetchByName(page, 'org/bert-seqcls');
    await staged(page, 'working');
    await page.locator('iframe').waitFor({ state: 'attached' });
    await page.getByRole('button', { name: 'Cancel' }).click();
    await staged(page, 'empty');
    assert.equal(await page.locator('iframe').count(), 0);
    hub.cdn.faults.delete(weights);
    await fetchByName(page, 'org/bert-seqcls');
    await staged(page, 'ready');
});

test('an address of this server is opened likewise', TIMEOUT, async (t) => {
    const { page, base } = await open(t);
    await part(page, 'name').fill(`${base}models/all-minilm-l6-v2-q8.safetensors`);
    await page.getByRole('button', { name: 'Get it' }).click();
    await staged(page, 'ready');
    assert.match(await facts(page, 'Kept here'), /^yes/);
    assert.match(await answer(page), /My delivery came later than promised\. 0\.[4-9]/);
});

test('kept models are deleted, unless that is taken back', TIMEOUT, async (t) => {
    const { page } = await open(t, { origins: [hub.url, hub.cdn.other] });
    await fetchByName(page, 'org/sentence');
    await staged(page, 'ready');
    await page.getByRole('button', { name: 'Close' }).click();
    assert.match(await part(page, 'storage').innerText(), /^Models take .+ MB; .+ [MG]B are free/);
    const remove = page.getByRole('button', { name: 'Delete org/sentence' });
    await remove.click();
    await page.getByRole('button', { name: 'Undo deleting org/sentence' }).click();
    await remove.waitFor();
    await remove.click();
    // Nobody takes back what cannot be seen.
    await page.evaluate(() => {
        location.hash = '#machine';
    });
    await page.waitForSelector('#view-machine:not([hidden]) h1');
    await page.waitForFunction(async () => {
        const link = /** @type {HTMLLinkElement} */ (
            document.querySelector('link[rel=modulepreload]')
        );
        const { cache } = await import(link.href);
        const urls = (await cache.list()).map((/** @type {any} */ { url }) => url);
        return urls.length === 1 && /sentiment/.test(urls[0]);
    });
    await page.goBack();
    const rows = part(page, 'kept').locator('tr');
    await rows.filter({ hasText: 'org/sentence' }).waitFor({ state: 'detached' });
    await rows.filter({ hasText: 'sentiment' }).waitFor();
});

test('a model takes a place in other views, and leaves it again', TIMEOUT, async (t) => {
    const { page } = await open(t);
    const uses = part(page, 'uses');
    const [classifier, embedder] = ['classifier', 'embedder'].map((kind) =>
        uses.locator(`[data-kind=${kind}]`),
    );
    assert.match(await classifier.innerText(), /sentiment-minilm-l6, the page's own/);
    await openFiles(page, filesOf('question-answering-bert'));
    assert.match(await classifier.innerText(), /cannot: it needs a classifier/);
    await openFiles(page, filesOf('text-classification-bert'));
    await classifier.getByRole('button', { name: /^Use / }).click();
    await embedder.getByRole('button', { name: /^Use / }).click();
    assert.match(await classifier.innerText(), /model, yours/);
    // It stays where it is used when another is opened, until it is put back.
    await openFiles(page, filesOf('fill-mask-bert'));
    assert.match(await classifier.innerText(), /model, yours/);
    await classifier.getByRole('button', { name: "Put the page's own back" }).click();
    await embedder.getByRole('button', { name: "Put the page's own back" }).click();
    assert.match(await embedder.innerText(), /all-minilm-l6-v2, the page's own/);
});

test('fits from 360 to 1920 px, and is accessible', TIMEOUT, async (t) => {
    const { page } = await open(t);
    await fits(page);
    await assertAccessible(page);
    await part(page, 'files').setInputFiles(filesOf('fill-mask-bert').slice(1));
    await staged(page, 'failed');
    await fits(page);
    await assertAccessible(page);
});

test('the built page is whole', () => {
    const files = readdirSync(SITE);
    assert.ok(files.includes('get.html'));
    const html = readFileSync(join(SITE, 'get.html'), 'utf8');
    const [, code] = /src="([^"]+)"/.exec(html) ?? [];
    assert.ok(readFileSync(join(SITE, code)).length > 0);
    assert.doesNotMatch(html, /%\w+%/);
});
