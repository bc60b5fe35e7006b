/** A classifier some of whose labels are compared, such as one of three on texts that have two. */

import { BertError, describe } from '../errors.js';

/** @import { Pipe } from './evaluate.js' */

/**
 * @param {Pipe} pipe  a text-classification
 * @param {unknown} among
 * @returns {Pipe}  it answers with the best of these labels, whatever the others have
 * @throws {BertError} BAD_OPTION where they are not labels of its model, two at least
 */
export function limitedTo(pipe, among) {
    const known = pipe.model?.config?.labels;
    const is_label = (/** @type {unknown} */ label) =>
        typeof label === 'string' && (known?.includes(label) ?? true);
    if (!Array.isArray(among) || !among.every(is_label) || new Set(among).size < 2) {
        throw new BertError(
            'BAD_OPTION',
            `among must be an array of two or more of ${known?.join(', ') ?? 'the labels'}, ` +
                `not ${Array.isArray(among) ? JSON.stringify(among) : describe(among)}`,
        );
    }
    const limited = async (/** @type {any} */ texts, /** @type {any} */ options) => {
        const answers = await pipe(texts, { ...options, top_k: null });
        return answers.map((/** @type {{label: string, score: number}[]} */ scores) =>
            scores.find(({ label }) => among.includes(label)),
        );
    };
    return Object.assign(limited, { task: pipe.task, model: { config: { labels: among } } });
}
