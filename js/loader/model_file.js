/**
 * The header of a model file, checked before anything is allocated. The format is described in
 * docs/model-file.md; every rule of it is enforced here or, for what depends on the config, by the
 * core.
 */

import {
    BERT_ALIGNMENT,
    BERT_FORMAT_BEFORE,
    BERT_FORMAT_VERSION,
    BERT_MAX_RANK,
    BERT_MAX_TENSORS,
} from '#core';

import { BertError, describe } from '../errors.js';
import { fileKind } from './file_kind.js';
import { headerLength } from './header_length.js';
import { layOut } from './layout.js';
import { parseSmall } from './small_json.js';

/** Most tokens of a sequence where nothing in the model limits them. */
const MOST_TOKENS = 1 << 20;

/** Bytes of what the core does not read as it is: the tokenizer, padding, 4-bit weights. */
const OTHER_DTYPES = { U8: 1 };

/** How the name of what fills a gap begins. */
const PADDING = 'padding.';

/** Outputs whose `index` is a layer; that of any other is a column. */
export const LAYERED = ['hidden_states', 'attentions'];

/**
 * @typedef {object} TensorEntry
 * @property {string} name
 * @property {string} dtype  of the core, or U8
 * @property {number[]} shape
 * @property {number} start  bytes from the start of the data section
 * @property {number} end
 */

/**
 * @typedef {Record<string, number | string>} EncoderConfig  what the encoder is, by the names of
 *   bert_config in core/bert.h
 *
 * @typedef {object} OutputRequest  an output of the core, or a part of it
 * @property {string} output  its name: 'logits', 'last_hidden_state', ...
 * @property {number} [index]  a column of its rows, from 0; of hidden_states and attentions a layer
 * @property {number} [head]  of attentions, from 0
 * @property {'softmax' | 'sigmoid'} [activation]  applied to its rows, before a column is taken
 * @property {'mean' | 'cls' | 'last_token'} [pooling]  of outputs with a row for each token: one
 *   row, their mean, the first, or the last
 */

/**
 * @typedef {object} OutputShape  of an output of the core: in each layer a row of columns for each
 *   token or sequence
 * @property {number} n_columns  0 for attentions, whose rows are as long as their sequence
 * @property {number} n_layers  1 where there are no layers
 * @property {boolean} is_of_tokens
 *
 * @typedef {object} CoreFacts  what the core says; see core/bert.h
 * @property {Record<string, number>} dtypes  bytes of an element, by name
 * @property {(shape: number[]) => import('./layout.js').Expansion | null} expansionOf  what 4-bit
 *   units of this shape become; null: these are none
 * @property {(encoder: EncoderConfig) => void} configure  sets the config that implies the rest
 * @property {number} most_tokens  of a sequence; Infinity: the model does not limit them
 * @property {Record<string, OutputShape>} outputs  that the model has, by name
 */

/**
 * @typedef {object} ModelConfig
 * @property {string} architecture  its family: 'bert', ...
 * @property {EncoderConfig} encoder  its sizes
 * @property {Record<string, OutputRequest>} outputs  by ONNX name
 * @property {string[]} labels  of the classifier, by class index; none without one
 * @property {string | null} problem_type  of the classifier, as in config.json: 'regression', ...
 * @property {number} max_length  most tokens of a sequence, special ones included
 * @property {Record<string, string>} prompts  what may be put before texts to embed, by name; {}
 *   where the file has none
 * @property {string | null} default_prompt_name  of the one that is, unless a call says otherwise
 * @property {boolean} include_prompt  whether a prompt's tokens count where tokens are pooled; true
 *   where the file does not say
 * @property {'cosine' | 'dot' | 'euclidean' | 'manhattan' | null} similarity  how alike two of its
 *   embeddings are; null: the file does not say
 * @property {'sigmoid' | 'none' | null} activation  what makes a cross-encoder's score of its
 *   logit; null: the file does not say
 * @property {Classifier} [classifier]  of texts, that stands on their embeddings: of a model that
 *   few-shot training has made
 *
 * @typedef {object} Classifier
 * @property {Float32Array} weight  [n_labels, n_columns of the embedding]
 * @property {Float32Array} bias  [n_labels]
 */

