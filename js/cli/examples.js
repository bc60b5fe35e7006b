/** Labelled examples, as evaluate() takes them, from the files that people have. */

import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';

import { BertError, describe } from '../errors.js';
import { jsonLines, readLines, toRecords } from './records.js';

/**
 * @typedef {object} Example
 * @property {Record<string, any>} example
 * @property {string} where  for messages: file:line, or the id of a question
 */

/** @type {Record<string, (file: string) => AsyncIterable<Example>>} */
const READERS = { jsonl: readJSONL, tsv: readTable, conll: readCoNLL, squad: readSQuAD };

export const EXAMPLE_FORMATS = Object.keys(READERS);

/** @type {Record<string, string>} */
const EXTENSIONS = {
    '.jsonl': 'jsonl',
    '.ndjson': 'jsonl',
    '.tsv': 'tsv',
    '.conll': 'conll',
    '.iob': 'conll',
    '.bio': 'conll',
    '.json': 'squad',
};

/**
 * @param {string} file  `-` is standard input, but for SQuAD
 * @param {string} [format]  default by extension, else the usual one
 * @param {string} [usual]  for the task
 * @returns {Promise<Example[]>}
 * @throws {BertError} BAD_INPUT  saying which line
 */
export async function readExamples(file, format, usual = 'jsonl') {
    const read = format ?? EXTENSIONS[extname(file).toLowerCase()] ?? usual;
    const examples = [];
    for await (const example of READERS[read](file)) examples.push(example);
    if (examples.length === 0) {
        throw new BertError('BAD_INPUT', `${file}: there are no rows (read as ${read})`);
    }
    return examples;
}

/** @param {string} file */
async function* readJSONL(file) {
    for await (const { value, where } of jsonLines(file)) yield { example: value, where };
}

/**
 * How the cells of a column are read, and what they must be; those of other columns are texts.
 * @type {Record<string, {read: (cell: string) => unknown, form: string}>}
 */
const CELLS = {
    score: {
        read: (cell) =>
            cell.trim() === '' || !Number.isFinite(Number(cell)) ? undefined : Number(cell),
        form: 'a number',
    },
    labels: {
        read: (cell) =>
            cell
                .split(',')
                .map((label) => label.trim())
                .filter(Boolean),
        form: 'labels with commas between them',
    },
    is_next: {
        read: (cell) => ({ true: true, 1: true, false: false, 0: false })[cell.toLowerCase()],
        form: 'true or false',
    },
};

/**
 * A header and rows; the text is in a column `text` or `sentence`.
 * @param {string} file
 */
async function* readTable(file) {
    for await (const records of toRecords(readLines(file), 'tsv')) {
        for (const { value, where, error } of records) {
            if (error) throw error;
            const { sentence, text = sentence, ...cells } = value;
            if (text === undefined) {
                throw new BertError(
                    'BAD_INPUT',
                    `${file}:1: the header must be sentence<TAB>label, or have a column text, ` +
                        `not ${Object.keys(value).join(', ')}`,
                );
            }
            const rest = Object.entries(cells).map(([name, cell]) => {
                if (!Object.hasOwn(CELLS, name)) return [name, cell];
                const { read, form } = CELLS[name];
                const cell_value = read(cell);
                if (cell_value === undefined) {
                    throw new BertError(
                        'BAD_INPUT',
                        `${where}: ${name} must be ${form}, not ${JSON.stringify(cell)}`,
                    );
                }
                return [name, cell_value];
            });
            yield { example: { text, ...Object.fromEntries(rest) }, where };
        }
    }
}

/**
 * A token on each line, its tag in the last column; an empty line ends a sentence.
 * @param {string} file
 */
async function* readCoNLL(file) {
    /** @type {{example: {tokens: string[], tags: string[]}, where: string} | null} */
    let sentence = null;
    for await (const lines of readLines(file)) {
        for (const { text, where, error } of lines) {
            if (error) throw error;
            const columns = text.trim().split(text.includes('\t') ? '\t' : / +/);
            if (text.trim() === '' || columns[0] === '-DOCSTART-') {
                if (sentence) yield sentence;
                sentence = null;
                continue;
            }
            if (columns.length < 2) {
                throw new BertError(
                    'BAD_INPUT',
                    `${where}: a line must be a token, white space and its tag, ` +
                        `not ${JSON.stringify(text)}`,
                );
            }
            sentence ??= { example: { tokens: [], tags: [] }, where };
            sentence.example.tokens.push(columns[0]);
            sentence.example.tags.push(columns[columns.length - 1]);
        }
    }
    if (sentence) yield sentence;
}

/**
 * SQuAD 1.1 and 2.0.
 * @param {string} file
 */
async function* readSQuAD(file) {
    let content;
    try {
        content = await readFile(file, 'utf8');
    } catch (error) {
        const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
        throw new BertError('FETCH_FAILED', `${file}: cannot be read (${code ?? message})`, {
            cause: error,
        });
    }
    let read;
    try {
        read = JSON.parse(content);
    } catch (error) {
        throw new BertError(
            'BAD_INPUT',
            `${file} is not valid JSON: ${/** @type {Error} */ (error).message}`,
            { cause: error },
        );
    }
    for (const [d, article] of list(read, 'data', file).entries()) {
        const inArticle = `${file}: data[${d}]`;
        for (const [p, paragraph] of list(article, 'paragraphs', inArticle).entries()) {
            const inParagraph = `${inArticle}.paragraphs[${p}]`;
            for (const [q, { question, id, answers, is_impossible }] of list(
                paragraph,
                'qas',
                inParagraph,
            ).entries()) {
                const where = `${inParagraph}.qas[${q}]${id === undefined ? '' : ` (${id})`}`;
                yield {
                    example: {
                        question,
                        context: paragraph.context,
                        answers: is_impossible ? [] : answers,
                    },
                    where,
                };
            }
        }
    }
}

/**
 * @param {any} parent
 * @param {string} name
 * @param {string} where
 * @returns {any[]}  of objects
 */
function list(parent, name, where) {
    const items = parent?.[name];
    if (!Array.isArray(items) || items.some((one) => typeof one !== 'object' || one === null)) {
        throw new BertError(
            'BAD_INPUT',
            `${where}: ${name} must be an array of objects, as in SQuAD's files, ` +
                `not ${describe(items)}`,
        );
    }
    return items;
}
