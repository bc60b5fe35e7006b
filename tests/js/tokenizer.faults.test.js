/**
 * What a tokenizer must survive: every odd text with every kind of tokenizer, and every kind of
 * file with something wrong in it.
 */

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Tokenizer } from '../../js/tokenizer/index.js';
import { NormalizedString, unitsOf } from '../../js/tokenizer/normalized_string.js';
import { makeNormalizer } from '../../js/tokenizer/normalizers.js';
import { charsmap } from './random_unigram.js';
import { measure } from './tokenizer_measure.js';
import { randomFrom } from './tokenizer_texts.js';

const SHARED = new URL('../../../shared/fixtures/tokenizers/', import.meta.url);
const GOLDEN = new URL('../golden/tokenizers/', import.meta.url);

/** Small files of each kind, for what is changed in them. */
const METASPACE = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true };
const BYTE_LEVEL = {
    type: 'ByteLevel',
    add_prefix_space: true,
    trim_offsets: true,
    use_regex: true,
};
const fileOf = (model, rest) => ({
    version: '1.0',
    added_tokens: [
        {
            id: 0,
            content: '[UNK]',
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: true,
        },
    ],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    ...rest,
    model,
});
const idsOf = (...pieces) => Object.fromEntries(pieces.map((piece, id) => [piece, id]));
const SMALL = {
    WordPiece: fileOf(
        {
            type: 'WordPiece',
            unk_token: '[UNK]',
            continuing_subword_prefix: '##',
            max_input_chars_per_word: 100,
            vocab: idsOf('[UNK]', 'a', '##b', 'é'),
        },
        {
            normalizer: {
                type: 'BertNormalizer',
                clean_text: true,
                handle_chinese_chars: true,
                strip_accents: null,
                lowercase: true,
            },
            pre_tokenizer: { type: 'BertPreTokenizer' },
            decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
        },
    ),
    BPE: fileOf(
        {
            type: 'BPE',
            dropout: null,
            unk_token: null,
            continuing_subword_prefix: null,
            end_of_word_suffix: null,
            fuse_unk: false,
            byte_fallback: false,
            vocab: idsOf('[UNK]', 'a', 'b', 'Ġ', 'ab', 'Ġab'),
            merges: ['a b', 'Ġ ab'],
        },
        { pre_tokenizer: BYTE_LEVEL, post_processor: BYTE_LEVEL, decoder: BYTE_LEVEL },
    ),
    Unigram: fileOf(
        {
            type: 'Unigram',
            unk_id: 0,
            vocab: [
                ['[UNK]', 0],
                ['▁', -2],
                ['a', -3],
                ['▁a', -2.5],
                ['b', -5.25],
            ],
        },
        { normalizer: { type: 'NFKC' }, pre_tokenizer: METASPACE, decoder: METASPACE },
    ),
    WordLevel: fileOf(
        {
            type: 'WordLevel',
            unk_token: '[UNK]',
            vocab: idsOf('[UNK]', 'a', 'b', 'the', '中', 'コト', '.'),
        },
        {
            normalizer: {
                type: 'Sequence',
                normalizers: [{ type: 'NFKC' }, { type: 'Lowercase' }],
            },
            pre_tokenizer: { type: 'Whitespace' },
        },
    ),
};
const KINDS = Object.keys(SMALL);

/**
 * Kinds that no fixture is of: words as they are, BPE of characters, the other normalizers of
 * sentencepiece.
 */
