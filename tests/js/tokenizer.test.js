/** The tokenizers against what Hugging Face `tokenizers` made of every golden case. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { Tokenizer } from '../../js/tokenizer/index.js';
import { checkGolden, fixture, NO_FIXTURE } from './tokenizer_compare.js';
import { randomFrom } from './tokenizer_texts.js';

const read = (name, file) =>
    readFileSync(new URL(`../golden/tokenizers/${name}/${file}`, import.meta.url), 'utf8');
const uncased = () => Tokenizer.fromJSON(read('bert-uncased', 'tokenizer.json'));

for (const name of ['bert-uncased', 'bert-cased', 'bert-chinese', 'deberta-bpe', 'roberta']) {
    test(`${name}: every golden case, to the last offset`, (t) => {
        const file = fixture(name, 'tokenizer.json');
        if (file === null) {
            t.skip(NO_FIXTURE);
            return;
        }
        const tokenizer = Tokenizer.fromJSON(file);
        const cases = String(fixture(name, 'cases.jsonl'))
            .trimEnd()
            .split('\n')
            .map((line) => JSON.parse(line));
        checkGolden(tokenizer, cases);
        t.diagnostic(`${cases.length} cases`);
        assert.ok(cases.length > 300, `only ${cases.length} cases`);
    });
}

test('byte-level places are those of whole characters, however they are cut', () => {
    const tokenizer = Tokenizer.fromJSON(read('deberta-bpe', 'tokenizer.json'));
    const text = 'a \u{1d11e}\0\ufeffe\u0301 \ud800x';
    const { ids, offsets, tokens } = tokenizer.encode(text, { add_special_tokens: false });
    assert.ok(tokens.length > 10);
    const slices = tokens.map((_, i) => text.slice(offsets[2 * i], offsets[2 * i + 1]));
    assert.deepEqual(
        slices
            .filter((each, i) => each !== slices[i - 1])
            .join('')
            .replaceAll(' ', ''),
        text.replaceAll(' ', ''),
    );
    assert.equal(tokenizer.decode(ids), text.replace('\ud800', '\ufffd'));
});

test('a word of BPE is the same whether it comes from the cache, which is emptied, or not', () => {
    const tokenizer = Tokenizer.fromJSON(read('deberta-bpe', 'tokenizer.json'));
    const words = Array.from(
        { length: 20000 },
        (_, i) => ` ${((i * 7919) % 20000).toString(36)}tion`,
    );
    const want = words.map((word) => [
        ...tokenizer.encode(word, { add_special_tokens: false }).ids,
    ]);
    const twice = tokenizer.encode(words.join('') + words.join(''), { add_special_tokens: false });
    assert.deepEqual([...twice.ids], [...want.flat(), ...want.flat()]);
});

test('NUL is left out of WordPiece, and an endless word is unknown', () => {
    const tokenizer = uncased();
    assert.deepEqual(tokenizer.encode('a\0b').tokens, ['[CLS]', 'ab', '[SEP]']);
    assert.deepEqual(tokenizer.encode('x'.repeat(5000)).tokens, ['[CLS]', '[UNK]', '[SEP]']);
});

/** BPE as it is defined: the first of the pairs of the lowest rank, until none may be merged. */
function merged(symbols, merges, prefix) {
    const ranks = new Map(merges.map((pair, rank) => [pair.join(' '), rank]));
    const word = [...symbols];
    for (;;) {
        const found = word.slice(1).map((right, i) => ranks.get(`${word[i]} ${right}`) ?? Infinity);
        const best = Math.min(...found);
        if (best === Infinity) return word;
        const at = found.indexOf(best);
        word.splice(at, 2, word[at] + word[at + 1].slice(prefix.length));
    }
}

