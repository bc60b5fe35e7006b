/**
 * Tokenizers side by side: this library's, @huggingface/tokenizers (npm) and native `tokenizers`
 * (Python, one thread), on 4 MB of English and 1 MB of Chinese and Japanese in documents of some
 * two thousand characters; rounds interleaved, medians of ratios. And how long each takes to load
 * and what it keeps in memory, in a process of its own, with one of random pieces that is as large
 * as XLM-R's.
 *
 *     make bench-tokenizers            PYTHON=python, with tokenizers==0.23.*, for the native one
 */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { Tokenizer as Peer } from '@huggingface/tokenizers';

import { largeUnigram } from '../tests/js/random_unigram.js';
import { measure } from '../tests/js/tokenizer_measure.js';
import { randomFrom } from '../tests/js/tokenizer_texts.js';
import { median } from './statistics.js';

const ROOT = join(import.meta.dirname, '..');
const SHARED = join(ROOT, '../shared');
const PYTHON = process.env.PYTHON ?? 'python3';
const ROUNDS = 5;
const DOCUMENT_CHARACTERS = 2000;

const MODULE = join(ROOT, process.env.DIST ?? 'build/dist', 'tokenizer.js');
const XLMR_PIECES = 250002;

const { Tokenizer } = await import(MODULE);

/**
 * Documents of about DOCUMENT_CHARACTERS of these sentences, over and over in another order,
 * `bytes` in all.
 * @param {string[]} sentences
 * @param {number} bytes
 */
function documents(sentences, bytes) {
    const texts = [];
    let total = 0;
    let seed = 1;
    let text = '';
    while (total < bytes) {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        text += `${sentences[seed % sentences.length]} `;
        if (text.length < DOCUMENT_CHARACTERS) continue;
        texts.push(text);
        total += Buffer.byteLength(text);
        text = '';
    }
    return { texts, bytes: total };
}

/** @param {string} name */
const tsv = (name) =>
    readFileSync(join(SHARED, 'data', name), 'utf8')
        .trimEnd()
        .split('\n')
        .slice(1)
        .map((line) => line.split('\t')[0]);
const isCJK = (/** @type {string} */ text) =>
    (text.match(/[\u3040-\u30ff\u4e00-\u9fff]/g) ?? []).length > text.length / 2;
const cases = ['bert-chinese', 'xlmr-spm'].flatMap((name) =>
    readFileSync(join(SHARED, 'fixtures/tokenizers', name, 'cases.jsonl'), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).text),
);

const CORPORA = {
    English: documents([...tsv('sst2-dev.tsv'), ...tsv('reviews-dev.tsv')], 4e6),
    CJK: documents(
        cases.filter(
            (text) =>
                typeof text === 'string' && text.length > 8 && text.length < 500 && isCJK(text),
        ),
        1e6,
    ),
};

/** A native tokenizer in a process of its own, or null.
 * @param {string} path
 * @param {string} texts */
async function startNative(path, texts) {
    try {
        execFileSync(PYTHON, ['-c', 'import tokenizers'], { stdio: 'ignore' });
    } catch {
        return null;
    }
    const child = spawn(PYTHON, [join(import.meta.dirname, 'tokenizers.py'), path, texts], {
        stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout });
    const next = async () => Number((await once(lines, 'line'))[0]);
    const load = await next();
    return {
        load,
        run: () => {
            child.stdin.write('\n');
            return next();
        },
        end: () => child.stdin.end(),
    };
}

/** Seconds. @param {() => void} work */
function time(work) {
    const start = performance.now();
    work();
    return (performance.now() - start) / 1e3;
}

const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-tokenizers-'));
console.log(
    '| tokenizer | text | MB/s | @huggingface/tokenizers | native | load, ms: ' +
        'ours / npm / native |',
);
console.log('| --- | --- | --- | --- | --- | --- |');
/** Names, and where their files are. @type {[string, string][]} */
const fixtures = readdirSync(join(SHARED, 'fixtures/tokenizers'))
    .sort()
    .map(
        (name) =>
            /** @type {[string, string]} */ ([
                name,
                join(SHARED, 'fixtures/tokenizers', name, 'tokenizer.json'),
            ]),
    )
    .filter(([, path]) => existsSync(path));
for (const [name, path] of fixtures) {
    const bytes = readFileSync(path);
    const config = JSON.parse(readFileSync(path.replace('.json', '_config.json'), 'utf8'));
    /** @type {any} */
    let ours;
    let peer;
    const ours_load = median(
        Array.from({ length: 5 }, () =>
            time(() => {
                ours = Tokenizer.fromJSON(bytes);
            }),
        ),
    );
    const peer_load = median(
        Array.from({ length: 3 }, () =>
            time(() => {
                peer = new Peer(JSON.parse(bytes.toString()), config);
            }),
        ),
    );
    for (const [language, { texts, bytes: size }] of Object.entries(CORPORA)) {
        const file = join(folder, `${language}.json`);
        if (!existsSync(file)) writeFileSync(file, JSON.stringify(texts));
        const native = await startNative(path, file);
        // The npm package is slow on long runs of some kinds: a part of the texts is enough to
        // compare.
        const part = texts.slice(0, Math.ceil(texts.length / 8));
        const rates = [];
        const to_peer = [];
        const to_native = [];
        for (let round = 0; round < ROUNDS + 1; round++) {
            const t = time(() => {
                for (const text of texts) ours.encode(text);
            });
            const p =
                (time(() => {
                    for (const text of part) peer.encode(text);
                }) *
                    texts.length) /
                part.length;
            const n = native ? await native.run() : NaN;
            if (round === 0) continue; // warm-up
            rates.push(size / t / 1e6);
            to_peer.push(p / t);
            to_native.push(n / t);
        }
        native?.end();
        const loads = [ours_load, peer_load, native?.load ?? NaN]
            .map((seconds) => (seconds * 1e3).toFixed(0))
            .join(' / ');
        console.log(
            `| ${name} | ${language} | ${median(rates).toFixed(1)} | ` +
                `${median(to_peer).toFixed(1)}x | ` +
                `${native ? `${median(to_native).toFixed(2)}x` : 'not installed'} | ${loads} |`,
        );
    }
}

console.log('\n| tokenizer | pieces | file | load, ms: first / median of 5 | kept in memory |');
console.log('| --- | --- | --- | --- | --- |');
const large = join(folder, 'large.json');
writeFileSync(large, largeUnigram(randomFrom(1), XLMR_PIECES));
for (const [name, path] of [...fixtures, ['Unigram, random pieces', large]]) {
    const { first, median: usual, kept, pieces, bytes } = measure(MODULE, 'load', path);
    console.log(
        `| ${name} | ${pieces.toLocaleString('en')} | ${(bytes / 1e6).toFixed(1)} MB | ` +
            `${first.toFixed(0)} / ${usual.toFixed(0)} | ${kept.toFixed(1)} MB |`,
    );
}
rmSync(folder, { recursive: true });
