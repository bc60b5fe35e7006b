/**
 * transformers.js, its pipeline as users call it. In a page it computes with its own
 * onnxruntime-web, in Node with onnxruntime-node. Models come from a folder, not from the Hub.
 */

/** @param {import('../instance.js').Options & {wasm?: {mjs: string, wasm: string}}} options */
export async function open({ library, model, dtype, threads, wasm }) {
    const { env, pipeline } = await import(library);
    const [, parent, name] = /** @type {RegExpMatchArray} */ (model.match(/^(.*\/)([^/]+)$/));
    env.allowRemoteModels = false;
    env.allowLocalModels = true;
    env.localModelPath = parent;
    if (wasm) {
        // in a page
        env.backends.onnx.wasm.numThreads = threads;
        env.backends.onnx.wasm.wasmPaths = wasm;
    }
    const classify = await pipeline('text-classification', name, {
        dtype: dtype === 'q8' ? 'q8' : 'fp32',
        device: wasm ? 'wasm' : 'cpu',
        subfolder: '',
        session_options: wasm ? {} : { intraOpNumThreads: threads, interOpNumThreads: 1 },
    });
    return {
        close: () => classify.dispose(),
        /** @param {import('../instance.js').Job} job */
        prepare({ texts = [], batch_size = 1 }) {
            return async () => {
                const scores = [];
                for (let i = 0; i < texts.length; i += batch_size) {
                    const results = await classify(texts.slice(i, i + batch_size), { top_k: null });
                    for (const labels of results) {
                        scores.push(
                            labels.find(
                                (/** @type {{label: string}} */ { label }) => label === 'POSITIVE',
                            )?.score ?? NaN,
                        );
                    }
                }
                return scores;
            };
        },
    };
}
