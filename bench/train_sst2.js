/**
 * Fine-tuning of a small encoder for SST-2, beside PyTorch: time of a step, by the clock and of all
 * processors, and what it learns. The same model, rows, order, steps of 32, AdamW, warm-up,
 * dropout of 0.1 and clipping; ours has no padding, PyTorch's batches are padded to their longest,
 * or sorted by length before (the same rows, in other batches).
 *
 *     make build/bench/micro.wasm
 *     node bench/train_sst2.js --train TSV --dev TSV [--python PYTHON] [--rows 3200] [--seeds 3]
 *         [--threads 1,2]
 *
 * Node 22 or later, or --experimental-wasm-relaxed-simd of Node 20: else ours is its slower build.
 * TSV: columns `sentence` and `label`. PYTHON has torch and transformers. The processes run one
 * after the other, by turns: for each seed and number of threads ours, PyTorch's, PyTorch's sorted.
 * Writes its rows into measured.json. What is said of the peak is the share of multiply-adds on
 * vectors of 128 bits that bench/micro.js measures first.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { Random } from '../js/train/random.js';
import { BASE, dist, processorSeconds, record, runPython, writeFolder } from './beside_python.js';
import { mean, median, ratio } from './statistics.js';

/** Of random numbers: that of the order of examples in js/train/run.js. */
const PURPOSE = 3;

/** Steps at the beginning that are not timed. */
const WARM_UP = 5;

/** Sentences of a step. */
const BATCH = 32;

/**
 * Operations of a token: each weight of the layers is multiplied and added once on the way there
 * and twice on the way back. What attention does between tokens is little of sentences.
 */
const OPERATIONS = 3 * 2 * 6 * (4 * 384 * 384 + 2 * 384 * 1536);

const HERE = fileURLToPath(import.meta.url);

const { values } = parseArgs({
    options: {
        model: { type: 'string', default: BASE },
        train: { type: 'string' },
        dev: { type: 'string' },
        python: { type: 'string', default: 'python3' },
        rows: { type: 'string', default: '3200' },
        seeds: { type: 'string', default: '3' },
        threads: { type: 'string', default: '1,2' },
        rate: { type: 'string', default: '5e-5' },
        child: { type: 'string' },
        seed: { type: 'string', default: '0' },
    },
});

/** @param {string} path @param {number} [most] @returns {{text: string, label: string}[]} */
function rowsOf(path, most = Infinity) {
    const [head, ...lines] = readFileSync(path, 'utf8').trimEnd().split(/\r?\n/);
    const names = head.split('\t');
    const [text, label] = [names.indexOf('sentence'), names.indexOf('label')];
    return lines.slice(0, most).map((line) => {
        const columns = line.split('\t');
        return { text: columns[text], label: columns[label] };
    });
}

/** One training of ours: one JSON object on standard output. @param {number} threads */
async function train(threads) {
    const { fineTune } = await dist('train.node.js');
    /** @type {{clock: number[], processors: number[], losses: number[]}} */
    const steps = { clock: [], processors: [], losses: [] };
    let last = { clock: performance.now(), processors: 1000 * processorSeconds() };
    const trained = await fineTune(
        values.model,
        rowsOf(String(values.train), Number(values.rows)),
        {
            labels: ['0', '1'],
            validation: rowsOf(String(values.dev)),
            epochs: 1,
            batch_size: BATCH,
            learning_rate: Number(values.rate),
            max_length: 128,
            seed: Number(values.seed),
            threads,
            onprogress(/** @type {any} */ { loss, validation }) {
                const now = { clock: performance.now(), processors: 1000 * processorSeconds() };
                if (validation) return;
                steps.clock.push(now.clock - last.clock);
                steps.processors.push(now.processors - last.processors);
                steps.losses.push(loss);
                last = now;
            },
        },
    );
    const { memory_bytes, metrics } = trained;
    console.log(JSON.stringify({ ...steps, memory_bytes, accuracy: metrics?.accuracy }));
}

/** What a training says on its last line. @typedef {Record<string, any>} Result */

/**
 * The folder of the base, classifier included: at the only step the rate is still 0.
 * @param {number} seed
 */
async function initial(seed) {
    const { fineTune } = await dist('train.node.js');
    const rows = rowsOf(String(values.train), BATCH);
    const options = { labels: ['0', '1'], seed, epochs: 1, batch_size: BATCH, warmup: 1 };
    return (await fineTune(values.model, rows, options)).export();
}

