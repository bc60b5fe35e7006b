/** fill-mask: what may stand in the place of a mask token. */

import { BertError, describe, withPlace } from '../errors.js';
import { softmax } from '../worker/outputs.js';
import { answer, readText } from './call.js';
import { CALL_OPTIONS, oneOf, orNull, readOptions, wholeNumber } from './options.js';
import { topIndices } from './scores.js';

/** @import { CallOptions, Errors, Settled } from './options.js' */

/**
 * @typedef {object} MaskFilling
 * @property {number} score  probability, 0 to 1
 * @property {number} token  id of the token
 * @property {string} token_str  the token as text
 * @property {string} sequence  the text with it; where there are several masks with the others and
 *   special tokens
 * @property {true} [truncated]  where the text was longer than the model reads
 */

/**
 * @typedef {object} FillingOptions
 * @property {number} [top_k]  fillings of a mask, best first, from 1; default 5
 * @property {string[] | string | null} [targets]  the only ones to choose from; of one that is no
 *   token of the model its first token; default null: all
 * @property {'truncate' | 'error'} [overflow]  what becomes of a text longer than the model reads;
 *   default 'truncate'
 *
 * @typedef {FillingOptions & CallOptions} FillMaskOptions
 */

/**
 * @typedef {{whole: number[][], bare: number[][]}} Lists  ids to be decoded, with special tokens
 *   and without
 */

/** @type {Required<FillingOptions>} */
const OPTIONS = { top_k: 5, targets: null, overflow: 'truncate' };

/** @type {Record<string, import('./options.js').Rule>} */
const RULES = {
    top_k: wholeNumber(1),
    overflow: oneOf('truncate', 'error'),
    targets: orNull((value) =>
        typeof value === 'string' ||
        (Array.isArray(value) &&
            value.length > 0 &&
            value.every((each) => typeof each === 'string'))
            ? null
            : 'a string or strings',
    ),
};

/**
 * @param {import('../model/model.js').Model} model
 * @param {string} task  for messages
 */
export function fillMask(model, task) {
    const mask = maskOf(model, task);

    /**
     * @overload
     * @param {string} texts  with a mask token
     * @param {FillMaskOptions} [options]
     * @returns {Promise<MaskFilling[]>}  with several masks an array of them: MaskFilling[][]
     */
    /**
     * @overload
     * @param {string[]} texts
     * @param {FillMaskOptions & {errors?: E}} [options]
     * @returns {Promise<Settled<MaskFilling[], E>[]>}
     * @template {Errors} [E='throw']
     */
    /**
     * @overload
     * @param {Iterable<string> | AsyncIterable<string>} texts  read as results are taken
     * @param {FillMaskOptions & {errors?: E}} [options]
     * @returns {AsyncGenerator<Settled<MaskFilling[], E>, void, undefined>}
     * @template {Errors} [E='throw']
     */
    /**
     * @param {any} texts
     * @param {FillMaskOptions} [options]
     * @returns {any}
     */
    function fill(texts, options = {}) {
        return answer(texts, () => {
            const { top_k, targets, signal, onprogress, errors, ...request } = readOptions(
                task,
                options,
                { ...OPTIONS, ...CALL_OPTIONS },
                RULES,
            );
            return {
                errors,
                read: readText,
                async run(inputs) {
                    const chosen = targets === null ? null : await targetIds([targets].flat());
                    const results = await model.run(
                        {
                            inputs,
                            outputs: { words: { output: 'lm_logits' } },
                            lm_token: mask.id,
                            tokens: true,
                            ...request,
                        },
                        { signal, onprogress },
                    );
                    /** @type {Lists} */
                    const lists = { whole: [], bare: [] };
                    const fillings = results.map((result) =>
                        result instanceof BertError
                            ? result
                            : fillMasks(result, chosen, top_k, lists),
                    );
                    const texts_of = {
                        whole: await model.tokenizer.decodeBatch(lists.whole, {
                            skip_special_tokens: false,
                        }),
                        bare: await model.tokenizer.decodeBatch(lists.bare),
                    };
                    return fillings.map((filling) =>
                        filling instanceof BertError ? filling : filling(texts_of),
                    );
                },
            };
        });
    }

    /**
     * @param {string[]} targets
     * @returns {Promise<number[]>}  without duplicates
     */
    async function targetIds(targets) {
        const encoded = await model.tokenizer
            .encodeBatch(targets, { add_special_tokens: false })
            .catch((error) => {
                // Its index counts targets, not texts.
                throw withPlace(error, 'targets');
            });
        const known = await model.tokenizer.tokensToIds(targets);
        const ids = targets.map((target, i) => {
            const id = known[i] ?? encoded[i].ids[0];
            if (id === undefined) {
                throw new BertError('BAD_OPTION', `the target ${describe(target)} has no tokens`);
            }
            return id;
        });
        return [...new Set(ids)];
    }

    /**
     * Adds to `lists` the ids to decode: for each filling those of its token and of its text.
     * @param {import('../worker/texts.js').TextResult} result
     * @param {number[] | null} targets
     * @param {number} top_k
     * @param {Lists} lists
     * @returns {BertError | ((texts_of: {whole: string[], bare: string[]}) => any)}  makes the
     *   result from the decoded texts
     */
    function fillMasks(
        {
            windows: [
                {
                    outputs: { words },
                    tokens,
                    lm_rows: places = [],
                },
            ],
            truncated,
        },
        targets,
        top_k,
        lists,
    ) {
        const ids = Array.from(
            /** @type {import('../worker/texts.js').WindowTokens} */ (tokens).ids,
        );
        if (places.length === 0) {
            return new BertError(
                'BAD_INPUT',
                `the text has no ${mask.token}${truncated ? ' in what the model reads' : ''}`,
            );
        }
        const is_only = places.length === 1;
        // A text with one mask is given without special tokens, as in Python.
        const kind = is_only ? 'bare' : 'whole';
        const width = words.dims[1];
        const masks = places.map((place, m) => {
            const all = softmax(words.data.subarray(m * width, (m + 1) * width));
            const scores = targets === null ? all : targets.map((id) => all[id]);
            return topIndices(scores, Math.min(top_k, scores.length)).map((i) => {
                const token = targets === null ? i : targets[i];
                const filled = ids.slice();
                filled[place] = token;
                return {
                    score: scores[i],
                    token,
                    at_token: lists.whole.push([token]) - 1,
                    at_text: lists[kind].push(filled) - 1,
                };
            });
        });
        return (texts_of) => {
            const fillings = masks.map((of_mask) =>
                of_mask.map(({ score, token, at_token, at_text }) => ({
                    score,
                    token,
                    token_str: texts_of.whole[at_token],
                    sequence: texts_of[kind][at_text],
                    ...(truncated ? { truncated } : {}),
                })),
            );
            return is_only ? fillings[0] : fillings;
        };
    }
    return fill;
}

/**
 * @param {import('../model/model.js').Model} model
 * @param {string} task
 */
function maskOf({ name, tokenizer }, task) {
    const { mask } = tokenizer.traits;
    if (mask) return mask;
    throw new BertError(
        'WRONG_TASK',
        `${task} needs a tokenizer with a mask token, [MASK] or <mask>; '${name}' has none`,
    );
}
