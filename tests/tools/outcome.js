/**
 * Tests whose outcome is kept, so that tables can be made of it: build/FOLDER/NAME.json.
 *
 *     const outcome = new Outcome('engines', 'firefox', skip);
 *     outcome.declare('batch', 'plain', async () => 'what is to stand in the table, if anything');
 *     after(() => outcome.write(version));
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const BUILD = fileURLToPath(new URL('../../build/', import.meta.url));

/**
 * @typedef {object} Row
 * @property {string} test
 * @property {string} page  or other place where it was run; '' if there is one only
 * @property {boolean} ok
 * @property {number} ms
 * @property {string} note
 */

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
        test(`${this.#name}${page && `, ${page}`}: ${title}`, { skip: this.#skip }, async () => {
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
        const folder = join(BUILD, this.#folder);
        const missing = this.#skip || undefined;
        const found = { engine: this.#name, version, missing, rows: this.#rows };
        mkdirSync(folder, { recursive: true });
        const file = `${this.#name.toLowerCase().replaceAll(' ', '-')}.json`;
        writeFileSync(join(folder, file), JSON.stringify(found, null, 1));
    }
}
