/** Random tokenizers of the sentencepiece family: a Unigram model and the stages around it. */

import { randomNormalizer, randomPreTokenizer } from './random_tokenizers.js';

/**
 * A table for Precompiled: a double array trie over UTF-8 bytes (darts-clone), then the strings.
 * @param {Map<string, string>} map
 * @returns {string}  base64
 */
export function charsmap(map) {
    const encoder = new TextEncoder();
    const units = new Map([[0, 0]]);
    const strings = [];
    const root = new Map();
    for (const [key, value] of map) {
        let node = root;
        for (const byte of encoder.encode(key)) {
            if (!node.has(byte)) node.set(byte, new Map());
            node = node.get(byte);
        }
        node.set('leaf', strings.length);
        strings.push(...encoder.encode(value), 0);
    }
    /** @type {[number, Map<any, any>][]} */
    const todo = [[0, root]];
    let free = 1;
    while (todo.length > 0) {
        const [at, node] = /** @type {[number, Map<any, any>]} */ (todo.pop());
        const labels = [...node.keys()].map((byte) => (byte === 'leaf' ? 0 : byte));
        let base = free;
        while (labels.some((byte) => units.has(base ^ byte))) base++;
        for (const byte of labels) units.set(base ^ byte, byte);
        units.set(at, Number(units.get(at)) | ((at ^ base) << 10) | (node.has('leaf') ? 256 : 0));
        for (const [byte, child] of node) {
            if (byte === 'leaf') units.set(base, child | (1 << 31));
            else todo.push([base ^ byte, child]);
        }
        while (units.has(free)) free++;
    }
    const size = (Math.max(...units.keys()) | 255) + 1;
    const bytes = Buffer.alloc(4 + 4 * size + strings.length);
    bytes.writeUInt32LE(4 * size, 0);
    for (const [at, unit] of units) bytes.writeInt32LE(unit, 4 + 4 * at);
    bytes.set(strings, 4 + 4 * size);
    return bytes.toString('base64');
}

/**
 * Keys of one character and of several, some the beginning of others, and some that become nothing.
 */
function randomCharsmap(random) {
    // biome-ignore format: what is short stands side by side
    const keys = [
        'a', 'e', 'e\u0301', 'É', '\u0301', '\u0323', 'word', 'wo', ' ', '\t', '\n', '\r', '\r\n',
        '\u00a0', '\u3000', 'ﬁ', '中', '豈', '\u200d', '\u200c', '\u00a9', '\u00a9\u200d', '\u2122',
        '\u2126', '\u0915', '\u0958', '\u094d', '\u1100', '\u1161', '\u1100\u1161', '가', '👍', '❤',
        'か', 'か\u3099', 'ｶﾞ', '\u0600', 'ß', '½', 'Ⅳ', '\ufeff', '▁', "''", '\u0600a', '𠮷', 'А',
        '\u0591', 'א',
    ];
    const values = [
        '',
        '',
        ' ',
        'x',
        'xy',
        'é',
        'e\u0301',
        '中文',
        '👍',
        'ab cd',
        '\u0301',
        '▁',
        'x'.repeat(40),
    ];
    const p = random.pick([0.1, 0.3, 0.8]);
    return charsmap(
        new Map(keys.filter(() => random.chance(p)).map((key) => [key, random.pick(values)])),
    );
}

/** Replace for sentencepiece models, what they have of regular expressions included. */
function randomReplace(random) {
    const regex = () =>
        `${random.pick([' ', '\\s', '\\n', '\\t', '\\r'])}${random.pick(['', '+', '{2,}'])}`;
    const pattern = random.chance(0.6)
        ? { Regex: random.chance(0.8) ? regex() : random.pick(['``', "''", 'word', '#']) }
        : { String: random.pick([' ', '``', "''", '▁', '  ']) };
    return { type: 'Replace', pattern, content: random.pick(['', ' ', '▁', '"', 'abc', '👍']) };
}

function randomSentencePieceNormalizer(random, depth = 0) {
    switch (random.below(depth < 2 ? 8 : 5)) {
        case 0:
        case 1:
            return { type: 'Precompiled', precompiled_charsmap: randomCharsmap(random) };
        case 2:
            return randomReplace(random);
        case 3:
            return { type: 'Nmt' };
        case 4:
            return randomNormalizer(random, 2);
        default:
            return {
                type: 'Sequence',
                normalizers: Array.from({ length: 1 + random.below(4) }, () =>
                    randomSentencePieceNormalizer(random, depth + 1),
                ),
            };
    }
}

const randomMetaspace = (random) => ({
    type: 'Metaspace',
    replacement: random.pick(['▁', '▁', '▁', '_', '👍', ' ']),
    ...(random.chance(0.8) ? { prepend_scheme: random.pick(['always', 'never', 'first']) } : {}),
    ...(random.chance(0.8) ? { split: random.chance(0.7) } : {}),
    ...(random.chance(0.2) ? { add_prefix_space: true } : {}),
});

function randomSentencePiecePreTokenizer(random, depth = 0) {
    switch (random.below(depth < 2 ? 8 : 5)) {
        case 0:
        case 1:
        case 2:
            return randomMetaspace(random);
        case 3:
            return { type: 'UnicodeScripts' };
        case 4:
            return randomPreTokenizer(random, 2);
        default:
            return {
                type: 'Sequence',
                pretokenizers: Array.from({ length: 1 + random.below(3) }, () =>
                    randomSentencePiecePreTokenizer(random, depth + 1),
                ),
            };
    }
}

