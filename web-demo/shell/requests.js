/**
 * Requests of this page since it had all that reading a text takes, counted from what the browser
 * itself notes (Resource Timing). Texts are never in one; what may be is a part of the page that is
 * opened for the first time.
 */

/** @type {string[]} addresses */
const requests = [];

/** @type {() => void} */
let onchange = () => {};

/** @param {() => void} told  called at each request */
export function countRequests(told) {
    onchange = told;
    const begin = performance.now();
    new PerformanceObserver((list) => {
        for (const { startTime, name } of list.getEntries()) {
            if (startTime < begin || !/^https?:/.test(name)) continue;
            requests.push(name);
        }
        onchange();
    }).observe({ type: 'resource', buffered: true });
    onchange();
}

/**
 * What another document of this page has asked for.
 * @param {string[]} addresses
 */
export function noteRequests(addresses) {
    requests.push(...addresses);
    onchange();
}

/** Addresses, the first first. */
export const requestsSoFar = () => requests;
