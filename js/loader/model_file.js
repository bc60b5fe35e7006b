/**
 * The header of a model file, checked before anything is allocated. The format is described in
 * docs/model-file.md; every rule of it is enforced here or, for what depends on the config, in
 * core/model.c.
 */

import { BertError, describe } from '../errors.js';
import { limitOf, partsOf, sizesOf } from './config.js';
import { layOut } from './layout.js';

/** Bytes a header may have: 100,000 tensors and the hashes of 20 GB still fit. */
const MAX_HEADER_BYTES = 32 << 20;
const ALIGNMENT = 64;
const FORMAT_VERSION = '2';

/** Tokens that a sequence may have in any model. */
const MOST_TOKENS = 1 << 20;

/** @type {Record<string, number>} */
const DTYPE_BYTES = { F32: 4, F16: 2, I8: 1, U8: 1 };

/**
 * @typedef {object} TensorEntry
 * @property {string} name
 * @property {'F32' | 'F16' | 'I8' | 'U8'} dtype
 * @property {number[]} shape
 * @property {number} start  bytes from the start of the data section
 * @property {number} end
 */

/**
 * @typedef {object} ModelConfig
 * @property {string} architecture  its family: 'bert', ...
 * @property {import('./config.js').EncoderConfig} encoder  its sizes
 * @property {Record<string, import('./config.js').OutputRequest>} outputs  by ONNX name
 * @property {string[]} labels  of the classifier, by class index; none without one
 * @property {string | null} problem_type  of the classifier, as in config.json: 'regression', ...
 * @property {number} max_length  most tokens of a sequence, special ones included
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
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const n = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
    if (n < 2 || n > MAX_HEADER_BYTES) {
        const start = new TextDecoder().decode(bytes.subarray(0, 8));
        throw bad(label, `not a safetensors file (it starts with ${JSON.stringify(start)})`);
    }
    return n;
}

/**
 * @param {Uint8Array} bytes  the header alone
 * @param {string} label
 * @returns {ModelHeader}
 */
