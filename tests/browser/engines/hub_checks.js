/**
 * Checks of models by their names on a Hub, which are found and converted where they run: in pages
 * and in Node.
 *
 * @typedef {typeof import('../../../js/index.js')} Library
 *
 * @typedef {object} Options
 * @property {string} base  of the page's server
 * @property {string} hub
 * @property {string} [token]
 * @property {Omit<import('../../tools/hub_models.js').HubModel, 'files'>[]} models
 * @property {object} [load]  more options of loading
 */

/**
 * How far each model's outputs are from its golden's, and where it came from.
 * @param {Library} library
 * @param {Options} options
 */
export async function named({ cache, configure, pipeline }, { base, hub, token, models, load }) {
    const { expectedOf, largestDifference, placesOf, sequencesOf } = await import(
        new URL('../../js/golden_outputs.js', import.meta.url).href
    );
    configure({ hub, token: token ?? null });
    const results = [];
    for (const { name, golden: folder, task, options } of models) {
        const url = new URL(`tests/golden/${folder}/golden.json`, base);
        const { cases } = await (await fetch(url)).json();
        const phases = new Set();
        const pipe = await pipeline(/** @type {any} */ (task), name, {
            dtype: 'f32',
            retry_delay: 10,
            onprogress: ({ phase }) => phases.add(phase ?? 'load'),
            ...options,
            ...load,
        });
        const { model } = pipe;
        let worst = 0;
        let n_compared = 0;
        for (const { outputs, ...batch } of cases) {
            const given = await model.forward(sequencesOf(batch));
            const n_tokens = batch.input_ids[0].length;
            for (const [row, result] of given.entries()) {
                const places = placesOf(batch.attention_mask[row]);
                for (const [output, tensor] of Object.entries(outputs)) {
                    const kind = model.config.outputs[output].output;
                    const want = expectedOf(tensor, kind, row, n_tokens, places);
                    worst = Math.max(worst, largestDifference([...result[output].data], want));
                    n_compared += want.length;
                }
            }
        }
        const info = await model.info();
        results.push({ name, worst, n_compared, cache: info.cache, phases: [...phases].sort() });
        pipe.dispose();
    }
    return { results, stored: await cache.list() };
}

/**
 * How loading a name fails, and what is stored then.
 * @param {Library} library
 * @param {{hub: string, token?: string, name: string, load?: object}} options
 */
export async function unnamed({ cache, configure, loadModel }, { hub, token, name, load }) {
    await cache.delete();
    configure({ hub, token: token ?? null });
    const { code, message } = await loadModel(name, { retry_delay: 1, ...load }).then(
        () => ({ code: 'it did not fail', message: '' }),
        (error) => error,
    );
    return { code, message, stored: await cache.list() };
}

/** Files that a user of the page has chosen. @param {Library} library @param {any} options */
export async function chosen({ loadModel }, { base, files, as }) {
    const list = await Promise.all(
        files.map(async (/** @type {string} */ path) => {
            const bytes = await (await fetch(new URL(path, base))).arrayBuffer();
            return new File([bytes], path.slice(path.lastIndexOf('/') + 1));
        }),
    );
    const model = await loadModel(as === 'file' ? list[0] : list, { dtype: 'f32' });
    const { name, dtype } = await model.info();
    model.dispose();
    return { name, dtype };
}
