/**
 * The places in browsers that the package is tried in, beside a page: rows of docs/hosts.md.
 *
 * @typedef {object} Place
 * @property {string} [in]  of PLACES in page.js, where the checks run; default the page
 * @property {'isolated' | 'plain' | 'other' | 'insecure' | 'extension'} from  where the page comes
 *   from; other: an origin that lets all others read; insecure: plain http of another machine
 * @property {boolean} [in_thread]  whether the engine runs on the thread that asks
 * @property {boolean} [foreign]  whether it imports the package from another origin than its own
 * @property {{[name: string]: string}} [headers]  of the page
 * @property {import('../../js/index.js').LoadOptions} [options]
 * @property {string[]} [unverified]  engines that have no crypto.subtle in workers of such a page
 * @property {string[]} [engines]  that have such a place; default all
 */

/** @type {{[title: string]: Place}} */
export const PLACES = {
    'worker of an isolated page': { in: 'worker', from: 'isolated' },
    'worker of a page': { in: 'worker', from: 'plain' },
    SharedWorker: { in: 'SharedWorker', from: 'isolated', in_thread: true },
    'service worker': { in: 'service worker', from: 'plain', in_thread: true },
    'isolated page, package from another origin': { from: 'isolated', foreign: true },
    'page, package from another origin': { from: 'plain', foreign: true },
    'sandboxed frame': { in: 'sandboxed frame', from: 'other', unverified: ['chromium'] },
    'page of no origin': {
        from: 'other',
        headers: { 'Content-Security-Policy': 'sandbox allow-scripts' },
        unverified: ['chromium', 'webkit'],
    },
    'insecure page': {
        from: 'insecure',
        engines: ['chromium', 'firefox'],
        unverified: ['chromium', 'firefox'],
    },
    'page of an extension': { from: 'extension', engines: ['chromium'] },
    'background of an extension': {
        in: 'background',
        from: 'extension',
        in_thread: true,
        engines: ['chromium'],
    },
    'worker of an extension': { in: 'worker', from: 'extension', engines: ['chromium'] },
};

export const ENGINES = ['chromium', 'firefox', 'webkit'];

/** @param {string} engine */
export const placesIn = (engine) =>
    Object.entries(PLACES).filter(([, { engines = ENGINES }]) => engines.includes(engine));
