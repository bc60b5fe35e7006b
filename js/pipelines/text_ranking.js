/**
 * text-ranking: documents by how well they answer a query, by a cross-encoder that reads both
 * together.
 */

import { BertError, describe } from '../errors.js';
import { sigmoid } from '../worker/outputs.js';
import { answer } from './call.js';
import {
    CALL_OPTIONS,
    isFlag,
    OVERFLOW_OPTIONS,
    oneOf,
    orNull,
    readOptions,
    wholeNumber,
} from './options.js';
import { topIndices } from './scores.js';
import { mergeScores } from './text_classification.js';

/** @import { CallOptions, Errors, OverflowOptions, Settled } from './options.js' */

/**
 * @typedef {object} RankedDocument
 * @property {number} corpus_id  index of the document
 * @property {number} score  how well it answers: 0 to 1 by 'sigmoid', any number by 'none'
 * @property {string} [text]  the document, with `return_documents`
 * @property {true} [truncated]  where query and document were longer than the model reads
 */

/**
 * @typedef {object} RankingOptions
 * @property {number | null} [top_k]  documents to return, best first, from 1; default null: all
 * @property {boolean} [return_documents]  whether their texts are returned; default false
 * @property {'sigmoid' | 'none'} [function_to_apply]  what makes a score of the model's number;
 *   default what the model's file says (`model.config.activation`), or 'sigmoid'
 *
 * @typedef {RankingOptions & CallOptions & OverflowOptions} TextRankingOptions
 */

/** @typedef {{query: string, documents: string[]}} RankingInput */

/** @satisfies {RankingOptions} */
const OPTIONS = { top_k: null, return_documents: false };
const RULES = {
    top_k: orNull(wholeNumber(1)),
    return_documents: isFlag,
    function_to_apply: oneOf('sigmoid', 'none'),
};

/**
 * @param {import('../model/model.js').Model} model
 * @param {string} task  for messages
 */
export function textRanking(model, task) {
    const { encoder, activation } = model.config;
    const { n_labels } = encoder;
    /** @type {Required<RankingOptions>} */
    const defaults = { ...OPTIONS, function_to_apply: activation ?? 'sigmoid' };
    if (n_labels !== 1) {
        throw new BertError(
            'WRONG_TASK',
            `${task} needs a cross-encoder, whose classifier has one label; ` +
                `'${model.name}' has ${n_labels}`,
        );
    }

    /**
     * @overload
     * @param {string} query  what is asked
     * @param {string[]} documents  what may answer it
     * @param {TextRankingOptions} [options]
     * @returns {Promise<RankedDocument[]>}
     */
    /**
     * @overload
     * @param {RankingInput} input
     * @param {TextRankingOptions} [options]
     * @returns {Promise<RankedDocument[]>}
     */
    /**
     * @overload
     * @param {RankingInput[]} inputs
     * @param {TextRankingOptions & {errors?: E}} [options]
     * @returns {Promise<Settled<RankedDocument[], E>[]>}
     * @template {Errors} [E='throw']
     */
    /**
     * @overload
     * @param {Iterable<RankingInput> | AsyncIterable<RankingInput>} inputs  read as results are
     *   taken
     * @param {TextRankingOptions & {errors?: E}} [options]
     * @returns {AsyncGenerator<Settled<RankedDocument[], E>, void, undefined>}
     * @template {Errors} [E='throw']
     */
    /**
     * @param {any} query
     * @param {any} [documents]
     * @param {any} [options]
     * @returns {any}
     */
    function rank(query, documents, options) {
        const is_split = typeof query === 'string';
        return answer(is_split ? { query, documents } : query, () => {
            const {
                top_k,
                return_documents,
                function_to_apply,
                signal,
                onprogress,
                errors,
                ...request
            } = readOptions(
                task,
                (is_split ? options : documents) ?? {},
                { ...defaults, ...OVERFLOW_OPTIONS, ...CALL_OPTIONS },
                RULES,
            );
            const scoreOf = (/** @type {number} */ logit) =>
                function_to_apply === 'none' ? logit : sigmoid(logit);
            return {
                errors,
                read: readRanking,
                async run(inputs) {
                    const pairs = inputs.flatMap((input) =>
                        input.documents.map((text_pair) => ({
                            text: input.query.trim(),
                            text_pair: text_pair.trim(),
                        })),
                    );
                    const results = await model.run(
                        { inputs: pairs, outputs: { logits: { output: 'logits' } }, ...request },
                        { signal, onprogress },
                    );
                    let first = 0;
                    return inputs.map((input) => {
                        const own = results.slice(first, (first += input.documents.length));
                        const failed = own.find((result) => result instanceof BertError);
                        if (failed) return /** @type {BertError} */ (failed);
                        const read = /** @type {import('../worker/texts.js').TextResult[]} */ (own);
                        const scores = read.map((result) =>
                            scoreOf(mergeScores(result, (logits) => logits)[0]),
                        );
                        return topIndices(scores, Math.min(top_k ?? Infinity, scores.length)).map(
                            (i) => ({
                                corpus_id: i,
                                score: scores[i],
                                ...(return_documents ? { text: input.documents[i] } : {}),
                                .../** @type {{truncated?: true}} */ (
                                    read[i].truncated ? { truncated: true } : {}
                                ),
                            }),
                        );
                    });
                },
            };
        });
    }
    return rank;
}

/**
 * @param {any} input
 * @returns {RankingInput}
 */
function readRanking(input) {
    const { query, documents } = input ?? {};
    if (typeof query !== 'string') {
        throw new BertError('BAD_INPUT', `query must be a string, not ${describe(query)}`);
    }
    if (!Array.isArray(documents) || documents.some((document) => typeof document !== 'string')) {
        throw new BertError(
            'BAD_INPUT',
            `documents must be an array of strings, not ${describe(documents)}`,
        );
    }
    return { query, documents };
}
