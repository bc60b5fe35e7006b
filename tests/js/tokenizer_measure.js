/**
 * How long a tokenizer takes and how much memory, in a process of its own, where nothing else is:
 *
 *     node --expose-gc tokenizer_measure.js MODULE load FILE
 *         milliseconds, the first time and the median; MB it keeps
 *     node --expose-gc tokenizer_measure.js MODULE encode FILE UNIT COUNT
 *         milliseconds for UNIT.repeat(COUNT), a tenth of it and a short text then; MB at the most
 *
 * MODULE is the file with Tokenizer. Prints JSON.
 */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const MB = 2 ** 20;

/** Waits for the answer.
 * @param {string[]} args  as above
 * @returns {any} */
export function measure(...args) {
    return JSON.parse(
        execFileSync(process.execPath, ['--expose-gc', fileURLToPath(import.meta.url), ...args], {
            encoding: 'utf8',
        }),
    );
}

/** Of everything JavaScript holds, typed arrays too, which are let go of a little later. */
async function held() {
    for (let n = 0; n < 5; n++) {
        globalThis.gc?.();
        await new Promise(setImmediate);
    }
    const { heapUsed, external } = process.memoryUsage();
    return (heapUsed + external) / MB;
}

async function load(Tokenizer, bytes) {
    const times = [];
    const before = await held();
    let tokenizer;
    for (let round = 0; round < 5; round++) {
        tokenizer = null;
        globalThis.gc?.();
        const start = performance.now();
        tokenizer = Tokenizer.fromJSON(bytes);
        times.push(performance.now() - start);
    }
    const kept = (await held()) - before;
    return {
        first: times[0],
        median: times.slice().sort((a, b) => a - b)[2],
        kept,
        pieces: tokenizer.vocab_size,
        bytes: bytes.length,
    };
}

function encode(Tokenizer, bytes, unit, count) {
    const tokenizer = Tokenizer.fromJSON(bytes);
    // One flat string, as a reader of files has.
    const text = Buffer.from(unit.repeat(Number(count)), 'utf16le').toString('utf16le');
    const time = (part) => {
        const start = performance.now();
        const { offsets, length } = tokenizer.encode(part, { add_special_tokens: false });
        return { ms: performance.now() - start, end: offsets.at(-1) ?? 0, length };
    };
    const { ms: tenth_ms } = time(text.slice(0, unit.length * Math.floor(count / 10)));
    const { ms, end, length } = time(text);
    const { ms: then } = time('and then a short one');
    return { ms, tenth_ms, then, end, length, most: process.resourceUsage().maxRSS / 1024 };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const [module, what, file, ...rest] = process.argv.slice(2);
    const { Tokenizer } = await import(module);
    const bytes = readFileSync(file);
    console.log(
        JSON.stringify(
            what === 'load' ? await load(Tokenizer, bytes) : encode(Tokenizer, bytes, ...rest),
        ),
    );
}
