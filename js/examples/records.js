/** Records in lines: JSON objects, rows of a table with a header, plain texts. */

import { BertError, describe, withPlace } from '../errors.js';

/**
 * @typedef {object} Line
 * @property {string} text  without its end; '' if there is an error
 * @property {string} where  file:line
 * @property {number} bytes  with its end
 * @property {BertError} [error]
 */

/**
 * @typedef {object} InputRecord
 * @property {Record<string, any>} value  {} if there is an error
 * @property {string} where  for messages: file:line
 * @property {number} bytes  it takes in the file
 * @property {boolean} [plain]  a line of text, or an argument: has no keys of its own
 * @property {BertError} [error]  why it cannot be read
 */

/** @typedef {(text: string) => Record<string, any>} FromText  a plain line as a record */

/** How lines are read. */
export const FORMATS = ['text', 'jsonl', 'tsv'];

/**
 * @param {AsyncIterable<Line[]>} lines
 * @param {string} format  one of FORMATS
 * @param {FromText} [fromText]  for format text
 * @returns {AsyncIterable<InputRecord[]>}
 */
export async function* toRecords(lines, format, fromText = (text) => ({ text })) {
    const read = format === 'jsonl' ? fromJSON : format === 'tsv' ? tableReader() : fromText;
    for await (const piece of lines) {
        /** @type {InputRecord[]} */
        const records = [];
        for (const { text, where, bytes, error } of piece) {
            if (error) {
                records.push({ value: {}, where, bytes, error });
                continue;
            }
            try {
                const value = read(text);
                if (value) records.push({ value, where, bytes, plain: format === 'text' });
            } catch (cause) {
                // Without its header a table cannot be read at all.
                if (!(cause instanceof BertError) || cause.code !== 'BAD_INPUT') throw cause;
                records.push({ value: {}, where, bytes, error: withPlace(cause, where) });
            }
        }
        yield records;
    }
}

/** @param {string} text */
function fromJSON(text) {
    if (text.trim() === '') return undefined;
    let value;
    try {
        value = JSON.parse(text);
    } catch (error) {
        throw new BertError(
            'BAD_INPUT',
            `the line is not valid JSON: ${/** @type {Error} */ (error).message}`,
            { cause: error },
        );
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        throw new BertError('BAD_INPUT', `a line must be a JSON object, not ${describe(value)}`);
    }
    return value;
}

/** Rows as objects: the first line names the columns. There are no quotes in TSV. */
function tableReader() {
    /** @type {string[] | undefined} */
    let columns;
    return (/** @type {string} */ text) => {
        const cells = text.split('\t');
        if (!columns) {
            columns = cells;
            return undefined;
        }
        if (text === '' && columns.length > 1) return undefined;
        if (cells.length !== columns.length) {
            throw new BertError(
                'BAD_INPUT',
                `the line has ${cells.length} columns, the header has ${columns.length}`,
            );
        }
        return Object.fromEntries(columns.map((name, i) => [name, cells[i]]));
    };
}

/**
 * JSON objects; a bad one ends it.
 * @param {AsyncIterable<Line[]>} lines
 * @returns {AsyncIterable<InputRecord>}
 */
export async function* jsonLines(lines) {
    for await (const records of toRecords(lines, 'jsonl')) {
        for (const record of records) {
            if (record.error) throw record.error;
            yield record;
        }
    }
}
