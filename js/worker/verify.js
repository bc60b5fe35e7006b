/**
 * Whether a model file still gives, here, the answers of the ONNX model that it was made from.
 *
 * The file has those answers for a few inputs, and the error of the file as it is stored, which the
 * converter measured natively: what its dtype costs. Another machine adds and rounds in another
 * order, so the error here is a little different; a wrong kernel or broken weights are far off.
 */

import { BertError } from '../errors.js';

/** The error may be the converter's times this ... */
const FACTOR = 1.5;

/** ... plus this, which rounding on another machine may cost an f32 model. */
const ROUNDING = 2e-4;

/**
 * @typedef {object} Comparison
 * @property {boolean} ok  error <= 1.5 * expected_error + 0.0002
 * @property {number} error  the largest of all
 * @property {number} expected_error  what the converter measured
 * @property {Record<string, number>[]} cases  for each input the error of each output: the largest
 *   difference, over the output's largest number if that is above 1
 *
 * @typedef {Comparison & {dtype: string}} Verification
 */

/**
 * @param {import('../loader/model_file.js').Reference} reference
 * @param {Record<string, import('./outputs.js').FloatTensor>[]} results  of its cases
 * @param {string} name  of the model, for messages
 * @returns {Comparison}
 */
export function compare(reference, results, name) {
    const cases = reference.cases.map(({ outputs }, i) =>
        Object.fromEntries(
            Object.entries(outputs).map(([output, { step, largest, samples }]) => {
                const { data } = results[i][output];
                const n_samples = Math.ceil(data.length / step);
                if (samples.length !== n_samples) {
                    throw new BertError(
                        'BAD_MODEL_FILE',
                        `model '${name}': case ${i} of the reference must have ${n_samples} ` +
                            `samples of output '${output}', not ${samples.length}`,
                    );
                }
                return [output, errorOf(data, step, samples) / Math.max(1, largest)];
            }),
        ),
    );
    const error = Math.max(0, ...cases.flatMap((errors) => Object.values(errors)));
    return {
        ok: error <= FACTOR * reference.error + ROUNDING,
        error,
        expected_error: reference.error,
        cases,
    };
}

/**
 * @param {Float32Array} data
 * @param {number} step
 * @param {number[]} samples
 */
function errorOf(data, step, samples) {
    return Math.max(
        ...samples.map((sample, k) => {
            const difference = Math.abs(data[k * step] - sample);
            return Number.isNaN(difference) ? Infinity : difference;
        }),
    );
}
