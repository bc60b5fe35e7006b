/** Labelled examples, as evaluate() takes them, from the files that people have. */

import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';

import { BertError, describe } from '../errors.js';
import { jsonLines, readLines, toRecords } from './records.js';

/**
 * @typedef {object} Example
 * @property {Record<string, any>} example
 * @property {string} where  it stands, for messages: file:line, or the id of a question
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

/** Of files whose extension says nothing. @type {Record<string, string>} */
const USUAL = {
    'text-classification': 'tsv',
    'token-classification': 'conll',
    similarity: 'tsv',
    'feature-extraction': 'tsv',
};

/**
 * @param {string} file  `-` is standard input, but for SQuAD
 * @param {string} task
 * @param {string} [format]  default by extension, else what is usual for the task
 * @returns {Promise<Example[]>}
 * @throws {BertError} BAD_INPUT  saying which line
 */
export async function readExamples(
    file,
    task,
    format = EXTENSIONS[extname(file).toLowerCase()] ?? USUAL[task] ?? 'jsonl',
) {
    const examples = [];
    for await (const example of READERS[format](file)) examples.push(example);
    if (examples.length === 0) {
        throw new BertError('BAD_INPUT', `${file}: there are no rows (read as ${format})`);
    }
    return examples;
}

/** @param {string} file */
async function* readJSONL(file) {
    for await (const { value, where } of jsonLines(file)) yield { example: value, where };
}

/**
 * What cells are, by column; others are texts.
 * @type {Record<string, (cell: string) => unknown>}
 */
const CELLS = {
    score: (cell) =>
        cell.trim() === '' || !Number.isFinite(Number(cell)) ? undefined : Number(cell),
    labels: (cell) =>
        cell
            .split(',')
            .map((label) => label.trim())
            .filter(Boolean),
    is_next: (cell) => ({ true: true, 1: true, false: false, 0: false })[cell.toLowerCase()],
};

/**
 * A header and rows; of `text` and `sentence` either is the text.
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
                    `${file}:1: expected the header sentence<TAB>label, ` +
                        `or one with a column text, got ${Object.keys(value).join(', ')}`,
                );
            }
            const rest = Object.entries(cells).map(([name, cell]) => {
                const read = Object.hasOwn(CELLS, name) ? CELLS[name](cell) : cell;
                if (read === undefined) {
                    throw new BertError(
                        'BAD_INPUT',
                        `${where}: ${name} is ${JSON.stringify(cell)}`,
                    );
                }
                return [name, read];
            });
            yield { example: { text, ...Object.fromEntries(rest) }, where };
        }
    }
}

/**
 * A token a line, its tag in the last column; an empty line ends a sentence.
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
                    `${where}: ${JSON.stringify(text)} has no tag: expected a token, ` +
                        'white space and its tag',
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
            `${file}: no JSON: ${/** @type {Error} */ (error).message}`,
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
            `${where}: ${name} is ${describe(items)}, expected an array of objects as in ` +
                "SQuAD's files",
        );
    }
    return items;
}
