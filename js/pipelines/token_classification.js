/**
 * token-classification (also called ner): the tokens of a text with their labels, or the entities
 * that they make, with their places in the text.
 */

import { BertError } from '../errors.js';
import { answer, readString } from './call.js';
import { CALL_OPTIONS, isListOf, oneOf, orNull, readOptions, wholeNumber } from './options.js';

/** @import { TokenList } from '../worker/tokenizer_calls.js' */
/** @import { CallOptions, Errors, Settled } from './options.js' */

/**
 * @typedef {object} TokenEntity  a token
 * @property {string} entity  its label
 * @property {number} score  its probability, 0 to 1
 * @property {number} index  of the token in the text; the first special token is 0
 * @property {string} word  as it is in the vocabulary (`##ing`); what the vocabulary does not know
 *   as it is in the text
 * @property {number} start  where it is in the text, as a UTF-16 index
 * @property {number} end  likewise, behind it: `text.slice(start, end)`
 * @property {true} [truncated]  where the text was longer than the model reads
 *
 * @typedef {object} EntityGroup  tokens in sequence
 * @property {string} entity_group  their label, without `B-` or `I-`
 * @property {number} score  mean probability of its tokens, or words, 0 to 1
 * @property {string} word  what the tokenizer's decoder makes of them; `text.slice(start, end)` is
 *   the text itself
 * @property {number} start  where they are in the text, as a UTF-16 index
 * @property {number} end  likewise, behind them
 * @property {true} [truncated]  where the text was longer than the model reads
 */

/**
 * @template T
 * @typedef {T[] & {truncated?: true}} Entities  in the order of the text. The list too says that
 *   the text was cut, since it may be empty; this property is not enumerable
 */

/**
 * @typedef {'simple' | 'first' | 'average' | 'max'} Grouping
 *
 * @typedef {object} EntityOptions
 * @property {string[]} [ignore_labels]  labels of entities to leave out; default ['O']
 * @property {'none' | Grouping} [aggregation_strategy]  what becomes of tokens: 'none' leaves them
 *   alone, 'simple' groups neighbours of the same label, and the others do so too, but give a word
 *   of several tokens one label: that of its 'first' token, that of its best ('max'), or the best
 *   of their 'average'; default 'none'
 * @property {import('../worker/texts.js').Overflow | null} [overflow]  what becomes of a text
 *   longer than the model reads; default null: 'window' if `stride` is given, else 'truncate'
 * @property {number | null} [stride]  tokens that neighbouring windows share, from 0; default null:
 *   0. Of entities that begin inside another the longer one counts, then the better one; a token
 *   alone counts where it is farthest from the window's edge
 *
 * @typedef {EntityOptions & CallOptions} TokenClassificationOptions
 * @typedef {TokenClassificationOptions & {aggregation_strategy?: 'none'}} UngroupedOptions
 * @typedef {TokenClassificationOptions & {aggregation_strategy: Grouping}} GroupedOptions
 */

/** @type {Required<EntityOptions>} */
const OPTIONS = {
    ignore_labels: ['O'],
    aggregation_strategy: 'none',
    overflow: null,
    stride: null,
};
const RULES = {
    ignore_labels: isListOf('string'),
    aggregation_strategy: oneOf('none', 'simple', 'first', 'average', 'max'),
    overflow: orNull(oneOf('truncate', 'error', 'window')),
    stride: orNull(wholeNumber(0)),
};

/**
 * @typedef {object} Token  of a window
 * @property {string} word
 * @property {Float32Array} scores  a probability for each label
 * @property {number} index
 * @property {number} start
 * @property {number} end
 * @property {boolean} is_subword  whether it continues the word of the token before
 *
 * @typedef {object} Labelled  a token or a word
 * @property {string} entity
 * @property {number} score
 * @property {string | string[]} word  a token, or the tokens of a word
 * @property {number} start
 * @property {number} end
 *
 * @typedef {Omit<EntityGroup, 'word'> & {word: TokenList}} Group
 */

/**
 * @param {import('../model/model.js').Model} model
 * @param {string} task  for messages
 */
