/** ensemble(): several classifiers that answer as one, by the mean of their scores. */

import { BertError, describe, withPlace } from '../errors.js';
import { asyncDispose } from '../platform/async_dispose.js';
import { weightedMean } from './scores.js';
import { classification, scorer } from './text_classification.js';

/** @typedef {import('../model/model.js').Model} Model */

/**
 * A text-classification function that gives the weighted mean of its members' scores. Members are
 * computed at the same time, each by its own worker, and may have different tokenizers.
 *
 * @param {(Model | {model: Model})[]} members  models, or pipelines, of the same labels in any
 *   order
 * @param {{weights?: number[]}} [options]  `weights`: one a member, >= 0, of any positive sum;
 *   default all equal
 * @throws {BertError} BAD_OPTION  the labels are not the same; WRONG_TASK  one is not a classifier
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
        return model;
    });
    const shares = readWeights(weights, models.length);
    const scorers = models.map(scorer);
    const orders = models.map((_, i) => orderOf(models, i));

    const dispose = () => models.forEach((model) => model.dispose());
    const classify = classification(
        models[0].config.labels,
        async (inputs, { onprogress, ...options }) => {
            const progressOf = joined(models.length, onprogress);
            const of_members = await Promise.all(
                scorers.map(async (scoreTexts, i) => {
                    try {
                        return await scoreTexts(inputs, { ...options, onprogress: progressOf(i) });
                    } catch (error) {
                        throw named(error, i, models[i]);
                    }
                }),
            );
            return inputs.map((_, text) => {
                const failed = of_members.findIndex(
                    (results) => results[text] instanceof BertError,
                );
                if (failed >= 0) {
                    return /** @type {BertError} */ (
                        named(of_members[failed][text], failed, models[failed])
                    );
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
        task: 'text-classification',
        models,
        /** What each member is: see Model.info(). */
        info: () => Promise.all(models.map((model) => model.info())),
        /** Ends all members' workers. */
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
 * @param {number} i
 * @returns {number[]}
 */
function orderOf([{ name, config: first }, ...others], i) {
    const { name: own_name, config } = i ? others[i - 1] : { name, config: first };
    const { labels } = config;
    const order = first.labels.map((label) => labels.indexOf(label));
    if (labels.length !== order.length || order.includes(-1)) {
        throw new BertError(
            'BAD_OPTION',
            `the members of an ensemble must have the same labels: ${nameOf(0, name)} has ` +
                `${first.labels.join(', ')}, ${nameOf(i, own_name)} has ${labels.join(', ')}`,
        );
    }
    if ((config.problem_type === 'regression') !== (first.problem_type === 'regression')) {
        throw new BertError(
            'BAD_OPTION',
            'the members of an ensemble must all give probabilities, or all give values ' +
                `(regression): ${nameOf(0, name)} and ${nameOf(i, own_name)} differ`,
        );
    }
    return order;
}

/**
 * @param {number} i
 * @param {string} name
 */
function nameOf(i, name) {
    return `member ${i} ('${name}')`;
}

/**
 * @param {unknown} error
 * @param {number} i
 * @param {Model} model
 */
function named(error, i, { name }) {
    return withPlace(error, nameOf(i, name));
}

/**
 * One progress for several callers: that of the slowest.
 * @param {number} n
 * @param {((progress: import('../model/model.js').Progress) => void) | undefined} onprogress
 * @returns {(i: number) => typeof onprogress}
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
