/** The sentencepiece family: golden cases, what is refused, reading of scored pieces. */

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { readFile } from '../../js/tokenizer/file.js';
import { Tokenizer } from '../../js/tokenizer/index.js';
import { makeModel } from '../../js/tokenizer/models/index.js';
import { readTokenizer } from '../../js/tokenizer/reader.js';
import { ScoredVocabulary } from '../../js/tokenizer/scored_vocabulary.js';
import { charsmap, largeUnigram } from './random_unigram.js';
import { checkGolden } from './tokenizer_compare.js';
import { measure } from './tokenizer_measure.js';
import { randomFrom } from './tokenizer_texts.js';

const bytesOf = (text) => new TextEncoder().encode(text);

/** The golden folder, or the one beside the repository, where the large ones are; or null. */
function folder(name) {
    const places = ['../golden', '../../../shared/fixtures'].map(
        (place) => new URL(`${place}/tokenizers/${name}/`, import.meta.url),
    );
    return places.find((each) => existsSync(new URL('tokenizer.json', each))) ?? null;
}

for (const name of ['xlmr-spm', 'deberta-v3-spm', 'albert', 'xlmr-real-cut']) {
    test(`${name}: every golden case, to the last offset`, (t) => {
        const from = folder(name);
        if (from === null) {
            t.skip(`NOT TESTED: ../shared/fixtures/tokenizers/${name} is not here`);
            return;
        }
        const cases = readFileSync(new URL('cases.jsonl', from), 'utf8')
            .trimEnd()
            .split('\n')
            .map((line) => JSON.parse(line));
        checkGolden(Tokenizer.fromJSON(readFileSync(new URL('tokenizer.json', from))), cases);
        t.diagnostic(`${cases.length} cases`);
        assert.ok(cases.length > 300, `only ${cases.length} cases`);
    });
}

const METASPACE = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true };
const VOCAB = [
    ['<unk>', 0],
    ['▁', -2],
    ['a', -3],
    ['▁a', -2.5],
    ['ab', -4],
    ['b', -5.25],
    ['😀', -6],
];

/**
 * A small tokenizer.json; vocab may be text, for what JSON.stringify would not write.
 * @param {Record<string, any>} [stages]
 */
function fileWith({ vocab = VOCAB, model = {}, ...rest } = {}) {
    const text = typeof vocab === 'string' ? vocab : JSON.stringify(vocab);
    return JSON.stringify({
        version: '1.0',
        added_tokens: [],
        normalizer: null,
        pre_tokenizer: METASPACE,
        post_processor: null,
        decoder: METASPACE,
        ...rest,
        model: { type: 'Unigram', unk_id: 0, vocab: '@', ...model },
    }).replace('"@"', () => text);
}
const make = (options) => Tokenizer.fromJSON(fileWith(options));
const tokens = (options, text) => make(options).encode(text).tokens;
const refused = (file, message) =>
    assert.throws(
        () => Tokenizer.fromJSON(file),
        (/** @type {any} */ error) => {
            assert.equal(error.code, 'BAD_TOKENIZER', error.stack);
            assert.match(error.message, message);
            return true;
        },
    );

test('the best way to cut a word, unknown characters as one', () => {
    assert.deepEqual(tokens({}, 'ab a xyb'), ['▁', 'ab', '▁a', '▁', 'xy', 'b']);
    const { ids, offsets } = make().encode('ab 😀€é');
    assert.deepEqual([...ids], [1, 4, 1, 6, 0]);
    assert.deepEqual([...offsets], [0, 1, 0, 2, 2, 3, 3, 5, 5, 7]);
});

test('Metaspace: every scheme, and the files of before there were schemes', () => {
    const cut = (options, text) =>
        tokens({ pre_tokenizer: { type: 'Metaspace', replacement: '▁', ...options } }, text);
    assert.deepEqual(cut({ prepend_scheme: 'never' }, 'a a'), ['a', '▁a']);
    assert.deepEqual(cut({ prepend_scheme: 'first' }, 'a a'), ['▁a', '▁a']);
    assert.deepEqual(cut({}, 'a'), ['▁a']);
    assert.deepEqual(cut({ add_prefix_space: true }, 'a'), ['▁a']);
    assert.deepEqual(cut({ add_prefix_space: false }, 'a'), ['a']);
    assert.deepEqual(cut({ add_prefix_space: true, prepend_scheme: 'never' }, 'a'), ['a']);
    refused(
        fileWith({ pre_tokenizer: { ...METASPACE, add_prefix_space: false } }),
        /prepend_scheme must be 'never' with add_prefix_space: false, not 'always'/,
    );
    refused(
        fileWith({ pre_tokenizer: { ...METASPACE, replacement: '▁▁' } }),
        /replacement must be one character/,
    );
    refused(
        fileWith({ pre_tokenizer: { ...METASPACE, replacement: '' } }),
        /replacement must be one character/,
    );
    refused(
        fileWith({ pre_tokenizer: { ...METASPACE, prepend_scheme: 'Last' } }),
        /prepend_scheme must be one of always, never, first/,
    );
});

