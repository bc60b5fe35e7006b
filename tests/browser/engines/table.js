/**
 * Prints what was run in each engine, and how it went: of the isolated page / of the plain one.
 *
 *     node tests/browser/engines/table.js
 */

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { PROGRAMS } from './programs.js';

const PAGES = ['isolated', 'plain'];

const engines = Object.keys(PROGRAMS).flatMap((name) => {
    const path = fileURLToPath(new URL(`../../../build/engines/${name}.json`, import.meta.url));
    return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : [];
});
const tests = new Set(engines.flatMap(({ rows }) => rows.map((row) => row.test)));

/** @param {any} engine @param {string} test @param {string} page */
function cell({ rows }, test, page) {
    const row = rows.find((row) => row.test === test && row.page === page);
    return row ? (row.ok ? row.note || 'yes' : 'FAILED') : '-';
}

const line = (/** @type {string[]} */ cells) => console.log(`| ${cells.join(' | ')} |`);
line(['isolated / plain', ...engines.map(({ engine }) => engine)]);
line(['---', ...engines.map(() => '---')]);
line(['version', ...engines.map(({ version, missing }) => version ?? missing)]);
for (const test of tests) {
    line([test, ...engines.map((each) => PAGES.map((page) => cell(each, test, page)).join(' / '))]);
}
line([
    'seconds',
    ...engines.map(({ rows }) => `${Math.round(rows.reduce((sum, { ms }) => sum + ms, 0) / 1000)}`),
]);
