/** This project, as users call it: the model in its worker, texts through a pipeline. */

/** @param {import('../instance.js').Options} options */
export async function open({ library, model, threads }) {
    const { pipeline } = await import(library);
    const classify = await pipeline('text-classification', model, { threads });
    const info = await classify.model.info();
    if (info.threads !== threads) {
        classify.dispose();
        throw new Error(
            `it runs on ${info.threads} thread${info.threads === 1 ? '' : 's'}, not on ${threads}`,
        );
    }
    return {
        close: () => classify.dispose(),
        /** @param {import('../instance.js').Job} job */
        prepare({ ids, batches, texts }) {
            if (texts) {
                return async () => (await classify(texts, { top_k: null })).map(positive);
            }
            if (batches) {
                const sequences = batches.flat().map((input_ids) => ({ input_ids }));
                return async () => logits(await classify.model.forward(sequences));
            }
            const sequences = [{ input_ids: ids }];
            return async () => logits(await classify.model.forward(sequences));
        },
    };
}

/** @param {{logits: {data: Float32Array}}[]} results */
function logits([{ logits }]) {
    return [...logits.data];
}

/** @param {{label: string, score: number}[]} labels */
function positive(labels) {
    return labels.find(({ label }) => label === 'POSITIVE')?.score ?? NaN;
}
