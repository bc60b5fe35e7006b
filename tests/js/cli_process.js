/** The built command line as a process, for its tests. */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as after } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const at = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

export function cli(
    args,
    { input = '', env = process.env, program = at('build/dist/cli.js') } = {},
) {
    return spawnSync(process.execPath, [program, ...args], {
        input,
        env,
        encoding: 'utf8',
        timeout: 120_000,
        maxBuffer: 1 << 28,
    });
}

/** Objects of JSON lines. */
export function objects(text) {
    return text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
}

/** What a command prints that must succeed and say nothing else. */
export function printed(args, options) {
    const { status, stdout, stderr } = cli(args, options);
    assert.equal(status, 0, stderr);
    assert.equal(stderr, '');
    return objects(stdout);
}

export function start(args, env = {}) {
    return spawn(process.execPath, [at('build/dist/cli.js'), ...args], {
        stdio: ['pipe', 'pipe', 'pipe'],
        env: { ...process.env, ...env },
    });
}

/** Lines of a stream, one after the other. */
export function lineReader(stream) {
    const iterator = createInterface({ input: stream })[Symbol.asyncIterator]();
    return async () => (await iterator.next()).value;
}

/** Largest memory that a process had so far, bytes. */
export function largestMemory(pid) {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

/** Bytes that a process has read so far. */
export function bytesRead(pid) {
    return Number(/rchar: (\d+)/.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]);
}

/** Looks at a number until it is above 0 and stays the same: what it counts stands still. */
export async function standsStill(look) {
    let last = 0;
    for (let same = 0; same < 3; ) {
        await after(200);
        const now = await look();
        same = now > 0 && now === last ? same + 1 : 0;
        last = now;
    }
    return last;
}

/**
 * Ends a training by Ctrl-C once some of its steps are logged.
 * @param {string[]} args
 * @param {string} log  --log of it
 * @param {number} n_steps
 * @returns {Promise<{status: number | null, stdout: string, stderr: string}>}
 */
export async function stoppedAfter(args, log, n_steps) {
    const child = start(args);
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (data) => {
        stdout += data;
    });
    child.stderr.on('data', (data) => {
        stderr += data;
    });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const nLogged = () => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').length : 0);
    while (nLogged() < n_steps) await after(50);
    child.kill('SIGINT');
    return { status: await ended, stdout, stderr };
}
