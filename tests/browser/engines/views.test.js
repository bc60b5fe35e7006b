/** The main path of every view of the page, in the engines that are no Chromium. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { GOLDEN } from '../../js/converted.js';
import { FaultyServer } from '../../tools/faulty_server.js';
import { SITE } from '../site.js';
import { openEngine } from './engine.js';
import { missing } from './programs.js';

const VIEWS = ['read', 'many', 'inside', 'meaning', 'teach', 'your_model', 'machine'];

for (const name of ['firefox', 'webkit']) {
    const skip = missing(name);
    /** @type {Awaited<ReturnType<typeof openEngine>>} */
    let engine;
    /** @type {FaultyServer} */
    let server;

    before(async () => {
        if (skip) return console.error(skip);
        const files = { '/engines/': import.meta.dirname, '/golden/': GOLDEN, '/': SITE };
        server = await FaultyServer.open(files);
        engine = await openEngine(name);
    });

    after(async () => {
        await engine?.close();
        await server?.close();
    });

    test(`${name}: every view does what it is for`, { skip }, async (t) => {
        const url = `${server.url}engines/views.html`;
        const { result, error, uncaught } = await engine.run(url, { timeout: 240_000 });
        assert.equal(error, undefined, JSON.stringify(error, null, 1));
        assert.deepEqual(uncaught, []);
        assert.deepEqual(Object.keys(result), VIEWS);
        assert.match(result.read, /^\d+\.\d%$/);
        assert.match(result.many, /Positive[\s\S]*Negative|Negative[\s\S]*Positive/);
        assert.match(result.teach, /^\d+ of 2 lines right$/);
        assert.match(result.your_model, /bert/i);
        t.diagnostic(result.machine.replace(/\s+/g, ' '));
    });
}
