/**
 * next-sentence-prediction: whether one text follows another (Devlin et al. 2018, BERT, section
 * 3.1).
 */

import { BertError, describe } from '../errors.js';
import { softmax } from '../worker/outputs.js';
import { answer, readText } from './call.js';
import { CALL_OPTIONS, OVERFLOW_OPTIONS, readOptions } from './options.js';
import { mergeScores } from './text_classification.js';

/** @import { CallOptions, Errors, OverflowOptions, Settled } from './options.js' */

/**
 * @typedef {object} NextSentence
 * @property {boolean} is_next  whether the score is over a half
 * @property {number} score  probability that text_pair follows text, 0 to 1
 * @property {true} [truncated]  where both were longer than the model reads
 */

/** @typedef {{text: string, text_pair: string}} TextPair */

/**
 * @typedef {CallOptions & OverflowOptions} NextSentenceOptions
 */

/**
 * @param {import('../model/model.js').Model} model
 * @param {string} task  for messages
 */
export function nextSentencePrediction(model, task) {
    const { n_labels } = model.config.encoder;
    if (n_labels !== 2) {
        throw new BertError(
            'WRONG_TASK',
            `${task} needs a classifier of two labels (it follows, it does not); ` +
                `'${model.name}' has ${n_labels}`,
        );
    }

    /**
     * @overload
     * @param {TextPair} pairs
     * @param {NextSentenceOptions} [options]
     * @returns {Promise<NextSentence>}
     */
    /**
     * @overload
     * @param {TextPair[]} pairs
     * @param {NextSentenceOptions & {errors?: E}} [options]
     * @returns {Promise<Settled<NextSentence, E>[]>}
     * @template {Errors} [E='throw']
     */
    /**
     * @overload
     * @param {Iterable<TextPair> | AsyncIterable<TextPair>} pairs  read as results are taken
     * @param {NextSentenceOptions & {errors?: E}} [options]
     * @returns {AsyncGenerator<Settled<NextSentence, E>, void, undefined>}
     * @template {Errors} [E='throw']
     */
    /**
     * @param {any} pairs
     * @param {NextSentenceOptions} [options]
     * @returns {any}
     */
    function predict(pairs, options = {}) {
        return answer(pairs, () => {
            const { signal, onprogress, errors, ...request } = readOptions(task, options, {
                ...OVERFLOW_OPTIONS,
                ...CALL_OPTIONS,
            });
            return {
                errors,
                read: readPair,
                async run(inputs) {
                    const results = await model.run(
                        { inputs, outputs: { logits: { output: 'logits' } }, ...request },
                        { signal, onprogress },
                    );
                    return results.map((result) => {
                        if (result instanceof BertError) return result;
                        const score = mergeScores(result, softmax)[0];
                        return {
                            is_next: score > 0.5,
                            score,
                            .../** @type {{truncated?: true}} */ (
                                result.truncated ? { truncated: true } : {}
                            ),
                        };
                    });
                },
            };
        });
    }
    return predict;
}

/** @param {unknown} input */
function readPair(input) {
    const { text, text_pair } = readText(input);
    if (text_pair === undefined) {
        throw new BertError(
            'BAD_INPUT',
            `a pair must be {text, text_pair}, not ${describe(input)}`,
        );
    }
    return { text, text_pair };
}
