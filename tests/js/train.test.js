/** `bert-wasm/train` as a program uses it, with tiny models. */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { loadModel, pipeline } from 'bert-wasm';
import { fineTune } from 'bert-wasm/train';

import { converted, GOLDEN } from './converted.js';
import { newPath } from './huggingface_files.js';
import { CONFIG, modelBytes } from './model_bytes.js';
import { EXAMPLES, QUICK, refused } from './trained.js';

const ENCODER = converted('pipelines/feature-extraction-bert', 'q8');
const CLASSIFIER = converted('pipelines/text-classification-bert');
const TAGGER = converted('pipelines/token-classification-bert');

/** @type {{dispose(): void}[]} */
const open = [];
after(() => open.forEach((each) => each.dispose()));

/** What no type allows. @returns {any} */
const wrong = (value) => value;

/** Of a family that transformers has no class for here. */
const OTHER = modelBytes({ config: { ...CONFIG, architecture: 'other' } });

const TEXTS = EXAMPLES.map(({ text }) => text);
const LABELS = EXAMPLES.map(({ label }) => label);

/** The label of each text. */
async function answers(model, texts = TEXTS) {
    open.push(model);
    const classify = await pipeline('text-classification', model);
    return (await classify(texts)).map((answer) => [answer].flat()[0].label);
}

/** An export, in a folder of its own. */
function folderOf(files) {
    const folder = newPath();
    mkdirSync(folder);
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
    return folder;
}

test('labels are learned, saved in every dtype, exported, and answered', async () => {
    /** @type {import('../../js/train/run.js').TrainProgress[]} */
    const told = [];
    const trained = await fineTune(ENCODER, EXAMPLES, {
        ...QUICK,
        validation: EXAMPLES,
        onprogress: (progress) => told.push(progress),
    });
    assert.deepEqual(trained.labels, ['bad', 'good']);
    assert.equal(trained.metrics?.accuracy, 1);
    assert.equal(trained.metrics.macro_f1, 1);
    assert.equal(trained.history.length, QUICK.epochs);
    assert.ok((trained.history.at(-1)?.loss ?? NaN) < 0.3 * trained.history[0].loss);

    const n_steps = QUICK.epochs * 2;
    const steps = told.filter(({ validation }) => validation === null);
    assert.deepEqual(
        steps.map(({ step }) => step),
        Array.from({ length: n_steps }, (_, i) => i + 1),
    );
    const { metric, ...first } = told[0];
    assert.deepEqual([first.epoch, first.n_steps, metric], [1, n_steps, null]);
    assert.ok(told.every(({ rate, seconds_left }) => rate > 0 && seconds_left >= 0));
    assert.ok(told.every(({ memory_bytes }) => memory_bytes === trained.memory_bytes));
    // After the last step of each epoch its validation is told.
    assert.deepEqual(
        told.filter((_, i) => i % 3 === 2).map(({ epoch, validation }) => [epoch, validation]),
        trained.history.map(({ epoch, validation }) => [epoch, validation]),
    );
    assert.deepEqual(
        [told[2].step, told[2].metric, told[3].metric],
        [2, ...Array(2).fill(trained.history[0].validation?.accuracy)],
    );
    // Of epochs that are as accurate the one of the lowest loss is kept.
    const losses = trained.history
        .filter(({ validation }) => validation?.accuracy === 1)
        .map(({ validation }) => validation?.loss ?? NaN);
    assert.ok(losses.length > 1);
    assert.equal(trained.metrics?.loss, Math.min(...losses));
    assert.equal(told.at(-1)?.seconds_left, 0);

    const exact = await trained.model({ dtype: 'f32', name: 'mine' });
    assert.equal(exact.name, 'mine');
    assert.deepEqual(exact.config.labels, trained.labels);
    assert.deepEqual(await answers(exact), LABELS);
    assert.deepEqual(await answers(await trained.model()), LABELS);
    const file = await trained.save({ dtype: 'f16' });
    const half = await loadModel(file);
    assert.equal((await half.info()).dtype, 'f16');
    assert.deepEqual(await answers(half), LABELS);

    const folder = folderOf(await trained.export());
    const opened = await loadModel(folder, { dtype: 'f32', cache: false });
    open.push(opened);
    const sequence = { input_ids: [2, 7, 8, 9, 3] };
    const [a, b] = await Promise.all([exact, opened].map((model) => model.forward(sequence)));
    assert.deepEqual(a.logits.data, b.logits.data);
});

