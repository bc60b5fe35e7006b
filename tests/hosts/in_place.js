/**
 * Runs checks in the place where it is imported: a worker, a SharedWorker, a service worker, a
 * frame. It is asked by a port that comes in a message. Everything is imported statically, as
 * service workers import nothing later.
 */

import * as library from '/bert-wasm/index.js';
import * as checks from '../browser/engines/checks.js';
import { runChecks } from './run_in_page.js';

/** @param {MessageEvent} event */
function take({ ports: [port] }) {
    if (!port) return;
    port.onmessage = async ({ data }) => port.postMessage(await runChecks(library, checks, data));
    port.postMessage('ready');
}

addEventListener('message', take);
addEventListener('connect', (event) => {
    const [port] = /** @type {MessageEvent} */ (event).ports;
    port.onmessage = take;
});
