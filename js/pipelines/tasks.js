/**
 * The tasks, once: what else they are called and which head of a model they need. Whatever exists
 * for each task is keyed by these names: pipelines (index.js), evaluations (metrics/evaluate.js),
 * commands (cli/tasks.js), pages (docs/tasks/). tests/js/tasks.test.js compares the keys.
 */

/**
 * @typedef {'classifier' | 'token classifier' | 'span' | 'language model' | 'none'} Head
 *
 * @typedef {object} TaskRow
 * @property {readonly string[]} aliases  other names that pipeline() takes
 * @property {Head} head  that a model needs for it; none: it needs no head. Of several tasks with a
 *   head the first one is what a model with that head is for
 * @property {string} [judged_as]  another name of what is evaluated, if that is more than the
 *   pipeline does
 */

/** @satisfies {Record<string, TaskRow>} */
export const TASKS = /** @type {const} */ ({
    'text-classification': { aliases: ['sentiment-analysis'], head: 'classifier' },
    'token-classification': { aliases: ['ner'], head: 'token classifier' },
    'question-answering': { aliases: [], head: 'span' },
    'feature-extraction': { aliases: ['embeddings'], head: 'none', judged_as: 'similarity' },
    'fill-mask': { aliases: [], head: 'language model' },
    'zero-shot-classification': { aliases: [], head: 'classifier' },
    'text-ranking': { aliases: [], head: 'classifier' },
    'next-sentence-prediction': { aliases: [], head: 'classifier' },
});

/** @typedef {keyof typeof TASKS} Task */

/** @type {[Task, TaskRow][]} */
export const TASK_ROWS = /** @type {any} */ (Object.entries(TASKS));

/**
 * @param {unknown} name  or an alias
 * @returns {Task | undefined}
 */
export function taskNamed(name) {
    return TASK_ROWS.find(
        ([task, { aliases }]) => task === name || aliases.some((alias) => alias === name),
    )?.[0];
}

/**
 * @param {unknown} name  or another one under which it is evaluated
 * @returns {Task | undefined}
 */
export function taskJudgedAs(name) {
    return taskNamed(name) ?? TASK_ROWS.find(([, { judged_as }]) => judged_as === name)?.[0];
}
