/** One class of several: of each sequence, or of each token. */

import { joined } from '../trainer.js';

/** @typedef {import('../trainer.js').Objective} Objective */

/**
 * Cross-entropy against `labels`, one for each row of the output.
 * @param {'logits' | 'token_logits'} output
 * @param {Float32Array | null} class_weights
 * @param {number} [smoothing]  of labels, 0 to 1
 * @returns {Objective}
 */
export function classes(output, class_weights, smoothing = 0) {
    const weightOf = (/** @type {number} */ label) =>
        label < 0 ? 0 : class_weights ? class_weights[label] : 1;
    return {
        outputs: [output],
        rows: (batch) => [batch.reduce((sum, { labels }) => sum + labels.length, 0)],
        most({ max_sequences, max_tokens }) {
            const n_rows = output === 'logits' ? max_sequences : max_tokens;
            return { rows: [n_rows], numbers: n_rows + (class_weights?.length ?? 0) };
        },
        weight: (batch) =>
            batch.reduce(
                (sum, { labels }) => labels.reduce((own, label) => own + weightOf(label), sum),
                0,
            ),
        loss({ instance, outputs, write, lossOf, divisor }, batch) {
            const [{ data, gradient, n_rows, n_columns }] = outputs;
            const labels = write(joined(batch.map((each) => each.labels)));
            const weights = class_weights ? write(class_weights) : 0;
            return lossOf((at) =>
                instance.wasm.train_cross_entropy(
                    data,
                    n_rows,
                    n_columns,
                    labels,
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
