/**
 * question-answering: the part of a context that answers a question. Contexts of any length are
 * read in windows.
 */

import { BertError, describe } from '../errors.js';
import { answer } from './call.js';
import { CALL_OPTIONS, isFlag, orNull, readOptions, wholeNumber } from './options.js';
import { TopList } from './scores.js';

/** @import { CallOptions, Errors, Settled } from './options.js' */

/**
 * @typedef {object} Answer
 * @property {string} answer  `context.slice(start, end)`; empty where there is none
 * @property {number} score  probability in its window; of an answer that was found several times
 *   (in several windows, or as several spans of tokens in the same words) the sum, which may be
 *   more than 1
 * @property {number} start  where it is in the context, as a UTF-16 index
 * @property {number} end  likewise, behind it
 *
 * @typedef {object} Question
 * @property {string} question  what is asked
 * @property {string} context  where the answer is to be found
 */

/**
 * @typedef {object} AnswerOptions
 * @property {number} [top_k]  answers to return, best first, from 1; as an array if it is over 1,
 *   which may have fewer; default 1
 * @property {number | null} [doc_stride]  tokens that neighbouring windows share, from 0; default
 *   null: 128, at most half of `max_seq_len`
 * @property {number} [max_answer_len]  most tokens of an answer, from 1, before words are
 *   completed; default 15
 * @property {number | null} [max_seq_len]  tokens of a window, the question's and special ones
 *   included, from 1; default null: 384, at most what the model reads
 * @property {number | null} [max_question_len]  tokens that a longer question is cut to, from 1;
 *   default null: none is cut
 * @property {boolean} [handle_impossible_answer]  whether '' is an answer too: that there is none;
 *   default false
 * @property {boolean} [align_to_words]  whether answers are made to begin and end with words;
 *   default true
 *
 * @typedef {AnswerOptions & CallOptions} QuestionAnsweringOptions
 * @typedef {QuestionAnsweringOptions & {top_k?: 1}} OneAnswerOptions
 */

/** @type {Required<AnswerOptions>} */
export const DEFAULT_OPTIONS = {
    top_k: 1,
    doc_stride: null,
    max_answer_len: 15,
    max_seq_len: null,
    max_question_len: null,
    handle_impossible_answer: false,
    align_to_words: true,
};
const RULES = {
    top_k: wholeNumber(1),
    doc_stride: orNull(wholeNumber(0)),
    max_answer_len: wholeNumber(1),
    max_seq_len: orNull(wholeNumber(1)),
    max_question_len: orNull(wholeNumber(1)),
    handle_impossible_answer: isFlag,
    align_to_words: isFlag,
};

/** Tokens of a window. */
export const DEFAULT_SEQ_LEN = 384;
const DEFAULT_STRIDE = 128;

/** Logit of a token that cannot be in an answer: its probability is 0. */
const MASKED = -10000;

/**
 * @param {import('../model/model.js').Model} model
 * @param {string} task  for messages
 */
