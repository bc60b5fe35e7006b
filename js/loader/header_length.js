/** How long a model file's header is: its first bytes tell. */

/** Bytes that tell it. */
export const LENGTH_BYTES = 8;

/** Bytes a header may have: 100,000 tensors and the hashes of 20 GB still fit. */
const MAX_HEADER_BYTES = 32 << 20;

/**
 * @param {Uint8Array} bytes  the file's first LENGTH_BYTES, or more
 * @returns {number | null}  null: no header has this length
 */
export function headerLength(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const n = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
    return n < 2 || n > MAX_HEADER_BYTES ? null : n;
}
