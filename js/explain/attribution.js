/** Attribution: how much each part of a text speaks for a label. */

import { BERT_DEFAULT_MAX_TOKENS } from '#core';

import { BertError } from '../errors.js';
import { logitsOf, requireHead } from '../pipelines/head.js';
import { oneOf, readOptions } from '../pipelines/options.js';
import { scoring, topIndices } from '../pipelines/scores.js';
import { modelOf, runText, toTokens } from './tokens.js';

/**
 * @typedef {object} AttributeOptions
 * @property {string} [label]  what is to be explained; default the one with the highest score
 * @property {'token' | 'word'} [unit]  what is hidden at a time, a word as Intl.Segmenter has it;
 *   default 'token'
 * @property {'probability' | 'log-odds'} [scale]  what the scores of parts are differences of.
 *   Probabilities hardly move near 0 and 1, however much speaks for the label; log-odds move as far
 *   everywhere; default 'probability'
 * @property {AbortSignal} [signal]  ends the call
 * @property {(progress: import('../model/model.js').Progress) => void} [onprogress]  called as
 *   parts are done: `done` of `total` parts
 *
 * @typedef {object} Attribution
 * @property {string} token  as in the vocabulary; of a word its text
 * @property {number} start  where it is in its own text, as a UTF-16 index
 * @property {number} end  likewise, behind it
 * @property {number} sequence  0: of text, 1: of text_pair
 * @property {number} score  of the label with it, less that without it, in the scale asked for:
 *   above 0 where it speaks for the label. For regression of the value itself, in either scale
 *
 * @typedef {object} Attributions
 * @property {string} label  what is explained
 * @property {number} score  of the label for the whole text, as the pipeline gives it
 * @property {Attribution[]} tokens  in the order of the text, special ones left out
 * @property {string | null} replacement  the token that hid each of them in turn; null: hidden from
 *   attention
 * @property {true} [truncated]  where the text was longer than the model reads
 */

/**
 * Tokens that may stand for a hidden one, the best first: models have learnt to read around a mask.
 */
const REPLACEMENTS = ['[MASK]', '<mask>', '[UNK]', '<unk>'];

/**
 * Tokens that are computed by one call where progress is wanted: a third of a second's work for a
 * small model, and a full batch.
 */
const SLICE = BERT_DEFAULT_MAX_TOKENS;

/**
 * How much each token, or each word, speaks for a label: each in turn is hidden (replaced by the
 * mask token; by the unknown token where there is none; else left out of attention), and what the
 * label's score loses by it is its own: as much work as classifying as many texts as there are
 * parts.
 *
 * @param {import('./tokens.js').ModelOrPipe} model  a classifier, or a pipeline with one
 * @param {import('./tokens.js').TextInput} text  or {text, text_pair}
 * @param {AttributeOptions} [options]
 * @returns {Promise<Attributions>}
 * @throws {BertError} WRONG_TASK where the model has no classifier; BAD_OPTION
 */
export async function attribute(model, text, options = {}) {
    const of = modelOf(model);
    requireHead(of, 'classifier', 'attribute');
    const { config } = of;
    const isLabel = oneOf(...config.labels);
    const { label, unit, scale, signal, onprogress } = readOptions(
        'attribute',
        options,
        {
            label: undefined,
            unit: 'token',
            scale: 'probability',
            signal: undefined,
            onprogress: /** @type {AttributeOptions['onprogress']} */ (undefined),
        },
        {
            label: (value, name) => (value === undefined ? null : isLabel(value, name)),
            unit: oneOf('token', 'word'),
            scale: oneOf('probability', 'log-odds'),
        },
    );
    const { output, toLogits } = logitsOf(config);
    const logits = { output };
    const [{ input, read, outputs, cut }, replacement] = await Promise.all([
        runText(of, text, [logits], signal),
        replacementOf(of),
    ]);
    const scores = scoring(config, null);
    const logits_with_all = toLogits(outputs[0].data);
    const whole = scores(logits_with_all);
    const of_label = label === undefined ? topIndices(whole, 1)[0] : config.labels.indexOf(label);
    const measure =
        scale === 'log-odds'
            ? logOdds(config, of_label)
            : (/** @type {Float32Array} */ logits) => scores(logits)[of_label];

    const parts = toTokens(read)
        .map((token, i) => ({ ...token, places: [i] }))
        .filter(({ special }) => !special);
    const units = unit === 'word' ? toWords(parts, [input.text, input.text_pair ?? '']) : parts;
    const types = Number(config.encoder.n_token_types) > 1 ? { token_type_ids: read.type_ids } : {};
    const sequences = units.map(({ places }) => ({
        ...hide(read.ids, places, replacement?.id),
        ...types,
    }));
    // A slice is as many sequences as a batch holds: the same bits, whatever is computed with them.
    const n_slice = onprogress
        ? Math.max(1, Math.floor(SLICE / read.ids.length))
        : sequences.length;
    const without = /** @type {number[]} */ ([]);
    while (without.length < sequences.length) {
        const slice = sequences.slice(without.length, without.length + n_slice);
        const results = await of.forward(slice, { outputs: { logits }, signal });
        without.push(...results.map(({ logits }) => measure(toLogits(logits.data))));
        onprogress?.({ done: without.length, total: sequences.length });
    }
    const with_all = measure(logits_with_all);
    const tokens = units.map(({ token, start, end, sequence }, i) => ({
        token,
        start,
        end,
        sequence,
        score: with_all - without[i],
    }));
    return {
        label: config.labels[of_label],
        score: whole[of_label],
        tokens,
        replacement: replacement?.token ?? null,
        ...cut,
    };
}

