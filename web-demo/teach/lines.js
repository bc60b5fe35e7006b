/** The lines as the page's thread has them, with the labels that were given by hand. */

import { Calls } from '../files/calls.js';

/** Lines that a label needs, so that some are learned from and one is checked. */
export const NEEDED = 4;

/** Labels that a classifier here may have; more are a column of something else. */
export const MOST_LABELS = 100;

/** @typedef {{text: number, label: number}} Choice  of columns, by index; label -1: none has any */

/**
 * @typedef {object} Example
 * @property {string} text
 * @property {string} label
 */

export class Lines {
    #calls = new Calls(
        new Worker(new URL('./lines_worker.js', import.meta.url), { type: 'module' }),
    );

    /** What was given: it is read again where the guess was wrong. */
    blob;
    name;

    /** What the file was found to be. */
    source = {
        names: /** @type {string[]} */ ([]),
        notes: /** @type {string[]} */ ([]),
        encoding: '',
        format: '',
        has_header: false,
        guess: { text: 0, label: -1 },
    };

    /** @type {Choice} */
    choice = { text: 0, label: -1 };

    /** Each once. */
    texts = /** @type {string[]} */ ([]);

    /** See collect.js. */
    #given = new Int32Array();

    /** Labels: those of the file, the most frequent first, then those added by hand. */
    labels = /** @type {string[]} */ ([]);
    n_labels_given = 0;

    /** By text, its labels, where it has several. @type {Map<number, string[]>} */
    several = new Map();

    /** Of the file. */
    facts = { n_rows: 0, n_empty: 0, n_again: 0, is_part: false };

    /** By text, a label by hand. @type {Map<string, string>} */
    #hand = new Map();

    /** Whether labels by hand are in no file yet. */
    is_unsaved = false;

    /** @param {Blob} blob @param {string} name */
    constructor(blob, name) {
        this.blob = blob;
        this.name = name;
    }

    /**
     * Reads the file.
     * @param {import('../files/read_file.js').How} how
     * @param {(share: number) => void} onprogress
     */
    async parse(how, onprogress) {
        const { name, blob } = this;
        this.source = await this.#calls.call('parse', { name, blob, ...how }, onprogress);
        await this.choose(this.source.guess);
    }

    /** Takes the columns that are meant. @param {Choice} choice */
    async choose(choice) {
        /** @type {string[]} */
        const texts = [];
        const found = await this.#calls.call('choose', choice, (piece) => {
            for (const text of piece) texts.push(text);
        });
        const { given, labels, several, ...facts } = found;
        Object.assign(this, { choice: { ...choice }, texts, several, facts });
        this.#given = given;
        this.n_labels_given = labels.length;
        const known = new Set(texts);
        for (const text of this.#hand.keys()) if (!known.has(text)) this.#hand.delete(text);
        this.labels = [...new Set([...labels, ...this.#hand.values()])];
    }

    close() {
        this.#calls.close();
    }

    /** @param {number} i  of a text @returns {string | null}  null: it has none, or several */
    labelOf(i) {
        return this.#hand.get(this.texts[i]) ?? this.labels[this.#given[i]] ?? null;
    }

    /** Texts without a label, those with several first, whatever was given by hand. */
    undecided() {
        const found = [...this.texts.keys()].filter((i) => this.#given[i] < 0);
        return found.sort((a, b) => this.#given[a] - this.#given[b] || a - b);
    }

    /** @param {number} i  of a text @param {string | null} label  null takes it back */
    decide(i, label) {
        if (label === null) this.#hand.delete(this.texts[i]);
        else this.#hand.set(this.texts[i], label);
        this.is_unsaved = this.#hand.size > 0;
    }

    /** @param {string} label  @returns {boolean}  whether it is a new one */
    addLabel(label) {
        if (!label || this.labels.includes(label)) return false;
        this.labels.push(label);
        return true;
    }

    /** One that was added by hand, and that no line has. @param {string} label */
    removeLabel(label) {
        const at = this.labels.indexOf(label);
        if (at >= this.n_labels_given) this.labels.splice(at, 1);
    }

    /** How many lines have each label, in the order of the labels. */
    counts() {
        const counts = new Map(this.labels.map((label) => [label, 0]));
        for (let i = 0; i < this.texts.length; i++) {
            const label = this.labelOf(i);
            if (label !== null) counts.set(label, (counts.get(label) ?? 0) + 1);
        }
        return counts;
    }

    /** All that have a label. @returns {Example[]} */
    labelled() {
        return this.texts.flatMap((text, i) => {
            const label = this.labelOf(i);
            return label === null ? [] : [{ text, label }];
        });
    }

    /** What is learned from: labels with too few lines are left out. */
    examples() {
        const counts = this.counts();
        return this.labelled().filter(({ label }) => (counts.get(label) ?? 0) >= NEEDED);
    }
}
