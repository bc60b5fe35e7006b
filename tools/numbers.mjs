/**
 * Fills the numbers of the documents with what was measured; none is typed into a document:
 *
 *     make numbers             after bench/results.json or bench/measured.json changed
 *
 * A place is `<!-- number: NAME -->2.67<!-- /number -->` in a line, or a table between
 * `<!-- table: NAME -->` and `<!-- /table -->` on lines of their own; the names are those of
 * number_values.mjs. bench/results.json is written by `make bench`. Each entry of
 * bench/measured.json names the command that prints it, and is changed by hand after that has run.
 * tests/js/docs.test.js fails where a document says anything else.
 *
 * Rejected: whole documents from templates, which nobody could read or edit in place.
 */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { NUMBERS, TABLES } from './number_values.mjs';

const ROOT = join(import.meta.dirname, '..');

const PLACE = /<!-- (number|table): ([\w-]+) -->([\s\S]*?)<!-- \/\1 -->/g;

/**
 * @param {string} text  of a document
 * @returns {string}  with every marked place as it must be
 */
export function fill(text) {
    return text.replace(PLACE, (_, kind, name) => {
        const value = kind === 'number' ? NUMBERS[name] : TABLES[name]?.();
        if (value === undefined) throw new Error(`tools/numbers.mjs has no ${kind} '${name}'`);
        const content = kind === 'number' ? value : `\n\n${value}\n\n`;
        return `<!-- ${kind}: ${name} -->${content}<!-- /${kind} -->`;
    });
}

/** What a document says without its marked places. @param {string} text */
export function unmarked(text) {
    return text.replace(PLACE, '');
}

/** Documents that people read, which may have such places. @returns {string[]}  from the root */
export function documents() {
    const inside = ['docs', 'examples', 'packages', 'web-demo/models'].flatMap((folder) => {
        const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
        const pages = names.filter((name) => name.endsWith('.md'));
        return pages.sort().map((name) => join(folder, name));
    });
    return ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...inside];
}

if (process.argv[1] === import.meta.filename) {
    for (const file of documents()) {
        const path = join(ROOT, file);
        const before = readFileSync(path, 'utf8');
        const after = fill(before);
        if (after === before) continue;
        writeFileSync(path, after);
        console.log(`${file}: numbers filled`);
    }
}
