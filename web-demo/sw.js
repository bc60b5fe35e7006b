/**
 * Service worker: lets the page open again without a connection. The page does not depend on it;
 * the model is stored by the library.
 *
 * What is served to a page is of one version. Whether the server answers is found out once, when a
 * page is opened: if it does, all of the page's files come from there, so that a new version is
 * seen at once; if not, or not soon, all come from the saved copy. The copy is made when a page
 * asks for it, which it does once it works, so that it waits for nothing; it replaces the one
 * before when it is whole.
 */

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));

/** Copies: this, and when each was made. */
const CODE = 'bert-wasm-code-';

const FILES = [
    './',
    'style.css',
    'main.js',
    'own_model.js',
    'favicon.svg',
    'bert-wasm/index.js',
    'bert-wasm/explain.js',
    'bert-wasm/worker.js',
    'bert-wasm/engine-base.wasm',
    'bert-wasm/engine-relaxed.wasm',
    'bert-wasm/engine-base-threads.wasm',
    'bert-wasm/engine-relaxed-threads.wasm',
].map((file) => new URL(file, worker.registration.scope).href);

/** Is in a copy that is whole. */
const WHOLE = new URL('whole', worker.registration.scope).href;

/** Milliseconds that the server may take to answer before the saved copy is used. */
const PATIENCE = 1000;

/** Pages, and workers of pages, that get the saved copy. @type {Set<string>} */
const served = new Set();

worker.addEventListener('install', () => worker.skipWaiting());

worker.addEventListener('activate', (event) => event.waitUntil(worker.clients.claim()));

worker.addEventListener('message', (event) => {
    const [port] = event.ports;
    event.waitUntil(
        save()
            .catch(() => {}) // no room, or no connection: what was saved stays
            .then(async () => port.postMessage({ saved: (await copies()).length > 0 })),
    );
});

worker.addEventListener('fetch', (event) => {
    const { request } = event;
    if (request.method !== 'GET' || request.headers.has('range')) return;
    const url = plain(request.url);
    if (FILES.includes(url)) event.respondWith(answer(event, url));
});

/** Without query and fragment; index.html is the folder. */
function plain(address) {
    const url = new URL(address);
    return url.origin + url.pathname.replace(/\/index\.html$/, '/');
}

async function answer({ request, clientId, resultingClientId }, url) {
    const isSaved = served.has(clientId);
    const saved = () => {
        if (resultingClientId) served.add(resultingClientId);
        return find(url);
    };
    const found = isSaved && (await saved());
    if (found) return found;
    const fresh = fetch(request);
    const isPage = request.mode === 'navigate';
    const late = new Promise((resolve) => {
        if (isPage) setTimeout(resolve, PATIENCE);
    });
    const first = await Promise.race([fresh, late]).catch(() => undefined);
    return first ?? (await saved()) ?? fresh;
}

/** Caches with a whole copy, the newest first. */
async function copies() {
    const names = (await caches.keys()).filter((name) => name.startsWith(CODE));
    const whole = [];
    for (const name of names.sort().reverse()) {
        const copy = await caches.open(name);
        if (await copy.match(WHOLE)) whole.push(copy);
    }
    return whole;
}

async function find(url) {
    const [copy] = await copies();
    return copy?.match(url, { ignoreVary: true });
}

async function save() {
    const answers = await Promise.all(FILES.map((url) => fetch(url, { cache: 'no-cache' })));
    for (const [i, url] of FILES.entries()) {
        if (!isGood(url, answers[i])) throw new Error(`${url}: HTTP status ${answers[i].status}`);
    }
    const before = await caches.keys();
    const copy = await caches.open(CODE + Date.now());
    for (const [i, url] of FILES.entries()) await copy.put(url, answers[i]);
    await copy.put(WHOLE, new Response());
    for (const name of before) if (name.startsWith(CODE)) await caches.delete(name);
}

/** Worth saving: not an error, not a part, and not a page that is sent for whatever is asked. */
function isGood(url, response) {
    const isPage = /^text\/html\b/i.test(response.headers.get('content-type') ?? '');
    return (
        response.status === 200 &&
        response.type === 'basic' &&
        !response.redirected &&
        isPage === url.endsWith('/')
    );
}