const FURTHER = {
    WordLevel: SMALL.WordLevel,
    'BPE of characters': fileOf(
        {
            type: 'BPE',
            unk_token: '[UNK]',
            fuse_unk: true,
            end_of_word_suffix: '</w>',
            continuing_subword_prefix: null,
            byte_fallback: false,
            vocab: idsOf(
                '[UNK]',
                'a',
                'a</w>',
                'x',
                'xx',
                'b</w>',
                'e',
                't',
                'h',
                'th',
                'e</w>',
                'the</w>',
                '中',
            ),
            merges: ['x x', 't h', 'th e</w>'],
        },
        {
            normalizer: { type: 'NFC' },
            pre_tokenizer: { type: 'WhitespaceSplit' },
            decoder: { type: 'BPEDecoder', suffix: '</w>' },
        },
    ),
    'Unigram of bytes': fileOf(
        {
            ...SMALL.Unigram.model,
            byte_fallback: true,
            vocab: [
                ...SMALL.Unigram.model.vocab,
                ...Array.from({ length: 256 }, (_, byte) => [
                    `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
                    -20,
                ]),
            ],
        },
        {
            normalizer: {
                type: 'Sequence',
                normalizers: [
                    {
                        type: 'Precompiled',
                        precompiled_charsmap: charsmap(
                            new Map([
                                ['é', 'e'],
                                ['\u0301', 'x'],
                                ['ヿ', 'コト'],
                            ]),
                        ),
                    },
                    { type: 'Nmt' },
                    { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' },
                ],
            },
            pre_tokenizer: METASPACE,
            decoder: { type: 'Sequence', decoders: [{ type: 'ByteFallback' }, METASPACE] },
        },
    ),
};

/** Where the files of fixtures are; some are too large for the repository. */
const FIXTURES = [
    'bert-uncased',
    'bert-cased',
    'bert-chinese',
    'deberta-bpe',
    'roberta',
    'albert',
    'xlmr-spm',
    'deberta-v3-spm',
    'xlmr-real-cut',
].map((name) => ({
    name,
    url:
        [GOLDEN, SHARED]
            .map((base) => new URL(`${name}/tokenizer.json`, base))
            .find((url) => existsSync(url)) ?? null,
}));

/** All tokenizers. */
const TOKENIZERS = [
    ...FIXTURES.flatMap(({ name, url }) => (url === null ? [] : [[name, readFileSync(url)]])),
    ...Object.entries(FURTHER).map(([name, file]) => [name, JSON.stringify(file)]),
].map((/** @type {any[]} */ [name, file]) => {
    const { added_tokens, normalizer } = JSON.parse(file);
    return {
        name,
        tokenizer: Tokenizer.fromJSON(file),
        added: added_tokens.map(({ content }) => content),
        normalizer: normalizer && makeNormalizer(normalizer),
    };
});

test('every kind of tokenizer is here', (t) => {
    const absent = FIXTURES.filter(({ url }) => url === null);
    if (absent.length > 0) {
        t.skip(
            'NOT TESTED: ../shared/fixtures/tokenizers is not here, ' +
                `so not ${absent.map(({ name }) => name).join(', ')}`,
        );
    } else {
        assert.equal(TOKENIZERS.length, 12);
    }
});

/** A test for each tokenizer. */
function forEach(what, run) {
    for (const { name, tokenizer, added, normalizer } of TOKENIZERS) {
        test(`${name}: ${what}`, () => run(tokenizer, added, normalizer));
    }
}

const bare = (tokenizer, text) => tokenizer.encode(text, { add_special_tokens: false });

/** As Unicode has it; the \s of JavaScript is another one. */
const isSpace = (unit) => /[\u0085\s]/.test(String.fromCharCode(unit)) && unit !== 0xfeff;

/** 1 for each unit of the text of which the normalizer leaves something that is not space. */
function unitsLeft(normalizer, text) {
    const string = new NormalizedString();
    string.reset(unitsOf(text), 0, text.length);
    normalizer?.normalize(string);
    const left = new Uint8Array(text.length);
    for (let i = 0; i < string.length; i++) {
        const isTrail = (string.units[i] & 0xfc00) === 0xdc00;
        if (isSpace(string.units[i])) continue;
        const from = string.start(isTrail ? i - 1 : i);
        left.fill(1, from, string.end(i + 1));
    }
    return left;
}

/**
 * That an encoding is one of this text: ids that there are, places in order, nothing of the text
 * lost.
 */
function checkEncoding(tokenizer, normalizer, text, what) {
    const { ids, type_ids, offsets, sequence, special_tokens_mask, tokens, length } = bare(
        tokenizer,
        text,
    );
    for (const each of [type_ids, sequence, special_tokens_mask, tokens]) {
        assert.equal(each.length, length, what);
    }
    assert.equal(offsets.length, 2 * length);
    const covered = new Uint8Array(text.length);
    let last = 0;
    for (let i = 0; i < length; i++) {
        assert.notEqual(tokenizer.idToToken(ids[i]), null, what);
        const [start, end] = [offsets[2 * i], offsets[2 * i + 1]];
        assert.ok(
            start >= last && end >= start && end <= text.length,
            `${what}: token ${i} is at ${start} to ${end}, after ${last}`,
        );
        for (const at of [start, end]) {
            assert.ok(
                !/^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(at - 1, at + 1)) || at === 0,
                `${what}: ${at} is within a character`,
            );
        }
        covered.fill(1, start, end);
        last = start;
    }
    const left = unitsLeft(normalizer, text);
    for (let i = 0; i < text.length; i++) {
        assert.ok(
            covered[i] === 1 || left[i] === 0,
            `${what}: no token is of U+${text.charCodeAt(i).toString(16)} at ${i}`,
        );
    }
}

// biome-ignore format: what is short stands side by side
const TEXTS = {
    'empty': ['', '\u200b'],
    'spaces only': [
        ' ', '   ', '\t\n\r\n', '\u00a0\u2003\u3000', ' '.repeat(5000), '\u2028\u2029\u0085',
    ],
    'NUL': ['\0', 'a\0b', '\0'.repeat(300), ' \0 \0 a'],
    'a byte order mark': ['\ufeff', '\ufeffthe film', 'the\ufefffilm', '\ufeff \ufeff'],
    'halves of surrogate pairs': [
        '\ud800', '\udc00', 'a\ud83d', '\ude00a', '\ude00\ud83d', '\ud83d\ud83d\ude00\ude00',
        'a \ud800 b',
    ],
    'emoji of many parts': [
        '👩‍👩‍👧‍👦', '❤️ 👍🏽', '🇩🇪🇫🇷', '🏴󠁧󠁢󠁳󠁣󠁴󠁿 a', '👩‍👩‍👧‍👦'.repeat(200), '\u200d', '\ufe0f',
    ],
    '100,000 combining marks': [
        `e${'\u0301'.repeat(1e5)}`, `${'\u0323\u0301'.repeat(5e4)}a`, `か${'\u3099'.repeat(1e5)}`,
    ],
    'right to left': [
        'שָׁלוֹם עוֹלָם', 'مرحبا بالعالم', '\u202eabc\u202c אבג 123', 'الفِيلْمُ رَائِع!',
    ],
    'Chinese, Japanese and Korean': [
        '这部电影很好看。', '私は映画が好きです。', '영화가 정말 좋았어요', '𠮷野家', '豈更', '中文'.repeat(2000), 'ｶﾞｷﾞ',
    ],
    'only special tokens': [
        '[CLS]', '[SEP][SEP]', '[CLS] [SEP] [PAD]', '<s></s>', '<s> </s> <pad>',
        '[MASK]'.repeat(1000), '</s>'.repeat(1000),
    ],
    'literal [MASK] and </s>': [
        'a [MASK] film', 'a </s> film', 'a<mask>film', '[MASK', 'MASK]', '[mask]', '[ MASK ]',
        '< /s >', '</s', ' [MASK] ',
    ],
    'normalisation that changes the length': [
        'İ', 'ß ẞ', 'ﬁ ﬃ', 'ヿ ㍿', '½ ™ …', 'Ǆ ǅ', 'e\u0301 e\u0323\u0301', '\u0958',
        '가 \u1100\u1161', 'İ'.repeat(3000), 'ﷺ',
    ],
    'controls and what is not a character': [
        '\u0001\u0002', '\u007f\u0080\u009f', '\uffff\ufffe', '\u{10ffff}', '\ue000',
        '\u2066a\u2069', '\u00ad',
    ],
    'words without an end': [
        'x'.repeat(20000), '7'.repeat(20000), 'ü'.repeat(5000), '-'.repeat(5000), 'ab'.repeat(9000),
    ],
};

forEach('every odd text', (tokenizer, _, normalizer) => {
    const known = 'The film was good, 7/10.';
    const want = tokenizer.encode(known);
    for (const [what, texts] of Object.entries(TEXTS)) {
        for (const text of texts) {
            const named = `${what}, ${JSON.stringify(text.slice(0, 40))}`;
            checkEncoding(tokenizer, normalizer, text, named);
            assert.equal(typeof tokenizer.decode(tokenizer.encode(text).ids), 'string');
        }
        // Nothing of it stays behind.
        assert.deepEqual(tokenizer.encode(known).ids, want.ids, what);
        assert.deepEqual(tokenizer.encode(known).offsets, want.offsets, what);
    }
});

forEach('random texts keep all that the normalizer does', (tokenizer, _, normalizer) => {
    const random = randomFrom(20261);
    const parts = Object.values(TEXTS)
        .flat()
        .filter((text) => text.length < 60);
    for (let n = 0; n < 500; n++) {
        let text = '';
        for (let k = 1 + random.below(8); k > 0; k--) {
            text += random.pick(parts) + random.pick(['', ' ', 'the', 'Film', '7']);
        }
        checkEncoding(tokenizer, normalizer, text, JSON.stringify(text));
    }
});

forEach('a character of which several become, or another, has its own place', (tokenizer) => {
    for (const c of [
        'İ',
        'ß',
        'ẞ',
        'ﬁ',
        'ﬃ',
        'ヿ',
        '㍿',
        '½',
        'Ǆ',
        'ǅ',
        '™',
        '…',
        'ﷺ',
        '\u0958',
        '\u{1d15e}',
        '豈',
        'Å',
    ]) {
        const text = `a ${c} b`;
        const { offsets, length } = bare(tokenizer, text);
        const slices = Array.from({ length }, (_, i) =>
            text.slice(offsets[2 * i], offsets[2 * i + 1]).trim(),
        ).filter((slice) => slice !== '');
        assert.deepEqual([...new Set(slices)], ['a', c, 'b']);
    }
});

forEach(
    'special tokens that are written in a text are what the file says they are',
    (tokenizer, added) => {
        for (const token of ['[MASK]', '[CLS]', '<mask>', '</s>', '[SEP]', '[UNK]']) {
            const { ids, offsets, sequence } = bare(tokenizer, `a ${token}`);
            if (added.includes(token)) {
                assert.equal(ids.at(-1), tokenizer.tokenToId(token));
                assert.equal(tokenizer.idToToken(ids.at(-1)), token);
                assert.equal(`a ${token}`.slice(...offsets.slice(-2)).trim(), token);
            }
            assert.equal(offsets.at(-1), 2 + token.length);
            assert.ok(
                sequence.every((each) => each === 0),
                'it is of the text, whoever wrote it',
            );
        }
    },
);

/** Texts of exactly so many tokens. */
const exactly = (tokenizer, count) => {
    const text = Array(count).fill('a').join(' ');
    assert.equal(bare(tokenizer, text).length, count);
    return text;
};
const LIMIT = 512;

/** That the kept window and those that overflow, put together, are the whole. */
function checkNothingLost(encoding, sequence, direction, whole) {
    const windows = [encoding, ...encoding.overflow];
    const ids = windows.map((each) =>
        [...each.ids].filter((_, i) => each.sequence[i] === sequence),
    );
    const places = windows.map((each) =>
        [...each.offsets].filter((_, i) => each.sequence[i >> 1] === sequence).join(),
    );
    // Of a pair every window of one text comes with every one of the other.
    const different = ids.filter((_, k) => ids[k].length > 0 && places.indexOf(places[k]) === k);
    if (direction === 'left') different.reverse();
    assert.deepEqual(different.flat(), [...whole.ids]);
}

forEach('510, 511, 512 and 513 tokens, alone and in pairs', (tokenizer) => {
    const nSpecial = tokenizer.encode('').length;
    const nPairSpecial = tokenizer.encode('', { text_pair: '' }).length;
    for (const count of [LIMIT - 2, LIMIT - 1, LIMIT, LIMIT + 1]) {
        for (const special of [true, false]) {
            for (const direction of ['right', 'left']) {
                const options = {
                    add_special_tokens: special,
                    truncation: { max_length: LIMIT, direction },
                };
                const text = exactly(tokenizer, count);
                const whole = bare(tokenizer, text);
                const length = count + (special ? nSpecial : 0);
                const alone = tokenizer.encode(text, options);
                assert.equal(alone.length, Math.min(LIMIT, length));
                assert.equal(alone.overflow.length, length > LIMIT ? 1 : 0);
                checkNothingLost(alone, 0, direction, whole);
                const isEnd = (i) => alone.sequence[i] === -1;
                if (special && nSpecial === 2) assert.ok(isEnd(0) && isEnd(alone.length - 1));
                for (const second of [0, 1, 100, 256, count]) {
                    const pair = second === 0 ? '' : exactly(tokenizer, second);
                    const first = exactly(tokenizer, count - Math.min(second, count - 1));
                    const encoding = tokenizer.encode(first, { ...options, text_pair: pair });
                    const all =
                        count - Math.min(second, count - 1) + second + (special ? nPairSpecial : 0);
                    assert.equal(
                        encoding.length,
                        Math.min(LIMIT, all),
                        `${count} tokens, ${second} of the second text`,
                    );
                    checkNothingLost(encoding, 0, direction, bare(tokenizer, first));
                    checkNothingLost(encoding, 1, direction, bare(tokenizer, pair));
                }
            }
        }
    }
});

forEach('a pair with one side over the limit, cut where it may be', (tokenizer) => {
    const long = exactly(tokenizer, 2000);
    const of = (encoding, sequence) => encoding.sequence.filter((each) => each === sequence).length;
    const cut = (text, text_pair, strategy) =>
        tokenizer.encode(text, { text_pair, truncation: { max_length: LIMIT, strategy } });
    assert.equal(of(cut(long, 'a', 'longest_first'), 1), 1);
    assert.equal(of(cut('a', long, 'longest_first'), 0), 1);
    assert.equal(of(cut(long, '', 'only_first'), 1), 0);
    assert.equal(of(cut('', long, 'only_second'), 0), 0);
    assert.equal(cut(long, long, 'longest_first').length, LIMIT);
    for (const [text, pair, strategy] of [
        ['a', long, 'only_first'],
        [long, 'a', 'only_second'],
        ['', long, 'only_first'],
    ]) {
        assert.throws(() => cut(text, pair, strategy), {
            code: 'BAD_INPUT',
            message: /over truncation\.max_length, but the (first|second) text/,
        });
    }
    assert.equal(cut('a', 'a', 'only_first').overflow.length, 0);
});

forEach('arrays: empty, with empty members, and 100,000 texts', (tokenizer) => {
    assert.deepEqual(tokenizer.encodeBatch([]), []);
    const mixed = ['', 'a', ['', ''], ['a', ''], ['', 'a'], ' ', 'the film'];
    const alone = mixed.map((each) =>
        Array.isArray(each)
            ? tokenizer.encode(each[0], { text_pair: each[1] })
            : tokenizer.encode(each),
    );
    tokenizer.encodeBatch(mixed).forEach((each, i) => {
        assert.deepEqual(each.ids, alone[i].ids);
        assert.deepEqual(each.offsets, alone[i].offsets);
        assert.deepEqual(each.sequence, alone[i].sequence);
    });
    const many = tokenizer.encodeBatch(
        Array.from({ length: 1e5 }, (_, i) => mixed[i % mixed.length]),
    );
    assert.equal(many.length, 1e5);
    for (const i of [0, 1, 49999, 99999]) {
        assert.deepEqual(many[i].ids, alone[i % mixed.length].ids);
    }
});

forEach('what is not a string is refused, saying which', (tokenizer) => {
    for (const wrong of [
        42,
        null,
        undefined,
        {},
        [],
        ['a'],
        ['a', 'b', 'c'],
        true,
        7n,
        Symbol('a'),
        () => 'a',
        new String('a'),
        Buffer.from('a'),
        NaN,
    ]) {
        assert.throws(() => tokenizer.encode(wrong), {
            code: 'BAD_INPUT',
            message: /^text must be a string, not/,
        });
        assert.throws(() => tokenizer.encodeBatch(['a', wrong]), {
            code: 'BAD_INPUT',
            index: 1,
            message: /^text 1: (text|a pair) must be /,
        });
        // null is no second text, as in encode.
        if (wrong !== null) {
            assert.throws(() => tokenizer.encodeBatch([['a', wrong]]), {
                code: 'BAD_INPUT',
                index: 0,
                message: /^text 0: text_pair must be a string/,
            });
        }
        if (!Array.isArray(wrong)) {
            assert.throws(() => tokenizer.encodeBatch(wrong), {
                code: 'BAD_INPUT',
                message: /^texts must be an array/,
            });
        }
        if (wrong !== null && wrong !== undefined) {
            assert.throws(() => tokenizer.encode('a', { text_pair: wrong }), {
                code: 'BAD_INPUT',
                message: /^text_pair must be/,
            });
        }
        assert.throws(() => tokenizer.tokenToId(wrong), { code: 'BAD_INPUT' });
        if (!Number.isInteger(wrong)) {
            assert.throws(() => tokenizer.decode([0, wrong]), {
                code: 'BAD_INPUT',
                message: /^ids\[1\] must be an integer/,
            });
        }
    }
    for (const id of [-1, 2 ** 32, 1e9]) assert.equal(tokenizer.idToToken(id), null);
    assert.ok(bare(tokenizer, 'a').length > 0);
});

const UNITS = [
    'hello, world! ',
    'x',
    '7',
    'ü',
    '中文',
    'abracadabra',
    '\u0301',
    '👍',
    '▁',
    ' ',
    '\n ',
    '\r\n',
    "'",
    '-',
    '\u200d',
    'क्',
    '\u1100\u1161',
    '\u0600',
    'ß',
    '\ud800',
    '\0',
    '\ufeff',
    '[MASK]',
    '</s>',
    'e\u0301',
    'ヿ',
];

forEach('ten times the text takes about ten times as long', (tokenizer) => {
    const time = (text) => {
        const start = performance.now();
        tokenizer.encode(text);
        return performance.now() - start;
    };
    for (const unit of UNITS) {
        const short = unit.repeat(3000);
        const long = unit.repeat(30000);
        time(short);
        // The least of several: another process may take the processor from any one of them.
        let [least_short, least_long] = [Infinity, Infinity];
        let ratio = Infinity;
        for (let round = 0; round < 8 && ratio >= 60; round++) {
            least_short = Math.min(least_short, time(short));
            least_long = Math.min(least_long, time(long));
            ratio = least_long / Math.max(1, least_short);
        }
        assert.ok(
            ratio < 60,
            `${JSON.stringify(unit)}: ten times the text takes ${ratio.toFixed(0)} times as long`,
        );
    }
});

/**
 * What a process may take at the most for ten megabytes of text, of which Node itself takes 60; 650
 * is the most that was seen.
 */
const MOST_MB = 1300;

/** Ten with LARGE=1. */
const N_MEGABYTES = process.env.LARGE ? 10 : 3;

for (const { name, url } of FIXTURES) {
    test(`${name}: ${N_MEGABYTES} MB of text, in a word, of emoji, digits and Chinese`, (t) => {
        if (url === null) {
            t.skip(`NOT TESTED: ../shared/fixtures/tokenizers/${name} is not here`);
            return;
        }
        const module = new URL('../../js/tokenizer/index.js', import.meta.url).href;
        const seen = [];
        for (const unit of ['hello, world! ', 'x', '😀', '7', '中']) {
            const count = Math.ceil((N_MEGABYTES * 1e6) / Buffer.byteLength(unit));
            const { ms, tenth_ms, then, end, most } = measure(
                module,
                'encode',
                fileURLToPath(url),
                unit,
                String(count),
            );
            const length = unit.length * count;
            assert.ok(
                end === length || end === length - (unit.length - unit.trimEnd().length),
                `the last token ends at ${end}`,
            );
            assert.ok(
                ms < 60 * Math.max(tenth_ms, 20),
                `${unit}: ten times the text takes ${(ms / tenth_ms).toFixed(0)} times as long`,
            );
            assert.ok(
                then < Math.max(ms / 2, 50),
                `${unit}: a short text takes ${then.toFixed(0)} ms after it`,
            );
            assert.ok(most < MOST_MB, `${unit}: ${most.toFixed(0)} MB`);
            seen.push(`${unit.trim()} ${ms.toFixed(0)} ms, ${most.toFixed(0)} MB`);
        }
        t.diagnostic(seen.join('; '));
    });
}

/** The file of a kind with something changed in it. */
function changed(kind, change) {
    const file = structuredClone(SMALL[kind]);
    change(file);
    return file;
}

/**
 * @param {string | object} file  its text, or what it says
 * @param {RegExp} message
 * @param {string} [what]
 */
function refused(file, message, what) {
    const start = performance.now();
    assert.throws(
        () => Tokenizer.fromJSON(typeof file === 'string' ? file : JSON.stringify(file)),
        (/** @type {any} */ error) => {
            assert.equal(error.code, 'BAD_TOKENIZER', error.stack);
            assert.match(error.message, message, what);
            return true;
        },
        what,
    );
    assert.ok(performance.now() - start < 5000, `${what}: it takes long to be refused`);
}

for (const kind of KINDS) {
    const text = JSON.stringify(SMALL[kind]);

    test(`${kind}: malformed JSON, cut off anywhere or with another byte`, () => {
        assert.ok(Tokenizer.fromJSON(text).encode('a b').length > 0);
        const bytes = new TextEncoder().encode(text);
        for (let length = 0; length < bytes.length; length++) {
            assert.throws(
                () => Tokenizer.fromJSON(bytes.subarray(0, length)),
                { code: 'BAD_TOKENIZER' },
                `cut at ${length}`,
            );
        }
        const random = randomFrom(20262);
        for (let n = 0; n < 3000; n++) {
            const other = bytes.slice();
            for (let k = 1 + random.below(3); k > 0; k--) {
                other[random.below(other.length)] = random.chance(0.5)
                    ? random.below(256)
                    : random.pick([...bytes]);
            }
            try {
                Tokenizer.fromJSON(other).encode('ab aé中 [UNK]');
            } catch (error) {
                assert.match(
                    String(error.code),
                    /^BAD_(TOKENIZER|INPUT)$/,
                    `${new TextDecoder().decode(other)}\n${error.stack}`,
                );
            }
        }
    });

    test(`${kind}: a stage of a kind that is not known is refused by name`, () => {
        const other = { type: 'CutAtWill' };
        const known = (type) => new RegExp(`'${type}' is not supported; known are`);
        for (const type of ['CutAtWill', 'constructor', '__proto__', 'toString', '']) {
            refused(
                changed(kind, ({ model }) => {
                    model.type = type;
                }),
                known(type),
                type,
            );
        }
        for (const [stage, list, types] of /** @type {[string, string, string[]][]} */ ([
            ['normalizer', 'normalizers', ['Sequence', 'CutAtWill', 'hasOwnProperty']],
            ['pre_tokenizer', 'pretokenizers', ['Sequence', 'FixedLength', 'CharDelimiterSplit']],
            ['post_processor', 'processors', ['Sequence', 'CutAtWill']],
            ['decoder', 'decoders', ['Sequence', 'CTC']],
        ])) {
            for (const type of types.slice(1)) {
                refused(
                    changed(kind, (file) => {
                        file[stage] = { type };
                    }),
                    known(type),
                    `${stage} ${type}`,
                );
            }
            refused(
                changed(kind, (file) => {
                    file[stage] = {
                        type: 'Sequence',
                        [list]: [{ type: 'Sequence', [list]: [other] }],
                    };
                }),
                known('CutAtWill'),
                `${stage} in sequences`,
            );
            for (const wrong of [7, 'NFC', [], {}, { type: 7 }, { type: null }]) {
                refused(
                    changed(kind, (file) => {
                        file[stage] = wrong;
                    }),
                    /must be (an object|a string)/,
                    `${stage} ${JSON.stringify(wrong)}`,
                );
            }
            /** @type {object} */
            let nested = { type: 'Sequence', [list]: [] };
            for (let depth = 0; depth < 2000; depth++) {
                nested = { type: 'Sequence', [list]: [nested] };
            }
            refused(
                changed(kind, (file) => {
                    file[stage] = nested;
                }),
                /must be within at most \d+ sequences/,
                `${stage}, nested`,
            );
        }
        refused(
            changed(kind, (file) => {
                file.version = '2.0';
            }),
            /version must be "1.0", not string "2.0"/,
        );
    });

    test(`${kind}: regular expressions that might never end are refused by name`, () => {
        for (const Regex of [
            '(a+)+$',
            '(a|a)*b',
            '(.*)*x',
            '((a*)*)*',
            '^(([a-z])+.)+[A-Z]([a-z])+$',
            '(\\s|\\S)+?$',
            '(?=(a+))\\1b',
            'a{1,65535}{1,65535}',
        ]) {
            const named = (error) =>
                error.code === 'BAD_TOKENIZER' &&
                error.message.includes(
                    `the regular expression ${JSON.stringify(Regex)} is not supported`,
                );
            for (const [stage, config] of /** @type {[string, object][]} */ ([
                [
                    'pre_tokenizer',
                    { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false },
                ],
                ['normalizer', { type: 'Replace', pattern: { Regex }, content: '' }],
                ['decoder', { type: 'Replace', pattern: { Regex }, content: '' }],
            ])) {
                assert.throws(
                    () =>
                        Tokenizer.fromJSON(
                            JSON.stringify(
                                changed(kind, (file) => {
                                    file[stage] = config;
                                }),
                            ),
                        ),
                    named,
                    `${stage} ${Regex}`,
                );
            }
        }
    });

    test(`${kind}: pieces that are there twice, or are none`, () => {
        const { vocab } = SMALL[kind].model;
        const written = (more) =>
            text.replace(JSON.stringify(vocab), () => JSON.stringify(vocab).slice(0, -1) + more);
        if (Array.isArray(vocab)) {
            refused(written(',["a",-1]]'), /the piece "a" occurs twice/);
            refused(written(',["\\u0061",-1]]'), /the piece "a" occurs twice/);
            refused(written(',["\\ud800",-1]]'), /half a surrogate pair/);
            for (const [score, message] of Object.entries({
                NaN: /not valid JSON/,
                '"NaN"': /the score of "c" must be a number, not "NaN"/,
                null: /the score of "c" must be a number, not null/,
                '1e999': /the score of "c" must be a number, not Infinity/,
            })) {
                refused(written(`,["c",${score}]]`), message, score);
            }
        } else {
            refused(written(',"a":99}'), /the key "a" occurs twice/);
            refused(written(',"\\u0061":99}'), /the key "(\\u0061|a)" occurs twice/);
            refused(written(',"c":1}'), /"c" and "a" have the same id 1/);
            refused(written(',"\\ud800":99}'), /half a surrogate pair/);
            for (const id of ['-1', '1.5', '"7"', 'null', '[]']) {
                refused(written(`,"c":${id}}`), /the id of "c" must be an integer/, id);
            }
            refused(written(',"c":4000000000}'), /far beyond/);
        }
        for (const wrong of [null, 7, 'a', true]) {
            refused(
                changed(kind, ({ model }) => {
                    model.vocab = wrong;
                }),
                /vocab must be (an object|a list)/,
            );
        }
    });
}

/**
 * What else may be wrong: [kind, what, change, message].
 * @type {[string, string, (file: any) => void, RegExp][]}
 */
const WRONG = [
    [
        'WordPiece',
        'unk_token that is no piece',
        (file) => {
            file.model.unk_token = '<unk>';
        },
        /unk_token "<unk>" is not in the vocabulary/,
    ],
    [
        'WordPiece',
        'unk_token missing',
        (file) => {
            delete file.model.unk_token;
        },
        /unk_token must be a string/,
    ],
    [
        'WordPiece',
        'a limit that is none',
        (file) => {
            file.model.max_input_chars_per_word = -1;
        },
        /max_input_chars_per_word must be an integer/,
    ],
    [
        'WordLevel',
        'unk_token missing',
        (file) => {
            delete file.model.unk_token;
        },
        /unk_token must be a string/,
    ],
    [
        'Unigram',
        'unk_id beyond the pieces',
        (file) => {
            file.model.unk_id = 5;
        },
        /unk_id must be below 5, the number of pieces, not 5/,
    ],
    [
        'Unigram',
        'unk_id that is no id',
        (file) => {
            file.model.unk_id = -1;
        },
        /unk_id must be an integer/,
    ],
    [
        'Unigram',
        'a charsmap that is none',
        (file) => {
            file.normalizer = { type: 'Precompiled', precompiled_charsmap: 'AAAA' };
        },
        /is cut off/,
    ],
    [
        'BPE',
        'a merge with an unknown token first',
        (file) => {
            file.model.merges.push('q a');
        },
        /merge 2: "q" is not in the vocabulary/,
    ],
    [
        'BPE',
        'a merge with an unknown token second',
        (file) => {
            file.model.merges.push('Ġ qqq');
        },
        /merge 2: "qqq" is not in the vocabulary/,
    ],
    [
        'BPE',
        'a merge into an unknown token',
        (file) => {
            file.model.merges = ['b a'];
        },
        /merge 0: "ba" is not in the vocabulary/,
    ],
    [
        'BPE',
        'a merge of one',
        (file) => {
            file.model.merges = ['a'];
        },
        /merge 0: must be two pieces/,
    ],
    [
        'BPE',
        'a merge of three',
        (file) => {
            file.model.merges = ['a b b'];
        },
        /merge 0: must be two pieces/,
    ],
    [
        'BPE',
        'a list of three',
        (file) => {
            file.model.merges = [['a', 'b', 'b']];
        },
        /merge 0: must be two pieces/,
    ],
    [
        'BPE',
        'merges written in two ways',
        (file) => {
            file.model.merges = [['a', 'b'], 'Ġ ab'];
        },
        /merge 1: must be two pieces/,
    ],
    [
        'BPE',
        'merges written in two ways, the other first',
        (file) => {
            file.model.merges = ['a b', ['Ġ', 'ab']];
        },
        /merge 1: must be two pieces/,
    ],
    [
        'BPE',
        'numbers for merges',
        (file) => {
            file.model.merges = [1];
        },
        /merge 0: must be two pieces/,
    ],
    [
        'BPE',
        'a merge with a number',
        (file) => {
            file.model.merges = [[1, 'a']];
        },
        /merge 0: must be two pieces/,
    ],
    [
        'BPE',
        'no merges',
        (file) => {
            file.model.merges = null;
        },
        /merges must be a list/,
    ],
    [
        'BPE',
        'dropout',
        (file) => {
            file.model.dropout = 0.1;
        },
        /model 'BPE': dropout/,
    ],
    [
        'BPE',
        'a prefix that pieces do not have',
        (file) => {
            file.model.continuing_subword_prefix = '##';
        },
        /does not begin with "##"/,
    ],
    [
        'BPE',
        'unk_token that is a number',
        (file) => {
            file.model.unk_token = 7;
        },
        /unk_token/,
    ],
    [
        'BPE',
        'a pattern of no text',
        (file) => {
            file.pre_tokenizer = {
                type: 'Split',
                pattern: { String: '' },
                behavior: 'Removed',
                invert: false,
            };
        },
        /pattern/,
    ],
    [
        'BPE',
        'no pattern',
        (file) => {
            file.pre_tokenizer = { type: 'Split', pattern: {}, behavior: 'Removed', invert: false };
        },
        /pattern/,
    ],
    [
        'BPE',
        'an empty regular expression',
        (file) => {
            file.pre_tokenizer = {
                type: 'Split',
                pattern: { Regex: '' },
                behavior: 'Removed',
                invert: false,
            };
        },
        /regular expression ""/,
    ],
    [
        'BPE',
        'one named as what every object has',
        (file) => {
            file.pre_tokenizer = {
                type: 'Split',
                pattern: { Regex: 'toString' },
                behavior: 'Removed',
                invert: false,
            };
        },
        /regular expression "toString"/,
    ],
    [
        'BPE',
        'an unknown behavior',
        (file) => {
            file.pre_tokenizer = {
                type: 'Split',
                pattern: { String: ' ' },
                behavior: 'Sometimes',
                invert: false,
            };
        },
        /behavior/,
    ],
    [
        'BPE',
        'a suffix of nothing',
        (file) => {
            file.decoder = { type: 'BPEDecoder', suffix: '' };
        },
        /suffix/,
    ],
    [
        'WordPiece',
        'a template of a token that it does not define',
        (file) => {
            file.post_processor = {
                type: 'TemplateProcessing',
                single: [
                    { SpecialToken: { id: '[CLS]', type_id: 0 } },
                    { Sequence: { id: 'A', type_id: 0 } },
                ],
                pair: [],
                special_tokens: {},
            };
        },
        /\[CLS\]/,
    ],
];
for (const [kind, what, change, message] of WRONG) {
    test(`${kind}: ${what} is refused`, () => refused(changed(kind, change), message, what));
}

test('templates in a sequence that make more parts than a template takes are refused', () => {
    const special = { SpecialToken: { id: 's', type_id: 0 } };
    const text = { Sequence: { id: 'A', type_id: 0 } };
    const template = {
        type: 'TemplateProcessing',
        single: [special, text, special, text],
        pair: [text, { Sequence: { id: 'B', type_id: 0 } }],
        special_tokens: { s: { id: 's', ids: [1], tokens: ['a'] } },
    };
    refused(
        changed('BPE', (file) => {
            file.post_processor = {
                type: 'Sequence',
                processors: [BYTE_LEVEL, template, template],
            };
        }),
        /parts/,
    );
});
