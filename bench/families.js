/**
 * Every family at its real size: converts each export of a folder and measures what
 * docs/your-own-model.md says. Random weights do: neither sizes nor times depend on what they are,
 * and errors are compared with onnxruntime's answers in each golden.json.
 *
 *     python tests/tools/make_models.py DIR --set real
 *     make bench-families FAMILIES=DIR
 *
 * Parameters are those that the file stores. Time and memory are those of q8 in Node, one thread,
 * one text of 128 tokens after the first: the median of 9, each model in a process of its own.
 */

import { execFileSync, spawnSync } from 'node:child_process';
import {
    existsSync,
    mkdtempSync,
    openSync,
    readdirSync,
    readSync,
    rmSync,
    statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(import.meta.dirname, '..');
const CONVERTER = resolve(ROOT, process.env.BERT_CONVERT ?? 'build/native/bert-convert');
const DIST = resolve(ROOT, process.env.DIST ?? 'build/dist');
const N_TOKENS = 128;
const N_RUNS = 9;

/** @param {string} path  of a model file */
function readHeader(path) {
    const file = openSync(path, 'r');
    const length = Buffer.alloc(8);
    readSync(file, length, 0, 8, 0);
    const header = Buffer.alloc(Number(length.readBigUInt64LE(0)));
    readSync(file, header, 0, header.length, 8);
    return JSON.parse(header.toString());
}

/** Numbers that an f32 file stores; panels are counted without what fills them up.
 * @param {string} path */
function countParameters(path) {
    const { __metadata__, ...tensors } = readHeader(path);
    let total = 0;
    for (const [name, { shape }] of Object.entries(tensors)) {
        if (name === 'tokenizer.json' || name.startsWith('padding.')) continue;
        const bias =
            name.endsWith('.weight') && shape.length === 3
                ? tensors[name.replace(/weight$/, 'bias')]
                : undefined;
        total += bias
            ? shape[1] * bias.shape[0]
            : shape.reduce((/** @type {number} */ a, /** @type {number} */ b) => a * b, 1);
    }
    return total;
}

/** Largest error over the largest output (at least 1) of a model file against a golden.json.
 * @param {string} golden
 * @param {string} path */
function largestError(golden, path) {
    const { stdout, stderr } = spawnSync(
        CONVERTER,
        ['--verify', golden, '--tolerance', '1e9', path],
        { encoding: 'utf8', maxBuffer: 1 << 28 },
    );
    const errors = [...stdout.matchAll(/ error (\S+) of largest (\S+),/g)].map(
        ([, error, largest]) => Number(error) / Math.max(1, Number(largest)),
    );
    if (!errors.length) throw new Error(`${path}: ${stderr}`);
    return Math.max(...errors);
}

/** @param {string} path */
async function measure(path) {
    const { loadModel } = await import(join(DIST, 'index.node.js'));
    const model = await loadModel(path, { threads: 1 });
    const vocabulary = Number(model.config.encoder.vocab_size);
    const input_ids = Array.from(
        { length: N_TOKENS },
        (_, i) => 5 + ((i * 7919) % (vocabulary - 5)),
    );
    const times = [];
    for (let i = 0; i < N_RUNS + 3; i++) {
        const start = performance.now();
        await model.forward([{ input_ids }]);
        if (i >= 3) times.push(performance.now() - start);
    }
    const { memory_bytes } = await model.info();
    const verified = await model.verify();
    model.dispose();
    return {
        ms: times.sort((a, b) => a - b)[N_RUNS >> 1],
        memory_bytes,
        rss: process.resourceUsage().maxRSS * 1024,
        verified,
    };
}

const megabytes = (/** @type {number} */ bytes) =>
    `${Math.round(bytes / 1e6).toLocaleString('en')} MB`;

/** @param {string} folder
 * @param {string} scratch */
function row(folder, scratch) {
    const name = folder.split('/').at(-1) ?? '';
    const golden = join(folder, 'golden.json');
    const [f32, q8] = ['f32', 'q8'].map((dtype) => join(scratch, `${name}.${dtype}.safetensors`));
    try {
        execFileSync(CONVERTER, [folder, '-o', f32, '--dtype', 'f32'], {
            stdio: ['ignore', 'ignore', 'pipe'],
        });
        const parameters = countParameters(f32);
        const f32_bytes = statSync(f32).size;
        const error = largestError(golden, f32);
        rmSync(f32);
        execFileSync(CONVERTER, [folder, '-o', q8], { stdio: ['ignore', 'ignore', 'pipe'] });
        const child = spawnSync(
            process.execPath,
            [fileURLToPath(import.meta.url), '--measure', q8],
            { encoding: 'utf8' },
        );
        if (child.status !== 0) throw new Error(child.stderr.slice(0, 500));
        const { ms, memory_bytes, rss, verified } = JSON.parse(child.stdout);
        return [
            name.replace(/^real-/, ''),
            `${Math.round(parameters / 1e6)} M`,
            megabytes(f32_bytes),
            megabytes(statSync(q8).size),
            error.toExponential(1),
            `${ms.toFixed(ms < 100 ? 1 : 0)} ms`,
            `${megabytes(memory_bytes)} / ${megabytes(rss)}`,
            verified.ok ? 'yes' : 'NO',
        ];
    } finally {
        for (const path of [f32, q8]) rmSync(path, { force: true });
    }
}

const [first, second] = process.argv.slice(2);
if (first === '--measure') {
    process.stdout.write(JSON.stringify(await measure(second)));
} else {
    if (!first || !existsSync(first)) throw new Error('usage: node bench/families.js DIR');
    const scratch = mkdtempSync(join(process.env.TMPDIR ?? tmpdir(), 'bert-wasm-families-'));
    const folders = readdirSync(first)
        .map((name) => join(resolve(first), name))
        .filter((path) => existsSync(join(path, 'golden.json')));
    const sizes = folders.map((path) => ({
        path,
        bytes: readdirSync(path).reduce((sum, file) => sum + statSync(join(path, file)).size, 0),
    }));
    console.log(
        '| model | parameters | f32 | q8 | largest error, f32, ' +
            'against onnxruntime | 128 tokens, q8 | memory: engine / process | verify() |',
    );
    console.log('| --- | --- | --- | --- | --- | --- | --- | --- |');
    for (const { path } of sizes.sort((a, b) => a.bytes - b.bytes)) {
        try {
            console.log(`| ${row(path, scratch).join(' | ')} |`);
        } catch (error) {
            console.log(
                `| ${path.split('/').at(-1)} | ` +
                    `${/** @type {Error} */ (error).message.replace(/\s+/g, ' ')} |`,
            );
            process.exitCode = 1;
        }
    }
    rmSync(scratch, { recursive: true });
}
