/**
 * What a value is, whichever realm it is of: an iframe, a test runner's sandbox and Node's vm have
 * an Array, a Uint8Array, an Error of their own, for which `instanceof` says no.
 */

/**
 * The name that a value's class has for the platform: 'Uint8Array', 'URL', ...
 * @param {unknown} value
 * @returns {string}
 */
export function className(value) {
    return Object.prototype.toString.call(value).slice(8, -1);
}

/**
 * @param {unknown} value
 * @returns {value is Uint8Array<ArrayBuffer>}
 */
export function isBytes(value) {
    return ArrayBuffer.isView(value) && className(value) === 'Uint8Array';
}

/**
 * @param {unknown} value
 * @returns {value is ArrayBuffer}
 */
export function isArrayBuffer(value) {
    return className(value) === 'ArrayBuffer';
}

/**
 * @param {unknown} value
 * @returns {value is Blob}
 */
export function isBlob(value) {
    return ['Blob', 'File'].includes(className(value));
}

/**
 * @param {unknown} value
 * @returns {value is URL}
 */
export function isURL(value) {
    return className(value) === 'URL';
}

/**
 * @param {unknown} value
 * @returns {value is Error}
 */
export function isError(value) {
    return ['Error', 'DOMException'].includes(className(value));
}

/**
 * @param {unknown} value
 * @returns {value is AbortSignal}
 */
export function isSignal(value) {
    return className(value) === 'AbortSignal';
}
