/**
 * From the bytes of a file to its text. What the bytes are is guessed as people expect it: a mark
 * at the beginning says it; zeros in every second byte are UTF-16; what is not UTF-8 is what
 * Windows wrote before there was UTF-8. What is no text at all is refused by what it is.
 */

import { Refusal } from './refusal.js';

/** Larger files would not fit a tab. */
const MOST_BYTES = 300e6;

/** Bytes that are looked at to see what they are. */
const PROBE = 4096;

const AS_CSV = 'Open it where it comes from, save it as CSV, and choose that file.';

/** How files begin that are no text. @type {[number[], string, string][]} */
const BINARY = [
    [
        [0x50, 0x4b],
        'This is an Excel workbook or a zip archive, not a file of text.',
        'If it is a workbook, save it as CSV: in Excel choose File, Save as, “CSV UTF-8”, and ' +
            'use that file. If it is an archive, unpack it first.',
    ],
    [
        [0xd0, 0xcf, 0x11, 0xe0],
        'This is a workbook or document of an older Office, not a file of text.',
        'Save it as CSV: in Excel choose File, Save as, “CSV UTF-8”, and use that file.',
    ],
    [[0x25, 0x50, 0x44, 0x46], 'This is a PDF, not a file of text.', AS_CSV],
    [[0x1f, 0x8b], 'This is a compressed file, not a file of text.', 'Unpack it first.'],
];

/**
 * @param {Blob} blob
 * @param {string | undefined} wanted  an encoding, or undefined to guess
 * @param {(share: number) => void} onprogress
 * @returns {Promise<{text: string, encoding: string}>}
 */
export async function readText(blob, wanted, onprogress) {
    if (blob.size === 0) {
        throw new Refusal('The file is empty.', 'Choose another file.');
    }
    if (blob.size > MOST_BYTES) {
        throw new Refusal(
            `The file has ${Math.round(blob.size / 1e6)} MB; at most ${MOST_BYTES / 1e6} MB are ` +
                'read at once.',
            'Split it into parts, and read one after the other.',
        );
    }
    const probe = new Uint8Array(await blob.slice(0, PROBE).arrayBuffer());
    const encoding = wanted ?? guess(probe);
    refuseBinary(probe, encoding);
    try {
        // A guess must hold for the whole file.
        const text = await decode(blob, encoding, wanted === undefined, onprogress);
        return { text, encoding };
    } catch (error) {
        if (!(error instanceof TypeError) || wanted !== undefined) throw error;
        const other = 'windows-1252';
        return { text: await decode(blob, other, false, onprogress), encoding: other };
    }
}

/** @param {Uint8Array} bytes */
function guess(bytes) {
    if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
    if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
    const pairs = bytes.length >> 1;
    let [even, odd] = [0, 0];
    for (let i = 0; i < pairs; i++) {
        even += Number(bytes[2 * i] === 0);
        odd += Number(bytes[2 * i + 1] === 0);
    }
    if (odd > 0.4 * pairs && even < 0.1 * pairs) return 'utf-16le';
    if (even > 0.4 * pairs && odd < 0.1 * pairs) return 'utf-16be';
    return 'utf-8';
}

/** @param {Uint8Array} bytes @param {string} encoding */
function refuseBinary(bytes, encoding) {
    for (const [begin, what, advice] of BINARY) {
        if (begin.every((byte, i) => bytes[i] === byte)) throw new Refusal(what, advice);
    }
    if (encoding.startsWith('utf-16')) return;
    // Tabs, line ends and the escape of terminals are in texts; other control characters are not.
    const n_odd = bytes.reduce(
        (n, byte) => n + Number(byte < 9 || (byte > 13 && byte < 32 && byte !== 27)),
        0,
    );
    if (bytes.includes(0) || n_odd > bytes.length / 100) {
        throw new Refusal('This is not a file of text.', AS_CSV);
    }
}

/**
 * @param {Blob} blob
 * @param {string} encoding
 * @param {boolean} is_strict  throws a TypeError where the bytes are not of the encoding
 * @param {(share: number) => void} onprogress
 */
async function decode(blob, encoding, is_strict, onprogress) {
    const decoder = new TextDecoder(encoding, { fatal: is_strict && encoding === 'utf-8' });
    const parts = [];
    let n_bytes = 0;
    const reader = blob.stream().getReader();
    for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        parts.push(decoder.decode(value, { stream: true }));
        n_bytes += value.length;
        onprogress(n_bytes / blob.size);
    }
    try {
        parts.push(decoder.decode());
    } catch {
        parts.push('\ufffd'); // a file that was cut in the midst of a character is still UTF-8
    }
    return parts.join('');
}
