/** evaluate(): how good a pipeline is on labelled examples, for every task by its usual metrics. */

import { BertError, describe, withPlace } from '../errors.js';
import { JUDGED_AS, unaliased } from '../pipelines/tasks.js';
import { limitedTo } from './among.js';
import { answerScores } from './answers.js';
import { accuracy, confusion, macroF1 } from './classification.js';
import { pearson, spearman } from './correlation.js';
import { scoresOf, summary } from './counts.js';
import { entityScores, spanScores } from './entities.js';
import { hitRate, ndcg, reciprocalRank } from './ranking.js';

/** @import { Task } from '../pipelines/tasks.js' */

/**
 * A pipeline, or any function that answers like one.
 * @typedef {((...args: any[]) => Promise<any>) & {task: string, model?: any}} Pipe
 */

/**
 * @typedef {object} EvaluateOptions
 * @property {AbortSignal} [signal]  ends it between batches, and the batch that runs
 * @property {(progress: {done: number, total: number}) => void} [onprogress]  called after every
 *   batch; counts examples
 * @property {number} [batch_size]  examples that the pipeline gets at once, from 1; default 32
 * @property {string[]} [among]  of text-classification with one label a text: those of the model's
 *   labels that are compared, in the order that indices in examples count; default all
 */

/**
 * @typedef {object} Evaluation
 * @property {string} task  of the pipeline
 * @property {number} n  examples
 * @property {number} [accuracy]  text-classification, zero-shot-classification,
 *   next-sentence-prediction; of several labels a text: of texts with all their labels and no other
 * @property {number} [macro_f1]  text-classification
 * @property {number} [micro_f1]  text-classification with several labels a text
 * @property {import('./counts.js').Scores[]} [classes]  the same, in the order of `labels`
 * @property {number[][]} [confusion]  text-classification: rows are the true labels, columns the
 *   predicted
 * @property {string[]} [labels]  text-classification: of the confusion's rows, or of the classes
 * @property {number} [pearson]  regression, similarity
 * @property {number} [spearman]  regression, similarity
 * @property {import('./entities.js').EntityScores} [entities]  token-classification
 * @property {number} [exact]  question-answering
 * @property {number} [f1]  question-answering
 * @property {import('./answers.js').AnswerScores} [has_answer]  question-answering: of those with
 *   an answer
 * @property {import('./answers.js').AnswerScores} [no_answer]  question-answering: of those without
 * @property {number} [accuracy_at_1]  fill-mask, of masks
 * @property {number} [accuracy_at_5]  fill-mask, of masks
 * @property {number} [mrr_at_10]  text-ranking
 * @property {number} [ndcg_at_10]  text-ranking
 */

/**
 * What evaluate() needs to know of a task.
 * @typedef {object} TaskEvaluation
 * @property {string[]} forms  that an example may have, for messages
 * @property {(example: any) => boolean} accepts
 * @property {(examples: any[], pipe: Pipe) => void} [prepare]  throws where examples do not fit the
 *   model
 * @property {(pipe: Pipe, batch: any[], options: any, examples: any[]) => Promise<any[]>} answer
 *   one for each of the batch
 * @property {(examples: any[], answers: any[], pipe: Pipe) => Omit<Evaluation, 'task' | 'n'>} score
 */

const isText = (/** @type {unknown} */ value) => typeof value === 'string';
const isList = (/** @type {unknown} */ value) => Array.isArray(value);
const isLabel = (/** @type {unknown} */ value) => isText(value) || Number.isInteger(value);
const isTexts = (/** @type {unknown} */ value) => Array.isArray(value) && value.every(isText);