/**
 * @typedef {object} Reference  what the original ONNX model answers
 * @property {number} error  of this file, measured when it was made; see Model.verify()
 * @property {ReferenceCase[]} cases
 *
 * @typedef {object} ReferenceCase
 * @property {number[]} input_ids
 * @property {number[]} [token_type_ids]
 * @property {Record<string, {step: number, largest: number, samples: number[]}>} outputs  by ONNX
 *   name: every `step`-th number, from the first on, and the largest magnitude of all
 */

/**
 * @typedef {object} ModelHeader
 * @property {Record<string, string>} metadata
 * @property {ModelConfig} config
 * @property {Reference | null} reference
 * @property {TensorEntry[]} tensors  in the order of the file
 * @property {import('./layout.js').Weight[]} weights  what becomes of those that the core reads
 * @property {number} weights_bytes  of the block that takes them all
 * @property {number} data_bytes
 * @property {number} chunk_bytes
 * @property {string[]} chunk_sha256
 */

/**
 * Length of the header from the first 8 bytes of a file.
 * @param {Uint8Array} bytes  at least 8
 * @param {string} label
 * @returns {number}
 */
export function headerBytes(bytes, label) {
    const n = headerLength(bytes);
    if (n === null) {
        const start = new TextDecoder().decode(bytes.subarray(0, 8));
        const kind = fileKind(bytes);
        throw bad(
            label,
            `not a safetensors file${kind ? `, but ${kind}` : ''} ` +
                `(it starts with ${JSON.stringify(start)})`,
        );
    }
    return n;
}

/**
 * @param {Uint8Array} bytes  the header alone
 * @param {CoreFacts} core  gets the config
 * @param {string} label
 * @returns {ModelHeader}
 */
export function parseHeader(bytes, core, label) {
    const header = parseObject(decode(bytes, label), label, 'the header');
    const metadata = parseMetadata(header.__metadata__, label);
    const dtypes = { ...core.dtypes, ...OTHER_DTYPES };
    const entries = Object.entries(header).filter(([name]) => name !== '__metadata__');
    const n_tensors = entries.filter(([name]) => !name.startsWith(PADDING)).length;
    if (n_tensors > BERT_MAX_TENSORS) {
        throw bad(label, `it must have at most ${BERT_MAX_TENSORS} tensors, not ${n_tensors}`);
    }
    const tensors = entries
        .map(([name, entry]) => parseTensor(name, entry, dtypes, label))
        .sort((a, b) => a.start - b.start || a.end - b.end);
    let end = 0;
    for (const tensor of tensors) {
        if (tensor.start !== end) {
            throw bad(
                label,
                `tensor '${tensor.name}' must start at ${end}, where the one before it ends, ` +
                    `not at ${tensor.start}`,
            );
        }
        if (!tensor.name.startsWith(PADDING) && tensor.start % BERT_ALIGNMENT !== 0) {
            throw bad(
                label,
                `tensor '${tensor.name}' must start on a multiple of ${BERT_ALIGNMENT}, ` +
                    `not at ${tensor.start}`,
            );
        }
        end = tensor.end;
    }
    if (tensors.length === 0) throw bad(label, 'there are no tensors');
    const config = parseConfig(metadata.config, core, label);
    return {
        metadata,
        config,
        reference:
            metadata.reference === undefined
                ? null
                : parseReference(metadata.reference, config, label),
        tensors,
        ...layOut(tensors, core, label),
        data_bytes: end,
        ...parseChunks(metadata, end, label),
    };
}

/**
 * @param {string} label
 * @param {string} what
 */
function bad(label, what) {
    return new BertError('BAD_MODEL_FILE', `${label}: ${what}`);
}

/**
 * @param {string} label
 * @param {string} what
 * @param {string} expected
 * @param {unknown} value
 */
function unlike(label, what, expected, value) {
    return bad(label, `${what} must be ${expected}, not ${describe(value)}`);
}

/**
 * @param {Uint8Array} bytes
 * @param {string} label
 */
function decode(bytes, label) {
    try {
        return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
        throw bad(label, 'the header is not valid UTF-8');
    }
}

/**
 * @param {string} text
 * @param {string} label
 * @param {string} what
 * @returns {Record<string, any>}
 */
