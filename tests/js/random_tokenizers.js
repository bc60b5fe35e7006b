/**
 * Random tokenizers with a WordPiece, BPE or WordLevel model, of all the kinds that are supported.
 */
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
    type: 'BertNormalizer',
    clean_text: false,
    handle_chinese_chars: false,
    strip_accents: false,
    lowercase: false,
};

export function randomNormalizer(random, depth = 0) {
    const kinds = [
        'BertNormalizer',
        'ByteLevel',
        'Lowercase',
        'NFC',
        'NFD',
        'NFKC',
        'NFKD',
        'Prepend',
        'Replace',
        'Strip',
        'StripAccents',
        ...(depth < 2 ? ['Sequence', 'Sequence'] : []),
    ];
    const type = random.pick(kinds);
    const flag = () => random.chance(0.5);
    switch (type) {
        case 'BertNormalizer':
            return {
                ...BERT_OFF,
                clean_text: flag(),
                handle_chinese_chars: flag(),
                strip_accents: random.pick([null, true, false]),
                lowercase: flag(),
            };
        case 'Prepend':
            return { type, prepend: random.pick(['▁', 'é ', '👍']) };
        case 'Replace':
            return {
                type,
                pattern: { String: random.pick([' ', "''", 'e\u0301', '中', 'a', '  ', '𠮷']) },
                content: random.pick(['', ' ', '▁', '"', 'abc', '👍']),
            };
        case 'Strip':
            return { type, strip_left: flag(), strip_right: flag() };
        case 'Sequence':
            return {
                type,
                normalizers: Array.from({ length: 1 + random.below(4) }, () =>
                    randomNormalizer(random, depth + 1),
                ),
            };
        default:
            return { type };
    }
}

const CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d";
const SPACES = '\\s+(?!\\S)|\\s+';
const gpt4 = (apart, digits) =>
    `${apart}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}${digits}| ` +
    `?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|${SPACES}`;

/** The regular expressions that are known. */
// biome-ignore format: what is short stands side by side
const EXPRESSIONS = [
    `${CONTRACTIONS}| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|${SPACES}`,
    `'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|${SPACES}`,
    gpt4(`(?i:${CONTRACTIONS})`, '{1,3}'), gpt4(`(?i:${CONTRACTIONS})`, ''),
    gpt4(`(?i:${CONTRACTIONS})`, '+'),
    gpt4("'(?i:[sdmt]|ll|ve|re)", '{1,3}'),
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| " + `?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|${SPACES}`,
    `${CONTRACTIONS}|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+`, '\\w+|[^\\w\\s]+',
    '\\s+', '\\s', '\\S+', '\\d+', '\\d', '\\D', '\\d{1,3}', '\\w+', '\\W+', '\\p{L}+', '\\p{N}',
    '\\p{N}{1,3}', '\\p{Nd}+', '\\p{P}', '\\p{P}+', '[^\\w\\s]', '[^\\s\\p{L}\\p{N}]+', '[0-9]',
    '[0-9]+', '[0-9]{1,2}', '[a-zA-Z]+', '[a-z]', '[A-Z]', ' ', ' +', '\\n', '[\\r\\n]+',
];
const BEHAVIORS = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'];

export function randomPreTokenizer(random, depth = 0) {
    const kinds = [
        'BertPreTokenizer',
        'Whitespace',
        'WhitespaceSplit',
        'Punctuation',
        'Digits',
        'ByteLevel',
        'Split',
        'Split',
        ...(depth < 2 ? ['Sequence'] : []),
    ];
    const type = random.pick(kinds);
    const flag = () => random.chance(0.5);
    switch (type) {
        case 'ByteLevel':
            return {
                type,
                add_prefix_space: flag(),
                trim_offsets: flag(),
                ...(flag() ? { use_regex: flag() } : {}),
            };
        case 'Split':
            return {
                type,
                pattern: flag()
                    ? { Regex: random.pick(EXPRESSIONS) }
                    : {
                          String: random.pick([
                              ' ',
                              'a',
                              "'",
                              '  ',
                              'é',
                              '中',
                              '👍',
                              'ab',
                              '\n',
                              '.*',
                          ]),
                      },
                behavior: random.pick(BEHAVIORS),
                invert: flag(),
            };
        case 'Punctuation':
            return { type, behavior: random.pick(BEHAVIORS) };
        case 'Digits':
            return { type, individual_digits: flag() };
        case 'Sequence':
            return {
                type,
                pretokenizers: Array.from({ length: 1 + random.below(3) }, () =>
                    randomPreTokenizer(random, depth + 1),
                ),
            };
        default:
            return { type };
    }
}

