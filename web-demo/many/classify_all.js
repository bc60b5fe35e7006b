/**
 * All texts through a model, in slices: two are under way, so that the model never waits for the
 * page. Slices are small: progress is smooth, other views of the page wait for one at most, and the
 * results are the same in any.
 */

import { CUT, EMPTY, FAILED, NONE } from './marks.js';

/** Texts and characters of a slice, about, and rows, where many are equal. */
const MOST_TEXTS = 128;
const MOST_CHARACTERS = 16_384;
const MOST_ROWS = 4096;

const SLICES = 2;

/** Milliseconds that the rate is counted over. */
const RATE_OVER = 4000;

/**
 * @typedef {object} Slice
 * @property {number} from
 * @property {number} to
 * @property {number[]} rows  those that are computed: each text once
 * @property {number} n_characters
 * @property {Promise<any[]>} answers
 */

export class ClassifyAll {
    #rows;
    #classify;
    #ontake;
    #abort = new AbortController();

    /** @type {{resume: () => void, until: Promise<void>} | null} */
    #pause = null;

    /** Milliseconds of work, pauses apart. */
    #spent = 0;
    #began = performance.now();

    /** Of the last seconds. @type {{at: number, n: number, n_characters: number}[]} */
    #taken = [];

    /** Characters that are computed, each text once. */
    n_characters = 0;
    n_begun;

    /**
     * @param {import('./rows.js').Rows} rows
     * @param {(texts: string[], options: any) => Promise<any[]>} classify  the pipeline
     * @param {() => void} ontake  called after each slice
     */
    constructor(rows, classify, ontake) {
        this.#rows = rows;
        this.#classify = classify;
        this.#ontake = ontake;
        this.n_begun = rows.n_done;
        for (let row = 0; row < rows.n_done; row++) {
            if (rows.same[row] === row) this.n_characters += rows.texts[row].length;
        }
    }

    /** Resolves when all rows are done; rejects when it is cancelled or fails. */
    async run() {
        const { n } = this.#rows;
        const { signal } = this.#abort;
        const aborted = new Promise((_, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        });
        aborted.catch(() => {});
        /** @type {Slice[]} */
        const under_way = [];
        let at = this.#rows.n_done;
        try {
            for (;;) {
                if (this.#pause && under_way.length === 0) {
                    await Promise.race([this.#pause.until, aborted]);
                }
                while (!this.#pause && under_way.length < SLICES && at < n) {
                    const slice = this.#next(at);
                    under_way.push(slice);
                    at = slice.to;
                }
                const [slice] = under_way;
                if (!slice) {
                    if (at >= n) return;
                    continue;
                }
                const answers = await Promise.race([slice.answers, aborted]);
                signal.throwIfAborted();
                under_way.shift();
                this.#take(slice, /** @type {any[]} */ (answers));
                this.#ontake();
            }
        } catch (error) {
            this.#abort.abort(); // what else is under way has no use
            throw error;
        }
    }

    pause() {
        if (this.#pause) return;
        let resume = () => {};
        const until = new Promise((/** @type {(value: void) => void} */ resolve) => {
            resume = resolve;
        });
        this.#pause = { resume, until };
        this.#spent += performance.now() - this.#began;
        this.#taken = [];
    }

    resume() {
        if (!this.#pause) return;
        this.#pause.resume();
        this.#pause = null;
        this.#began = performance.now();
    }

    cancel() {
        this.#abort.abort();
    }

    /** Seconds of work. */
    get seconds() {
        const running = this.#pause ? 0 : performance.now() - this.#began;
        return (this.#spent + running) / 1000;
    }

    /** Texts a second and seconds left, of the last seconds; null: nothing can be said yet. */
    get pace() {
        const taken = this.#taken;
        if (taken.length < 2) return null;
        const [first] = taken;
        const seconds = (performance.now() - first.at) / 1000;
        const n = taken.reduce((sum, each) => sum + each.n, 0) - first.n;
        const n_characters = taken.reduce((sum, each) => sum + each.n_characters, 0);
        const rate = (n_characters - first.n_characters) / seconds;
        const left = this.#rows.facts.n_characters - this.n_characters;
        return seconds > 0 && rate > 0
            ? { rate: n / seconds, left: Math.max(0, left / rate) }
            : null;
    }

    /** @param {number} from @returns {Slice} */
    #next(from) {
        const { n, texts, same, flags } = this.#rows;
        /** @type {number[]} */
        const rows = [];
        let n_characters = 0;
        let to = from;
        while (
            to < n &&
            to < from + MOST_ROWS &&
            rows.length < MOST_TEXTS &&
            n_characters < MOST_CHARACTERS
        ) {
            if (same[to] === to && !(flags[to] & EMPTY)) {
                rows.push(to);
                n_characters += texts[to].length;
            }
            to++;
        }
        const answers =
            rows.length === 0
                ? Promise.resolve([])
                : this.#classify(
                      rows.map((row) => texts[row]),
                      { signal: this.#abort.signal, errors: 'return' },
                  );
        answers.catch(() => {}); // it is awaited later
        return { from, to, rows, n_characters, answers };
    }

    /** @param {Slice} slice @param {any[]} answers */
    #take({ from, to, rows, n_characters }, answers) {
        const { same, labels, scores, flags, errors, label_names } = this.#rows;
        for (const [i, row] of rows.entries()) {
            const answer = answers[i];
            if (answer instanceof Error) {
                flags[row] |= FAILED;
                errors.set(row, answer.message);
                continue;
            }
            const label = label_names.indexOf(answer.label);
            labels[row] = label < 0 ? NONE : label;
            scores[row] = answer.score;
            if (answer.truncated) flags[row] |= CUT;
        }
        for (let row = from; row < to; row++) {
            const first = same[row];
            if (first === row || flags[row] & EMPTY) continue;
            labels[row] = labels[first];
            scores[row] = scores[first];
            flags[row] |= flags[first];
        }
        this.#rows.took(to);
        this.n_characters += n_characters;
        const at = performance.now();
        this.#taken.push({ at, n: to - from, n_characters });
        while (this.#taken.length > 2 && this.#taken[0].at < at - RATE_OVER) this.#taken.shift();
    }
}
