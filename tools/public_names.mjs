/**
 * tests/public_names.json: every name that the package has for others, so that none comes or goes
 * but by a line of that file. `make docs` writes it.
 *
 *     node tools/public_names.mjs > tests/public_names.json
 */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { readAPI } from './api.mjs';
import { pack } from './packages.mjs';

/** What entries export, the members of classes, and the files that npm would publish. */
export function publicNames() {
    const { entries, items } = readAPI();
    const { files } = pack('bert-wasm', ['--dry-run']);
    return {
        entries: Object.fromEntries(
            entries.map(({ name, values, types }) => [name, { values, types }]),
        ),
        classes: Object.fromEntries(
            [...items.values()]
                .filter(({ kind }) => kind === 'class')
                .map(({ name, members }) => [name, members.map((member) => member.name).sort()])
                .sort(),
        ),
        exports: Object.keys(JSON.parse(readFileSync('package.json', 'utf8')).exports),
        files: [...new Set(files.map(({ path }) => unhashed(path)))].sort(),
    };
}

/** Files of code that entries for Node share are named by what is in them. @param {string} path */
function unhashed(path) {
    return path.replace(/\/node-\w+\.js$/, '/node-*.js');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    console.log(JSON.stringify(publicNames(), null, 4));
}
