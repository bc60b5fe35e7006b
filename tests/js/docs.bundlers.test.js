/**
 * docs/bundlers-and-headers.md says what tests/bundlers/ tries: its apps and their versions, its
 * files as recipes, what it copies, the policy that its pages have.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { BUNDLERS } from '../bundlers/apps.js';
import { POLICY } from '../bundlers/front.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (/** @type {string} */ file) => readFileSync(join(ROOT, file), 'utf8');

const PAGE = read('docs/bundlers-and-headers.md');
const { dependencies } = JSON.parse(read('tests/bundlers/package.json'));

const RECIPES = ['vite.config.js', 'rollup.config.mjs', 'next/next.config.mjs', 'jest.config.mjs'];

/** The table that begins with this row. @param {string} text @param {string} head */
function tableOf(text, head) {
    const [, rest] = text.split(`${head}\n| --- | --- |`);
    assert.ok(rest, head);
    return rest.slice(0, rest.indexOf('\n\n'));
}

test('every app that is tried is in the table, with the version of its bundler', () => {
    const rows = Object.entries(BUNDLERS).map(([name, { tool, apps }]) => {
        const version = tool && dependencies[tool].split('@').at(-1);
        return `| ${name} | ${version} | ${Object.keys(apps).join(', ')} |`;
    });
    const table = ['| bundler | version | apps |', '| --- | --- | --- |', ...rows, ''].join('\n');
    assert.ok(PAGE.includes(`\n${table}\n`), table);
});

test("README's table is that of the page", () => {
    const head = '| bundler | what it needs |';
    assert.equal(tableOf(read('README.md'), head), tableOf(PAGE, head));
});

test('recipes are files of the apps', () => {
    for (const file of RECIPES) {
        const recipe = `\`\`\`js page\n${read(`tests/bundlers/apps/${file}`)}\`\`\`\n`;
        assert.ok(PAGE.includes(recipe), file);
    }
});

test('what apps copy is what the page says', () => {
    const copies = Object.values(BUNDLERS).flatMap(({ apps }) =>
        Object.values(apps).flatMap((app) => app.copies?.trim().split('\n') ?? []),
    );
    assert.ok(copies.length > 0);
    for (const line of copies) assert.ok(PAGE.includes(`\n    ${line}\n`), line);
});

test('the strict pages have the policy of the page', () => {
    assert.ok(PAGE.includes(`\n    ${POLICY}\n`), POLICY);
});
