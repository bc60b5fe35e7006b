/**
 * How the worker starts in pages, in Chromium: from another origin than the page's, in a frame
 * without an origin, with helping threads; what is said where it, they or the engine cannot start;
 * and hosts that have no workers. What a browser lacks is taken from it by a script before the
 * worker's own.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { launchChromium } from '../tools/chromium.js';
import { A_PAGE, FaultyServer } from '../tools/faulty_server.js';

const DIST = fileURLToPath(new URL('../../build/dist', import.meta.url));
const TIMEOUT = { timeout: 120_000 };

/** @type {import('playwright-core').Browser} */
let browser;
/** Pages that are isolated, and pages that are not. @type {Record<string, FaultyServer>} */
let servers;

before(async () => {
    browser = await launchChromium();
    servers = {
        isolated: await FaultyServer.open({ '/dist/': DIST }, { isolated: true }),
        plain: await FaultyServer.open({ '/dist/': DIST }),
    };
});

after(async () => {
    await browser?.close();
    for (const server of Object.values(servers ?? {})) await server.close();
});

/**
 * What a page says that loads the library from there: the threads of info() and a label, or the
 * error.
 * @param {import('node:test').TestContext} t
 * @param {FaultyServer} server  of the page
 * @param {string} library  URL of index.js
 * @param {object} [how]
 * @param {string} [how.policy]  of the page
 * @param {boolean} [how.in_frame]  whether it is a frame without an origin
 * @param {string} [how.first]  what the page runs before it uses the library
 * @param {object} [how.options]  of pipeline()
 */
function visit(t, server, library, { policy, in_frame, first = '', options } = {}) {
    const script = `
        import { pipeline } from ${JSON.stringify(library)};
        ${first}
        try {
            const classify = await pipeline('sentiment-analysis', null, ${JSON.stringify(options)});
            const { threads, threads_reason } = await classify.model.info();
            const [{ label }] = await classify('What a wonderful film.');
            say({ label, threads, threads_reason });
        } catch ({ name, code, message }) {
            say({ name, code, message });
        }`;
    return show(t, server, script, { policy, in_frame });
}

/**
 * What a page says whose script this is.
 * @param {import('node:test').TestContext} t
 * @param {FaultyServer} server
 * @param {string} script
 * @param {{policy?: string, in_frame?: boolean}} [how]
 */
async function show(t, server, script, { policy, in_frame } = {}) {
    const pageOf = (/** @type {string} */ body) =>
        new TextEncoder().encode(`<!doctype html><meta charset="utf-8"><title></title>${body}`);
    const full = `${script}\nfunction say(what) { document.title = JSON.stringify(what); }`;
    server.files.set('/script.js', new TextEncoder().encode(full));
    server.files.set('/page.html', pageOf('<script type="module" src="script.js"></script>'));
    if (in_frame) {
        server.files.set('/frame.html', pageOf(`<script type="module">${full}</script>`));
        server.files.set('/page.html', pageOf('<iframe sandbox="allow-scripts" src="frame.html">'));
    }
    const headers = { 'Content-Security-Policy': policy ?? null };
    server.faults.set('/page.html', { headers });
    const context = await browser.newContext();
    t.after(() => context.close());
    const page = await context.newPage();
    await page.goto(`${server.url}page.html`);
    const frame = in_frame ? page.frames()[1] : page;
    await frame.waitForFunction(() => document.title !== '');
    return JSON.parse(await frame.title());
}

test('helping threads start, and info() counts them', TIMEOUT, async (t) => {
    const { isolated } = servers;
    const { label, threads } = await visit(t, isolated, `${isolated.url}dist/index.js`);
    assert.deepEqual([label, threads >= 2], ['POSITIVE', true], 'needs two cores');
});

test('the library comes from another origin', TIMEOUT, async (t) => {
    for (const server of Object.values(servers)) {
        const { label, threads } = await visit(t, server, `${server.other}dist/index.js`);
        assert.deepEqual([label, threads >= 2], ['POSITIVE', server === servers.isolated]);
    }
});

test('the page is a frame without an origin', TIMEOUT, async (t) => {
    const { plain } = servers;
    const library = `${plain.other}dist/index.js`;
    const { label } = await visit(t, plain, library, { in_frame: true });
    assert.equal(label, 'POSITIVE');
});

const BUNDLERS = /Copy worker\.js .* exclude: \['bert-wasm'\]/;

/**
 * @type {{[what: string]: {
 *   fault?: import('../tools/faulty_server.js').Fault,
 *   policy?: string,
 *   is_other?: boolean,
 *   expected: RegExp[],
 * }}}
 */
