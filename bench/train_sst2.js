/**
 * Fine-tuning of a small encoder for SST-2, beside PyTorch: time of a step, by the clock and of all
 * processors, and what it learns. The same model, rows, order, steps of 32, AdamW, warm-up,
 * dropout of 0.1 and clipping; ours has no padding, PyTorch's batches are padded to their longest,
 * or sorted by length before (the same rows, in other batches).
 *
 *     node bench/train_sst2.js --model FOLDER --train TSV --dev TSV [--python PYTHON] [--rows N]
 *         [--seeds N] [--threads 1,2]
 *
 * FOLDER: config.json, model.safetensors, tokenizer.json as transformers has them. TSV: columns
 * `sentence` and `label`. PYTHON has torch and transformers. The processes run one after the other,
 * by turns: for each seed and number of threads ours, PyTorch's, PyTorch's sorted.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { Random } from '../js/train/random.js';
import { median } from './statistics.js';

/** Of random numbers: that of the order of examples in js/train/run.js. */
const PURPOSE = 3;

/** Steps at the beginning that are not timed. */
const WARM_UP = 5;

const HERE = fileURLToPath(import.meta.url);

const { values } = parseArgs({
    options: {
        model: { type: 'string' },
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
    /** @type {typeof import('../js/train/index.js')} */
    const { fineTune } = await import(new URL('../build/dist/train.node.js', import.meta.url).href);
    /** @type {{clock: number[], processors: number[], losses: number[]}} */
    const steps = { clock: [], processors: [], losses: [] };
    const used = () => {
        const { user, system } = process.cpuUsage();
        return (user + system) / 1000;
    };
    let last = { clock: performance.now(), processors: used() };
    const trained = await fineTune(
        String(values.model),
        rowsOf(String(values.train), Number(values.rows)),
        {
            labels: ['0', '1'],
            validation: rowsOf(String(values.dev)),
            epochs: 1,
            batch_size: 32,
            learning_rate: Number(values.rate),
            max_length: 128,
            seed: Number(values.seed),
            threads,
            onprogress(/** @type {any} */ { loss, validation }) {
                const now = { clock: performance.now(), processors: used() };
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

/** @param {string} command @param {string[]} args */
function run(command, args) {
    /** @type {import('node:child_process').StdioOptions} */
    const stdio = ['ignore', 'pipe', 'inherit'];
    return JSON.parse(execFileSync(command, args, { encoding: 'utf8', stdio, maxBuffer: 2 ** 26 }));
}

/** @param {number[]} times */
const timed = (times) => median(times.slice(WARM_UP));

/** @param {number[]} numbers */
const mean = (numbers) => numbers.reduce((a, b) => a + b, 0) / numbers.length;

function compare() {
    const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-sst2-'));
    const order = join(folder, 'order.json');
    const rows = join(folder, 'train.tsv');
    const lines = readFileSync(String(values.train), 'utf8').split('\n');
    writeFileSync(rows, lines.slice(0, 1 + Number(values.rows)).join('\n'));
    /** @type {Record<string, any[]>} */
    const results = {};
    try {
        for (let seed = 0; seed < Number(values.seeds); seed++) {
            const indices = Array.from({ length: Number(values.rows) }, (_, i) => i);
            writeFileSync(order, JSON.stringify(new Random(seed, PURPOSE).shuffled(indices)));
            for (const threads of values.threads.split(',')) {
                const common = [
                    '--threads',
                    threads,
                    '--seed',
                    String(seed),
                    '--rate',
                    values.rate,
                ];
                const ours = ['model', 'train', 'dev', 'rows', 'rate'].flatMap((name) => [
                    `--${name}`,
                    String(/** @type {any} */ (values)[name]),
                ]);
                const python = [
                    join(HERE, '../train_sst2.py'),
                    String(values.model),
                    rows,
                    String(values.dev),
                    order,
                    ...common,
                ];
                const peers = {
                    ours: () =>
                        run(process.execPath, [
                            HERE,
                            ...ours,
                            '--child',
                            threads,
                            '--seed',
                            String(seed),
                        ]),
                    torch: () => run(String(values.python), python),
                    'torch, sorted': () => run(String(values.python), [...python, '--sorted']),
                };
                for (const [name, measure] of Object.entries(peers)) {
                    const result = measure();
                    const key = `${name}, ${threads} threads`;
                    results[key] = [...(results[key] ?? []), result];
                    console.log(
                        `${key}, seed ${seed}: ${timed(result.clock).toFixed(0)} ms a step, ` +
                            `processors ${timed(result.processors).toFixed(0)} ms; loss ` +
                            `${mean(result.losses.slice(-10)).toFixed(3)}, accuracy ` +
                            `${(100 * result.accuracy).toFixed(1)} %`,
                    );
                }
            }
        }
    } finally {
        rmSync(folder, { recursive: true });
    }
    for (const threads of values.threads.split(',')) {
        const all = (/** @type {string} */ name) => results[`${name}, ${threads} threads`];
        const of = (/** @type {any[]} */ runs, /** @type {'clock' | 'processors'} */ what) =>
            median(runs.map((each) => timed(each[what])));
        for (const peer of ['torch', 'torch, sorted']) {
            const [clock, processors] = /** @type {const} */ (['clock', 'processors']).map(
                (what) => of(all(peer), what) / of(all('ours'), what),
            );
            console.log(
                `${threads} threads: ${peer} takes ${clock.toFixed(2)} times as long, ` +
                    `${processors.toFixed(2)} times the processor time`,
            );
        }
        const accuracy = (/** @type {string} */ name) =>
            (100 * mean(all(name).map((each) => each.accuracy))).toFixed(1);
        console.log(`accuracy: ours ${accuracy('ours')} %, torch ${accuracy('torch')} %`);
    }
}

if (values.child) await train(Number(values.child));
else compare();
