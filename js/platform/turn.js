/**
 * Turns of the event loop: messages that were posted before a turn have arrived after it. A turn
 * takes a few microseconds, after a long computation some tens.
 */

/** @type {(() => void)[]} */
const waiting = [];

/** @type {MessageChannel | undefined} */
let channel;

function open() {
    const opened = new MessageChannel();
    opened.port1.onmessage = () => waiting.shift()?.();
    return opened;
}

/**
 * In browsers a message: timers are slowed down. In Node an immediate: there a port takes messages
 * that it sends to itself a thousand at a time, without looking elsewhere. Edge runtimes have
 * timers alone: workerd has messages, but looks at no timer before the last of them.
 * @returns {Promise<void>}
 */
export function nextTurn() {
    return new Promise((resolve) => {
        if (typeof setImmediate === 'function') {
            setImmediate(resolve);
            return;
        }
        if (typeof MessageChannel === 'undefined' || isWorkerd()) {
            setTimeout(resolve);
            return;
        }
        waiting.push(resolve);
        (channel ??= open()).port2.postMessage(null);
    });
}

function isWorkerd() {
    return globalThis.navigator?.userAgent === 'Cloudflare-Workers';
}
