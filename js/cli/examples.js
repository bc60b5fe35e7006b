/** Labelled examples in files, for the commands that take them. */

import { extname } from 'node:path';

import { BertError } from '../errors.js';
import { LINE_FORMATS, readSQuAD } from '../examples/formats.js';
import { bytesOf, readLines } from './lines.js';

/** @typedef {import('../examples/formats.js').LocatedExample} LocatedExample */

/** @type {Record<string, (file: string) => AsyncIterable<LocatedExample>>} */
const READERS = {
    ...Object.fromEntries(
        Object.entries(LINE_FORMATS).map(([format, read]) => [
            format,
            (file) => read(readLines(file), file),
        ]),
    ),
    squad: readWhole,
};

export const EXAMPLE_FORMATS = Object.keys(READERS);

/** @type {Record<string, string>} */
const EXTENSIONS = {
    '.jsonl': 'jsonl',
    '.ndjson': 'jsonl',
    '.tsv': 'tsv',
    '.conll': 'conll',
    '.iob': 'conll',
    '.bio': 'conll',
    '.json': 'squad',
};

/**
 * @param {string} file  `-` is standard input, but for SQuAD
 * @param {string} [format]  default by extension, else the usual one
 * @param {string} [usual]  for the task
 * @returns {Promise<LocatedExample[]>}
 * @throws {BertError} BAD_INPUT  saying which line
 */
export async function readExamples(file, format, usual = 'jsonl') {
    const read = format ?? EXTENSIONS[extname(file).toLowerCase()] ?? usual;
    const examples = [];
    for await (const example of READERS[read](file)) examples.push(example);
    if (examples.length === 0) {
        throw new BertError('BAD_INPUT', `${file}: there are no rows (read as ${read})`);
    }
    return examples;
}

/** @param {string} file  of SQuAD */
async function* readWhole(file) {
    yield* readSQuAD(new TextDecoder().decode(await bytesOf(file)), file);
}
