/**
 * Checks of what is kept from one visit of a page to the next, and of downloads that go wrong: as
 * those of checks.js, but that each says which file it wants.
 *
 * @typedef {typeof import('../../../js/index.js')} Library
 * @typedef {{base: string, file: string, offline?: boolean}} Options  file: below base, or a URL
 */

const TEXT = 'What a wonderful film, I laughed all the way through.';
const LOGITS = /** @type {const} */ ({ top_k: null, function_to_apply: 'none' });

/** Nothing is stored any more: what another URL had would do. @param {Library} library */
export async function forget({ cache }) {
    await cache.delete();
    return cache.list();
}

/** A model is loaded, answers, and is stored. @param {Library} library @param {Options} options */
export async function store({ pipeline }, { base, file, offline }) {
    const classify = await pipeline('sentiment-analysis', new URL(file, base), {
        offline,
        retry_delay: 10,
    });
    const logits = await classify(TEXT, LOGITS);
    let { cache } = await classify.model.info();
    while (!cache.complete && cache.reason === null) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        ({ cache } = await classify.model.info());
    }
    classify.dispose();
    return { logits, cache };
}

/**
 * A model is left as a reader leaves a page: in the middle of its download.
 * @param {Library} library
 * @param {Options & {n_bytes: number}} options  n_bytes: after so many are stored
 */
export async function leave({ loadModel, cache }, { base, file, n_bytes }) {
    const url = new URL(file, base).href;
    loadModel(url).catch(() => {});
    for (;;) {
        const found = (await cache.list()).find((each) => each.url === url);
        if (found && found.stored_bytes >= n_bytes) return { stored: found.stored_bytes };
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
}

/** How loading fails, and what is stored then. @param {Library} library @param {Options} options */
export async function refuse({ loadModel, cache }, { base, file, offline }) {
    const url = new URL(file, base).href;
    const { code, message } = await loadModel(url, { offline, retry_delay: 10 }).then(
        () => ({ code: 'it did not fail', message: '' }),
        (error) => error,
    );
    const stored = (await cache.list()).filter((each) => each.url === url);
    return { code, message, stored };
}

/** Two tabs that load the same. @param {Library} _ @param {Options} options */
export async function twoTabs(_, options) {
    const query = new URLSearchParams({ check: 'store', options: JSON.stringify(options) });
    const tabs = [1, 2].map(() => {
        const frame = document.createElement('iframe');
        frame.src = `page.html?${query}`;
        return frame;
    });
    const reports = tabs.map(
        (tab) =>
            new Promise((resolve) => {
                addEventListener('message', ({ source, data }) => {
                    if (source === tab.contentWindow) resolve(data);
                });
            }),
    );
    document.body.append(...tabs);
    return Promise.all(reports);
}
