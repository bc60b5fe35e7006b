/** Command-line options and input lines, as every subcommand reads them. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

import { BertError } from '../errors.js';

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {}

/**
 * @typedef {import('node:util').ParseArgsConfig['options']} OptionsConfig
 */

/**
 * @param {string[]} args
 * @param {NonNullable<OptionsConfig>} options
 * @param {{positionals?: boolean, required?: string[]}} [rules]
 */
export function parse(args, options, { positionals = false, required = [] } = {}) {
    let parsed;
    try {
        parsed = parseArgs({ args, options, allowPositionals: positionals });
    } catch (error) {
        throw new UsageError(/** @type {Error} */ (error).message);
    }
    const values = /** @type {Record<string, any>} */ (parsed.values);
    for (const name of required) {
        if (values[name] === undefined) throw new UsageError(`--${name} is missing`);
    }
    return { values, positionals: parsed.positionals };
}

/** Options that name a model and the engine's build. */
export const MODEL_OPTIONS = /** @type {const} */ ({
    model: { type: 'string', short: 'm' },
    variant: { type: 'string' },
});

/**
 * @param {string | undefined} text
 * @param {string} name
 * @param {number} fallback
 */
export function wholeNumber(text, name, fallback) {
    if (text === undefined) return fallback;
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1) throw new UsageError(`--${name} is '${text}', expected a whole number >= 1`);
    return value;
}

/**
 * The lines of a file, or of standard input for `-`, without their ends.
 * @param {string} file
 * @returns {AsyncIterable<string>}
 */
export async function* lines(file) {
    const input = file === '-' ? process.stdin : createReadStream(file);
    try {
        for await (const line of createInterface({ input, crlfDelay: Infinity })) yield line;
    } catch (error) {
        const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
        throw new BertError('FETCH_FAILED', `${file}: cannot be read (${code ?? message})`, { cause: error });
    }
}

/**
 * The objects of a JSONL file, with where each stands. Empty lines are passed over.
 * @param {string} file
 * @returns {AsyncIterable<{value: Record<string, any>, where: string}>}
 */
export async function* jsonLines(file) {
    let n = 0;
    for await (const line of lines(file)) {
        n++;
        if (line.trim() === '') continue;
        const where = `${file}:${n}`;
        let value;
        try {
            value = JSON.parse(line);
        } catch (error) {
            throw new BertError('BAD_INPUT', `${where}: no JSON: ${/** @type {Error} */ (error).message}`);
        }
        if (typeof value !== 'object' || value === null || Array.isArray(value)) {
            throw new BertError('BAD_INPUT', `${where}: expected a JSON object`);
        }
        yield { value, where };
    }
}

/**
 * Arrays of up to `size` items.
 * @template T
 * @param {AsyncIterable<T>} items
 * @param {number} size
 * @returns {AsyncIterable<T[]>}
 */
export async function* batches(items, size) {
    /** @type {T[]} */
    let batch = [];
    for await (const item of items) {
        batch.push(item);
        if (batch.length === size) {
            yield batch;
            batch = [];
        }
    }
    if (batch.length) yield batch;
}

/**
 * One JSON object a line on standard output, waiting where the reader is slow.
 * @param {unknown} value
 */
export async function print(value) {
    if (!process.stdout.write(`${JSON.stringify(value)}\n`)) {
        await new Promise((resolve) => process.stdout.once('drain', resolve));
    }
}
