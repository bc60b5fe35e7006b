/**
 * Reading tokenizer.json straight from its bytes (reader.js) against reading it through JSON.parse
 * (file.js): the same tokenizers, the same refusals.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { readFile } from '../../js/tokenizer/file.js';
import { Tokenizer } from '../../js/tokenizer/index.js';
import { makeModel } from '../../js/tokenizer/models/index.js';
import { Merges } from '../../js/tokenizer/models/merges.js';
import { readTokenizer } from '../../js/tokenizer/reader.js';
import { Vocabulary } from '../../js/tokenizer/vocabulary.js';
import { randomFrom } from './tokenizer_texts.js';

const golden = (name) =>
    readFileSync(new URL(`../golden/tokenizers/${name}/tokenizer.json`, import.meta.url));
const bytesOf = (text) => new TextEncoder().encode(text);

/** A small tokenizer.json around the text of a vocabulary. */
const fileWith = (vocab, more = '') => `{"version": "1.0", "added_tokens": [], ${more}
    "normalizer": null, "pre_tokenizer": {"type": "BertPreTokenizer"}, "decoder": null,
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100, "vocab": ${vocab}}}`;
const SMALL =
    '{"[UNK]": 0, "a": 1, "##b": 2, "b": 3, "\\u00e9\\n": 4, "\u4e2d": 5, "\u{1f600}": 6}';

const isDirect = (file) => readTokenizer(file).object('model').vocab instanceof Vocabulary;

/**
 * What a file is read as: all pieces and the tokens of some texts, or the error.
 * @returns {any}
 */
function outcome(read) {
    try {
        const file = read();
        const tokenizer = new Tokenizer(file);
        const { vocabulary } = makeModel(file.object('model'));
        const pieces = [];
        for (let id = 0; pieces.length < vocabulary.size; id++) {
            const piece = vocabulary.piece(id);
            if (piece === null) continue;
            assert.equal(vocabulary.id(piece), id);
            pieces.push([id, piece]);
        }
        return {
            pieces,
            ids: ['ab', 'bb a', '\u4e2da \u{1f600}b'].map((text) => [
                ...tokenizer.encode(text).ids,
            ]),
        };
    } catch (error) {
        if (error.code === undefined || error instanceof assert.AssertionError) throw error;
        return { code: error.code, message: error.message };
    }
}
const directly = (file) => outcome(() => readTokenizer(file));
const plainly = (file) => outcome(() => readFile(file));

for (const name of ['bert-uncased', 'bert-cased', 'bert-chinese', 'deberta-bpe']) {
    test(`${name} is read directly, as bytes and as text, and is the same`, () => {
        const bytes = golden(name);
        const text = bytes.toString();
        const buffer = Uint8Array.from(bytes).buffer;
        for (const file of [bytes, text, buffer]) assert.ok(isDirect(file));
        const want = plainly(text);
        assert.ok(want.pieces.length > 5000);
        for (const file of [bytes, text, buffer, JSON.stringify(JSON.parse(text))]) {
            assert.deepEqual(directly(file), want);
        }
    });
}

