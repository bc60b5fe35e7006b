/**
 * Examples as callers give them: checked, their labels as indices, a part of them set aside. An
 * error in one of them has its index.
 */

import { BertError, describe, withPlace } from '../errors.js';
import { blobExamples } from '../examples/blob.js';
import { readText } from '../pipelines/call.js';
import { readQuestion } from '../pipelines/question_answering.js';
import { nextTurn } from '../platform/turn.js';
import { isBlob } from '../realms.js';
import { logitsOf, readTeacher } from './distillation.js';
import { checkScores, readPair } from './pairs.js';
import { Random } from './random.js';
import { checkRelevant, readRanked } from './ranking.js';

/** Of random numbers. */
const PURPOSE = 2;

/** Examples that are checked between two turns of the event loop. */
const EXAMPLES_A_TURN = 1024;

/** Labels that a message lists. */
const MOST_LISTED = 20;

/**
 * @typedef {string | number} Label  a label, or, with the option `labels`, its index there
 *
 * @typedef {object} TextExample  of text-classification
 * @property {string} text
 * @property {string | null} [text_pair]  a second text
 * @property {Label} label
 *
 * @typedef {object} TaughtExample  of text-classification, to learn what another model answers
 * @property {string} text
 * @property {string | null} [text_pair]
 * @property {TeacherScore[]} teacher  of all labels, in any order, adding up to 1: what a pipeline
 *   of that model gives with `top_k: null`. All examples have a teacher, or none
 * @property {Label} [label]  all examples have one, or none
 *
 * @typedef {object} TeacherScore
 * @property {string} label
 * @property {number} score  its probability, 0 to 1
 *
 * @typedef {object} LabelsExample  of text-classification with several labels
 * @property {string} text
 * @property {string | null} [text_pair]
 * @property {Label[]} labels  those that it has, none or more
 *
 * @typedef {object} ScoreExample  of regression
 * @property {string} text
 * @property {string | null} [text_pair]
 * @property {number} score
 *
 * @typedef {object} WordsExample  of token-classification; one of `tokens` and `text` is given
 * @property {string[]} [tokens]  words
 * @property {string} [text]  that is split at white space
 * @property {Label[]} labels  one for each word
 *
 * @typedef {object} QuestionExample  of question-answering
 * @property {string} question
 * @property {string} context
 * @property {{text: string, answer_start?: number}[]} answers  of which the first is learned, all
 *   are right; none: the context has no answer. answer_start: where it is, in characters (UTF-16
 *   units or, as SQuAD counts, code points); without it the first place in the context is meant
 *
 * @typedef {object} PairExample  of feature-extraction
 * @property {string} text
 * @property {string} text_pair  a sentence that is to be near it, such as the answer of a question
 * @property {number} [score]  how near: their cosine, -1 to 1; without one, nearer than the
 *   `text_pair` of all others. All examples have one, or none
 * @property {string} [negative]  without a score: a sentence that is not to be near it
 *
 * @typedef {object} RankingExample  of text-ranking
 * @property {string} query
 * @property {string[]} documents  one or more
 * @property {number[]} relevant  indices of those that answer it, none or more
 *
 * @typedef {TextExample | TaughtExample | LabelsExample | ScoreExample | WordsExample
 *   | QuestionExample | PairExample | RankingExample} Example
 *
 * @typedef {Iterable<Example> | AsyncIterable<Example> | Blob} Examples  a Blob: a file of UTF-8 as
 *   `bert-wasm train` takes it, TSV with a header, JSONL, CoNLL or SQuAD, which its beginning tells
 *
 * @typedef {object} Read  an example that was checked
 * @property {string} text
 * @property {string | null} [text_pair]
 * @property {number[]} [ends]  of words: where each ends in the text
 * @property {string[]} labels  one, one for each word, or those that there are
 * @property {number} [score]  of regression, or of a pair of sentences
 * @property {string} [negative]  beside a pair of sentences
 * @property {Span[]} [spans]  of question-answering, whose context is text_pair
 * @property {TeacherScore[]} [teacher]
 * @property {string[]} [documents]  of text-ranking, whose query is the text
 * @property {number[]} [relevant]  indices of documents
 *
 * @typedef {object} Span  an answer
 * @property {string} text
 * @property {number} start  UTF-16 index into the context
 * @property {number} end
 *
 * @typedef {object} Labelled  the same for the worker
 * @property {string} text
 * @property {string | null} [text_pair]
 * @property {number[]} [ends]
 * @property {number} [score]
 * @property {string} [negative]
 * @property {number[]} labels  indices
 * @property {number[]} [targets]  where labels are none of one: 1 for each that there is, else 0;
 *   or the score
 * @property {Span[]} [spans]
 * @property {number[]} [teacher]  its logits
 * @property {string[]} [documents]
 * @property {number[]} [relevant]
 */