function parseObject(text, label, what) {
    let value;
    try {
        value = parseSmall(text);
    } catch (error) {
        throw bad(label, `${what} is not valid JSON: ${/** @type {Error} */ (error).message}`);
    }
    if (!isObject(value)) throw unlike(label, what, 'an object', value);
    return value;
}

/**
 * @param {unknown} metadata
 * @param {string} label
 * @returns {Record<string, string>}
 */
function parseMetadata(metadata, label) {
    const values = /** @type {Record<string, string> | undefined} */ (metadata);
    if (values?.format !== 'bert-wasm') {
        const what = 'a safetensors file, but not of this library: make one with bert-convert';
        throw Object.assign(bad(label, what), { is_foreign: true });
    }
    const { format_version } = values;
    // The integers of its q8 are of as many bits as those of q7 now.
    if (format_version === BERT_FORMAT_BEFORE) {
        return values.dtype === 'q8' ? { ...values, dtype: 'q7' } : values;
    }
    if (format_version !== BERT_FORMAT_VERSION) {
        throw bad(
            label,
            `its format version must be ${BERT_FORMAT_BEFORE} or ${BERT_FORMAT_VERSION} for this ` +
                `version of bert-wasm, not ${format_version}: convert the model again`,
        );
    }
    return values;
}

/**
 * @param {string} name
 * @param {any} entry
 * @param {Record<string, number>} dtypes  bytes of an element
 * @param {string} label
 * @returns {TensorEntry}
 */
function parseTensor(name, entry, dtypes, label) {
    const { dtype, shape, data_offsets } = entry ?? {};
    const refused = (/** @type {string} */ what, /** @type {string} */ expected) =>
        bad(label, `the ${what} of tensor '${name}' must be ${expected}`);
    if (!Object.hasOwn(dtypes, dtype)) {
        throw refused('dtype', `${Object.keys(dtypes).join(', ')}, not ${describe(dtype)}`);
    }
    const isSize = (/** @type {unknown} */ n) =>
        Number.isSafeInteger(n) && /** @type {number} */ (n) >= 0;
    if (!Array.isArray(shape) || shape.length > BERT_MAX_RANK || !shape.every(isSize)) {
        throw refused(
            'shape',
            `up to ${BERT_MAX_RANK} whole numbers, not ${JSON.stringify(shape)}`,
        );
    }
    if (!Array.isArray(data_offsets) || data_offsets.length !== 2 || !data_offsets.every(isSize)) {
        throw refused('data_offsets', `two whole numbers, not ${JSON.stringify(data_offsets)}`);
    }
    const [start, end] = data_offsets;
    // A product that is no longer exact is far beyond any file: it cannot be equal.
    const n_bytes = shape.reduce((product, n) => product * n, dtypes[dtype]);
    if (end - start !== n_bytes) {
        throw bad(
            label,
            `tensor '${name}' of ${dtype} ${JSON.stringify(shape)} must have ${n_bytes} bytes, ` +
                `not ${end - start}`,
        );
    }
    return { name, dtype, shape, start, end };
}

/**
 * @param {string} text
 * @param {CoreFacts} core  gets the config
 * @param {string} label
 * @returns {ModelConfig}
 */
