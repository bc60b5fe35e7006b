/**
 * text-classification (also called sentiment-analysis): the labels of a text, or of a pair of
 * texts, with their scores.
 */

import { BertError } from '../errors.js';
import { answer, readText } from './call.js';
import { logitsOf } from './head.js';
import {
    CALL_OPTIONS,
    OVERFLOW_OPTIONS,
    oneOf,
    orNull,
    readOptions,
    wholeNumber,
} from './options.js';
import { scoring, topIndices, weightedMean } from './scores.js';

/** @import { CallOptions, Errors, OverflowOptions, Settled } from './options.js' */

/**
 * @typedef {object} Classification
 * @property {string} label  one of the model's
 * @property {number} score  probability, 0 to 1; for regression the value itself
 * @property {true} [truncated]  where the text was longer than the model reads
 */

/**
 * @typedef {object} LabelOptions
 * @property {number | null} [top_k]  labels to return, best first, from 1; null: all; default 1
 * @property {'sigmoid' | 'softmax' | 'none' | null} [function_to_apply]  what makes scores of the
 *   logits; default null: none for regression, sigmoid for one label or many that do not exclude
 *   each other, else softmax
 *
 * @typedef {LabelOptions & CallOptions & OverflowOptions} TextClassificationOptions
 *   Where a text is read in windows its scores are their mean, weighted by their tokens.
 */

/** @typedef {import('../model/inputs.js').TextInput} TextInput */

/** @type {Required<LabelOptions>} */
const OPTIONS = { top_k: 1, function_to_apply: null };
const RULES = {
    top_k: orNull(wholeNumber(1)),
    function_to_apply: orNull(oneOf('sigmoid', 'softmax', 'none')),
};

/**
 * @typedef {object} Scored
 * @property {ArrayLike<number>} scores  of the labels
 * @property {boolean} truncated
 */

/**
 * Scores of texts; the error of one takes the place of its scores.
 * @callback ScoreTexts
 * @param {{text: string, text_pair?: string}[]} inputs
 * @param {Omit<TextClassificationOptions, 'top_k' | 'errors'>} options
 * @returns {Promise<(Scored | BertError)[]>}
 */

/**
 * @param {import('../model/model.js').Model} model
 * @param {string} task  for messages
 */
export function textClassification(model, task) {
    return classification(task, model.config.labels, scorer(model));
}

/**
 * @param {import('../model/model.js').Model} model
 * @returns {ScoreTexts}
 */
export function scorer(model) {
    return async (inputs, { function_to_apply = null, signal, onprogress, ...request }) => {
        const scoresOf = scoring(model.config, function_to_apply);
        const { output, toLogits } = logitsOf(model.config);
        const scores = (/** @type {Float32Array} */ row) => scoresOf(toLogits(row));
        const results = await model.run(
            { inputs, outputs: { logits: { output } }, ...request },
            { signal, onprogress },
        );
        return results.map((result) =>
            result instanceof BertError
                ? result
                : { scores: mergeScores(result, scores), truncated: result.truncated },
        );
    };
}

/**
 * The function of the task, from any function that scores texts.
 * @param {string} task
 * @param {string[]} labels
 * @param {ScoreTexts} scoreTexts
 */
export function classification(task, labels, scoreTexts) {
    /**
     * @overload
     * @param {TextInput} texts  a text, or a pair as {text, text_pair}
     * @param {TextClassificationOptions} [options]
     * @returns {Promise<Classification[]>}  its `top_k` labels
     */
    /**
     * @overload
     * @param {TextInput[]} texts
     * @param {TextClassificationOptions & {top_k?: 1, errors?: E}} [options]
     * @returns {Promise<Settled<Classification, E>[]>}  the label of each text
     * @template {Errors} [E='throw']
     */
    /**
     * @overload
     * @param {TextInput[]} texts
     * @param {TextClassificationOptions & {errors?: E}} options
     * @returns {Promise<Settled<Classification[], E>[]>}  the labels of each text
     * @template {Errors} [E='throw']
     */
    /**
     * @overload
     * @param {Iterable<TextInput> | AsyncIterable<TextInput>} texts  read as results are taken
     * @param {TextClassificationOptions & {top_k?: 1, errors?: E}} [options]
     * @returns {AsyncGenerator<Settled<Classification, E>, void, undefined>}
     * @template {Errors} [E='throw']
     */
    /**
     * @overload
     * @param {Iterable<TextInput> | AsyncIterable<TextInput>} texts
     * @param {TextClassificationOptions & {errors?: E}} options
     * @returns {AsyncGenerator<Settled<Classification[], E>, void, undefined>}
     * @template {Errors} [E='throw']
     */
    /**
     * @param {any} texts
     * @param {TextClassificationOptions} [options]
     * @returns {any}
     */
    function classify(texts, options = {}) {
        return answer(texts, (isOne) => {
            const { top_k, errors, ...request } = readOptions(
                task,
                options,
                { ...OPTIONS, ...OVERFLOW_OPTIONS, ...CALL_OPTIONS },
                RULES,
            );
            const n_best = Math.min(top_k ?? labels.length, labels.length);
            return {
                errors,
                read: readText,
                async run(inputs) {
                    return (await scoreTexts(inputs, request)).map((result) => {
                        if (result instanceof BertError) return result;
                        const ranked = rank(result, labels, n_best);
                        return isOne || top_k !== 1 ? ranked : ranked[0];
                    });
                },
            };
        });
    }
    return classify;
}

/**
 * @param {import('../worker/texts.js').TextResult} result  with logits
 * @param {(logits: Float32Array) => ArrayLike<number>} scores
 */
export function mergeScores({ windows }, scores) {
    const rows = windows.map(({ outputs }) => scores(outputs.logits.data));
    return rows.length === 1
        ? rows[0]
        : weightedMean(
              rows,
              windows.map(({ n_tokens }) => n_tokens),
          );
}

/**
 * @param {Scored} scored
 * @param {string[]} labels
 * @param {number} n_best
 * @returns {Classification[]}
 */
function rank({ scores, truncated }, labels, n_best) {
    return topIndices(scores, n_best).map((i) => ({
        label: labels[i],
        score: scores[i],
        ...(truncated ? { truncated } : {}),
    }));
}
