/**
 * The public API: that no name comes or goes unseen, that what is built has the names of its
 * declarations, and that docs/api.md says all of it. What is stale is written by `make docs`.
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { readAPI } from '../../tools/api.mjs';
import { apiReference, withoutDefault } from '../../tools/api_reference.mjs';
import { errorCodes } from '../../tools/error_codes.mjs';
import { publicNames } from '../../tools/public_names.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
process.chdir(ROOT); // where tools are run

const { entries, items } = readAPI();
const item = (/** @type {string} */ name) =>
    /** @type {import('../../tools/api.mjs').Item} */ (items.get(name));
const values = entries.flatMap((entry) => entry.values.map(item));

/**
 * @param {string} folder
 * @param {string} end  of its files' names
 */
const filesOf = (folder, end) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith(end))
        .map((name) => join(folder, name));

test('public names are those of tests/public_names.json', () => {
    assert.deepEqual(
        publicNames(),
        JSON.parse(readFileSync('tests/public_names.json', 'utf8')),
        'if this is meant: make docs; files of earlier builds go by make clean',
    );
});

test('what is built exports what is declared', async () => {
    for (const entry of entries) {
        const built = await import(entry.name);
        assert.deepEqual(Object.keys(built).sort(), entry.values, entry.name);
    }
    const in_pages = await import(join(ROOT, 'build/dist/index.js'));
    assert.deepEqual(Object.keys(in_pages).sort(), entries[0].values);
});

test('classes have the methods that are declared', async () => {
    const built = Object.assign(
        {},
        ...(await Promise.all(entries.map(({ name }) => import(name)))),
    );
    const classes = values.filter(({ kind }) => kind === 'class');
    assert.deepEqual(classes.map(({ name }) => name).sort(), [
        'BertError',
        'FineTuned',
        'Model',
        'Pretrained',
        'Tokenizer',
        'cache',
    ]);
    for (const { name, members } of classes) {
        for (const { name: member, signatures } of members) {
            if (signatures.length === 0 || member.startsWith('[')) continue;
            const [owner, key] = member.startsWith('static ')
                ? [built[name], member.slice('static '.length)]
                : [built[name].prototype ?? built[name], member];
            assert.equal(typeof owner[key], 'function', `${name} ${member}`);
        }
    }
});

test('docs/api.md and docs/api/ are up to date', () => {
    const pages = apiReference();
    const written = ['docs/api.md', ...filesOf('docs/api', '')];
    assert.deepEqual([...pages.keys()].map((page) => join('docs', page)).sort(), written.sort());
    for (const [page, text] of pages) {
        assert.equal(readFileSync(join('docs', page), 'utf8'), text, `${page}: make docs`);
    }
});

test('everything that can be called says what it does', () => {
    for (const { name, text, members } of values) {
        assert.ok(text, name);
        for (const each of members)
            assert.ok(each.text || each.name === 'constructor', `${name} ${each.name}`);
    }
});

test('options say what holds without them', () => {
    const options = [
        ...[...items.values()].filter(({ name }) => /Options$/.test(name)),
        ...values.flatMap(({ name, signatures }) =>
            signatures.map(({ parameters }) => ({
                name,
                members: parameters.filter((each) => each.name.includes('.')),
            })),
        ),
    ].flatMap(({ name, members }) =>
        members.map((each) => ({ ...each, name: `${name} ${each.name}` })),
    );
    assert.ok(options.length > 50);
    for (const { name, type, is_optional, text } of options) {
        // One type for another's narrower one says nothing itself.
        if (!is_optional || text === '') continue;
        if (/AbortSignal|=>/.test(type)) continue;
        assert.notEqual(withoutDefault(text).by_default, '', name);
    }
});

test('every code of an error is explained', () => {
    const codes = errorCodes();
    const thrown = filesOf('js', '.js').flatMap((file) =>
        [...readFileSync(file, 'utf8').matchAll(/new BertError\(\s*'(\w+)'/g)].map(
            ([, code]) => code,
        ),
    );
    assert.ok(thrown.length > 50);
    for (const code of new Set(thrown)) assert.ok(codes.has(code), code);
});