test('the same bits on one thread and on two, and of the same seed alone', async () => {
    const weights = async (options) => {
        const short = { ...QUICK, epochs: 3, ...options };
        const trained = await fineTune(ENCODER, EXAMPLES, short);
        return { trained, bytes: Buffer.from((await trained.export())['model.safetensors']) };
    };
    const [one, two, other] = await Promise.all([
        weights({ threads: 1 }),
        weights({ threads: 2, recomputes: true }),
        weights({ seed: 1 }),
    ]);
    assert.ok(one.bytes.equals(two.bytes));
    assert.equal(two.trained.threads, 2);
    assert.ok(!one.bytes.equals(other.bytes));
});

test('pairs, indices as labels, streams, weights of classes', async () => {
    const pairs = EXAMPLES.map(({ text, label }) => ({
        text: 'is it good?',
        text_pair: text,
        label: label === 'good' ? 1 : 0,
    }));
    async function* later() {
        yield* pairs;
    }
    const trained = await fineTune(CLASSIFIER, later(), {
        ...QUICK,
        labels: ['no', 'yes'],
        class_weights: { yes: 2 },
        validation: new Set(pairs),
    });
    assert.deepEqual(trained.labels, ['no', 'yes']);
    assert.equal(trained.metrics?.accuracy, 1);
    const classify = await pipeline('text-classification', await trained.model({ dtype: 'f32' }));
    open.push(classify);
    const [{ label }] = await classify({ text: 'is it good?', text_pair: TEXTS[0] });
    assert.equal(label, 'yes');
});

test('a classifier goes on with labels that are its own, in its order', async () => {
    const base = await loadModel(CLASSIFIER);
    open.push(base);
    const examples = ['positive', 'neutral', 'negative'].map((label) => ({ text: label, label }));
    const quiet = { ...QUICK, epochs: 1, learning_rate: 1e-12 };
    const trained = await fineTune(CLASSIFIER, examples, quiet);
    assert.deepEqual(trained.labels, base.config.labels);
    const model = await trained.model({ dtype: 'f32' });
    open.push(model);
    const sequence = { input_ids: [2, 7, 8, 9, 3] };
    const [a, b] = await Promise.all([base, model].map((each) => each.forward(sequence)));
    const furthest = a.logits.data.map((x, i) => Math.abs(x - b.logits.data[i]));
    assert.ok(Math.max(...furthest) < 1e-5, `${furthest}`);
    const other = await fineTune(CLASSIFIER, EXAMPLES, quiet);
    assert.deepEqual(other.labels, ['bad', 'good']);
});

const TAGGED = [
    ['Anna met Bert in Berlin', 'B-PER O B-PER O B-LOC'],
    ['Bert lives in Paris', 'B-PER O O B-LOC'],
    ['in Berlin Anna met Bert', 'O B-LOC B-PER O B-PER'],
    ['Paris is in France', 'B-LOC O O B-LOC'],
].map(([text, tags]) => ({ text, labels: tags.split(' ') }));

for (const name of ['bert', 'roberta', 'xlm-roberta']) {
    test(`words are tagged: ${name}`, async () => {
        const base = converted(`pipelines/token-classification-${name}`);
        const words = TAGGED.map(({ text, labels }) => ({ tokens: text.split(' '), labels }));
        const options = { ...QUICK, task: /** @type {const} */ ('token-classification') };
        const trained = await fineTune(base, words, { ...options, validation: TAGGED });
        assert.deepEqual(trained.labels, ['B-LOC', 'B-PER', 'O']);
        assert.equal(trained.metrics?.f1, 1);
        const model = await trained.model({ dtype: 'f32' });
        const tag = await pipeline('token-classification', model);
        open.push(tag);
        const found = await tag(TAGGED[0].text, { aggregation_strategy: 'first' });
        if (name === 'xlm-roberta') return; // its few tokens take words apart
        assert.deepEqual(
            found.map(({ entity_group, word }) => [entity_group, word.trim().toLowerCase()]),
            [
                ['PER', 'anna'],
                ['PER', 'bert'],
                ['LOC', 'berlin'],
            ],
        );
    });
}

