/**
 * Service worker: lets the page open again without a connection. The page does not depend on it.
 *
 * Code (FILES) comes from the network if that answers, so that a new version is seen at once; the
 * saved copy is for when it does not. The model is large: it comes from the saved copy, after the
 * server was asked, with a HEAD request, whether the file is still the same. Nothing else is
 * touched, and only whole, successful answers are saved. Caches need no version: each file
 * replaces its older self.
 */

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));

const CODE = 'bert-wasm-code';
const MODEL = 'bert-wasm-model'; // main.js knows this name, too

const FILES = [
    './',
    'style.css',
    'main.js',
    'favicon.svg',
    'bert-wasm/index.js',
    'bert-wasm/explain.js',
    'bert-wasm/worker.js',
    'bert-wasm/engine-base.wasm',
    'bert-wasm/engine-relaxed.wasm',
    'bert-wasm/engine-base-threads.wasm',
    'bert-wasm/engine-relaxed-threads.wasm',
].map((file) => new URL(file, worker.registration.scope).href);

/** Milliseconds that a connection may be silent before a saved copy is used. */
const PATIENCE = 3000;

worker.addEventListener('install', (event) => {
    worker.skipWaiting();
    event.waitUntil(
        Promise.all(
            FILES.map(async (url) => {
                const response = await fetch(url, { cache: 'no-cache' });
                if (!isGood(url, response)) {
                    throw new Error(`${url}: HTTP status ${response.status}`);
                }
                await save(CODE, url, response);
            }),
        ),
    );
});

worker.addEventListener('activate', (event) => event.waitUntil(worker.clients.claim()));

worker.addEventListener('fetch', (event) => {
    const { request } = event;
    if (request.method !== 'GET' || request.headers.has('range')) return;
    const url = plain(request.url);
    if (FILES.includes(url)) event.respondWith(networkFirst(event, url));
    else if (isModel(url)) event.respondWith(savedFirst(event, url));
});

/** Without query and fragment; index.html is the folder. */
function plain(address) {
    const url = new URL(address);
    return url.origin + url.pathname.replace(/\/index\.html$/, '/');
}

function isModel(url) {
    return url.startsWith(worker.registration.scope) && url.endsWith('.safetensors');
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

async function networkFirst(event, url) {
    const saved = await find(CODE, url);
    const fresh = fetchAndSave(event, CODE, url);
    if (!saved) return fresh;
    event.waitUntil(fresh.catch(() => {})); // saved for the next time even if late
    const late = new Promise((resolve) => setTimeout(resolve, PATIENCE, saved));
    return Promise.race([fresh, late]).catch(() => saved);
}

async function savedFirst(event, url) {
    const saved = await find(MODEL, url);
    if (saved && (await isCurrent(saved, url))) return saved;
    return fetchAndSave(event, MODEL, url);
}

/** Whether a saved answer is what the server has; yes where the server cannot say. */
async function isCurrent(saved, url) {
    try {
        const signal = AbortSignal.timeout(PATIENCE);
        const head = await fetch(url, { method: 'HEAD', cache: 'no-cache', signal });
        return (
            !isGood(url, head) ||
            ['etag', 'last-modified', 'content-length'].every(
                (name) => head.headers.get(name) === saved.headers.get(name),
            )
        );
    } catch {
        return true; // no connection
    }
}

/** The network's answer, whatever it is; a good one is saved while it is read. */
async function fetchAndSave(event, cache, url) {
    const response = await fetch(event.request);
    if (isGood(url, response)) {
        event.waitUntil(save(cache, url, response.clone()).catch(() => {})); // no room
    }
    return response;
}

async function find(cache, url) {
    return (await caches.open(cache)).match(url, { ignoreVary: true });
}

async function save(name, url, response) {
    const cache = await caches.open(name);
    await cache.put(url, response);
    if (name !== MODEL) return;
    for (const { url: other } of await cache.keys()) {
        if (other !== url && isModel(other)) await cache.delete(other); // one model is enough
    }
    const pages = await worker.clients.matchAll({ type: 'window' });
    for (const page of pages) page.postMessage({ saved: url });
}
