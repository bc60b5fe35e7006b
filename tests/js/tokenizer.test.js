/** The WordPiece tokenizers against what Hugging Face `tokenizers` made of every golden case. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { Tokenizer } from '../../js/tokenizer/index.js';
import { checkGolden } from './tokenizer_compare.js';

const read = (name, file) => readFileSync(new URL(`../golden/tokenizers/${name}/${file}`, import.meta.url), 'utf8');
const uncased = () => Tokenizer.fromJSON(read('bert-uncased', 'tokenizer.json'));

for (const name of ['bert-uncased', 'bert-cased', 'bert-chinese']) {
    test(`${name}: every golden case, to the last offset`, (t) => {
        const tokenizer = Tokenizer.fromJSON(read(name, 'tokenizer.json'));
        const cases = read(name, 'cases.jsonl').trimEnd().split('\n').map((line) => JSON.parse(line));
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
    const tokenizer = uncased();
    const time = (text) => {
        const start = performance.now();
        tokenizer.encode(text);
        return performance.now() - start;
    };
    for (const unit of ['hello, world! ', 'x', 'ü', '中文']) {
        const short = unit.repeat(4000), long = unit.repeat(40000);
        time(short);
        const ratio = Math.min(time(long), time(long)) / Math.max(1, Math.min(time(short), time(short)));
        assert.ok(ratio < 60, `'${unit}': ten times the text takes ${ratio.toFixed(0)} times as long`);
    }
});
