/** How the package meets its platform: what its files name, and what it does to its host. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { DIST, LIBRARY } from './built.js';

/** Entries for pages. */
const PAGES = ['index.js', 'in-thread.js', 'tokenizer.js', 'metrics.js', 'explain.js'];

/** @param {string} name */
const built = (name) => readFileSync(new URL(name, DIST), 'utf8');

test('the worker is a plain script that names no file, so that bundlers may copy it', () => {
    const worker = built('worker.js');
    assert.doesNotMatch(
        worker,
        /import\.meta|["'`]\.?\.?\/?[\w-]+\.(wasm|js)["'`]|^import\b|\bexport\b\s*\{/,
    );
    assert.doesNotThrow(() => new Function(worker));
    assert.doesNotMatch(built('worker.node.js'), /import\.meta\.url|worker\.node\.js'/);
});

/**
 * What a program prints.
 * @param {string[]} flags  of Node
 * @param {string} program
 */
async function run(flags, program) {
    const args = [...flags, '--input-type=module', '--eval', program];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 });
    return stdout.trim();
}

test('an import touches no global and starts nothing: a server may do it', async () => {
    const poisoned = [
        ...['Blob', 'FinalizationRegistry', 'MessageChannel', 'SharedArrayBuffer', 'WebAssembly'],
        ...['Worker', 'crypto', 'document', 'fetch', 'location', 'navigator', 'self', 'window'],
        ...['performance', 'queueMicrotask', 'setImmediate', 'setInterval', 'setTimeout'],
    ];
    for (const name of ['index.node.js', 'in-thread.node.js', ...PAGES]) {
        const said = await run(
            [],
            // Node's own modules look at globals when they are loaded.
            `for (const name of ['fs/promises', 'module', 'os', 'url', 'worker_threads']) {
                await import('node:' + name);
            }
            process.on('worker', () => console.log('a worker'));
            for (const name of ${JSON.stringify(poisoned)}) {
                const get = () => { throw new Error('touched: ' + name); };
                Object.defineProperty(globalThis, name, { get, configurable: true });
            }
            const names = Object.keys(await import(${JSON.stringify(new URL(name, DIST).href)}));
            process.stdout.write(names.length > 0 ? 'imported' : 'empty');`,
        );
        assert.equal(said, 'imported', name);
    }
});

test('require() gives what import does', async (t) => {
    const require = createRequire(import.meta.url);
    if (!process.features.require_module)
        return t.skip('NOT TESTED: this Node has no such require()');
    for (const name of ['bert-wasm', 'bert-wasm/in-thread', 'bert-wasm/tokenizer']) {
        assert.deepEqual(Object.keys(require(name)), Object.keys(await import(name)), name);
    }
});

test('a model that is dropped ends its worker, but not before it has answered', async () => {
    for (const in_thread of [false, true]) {
        const said = await run(
            ['--expose-gc'],
            `import { pipeline } from ${LIBRARY};
            import { setImmediate as turn } from 'node:timers/promises';
            let n_workers = 0;
            process.on('worker', (worker) => {
                n_workers++;
                worker.once('exit', () => n_workers--);
            });
            let classify = await pipeline('sentiment-analysis', null, { in_thread: ${in_thread} });
            let { tokenizer } = classify.model;
            const running = classify(new Array(40).fill('It was fine, all in all. '.repeat(9)));
            const held = new WeakRef(classify);
            classify = null;
            let results = null;
            running.then((all) => { results = all; });
            for (; !results || held.deref(); gc()) await turn();
            const [id] = await tokenizer.tokensToIds(['film']);
            tokenizer = null;
            for (; n_workers > 0; gc()) await turn();
            console.log(results.length, typeof id, n_workers);`,
        );
        assert.equal(said, '40 number 0');
    }
});
