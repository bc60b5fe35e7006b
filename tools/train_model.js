/**
 * Makes the default model, three kinds of sentiment, from sentences of many domains: the recipe.
 *
 *     node tools/train_model.js DATA FOLDER [--epochs N] [--rate X] [--rows N] [--checkpoint FILE]
 *         [--teacher FIRST] [--phrases SST2] [--sentences FILE]
 *                                                       make train-model; then bench/sentiment.js
 *
 * DATA is a folder with train.tsv and dev.tsv, columns sentence and label; FOLDER gets the model as
 * export() gives it, of the better epoch by dev.tsv. With --checkpoint, what was stopped goes on.
 *
 * With --teacher, training goes on from the folder FIRST of a training before, whose scores teach
 * it beside the labels (born-again networks, Furlanello et al. 2018); what comes of it is half way
 * between both (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models"), which is as good
 * on DATA as the first, and better on what the second has seen. SST2 is a folder as GLUE has it, of
 * whose phrases some join; FILE has more rows like those of DATA, of sentences written for this.
 */

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { pipeline } from '../build/dist/index.node.js';
import { fineTune } from '../build/dist/train.node.js';

const BASE = join(import.meta.dirname, '../web-demo/models/all-minilm-l6-v2-q8.safetensors');
const LABELS = ['NEGATIVE', 'NEUTRAL', 'POSITIVE'];

/** Phrases of fewer words are not sentences; every third one, since they overlap. */
const PHRASE = { least_words: 6, every: 3 };

/** How often sentences that were written for this are seen an epoch. */
const REPEATS = 8;

/** Mass of a label in scores where no teacher was asked. */
const SURE = 0.95;

const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
        base: { type: 'string', default: BASE },
        epochs: { type: 'string', default: '2' },
        rate: { type: 'string', default: '1.2e-4' },
        rows: { type: 'string', default: 'Infinity' },
        checkpoint: { type: 'string' },
        teacher: { type: 'string' },
        phrases: { type: 'string' },
        sentences: { type: 'string' },
    },
});
const [data, out] = positionals;
if (!out) throw new Error('node tools/train_model.js DATA OUT');

/**
 * @param {string} file @param {number} [most]
 * @returns {{text: string, label: string}[]}
 */
function read(file, most = Infinity) {
    const lines = readFileSync(file, 'utf8').trimEnd().split(/\r?\n/);
    const columns = /** @type {string} */ (lines.shift()).split('\t');
    const [text, label] = [columns.indexOf('sentence'), columns.indexOf('label')];
    return lines.slice(0, most).map((line) => {
        const cells = line.split('\t');
        return { text: cells[text], label: cells[label].toUpperCase() };
    });
}

/** As people type it: "do n't ." becomes "don't.". @param {string} text */
function detokenized(text) {
    return text
        .replace(/ (n't|'(?:s|re|ve|ll|d|m))(?=\s|$)/g, '$1')
        .replace(/ ([.,;:!?)]|'')/g, '$1')
        .replace(/([(]|``) /g, '$1')
        .replace(/``|''/g, '"');
}

const letters = (/** @type {string} */ text) => text.toLowerCase().replace(/[^a-z0-9]+/g, '');

/**
 * Phrases and sentences about films that two labels have, none of what is held out.
 * @param {string} folder @param {{text: string}[]} held_out
 */
function readPhrases(folder, held_out) {
    const others = [...held_out, ...read(join(folder, 'dev.tsv'))];
    const known = new Set(others.map(({ text }) => letters(text)));
    return read(join(folder, 'train.tsv'))
        .map(({ text, label }) => ({ text: text.trim(), label: LABELS[2 * Number(label)] }))
        .filter(({ text }) => text.split(' ').length >= PHRASE.least_words)
        .filter((_, i) => i % PHRASE.every === 0)
        .filter(({ text }) => !known.has(letters(text)))
        .map((row, i) => (i % 2 ? row : { ...row, text: detokenized(row.text) }));
}

