/**
 * Runs checks in a place of a page, and reports what they gave:
 * page.html?place=worker&library=URL&wanted=JSON.
 */

import { report } from '../browser/engines/report.js';

/** What is wrong where no check can say so. */
const FAILED = 'the place could not be opened';

/** @type {string[]} */
const uncaught = [];
addEventListener('error', ({ message }) => uncaught.push(message));
addEventListener('unhandledrejection', ({ reason }) => uncaught.push(String(reason)));
document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
    uncaught.push(`${violatedDirective} forbids ${blockedURI}`),
);

const SCRIPT = new URL('in_place.js', import.meta.url);
const SERVICE = new URL('in_thread.js', import.meta.url);
/** @type {{type: 'module'}} */
const MODULE = { type: 'module' };

/** How each place gets a port by which it is asked. */
const PLACES = /** @type {{[place: string]: (port: MessagePort) => Promise<void> | void}} */ ({
    worker: (port) => {
        const worker = new Worker(SCRIPT, MODULE);
        worker.onerror = ({ message }) => fail(message);
        worker.postMessage(null, [port]);
    },
    SharedWorker: (port) => {
        const worker = new SharedWorker(SCRIPT, MODULE);
        worker.onerror = ({ message }) => fail(message);
        worker.port.postMessage(null, [port]);
    },
    'service worker': async (port) => {
        const { installing, active } = await navigator.serviceWorker.register(SERVICE, MODULE);
        const worker = /** @type {ServiceWorker} */ (active ?? installing);
        worker.postMessage(null, [port]);
    },
    // Of an extension: the service worker that its manifest names.
    background: async (port) => {
        const { active } = await navigator.serviceWorker.ready;
        active?.postMessage(null, [port]);
    },
    'sandboxed frame': async (port) => {
        const frame = document.createElement('iframe');
        frame.sandbox.add('allow-scripts');
        frame.src = new URL('frame.html', import.meta.url).href;
        document.body.append(frame);
        await new Promise((resolve) => frame.addEventListener('load', resolve));
        frame.contentWindow?.postMessage(null, '*', [port]);
    },
});

/** @type {(reason: Error) => void} */
let reject;
const failed = new Promise((_, refuse) => {
    reject = refuse;
});
const fail = (/** @type {string} */ message) => reject(new Error(`${FAILED}: ${message}`));

const query = new URLSearchParams(location.search);
const wanted = JSON.parse(query.get('wanted') ?? '');
try {
    const answered = query.get('place') === 'page' ? here() : there(query.get('place') ?? '');
    report({ ...(await Promise.race([answered, failed])), uncaught });
} catch (error) {
    report({ error: { name: error.name, message: error.message, code: error.code }, uncaught });
}

async function here() {
    const [checks, library, { runChecks }] = await Promise.all([
        import('../browser/engines/checks.js'),
        import(query.get('library') ?? ''),
        import('./run_in_page.js'),
    ]);
    return runChecks(library, checks, wanted);
}

/** @param {string} place */
async function there(place) {
    const { port1, port2 } = new MessageChannel();
    const answer = new Promise((resolve) => {
        port1.onmessage = ({ data }) => {
            if (data === 'ready') port1.postMessage(wanted);
            else resolve(data);
        };
    });
    await PLACES[place](port2);
    return answer;
}
