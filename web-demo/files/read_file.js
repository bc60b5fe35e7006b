/** From a file to columns of cells. */

import { parseRows } from './parse_rows.js';
import { readText } from './read_text.js';

/**
 * How a file is read where it was guessed wrong.
 * @typedef {{encoding?: string, format?: string, has_header?: boolean}} How
 *
 * @typedef {import('./parse_rows.js').Parsed & {encoding: string}} ReadFile
 */

/**
 * @param {{blob: Blob, name: string} & How} file
 * @param {(share: number) => void} report  of what is done, 0 to 1
 * @returns {Promise<ReadFile>}
 */
export async function readFile({ blob, name, encoding: wanted, format, has_header }, report) {
    const { text, encoding } = await readText(blob, wanted, (share) => report(share / 2));
    const onprogress = (/** @type {number} */ share) => report(0.5 + share / 2);
    return { ...parseRows(text, { name, format, has_header, onprogress }), encoding };
}
