/**
 * The tasks, once: their names, what else they are called and the head of a model that they need.
 * All that exists for each task is keyed by these names: pipelines (index.js), evaluations
 * (metrics/evaluate.js), commands (cli/tasks.js), pages (docs/tasks/). tests/js/tasks.test.js
 * compares the keys.
 */

/** @typedef {'classifier' | 'token classifier' | 'span' | 'language model' | 'none'} Head */

/**
 * Each task with the head that a model needs for it; none: it needs no head. A model of a head is
 * for the first of its tasks, unless told otherwise.
 * @satisfies {Record<string, Head>}
 */
export const TASKS = /** @type {const} */ ({
    'text-classification': 'classifier',
    'token-classification': 'token classifier',
    'question-answering': 'span',
    'feature-extraction': 'none',
    'fill-mask': 'language model',
    'zero-shot-classification': 'classifier',
    'text-ranking': 'classifier',
    'next-sentence-prediction': 'classifier',
});

/** @typedef {keyof typeof TASKS} Task */

/** Other names. @satisfies {Record<string, Task>} */
export const ALIASES = /** @type {const} */ ({
    'sentiment-analysis': 'text-classification',
    ner: 'token-classification',
    embeddings: 'feature-extraction',
});

/** Names of what is evaluated, where it is more than what the pipeline gives. */
export const JUDGED_AS = /** @type {Record<string, Task>} */ ({
    similarity: 'feature-extraction',
});

/**
 * @template {string} N
 * @typedef {N extends keyof typeof ALIASES ? (typeof ALIASES)[N] : N} Unaliased
 */

/**
 * @param {string} name  perhaps an alias
 * @returns {string}  perhaps not a task
 */
export function unaliased(name) {
    return Object.hasOwn(ALIASES, name)
        ? ALIASES[/** @type {keyof typeof ALIASES} */ (name)]
        : name;
}
