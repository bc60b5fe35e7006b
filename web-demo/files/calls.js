/**
 * A worker that answers calls, from both ends. Messages:
 *
 *     in    {id, method, request}
 *     out   {id, result}, {id, error: {message, advice}}, {id, progress}
 */

import { pageCode } from '../shell/failure.js';
import { Refusal } from './refusal.js';

export class Calls {
    #worker;

    /** @type {Map<number, {resolve: any, reject: any, onprogress?: (progress: any) => void}>} */
    #waiting = new Map();
    #n_calls = 0;

    /** @param {Worker} worker  that calls answerCalls() */
    constructor(worker) {
        this.#worker = worker;
        worker.onmessage = ({ data: { id, result, error, progress } }) => {
            const waiting = this.#waiting.get(id);
            if (progress !== undefined) {
                waiting?.onprogress?.(progress);
                return;
            }
            this.#waiting.delete(id);
            if (error?.advice) waiting?.reject(new Refusal(error.message, error.advice));
            else if (error) waiting?.reject(new Error(error.message));
            else waiting?.resolve(result);
        };
        worker.onerror = (event) => {
            event.preventDefault();
            this.#end(pageCode(new Error(event.message || 'a worker of the page did not start')));
        };
    }

    /**
     * @param {string} method
     * @param {any} [request]
     * @param {(progress: any) => void} [onprogress]
     * @param {Transferable[]} [transfer]
     * @returns {Promise<any>}
     */
    call(method, request, onprogress, transfer = []) {
        const id = ++this.#n_calls;
        const answer = new Promise((resolve, reject) => {
            this.#waiting.set(id, { resolve, reject, onprogress });
            this.#worker.postMessage({ id, method, request }, transfer);
        });
        answer.catch(() => {}); // not every answer is waited for
        return answer;
    }

    close() {
        this.#worker.terminate();
        this.#end(new DOMException('the worker is closed', 'AbortError'));
    }

    /** @param {Error} error */
    #end(error) {
        for (const { reject } of this.#waiting.values()) reject(error);
        this.#waiting.clear();
    }
}

/**
 * In the worker.
 * @param {Record<string, (request: any, report: (progress: any) => void) => any>} methods
 */
export function answerCalls(methods) {
    const port = /** @type {any} */ (globalThis);
    port.onmessage = async (/** @type {MessageEvent} */ { data: { id, method, request } }) => {
        const report = (/** @type {any} */ progress) => port.postMessage({ id, progress });
        try {
            const result = await methods[method](request, report);
            port.postMessage({ id, result });
        } catch (error) {
            const { message, advice } = /** @type {Refusal} */ (error);
            port.postMessage({ id, error: { message, advice } });
        }
    };
}
