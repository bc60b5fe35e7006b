/**
 * feature-extraction (also called embeddings): vectors of texts, of each token or one a text.
 */

import { BertError } from '../errors.js';
import { answer, readText } from './call.js';
import {
    CALL_OPTIONS,
    isFlag,
    isString,
    OVERFLOW_OPTIONS,
    oneOf,
    orNull,
    readOptions,
    wholeNumber,
} from './options.js';
import { weightedMean } from './scores.js';
import { Tensor } from './tensor.js';

/** @import { CallOptions, Errors, OverflowOptions, Settled } from './options.js' */

/**
 * @typedef {object} VectorOptions
 * @property {'none' | 'mean' | 'cls' | 'last_token' | null} [pooling]  what is made of a text's
 *   tokens, special ones included: 'none' gives them all, 'mean' their mean, 'cls' the first one,
 *   'last_token' the last; default null: what the model was exported with (sentence-transformers),
 *   or 'none'
 * @property {boolean} [normalize]  whether vectors have length 1; default false
 * @property {number | null} [dimensions]  how many are kept, the first ones, from 1 (Kusupati et
 *   al. 2022, Matryoshka Representation Learning), before vectors are normalized; default null: all
 * @property {Precision} [precision]  of the numbers: 'int8' -127 to 127, each row times its own
 *   `scale`; 'binary' one bit a dimension, 1 where it is positive, the first dimension the highest
 *   bit, in bytes less 128; 'ubinary' the same in bytes as they are, which semanticSearch() takes;
 *   default 'float32'
 * @property {boolean} [quantize]  transformers.js's: true makes `precision` 'binary' where that is
 *   not given; default false
 * @property {string | null} [prompt_name]  the prompt of the model (`model.config.prompts`) that is
 *   put before each text; default null: the model's default prompt, if it has one
 * @property {string | null} [prompt]  the text itself that is put before each text, '' for none;
 *   default null: that of `prompt_name`
 *
 * @typedef {VectorOptions & CallOptions & OverflowOptions} FeatureExtractionOptions
 *   Where a text is read in windows its vector is their mean, weighted by their tokens.
 */

/**
 * @typedef {'float32' | 'int8' | 'binary' | 'ubinary'} Precision
 */

/**
 * @template {Precision} P
 * @typedef {{precision?: P, quantize?: false} | {precision: P, quantize: true}} Rounding
 */

/**
 * @template {Precision} P
 * @typedef {FeatureExtractionOptions & Rounding<P>} PreciseOptions
 */

/**
 * @template {Precision} P
 * @typedef {P extends 'float32' ? Float32Array : P extends 'ubinary' ? Uint8Array : Int8Array}
 *   Numbers
 */

/**
 * Vectors. `dims` are [n_texts, n_dimensions], or [1, n_tokens, n_dimensions] without pooling;
 * `truncated` says of each text whether it was longer than the model reads; `scales` are those of
 * int8 rows.
 * @template {Precision} [P='float32']
 * @typedef {Tensor<Numbers<P>> & {truncated: boolean[], scales?: Float32Array}} Features
 */

/** @typedef {import('../model/inputs.js').TextInput} TextInput */

/** @type {Required<VectorOptions>} */
const OPTIONS = {
    pooling: null,
    normalize: false,
    dimensions: null,
    precision: 'float32',
    quantize: false,
    prompt_name: null,
    prompt: null,
};
const RULES = {
    pooling: orNull(oneOf('none', 'mean', 'cls', 'last_token')),
    normalize: isFlag,
    dimensions: orNull(wholeNumber(1)),
    precision: oneOf('float32', 'int8', 'binary', 'ubinary'),
    quantize: isFlag,
    prompt_name: orNull(isString),
    prompt: orNull(isString),
};

/**
 * @param {import('../model/model.js').Model} model
 * @param {string} task  for messages
 */
