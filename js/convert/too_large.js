/** What is said of a model that does not fit into the memory that its conversion may take. */

import { BertError } from '../errors.js';

/**
 * @param {string} folder  what the model's folder is called
 * @param {number} n_bytes  that are needed
 * @param {number} memory  bytes that may be taken
 */
export function tooLarge(folder, n_bytes, memory) {
    return new BertError(
        'OUT_OF_MEMORY',
        `converting ${folder} takes about ${inMB(n_bytes)}, more than the ${inMB(memory)} that ` +
            `it may: ${instead(folder)}`,
    );
}

/** What to do. @param {string} folder */
export function instead(folder) {
    return (
        'give it more by `memory`, 4 GiB at most, or use the native converter: ' +
        `bert-convert ${folder} -o model.safetensors`
    );
}

/** @param {number} n_bytes */
export function inMB(n_bytes) {
    return `${Math.ceil(n_bytes / 1e6)} MB`;
}
