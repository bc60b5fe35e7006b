/**
 * What a value is, whichever realm it comes from: frames, vm contexts and the files of some test
 * runners each have classes of their own, and `instanceof` knows one realm's alone.
 */

/**
 * The name of what it was built as: 'Uint8Array' of a Buffer, 'Error' of every kind of error.
 * @param {unknown} value
 */
export function kindOf(value) {
    return Object.prototype.toString.call(value).slice('[object '.length, -1);
}

/**
 * The bytes of an array or a buffer, as an array of this realm, or null of anything else.
 * @param {unknown} value
 * @returns {Uint8Array<ArrayBuffer> | null}
 */
export function bytesOf(value) {
    const given = /** @type {any} */ (value);
    switch (kindOf(value)) {
        case 'Uint8Array':
            return new Uint8Array(given.buffer, given.byteOffset, given.byteLength);
        case 'ArrayBuffer':
            return new Uint8Array(given);
        default:
            return null;
    }
}

/**
 * @param {unknown} value
 * @returns {value is Blob}
 */
export function isBlob(value) {
    return ['Blob', 'File'].includes(kindOf(value));
}
