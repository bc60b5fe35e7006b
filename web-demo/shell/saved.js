/** The page on this device: sw.js keeps a copy of it, so that it opens without a connection. */

import { byId } from './dom.js';

/**
 * Has sw.js keep the page and the engine that this machine uses. What is kept then, this version or
 * a newer one, the document's root says: data-saved.
 * @param {{variant: string, threads: number}} engine
 */
export async function savePage({ variant, threads }) {
    const container = navigator.serviceWorker;
    if (!container) return; // http on another machine, or private browsing
    await container.register('sw.js');
    const { active } = await container.ready;
    const { port1, port2 } = new MessageChannel();
    const answer = new Promise((resolve) => {
        port1.onmessage = ({ data }) => resolve(data);
    });
    const engine = `engine-${variant}${threads > 1 ? '-threads' : ''}.wasm`;
    active?.postMessage({ save: { engine } }, [port2]);
    const { whole, version } = await answer;
    if (!whole) return;
    const { dataset } = document.documentElement;
    dataset.saved = version === dataset.version ? 'yes' : 'newer';
    byId('new-version').hidden = dataset.saved !== 'newer';
}
