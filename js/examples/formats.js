/** Labelled examples, as evaluate() takes them, in the files that people have. */

import { BertError, describe } from '../errors.js';
import { jsonLines, toRecords } from './records.js';

/** @typedef {AsyncIterable<import('./records.js').Line[]>} Lines */

/**
 * @typedef {object} LocatedExample
 * @property {Record<string, any>} example
 * @property {string} where  for messages: file:line, or the id of a question
 */

/**
 * Formats that have lines; that of SQuAD has none.
 * @type {Record<string, (lines: Lines, name: string) => AsyncIterable<LocatedExample>>}
 */
export const LINE_FORMATS = { jsonl: readJSONL, tsv: readTable, conll: readCoNLL };

/** @param {Lines} lines */
async function* readJSONL(lines) {
    for await (const { value, where } of jsonLines(lines)) yield { example: value, where };
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
 * @param {Lines} lines
 * @param {string} name
 */
async function* readTable(lines, name) {
    for await (const records of toRecords(lines, 'tsv')) {
        for (const { value, where, error } of records) {
            if (error) throw error;
            const { sentence, text = sentence, ...cells } = value;
            if (text === undefined) {
                throw new BertError(
                    'BAD_INPUT',
                    `${name}:1: the header must be sentence<TAB>label, or have a column text, ` +
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
 * @param {Lines} lines
 */
async function* readCoNLL(lines) {
    /** @type {{example: {tokens: string[], tags: string[]}, where: string} | null} */
    let sentence = null;
    for await (const piece of lines) {
        for (const { text, where, error } of piece) {
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
 * @param {string} content  of a file
 * @param {string} name  of it
 * @returns {Iterable<LocatedExample>}
 */
export function* readSQuAD(content, name) {
    let read;
    try {
        read = JSON.parse(content);
    } catch (error) {
        throw new BertError(
            'BAD_INPUT',
            `${name} is not valid JSON: ${/** @type {Error} */ (error).message}`,
            { cause: error },
        );
    }
    for (const [d, article] of list(read, 'data', name).entries()) {
        const inArticle = `${name}: data[${d}]`;
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
