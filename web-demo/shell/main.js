/**
 * The shell: opens the view that the address names, loads the first model, and shows what
 * concerns all views. It is small, so that the page is there at once; everything else is fetched
 * when it is needed.
 *
 * @typedef {object} App  what views are given
 * @property {Models} models
 * @property {(name: string, state?: import('./views.js').State) => void} go  opens a view
 * @property {(state: import('./views.js').State) => void} remember  into the address, while the
 *   view is open: nothing is opened by it
 * @property {(words: string) => void} announce  to screen readers, when they have time
 */

import { byId, make } from './dom.js';
import { loadExplain } from './explain.js';
import { pageCode, partOfPage, showFailure } from './failure.js';
import { inUnits } from './format.js';
import { Models } from './models.js';
import { countRequests, requestsSoFar } from './requests.js';
import { addressOf, readAddress } from './router.js';
import { savePage } from './saved.js';
import { VIEWS } from './views.js';

/** Where the page's code lies: a folder of this version. */
const CODE = new URL('.', import.meta.url);

const models = new Models();

/** By name, once opened. @type {Map<string, Promise<import('./views.js').View | null>>} */
const mounted = new Map();

/** Milliseconds that a state must stand: browsers refuse to write many addresses a second. */
const REMEMBER_AFTER = 150;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let remembering;

/** The name of the view that is open. */
let current = '';

/** Of the address, as it was read or written last: where it differs, a visitor has gone on. */
let known = '';

/** What a view is given. @param {string} view  its name @returns {App} */
const appOf = (view) => ({
    models,
    go(name, state) {
        location.hash = addressOf(name, state);
    },
    remember(state) {
        if (view !== current) return;
        const address = addressOf(view, state);
        clearTimeout(remembering);
        remembering = setTimeout(() => {
            if (address === location.hash || known !== location.hash) return;
            history.replaceState(null, '', address);
            known = location.hash;
        }, REMEMBER_AFTER);
    },
    announce(words) {
        byId('announcement').textContent = words;
    },
});

// --- views --------------------------------------------------------------------------------------

/** Opens what the address names. */
async function openView() {
    const { name, state } = readAddress();
    const before = current;
    current = name;
    known = location.hash;
    clearTimeout(remembering);
    for (const section of document.querySelectorAll('main > section')) {
        /** @type {HTMLElement} */ (section).hidden = section.id !== `view-${name}`;
    }
    const list = byId('views');
    for (const link of list.querySelectorAll('a')) {
        const isOpen = link.hash === `#${name}`;
        if (isOpen) link.setAttribute('aria-current', 'page');
        else link.removeAttribute('aria-current');
        // On phones the list is wider than the screen.
        if (isOpen) list.scrollLeft = link.offsetLeft - (list.clientWidth - link.clientWidth) / 2;
    }
    document.title = `${VIEWS[name].title} – bert-wasm`;
    document.body.dataset.view = name;
    if (before && before !== name) {
        (await mounted.get(before))?.hide?.();
        scrollTo(0, 0);
        byId(`view-${name}`).focus({ preventScroll: true });
    }
    const had = mounted.get(name);
    const opening = had ?? mount(name);
    mounted.set(name, opening);
    const view = await opening;
    if (!view)
        mounted.delete(name); // it failed, and may be tried again
    else if (current === name) view.show?.(state);
}

/** @param {string} name @returns {Promise<import('./views.js').View | null>} */
async function mount(name) {
    const section = byId(`view-${name}`);
    try {
        const [{ mount }] = await Promise.all([partOfPage(VIEWS[name].load()), loadStyles(name)]);
        return await mount(section, appOf(name));
    } catch (error) {
        showFailure(section, { title: 'This view could not be opened', error });
        return null;
    }
}

/** @param {string} name */
function loadStyles(name) {
    if (name === 'read') return undefined; // is in the page's own
    const link = make('link', { rel: 'stylesheet', href: new URL(`${name}.css`, CODE).href });
    const loading = new Promise((resolve, reject) => {
        link.onload = resolve;
        link.onerror = () => reject(pageCode(new Error(`${link.href} did not come`)));
    });
    document.head.append(link);
    return loading;
}

// --- what concerns all views --------------------------------------------------------------------

function showRequests() {
    const requests = requestsSoFar();
    const here = new URL('.', document.baseURI).href;
    byId('requests').textContent = inUnits(requests.length, 'request');
    byId('requests-list').replaceChildren(
        ...requests.map((address) => make('li', {}, address.replace(here, ''))),
    );
    byId('requests-none').hidden = requests.length > 0;
}

/** Once the model is there: what the page keeps of itself is fetched after it. */
async function whenReady() {
    const classify = await models.classifier();
    document.documentElement.dataset.model = 'ready';
    const { cache, variant, threads } = await classify.model.info();
    await loadExplain().catch(() => {}); // who wants it then says what is wrong
    countRequests(showRequests);
    if (cache.complete) await savePage({ variant, threads });
}

document.documentElement.dataset.code = 'running';
for (const [name, { title }] of Object.entries(VIEWS)) {
    byId('views').append(make('li', {}, make('a', { href: `#${name}` }, title)));
    if (name !== 'read') {
        const section = make('section', { id: `view-${name}`, hidden: true, tabIndex: -1 });
        section.setAttribute('aria-label', title);
        byId('main').append(section);
    }
}
addEventListener('hashchange', openView);
openView();
whenReady().catch(() => {}); // the view that wanted the model says why it did not come