/** @typedef {import('../examples/formats.js').LocatedExample} LocatedExample */
/** @typedef {import('./head.js').TrainTask} TrainTask */
/** @typedef {import('./options.js').ProblemType} ProblemType */

/**
 * @param {unknown} given  an array, or another iterable, perhaps an asynchronous one; a Blob
 * @param {string} what  one is, for messages
 * @param {TrainTask} task
 * @param {string[] | undefined} labels  that there may be
 * @param {ProblemType} [problem_type]
 * @returns {Promise<Read[]>}
 */
export async function readExamples(given, what, task, labels, problem_type) {
    const located = isBlob(given) ? blobExamples(given, task) : null;
    const { [Symbol.iterator]: all, [Symbol.asyncIterator]: later } = /** @type {any} */ (
        located ?? (typeof given === 'object' && given !== null ? given : {})
    );
    if (typeof all !== 'function' && typeof later !== 'function') {
        throw new BertError(
            'BAD_INPUT',
            `${what}s must be an array or another iterable, or a file as a Blob, ` +
                `not ${describe(given)}`,
        );
    }
    /** @type {Read[]} */
    const read = [];
    for await (const one of located ?? /** @type {Iterable<unknown>} */ (given)) {
        const index = read.length;
        const { where, example } = located ? /** @type {LocatedExample} */ (one) : {};
        const each = where === undefined ? one : withTags(example);
        if (index % EXAMPLES_A_TURN === EXAMPLES_A_TURN - 1) await nextTurn();
        try {
            read.push(readerOf(task, problem_type)(each));
            read[index].labels.forEach((label, i) => {
                read[index].labels[i] = labelOf(label, labels);
            });
        } catch (error) {
            throw withPlace(error, where ?? `${what} ${index}`, index);
        }
    }
    if (read.length === 0) throw new BertError('BAD_INPUT', `there are no ${what}s`);
    if (task === 'feature-extraction') checkScores(read, what);
    if (task === 'text-ranking') checkRelevant(read, what);
    return read;
}

/**
 * An example of a file; what evaluate() calls tags are labels of words.
 * @param {any} example
 */
export const withTags = ({ tags, ...example }) => (tags ? { ...example, labels: tags } : example);

/**
 * @param {TrainTask} task
 * @param {ProblemType | undefined} problem_type
 * @returns {(example: unknown) => Read}
 */
function readerOf(task, problem_type) {
    if (task === 'token-classification') return readWords;
    if (task === 'question-answering') return readAsked;
    if (task === 'feature-extraction') return readPair;
    if (task === 'text-ranking') return readRanked;
    if (problem_type === 'multi_label_classification') return readLabels;
    return problem_type === 'regression' ? readScore : readOne;
}

/** @param {any} example @returns {Read} */
function readLabels(example) {
    if (typeof example !== 'object' || !Array.isArray(example?.labels)) {
        throw notOne('{text, labels} or {text, text_pair, labels}, an array', example);
    }
    return { ...readText(example), labels: [...new Set(example.labels)] };
}

/** @param {any} example @returns {Read} */
function readScore(example) {
    if (typeof example !== 'object' || example === null) {
        throw notOne('{text, score} or {text, text_pair, score}', example);
    }
    const { score } = example;
    if (!Number.isFinite(score)) {
        throw new BertError('BAD_INPUT', `its score must be a number, not ${describe(score)}`);
    }
    return { ...readText(example), labels: [], score };
}

