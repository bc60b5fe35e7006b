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
];

/** What a program says that it runs on: neither library knows `await using`. */
const LIBRARIES = { 'a page': 'es2023,dom', 'an older one': 'es2022,dom' };

/** The newest compiler, and the last one that is written in JavaScript. */
const COMPILERS = { 'TypeScript 7': 'typescript/bin/tsc', 'TypeScript 6': '.bin/tsc6' };

for (const [name, libraries] of Object.entries(LIBRARIES)) {
    for (const [compiler, file] of Object.entries(COMPILERS)) {
        test(`strict programs of ${name}, by ${compiler}`, (t) => {
            const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-types-'));
            t.after(() => rmSync(folder, { recursive: true }));
            mkdirSync(join(folder, 'node_modules'));
            symlinkSync(ROOT, join(folder, 'node_modules/bert-wasm'));
            const files = readdirSync(PROGRAMS).filter((each) => each.endsWith('.ts'));
            assert.ok(files.length >= 3, files.join());
            for (const each of files) copyFileSync(join(PROGRAMS, each), join(folder, each));
            writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
            const { status, stdout } = spawnSync(
                process.execPath,
                [join(ROOT, 'node_modules', file), ...OPTIONS, '--lib', libraries, ...files],
                { cwd: folder, encoding: 'utf8' },
            );
            assert.equal(status, 0, stdout);
        });
    }
}

test('declarations are of what is public, with its comments', () => {
    const folder = join(ROOT, 'build/dist');
    const text = (file) => readFileSync(join(folder, file), 'utf8');
    const files = readdirSync(folder).filter((each) => each.endsWith('.d.ts'));
    assert.deepEqual(files.sort(), [
        'diagnose.d.ts',
        'explain.d.ts',
        'index.d.ts',
        'metrics.d.ts',
        'shared.d.ts',
        'tokenizer.d.ts',
        'train.d.ts',
    ]);
    for (const file of files) {
        assert.doesNotMatch(text(file), /#platform|@private|@typedef|@overload/, file);
        // Compilers before 5.7 do not know it.
        assert.doesNotMatch(text(file), /Array<ArrayBuffer/, file);
        // Two types of one name: the second is Name$1 in an editor.
        assert.doesNotMatch(text(file), /\w\$\d/, file);
        assert.doesNotMatch(text(file), /\b(Connection|Monitor|NormalizedString)\b/, file);
    }
    const all = files.map(text).join('');
    assert.match(all, /\* @returns \{.*\} {2}the label of each text\n/);
    assert.match(text('shared.d.ts'), /private constructor\(\);/);
});
