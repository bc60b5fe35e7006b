/**
 * The types that go with the package, as a strict program in TypeScript reads them: the programs of
 * tests/types compile, which say with @ts-expect-error what must not.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
    copyFileSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    rmSync,
    symlinkSync,
    writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PROGRAMS = join(ROOT, 'tests/types');
const OPTIONS = [
    '--strict',
    '--exactOptionalPropertyTypes',
    '--skipLibCheck',
    'false',
    '--noEmit',
    '--target',
    'es2022',
    '--module',
    'nodenext',
    '--types',
    '',
];

/** What a program says that it runs on: neither library knows `await using`. */
const LIBRARIES = { 'a page': 'es2023,dom', 'an older one': 'es2022,dom' };

for (const [name, libraries] of Object.entries(LIBRARIES)) {
    test(`strict programs of ${name}`, (t) => {
        const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-types-'));
        t.after(() => rmSync(folder, { recursive: true }));
        mkdirSync(join(folder, 'node_modules'));
        symlinkSync(ROOT, join(folder, 'node_modules/bert-wasm'));
        const files = readdirSync(PROGRAMS).filter((each) => each.endsWith('.ts'));
        assert.ok(files.length >= 3, files.join());
        for (const file of files) copyFileSync(join(PROGRAMS, file), join(folder, file));
        writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
        const { status, stdout } = spawnSync(
            join(ROOT, 'node_modules/.bin/tsc'),
            [...OPTIONS, '--lib', libraries, ...files],
            { cwd: folder, encoding: 'utf8' },
        );
        assert.equal(status, 0, stdout);
    });
}

test('declarations are of what is public, with its comments', () => {
    const folder = join(ROOT, 'build/dist/types/js');
    const text = (file) => readFileSync(join(folder, file), 'utf8');
    for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((each) =>
        each.endsWith('.d.ts'),
    )) {
        assert.doesNotMatch(text(file), /['"]#platform/, file);
        assert.doesNotMatch(file, /^(cli\b|worker\/worker|model\/connection)/);
    }
    assert.match(
        text('pipelines/text_classification.d.ts'),
        /\* @returns the label of each text\n/,
    );
    assert.match(text('model/model.d.ts'), /private constructor\(\);/);
});
