/** The rows as the page's thread has them: what is shown, and the worker that has the rest. */

import { Calls } from '../files/calls.js';
import { EMPTY, NONE } from './marks.js';

/**
 * @typedef {object} Source  what a file was found to be
 * @property {string[]} names  of its columns
 * @property {number} n
 * @property {string[]} notes
 * @property {string} encoding
 * @property {string} format
 * @property {boolean} has_header
 * @property {{text: number, group: number, date: number}} guess
 *
 * @typedef {object} Choice  of columns, by index; -1: none
 * @property {number} text
 * @property {number} group
 * @property {number} date
 * @property {'day' | 'month'} [first]  of dates that may be read in two ways
 */

export class Rows {
    #calls = new Calls(
        new Worker(new URL('./rows_worker.js', import.meta.url), { type: 'module' }),
    );

    /** What was given: it is read again where the guess was wrong. */
    name;
    blob;

    /** @type {Source} */
    source = {
        names: [],
        n: 0,
        notes: [],
        encoding: '',
        format: '',
        has_header: false,
        guess: { text: 0, group: -1, date: -1 },
    };

    /** @type {Choice} */
    choice = { text: 0, group: -1, date: -1 };

    /** What the columns were found to hold. */
    facts = {
        n_unique: 0,
        n_characters: 0,
        ambiguous: '',
        is_day_first: true,
        n_bad_dates: 0,
    };

    n = 0;
    texts = /** @type {string[]} */ ([]);
    dates = /** @type {string[]} */ ([]);
    groups = new Uint32Array();
    group_names = /** @type {string[]} */ ([]);
    same = new Uint32Array();

    /** Of the model that the results are of. */
    label_names = /** @type {string[]} */ ([]);
    labels = new Uint16Array();
    scores = new Float64Array();
    hand = new Uint16Array();
    flags = new Uint8Array();

    /** Why texts could not be classified, by row. @type {Map<number, string>} */
    errors = new Map();

    /** Rows before it are done. */
    n_done = 0;

    /** By row, how like a query its text is. @type {Map<number, number> | null} */
    alike = null;

    /** The model that the results are of. @type {any} */
    pipe = null;
    model_name = '';

    /** Seconds that it took. */
    seconds = 0;

    /** What has become of it. @type {'ready' | 'stopped' | 'full' | 'failed'} */
    phase = 'ready';

    /** Labels given by hand, the last one last. @type {{row: number, before: number}[]} */
    corrections = [];
    n_hand = 0;
    n_agreed = 0;

    /** Whether labels by hand are in a file. */
    is_saved = true;

    /** Texts whose vectors the worker has, and the model that made them. */
    n_vectors = 0;

    /** @type {any} */
    embed = null;

    /** @param {Blob} blob @param {string} name */
    constructor(blob, name) {
        this.blob = blob;
        this.name = name;
    }

    /**
     * @param {string} method  of rows_worker.js
     * @param {any} [request]
     * @param {(progress: any) => void} [onprogress]
     * @param {Transferable[]} [transfer]
     * @returns {Promise<any>}
     */
    call(method, request, onprogress, transfer = []) {
        return this.#calls.call(method, request, onprogress, transfer);
    }

    /**
     * Reads the file.
     * @param {{encoding?: string, format?: string, has_header?: boolean}} how
     * @param {(share: number) => void} onprogress
     */
    async parse(how, onprogress) {
        const { name, blob } = this;
        this.source = await this.call('parse', { name, blob, ...how }, onprogress);
        this.choice = { ...this.source.guess };
    }

    /**
     * Takes the columns that are meant. Results stay where the texts do.
     * @param {Choice} choice
     */
    async choose(choice) {
        const is_kept = this.n > 0 && choice.text === this.choice.text;
        const texts = /** @type {string[]} */ ([]);
        const dates = /** @type {string[]} */ ([]);
        const found = await this.call('choose', { ...choice, is_kept }, (piece) => {
            for (const text of piece.texts) texts.push(text);
            for (const date of piece.dates) dates.push(date);
        });
        const { groups, group_names, same, flags, ...facts } = found;
        const { n } = this.source;
        this.choice = choice;
        Object.assign(this, { n, texts, dates, groups, group_names, facts });
        if (is_kept) return;
        Object.assign(this, { same, flags });
        this.alike = null;
        this.n_vectors = 0;
        this.#clearResults([]);
    }

    /** A model begins. @param {string[]} label_names */
    begin(label_names) {
        this.#clearResults(label_names);
        return this.call('begin', { label_names });
    }

    /** @param {string[]} label_names */
    #clearResults(label_names) {
        this.label_names = label_names;
        this.labels = new Uint16Array(this.n).fill(NONE);
        this.scores = new Float64Array(this.n).fill(NaN);
        this.hand = new Uint16Array(this.n).fill(NONE);
        for (let row = 0; row < this.n; row++) this.flags[row] &= EMPTY;
        this.errors.clear();
        this.corrections = [];
        this.n_hand = 0;
        this.n_agreed = 0;
        this.is_saved = true;
        this.n_done = 0;
        this.seconds = 0;
        this.phase = 'ready';
    }

    /** Rows up to `to` are done: the worker is told. @param {number} to */
    took(to) {
        const from = this.n_done;
        this.n_done = to;
        this.call('take', {
            from,
            labels: this.labels.slice(from, to),
            scores: this.scores.slice(from, to),
            flags: this.flags.slice(from, to),
        });
    }

    /** @param {number} row @param {number} label  by hand; NONE takes it back */
    correct(row, label) {
        const count = (/** @type {1 | -1} */ by) => {
            if (this.hand[row] === NONE) return;
            this.n_hand += by;
            if (this.hand[row] === this.labels[row]) this.n_agreed += by;
        };
        count(-1);
        this.hand[row] = label;
        count(1);
        this.is_saved = this.n_hand === 0;
        this.call('correct', { row, label });
    }

    close() {
        this.#calls.close();
    }
}
