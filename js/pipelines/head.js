/** Which heads a model has, and which models a task refuses. */

import { BertError } from '../errors.js';

/** @import { Head } from './tasks.js' */

/** What each is called in messages. @type {Record<Head, string>} */
const NAMES = {
    classifier: 'a sequence classifier',
    'token classifier': 'a token classifier',
    span: 'a span head (start and end of an answer)',
    'language model': 'a language model head',
    none: 'no head',
};

/**
 * The heads that a model has; a pretraining model has two.
 * @param {import('../loader/model_file.js').ModelConfig} config
 * @returns {Head[]}
 */
export function headsOf({ outputs, classifier }) {
    const requests = Object.values(outputs);
    const has = (/** @type {string} */ output) =>
        requests.some((request) => request.output === output);
    // Start and end of an answer are two columns of one matrix, given as two outputs.
    const isSpan = [0, 1].every((column) =>
        requests.some(({ output, index }) => output === 'token_logits' && index === column),
    );
    /** @type {Head[]} */
    const heads = [];
    if (has('logits') || classifier) heads.push('classifier');
    if (has('token_logits')) heads.push(isSpan ? 'span' : 'token classifier');
    if (has('lm_logits')) heads.push('language model');
    return heads;
}

/**
 * What a classifier's logits are made of, and how.
 * @param {import('../loader/model_file.js').ModelConfig} config
 * @returns {{output: string, toLogits: (row: Float32Array) => Float32Array}}  an output of the core
 */
export function logitsOf({ classifier }) {
    return classifier
        ? { output: 'sentence_embedding', toLogits: (row) => classifierLogits(classifier, row) }
        : { output: 'logits', toLogits: (row) => row };
}

/**
 * @param {import('../loader/model_file.js').Classifier} classifier
 * @param {Float32Array} row  an embedding
 * @returns {Float32Array}
 */
export function classifierLogits({ weight, bias }, row) {
    return bias.map((first, c) => {
        let sum = first;
        for (let i = 0; i < row.length; i++) sum += weight[c * row.length + i] * row[i];
        return sum;
    });
}

/**
 * @param {import('../model/model.js').Model} model
 * @param {Head} head
 * @param {string} who  needs it, for messages
 * @throws {BertError} WRONG_TASK  saying both what is needed and what the model has
 */
export function requireHead({ name, config }, head, who) {
    const heads = headsOf(config);
    if (head === 'none' || heads.includes(head)) return;
    const found = heads.length ? heads.map((each) => NAMES[each]).join(' and ') : NAMES.none;
    throw new BertError(
        'WRONG_TASK',
        `${who} needs a model with ${NAMES[head]}; '${name}' has ${found}`,
    );
}
