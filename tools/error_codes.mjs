/**
 * The codes of errors: what they mean is read where they are defined, in js/errors.js and, for the
 * statuses of the core, in core/; what to do about them is said here.
 */

import { readFileSync } from 'node:fs';

const CONVERT_AGAIN = 'Convert the model again with the `bert-convert` of this version.';

/** What to do about an error. What it means stands where its code is defined. */
const ADVICE = {
    BAD_INPUT:
        "Give what the message asks for. `errors: 'return'` keeps the results of the other inputs.",
    BAD_OPTION: 'Correct the option: the message says what it may be.',
    BAD_TOKENIZER: "Use the model's own tokenizer.json. The message names what is not supported.",
    BAD_MODEL_FILE: `Download the file again. ${CONVERT_AGAIN}`,
    NO_TOKENIZER:
        'Convert the model again with tokenizer.json beside the ONNX file, or use `forward()`.',
    NO_REFERENCE: CONVERT_AGAIN,
    WRONG_TASK: 'Use a model that was trained for the task.',
    FETCH_FAILED: 'Check the path or URL, and that its server lets the page read it (CORS).',
    FILE_CHANGED: 'Load it again once the server has settled on one file.',
    UNSUPPORTED: 'Use a browser or Node that has what the message names.',
    OUT_OF_MEMORY:
        'Dispose of models that are not used; give fewer texts at once, or a lower ' +
        '`batch_tokens`; load with `threads: 1`.',
    ENGINE_FAILED:
        "Keep the package's worker and wasm files beside its script, and let the page's content " +
        'security policy allow them. Then load the model again.',
    DISPOSED: 'Load the model again.',
    UNKNOWN_FIELD: CONVERT_AGAIN,
    BAD_FIELD: CONVERT_AGAIN,
    MODEL_TOO_LARGE: 'Use a smaller model: WebAssembly has at most 4 GB.',
    MISSING_TENSOR: CONVERT_AGAIN,
    UNKNOWN_TENSOR: CONVERT_AGAIN,
    DUPLICATE_TENSOR: CONVERT_AGAIN,
    BAD_DTYPE: CONVERT_AGAIN,
    BAD_SHAPE: CONVERT_AGAIN,
    BAD_DATA: CONVERT_AGAIN,
    BATCH_TOO_LARGE: 'Give fewer sequences at once, or leave `batch_size` out.',
    SEQUENCE_TOO_LONG:
        'Cut the sequence to `model.config.max_length` tokens, as pipelines do: see `overflow`.',
    EMPTY_SEQUENCE: 'Give at least one token whose attention mask is 1.',
    BAD_TOKEN_ID: "Use the ids of the model's own tokenizer.",
    BAD_TOKEN_TYPE: "Use the types of the model's own tokenizer, or leave `token_type_ids` out.",
    BAD_POSITION: 'Give a shorter sequence.',
    NO_SUCH_OUTPUT: 'Ask for an output that `model.config.outputs` names.',
};

/**
 * @returns {Map<string, {meaning: string, advice: string}>}  by code, in the order of ADVICE
 */
export function errorCodes() {
    const [own, ...core] = ['js/errors.js', 'core/bert.h', 'core/names.c'].map((file) =>
        readFileSync(file, 'utf8'),
    );
    const statuses = /#define (BERT_STATUSES|STATUS)\([\s\S]*?\n\n/.exec(core.join('')) ?? [''];
    const found = [
        ...statuses[0].matchAll(/\b(?:X|STATUS)\((\w+), "(.*)"\)/g),
        // A status whose code is the package's too means what it says.
        ...own.matchAll(/^ \* - `(\w+)` +(.*)$/gm),
    ];
    const meanings = new Map(found.map(([, code, meaning]) => [code, meaning]));
    meanings.delete('OK');
    const missing = [...meanings.keys()].filter((code) => !Object.hasOwn(ADVICE, code));
    if (missing.length > 0) throw new Error(`what to do about ${missing.join(', ')}?`);
    return new Map(
        Object.entries(ADVICE).map(([code, advice]) => {
            const meaning = meanings.get(code);
            if (meaning === undefined) throw new Error(`there is no code ${code}`);
            return [code, { meaning, advice }];
        }),
    );
}
