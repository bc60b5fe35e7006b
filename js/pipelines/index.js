/** pipeline(): a task, a model for it, and a function that does it. */

import { BertError, describe } from '../errors.js';
import { DEFAULT_MODEL, loadModel, Model } from '../model/model.js';
import { asyncDispose } from '../platform/async_dispose.js';
import { featureExtraction } from './feature_extraction.js';
import { fillMask } from './fill_mask.js';
import { nextSentencePrediction } from './next_sentence_prediction.js';
import { reportStatuses } from './progress.js';
import { questionAnswering } from './question_answering.js';
import { textClassification } from './text_classification.js';
import { textRanking } from './text_ranking.js';
import { tokenClassification } from './token_classification.js';
import { zeroShotClassification } from './zero_shot_classification.js';

/** @import { ModelLoadOptions, ModelSource } from '../model/model.js' */
/** @import { LoadStatus } from './progress.js' */

/**
 * @typedef {object} PipelineExtras
 * @property {string} task  its name, not an alias
 * @property {import('../model/model.js').Model} model  what does it
 * @property {() => void} dispose  ends the model's worker and gives its memory back
 */

const TASKS = {
    'text-classification': textClassification,
    'token-classification': tokenClassification,
    'question-answering': questionAnswering,
    'feature-extraction': featureExtraction,
    'fill-mask': fillMask,
    'zero-shot-classification': zeroShotClassification,
    'text-ranking': textRanking,
    'next-sentence-prediction': nextSentencePrediction,
};

/** Other names. @type {Record<string, keyof typeof TASKS>} */
const ALIASES = {
    'sentiment-analysis': 'text-classification',
    ner: 'token-classification',
    embeddings: 'feature-extraction',
};

/**
 * @typedef {PipelineExtras & AsyncDisposable} Extras  Every pipeline has these. Its calls fail with
 *   BAD_OPTION; with BAD_INPUT or SEQUENCE_TOO_LONG where an input is wrong; with OUT_OF_MEMORY;
 *   and with DISPOSED after dispose().
 */

/**
 * @typedef {ReturnType<typeof textClassification> & Extras} TextClassificationPipeline
 *   the labels of a text, or of a pair of texts
 *
 * @typedef {ReturnType<typeof tokenClassification> & Extras} TokenClassificationPipeline
 *   the tokens of a text with their labels, or the entities that they make
 *
 * @typedef {ReturnType<typeof questionAnswering> & Extras} QuestionAnsweringPipeline
 *   the part of a context that answers a question
 *
 * @typedef {ReturnType<typeof featureExtraction> & Extras} FeatureExtractionPipeline
 *   vectors of texts, one for each or one for each of its tokens
 *
 * @typedef {ReturnType<typeof fillMask> & Extras} FillMaskPipeline
 *   what may stand in the place of a mask token
 *
 * @typedef {ReturnType<typeof zeroShotClassification> & Extras} ZeroShotClassificationPipeline
 *   how well labels that the model has never seen fit a text
 *
 * @typedef {ReturnType<typeof textRanking> & Extras} TextRankingPipeline
 *   documents by how well they answer a query
 *
 * @typedef {ReturnType<typeof nextSentencePrediction> & Extras} NextSentencePredictionPipeline
 *   whether one text follows another
 */

/**
 * @typedef {ModelSource | Model | null} PipelineModel
 *   a URL, path or bytes; or a model that is loaded already, which may do several tasks; null: the
 *   default
 */

/**
 * @typedef {object} ProgressOptions
 * @property {(status: LoadStatus) => void} [progress_callback]  transformers.js's `onprogress`
 *
 * @typedef {ModelLoadOptions & ProgressOptions} LoadOptions
 */

/**
 * A function that does a task, by a model in a worker of its own.
 * @throws {BertError} BAD_OPTION where there is no such task, WRONG_TASK where the model does
 *   another
 * @throws {BertError} whatever loadModel() throws
 * @overload
 * @param {'text-classification' | 'sentiment-analysis'} task  what to do
 * @param {PipelineModel} [model]  what does it; default the bundled English sentiment model, for
 *   text-classification alone
 * @param {LoadOptions} [options]
 * @returns {Promise<TextClassificationPipeline>}
 */
/**
 * @overload
 * @param {'token-classification' | 'ner'} task
 * @param {PipelineModel} model
 * @param {LoadOptions} [options]
 * @returns {Promise<TokenClassificationPipeline>}
 */
/**
 * @overload
 * @param {'question-answering'} task
 * @param {PipelineModel} model
 * @param {LoadOptions} [options]
 * @returns {Promise<QuestionAnsweringPipeline>}
 */
/**
 * @overload
 * @param {'feature-extraction' | 'embeddings'} task
 * @param {PipelineModel} model
 * @param {LoadOptions} [options]
 * @returns {Promise<FeatureExtractionPipeline>}
 */
/**
 * @overload
 * @param {'fill-mask'} task
 * @param {PipelineModel} model
 * @param {LoadOptions} [options]
 * @returns {Promise<FillMaskPipeline>}
 */
/**
 * @overload
 * @param {'zero-shot-classification'} task
 * @param {PipelineModel} model
 * @param {LoadOptions} [options]
 * @returns {Promise<ZeroShotClassificationPipeline>}
 */
/**
 * @overload
 * @param {'text-ranking'} task
 * @param {PipelineModel} model
 * @param {LoadOptions} [options]
 * @returns {Promise<TextRankingPipeline>}
 */
/**
 * @overload
 * @param {'next-sentence-prediction'} task
 * @param {PipelineModel} model
 * @param {LoadOptions} [options]
 * @returns {Promise<NextSentencePredictionPipeline>}
 */
/**
 * @param {string} task
 * @param {PipelineModel} [model]
 * @param {LoadOptions} [options]
 * @returns {Promise<any>}
 */
export async function pipeline(task, model, { progress_callback, ...options } = {}) {
    const name = Object.hasOwn(ALIASES, task) ? ALIASES[task] : task;
    if (!Object.hasOwn(TASKS, name)) {
        throw new BertError(
            'BAD_OPTION',
            `there is no task ${describe(task)}; there are ` +
                `${[...Object.keys(TASKS), ...Object.keys(ALIASES)].join(', ')}`,
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
        return Object.assign(TASKS[/** @type {keyof typeof TASKS} */ (name)](loaded), {
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
