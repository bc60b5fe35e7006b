/** Vocabularies that are made of texts, beside those that Hugging Face `tokenizers` makes. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { Tokenizer } from 'bert-wasm/tokenizer';

import { Queue } from '../../js/train/vocabulary/queue.js';
import {
    readTokenizerFile,
    SPECIAL,
    toTokenizerFile,
} from '../../js/train/vocabulary/tokenizer_file.js';
import { trainWordPieces } from '../../js/train/vocabulary/word_pieces.js';
import { WordCounts } from '../../js/train/vocabulary/words.js';

const GOLDEN = new URL('../golden/vocabulary/', import.meta.url);
const LINES = readFileSync(new URL('corpus.txt', GOLDEN), 'utf8').split('\n');

const noTurn = async () => {};

/** @param {string[]} lines @param {any} options */
async function piecesOf(lines, { lowercase, ...limits }) {
    const words = new WordCounts(lowercase);
    for (const line of lines) words.add(line);
    return trainWordPieces(words.counts, SPECIAL, limits, noTurn);
}

for (const name of ['uncased', 'cased', 'limited']) {
    test(`the vocabulary is that of tokenizers, piece by piece: ${name}`, async () => {
        const golden = JSON.parse(readFileSync(new URL(`${name}.json`, GOLDEN), 'utf8'));
        assert.deepEqual(await piecesOf(LINES, golden.options), golden.pieces);
    });
}

test('the order of the lines changes nothing; an abort ends it', async () => {
    const options = { size: 300, min_frequency: 2, limit_alphabet: 1000, lowercase: true };
    const backwards = [...LINES].reverse();
    assert.deepEqual(await piecesOf(backwards, options), await piecesOf(LINES, options));
    const words = new WordCounts(true);
    for (const line of LINES) words.add(line);
    const reason = new Error('enough');
    await assert.rejects(
        trainWordPieces(words.counts, SPECIAL, options, async () => {
            throw reason;
        }),
        reason,
    );
});

test('its tokenizer.json reads texts', async () => {
    const options = { size: 330, min_frequency: 2, limit_alphabet: 1000, lowercase: true };
    const pieces = await piecesOf(LINES, options);
    const tokenizer = Tokenizer.fromJSON(toTokenizerFile(pieces, true));
    assert.equal(tokenizer.vocab_size, pieces.length);
    const { tokens, type_ids } = tokenizer.encode('The VOTERS, größer', { text_pair: 'a [MASK]' });
    assert.deepEqual(tokens, [
        ...['[CLS]', 'the', 'voters', ',', 'großer', '[SEP]'],
        ...['a', '[MASK]', '[SEP]'],
    ]);
    assert.deepEqual([...type_ids], [0, 0, 0, 0, 0, 0, 1, 1, 1]);
    assert.equal(tokenizer.decode(tokenizer.encode('the voters').ids), 'the voters');
});

test('a vocab.txt becomes a tokenizer.json; what is none is refused', () => {
    const file = readTokenizerFile(`${[...SPECIAL, 'Ab', '##c'].join('\n')}\n`, false);
    assert.deepEqual([...Tokenizer.fromJSON(file).encode('Abc').ids], [2, 5, 6, 3]);
    assert.deepEqual(readTokenizerFile(file, true), file);
    const refused = (given, message) =>
        assert.throws(() => readTokenizerFile(given, true), { code: 'BAD_OPTION', message });
    refused(7, /must be a tokenizer.json or a vocab.txt/);
    refused('[PAD]\n[UNK]\n[CLS]\n[SEP]', /must have \[MASK\]/);
    refused([...SPECIAL, 'a', 'a'].join('\n'), /must have 'a' once/);
});

test('a queue gives what comes first', () => {
    const queue = new Queue((a, b) => a < b);
    const numbers = [5, 3, 8, 1, 9, 2, 7, 3];
    for (const n of numbers) queue.push(n);
    const taken = numbers.map(() => queue.pop());
    assert.deepEqual(
        taken,
        numbers.sort((a, b) => a - b),
    );
    assert.equal(queue.pop(), undefined);
});
