/**
 * A model file of embeddings becomes one of a classifier, too, which stands on them: its header has
 * that, and its labels (docs/model-file.md). Embeddings stay what they are.
 */

import { BERT_ALIGNMENT } from '#core';

import { headerLength, LENGTH_BYTES } from '../loader/header_length.js';

/** @typedef {import('../loader/model_file.js').Classifier} Classifier */

/**
 * @param {Uint8Array} file  of this version
 * @param {string[]} labels
 * @param {Classifier} classifier
 * @returns {Uint8Array}
 */
export function toClassifierFile(file, labels, classifier) {
    const end = LENGTH_BYTES + /** @type {number} */ (headerLength(file));
    const header = JSON.parse(new TextDecoder().decode(file.subarray(LENGTH_BYTES, end)));
    header.__metadata__.config = JSON.stringify({
        ...JSON.parse(header.__metadata__.config),
        labels,
        problem_type: 'single_label_classification',
        classifier: { weight: base64(classifier.weight), bias: base64(classifier.bias) },
    });
    const text = new TextEncoder().encode(JSON.stringify(header));
    const begin = Math.ceil((LENGTH_BYTES + text.length) / BERT_ALIGNMENT) * BERT_ALIGNMENT;
    const made = new Uint8Array(begin + file.length - end).fill(0x20, LENGTH_BYTES, begin);
    new DataView(made.buffer).setBigUint64(0, BigInt(begin - LENGTH_BYTES), true);
    made.set(text, LENGTH_BYTES);
    made.set(file.subarray(end), begin);
    return made;
}

/** @param {Float32Array} numbers */
function base64({ buffer, byteOffset, byteLength }) {
    let text = '';
    for (const byte of new Uint8Array(buffer, byteOffset, byteLength)) {
        text += String.fromCharCode(byte);
    }
    return btoa(text);
}
