/**
 * The package in apps that bundlers make: each is built once, from a fresh project, and opened in
 * Chromium on a page that is isolated, on one that is not, and under a strict policy. It must give
 * the answer, run the threads that there can be, ask for nothing that is not there, say nothing on
 * the console, and fetch of the package's large files the one engine that runs and the model, once.
 *
 * To add an app: a row in apps.js. What was run, and how it went, is in build/bundlers/NAME.json.
 */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe } from 'node:test';

import { chromium } from 'playwright-core';

import { missing, PROGRAMS, pathOf } from '../browser/engines/programs.js';
import { PACKAGES } from '../js/packed.js';
import { Outcome } from '../tools/outcome.js';
import { BUNDLERS } from './apps.js';
import { openFront, POLICY } from './front.js';
import { findBundlers, Projects } from './project.js';

const STRICT = `${POLICY}; default-src 'none'; img-src data:`;

/** @type {{[page: string]: import('./front.js').Pages}} */
const PAGES = {
    isolated: { is_isolated: true },
    plain: { is_isolated: false },
    strict: { is_isolated: true, policy: STRICT },
};

/** The sentiment model as a file of an app's own: its answers are known. */
const OWN_MODEL = join(PACKAGES['bert-wasm-sentiment'], 'sentiment-minilm-l6-q8.safetensors');

/** Bytes that no file of code has, of the library or a framework. */
const LARGE = 4e6;

const ANSWER_TIMEOUT = 60_000;

/** Declares the tests of apps. @param {(app: import('./apps.js').App) => boolean} are_wanted */
export function testApps(are_wanted) {
    const engine = missing('chromium');
    const { folder, skip } = engine ? { folder: '', skip: engine } : findBundlers();
    const projects = new Projects(folder);
    /** @type {import('playwright-core').Browser} */
    let browser;
    /** The package's large files by what they hold. @type {Map<string, string>} */
    let binaries;

    before(async () => {
        if (skip) return console.error(skip);
        projects.install();
        binaries = findBinaries(projects.create('binaries', {}).folder);
        const args = [
            '--headless',
            '--no-sandbox',
            '--disable-gpu',
            '--disable-background-networking',
        ];
        const executablePath = pathOf(PROGRAMS.chromium) ?? '';
        browser = await chromium.launch({ executablePath, args });
    });

    after(async () => {
        await browser?.close();
        if (!skip) projects.remove();
    });

    /**
     * What a page says, and what it asked for.
     * @param {Awaited<ReturnType<typeof openFront>>} front
     * @param {string} path
     */
    async function visit(front, path) {
        const context = await browser.newContext();
        const page = await context.newPage();
        /** @type {string[]} */
        const said = [];
        page.on('console', (message) => {
            if (['error', 'warning'].includes(message.type())) said.push(message.text());
        });
        const failed = new Promise((_, reject) => page.on('pageerror', reject));
        failed.catch(() => {});
        try {
            await page.goto(front.url + path);
            const body = page.locator('body', { hasText: /\}$/ });
            await Promise.race([body.waitFor({ timeout: ANSWER_TIMEOUT }), failed]);
            const is_isolated = await page.evaluate(() => crossOriginIsolated);
            return { ...JSON.parse(await body.innerText()), is_isolated, said };
        } catch (error) {
            const lost = front.log.filter(({ status }) => status >= 400);
            const paths = lost.map(({ status, path }) => `${status} ${path}`);
            throw new Error([error.message, ...said, ...paths].join('\n'), { cause: error });
        } finally {
            await context.close();
        }
    }

    for (const [bundler, { tool, apps }] of Object.entries(BUNDLERS)) {
        for (const [how, app] of Object.entries(apps).filter(([, app]) => are_wanted(app))) {
            declareApp(`${bundler} ${how}`, tool, app);
        }
    }

    /** @param {string} name @param {string} tool @param {import('./apps.js').App} app */
    function declareApp(name, tool, app) {
        describe(name, () => {
            const outcome = new Outcome('bundlers', name, skip);
            /** @type {{folder: string, base?: string} | {port: number}} */
            let served;
            /** @type {() => Promise<void>} */
            let close = async () => {};

            after(async () => {
                await close();
                outcome.write(tool && folder ? projects.versionOf(tool) : undefined);
            });

            outcome.declare('build', '', async () => {
                const project = projects.create(name, app.files, app.model ? 'bare' : 'whole');
                if (app.build) await project.run(app.build, app.flags);
                if (app.copies) await project.shell(app.copies);
                if (app.model) {
                    assert.deepEqual(largeFiles(project.folder), []);
                    project.put(OWN_MODEL, join(app.model, 'own.safetensors'));
                }
                if (app.serve) {
                    const server = await project.serve(app.serve);
                    served = { port: server.port };
                    close = server.close;
                } else {
                    served = { folder: join(project.folder, app.folder ?? ''), base: app.base };
                }
            });

            for (const page of app.pages ?? ['isolated', 'plain']) {
                outcome.declare('answer', page, async () => {
                    assert.ok(served, 'it was not built');
                    const front = await openFront(served, PAGES[page]);
                    try {
                        const visited = visit(front, app.base ?? '/');
                        if (!app.refusal) return judge(await visited, front.log, page, app);
                        await assert.rejects(visited, { message: app.refusal });
                    } finally {
                        front.close();
                    }
                });
            }
        });
    }

    /**
     * @param {any} found
     * @param {import('./front.js').Exchange[]} log
     * @param {string} page
     * @param {import('./apps.js').App} app
     */
    function judge(
        { answers, alike, ids, server, threads, threads_reason, is_isolated, said },
        log,
        page,
        app,
    ) {
        assert.equal(alike, 1);
        assert.deepEqual(ids, [1]);
        for (const each of app.has_server ? [answers, server] : [answers]) {
            assert.equal(each.length, 1);
            assert.equal(each[0].label, 'POSITIVE');
            assert.equal(each[0].score.toFixed(2), '0.98');
        }
        assert.deepEqual(said, []);
        const lost = log.filter(({ status }) => status >= 400);
        assert.deepEqual(
            lost.map(({ status, path }) => `${status} ${path}`),
            [],
        );
        assert.equal(is_isolated, PAGES[page].is_isolated);
        const n_threads = is_isolated ? Math.min(4, cpus().length) : 1;
        assert.equal(threads, n_threads, threads_reason);
        const fetched = log.flatMap(({ sha256 }) => binaries.get(sha256) ?? []);
        const engine = `engine-relaxed${n_threads > 1 ? '-threads' : ''}.wasm`;
        assert.deepEqual(fetched.sort(), [engine, 'search.wasm', basename(OWN_MODEL)]);
        const n_bytes = log.reduce((sum, exchange) => sum + exchange.n_bytes, 0);
        return `threads: ${threads}, ${(n_bytes / 1e6).toFixed(1)} MB`;
    }
}

/** Of what is built. @param {string} folder */
function largeFiles(folder) {
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    return files.filter((file) => statSync(join(folder, file)).size > LARGE);
}

/** @param {string} folder @returns {Map<string, string>}  names by SHA-256 */
function findBinaries(folder) {
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    const binaries = files.filter((file) => /\.(wasm|safetensors)$/.test(file));
    return new Map(
        binaries.map((file) => {
            const bytes = readFileSync(join(folder, file));
            return [createHash('sha256').update(bytes).digest('hex'), basename(file)];
        }),
    );
}
