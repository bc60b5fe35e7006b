/** Attribution: how much each part of a text speaks for a label. */

import { BertError } from '../errors.js';
import { requireHead } from '../pipelines/head.js';
import { oneOf, readOptions } from '../pipelines/options.js';
import { scoring, topIndices } from '../pipelines/scores.js';
import { modelOf, runText, toTokens } from './tokens.js';

/**
 * @typedef {object} AttributeOptions
 * @property {string} [label]  what is to be explained; default the one with the highest score
 * @property {'token' | 'word'} [unit]  what is hidden at a time, a word as Intl.Segmenter has it;
 *   default 'token'
 * @property {AbortSignal} [signal]  ends the call
 *
 * @typedef {object} Attribution
 * @property {string} token  as in the vocabulary; of a word its text
 * @property {number} start  where it is in its own text, as a UTF-16 index
 * @property {number} end  likewise, behind it
 * @property {number} sequence  0: of text, 1: of text_pair
 * @property {number} score  of the label with it, less that without it: above 0 where it speaks for
 *   the label
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
 * How much each token, or each word, speaks for a label: each in turn is hidden (replaced by the
 * mask token; by the unknown token where there is none; else left out of attention), and what the
 * label's score loses by it is its own. All texts of one token less are computed by one call: as
 * much work as classifying as many texts as there are tokens.
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
    const { label, unit, signal } = readOptions(
        'attribute',
        options,
        { label: undefined, unit: 'token', signal: undefined },
        {
            label: (value, name) => (value === undefined ? null : isLabel(value, name)),
            unit: oneOf('token', 'word'),
        },
    );
    const logits = { output: 'logits' };
    const [{ input, read, outputs, cut }, replacement] = await Promise.all([
        runText(of, text, [logits], signal),
        replacementOf(of),
    ]);
    const scores = scoring(config, null);
    const whole = scores(outputs[0].data);
    const of_label = label === undefined ? topIndices(whole, 1)[0] : config.labels.indexOf(label);

    const parts = toTokens(read)
        .map((token, i) => ({ ...token, places: [i] }))
        .filter(({ special }) => !special);
    const units = unit === 'word' ? toWords(parts, [input.text, input.text_pair ?? '']) : parts;
    const types = Number(config.encoder.n_token_types) > 1 ? { token_type_ids: read.type_ids } : {};
    const sequences = units.map(({ places }) => ({
        ...hide(read.ids, places, replacement?.id),
        ...types,
    }));
    const results = await of.forward(sequences, { outputs: { logits }, signal });
    const tokens = units.map(({ token, start, end, sequence }, i) => ({
        token,
        start,
        end,
        sequence,
        score: whole[of_label] - scores(results[i].logits.data)[of_label],
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
    const segmenter = new Intl.Segmenter(undefined, { granularity: 'word' });
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
