/**
 * Where a page without a bundler finds what it needs, in Chromium: the sentiment model by an import
 * map, or beside the script, or not; all of the library in one file, of another origin; and what
 * diagnose() says of a page that lacks something.
 */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { launchChromium } from '../tools/chromium.js';
import { A_PAGE, FaultyServer } from '../tools/faulty_server.js';

const BUILD = fileURLToPath(new URL('../../build', import.meta.url));
const TIMEOUT = { timeout: 120_000 };
const MODEL = 'sentiment-minilm-l6-q8.safetensors';

const IMPORT_MAP = {
    'bert-wasm': '/dist/index.js',
    'bert-wasm-sentiment': '/sentiment/index.js',
};

/** @type {import('playwright-core').Browser} */
let browser;

before(async () => {
    browser = await launchChromium();
});

after(() => browser?.close());

/**
 * A server of the built packages.
 * @param {import('node:test').TestContext} t
 * @param {boolean} [isolated]
 */
async function serve(t, isolated = false) {
    const folders = ['dist', 'sentiment', 'single'].map((name) => [
        `/${name}/`,
        `${BUILD}/${name}`,
    ]);
    const server = await FaultyServer.open(Object.fromEntries(folders), { isolated });
    t.after(() => server.close());
    return server;
}

/**
 * What `run`, in a page of the server, resolves to, or the error that it throws.
 * @param {import('node:test').TestContext} t
 * @param {FaultyServer} server
 * @param {string} run  the body of an async function
 * @param {{imports?: Record<string, string>, policy?: string}} [page]
 */
async function visit(t, server, run, { imports = {}, policy } = {}) {
    const text = `<!doctype html><meta charset="utf-8"><title></title>
        <script type="importmap">${JSON.stringify({ imports })}</script>
        <script type="module">
            const say = (what) => { document.title = JSON.stringify(what); };
            (async () => { ${run} })().then(say, ({ name, code, message }) =>
                say({ name, code, message }));
        </script>`;
    server.files.set('/page.html', new TextEncoder().encode(text));
    if (policy) server.faults.set('/page.html', { headers: { 'Content-Security-Policy': policy } });
    const context = await browser.newContext();
    t.after(() => context.close());
    const page = await context.newPage();
    await page.goto(`${server.url}page.html`);
    await page.waitForFunction(() => document.title !== '');
    return JSON.parse(await page.title());
}

/** Paths that were asked for beside the page, each once. @param {FaultyServer} server */
const pathsOf = ({ log }) =>
    [...new Set(log.map(({ path }) => path))]
        .filter((path) => path !== '/page.html' && path !== '/favicon.ico')
        .sort();

/** @param {string} from  where the library is imported from */
const classify = (from, model = 'null') => `
    const { pipeline } = await import(${JSON.stringify(from)});
    const classify = await pipeline('sentiment-analysis', ${model});
    const { threads } = await classify.model.info();
    return [(await classify('What a wonderful film.'))[0].label, threads];`;

test('an import map resolves the name of the model', TIMEOUT, async (t) => {
    const server = await serve(t);
    const [label] = await visit(t, server, classify('bert-wasm'), { imports: IMPORT_MAP });
    assert.equal(label, 'POSITIVE');
    const models = pathsOf(server).filter((path) => path.includes('sentiment'));
    assert.deepEqual(models, ['/sentiment/index.js', `/sentiment/${MODEL}`]);
});

test('without one it is looked for beside the script', TIMEOUT, async (t) => {
    const server = await serve(t);
    assert.deepEqual((await visit(t, server, classify('/dist/index.js')))[0], 'POSITIVE');
    assert.ok(pathsOf(server).includes(`/dist/models/${MODEL}`));
});

for (const [what, fault] of /** @type {const} */ ([
    ['nothing', { status: 404 }],
    ['the page that a server sends for whatever is asked', A_PAGE],
])) {
    test(`where there is ${what}, the error names the package`, TIMEOUT, async (t) => {
        const server = await serve(t);
        server.faults.set(`/dist/models/${MODEL}`, fault);
        const { name, code, message } = await visit(t, server, classify('/dist/index.js'));
        assert.deepEqual([name, code], ['BertError', 'FETCH_FAILED']);
        assert.match(
            message,
            /dist\/models\/.*, and bert-wasm-sentiment was not found: npm install/,
        );
    });
}