export function tokenClassification(model, task) {
    const outputs = /** @type {const} */ ({
        scores: { output: 'token_logits', activation: 'softmax' },
    });
    const {
        config: { labels },
    } = model;

    /**
     * @overload
     * @param {string} texts
     * @param {UngroupedOptions} [options]
     * @returns {Promise<Entities<TokenEntity>>}
     */
    /**
     * @overload
     * @param {string} texts
     * @param {GroupedOptions} options
     * @returns {Promise<Entities<EntityGroup>>}
     */
    /**
     * @overload
     * @param {string[]} texts
     * @param {UngroupedOptions & {errors?: E}} [options]
     * @returns {Promise<Settled<Entities<TokenEntity>, E>[]>}  of each text
     * @template {Errors} [E='throw']
     */
    /**
     * @overload
     * @param {string[]} texts
     * @param {GroupedOptions & {errors?: E}} options
     * @returns {Promise<Settled<Entities<EntityGroup>, E>[]>}
     * @template {Errors} [E='throw']
     */
    /**
     * @overload
     * @param {Iterable<string> | AsyncIterable<string>} texts  read as results are taken
     * @param {UngroupedOptions & {errors?: E}} [options]
     * @returns {AsyncGenerator<Settled<Entities<TokenEntity>, E>, void, undefined>}
     * @template {Errors} [E='throw']
     */
    /**
     * @overload
     * @param {Iterable<string> | AsyncIterable<string>} texts
     * @param {GroupedOptions & {errors?: E}} options
     * @returns {AsyncGenerator<Settled<Entities<EntityGroup>, E>, void, undefined>}
     * @template {Errors} [E='throw']
     */
    /**
     * @param {any} texts
     * @param {TokenClassificationOptions} [options]
     * @returns {any}
     */
    function recognise(texts, options = {}) {
        return answer(texts, () => {
            const {
                ignore_labels,
                aggregation_strategy: strategy,
                overflow,
                stride,
                batch_tokens,
                signal,
                onprogress,
                errors,
            } = readOptions(task, options, { ...OPTIONS, ...CALL_OPTIONS }, RULES);
            const request = {
                outputs,
                batch_tokens,
                tokens: true,
                stride: stride ?? 0,
                overflow: overflow ?? (stride === null ? 'truncate' : 'window'),
            };
            const isKept = (/** @type {string} */ label) => !ignore_labels.includes(label);

            /**
             * @param {import('../worker/texts.js').TextResult} result
             * @param {string} text
             */
            const entitiesOf = ({ windows }, text) => {
                const tokens = windows.map((window) => tokensOf(window, text, model));
                if (strategy === 'none') {
                    return acrossWindows(tokens, request.stride)
                        .map(({ scores, index, word, start, end }) => ({
                            ...best(scores, labels),
                            index,
                            word,
                            start,
                            end,
                        }))
                        .filter(({ entity }) => isKept(entity));
                }
                const groups = tokens
                    .flatMap((each) => group(label(each, strategy, labels)))
                    .filter(({ entity_group }) => isKept(entity_group));
                return windows.length > 1 ? withoutOverlaps(groups, text) : groups;
            };

            return {
                errors,
                read: readString,
                async run(inputs) {
                    const results = await model.run(
                        { inputs: inputs.map((text) => ({ text })), ...request },
                        { signal, onprogress },
                    );
                    const found = results.map((result, i) =>
                        result instanceof BertError ? result : entitiesOf(result, inputs[i]),
                    );
                    if (strategy !== 'none') {
                        await writeWords(
                            /** @type {(Group[] | BertError)[]} */ (found),
                            model,
                            signal,
                        );
                    }
                    results.forEach((result, i) => {
                        if (!(result instanceof BertError) && result.truncated) {
                            markTruncated(/** @type {object[]} */ (found[i]));
                        }
                    });
                    return found;
                },
            };
        });
    }
    return recognise;
}

/**
 * The tokens of a window that belong to the text.
 * @param {import('../worker/texts.js').TextWindow} window
 * @param {string} text
 * @param {import('../model/model.js').Model} model
 * @returns {Token[]}
 */
function tokensOf(
    {
        outputs: {
            scores: {
                dims: [, n_labels],
                data,
            },
        },
        tokens: made,
    },
    text,
    model,
) {
    const { ids, tokens, offsets, sequence } =
        /** @type {import('../worker/texts.js').WindowTokens} */ (made);
    const { unknown_id, continuing_prefix } = model.tokenizer.traits;
    /** @type {Token[]} */
    const found = [];
    sequence.forEach((of, index) => {
        if (of < 0) return;
        const start = offsets[2 * index];
        const end = offsets[2 * index + 1];
        const covered = text.slice(start, end);
        const is_unknown = ids[index] === unknown_id;
        // Where nothing marks such tokens, one that does not follow a space continues a word.
        const continues = continuing_prefix
            ? nCharacters(tokens[index]) !== nCharacters(covered)
            : start > 0 && !text.slice(start - 1, start + 1).includes(' ');
        found.push({
            word: is_unknown ? covered : tokens[index],
            scores: data.subarray(index * n_labels, (index + 1) * n_labels),
            index,
            start,
            end,
            is_subword: continues && !is_unknown,
        });
    });
    return found;
}

/**
 * Code points, which is what Python counts.
 * @param {string} text
 */
function nCharacters(text) {
    return [...text].length;
}

/**
 * Each token once, from the window in which it is farthest from an edge other than the text's.
 * @param {Token[][]} windows
 * @param {number} stride
 * @returns {Token[]}
 */
