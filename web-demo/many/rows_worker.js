/**
 * The rows, on a thread of their own: read from a file, sorted, filtered, counted and written
 * there, however many they are. The page's thread has copies of what it shows.
 */

import { answerCalls } from '../files/calls.js';
import { readDays } from '../files/dates.js';
import { DELIMITERS } from '../files/formats.js';
import { guessColumns } from '../files/guess_columns.js';
import { textOf } from '../files/parse_rows.js';
import { readFile } from '../files/read_file.js';
import { EMPTY, NONE } from './marks.js';
import { orderOf } from './order.js';
import { summaryOf } from './summary.js';
import { writeFile } from './write_file.js';

/** Rows in a message: few enough that taking it holds the page up for a few milliseconds. */
const PIECE = 4000;

/** The most texts that a search by meaning shows. */
const MOST_ALIKE = 200;

/** @type {import('../files/parse_rows.js').Parsed} */
let parsed;

/** @type {import('./order.js').Data} */
let data;

/** By row, the first row with the same text. @type {Uint32Array} */
let same;

/** Vectors of the texts, each text once. */
const vectors = { rows: new Uint32Array(), data: new Int8Array(), d: 0, n: 0 };

/** @typedef {(progress: any) => void} Report */

const METHODS = {
    /**
     * @param {Parameters<typeof readFile>[0]} request
     * @param {Report} report  of what is done, 0 to 1
     */
    async parse(request, report) {
        const { encoding, ...rest } = await readFile(request, report);
        parsed = rest;
        const { names, n, notes } = parsed;
        return {
            names,
            n,
            notes,
            encoding,
            format: parsed.format,
            has_header: parsed.has_header,
            guess: guessColumns(parsed),
        };
    },

    /**
     * Which columns are meant: their cells are reported in pieces.
     * @param {object} request
     * @param {number} request.text
     * @param {number} request.group
     * @param {number} request.date
     * @param {'day' | 'month'} [request.first]
     * @param {boolean} request.is_kept  the texts are the same as before, and so are the results
     * @param {Report} report
     */
    choose({ text, group, date, first, is_kept }, report) {
        const { n, columns } = parsed;
        const texts = columns[text].map(textOf);
        const dates = date < 0 ? [] : columns[date].map(textOf);
        const found = readDays(dates, first);
        /** @type {Map<string, number>} */
        const codes = new Map();
        const groups = new Uint32Array(n);
        if (group >= 0) {
            for (let row = 0; row < n; row++) {
                const name = textOf(columns[group][row]);
                const code = codes.get(name) ?? codes.size;
                if (code === codes.size) codes.set(name, code);
                groups[row] = code;
            }
        }
        /** @type {Map<string, number>} */
        const firsts = new Map();
        same = new Uint32Array(n);
        const flags = new Uint8Array(n);
        let n_characters = 0;
        let n_unique = 0;
        for (let row = 0; row < n; row++) {
            const own = texts[row];
            if (own.trim() === '') flags[row] = EMPTY;
            const before = firsts.get(own);
            same[row] = before ?? row;
            if (before !== undefined) continue;
            firsts.set(own, row);
            if (flags[row] & EMPTY) continue;
            n_unique++;
            n_characters += own.length;
        }
        const columns_of_it = {
            groups,
            group_names: [...codes.keys()],
            days: date < 0 ? new Float64Array(n).fill(NaN) : found.days,
            ranks: {},
        };
        if (is_kept) {
            Object.assign(data, columns_of_it);
        } else {
            data = {
                ...columns_of_it,
                n,
                texts,
                label_names: [],
                labels: new Uint16Array(n).fill(NONE),
                scores: new Float64Array(n).fill(NaN),
                hand: new Uint16Array(n).fill(NONE),
                flags,
                alike: null,
            };
            METHODS.forgetVectors();
        }
        for (let from = 0; from < n; from += PIECE) {
            report({
                texts: texts.slice(from, from + PIECE),
                dates: dates.slice(from, from + PIECE),
            });
        }
        return {
            groups,
            group_names: data.group_names,
            same,
            flags,
            n_unique,
            n_characters,
            ambiguous: found.ambiguous,
            is_day_first: found.is_day_first,
            n_bad_dates: found.n_bad,
        };
    },

    /** A model begins: its labels, and no results yet. @param {{label_names: string[]}} request */
    begin({ label_names }) {
        data.label_names = label_names;
        data.labels.fill(NONE);
        data.scores.fill(NaN);
        data.hand.fill(NONE);
        for (let row = 0; row < data.n; row++) data.flags[row] &= EMPTY;
    },

    /**
     * @param {{from: number, labels: Uint16Array, scores: Float64Array, flags: Uint8Array}} request
     */
    take({ from, labels, scores, flags }) {
        data.labels.set(labels, from);
        data.scores.set(scores, from);
        data.flags.set(flags, from);
    },

    /** @param {{row: number, label: number}} request */
    correct({ row, label }) {
        data.hand[row] = label;
    },

    /** @param {import('./order.js').Order} how */
    order(how) {
        return orderOf(data, how);
    },

    summary() {
        return summaryOf(data);
    },

    /**
     * Vectors of the next of the different texts.
     * @param {{numbers: Int8Array, d: number}} request
     */
    addVectors({ numbers, d }) {
        if (vectors.d !== d) {
            vectors.rows = Uint32Array.from(
                [...same.keys()].filter((row) => same[row] === row && !(data.flags[row] & EMPTY)),
            );
            vectors.data = new Int8Array(vectors.rows.length * d);
            vectors.d = d;
            vectors.n = 0;
        }
        vectors.data.set(numbers, vectors.n * d);
        vectors.n += numbers.length / d;
    },

    /** Another model makes them from now on. */
    forgetVectors() {
        Object.assign(vectors, { rows: new Uint32Array(), data: new Int8Array(), d: 0, n: 0 });
    },

    /**
     * Which texts mean what a query does; null: all rows are shown again.
     * @param {{query: Int8Array | null}} request
     * @returns {Promise<Map<number, number> | null>}  by row, how like the query it is
     */
    async search({ query }) {
        if (!query) {
            data.alike = null;
            return null;
        }
        const { semanticSearch } = await import('bert-wasm');
        const { d, n } = vectors;
        const corpus = { dims: [n, d], data: vectors.data.subarray(0, n * d) };
        const found = await semanticSearch(
            { dims: /** @type {[number]} */ ([d]), data: query },
            corpus,
            {
                top_k: Math.min(n, MOST_ALIKE),
            },
        );
        const scores = new Map(
            found.map(({ corpus_id, score }) => [vectors.rows[corpus_id], score]),
        );
        data.alike = new Map();
        for (let row = 0; row < data.n; row++) {
            const score = scores.get(same[row]);
            if (score !== undefined) data.alike.set(row, score);
        }
        return data.alike;
    },

    /**
     * @param {{kind: import('./write_file.js').Kind, rows: Uint32Array | null}} request
     */
    write({ kind, rows }) {
        const { names, columns, format } = parsed;
        // A list that came with semicolons comes from where spreadsheets expect them.
        const delimiter = format === 'semicolon' ? DELIMITERS.semicolon : DELIMITERS.comma;
        return writeFile({ kind, names, columns, data, rows, delimiter });
    },
};

answerCalls(METHODS);
