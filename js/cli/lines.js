/**
 * What commands read: lines of a file or of standard input. They are passed on as soon as they are
 * read: a writer who waits for the answer to one line gets it.
 */

import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';

import { BertError, withPlace } from '../errors.js';

/** Bytes of a line, at most: a longer one is not a line, but a file of another kind. */
const MAX_LINE_BYTES = 64 << 20;

const NEWLINE = 10;

/** @typedef {import('../examples/records.js').Line} Line */

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

/** A whole file. @param {string} path */
export async function bytesOf(path) {
    return readFile(path).catch((error) => {
        throw new BertError('FETCH_FAILED', `${path}: cannot be read (${error.code})`, {
            cause: error,
        });
    });
}
