/**
 * Words that are masked, and perhaps whether two texts follow each other: what BERT is pre-trained
 * on (Devlin et al. 2018, BERT, section 3.1).
 */

import { joined } from '../trainer.js';

/** @typedef {import('../trainer.js').Objective} Objective */

/**
 * @typedef {object} Masking
 * @property {number} [label]  1: its second text is another one's, 0: it is the next; of pairs
 *
 * @typedef {import('../trainer.js').Sequence & Masking} MaskedSequence  whose `labels` are the
 *   words that were masked, and BERT_IGNORED_LABEL for every other token
 *
 * @typedef {object} Losses
 * @property {number} mlm  the mean over masked words of their cross-entropy
 * @property {number | null} nsp  the mean over pairs; null: there are none
 */

/**
 * The cross-entropy of masked words, and that of pairs added to it.
 * @param {number} share  of the tokens that may be masked, at most; one of a sequence always may
 * @param {boolean} has_pairs
 * @returns {Objective & {losses: Losses}}  `losses`: what the last loss is the sum of
 */
export function maskedWords(share, has_pairs) {
    /** @param {MaskedSequence} sequence */
    const masked = ({ labels }) => labels.filter((label) => label >= 0);
    /** @type {Losses} */
    const losses = { mlm: 0, nsp: null };
    return {
        losses,
        outputs: has_pairs ? ['lm_logits', 'logits'] : ['lm_logits'],
        overwrites: true,
        rows: (batch) => {
            const n_masked = batch.reduce((sum, each) => sum + masked(each).length, 0);
            return has_pairs ? [n_masked, batch.length] : [n_masked];
        },
        most({ max_sequences, max_tokens }) {
            const n_masked = Math.min(max_tokens, Math.ceil(share * max_tokens) + max_sequences);
            return has_pairs
                ? { rows: [n_masked, max_sequences], numbers: 2 * n_masked + max_sequences }
                : { rows: [n_masked], numbers: 2 * n_masked };
        },
        weight: (batch) => batch.reduce((sum, each) => sum + masked(each).length, 0),
        lmTokens(batch) {
            const labels = joined(batch.map((each) => each.labels));
            return Uint32Array.from(labels.keys()).filter((token) => labels[token] >= 0);
        },
        loss({ instance, outputs, write, lossOf }, batch) {
            const all = /** @type {MaskedSequence[]} */ (batch);
            const crossEntropy = (/** @type {number} */ i, /** @type {Int32Array} */ labels) => {
                const { data, gradient, n_rows, n_columns } = outputs[i];
                const written = write(labels);
                return lossOf((at) =>
                    instance.wasm.train_cross_entropy(
                        data,
                        n_rows,
                        n_columns,
                        written,
                        0,
                        0,
                        0,
                        at,
                        gradient,
                    ),
                );
            };
            losses.mlm = crossEntropy(0, joined(all.map(masked)));
            if (!has_pairs) return losses.mlm;
            losses.nsp = crossEntropy(
                1,
                Int32Array.from(all, ({ label }) => Number(label)),
            );
            return losses.mlm + losses.nsp;
        },
    };
}