function parseConfig(text, core, label) {
    const config = parseObject(text, label, 'the config');
    const { architecture, encoder, outputs, labels, problem_type, max_length } = config;
    const refused = (
        /** @type {string} */ field,
        /** @type {string} */ expected,
        /** @type {unknown} */ value,
    ) => unlike(label, `the config's ${field}`, expected, value);
    if (typeof architecture !== 'string') throw refused('architecture', 'a string', architecture);
    if (!isObject(encoder)) throw refused('encoder', 'an object', encoder);
    for (const [name, value] of Object.entries(encoder)) {
        if (!Number.isFinite(value) && typeof value !== 'string') {
            throw refused(`encoder.${name}`, 'a number or a string', value);
        }
    }
    core.configure(encoder);
    if (!isObject(outputs)) throw refused('outputs', 'an object', outputs);
    for (const [name, output] of Object.entries(outputs)) {
        checkOutput(name, output, core.outputs, label);
    }
    const { logits, token_logits } = core.outputs;
    const classifier = parseClassifier(config.classifier, core.outputs, refused);
    const n_labels = classifier?.bias.length ?? (logits ?? token_logits)?.n_columns ?? 0;
    if (
        !Array.isArray(labels) ||
        labels.length !== n_labels ||
        !labels.every((each) => typeof each === 'string')
    ) {
        throw refused('labels', `an array of ${n_labels} strings`, labels);
    }
    if (problem_type !== null && typeof problem_type !== 'string') {
        throw refused('problem_type', 'a string or null', problem_type);
    }
    const most = Math.min(core.most_tokens, MOST_TOKENS);
    if (!Number.isInteger(max_length) || max_length < 1 || max_length > most) {
        throw refused('max_length', `a whole number from 1 to ${most}`, max_length);
    }
    return /** @type {ModelConfig} */ ({
        ...config,
        ...parseSentences(config, refused),
        ...(classifier && { classifier }),
    });
}

/**
 * @param {any} given
 * @param {Record<string, OutputShape>} shapes
 * @param {(field: string, expected: string, value: unknown) => BertError} refused
 * @returns {Classifier | undefined}
 */
function parseClassifier(given, { sentence_embedding }, refused) {
    if (given === undefined) return undefined;
    if (!isObject(given)) throw refused('classifier', 'an object', given);
    if (!sentence_embedding) throw refused('classifier', 'left out without a pooling', given);
    const numbers = (/** @type {'weight' | 'bias'} */ name) => {
        try {
            const bytes = Uint8Array.from(atob(given[name]), (c) => c.charCodeAt(0));
            const floats = new Float32Array(bytes.buffer);
            if (floats.every(Number.isFinite)) return floats;
        } catch {}
        throw refused(`classifier.${name}`, 'numbers of F32 in base64', given[name]);
    };
    const [weight, bias] = [numbers('weight'), numbers('bias')];
    const n_in = sentence_embedding.n_columns;
    if (weight.length !== n_in * bias.length) {
        throw refused('classifier.weight', `${n_in} numbers for each of bias`, weight.length);
    }
    return { weight, bias };
}

/** Choices of fields that a file need not have. */
const CHOICES = {
    similarity: ['cosine', 'dot', 'euclidean', 'manhattan'],
    activation: ['sigmoid', 'none'],
};

/**
 * What sentence-transformers says beside a model.
 * @param {Record<string, any>} config
 * @param {(field: string, expected: string, value: unknown) => BertError} refused
 */
function parseSentences(config, refused) {
    const { prompts = {}, default_prompt_name = null, include_prompt = true } = config;
    if (!isObject(prompts)) throw refused('prompts', 'an object', prompts);
    for (const [name, prompt] of Object.entries(prompts)) {
        if (typeof prompt !== 'string') throw refused(`prompts.${name}`, 'a string', prompt);
    }
    if (default_prompt_name !== null && !Object.hasOwn(prompts, default_prompt_name)) {
        throw refused('default_prompt_name', 'the name of a prompt or null', default_prompt_name);
    }
    if (typeof include_prompt !== 'boolean') {
        throw refused('include_prompt', 'true or false', include_prompt);
    }
    const chosen = Object.entries(CHOICES).map(([field, choices]) => {
        const value = config[field] ?? null;
        if (value !== null && !choices.includes(value)) {
            throw refused(field, `${choices.map((each) => `'${each}'`).join(', ')} or null`, value);
        }
        return [field, value];
    });
    return { prompts, default_prompt_name, include_prompt, ...Object.fromEntries(chosen) };
}

/**
 * @param {string} name
 * @param {any} request
 * @param {Record<string, OutputShape>} shapes
 * @param {string} label
 */
