/**
 * Questions and contexts to sequences with the tokens at which answers begin and end, in the
 * worker. Contexts are cut into windows as the pipeline of question-answering cuts them; where a
 * window has no answer, it is at the first token (Devlin et al. 2018, BERT, section 4.3).
 */

import { BertError, withPlace } from '../errors.js';
import { answerScores } from '../metrics/answers.js';
import { answersOf, DEFAULT_OPTIONS, strideOf } from '../pipelines/question_answering.js';

/** Texts that are tokenized between two checks for an abort. */
const TEXTS_A_TURN = 64;

/** @typedef {import('./examples.js').Labelled} Labelled */
/** @typedef {import('./trainer.js').Sequence} Sequence */

/**
 * @typedef {Sequence & {encoding: import('../tokenizer/encoding.js').Encoding, example: number}}
 *   Window  of the example with this index
 */

/**
 * @param {import('../tokenizer/index.js').Tokenizer} tokenizer
 * @param {Labelled[]} examples
 * @param {number} max_length  tokens of a window, special ones and the question included
 * @param {string} what  one is, for messages
 * @param {import('../worker/engine.js').Turn} turn
 * @returns {Promise<Window[]>}
 */
export async function toWindows(tokenizer, examples, max_length, what, turn) {
    /** @type {Window[]} */
    const windows = [];
    const truncation = {
        max_length,
        stride: strideOf(max_length),
        strategy: /** @type {const} */ ('only_second'),
    };
    for (const [i, { text, text_pair, spans = [] }] of examples.entries()) {
        if (i % TEXTS_A_TURN === TEXTS_A_TURN - 1) await turn();
        try {
            const first = tokenizer.encode(text, { text_pair, truncation });
            if (first.length === 0) throw new BertError('EMPTY_SEQUENCE', 'it has no tokens');
            for (const encoding of [first, ...first.overflow]) {
                const { ids, type_ids } = encoding;
                const labels = Int32Array.from(tokensOf(encoding, spans[0]));
                windows.push({ ids, type_ids, labels, encoding, example: i });
            }
        } catch (error) {
            throw withPlace(error, `${what} ${i}`, i);
        }
    }
    return windows;
}

/**
 * The first and the last token of an answer, as run_qa.py of transformers finds them.
 * @param {import('../tokenizer/encoding.js').Encoding} window
 * @param {import('./examples.js').Span | undefined} span
 * @returns {[first: number, last: number]}  0, 0 where it is not all in the window
 */
export function tokensOf({ offsets, sequence }, span) {
    const [begin, end] = [sequence.indexOf(1), sequence.lastIndexOf(1)];
    const startOf = (/** @type {number} */ token) => offsets[2 * token];
    const endOf = (/** @type {number} */ token) => offsets[2 * token + 1];
    if (!span || begin < 0 || startOf(begin) > span.start || endOf(end) < span.end) return [0, 0];
    let [first, last] = [begin, end];
    while (first < end && startOf(first + 1) <= span.start) first++;
    while (last > begin && endOf(last - 1) >= span.end) last--;
    return [first, last];
}

/**
 * Exact match and F1 of SQuAD, of what the pipeline would answer.
 * @param {Labelled[]} examples
 * @param {Window[]} windows  of them, in order
 * @param {Float32Array[]} logits  of each window: [n_tokens, 2]
 */
export function answerMetrics(examples, windows, logits) {
    const handle_impossible_answer = examples.some(({ spans }) => spans?.length === 0);
    /** @type {Parameters<typeof answersOf>[0]['windows'][]} */
    const by_example = examples.map(() => []);
    windows.forEach(({ encoding, example }, w) => {
        const column = (/** @type {number} */ of) => ({
            data: logits[w].filter((_, i) => i % 2 === of),
        });
        const outputs = { start: column(0), end: column(1) };
        by_example[example].push({ outputs, tokens: encoding });
    });
    const found = examples.map(({ text, text_pair }, i) => {
        const asked = { question: text, context: text_pair ?? '' };
        const options = { ...DEFAULT_OPTIONS, handle_impossible_answer };
        return answersOf({ windows: by_example[i] }, asked, options)[0]?.answer ?? '';
    });
    const golds = examples.map(({ spans = [] }) => spans.map(({ text }) => text));
    const { exact, f1 } = answerScores(golds, found);
    return { exact, f1 };
}