export function featureExtraction(model, task) {
    const is_sentence_model = Object.values(model.config.outputs).some(
        ({ output }) => output === 'sentence_embedding',
    );

    /** @param {FeatureExtractionOptions} given */
    function read(given) {
        const {
            pooling: wanted,
            normalize,
            dimensions,
            precision: named,
            quantize,
            prompt_name,
            prompt,
            signal,
            onprogress,
            errors,
            ...request
        } = readOptions(task, given, { ...OPTIONS, ...OVERFLOW_OPTIONS, ...CALL_OPTIONS }, RULES);
        const pooling = wanted ?? (is_sentence_model ? null : 'none');
        const precision = quantize && given.precision === undefined ? 'binary' : named;
        if (pooling === 'none' && request.overflow === 'window') {
            throw new BertError(
                'BAD_OPTION',
                "overflow 'window' needs one vector a text: give pooling 'mean', " +
                    "'cls' or 'last_token'",
            );
        }
        const output =
            pooling === null
                ? { output: 'sentence_embedding' }
                : { output: 'last_hidden_state', ...(pooling === 'none' ? {} : { pooling }) };
        return {
            pooling,
            normalize,
            dimensions,
            precision,
            call: { signal, onprogress },
            errors,
            request: {
                ...request,
                outputs: { vectors: output },
                prompt: prompt ?? promptOf(model.config, prompt_name),
            },
        };
    }

    /**
     * @overload
     * @param {TextInput} texts  a text, or a pair as {text, text_pair}
     * @param {PreciseOptions<P>} [options]
     * @returns {Promise<Features<P>>}
     * @template {Precision} [P='float32']
     */
    /**
     * @overload
     * @param {TextInput[]} texts
     * @param {PreciseOptions<P> & {pooling: 'none', errors?: E}} options
     * @returns {Promise<Settled<Features<P>, E>[]>}  each text's own
     * @template {Precision} [P='float32']
     * @template {Errors} [E='throw']
     */
    /**
     * @overload
     * @param {TextInput[]} texts
     * @param {PreciseOptions<P> & {errors?: 'throw'}} [options]
     * @returns {Promise<Features<P>>}  a row for each text; an array of each text's
     *   own where the model does not pool
     * @template {Precision} [P='float32']
     */
    /**
     * @overload
     * @param {TextInput[]} texts
     * @param {PreciseOptions<P>} options
     * @returns {Promise<(Features<P> | BertError)[]>}  each text's own, or its error
     * @template {Precision} [P='float32']
     */
    /**
     * @overload
     * @param {Iterable<TextInput> | AsyncIterable<TextInput>} texts  read as results are taken
     * @param {PreciseOptions<P> & {errors?: E}} [options]
     * @returns {AsyncGenerator<Settled<Features<P>, E>, void, undefined>}
     * @template {Precision} [P='float32']
     * @template {Errors} [E='throw']
     */
    /**
     * @param {any} texts
     * @param {FeatureExtractionOptions} [options]
     * @returns {any}
     */
    function extract(texts, options = {}) {
        const answered = answer(texts, () => {
            const { pooling, call, errors, request, ...shape } = read(options);
            return {
                errors,
                read: readText,
                async run(inputs) {
                    const results = await model.run({ inputs, ...request }, call);
                    return results.map((result) =>
                        result instanceof BertError ? result : toFeatures(result, pooling, shape),
                    );
                },
            };
        });
        if (!Array.isArray(texts)) return answered;
        // Rows of tokens have one more dimension: they are not stacked.
        const isStack = (/** @type {Features<any>[]} */ rows) =>
            rows.length > 0 && options.errors !== 'return' && rows[0].dims.length === 2;
        return /** @type {Promise<any>} */ (answered).then((rows) =>
            isStack(rows) ? stack(rows) : rows,
        );
    }
    return extract;
}

/**
 * The text of a prompt of the model.
 * @param {import('../loader/model_file.js').ModelConfig} config
 * @param {string | null} wanted  its name; null: the default one
 */