function randomPostProcessor(random, depth = 0) {
    const cls = ['[CLS]', 2];
    const sep = ['[SEP]', 3];
    const flag = () => random.chance(0.5);
    const special = (id) => ({ SpecialToken: { id, type_id: random.below(3) } });
    const sequence = (id) => ({ Sequence: { id, type_id: random.below(3) } });
    switch (random.below(depth > 0 ? 5 : 7)) {
        case 0:
            return depth > 0
                ? { type: 'ByteLevel', trim_offsets: true, add_prefix_space: flag() }
                : null;
        case 1:
            return { type: 'BertProcessing', sep, cls };
        case 2:
            return {
                type: 'RobertaProcessing',
                sep,
                cls,
                trim_offsets: flag(),
                add_prefix_space: flag(),
            };
        case 3:
            return {
                type: 'ByteLevel',
                trim_offsets: flag(),
                add_prefix_space: flag(),
                use_regex: true,
            };
        case 4:
            return {
                type: 'TemplateProcessing',
                single: [special('[CLS]'), sequence('A'), special('two')],
                pair: random.chance(0.8)
                    ? [
                          special('[CLS]'),
                          sequence('A'),
                          special('two'),
                          sequence('B'),
                          special('[CLS]'),
                      ]
                    : [sequence('B'), special('two'), sequence('A')],
                special_tokens: {
                    '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] },
                    two: { id: 'two', ids: [3, 4], tokens: ['[SEP]', 'other'] },
                },
            };
        default: {
            // Of those that add tokens the last: more than two parts are none that a template
            // takes.
            const processors = Array.from({ length: random.below(3) }, () => ({
                type: 'ByteLevel',
                trim_offsets: flag(),
                add_prefix_space: flag(),
            }));
            return {
                type: 'Sequence',
                processors: [
                    ...processors,
                    randomPostProcessor(random, 1),
                    ...(flag()
                        ? [{ type: 'ByteLevel', trim_offsets: true, add_prefix_space: flag() }]
                        : []),
                ],
            };
        }
    }
}

function randomAddedTokens(random, vocabulary) {
    const flag = () => random.chance(0.3);
    let next = Object.keys(vocabulary).length;
    const contents = [
        '[UNK]',
        '[PAD]',
        '[CLS]',
        '[SEP]',
        '[MASK]',
        '<x>',
        'Day',
        'word',
        ' ',
        '中',
        'é',
    ];
    return contents
        .filter(() => random.chance(0.6))
        .map((content) => ({
            id: vocabulary[content] ?? next++,
            content,
            single_word: flag(),
            lstrip: flag(),
            rstrip: flag(),
            normalized: content !== ' ' && flag(), // Strip would leave nothing of it
            special: random.chance(0.5),
        }));
}

function randomDecoder(random, prefix, depth = 0) {
    switch (random.below(depth > 0 ? 4 : 6)) {
        case 0:
            return { type: 'WordPiece', prefix, cleanup: random.chance(0.5) };
        case 1:
            return {
                type: 'ByteLevel',
                add_prefix_space: true,
                trim_offsets: true,
                use_regex: true,
            };
        case 2:
            return { type: 'BPEDecoder', suffix: random.pick(['</w>', 'a', ' ']) };
        case 3:
            return { type: 'Fuse' };
        case 4:
            return null;
        default:
            return {
                type: 'Sequence',
                decoders: Array.from({ length: random.below(3) }, () =>
                    randomDecoder(random, prefix, depth + 1),
                ),
            };
    }
}

/**
 * BPE with single characters, pieces that were put together at random from those, and the affixes
 * where there are any. Few characters, so that words are merged often and in many ways.
 */
