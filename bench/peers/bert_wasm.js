/** This project, as users call it: the model in its worker, texts through a pipeline. */

/** @param {import('../instance.js').Options} options */
export async function open({ library, model, task = 'text-classification', threads }) {
    const { pipeline } = await import(library);
    const run = await pipeline(task, model, { threads });
    const info = await run.model.info();
    if (info.threads !== threads) {
        run.dispose();
        throw new Error(
            `it runs on ${info.threads} thread${info.threads === 1 ? '' : 's'}, not on ${threads}`,
        );
    }
    return {
        close: () => run.dispose(),
        /** @param {import('../instance.js').Job} job */
        prepare({ ids, batches, texts }) {
            if (texts) {
                return async () => (await run(texts, { top_k: null })).map(positive);
            }
            const calls = (batches ?? [[ids ?? []]]).map((batch) =>
                batch.map((input_ids) => ({ input_ids })),
            );
            return async () => {
                let first;
                for (const sequences of calls) {
                    const [result] = await run.model.forward(sequences);
                    first ??= result;
                }
                return (first.logits ?? first.last_hidden_state).data;
            };
        },
    };
}

/** @param {{label: string, score: number}[]} labels */
function positive(labels) {
    return labels.find(({ label }) => label === 'POSITIVE')?.score ?? NaN;
}
