/**
 * bench/sizes.json: bytes of what is published, of each tarball, and after gzip of each file of
 * code in it.
 *
 *     make sizes               after something has become larger or smaller
 *     make sizes NOTE='why'    after something has grown by more than 5 %, or came new
 *
 * Nothing grows unseen: tests/js/sizes.test.js fails then, and this program does not write without
 * a reason, which stays in the file. The documents' tables of sizes are made of it.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { NAMES, PACKAGES, pack } from './packages.mjs';

export const SIZES = join(import.meta.dirname, '../bench/sizes.json');

/** Growth that needs no reason. */
const MOST_GROWTH = 1.05;

/** Of documents nobody waits for. */
const DOCUMENTS = /\.(md|json)$|LICENSE$/;

/** Files that share code: which of them has what is the bundler's choice. */
const IN_NODE = /\/(cli|node-\w+|[\w-]+\.node)\.js$/;

/**
 * @typedef {object} Sizes
 * @property {string} note  why something last grew
 * @property {Record<string, number>} packed  by package
 * @property {Record<string, Record<string, number>>} gzip  by package and file
 */

/** @returns {Omit<Sizes, 'note'>} */
export function measure() {
    /** @type {Omit<Sizes, 'note'>} */
    const sizes = { packed: {}, gzip: {} };
    for (const name of NAMES) {
        const { size, files } = pack(name, ['--dry-run']);
        sizes.packed[name] = size;
        /** @type {Record<string, number>} */
        const gzip = {};
        for (const { path } of files.filter((file) => !DOCUMENTS.test(file.path))) {
            const bytes = readFileSync(join(PACKAGES[name], path));
            const file = IN_NODE.test(path) ? 'in Node' : path;
            gzip[file] = (gzip[file] ?? 0) + gzipSync(bytes, { level: 9 }).length;
        }
        sizes.gzip[name] = Object.fromEntries(Object.entries(gzip).sort());
    }
    return sizes;
}

/**
 * What needs a reason.
 * @param {Omit<Sizes, 'note'>} recorded
 * @param {Omit<Sizes, 'note'>} measured
 * @returns {string[]}
 */
export function growth(recorded, measured) {
    const flat = (/** @type {Omit<Sizes, 'note'>} */ { packed, gzip }) => [
        ...Object.entries(packed).map(([name, n]) => /** @type {const} */ ([`${name}, packed`, n])),
        ...Object.entries(gzip).flatMap(([name, files]) =>
            Object.entries(files).map(
                ([file, n]) => /** @type {const} */ ([`${name}: ${file}`, n]),
            ),
        ),
    ];
    const before = new Map(flat(recorded));
    return flat(measured).flatMap(([what, n]) => {
        const old = before.get(what);
        if (old === undefined) return [`${what} is new: ${n} bytes`];
        return n > old * MOST_GROWTH ? [`${what} has grown from ${old} bytes to ${n}`] : [];
    });
}

if (process.argv[1] === import.meta.filename) {
    const note = process.argv[2] || undefined;
    /** @type {Sizes} */
    const recorded = JSON.parse(readFileSync(SIZES, 'utf8'));
    const measured = measure();
    const grown = growth(recorded, measured);
    for (const line of grown) console.log(line);
    if (grown.length && !note) {
        console.error("say why: make sizes NOTE='...'");
        process.exitCode = 1;
    } else {
        const sizes = { note: note ?? recorded.note, ...measured };
        writeFileSync(SIZES, `${JSON.stringify(sizes, null, 4)}\n`);
    }
}
