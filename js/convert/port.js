/**
 * A conversion on another thread. The caller posts a task; what run.js asks of its caller crosses
 * as a message and is answered by one. Messages:
 *
 *     to the worker    {task}, then {answer}s
 *     from it          {ready: true}, {fetch}, {write}, {tell}, {done} or {error}
 *
 * At most one question is open at a time. To abort is to end the worker, which computes for seconds
 * without looking at messages.
 */

import { startConverter } from '#platform';

import { BertError, fromMessage, toMessage } from '../errors.js';
import { run } from './run.js';

/** @import { Caller, Outcome, Task } from './run.js' */

/** Milliseconds in which the worker must have started: its script is small. */
const START_TIMEOUT = 30_000;

/**
 * The worker's end.
 * @param {import('../platform/browser.js').Port} port
 */
export function answer(port) {
    let answered = (/** @type {any} */ _) => {};
    const ask = (/** @type {any} */ question, /** @type {ArrayBuffer[]} */ transfer = []) =>
        new Promise((resolve) => {
            answered = resolve;
            port.post(question, transfer);
        });
    /** @type {Caller} */
    const caller = {
        fetch: (wanted) => ask({ fetch: wanted }),
        write: (parts) => ask({ write: parts }, buffersOf(parts.map(({ bytes }) => bytes))),
        tell: (progress) => port.post({ tell: progress }),
    };
    port.onMessage((message) => {
        if (message.task) {
            run(message.task, caller).then(
                (done) => port.post({ done }),
                (error) => port.post({ error: toMessage(error) }),
            );
        } else {
            answered(message.answer);
        }
    });
    port.post({ ready: true });
}

/**
 * The caller's end.
 * @param {Task} task
 * @param {Caller} caller
 * @param {AbortSignal} [signal]
 * @returns {Promise<Outcome>}
 */
export async function runElsewhere(task, caller, signal) {
    const worker = startConverter();
    /** @type {(() => void) | undefined} */
    let abort;
    let timer = /** @type {any} */ (undefined);
    try {
        return await new Promise((resolve, reject) => {
            const late = `the converter's worker did not answer in ${START_TIMEOUT / 1000} s`;
            timer = setTimeout(() => reject(new BertError('ENGINE_FAILED', late)), START_TIMEOUT);
            abort = () => reject(signal?.reason);
            signal?.addEventListener('abort', abort);
            if (signal?.aborted) abort();
            worker.onError((error) => reject(failed(error)));
            worker.onMessage(async ({ ready, fetch, write, tell, done, error }) => {
                clearTimeout(timer);
                if (ready) worker.post({ task });
                else if (tell) caller.tell(tell);
                else if (done) resolve(done);
                else if (error) reject(failed(fromMessage(error)));
                try {
                    if (fetch) {
                        const pieces = await caller.fetch(fetch);
                        worker.post({ answer: pieces }, buffersOf(pieces));
                    } else if (write) {
                        await caller.write(write);
                        worker.post({ answer: true });
                    }
                } catch (error) {
                    reject(error);
                }
            });
        });
    } finally {
        clearTimeout(timer);
        if (abort) signal?.removeEventListener('abort', abort);
        worker.terminate();
    }
}

/**
 * Those that can be given away whole: not parts of larger ones.
 * @param {Uint8Array[]} pieces
 * @returns {ArrayBuffer[]}
 */
function buffersOf(pieces) {
    const whole = pieces.filter(({ buffer, byteLength }) => buffer.byteLength === byteLength);
    return [...new Set(whole.map(({ buffer }) => /** @type {ArrayBuffer} */ (buffer)))];
}

/**
 * @param {any} error
 * @returns {BertError}
 */
function failed(error) {
    if (error instanceof BertError) return error;
    return new BertError('ENGINE_FAILED', `the converter's worker failed: ${error.message}`, {
        cause: error,
    });
}