/** @type {Record<Task, TaskEvaluation>} */
export const EVALUATIONS = {
    'text-classification': {
        forms: [
            '{text, text_pair?, label} with the name or index of a label',
            '{text, text_pair?, labels} with any number of them',
            '{text, text_pair?, score} for regression',
        ],
        accepts: ({ text, label, labels, score }) =>
            isText(text) &&
            (isLabel(label) || (isList(labels) && labels.every(isLabel)) || Number.isFinite(score)),
        prepare(examples, pipe) {
            const known = pipe.model?.config?.labels;
            examples.forEach((example, i) => {
                const wrong =
                    known && labelsOf(example).find((label) => labelIndex(label, known) < 0);
                if (wrong !== undefined) {
                    throw badExample(
                        i,
                        `label must be ${known.join(', ')} or the index of one, ` +
                            `not ${JSON.stringify(wrong)}`,
                    );
                }
            });
        },
        async answer(pipe, batch, options) {
            const texts = batch.map(({ text, text_pair }) =>
                text_pair === undefined ? text : { text, text_pair },
            );
            if ('labels' in batch[0]) {
                return pipe(texts, { function_to_apply: 'sigmoid', ...options, top_k: null });
            }
            const results = await pipe(texts, { ...options, top_k: 1 });
            return results.flat();
        },
        score(examples, answers, pipe) {
            if ('score' in examples[0]) return scoreRegression(examples, answers);
            return ('labels' in examples[0] ? scoreLabelSets : scoreLabels)(
                examples,
                answers,
                pipe,
            );
        },
    },
    'token-classification': {
        forms: [
            '{tokens, tags} with a tag for each word',
            '{text, entities: [{start, end, label}]}',
        ],
        accepts: ({ tokens, tags, text, entities }) =>
            (isTexts(tokens) && isTexts(tags) && tokens.length === tags.length) ||
            (isText(text) && isList(entities)),
        answer(pipe, batch, options) {
            const by_words = 'tokens' in batch[0];
            return pipe(
                batch.map(({ tokens, text }) => (by_words ? tokens.join(' ') : text)),
                by_words
                    ? { ...options, aggregation_strategy: 'none', ignore_labels: [] }
                    : { aggregation_strategy: 'first', ...options },
            );
        },
        score(examples, answers) {
            if ('tokens' in examples[0]) {
                const tags = answers.map((answer, i) => tagsOfWords(examples[i].tokens, answer));
                return {
                    entities: entityScores(
                        examples.map((one) => one.tags),
                        tags,
                    ),
                };
            }
            const expected = examples.map(({ entities }) => entities.map(toSpan));
            const found = answers.map((answer, i) =>
                answer.map((/** @type {any} */ one) => trim(toSpan(one), examples[i].text)),
            );
            return { entities: spanScores(expected, found) };
        },
    },
    'question-answering': {
        forms: ['{question, context, answers: [{text}]}, no answers where the context has none'],
        accepts: ({ question, context, answers }) =>
            isText(question) &&
            isText(context) &&
            isList(answers) &&
            answers.every((/** @type {any} */ one) => isText(one?.text)),
        async answer(pipe, batch, options, examples) {
            const handle_impossible_answer = examples.some(({ answers }) => answers.length === 0);
            const questions = batch.map(({ question, context }) => ({ question, context }));
            return pipe(questions, { handle_impossible_answer, ...options, top_k: 1 });
        },
        score(examples, answers) {
            const golds = examples.map((one) =>
                one.answers.map((/** @type {{text: string}} */ { text }) => text),
            );
            const { n, ...scores } = answerScores(
                golds,
                answers.map(({ answer }) => answer),
            );
            return scores;
        },
    },
    'fill-mask': {
        forms: ['{text, answer} with the word behind the mask, or words'],
        accepts: ({ text, answer }) => isText(text) && (isText(answer) || isTexts(answer)),
        answer: (pipe, batch, options) =>
            pipe(
                batch.map(({ text }) => text),
                { ...options, top_k: 5 },
            ),
        score(examples, answers) {
            const ranked = answers.map((answer) => (isList(answer[0]) ? answer : [answer]));
            const words = examples.map(({ answer }) => [answer].flat());
            words.forEach((wanted, i) => {
                if (wanted.length !== ranked[i].length) {
                    throw badExample(
                        i,
                        `the text has ${ranked[i].length} masks, but ${wanted.length} answers`,
                    );
                }
            });
            const wanted = words.flat().map((word) => word.trim());
            const found = ranked
                .flat()
                .map((list) =>
                    list.map((/** @type {{token_str: string}} */ { token_str }) =>
                        token_str.trim(),
                    ),
                );
            return {
                accuracy_at_1: hitRate(wanted, found, 1),
                accuracy_at_5: hitRate(wanted, found, 5),
            };
        },
    },
    'feature-extraction': {
        forms: ['{text, text_pair, score} with how similar they are'],
        accepts: ({ text, text_pair, score }) =>
            isText(text) && isText(text_pair) && Number.isFinite(score),
        async answer(pipe, batch, options) {
            const texts = [
                ...batch.map(({ text }) => text),
                ...batch.map(({ text_pair }) => text_pair),
            ];
            const { outputs = {}, similarity } = pipe.model?.config ?? {};
            const kind = similarity ?? 'cosine';
            const pools = Object.values(outputs).some(
                (/** @type {any} */ { output }) => output === 'sentence_embedding',
            );
            const { dims, data } = await pipe(texts, {
                pooling: pools ? null : 'mean',
                normalize: kind === 'cosine',
                ...options,
            });
            if (dims?.length !== 2) {
                throw new BertError(
                    'BAD_OPTION',
                    'each text needs one vector: pooling must be mean, cls or last_token',
                );
            }
            const row = (/** @type {number} */ i) => data.slice(i * dims[1], (i + 1) * dims[1]);
            return batch.map((_, i) => SIMILARITIES[kind](row(i), row(i + batch.length)));
        },
        score: (examples, answers) => correlations(examples, answers),
    },
    'text-ranking': {
        forms: ['{query, documents, relevant} with the indices of documents'],
        accepts: ({ query, documents, relevant }) =>
            isText(query) &&
            isTexts(documents) &&
            isList(relevant) &&
            relevant.every(
                (/** @type {any} */ one) =>
                    Number.isInteger(one) && one >= 0 && one < documents.length,
            ),
        answer: (pipe, batch, options) =>
            pipe(
                batch.map(({ query, documents }) => ({ query, documents })),
                options,
            ),
        score(examples, answers) {
            const mean = (
                /** @type {(ranked: number[], gains: number[], k: number) => number} */ metric,
            ) =>
                answers.reduce((sum, answer, i) => {
                    const { documents, relevant } = examples[i];
                    const gains = documents.map(
                        (/** @type {string} */ _, /** @type {number} */ k) =>
                            Number(relevant.includes(k)),
                    );
                    return (
                        sum +
                        metric(
                            answer.map(
                                (/** @type {{corpus_id: number}} */ { corpus_id }) => corpus_id,
                            ),
                            gains,
                            10,
                        )
                    );
                }, 0) / answers.length;
            return { mrr_at_10: mean(reciprocalRank), ndcg_at_10: mean(ndcg) };
        },
    },
    'zero-shot-classification': {
        forms: ['{text, labels, answer} with the label that is right'],
        accepts: ({ text, labels, answer }) =>
            isText(text) && isTexts(labels) && labels.includes(answer),
        async answer(pipe, batch, options) {
            const results = [];
            for (const [i, { text, labels }] of batch.entries()) {
                results.push(
                    ...(await pipe([text], labels, options).catch(
                        (/** @type {unknown} */ error) => {
                            throw inExample(error, i, 1);
                        },
                    )),
                );
            }
            return results;
        },
        score: (examples, answers) => ({
            accuracy: hitRate(
                examples.map(({ answer }) => answer),
                answers.map(({ labels }) => labels),
                1,
            ),
        }),
    },
    'next-sentence-prediction': {
        forms: ['{text, text_pair, is_next} with true or false'],
        accepts: ({ text, text_pair, is_next }) =>
            isText(text) && isText(text_pair) && typeof is_next === 'boolean',
        answer: (pipe, batch, options) =>
            pipe(
                batch.map(({ text, text_pair }) => ({ text, text_pair })),
                options,
            ),
        score: (examples, answers) => ({
            accuracy: hitRate(
                examples.map(({ is_next }) => is_next),
                answers.map(({ is_next }) => [is_next]),
                1,
            ),
        }),
    },
};