test('one file, of another origin, needs nothing but the model', TIMEOUT, async (t) => {
    for (const isolated of [false, true]) {
        const server = await serve(t, isolated);
        const model = `'/sentiment/${MODEL}'`;
        const run = classify(`${server.other}single/index.js`, model);
        const [label, threads] = await visit(t, server, run);
        assert.deepEqual([label, threads >= 2], ['POSITIVE', isolated], `${threads} threads`);
        assert.deepEqual(pathsOf(server), [`/sentiment/${MODEL}`, '/single/index.js']);
    }
});

test('one file has search inside, and finds a model beside it', TIMEOUT, async (t) => {
    const server = await serve(t);
    const similar = `
        const { similarity } = await import('/single/index.js');
        const ones = { dims: [1, 4], data: Float32Array.of(1, 1, 1, 1) };
        return [...(await similarity(ones, ones)).data];`;
    const [score] = await visit(t, server, similar);
    assert.ok(Math.abs(score - 1) < 1e-6, `${score}`);
    const { message } = await visit(t, server, classify('/single/index.js'));
    assert.match(message, /single\/models\/.*, and bert-wasm-sentiment was not found/);
    assert.deepEqual(pathsOf(server), ['/single/index.js', `/single/models/${MODEL}`]);
});

test('one file under the policy that its README says', TIMEOUT, async (t) => {
    const server = await serve(t);
    const policy = "worker-src blob:; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'";
    const run = classify('/single/index.js', `'/sentiment/${MODEL}'`);
    assert.equal((await visit(t, server, run, { policy }))[0], 'POSITIVE');
});

const DIAGNOSE = `
    const { diagnose } = await import('/dist/diagnose.js');
    const { ok, findings } = await diagnose();
    return { ok, ...Object.fromEntries(findings.map((each) => [each.name, each])) };`;

test('diagnose() of a good page, isolated or not', TIMEOUT, async (t) => {
    for (const isolated of [false, true]) {
        const server = await serve(t, isolated);
        const { ok, ...findings } = await visit(t, server, DIAGNOSE);
        assert.equal(ok, true);
        const states = Object.entries(findings).map(([name, { state }]) => [name, state]);
        assert.deepEqual(states, [
            ['simd', 'good'],
            ['compiler', 'good'],
            ['worker', 'good'],
            ['relaxed-simd', 'good'],
            ['threads', isolated ? 'good' : 'lesser'],
            ['storage', 'good'],
            ['checksums', 'good'],
        ]);
        if (!isolated) assert.match(findings.threads.advice, /Cross-Origin-Embedder-Policy/);
        const models = pathsOf(server).filter((path) => path.includes('sentiment'));
        assert.deepEqual(models, [], 'no model is loaded');
    }
});

test('diagnose() of pages whose policy forbids something', TIMEOUT, async (t) => {
    const server = await serve(t);
    const scripts = "script-src 'self' 'unsafe-inline'";
    const no_wasm = await visit(t, server, DIAGNOSE, { policy: scripts });
    assert.deepEqual([no_wasm.ok, no_wasm.compiler.state], [false, 'missing']);
    assert.match(no_wasm.compiler.advice, /needs script-src 'wasm-unsafe-eval'/);

    const policy = `${scripts} 'wasm-unsafe-eval'; worker-src 'none'`;
    const no_worker = await visit(t, server, DIAGNOSE, { policy });
    assert.deepEqual([no_worker.ok, no_worker.worker.state], [false, 'missing']);
    assert.match(no_worker.worker.advice, /Policy of the page forbids it. It needs worker-src/);
});

test('diagnose() where the worker is not beside the script', TIMEOUT, async (t) => {
    const server = await serve(t);
    server.faults.set('/dist/worker.js', { status: 404 });
    const { ok, worker } = await visit(t, server, DIAGNOSE);
    assert.deepEqual([ok, worker.state], [false, 'missing']);
    assert.match(worker.advice, /worker\.js did not start: HTTP status 404/);
});
