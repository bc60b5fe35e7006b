/**
 * The tasks, once: their names, what does each, the head of a model that it needs, and other names.
 * Whatever else exists for each task is keyed by these names: evaluations (metrics/evaluate.js),
 * commands (cli/tasks.js), pages (docs/tasks/). tests/js/tasks.test.js compares the keys. Bundles
 * that need the names alone leave the rest out.
 */

import { featureExtraction } from './feature_extraction.js';
import { fillMask } from './fill_mask.js';
import { nextSentencePrediction } from './next_sentence_prediction.js';
import { questionAnswering } from './question_answering.js';
import { textClassification } from './text_classification.js';
import { textRanking } from './text_ranking.js';
import { tokenClassification } from './token_classification.js';
import { zeroShotClassification } from './zero_shot_classification.js';

/** @import { Model } from '../model/model.js' */

/**
 * @typedef {'classifier' | 'token classifier' | 'span' | 'language model' | 'none'} Head
 *
 * @typedef {object} TaskRow
 * @property {(model: Model, task: string) => Function} make  what does the task, of a model
 * @property {Head} head  that a model needs for it; none: it needs no head. A model of a head is
 *   for the first of its tasks, unless told otherwise
 */

/** @satisfies {Record<string, TaskRow>} */
export const TASKS = /** @type {const} */ ({
    'text-classification': { make: textClassification, head: 'classifier' },
    'token-classification': { make: tokenClassification, head: 'token classifier' },
    'question-answering': { make: questionAnswering, head: 'span' },
    'feature-extraction': { make: featureExtraction, head: 'none' },
    'fill-mask': { make: fillMask, head: 'language model' },
    'zero-shot-classification': { make: zeroShotClassification, head: 'classifier' },
    'text-ranking': { make: textRanking, head: 'classifier' },
    'next-sentence-prediction': { make: nextSentencePrediction, head: 'classifier' },
});

/** @typedef {keyof typeof TASKS} Task */

/** Other names. @satisfies {Record<string, Task>} */
export const ALIASES = /** @type {const} */ ({
    'sentiment-analysis': 'text-classification',
    ner: 'token-classification',
    embeddings: 'feature-extraction',
});

/** Names of what is evaluated, where it is more than what the pipeline gives. */
export const JUDGED_AS = /** @type {Record<string, Task>} */ ({
    similarity: 'feature-extraction',
});

/** @typedef {keyof typeof ALIASES} Alias */

/**
 * @template {string} N
 * @typedef {N extends Alias ? (typeof ALIASES)[N] : N} Unaliased
 */

/**
 * @param {string} name  perhaps an alias
 * @returns {string}  perhaps not a task
 */
export function unaliased(name) {
    return Object.hasOwn(ALIASES, name) ? ALIASES[/** @type {Alias} */ (name)] : name;
}
