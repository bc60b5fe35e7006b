/** ensemble(): several classifiers that answer as one, by the mean of their scores. */

import { BertError, describe, withPlace } from '../errors.js';
import { asyncDispose } from '../platform/async_dispose.js';
import { requireHead } from './head.js';
import { weightedMean } from './scores.js';
import { TASKS } from './tasks.js';
import { classification, scorer } from './text_classification.js';

/** @typedef {import('../model/model.js').Model} Model */

const TASK = 'text-classification';

/**
 * @typedef {object} EnsembleExtras
 * @property {string} task  'text-classification'
 * @property {Model[]} models  the members'
 * @property {() => Promise<import('../worker/loaded_model.js').ModelInfo[]>} info  what each member
 *   is: see Model.info()
 * @property {() => void} dispose  ends all members' workers
 */

/**
 * @typedef {ReturnType<typeof classification> & EnsembleExtras & AsyncDisposable} Ensemble
 *   several classifiers that answer as one
 */

/**
 * A text-classification function that gives the weighted mean of its members' scores. Members are
 * computed at the same time, each by its own worker, and may have different tokenizers.
 *
 * @param {(Model | {model: Model})[]} members  models, or pipelines, of the same labels in any
 *   order
 * @param {object} [options]
 * @param {number[]} [options.weights]  one a member, from 0, of any positive sum; default all equal
 * @returns {Ensemble}
 * @throws {BertError} BAD_OPTION where labels are not the same, or weights are wrong
 * @throws {BertError} WRONG_TASK where a member is not a classifier
 */
export function ensemble(members, { weights } = {}) {
    if (!Array.isArray(members) || members.length === 0) {
        throw new BertError(
            'BAD_INPUT',
            `members must be an array of one model or more, not ${describe(members)}`,
        );
    }
    /** @type {Model[]} */
    const models = members.map((member, i) => {
        const model = /** @type {any} */ (member)?.model ?? member;
        if (typeof model?.run !== 'function') {
            throw new BertError(
                'BAD_INPUT',
                `member ${i} must be a model or a pipeline, not ${describe(member)}`,
            );
        }
        requireHead(model, TASKS[TASK].head, TASK);
        return model;
    });
    const shares = readWeights(weights, models.length);
    const scorers = models.map(scorer);
    const names = models.map(({ name }, i) => `member ${i} ('${name}')`);
    const orders = models.map((_, i) => orderOf(models, names, i));

    const dispose = () => models.forEach((model) => model.dispose());
    const classify = classification(
        TASK,
        models[0].config.labels,
        async (inputs, { onprogress, ...options }) => {
            const progressOf = joined(models.length, onprogress);
            const of_members = await Promise.all(
                scorers.map((scoreTexts, i) =>
                    scoreTexts(inputs, { ...options, onprogress: progressOf(i) }).catch((error) => {
                        throw withPlace(error, names[i]);
                    }),
                ),
            );
            return inputs.map((_, text) => {
                for (const [i, { [text]: result }] of of_members.entries()) {
                    if (result instanceof BertError) return withPlace(result, names[i]);
                }
                const results = of_members.map(
                    (each) => /** @type {import('./text_classification.js').Scored} */ (each[text]),
                );
                const rows = results.map(({ scores }, i) =>
                    orders[i].map((place) => scores[place]),
                );
                return {
                    scores: weightedMean(rows, shares),
                    truncated: results.some(({ truncated }) => truncated),
                };
            });
        },
    );
    return Object.assign(classify, {
        task: TASK,
        models,
        info: () => Promise.all(models.map((model) => model.info())),
        dispose,
        [asyncDispose]: async () => dispose(),
    });
}

/**
 * @param {unknown} weights
 * @param {number} n
 * @returns {number[]}
 */
function readWeights(weights, n) {
    if (weights === undefined) return Array(n).fill(1);
    if (
        !Array.isArray(weights) ||
        weights.length !== n ||
        !weights.every((weight) => Number.isFinite(weight) && weight >= 0) ||
        !weights.some((weight) => weight > 0)
    ) {
        const got = Array.isArray(weights) ? `[${weights.join(', ')}]` : describe(weights);
        throw new BertError(
            'BAD_OPTION',
            `weights must be ${n} numbers >= 0, one of them above 0, not ${got}`,
        );
    }
    return weights;
}

/**
 * Indices of a member's labels in the order of the first member's.
 * @param {Model[]} models
 * @param {string[]} names
 * @param {number} i
 * @returns {number[]}
 */
function orderOf(models, names, i) {
    const { labels: wanted, problem_type } = models[0].config;
    const { labels, problem_type: own } = models[i].config;
    const order = wanted.map((label) => labels.indexOf(label));
    if (labels.length !== order.length || order.includes(-1)) {
        throw new BertError(
            'BAD_OPTION',
            `${names[i]} must have the labels of ${names[0]}, ${wanted.join(', ')}, ` +
                `not ${labels.join(', ')}`,
        );
    }
    if ((own === 'regression') !== (problem_type === 'regression')) {
        throw new BertError(
            'BAD_OPTION',
            `${names[i]} and ${names[0]} must both do regression, or neither`,
        );
    }
    return order;
}

/** @typedef {((progress: import('../model/model.js').Progress) => void) | undefined} OnProgress */

/**
 * One progress for several callers: that of the slowest.
 * @param {number} n
 * @param {OnProgress} onprogress
 * @returns {(i: number) => OnProgress}
 */
function joined(n, onprogress) {
    const done = Array(n).fill(0);
    let last = 0;
    return (i) =>
        onprogress &&
        (({ done: own, total }) => {
            done[i] = own;
            const least = Math.min(...done);
            if (least > last) onprogress({ done: (last = least), total });
        });
}
