/**
 * Tests whose outcome is kept, so that tables can be made of it: build/FOLDER/NAME.json.
 *
 *     const outcome = new Outcome('engines', 'firefox', skip);
 *     outcome.declare('batch', 'plain', async () => 'what is to stand in the table, if anything');
 *     after(() => outcome.write(version));
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/**
 * @typedef {object} Row
 * @property {string} test
 * @property {string} page  or other place where it was run; '' if there is one only
 * @property {boolean} ok
 * @property {number} ms
 * @property {string} note
 */

/**
 * @typedef {object} Found  what a file holds
 * @property {string} engine
 * @property {string} [version]  none if it was not run
 * @property {string} [missing]  why it was not
 * @property {Row[]} rows
 */

/** Where it is, from the root. @param {string} folder @param {string} name */
export const fileOf = (folder, name) =>
    `build/${folder}/${name.toLowerCase().replaceAll(' ', '-')}.json`;

export class Outcome {
    #folder;
    #name;
    #skip;

    /** @type {Row[]} */
    #rows = [];

    /** @param {string} folder @param {string} name @param {string | false} skip  why, if so */
    constructor(folder, name, skip) {
        this.#folder = folder;
        this.#name = name;
        this.#skip = skip;
    }

    /** @param {string} title @param {string} page @param {() => Promise<string | void>} run */
    declare(title, page, run) {
        test(`${[this.#name, page].filter(Boolean).join(', ')}: ${title}`, {
            skip: this.#skip,
        }, async () => {
            const row = { test: title, page, ok: false, ms: 0, note: '' };
            this.#rows.push(row);
            const start = performance.now();
            try {
                row.note = (await run()) ?? '';
                row.ok = true;
            } finally {
                row.ms = Math.round(performance.now() - start);
            }
        });
    }

    /** @param {string} [version]  of the program */
    write(version) {
        const missing = this.#skip || undefined;
        const found = { engine: this.#name, version, missing, rows: this.#rows };
        const file = join(ROOT, fileOf(this.#folder, this.#name));
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, JSON.stringify(found, null, 1));
    }
}
