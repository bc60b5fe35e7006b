/**
 * Random texts that are hard on tokenizers, and random tokenizers of the kinds that are supported.
 */

/** What text is made of; each part is as likely as the others. */
const BLOCKS = [
    [0x20, 0x7e], [0x61, 0x7a], [0x41, 0x5a], [0x00, 0x20], [0x7f, 0xa0], [0xa0, 0x17f],
    [0x180, 0x24f], [0x2b0, 0x36f], [0x300, 0x345], [0x370, 0x3ff], [0x400, 0x52f], [0x531, 0x589],
    [0x591, 0x5f4], [0x600, 0x6ff], [0x700, 0x8ff], [0x900, 0xdff], [0xe00, 0xfff], [0x1000, 0x10ff],
    [0x1100, 0x11ff], [0x13a0, 0x13fd], [0x1780, 0x18aa], [0x1ab0, 0x1aff], [0x1c80, 0x1cff],
    [0x1dc0, 0x1dff], [0x1e00, 0x1fff], [0x2000, 0x206f], [0x20a0, 0x20ff], [0x2100, 0x218f],
    [0x2190, 0x24ff], [0x2500, 0x27bf], [0x2c00, 0x2dff], [0x2e00, 0x2fff], [0x3000, 0x30ff],
    [0x3100, 0x33ff], [0x3400, 0x9fff], [0xa640, 0xa7ff], [0xa800, 0xabff], [0xac00, 0xd7ff],
    [0xe000, 0xf8ff], [0xf900, 0xfaff], [0xfb00, 0xfdff], [0xfe00, 0xffff], [0x10000, 0x10fff],
    [0x11000, 0x11fff], [0x16000, 0x1cfff], [0x1d000, 0x1d7ff], [0x1d800, 0x1efff],
    [0x1f000, 0x1faff], [0x20000, 0x323af], [0xe0000, 0xe01ff], [0xf0000, 0x10ffff], [0, 0x10ffff],
];

const PARTS = [
    ' ', ' ', '  ', '\t', '\n', '\r\n', '\u00a0', '\u3000', '\u2028', '\u200b', '\u200d', '\ufeff', '\0',
    '\u0085', '\u180e', '.', ',', '-', "'", '_', '##', '[', ']', '[MASK]', '[CLS]', '[SEP]', '[UNK]', '[PAD]',
    ' [MASK]', '[MASK] ', '[mask]', '<x>', '<X>', 'Day', 'DAY', 'é', 'É', 'e\u0301', '\u0301', '\u0323',
    '\u0301\u0323\u0334', '\u0f71\u0f72\u0f74', 'İ', 'I\u0307', 'ß', 'ẞ', 'ﬁ', 'ﬃ', 'ヿ', 'Ǆ', 'ǅ', 'Σ', 'ΣΑΣ',
    'ς', '\u1100\u1161\u11a8', '각', '가', '\u11a8', '👩‍👩‍👧‍👦', '❤️', '🇩🇪', '👍🏽', '中', '中文', '𠮷', '豈', '\u{2f800}',
    'word', 'Hello', 'unaffable', 'running', '123', '٣', 'Ⅳ', '½', 'a'.repeat(99), 'b'.repeat(101), '\ud800',
    '\udc00', '\udbff', '\u0344', '\u0958', '\u09cb', '\u0dde', '\u1e9b\u0323', '\ufdfa', '\u302e', '\u{1d15e}',
    '\u{1d165}', '\u{11938}', '▁', '▁▁', ' ▁', '   ', '\u200d', '\u200c', '\u094d', '\u0915\u094d\u0937', '\u0600', '\r\n\u0301',
    '\u00a9', '\u00a9\u200d', '\u2122\u0301', '\u2126\u0301', '\u0958\u0301', '\u1161\u0301', 'ー', 'ア', 'か\u3099', 'ｶﾞ', '<unk>', '<s>', '\u{105c9}', 'Å', '\u212b', 'ệ', '``', "''", '  a  ',
];

/**
 * Mulberry32: small, and the same everywhere.
 * @param {number} seed
 */
export function randomFrom(seed) {
    let state = seed >>> 0;
    const next = () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let t = Math.imul(state ^ (state >>> 15), 1 | state);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
    const below = (n) => Math.floor(next() * n);
    const pick = (list) => list[below(list.length)];
    const chance = (p) => next() < p;
    return { below, pick, chance };
}

