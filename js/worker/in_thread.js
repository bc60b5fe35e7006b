/**
 * The worker on the caller's thread, for hosts that have none: its code as it is, behind a port
 * that leads nowhere else. It gives way to the event loop where a worker looks for messages.
 */

import { answer } from './worker.js';

/** @typedef {import('../platform/browser.js').Port} Port */

/** @returns {import('../platform/browser.js').WorkerHandle} */
export function startHere() {
    const [here, there] = portPair();
    const end = answer(there, true);
    return { ...here, onError: () => {}, terminate: end, keepAlive: () => {} };
}

/**
 * Two ports: what one posts the other hears, in order, once the poster has done its turn. As
 * between threads it is a copy: the caller may change what it gave. A module to load is none, as
 * some hosts cannot copy it.
 * @returns {[Port, Port]}
 */
function portPair() {
    const [a, b] = [listenerToCome(), listenerToCome()];
    return [portOf(a, b), portOf(b, a)];
}

/**
 * @typedef {(message: any) => void} Listener
 *
 * @param {ReturnType<typeof listenerToCome>} own
 * @param {ReturnType<typeof listenerToCome>} other
 * @returns {Port}
 */
function portOf(own, other) {
    return {
        post: (message, transfer = []) => {
            const is_load = /** @type {any} */ (message).method === 'load';
            const posted = is_load ? message : structuredClone(message, { transfer });
            other.listener.then((hear) => hear(posted));
        },
        onMessage: own.set,
    };
}

function listenerToCome() {
    /** @type {(listener: Listener) => void} */
    let set = () => {};
    /** @type {Promise<Listener>} */
    const listener = new Promise((resolve) => {
        set = resolve;
    });
    return { listener, set };
}
