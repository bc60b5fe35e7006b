/**
 * What a model can be for, once: a row here and a file in tasks/. Which of them a model can do, the
 * package says when it is asked; `madeFor` says which of those it is probably made for, since two
 * labels do not tell what they are about.
 *
 * @typedef {import('../../js/loader/model_file.js').ModelConfig} Config
 *
 * @typedef {object} TaskRow
 * @property {string} title
 * @property {string} does  what such a model does, after 'it'
 * @property {(config: Config) => boolean | null} madeFor  null: it is not offered at all
 * @property {() => Promise<{mount: MountTask}>} load
 *
 * @typedef {import('./reading.js').TaskContext} TaskContext
 * @typedef {(node: HTMLElement, context: TaskContext) => void | (() => void)} MountTask  gives what
 *   ends it
 */

import { UNNAMED } from './card.js';

/** @param {Config} config */
const isUnnamed = ({ labels }) => labels.every((label) => UNNAMED.test(label));

/** @param {Config} config */
const hasEntailment = ({ labels }) => labels.some((label) => /^entail/i.test(label));

/** @param {Config} config */
const isNumber = ({ labels, problem_type }) => labels.length === 1 && problem_type === 'regression';

/** By the package's name of the task, in order. @type {Record<string, TaskRow>} */
export const TASKS = {
    'token-classification': {
        title: 'Entities',
        does: 'finds names and the like in texts',
        madeFor: () => true,
        load: () => import('./tasks/entities.js'),
    },
    'question-answering': {
        title: 'Questions',
        does: 'answers questions about a text',
        madeFor: () => true,
        load: () => import('./tasks/questions.js'),
    },
    'fill-mask': {
        title: 'Missing words',
        does: 'fills in words that are left out',
        madeFor: () => true,
        load: () => import('./tasks/masks.js'),
    },
    'zero-shot-classification': {
        title: 'Labels of your own',
        does: 'says which labels of your own fit a text',
        madeFor: (config) => hasEntailment(config) || null,
        load: () => import('./tasks/own_labels.js'),
    },
    'text-ranking': {
        title: 'Ranking',
        does: 'ranks documents by how well they answer a query',
        madeFor: (config) => !isNumber(config),
        load: () => import('./tasks/ranking.js'),
    },
    'text-classification': {
        title: 'Classification',
        does: 'classifies texts',
        madeFor: (config) => config.labels.length > 1 || isNumber(config),
        load: () => import('./tasks/classification.js'),
    },
    'next-sentence-prediction': {
        title: 'Next sentence',
        does: 'says whether one text follows another',
        madeFor: (config) => (isUnnamed(config) ? false : null),
        load: () => import('./tasks/next_sentence.js'),
    },
    'feature-extraction': {
        title: 'Likeness',
        does: 'makes vectors of texts, whose meanings can be compared',
        madeFor: () => false,
        load: () => import('./tasks/likeness.js'),
    },
};

/**
 * The pipelines of all tasks that a model can do; what it is probably made for comes first.
 * @param {import('../shell/models.js').Library} library
 * @param {import('../../js/index.js').Model} model
 * @returns {Promise<Map<string, any>>}  by the task's name
 */
export async function pipelinesOf({ pipeline }, model) {
    const rows = Object.entries(TASKS).map(([name, { madeFor }]) => ({
        name,
        is_made: madeFor(model.config),
    }));
    const found = new Map();
    for (const wanted of [true, false]) {
        for (const { name, is_made } of rows) {
            if (is_made !== wanted) continue;
            try {
                found.set(name, await pipeline(/** @type {any} */ (name), model));
            } catch (error) {
                const { code } = /** @type {Error & {code?: string}} */ (error);
                if (code !== 'WRONG_TASK') throw error;
            }
        }
    }
    return found;
}
