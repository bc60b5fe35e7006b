/** Scores from logits, and the best of them. */

import { sigmoid, softmax } from '../worker/outputs.js';

/**
 * The items of the k largest scores, the largest first; of equal scores the first one first.
 * @template T
 */
export class TopList {
    /** @param {number} k */
    constructor(k) {
        this.k = k;
        /** @type {{score: number, item: T}[]} */
        this.entries = [];
    }

    /**
     * Whether add() would keep it.
     * @param {number} score
     */
    takes(score) {
        const { entries, k } = this;
        return entries.length < k || score > entries[k - 1].score;
    }

    /**
     * @param {number} score  that it takes
     * @param {T} item
     */
    add(score, item) {
        const { entries, k } = this;
        let at = Math.min(entries.length, k - 1);
        for (; at > 0 && score > entries[at - 1].score; at--) entries[at] = entries[at - 1];
        entries[at] = { score, item };
    }
}

/**
 * The function from logits to scores, chosen as the Hugging Face pipeline does.
 * @param {import('../loader/model_file.js').ModelConfig} config
 * @param {'sigmoid' | 'softmax' | 'none' | null} wanted  null: by the model
 * @returns {(logits: Float32Array) => ArrayLike<number>}
 */
export function scoring({ problem_type, labels }, wanted) {
    const is_sigmoid = problem_type === 'multi_label_classification' || labels.length === 1;
    switch (
        wanted ??
        (problem_type === 'regression' ? 'none' : is_sigmoid ? 'sigmoid' : 'softmax')
    ) {
        case 'none':
            return (logits) => logits;
        case 'sigmoid':
            return (logits) => Array.from(logits, sigmoid);
        default:
            return softmax;
    }
}

/**
 * Indices of the k largest values, the largest first; of equal values the first one first. Takes
 * n + k log k comparisons if the values come in random order.
 * @param {ArrayLike<number>} values
 * @param {number} k
 * @returns {number[]}
 */
export function topIndices(values, k) {
    /** @type {TopList<number>} */
    const top = new TopList(k);
    for (let i = 0; i < values.length; i++) if (top.takes(values[i])) top.add(values[i], i);
    return top.entries.map(({ item }) => item);
}

/**
 * The mean of rows, weighted.
 * @param {ArrayLike<number>[]} rows  of equal length
 * @param {number[]} weights
 * @returns {number[]}
 */
export function weightedMean(rows, weights) {
    const total = weights.reduce((a, b) => a + b, 0);
    return Array.from(
        rows[0],
        (_, column) => rows.reduce((sum, row, i) => sum + row[column] * weights[i], 0) / total,
    );
}
