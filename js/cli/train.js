/**
 * `bert-wasm train`: a model learns labels from a file of examples. Ctrl-C ends it early and keeps
 * what there is; once more ends it at once.
 */

import { accessSync, constants, openSync, writeSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

import { BertError } from '../errors.js';
import { DTYPES } from '../sources/choose.js';
import { readExamples as checkExamples } from '../train/examples.js';
import { fineTune } from '../train/index.js';
import { located } from './eval.js';
import { EXAMPLE_FORMATS, readExamples } from './examples.js';
import { MODEL_OPTIONS, parse } from './options.js';
import { print } from './print.js';

/** @import { Example } from './examples.js' */
/** @import { TrainProgress } from '../train/run.js' */
/** @import { TrainTask } from '../train/head.js' */

/** By what --task may be. @type {Record<string, {task: TrainTask, usual: string}>} */
const TASKS = {
    classify: { task: 'text-classification', usual: 'tsv' },
    ner: { task: 'token-classification', usual: 'conll' },
};

/** Columns of what is said while it runs. */
export const WIDTH = 76;

/** @type {import('./options.js').Options} */
const OPTIONS = {
    input: { short: 'i', value: 'FILE', help: 'examples to learn from; - for standard input' },
    out: { short: 'o', value: 'FILE', help: 'the model file that is made' },
    model: {
        short: 'm',
        value: 'BASE',
        help: 'the model to begin with: ORG/NAME on the Hub, a folder, weights, or a model file',
    },
    task: { kind: Object.keys(TASKS), value: 'T', help: 'classify or ner; default classify' },
    validation: {
        value: 'FILE',
        help: 'examples that tell after each epoch how good it is, or a share of --input, as 0.1',
    },
    format: {
        kind: EXAMPLE_FORMATS.filter((format) => format !== 'squad'),
        value: 'F',
        help: 'jsonl, tsv or conll; default by extension, else what is usual for the task',
    },
    labels: { kind: 'list', value: 'A,B', help: 'all labels; default those of the examples' },
    dtype: {
        kind: DTYPES,
        value: 'D',
        help: `how weights are stored: ${DTYPES.join(', ')}; default q8`,
    },
    name: { value: 'N', help: "the model's name; default that of --out" },
    epochs: {
        kind: 'whole',
        value: 'N',
        help: 'how often each example is learned from; default 3',
    },
    'batch-size': { kind: 'whole', value: 'N', help: 'examples of a step; default 16' },
    'learning-rate': { kind: 'number', value: 'X', help: 'default 5e-5' },
    warmup: {
        kind: 'number',
        value: 'X',
        help: 'share of the steps in which it rises; default 0.1',
    },
    'weight-decay': { kind: 'number', value: 'X', help: 'default 0.01' },
    'max-length': {
        kind: 'whole',
        value: 'N',
        help: 'tokens of an example; default what the base reads',
    },
    patience: {
        kind: 'whole',
        value: 'N',
        help: 'epochs without a better validation after which it ends; default none',
    },
    balanced: { type: 'boolean', help: 'all labels count as much together' },
    recomputes: { type: 'boolean', help: 'less memory, a third more time' },
    seed: { value: 'N', help: 'of all that is drawn, from 0; default 0' },
    log: { value: 'FILE', help: 'gets a line of JSON for each step' },
    threads: MODEL_OPTIONS.threads,
};

/** @type {import('./options.js').Command} */
export const command = {
    usage: '--model BASE --input FILE -o FILE.safetensors [OPTION ...]',
    summary: 'Makes a model of another one that learns labels from examples.',
    options: OPTIONS,
    example: 'bert-wasm train -m org/encoder -i train.tsv --validation dev.tsv -o my.safetensors',
    notes: `Examples are those of bert-wasm eval: TSV has columns text (or sentence) and label,
perhaps text_pair; CoNLL a token and its tag a line; JSONL {text, label} or {tokens, labels}.
Ctrl-C ends it after its step: the best epoch so far is written.`,
    run,
};

/** @param {string[]} args */
async function run(args) {
    const required = ['input', 'model', 'out'];
    const { values } = parse(args, OPTIONS, { required });
    const { task, usual } = TASKS[values.task ?? 'classify'];
    checkPlace(values.out);
    const examples = await read(values.input, task, values, usual, 'example');
    const validation = isShare(values.validation)
        ? Number(values.validation)
        : values.validation &&
          (await read(values.validation, task, values, usual, 'validation example'));
    const write = openLog(values.log);
    const stopping = new AbortController();
    const stop = () => stopping.abort(new BertError('BAD_INPUT', 'stopped: nothing was written'));
    process.once('SIGINT', stop);
    const begun = performance.now();
    try {
        const trained = await fineTune(values.model, examples, {
            task,
            validation,
            labels: values.labels,
            epochs: values.epochs,
            batch_size: values.batch_size,
            learning_rate: values.learning_rate,
            warmup: values.warmup,
            weight_decay: values.weight_decay,
            max_length: values.max_length,
            patience: values.patience,
            class_weights: values.balanced ? 'balanced' : undefined,
            recomputes: values.recomputes,
            seed: values.seed === undefined ? undefined : Number(values.seed),
            threads: values.threads,
            stop: stopping.signal,
            onprogress(progress) {
                write(progress);
                say(progress);
            },
        });
        const { dtype, out, name = basename(out, '.safetensors') } = values;
        await writeWhole(out, await trained.save({ dtype, name }));
        if (stopping.signal.aborted) {
            process.stderr.write('bert-wasm: stopped: what there was is written\n');
        }
        await print({
            model: out,
            task: values.task ?? 'classify',
            rows: examples.length,
            labels: trained.labels,
            epochs: trained.history.length,
            best_epoch: trained.best_epoch,
            ...trained.metrics,
            seconds: (performance.now() - begun) / 1000,
        });
    } finally {
        process.removeListener('SIGINT', stop);
        if (process.stderr.isTTY) process.stderr.write(`\r${' '.repeat(WIDTH)}\r`);
    }
}

/** @param {string | undefined} text */
export const isShare = (text) => text !== undefined && /^0?\.\d+$/.test(text);

/**
 * @param {string} file
 * @param {TrainTask} task
 * @param {Record<string, any>} values
 * @param {string} usual  format
 * @param {string} what
 * @returns {Promise<import('../train/examples.js').Example[]>}
 */
async function read(file, task, { format, labels }, usual, what) {
    const rows = await readExamples(file, format, usual);
    const examples = rows.map(({ example: { tags, ...example } }) =>
        tags ? { ...example, labels: tags } : example,
    );
    // Here an error has a line to name.
    await checkExamples(examples, what, task, labels).catch((error) => {
        throw located(error, rows);
    });
    return /** @type {any} */ (examples);
}

/** Refuses early what could not be written late. @param {string} out */
export function checkPlace(out) {
    const folder = dirname(resolve(out));
    try {
        accessSync(folder, constants.W_OK);
    } catch (cause) {
        const { code } = /** @type {NodeJS.ErrnoException} */ (cause);
        throw new BertError('BAD_OPTION', `${folder}: cannot be written to (${code})`, { cause });
    }
}

/**
 * Under another name until it is whole.
 * @param {string} out
 * @param {Uint8Array} bytes
 */
export async function writeWhole(out, bytes) {
    const temporary = join(dirname(out), `.${basename(out)}.${process.pid}.tmp`);
    await writeFile(temporary, bytes);
    await rename(temporary, out);
}

/**
 * @param {string | undefined} path
 * @returns {(progress: object) => void}  writes a line
 */
export function openLog(path) {
    if (path === undefined) return () => {};
    try {
        const file = openSync(path, 'w');
        return (progress) => void writeSync(file, `${JSON.stringify(progress)}\n`);
    } catch (cause) {
        const { code } = /** @type {NodeJS.ErrnoException} */ (cause);
        throw new BertError('BAD_OPTION', `${path}: cannot be written (${code})`, { cause });
    }
}

/** @param {TrainProgress} progress */
function say({ epoch, step, n_steps, loss, metric, seconds_left }) {
    if (!process.stderr.isTTY) return;
    const parts = [
        `epoch ${epoch}, step ${step} of ${n_steps}`,
        `loss ${loss.toFixed(3)}`,
        ...(metric === null ? [] : [`validation ${metric.toFixed(3)}`]),
        `${Math.ceil(seconds_left)} s left`,
    ];
    process.stderr.write(`\r${parts.join(' | ').padEnd(WIDTH).slice(0, WIDTH)}`);
}