test('pieces of any characters, written in any way, with space anywhere', () => {
    const random = randomFrom(20260);
    const pick = (...list) => random.pick(list);
    const space = () => (random.chance(0.7) ? '' : pick(' ', '\n', '\t', '\r\n', '  \n\t '));
    const hex = (unit) => {
        const digits = unit.toString(16).padStart(4, '0');
        return `\\u${random.chance(0.5) ? digits : digits.toUpperCase()}`;
    };
    const short = {
        '"': '\\"',
        '\\': '\\\\',
        '/': '\\/',
        '\b': '\\b',
        '\f': '\\f',
        '\n': '\\n',
        '\r': '\\r',
        '\t': '\\t',
    };
    const character = () =>
        String.fromCodePoint(
            pick(
                () => random.below(0x20),
                () => 0x20 + random.below(0x60),
                () => 0x22 + random.below(2),
                () => 0x80 + random.below(0x780),
                () => 0x800 + random.below(0xd000),
                () => 0xe000 + random.below(0x2000),
                () => 0x10000 + random.below(0x100000),
                () =>
                    pick(
                        0x7f,
                        0x80,
                        0x7ff,
                        0x800,
                        0xd7ff,
                        0xe000,
                        0xfffd,
                        0xffff,
                        0x10000,
                        0x10ffff,
                    ),
                () => Object.keys(short)[random.below(8)].charCodeAt(0),
            )(),
        );
    const write = (c) => {
        const isPlain = c >= ' ' && c !== '"' && c !== '\\';
        if (isPlain && random.chance(0.6)) return c;
        if (Object.hasOwn(short, c) && random.chance(0.5)) return short[c];
        return [...Array(c.length).keys()].map((i) => hex(c.charCodeAt(i))).join('');
    };
    for (let round = 0; round < 300; round++) {
        const pieces = new Set([
            '[UNK]',
            ...(random.chance(0.2) ? ['', '__proto__', '7', '10'] : []),
        ]);
        const count = random.below(60);
        for (let n = 0; n < count; n++) {
            const length = random.chance(0.02) ? 300 : 1 + random.below(4);
            let piece = random.chance(0.3) ? '##' : '';
            for (let i = 0; i < length; i++) piece += character();
            pieces.add(piece);
        }
        const list = [...pieces];
        // In order, in another order, or with gaps.
        const [step, first] = pick([1, 0], [1, 0], [list.length - 1, 0], [2, 3]);
        const isShuffled = step === list.length - 1;
        const id = (i) => (isShuffled ? list.length - 1 - i : first + step * i);
        const members = list.map(
            (piece, i) =>
                `${space()}"${[...piece].map(write).join('')}"${space()}:${space()}${id(i)}${space()}`,
        );
        const file = `${space()}${fileWith(`${space()}{${members.join(',')}}${space()}`)}${space()}`;
        assert.ok(isDirect(bytesOf(file)), file);
        const got = directly(bytesOf(file));
        assert.deepEqual(got, plainly(file), file);
        assert.deepEqual(
            new Map(got.pieces),
            new Map(
                list
                    .map((piece, i) => /** @type {const} */ ([id(i), piece]))
                    .sort((a, b) => a[0] - b[0]),
            ),
        );
    }
});

test('other things called vocab and model are not mistaken for it', () => {
    const want = directly(fileWith(SMALL));
    const other = '{"vocab": {"x": 0, "y": {"model": {"vocab": {"z": 1}}}}}';
    const files = [
        fileWith(SMALL, `"post_processor": null, "vocab": {"x": 0}, "other": ${other},`),
        fileWith(
            SMALL,
            '"say": "\\"model\\": {\\"vocab\\": {\\"x\\": 0", "\\"model": {"vocab": {"x": ' +
                '0}}, "a\\\\": "model",',
        ),
        fileWith(
            SMALL,
            `"list": ["model", {"model": {"vocab": {"x": 0}}}, "vocab", ${other}], "text": ` +
                '"model", "vocab ": "vocab",',
        ),
        fileWith(`${SMALL}, "after": {"vocab": {"x": 0}}, "list": [{"vocab": {"x": 0}}]`),
        fileWith(SMALL).replace(
            '"type": "WordPiece"',
            '"before": {"vocab": {"x": 0}}, "lists": [[{"vocab": {}}], "vocab"], "type": ' +
                '"WordPiece"',
        ),
        // Keys at the root first, behind the model, and the vocabulary first in it.
        fileWith(SMALL)
            .replace(/"vocab": \{[^}]*\}/, '"vocab_size": 7')
            .replace('"type": "WordPiece"', `"vocab": ${SMALL}, "type": "WordPiece"`),
        `{${fileWith(SMALL).slice(fileWith(SMALL).indexOf('"model"'), -1)}, ` +
            '"pre_tokenizer": {"type": "BertPreTokenizer"}, "vocab": {"x": 1}}',
    ];
    for (const file of files) {
        JSON.parse(file);
        assert.ok(isDirect(file), file);
        assert.deepEqual(directly(file), want, file);
        assert.deepEqual(plainly(file), want, file);
    }
});

