/** What the worker does of one task and not of another. */

import { DEFAULT_SEQ_LEN } from '../pipelines/question_answering.js';
import { toFolder } from './folder.js';
import { outputOf, withHead } from './head.js';
import { classes } from './objectives/classes.js';
import { distilled } from './objectives/distilled.js';
import { pairs } from './objectives/pairs.js';
import { spans } from './objectives/spans.js';
import { numbers, severalLabels } from './objectives/targets.js';
import { validatePairs } from './pair_metrics.js';
import { limitsOfPairs, toPairs } from './pairs.js';
import { toRankedPairs } from './ranking.js';
import { limitsOf, validateLabels } from './run.js';
import { toSentenceFolder, withPooling } from './sentence_model.js';
import { toSequences } from './sequences.js';
import { toWindows } from './spans.js';

/** @import { ModelConfig } from '../loader/model_file.js' */
/** @import { Base } from './base.js' */
/** @import { Family } from './families.js' */
/** @import { Labelled } from './examples.js' */
/** @import { Trained } from './folder.js' */
/** @import { Request, Validate } from './run.js' */
/** @import { Limits, Objective, Tensors } from './trainer.js' */

/**
 * @typedef {object} Task
 * @property {(most: number) => number} usualLength  tokens of an example, where the base reads most
 * @property {(tokenizer: import('../tokenizer/index.js').Tokenizer, examples: Labelled[],
 *   max_length: number, what: string, turn: import('../worker/engine.js').Turn) => Promise<any[]>}
 *   toExamples  what the objective takes
 * @property {(sets: any[][], batch_size: number) => Limits} limitsOf
 * @property {(base: Base, family: Family, request: Request) => {tensors: Tensors,
 *   encoder: import('../loader/model_file.js').EncoderConfig}} modelOf  what is trained
 * @property {(request: Request) => Objective<any>} objectiveOf
 * @property {Validate} validate
 * @property {(trained: Omit<Trained, 'head' | 'labels'>, request: Request, config: ModelConfig)
 *   => Record<string, Uint8Array>} filesOf  the folder of what was trained; config: of the base
 */

/**
 * A classifier, of sequences or tokens.
 * @param {Trained['head']} head
 * @param {Pick<Task, 'objectiveOf'> & Partial<Task>} own
 * @returns {Task}
 */
const withLabels = (head, own) => ({
    usualLength: (most) => most,
    toExamples: toSequences,
    limitsOf,
    modelOf: (base, family, { task, labels, seed, problem_type }) =>
        withHead(base, family, task, labels, seed, problem_type),
    validate: validateLabels,
    filesOf: (trained, { labels, problem_type }) =>
        toFolder({ ...trained, head, labels, problem_type }),
    ...own,
});

/** @type {Record<import('./head.js').TrainTask, Task>} */
export const TASKS = {
    'text-classification': withLabels('ForSequenceClassification', {
        objectiveOf({ task, problem_type, labels, class_weights, label_smoothing, ...request }) {
            const { temperature, hard_share = 0 } = request;
            if (temperature) return distilled(labels.length, temperature, hard_share);
            if (problem_type === 'regression') return numbers();
            return problem_type === 'multi_label_classification'
                ? severalLabels(labels.length, class_weights, label_smoothing)
                : classes(outputOf(task), class_weights, label_smoothing);
        },
    }),
    'token-classification': withLabels('ForTokenClassification', {
        objectiveOf: ({ task, class_weights, label_smoothing }) =>
            classes(outputOf(task), class_weights, label_smoothing),
    }),
    'question-answering': withLabels('ForQuestionAnswering', {
        usualLength: (most) => Math.min(DEFAULT_SEQ_LEN, most),
        toExamples: toWindows,
        objectiveOf: spans,
    }),
    // What transformers and sentence-transformers learn of one label by the same loss.
    'text-ranking': withLabels('ForSequenceClassification', {
        toExamples: toRankedPairs,
        modelOf: (base, family, { task, labels, seed }) =>
            withHead(base, family, task, labels, seed, base.config.problem_type),
        objectiveOf: () => severalLabels(1, null, 0),
        filesOf: (trained, { labels }) =>
            toFolder({
                ...trained,
                head: 'ForSequenceClassification',
                labels,
                problem_type: 'multi_label_classification',
            }),
    }),
    'feature-extraction': {
        usualLength: (most) => most,
        toExamples: toPairs,
        limitsOf: limitsOfPairs,
        modelOf: withPooling,
        objectiveOf: pairs,
        validate: validatePairs,
        filesOf: (trained, _, config) => toSentenceFolder(trained, config),
    },
};