/**
 * How good a pipeline is on labelled examples. Its task says what an example has and what is
 * counted:
 *
 * - text-classification: `{text, text_pair?, label}`, the label's name or index -> accuracy,
 *   macro_f1, confusion; `{text, text_pair?, labels}`, any number of them -> micro_f1, macro_f1,
 *   accuracy (of all labels at once), classes: a label is predicted where its probability (sigmoid)
 *   is over a half; `{text, text_pair?, score}` -> pearson, spearman
 * - token-classification: `{tokens, tags}`, words and their IOB2 tags -> entities as seqeval counts
 *   them (the words joined by spaces are the text; a word has the tag of its first token), or
 *   `{text, entities: [{start, end, label}]}`, UTF-16 indices -> entities with the same start, end
 *   and label
 * - question-answering: `{question, context, answers: [{text}]}` -> exact, f1 as SQuAD counts them;
 *   without answers the right one is '', and handle_impossible_answer is set if there are such
 * - fill-mask: `{text, answer}` -> accuracy_at_1, accuracy_at_5; compared without surrounding space
 * - feature-extraction (also called similarity): `{text, text_pair, score}` -> pearson, spearman of
 *   how alike both are, by the model's `similarity` or their cosine (pooling that of the model or
 *   `mean`, unless options say otherwise)
 * - text-ranking: `{query, documents, relevant}`, indices -> mrr_at_10, ndcg_at_10
 * - zero-shot-classification: `{text, labels, answer}` -> accuracy
 * - next-sentence-prediction: `{text, text_pair, is_next}` -> accuracy
 *
 * @param {Pipe} pipe  what pipeline() gives, or a function with a `task` that answers like one
 * @param {any[]} examples  all of the same kind
 * @param {EvaluateOptions & Record<string, any>} [options]  others than these go to the pipeline
 * @returns {Promise<Evaluation>}
 * @throws {BertError} BAD_OPTION where the task cannot be evaluated, or not `among` such labels
 * @throws {BertError} BAD_INPUT where there are no examples, or one lacks something, has an unknown
 *   label (found before the pipeline runs), or not an answer for each mask; its `index` says which
 * @throws {BertError} whatever the pipeline throws, with the `index` of the example
 */