function randomSentencePieceDecoder(random, depth = 0) {
    switch (random.below(depth < 2 ? 7 : 5)) {
        case 0:
            return randomMetaspace(random);
        case 1:
            return randomReplace(random);
        // The library panics where a token has fewer characters than are stripped from its end.
        case 2:
            return {
                type: 'Strip',
                content: random.pick([' ', 'a', '▁', '👍']),
                start: random.below(3),
                stop: 0,
            };
        case 3:
            return { type: 'Fuse' };
        case 4:
            return { type: 'ByteFallback' };
        default:
            return {
                type: 'Sequence',
                decoders: Array.from({ length: 1 + random.below(4) }, () =>
                    randomSentencePieceDecoder(random, depth + 1),
                ),
            };
    }
}

/** Few enough pieces that much is unknown, scores of which many sums are equal or nearly so. */
function randomPieces(random, byteFallback) {
    const pieces = new Map();
    const exact = random.chance(0.3);
    const score = () =>
        exact
            ? -random.below(5)
            : -random.below(1e9) / 10 ** (6 + random.below(4)) - random.below(2);
    const characters = [...'▁▁▁ aeéxoswrdDyWHlun.,-_12中文👍가ｶか"'];
    const add = (piece) => pieces.has(piece) || pieces.set(piece, score());
    for (const special of ['<s>', '<pad>', '</s>', '<unk>']) add(special);
    for (const c of characters) if (random.chance(0.85)) add(c);
    for (let n = random.below(120); n > 0; n--) {
        add(Array.from({ length: 1 + random.below(5) }, () => random.pick(characters)).join(''));
    }
    for (const word of ['word', '▁word', 'aaaa', '▁Day', '𠮷中', 'ẞß']) {
        if (random.chance(0.5)) add(word);
    }
    if (random.chance(0.1)) add('');
    if (byteFallback) {
        for (let byte = 0; byte < 256; byte++) {
            if (random.chance(0.995) || byteFallback === 'all') {
                add(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
            }
        }
    }
    return [...pieces];
}

/** @returns {object}  the tokenizer.json of a Unigram model */
export function randomUnigramTokenizer(random) {
    const byteFallback = random.pick([false, false, 'all', 'some']);
    const vocab = randomPieces(random, byteFallback);
    const ids = new Map(vocab.map(([piece], id) => [piece, id]));
    let next = vocab.length;
    const flag = () => random.chance(0.3);
    const added = ['<s>', '<pad>', '</s>', '<unk>', '<mask>', 'Day', '▁']
        .filter(() => random.chance(0.4))
        .map((content) => ({
            id: ids.get(content) ?? next++,
            content,
            single_word: flag(),
            lstrip: flag(),
            rstrip: flag(),
            normalized: false,
            special: random.chance(0.5),
        }));
    const special = (id) => ({ SpecialToken: { id, type_id: 0 } });
    const sequence = (id) => ({ Sequence: { id, type_id: random.below(2) } });
    return {
        version: '1.0',
        truncation: null,
        padding: null,
        added_tokens: added,
        normalizer: random.chance(0.85) ? randomSentencePieceNormalizer(random) : null,
        pre_tokenizer: random.chance(0.9) ? randomSentencePiecePreTokenizer(random) : null,
        post_processor: {
            type: 'TemplateProcessing',
            single: [special('<s>'), sequence('A'), special('</s>')],
            pair: [
                special('<s>'),
                sequence('A'),
                special('</s>'),
                special('</s>'),
                sequence('B'),
                special('</s>'),
            ],
            special_tokens: {
                '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] },
                '</s>': { id: '</s>', ids: [2], tokens: ['</s>'] },
            },
        },
        decoder: random.chance(0.9) ? randomSentencePieceDecoder(random) : null,
        model: {
            ...(random.chance(0.9) ? { type: 'Unigram' } : {}),
            unk_id: random.chance(0.95) ? random.pick([3, 3, 3, 0]) : null,
            ...(random.chance(0.9) || byteFallback
                ? { byte_fallback: byteFallback !== false }
                : {}),
            vocab,
        },
    };
}

/**
 * Letters of the scripts that the pieces of a multilingual vocabulary are of, as many as it has of
 * them.
 */
const SCRIPTS = [
    [0x61, 26, 12],
    [0x430, 32, 4],
    [0x5d0, 27, 1],
    [0x627, 36, 3],
    [0x905, 53, 2],
    [0xe01, 46, 1],
    [0x4e00, 8000, 2],
    [0xac00, 3000, 2],
    [0x3041, 83, 1],
];

/**
 * A tokenizer.json of the size of XLM-R's: pieces of random letters, half of which begin like
 * another.
 * @param {number} count  of pieces
 * @returns {string}
 */
export function largeUnigram(random, count) {
    const weighted = SCRIPTS.flatMap((script) => Array(script[2]).fill(script));
    const pieces = new Set(['<s>', '<pad>', '</s>', '<unk>', '▁']);
    const made = ['▁'];
    while (pieces.size < count) {
        const [first, letters] = random.pick(weighted);
        let piece = random.chance(0.5) ? random.pick(made) : random.pick(['▁', '']);
        if (piece.length > 14) continue;
        for (let n = 1 + random.below(letters > 1000 ? 2 : 4); n > 0; n--) {
            piece += String.fromCharCode(first + random.below(letters));
        }
        pieces.add(piece);
        made.push(piece);
    }
    const metaspace = {
        type: 'Metaspace',
        replacement: '▁',
        prepend_scheme: 'always',
        split: true,
    };
    return JSON.stringify({
        version: '1.0',
        truncation: null,
        padding: null,
        added_tokens: [],
        normalizer: { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' },
        pre_tokenizer: metaspace,
        post_processor: null,
        decoder: metaspace,
        model: {
            type: 'Unigram',
            unk_id: 3,
            vocab: Array.from(pieces, (piece, i) => [piece, i < 4 ? 0 : -(3 + (12 * i) / count)]),
        },
    });
}
