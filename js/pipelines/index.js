/** pipeline(): a task, a model for it, and a function that does it. */

import { BertError, describe } from '../errors.js';
import { DEFAULT_MODEL, loadModel, Model } from '../model/model.js';
import { asyncDispose } from '../platform/async_dispose.js';
import { featureExtraction } from './feature_extraction.js';
import { fillMask } from './fill_mask.js';
import { requireHead } from './head.js';
import { nextSentencePrediction } from './next_sentence_prediction.js';
import { reportStatuses } from './progress.js';
import { questionAnswering } from './question_answering.js';
import { ALIASES, TASKS, unaliased } from './tasks.js';
import { textClassification } from './text_classification.js';
import { textRanking } from './text_ranking.js';
import { tokenClassification } from './token_classification.js';
import { zeroShotClassification } from './zero_shot_classification.js';

/** @import { LoadOptions as ModelLoadOptions, ModelSource } from '../model/model.js' */
/** @import { LoadStatus } from './progress.js' */
/** @import { Task, Unaliased } from './tasks.js' */

/**
 * @typedef {object} PipelineExtras
 * @property {string} task  without aliases
 * @property {import('../model/model.js').Model} model
 * @property {() => void} dispose  ends the model's worker and gives its memory back
 */

/** What does each task. @satisfies {Record<Task, (model: Model, task: string) => Function>} */
export const PIPELINES = {
    'text-classification': textClassification,
    'token-classification': tokenClassification,
    'question-answering': questionAnswering,
    'feature-extraction': featureExtraction,
    'fill-mask': fillMask,
    'zero-shot-classification': zeroShotClassification,
    'text-ranking': textRanking,
    'next-sentence-prediction': nextSentencePrediction,
};

/** @typedef {PipelineExtras & AsyncDisposable} Extras */
/** @typedef {ReturnType<typeof textClassification> & Extras} TextClassificationPipeline */
/** @typedef {ReturnType<typeof tokenClassification> & Extras} TokenClassificationPipeline */
/** @typedef {ReturnType<typeof questionAnswering> & Extras} QuestionAnsweringPipeline */
/** @typedef {ReturnType<typeof featureExtraction> & Extras} FeatureExtractionPipeline */
/** @typedef {ReturnType<typeof fillMask> & Extras} FillMaskPipeline */
/** @typedef {ReturnType<typeof zeroShotClassification> & Extras} ZeroShotClassificationPipeline */
/** @typedef {ReturnType<typeof textRanking> & Extras} TextRankingPipeline */
/** @typedef {ReturnType<typeof nextSentencePrediction> & Extras} NextSentencePredictionPipeline */

/**
 * @typedef {ModelSource | Model | null} PipelineModel
 *   a URL, path or bytes; or a model that is loaded already, which may do several tasks
 */

/**
 * @typedef {ModelLoadOptions & {progress_callback?: (status: LoadStatus) => void}} LoadOptions
 *   progress_callback: as transformers.js calls it
 */

/**
 * @template {Task} T
 * @typedef {ReturnType<(typeof PIPELINES)[T]> & Extras} PipelineOf
 */

/**
 * @overload
 * @param {'text-classification' | 'sentiment-analysis'} task
 * @param {PipelineModel} [model]  default: the bundled English sentiment model
 * @param {LoadOptions} [options]
 * @returns {Promise<TextClassificationPipeline>}
 */
/**
 * @overload
 * @param {N} task
 * @param {PipelineModel} model
 * @param {LoadOptions} [options]
 * @returns {Promise<PipelineOf<Unaliased<N>>>}
 * @template {Task | keyof typeof ALIASES} N
 */
/**
 * @param {string} task
 * @param {PipelineModel} [model]
 * @param {LoadOptions} [options]
 * @returns {Promise<any>}
 */
export async function pipeline(task, model, { progress_callback, ...options } = {}) {
    const name = /** @type {Task} */ (unaliased(task));
    if (!Object.hasOwn(PIPELINES, name)) {
        const names = [...Object.keys(PIPELINES), ...Object.keys(ALIASES)];
        throw new BertError(
            'BAD_OPTION',
            `task must be ${names.join(', ')}, not ${describe(task)}`,
        );
    }
    const isLoaded = model instanceof Model;
    const statuses =
        progress_callback && !isLoaded
            ? reportStatuses(model ?? DEFAULT_MODEL, name, progress_callback, options.onprogress)
            : null;
    const loaded = isLoaded
        ? model
        : await loadModel(model, {
              ...options,
              ...(statuses && { onprogress: statuses.onprogress }),
          });
    statuses?.done();
    try {
        const dispose = () => loaded.dispose();
        requireHead(loaded, TASKS[name], name);
        return Object.assign(PIPELINES[name](loaded, name), {
            task: name,
            model: loaded,
            dispose,
            [asyncDispose]: async () => dispose(),
        });
    } catch (error) {
        if (!isLoaded) loaded.dispose();
        throw error;
    }
}
