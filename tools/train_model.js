/**
 * Makes the default model, three kinds of sentiment, from sentences of many domains: the recipe.
 *
 *     node tools/train_model.js DATA OUT [--epochs N] [--rate X] [--rows N] [--checkpoint FILE]
 *                                                       make train-model; then bench/sentiment.js
 *
 * DATA is a folder with train.tsv and dev.tsv, columns sentence and label. With --checkpoint, what
 * was stopped goes on. OUT gets the best epoch's weights, q8.
 */

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { fineTune } from '../build/dist/train.node.js';

const BASE = join(import.meta.dirname, '../web-demo/models/all-minilm-l6-v2-q8.safetensors');

const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
        base: { type: 'string', default: BASE },
        epochs: { type: 'string', default: '2' },
        rate: { type: 'string', default: '1.2e-4' },
        rows: { type: 'string', default: 'Infinity' },
        checkpoint: { type: 'string' },
    },
});
const [data, out] = positionals;
if (!out) throw new Error('node tools/train_model.js DATA OUT');

/** @param {string} name @param {number} [most] */
function read(name, most = Infinity) {
    const lines = readFileSync(join(data, name), 'utf8').trimEnd().split(/\r?\n/);
    const columns = /** @type {string} */ (lines.shift()).split('\t');
    const [text, label] = [columns.indexOf('sentence'), columns.indexOf('label')];
    return lines.slice(0, most).map((line) => {
        const cells = line.split('\t');
        return { text: cells[text], label: cells[label].toUpperCase() };
    });
}

const { checkpoint } = values;
const stopping = new AbortController();
process.once('SIGINT', () => stopping.abort());
let last = 0;
let mean = 0;
const trained = await fineTune(values.base, read('train.tsv', Number(values.rows)), {
    labels: ['NEGATIVE', 'NEUTRAL', 'POSITIVE'],
    validation: read('dev.tsv'),
    epochs: Number(values.epochs),
    batch_size: 32,
    learning_rate: Number(values.rate),
    max_length: 128,
    warmup: 0.06,
    label_smoothing: 0.05,
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
writeFileSync(out, await trained.save({ dtype: 'q8', name: 'sentiment-minilm-l6' }));