/** @param {any} example @returns {Read} */
function readAsked(example) {
    if (typeof example !== 'object' || !Array.isArray(example?.answers)) {
        throw notOne('{question, context, answers}, an array', example);
    }
    const { question, context } = readQuestion(example, undefined);
    const spans = example.answers.map((/** @type {any} */ answer) => {
        const span = spanOf(context, answer);
        if (span) return span;
        throw new BertError(
            'BAD_INPUT',
            'its answers must be {text, answer_start} with a text that is in the context there, ' +
                `not ${describe(answer?.text)} at ${describe(answer?.answer_start)}`,
        );
    });
    return { text: question, text_pair: context, labels: [], spans };
}

/**
 * @param {string} context
 * @param {any} answer
 * @returns {Span | null}  null: it is not there
 */
function spanOf(context, answer) {
    const { text, answer_start } = answer ?? {};
    if (typeof text !== 'string' || text === '') return null;
    const isAt = (/** @type {number} */ at) => context.startsWith(text, at);
    let start = context.indexOf(text);
    if (answer_start !== undefined) {
        start = answer_start;
        // Python counts code points.
        if (!isAt(start)) start = [...context].slice(0, answer_start).join('').length;
        if (!isAt(start)) return null;
    }
    return start < 0 ? null : { text, start, end: start + text.length };
}

/** @param {any} example @returns {Read} */
function readOne(example) {
    if (typeof example !== 'object' || example === null) {
        throw notOne('{text, label} or {text, text_pair, label}', example);
    }
    const { label, teacher } = example;
    if (teacher === undefined) return { ...readText(example), labels: [label] };
    const labels = label === undefined ? [] : [label];
    return { ...readText(example), labels, teacher: readTeacher(teacher) };
}

/** @param {any} example @returns {Read} */
function readWords(example) {
    const { tokens, text, labels } = example ?? {};
    const words = typeof text === 'string' ? (text.match(/\S+/g) ?? []) : tokens;
    const are_words =
        Array.isArray(words) && words.every((word) => typeof word === 'string' && word !== '');
    if (!are_words || words.length === 0 || !Array.isArray(labels)) {
        throw notOne('{tokens, labels} or {text, labels}, with words', example);
    }
    if (labels.length !== words.length) {
        throw new BertError(
            'BAD_INPUT',
            `it must have a label for each of its ${words.length} words, not ${labels.length}`,
        );
    }
    let end = -1;
    const ends = words.map((/** @type {string} */ word) => (end += 1 + word.length));
    return { text: words.join(' '), ends, labels: [...labels] };
}

/**
 * @param {string} expected
 * @param {unknown} example
 */
function notOne(expected, example) {
    return new BertError('BAD_INPUT', `it must be ${expected}, not ${describe(example)}`);
}

/**
 * @param {unknown} label
 * @param {string[] | undefined} labels
 * @returns {string}
 */
function labelOf(label, labels) {
    const is_index = Number.isInteger(label) && Number(label) >= 0;
    if ((typeof label === 'string' && label !== '') || is_index) {
        if (!labels) return String(label);
        if (labels.includes(String(label))) return String(label);
        if (typeof label === 'number' && label < labels.length) return labels[label];
        throw new BertError(
            'BAD_INPUT',
            `its label must be one of ${listed(labels)}, not ${describe(label)}`,
        );
    }
    throw new BertError(
        'BAD_INPUT',
        `its label must be a string, not empty, or a whole number, not ${describe(label)}`,
    );
}

/** @param {string[]} labels */
export function listed(labels) {
    const more = labels.length > MOST_LISTED ? ', ...' : '';
    return labels.slice(0, MOST_LISTED).join(', ') + more;
}

/**
 * The labels of a classifier: those that were given; else those of the examples or their teacher,
 * in the base's order if they are its own, else in order.
 * @param {Read[]} examples
 * @param {string[] | undefined} given
 * @param {string[]} of_base
 */
export function labelsFor(examples, given, of_base) {
    const of_teacher = examples[0].teacher?.map(({ label }) => label);
    const found = of_teacher ?? [...new Set(examples.flatMap(({ labels }) => labels))];
    if (found.length < 2) {
        throw new BertError(
            'BAD_INPUT',
            found.length === 0
                ? 'no example has a label: there must be two labels or more'
                : `all examples have the label '${found[0]}': there must be two labels or more`,
        );
    }
    if (given) return given;
    const are_numbers = found.every((label) => /^\d+$/.test(label));
    found.sort(are_numbers ? (a, b) => Number(a) - Number(b) : (a, b) => (a < b ? -1 : 1));
    const are_own = found.length === of_base.length && found.every((l) => of_base.includes(l));
    return are_own ? of_base : found;
}

