/** Whether a conversion will fit, told before it is tried. */

/**
 * @param {import('./index.js').ReadableFiles} files
 * @param {string} dtype
 * @param {number} memory
 * @param {string} folder
 */
export function checkBudget(files, dtype, memory, folder) {}
