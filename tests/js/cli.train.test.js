/** `bert-wasm train`. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { cli, objects, printed, start, stoppedAfter } from './cli_process.js';
import { converted, scratch } from './converted.js';
import { newPath } from './huggingface_files.js';
import { EXAMPLES } from './trained.js';

const BASE = converted('pipelines/text-classification-bert');

/** @param {string} name @param {string} text */
function file(name, text) {
    const path = join(scratch, name);
    writeFileSync(path, text);
    return path;
}

const rows = EXAMPLES.map(({ text, label }) => `${text}\t${label}\n`).join('');
const TSV = file('train.tsv', `sentence\tlabel\n${rows}`);
const QUICK = [
    ...['--epochs', '40', '--batch-size', '4', '--learning-rate', '5e-3'],
    ...['--dropout', '0', '--threads', '1'],
];

const train = (...args) => ['train', '--model', BASE, ...args];

test('a file of examples becomes a model that answers them', () => {
    const [out, log] = [newPath(), join(scratch, 'loss.jsonl')];
    const more = ['--validation', TSV, '--dtype', 'f32', '--log', log, '--seed', '3'];
    const args = train('--task', 'classify', '-i', TSV, '-o', out, ...more, ...QUICK);
    const [result] = printed(args);
    assert.deepEqual(
        [result.model, result.task, result.rows, result.labels, result.epochs],
        [out, 'classify', EXAMPLES.length, ['bad', 'good'], 40],
    );
    assert.equal(result.accuracy, 1);
    const steps = objects(readFileSync(log, 'utf8'));
    assert.equal(steps.length, 80 + 40); // and a validation of each epoch
    assert.ok(steps.at(-1).loss < steps[0].loss);
    const [found] = printed(['eval', '--model', out, '--input', TSV]);
    assert.equal(found.accuracy, 1);
    assert.equal(printed(['info', '--model', out])[0].dtype, 'f32');
});

test('words of a CoNLL file are tagged', () => {
    const conll = file('words.conll', 'Anna B-PER\nsang O\n\nin O\nRome B-LOC\n');
    const out = newPath();
    const [result] = printed(train('--task', 'ner', '-i', conll, '-o', out, ...QUICK));
    assert.deepEqual(result.labels, ['B-LOC', 'B-PER', 'O']);
    assert.ok(existsSync(out));
});

test('several labels, numbers, adapters: as options say', () => {
    const lines = EXAMPLES.map(({ text, label }, i) => ({ text, labels: [label], score: i }));
    const jsonl = file('lines.jsonl', lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const more = ['--validation', jsonl, '--epochs', '3', '--lora-rank', '2'];
    const run = (/** @type {string} */ type) =>
        printed(train('-i', jsonl, '-o', newPath(), '--problem-type', type, ...more))[0];
    const several = run('multi_label_classification');
    assert.deepEqual(several.labels, ['bad', 'good']);
    assert.ok(several.micro_f1 >= 0 && several.micro_f1 <= 1);
    assert.ok(Math.abs(run('regression').pearson) <= 1);
});

test('answers are learned from a file as SQuAD has it', () => {
    const qas = [{ id: 'a', question: 'who sang?', answers: [{ text: 'Anna', answer_start: 0 }] }];
    const data = [{ paragraphs: [{ context: 'Anna sang in Berlin.', qas }] }];
    const squad = file('asked.json', JSON.stringify({ data }));
    const base = converted('pipelines/question-answering-bert');
    const args = ['--model', base, '--task', 'answer', '-i', squad, '-o', newPath()];
    const [result] = printed(['train', ...args, '--validation', squad, '--epochs', '2']);
    assert.deepEqual([result.task, result.rows], ['answer', 1]);
    assert.ok(result.exact >= 0 && result.f1 >= result.exact);
});

test('a checkpoint is gone on from, to the same model', async () => {
    const [whole, out, checkpoint] = [newPath(), newPath(), newPath()];
    const log = join(scratch, 'resumed.jsonl');
    const options = ['-i', TSV, '--validation', '0.25', '--epochs', '60', '--batch-size', '1'];
    const args = train(...options, '--threads', '1', '--name', 'same', '--log', log);
    printed([...args, '-o', whole]);
    const all = objects(readFileSync(log, 'utf8'));
    const child = start([...args, '-o', out, '--checkpoint', checkpoint]);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    while (!existsSync(checkpoint)) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill('SIGINT');
    assert.equal(await ended, 0);
    const before = objects(readFileSync(log, 'utf8'));
    assert.ok(before.length < all.length, 'it was over before it was stopped');
    const { status, stderr } = cli([...args, '-o', out, '--checkpoint', checkpoint]);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /goes on from/);
    assert.ok(readFileSync(out).equals(readFileSync(whole)));
    assert.deepEqual(
        objects(readFileSync(log, 'utf8')).map(({ loss }) => loss),
        all.map(({ loss }) => loss),
    );
    const other = cli([...args, '-o', out, '--checkpoint', checkpoint, '--seed', '1']);
    assert.equal(other.status, 1);
    assert.match(other.stderr, /resume must be a checkpoint of the same options: it has seed 0/);
});

