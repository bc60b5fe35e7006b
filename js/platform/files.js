/**
 * The package's other files, as the caller's side names them: `#files` in package.json's imports.
 * The worker is told and names none, not even itself: a worker that names its own script has
 * bundlers follow it in a circle, where one never ends and others lose the script.
 *
 * Literal, so that bundlers see the files and give them their addresses. What stands here may be
 * bytes instead, or the address of a Blob: for a build that has all in one file.
 */

/** @typedef {URL | Uint8Array | WebAssembly.Module} PackageFile */

/** The worker's script. It has no imports, so that bundlers may copy it as it is. */
export const workerScript = () => new URL('./worker.js', import.meta.url);

/** The same for Node. */
export const nodeWorkerScript = () => new URL('./worker.node.js', import.meta.url);

/**
 * The builds of the engine: one of them will be fetched.
 * @returns {Record<string, PackageFile>}
 */
export const engineModules = () => ({
    base: new URL('./engine-base.wasm', import.meta.url),
    relaxed: new URL('./engine-relaxed.wasm', import.meta.url),
    'base-threads': new URL('./engine-base-threads.wasm', import.meta.url),
    'relaxed-threads': new URL('./engine-relaxed-threads.wasm', import.meta.url),
});

/** @returns {PackageFile} */
export const searchModule = () => new URL('./search.wasm', import.meta.url);

/** The converter's worker, like the other one. */
export const converterScript = () => new URL('./convert-worker.js', import.meta.url);

/** The same for Node. */
export const nodeConverterScript = () => new URL('./convert-worker.node.js', import.meta.url);

/** @returns {PackageFile} */
export const converterModule = () => new URL('./convert.wasm', import.meta.url);

/** The worker of a training, like the other ones. */
export const trainerScript = () => new URL('./train-worker.js', import.meta.url);

/** The same for Node. */
export const nodeTrainerScript = () => new URL('./train-worker.node.js', import.meta.url);

/**
 * The builds of what trains.
 * @returns {Record<string, PackageFile>}
 */
export const trainerModules = () => ({
    base: new URL('./train-base.wasm', import.meta.url),
    relaxed: new URL('./train-relaxed.wasm', import.meta.url),
    'base-threads': new URL('./train-base-threads.wasm', import.meta.url),
    'relaxed-threads': new URL('./train-relaxed-threads.wasm', import.meta.url),
});

/** What bert-wasm-sentiment has. */
export const SENTIMENT_FILE = 'sentiment-minilm-l6-q8.safetensors';

/**
 * Where it lies if nothing resolves that package's name: in the folder `models` beside these files.
 * It is named by one of them, since bundlers make a path of the machine that they run on of an
 * `import.meta.url` that stands alone.
 */
export function sentimentModel() {
    const file = new URL('./search.wasm', import.meta.url);
    const model = `models/${SENTIMENT_FILE}`;
    return URL.canParse(model, file) ? new URL(model, file) : undefined; // not beside a data: URL
}
