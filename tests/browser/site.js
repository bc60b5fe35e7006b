/**
 * build/site from a real server, with its headers, in Chromium: for the tests of the page.
 *
 * Every test also checks what must never happen: an error in the console, a violation of the
 * content security policy, a request to another origin. Conditions are waited for, never time.
 */

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

import { serve } from '../../web-demo/serve.js';
import { launchChromium } from '../tools/chromium.js';

export const SITE = fileURLToPath(new URL('../../build/site/', import.meta.url));
export const MODEL = 'models/sentiment-minilm-l6-q8.safetensors';
export const TIMEOUT = { timeout: 120_000 };

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** @typedef {import('playwright-core').Page} Page */

/** Opened when first wanted, closed after the file's tests. */
const shared = once(async () => {
    assert.ok(
        existsSync(join(SITE, MODEL)),
        `${SITE} is not whole: build the page first (make site)`,
    );
    const server = await serve(SITE, 0);
    const browser = await launchChromium();
    isOpen = true;
    return { server, browser };
});

let isOpen = false;

after(async () => {
    if (!isOpen) return;
    const { server, browser } = await shared();
    await browser.close();
    await server.close();
});

/** What is done at the end of each test. @type {WeakMap<object, (() => unknown)[]>} */
const endings = new WeakMap();

/**
 * After the test, what was opened last is closed first: a page before the server that it asks.
 * @param {import('node:test').TestContext} t
 * @param {() => unknown} end
 */
export function atEnd(t, end) {
    const all = endings.get(t) ?? [];
    all.push(end);
    if (all.length > 1) return;
    endings.set(t, all);
    t.after(async () => {
        const results = [];
        for (const each of all.reverse()) results.push(...(await Promise.allSettled([each()])));
        for (const result of results) if (result.status === 'rejected') throw result.reason;
    });
}

/**
 * A page in a browser profile of its own, with the model ready unless told otherwise.
 * @param {import('node:test').TestContext} t
 * @param {object} [how]
 * @param {string} [how.hash]  the view and its state: '#many'
 * @param {string} [how.url]  of another server
 * @param {string[]} [how.origins]  of other servers, that may be asked
 * @param {(context: import('playwright-core').BrowserContext) => Promise<unknown>} [how.prepare]
 *   before anything is asked for
 * @param {boolean} [how.ready]  waits for the model; default true
 * @param {RegExp} [how.expected]  errors, violations and requests that belong to the test
 * @param {import('playwright-core').BrowserContextOptions} [how.options]
 */
export async function openSite(t, how = {}) {
    const { hash = '', url, origins = [], prepare, ready = true, expected, options } = how;
    const { server, browser } = await shared();
    const base = url ?? server.url;
    const context = await browser.newContext(options);
    /** @type {string[]} */
    const problems = [];
    context.on('console', (message) => {
        const text = message.text();
        if (message.type() === 'error' && !expected?.test(text)) problems.push(text);
    });
    context.on('weberror', (error) => problems.push(String(error.error())));
    context.on('request', (request) => {
        const address = request.url();
        if (origins.some((origin) => address.startsWith(origin))) return;
        if (!/^(blob|data):/.test(address) && !address.startsWith(new URL('.', base).href)) {
            if (!expected?.test(address)) problems.push(`request to ${address}`);
        }
    });
    await context.exposeFunction('report', (/** @type {string} */ what) => {
        if (!expected?.test(what)) problems.push(what);
    });
    await context.addInitScript(() => {
        document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
            Reflect.get(globalThis, 'report')(`${violatedDirective} forbids ${blockedURI}`),
        );
        // Tasks of more than 50 ms on the page's thread, once noteLongTasks() was called.
        const tasks = /** @type {number[]} */ ([]);
        Reflect.set(globalThis, 'longTasks', tasks);
        new PerformanceObserver((list) =>
            tasks.push(...list.getEntries().map(({ duration }) => Math.round(duration))),
        ).observe({ type: 'longtask' });
    });
    atEnd(t, async () => {
        await context.close();
        assert.deepEqual(problems, []);
    });
    await prepare?.(context);
    const page = await context.newPage();
    await page.goto(base + hash);
    if (ready) await page.waitForSelector('[data-model=ready]');
    return { context, page, base };
}

/** Milliseconds of each long task of the page since it was last asked. @param {Page} page */
export const longTasks = (page) =>
    page.evaluate(() => Reflect.get(globalThis, 'longTasks').splice(0));

/**
 * Fails where axe-core finds something, in light and in dark.
 * @param {Page} page
 */
export async function assertAccessible(page) {
    const source = readFileSync(AXE, 'utf8');
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        // By the debugger, which no content security policy stops.
        const client = await page.context().newCDPSession(page);
        const expression =
            `${source}; axe.run().then(({violations}) => JSON.stringify(violations.map(` +
            '({ id, nodes }) => [id, nodes.map((each) => [each.target, each.failureSummary])])))';
        const { result } = await client.send('Runtime.evaluate', {
            expression,
            awaitPromise: true,
            returnByValue: true,
        });
        assert.deepEqual(JSON.parse(result.value), [], `${colorScheme}: axe-core`);
        await client.detach();
    }
    await page.emulateMedia({ colorScheme: null, reducedMotion: null });
}

/** Nothing hangs over the page's edge at a width. @param {Page} page @param {number} width */
export async function assertFits(page, width) {
    await page.setViewportSize({ width, height: 800 });
    const over = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    assert.equal(over, 0, `${width} px: ${over} px hang over`);
}

/**
 * Work is cancelled by its button as soon as its progress is shown to have begun, by the page
 * itself: a click from here may come when all is done, on a machine that has much else to do.
 * @param {Page} page
 * @param {string} selector  what holds the progress and the button
 * @param {() => Promise<unknown>} begin
 * @param {number} [done]  more than this is done then
 */
export async function cancelOnceBegun(page, selector, begin, done = 0) {
    await page.evaluate(
        ([of, least]) => {
            const observer = new MutationObserver(() => {
                const working = document.querySelector(of);
                const button = [...(working?.querySelectorAll('button') ?? [])].find(
                    (each) => each.textContent === 'Cancel' && each.checkVisibility(),
                );
                if (!button || !(Number(working?.querySelector('progress')?.value) > least)) return;
                observer.disconnect();
                button.click();
            });
            observer.observe(document, { subtree: true, childList: true, attributes: true });
        },
        /** @type {const} */ ([selector, done]),
    );
    await begin();
}

/** @template T @param {() => Promise<T>} make @returns {() => Promise<T>} */
function once(make) {
    /** @type {Promise<T> | undefined} */
    let made;
    return () => (made ??= make());
}