test('regular expressions are known by their text, any other is refused', () => {
    const replace = (Regex) => ({
        normalizer: { type: 'Replace', pattern: { Regex }, content: 'b' },
    });
    assert.deepEqual(tokens(replace(' {2,}'), 'a   a'), ['▁', 'ab', 'a']);
    assert.deepEqual(tokens(replace('``'), 'a``'), ['▁', 'ab']);
    for (const regex of [
        '(a+)+$',
        ' {2,4}',
        '\\s*',
        'a|b',
        '.',
        '',
        '[ ]{2,}',
        ' {2,}$',
        '\\p{L}',
        '(?i) +',
        '^ +',
    ]) {
        refused(fileWith(replace(regex)), /the regular expression ".*" is not supported/);
        refused(
            fileWith({ decoder: replace(regex).normalizer }),
            /the regular expression ".*" is not supported/,
        );
    }
});

test('scored pieces are read directly, with the last bit of the score the library has', () => {
    const scores = [
        '-0',
        '0',
        '-10',
        '7',
        '-3.0',
        '-0.5',
        '-0.000001',
        '-13.563321113586426',
        '-3.008683919906616',
        '-1234567.12345678',
        '-16.816913604736328',
    ];
    const vocab = `[${scores.map((score, i) => `[ "p${i}" ,\n${score} ]`).join(' , ')}]`;
    const file = fileWith({ vocab });
    const direct = readTokenizer(bytesOf(file)).object('model').vocab;
    assert.ok(direct instanceof ScoredVocabulary);
    const plain = ScoredVocabulary.of('', readFile(file).object('model').vocab);
    assert.deepEqual(direct.scores, plain.scores);
    for (const [i, score] of scores.entries()) {
        // The digits as a whole number, rounded, then divided, rounded again.
        const [whole, part = ''] = score.split('.');
        assert.equal(
            Math.abs(direct.scores[i]),
            Math.abs(Number(whole + part) / 10 ** part.length),
            score,
        );
        assert.equal(direct.piece(i), `p${i}`);
        assert.equal(direct.id(`p${i}`), i);
    }
    assert.equal(direct.piece(scores.length), null);
    assert.equal(direct.id('p'), -1);
    assert.equal(direct.id(''), -1);
    for (const unusual of ['-1e-3', '-1.5E2', '-1.1234567890123456789']) {
        const other = fileWith({ vocab: `[["<unk>",0],["a",${unusual}]]` });
        assert.ok(
            !(readTokenizer(bytesOf(other)).object('model').vocab instanceof ScoredVocabulary),
        );
        assert.deepEqual(Tokenizer.fromJSON(other).encode('a').tokens, ['▁', 'a']);
    }
});

test('what is wrong with scored pieces is refused', () => {
    const vocab = (text, message) => refused(fileWith({ vocab: text }), message);
    vocab('[["<unk>",0],["a",-1,2]]', /vocab\[1\] must be a piece and its score/);
    vocab('[["<unk>",0],["a"]]', /vocab\[1\] must be a piece and its score/);
    vocab('[["<unk>",0],[3,-1]]', /vocab\[1\] must be a piece and its score/);
    vocab('[["<unk>",0],"a"]', /vocab\[1\] must be a piece and its score/);
    vocab(`[["<unk>",0],["${'x'.repeat(1025)}",-1]]`, /at most 1024 characters, not 1025/);
    vocab('[["<unk>",0],["a",01]]', /not valid JSON/);
    vocab('[["<unk>",0],["a",1.]]', /not valid JSON/);
    vocab('[["<unk>",0],["a",-]]', /not valid JSON/);
    vocab('[["<unk>",0],["a",.5]]', /not valid JSON/);
    vocab('[["<unk>",0],["a",-1],]', /not valid JSON/);
    vocab('[["<unk>",0] ["a",-1]]', /not valid JSON/);
    vocab('{"<unk>":0}', /vocab must be a list/);
    vocab('[]', /unk_id must be below 0, the number of pieces, not 0/);
    refused(fileWith({ model: { byte_fallback: 'yes' } }), /byte_fallback must be true or false/);
    refused(fileWith({ model: { type: 'WordPiece' } }), /vocab must be an object/);
});

