/** The models that are kept on this device: what there is, opened again, deleted. */

import { make } from '../shell/dom.js';
import { freeWords, inMegabytes, inSize } from '../shell/format.js';
import { freeBytes } from '../shell/storage.js';
import { describeStored } from './get.js';

/** Milliseconds in which a deletion can be taken back. */
const SECOND_THOUGHTS = 8000;

const date = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });

/** @typedef {import('../../js/index.js').CachedModel} CachedModel */

/**
 * @param {Record<string, HTMLElement>} parts
 * @param {import('../shell/main.js').App} app
 * @param {(stored: string) => void} open
 */
export function mountKept(parts, app, open) {
    /** What will be deleted, by what it is stored by. @type {Map<string, any>} */
    const leaving = new Map();

    /** @type {HTMLButtonElement} */
    const all_button = /** @type {any} */ (parts['delete-all']);
    /** @type {HTMLButtonElement} */
    const persist_button = /** @type {any} */ (parts.persist);

    /** @type {CachedModel[]} */
    let models = [];

    /** Times that it was looked at. */
    let n_shown = 0;

    async function show() {
        const turn = ++n_shown;
        const { cache } = await app.models.library();
        const [list, size, persisted] = await Promise.all([
            cache.list(),
            cache.size(),
            navigator.storage?.persisted?.() ?? false,
        ]);
        const free = await freeBytes(size);
        if (turn !== n_shown) return; // it was looked at again meanwhile
        models = list;
        draw();
        parts.storage.textContent =
            size.quota > 0
                ? `Models take ${inSize(size.used)}; ${freeWords(free)}.`
                : 'Nothing can be kept here: the window is private, or the page is not https.';
        parts.persisted.textContent = persisted
            ? 'The browser keeps them until you delete them.'
            : 'The browser may delete them when the device is short of room.';
        persist_button.hidden = persisted || size.quota === 0;
    }

    function draw() {
        const active = parts.kept.contains(document.activeElement) ? document.activeElement : null;
        const label = active?.getAttribute('aria-label');
        parts.kept.replaceChildren(...models.map(showModel));
        const buttons = [...parts.kept.querySelectorAll('button')];
        buttons.find((each) => label && each.getAttribute('aria-label') === label)?.focus();
        parts['kept-table'].hidden = models.length === 0;
        parts['kept-none'].hidden = models.length > 0;
        all_button.hidden = models.length - leaving.size < 2;
    }

    /** @param {CachedModel} model */
    function showModel({ url, n_bytes, stored_bytes, complete, used_at }) {
        const { name, revision, dtype, host } = describeStored(url);
        const is_pages = url.startsWith(new URL('.', document.baseURI).href);
        const from = is_pages ? "the page's own" : [host, revision].filter(Boolean).join(', ');
        const title = make('th', { scope: 'row' }, make('b', {}, name), make('br'));
        title.append(make('span', { className: 'hint' }, from));
        if (leaving.has(url)) {
            const undo = make('button', { type: 'button', onclick: () => takeBack(url) }, 'Undo');
            undo.setAttribute('aria-label', `Undo deleting ${name}`);
            const words = make('td', { colSpan: 4 }, 'It is about to be deleted.');
            const row = make('tr', { dataset: { url, state: 'leaving' } }, title, words);
            row.append(make('td', { className: 'your_model-actions' }, undo));
            return row;
        }
        const size = complete
            ? inMegabytes(n_bytes)
            : `${inMegabytes(stored_bytes)} of ${inMegabytes(n_bytes)}`;
        const can_open = complete && !/^files:/.test(url);
        const again = make('button', { type: 'button', onclick: () => open(url) }, 'Open');
        again.setAttribute('aria-label', `Open ${name}`);
        const remove = make('button', { type: 'button', onclick: () => leave([url]) }, 'Delete');
        remove.setAttribute('aria-label', `Delete ${name}`);
        return make(
            'tr',
            { dataset: { url, state: complete ? 'complete' : 'part' } },
            title,
            make('td', { dataset: { label: 'Weights' } }, dtype || '–'),
            make('td', { className: 'numbers', dataset: { label: 'Size' } }, size),
            make('td', { dataset: { label: 'Last used' } }, date.format(used_at)),
            make('td', { dataset: { label: 'State' } }, complete ? 'complete' : 'in part'),
            make('td', { className: 'your_model-actions' }, ...(can_open ? [again] : []), remove),
        );
    }

    /** @param {string[]} urls */
    function leave(urls) {
        for (const url of urls) {
            if (leaving.has(url)) continue;
            leaving.set(
                url,
                setTimeout(() => remove([url]), SECOND_THOUGHTS),
            );
        }
        draw();
        app.announce(
            `${urls.length === 1 ? describeStored(urls[0]).name : 'All'}: about to be deleted`,
        );
        focusUndo(urls[0]);
    }

    /** The button that was pressed is gone. @param {string} url */
    function focusUndo(url) {
        const rows = /** @type {HTMLElement[]} */ ([...parts.kept.children]);
        rows.find((row) => row.dataset.url === url)
            ?.querySelector('button')
            ?.focus();
    }

    /** @param {string} url */
    function takeBack(url) {
        clearTimeout(leaving.get(url));
        leaving.delete(url);
        draw();
        focusUndo(url);
        app.announce(`${describeStored(url).name} stays`);
    }

    /** @param {string[]} urls */
    async function remove(urls) {
        const { cache } = await app.models.library();
        for (const url of urls) {
            clearTimeout(leaving.get(url));
            if (leaving.delete(url)) await cache.delete(url);
        }
        await show();
    }

    all_button.onclick = () => leave(models.map(({ url }) => url));
    persist_button.onclick = async () => {
        const { cache } = await app.models.library();
        const is_kept = await cache.persist();
        await show();
        app.announce(
            is_kept
                ? 'The browser keeps the models'
                : 'The browser does not promise to keep the models',
        );
        if (!is_kept) {
            parts.persisted.textContent =
                'The browser does not promise it now. Many do for pages that are used often or ' +
                'installed.';
        }
    };

    return {
        show,
        /** Nobody takes back what cannot be seen. */
        hide: () => remove([...leaving.keys()]),
        /**
         * What a name or an address is stored by, if it is whole.
         * @param {{model: string, revision?: string, dtype?: string}} wanted
         * @returns {Promise<string | null>}
         */
        async find({ model, revision = 'main', dtype }) {
            const { cache } = await app.models.library();
            const found = (await cache.list()).find(({ url, complete }) => {
                const about = describeStored(url);
                const is_it =
                    (about.name === model && about.revision === revision) ||
                    url.split('#')[0] === model;
                return complete && is_it && (!dtype || !about.dtype || about.dtype === dtype);
            });
            return found?.url ?? null;
        },
    };
}
