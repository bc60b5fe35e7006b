/** How the benchmark's reports name what is compared, and write numbers. */

const NAMES = {
    bert_wasm: 'bert-wasm',
    bert_wasm_q4: 'bert-wasm, q4',
    litert: 'LiteRT.js',
    onnxruntime_web: 'onnxruntime-web',
    onnxruntime_node: 'onnxruntime-node (native)',
    transformers: 'transformers.js',
    nothing: 'an empty process',
};
const MODELS = { minilm: 'MiniLM-L6', 'bert-base': 'BERT-base', 'all-minilm': 'all-MiniLM-L6' };
/** At the end of a job's name. */
export const BESIDE = ' beside a busy process';
export const PLACES = { node: 'Node', chromium: 'Chromium' };

/**
 * @param {string} runtime
 * @param {'node' | 'chromium'} [environment]
 */
export function nameOf(runtime, environment) {
    // There it computes with onnxruntime-node.
    if (runtime === 'transformers' && environment === 'node') return 'transformers.js (native)';
    return /** @type {Record<string, string>} */ (NAMES)[runtime] ?? runtime;
}

/** @param {string} model */
export function modelName(model) {
    return /** @type {Record<string, string>} */ (MODELS)[model] ?? model;
}

/** What peers call it. @param {string} dtype */
export function dtypeName(dtype) {
    return dtype === 'q8' ? 'int8' : dtype;
}

/**
 * @param {{environment: 'node' | 'chromium', model: string, dtype: string}} setting
 * @param {string} job
 * @param {number} threads
 */
export function title({ environment, model, dtype }, job, threads) {
    return (
        `${PLACES[environment]}, ${modelName(model)} ${dtype}, ${job}, ` +
        `${threads} thread${threads === 1 ? '' : 's'}`
    );
}

/** @param {number} value */
export function number(value) {
    return Number.isNaN(value) ? '' : value.toFixed(value < 100 ? 1 : 0);
}

/** @param {number} value */
export function milliseconds(value) {
    return `${number(value)} ms`;
}

/** @param {number} value */
export function megabytes(value) {
    return `${(value / 1e6).toFixed(0)} MB`;
}

/** @param {number} value */
export function kilobytes(value) {
    return `${number(value / 1e3)} kB`;
}

/** @param {number} value */
export function times(value) {
    return `${value.toFixed(2)} x`;
}