export function questionAnswering(model, task) {
    const outputs = {
        start: { output: 'token_logits', index: 0 },
        end: { output: 'token_logits', index: 1 },
    };

    /**
     * @overload
     * @param {string} question  what is asked
     * @param {string} context  where the answer is to be found
     * @param {OneAnswerOptions} [options]
     * @returns {Promise<Answer>}
     */
    /**
     * @overload
     * @param {string} question
     * @param {string} context
     * @param {QuestionAnsweringOptions} options
     * @returns {Promise<Answer[]>}  its `top_k` answers
     */
    /**
     * @overload
     * @param {string[]} questions  several of them
     * @param {string | string[]} context  of all, or of each
     * @param {OneAnswerOptions & {errors?: E}} [options]
     * @returns {Promise<Settled<Answer, E>[]>}  the answer of each
     * @template {Errors} [E='throw']
     */
    /**
     * @overload
     * @param {string[]} questions
     * @param {string | string[]} context
     * @param {QuestionAnsweringOptions & {errors?: E}} options
     * @returns {Promise<Settled<Answer[], E>[]>}
     * @template {Errors} [E='throw']
     */
    /**
     * @overload
     * @param {Question} question
     * @param {OneAnswerOptions} [options]
     * @returns {Promise<Answer>}
     */
    /**
     * @overload
     * @param {Question} question
     * @param {QuestionAnsweringOptions} options
     * @returns {Promise<Answer[]>}
     */
    /**
     * @overload
     * @param {Question[]} questions
     * @param {OneAnswerOptions & {errors?: E}} [options]
     * @returns {Promise<Settled<Answer, E>[]>}
     * @template {Errors} [E='throw']
     */
    /**
     * @overload
     * @param {Question[]} questions
     * @param {QuestionAnsweringOptions & {errors?: E}} options
     * @returns {Promise<Settled<Answer[], E>[]>}
     * @template {Errors} [E='throw']
     */
    /**
     * @overload
     * @param {Iterable<string> | AsyncIterable<string>} questions  read as answers are taken
     * @param {string} context
     * @param {OneAnswerOptions & {errors?: E}} [options]
     * @returns {AsyncGenerator<Settled<Answer, E>, void, undefined>}
     * @template {Errors} [E='throw']
     */
    /**
     * @overload
     * @param {Iterable<string> | AsyncIterable<string>} questions
     * @param {string} context
     * @param {QuestionAnsweringOptions & {errors?: E}} options
     * @returns {AsyncGenerator<Settled<Answer[], E>, void, undefined>}
     * @template {Errors} [E='throw']
     */
    /**
     * @overload
     * @param {Iterable<Question> | AsyncIterable<Question>} questions  read as answers are taken
     * @param {OneAnswerOptions & {errors?: E}} [options]
     * @returns {AsyncGenerator<Settled<Answer, E>, void, undefined>}
     * @template {Errors} [E='throw']
     */
    /**
     * @overload
     * @param {Iterable<Question> | AsyncIterable<Question>} questions
     * @param {QuestionAnsweringOptions & {errors?: E}} options
     * @returns {AsyncGenerator<Settled<Answer[], E>, void, undefined>}
     * @template {Errors} [E='throw']
     */
    /**
     * @param {any} questions
     * @param {any} [second]  the context, or the options
     * @param {QuestionAnsweringOptions} [third]
     * @returns {any}
     */
    function ask(questions, second, third = {}) {
        const is_options = typeof second === 'object' && second !== null && !Array.isArray(second);
        const [context, options] = is_options ? [undefined, second] : [second, third];
        const contexts = Array.isArray(questions) && Array.isArray(context) ? context : null;
        const given = contexts
            ? questions.map((/** @type {unknown} */ question, /** @type {number} */ i) => ({
                  question,
                  context: contexts[i],
              }))
            : questions;
        return answer(given, () => {
            if (contexts && contexts.length !== questions.length) {
                throw new BertError(
                    'BAD_INPUT',
                    `there are ${questions.length} questions, but ${contexts.length} contexts`,
                );
            }
            const read_options = readOptions(
                task,
                options,
                { ...DEFAULT_OPTIONS, ...CALL_OPTIONS },
                RULES,
            );
            const { top_k, max_question_len, batch_tokens, signal, onprogress, errors } =
                read_options;
            const max_length = Math.min(
                read_options.max_seq_len ?? DEFAULT_SEQ_LEN,
                model.config.max_length,
            );
            const stride = read_options.doc_stride ?? strideOf(max_length);
            const request = /** @type {const} */ ({
                outputs,
                batch_tokens,
                max_length,
                stride,
                tokens: true,
                words: read_options.align_to_words,
                overflow: 'window',
                strategy: 'only_second',
            });
            return {
                errors,
                read: (input) => readQuestion(input, contexts ? undefined : context),
                async run(asked) {
                    const questions = asked.map(({ question }) => question);
                    const cut =
                        max_question_len === null
                            ? questions
                            : await cutTexts(questions, max_question_len, model);
                    const inputs = asked.map(({ context: text_pair }, i) => ({
                        text: cut[i],
                        text_pair,
                    }));
                    const results = await model.run({ inputs, ...request }, { signal, onprogress });
                    const answered = results.map((result, i) => {
                        if (result instanceof BertError) {
                            return explain(result, cut[i], request, model);
                        }
                        const answers = answersOf(
                            result,
                            { question: cut[i], context: asked[i].context },
                            read_options,
                        );
                        return top_k === 1
                            ? (answers[0] ?? { answer: '', score: 0, start: 0, end: 0 })
                            : answers;
                    });
                    return Promise.all(answered);
                },
            };
        });
    }
    return ask;
}

