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
 * - `UNSUPPORTED`    this browser or Node lacks something that is needed
 * - `OUT_OF_MEMORY`  memory for the model or a batch was refused
 * - `ENGINE_FAILED`  the WebAssembly module or its worker could not start, or ended
 * - `DISPOSED`       the model was used after dispose()
 */

/** An error that callers can tell from others by its `code`. */
export class BertError extends Error {
    /**
     * Each of the package's bundles has this class; an error of one is a BertError to all.
     * @internal
     * @param {unknown} value
     */
    static [Symbol.hasInstance](value) {
        return value instanceof Error && value.name === 'BertError';
    }

    /**
     * @param {string} code
     * @param {string} message  what was wrong, where, and what to do
     * @param {{cause?: unknown}} [options]
     */
    constructor(code, message, options) {
        super(message, options);
        this.name = 'BertError';
        /**
         * one of docs/api.md: `BAD_INPUT`, ...
         * @readonly
         */
        this.code = code;
    }
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
 * An error as a plain object that can be posted to another thread, and back.
 * @param {unknown} error
 * @returns {{code?: string, name: string, message: string, stack?: string}}
 */
export function toMessage(error) {
    if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
    const code = error instanceof BertError ? error.code : undefined;
    return { code, name: error.name, message: error.message, stack: error.stack };
}

/**
 * @param {{code?: string, name: string, message: string, stack?: string}} message
 * @returns {Error}
 */
export function fromMessage(message) {
    const error = message.code
        ? new BertError(message.code, message.message)
        : new Error(message.message);
    if (!message.code) error.name = message.name;
    error.stack = message.stack;
    return error;
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
