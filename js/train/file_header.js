/**
 * What a model file gets beside what the converter wrote (docs/model-file.md): its card; a
 * classifier that stands on its embeddings, which stay what they are, and the labels of that.
 */

import { BERT_ALIGNMENT } from '#core';

import { headerLength, LENGTH_BYTES } from '../loader/header_length.js';

/** @typedef {import('../loader/model_file.js').Classifier} Classifier */
/** @typedef {Record<string, string>} Metadata */

/**
 * @param {Uint8Array} file  of this version
 * @param {(metadata: Metadata) => Metadata} change
 * @returns {Uint8Array}
 */
export function withMetadata(file, change) {
    const end = LENGTH_BYTES + /** @type {number} */ (headerLength(file));
    const header = JSON.parse(new TextDecoder().decode(file.subarray(LENGTH_BYTES, end)));
    header.__metadata__ = change(header.__metadata__);
    const text = new TextEncoder().encode(JSON.stringify(header));
    const begin = Math.ceil((LENGTH_BYTES + text.length) / BERT_ALIGNMENT) * BERT_ALIGNMENT;
    const made = new Uint8Array(begin + file.length - end).fill(0x20, LENGTH_BYTES, begin);
    new DataView(made.buffer).setBigUint64(0, BigInt(begin - LENGTH_BYTES), true);
    made.set(text, LENGTH_BYTES);
    made.set(file.subarray(end), begin);
    return made;
}

/**
 * @param {string} config  of embeddings
 * @param {string[]} labels
 * @param {Classifier} classifier
 * @returns {string}
 */
export function withClassifier(config, labels, classifier) {
    return JSON.stringify({
        ...JSON.parse(config),
        labels,
        problem_type: 'single_label_classification',
        classifier: { weight: base64(classifier.weight), bias: base64(classifier.bias) },
    });
}

/** @param {Float32Array} numbers */
function base64({ buffer, byteOffset, byteLength }) {
    let text = '';
    for (const byte of new Uint8Array(buffer, byteOffset, byteLength)) {
        text += String.fromCharCode(byte);
    }
    return btoa(text);
}
