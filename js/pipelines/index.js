// Without it AsyncDisposable is nothing to a program that has no such lib, and its pipelines are any.
/// <reference lib="esnext.disposable" preserve="true" />
/** pipeline(): a task, a model for it, and a function that does it. */
import { BertError, describe } from '../errors.js';
import { loadModel } from '../model.js';
import { questionAnswering } from './question_answering.js';
import { textClassification } from './text_classification.js';
import { tokenClassification } from './token_classification.js';

/**
 * @typedef {object} PipelineExtras
 * @property {string} task
 * @property {import('../model.js').Model} model
 * @property {() => void} dispose  ends the model's worker and gives its memory back
 */

const TASKS = {
    'text-classification': textClassification,
    'sentiment-analysis': textClassification,
    'token-classification': tokenClassification,
    ner: tokenClassification,
    'question-answering': questionAnswering,
};

/** @typedef {keyof typeof TASKS} Task */

/**
 * @typedef {ReturnType<typeof textClassification> & PipelineExtras & AsyncDisposable} TextClassificationPipeline
 * @typedef {ReturnType<typeof tokenClassification> & PipelineExtras & AsyncDisposable} TokenClassificationPipeline
 * @typedef {ReturnType<typeof questionAnswering> & PipelineExtras & AsyncDisposable} QuestionAnsweringPipeline
 */

/**
 * @overload
 * @param {'text-classification' | 'sentiment-analysis'} task
 * @param {import('../model.js').ModelSource | null} [model]  default: the bundled English sentiment model
 * @param {import('../model.js').LoadOptions} [options]
 * @returns {Promise<TextClassificationPipeline>}
 */
/**
 * @overload
 * @param {'token-classification' | 'ner'} task
 * @param {import('../model.js').ModelSource} model
 * @param {import('../model.js').LoadOptions} [options]
 * @returns {Promise<TokenClassificationPipeline>}
 */
/**
 * @overload
 * @param {'question-answering'} task
 * @param {import('../model.js').ModelSource} model
 * @param {import('../model.js').LoadOptions} [options]
 * @returns {Promise<QuestionAnsweringPipeline>}
 */
/**
 * @param {Task} task
 * @param {import('../model.js').ModelSource | null} [model]
 * @param {import('../model.js').LoadOptions} [options]
 * @returns {Promise<any>}
 */
export async function pipeline(task, model, options) {
    if (!Object.hasOwn(TASKS, task)) {
        throw new BertError('BAD_OPTION', `there is no task ${describe(task)}; there are ${Object.keys(TASKS).join(', ')}`);
    }
    const loaded = await loadModel(model, options);
    try {
        const dispose = () => loaded.dispose();
        return Object.assign(TASKS[task](loaded), {
            task,
            model: loaded,
            dispose,
            [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]: async () => dispose(),
        });
    } catch (error) {
        loaded.dispose();
        throw error;
    }
}
