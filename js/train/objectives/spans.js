/** Where an answer begins and ends in a sequence. */

/** @typedef {import('../trainer.js').Objective} Objective */

/**
 * Cross-entropy over the tokens of a sequence, of the first one and the last one of `labels`.
 * @returns {Objective}
 */
export function spans() {
    return {
        outputs: ['token_logits'],
        rows: (batch) => [batch.reduce((sum, { ids }) => sum + ids.length, 0)],
        most: ({ max_tokens, max_sequences }) => ({
            rows: [max_tokens],
            numbers: 3 * max_sequences,
        }),
        weight: (batch) => batch.length,
        loss({ instance, outputs, write, lossOf, divisor }, batch) {
            const [{ data, gradient }] = outputs;
            const n = batch.length;
            const lengths = write(Uint32Array.from(batch, ({ ids }) => ids.length));
            const [starts, ends] = [0, 1].map((i) =>
                write(Int32Array.from(batch, ({ labels }) => labels[i])),
            );
            return lossOf((at) =>
                instance.wasm.train_spans(data, n, lengths, starts, ends, divisor, at, gradient),
            );
        },
    };
}
