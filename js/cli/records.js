/**
 * What commands read: lines of a file or of standard input, and the records in them. Lines are
 * passed on as soon as they are read: a writer who waits for the answer to one line gets it.
 */

import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';

import { BertError, describe, withPlace } from '../errors.js';

/** Bytes of a line, at most: a longer one is not a line, but a file of another kind. */
const MAX_LINE_BYTES = 64 << 20;

const NEWLINE = 10;

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

/**
 * @param {string} file  `-` is standard input
 * @returns {AsyncIterable<Line[]>}
 */
export function readLines(file) {
    return splitLines(
        file === '-' ? process.stdin : createReadStream(file, { highWaterMark: 1 << 18 }),
        file,
    );
}

/**
 * Only \n and \r\n end a line: JSON strings may hold other characters that do so in text.
 * @param {AsyncIterable<Buffer>} chunks
 * @param {string} name  of the file, for messages
 * @param {number} [max_bytes]  of a line
 * @returns {AsyncIterable<Line[]>}
 */
export async function* splitLines(chunks, name, max_bytes = MAX_LINE_BYTES) {
    /** @type {Buffer[]} */
    let pieces = []; // of a line whose end has not come
    let n_bytes = 0; // of that line
    let n = 0;
    const finish = (/** @type {number} */ bytes) => {
        const line = toLine(pieces, bytes, `${name}:${++n}`, max_bytes);
        if (n === 1 && line.text.startsWith('\ufeff')) line.text = line.text.slice(1);
        pieces = [];
        n_bytes = 0;
        return line;
    };
    const add = (/** @type {Buffer} */ piece) => {
        n_bytes += piece.length;
        if (n_bytes <= max_bytes) pieces.push(piece);
        else pieces = []; // of a line that is too long only the length is kept
    };
    try {
        for await (const chunk of chunks) {
            const lines = [];
            let start = 0;
            for (let end; (end = chunk.indexOf(NEWLINE, start)) >= 0; start = end + 1) {
                add(chunk.subarray(start, end));
                lines.push(finish(n_bytes + 1));
            }
            if (start < chunk.length) add(chunk.subarray(start));
            if (lines.length) yield lines;
        }
    } catch (error) {
        const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
        throw new BertError('FETCH_FAILED', `${name}: cannot be read (${code ?? message})`, {
            cause: error,
        });
    }
    if (n_bytes) yield [finish(n_bytes)];
}

/**
 * @param {Buffer[]} pieces  without the end
 * @param {number} bytes  with it
 * @param {string} where
 * @param {number} max_bytes
 * @returns {Line}
 */
function toLine(pieces, bytes, where, max_bytes) {
    const bad = (/** @type {string} */ message) => ({
        text: '',
        where,
        bytes,
        error: withPlace(new BertError('BAD_INPUT', message), where),
    });
    if (bytes - 1 > max_bytes) {
        return bad(`the line has ${bytes} bytes; at most ${max_bytes} are read`);
    }
    const line = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
    if (!isUtf8(line)) return bad('the line is not UTF-8');
    const text = line.toString();
    return { text: text.endsWith('\r') ? text.slice(0, -1) : text, where, bytes };
}

/**
 * One line after the other; a bad one ends it.
 * @param {string} file
 * @returns {AsyncIterable<string>}
 */
export async function* lines(file) {
    for await (const piece of readLines(file)) {
        for (const { text, error } of piece) {
            if (error) throw error;
            yield text;
        }
    }
}

/**
 * The objects of a JSONL file; a bad one ends it.
 * @param {string} file
 * @returns {AsyncIterable<InputRecord>}
 */
export async function* jsonLines(file) {
    for await (const records of toRecords(readLines(file), 'jsonl')) {
        for (const record of records) {
            if (record.error) throw record.error;
            yield record;
        }
    }
}

/** How the lines of a file are read. */
export const FORMATS = ['text', 'jsonl', 'tsv'];

const EXTENSIONS = /** @type {Record<string, string>} */ ({
    '.jsonl': 'jsonl',
    '.ndjson': 'jsonl',
    '.tsv': 'tsv',
});

/**
 * @param {string} file
 * @returns {string}
 */
export function formatOf(file) {
    return EXTENSIONS[extname(file).toLowerCase()] ?? 'text';
}

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

/** A whole file. @param {string} path */
export async function bytesOf(path) {
    return readFile(path).catch((error) => {
        throw new BertError('FETCH_FAILED', `${path}: cannot be read (${error.code})`, {
            cause: error,
        });
    });
}
