/** Lines and examples of a file that a program has as a Blob. */

import { LINE_FORMATS, readSQuAD } from './formats.js';

/** @typedef {import('./formats.js').LocatedExample} LocatedExample */

/** Bytes of a beginning, which tells the format. */
const HEAD_BYTES = 1 << 16;

/**
 * @param {Blob} blob  of UTF-8
 * @returns {AsyncIterable<string[]>}  those of each piece that is read
 */
export async function* blobLines(blob) {
    const decoder = new TextDecoder();
    const reader = blob.stream().getReader();
    let rest = '';
    try {
        for (;;) {
            const { done, value } = await reader.read();
            const text = rest + (done ? decoder.decode() : decoder.decode(value, { stream: true }));
            const lines = text.split(/\r?\n/);
            rest = done ? '' : /** @type {string} */ (lines.pop());
            yield lines;
            if (done) return;
        }
    } finally {
        reader.releaseLock();
    }
}

/**
 * Examples in the formats of `bert-wasm train`; what begins it tells which: JSON is JSONL or SQuAD,
 * all else a table with a header, or lines of CoNLL.
 * @param {Blob} blob
 * @param {string} task
 * @returns {AsyncIterable<LocatedExample>}
 */
export async function* blobExamples(blob, task) {
    const { name = 'the file' } = /** @type {Partial<File>} */ (blob);
    const format = formatOf((await blob.slice(0, HEAD_BYTES).text()).trimStart(), task);
    if (format === 'squad') yield* readSQuAD(await blob.text(), name);
    else yield* LINE_FORMATS[format](located(blob, name), name);
}

/**
 * @param {string} head
 * @param {string} task
 */
function formatOf(head, task) {
    if (!head.startsWith('{')) return task === 'token-classification' ? 'conll' : 'tsv';
    try {
        return 'data' in JSON.parse(head.split('\n', 1)[0]) ? 'squad' : 'jsonl';
    } catch {
        // The line goes on, or it is a file of many lines.
        return task === 'question-answering' ? 'squad' : 'jsonl';
    }
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
async function* located(blob, name) {
    let n = 0;
    for await (const lines of blobLines(blob)) {
        yield lines.map((text) => ({ text, where: `${name}:${++n}`, bytes: text.length + 1 }));
    }
}