test('embeddings learn from pairs; a few examples make a classifier', () => {
    const scored = EXAMPLES.map(({ text, label }) => [text, 'good', label === 'good' ? 0.9 : 0.1]);
    const tsv = file(
        'pairs.tsv',
        `text\ttext_pair\tscore\n${scored.map((row) => `${row.join('\t')}\n`).join('')}`,
    );
    const [out, few] = [newPath(), newPath()];
    const base = ['train', '--model', converted('pipelines/feature-extraction-bert')];
    const pairs = ['--task', 'embed', '-i', tsv, '-o', out, '--validation', tsv];
    const [embeds] = printed([...base, ...pairs, ...QUICK]);
    assert.deepEqual([embeds.task, embeds.labels, embeds.rows], ['embed', [], EXAMPLES.length]);
    assert.ok(embeds.spearman > 0.8, `${embeds.spearman}`);
    const [found] = printed(['eval', '--task', 'similarity', '--model', out, '--input', tsv]);
    assert.ok(Math.abs(found.spearman - embeds.spearman) < 0.2, `${found.spearman}`);

    const shots = ['--task', 'few-shot', '-i', TSV, '-o', few, '--validation', TSV];
    const [made] = printed([...base, ...shots, ...QUICK, '--epochs', '8', '--max-pairs', '20']);
    assert.deepEqual([made.task, made.labels, made.accuracy], ['few-shot', ['bad', 'good'], 1]);
    const [judged] = printed(['eval', '--model', few, '--input', TSV]);
    assert.equal(judged.accuracy, 1);
    const refused = cli([...base, ...shots, '--patience', '2']);
    assert.match(refused.stderr, /fewShot\(\) has no option 'patience'/);
    assert.equal(refused.status, 1);
    const bad = file('bad_pairs.tsv', 'text\ttext_pair\tscore\na\tb\t0.5\nc\td\t4\n');
    const refusal = cli([...base, '--task', 'embed', '-i', bad, '-o', newPath()]);
    assert.match(refusal.stderr, /bad_pairs\.tsv:3: its score must be a cosine from -1 to 1/);
});

test('what is wrong is said with its line, before anything is trained', () => {
    const out = newPath();
    const refused = (args, code, message) => {
        const { status, stderr } = cli(args);
        assert.match(stderr, message);
        assert.equal(status, code, stderr);
        assert.ok(!existsSync(out));
    };
    const bad = file('bad.tsv', `sentence\tlabel\n${rows}a\tother\n`);
    const labels = ['--labels', 'bad,good'];
    refused(train('-i', bad, '-o', out, ...labels), 1, /bad\.tsv:10: its label must be one of/);
    refused(train('-i', TSV, '-o', out, '--validation', bad), 1, /'other'/);
    refused(train('-i', TSV), 2, /--out is missing/);
    refused(train('-i', TSV, '-o', join(out, 'x')), 1, /cannot be written to/);
    refused(train('-i', TSV, '-o', out, '--task', 'fill'), 2, /classify, ner/);
    refused(train('-i', TSV, '-o', out, '--seed', 'x'), 1, /seed must be a whole number/);
    refused(train('-i', TSV, '-o', out, '--log', join(out, 'x')), 1, /cannot be written/);
    const nowhere = join(out, 'x', 'y');
    refused(train('-i', TSV, '-o', out, '--checkpoint', nowhere), 1, /cannot be written to/);
    refused(train('-i', TSV, '-o', out, '--lora-alpha', '2'), 2, /given with --lora-rank/);
});

test('Ctrl-C keeps what there is', async () => {
    const [out, log] = [newPath(), join(scratch, 'stopped.jsonl')];
    const given = ['-i', TSV, '-o', out, '--validation', '0.25', '--log', log];
    const args = train(...given, ...QUICK, '--epochs', '1000000');
    const { status, stdout, stderr } = await stoppedAfter(args, log, 20);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /stopped: what there was is written/);
    const [{ epochs, best_epoch }] = objects(stdout);
    assert.ok(epochs >= best_epoch && epochs < 1_000_000);
    assert.equal(cli(['verify', '--model', out]).status, 0);
});
