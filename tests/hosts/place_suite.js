/** The installed package in each place of places.js that a browser has. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';

import { openEngine } from '../browser/engines/engine.js';
import { inNode } from '../browser/engines/judge.js';
import { INSECURE, missing, PROGRAMS } from '../browser/engines/programs.js';
import { FaultyServer } from '../tools/faulty_server.js';
import { Outcome } from '../tools/outcome.js';
import { makeExtension } from './extension.js';
import { installAll } from './installed.js';
import { JUDGES } from './judges.js';
import { placesIn } from './places.js';

const PAGE = 'hosts/page.html';

/** @type {ReturnType<typeof installAll>} */
let app;
/** @type {{isolated: FaultyServer, plain: FaultyServer}} */
let servers;
/** @type {ReturnType<typeof makeExtension>} */
let extension;
/** What the checks gave in Node, by the engine's build. @type {{[variant: string]: any}} */
const node = {};

before(async () => {
    app = installAll();
    const files = {
        '/bert-wasm/': join(app.folder, 'node_modules/bert-wasm/build/dist'),
        '/bert-wasm/models/': join(app.folder, 'node_modules/bert-wasm-sentiment'),
        '/browser/engines/': fileURLToPath(new URL('../browser/engines', import.meta.url)),
        '/hosts/': import.meta.dirname,
    };
    extension = makeExtension(files);
    servers = {
        isolated: await FaultyServer.open(files, { isolated: true }),
        plain: await FaultyServer.open(files),
    };
    for (const variant of ['base', 'relaxed']) {
        node[variant] = await inNode(variant, '', ['answer', 'batch']);
    }
});

after(async () => {
    for (const server of Object.values(servers ?? {})) await server.close();
    extension?.remove();
    app?.remove();
});

/** Where a page comes from, with a slash at its end. @param {string} from */
function baseOf(from) {
    const { isolated, plain } = servers;
    if (from === 'isolated') return isolated.url;
    if (from === 'other') return plain.other;
    if (from === 'extension') return extension.url;
    return from === 'insecure' ? plain.url.replace('127.0.0.1', INSECURE) : plain.url;
}

/** Where a page imports the package from. @param {import('./places.js').Place} place */
function libraryBaseOf({ from, foreign }) {
    const { isolated, plain } = servers;
    if (foreign) return from === 'isolated' ? isolated.other : plain.other;
    return baseOf(from);
}

/** Declares the tests of an engine's places. @param {string} name  of programs.js */
export function testPlaces(name) {
    const skip = missing(name);
    const outcome = new Outcome('hosts', name, skip);
    const { variant } = PROGRAMS[name];
    /** @type {Awaited<ReturnType<typeof openEngine>> | undefined} */
    let engine;

    before(() => skip && console.error(skip));

    after(async () => {
        await engine?.close();
        outcome.write(engine?.version);
    });

    for (const [title, place] of placesIn(name)) {
        /** @type {{[check: string]: any}} */
        let results = {};

        outcome.declare('open', title, async () => {
            engine ??= await openEngine(name, name === 'chromium' ? extension.args : []);
            if (place.headers) servers.plain.faults.set(`/${PAGE}`, { headers: place.headers });
            const wanted = { names: Object.keys(JUDGES), options: place.options ?? {} };
            const query = new URLSearchParams({
                place: place.in ?? 'page',
                library: new URL('bert-wasm/index.js', libraryBaseOf(place)).href,
                wanted: JSON.stringify(wanted),
            });
            const found = await engine
                .run(`${baseOf(place.from)}${PAGE}?${query}`)
                .finally(() => servers.plain.faults.clear());
            results = found.results ?? {};
            assert.equal(found.error, undefined, JSON.stringify(found.error, null, 1));
            assert.deepEqual(found.uncaught, []);
        });
        for (const [check, judge] of Object.entries(JUDGES)) {
            outcome.declare(check, title, async () => {
                assert.ok(results[check], 'the check did not run');
                const { n_cores, canShare } = results.load;
                const threads = canShare && !place.in_thread ? Math.min(4, n_cores) : 1;
                const verified = !place.unverified?.includes(name);
                return judge(results[check], { variant, threads, verified, node: node[variant] });
            });
        }
    }
}