test('what is unusual but right is read through JSON.parse', () => {
    const want = directly(fileWith(SMALL));
    for (const file of [
        fileWith(SMALL.replace(': 1,', ': 1.0,')),
        fileWith(SMALL.replace(': 1,', ': 10e-1,')),
        fileWith(SMALL.replace(': 0', ': -0')),
        fileWith(SMALL).replace('"model"', '"m\\u006fdel"'),
        fileWith(SMALL).replace('"vocab"', '"\\u0076ocab"'),
    ]) {
        assert.ok(!isDirect(file), file);
        assert.deepEqual(directly(file), want, file);
    }
});

test('a byte order mark is skipped in bytes, and is no JSON in text, as ever', () => {
    const file = `\ufeff${fileWith(SMALL)}`;
    assert.deepEqual(directly(bytesOf(file)), directly(fileWith(SMALL)));
    assert.match(directly(file).message, /not valid JSON/);
});

test('what is wrong is refused in the same words, read either way', () => {
    const refused = (file, message) => {
        const got = directly(file);
        assert.equal(got.code, 'BAD_TOKENIZER', String(file));
        assert.match(got.message, message);
        assert.deepEqual(got, plainly(file));
        if (typeof file === 'string') {
            assert.deepEqual(directly(bytesOf(file)), plainly(bytesOf(file)));
        }
    };
    const vocab = (members, message) => refused(fileWith(`{"[UNK]": 0, ${members}}`), message);
    vocab('"ab": 1, "c": 2, "ab": 3', /the key "ab" occurs twice/);
    vocab('"ab": 1, "c": 2, "\\u0061b": 3', /the key "\\u0061b" occurs twice/);
    vocab('"[UNK]": 1', /the key "\[UNK\]" occurs twice/);
    vocab('"x\\ud83d": 1', /half a surrogate pair/);
    vocab('"\\ude00x": 1', /half a surrogate pair/);
    vocab('"\\ud83d\\ud83d\\ude00": 1', /half a surrogate pair/);
    vocab('"\\ud83d\\u0041": 1', /half a surrogate pair/);
    vocab('"\ud83d": 1', /half a surrogate pair|\ufffd/);
    vocab('"a": 70000', /the id of "a", 70000, is far beyond the 2 pieces/);
    vocab('"a": 65540', /far beyond/);
    vocab('"a": 99999999999', /far beyond/);
    vocab('"a": 7, "b": 2, "c": 7', /"c" and "a" have the same id 7/);
    vocab('"a": 0', /"a" and "\[UNK\]" have the same id 0/);
    vocab('"a": -1', /must be an integer, not -1/);
    vocab('"a": 1.5', /must be an integer, not 1.5/);
    vocab('"a": "1"', /must be an integer, not "1"/);
    vocab('"a": null', /must be an integer, not null/);
    vocab('"a": {"b": 1}', /must be an integer/);
    vocab('"a": 01', /not valid JSON/);
    vocab('"a": ', /not valid JSON/);
    vocab('"a" 1', /not valid JSON/);
    vocab('"a": 1,', /not valid JSON/);
    vocab('"a": 1;', /not valid JSON/);
    vocab('"a\\x": 1', /not valid JSON/);
    vocab('"a\\u00g0": 1', /not valid JSON/);
    vocab('"a\n": 1', /not valid JSON/);
    vocab('"a\u0001": 1', /not valid JSON/);
    vocab('\u0001"a": 1', /not valid JSON/);
    vocab('"a":\u00a01', /not valid JSON/);
    refused(fileWith('{,}'), /not valid JSON/);
    refused(fileWith('{}'), /unk_token "\[UNK\]" is not in the vocabulary/);
    refused(fileWith('{"a": 1}'), /unk_token/);
    refused(fileWith('[["[UNK]", 0]]'), /vocab must be an object/);
    refused(fileWith('null'), /vocab must be an object/);
    refused(fileWith('7'), /vocab must be an object/);
    refused(
        fileWith(SMALL).replace('"vocab"', '"vocabulary"'),
        /vocab must be an object, but is missing/,
    );
    refused(
        fileWith(SMALL).replace('"model"', '"models"'),
        /model must be an object, but is missing/,
    );
    refused(fileWith(SMALL).replace('"WordPiece"', '"Guess"'), /model 'Guess' is not supported/);
    refused(fileWith(SMALL, '"version": "1.0",'), /the key "version" occurs twice/);
    refused(fileWith(SMALL, '"model": {},'), /the key "model" occurs twice/);
    refused(fileWith(SMALL, `"model": {"vocab": ${SMALL}},`), /the key "model" occurs twice/);
    refused(fileWith(SMALL, `"m\\u006fdel": {"vocab": ${SMALL}},`), /the key "model" occurs twice/);
    refused(fileWith(`${SMALL}, "vocab": ${SMALL}`), /the key "vocab" occurs twice/);
    refused(fileWith(`${SMALL}, "\\u0076ocab": {}`), /ocab" occurs twice/);
    refused(fileWith(`${SMALL}, "type": "WordPiece"`), /the key "type" occurs twice/);
    refused(
        fileWith(SMALL, '"other": {"a": {"b": 1, "c": 2, "b": 3}},'),
        /the key "b" occurs twice/,
    );
    refused(`${fileWith(SMALL)} x`, /not valid JSON/);
    refused(`[${fileWith(SMALL)}]`, /must be an object/);
    refused(fileWith(SMALL).slice(0, -1), /not valid JSON/);
    refused(fileWith(SMALL).replace('null', 'nul'), /not valid JSON/);
    refused('', /not valid JSON/);
    for (const wrong of [null, undefined, 7, [], {}]) {
        assert.equal(directly(wrong).code, 'BAD_INPUT');
    }
});

test('bytes that are not UTF-8 are refused, in a piece and elsewhere', () => {
    const file = fileWith('{"[UNK]": 0, "@@@@": 1}', '"other": "@@@@",');
    const wrong = [
        [0x80],
        [0xbf],
        [0xc0, 0x80],
        [0xc1, 0xbf],
        [0xc3],
        [0xc3, 0x28],
        [0xe0, 0x80, 0x80],
        [0xe0, 0x9f, 0xbf],
        [0xe4, 0xb8],
        [0xe4, 0xb8, 0x28],
        [0xed, 0xa0, 0x80],
        [0xed, 0xbf, 0xbf],
        [0xf0, 0x80, 0x80, 0x80],
        [0xf0, 0x8f, 0xbf, 0xbf],
        [0xf0, 0x9f, 0x98],
        [0xf4, 0x90, 0x80, 0x80],
        [0xf5, 0x80, 0x80, 0x80],
        [0xff],
    ];
    for (const at of [file.indexOf('@'), file.lastIndexOf('@') - 3]) {
        for (const each of wrong) {
            const bytes = bytesOf(file);
            bytes.set(each, at);
            assert.match(directly(bytes).message, /not UTF-8/, each.join());
        }
        const bytes = bytesOf(file);
        bytes.set([0xf4, 0x8f, 0xbf, 0xbf], at);
        assert.ok(isDirect(bytes));
    }
});

test('cut off anywhere, or with any byte another, it is the same read either way', () => {
    const file = bytesOf(fileWith(SMALL, '"other": {"\\u0041\\\\\\"": [1, "x"]},'));
    let nRead = 0;
    const check = (bytes, what) => {
        const got = directly(bytes);
        assert.deepEqual(got, plainly(bytes), what);
        if (got.code === undefined) nRead++;
    };
    for (let length = 0; length < file.length; length++) {
        check(file.subarray(0, length), `cut at ${length}`);
    }
    assert.equal(nRead, 0);
    for (let at = 0; at < file.length; at++) {
        for (const byte of [
            0, 0x09, 0x20, 0x22, 0x2c, 0x2d, 0x2e, 0x30, 0x31, 0x37, 0x3a, 0x5b, 0x5c, 0x5d, 0x61,
            0x65, 0x75, 0x7b, 0x7d, 0x80, 0xc3, 0xed, 0xff,
        ]) {
            const bytes = file.slice();
            bytes[at] = byte;
            check(bytes, `${byte} at ${at}`);
        }
    }
    assert.ok(nRead > 500, `${nRead}`);
});

test('reading a large vocabulary takes time in proportion to it', () => {
    const make = (count) => {
        const words = Array.from({ length: count }, (_, i) => `, "word${i}": ${i + 1}`);
        return bytesOf(fileWith(`{"[UNK]": 0${words.join('')}}`));
    };
    const time = (file) => {
        assert.ok(isDirect(file));
        const start = performance.now();
        Tokenizer.fromJSON(file);
        return performance.now() - start;
    };
    const short = make(20000);
    const long = make(200000);
    time(short);
    const ratio =
        Math.min(time(long), time(long)) / Math.max(1, Math.min(time(short), time(short)));
    assert.ok(ratio < 60, `ten times the pieces take ${ratio.toFixed(0)} times as long`);
});

/** A small BPE around the text of its merges. */
const bpeWith = (merges, more = '') => `{"version": "1.0", "added_tokens": [], "normalizer": null,
    "pre_tokenizer": null, "decoder": null, "post_processor": null, "model": {"type": "BPE",
    "vocab": {"a": 0, "b": 1, "ab": 2, "\\u00e9": 3, "ab\u00e9": 4, " ": 5, " a": 6, "\\"": 7,
        "a\\"": 8, "#": 9, "##b": 10, "bb": 11}${more}
    ${merges === null ? '' : `, "merges": ${merges}`}}}`;
const areDirect = (file) => readTokenizer(file).object('model').merges instanceof Merges;

test('merges are read directly, however they are written, and are the same', () => {
    const direct = [
        '["a b", "ab \\u00e9", "a \\""]',
        '[["a","b"],["ab","\u00e9"]]',
        ' [ [ "a" , "b" ] , [" ", "a" ]\n] ',
        '[]',
        '[\n]',
        '["a\\u0020b"]',
        '["b b", "a b", "b b"]',
    ];
    for (const merges of direct) {
        for (const more of [
            '',
            ', "merges_of": ["a"], "x": {"merges": ["a c"]}, "y": ["merges", "]"]',
        ]) {
            const file = bpeWith(merges, more);
            assert.ok(areDirect(bytesOf(file)), file);
            const got = directly(bytesOf(file));
            assert.equal(got.code, undefined, got.message);
            assert.deepEqual(got, plainly(file), file);
        }
    }
    const other = [
        '["#version: 0.2", "a b"]',
        '["a b", "a"]',
        '["a  b"]',
        '["a b", ["a", "b"]]',
        '[["a", "b"], "a b"]',
        '[["a", "b", "b"]]',
        '["a c"]',
        '["b a"]',
        '[" a"]',
        '{}',
        '"a b"',
        '7',
        'null',
        null,
        '["a b" "b b"]',
        '["a b",]',
        '["a b"',
        '[["a", "b"]',
        '[["a" "b"]]',
        '["a b"]]',
        '["a b"], "merges": ["b b"]',
        `["${'a'.repeat(5000)} b"]`,
        '["a\nb"]',
        '["\\ud800 b"]',
    ];
    for (const merges of other) {
        const file = bpeWith(merges);
        assert.deepEqual(directly(bytesOf(file)), plainly(file), file);
    }
    assert.equal(directly(bpeWith('["#version: 0.2", "a b"]')).code, undefined);
    const prefixed = bpeWith('["b ##b"]', ', "continuing_subword_prefix": "##"');
    assert.deepEqual(directly(bytesOf(prefixed)), plainly(prefixed));
    assert.equal(directly(bytesOf(prefixed)).code, undefined);
});