export async function evaluate(
    pipe,
    examples,
    { signal, onprogress, batch_size = 32, among, ...options } = {},
) {
    const name = /** @type {Task} */ (JUDGED_AS[pipe.task] ?? unaliased(pipe.task));
    if (!Object.hasOwn(EVALUATIONS, name)) {
        throw new BertError(
            'BAD_OPTION',
            `the task of the pipeline must be ${Object.keys(EVALUATIONS).join(', ')}, ` +
                `not ${describe(pipe.task)}`,
        );
    }
    if (!(Number.isInteger(batch_size) && batch_size >= 1)) {
        throw new BertError(
            'BAD_OPTION',
            `batch_size must be a whole number >= 1, not ${describe(batch_size)}`,
        );
    }
    const task = EVALUATIONS[name];
    check(examples, task);
    if (among !== undefined && !(name === 'text-classification' && 'label' in examples[0])) {
        throw new BertError('BAD_OPTION', 'among is for text-classification with one label a text');
    }
    const judged = among === undefined ? pipe : limitedTo(pipe, among);
    task.prepare?.(examples, judged);
    /** @type {any[]} */
    const answers = [];
    for (let begin = 0; begin < examples.length; begin += batch_size) {
        signal?.throwIfAborted();
        const batch = examples.slice(begin, begin + batch_size);
        const answered = task.answer(
            judged,
            batch,
            { ...options, ...(signal ? { signal } : {}) },
            examples,
        );
        answers.push(
            ...(await answered.catch((error) => {
                throw inExample(error, begin, batch.length);
            })),
        );
        onprogress?.({ done: answers.length, total: examples.length });
    }
    return { task: name, n: examples.length, ...task.score(examples, answers, judged) };
}

/**
 * @param {unknown} examples
 * @param {TaskEvaluation} task
 */
function check(examples, { forms, accepts }) {
    const form = forms.join(' or ');
    if (!Array.isArray(examples) || examples.length === 0) {
        throw new BertError(
            'BAD_INPUT',
            `examples must be an array of ${form}, not ${describe(examples)}`,
        );
    }
    const kind = (/** @type {object} */ example) =>
        ['tokens', 'labels', 'score'].map((field) => field in example).join();
    examples.forEach((example, i) => {
        if (typeof example !== 'object' || example === null || !accepts(example)) {
            throw badExample(i, `an example must be ${form}`);
        }
        if (kind(example) !== kind(examples[0])) {
            throw badExample(i, 'an example must be of the same kind as the first');
        }
    });
}

/**
 * @param {number} i
 * @param {string} message
 */
function badExample(i, message) {
    return withPlace(new BertError('BAD_INPUT', message), `example ${i}`, i);
}

/**
 * The error of one text in a call as the error of its example.
 * @param {unknown} error
 * @param {number} begin  example of the first text
 * @param {number} n  examples of the call; of pairs there are as many second texts behind them
 */
function inExample(error, begin, n) {
    if (!(error instanceof BertError) || error.index === undefined) return error;
    const i = begin + (error.index % n);
    return withPlace(error, `example ${i}`, i);
}

/**
 * @param {{label?: string | number, labels?: (string | number)[]}} example
 * @returns {(string | number)[]}
 */
function labelsOf({ label, labels = [] }) {
    return label === undefined ? labels : [label];
}

/**
 * Where a text has any number of labels.
 * @param {any[]} examples
 * @param {any[]} answers
 * @param {Pipe} pipe
 */
