/** From text to columns of cells: tables with any delimiter, JSON lines, or a text a line. */

import Papa from 'papaparse';

import { inUnits, inWhole } from '../shell/format.js';
import { parseDay } from './dates.js';
import { DELIMITERS } from './formats.js';
import { Refusal } from './refusal.js';

/** Characters that papaparse reads between two reports. */
const CHUNK = 1 << 20;

/** Characters of the beginning that guesses are made from. */
const HEAD = 1 << 16;

/** The most columns and rows that are kept: of more, browsers could not scroll through all. */
const MOST_COLUMNS = 500;
const MOST_ROWS = 200_000;

/**
 * @typedef {object} Parsed
 * @property {string[]} names  of the columns
 * @property {unknown[][]} columns  cells, of each column
 * @property {number} n  rows
 * @property {string} format  of formats.js
 * @property {boolean} has_header
 * @property {string[]} notes  what the reader should know
 */

/**
 * @param {string} text
 * @param {object} how
 * @param {string} how.name  of the file
 * @param {string} [how.format]  of formats.js; default: guessed
 * @param {boolean} [how.has_header]  default: guessed
 * @param {(share: number) => void} how.onprogress
 * @returns {Parsed}
 */
export function parseRows(text, { name, format: wanted, has_header, onprogress }) {
    // Excel writes its delimiter into the first line, where it is asked to.
    const [sep, named] = /^sep=(.)\r?\n/.exec(text) ?? ['', ''];
    const body = text.slice(sep.length);
    const byName = Object.keys(DELIMITERS).find((key) => DELIMITERS[key] === named);
    const format = wanted ?? byName ?? guessFormat(body, name);
    const parsed =
        format === 'jsonl'
            ? parseJSON(body, onprogress)
            : format === 'lines'
              ? parseLines(body, has_header, !wanted && /\.csv$/i.test(name))
              : parseTable(body, format, has_header, onprogress);
    if (parsed.n === 0) {
        throw new Refusal('There are no rows in it.', 'Choose another file.');
    }
    return { ...parsed, format };
}

// --- guesses ------------------------------------------------------------------------------------

/** @param {string} text @param {string} name */
export function guessFormat(text, name) {
    const [, extension = ''] = /\.(\w+)$/.exec(name.toLowerCase()) ?? [];
    if (['jsonl', 'ndjson', 'json'].includes(extension)) return 'jsonl';
    if (extension === 'tsv' || extension === 'tab') return 'tab';
    const head = headOf(text);
    const [first = ''] = head.trimStart().split('\n', 1);
    if (first.startsWith('{') && isJSON(first)) return 'jsonl';
    const is_table = extension === 'csv' && !isBareList(head);
    /** The most alike rows, and of these the most cells. */
    let best = { format: is_table ? 'comma' : 'lines', rank: 0 };
    for (const [format, delimiter] of Object.entries(DELIMITERS)) {
        const rows = /** @type {string[][]} */ (
            Papa.parse(head, { delimiter, preview: 100, skipEmptyLines: true }).data
        );
        const n_cells = rows[0]?.length ?? 0;
        if (n_cells < 2) continue;
        const alike = rows.filter((row) => row.length === n_cells).length / rows.length;
        // Sentences have commas, too: what is not called a table must look like one.
        const looksSo = rows.length > 1 && alike > 0.95 && (format === 'tab' || isHeader(rows));
        if (!is_table && !looksSo) continue;
        const rank = alike * 10 + Math.min(n_cells, 9) / 10;
        if (rank > best.rank) best = { format, rank };
    }
    return best.format;
}

/**
 * Whether a file that is called a table has one column without quotes: then a comma is a comma.
 * @param {string} head
 */
