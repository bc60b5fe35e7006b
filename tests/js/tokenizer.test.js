/** The tokenizers against what Hugging Face `tokenizers` made of every golden case. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { Tokenizer } from '../../js/tokenizer/index.js';
import { NO_FIXTURE, checkGolden, fixture } from './tokenizer_compare.js';

const read = (name, file) => readFileSync(new URL(`../golden/tokenizers/${name}/${file}`, import.meta.url), 'utf8');
const uncased = () => Tokenizer.fromJSON(read('bert-uncased', 'tokenizer.json'));

for (const name of ['bert-uncased', 'bert-cased', 'bert-chinese', 'deberta-bpe', 'roberta']) {
    test(`${name}: every golden case, to the last offset`, (t) => {
        const file = fixture(name, 'tokenizer.json');
        if (file === null) {
            t.skip(NO_FIXTURE);
            return;
        }
        const tokenizer = Tokenizer.fromJSON(file);
        const cases = fixture(name, 'cases.jsonl').trimEnd().split('\n').map((line) => JSON.parse(line));
        checkGolden(tokenizer, cases);
        t.diagnostic(`${cases.length} cases`);
        assert.ok(cases.length > 300, `only ${cases.length} cases`);
    });
}

test('what is not supported is refused by name', () => {
    const json = JSON.parse(read('bert-cased', 'tokenizer.json'));
    const refused = (change, message) =>
        assert.throws(() => Tokenizer.fromJSON(JSON.stringify({ ...json, ...change })), (error) => {
            assert.equal(error.code, 'BAD_TOKENIZER', error.stack);
            assert.match(error.message, message);
            return true;
        });
    refused({ model: { type: 'Guess' } }, /Guess/);
    refused({ normalizer: { type: 'Polish' } }, /Polish/);
    refused({ pre_tokenizer: { type: 'Slice' } }, /Slice/);
    refused({ post_processor: { type: 'Wrap' } }, /Wrap/);
    assert.throws(() => Tokenizer.fromJSON('{"model":'), { code: 'BAD_TOKENIZER' });
});

test('of BPE and Split what is not supported is refused by name', () => {
    const json = JSON.parse(read('deberta-bpe', 'tokenizer.json'));
    const refused = (change, message) =>
        assert.throws(() => Tokenizer.fromJSON(JSON.stringify({ ...json, ...change })), (error) => {
            assert.equal(error.code, 'BAD_TOKENIZER', error.stack);
            assert.match(error.message, message);
            return true;
        });
    const model = (change) => ({ model: { ...json.model, ...change } });
    refused(model({ dropout: 0.1 }), /model 'BPE': dropout/);
    refused(model({ merges: [...json.model.merges, 'Ġ qqq'] }), /merge \d+: "qqq" is not in the vocabulary/);
    refused(model({ merges: ['in Ġin'] }), /merge 0: "inĠin" is not in the vocabulary/);
    for (const merges of [['a'], ['a b c'], [['h', 'e'], 'h e'], ['h e', ['h', 'e']], [['a', 'b', 'c']], [1], [[1, 'a']]]) {
        refused(model({ merges }), /merge \d: must be two pieces/);
    }
    refused(model({ merges: null }), /merges must be a list/);
    refused(model({ continuing_subword_prefix: '##' }), /does not begin with "##"/);
    refused(model({ unk_token: 7 }), /unk_token/);
    const split = (pattern, more) => ({ pre_tokenizer: { type: 'Split', behavior: 'Isolated', invert: false, pattern, ...more } });
    // Nested repetition would take a regular expression engine for ever.
    refused(split({ Regex: '(a+)+$' }), /pre-tokenizer 'Split': the regular expression "\(a\+\)\+\$" is not supported/);
    refused(split({ Regex: '' }), /regular expression ""/);
    refused(split({ Regex: 'toString' }), /regular expression "toString"/);
    refused(split({ Regex: 'toString+' }), /regular expression/);
    refused(split({ String: '' }), /pattern/);
    refused(split({}), /pattern/);
    refused(split({ String: ' ' }, { behavior: 'Sometimes' }), /behavior/);
    const byteLevel = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true };
    const template = { ...json.post_processor, single: [...json.post_processor.single, ...json.post_processor.single] };
    refused({ post_processor: { type: 'Sequence', processors: [byteLevel, template, template] } }, /parts/);
    refused({ decoder: { type: 'BPEDecoder', suffix: '' } }, /suffix/);
});

test('byte-level places are those of whole characters, however they are cut', () => {
    const tokenizer = Tokenizer.fromJSON(read('deberta-bpe', 'tokenizer.json'));
    const text = 'a \u{1d11e}\0\ufeffe\u0301 \ud800x';
    const { ids, offsets, tokens } = tokenizer.encode(text, { add_special_tokens: false });
    assert.ok(tokens.length > 10);
    const slices = tokens.map((_, i) => text.slice(offsets[2 * i], offsets[2 * i + 1]));
    assert.deepEqual(slices.filter((each, i) => each !== slices[i - 1]).join('').replaceAll(' ', ''), text.replaceAll(' ', ''));
    assert.equal(tokenizer.decode(ids), text.replace('\ud800', '\ufffd'));
});

test('a word of BPE is the same whether it comes from the cache, which is emptied, or not', () => {
    const tokenizer = Tokenizer.fromJSON(read('deberta-bpe', 'tokenizer.json'));
    const words = Array.from({ length: 20000 }, (_, i) => ` ${(i * 7919 % 20000).toString(36)}tion`);
    const want = words.map((word) => [...tokenizer.encode(word, { add_special_tokens: false }).ids]);
    const twice = tokenizer.encode(words.join('') + words.join(''), { add_special_tokens: false });
    assert.deepEqual([...twice.ids], [...want.flat(), ...want.flat()]);
});

test('text of another type is refused', () => {
    for (const text of [42, null, undefined, {}, ['a']]) {
        assert.throws(() => uncased().encode(text), { code: 'BAD_INPUT' });
    }
    assert.throws(() => uncased().encode('a', { text_pair: 7 }), { code: 'BAD_INPUT' });
});

test('odd texts come through: lone surrogates, NUL, an endless word', () => {
    const tokenizer = uncased();
    assert.deepEqual(tokenizer.encode('a\0b').tokens, ['[CLS]', 'ab', '[SEP]']);
    assert.deepEqual(tokenizer.encode('x'.repeat(5000)).tokens, ['[CLS]', '[UNK]', '[SEP]']);
});

test('ten times the text takes about ten times as long', () => {
    const time = (tokenizer, text) => {
        const start = performance.now();
        tokenizer.encode(text);
        return performance.now() - start;
    };
    for (const name of ['bert-uncased', 'deberta-bpe']) {
        const tokenizer = Tokenizer.fromJSON(read(name, 'tokenizer.json'));
        for (const unit of ['hello, world! ', 'x', 'ü', '中文', 'abracadabra', '\u0301', '👍', ' ', '\n ', "'", '7', '-']) {
            const short = unit.repeat(4000), long = unit.repeat(40000);
            time(tokenizer, short);
            const times = [long, long, short, short].map((text) => time(tokenizer, text));
            const ratio = Math.min(times[0], times[1]) / Math.max(1, Math.min(times[2], times[3]));
            assert.ok(ratio < 60, `${name}, '${unit}': ten times the text takes ${ratio.toFixed(0)} times as long`);
        }
    }
});
