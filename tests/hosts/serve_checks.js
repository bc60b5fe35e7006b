/**
 * Runs checks in the place where it is imported: a worker, a SharedWorker, a service worker, a
 * frame. It is asked by a port that comes in a message. Checks are imported statically, as service
 * workers import nothing later.
 */

import * as checks from '../browser/engines/checks.js';
import { runChecks } from './run_in_page.js';

/** @param {any} library */
export function serveChecks(library) {
    const take = (/** @type {MessageEvent} */ { ports: [port] }) => {
        if (!port) return;
        port.onmessage = async ({ data }) =>
            port.postMessage(await runChecks(library, checks, data));
        port.postMessage('ready');
    };
    addEventListener('message', take);
    addEventListener('connect', (event) => {
        const [port] = /** @type {MessageEvent} */ (event).ports;
        port.onmessage = take;
    });
}