/**
 * The log-odds of a label, log(p / (1 - p)), from the logits: a probability that has been rounded
 * to 1 has none. Where labels exclude each other these are the label's logit less the logarithm of
 * the sum of the others' exponentials; else its logit.
 * @param {import('../loader/model_file.js').ModelConfig} config
 * @param {number} of_label
 * @returns {(logits: Float32Array) => number}
 */
function logOdds({ problem_type, labels }, of_label) {
    const are_exclusive =
        labels.length > 1 &&
        problem_type !== 'multi_label_classification' &&
        problem_type !== 'regression';
    if (!are_exclusive) return (logits) => logits[of_label];
    return (logits) => {
        const others = Array.from(logits).filter((_, i) => i !== of_label);
        const largest = Math.max(...others);
        const sum = others.reduce((total, logit) => total + Math.exp(logit - largest), 0);
        return logits[of_label] - largest - Math.log(sum);
    };
}

/**
 * @param {import('../model/model.js').Model} model
 * @returns {Promise<{token: string, id: number} | undefined>}
 */
async function replacementOf(model) {
    const ids = await model.tokenizer.tokensToIds(REPLACEMENTS);
    const found = ids.findIndex((id) => id !== null);
    return found < 0 ? undefined : { token: REPLACEMENTS[found], id: Number(ids[found]) };
}

/**
 * @param {Uint32Array} ids
 * @param {number[]} places
 * @param {number} [replacement]
 * @returns {import('../worker/sequences.js').Sequence}
 */
function hide(ids, places, replacement) {
    if (replacement !== undefined) {
        const input_ids = ids.slice();
        for (const place of places) input_ids[place] = replacement;
        return { input_ids };
    }
    const attention_mask = new Uint8Array(ids.length).fill(1);
    for (const place of places) attention_mask[place] = 0;
    return { input_ids: ids, attention_mask };
}

/**
 * @typedef {import('./tokens.js').Token & {places: number[]}} Part
 */

/**
 * Tokens that begin in the same word become one; tokens of white space are left out.
 * @param {Part[]} parts
 * @param {string[]} texts
 * @returns {Part[]}
 */
function toWords(parts, texts) {
    if (!Intl.Segmenter) {
        throw new BertError('UNSUPPORTED', "unit: 'word' needs Intl.Segmenter, which is not here");
    }
    // Not by the host's language: some hosts have one that their own Intl refuses ('C').
    const segmenter = new Intl.Segmenter('en', { granularity: 'word' });
    const segments = texts.map((text) => segmenter.segment(text));
    /** @type {Part[]} */
    const words = [];
    /** @type {Intl.SegmentData | undefined} */
    let last_segment;
    for (const part of parts) {
        const text = texts[part.sequence];
        const own = text.slice(part.start, part.end);
        if (own.trim() === '') continue;
        // Some tokenizers include the space before a word in its token.
        const start = part.end - own.trimStart().length;
        const end = part.start + own.trimEnd().length;
        const last = words.at(-1);
        const segment = segments[part.sequence].containing(start);
        if (last && last.sequence === part.sequence && segment?.index === last_segment?.index) {
            last.places.push(...part.places);
            last.end = Math.max(last.end, end);
            last.token = text.slice(last.start, last.end);
        } else {
            words.push({ ...part, start, end, token: text.slice(start, end) });
        }
        last_segment = segment;
    }
    return words;
}
