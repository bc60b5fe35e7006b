/** What to do about a model that cannot be opened, by the code of the error. */

/** @type {Record<string, string>} Of files. */
const OF_FILES = {
    FETCH_FAILED:
        'Choose the weights together with config.json and tokenizer.json, or the folder that has ' +
        'them all.',
    BAD_MODEL_FILE:
        'Only encoders like BERT can be read. If it is one, the files may be damaged, or not ' +
        'belong together.',
};

/** Of what was fetched. @type {Record<string, string>} */
const OF_ADDRESS = {
    FETCH_FAILED:
        'Is the name right, and is this device connected? Not everyone may read every model: ' +
        'some need a token (under Another Hub, a token). Servers may also forbid pages to read ' +
        'them.',
    BAD_MODEL_FILE:
        'Only encoders like BERT can be read, as .safetensors or .onnx. If it is one, it may be ' +
        'damaged: try again.',
    BAD_INPUT: 'Write a name as org/name, or an address that begins with https://.',
    BAD_OPTION: 'Check what was entered: the name, the revision, the address of the Hub.',
    FILE_CHANGED: 'It was replaced on its server meanwhile. Try again.',
    NOT_STORED:
        'It was fetched, but cannot be kept on this device, and so this page cannot have it. ' +
        'Make room below, or leave the private window; or download its files and choose them ' +
        'here.',
};

/** Of both. @type {Record<string, string>} */
const OF_ALL = {
    NO_TOKENIZER:
        'It has no tokenizer. Choose its tokenizer.json together with the other files; of a ' +
        'repository without one, the author has to add it.',
    OUT_OF_MEMORY:
        'It needs more memory than this browser gives. Close other pages or programs, take fewer ' +
        'bits (q4), or convert it on the command line.',
    UNSUPPORTED: 'Please use a current Firefox, Chrome, Edge or Safari.',
    ENGINE_FAILED: 'Reload the page and try again.',
};

/**
 * @param {string} code
 * @param {boolean} are_files
 */
export const adviceFor = (code, are_files) =>
    (are_files ? OF_FILES : OF_ADDRESS)[code] ??
    OF_ALL[code] ??
    (are_files ? 'Choose other files, or try again.' : 'Try again, or try another model.');