/**
 * Rows with the scores of a teacher.
 * @param {string} model @param {{text: string, label: string}[]} rows
 */
async function taught(model, rows) {
    const classify = await pipeline('text-classification', model, { maxLength: 128 });
    const asked = [];
    for (let at = 0; at < rows.length; at += 4096) {
        const some = rows.slice(at, at + 4096);
        const scores = await classify(
            some.map(({ text }) => text),
            { top_k: null },
        );
        asked.push(...some.map((row, i) => ({ ...row, teacher: scores[i] })));
        console.error(`${asked.length} of ${rows.length} asked`);
    }
    classify.dispose();
    return asked;
}

/** Rows with the scores that their labels imply. @param {{text: string, label: string}[]} rows */
function sure(rows) {
    return rows.map((row) => ({
        ...row,
        teacher: LABELS.map((label) => ({
            label,
            score: label === row.label ? SURE : (1 - SURE) / (LABELS.length - 1),
        })),
    }));
}

/**
 * The mean of two files of the same tensors, in the same places, as export() writes them: F32.
 * @param {Uint8Array} a @param {Uint8Array} b
 */
function halfWay(a, b) {
    const mean = Uint8Array.from(b);
    const begin = 8 + Number(new DataView(mean.buffer).getBigUint64(0, true));
    if (!Buffer.from(a.subarray(0, begin)).equals(b.subarray(0, begin))) {
        throw new Error('the teacher must be a folder of a training before, of the same labels');
    }
    const [from, to] = [a, mean].map(({ buffer, byteOffset, byteLength }) =>
        new DataView(buffer, byteOffset + begin, byteLength - begin),
    );
    for (let at = 0; at < to.byteLength; at += 4) {
        to.setFloat32(at, 0.5 * (from.getFloat32(at, true) + to.getFloat32(at, true)), true);
    }
    return mean;
}

const validation = read(join(data, 'dev.tsv'));
const { checkpoint, teacher } = values;
const given = read(join(data, 'train.tsv'), Number(values.rows));
const rows = teacher ? await taught(teacher, given) : given;
const others = [
    ...(values.phrases ? readPhrases(values.phrases, validation) : []),
    ...(values.sentences ? Array(REPEATS).fill(read(values.sentences)).flat() : []),
];
console.error(`${rows.length} rows and ${others.length} others`);

const stopping = new AbortController();
process.once('SIGINT', () => stopping.abort());
let last = 0;
let mean = 0;
const examples = [...rows, ...(teacher ? sure(others) : others)];
const trained = await fineTune(teacher ?? values.base, examples, {
    labels: LABELS,
    validation,
    epochs: Number(values.epochs),
    batch_size: 32,
    learning_rate: Number(values.rate),
    max_length: 128,
    warmup: 0.06,
    ...(!teacher && { label_smoothing: 0.05 }),
    stop: stopping.signal,
    onprogress({ step, n_steps, loss, validation, seconds_left }) {
        mean += (loss - mean) / Math.min(step, 100);
        if (!validation && step - last < 100 && step < n_steps) return;
        last = step;
        const left = `${Math.round(seconds_left)} s left`;
        console.error(`${step}/${n_steps} ${mean.toFixed(4)} ${left}`, validation ?? '');
    },
    ...(checkpoint && {
        resume: existsSync(checkpoint) ? new Uint8Array(readFileSync(checkpoint)) : undefined,
        checkpoint_steps: 1000,
        oncheckpoint(/** @type {Uint8Array} */ bytes) {
            writeFileSync(`${checkpoint}.part`, bytes);
            renameSync(`${checkpoint}.part`, checkpoint);
        },
    }),
});
console.error(JSON.stringify(trained.metrics));
const files = await trained.export();
if (teacher) {
    const weights = 'model.safetensors';
    files[weights] = halfWay(readFileSync(join(teacher, weights)), files[weights]);
}
mkdirSync(out, { recursive: true });
for (const [name, bytes] of Object.entries(files)) writeFileSync(join(out, name), bytes);
