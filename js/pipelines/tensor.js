/** Numbers with dimensions, as pipelines return them. */

import { kindOf } from '../realms.js';

/** @typedef {(number | NestedNumbers)[]} NestedNumbers */

/** By the kind of array. @type {Record<string, 'float32' | 'int8' | 'uint8'>} */
const TYPES = { Float32Array: 'float32', Int8Array: 'int8', Uint8Array: 'uint8' };

/**
 * Numbers with dimensions.
 * @template {Float32Array | Int8Array | Uint8Array} [Values=Float32Array]
 */
export class Tensor {
    /**
     * @internal
     * @param {Values} data
     * @param {number[]} dims
     */
    constructor(data, dims) {
        /** row-major */
        this.data = data;
        /** how many of each dimension, the outermost first */
        this.dims = dims;
        /**
         * of the numbers
         * @type {'float32' | 'int8' | 'uint8'}
         */
        this.type = TYPES[kindOf(data)];
    }

    /**
     * Nested arrays, one level for each dimension.
     * @returns {NestedNumbers}
     */
    tolist() {
        return nest(this.data, this.dims);
    }
}

/**
 * Nested arrays by `dims`.
 * @param {Float32Array | Int8Array | Uint8Array} data
 * @param {number[]} dims
 * @returns {any}
 */
export function nest(data, dims) {
    if (dims.length === 0) return data[0];
    const [n, ...inner] = dims;
    if (inner.length === 0) return Array.from(data);
    const size = inner.reduce((product, each) => product * each, 1);
    return Array.from({ length: n }, (_, i) =>
        nest(data.subarray(i * size, (i + 1) * size), inner),
    );
}