test('a share is set aside, of each label; the best epoch is kept; patience ends it', async () => {
    const many = [...EXAMPLES, ...EXAMPLES, ...EXAMPLES];
    const options = { ...QUICK, validation: 0.25, epochs: 6 };
    const trained = await fineTune(CLASSIFIER, many, options);
    const scores = trained.history.map(({ validation }) => validation?.accuracy ?? 0);
    assert.equal(scores[trained.best_epoch - 1], Math.max(...scores));
    assert.equal(trained.metrics, trained.history[trained.best_epoch - 1].validation);

    // What is learned is wrong there: the loss of the validation rises.
    const other = EXAMPLES.map(({ text }, i) => ({ text, label: LABELS[(i + 4) % 8] }));
    const ended = await fineTune(CLASSIFIER, EXAMPLES, {
        ...QUICK,
        validation: other,
        patience: 2,
    });
    assert.equal(ended.history.length, ended.best_epoch + 2);
    assert.ok(ended.history.length < QUICK.epochs);
});

test('a folder of weights is converted and learns', async () => {
    const folder = join(GOLDEN, 'pipelines/text-classification-roberta');
    const load = { cache: false };
    const trained = await fineTune(folder, EXAMPLES, { ...QUICK, load });
    const roberta = await trained.model({ dtype: 'f32' });
    assert.equal(roberta.config.architecture, 'roberta');
    assert.deepEqual(await answers(roberta), LABELS);
});

test('signal ends it with its reason, stop with what there is', async () => {
    const reason = new Error('enough');
    await assert.rejects(
        fineTune(CLASSIFIER, EXAMPLES, { ...QUICK, signal: AbortSignal.abort(reason) }),
        reason,
    );
    const aborting = new AbortController();
    const aborted = fineTune(CLASSIFIER, EXAMPLES, {
        ...QUICK,
        epochs: 10_000,
        signal: aborting.signal,
        onprogress: ({ step }) => step === 3 && aborting.abort(reason),
    });
    await assert.rejects(aborted, reason);

    const stopping = new AbortController();
    const stopped = await fineTune(CLASSIFIER, EXAMPLES, {
        ...QUICK,
        epochs: 10_000,
        validation: EXAMPLES,
        stop: stopping.signal,
        onprogress: ({ epoch }) => epoch === 3 && stopping.abort(),
    });
    assert.ok(stopped.history.length >= 2 && stopped.history.length < 10_000);
    assert.ok(stopped.best_epoch >= 1);
    await assert.rejects(
        fineTune(CLASSIFIER, EXAMPLES, { ...QUICK, stop: AbortSignal.abort(reason) }),
        reason,
    );
});

test('examples that are none are refused, with their index', async () => {
    const with_last = (last) => wrong([...EXAMPLES, last]);
    const tune = (examples, options) => fineTune(CLASSIFIER, wrong(examples), wrong(options));
    const tag = (example) => tune([example], { task: 'token-classification' });
    await refused(
        tune(with_last('text')),
        'BAD_INPUT',
        /^example 8: it must be \{text, label\}/,
        8,
    );
    await refused(tune(with_last({ text: 1, label: 'a' })), 'BAD_INPUT', /^example 8: a text/, 8);
    await refused(tune(with_last({ text: 'a' })), 'BAD_INPUT', /its label must be a string/, 8);
    const other = with_last({ text: 'a', label: 'other' });
    const labels = ['good', 'bad'];
    await refused(tune(other, { labels }), 'BAD_INPUT', /one of good, bad, not string "other"/, 8);
    await refused(
        tune(with_last({ text: 'a', label: 2 }), { labels }),
        'BAD_INPUT',
        /not number 2/,
        8,
    );
    await refused(tune(EXAMPLES.slice(0, 4)), 'BAD_INPUT', /all examples have the label 'good'/);
    await refused(tune([]), 'BAD_INPUT', /there are no examples/);
    await refused(tune(7), 'BAD_INPUT', /examples must be an array/);
    await refused(
        tune(EXAMPLES, { validation: other }),
        'BAD_INPUT',
        /^validation example 8: its label must be one of bad, good, not 'other'/,
        8,
    );
    await refused(
        tag({ tokens: ['a'], labels: ['O', 'O'] }),
        'BAD_INPUT',
        /each of its 1 words/,
        0,
    );
    await refused(tag({ tokens: [], labels: [] }), 'BAD_INPUT', /\{tokens, labels\}/, 0);
    await refused(tag({ text: 'a b', labels: 'O' }), 'BAD_INPUT', /\{text, labels\}/, 0);
});

