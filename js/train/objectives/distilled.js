/** A teacher's answers: of each sequence a score of every class, perhaps beside a label. */

import { joined } from '../trainer.js';
import { classes } from './classes.js';

/** @typedef {import('../trainer.js').Objective} Objective */

/**
 * bert_loss_distillation() against the `teacher` of each sequence, and its label; of sequences
 * without a teacher, as those of a validation, the cross-entropy against their labels.
 * @param {number} n_labels
 * @param {number} temperature  of both softmaxes, above 0
 * @param {number} hard_share  of the cross-entropy against labels, 0 to 1; above 0 all have one
 * @returns {Objective}
 */
export function distilled(n_labels, temperature, hard_share) {
    const labelled = classes('logits', null);
    return {
        outputs: ['logits'],
        rows: (batch) => [batch.length],
        most: ({ max_sequences }) => ({
            rows: [max_sequences],
            numbers: max_sequences * (n_labels + 1),
        }),
        weight: (batch) => batch.length,
        loss(pass, batch) {
            if (!batch[0].teacher) return labelled.loss(pass, batch);
            const { instance, outputs, write, lossOf, divisor } = pass;
            const [{ data, gradient, n_rows, n_columns }] = outputs;
            const logits = batch.map((each) => /** @type {Float32Array} */ (each.teacher));
            const teacher = write(joined(logits));
            const labels = hard_share > 0 ? write(joined(batch.map((each) => each.labels))) : 0;
            return lossOf((at) =>
                instance.wasm.train_distillation(
                    data,
                    teacher,
                    n_rows,
                    n_columns,
                    labels,
                    temperature,
                    hard_share,
                    divisor,
                    at,
                    gradient,
                ),
            );
        },
    };
}
