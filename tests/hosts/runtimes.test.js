/** The installed package in each runtime of runtimes.js. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { text } from 'node:stream/consumers';
import { after, before } from 'node:test';

import { inNode } from '../browser/engines/judge.js';
import { Outcome } from '../tools/outcome.js';
import { installAll } from './installed.js';
import { JUDGES } from './judges.js';
import { missing, pathOf, RUNTIMES } from './runtimes.js';

/** Milliseconds for a program with all its checks. */
const TIMEOUT = 240_000;

const FILES = ['hosts/run_checks.js', 'hosts/require.cjs', 'browser/engines/checks.js'];

const threads = Math.min(4, availableParallelism());

/** @type {ReturnType<typeof installAll>} */
let app;
/** What the checks gave in Node, by the engine's build. @type {{[variant: string]: any}} */
const node = {};

before(async () => {
    app = installAll(FILES);
    for (const variant of ['base', 'relaxed']) {
        node[variant] = await inNode(variant, '', ['answer', 'batch']);
    }
});

after(() => app?.remove());

/**
 * What a program prints, once it has ended by itself.
 * @param {string} name  of the runtime
 * @param {string[]} args
 */
async function run(name, args) {
    const runtime = RUNTIMES[name];
    const child = spawn(pathOf(runtime), [...(runtime.args ?? []), ...args], {
        cwd: app.folder,
        env: { PATH: process.env.PATH, HOME: app.folder },
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: TIMEOUT,
    });
    const ended = new Promise((resolve) => child.once('close', (...end) => resolve(end)));
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    assert.deepEqual([await ended, stderr], [[0, null], ''], `${stdout}${stderr}`);
    return stdout.trim();
}

for (const [name, { variant, bits = variant }] of Object.entries(RUNTIMES)) {
    const skip = missing(name);
    const outcome = new Outcome('hosts', name, skip);
    /** @type {any} */
    let results;

    before(() => skip && console.error(skip));
    after(() => outcome.write(results?.version));

    outcome.declare('exits by itself', '', async () => {
        results = JSON.parse(await run(name, ['hosts/run_checks.js', ...Object.keys(JUDGES)]));
    });
    for (const [check, judge] of Object.entries(JUDGES)) {
        outcome.declare(check, '', async () => {
            assert.ok(results, 'the checks did not run');
            return judge(results[check], { variant, threads, node: node[bits] });
        });
    }
    outcome.declare('import alone', '', async () => assert.equal(results.n_new_globals, 0));
    outcome.declare('require', '', async () =>
        assert.equal(await run(name, ['hosts/require.cjs']), 'POSITIVE'),
    );
}
