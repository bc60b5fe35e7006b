/** instance.js in a Node process: one message is one call of one of its functions. */

import { readFileSync } from 'node:fs';

import * as instance from './instance.js';

const functions = {
    ...instance,
    /** Resident bytes, now and at most. */
    memory: () => ({ rss: process.memoryUsage().rss, peak: peakMemory() }),
};

process.on(
    'message',
    async (/** @type {{name: keyof typeof functions, args: any[]}} */ { name, args }) => {
        try {
            process.send?.({ result: await /** @type {any} */ (functions[name])(...args) });
        } catch (error) {
            process.send?.({ error: error instanceof Error ? error.message : String(error) });
        }
    },
);
/** getrusage's maximum is of no use: a process inherits it from the one that started it. */
function peakMemory() {
    if (process.platform !== 'linux') return NaN;
    return Number(readFileSync('/proc/self/status', 'utf8').match(/VmHWM:\s+(\d+) kB/)?.[1]) * 1024;
}

process.on('disconnect', () => process.exit());
