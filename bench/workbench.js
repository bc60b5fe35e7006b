/**
 * The page's view Many with a large file, in Chromium: how many texts a second, how much memory,
 * the longest task of the page's thread, how soon a cancel ends it, and whether its results are
 * those of the command line, which reads the same file after it.
 *
 *     make bench-workbench
 *     node bench/workbench.js [--lines 50000] [--different 50000]
 *
 * Lines are made from templates with a seed, all different unless said otherwise: equal texts are
 * computed once in the page, and the command line is given each once.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { launchChromium } from '../tests/tools/chromium.js';
import { tasksWhile } from '../tests/tools/tasks.js';
import { commandLine, LAST_DIGIT, variantOf } from '../tests/tools/workbench.js';
import { serve } from '../web-demo/serve.js';

const SITE = join(import.meta.dirname, '../build/site');

const WHO = [
    'The staff',
    'My order',
    'The room',
    'Your website',
    'The soup',
    'Delivery',
    'The tea',
];
const HOW = ['was', 'is always', 'could have been', 'turned out', 'had never been', 'seemed'];
const WHAT = [
    ...['lovely', 'late', 'cold', 'friendly', 'wrong again', 'better than expected', 'too dear'],
    ...['spotless', 'not what I asked for', 'perfectly fine', 'a disgrace', 'worth the wait'],
];
const WHEN = ['today', 'last week', 'this time', 'on Sunday', 'for my mother', 'as promised', ''];

/** @param {number} n_lines @param {number} n_different */
async function main(n_lines, n_different) {
    const directory = mkdtempSync(join(tmpdir(), 'workbench-'));
    const server = await serve(SITE, 0);
    const browser = await launchChromium({ is_whole: true });
    try {
        const file = join(directory, 'lines.txt');
        const different = makeLines(n_different);
        const lines = Array.from({ length: n_lines }, (_, i) => different[i % n_different]);
        writeFileSync(file, `${lines.join('\n')}\n`);
        const page = await browser.newPage();
        page.setDefaultTimeout(3_600_000);
        await page.goto(`${server.url}#many`);
        await page.waitForSelector('[data-model=ready]');
        const part = (/** @type {string} */ name) =>
            page.locator(`#view-many [data-part="${name}"]`);
        const reached = (/** @type {string} */ state) =>
            page.waitForSelector(`#view-many[data-state=${state}]`);
        const before = await memoryOf(browser, page);

        const begun = performance.now();
        await part('file').setInputFiles(file);
        await reached('ready');
        print('read', `${seconds(begun)} s`);

        // Cancelled once, as soon as something is done; the rest is gone on with.
        await part('start').click();
        await page.waitForFunction(() =>
            document
                .querySelector('#view-many [data-part=progress-words]')
                ?.textContent?.includes('left'),
        );
        const cancel_ms = await page.evaluate(async () => {
            const view = /** @type {HTMLElement} */ (document.querySelector('#view-many'));
            const clicked = performance.now();
            /** @type {HTMLElement} */ (view.querySelector('[data-part=cancel]')).click();
            while (view.dataset.state !== 'stopped') await new Promise((go) => setTimeout(go));
            return performance.now() - clicked;
        });
        print('cancel', `${cancel_ms.toFixed(1)} ms`);
        await part('progress-words').getByText('is kept').waitFor();
        const words = (await part('progress-words').textContent()) ?? '';
        const n_done = Number(/^[\d,]+/.exec(words)?.[0].replaceAll(',', ''));

        const started = performance.now();
        const { own, clock } = await tasksWhile(page, async () => {
            await part('rest').click();
            await reached('full');
        });
        const spent = Number(seconds(started));
        const rate = (n_lines - n_done) / spent;
        print('classified', `${n_lines - n_done} in ${spent} s, ${rate.toFixed(0)}/s`);
        const n_left = Math.max(0, n_different - n_done);
        print('', `of these ${n_left} different, ${(n_left / spent).toFixed(0)}/s`);
        print('longest tasks', `${own} ms of its own time, ${clock} ms by the clock`);
        const after = await memoryOf(browser, page);
        print('page heap', `${before.heap} MB before, ${after.heap} MB after`);
        print('renderer', `${before.resident} MB before, ${after.resident} MB after`);

        const [download] = await Promise.all([
            page.waitForEvent('download'),
            part('save-jsonl').click(),
        ]);
        const records = readFileSync(await download.path(), 'utf8')
            .trimEnd()
            .split('\n');
        const variant = await variantOf(page);
        await page.close();
        const here = performance.now();
        const once = join(directory, 'once.txt');
        writeFileSync(once, `${different.join('\n')}\n`);
        const expected = await commandLine(['classify', '--input', once, '--variant', variant]);
        const its_rate = n_different / Number(seconds(here));
        print('command line', `${its_rate.toFixed(0)}/s of different texts, with its start`);
        let [n_equal, n_others, most] = [0, 0, 0];
        for (const [i, line] of records.entries()) {
            const { label, score } = JSON.parse(line);
            const { [i % n_different]: other } = expected;
            n_equal += Number(label === other.label && score === other.score);
            n_others += Number(label !== other.label);
            most = Math.max(most, Math.abs(score - other.score));
        }
        print('labels', `${n_others} of ${n_lines} other than the command line's (${variant})`);
        print('scores', `${n_equal} equal to the bit, the others to ${most.toExponential(1)}`);
        const is_same = n_others === 0 && most <= LAST_DIGIT && records.length === n_lines;
        if (!is_same) process.exitCode = 1;
    } finally {
        await browser.close();
        await server.close();
        rmSync(directory, { recursive: true });
    }
}

/** @param {number} n @returns {string[]} */
function makeLines(n) {
    let seed = 20_250_101;
    const pick = (/** @type {string[]} */ from) => {
        seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
        return from[Math.floor((seed / 2 ** 32) * from.length)];
    };
    return Array.from(
        { length: n },
        (_, i) => `${pick(WHO)} ${pick(HOW)} ${pick(WHAT)} ${pick(WHEN)} (${i})`,
    );
}

/**
 * Megabytes of the page's own heap, and of its process with all workers and the model.
 * @param {import('playwright-core').Browser} browser
 * @param {import('playwright-core').Page} page
 */
async function memoryOf(browser, page) {
    const client = await page.context().newCDPSession(page);
    await client.send('HeapProfiler.collectGarbage');
    const { usedSize } = await client.send('Runtime.getHeapUsage');
    const system = await browser.newBrowserCDPSession();
    const { processInfo } = await system.send('SystemInfo.getProcessInfo');
    const resident = processInfo
        .filter(({ type }) => type === 'renderer')
        .map(({ id }) => {
            const status = readFileSync(`/proc/${id}/status`, 'utf8');
            return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
        });
    await system.detach();
    await client.detach();
    return { heap: (usedSize / 1e6).toFixed(1), resident: Math.max(...resident).toFixed(0) };
}

/** @param {number} since */
const seconds = (since) => ((performance.now() - since) / 1000).toFixed(1);

/** @param {string} what @param {string} value */
const print = (what, value) => console.log(`${what.padEnd(14)}${value}`);

const { values } = parseArgs({
    options: {
        lines: { type: 'string', default: '50000' },
        different: { type: 'string', default: '' },
    },
});
await main(Number(values.lines), Number(values.different || values.lines));
