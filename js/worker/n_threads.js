/** How many threads there will be, and why. What browsers say of their cores may be odd. */

import { BERT_MAX_THREADS } from '#core';
import { n_cores } from '#platform';

import { BertError, describe } from '../errors.js';

/** Most threads where the caller does not say: more pay off for large batches alone. */
const DEFAULT_THREADS = 4;

/** Milliseconds for a shared buffer to arrive in a message. */
const SHARE_TIMEOUT = 1000;

/**
 * @param {number} [wanted]
 * @param {string | false} [obstacle]  why there is one thread, whatever is wanted
 * @returns {Promise<{threads: number, threads_reason: string}>}
 */
export async function chooseThreads(wanted, obstacle) {
    if (
        wanted !== undefined &&
        !(Number.isInteger(wanted) && wanted >= 1 && wanted <= BERT_MAX_THREADS)
    ) {
        throw new BertError(
            'BAD_OPTION',
            `threads must be a whole number from 1 to ${BERT_MAX_THREADS}, ` +
                `not ${describe(wanted)}`,
        );
    }
    if (obstacle) return { threads: 1, threads_reason: obstacle };
    const told = Number(n_cores());
    const cores = Number.isFinite(told) ? Math.floor(told) : 0;
    const threads = wanted ?? Math.max(1, Math.min(cores, DEFAULT_THREADS));
    const threads_reason = wanted ? 'asked for' : reasonOf(cores);
    if (threads === 1) return { threads, threads_reason };
    const lack = await whyNotShared();
    return lack
        ? { threads: 1, threads_reason: `memory cannot be shared: ${lack}` }
        : { threads, threads_reason };
}

/** @param {number} cores  as the browser told */
function reasonOf(cores) {
    if (cores < 1) return 'the browser does not say how many cores there are';
    return cores === 1 ? 'there is one core' : `there are ${cores} cores`;
}

/**
 * What keeps threads from sharing memory. That there are shared buffers does not say that one can
 * be sent.
 * @returns {Promise<string | null>}
 */
async function whyNotShared() {
    if (globalThis.crossOriginIsolated === false) return 'the page is not cross-origin isolated';
    if (typeof SharedArrayBuffer === 'undefined') return 'there is no SharedArrayBuffer here';
    const { port1, port2 } = new MessageChannel();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    try {
        const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
        return await new Promise((resolve) => {
            const lost = 'a shared buffer does not arrive in a message';
            timer = setTimeout(() => resolve(lost), SHARE_TIMEOUT);
            port1.onmessage = ({ data }) =>
                resolve(data instanceof SharedArrayBuffer ? null : lost);
            port2.postMessage(memory.buffer);
        });
    } catch (error) {
        return /** @type {Error} */ (error).message;
    } finally {
        clearTimeout(timer);
        port1.close();
    }
}
