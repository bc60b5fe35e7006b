/**
 * Errors that callers can tell apart: every one the library throws on bad input is a BertError
 * with a `code`. Codes that come from the core are the statuses of core/bert.h (`BAD_SHAPE`,
 * `SEQUENCE_TOO_LONG`, ...). The others:
 *
 * - `BAD_INPUT`      text or ids that cannot be used
 * - `BAD_OPTION`     an option that does not exist or has no such value
 * - `BAD_TOKENIZER`  a tokenizer.json that is broken or needs something unsupported
 * - `BAD_MODEL_FILE` not a model file, or a damaged one
 * - `NO_TOKENIZER`   the model was converted without one
 * - `NO_REFERENCE`   the model file has no answers to verify it by
 * - `WRONG_TASK`     the model's head does not do this task
 * - `FETCH_FAILED`   a URL or file that cannot be read
 * - `FILE_CHANGED`   a file became another one on its server while it was read, twice
 * - `UNSUPPORTED`    this browser or Node lacks something that is needed
 * - `OUT_OF_MEMORY`  memory for the model or a batch was refused
 * - `ENGINE_FAILED`  the WebAssembly module or its worker could not start, failed or ended
 * - `DISPOSED`       the model was used after dispose()
 *
 * An error is data; its message is for people and may be reworded: no code reads one. An error of
 * one input among several has its `index`, and withPlace() alone writes it into the message.
 */

import { kindOf } from './realms.js';

/** An error that callers can tell from others by its `code`. */
export class BertError extends Error {
    /**
     * Each of the package's bundles has this class, and each realm those of its own; an error of
     * one is a BertError to all.
     * @internal
     * @param {unknown} value
     */
    static [Symbol.hasInstance](value) {
        return kindOf(value) === 'Error' && /** @type {Error} */ (value).name === 'BertError';
    }

    /**
     * @param {string} code
     * @param {string} message  what was wrong, where, and what to do
     * @param {{index?: number, cause?: unknown}} [options]
     */
    constructor(code, message, options) {
        super(message, options);
        this.name = 'BertError';
        /**
         * one of docs/api.md: `BAD_INPUT`, ...
         * @readonly
         */
        this.code = code;
        if (options?.index !== undefined) {
            /**
             * Which text, example or sequence it is about, of several that the call was given.
             * @readonly
             * @type {number | undefined}
             */
            this.index = options.index;
        }
    }
}

/**
 * The same error with the place that it is about: `text 3: ...`. The place of one with an index, as
 * a call further down has counted, is replaced: callers know what they gave themselves.
 * @template T
 * @param {T} error  one that is not a BertError stays as it is
 * @param {string} place
 * @param {number} [index]  where the place is one of several that the caller gave
 * @returns {T}  whose cause is the error without a place
 */
export function withPlace(error, place, index) {
    if (!(error instanceof BertError)) return error;
    const cause = withoutPlace(error);
    const { code, message } = cause;
    return /** @type {any} */ (new BertError(code, `${place}: ${message}`, { index, cause }));
}

/**
 * For callers who gave one thing alone: they need not be told which.
 * @template T
 * @param {T} error
 * @returns {T}
 */
export function withoutPlace(error) {
    const { index, cause } = /** @type {any} */ (error ?? {});
    return index >= 0 && cause instanceof BertError ? /** @type {any} */ (cause) : error;
}

/**
 * @param {string} name  of a model
 * @returns {BertError}
 */
export function noTokenizer(name) {
    return new BertError(
        'NO_TOKENIZER',
        `model '${name}' was converted without tokenizer.json: ` +
            'convert it again with one beside the ONNX file',
    );
}

/**
 * @typedef {object} ErrorMessage  an error as a plain object that can be posted
 * @property {string} name
 * @property {string} message
 * @property {string} [stack]
 * @property {any} [code]  of a BertError a string; DOMException has others
 * @property {number} [index]
 * @property {ErrorMessage} [cause]
 * @property {true} [is_foreign]  of a file that is somebody else's, and may become one of ours
 */

/**
 * An error for another thread.
 * @param {unknown} error
 * @returns {ErrorMessage}
 */
export function toMessage(error) {
    const { name, message, stack, code, index, cause, is_foreign } = /** @type {any} */ (
        ['Error', 'DOMException'].includes(kindOf(error)) ? error : new Error(String(error))
    );
    const told = { name, message, stack, code, index, ...(is_foreign && { is_foreign }) };
    return { ...told, cause: cause ? toMessage(cause) : undefined };
}

/**
 * And back.
 * @param {ErrorMessage} posted
 * @returns {Error}
 */
export function fromMessage({ name, message, stack, code, index, cause, is_foreign }) {
    const options = { index, ...(cause && { cause: fromMessage(cause) }) };
    const error =
        name === 'BertError' ? new BertError(code, message, options) : new Error(message, options);
    return Object.assign(error, { name, stack, ...(is_foreign && { is_foreign }) });
}

/**
 * What a value is, for a message: `number 42`, `null`, `array of 3`, `string "abc"`.
 * @param {unknown} value
 * @returns {string}
 */
export function describe(value) {
    if (value === null || value === undefined) return String(value);
    if (Array.isArray(value)) return `array of ${value.length}`;
    if (typeof value === 'string') return `string ${JSON.stringify(value.slice(0, 40))}`;
    if (typeof value === 'object') return value.constructor?.name ?? 'object';
    return `${typeof value} ${String(value)}`;
}
