/**
 * Encodings as plain values, places counted in code points as Hugging Face `tokenizers` counts
 * them, and that library itself, run by tokenizer_oracle.py.
 */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const PYTHON = process.env.PYTHON || 'python3';

/**
 * @param {string} text
 * @returns {number[]}  for each UTF-16 index the number of code points before it
 */
function codePointIndices(text) {
    const indices = [];
    let count = 0;
    for (let i = 0; i <= text.length; i++) {
        indices.push(count);
        const isPair =
            (text.charCodeAt(i) & 0xfc00) === 0xd800 &&
            (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00;
        if (isPair) indices[++i] = NaN; // no place is within a character
        count++;
    }
    return indices;
}

/**
 * @param {import('../../js/tokenizer/encoding.js').Encoding} encoding
 * @param {string} text
 * @param {string | null} [pair]
 */
export function plain(encoding, text, pair) {
    const indices = [codePointIndices(text), codePointIndices(pair ?? '')];
    const sequence = Array.from(encoding.sequence);
    return {
        ids: Array.from(encoding.ids),
        type_ids: Array.from(encoding.type_ids),
        tokens: encoding.tokens,
        offsets: Array.from(
            encoding.offsets,
            (at, i) => indices[Math.max(0, sequence[i >> 1])][at],
        ),
        sequence,
        special: Array.from(encoding.special_tokens_mask),
    };
}

/** Only what the golden has: an overflowing part, for one, has no tokens there. */
function agreeing(got, want) {
    return Object.fromEntries(Object.keys(want).map((key) => [key, got[key]]));
}

/**
 * @param {import('../../js/tokenizer/index.js').Tokenizer} tokenizer
 * @param {Record<string, any>[]} cases  of a cases.jsonl
 */
export function checkGolden(tokenizer, cases) {
    for (const { text, pair, special, truncation, overflow, sequence, ...want } of cases) {
        const encoding = tokenizer.encode(text, {
            text_pair: pair,
            add_special_tokens: special,
            truncation,
        });
        const what = JSON.stringify({ text, pair, special, truncation });
        const got = plain(encoding, text, pair);
        assert.deepEqual(agreeing(got, want), want, what);
        if (sequence) {
            assert.deepEqual(
                got.sequence.map((s) => (s < 0 ? null : s)),
                sequence,
                what,
            );
        }
        const parts = encoding.overflow.map((part) => plain(part, text, pair));
        assert.equal(parts.length, overflow?.length ?? 0, `overflow of ${what}`);
        overflow?.forEach(({ sequence: _, ...part }, i) =>
            assert.deepEqual(agreeing(parts[i], part), part, `overflow ${i} of ${what}`),
        );
    }
}

/**
 * @param {string} text
 * @returns {string}  with U+FFFD for each half of a pair
 */
export function wellFormed(text) {
    return text.replaceAll(/\p{Surrogate}/gu, '\ufffd');
}

/**
 * Small tokenizers are in tests/golden; the large are in ../shared, beside the sources, if at all.
 * @param {string} name
 * @param {string} file
 * @returns {string | null}
 */
export function fixture(name, file) {
    const places = ['../golden/tokenizers', '../../../shared/fixtures/tokenizers'];
    const urls = places.map((place) => new URL(`${place}/${name}/${file}`, import.meta.url));
    const found = urls.find((url) => existsSync(url));
    return found === undefined ? null : readFileSync(found, 'utf8');
}

export const NO_FIXTURE = 'SKIPPED: ../shared/fixtures/tokenizers is not here';

/** @returns {string | null}  why the library cannot be asked, or null */
export function missingOracle() {
    const { status, stderr, error } = spawnSync(
        PYTHON,
        [
            '-c',
            'import tokenizers; assert tokenizers.__version__.startswith("0.23."), ' +
                'tokenizers.__version__',
        ],
        { encoding: 'utf8' },
    );
    if (error) return `${PYTHON}: ${error.message}`;
    return status === 0 ? null : `${PYTHON}: ${stderr.trim().split('\n').at(-1)}`;
}

/**
 * @param {object[]} jobs  as tokenizer_oracle.py reads them
 * @returns {AsyncGenerator<any>}  the answers to the texts
 */
export async function* askOracle(jobs) {
    const script = fileURLToPath(new URL('../tools/tokenizer_oracle.py', import.meta.url));
    const python = spawn(PYTHON, [script], { stdio: ['pipe', 'pipe', 'ignore'] });
    python.stdin.on('error', () => {}); // it may be stopped before it has read all
    python.stdin.end(jobs.map((job) => `${JSON.stringify(job)}\n`).join(''));
    try {
        for await (const line of createInterface({ input: python.stdout })) yield JSON.parse(line);
    } finally {
        python.kill();
    }
}
