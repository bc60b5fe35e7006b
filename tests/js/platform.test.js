/** How the package meets its platform: what its files name, and what it does to its host. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

/** @param {string} name */
const built = (name) => readFileSync(new URL(`../../build/dist/${name}`, import.meta.url), 'utf8');

test('the worker is a plain script that names no file, so that bundlers may copy it', () => {
    const worker = built('worker.js');
    assert.doesNotMatch(
        worker,
        /import\.meta|["'`]\.?\.?\/?[\w-]+\.(wasm|js)["'`]|^import\b|\bexport\b\s*\{/,
    );
    assert.doesNotThrow(() => new Function(worker));
    assert.doesNotMatch(built('worker.node.js'), /import\.meta\.url|worker\.node\.js'/);
});