test('options that cannot be are refused', async () => {
    const cases = /** @type {Record<string, [unknown, RegExp]>} */ ({
        task: ['fill-mask', /text-classification or token-classification/],
        labels: [['a', 'a'], /two strings or more, each once/],
        validation: [1, /a share between 0 and 1/],
        epochs: [0, /a whole number from 1/],
        batch_size: [1.5, /a whole number from 1/],
        learning_rate: [0, /a number above 0/],
        warmup: [2, /a share from 0 to 1/],
        weight_decay: [-1, /a number from 0/],
        max_norm: [0, /a number above 0/],
        max_length: ['long', /a whole number from 1/],
        seed: [-1, /a whole number from 0/],
        patience: [0, /a whole number from 1/],
        recomputes: [1, /true or false/],
        memory: ['much', /a number of bytes/],
        threads: [65, /from 1 to 64/],
        load: ['f32', /an object with options of loadModel/],
        signal: [{}, /an AbortSignal/],
        stop: [{}, /an AbortSignal/],
        class_weights: [{ other: 1 }, /numbers >= 0 by label, not 'other'/],
    });
    for (const [name, [value, message]] of Object.entries(cases)) {
        const promise = fineTune(CLASSIFIER, EXAMPLES, wrong({ [name]: value }));
        await refused(promise, 'BAD_OPTION', new RegExp(`^${name} must be .*${message.source}`));
    }
    const tune = (options) => fineTune(CLASSIFIER, EXAMPLES, wrong(options));
    await refused(tune({ rate: 1 }), 'BAD_OPTION', /no option 'rate'/);
    await refused(tune({ patience: 1 }), 'BAD_OPTION', /patience must have a validation/);
    await refused(tune({ class_weights: { bad: -1 } }), 'BAD_OPTION', /number -1 for 'bad'/);
    await refused(tune({ validation: 0.01 }), 'BAD_OPTION', /leaves examples on both sides/);
    await refused(tune({ max_length: 9999 }), 'BAD_OPTION', /at most the \d+ tokens/);
});

test('what cannot be trained is refused, and says what to do', async () => {
    const tune = (base, options) => fineTune(wrong(base), EXAMPLES, { ...QUICK, ...options });
    await refused(tune(null), 'BAD_INPUT', /a base must be a model's source/);
    await refused(tune('nowhere.safetensors'), 'FETCH_FAILED', /nowhere\.safetensors/);
    await refused(tune(OTHER), 'UNSUPPORTED', /family 'other' cannot be trained: .* bert, roberta/);
    const mute = modelBytes({ config: CONFIG, tokenizer: null });
    await refused(tune(mute), 'NO_TOKENIZER', /tokenizer/);
    await refused(
        tune(CLASSIFIER, { memory: 1e6 }),
        'OUT_OF_MEMORY',
        /about \d+ MB .* more than the 1 MB .* memory higher, or batch_size .* recomputes: true/,
    );
    await refused(
        tune(CLASSIFIER, { learning_rate: 1e30, max_norm: Infinity }),
        'BAD_OPTION',
        /the loss of step \d+, or its gradient, is no longer a number: learning_rate/,
    );
});

test('the tagger, too, learns from its own labels', async () => {
    const options = { ...QUICK, epochs: 2, task: /** @type {const} */ ('token-classification') };
    const trained = await fineTune(TAGGER, TAGGED, { ...options, validation: 0.5 });
    assert.equal(trained.history.length, 2);
});
