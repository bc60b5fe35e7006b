/**
 * What onnxruntime-web and onnxruntime-node share: an InferenceSession, fed with prepared tensors.
 */

/**
 * @param {any} ort  the module
 * @param {any} session
 * @returns {import('../instance.js').Peer}
 */
export function peerOf(ort, session) {
    return {
        close: () => session.release(),
        prepare({ ids, batches = [[ids ?? []]] }) {
            const inputs = batches.map((batch) => feeds(ort, batch));
            return async () => {
                let first;
                for (const input of inputs) {
                    const { logits } = await session.run(input);
                    first ??= logits;
                }
                return [...first.data.subarray(0, first.dims[1])];
            };
        },
    };
}

/**
 * A batch as tensors, padded to its longest sequence.
 * @param {any} ort
 * @param {number[][]} batch
 */
function feeds(ort, batch) {
    const length = Math.max(...batch.map((ids) => ids.length));
    const dims = [batch.length, length];
    const tensor = (/** @type {(ids: number[], i: number) => number} */ valueAt) =>
        new ort.Tensor(
            'int64',
            BigInt64Array.from(
                batch.flatMap((ids) =>
                    Array.from({ length }, (_, i) => BigInt(i < ids.length ? valueAt(ids, i) : 0)),
                ),
            ),
            dims,
        );
    return {
        input_ids: tensor((ids, i) => ids[i]),
        attention_mask: tensor(() => 1),
        token_type_ids: tensor(() => 0),
    };
}