/**
 * Tokens that neighbouring windows share, unless options say otherwise.
 * @param {number} max_length  tokens of a window
 */
export function strideOf(max_length) {
    return Math.min(max_length >> 1, DEFAULT_STRIDE);
}

/**
 * @param {unknown} input
 * @param {unknown} context  of questions that have none of their own
 * @returns {Question}
 */
export function readQuestion(input, context) {
    const given =
        typeof input === 'object' && input !== null && !Array.isArray(input)
            ? input
            : { question: input };
    /** @type {Record<string, unknown>} */
    const fields = { context, ...given };
    for (const name of ['question', 'context']) {
        const text = fields[name];
        if (typeof text !== 'string') {
            throw new BertError('BAD_INPUT', `${name} must be a string, not ${describe(text)}`);
        }
        if (text === '') throw new BertError('BAD_INPUT', `${name} must not be empty`);
    }
    return /** @type {any} */ (fields);
}

/**
 * @param {string[]} texts
 * @param {number} max_length  tokens
 * @param {import('../model/model.js').Model} model
 */
async function cutTexts(texts, max_length, model) {
    const encodings = await model.tokenizer.encodeBatch(texts, {
        add_special_tokens: false,
        truncation: { max_length },
    });
    return encodings.map(({ offsets, overflow }, i) =>
        overflow ? texts[i].slice(0, offsets[offsets.length - 1]) : texts[i],
    );
}

/**
 * The tokenizer's options have other names. Where the question leaves no room in a window, the
 * error names those that the caller knows.
 * @param {BertError} error
 * @param {string} question
 * @param {{max_length: number, stride: number}} request
 * @param {import('../model/model.js').Model} model
 */
async function explain(error, question, { max_length, stride }, model) {
    const encoded = await model.tokenizer.encode(question, { text_pair: '' }).catch(() => null);
    if (!encoded || encoded.ids.length + stride < max_length) return error;
    return new BertError(
        error.code,
        `max_seq_len ${max_length} has no room for the question and more than doc_stride ` +
            `${stride} tokens of the context: ` +
            'lower max_question_len or doc_stride, or raise max_seq_len',
        { cause: error },
    );
}

/**
 * @typedef {object} AnswerWindow  what is needed of a TextWindow
 * @property {Record<string, {data: Float32Array}>} outputs  start and end
 * @property {Pick<import('../worker/texts.js').WindowTokens,
 *   'ids' | 'offsets' | 'sequence' | 'words'>} [tokens]
 */

/**
 * As the pipeline of transformers finds them.
 * @param {{windows: AnswerWindow[]}} result
 * @param {Question} asked
 * @param {Required<AnswerOptions>} options
 * @returns {Answer[]}
 */