function checkOutput(name, request, shapes, label) {
    const what = `the config's output '${name}'`;
    if (!isObject(request)) throw unlike(label, what, 'an object', request);
    const { output, index, activation, ...rest } = request;
    if (typeof output !== 'string' || !Object.hasOwn(shapes, output)) {
        throw unlike(label, what, `one of ${Object.keys(shapes).join(', ')}`, output);
    }
    const { n_layers, n_columns } = shapes[output];
    const n_parts = LAYERED.includes(output) ? n_layers : n_columns;
    if (index !== undefined && !(Number.isInteger(index) && index >= 0 && index < n_parts)) {
        throw unlike(label, `the index of ${what}`, `from 0 to ${n_parts - 1}`, index);
    }
    if (activation !== undefined && activation !== 'softmax' && activation !== 'sigmoid') {
        throw unlike(label, `the activation of ${what}`, "'softmax' or 'sigmoid'", activation);
    }
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) throw bad(label, `${what} has an unknown field '${unknown}'`);
}

/**
 * @param {string} text
 * @param {ModelConfig} config
 * @param {string} label
 * @returns {Reference}
 */
function parseReference(text, config, label) {
    const reference = parseObject(text, label, 'the reference');
    const { error, cases } = reference;
    if (!isMagnitude(error)) {
        throw unlike(label, 'the error of the reference', 'a number >= 0', error);
    }
    if (!Array.isArray(cases)) {
        throw unlike(label, 'the cases of the reference', 'an array', cases);
    }
    cases.forEach((one, i) => checkCase(one, config, label, `case ${i} of the reference`));
    return /** @type {Reference} */ (reference);
}

/**
 * @param {any} one
 * @param {ModelConfig} config
 * @param {string} label
 * @param {string} what
 */
function checkCase(one, config, label, what) {
    if (!isObject(one)) throw unlike(label, what, 'an object', one);
    const { input_ids, token_type_ids = input_ids?.map?.(() => 0), outputs } = one;
    const isIds = (/** @type {unknown} */ list) =>
        Array.isArray(list) &&
        list.length > 0 &&
        list.every((id) => Number.isInteger(id) && id >= 0);
    if (!isIds(input_ids)) {
        throw unlike(label, `input_ids of ${what}`, 'whole numbers >= 0', input_ids);
    }
    if (!isIds(token_type_ids) || token_type_ids.length !== input_ids.length) {
        throw unlike(
            label,
            `token_type_ids of ${what}`,
            `${input_ids.length} whole numbers >= 0`,
            token_type_ids,
        );
    }
    if (!isObject(outputs)) throw unlike(label, `outputs of ${what}`, 'an object', outputs);
    for (const [name, entry] of Object.entries(outputs)) {
        if (!Object.hasOwn(config.outputs, name)) {
            throw bad(label, `${what} has an output '${name}' that the model does not have`);
        }
        const { step, largest, samples } = entry ?? {};
        const where = `of output '${name}' in ${what}`;
        if (!Number.isInteger(step) || step < 1) {
            throw unlike(label, `step ${where}`, 'a whole number >= 1', step);
        }
        if (!isMagnitude(largest)) {
            throw unlike(label, `largest ${where}`, 'a number >= 0', largest);
        }
        if (!Array.isArray(samples) || samples.length === 0 || !samples.every(Number.isFinite)) {
            throw unlike(label, `samples ${where}`, 'an array of numbers', samples);
        }
    }
}

/** @param {unknown} value */
function isObject(value) {
    return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @param {unknown} value */
function isMagnitude(value) {
    return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

/**
 * @param {Record<string, string>} metadata
 * @param {number} data_bytes
 * @param {string} label
 */
function parseChunks(metadata, data_bytes, label) {
    const chunk_bytes = Number(metadata.chunk_bytes);
    const [least, most] = [1 << 10, 1 << 26];
    if (!Number.isInteger(chunk_bytes) || chunk_bytes < least || chunk_bytes > most) {
        throw unlike(
            label,
            'chunk_bytes',
            `a whole number from ${least} to ${most}`,
            metadata.chunk_bytes,
        );
    }
    const chunk_sha256 = String(metadata.chunk_sha256).split(',');
    const n_chunks = Math.ceil(data_bytes / chunk_bytes);
    if (
        chunk_sha256.length !== n_chunks ||
        !chunk_sha256.every((hash) => /^[0-9a-f]{64}$/.test(hash))
    ) {
        throw bad(
            label,
            `chunk_sha256 must be ${n_chunks} hashes of 64 hex digits, joined by commas`,
        );
    }
    return { chunk_bytes, chunk_sha256 };
}
