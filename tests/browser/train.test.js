/** Training in a page, in Chromium: labels are learned, and the page's thread stays free. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { converted } from '../js/converted.js';
import { EXAMPLES, QUICK } from '../js/trained.js';
import { launchChromium } from '../tools/chromium.js';
import { FaultyServer } from '../tools/faulty_server.js';
import { TOO_LONG, tasksWhile } from '../tools/tasks.js';

const DIST = fileURLToPath(new URL('../../build/dist', import.meta.url));

/** @type {import('playwright-core').Browser} */
let browser;

before(async () => {
    browser = await launchChromium();
});
after(() => browser?.close());

for (const [how, isolated, n_threads] of /** @type {const} */ ([
    ['on two threads', true, 2],
    ['on one thread, where memory is not shared', false, 1],
])) {
    test(`a page trains ${how}`, { timeout: 120_000 }, async (t) => {
        const server = await FaultyServer.open({ '/dist/': DIST }, { isolated });
        t.after(() => server.close());
        const base = readFileSync(converted('pipelines/feature-extraction-bert', 'q8'));
        server.files.set('/base.safetensors', base);
        server.files.set('/page.html', new TextEncoder().encode('<!doctype html><title></title>'));
        const page = await browser.newPage();
        await page.goto(`${server.url}page.html`);
        /** @type {any} */
        let learned;
        const { own } = await tasksWhile(page, async () => {
            learned = await page.evaluate(
                async ([examples, options]) => {
                    const at = (/** @type {string} */ path) => new URL(path, location.href).href;
                    const { pipeline } = await import(at('dist/index.js'));
                    const { fineTune } = await import(at('dist/train.js'));
                    const told = [];
                    const trained = await fineTune(at('base.safetensors'), examples, {
                        ...options,
                        validation: examples,
                        onprogress: (/** @type {any} */ progress) => told.push(progress),
                    });
                    const model = await trained.model();
                    const classify = await pipeline('text-classification', model);
                    const answers = await classify(examples.map(({ text }) => text));
                    return {
                        labels: answers.map((/** @type {any} */ { label }) => label),
                        metrics: trained.metrics,
                        threads: trained.threads,
                        n_steps: told.filter(({ validation }) => validation === null).length,
                        n_told: told.length,
                        files: Object.keys(await trained.export()),
                    };
                },
                /** @type {const} */ ([EXAMPLES, { ...QUICK, threads: n_threads }]),
            );
        });
        assert.deepEqual(
            learned.labels,
            EXAMPLES.map(({ label }) => label),
        );
        assert.equal(learned.metrics.accuracy, 1);
        assert.equal(learned.threads, n_threads);
        assert.equal(learned.n_steps, 2 * QUICK.epochs);
        assert.equal(learned.n_told, 3 * QUICK.epochs, 'each validation is told, too');
        assert.ok(learned.files.includes('model.safetensors'));
        assert.ok(own[0] < TOO_LONG, `the page's thread was kept for ${own[0]} ms`);
    });
}