/** @returns {string} */
export function randomText(random, words = []) {
    const blocks = Array.from({ length: 1 + random.below(3) }, () => random.pick(BLOCKS));
    const n = random.pick([0, 1, 2, 3, 5, 8, 13, 21]);
    let text = '';
    for (let i = 0; i < n; i++) {
        const [first, last] = random.pick(blocks);
        const kind = random.below(10);
        if (kind < 5) text += String.fromCodePoint(first + random.below(last - first + 1));
        else if (kind < 8 || words.length === 0) text += random.pick(PARTS);
        else text += `${random.chance(0.7) ? ' ' : ''}${random.pick(words)}`;
    }
    return random.chance(0.03) ? text.repeat(20) : text;
}

/** What grapheme clusters are made of: pictures, joiners, marks, Indic conjuncts, Hangul, controls. */
const CLUSTER_BLOCKS = [
    [0x300, 0x36f], [0x591, 0x5c7], [0x600, 0x605], [0x610, 0x61a], [0x64b, 0x65f], [0x6dd, 0x6dd], [0x70f, 0x70f], [0x890, 0x8e2], [0x900, 0xdff],
    [0x915, 0x94d], [0x94d, 0x94d], [0x9cd, 0x9cd], [0xd4e, 0xd4e], [0xe31, 0xe4e], [0x1000, 0x1060], [0x1100, 0x11ff], [0x1780, 0x17dd], [0x1a20, 0x1aff],
    [0x1b00, 0x1bf3], [0x1cd0, 0x1cff], [0x200b, 0x200f], [0x200d, 0x200d], [0x20d0, 0x20f0], [0x2028, 0x202e], [0x2100, 0x2200], [0x3029, 0x3030], [0x3099, 0x309a],
    [0xa806, 0xa830], [0xa8e0, 0xa9e5], [0xaa29, 0xabed], [0xac00, 0xac40], [0xd7a0, 0xd7fb], [0xfe00, 0xfe2f], [0xfeff, 0xfeff], [0xff9e, 0xff9f],
    [0x10a00, 0x10a3f], [0x11000, 0x11fff], [0x16d60, 0x16d70], [0x1d165, 0x1d172], [0x1f1e6, 0x1f1ff], [0x1f3f0, 0x1f3ff], [0x1f466, 0x1f469], [0xe0020, 0xe007f],
    [0xa9, 0xae], [0x9, 0xd], [0x61, 0x65], [0xe000, 0x0e001],
];

/** @returns {string}  mostly clusters of several characters */
export function randomClusters(random) {
    let text = '';
    for (let n = 1 + random.below(14); n > 0; n--) {
        const [first, last] = random.pick(CLUSTER_BLOCKS);
        text += random.chance(0.7) ? String.fromCodePoint(first + random.below(last - first + 1)) : random.pick(PARTS);
    }
    return text;
}

/** @returns {object}  max_length and so on; not all can be followed */
export function randomTruncation(random) {
    return {
        max_length: 4 + random.below(12),
        strategy: random.pick(['longest_first', 'longest_first', 'only_first', 'only_second']),
        stride: random.pick([0, 0, 1, 2, 3, 9]),
        direction: random.pick(['right', 'right', 'left']),
    };
}

/** Pieces for all that most texts become: each character alone, so that ids and places tell all. */
function characterVocabulary() {
    const vocab = { '[UNK]': 0, '[PAD]': 1, '[CLS]': 2, '[SEP]': 3, '[MASK]': 4 };
    let id = 5;
    const add = (first, last) => {
        for (let c = first; c <= last; c++) vocab[String.fromCodePoint(c)] = id++;
    };
    add(0x0, 0x33ff);
    add(0x4e00, 0x4fff);
    add(0xa640, 0xa7ff);
    add(0xe000, 0xe100);
    add(0xf900, 0xffff);
    add(0x10400, 0x1044f);
    add(0x1d100, 0x1d1ff);
    add(0x1f300, 0x1f64f);
    return vocab;
}

const VOCABULARY = characterVocabulary();

const BERT_OFF = {
    type: 'BertNormalizer', clean_text: false, handle_chinese_chars: false, strip_accents: false,
    lowercase: false,
};

function randomNormalizer(random, depth = 0) {
    const kinds = ['BertNormalizer', 'Lowercase', 'NFC', 'NFD', 'NFKC', 'NFKD', 'Prepend', 'Replace',
        'Strip', 'StripAccents', ...(depth < 2 ? ['Sequence', 'Sequence'] : [])];
    const type = random.pick(kinds);
    const flag = () => random.chance(0.5);
    switch (type) {
    case 'BertNormalizer':
        return { ...BERT_OFF, clean_text: flag(), handle_chinese_chars: flag(),
            strip_accents: random.pick([null, true, false]), lowercase: flag() };
    case 'Prepend':
        return { type, prepend: random.pick(['▁', 'é ', '👍']) };
    case 'Replace':
        return { type, pattern: { String: random.pick([' ', "''", 'e\u0301', '中', 'a', '  ', '𠮷']) },
            content: random.pick(['', ' ', '▁', '"', 'abc', '👍']) };
    case 'Strip':
        return { type, strip_left: flag(), strip_right: flag() };
    case 'Sequence':
        return { type, normalizers: Array.from({ length: 1 + random.below(4) }, () =>
            randomNormalizer(random, depth + 1)) };
    default:
        return { type };
    }
}

