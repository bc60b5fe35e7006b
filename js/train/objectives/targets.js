/** Numbers as targets: several labels of a sequence, each there or not, or a number alone. */

import { joined } from '../trainer.js';

/** @typedef {import('../trainer.js').Objective} Objective */
/** @typedef {import('../trainer.js').Sequence} Sequence */

/**
 * Binary cross-entropy of each label against `targets`, 1 where the sequence has it, else 0.
 * @param {number} n_labels
 * @param {Float32Array | null} class_weights  of targets of 1
 * @param {number} smoothing  of targets, 0 to 1
 * @returns {Objective}
 */
export function severalLabels(n_labels, class_weights, smoothing) {
    return {
        outputs: ['logits'],
        rows: (batch) => [batch.length],
        most: ({ max_sequences }) => ({
            rows: [max_sequences],
            numbers: max_sequences * n_labels + n_labels,
        }),
        weight: (batch) => batch.length * n_labels,
        loss({ instance, outputs, write, lossOf, divisor }, batch) {
            const [{ data, gradient, n_rows, n_columns }] = outputs;
            const targets = write(targetsOf(batch));
            const weights = class_weights ? write(class_weights) : 0;
            return lossOf((at) =>
                instance.wasm.train_binary_cross_entropy(
                    data,
                    n_rows,
                    n_columns,
                    targets,
                    weights,
                    smoothing,
                    divisor,
                    at,
                    gradient,
                ),
            );
        },
    };
}

/**
 * A number of each sequence: the mean of squares against its one target.
 * @returns {Objective}
 */
export function numbers() {
    return {
        outputs: ['logits'],
        rows: (batch) => [batch.length],
        most: ({ max_sequences }) => ({ rows: [max_sequences], numbers: max_sequences }),
        weight: (batch) => batch.length,
        loss({ instance, outputs, write, lossOf, divisor }, batch) {
            const [{ data, gradient, n_rows, n_columns }] = outputs;
            const count = n_rows * n_columns;
            const targets = write(targetsOf(batch));
            return lossOf((at) =>
                instance.wasm.train_squares(data, count, targets, divisor, at, gradient),
            );
        },
    };
}

/** @param {Sequence[]} batch */
function targetsOf(batch) {
    return joined(batch.map(({ targets }) => /** @type {Float32Array} */ (targets)));
}
