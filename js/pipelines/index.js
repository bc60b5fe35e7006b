/** pipeline(): a task, a model for it, and a function that does it. */

import { BertError, describe } from '../errors.js';
import { DEFAULT_MODEL, loadModel, Model } from '../model/model.js';
import { asyncDispose } from '../platform/async_dispose.js';
import { requireHead } from './head.js';
import { reportStatuses } from './progress.js';
import { ALIASES, TASKS, unaliased } from './tasks.js';

/** @import { LoadOptions as ModelLoadOptions, ModelSource } from '../model/model.js' */
/** @import { LoadStatus } from './progress.js' */
/** @import { Task, Unaliased } from './tasks.js' */

/**
 * @typedef {object} PipelineExtras
 * @property {string} task  without aliases
 * @property {import('../model/model.js').Model} model
 * @property {() => void} dispose  ends the model's worker and gives its memory back
 */

/** @typedef {PipelineExtras & AsyncDisposable} Extras */

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
 * @typedef {ReturnType<(typeof TASKS)[T]['make']> & Extras} PipelineOf
 */

/**
 * @overload
 * @param {'text-classification' | 'sentiment-analysis'} task
 * @param {PipelineModel} [model]  default: the bundled English sentiment model
 * @param {LoadOptions} [options]
 * @returns {Promise<PipelineOf<'text-classification'>>}
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
    if (!Object.hasOwn(TASKS, name)) {
        const names = [...Object.keys(TASKS), ...Object.keys(ALIASES)];
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
        requireHead(loaded, TASKS[name].head, name);
        return Object.assign(TASKS[name].make(loaded, name), {
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
