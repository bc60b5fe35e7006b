/**
 * A long file through the command line, `bert-wasm classify`: texts a second, and memory as lines
 * go by; next to transformers.js (Node, its native onnxruntime, int8) on the first 2,000 lines, in
 * a process of its own, text by text and in batches of 32.
 *
 *     make bench-lines        LINES=100000 by default
 */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { prepareMiniLm, readSentences } from './models.js';

const ROOT = join(import.meta.dirname, '..');
const LINES = Number(process.env.LINES ?? 100_000);
const PEER_LINES = 2000;
const BATCH = 32;
const REPORTS = 5;

/** The peer's part, run by itself: `node bench/lines.js peer DIRECTORY FILE BATCH`. */
async function peer(
    /** @type {string} */ model,
    /** @type {string} */ file,
    /** @type {string} */ batch,
) {
    const { open } = await import('./peers/transformers.js');
    const texts = readFileSync(file, 'utf8')
        .split('\n', PEER_LINES)
        .map((line) => JSON.parse(line).text);
    const classify = await open({
        runtime: 'transformers',
        library: '@huggingface/transformers',
        model,
        dtype: 'q8',
        threads: 1,
    });
    const batch_size = Number(batch);
    await classify.prepare({ name: 'warm up', texts: texts.slice(0, BATCH), batch_size })();
    const start = performance.now();
    await classify.prepare({ name: 'all', texts, batch_size })();
    console.log(
        JSON.stringify({ texts_per_second: (texts.length / (performance.now() - start)) * 1e3 }),
    );
    process.exit(0);
}

/** @param {number} pid */
function memory(pid) {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const of = (/** @type {string} */ field) =>
        Math.round(Number(status.match(new RegExp(`${field}:\\s+(\\d+) kB`))?.[1]) / 1024);
    return { now: of('VmRSS'), most: of('VmHWM') };
}

/** @param {string} file @param {number} threads */
async function ours(file, threads) {
    const child = spawn(
        process.execPath,
        [
            join(ROOT, 'build/dist/cli.js'),
            'classify',
            '--input',
            '-',
            '--format',
            'jsonl',
            '--threads',
            String(threads),
        ],
        { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    createReadStream(file).pipe(child.stdin);
    let n = 0;
    let first = 0;
    const seen = [];
    for await (const _ of createInterface({ input: child.stdout })) {
        if (n++ === 0) first = performance.now();
        if (n % Math.ceil(LINES / REPORTS) === 0) {
            seen.push(`${n} lines ${memory(/** @type {number} */ (child.pid)).now} MB`);
        }
    }
    const seconds = (performance.now() - first) / 1e3;
    return { n, seconds, seen };
}

async function main() {
    const { directory } = prepareMiniLm({
        dist: join(ROOT, 'build/dist'),
        converter: join(ROOT, 'build/native/bert-convert'),
        warn: console.error,
    });
    const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-lines-'));
    const file = join(folder, 'lines.jsonl');
    const sentences = readSentences(872);
    if (sentences.length === 0) throw new Error('there are no sentences: set SENTENCES');
    const out = createWriteStream(file);
    for (let i = 0; i < LINES; i++) {
        if (!out.write(`${JSON.stringify({ id: i, text: sentences[i % sentences.length] })}\n`)) {
            await once(out, 'drain');
        }
    }
    out.end();
    await once(out, 'close');

    console.log('| what | texts/s | resident memory |');
    console.log('| --- | --- | --- |');
    for (const batch of [1, BATCH]) {
        const { stdout, stderr } = spawnSync(
            process.execPath,
            [import.meta.filename, 'peer', directory, file, String(batch)],
            { encoding: 'utf8' },
        );
        if (!stdout) throw new Error(stderr);
        console.log(
            `| transformers.js, int8, native onnxruntime, 1 thread, ${PEER_LINES} lines, ` +
                `${batch === 1 ? 'one at a time' : `batches of ${batch}`} | ` +
                `${Math.round(JSON.parse(stdout).texts_per_second)} | |`,
        );
    }
    for (const threads of [1, 2]) {
        const { n, seconds, seen } = await ours(file, threads);
        console.log(
            `| bert-wasm classify, q8, ${threads} thread${threads > 1 ? 's' : ''}, ` +
                `${n} lines | ${Math.round(n / seconds)} | ${seen.join(', ')} |`,
        );
    }
    rmSync(folder, { recursive: true });
}

if (process.argv[2] === 'peer') await peer(process.argv[3], process.argv[4], process.argv[5]);
else await main();