function randomPreTokenizer(random, depth = 0) {
    const kinds = ['BertPreTokenizer', 'Whitespace', 'WhitespaceSplit', 'Punctuation', 'Digits',
        ...(depth < 2 ? ['Sequence'] : [])];
    const type = random.pick(kinds);
    switch (type) {
    case 'Punctuation':
        return { type, behavior: random.pick(['Removed', 'Isolated', 'MergedWithPrevious',
            'MergedWithNext', 'Contiguous']) };
    case 'Digits':
        return { type, individual_digits: random.chance(0.5) };
    case 'Sequence':
        return { type, pretokenizers: Array.from({ length: 1 + random.below(3) }, () =>
            randomPreTokenizer(random, depth + 1)) };
    default:
        return { type };
    }
}

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
    const todo = [[0, root]];
    let free = 1;
    while (todo.length > 0) {
        const [at, node] = todo.pop();
        const labels = [...node.keys()].map((byte) => (byte === 'leaf' ? 0 : byte));
        let base = free;
        while (labels.some((byte) => units.has(base ^ byte))) base++;
        for (const byte of labels) units.set(base ^ byte, byte);
        units.set(at, units.get(at) | (at ^ base) << 10 | (node.has('leaf') ? 256 : 0));
        for (const [byte, child] of node) {
            if (byte === 'leaf') units.set(base, child | 1 << 31);
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

/** Keys of one character and of several, some the beginning of others, and some that become nothing. */
function randomCharsmap(random) {
    const keys = ['a', 'e', 'e\u0301', 'É', '\u0301', '\u0323', 'word', 'wo', ' ', '\t', '\n', '\r', '\r\n', '\u00a0', '\u3000', 'ﬁ', '中', '豈',
        '\u200d', '\u200c', '\u00a9', '\u00a9\u200d', '\u2122', '\u2126', '\u0915', '\u0958', '\u094d', '\u1100', '\u1161', '\u1100\u1161', '가', '👍', '❤',
        'か', 'か\u3099', 'ｶﾞ', '\u0600', 'ß', '½', 'Ⅳ', '\ufeff', '▁', "''", '\u0600a', '𠮷', 'А', '\u0591', 'א'];
    const values = ['', '', ' ', 'x', 'xy', 'é', 'e\u0301', '中文', '👍', 'ab cd', '\u0301', '▁', 'x'.repeat(40)];
    const p = random.pick([0.1, 0.3, 0.8]);
    return charsmap(new Map(keys.filter(() => random.chance(p)).map((key) => [key, random.pick(values)])));
}

/** Replace for sentencepiece models, what they have of regular expressions included. */
function randomReplace(random) {
    const regex = () => `${random.pick([' ', '\\s', '\\n', '\\t', '\\r'])}${random.pick(['', '+', '{2,}'])}`;
    const pattern = random.chance(0.6) ? { Regex: random.chance(0.8) ? regex() : random.pick(['``', "''", 'word', '#']) }
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
        return { type: 'Sequence', normalizers: Array.from({ length: 1 + random.below(4) }, () =>
            randomSentencePieceNormalizer(random, depth + 1)) };
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
        return { type: 'Sequence', pretokenizers: Array.from({ length: 1 + random.below(3) }, () =>
            randomSentencePiecePreTokenizer(random, depth + 1)) };
    }
}

function randomSentencePieceDecoder(random, depth = 0) {
    switch (random.below(depth < 2 ? 7 : 5)) {
    case 0:
        return randomMetaspace(random);
    case 1:
        return randomReplace(random);
    case 2: // the library panics where a token has fewer characters than are stripped from its end
        return { type: 'Strip', content: random.pick([' ', 'a', '▁', '👍']), start: random.below(3), stop: 0 };
    case 3:
        return { type: 'Fuse' };
    case 4:
        return { type: 'ByteFallback' };
    default:
        return { type: 'Sequence', decoders: Array.from({ length: 1 + random.below(4) }, () =>
            randomSentencePieceDecoder(random, depth + 1)) };
    }
}

/** Few enough pieces that much is unknown, scores of which many sums are equal or nearly so. */
function randomPieces(random, byteFallback) {
    const pieces = new Map();
    const exact = random.chance(0.3);
    const score = () => (exact ? -random.below(5) : -random.below(1e9) / 10 ** (6 + random.below(4)) - random.below(2));
    const characters = [...'▁▁▁ aeéxoswrdDyWHlun.,-_12中文👍가ｶか"'];
    const add = (piece) => pieces.has(piece) || pieces.set(piece, score());
    for (const special of ['<s>', '<pad>', '</s>', '<unk>']) add(special);
    for (const c of characters) if (random.chance(0.85)) add(c);
    for (let n = random.below(120); n > 0; n--) {
        add(Array.from({ length: 1 + random.below(5) }, () => random.pick(characters)).join(''));
    }
    for (const word of ['word', '▁word', 'aaaa', '▁Day', '𠮷中', 'ẞß']) if (random.chance(0.5)) add(word);
    if (random.chance(0.1)) add('');
    if (byteFallback) {
        for (let byte = 0; byte < 256; byte++) {
            if (random.chance(0.995) || byteFallback === 'all') add(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
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
    const added = ['<s>', '<pad>', '</s>', '<unk>', '<mask>', 'Day', '▁'].filter(() => random.chance(0.4)).map((content) => ({
        id: ids.get(content) ?? next++, content, single_word: flag(), lstrip: flag(), rstrip: flag(), normalized: false,
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
            pair: [special('<s>'), sequence('A'), special('</s>'), special('</s>'), sequence('B'), special('</s>')],
            special_tokens: { '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] }, '</s>': { id: '</s>', ids: [2], tokens: ['</s>'] } },
        },
        decoder: random.chance(0.9) ? randomSentencePieceDecoder(random) : null,
        model: {
            ...(random.chance(0.9) ? { type: 'Unigram' } : {}),
            unk_id: random.chance(0.95) ? random.pick([3, 3, 3, 0]) : null,
            ...(random.chance(0.9) || byteFallback ? { byte_fallback: byteFallback !== false } : {}),
            vocab,
        },
    };
}

function randomPostProcessor(random) {
    const cls = ['[CLS]', 2];
    const sep = ['[SEP]', 3];
    const special = (id) => ({ SpecialToken: { id, type_id: random.below(3) } });
    const sequence = (id) => ({ Sequence: { id, type_id: random.below(3) } });
    switch (random.below(5)) {
    case 0:
        return null;
    case 1:
        return { type: 'BertProcessing', sep, cls };
    case 2:
        return { type: 'RobertaProcessing', sep, cls, trim_offsets: random.chance(0.5),
            add_prefix_space: random.chance(0.5) };
    default:
        return {
            type: 'TemplateProcessing',
            single: [special('[CLS]'), sequence('A'), special('two')],
            pair: random.chance(0.8)
                ? [special('[CLS]'), sequence('A'), special('two'), sequence('B'), special('[CLS]')]
                : [sequence('B'), special('two'), sequence('A')],
            special_tokens: {
                '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] },
                'two': { id: 'two', ids: [3, 4], tokens: ['[SEP]', 'other'] },
            },
        };
    }
}

function randomAddedTokens(random) {
    const flag = () => random.chance(0.3);
    const n = Object.keys(VOCABULARY).length;
    let next = n;
    const contents = ['[UNK]', '[PAD]', '[CLS]', '[SEP]', '[MASK]', '<x>', 'Day', 'word', ' ', '中', 'é'];
    return contents.filter(() => random.chance(0.6)).map((content) => ({
        id: VOCABULARY[content] ?? next++,
        content,
        single_word: flag(),
        lstrip: flag(),
        rstrip: flag(),
        normalized: content !== ' ' && flag(), // Strip would leave nothing of it
        special: random.chance(0.5),
    }));
}

/** @returns {object}  a tokenizer.json */
export function randomTokenizer(random) {
    const prefix = random.pick(['', '', '##']);
    return {
        version: '1.0',
        truncation: null,
        padding: null,
        added_tokens: randomAddedTokens(random),
        normalizer: random.chance(0.85) ? randomNormalizer(random) : null,
        pre_tokenizer: random.chance(0.85) ? randomPreTokenizer(random) : null,
        post_processor: randomPostProcessor(random),
        decoder: random.pick([null, { type: 'WordPiece', prefix, cleanup: random.chance(0.5) }]),
        model: {
            type: 'WordPiece',
            unk_token: '[UNK]',
            continuing_subword_prefix: prefix,
            max_input_chars_per_word: random.pick([1, 5, 100, 1000]),
            vocab: VOCABULARY,
        },
    };
}