function randomBpe(random) {
    const flag = () => random.chance(0.5);
    const prefix = random.pick(['', '', null, '##', '@']);
    const suffix = random.pick(['', null, null, '</w>']);
    const isByteLevel = flag();
    const characters = [
        ...(isByteLevel ? byteCharacters() : "abcdelortw'.-019éÉ中👍 ĠĊĀ\n²"),
    ].filter(() => random.chance(0.97));
    const vocab = { '[UNK]': 0, '[PAD]': 1, '[CLS]': 2, '[SEP]': 3, other: 4 };
    const add = (piece) => (vocab[piece] ??= Object.keys(vocab).length);
    const firsts = [];
    const laters = [];
    for (const c of characters) {
        for (const end of suffix ? ['', suffix] : ['']) {
            firsts.push(c + end);
            laters.push((prefix ?? '') + c + end);
        }
    }
    [...firsts, ...laters].forEach(add);
    const byte_fallback = !prefix && !suffix && random.chance(0.4);
    const bytes = [];
    if (byte_fallback && random.chance(0.9)) {
        const share = random.pick([1, 1, 0.9, 0.5]);
        for (let b = 0; b < 256; b++) {
            if (random.chance(share)) {
                bytes.push(`<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`);
            }
        }
        bytes.forEach(add);
    }
    const common = isByteLevel ? [..."Ġaeiorstnlhdwu'ðŁÃ©ä"] : [..."aebltorwd 'é👍"];
    const merges = [];
    const seen = new Set();
    for (let n = random.pick([0, 20, 200]); n > 0; n--) {
        const isSmall = random.chance(0.4);
        let left = isSmall ? random.pick(common) : random.pick(random.pick([firsts, laters]));
        let right = isSmall ? (prefix ?? '') + random.pick(common) : random.pick(laters);
        if (bytes.length > 0 && random.chance(0.2)) {
            [left, right] = [random.pick(bytes), random.pick(bytes)];
        }
        if (vocab[left] === undefined || vocab[right] === undefined) continue;
        const piece = left + right.slice((prefix ?? '').length);
        if (piece.length > 12) continue;
        const isOld = seen.has(`${left}\0${right}`);
        if (isOld && random.chance(0.8)) continue;
        seen.add(`${left}\0${right}`);
        merges.push([left, right]);
        add(piece);
        (prefix && left.startsWith(prefix) ? laters : firsts).push(piece);
        if (!prefix) laters.push(piece);
    }
    const isLine = flag() && merges.every((pair) => !pair.some((piece) => piece.includes(' ')));
    return {
        type: 'BPE',
        dropout: random.pick([null, 0]),
        unk_token: random.pick([null, '[UNK]', '[UNK]']),
        continuing_subword_prefix: prefix,
        end_of_word_suffix: suffix,
        fuse_unk: flag(),
        byte_fallback,
        ignore_merges: random.chance(0.3),
        vocab,
        merges: isLine
            ? [...(flag() ? ['#version: 0.2'] : []), ...merges.map((pair) => pair.join(' '))]
            : merges,
    };
}

/** What stands for the bytes at the byte level. */
function byteCharacters() {
    let text = '';
    let next = 0x100;
    for (let byte = 0; byte < 256; byte++) {
        const isSeen = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
        text += String.fromCharCode(isSeen ? byte : next++);
    }
    return text;
}

function randomModel(random, family, prefix) {
    if (family === 'BPE') return randomBpe(random);
    if (family === 'WordLevel') {
        return {
            type: 'WordLevel',
            vocab: { ...VOCABULARY, Hello: NEXT, word: NEXT + 1, ĠHello: NEXT + 2 },
            unk_token: '[UNK]',
        };
    }
    return {
        type: 'WordPiece',
        unk_token: '[UNK]',
        continuing_subword_prefix: prefix,
        max_input_chars_per_word: random.pick([1, 5, 100, 1000]),
        vocab: VOCABULARY,
    };
}

const NEXT = Object.keys(VOCABULARY).length;

/**
 * @param {'WordPiece' | 'BPE' | 'WordLevel'} [family]
 * @returns {object}  a tokenizer.json
 */
export function randomTokenizer(random, family = 'WordPiece') {
    const prefix = random.pick(['', '', '##']);
    const model = randomModel(random, family, prefix);
    return {
        version: '1.0',
        truncation: null,
        padding: null,
        added_tokens: randomAddedTokens(random, model.vocab),
        normalizer: random.chance(0.85) ? randomNormalizer(random) : null,
        pre_tokenizer: random.chance(0.85) ? randomPreTokenizer(random) : null,
        post_processor: randomPostProcessor(random),
        decoder: randomDecoder(random, prefix),
        model,
    };
}
