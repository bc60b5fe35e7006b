/**
 * What every document must keep: links lead somewhere, files and make targets that it names are
 * there, its numbers are those that were measured, the README has one screen. And what ARCHITECTURE
 * says of the folders is so.
 */

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { NUMBERS, TABLES } from '../../tools/number_values.mjs';
import { documents, fill, unmarked } from '../../tools/numbers.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MOST_COLUMNS = 140;
const MOST_README_WORDS = 700;

/** @param {string} file  from the root */
const read = (file) => readFileSync(join(ROOT, file), 'utf8');

/** Without blocks of code, fenced or indented. @param {string} text */
function prose(text) {
    return text.replace(/^```[\s\S]*?^```$/gm, '').replace(/(?<=\n\n)(?: {4}.*\n|\n)+/g, '\n');
}

/**
 * Headings as GitHub makes anchors of them.
 * @param {string} text
 * @returns {string[]}
 */
function anchorsOf(text) {
    /** @type {Map<string, number>} */
    const seen = new Map();
    return [...prose(text).matchAll(/^#+ (.*)$/gm)].map(([, title]) => {
        const anchor = title
            .toLowerCase()
            .replace(/[^\p{L}\p{N}_ -]/gu, '')
            .replaceAll(' ', '-');
        const n = seen.get(anchor) ?? 0;
        seen.set(anchor, n + 1);
        return n ? `${anchor}-${n}` : anchor;
    });
}

