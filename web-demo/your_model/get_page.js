/**
 * The code of get.html, a document without texts: it fetches the model that the page around it
 * names, from wherever that is, converts it if need be, and stores it on this device. The page
 * itself has the texts, and may ask nobody but its own server; it then loads what is stored.
 *
 * What goes between the two: the page sends {get: Wanted} with a port, and on that port come
 * {progress}, and in the end {stored} or {error}. To cancel, the page takes the document away:
 * what was stored until then stays, and the next time goes on from there.
 *
 * @typedef {object} Wanted
 * @property {string} model  its address, or its name on the Hub
 * @property {string} [revision]
 * @property {string} dtype
 * @property {string | null} hub  null: the usual one
 * @property {string | null} token  it is sent to the hub alone, and kept nowhere
 *
 * @typedef {{loaded: number, total: number, rate: number, phase?: 'fetch' | 'convert'}} Progress
 *
 * @typedef {object} Told
 * @property {Progress} [progress]
 * @property {string} [stored]  what the model is stored by
 * @property {{code: string, message: string}} [error]
 * @property {string[]} [requests]  addresses that were asked for, once it has ended
 */

/** Longer addresses are signed ones: what they end with is of no use to anybody. */
const MOST_LETTERS = 300;

addEventListener('message', ({ data, origin, source, ports: [port] }) => {
    // Any page may put this one into a frame; it works for its own alone.
    if (origin !== location.origin || source !== parent || !data?.get || !port) return;
    get(data.get, port);
});
document.documentElement.dataset.code = 'running';

/** @param {Wanted} wanted @param {MessagePort} port */
async function get({ model, revision, dtype, hub, token }, port) {
    const tell = (/** @type {Told} */ told) => port.postMessage(told);
    performance.setResourceTimingBufferSize(10_000);
    const begin = Date.now();
    try {
        const { cache, configure, loadModel } = await import('bert-wasm');
        configure({ hub, token });
        const loaded = await loadModel(model, {
            revision,
            dtype: /** @type {any} */ (dtype),
            onprogress: ({ loaded, total, rate, phase }) =>
                tell({ progress: { loaded, total, rate, phase } }),
        });
        const { cache: report } = await loaded.info();
        loaded.dispose();
        if (!report.complete) throw notStored(report.reason);
        const [last] = await cache.list(); // the one that was used last
        if (!last || last.used_at < begin) throw notStored('it was taken away at once');
        tell({ stored: last.url, requests: requests() });
    } catch (error) {
        const { code = '', message } = /** @type {Error & {code?: string}} */ (error);
        tell({ error: { code, message }, requests: requests() });
    }
}

/** @param {string | null} reason */
const notStored = (reason) => Object.assign(new Error(reason ?? ''), { code: 'NOT_STORED' });

/** Of this document, as the browser has noted them. */
const requests = () =>
    performance
        .getEntriesByType('resource')
        .map(({ name }) => name)
        .filter((name) => /^https?:/.test(name))
        .map((name) => (name.length > MOST_LETTERS ? `${name.slice(0, MOST_LETTERS)} …` : name));

export {}; // a module, whose names are its own