function isBareList(head) {
    const lines = head.split(/\r\n|\n|\r/).filter((line) => line.trim() !== '');
    const isOne = (/** @type {string} */ line) => !/[,;\t|"]/.test(line);
    return (
        lines.length > 1 &&
        isOne(lines[0]) &&
        lines.some((line) => /,/.test(line)) &&
        !lines.some((line) => line.startsWith('"'))
    );
}

/** The first characters, up to a line's end. @param {string} text */
function headOf(text) {
    if (text.length <= HEAD) return text;
    const head = text.slice(0, HEAD);
    return head.slice(0, Math.max(head.lastIndexOf('\n'), head.lastIndexOf('\r')) + 1) || head;
}

/** @param {string} line */
function isJSON(line) {
    try {
        return typeof JSON.parse(line) === 'object';
    } catch {
        return false;
    }
}

const HEADERS =
    /^(id|no|nr|text|texts|comments?|reviews?|sentences?|messages?|feedback|answers?|body|content)$/i;

/**
 * Whether the first row names the columns.
 * @param {unknown[][]} rows  the first ones
 */
export function isHeader(rows) {
    const [first, ...others] = rows.map((row) => row.map(String));
    if (others.length === 0) return false;
    const isValue = (/** @type {string} */ cell) =>
        /^[-+]?[\d.,]+ ?%?$/.test(cell.trim()) || !Number.isNaN(parseDay(cell, true));
    if (first.some((cell) => cell.length > 60 || isValue(cell))) return false;
    if (new Set(first).size < first.length || first.every((cell) => !cell.trim())) return false;
    if (first.some((cell) => HEADERS.test(cell.trim()))) return true;
    // A column of values with a word on top, or one of sentences with a short name.
    return first.some((name, i) => {
        const cells = others.map((row) => row[i] ?? '').filter((cell) => cell.trim());
        if (cells.length === 0) return false;
        if (name && cells.every(isValue)) return true;
        const mean = cells.reduce((sum, cell) => sum + cell.length, 0) / cells.length;
        return name.length <= 30 && !/[.!?]$/.test(name.trim()) && mean > 2 * name.length;
    });
}

// --- readers ------------------------------------------------------------------------------------

/**
 * @param {string} text
 * @param {string} format
 * @param {boolean | undefined} wanted
 * @param {(share: number) => void} onprogress
 * @returns {Omit<Parsed, 'format'>}
 */
function parseTable(text, format, wanted, onprogress) {
    const read = (/** @type {boolean} */ fastMode) => readTable(text, format, fastMode, onprogress);
    let table = read(false);
    const notes = [];
    if (format === 'tab' && table.n_quotes > 0) {
        // Many programs write tabs without any quoting: there a quote is a quote.
        table = read(true);
        notes.push('Quotation marks are read as part of the texts.');
    } else if (table.n_quotes > 0) {
        notes.push(
            `In ${inUnits(table.n_quotes, 'place')} quotation marks do not match: look at the ` +
                'rows there.',
        );
    }
    const { columns } = table;
    const rows = Array.from({ length: Math.min(table.n, 100) }, (_, i) =>
        columns.map((column) => column[i]),
    );
    const has_header = wanted ?? isHeader(rows);
    const names = namesOf(has_header ? columns.map((column) => column[0]) : [], columns.length);
    if (has_header) for (const column of columns) column.shift();
    if (table.n_ragged > 0) {
        notes.push(
            `${inUnits(table.n_ragged, 'row')} with another number of cells than the first.`,
        );
    }
    if (table.is_cut) notes.push(`Only the first ${inWhole(MOST_ROWS)} rows are read.`);
    return { names, columns, n: table.n - Number(has_header), has_header, notes };
}

/**
 * @param {string} text
 * @param {string} format
 * @param {boolean} fastMode  of papaparse: there are no quotes
 * @param {(share: number) => void} onprogress
 */
function readTable(text, format, fastMode, onprogress) {
    /** @type {string[][]} */
    const columns = [];
    let [n, n_cells, n_ragged, n_quotes] = [0, 0, 0, 0];
    let is_cut = false;
    const config = {
        delimiter: DELIMITERS[format],
        ...(fastMode ? { fastMode } : {}),
        skipEmptyLines: true,
        chunkSize: CHUNK,
        chunk: (
            /** @type {Papa.ParseResult<string[]>} */ { data, errors, meta },
            /** @type {Papa.Parser} */ parser,
        ) => {
            n_quotes += errors.filter(({ type }) => type === 'Quotes').length;
            for (const row of data) {
                if (n === 0) n_cells = row.length;
                else if (row.length !== n_cells) n_ragged++;
                while (columns.length < Math.min(row.length, MOST_COLUMNS)) {
                    columns.push(new Array(n).fill(''));
                }
                for (const [i, column] of columns.entries()) column.push(row[i] ?? '');
                if (++n > MOST_ROWS) {
                    is_cut = true;
                    parser.abort();
                    return;
                }
            }
            onprogress(meta.cursor / text.length);
        },
    };
    Papa.parse(text, /** @type {any} */ (config));
    return { columns, n, n_ragged, n_quotes, is_cut };
}

/** Every name once, none empty. @param {string[]} given @param {number} n */
function namesOf(given, n) {
    /** @type {string[]} */
    const names = [];
    for (let i = 0; i < n; i++) {
        const name = (given[i] ?? '').trim() || (n === 1 ? 'text' : `column ${i + 1}`);
        let own = name;
        for (let k = 2; names.includes(own); k++) own = `${name} (${k})`;
        names.push(own);
    }
    return names;
}

/**
 * @param {string} text
 * @param {boolean | undefined} wanted
 * @param {boolean} is_table  by its name: then it may have a header
 * @returns {Omit<Parsed, 'format'>}
 */
function parseLines(text, wanted, is_table) {
    const lines = text.split(/\r\n|\n|\r/).filter((line) => line.trim() !== '');
    const is_cut = lines.length > MOST_ROWS;
    if (is_cut) lines.length = MOST_ROWS;
    const first = lines.slice(0, 100).map((line) => [line]);
    const has_header = wanted ?? (is_table && isHeader(first));
    return {
        names: namesOf(has_header ? lines.splice(0, 1) : [], 1),
        columns: [lines],
        n: lines.length,
        has_header,
        notes: is_cut ? [`Only the first ${inWhole(MOST_ROWS)} lines are read.`] : [],
    };
}

/**
 * Objects, a line each, or an array of them. Values stay what they are.
 * @param {string} text
 * @param {(share: number) => void} onprogress
 * @returns {Omit<Parsed, 'format'>}
 */
function parseJSON(text, onprogress) {
    /** @type {Map<string, unknown[]>} */
    const columns = new Map();
    let n = 0;
    let n_bad = 0;
    const add = (/** @type {unknown} */ value) => {
        const record = typeof value === 'object' && value !== null ? value : { text: value };
        for (const [name, cell] of Object.entries(record)) {
            let column = columns.get(name);
            if (!column) {
                if (columns.size === MOST_COLUMNS) continue;
                columns.set(name, (column = new Array(n).fill(undefined)));
            }
            column[n] = cell;
        }
        n++;
    };
    const array = text.trimStart().startsWith('[') ? parsed(text) : undefined;
    if (Array.isArray(array)) {
        for (const value of array.slice(0, MOST_ROWS)) add(value);
    } else {
        let at = 0;
        while (at < text.length && n < MOST_ROWS) {
            const found = text.indexOf('\n', at);
            const end = found < 0 ? text.length : found;
            const line = text.slice(at, end).trim();
            at = end + 1;
            if (!line) continue;
            const value = parsed(line);
            if (value === undefined) n_bad++;
            add(value === undefined ? {} : value);
            if (n % 5000 === 0) onprogress(at / text.length);
        }
        if (n_bad === n && n > 0) {
            throw new Refusal(
                'No line of it is JSON.',
                'JSON is read an object a line, {"text": "…"}, or as an array of objects.',
            );
        }
    }
    for (const column of columns.values()) column.length = n;
    return {
        names: [...columns.keys()],
        columns: [...columns.values()],
        n: columns.size === 0 ? 0 : n,
        has_header: true,
        notes: n_bad ? [`${inUnits(n_bad, 'line')} without JSON: empty rows.`] : [],
    };
}

/** @param {string} json @returns {unknown} undefined if it is none */
function parsed(json) {
    try {
        return JSON.parse(json);
    } catch {
        return undefined;
    }
}

/** A cell as a text. @param {unknown} cell @returns {string} */
export function textOf(cell) {
    if (typeof cell === 'string') return cell;
    if (cell === undefined || cell === null) return '';
    return typeof cell === 'object' ? JSON.stringify(cell) : String(cell);
}