/** What is between `backticks`, on one line. @param {string} text */
function codeSpans(text) {
    return [...prose(text).matchAll(/`([^`]+)`/g)].map(([, code]) => code.replace(/\s+/g, ' '));
}

/**
 * Whether there is such a file or folder; `*` is anything within one name.
 * @param {string} path  from the root
 */
function isThere(path) {
    if (!path.includes('*')) return existsSync(join(ROOT, path));
    const folder = join(ROOT, dirname(path));
    const pattern = basename(path).replaceAll('.', '\\.').replaceAll('*', '.*');
    return (
        existsSync(folder) && readdirSync(folder).some((name) => RegExp(`^${pattern}$`).test(name))
    );
}

/** Files and folders of the tree that a document names in full. @param {string} text */
function pathsIn(text) {
    const folders = readdirSync(ROOT, { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && !/^(build|node_modules|\.git)$/.test(entry.name))
        .map(({ name }) => name);
    return codeSpans(text).filter(
        (code) => /^[\w.-]+\/[\w./*-]*$/.test(code) && folders.includes(code.split('/')[0]),
    );
}

/**
 * ARCHITECTURE's tables of the rooms: a section `## core/: ...` for each.
 * @returns {{base: string, rows: string[][]}[]}
 */
function rooms() {
    const sections = read('ARCHITECTURE.md').split(/^## /m);
    return sections.flatMap((section) => {
        const base = /^(\w+\/): /.exec(section)?.[1];
        if (!base) return [];
        const rows = section
            .split('\n')
            .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
            .slice(1)
            .map((line) => line.split(' | '));
        return [{ base, rows }];
    });
}

/** Which folder of the room the row is about, if it is one. @param {string[]} row */
const folderOf = ([first]) => /^\| `(\w+\/)`$/.exec(first)?.[1] ?? null;

test('links lead somewhere', () => {
    const files = [...documents(), 'bench/RESULTS.md'];
    let n_links = 0;
    for (const file of files) {
        const text = prose(read(file)).replace(/`[^`]*`/g, '');
        assert.doesNotMatch(text, /^\[[^\]]+\]: /m, `${file}: write links as [text](target)`);
        for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
            if (/^https?:/.test(target)) continue;
            n_links++;
            const [path, anchor] = target.split('#');
            const to = path === '' ? file : normalize(join(dirname(file), path));
            assert.ok(!to.startsWith('..'), `${file}: ${target} leaves the tree`);
            assert.ok(isThere(to), `${file}: there is no ${target}`);
            if (anchor === undefined) continue;
            assert.ok(anchorsOf(read(to)).includes(anchor), `${file}: ${to} has no #${anchor}`);
        }
    }
    assert.ok(n_links > 80, `${n_links}`);
});

test('files and folders that documents name are there', () => {
    let n_paths = 0;
    for (const file of documents()) {
        for (const path of pathsIn(read(file))) {
            n_paths++;
            assert.ok(isThere(path), `${file}: there is no ${path}`);
        }
    }
    for (const { base, rows } of rooms()) {
        for (const row of rows) {
            const folder = folderOf(row) ?? '';
            row.forEach((cell, i) => {
                for (const name of codeSpans(cell)) {
                    if (!/^\w+(\.[ch]|\.js|\/)$/.test(name)) continue;
                    n_paths++;
                    const path = i === 0 ? base + name : base + folder + name;
                    const inRoom = isThere(path);
                    assert.ok(inRoom, `ARCHITECTURE.md: there is no ${path}`);
                }
            });
        }
    }
    assert.ok(n_paths > 100, `${n_paths}`);
});

test('make targets that documents name are there', () => {
    const makefile = read('Makefile');
    let n_targets = 0;
    for (const file of documents()) {
        const text = read(file);
        const code = [...codeSpans(text), ...(text.match(/^ {4}.*$/gm) ?? [])];
        for (const [, words] of code.join('\n').matchAll(/\bmake((?: [a-z][\w-]*(?:=\S+)?)+)/g)) {
            for (const target of words.trim().split(' ')) {
                if (target.includes('=')) continue;
                n_targets++;
                assert.match(makefile, new RegExp(`^${target}:`, 'm'), `${file}: make ${target}`);
            }
        }
    }
    assert.ok(n_targets > 40, `${n_targets}`);
});

test('numbers are those that were measured: make numbers', () => {
    /** @type {Set<string>} */
    const used = new Set();
    for (const file of documents()) {
        const text = read(file);
        assert.equal(text, fill(text), `${file}: run make numbers`);
        assert.doesNotMatch(unmarked(text), /<!-- \/?(number|table)/, `${file}: a mark is open`);
        // Such a line would be HTML to Markdown, all of it.
        assert.doesNotMatch(text, /^ *(?:[-*] )?<!-- number/m, `${file}: a number begins a line`);
        for (const [, name] of text.matchAll(/<!-- (?:number|table): ([\w-]+) -->/g)) {
            used.add(name);
        }
    }
    for (const name of [...Object.keys(NUMBERS), ...Object.keys(TABLES)]) {
        assert.ok(used.has(name), `no document has ${name}`);
    }
});

test('every entry of bench/measured.json says how and when', () => {
    for (const [name, { command, date }] of Object.entries(
        JSON.parse(read('bench/measured.json')),
    )) {
        assert.equal(typeof command, 'string', name);
        assert.match(date, /^\d{4}-\d{2}-\d{2}$/, name);
    }
});

/** What was measured has a unit. */
const MEASURED = /\d ?(?:ms|[kMG]B|[GM]op|Gflop|texts\/s)\b|\d (?:times|texts a second)\b|\d ?%/g;

/** What has one and is a setting of a benchmark or of the program, or a record of attempts. */
const NOT_MEASURED = {
    'docs/coverage.md': /./, // tools/coverage.mjs writes it
    'docs/decisions.md': /./,
    'docs/tasks/monitoring.md': /5 (%|times)/,
    'docs/tokenizers.md': /[14] MB/,
};

/** Documents that people write: those of docs/api are made of the sources. */
const written = documents().filter((file) => !/^docs\/api(\.md$|\/)/.test(file));

test('no document has a measured number outside a marked place', () => {
    for (const file of written) {
        const text = prose(unmarked(read(file))).replace(/`[^`]*`/g, '');
        for (const [found] of text.matchAll(MEASURED)) {
            const at = text.slice(text.indexOf(found) - 20, text.indexOf(found) + 30);
            assert.match(found, NOT_MEASURED[file] ?? /$^/, `${file}: ${at.replace(/\s+/g, ' ')}`);
        }
    }
});

test('the README has one screen', () => {
    const n_words = read('README.md').trim().split(/\s+/).length;
    assert.ok(n_words <= MOST_README_WORDS, `${n_words} words, at most ${MOST_README_WORDS}`);
});

test('lines have at most 140 columns, tables excepted', () => {
    for (const file of written) {
        for (const [i, line] of read(file).split('\n').entries()) {
            if (line.startsWith('|')) continue;
            const n_columns = [...line].length;
            assert.ok(n_columns <= MOST_COLUMNS, `${file}:${i + 1}: ${n_columns} columns`);
        }
    }
});
