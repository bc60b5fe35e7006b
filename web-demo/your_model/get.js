/**
 * Models from elsewhere. This page has the texts, and its policy forbids it to ask anybody but its
 * own server; so get.html, a document without texts, fetches them in a frame (get_page.js) and
 * stores them on this device, which both share. Here they are loaded from there, without a request.
 *
 * @typedef {import('./get_page.js').Wanted} Wanted
 * @typedef {import('./get_page.js').Told} Told
 */

import { make } from '../shell/dom.js';
import { pageCode } from '../shell/failure.js';
import { noteRequests } from '../shell/requests.js';

/**
 * Has a model fetched, converted if need be, and stored.
 * @param {HTMLElement} node  gets the frame while it works
 * @param {Wanted} wanted
 * @param {object} how
 * @param {AbortSignal} how.signal
 * @param {(progress: import('./get_page.js').Progress) => void} how.onprogress
 * @returns {Promise<string>}  what it is stored by
 */
export async function getModel(node, wanted, { signal, onprogress }) {
    signal.throwIfAborted();
    const frame = make('iframe', {
        src: new URL('get.html', document.baseURI).href,
        title: 'Fetches the model',
        hidden: true,
    });
    const { port1, port2 } = new MessageChannel();
    try {
        return await new Promise((resolve, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason), { once: true });
            port1.onmessage = ({ data }) => {
                const { progress, stored, error, requests } = /** @type {Told} */ (data);
                if (progress) onprogress(progress);
                if (requests) noteRequests(requests);
                if (stored !== undefined) resolve(stored);
                if (error) reject(Object.assign(new Error(error.message), error));
            };
            frame.onload = () => {
                const root = frame.contentDocument?.documentElement;
                if (root?.dataset.code === 'running') {
                    const message = { get: wanted };
                    frame.contentWindow?.postMessage(message, location.origin, [port2]);
                } else {
                    reject(pageCode(new Error('get.html, which fetches models, did not come')));
                }
            };
            node.append(frame);
        });
    } finally {
        frame.remove(); // with all that is under way in it
        port1.close();
    }
}

/**
 * What is stored is loaded by what it is stored by: the address of a file of ours, or of a folder
 * or weights with the dtype that these were converted to.
 * @param {import('../shell/models.js').Library} library
 * @param {string} stored
 * @param {{signal: AbortSignal, onprogress: (progress: any) => void}} how
 */
export async function openStored({ configure, loadModel }, stored, how) {
    configure({ hub: null, token: null });
    const { source, options } = fileOf(stored);
    return loadModel(source, { ...how, ...options });
}

/**
 * Where something stored is found again, without a request.
 * @param {string} stored
 * @returns {{source: any, options: Record<string, any>}}  of loadModel()
 */
export function fileOf(stored) {
    const [address, dtype] = stored.split('#');
    // As a list: an address of a file, whatever it is called.
    if (!dtype) return { source: [address], options: { offline: true } };
    const end = address.lastIndexOf('/') + 1;
    const file = end < address.length ? { file: decodeURIComponent(address.slice(end)) } : {};
    return { source: address.slice(0, end), options: { offline: true, dtype, ...file } };
}

/**
 * Names, for people, of what something is stored by.
 * @param {string} stored
 * @returns {{name: string, revision: string, dtype: string, host: string}}
 */
export function describeStored(stored) {
    const [address, dtype = ''] = stored.split('#');
    const found = /^https?:\/\/([^/]+)\/(?:.*\/)?([^/]+\/[^/]+)\/resolve\/([^/]+)\//.exec(address);
    const own_dtype = /[-_](f32|f16|q8|q7|q4)\.safetensors$/.exec(address)?.[1] ?? '';
    if (found) {
        const [, host, name, revision] = found;
        const given = { name, revision: decodeURIComponent(revision), host };
        return { ...given, dtype: dtype || own_dtype };
    }
    const { host, pathname } = new URL(address);
    const last = pathname.split('/').filter(Boolean).at(-1) ?? host;
    const name = decodeURIComponent(last).replace(/\.(safetensors|onnx)$/, '');
    return { name, revision: '', host, dtype: dtype || own_dtype };
}