test('cut off anywhere, or with any byte another, it is the same read either way', () => {
    const file = bytesOf(
        fileWith({ vocab: '[ ["<unk>",0], ["a",-1.5],["\\u00e9\\n" ,-12.25] ,["\u{1f600}",-3]]' }),
    );
    const outcome = (read) => {
        try {
            const fields = read();
            new Tokenizer(fields);
            const vocabulary = /** @type {any} */ (makeModel(fields.object('model')).vocabulary);
            return {
                pieces: Array.from({ length: vocabulary.size }, (_, id) => vocabulary.piece(id)),
                scores: [...vocabulary.scores],
            };
        } catch (error) {
            if (error.code === undefined) throw error;
            return error.message;
        }
    };
    const check = (bytes) =>
        assert.deepEqual(
            outcome(() => readTokenizer(bytes)),
            outcome(() => readFile(bytes)),
            new TextDecoder().decode(bytes),
        );
    for (let length = 0; length < file.length; length++) check(file.subarray(0, length));
    for (let at = 0; at < file.length; at++) {
        for (const byte of [
            0, 0x09, 0x20, 0x22, 0x2c, 0x2d, 0x2e, 0x30, 0x31, 0x5b, 0x5c, 0x5d, 0x61, 0x65, 0x7b,
            0x7d, 0x80, 0xff,
        ]) {
            const bytes = file.slice();
            bytes[at] = byte;
            check(bytes);
        }
    }
});

test('without unk_id, what is unknown is an error that names it', () => {
    const tokenizer = make({ model: { unk_id: null } });
    assert.deepEqual(tokenizer.encode('ab').tokens, ['▁', 'ab']);
    assert.throws(
        () => tokenizer.encode('a€'),
        (/** @type {any} */ error) => error.code === 'BAD_INPUT' && /U\+20AC/.test(error.message),
    );
    assert.deepEqual(tokenizer.encode('ab').tokens, ['▁', 'ab']);
});

test('a table of Precompiled that is no such table is refused', () => {
    const precompiled = (precompiled_charsmap) =>
        fileWith({ normalizer: { type: 'Precompiled', precompiled_charsmap } });
    const good = Buffer.from(
        charsmap(
            new Map([
                ['é', 'e'],
                ['x', ''],
            ]),
        ),
        'base64',
    );
    assert.deepEqual(
        Tokenizer.fromJSON(precompiled(good.toString('base64'))).encode('axé').tokens,
        ['▁a', 'e'],
    );
    const changed = (at, value) => {
        const bytes = Buffer.from(good);
        bytes.writeUInt32LE(value >>> 0, at);
        return bytes.toString('base64');
    };
    for (const [table, message] of [
        [null, /precompiled_charsmap must be a string/],
        ['%', /precompiled_charsmap must be base64/],
        ['', /is cut off/],
        ['AAAA', /is cut off/],
        [changed(0, good.length), /is cut off/],
        [changed(0, 0xffffffff), /is cut off/],
        [changed(0, 6), /is cut off/],
        [changed(0, 0), /is cut off/],
        [Buffer.concat([good, Buffer.of(0xff)]).toString('base64'), /not UTF-8/],
    ]) {
        refused(precompiled(table), message);
    }
    // Whatever its trie says, nothing but the text and the table is read.
    const random = randomFrom(5);
    for (let n = 0; n < 3000; n++) {
        const tokenizer = Tokenizer.fromJSON(
            precompiled(
                changed(4 + 4 * random.below(good.readUInt32LE(0) / 4), random.below(2 ** 32)),
            ),
        );
        tokenizer.encode('axé \u0301x中😀');
    }
});

test('as many pieces as XLM-R has are read soon, and take little memory', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-unigram-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'tokenizer.json');
    writeFileSync(file, largeUnigram(randomFrom(1), 250002));
    const { first, median, kept, pieces } = measure(
        new URL('../../js/tokenizer/index.js', import.meta.url).href,
        'load',
        file,
    );
    t.diagnostic(
        `${pieces} pieces: ${first.toFixed(0)} ms, then ${median.toFixed(0)} ms, ` +
            `${kept.toFixed(1)} MB`,
    );
    assert.equal(pieces, 250002);
    assert.ok(median < 1500, `${median.toFixed(0)} ms`);
    assert.ok(kept < 50, `${kept.toFixed(1)} MB`);
});