/**
 * @param {Read[]} examples
 * @param {string} what
 * @param {string[]} labels
 * @param {ProblemType} [problem_type]
 * @returns {Labelled[]}
 */
export function labelled(examples, what, labels, problem_type) {
    const index_of = new Map(labels.map((label, i) => [label, i]));
    return examples.map(({ labels: own, teacher, ...example }, index) => {
        if (problem_type === 'regression') {
            return { ...example, labels: [], targets: [Number(example.score)] };
        }
        const indices = own.map((label) => {
            const at = index_of.get(label);
            if (at !== undefined) return at;
            const error = new BertError(
                'BAD_INPUT',
                `its label must be one of ${listed(labels)}, not '${label}'`,
            );
            throw withPlace(error, `${what} ${index}`, index);
        });
        if (teacher) return { ...example, labels: indices, teacher: logitsOf(teacher, labels) };
        if (problem_type !== 'multi_label_classification') return { ...example, labels: indices };
        const targets = labels.map((_, i) => Number(indices.includes(i)));
        return { ...example, labels: indices, targets };
    });
}

/**
 * Sets a share of the examples aside, of each label as large a one; where examples have no label or
 * several, one of all.
 * @param {Read[]} examples
 * @param {number} share  between 0 and 1
 * @param {TrainTask} task
 * @param {number} seed
 * @param {ProblemType} [problem_type]
 * @returns {{examples: Read[], validation: Read[]}}  in the order that they were in
 */
export function split(examples, share, task, seed, problem_type = 'single_label_classification') {
    const has_one = task === 'text-classification' && problem_type.startsWith('single');
    const random = new Random(seed, PURPOSE);
    /** @type {Map<string, number[]>} */
    const groups = new Map();
    examples.forEach(({ labels: [label] }, i) => {
        const group = has_one ? label : '';
        const indices = groups.get(group) ?? [];
        indices.push(i);
        groups.set(group, indices);
    });
    const aside = new Set(
        [...groups.values()].flatMap((indices) =>
            random.shuffled(indices).slice(0, Math.round(share * indices.length)),
        ),
    );
    if (aside.size === 0 || aside.size === examples.length) {
        throw new BertError(
            'BAD_OPTION',
            `validation must be a share that leaves examples on both sides, not ${share} of ` +
                `${examples.length}`,
        );
    }
    return {
        examples: examples.filter((_, i) => !aside.has(i)),
        validation: examples.filter((_, i) => aside.has(i)),
    };
}

/**
 * How much each class counts.
 * @param {unknown} given  by label, or 'balanced': all classes count as much together; where
 *   examples may have several, those that have a label as much as those that have not
 * @param {Labelled[]} examples
 * @param {string[]} labels
 * @param {ProblemType} [problem_type]
 * @returns {Float32Array | null}
 */
export function classWeights(given, examples, labels, problem_type) {
    if (given === undefined) return null;
    if (given === 'balanced') {
        const counts = new Float64Array(labels.length);
        for (const example of examples) for (const label of example.labels) counts[label]++;
        if (problem_type === 'multi_label_classification') {
            return Float32Array.from(counts, (n) => (n > 0 ? (examples.length - n) / n : 1));
        }
        const total = counts.reduce((a, b) => a + b, 0);
        return Float32Array.from(counts, (n) => (n > 0 ? total / (labels.length * n) : 1));
    }
    const weights = /** @type {Record<string, unknown>} */ (given);
    const isWeight = (/** @type {unknown} */ n) =>
        typeof n === 'number' && n >= 0 && Number.isFinite(n);
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
        throw badWeights(describe(given));
    }
    for (const [label, weight] of Object.entries(weights)) {
        if (!labels.includes(label)) throw badWeights(`'${label}', which is none`);
        if (!isWeight(weight)) throw badWeights(`${describe(weight)} for '${label}'`);
    }
    return Float32Array.from(labels, (label) => /** @type {number} */ (weights[label] ?? 1));
}

/** @param {string} what */
function badWeights(what) {
    return new BertError(
        'BAD_OPTION',
        `class_weights must be 'balanced' or numbers >= 0 by label, not ${what}`,
    );
}
