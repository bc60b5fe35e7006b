/**
 * Pictures of the page as a visitor sees it, from build/site in Chromium.
 *
 *     make screenshots         after a change of the page
 *
 * Two are for the documents: docs/pictures/, light, 1280 wide. All views, at the widths of a phone
 * and of a desktop, light and dark, empty and full, are for looking at: build/screenshots/. The
 * texts are ones whose answers are clear, and the caret is hidden, so two runs differ only in the
 * times that the page shows, and with the fonts of the machine.
 */
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { launchChromium } from '../tests/tools/chromium.js';
import { serve } from '../web-demo/serve.js';

const ROOT = join(import.meta.dirname, '..');
const SITE = join(ROOT, 'build/site');
const ALL = join(ROOT, 'build/screenshots');

const TIMEOUT = { timeout: 120_000 };

/** @typedef {import('playwright-core').Page} Page */

/** Files of a small model, for Your model. */
const MODEL = ['model.onnx', 'config.json', 'tokenizer.json', 'tokenizer_config.json'].map((file) =>
    join(ROOT, 'tests/golden/pipelines/token-classification-bert', file),
);

/**
 * @typedef {object} Scene
 * @property {string} hash  the view, and its state
 * @property {(page: Page, part: (name: string) => import('playwright-core').Locator) =>
 *   Promise<unknown>} [act]  until there is what is to be seen
 * @property {string} [document]  a picture of the documents, of the first screen
 */

/** By name. @type {Record<string, Scene>} */
const SCENES = {
    read: {
        hash: 'read',
        act: (page) => page.locator('#view-read mark').first().waitFor(TIMEOUT),
        document: 'page.png',
    },
    'read-empty': { hash: 'read', act: (page) => page.locator('#text').fill('') },
    'many-empty': { hash: 'many' },
    many: {
        hash: 'many',
        async act(_, part) {
            await part('sample').click();
            await part('save-csv').waitFor(TIMEOUT);
            await part('cancel').waitFor({ ...TIMEOUT, state: 'hidden' });
        },
        document: 'many.png',
    },
    inside: {
        hash: 'inside',
        act: (_, part) => part('picture').locator('svg, canvas').first().waitFor(TIMEOUT),
    },
    'meaning-empty': { hash: 'meaning' },
    meaning: {
        hash: 'meaning',
        async act(_, part) {
            await part('read').click();
            await part('full').waitFor(TIMEOUT);
            await part('picture').locator('svg, canvas').first().waitFor(TIMEOUT);
        },
    },
    'teach-empty': { hash: 'teach' },
    'teach-ready': {
        hash: 'teach?sample=1',
        act: (_, part) => part('start').waitFor(TIMEOUT),
    },
    teach: {
        hash: 'teach?sample=1&epochs=3',
        async act(_, part) {
            await part('start').click();
            await part('score').waitFor(TIMEOUT);
        },
    },
    'your_model-empty': { hash: 'your_model' },
    your_model: {
        hash: 'your_model',
        async act(_, part) {
            await part('files').setInputFiles(MODEL);
            await part('card').waitFor(TIMEOUT);
        },
    },
    machine: { hash: 'machine', act: (_, part) => part('facts').waitFor(TIMEOUT) },
};

rmSync(ALL, { recursive: true, force: true });
mkdirSync(ALL, { recursive: true });
const server = await serve(SITE, 0);
const browser = await launchChromium();
/** @param {Page} page @param {string} path @param {boolean} fullPage */
async function shoot(page, path, fullPage) {
    await page.screenshot({ path, fullPage, caret: 'hide', animations: 'disabled' });
    console.log(`${path.slice(ROOT.length + 1)}: ${Math.ceil(statSync(path).size / 1000)} kB`);
}
try {
    for (const [name, { hash, act, document }] of Object.entries(SCENES)) {
        for (const width of [360, 1280]) {
            const page = await browser.newPage({
                viewport: { width, height: 820 },
                colorScheme: 'light',
                reducedMotion: 'reduce',
            });
            await page.goto(`${server.url}#${hash}`);
            await page.waitForSelector('[data-model=ready]', TIMEOUT);
            await page.locator('main > section:visible').locator('h1, h2').first().waitFor(TIMEOUT);
            await act?.(page, (part) => page.locator(`main > section:visible [data-part=${part}]`));
            if (document && width === 1280) {
                await page.evaluate(() => scrollTo(0, 0));
                await shoot(page, join(ROOT, 'docs/pictures', document), false);
            }
            for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
                await page.emulateMedia({ colorScheme });
                await shoot(page, join(ALL, `${name}-${width}-${colorScheme}.png`), true);
            }
            await page.close();
        }
    }
} finally {
    await browser.close();
    await server.close();
}
