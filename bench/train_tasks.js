/**
 * Labels of words and answers, learned beside transformers' Trainer: from the same weights, new
 * classifier included, the same examples in the same order, by the same steps. What is dropped at
 * random differs, so F1 is that of several seeds.
 *
 *     node bench/train_tasks.js [--python PYTHON] [--seeds 2] [--threads 1] FOLDER ...
 *
 * A FOLDER has train.conll and dev.conll (token, tab, label, an empty line after a sentence), or
 * train.jsonl and dev.jsonl (question, context, answers with text and start). PYTHON has torch,
 * transformers, accelerate, seqeval. Writes its rows into measured.json.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';

import { Random } from '../js/train/random.js';
import { BASE, dist, processorSeconds, record, runPython, writeFolder } from './beside_python.js';
import { mean } from './statistics.js';

/** Of random numbers: that of the order of examples in js/train/run.js. */
const PURPOSE = 3;

const HOW = { epochs: 3, batch_size: 16, learning_rate: 2e-4, max_length: 256 };

/** What a question and its context may have, in characters, so that one window has both. */
const MOST_CHARACTERS = 700;

const { values, positionals: folders } = parseArgs({
    allowPositionals: true,
    options: {
        python: { type: 'string', default: 'python3' },
        seeds: { type: 'string', default: '2' },
        threads: { type: 'string', default: '1' },
    },
});
if (folders.length === 0) throw new Error('node bench/train_tasks.js FOLDER ...');
const threads = Number(values.threads);

const { fineTune } = await dist('train.node.js');

/** @typedef {{f1: number, losses: number[], processor_seconds: number}} Result */
/** @typedef {ReturnType<typeof read>} Set */

/** @param {string} file */
function readSentences(file) {
    return readFileSync(file, 'utf8')
        .trim()
        .split(/\n\n+/)
        .map((sentence) => {
            const words = sentence.split('\n').map((line) => line.split('\t'));
            return { tokens: words.map(([token]) => token), labels: words.map(([, of]) => of) };
        });
}

/** @param {string} file */
function readQuestions(file) {
    return readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .map((line) => {
            const { question, context, answers } = JSON.parse(line);
            return {
                question,
                context,
                answers: answers.map((/** @type {{text: string, start: number}} */ each) => ({
                    text: each.text,
                    answer_start: each.start,
                })),
            };
        })
        .filter(({ question, context }) => question.length + context.length <= MOST_CHARACTERS);
}

/** @param {string} folder */
function read(folder) {
    const is_words = existsSync(join(folder, 'train.conll'));
    const [examples, validation] = ['train', 'dev'].map((part) =>
        is_words
            ? readSentences(join(folder, `${part}.conll`))
            : readQuestions(join(folder, `${part}.jsonl`)),
    );
    const labels = is_words
        ? [...new Set(readSentences(join(folder, 'train.conll')).flatMap((each) => each.labels))]
        : undefined;
    const task = is_words ? 'token-classification' : 'question-answering';
    return { name: basename(folder), task, labels: labels?.sort(), examples, validation };
}

/**
 * The weights that both begin with: at the only step the rate is still 0.
 * @param {Set} set
 * @param {number} seed
 */
async function initial({ task, labels, examples }, seed) {
    const few = examples.slice(0, HOW.batch_size);
    const options = { ...HOW, task, labels, seed, epochs: 1, warmup: 1 };
    return await (await fineTune(BASE, few, options)).export();
}

/** @param {Set} set @param {number} seed @returns {Promise<Result>} */
async function learn({ task, labels, examples, validation }, seed) {
    /** @type {number[]} */
    const losses = [];
    let [n_seconds, last] = [0, processorSeconds()];
    const trained = await fineTune(BASE, examples, {
        ...HOW,
        task,
        labels,
        validation,
        seed,
        threads,
        onprogress({ loss, validation: scores }) {
            const now = processorSeconds();
            if (!scores) {
                losses.push(loss);
                n_seconds += now - last;
            }
            last = now;
        },
    });
    return { f1: trained.history.at(-1).validation.f1, losses, processor_seconds: n_seconds };
}

/** @param {Result[]} results */
function summary(results) {
    return {
        f1: results.map(({ f1 }) => Number(f1.toFixed(4))),
        loss: results.map(({ losses }) => Number(mean(losses.slice(-10)).toFixed(3))),
        processor_s: Math.round(mean(results.map((each) => each.processor_seconds))),
    };
}

const rows = [];
for (const set of folders.map(read)) {
    /** @type {Result[]} */
    const ours = [];
    /** @type {Result[]} */
    const theirs = [];
    let versions = {};
    for (let seed = 0; seed < Number(values.seeds); seed++) {
        const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-tasks-'));
        try {
            writeFolder(join(folder, 'base'), await initial(set, seed));
            ours.push(await learn(set, seed));
            console.error(`${set.name}, seed ${seed}: ${JSON.stringify(summary(ours))}`);
            const random = new Random(seed, PURPOSE);
            const indices = set.examples.map((_, i) => i);
            const orders = Array.from({ length: HOW.epochs }, () => random.shuffled(indices));
            const request = { ...HOW, ...set, seed, threads, orders };
            writeFileSync(join(folder, 'request.json'), JSON.stringify(request));
            const { versions: own, ...result } = runPython(values.python, 'train_tasks.py', folder);
            versions = own;
            theirs.push(result);
        } finally {
            rmSync(folder, { recursive: true });
        }
        if (ours[seed].losses.length !== theirs[seed].losses.length) {
            throw new Error(`${ours[seed].losses.length} steps, not ${theirs[seed].losses.length}`);
        }
        console.error(`${set.name}, Trainer, seed ${seed}: ${JSON.stringify(summary(theirs))}`);
    }
    rows.push({
        data: set.name,
        examples: set.examples.length,
        steps: ours[0].losses.length,
        ours: summary(ours),
        trainer: summary(theirs),
    });
    record('train_tasks', 'node bench/train_tasks.js FOLDER ...', {
        ...HOW,
        threads,
        versions,
        rows,
    });
}