const REFUSALS = {
    'is not there': {
        fault: { status: 404 },
        expected: [
            /dist\/worker\.js did not start: HTTP status 404, content type text\/javascript/,
            BUNDLERS,
        ],
    },
    'is a page': {
        fault: A_PAGE,
        expected: [
            /dist\/worker\.js did not start: the server sent a page \(HTTP status 200/,
            BUNDLERS,
        ],
    },
    'has the wrong type': {
        fault: { headers: { 'Content-Type': 'text/plain' } },
        expected: [/content type text\/plain. It must be served as text\/javascript/],
    },
    'is forbidden by the policy': {
        policy: "worker-src 'none'",
        expected: [/dist\/worker\.js did not start: .*Policy of the page forbids it. .* 'self'/],
    },
    'may not be a Blob': {
        policy: "worker-src 'self'",
        is_other: true,
        expected: [/forbids it. It needs worker-src blob:; connect-src http:\S+$/],
    },
    'is of an origin that the policy forbids to workers': {
        is_other: true,
        fault: { headers: { 'Access-Control-Allow-Origin': 'https://example.org' } },
        expected: [/dist\/worker\.js did not start: there is no answer/],
    },
};

for (const [what, { fault, policy, is_other, expected }] of Object.entries(REFUSALS)) {
    test(`the worker ${what}: the error says so, and what to do`, TIMEOUT, async (t) => {
        const { plain } = servers;
        plain.faults.set('/dist/worker.js', fault ?? {});
        t.after(() => plain.faults.clear());
        const library = `${is_other ? plain.other : plain.url}dist/index.js`;
        const { name, code, message } = await visit(t, plain, library, { policy });
        assert.deepEqual([name, code], ['BertError', 'ENGINE_FAILED']);
        for (const part of expected) assert.match(message, part);
    });
}

test('the page is isolated, the worker is not', TIMEOUT, async (t) => {
    const { isolated } = servers;
    const headers = { 'Cross-Origin-Embedder-Policy': 'unsafe-none' };
    isolated.faults.set('/dist/worker.js', { headers });
    t.after(() => isolated.faults.clear());
    const { code, message } = await visit(t, isolated, `${isolated.url}dist/index.js`);
    assert.equal(code, 'ENGINE_FAILED');
    assert.match(message, /serve it, too, with Cross-Origin-Embedder-Policy: require-corp/);
});

/**
 * @param {import('node:test').TestContext} t
 * @param {FaultyServer} server
 * @param {string} first  what every worker runs before its own script
 */
function beforeWorkers(t, server, first) {
    const body = first + readFileSync(join(DIST, 'worker.js'), 'utf8');
    server.faults.set('/dist/worker.js', { body });
    t.after(() => server.faults.clear());
}

const tell = (/** @type {string} */ value) =>
    `Object.defineProperty(navigator, 'hardwareConcurrency', { value: ${value} });`;
const UNKNOWN = [1, /^the browser does not say how many cores there are$/];

/** @type {{[what: string]: [first: string, expected: any[]]}} */
const THREADS = {
    'no number of cores': [tell('undefined'), UNKNOWN],
    '0 cores': [tell('0'), UNKNOWN],
    'NaN cores': [tell('NaN'), UNKNOWN],
    '1.5 cores': [tell('1.5'), [1, /^there is one core$/]],
    '2.9 cores': [tell('2.9'), [2, /^there are 2 cores$/]],
    '128 cores': [tell('128'), [4, /^there are 128 cores$/]],
    'no SharedArrayBuffer': [
        'delete self.SharedArrayBuffer;',
        [1, /^memory cannot be shared: there is no SharedArrayBuffer here$/],
    ],
    'no shared memory': [
        `WebAssembly.Memory = class extends WebAssembly.Memory {
            constructor(type) {
                if (type.shared) throw new TypeError('none of that');
                super(type);
            }
        };`,
        [1, /^memory cannot be shared: none of that$/],
    ],
    'little shared memory': [
        `WebAssembly.Memory = class extends WebAssembly.Memory {
            constructor(type) {
                if (type.shared && type.initial > 64) throw new RangeError('could not allocate');
                super(type);
            }
        };`,
        [1, /^\d+ MiB of shared memory were refused$/],
    ],
    'no workers in workers': [
        'delete self.Worker;',
        [1, /^a helping thread did not start: Worker is not defined$/],
    ],
    'workers in workers that are refused': [
        "self.Worker = class { constructor() { throw new DOMException('not here'); } };",
        [1, /^a helping thread did not start: not here$/],
    ],
    'workers in workers that fail': [
        `const Own = Worker;
        self.Worker = class extends Own { constructor() { super('/missing.js'); } };`,
        [1, /^a helping thread did not start: the worker \S+ did not start: the server has it/],
    ],
    'workers in workers that never answer': [
        `const Own = Worker;
        self.Worker = class extends Own { constructor() { super('data:,'); } };`,
        [1, /^a helping thread did not start: it has not answered yet$/],
    ],
};

for (const [what, [first, [n, why]]] of Object.entries(THREADS)) {
    test(`${what}: info() says how many threads there are, and why`, TIMEOUT, async (t) => {
        const { isolated } = servers;
        beforeWorkers(t, isolated, first);
        const library = `${isolated.url}dist/index.js`;
        const { label, threads, threads_reason } = await visit(t, isolated, library);
        assert.deepEqual([label, threads], ['POSITIVE', n], threads_reason);
        assert.match(threads_reason, why);
    });
}

const NO_EVAL = "script-src 'self' 'unsafe-inline'";

for (const [what, first, policy, why] of /** @type {[string, string, string, RegExp][]} */ ([
    ['no WebAssembly', 'delete globalThis.WebAssembly;', '', /there is no WebAssembly here/],
    ['half of WebAssembly', 'delete WebAssembly.validate;', '', /there is no WebAssembly here/],
    ['no SIMD', 'WebAssembly.validate = () => false;', '', /128-bit SIMD is needed: Chrome 91/],
    ['a policy against it', '', NO_EVAL, /Policy forbids WebAssembly: .* 'wasm-unsafe-eval'/],
])) {
    test(`${what}: UNSUPPORTED, before the model is asked for`, TIMEOUT, async (t) => {
        const { plain } = servers;
        const headers = { 'Content-Security-Policy': policy };
        if (policy) plain.faults.set('/dist/worker.js', { headers });
        t.after(() => plain.faults.clear());
        plain.log.length = 0;
        const { code, message } = await visit(t, plain, `${plain.url}dist/index.js`, {
            first,
            policy,
        });
        assert.equal(code, 'UNSUPPORTED', message);
        assert.match(message, why);
        assert.deepEqual(
            plain.log.filter(({ path }) => /models|wasm/.test(path)),
            [],
        );
    });
}

test('a policy against WebAssembly that the worker does not have', TIMEOUT, async (t) => {
    const { plain } = servers;
    const { label } = await visit(t, plain, `${plain.url}dist/index.js`, { policy: NO_EVAL });
    assert.equal(label, 'POSITIVE');
});

test('in_thread: a page whose policy forbids workers', TIMEOUT, async (t) => {
    const { plain } = servers;
    const { label, threads_reason } = await visit(t, plain, `${plain.url}dist/index.js`, {
        policy: "worker-src 'none'",
        options: { in_thread: true },
    });
    assert.deepEqual([label, threads_reason], ['POSITIVE', "the engine is on the caller's thread"]);
});

/** What a script says that runs where there are no workers. @param {string} library */
const hostScript = (library) => `
    import { pipeline } from ${JSON.stringify(library)};
    const answer = pipeline('sentiment-analysis')
        .then(async (classify) => {
            const [{ label }] = await classify('What a wonderful film.');
            return { label, threads_reason: (await classify.model.info()).threads_reason };
        })
        .catch(({ name, code, message }) => ({ name, code, message }));
    const reply = (port) => answer.then((said) => port.postMessage(said));
    self.addEventListener('message', ({ source }) => reply(source));
    self.addEventListener('connect', ({ ports: [port] }) => reply(port));`;

/** How a page asks it. */
const ASK = {
    'service worker': `
        const { active, installing, waiting } =
            await navigator.serviceWorker.register('/host.js', { type: 'module' });
        navigator.serviceWorker.onmessage = ({ data }) => say(data);
        (active ?? waiting ?? installing).postMessage('');`,
    'shared worker': `
        const { port } = new SharedWorker('/host.js', { type: 'module' });
        port.onmessage = ({ data }) => say(data);`,
};

for (const [host, library, expected] of /** @type {const} */ ([
    ['service worker', 'in-thread.js', null],
    ['service worker', 'index.js', /import from 'bert-wasm\/in-thread' in place of 'bert-wasm'/],
    ['shared worker', 'index.js', null],
])) {
    const outcome = expected ? 'UNSUPPORTED, which names bert-wasm/in-thread' : 'answers';
    test(`a ${host} that imports ${library}: ${outcome}`, TIMEOUT, async (t) => {
        const { plain } = servers;
        plain.files.set('/host.js', new TextEncoder().encode(hostScript(`/dist/${library}`)));
        const said = await show(t, plain, ASK[host]);
        if (expected) {
            assert.equal(said.code, 'UNSUPPORTED', said.message);
            assert.match(said.message, expected);
        } else {
            const threads_reason = "the engine is on the caller's thread";
            assert.deepEqual(said, { label: 'POSITIVE', threads_reason });
        }
    });
}
