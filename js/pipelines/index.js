/** pipeline(): a task, a model for it, and a function that does it. */

import { BertError, describe } from '../errors.js';
import { Model, openModel } from '../model/model.js';
import { asyncDispose } from '../platform/async_dispose.js';
import { requireHead } from './head.js';
import { ALIASES, TASKS, unaliased } from './tasks.js';

/** @import { ModelLoadOptions, ModelSource } from '../model/model.js' */
/** @import { Alias, Task, Unaliased } from './tasks.js' */

/**
 * @typedef {object} PipelineExtras
 * @property {string} task  its name, not an alias
 * @property {import('../model/model.js').Model} model  what does it
 * @property {() => void} dispose  ends the model's worker and gives its memory back
 */

/**
 * @typedef {PipelineExtras & AsyncDisposable} Extras  Every pipeline has these. Its calls fail with
 *   BAD_OPTION; with BAD_INPUT or SEQUENCE_TOO_LONG where an input is wrong; with OUT_OF_MEMORY;
 *   and with DISPOSED after dispose().
 */

/**
 * @typedef {ModelSource | Model | null} PipelineModel
 *   a URL, path or bytes; or a model that is loaded already, which may do several tasks; null: the
 *   default
 */

/** @typedef {ModelLoadOptions} LoadOptions */

/**
 * @template {Task} T
 * @typedef {ReturnType<(typeof TASKS)[T]['make']> & Extras} PipelineOf
 */

/**
 * A function that does a task, by a model in a worker of its own.
 * @throws {BertError} BAD_OPTION where there is no such task, WRONG_TASK where the model does
 *   another
 * @throws {BertError} whatever loadModel() throws
 * @overload
 * @param {'text-classification' | 'sentiment-analysis'} task  what to do
 * @param {PipelineModel} [model]  what does it; default the English sentiment model of
 *   bert-wasm-sentiment, for text-classification alone
 * @param {LoadOptions} [options]
 * @returns {Promise<PipelineOf<'text-classification'>>}
 */
/**
 * @overload
 * @param {N} task
 * @param {PipelineModel} model
 * @param {LoadOptions} [options]
 * @returns {Promise<PipelineOf<Unaliased<N>>>}
 * @template {Task | Alias} N
 */
/**
 * @param {string} task
 * @param {PipelineModel} [model]
 * @param {LoadOptions} [options]
 * @returns {Promise<any>}
 */
export async function pipeline(task, model, options = {}) {
    const name = /** @type {Task} */ (unaliased(task));
    if (!Object.hasOwn(TASKS, name)) {
        const names = [...Object.keys(TASKS), ...Object.keys(ALIASES)];
        throw new BertError(
            'BAD_OPTION',
            `task must be ${names.join(', ')}, not ${describe(task)}`,
        );
    }
    const is_loaded = model instanceof Model;
    const loaded = is_loaded ? model : await openModel(model, options, name);
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
        if (!is_loaded) loaded.dispose();
        throw error;
    }
}