function scoreLabelSets(examples, answers, pipe) {
    const found = answers.map(
        (answer) =>
            new Set(
                answer
                    .filter((/** @type {{score: number}} */ { score }) => score > 0.5)
                    .map((/** @type {{label: string}} */ { label }) => label),
            ),
    );
    /** @type {string[]} */
    const labels =
        pipe.model?.config?.labels ??
        [
            ...new Set([
                ...examples.flatMap((one) => one.labels.map(String)),
                ...found.flatMap((one) => [...one]),
            ]),
        ].sort();
    const wanted = examples.map(
        (one) => new Set(labelsOf(one).map((label) => labels[labelIndex(label, labels)])),
    );
    const n_of = (/** @type {(i: number) => boolean} */ holds) =>
        examples.filter((_, i) => holds(i)).length;
    const counts = labels.map((label) => ({
        correct: n_of((i) => wanted[i].has(label) && found[i].has(label)),
        predicted: n_of((i) => found[i].has(label)),
        expected: n_of((i) => wanted[i].has(label)),
    }));
    const { micro, macro } = summary(counts);
    const n_right = n_of((i) =>
        labels.every((label) => wanted[i].has(label) === found[i].has(label)),
    );
    return {
        accuracy: n_right / examples.length,
        micro_f1: micro.f1,
        macro_f1: macro.f1,
        classes: counts.map(scoresOf),
        labels,
    };
}

/**
 * @param {any[]} examples
 * @param {any[]} answers
 * @param {Pipe} pipe
 */
function scoreLabels(examples, answers, pipe) {
    const found = answers.map(({ label }) => label);
    /** @type {string[]} */
    const labels =
        pipe.model?.config?.labels ??
        [...new Set([...examples.map(({ label }) => String(label)), ...found])].sort();
    const expected = examples.map(({ label }) => labelIndex(label, labels));
    const matrix = confusion(
        expected,
        found.map((label) => labels.indexOf(label)),
        labels.length,
    );
    return { accuracy: accuracy(matrix), macro_f1: macroF1(matrix), confusion: matrix, labels };
}

/**
 * @param {string | number} label  a name, or an index
 * @param {string[]} labels
 * @returns {number}  -1: none of them
 */
function labelIndex(label, labels) {
    const name = String(label);
    if (labels.includes(name)) return labels.indexOf(name);
    return /^\d+$/.test(name) && Number(name) < labels.length ? Number(name) : -1;
}

/**
 * @param {any[]} examples
 * @param {any[]} answers
 */
function scoreRegression(examples, answers) {
    return correlations(
        examples,
        answers.map(({ score }) => score),
    );
}

/**
 * @param {{score: number}[]} examples
 * @param {number[]} found
 */
function correlations(examples, found) {
    const wanted = examples.map(({ score }) => score);
    return { pearson: pearson(wanted, found), spearman: spearman(wanted, found) };
}

/**
 * The tag of each word: that of the first token with a character of it; O where the text was cut
 * before.
 * @param {string[]} words
 * @param {{entity: string, start: number, end: number}[]} tokens  in order
 */
function tagsOfWords(words, tokens) {
    let start = 0;
    return words.map((word) => {
        const end = start + word.length;
        const first = tokens.find((token) => token.start < end && token.end > start);
        start = end + 1;
        return first?.entity ?? 'O';
    });
}

/** @typedef {{label?: string, entity_group?: string, entity?: string}} EntityNames  one of them */

/**
 * @param {{start: number, end: number} & EntityNames} entity
 * @returns {import('./entities.js').Span}
 */
function toSpan({ start, end, label, entity_group, entity }) {
    return { start, end, type: String(label ?? entity_group ?? entity) };
}

/**
 * Without white space around it: tokens of some tokenizers begin with the space before a word.
 * @param {import('./entities.js').Span} span
 * @param {string} text
 */
function trim({ start, end, type }, text) {
    const covered = text.slice(start, end);
    const first = start + covered.length - covered.trimStart().length;
    return { start: first, end: first + covered.trim().length, type };
}

/** @typedef {(a: ArrayLike<number>, b: ArrayLike<number>) => number} Similarity */

/**
 * The sum over two vectors of equal length.
 * @param {ArrayLike<number>} a
 * @param {ArrayLike<number>} b
 * @param {(x: number, y: number) => number} term
 */
function sumOver(a, b, term) {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += term(a[i], b[i]);
    return sum;
}

/** @type {Similarity} */
const dot = (a, b) => sumOver(a, b, (x, y) => x * y);

/** As sentence-transformers counts: the more, the more alike. @type {Record<string, Similarity>} */
const SIMILARITIES = {
    cosine: (a, b) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)),
    dot,
    euclidean: (a, b) => -Math.sqrt(sumOver(a, b, (x, y) => (x - y) ** 2)),
    manhattan: (a, b) => -sumOver(a, b, (x, y) => Math.abs(x - y)),
};
