/**
 * What is stored of a URL beside the chunks of its file: the file's header, which names them, and
 * what its server said of the file. It is written as soon as the header is there, so that it also
 * tells of files that are not complete.
 */

import { BERT_FORMAT_BEFORE, BERT_FORMAT_VERSION } from '#core';

import { headerLength, LENGTH_BYTES } from '../loader/header_length.js';
import { parseSmall } from '../loader/small_json.js';

/** Of what is written here: others are dropped. */
const VERSION = 1;

/**
 * @typedef {import('../loader/answer.js').Identity} Identity
 *
 * @typedef {object} Layout  of a model file
 * @property {Uint8Array<ArrayBuffer>} header  its first bytes, up to the first chunk
 * @property {number} n_bytes
 * @property {number} chunk_bytes
 * @property {string[]} chunks  SHA-256 of each, as lower-case hex
 *
 * @typedef {{url: string, identity: Identity, used_at: number} & Layout} Manifest  what the server
 *   said of the file; used_at: in milliseconds since 1970
 */

/**
 * The header, if these bytes have all of it and it is one of a model file: what else may be wrong
 * with it is the loader's to say.
 * @param {Uint8Array<ArrayBuffer>} bytes  of the file, from its first on
 * @returns {Layout | 'more' | null}  'more': bytes are needed; null: it is no model file
 */
export function readLayout(bytes) {
    if (bytes.length < LENGTH_BYTES) return 'more';
    const n = headerLength(bytes);
    if (n === null) return null;
    if (bytes.length < LENGTH_BYTES + n) return 'more';
    const header = bytes.slice(0, LENGTH_BYTES + n);
    try {
        const text = new TextDecoder().decode(header.subarray(LENGTH_BYTES));
        const { __metadata__: metadata, ...tensors } = parseSmall(text);
        if (![BERT_FORMAT_VERSION, BERT_FORMAT_BEFORE].includes(metadata.format_version))
            return null;
        let data_bytes = 0;
        for (const { data_offsets } of Object.values(tensors)) {
            data_bytes = Math.max(data_bytes, data_offsets[1]);
        }
        const chunk_bytes = Number(metadata.chunk_bytes);
        const chunks = metadata.chunk_sha256.split(',');
        const isRight =
            chunks.length === Math.ceil(data_bytes / chunk_bytes) &&
            chunks.every((/** @type {string} */ hash) => /^[0-9a-f]{64}$/.test(hash));
        return isRight
            ? { header, n_bytes: header.length + data_bytes, chunk_bytes, chunks }
            : null;
    } catch {
        return null;
    }
}

/** Where a chunk begins in the file. @param {Layout} layout @param {number} chunk */
export function startOf({ header, chunk_bytes }, chunk) {
    return header.length + chunk * chunk_bytes;
}

/** @param {Layout} layout @param {number} chunk */
export function bytesOf(layout, chunk) {
    return Math.min(layout.chunk_bytes, layout.n_bytes - startOf(layout, chunk));
}

/** @param {Manifest} manifest @returns {Uint8Array<ArrayBuffer>} */
export function encodeManifest({ url, identity, used_at, header }) {
    const facts = JSON.stringify({ cache_version: VERSION, url, identity, used_at });
    const line = new TextEncoder().encode(`${facts}\n`);
    const bytes = new Uint8Array(line.length + header.length);
    bytes.set(line);
    bytes.set(header, line.length);
    return bytes;
}

/**
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Manifest | null}  null: not one of this version, or a damaged one
 */
export function decodeManifest(bytes) {
    try {
        const end = bytes.indexOf(10);
        const facts = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
        const layout = readLayout(bytes.subarray(end + 1));
        if (facts.cache_version !== VERSION || !layout || layout === 'more') return null;
        const { url, identity, used_at } = facts;
        return { url, identity, used_at, ...layout };
    } catch {
        return null;
    }
}
