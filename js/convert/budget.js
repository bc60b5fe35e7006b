/**
 * What is told before a byte is fetched. How much a conversion takes is known once it is known what
 * the model is (conversion_memory() in converter/conversion.h); but an ONNX file, whose parts are
 * read in the order of its graph, stays in memory as long as it is needed, unless the worker can
 * read it by itself.
 */

import { tooLarge } from './too_large.js';

/**
 * @param {import('./index.js').ReadableFiles} files
 * @param {number} memory
 * @param {string} folder
 */
export function checkBudget(files, memory, folder) {
    const kept = Object.entries(files).filter(
        ([name, { path, blob }]) => !/\.safetensors$/.test(name) && path === undefined && !blob,
    );
    const n_bytes = kept.reduce((sum, [, { size }]) => sum + size, 0);
    if (n_bytes > memory) throw tooLarge(folder, n_bytes, memory);
}
