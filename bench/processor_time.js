/**
 * Processor time of processes, as Linux counts it, all threads together: beside wall clock it tells
 * a slow engine from a busy machine. The processes of a Chromium compute for one page at a time.
 */

import { readdirSync, readFileSync } from 'node:fs';

/** @typedef {{ran: number, waited: number}} Time  ms */

/**
 * @param {number[]} pids
 * @returns {Map<string, Time>} by thread
 */
export function count(pids) {
    return new Map(
        pids.flatMap(threadsOf).flatMap((folder) => {
            const time = timeOf(folder);
            return time ? [/** @type {const} */ ([folder, time])] : [];
        }),
    );
}

/** @param {number} pid */
function threadsOf(pid) {
    const folder = `/proc/${pid}/task`;
    try {
        return readdirSync(folder).map((thread) => `${folder}/${thread}`);
    } catch {
        return []; // the process has just ended
    }
}

/** @param {string} folder */
function timeOf(folder) {
    try {
        const [ran, waited] = readFileSync(`${folder}/schedstat`, 'utf8').split(' ').map(Number);
        return { ran: ran / 1e6, waited: waited / 1e6 };
    } catch {
        return undefined; // the thread has just ended
    }
}

/**
 * What threads that are still there have had in between; NaN where nothing is counted.
 * @param {Map<string, Time>} before
 * @param {Map<string, Time>} after
 * @returns {Time} waited: for a processor, ready to run
 */
export function between(before, after) {
    const sum = after.size ? { ran: 0, waited: 0 } : { ran: NaN, waited: NaN };
    for (const [thread, { ran, waited }] of after) {
        sum.ran += ran - (before.get(thread)?.ran ?? 0);
        sum.waited += waited - (before.get(thread)?.waited ?? 0);
    }
    return sum;
}

/**
 * @param {() => number[] | Promise<number[]>} pids  the processes that compute
 * @param {() => Promise<{ms: number, n_calls: number}>} measure
 * @returns {Promise<import('./node.js').Sample>}
 */
export async function sample(pids, measure) {
    const before = count(await pids());
    const { ms, n_calls } = await measure();
    const { ran, waited } = between(before, count(await pids()));
    return { ms, cpu_ms: ran / n_calls, waited_ms: waited / n_calls };
}
