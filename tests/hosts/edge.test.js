/** The installed package in workerd, an edge runtime: edge.js is what runs there. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { promisify } from 'node:util';

import { inNode } from '../browser/engines/judge.js';
import { Outcome } from '../tools/outcome.js';
import { EDGE_FILES, edgeConfig } from './edge_config.js';
import { installAll } from './installed.js';
import { JUDGES } from './judges.js';
import { PACKAGES } from './runtimes.js';

const TIMEOUT = 120_000;

const program = join(PACKAGES, '@cloudflare/workerd-linux-64/bin/workerd');
const skip =
    !existsSync(program) &&
    'NOT TESTED: workerd, which is not installed (tools/npm_packages.sh; x86-64 Linux)';
const outcome = new Outcome('hosts', 'workerd', skip);
const run = promisify(execFile);
/** @type {ReturnType<typeof installAll>} */
let app;
/** @type {any} */
let node;
let version = '';
/** @type {any} */
let results = {};

before(async () => {
    if (skip) return console.error(skip);
    app = installAll(EDGE_FILES);
    node = await inNode('relaxed', '', ['answer', 'batch']);
    version = (await run(program, ['--version'])).stdout.trim().replace('workerd ', '');
});

after(() => {
    app?.remove();
    outcome.write(version);
});

outcome.declare('open', '', async () => {
    const config = join(app.folder, 'config.capnp');
    writeFileSync(config, edgeConfig(app.folder, Object.keys(JUDGES)));
    const { stdout } = await run(program, ['test', config], { timeout: TIMEOUT });
    const found = JSON.parse(stdout);
    results = found.results;
    assert.equal(found.error, undefined, JSON.stringify(found.error, null, 1));
});

for (const [check, judge] of Object.entries(JUDGES)) {
    outcome.declare(check, '', async () => {
        assert.ok(results[check], 'the check did not run');
        return judge(results[check], { variant: 'relaxed', threads: 1, node });
    });
}
