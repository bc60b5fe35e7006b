/**
 * Few-shot classification beside SetFit: of each data set some examples a label are drawn, both
 * learn from these, from the same weights, and are judged by the same texts.
 *
 *     node bench/few_shot.js [--python PYTHON] [--seeds 10] [--threads 1] FOLDER ...
 *
 * Each FOLDER has train.tsv and dev.tsv with a header, `text` and `label`; of more than three
 * labels the first three are taken. PYTHON has setfit. Writes its rows into measured.json.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';

import { Random } from '../js/train/random.js';
import { BASE, dist, record, runPython, timed, writeFolder } from './beside_python.js';
import { deviation, mean } from './statistics.js';

/** Examples of a label, labels of a data set, texts that judge. */
const [SHOTS, MOST_LABELS, TESTS] = [8, 3, 400];

const { values, positionals: folders } = parseArgs({
    allowPositionals: true,
    options: {
        python: { type: 'string', default: 'python3' },
        seeds: { type: 'string', default: '10' },
        threads: { type: 'string', default: '1' },
    },
});
if (folders.length === 0) throw new Error('node bench/few_shot.js FOLDER ...');

const { pipeline } = await dist('index.node.js');
const { evaluate } = await dist('metrics.js');
const { fewShot, fineTune } = await dist('train.node.js');

/** @typedef {{text: string, label: string}} Row */
/** @typedef {{accuracy: number, seconds: number, processor_seconds: number}} Result */

/** @param {string} file @returns {Row[]} */
function read(file) {
    const [, ...lines] = readFileSync(file, 'utf8').trimEnd().split('\n');
    return lines.map((line) => {
        const [text, label] = line.split('\t');
        return { text, label };
    });
}

/** @param {string} folder */
function drawn(folder) {
    const examples = read(join(folder, 'train.tsv'));
    const labels = [...new Set(examples.map(({ label }) => label))].sort().slice(0, MOST_LABELS);
    const dev = read(join(folder, 'dev.tsv')).filter(({ label }) => labels.includes(label));
    const tests = new Random(0, 0).shuffled(dev).slice(0, TESTS);
    const draws = Array.from({ length: Number(values.seeds) }, (_, seed) => {
        const shuffled = new Random(seed, 1).shuffled(examples);
        return labels.flatMap((each) =>
            shuffled.filter(({ label }) => label === each).slice(0, SHOTS),
        );
    });
    return { name: basename(folder), n_labels: labels.length, tests, draws };
}

/** @param {Row[]} examples @param {Row[]} tests @param {number} seed @returns {Promise<Result>} */
async function learn(examples, tests, seed) {
    const options = { seed, threads: Number(values.threads) };
    const { result: trained, ...times } = await timed(() => fewShot(BASE, examples, options));
    const classify = await pipeline('text-classification', await trained.model({ dtype: 'f32' }));
    const { accuracy } = await evaluate(classify, tests);
    classify.dispose();
    return { accuracy, ...times };
}

/** @param {Result[]} results */
function summary(results) {
    const of = (/** @type {keyof Result} */ key) => results.map((each) => each[key]);
    return {
        accuracy: Number(mean(of('accuracy')).toFixed(4)),
        deviation: Number(deviation(of('accuracy')).toFixed(4)),
        processor_s: Number(mean(of('processor_seconds')).toFixed(1)),
        s: Number(mean(of('seconds')).toFixed(1)),
    };
}

const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-few-shot-'));
try {
    // The base in float32, for Python: at its only step the rate is still 0.
    const nothing = [{ text: 'a', text_pair: 'a', score: 1 }];
    const base = await fineTune(BASE, nothing, {
        task: 'feature-extraction',
        epochs: 1,
        warmup: 1,
    });
    writeFolder(join(folder, 'base'), await base.export());
    const rows = [];
    for (const set of folders.map(drawn)) {
        const { name, n_labels, tests, draws } = set;
        /** @type {Result[]} */
        const ours = [];
        for (const [seed, examples] of draws.entries()) {
            ours.push(await learn(examples, tests, seed));
            console.error(`${name}, seed ${seed}: ${JSON.stringify(ours.at(-1))}`);
        }
        writeFileSync(join(folder, 'set.json'), JSON.stringify(set));
        const { versions, results } = runPython(
            values.python,
            'few_shot.py',
            folder,
            '--threads',
            values.threads,
        );
        const row = {
            data: name,
            labels: n_labels,
            texts: tests.length,
            ours: summary(ours),
            setfit: summary(results),
        };
        console.log(`${name}: ${JSON.stringify(row)}`);
        rows.push(row);
        record('few_shot', `node bench/few_shot.js FOLDER ...`, {
            shots: SHOTS,
            seeds: draws.length,
            threads: Number(values.threads),
            versions,
            rows,
        });
    }
} finally {
    rmSync(folder, { recursive: true });
}
