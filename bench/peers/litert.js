/**
 * LiteRT.js on the processor: XNNPACK in WebAssembly, with relaxed SIMD, on the calling thread. Its
 * files have fixed shapes (make_litert.py): a sequence alone has one of its own length, those of
 * batches are padded to the next one, and run one after the other, as no shape has several.
 */

/** @param {import('../instance.js').Options} options */
export async function open({ library, model, dtype, threads }) {
    const { loadAndCompile, loadLiteRt, Tensor } = await import(library);
    await loadLiteRt(library.replace('dist/index.js', 'wasm/'), { threads: threads > 1 });
    mustHaveLoaded(threads > 1 ? 'litert_wasm_threaded_internal' : 'litert_wasm_internal');

    /** @type {Record<string, Promise<any>>}  by kind of file: only what a job needs is compiled */
    const encoders = {};
    const encoderOf = (/** @type {'exact' | 'padded'} */ kind) =>
        (encoders[kind] ??= loadAndCompile(`${model}/${kind}-${dtype}.tflite`, {
            accelerator: 'wasm',
            cpuOptions: { numThreads: threads },
        }));
    return {
        close: async () => {
            for (const encoder of Object.values(encoders)) (await encoder).delete();
        },
        /** @param {import('../instance.js').Job} job */
        async prepare({ ids = [], batches }) {
            const encoder = await encoderOf(batches ? 'padded' : 'exact');
            const sequences = batches?.flat() ?? [ids];
            return async () => {
                let first;
                for (const each of sequences) {
                    const states = await encode(encoder, Tensor, each);
                    first ??= states;
                }
                return /** @type {Float32Array} */ (first);
            };
        },
    };
}

/** Without relaxed SIMD or threads it would quietly be another one. @param {string} name */
function mustHaveLoaded(name) {
    const loaded = performance.getEntriesByType('resource').map((each) => each.name);
    if (!loaded.some((url) => url.endsWith(`/${name}.wasm`))) {
        throw new Error(`it did not load ${name}.wasm`);
    }
}

/**
 * A call as users write it: makes its tensors, copies the result out, deletes both.
 * @param {any} encoder
 * @param {any} Tensor
 * @param {number[]} ids
 * @returns {Promise<Float32Array>} the last hidden state, a row for each of `ids`
 */
async function encode(encoder, Tensor, ids) {
    const lengths = Object.keys(encoder.signatures).map((name) => Number(name.slice(1)));
    const length = Math.min(...lengths.filter((each) => each >= ids.length));
    const signature = `s${length}`;
    const tensor = (/** @type {Int32Array} */ values) => new Tensor(values, [1, length]);
    const padded = new Int32Array(length);
    padded.set(ids);
    const inputs = [tensor(padded)];
    if (encoder.signatures[signature].getInputDetails().length > 1) {
        inputs.push(tensor(new Int32Array(length).fill(1, 0, ids.length)));
    }
    const outputs = await encoder.run(signature, inputs);
    const states = await outputs[0].data();
    const kept = states.slice(0, (states.length / length) * ids.length);
    for (const each of [...inputs, ...outputs]) each.delete();
    return kept;
}