test('BPE of words of any length is what its definition says', () => {
    const random = randomFrom(20263);
    for (let round = 0; round < 100; round++) {
        const [prefix, suffix] = random.pick([
            ['', ''],
            ['', ''],
            ['##', ''],
            ['', '</w>'],
            ['##', '</w>'],
        ]);
        const symbolOf = (c, isFirst, isLast) =>
            `${isFirst ? '' : prefix}${c}${isLast ? suffix : ''}`;
        const characters = [...'abcdeé中'];
        const pieces = new Set([
            '[UNK]',
            ...[true, false].flatMap((isFirst) =>
                [true, false].flatMap((isLast) =>
                    characters.map((c) => symbolOf(c, isFirst, isLast)),
                ),
            ),
        ]);
        const merges = [];
        for (let n = random.pick([0, 4, 15, 60]); n > 0; n--) {
            const pick = () => (random.chance(0.2) ? '[UNK]' : random.pick([...pieces]));
            const pair = [pick(), pick()];
            if (!pair[1].startsWith(prefix)) continue;
            const piece = pair[0] + pair[1].slice(prefix.length);
            if (piece.length > 14 || merges.some((other) => other.join(' ') === pair.join(' '))) {
                continue;
            }
            merges.push(pair);
            pieces.add(piece);
        }
        const vocab = Object.fromEntries([...pieces].map((piece, id) => [piece, id]));
        const tokenizer = Tokenizer.fromJSON(
            JSON.stringify({
                version: '1.0',
                added_tokens: [],
                normalizer: null,
                pre_tokenizer: null,
                post_processor: null,
                decoder: null,
                model: {
                    type: 'BPE',
                    unk_token: '[UNK]',
                    fuse_unk: false,
                    continuing_subword_prefix: prefix,
                    end_of_word_suffix: suffix,
                    vocab,
                    merges,
                },
            }),
        );
        for (let n = 0; n < 30; n++) {
            const from = random.chance(0.7) ? characters : [...'abc', '?', '\ud83d\ude00', '中'];
            const word = Array.from({ length: 1 + random.below(random.pick([10, 60, 300])) }, () =>
                random.pick(from),
            );
            const symbols = word.map((c, i) =>
                characters.includes(c) ? symbolOf(c, i === 0, i === word.length - 1) : '[UNK]',
            );
            assert.deepEqual(
                tokenizer.encode(word.join('')).tokens,
                merged(symbols, merges, prefix),
                JSON.stringify({ word: word.join(''), merges }),
            );
        }
    }
});

/** Words as the pre-tokenizers of the goldens cut plain English. */
const WORDS = {
    'bert-uncased': /[A-Za-z0-9]+|[^\sA-Za-z0-9]/g,
    'deberta-bpe': / ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+/g,
};
for (const [name, pattern] of Object.entries(WORDS)) {
    test(`${name}: tokens know their words, whatever has been encoded since`, () => {
        const tokenizer = Tokenizer.fromJSON(read(name, 'tokenizer.json'));
        const text =
            'Unbelievable: 12345 tattletales, antidisestablishmentarianism & more! [MASK] Quietly.';
        const text_pair = 'Is it? Yes (really), unquestionably 7 times.';
        const without = text.replace('[MASK]', '      '); // which is a word of its own
        const places = (one) => [...one.matchAll(pattern)].map(({ index }) => index);
        const starts = [
            [...places(without), text.indexOf('[MASK]')].sort((a, b) => a - b),
            places(text_pair),
        ];
        /** By where the token is, not by how the tokenizer counted. */
        const want = ({ offsets, sequence, ids }) =>
            Array.from(ids, (_, i) => {
                if (sequence[i] < 0) return -1;
                const end = offsets[2 * i + 1];
                return starts[sequence[i]].findLastIndex((start) => start < end);
            });
        const full = tokenizer.encode(text, { text_pair });
        // Of the text.
        const max_length = full.length - full.sequence.filter((one) => one === 0).length + 12;
        const kept = tokenizer.encode(text, {
            text_pair,
            truncation: { max_length, stride: 3, strategy: 'only_first' },
        });
        const [first, ...others] = [kept, ...kept.overflow];
        assert.ok(others.length >= 2, `${others.length} windows`);
        tokenizer.encode('something else, with more words than before. '.repeat(30));
        assert.ok(full.length > starts.flat().length + 6, 'words of several tokens');
        for (const each of [full, first, ...others]) {
            assert.ok(each.words instanceof Int32Array);
            assert.deepEqual([...each.words], want(each));
        }
        const { words } = tokenizer.encode('a', { add_special_tokens: false });
        assert.deepEqual([...words], [0]);
        assert.deepEqual([...tokenizer.encode('', { add_special_tokens: false }).words], []);
        assert.deepEqual([...full.words], want(full), 'the same again');
    });
}