function acrossWindows(windows, stride) {
    if (windows.length === 1) return windows[0];
    const step = windows[0].length - stride;
    /** @type {Token[]} */
    const chosen = [];
    /** @type {number[]} */
    const rooms = [];
    windows.forEach((tokens, w) =>
        tokens.forEach((token, i) => {
            const before = w === 0 ? Infinity : i;
            const behind = w === windows.length - 1 ? Infinity : tokens.length - 1 - i;
            const at = w * step + i;
            const room = Math.min(before, behind);
            if (at < chosen.length && room <= rooms[at]) return;
            chosen[at] = { ...token, index: token.index + w * step };
            rooms[at] = room;
        }),
    );
    return chosen;
}

/**
 * @param {Float32Array} scores
 * @param {string[]} labels
 */
function best(scores, labels) {
    const score = scores.reduce((a, b) => Math.max(a, b), -Infinity);
    return { entity: labels[scores.indexOf(score)], score };
}

/**
 * A label for each token, or for each word.
 * @param {Token[]} tokens
 * @param {Grouping} strategy
 * @param {string[]} labels
 * @returns {Labelled[]}
 */
function label(tokens, strategy, labels) {
    if (strategy === 'simple') {
        return tokens.map(({ scores, word, start, end }) => ({
            ...best(scores, labels),
            word,
            start,
            end,
        }));
    }
    /** @type {Token[][]} */
    const words = [];
    for (const token of tokens) {
        if (words.length > 0 && token.is_subword) words[words.length - 1].push(token);
        else words.push([token]);
    }
    return words.map((word) => ({
        ...wordLabel(
            word.map(({ scores }) => scores),
            strategy,
            labels,
        ),
        word: word.map((token) => token.word),
        start: word[0].start,
        end: word[word.length - 1].end,
    }));
}

/**
 * @param {Float32Array[]} rows  of the word's tokens
 * @param {'first' | 'average' | 'max'} strategy
 * @param {string[]} labels
 */
function wordLabel(rows, strategy, labels) {
    if (strategy === 'first') return best(rows[0], labels);
    if (strategy === 'max') {
        return rows
            .map((row) => best(row, labels))
            .reduce((most, each) => (each.score > most.score ? each : most));
    }
    const mean = rows[0].map(
        (_, column) => rows.reduce((sum, row) => sum + row[column], 0) / rows.length,
    );
    return best(mean, labels);
}

/**
 * Neighbours of the same type make one entity, unless the second says that it begins one.
 * @param {Labelled[]} labelled
 * @returns {Group[]}
 */
function group(labelled) {
    /** @type {Labelled[][]} */
    const groups = [];
    /** @type {string | null} */
    let last = null;
    for (const each of labelled) {
        const { begins, type } = typeOf(each.entity);
        if (type === last && !begins) groups[groups.length - 1].push(each);
        else groups.push([each]);
        last = type;
    }
    return groups.map((members) => ({
        entity_group: members[0].entity.replace(/^[^-]*-/, ''),
        score: members.reduce((sum, { score }) => sum + score, 0) / members.length,
        word: members.map(({ word }) => word),
        start: members[0].start,
        end: members[members.length - 1].end,
    }));
}

/** @param {string} label */
function typeOf(label) {
    return { begins: label.startsWith('B-'), type: /^[BI]-/.test(label) ? label.slice(2) : label };
}

/**
 * Of entities that overlap, from several windows, the longer one is kept, then the better one.
 * @param {Group[]} groups
 * @param {string} text
 */
function withoutOverlaps(groups, text) {
    if (groups.length === 0) return groups;
    const lengthOf = (/** @type {Group} */ { start, end }) => nCharacters(text.slice(start, end));
    const sorted = [...groups].sort((a, b) => a.start - b.start);
    const kept = [];
    let [previous] = sorted;
    // The first comes twice, as in transformers: it stands twice in the result if it covers no
    // text.
    for (const each of sorted) {
        if (each.start >= previous.start && each.start < previous.end) {
            const longer = lengthOf(each) - lengthOf(previous);
            if (longer > 0 || (longer === 0 && each.score > previous.score)) previous = each;
        } else {
            kept.push(previous);
            previous = each;
        }
    }
    return [...kept, previous];
}

/**
 * Decodes the words of all entities in one go; they stay where they are.
 * @param {(Group[] | BertError)[]} found
 * @param {import('../model/model.js').Model} model
 * @param {AbortSignal} [signal]
 */
async function writeWords(found, model, signal) {
    const groups = found.flatMap((each) => (each instanceof BertError ? [] : each));
    if (groups.length === 0) return;
    const words = await model.tokenizer.joinTokens(
        groups.map(({ word }) => word),
        signal,
    );
    groups.forEach((each, i) => Object.assign(each, { word: words[i] }));
}

/** @param {object[]} entities */
function markTruncated(entities) {
    for (const entity of entities) Object.assign(entity, { truncated: true });
    Object.defineProperty(entities, 'truncated', { value: true });
}
