/**
 * A model that is disposed of gives its memory back: fifty are loaded and disposed of, in Node and
 * in Chromium, after ten that warm up. Memory is that of the process, as its system counts it. It
 * is noisy, so that the bound is wide: a model that stays is thirty megabytes, each time.
 */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { openEngine } from '../browser/engines/engine.js';
import { missing } from '../browser/engines/programs.js';
import { FaultyServer } from '../tools/faulty_server.js';
import { installAll } from './installed.js';

const N_WARMUPS = 10;
const N_CYCLES = 50;
const TIMEOUT = 200_000;

/** Most that memory may grow by. */
const BOUND = 0.15;

/** @type {ReturnType<typeof installAll>} */
let app;

before(() => {
    app = installAll(['hosts/memory.js', 'browser/engines/checks.js']);
});

after(() => app?.remove());

/** @param {number[]} values */
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/**
 * @param {import('node:test').TestContext} t
 * @param {number[]} samples  of memory, after each model
 */
function assertFlat(t, samples) {
    assert.equal(samples.length, N_WARMUPS + N_CYCLES);
    const begin = median(samples.slice(N_WARMUPS, N_WARMUPS + 10));
    const end = median(samples.slice(-10));
    const growth = end / begin - 1;
    t.diagnostic(`memory after ${N_CYCLES} models: ${(100 * growth).toFixed(1)} % more`);
    assert.ok(growth < BOUND, `${samples}`);
}

test('fifty models in Node leave no memory behind', { timeout: TIMEOUT }, async (t) => {
    const args = ['--expose-gc', 'hosts/memory.js', `${N_WARMUPS + N_CYCLES}`];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: app.folder });
    assertFlat(t, JSON.parse(stdout));
});

const skip = missing('chromium');
test('fifty models in Chromium leave no memory behind', { skip, timeout: TIMEOUT }, async (t) => {
    const engine = await openEngine('chromium', ['--js-flags=--expose-gc']);
    t.after(() => engine.close());
    /** @type {number[]} */
    const samples = [];
    const meter = createServer((_, response) => {
        samples.push(engine.memory());
        response.setHeader('Access-Control-Allow-Origin', '*').end();
    });
    meter.listen(0, '127.0.0.1');
    await once(meter, 'listening');
    const { port } = /** @type {import('node:net').AddressInfo} */ (meter.address());
    const server = await FaultyServer.open(
        {
            '/bert-wasm/': join(app.folder, 'node_modules/bert-wasm/build/dist'),
            '/bert-wasm/models/': join(app.folder, 'node_modules/bert-wasm-sentiment'),
            '/engines/': fileURLToPath(new URL('../browser/engines', import.meta.url)),
        },
        { isolated: true },
    );
    t.after(() => {
        meter.close();
        meter.closeAllConnections();
        return server.close();
    });
    const query = new URLSearchParams({
        check: 'memory',
        options: JSON.stringify({
            n_cycles: N_WARMUPS + N_CYCLES,
            measure: `http://127.0.0.1:${port}/`,
        }),
    });
    const url = `${server.url}engines/page.html?${query}`;
    const { error } = await engine.run(url, { timeout: TIMEOUT });
    assert.equal(error, undefined, JSON.stringify(error, null, 1));
    assertFlat(t, samples);
});
