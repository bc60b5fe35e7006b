/** What the commands that train have in common: options, files that are written, what is said. */

import {
    accessSync,
    constants,
    openSync,
    readFileSync,
    renameSync,
    writeFileSync,
    writeSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

import { BertError } from '../errors.js';
import { DTYPES } from '../sources/choose.js';
import { MODEL_OPTIONS } from './options.js';

/** Columns of what is said while it runs. */
const WIDTH = 76;

export const COMMON_OPTIONS = /** @satisfies {import('./options.js').Options} */ ({
    out: { short: 'o', value: 'FILE', help: 'the model file that is made' },
    dtype: {
        kind: DTYPES,
        value: 'D',
        help: `how weights are stored: ${DTYPES.join(', ')}; default q8`,
    },
    name: { value: 'N', help: "the model's name; default that of --out" },
    card: {
        value: 'FILE',
        help: 'Markdown that the file has before what is known of its training',
    },
    warmup: {
        kind: 'number',
        value: 'X',
        help: 'share of the steps in which it rises; default 0.1',
    },
    'weight-decay': { kind: 'number', value: 'X', help: 'default 0.01' },
    recomputes: { type: 'boolean', help: 'less memory, a third more time' },
    seed: { value: 'N', help: 'of all that is drawn, from 0; default 0' },
    threads: MODEL_OPTIONS.threads,
});

/**
 * Those options that have a value: what is not given is no option of either way to train.
 * @param {Record<string, unknown>} options
 * @returns {Record<string, any>}
 */
export function given(options) {
    return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** @param {string | undefined} text */
export const isShare = (text) => text !== undefined && /^0?\.\d+$/.test(text);

/** Refuses early what could not be written late. @param {string} out */
export function checkPlace(out) {
    const folder = dirname(resolve(out));
    try {
        accessSync(folder, constants.W_OK);
    } catch (cause) {
        const { code } = /** @type {NodeJS.ErrnoException} */ (cause);
        throw new BertError('BAD_OPTION', `${folder}: cannot be written to (${code})`, { cause });
    }
}

/**
 * Under another name until it is whole.
 * @param {string} out
 * @param {Uint8Array} bytes
 */
export function writeWhole(out, bytes) {
    const temporary = join(dirname(out), `.${basename(out)}.${process.pid}.tmp`);
    try {
        writeFileSync(temporary, bytes);
        renameSync(temporary, out);
    } catch (cause) {
        const { code } = /** @type {NodeJS.ErrnoException} */ (cause);
        throw new BertError('BAD_OPTION', `${out}: cannot be written (${code})`, { cause });
    }
}

/**
 * Markdown of a model's maker.
 * @param {string | undefined} path
 * @returns {(trained: {card: string}) => string}  what a file says of itself: that, and what is
 *   known of its training
 */
export function readCard(path) {
    if (path === undefined) return ({ card }) => card;
    try {
        const own = readFileSync(path, 'utf8').trim();
        return ({ card }) => `${own}\n\n${card}`;
    } catch (cause) {
        const { code } = /** @type {NodeJS.ErrnoException} */ (cause);
        throw new BertError('BAD_OPTION', `${path}: cannot be read (${code})`, { cause });
    }
}

/**
 * @param {string | undefined} path
 * @param {boolean} [goes_on]  whether what it has is kept
 * @returns {(progress: object) => void}  writes a line
 */
export function openLog(path, goes_on = false) {
    if (path === undefined) return () => {};
    try {
        const file = openSync(path, goes_on ? 'a' : 'w');
        return (progress) => void writeSync(file, `${JSON.stringify(progress)}\n`);
    } catch (cause) {
        const { code } = /** @type {NodeJS.ErrnoException} */ (cause);
        throw new BertError('BAD_OPTION', `${path}: cannot be written (${code})`, { cause });
    }
}

/** Says how far it is, on a terminal. @param {string[]} parts */
export function showLine(parts) {
    if (!process.stderr.isTTY) return;
    process.stderr.write(`\r${parts.join(' | ').padEnd(WIDTH).slice(0, WIDTH)}`);
}

export function eraseLine() {
    if (process.stderr.isTTY) process.stderr.write(`\r${' '.repeat(WIDTH)}\r`);
}
