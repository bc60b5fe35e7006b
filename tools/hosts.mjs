/**
 * Writes docs/hosts.md: every host that the tests try, and how it went, from what they have left in
 * build/ (tests/tools/outcome.js).
 *
 *     node tools/hosts.mjs docs/hosts.md
 *
 * What every host runs is a column; the rest, which some run, is a list in the last one.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { APPS, HOSTS } from '../tests/tools/hosts.js';

/**
 * @typedef {import('../tests/tools/hosts.js').Host} Host
 * @typedef {import('../tests/tools/outcome.js').Found} Found
 */

const [page] = process.argv.slice(2);

/** Tests that are columns: all hosts have them. */
const COLUMNS = ['load', 'answer', 'batch', 'abort', 'dispose'];
const HEAD = ['host', 'version', ...COLUMNS, 'and'];

/** Tests whose failure alone is told: without them nothing else is right. */
const TACIT = ['open'];

const line = (/** @type {string[]} */ cells) => `| ${cells.join(' | ')} |`;

/** Pages that apps are opened on; how their tests name them. */
const APP_PAGES = { 'isolated page': 'isolated', page: 'plain', 'strict policy': 'strict' };
const APP_HEAD = ['app', 'version', 'build', ...Object.keys(APP_PAGES), 'and'];

/** @param {{file: string}} host @returns {Found} */
function foundOf({ file }) {
    const path = fileURLToPath(new URL(`../${file}`, import.meta.url));
    if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8'));
    throw new Error(`${file} is missing: run make test and make test-bundlers first`);
}

/** @param {Host} host */
function rowOf(host) {
    const { version = '', missing, rows } = foundOf(host);
    if (missing) throw new Error(`${host.title}: ${missing}`);
    const [number = version] = version.match(/\d+(\.\d+)+/) ?? [];
    const own = rows.filter(({ page }) => page === host.page);
    if (own.length === 0) throw new Error(`${host.title} is not in ${host.file}: run make test`);
    const rest = own
        .filter(({ test, ok }) => !COLUMNS.includes(test) && !(ok && TACIT.includes(test)))
        .map(({ test, ok }) => (ok ? test : `${test} FAILED`));
    return line([
        host.title,
        number,
        ...COLUMNS.map((test) => cell(own.find((row) => row.test === test))),
        rest.join(', '),
    ]);
}

/** @param {Found['rows'][0] | undefined} row */
function cell(row) {
    if (!row) return '';
    return row.ok ? row.note || 'yes' : 'FAILED';
}

/** @param {typeof APPS[0]} app */
function appRow(app) {
    const { version = '', missing, rows } = foundOf(app);
    if (missing) throw new Error(`${app.title}: ${missing}`);
    const known = ['build', ...Object.values(APP_PAGES)];
    const rest = rows
        .filter(({ test, page }) => !known.includes(page || test))
        .map(({ test, page, ok }) => [page, ok ? test : `${test} FAILED`].join(' ').trim());
    return line([
        app.title,
        version,
        cell(rows.find(({ test }) => test === 'build')),
        // Without the bytes that were fetched: those are a measurement.
        ...Object.values(APP_PAGES).map((page) =>
            cell(rows.find((row) => row.page === page)).replace(/, [\d.]+ MB$/, ''),
        ),
        rest.join(', '),
    ]);
}

const apps = ['## Apps', '', line(APP_HEAD), line(APP_HEAD.map(() => '---')), ...APPS.map(appRow)];
const tables = Object.entries(HOSTS).map(([heading, hosts]) =>
    [`## ${heading}`, '', line(HEAD), line(HEAD.map(() => '---')), ...hosts.map(rowOf)].join('\n'),
);
const parts = [
    '# Hosts',
    'Where the package was run, and what was run there. `make hosts` writes this page from what ' +
        '`make test` and\n`make test-bundlers` found. Answers are those of Node, to the bit, for ' +
        'the same build of the engine.',
    '- **load**: the build that runs, and how many threads. **answer**: one text after the ' +
        'other. **batch**: a hundred in one call.\n' +
        '- **abort**: a load and a call end when they are told to, and the next call answers. ' +
        '**dispose**: what still runs is rejected.',
    ...tables,
    apps.join('\n'),
];
const text = `${parts.join('\n\n')}\n`;
writeFileSync(page, text);
console.log(text);
