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
    '\u{1d165}', '\u{11938}', '\u{105c9}', 'Å', '\u212b', 'ệ', '``', "''", '  a  ',
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