function promptOf({ prompts, default_prompt_name }, wanted) {
    const name = wanted ?? default_prompt_name;
    if (name === null) return '';
    if (Object.hasOwn(prompts, name)) return prompts[name];
    const names = Object.keys(prompts).map((each) => `'${each}'`);
    throw new BertError(
        'BAD_OPTION',
        `prompt_name must be ${names.length ? `one of ${names.join(', ')}` : 'null'}, ` +
            `not '${name}': ${names.length ? 'these are the prompts' : 'there are no prompts'} ` +
            'of the model',
    );
}

/**
 * @param {import('../worker/texts.js').TextResult} result
 * @param {VectorOptions['pooling']} pooling
 * @param {Pick<Required<VectorOptions>, 'normalize' | 'dimensions' | 'precision'>} shape
 * @returns {Features<any>}
 */
function toFeatures({ windows, truncated }, pooling, { normalize, dimensions, precision }) {
    const parts = windows.map(({ outputs }) => outputs.vectors);
    let { dims, data } = parts[parts.length - 1];
    if (parts.length > 1 && pooling !== 'last_token') {
        data = Float32Array.from(
            weightedMean(
                parts.map((part) => part.data),
                windows.map(({ n_tokens }) => n_tokens),
            ),
        );
    }
    const width = dims[dims.length - 1];
    if (dimensions !== null && dimensions > width) {
        throw new BertError(
            'BAD_OPTION',
            `dimensions must be at most ${width}, those of the model, not ${dimensions}`,
        );
    }
    const kept = dimensions ?? width;
    if (kept < width) data = data.filter((_, i) => i % width < kept);
    if (normalize) normalizeRows(data, kept);
    const features = Object.assign(quantized(data, [1, ...dims.slice(0, -1), kept], precision), {
        truncated: [truncated],
    });
    return features;
}

/**
 * @param {Float32Array} data  changed
 * @param {number} width
 */
function normalizeRows(data, width) {
    for (let start = 0; start < data.length; start += width) {
        const row = data.subarray(start, start + width);
        const length = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0));
        if (length > 0) {
            row.forEach((x, i) => {
                row[i] = x / length;
            });
        }
    }
}

/**
 * @param {Float32Array} data
 * @param {number[]} dims
 * @param {VectorOptions['precision']} precision
 * @returns {Tensor<any> & {scales?: Float32Array}}
 */
function quantized(data, dims, precision) {
    if (precision === 'float32') return new Tensor(data, dims);
    const width = dims[dims.length - 1];
    const n_rows = data.length / width;
    if (precision === 'int8') {
        const scales = new Float32Array(n_rows);
        const values = new Int8Array(data.length);
        for (let r = 0; r < n_rows; r++) {
            const row = data.subarray(r * width, (r + 1) * width);
            scales[r] = row.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / 127;
            row.forEach((x, i) => {
                values[r * width + i] = scales[r] > 0 ? Math.round(x / scales[r]) : 0;
            });
        }
        return Object.assign(new Tensor(values, dims), { scales });
    }
    const n_bytes = Math.ceil(width / 8);
    const bits = new Uint8Array(n_rows * n_bytes);
    data.forEach((x, i) => {
        if (x > 0) {
            bits[Math.floor(i / width) * n_bytes + ((i % width) >> 3)] |= 0x80 >> ((i % width) & 7);
        }
    });
    const packed = [...dims.slice(0, -1), n_bytes];
    return new Tensor(
        precision === 'ubinary' ? bits : Int8Array.from(bits, (byte) => byte - 128),
        packed,
    );
}

/**
 * @param {Features[]} rows  of dims [1, width]
 * @returns {Features<any>}
 */
function stack(rows) {
    const width = rows[0].dims[1];
    const data = new /** @type {any} */ (rows[0].data.constructor)(rows.length * width);
    rows.forEach((row, i) => data.set(row.data, i * width));
    const scales = rows[0].scales && {
        scales: Float32Array.from(rows, (row) => /** @type {Float32Array} */ (row.scales)[0]),
    };
    return Object.assign(
        new Tensor(data, [rows.length, width]),
        { truncated: rows.flatMap(({ truncated }) => truncated) },
        scales,
    );
}
