/**
 * Small model files made in JavaScript, for tests of the loader and of all that stands on it: the
 * format of docs/model-file.md written a second time, independently of the converter.
 */

import { createHash } from 'node:crypto';

/** xorshift32, so that a model is the same every time. */
function random(seed) {
    return () => {
        seed ^= seed << 13;
        seed ^= seed >>> 17;
        seed ^= seed << 5;
        return (seed >>> 0) / 2 ** 32 - 0.5;
    };
}

export const CONFIG = {
    architecture: 'bert',
    encoder: {
        vocab_size: 40,
        hidden_size: 16,
        embedding_size: 16,
        intermediate_size: 24,
        n_layers: 2,
        n_heads: 2,
        n_positions: 12,
        n_token_types: 2,
        n_labels: 3,
        layer_norm_eps: 1e-12,
        activation: 'gelu',
        pooler_activation: 'tanh',
    },
    outputs: { logits: { output: 'logits' } },
    labels: ['no', 'perhaps', 'yes'],
    problem_type: null,
    max_length: 12,
};

/** Every word of the tiny vocabulary is one token. */
export const TOKENIZER = JSON.stringify({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'].map((content, id) => ({
        id,
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
    })),
    normalizer: {
        type: 'BertNormalizer',
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: null,
        lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
        type: 'TemplateProcessing',
        single: [
            { SpecialToken: { id: '[CLS]', type_id: 0 } },
            { Sequence: { id: 'A', type_id: 0 } },
            { SpecialToken: { id: '[SEP]', type_id: 0 } },
        ],
        pair: [
            { SpecialToken: { id: '[CLS]', type_id: 0 } },
            { Sequence: { id: 'A', type_id: 0 } },
            { SpecialToken: { id: '[SEP]', type_id: 0 } },
            { Sequence: { id: 'B', type_id: 1 } },
            { SpecialToken: { id: '[SEP]', type_id: 1 } },
        ],
        special_tokens: {
            '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] },
            '[SEP]': { id: '[SEP]', ids: [3], tokens: ['[SEP]'] },
        },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
        type: 'WordPiece',
        unk_token: '[UNK]',
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
        vocab: Object.fromEntries(
            [
                '[PAD]',
                '[UNK]',
                '[CLS]',
                '[SEP]',
                '[MASK]',
                'a',
                'good',
                'bad',
                'film',
                '.',
                'the',
                '##s',
            ].map((token, id) => [token, id]),
        ),
    },
});

/** Tensors of a model with random f32 weights: [name, dtype, shape, bytes]. */
export function tensors(config = CONFIG) {
    const next = random(7);
    const { encoder } = config;
    const list = [];
    const floats = (name, shape) => {
        const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, next);
        list.push({ name, dtype: 'F32', shape, bytes: new Uint8Array(data.buffer) });
    };
    const matrix = (name, n_in, n_out) => {
        floats(`${name}.weight`, [Math.ceil(n_out / 8), n_in, 8]);
        floats(`${name}.bias`, [n_out]);
    };
    const norm = (name) => {
        floats(`${name}.weight`, [hidden]);
        floats(`${name}.bias`, [hidden]);
    };
    const hidden = encoder.hidden_size;
    floats('embeddings.word.weight', [encoder.vocab_size, hidden]);
    if (encoder.n_positions) floats('embeddings.position.weight', [encoder.n_positions, hidden]);
    if (encoder.n_token_types) {
        floats('embeddings.token_type.weight', [encoder.n_token_types, hidden]);
    }
    norm('embeddings.norm');
    for (let i = 0; i < encoder.n_layers; i++) {
        for (const name of ['query', 'key', 'value', 'output']) {
            matrix(`layers.${i}.attention.${name}`, hidden, hidden);
        }
        norm(`layers.${i}.attention.norm`);
        matrix(`layers.${i}.intermediate`, hidden, encoder.intermediate_size);
        matrix(`layers.${i}.output`, encoder.intermediate_size, hidden);
        norm(`layers.${i}.output.norm`);
    }
    if (encoder.pooler_activation !== 'none') matrix('pooler', hidden, hidden);
    if (encoder.n_labels) matrix('classifier', hidden, encoder.n_labels);
    if (encoder.n_token_labels) matrix('token_classifier', hidden, encoder.n_token_labels);
    return list;
}

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/**
 * A whole file. `change` may spoil the header object before it is written. Of many chunks, even
 * where it is small.
 * @param {object} [file]
 * @param {any} [file.config]
 * @param {string | null} [file.tokenizer]
 * @param {any[]} [file.list]
 * @param {Record<string, string>} [file.metadata]
 * @param {(header: any) => void} [file.change]
 * @param {number} [file.chunk_bytes]
 */
export function modelBytes({
    config = CONFIG,
    tokenizer = TOKENIZER,
    list = tensors(config),
    metadata = {},
    change = () => {},
    chunk_bytes = 1024,
} = {}) {
    const parts = [];
    const header = {};
    let end = 0;
    const put = (name, dtype, shape, bytes) => {
        header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] };
        parts.push(bytes);
        end += bytes.length;
    };
    let n_padding = 0;
    const align = () => {
        const n = -end & 63;
        if (n) put(`padding.${n_padding++}`, 'U8', [n], new Uint8Array(n));
    };
    if (tokenizer) {
        put('tokenizer.json', 'U8', [Buffer.byteLength(tokenizer)], Buffer.from(tokenizer));
    }
    for (const { name, dtype, shape, bytes } of list) {
        align();
        put(name, dtype, shape, bytes);
    }
    const data = Buffer.concat(parts);
    const hashes = [];
    for (let start = 0; start < data.length; start += chunk_bytes) {
        hashes.push(sha256(data.subarray(start, start + chunk_bytes)));
    }
    const whole = {
        __metadata__: {
            format: 'bert-wasm',
            format_version: '3',
            name: 'tiny',
            revision: 'r1',
            dtype: 'f32',
            source_sha256: sha256('tiny'),
            config: JSON.stringify(config),
            chunk_bytes: String(chunk_bytes),
            chunk_sha256: hashes.join(','),
            ...metadata,
        },
        ...header,
    };
    change(whole);
    return withHeader(JSON.stringify(whole), data);
}

/** A file of this header text and data section. */
export function withHeader(text, data) {
    const header = Buffer.from(text);
    const padding = Buffer.alloc(-(8 + header.length) & 63, ' ');
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length + padding.length));
    return new Uint8Array(Buffer.concat([length, header, padding, data]));
}

/**
 * The same model in chunks of another size.
 * @param {Uint8Array} file
 * @param {number} chunk_bytes
 */
export function rechunked(file, chunk_bytes) {
    const begin = 8 + Number(Buffer.from(file.buffer, file.byteOffset, 8).readBigUInt64LE());
    const header = JSON.parse(new TextDecoder().decode(file.subarray(8, begin)));
    const data = file.subarray(begin);
    const n_chunks = Math.ceil(data.length / chunk_bytes);
    header.__metadata__.chunk_bytes = String(chunk_bytes);
    header.__metadata__.chunk_sha256 = Array.from({ length: n_chunks }, (_, i) =>
        sha256(data.subarray(i * chunk_bytes, (i + 1) * chunk_bytes)),
    ).join(',');
    return withHeader(JSON.stringify(header), data);
}
