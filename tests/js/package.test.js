/** What npm would publish: its exports, files and types, as publint and attw see them. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Exports that no program imports: files that others load. */
const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const FILES = /\.(js|wasm)$|\*$/;

test('publint finds nothing', async () => {
    const { messages, pkg } = await publint({ pkgDir: ROOT, strict: true, level: 'suggestion' });
    assert.equal(pkg.name, 'bert-wasm');
    assert.deepEqual(
        messages.map((message) => formatMessage(message, pkg)),
        [],
    );
});

test('every entry has its types for ES modules', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-pack-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const run = (/** @type {string} */ command, /** @type {string[]} */ options) => {
        const { status, stdout, stderr } = spawnSync(command, options, {
            cwd: ROOT,
            encoding: 'utf8',
        });
        assert.equal(status, 0, stdout + stderr);
    };
    run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder]);
    const [packed] = readdirSync(folder);
    const exclude = Object.keys(exports).filter((path) => FILES.test(path));
    run('node_modules/.bin/attw', [
        join(folder, packed),
        '--profile',
        'esm-only',
        '--exclude-entrypoints',
        ...exclude,
    ]);
});
