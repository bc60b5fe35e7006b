/**
 * Service worker: the page opens without a connection, is never a mix of two versions, and is
 * isolated where its server cannot send the two headers for that. The page does not depend on it;
 * models are stored by the library.
 *
 * A copy of the page is made when a page asks for it, which it does once it works, so that it waits
 * for nothing. From then on the page opens from the copy, whatever the network does; the server is
 * asked in the background whether there is another version, which takes the place of the copy when
 * it is here as a whole. Code lies in a folder that is named after its version, so an older page
 * that is still open finds its own parts or none.
 */

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));

/** Copies: this, when each was made, and its version. */
const COPY = 'bert-wasm-page-';

/** What was shared to the page, until it has read it. */
const SHARED = 'bert-wasm-shared';

/** @param {string} path */
const inScope = (path) => new URL(path, worker.registration.scope).href;

/** Is in a copy that is whole. */
const WHOLE = inScope('whole');

worker.addEventListener('install', () => worker.skipWaiting());

worker.addEventListener('activate', (event) => event.waitUntil(worker.clients.claim()));

worker.addEventListener('message', (event) => {
    const [port] = event.ports;
    const { engine } = event.data.save;
    event.waitUntil(
        save(engine)
            .catch(() => {}) // no room, or no connection: what was saved stays
            .then(async () => {
                const [copy] = await copies();
                port.postMessage({ whole: Boolean(copy), version: copy?.version });
            }),
    );
});

worker.addEventListener('fetch', (event) => {
    const { request } = event;
    const url = plain(request.url);
    if (request.method === 'POST' && url === inScope('share')) event.respondWith(share(request));
    else if (request.method !== 'GET' || request.headers.has('range')) return;
    else if (url === inScope('shared')) event.respondWith(shared());
    else if (request.mode === 'navigate' || url.startsWith(inScope(''))) {
        // What the library stores itself goes to the network untouched.
        if (!url.startsWith(inScope('models/'))) event.respondWith(answer(request, url));
    }
});

/** Without query and fragment; index.html is the folder. @param {string} address */
function plain(address) {
    const url = new URL(address);
    return url.origin + url.pathname.replace(/\/index\.html$/, '/');
}

/** @param {Request} request @param {string} url */
async function answer(request, url) {
    const found = (await find(url)) ?? (await fetch(request));
    const isRoot = request.mode === 'navigate' || request.destination.includes('worker');
    return isRoot ? isolated(found) : found;
}

/**
 * With the headers that threads in WebAssembly need, where its server sent none: what
 * coi-serviceworker does, which cannot be in one scope with this.
 * @param {Response} response
 */
function isolated(response) {
    if (response.type !== 'basic' && response.type !== 'default') return response;
    if (response.redirected || response.status === 0) return response;
    const headers = new Headers(response.headers);
    headers.set('Cross-Origin-Opener-Policy', 'same-origin');
    headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
    const { status, statusText } = response;
    return new Response(response.body, { status, statusText, headers });
}

// --- copies -------------------------------------------------------------------------------------

/** Whole copies, the newest first. */
async function copies() {
    const names = (await caches.keys()).filter((name) => name.startsWith(COPY));
    const whole = [];
    for (const name of names.sort().reverse()) {
        const copy = await caches.open(name);
        if (await copy.match(WHOLE)) whole.push({ name, copy, version: name.split('-').at(-1) });
    }
    return whole;
}

/** In the newest copy, or in one that an open page may be of. @param {string} url */
async function find(url) {
    for (const { copy } of await copies()) {
        const found = await copy.match(url, { ignoreVary: true });
        if (found) return found;
    }
    return undefined;
}

/**
 * Makes a copy of the version that the server has, unless it is there.
 * @param {string} engine  the one of four that this machine uses: engine-VARIANT[-threads].wasm
 */
async function save(engine) {
    const list = await fetch(inScope('files.json'), { cache: 'no-cache' });
    const { version, code, files } = await list.json();
    const before = await copies();
    // Training takes builds of one thread and of several, of the same variant.
    const [, variant] = engine.split(/[-.]/);
    const isBuild = (/** @type {string} */ file) => /\/(engine|train)-[\w-]+\.wasm$/.test(file);
    const isOurs = (/** @type {string} */ file) =>
        file.endsWith(engine) || file.includes(`/train-${variant}`);
    const wanted = files
        .filter((/** @type {string} */ file) => !isBuild(file) || isOurs(file))
        .map(inScope);
    const name = `${COPY}${Date.now()}-${version}`;
    const newest = before[0];
    if (newest?.version === version) {
        if (await newest.copy.match(inScope(`${code}/bert-wasm/${engine}`))) return;
    }
    const copy = await caches.open(name);
    try {
        await Promise.all(
            wanted.map(async (/** @type {string} */ url) => {
                const response = await fetch(url, { cache: 'no-cache' });
                if (!isGood(url, response)) throw new Error(`${url}: status ${response.status}`);
                await copy.put(url, response);
            }),
        );
        await copy.put(WHOLE, new Response());
    } catch (error) {
        await caches.delete(name);
        throw error;
    }
    // The one before stays for pages that are open; what is older, or broke off, goes.
    for (const old of await caches.keys()) {
        if (old.startsWith(COPY) && old !== name && old !== newest?.name) await caches.delete(old);
    }
}

/**
 * Worth saving: not an error, not a part, and not a page that is sent for whatever is asked.
 * @param {string} url
 * @param {Response} response
 */
function isGood(url, response) {
    const isPage = /^text\/html\b/i.test(response.headers.get('content-type') ?? '');
    return (
        response.status === 200 &&
        response.type === 'basic' &&
        !response.redirected &&
        isPage === (url.endsWith('/') || url.endsWith('.html'))
    );
}

// --- text that another program shares with the page ---------------------------------------------

/** Keeps it on this device: an address with the text in it would be sent to the server. */
async function share(/** @type {Request} */ request) {
    const form = await request.formData();
    const parts = ['title', 'text', 'url'].map((name) => form.get(name)).filter(Boolean);
    const copy = await caches.open(SHARED);
    await copy.put(inScope('shared'), new Response(parts.join('\n')));
    return Response.redirect(`${inScope('')}#read?shared=1`, 303);
}

/** Gives it to the page, once. */
async function shared() {
    const copy = await caches.open(SHARED);
    const found = await copy.match(inScope('shared'));
    await caches.delete(SHARED);
    return found ?? new Response('');
}