/** Multiply-adds of one thread, operations a second. */
function peak() {
    const args = [...process.execArgv, join(HERE, '../micro.js'), '--quick'];
    const lines = execFileSync(process.execPath, args, { encoding: 'utf8' });
    return 1e9 * Number(/^multiply-add +([\d.]+)/m.exec(lines)?.[1]);
}

/** @param {number[]} times */
const timed = (times) => median(times.slice(WARM_UP));

/**
 * Times of a step are medians, of the runs' medians.
 * @param {Result[]} runs
 */
function summary(runs) {
    const of = (/** @type {'clock' | 'processors'} */ what) =>
        median(runs.map((each) => timed(each[what])));
    return {
        step_ms: Math.round(of('clock')),
        processor_ms: Math.round(of('processors')),
        sentences_per_second: Number(((1000 * BATCH) / of('clock')).toFixed(1)),
        loss: Number(mean(runs.map(({ losses }) => mean(losses.slice(-10)))).toFixed(3)),
        accuracy: runs.map(({ accuracy }) => Number(accuracy.toFixed(4))),
    };
}

async function compare() {
    if (!existsSync(join(HERE, '../../build/bench/micro.wasm'))) {
        throw new Error('make build/bench/micro.wasm');
    }
    const operations_per_second = peak();
    const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-sst2-'));
    const order = join(folder, 'order.json');
    const train = join(folder, 'train.tsv');
    const lines = readFileSync(String(values.train), 'utf8').split('\n');
    const rows = [];
    try {
        writeFileSync(train, lines.slice(0, 1 + Number(values.rows)).join('\n'));
        for (const threads of values.threads.split(',')) {
            /** @type {Record<string, Result[]>} */
            const results = { ours: [], torch: [], 'torch, sorted': [] };
            for (let seed = 0; seed < Number(values.seeds); seed++) {
                const indices = Array.from({ length: Number(values.rows) }, (_, i) => i);
                writeFileSync(order, JSON.stringify(new Random(seed, PURPOSE).shuffled(indices)));
                writeFolder(join(folder, 'base'), await initial(seed));
                const common = ['--threads', threads, '--seed', seed, '--rate', values.rate];
                const python = (/** @type {string[]} */ ...more) => [
                    ...[join(folder, 'base'), train, String(values.dev), order],
                    ...common,
                    ...more,
                ];
                /** @type {Record<string, () => Result>} */
                const sides = {
                    ours: () => ourRun(threads, seed),
                    torch: () => runPython(values.python, 'train_sst2.py', ...python()),
                    'torch, sorted': () =>
                        runPython(values.python, 'train_sst2.py', ...python('--sorted')),
                };
                for (const [name, measure] of Object.entries(sides)) {
                    results[name].push(measure());
                    const last = summary(results[name].slice(-1));
                    console.error(`${name}, ${threads}, seed ${seed}: ${JSON.stringify(last)}`);
                }
            }
            const n_tokens = results.torch[0].n_tokens / results.torch[0].clock.length;
            const seconds = summary(results.ours).step_ms / 1000;
            const possible = operations_per_second * Number(threads) * seconds;
            for (const [who, runs] of Object.entries(results)) {
                const over = (/** @type {'clock' | 'processors'} */ what) =>
                    Number(
                        ratio(
                            runs.map((each) => timed(each[what])),
                            results.ours.map((each) => timed(each[what])),
                        ).median.toFixed(2),
                    );
                rows.push({
                    who,
                    threads: Number(threads),
                    ...summary(runs),
                    ...(who === 'ours'
                        ? { share_of_peak: Number(((OPERATIONS * n_tokens) / possible).toFixed(2)) }
                        : { ratio: over('clock'), processor_ratio: over('processors') }),
                });
                console.log(JSON.stringify(rows.at(-1)));
            }
        }
    } finally {
        rmSync(folder, { recursive: true });
    }
    record('train_sst2', 'node bench/train_sst2.js --train TSV --dev TSV', {
        examples: Number(values.rows),
        peak_gops: Math.round(operations_per_second / 1e9),
        rows,
    });
}

/**
 * In a process of its own, as PyTorch.
 * @param {string} threads
 * @param {number} seed
 * @returns {Result}
 */
function ourRun(threads, seed) {
    const given = ['model', 'train', 'dev', 'rows', 'rate'].flatMap((name) => [
        `--${name}`,
        String(/** @type {any} */ (values)[name]),
    ]);
    const args = [...process.execArgv, HERE, ...given, '--child', threads, '--seed', String(seed)];
    const output = execFileSync(process.execPath, args, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
        maxBuffer: 2 ** 26,
    });
    return JSON.parse(output);
}

if (values.child) await train(Number(values.child));
else await compare();
