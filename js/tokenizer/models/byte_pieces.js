/**
 * Pieces that stand for a byte, `<0x00>` to `<0xFF>`, for characters that are in no other piece.
 */

/** @import { PieceList } from '../vocabulary.js' */

/**
 * @param {PieceList} vocabulary
 * @returns {Int32Array | null}  ids of the bytes' pieces, -1 for what is missing; null if all is
 */
export function byteIds(vocabulary) {
    const ids = Int32Array.from({ length: 256 }, (_, byte) =>
        vocabulary.id(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
    );
    return ids.some((id) => id >= 0) ? ids : null;
}
