/**
 * Fails where a line of the files given, or of those in folders given, is longer than 100 columns:
 * a formatter leaves comments and strings as they are. What cannot be broken may be longer: an
 * address, a regular expression or data without a space in it, of more than 60 characters.
 *
 *     node tools/check_lines.mjs js tests
 */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const MOST_COLUMNS = 100;
const LONG_WORD = 60;

/** Written by programs. */
const LEFT_OUT = /(^|\/)(node_modules|golden|unicode_tables\.js)(\/|$)/;

const files = process.argv.slice(2).flatMap((path) => {
    if (!statSync(path).isDirectory()) return path;
    const names = readdirSync(path, { recursive: true, encoding: 'utf8' });
    return names.filter((name) => /\.(m?js|ts)$/.test(name)).map((name) => join(path, name));
});

for (const file of files.filter((each) => !LEFT_OUT.test(each))) {
    for (const [i, line] of readFileSync(file, 'utf8').split('\n').entries()) {
        const n_columns = [...line].length;
        if (n_columns <= MOST_COLUMNS) continue;
        if (line.split(/\s+/).some((word) => word.length > LONG_WORD)) continue;
        console.error(`${file}:${i + 1}: ${n_columns} columns, at most ${MOST_COLUMNS}`);
        process.exitCode = 1;
    }
}