export function answersOf(
    { windows },
    asked,
    { top_k, max_answer_len, handle_impossible_answer, align_to_words },
) {
    // Several spans may be of the same words.
    const n_spans = align_to_words ? 2 * top_k + 10 : top_k;
    /** Answers by their text, in whatever case. @type {Map<string, Answer>} */
    const found = new Map();
    let no_answer = Infinity;
    for (const { outputs, tokens: made } of windows) {
        const tokens = /** @type {NonNullable<AnswerWindow['tokens']>} */ (made);
        const isCandidate = candidatesOf(tokens);
        const starts = probabilities(outputs.start.data, isCandidate);
        const ends = probabilities(outputs.end.data, isCandidate);
        no_answer = Math.min(no_answer, Math.fround(starts[0] * ends[0]));
        starts[0] = ends[0] = 0;
        for (const { score, item: span } of topSpans(starts, ends, n_spans, max_answer_len)) {
            const [start, end] = placeOf(tokens, span, asked, align_to_words);
            const text = asked.context.slice(start, end);
            const same = found.get(text.toLowerCase());
            if (same) same.score += score;
            else found.set(text.toLowerCase(), { answer: text, score, start, end });
        }
    }
    const answers = [...found.values()];
    if (handle_impossible_answer) answers.push({ answer: '', score: no_answer, start: 0, end: 0 });
    return answers.sort((a, b) => b.score - a.score).slice(0, top_k);
}

/**
 * Tokens of the context, and the first one, [CLS], which stands for no answer.
 * @param {Pick<import('../worker/texts.js').WindowTokens, 'ids' | 'sequence'>} tokens
 * @returns {(token: number) => boolean}
 */
function candidatesOf({ ids, sequence }) {
    const cls = sequence[0] < 0 ? ids[0] : -1;
    return (i) => sequence[i] === 1 || ids[i] === cls;
}

/**
 * In single precision, as in transformers: what vanishes there vanishes here.
 * @param {Float32Array} logits
 * @param {(token: number) => boolean} isCandidate
 * @returns {Float32Array}
 */
function probabilities(logits, isCandidate) {
    const masked = logits.map((logit, i) => (isCandidate(i) ? logit : MASKED));
    const largest = masked.reduce((a, b) => Math.max(a, b), -Infinity);
    const powers = masked.map((logit) => Math.exp(Math.fround(logit - largest)));
    const sum = Math.fround(powers.reduce((a, b) => a + b, 0));
    return powers.map((power) => power / sum);
}

/**
 * The best spans of a window, without a list of all of them. Those of no probability are left out.
 * @param {Float32Array} starts
 * @param {Float32Array} ends
 * @param {number} n_spans
 * @param {number} max_length
 * @returns {{score: number, item: [first: number, last: number]}[]}
 */
function topSpans(starts, ends, n_spans, max_length) {
    /** @type {TopList<[number, number]>} */
    const top = new TopList(n_spans);
    starts.forEach((start, first) => {
        if (start === 0) return;
        const behind = Math.min(first + max_length, ends.length);
        for (let last = first; last < behind; last++) {
            const score = Math.fround(start * ends[last]);
            if (score > 0 && top.takes(score)) top.add(score, [first, last]);
        }
    });
    return top.entries;
}

/**
 * Where a span is in the context. A token of the question can be in one, if its text has a [CLS]:
 * then, as in transformers, the word or character of its number counts.
 * @param {NonNullable<AnswerWindow['tokens']>} tokens
 * @param {[first: number, last: number]} span
 * @param {Question} asked
 * @param {boolean} align_to_words
 * @returns {[start: number, end: number]}  UTF-16 indices
 */
function placeOf(
    { offsets, words = new Int32Array(), sequence },
    [first, last],
    { question, context },
    align_to_words,
) {
    if (align_to_words) {
        const isOf =
            (/** @type {number} */ token) =>
            (/** @type {number} */ word, /** @type {number} */ i) =>
                sequence[i] === 1 && word === words[token];
        const begin = words.findIndex(isOf(first));
        const end = words.findLastIndex(isOf(last));
        if (begin >= 0 && end >= 0) [first, last] = [begin, end];
    }
    const inContext = (/** @type {number} */ token, /** @type {number} */ place) => {
        if (sequence[token] !== 0) return place;
        return [...context].slice(0, [...question.slice(0, place)].length).join('').length;
    };
    return [inContext(first, offsets[2 * first]), inContext(last, offsets[2 * last + 1])];
}
