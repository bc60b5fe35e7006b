/**
 * zero-shot-classification: how well labels that the model has never seen fit a text, by a model of
 * natural language inference, which is asked of each label whether the text entails that it fits
 * (Yin et al. 2019, Benchmarking Zero-shot Text Classification).
 */

import { BertError, describe } from '../errors.js';
import { softmax } from '../worker/outputs.js';
import { answer, readText } from './call.js';
import { CALL_OPTIONS, isFlag, OVERFLOW_OPTIONS, readOptions } from './options.js';
import { topIndices } from './scores.js';
import { mergeScores } from './text_classification.js';

/** @import { CallOptions, Errors, OverflowOptions, Settled } from './options.js' */

/**
 * @typedef {object} ZeroShotClassification
 * @property {string} sequence  the text
 * @property {string[]} labels  best first
 * @property {number[]} scores  of these, 0 to 1; they add up to 1, but for `multi_label`
 * @property {true} [truncated]  where the text was longer than the model reads
 */

/**
 * @typedef {object} HypothesisOptions
 * @property {string} [hypothesis_template]  what the text is to entail, with {} for the label;
 *   default 'This example is {}.'
 * @property {boolean} [multi_label]  whether labels do not exclude each other: each has a score of
 *   its own; default false
 *
 * @typedef {HypothesisOptions & CallOptions & OverflowOptions} ZeroShotOptions
 */

/** @type {Required<HypothesisOptions>} */
const OPTIONS = { hypothesis_template: 'This example is {}.', multi_label: false };
const RULES = {
    hypothesis_template: (/** @type {unknown} */ value) =>
        typeof value === 'string' && value.includes('{}') ? null : 'a string with {} for the label',
    multi_label: isFlag,
};

/**
 * @param {import('../model/model.js').Model} model
 * @param {string} task  for messages
 */
export function zeroShotClassification(model, task) {
    const [entailment, contradiction] = inferenceLabels(model, task);

    /**
     * @overload
     * @param {string} texts
     * @param {string | string[]} labels  an array, or a list with commas
     * @param {ZeroShotOptions} [options]
     * @returns {Promise<ZeroShotClassification>}
     */
    /**
     * @overload
     * @param {string[]} texts
     * @param {string | string[]} labels
     * @param {ZeroShotOptions & {errors?: E}} [options]
     * @returns {Promise<Settled<ZeroShotClassification, E>[]>}
     * @template {Errors} [E='throw']
     */
    /**
     * @overload
     * @param {Iterable<string> | AsyncIterable<string>} texts  read as results are taken
     * @param {string | string[]} labels
     * @param {ZeroShotOptions & {errors?: E}} [options]
     * @returns {AsyncGenerator<Settled<ZeroShotClassification, E>, void, undefined>}
     * @template {Errors} [E='throw']
     */
    /**
     * @param {any} texts
     * @param {string | string[]} labels
     * @param {ZeroShotOptions} [options]
     * @returns {any}
     */
    function classify(texts, labels, options = {}) {
        return answer(texts, () => {
            const { hypothesis_template, multi_label, signal, onprogress, errors, ...request } =
                readOptions(
                    task,
                    options,
                    { ...OPTIONS, ...OVERFLOW_OPTIONS, ...CALL_OPTIONS },
                    RULES,
                );
            const candidates = readLabels(labels);
            const hypotheses = candidates.map((label) =>
                hypothesis_template.replaceAll('{}', () => label),
            );
            const is_alone = multi_label || candidates.length === 1;
            return {
                errors,
                read: (input) => readText(input).text,
                async run(sequences) {
                    const inputs = sequences.flatMap((text) =>
                        hypotheses.map((text_pair) => ({ text, text_pair })),
                    );
                    const progress = onprogress && countTexts(onprogress, hypotheses.length);
                    const results = await model.run(
                        {
                            inputs,
                            outputs: { logits: { output: 'logits' } },
                            strategy: 'only_first',
                            ...request,
                        },
                        { signal, onprogress: progress },
                    );
                    return sequences.map((sequence, s) => {
                        const own = results.slice(
                            s * hypotheses.length,
                            (s + 1) * hypotheses.length,
                        );
                        const logits = [];
                        for (const result of own) {
                            if (result instanceof BertError) return result;
                            logits.push(mergeScores(result, (values) => values));
                        }
                        const scores = is_alone
                            ? logits.map((row) => softmax([row[contradiction], row[entailment]])[1])
                            : softmax(logits.map((row) => row[entailment]));
                        const order = topIndices(scores, scores.length);
                        const truncated = own.some(
                            (result) => !(result instanceof BertError) && result.truncated,
                        );
                        return {
                            sequence,
                            labels: order.map((i) => candidates[i]),
                            scores: order.map((i) => scores[i]),
                            .../** @type {{truncated?: true}} */ (truncated ? { truncated } : {}),
                        };
                    });
                },
            };
        });
    }
    return classify;
}

/**
 * Indices of entailment and contradiction, as Python's pipeline finds them. A model of other things
 * is refused.
 * @param {import('../model/model.js').Model} model
 * @param {string} task
 * @returns {[number, number]}
 */
function inferenceLabels({ name, config: { labels } }, task) {
    const found = labels.findIndex((label) => label.toLowerCase().startsWith('entail'));
    const isNamed = labels.some((label) => !/^LABEL_\d+$/.test(label));
    if (labels.length < 2 || (found < 0 && isNamed)) {
        throw new BertError(
            'WRONG_TASK',
            `${task} needs a model of natural language inference, ` +
                `with a label 'entailment'; '${name}' has ${labels.join(', ')}`,
        );
    }
    const entailment = found < 0 ? labels.length - 1 : found;
    return [entailment, entailment === 0 ? labels.length - 1 : 0];
}

/**
 * @param {unknown} labels
 * @returns {string[]}
 */
function readLabels(labels) {
    const list =
        typeof labels === 'string'
            ? labels
                  .split(',')
                  .map((label) => label.trim())
                  .filter((label) => label !== '')
            : labels;
    if (
        !Array.isArray(list) ||
        list.length === 0 ||
        list.some((label) => typeof label !== 'string')
    ) {
        throw new BertError(
            'BAD_INPUT',
            `labels must be one string or more, not ${describe(labels)}`,
        );
    }
    return list;
}

/**
 * Progress in texts, where each text makes several pairs.
 * @param {(progress: import('../model/model.js').Progress) => void} onprogress
 * @param {number} n_pairs
 * @returns {(progress: import('../model/model.js').Progress) => void}
 */
function countTexts(onprogress, n_pairs) {
    return ({ done, total }) =>
        onprogress({ done: Math.floor(done / n_pairs), total: total / n_pairs });
}
