/** What every explanation has: a model, a text, and the text's tokens. */

import { BertError, describe } from '../errors.js';
import { readText } from '../pipelines/call.js';

/**
 * @typedef {import('../model/model.js').Model} Model
 * @typedef {import('../model/inputs.js').TextInput} TextInput
 * @typedef {Model | {model: Model}} ModelOrPipe  a model, or a pipeline, which has one
 *
 * @typedef {object} Token
 * @property {string} token  as in the vocabulary
 * @property {number} start  where it is in its own text, as a UTF-16 index; 0 of special tokens
 * @property {number} end  likewise, behind it
 * @property {number} sequence  0: of text, 1: of text_pair, -1: a special token
 * @property {boolean} special  whether it was added: [CLS], [SEP] and the like
 */

/**
 * @param {unknown} given
 * @returns {Model}
 */
export function modelOf(given) {
    const model = /** @type {any} */ (given)?.model ?? given;
    if (typeof model?.run !== 'function') {
        throw new BertError(
            'BAD_INPUT',
            `model must be a model or a pipeline, not ${describe(given)}`,
        );
    }
    return model;
}

/**
 * Outputs of one text, which is cut where it is longer than the model reads.
 * @param {Model} model
 * @param {unknown} input
 * @param {import('../loader/model_file.js').OutputRequest[]} requests
 * @param {AbortSignal} [signal]
 */
export async function runText(model, input, requests, signal) {
    const inputs = [readText(input)];
    const outputs = Object.fromEntries(requests.entries());
    const [result] = await model.run({ inputs, outputs, tokens: true }, { signal });
    if (result instanceof BertError) throw result;
    const {
        windows: [window],
        truncated,
    } = result;
    const read = /** @type {import('../worker/texts.js').WindowTokens} */ (window.tokens);
    return {
        input: inputs[0],
        read,
        outputs: requests.map((_, i) => window.outputs[i]),
        cut: truncated ? { truncated } : {},
    };
}

/**
 * @param {import('../worker/texts.js').WindowTokens} read
 * @returns {Token[]}
 */
export function toTokens({ tokens, offsets, sequence }) {
    return tokens.map((token, i) => ({
        token,
        start: offsets[2 * i],
        end: offsets[2 * i + 1],
        sequence: sequence[i],
        special: sequence[i] < 0,
    }));
}
