/** What a file is that should be another one, by its first bytes: for messages. */

/** Bytes that tell. */
const N_TELLING = 8;

/** By how they start, in hex. */
const KINDS = {
    '0061736d': 'a WebAssembly module',
    '504b': 'a zip archive; PyTorch writes such, too',
    '1f8b': 'packed by gzip',
    '28b52ffd': 'packed by zstd',
    '76657273696f6e20': 'a pointer of Git LFS, not the file that it stands for',
    47475546: 'a GGUF file',
    89484446: 'an HDF5 file',
    80: "a pickle of Python, as PyTorch's older files are",
    '08': 'an ONNX file, it seems: convert it with bert-convert',
};

/**
 * Whether a server tells something in place of the file: HTML, XML or JSON.
 * @param {Uint8Array} bytes
 * @returns {'page' | 'json' | null}
 */
export function messageKind(bytes) {
    const first = bytes.subarray(0, N_TELLING);
    if (first.includes(0)) return null; // no text: the length of a header has such
    const start = new TextDecoder().decode(first).trimStart();
    if (/^<[!?a-z]/i.test(start)) return 'page';
    return /^[{[]/.test(start) ? 'json' : null;
}

/**
 * @param {Uint8Array} bytes
 * @returns {string | null}  null: nothing that is known
 */
export function fileKind(bytes) {
    const told = messageKind(bytes);
    if (told) return told === 'page' ? 'a page of HTML or XML' : 'JSON';
    const start = Array.from(bytes.subarray(0, N_TELLING), (byte) =>
        byte.toString(16).padStart(2, '0'),
    ).join('');
    return Object.entries(KINDS).find(([prefix]) => start.startsWith(prefix))?.[1] ?? null;
}
