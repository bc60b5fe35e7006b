/**
 * How good few-shot classification is: of each data set some examples a label are drawn, a
 * classifier is trained on them, and judged by the same texts each time.
 *
 *     node bench/few_shot.js OUT FOLDER ...      the package, built
 *     python bench/few_shot.py OUT               SetFit on the same draws, from the same weights
 *
 * Each FOLDER has train.tsv and dev.tsv with a header, `text` and `label`. OUT gets the draws, and
 * the base as sentence-transformers opens it, for Python. SEEDS=N draws N times, default 10.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { Random } from '../js/train/random.js';

const DIST = join(import.meta.dirname, '../build/dist');
const { pipeline } = await import(join(DIST, 'index.node.js'));
const { evaluate } = await import(join(DIST, 'metrics.js'));
const { fewShot, fineTune } = await import(join(DIST, 'train.node.js'));

const BASE = join(import.meta.dirname, '../web-demo/models/all-minilm-l6-v2-q8.safetensors');
const SHOTS = 8;
const TESTS = 400;
const THREADS = 2;
const SEEDS = Number(process.env.SEEDS ?? 10);

const [out, ...folders] = process.argv.slice(2);
if (folders.length === 0) throw new Error('node bench/few_shot.js OUT FOLDER ...');

/** @param {string} file */
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
    const labels = [...new Set(examples.map(({ label }) => label))].sort();
    const tests = new Random(0, 0).shuffled(read(join(folder, 'dev.tsv'))).slice(0, TESTS);
    const draws = Array.from({ length: SEEDS }, (_, seed) => {
        const shuffled = new Random(seed, 1).shuffled(examples);
        return labels.flatMap((each) =>
            shuffled.filter(({ label }) => label === each).slice(0, SHOTS),
        );
    });
    return { name: basename(folder), tests, draws };
}

/** The base in float32, for Python: nothing is learned of these. */
async function writeBase() {
    const nothing = [{ text: 'a', text_pair: 'a', score: 1 }];
    const options = { task: /** @type {const} */ ('feature-extraction'), epochs: 1 };
    const files = await (await fineTune(BASE, nothing, { ...options, warmup: 1 })).export();
    for (const [path, bytes] of Object.entries(files)) {
        const file = join(out, 'base', path);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, bytes);
    }
}

mkdirSync(out, { recursive: true });
await writeBase();
const sets = folders.map(drawn);
writeFileSync(join(out, 'draws.json'), JSON.stringify(sets));
for (const { name, tests, draws } of sets) {
    const rows = [];
    for (const [seed, examples] of draws.entries()) {
        const began = performance.now();
        const trained = await fewShot(BASE, examples, { seed, threads: THREADS });
        const seconds = (performance.now() - began) / 1000;
        const classify = await pipeline(
            'text-classification',
            await trained.model({ dtype: 'f32' }),
        );
        const { accuracy } = await evaluate(classify, tests);
        classify.dispose();
        rows.push({ accuracy, seconds });
        console.log(`${name}, seed ${seed}: ${accuracy.toFixed(3)}, ${seconds.toFixed(1)} s`);
    }
    const mean = (/** @type {'accuracy' | 'seconds'} */ key) =>
        rows.reduce((sum, row) => sum + row[key], 0) / rows.length;
    const deviation = Math.sqrt(
        rows.reduce((sum, row) => sum + (row.accuracy - mean('accuracy')) ** 2, 0) / rows.length,
    );
    console.log(
        `${name}: accuracy ${mean('accuracy').toFixed(3)} +- ${deviation.toFixed(3)}, ` +
            `${mean('seconds').toFixed(1)} s`,
    );
}