export function parseHeader(bytes, label) {
    const header = parseObject(decode(bytes, label), label, 'the header');
    const metadata = parseMetadata(header.__metadata__, label);
    const tensors = Object.entries(header)
        .filter(([name]) => name !== '__metadata__')
        .map(([name, entry]) => parseTensor(name, entry, label))
        .sort((a, b) => a.start - b.start || a.end - b.end);
    let end = 0;
    for (const tensor of tensors) {
        if (tensor.start !== end) {
            throw bad(
                label,
                `tensor '${tensor.name}' starts at ${tensor.start}, ` +
                    `the one before it ends at ${end}`,
            );
        }
        if (!tensor.name.startsWith('padding.') && tensor.start % ALIGNMENT !== 0) {
            throw bad(
                label,
                `tensor '${tensor.name}' starts at ${tensor.start}, ` +
                    `which is no multiple of ${ALIGNMENT}`,
            );
        }
        end = tensor.end;
    }
    if (tensors.length === 0) throw bad(label, 'there are no tensors');
    const config = parseConfig(metadata.config, label);
    return {
        metadata,
        config,
        reference:
            metadata.reference === undefined
                ? null
                : parseReference(metadata.reference, config, label),
        tensors,
        ...layOut(tensors, label),
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
 * @param {Uint8Array} bytes
 * @param {string} label
 */
function decode(bytes, label) {
    try {
        return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
        throw bad(label, 'the header is not UTF-8');
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
        value = JSON.parse(text);
    } catch (error) {
        throw bad(label, `${what} is no JSON: ${/** @type {Error} */ (error).message}`);
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        throw bad(label, `${what} is ${describe(value)}, not an object`);
    }
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
        throw bad(label, 'a safetensors file, but not of this library: make one with bert-convert');
    }
    if (values.format_version !== FORMAT_VERSION) {
        throw bad(
            label,
            `format version ${values.format_version}; this version of bert-wasm reads ` +
                `${FORMAT_VERSION}: convert the model again`,
        );
    }
    return values;
}

/**
 * @param {string} name
 * @param {any} entry
 * @param {string} label
 * @returns {TensorEntry}
 */
function parseTensor(name, entry, label) {
    const { dtype, shape, data_offsets } = entry ?? {};
    const size = Object.hasOwn(DTYPE_BYTES, dtype) ? DTYPE_BYTES[dtype] : 0;
    if (!size) throw bad(label, `tensor '${name}' has dtype ${describe(dtype)}`);
    const isSize = (/** @type {unknown} */ n) =>
        Number.isSafeInteger(n) && /** @type {number} */ (n) >= 0;
    if (!Array.isArray(shape) || shape.length > 4 || !shape.every(isSize)) {
        throw bad(label, `tensor '${name}' has shape ${JSON.stringify(shape)}`);
    }
    if (!Array.isArray(data_offsets) || data_offsets.length !== 2 || !data_offsets.every(isSize)) {
        throw bad(label, `tensor '${name}' has data_offsets ${JSON.stringify(data_offsets)}`);
    }
    const [start, end] = data_offsets;
    // A product that is no longer exact is far beyond any file: it cannot be equal.
    const n_bytes = shape.reduce((product, n) => product * n, size);
    if (end - start !== n_bytes) {
        throw bad(
            label,
            `tensor '${name}' of ${dtype} ${JSON.stringify(shape)} has ${end - start} ` +
                `bytes, not ${n_bytes}`,
        );
    }
    return { name, dtype, shape, start, end };
}

/**
 * @param {string} text
 * @param {string} label
 * @returns {ModelConfig}
 */
function parseConfig(text, label) {
    const config = parseObject(text, label, 'the config');
    const { architecture, encoder, outputs, labels, problem_type, max_length } = config;
    if (typeof architecture !== 'string') {
        throw bad(label, `the config has ${describe(architecture)} as architecture`);
    }
    if (!isObject(encoder)) throw bad(label, 'the config has no encoder');
    for (const [name, value] of Object.entries(encoder)) {
        if (!Number.isFinite(value) && typeof value !== 'string') {
            throw bad(label, `the config's encoder has ${describe(value)} as ${name}`);
        }
    }
    if (!isObject(outputs)) throw bad(label, 'the config has no outputs');
    const sizes = sizesOf(encoder);
    for (const [name, output] of Object.entries(outputs)) checkOutput(name, output, sizes, label);
    const n_labels = encoder.n_labels || encoder.n_token_labels || 0;
    if (
        !Array.isArray(labels) ||
        labels.length !== n_labels ||
        !labels.every((l) => typeof l === 'string')
    ) {
        throw bad(label, `the config has ${describe(labels)} as labels of ${n_labels} classes`);
    }
    if (problem_type !== null && typeof problem_type !== 'string') {
        throw bad(label, `the config has ${describe(problem_type)} as problem_type`);
    }
    const limit = limitOf(encoder);
    if (
        !Number.isInteger(max_length) ||
        max_length < 1 ||
        max_length > Math.min(limit, MOST_TOKENS)
    ) {
        throw bad(
            label,
            `the config has max_length ${describe(max_length)}, with ${limit} positions`,
        );
    }
    return /** @type {ModelConfig} */ (config);
}

/**
 * @param {string} name
 * @param {any} request
 * @param {import('./config.js').Sizes} sizes
 * @param {string} label
 */
function checkOutput(name, request, sizes, label) {
    const what = `the config's output '${name}'`;
    if (!isObject(request)) throw bad(label, `${what} is ${describe(request)}, not an object`);
    const { output, index, activation, ...rest } = request;
    const n_parts = typeof output === 'string' ? partsOf(sizes, output) : 0;
    const [unknown] = Object.keys(rest);
    if (n_parts === 0) {
        throw bad(label, `${what} is ${describe(output)}, which the model does not have`);
    }
    if (index !== undefined && !(Number.isInteger(index) && index >= 0 && index < n_parts)) {
        throw bad(label, `${what} has index ${describe(index)}, of ${n_parts} parts of ${output}`);
    }
    if (activation !== undefined && activation !== 'softmax' && activation !== 'sigmoid') {
        throw bad(label, `${what} has activation ${describe(activation)}`);
    }
    if (unknown !== undefined) {
        throw bad(label, `${what} has a field '${unknown}' that is not known`);
    }
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
    if (!Number.isFinite(error) || error < 0) {
        throw bad(label, `the reference has error ${describe(error)}`);
    }
    if (!Array.isArray(cases)) throw bad(label, `the reference has ${describe(cases)} as cases`);
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
    if (!isObject(one)) throw bad(label, `${what} is ${describe(one)}, not an object`);
    const { input_ids, token_type_ids = input_ids?.map?.(() => 0), outputs } = one;
    const isIds = (/** @type {unknown} */ list) =>
        Array.isArray(list) &&
        list.length > 0 &&
        list.every((id) => Number.isInteger(id) && id >= 0);
    if (!isIds(input_ids)) throw bad(label, `${what} has ${describe(input_ids)} as input_ids`);
    if (!isIds(token_type_ids) || token_type_ids.length !== input_ids.length) {
        throw bad(
            label,
            `${what} has ${describe(token_type_ids)} as token_type_ids of ` +
                `${input_ids.length} tokens`,
        );
    }
    if (!isObject(outputs)) throw bad(label, `${what} has ${describe(outputs)} as outputs`);
    for (const [name, entry] of Object.entries(outputs)) {
        if (!Object.hasOwn(config.outputs, name)) {
            throw bad(label, `${what} has an output '${name}', the model has not`);
        }
        const { step, largest, samples } = entry ?? {};
        if (!Number.isInteger(step) || step < 1) {
            throw bad(label, `${what}, output '${name}': step is ${describe(step)}`);
        }
        if (!Number.isFinite(largest) || largest < 0) {
            throw bad(label, `${what}, output '${name}': largest is ${describe(largest)}`);
        }
        if (!Array.isArray(samples) || samples.length === 0 || !samples.every(Number.isFinite)) {
            throw bad(
                label,
                `${what}, output '${name}': samples are ${describe(samples)}, or not all numbers`,
            );
        }
    }
}

/** @param {unknown} value */
function isObject(value) {
    return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * @param {Record<string, string>} metadata
 * @param {number} data_bytes
 * @param {string} label
 */
function parseChunks(metadata, data_bytes, label) {
    const chunk_bytes = Number(metadata.chunk_bytes);
    if (!Number.isInteger(chunk_bytes) || chunk_bytes < 1024 || chunk_bytes > 1 << 26) {
        throw bad(label, `chunk_bytes is ${describe(metadata.chunk_bytes)}`);
    }
    const chunk_sha256 = String(metadata.chunk_sha256).split(',');
    const n_chunks = Math.ceil(data_bytes / chunk_bytes);
    if (
        chunk_sha256.length !== n_chunks ||
        !chunk_sha256.every((hash) => /^[0-9a-f]{64}$/.test(hash))
    ) {
        throw bad(
            label,
            `${chunk_sha256.length} chunk hashes for ${n_chunks} chunks, or malformed ones`,
        );
    }
    return { chunk_bytes, chunk_sha256 };
}
