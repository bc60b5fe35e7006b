/**
 * text-classification (also called sentiment-analysis): the labels of a text with their scores.
 */
import { BertError, describe } from '../errors.js';

/**
 * @typedef {object} Classification
 * @property {string} label
 * @property {number} score  probability; the raw value for regression
 * @property {boolean} [truncated]  true where the text was longer than the model reads
 */

/**
 * @typedef {object} TextClassificationOptions
 * @property {number | null} [top_k]  labels to return, best first; null: all. Default 1
 * @property {AbortSignal} [signal]
 */

/** @typedef {import('../encoder.js').TextInput} TextInput */

/**
 * @typedef {object} TextClassification
 *
 * For one text, its `top_k` labels; for an array, one label a text, or with `top_k` other than 1 an
 * array of labels a text.
 */

/**
 * @param {import('../model.js').Model} model
 */
export function textClassification(model) {
    const { labels, problem_type, encoder } = model.config;
    if (!encoder.n_labels) {
        throw new BertError('WRONG_TASK', `text-classification needs a model with a sequence classification head; '${model.name}' has no classifier`);
    }
    const scores = scoring(problem_type, labels.length);

    /**
     * @overload
     * @param {TextInput} texts
     * @param {TextClassificationOptions} [options]
     * @returns {Promise<Classification[]>}
     */
    /**
     * @overload
     * @param {TextInput[]} texts
     * @param {TextClassificationOptions & {top_k?: 1}} [options]
     * @returns {Promise<Classification[]>}
     */
    /**
     * @overload
     * @param {TextInput[]} texts
     * @param {TextClassificationOptions} options
     * @returns {Promise<Classification[][]>}
     */
    /**
     * @param {TextInput | TextInput[]} texts
     * @param {TextClassificationOptions} [options]
     * @returns {Promise<Classification[] | Classification[][]>}
     */
    async function classify(texts, { top_k = 1, signal } = {}) {
        if (top_k !== null && !(Number.isInteger(top_k) && top_k >= 1)) {
            throw new BertError('BAD_OPTION', `top_k is ${describe(top_k)}, expected a whole number >= 1 or null`);
        }
        const inputs = Array.isArray(texts) ? texts : [texts];
        inputs.forEach(checkText);
        const results = await model.run(inputs, ['logits'], { signal });
        const ranked = results.map(({ outputs, truncated }) =>
            rank(scores(outputs.logits.data), labels, top_k ?? labels.length, truncated));
        if (!Array.isArray(texts)) return ranked[0];
        return top_k === 1 ? ranked.flat() : ranked;
    }
    return classify;
}

/**
 * @param {unknown} input
 * @param {number} index
 */
function checkText(input, index) {
    const { text, text_pair } = typeof input === 'object' && input !== null
        ? /** @type {{text?: unknown, text_pair?: unknown}} */ (input)
        : { text: input, text_pair: undefined };
    if (typeof text !== 'string') {
        throw new BertError('BAD_INPUT', `text ${index} is ${describe(input)}, expected a string or {text, text_pair}`);
    }
    if (text_pair !== undefined && text_pair !== null && typeof text_pair !== 'string') {
        throw new BertError('BAD_INPUT', `text_pair of text ${index} is ${describe(text_pair)}, expected a string`);
    }
}

/**
 * As the Hugging Face pipeline decides it.
 * @param {string | null} problem_type
 * @param {number} n_labels
 * @returns {(logits: Float32Array) => number[]}
 */
function scoring(problem_type, n_labels) {
    if (problem_type === 'regression') return (logits) => [...logits];
    if (problem_type === 'multi_label_classification' || n_labels === 1) {
        return (logits) => Array.from(logits, (x) => 1 / (1 + Math.exp(-x)));
    }
    return softmax;
}

/** @param {Float32Array} logits */
function softmax(logits) {
    const largest = Math.max(...logits);
    const powers = Array.from(logits, (x) => Math.exp(x - largest));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
}

/**
 * @param {number[]} scores
 * @param {string[]} labels
 * @param {number} top_k
 * @param {boolean} truncated
 * @returns {Classification[]}
 */
function rank(scores, labels, top_k, truncated) {
    return scores
        .map((score, i) => ({ label: labels[i], score, ...(truncated ? { truncated } : {}) }))
        .sort((a, b) => b.score - a.score)
        .slice(0, top_k);
}
