/**
 * What comparisons of training with Python share: folders that both sides read, Python's answer,
 * and where results are kept. Python runs after ours, not beside it, so that neither waits for the
 * other; processor time tells what a busy machine hides.
 */

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const MEASURED = join(import.meta.dirname, 'measured.json');

/** The built package, as its tests import it. @param {string} name */
export const dist = (name) => import(join(import.meta.dirname, '../build/dist', name));

/** The encoder that is trained. */
export const BASE = join(import.meta.dirname, '../web-demo/models/all-minilm-l6-v2-q8.safetensors');

/**
 * A folder as transformers has it.
 * @param {string} folder
 * @param {Record<string, Uint8Array>} files
 */
export function writeFolder(folder, files) {
    for (const [path, bytes] of Object.entries(files)) {
        const file = join(folder, path);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, bytes);
    }
}

/**
 * A script beside this one, whose last line on standard output is an object.
 * @param {string} python  an interpreter
 * @param {string} script
 * @param {(string | number)[]} args
 */
export function runPython(python, script, ...args) {
    const path = join(import.meta.dirname, script);
    const output = execFileSync(python, [path, ...args.map(String)], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
        maxBuffer: 2 ** 28,
    });
    return JSON.parse(/** @type {string} */ (output.trimEnd().split('\n').at(-1)));
}

/** Seconds of all processors that this process has used, all threads together. */
export function processorSeconds() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
}

/**
 * What a call took, of all processors and by the clock.
 * @template T
 * @param {() => Promise<T>} call
 */
export async function timed(call) {
    const [began, used] = [performance.now(), processorSeconds()];
    const result = await call();
    const [seconds, processor_seconds] = [
        (performance.now() - began) / 1000,
        processorSeconds() - used,
    ];
    return { result, seconds, processor_seconds };
}

/**
 * Writes an entry of measured.json, in place of the one that has this name; but rows of other data
 * sets stay, so that one can be measured alone.
 * @param {string} name
 * @param {string} command  that repeats it
 * @param {Record<string, any>} results
 */
export function record(name, command, results) {
    const before = readFileSync(MEASURED, 'utf8');
    const date = new Date().toISOString().slice(0, 10);
    /** @type {Record<string, any>} */
    const entry = { command, date, ...results };
    const others = (JSON.parse(before)[name]?.rows ?? []).filter(
        (/** @type {any} */ row) =>
            row.data && entry.rows.every((/** @type {any} */ { data }) => data !== row.data),
    );
    if (others.length > 0) entry.rows = [...others, ...entry.rows];
    const fields = Object.entries(entry).map(([key, value]) => `    "${key}": ${ofField(value)}`);
    const text = `  "${name}": {\n${fields.join(',\n')}\n  }`;
    const own = new RegExp(`^ {2}"${name}": \\{\\n[\\s\\S]*?^ {2}\\}`, 'm');
    const after = own.test(before)
        ? before.replace(own, () => text)
        : before.replace(/\n\}\n$/, () => `,\n${text}\n}\n`);
    writeFileSync(MEASURED, after);
}

/** Rows have a line each. @param {any} value */
function ofField(value) {
    if (!Array.isArray(value) || typeof value[0] !== 'object') return inline(value);
    return `[\n${value.map((each) => `      ${inline(each)}`).join(',\n')}\n    ]`;
}

/** @param {any} value @returns {string} */
function inline(value) {
    if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
    if (typeof value !== 'object') return JSON.stringify(value);
    const fields = Object.entries(value).map(([key, each]) => `"${key}": ${inline(each)}`);
    return `{${fields.join(', ')}}`;
}
