/**
 * The pictures of the documents: the page as a visitor sees it, from build/site in Chromium, light,
 * 1280 wide.
 *
 *     make screenshots         after a change of the page
 *
 * The text is one whose answer and whose words are clear, and the caret is hidden, so two runs
 * differ only in the time that the page shows, and with the fonts of the machine.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { chromium } from 'playwright-core';

import { serve } from '../web-demo/serve.js';

const ROOT = join(import.meta.dirname, '..');
const SITE = join(ROOT, 'build/site');
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

const TEXT = 'What a wonderful film, I laughed all the way through.';
const WIDTH = 1280;
const TIMEOUT = { timeout: 60_000 };

const PICTURES = [{ file: 'docs/pictures/page.png', height: 800 }];

if (!existsSync(CHROMIUM))
    throw new Error(
        `there is no Chromium at ${CHROMIUM}: install it, or set CHROMIUM to where it is`,
    );
const server = await serve(SITE, 0);
const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--headless', '--no-sandbox', '--disable-gpu'],
});
try {
    for (const { file, height } of PICTURES) {
        const page = await browser.newPage({
            viewport: { width: WIDTH, height },
            colorScheme: 'light',
            reducedMotion: 'reduce',
        });
        await page.goto(server.url);
        await page.locator('#text').fill(TEXT);
        await page.locator('#result[data-state=answered]').waitFor(TIMEOUT);
        await page.locator('#words[data-state=weighed]').waitFor(TIMEOUT);
        const path = join(ROOT, file);
        mkdirSync(dirname(path), { recursive: true });
        await page.screenshot({ path, caret: 'hide', animations: 'disabled' });
        console.log(`${file}: ${WIDTH} x ${height}, ${Math.ceil(statSync(path).size / 1000)} kB`);
    }
} finally {
    await browser.close();
    await server.close();
}
