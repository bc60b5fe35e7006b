/**
 * How fast the page's own model is here. Each cell is the median of some rounds after a warm-up:
 * JavaScript engines make WebAssembly faster while it already runs. Two copies of the model, one
 * after the other: one thread, and all.
 *
 * @typedef {object} Cell  what was measured
 * @property {number} n_tokens  of a text
 * @property {number} n_texts  that are computed together
 * @property {number} threads
 * @property {number} ms  of a text, the median of the rounds
 * @property {number} n_rounds
 *
 * @typedef {object} Measured
 * @property {Cell[]} cells
 * @property {string} engine  what computed, in words
 * @property {string} model
 */

import { OWN } from '../shell/models.js';

/** Texts in a batch. */
export const BATCH = 32;

/** Milliseconds of a warm-up, at least, and of the rounds of a cell, at most. */
const WARM_UP = 300;
const BUDGET = 5000;

/** What texts are made of. */
const TEXT =
    'The weather was fine, the food was good, and nobody wanted to leave before the evening.';

/**
 * @param {import('../shell/models.js').Library} library
 * @param {object} wanted
 * @param {number[]} wanted.lengths  tokens of a text
 * @param {number} wanted.n_rounds  at most
 * @param {number} wanted.threads  that there are
 * @param {AbortSignal} wanted.signal
 * @param {(done: number, total: number, words: string) => void} wanted.onprogress
 * @returns {Promise<Measured>}
 */
export async function measure({ loadModel }, { lengths, n_rounds, threads, signal, onprogress }) {
    const source = new URL(OWN.classifier.file, document.baseURI).href;
    const each = threads > 1 ? [1, undefined] : [1];
    const total = each.length * lengths.length * 2;
    const cells = /** @type {Cell[]} */ ([]);
    let engine = '';
    for (const threads of each) {
        onprogress(cells.length, total, 'Loading a copy of the model');
        const model = await loadModel(source, { threads, signal });
        try {
            const info = await model.info();
            engine = `${info.variant}, ${info.kernel}, ${info.dtype}`;
            for (const n_tokens of lengths) {
                const ids = await idsOf(model, n_tokens);
                for (const n_texts of [1, BATCH]) {
                    const about = { n_tokens, n_texts, threads: info.threads };
                    onprogress(cells.length, total, nameOf(about));
                    const batch = Array(n_texts).fill({ input_ids: ids });
                    const run = () => model.forward(batch, { signal });
                    cells.push({ ...about, ...(await time(run, n_texts, n_rounds)) });
                }
            }
        } finally {
            model.dispose();
        }
    }
    onprogress(total, total, 'Done');
    cells.sort((a, b) => a.n_tokens - b.n_tokens || a.n_texts - b.n_texts || a.threads - b.threads);
    return { cells, engine, model: OWN.classifier.name };
}

/** @param {Pick<Cell, 'n_tokens' | 'n_texts' | 'threads'>} about */
export const nameOf = ({ n_tokens, n_texts, threads }) =>
    `${n_tokens} tokens, ${textsOf(n_texts)}, ${threadsOf(threads)}`;

/** @param {number} n */
export const textsOf = (n) => (n === 1 ? 'one text' : `${n} texts together`);

/** @param {number} n */
export const threadsOf = (n) => (n === 1 ? '1 thread' : `${n} threads`);

/** @param {Cell} cell */
export const tokensASecond = ({ n_tokens, ms }) => (1000 * n_tokens) / ms;

/**
 * Ids of a text of just so many tokens.
 * @param {import('../../js/index.js').Model} model
 * @param {number} n
 */
async function idsOf(model, n) {
    const { ids } = await model.tokenizer.encode(TEXT);
    const [first, last] = [ids[0], ids[ids.length - 1]];
    const words = ids.subarray(1, -1);
    const middle = Array.from({ length: n - 2 }, (_, i) => words[i % words.length]);
    return [first, ...middle, last];
}

/**
 * @param {() => Promise<unknown>} run
 * @param {number} n_texts
 * @param {number} most_rounds
 */
async function time(run, n_texts, most_rounds) {
    const begin = performance.now();
    do await run();
    while (n_texts === 1 && performance.now() - begin < WARM_UP);
    const start = performance.now();
    const took = [];
    while (took.length < most_rounds && (!took.length || performance.now() - start < BUDGET)) {
        const before = performance.now();
        await run();
        took.push((performance.now() - before) / n_texts);
    }
    took.sort((a, b) => a - b);
    const half = took.length / 2;
    const ms = (took[Math.floor(half)] + took[Math.ceil(half) - 1]) / 2;
    return { ms, n_rounds: took.length };
}
