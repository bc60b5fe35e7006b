/**
 * A model file whose embeddings are logits becomes one of a classifier: its header says so, and has
 * the labels (docs/model-file.md). Weights stay as they are.
 */

import { BERT_ALIGNMENT } from '#core';

import { headerLength, LENGTH_BYTES } from '../loader/header_length.js';

/** What the embedding is called, in the file that is given and in the one that is made. */
const [EMBEDDING, LOGITS] = ['sentence_embedding', 'logits'];

/**
 * @param {Uint8Array} file  of this version, whose embeddings have as many columns as there are
 *   labels
 * @param {string[]} labels
 * @returns {Uint8Array}
 */
export function toClassifierFile(file, labels) {
    const end = LENGTH_BYTES + /** @type {number} */ (headerLength(file));
    const header = JSON.parse(new TextDecoder().decode(file.subarray(LENGTH_BYTES, end)));
    const metadata = header.__metadata__;
    const { prompts, default_prompt_name, include_prompt, similarity, ...config } = JSON.parse(
        metadata.config,
    );
    metadata.config = JSON.stringify({
        ...config,
        outputs: { [LOGITS]: { output: EMBEDDING } },
        labels,
        problem_type: 'single_label_classification',
    });
    const { cases, ...reference } = JSON.parse(metadata.reference);
    metadata.reference = JSON.stringify({
        ...reference,
        cases: cases.map((/** @type {any} */ { outputs, ...one }) => ({
            ...one,
            outputs: { [LOGITS]: outputs[EMBEDDING] },
        })),
    });
    const text = new TextEncoder().encode(JSON.stringify(header));
    const begin = Math.ceil((LENGTH_BYTES + text.length) / BERT_ALIGNMENT) * BERT_ALIGNMENT;
    const made = new Uint8Array(begin + file.length - end).fill(0x20, LENGTH_BYTES, begin);
    new DataView(made.buffer).setBigUint64(0, BigInt(begin - LENGTH_BYTES), true);
    made.set(text, LENGTH_BYTES);
    made.set(file.subarray(end), begin);
    return made;
}
