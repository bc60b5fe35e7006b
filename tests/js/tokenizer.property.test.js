/**
 * The tokenizer against Hugging Face `tokenizers` itself, on random texts. Needs a Python that has
 * it (`pip install 'tokenizers==0.23.*'`; PYTHON names the interpreter), else is skipped.
 *
 * SEED and TEXTS (for each family; 6,000) may be set.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Tokenizer } from '../../js/tokenizer/index.js';
import { randomTokenizer } from './random_tokenizers.js';
import { randomUnigramTokenizer } from './random_unigram.js';
import {
    askOracle,
    fixture,
    missingOracle,
    NO_FIXTURE,
    PYTHON,
    plain,
    wellFormed,
} from './tokenizer_compare.js';
import { randomClusters, randomFrom, randomText, randomTruncation } from './tokenizer_texts.js';

const seed = Number(process.env.SEED ?? 20260);
const nTexts = Number(process.env.TEXTS ?? 6000);
const missing = missingOracle();

/** A sixth of the texts with a pair, a sixth truncated, a twelfth without special tokens. */
function randomJob(random, words) {
    const text = random.chance(0.1) ? randomClusters(random) : randomText(random, words);
    const pair = random.chance(1 / 6) ? randomText(random, words) : null;
    const truncation = random.chance(1 / 6) ? randomTruncation(random) : null;
    return { text, pair, special: random.chance(11 / 12), truncation, decode: random.chance(0.2) };
}

/** What our tokenizer makes of it, in the oracle's form. */
function answer(tokenizer, job) {
    const { text, pair, special, truncation } = job;
    let encoding;
    try {
        encoding = tokenizer.encode(text, {
            text_pair: pair,
            add_special_tokens: special,
            truncation,
        });
    } catch (error) {
        assert.match(error.code, /^BAD_(INPUT|OPTION)$/, error.stack);
        return { error: error.message };
    }
    const result = plain(encoding, text, pair);
    if (truncation) result.overflow = encoding.overflow.map((each) => plain(each, text, pair));
    if (job.decode) {
        result.decoded = [true, false].map((skip_special_tokens) =>
            tokenizer.decode(encoding.ids, { skip_special_tokens }),
        );
    }
    return result;
}

/**
 * @param {import('node:test').TestContext} t
 * @param {{file: string, jobs: any[]}[]} batches  the text of a tokenizer.json, and texts for it
 */
async function compare(t, batches) {
    if (missing !== null) {
        t.skip(
            `NOT TESTED against Hugging Face tokenizers: ${missing}. ` +
                "To test it: pip install 'tokenizers==0.23.*' (PYTHON names the interpreter)",
        );
        return;
    }
    const answers = askOracle(
        batches.flatMap(({ file, jobs }) => [
            { tokenizer: file },
            ...jobs.map((job) => ({
                ...job,
                text: wellFormed(job.text),
                pair: job.pair && wellFormed(job.pair),
            })),
        ]),
    );
    let n = 0;
    let nErrors = 0;
    try {
        for (const { file, jobs } of batches) {
            const tokenizer = Tokenizer.fromJSON(file);
            const type = JSON.parse(file).post_processor?.type;
            for (const job of jobs) {
                const { value: want } = await answers.next();
                const got = answer(tokenizer, job);
                n++;
                if (job.pair !== null && type === undefined) {
                    forgetSequences(...overflowOf(got, want));
                }
                if (type === 'Sequence') forgetSequences(got, want, ...overflowOf(got, want));
                // An added token of space right behind one that takes space along: it panics.
                if (want.error === 'AddedVocabulary bad split') continue;
                // Which texts cannot be truncated must agree, not the words for it.
                if (want.error !== undefined && got.error !== undefined) {
                    nErrors++;
                } else if (JSON.stringify(got) !== JSON.stringify(want)) {
                    assert.deepEqual(got, want, describe(file, job));
                }
            }
        }
    } finally {
        await answers.return(undefined);
    }
    t.diagnostic(`${n} texts equal (${nErrors} refused by both), seed ${seed}, ${PYTHON}`);
}

/**
 * Not if the normalizer leaves nothing of an added token, which ours refuses and the library hangs
 * at.
 */
function isSound({ file }) {
    try {
        Tokenizer.fromJSON(file);
        return true;
    } catch (error) {
        assert.match(error.message, /nothing is left of/, error.stack);
        return false;
    }
}

/**
 * Without a post-processor the library loses, in overflowing windows of a pair, which token is of
 * which text; the types still say it. In a sequence of post-processors ByteLevel counts what
 * another added as texts. Ours does neither.
 */
function forgetSequences(...results) {
    for (const each of results) delete each.sequence;
}

function overflowOf(...results) {
    return results.flatMap(({ overflow }) => overflow ?? []);
}

function describe(file, job) {
    const { model, ...rest } = JSON.parse(file);
    const { vocab, merges, ...parameters } = model;
    return (
        'seed ' +
        `${seed}\n${JSON.stringify(job)}\n${JSON.stringify({ ...rest, model: parameters })}`
    );
}

const FAMILIES = [
    'bert-uncased',
    'bert-cased',
    'bert-chinese',
    'deberta-bpe',
    'roberta',
    'albert',
    'xlmr-spm',
    'deberta-v3-spm',
    'xlmr-real-cut',
];
for (const name of FAMILIES) {
    test(`${name}: ${nTexts} random texts`, async (t) => {
        const file = fixture(name, 'tokenizer.json');
        if (file === null) {
            t.skip(NO_FIXTURE);
            return;
        }
        const { vocab } = JSON.parse(file).model;
        const words = Array.isArray(vocab) ? vocab.map(([piece]) => piece) : Object.keys(vocab);
        const random = randomFrom(seed);
        const jobs = Array.from({ length: nTexts }, () => randomJob(random, words));
        await compare(t, [{ file, jobs }]);
    });
}

for (const family of /** @type {const} */ (['WordPiece', 'BPE', 'WordLevel'])) {
    test(`random ${family} tokenizers: ${nTexts} random texts`, async (t) => {
        const random = randomFrom(seed + 1);
        const count = Math.ceil(nTexts / 250);
        // BPE has the more to choose from.
        const perFile = family === 'BPE' ? 50 : 250;
        const batches = Array.from({ length: Math.ceil((count * 250) / perFile) }, () => ({
            file: JSON.stringify(randomTokenizer(random, family)),
            jobs: Array.from({ length: perFile }, () =>
                randomJob(random, [
                    'word',
                    'Day',
                    '<x>',
                    'words',
                    'tattle',
                    'ratworld',
                    "world's",
                    'Hello',
                ]),
            ),
        }));
        await compare(t, batches.filter(isSound));
    });
}

test(`random Unigram tokenizers: ${nTexts} random texts`, async (t) => {
    const random = randomFrom(seed + 2);
    const batches = Array.from({ length: Math.ceil(nTexts / 100) }, () => ({
        file: JSON.stringify(randomUnigramTokenizer(random)),
        jobs: Array.from({ length: 100 }, () =>
            randomJob(random, ['word', 'Day', '<mask>', 'words', 'aaaaaaa', 'xoxo']),
        ),
    }));
    await compare(t, batches);
});
