/** How good what is learned is, on a validation: of each kind of labels by its usual metrics. */

import { accuracy, confusion, macroF1 } from '../metrics/classification.js';
import { pearson, spearman } from '../metrics/correlation.js';
import { summary } from '../metrics/counts.js';
import { entityScores } from '../metrics/entities.js';
import { rankingMetrics } from './ranking.js';
import { answerMetrics } from './spans.js';

/** @typedef {import('./trainer.js').Sequence} Sequence */

/**
 * @typedef {object} ValidationMetrics  of the validation
 * @property {number} loss  the mean over its labels, or pairs
 * @property {number} [accuracy]  the share of labels that are right; where a text may have several,
 *   of texts all of whose labels are; of pairs of sentences without scores the share of first ones
 *   that are nearer to their second one than to any other; not of regression
 * @property {number} [macro_f1]  of text-classification: the mean of the classes' F1
 * @property {number} [micro_f1]  where a text may have several labels: F1 of all of them together;
 *   a label is taken where its probability is over a half
 * @property {number} [f1]  of token-classification with labels as `B-PER`: of the entities, as
 *   seqeval counts them
 * @property {number} [exact]  of question-answering: the share of answers that are right, as SQuAD
 *   counts them; the f1 then, too, is that of SQuAD
 * @property {number} [pearson]  of regression: the correlation, 0 where nothing varies
 * @property {number} [spearman]  likewise, of ranks; of pairs with scores: of those and the cosines
 * @property {number} [mrr_at_10]  of pairs without: the mean of 1 / the place of the second one
 *   among all, by nearness; beyond 10 it counts as 0; of text-ranking likewise of the first
 *   document that is relevant
 * @property {number} [ndcg_at_10]  of text-ranking: the gains of the first 10 documents, discounted
 *   by their places, over the most that there could be
 *
 * @typedef {Omit<ValidationMetrics, 'loss'>} Metrics
 */

/**
 * By which epochs are compared.
 * @param {ValidationMetrics} metrics
 * @returns {number}
 */
export const scoreOf = ({ f1, micro_f1, pearson, spearman, ndcg_at_10, accuracy }) =>
    /** @type {number} */ (f1 ?? micro_f1 ?? pearson ?? spearman ?? ndcg_at_10 ?? accuracy);

/**
 * @param {Pick<import('./run.js').Request, 'task' | 'problem_type' | 'labels' | 'validation'>}
 *   request
 * @param {Sequence[]} sequences
 * @param {Float32Array[]} logits  of each: [its rows, n_labels]
 * @returns {Metrics}
 */
export function metricsOf(request, sequences, logits) {
    const { task, problem_type, labels, validation } = request;
    if (task === 'question-answering') {
        const examples = /** @type {import('./examples.js').Labelled[]} */ (validation);
        return answerMetrics(examples, /** @type {any} */ (sequences), logits);
    }
    if (task === 'text-ranking') return rankingMetrics(/** @type {any} */ (sequences), logits);
    if (problem_type === 'regression') return correlations(sequences, logits);
    if (problem_type === 'multi_label_classification') return labelSets(sequences, logits);
    return classes(task, labels, sequences, logits);
}

/**
 * @param {Sequence[]} sequences
 * @param {Float32Array[]} logits
 */
function correlations(sequences, logits) {
    const wanted = sequences.map(targetsOf).map(([target]) => target);
    const found = logits.map(([value]) => value);
    return { pearson: pearson(wanted, found) || 0, spearman: spearman(wanted, found) || 0 };
}

/** @param {Sequence} sequence */
const targetsOf = ({ targets }) => /** @type {Float32Array} */ (targets);

/**
 * @param {Sequence[]} sequences
 * @param {Float32Array[]} logits
 */
function labelSets(sequences, logits) {
    const wanted = sequences.map((sequence) => Array.from(targetsOf(sequence), (t) => t === 1));
    const found = logits.map((row) => Array.from(row, (logit) => logit > 0));
    const counts = wanted[0].map((_, label) => ({
        correct: wanted.filter((row, i) => row[label] && found[i][label]).length,
        predicted: found.filter((row) => row[label]).length,
        expected: wanted.filter((row) => row[label]).length,
    }));
    const right = wanted.filter((row, i) => row.every((has, label) => has === found[i][label]));
    const { micro, macro } = summary(counts);
    return {
        accuracy: right.length / wanted.length,
        micro_f1: micro.f1,
        macro_f1: macro.f1,
    };
}

/**
 * @param {import('./head.js').TrainTask} task
 * @param {string[]} labels
 * @param {Sequence[]} sequences
 * @param {Float32Array[]} logits
 */
function classes(task, labels, sequences, logits) {
    const counting = sequences.map((sequence) =>
        [...sequence.labels.keys()].filter((i) => sequence.labels[i] >= 0),
    );
    const expected = counting.map((rows, s) => rows.map((i) => sequences[s].labels[i]));
    const predicted = counting.map((rows, s) =>
        rows.map((i) => argmax(logits[s], i, labels.length)),
    );
    const matrix = confusion(expected.flat(), predicted.flat(), labels.length);
    const metrics = { accuracy: accuracy(matrix) };
    if (task === 'text-classification') return { ...metrics, macro_f1: macroF1(matrix) };
    if (!labels.some((label) => /^[BI]-/.test(label))) return metrics;
    const tags = (/** @type {number[][]} */ rows) => rows.map((row) => row.map((i) => labels[i]));
    return { ...metrics, f1: entityScores(tags(expected), tags(predicted)).micro.f1 };
}

/**
 * @param {Float32Array} logits
 * @param {number} row
 * @param {number} n
 */
function argmax(logits, row, n) {
    let best = 0;
    for (let c = 1; c < n; c++) if (logits[row * n + c] > logits[row * n + best]) best = c;
    return best;
}
