/** Several tasks on one encoder with a head each. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, test } from 'node:test';

import { pipeline } from 'bert-wasm';
import { fineTune, fineTuneTasks } from 'bert-wasm/train';

import { epochsOf } from '../../js/train/batches.js';
import { familyOf } from '../../js/train/families.js';
import { withHead } from '../../js/train/head.js';
import { Heads, ofFirstColumns, sharedModel } from '../../js/train/heads.js';
import { classes } from '../../js/train/objectives/classes.js';
import { Trainer } from '../../js/train/trainer.js';
import { converted } from './converted.js';
import { newPath, readTensors } from './huggingface_files.js';
import { baseOf, EXAMPLES, moduleOf, QUICK, refused } from './trained.js';

const ENCODER = converted('pipelines/feature-extraction-bert', 'q8');

/** @type {{dispose(): void}[]} */
const open = [];
after(() => open.forEach((each) => each.dispose()));

/** What no type allows. @returns {any} */
const wrong = (value) => value;

const KINDS = EXAMPLES.map(({ text }, i) => ({
    text,
    label: ['film', 'tale', 'time', 'art'][i % 4],
}));
const TAGGED = [
    ['Anna met Bert in Berlin', 'B-PER O B-PER O B-LOC'],
    ['Bert lives in Paris', 'B-PER O O B-LOC'],
    ['in Berlin Anna met Bert', 'O B-LOC B-PER O B-PER'],
    ['Paris is in France', 'B-LOC O O B-LOC'],
].map(([text, tags]) => ({ text, labels: tags.split(' ') }));

/** Two classifiers of different widths, and one of tokens. */
const TASKS = {
    tone: { examples: EXAMPLES, validation: EXAMPLES },
    kind: { examples: KINDS, validation: KINDS, label_smoothing: 0.01 },
    entities: {
        task: /** @type {const} */ ('token-classification'),
        examples: TAGGED,
        validation: TAGGED,
    },
};

const weightsOf = async (trained) => Buffer.from((await trained.export())['model.safetensors']);

/** Its tensors, by name. */
async function tensorsOf(trained) {
    const path = newPath();
    writeFileSync(path, await weightsOf(trained));
    return readTensors(path);
}

/** Without what differs from run to run. */
const told = ({ history }) => history.map(({ seconds, ...epoch }) => epoch);

test('all tasks learn; their models share the encoder, and answer', async () => {
    /** @type {import('bert-wasm/train').TasksProgress[]} */
    const progress = [];
    const trained = await fineTuneTasks(ENCODER, TASKS, {
        ...QUICK,
        onprogress: (each) => progress.push(each),
    });
    const { tone, kind, entities } = trained;
    assert.deepEqual(Object.keys(trained), Object.keys(TASKS));
    assert.deepEqual(tone.labels, ['bad', 'good']);
    assert.deepEqual(kind.labels, ['art', 'film', 'tale', 'time']);
    assert.deepEqual([tone.metrics?.accuracy, kind.metrics?.accuracy], [1, 1]);
    assert.equal(entities.metrics?.f1, 1);
    assert.equal(tone.best_epoch, entities.best_epoch);

    // Of each epoch: two steps of each classifier of texts, one of the tagger, a validation.
    for (let epoch = 0; epoch < QUICK.epochs; epoch++) {
        const own = progress.slice(6 * epoch, 6 * epoch + 6);
        const tasks = own.map(({ task }) => task);
        assert.deepEqual(tasks.slice(0, 5).sort(), ['entities', 'kind', 'kind', 'tone', 'tone']);
        assert.equal(tasks[5], null);
        const { validation, metric } = own[5];
        assert.deepEqual(validation?.kind, kind.history[epoch].validation);
        const { tone: a, kind: b, entities: c } = validation ?? {};
        assert.equal(metric, ((a?.accuracy ?? 0) + (b?.accuracy ?? 0) + (c?.f1 ?? 0)) / 3);
    }
    const orders = Array.from({ length: QUICK.epochs }, (_, epoch) =>
        String(progress.slice(6 * epoch, 6 * epoch + 5).map(({ task }) => task)),
    );
    assert.ok(new Set(orders).size > 1, 'one order');
    const losses = progress.slice(0, 5).filter(({ task }) => task === 'kind');
    const mean = losses.reduce((sum, { loss }) => sum + loss, 0) / 2;
    assert.equal(kind.history[0].loss, mean);

    const models = await Promise.all(
        [tone, kind, entities].map((each) => each.model({ dtype: 'f32' })),
    );
    open.push(...models);
    const texts = EXAMPLES.map(({ text }) => text);
    for (const [i, set] of [EXAMPLES, KINDS].entries()) {
        const classify = await pipeline('text-classification', models[i]);
        const found = (await classify(texts)).map((answer) => [answer].flat()[0].label);
        assert.deepEqual(
            found,
            set.map(({ label }) => label),
        );
    }
    const tag = await pipeline('token-classification', models[2]);
    const found = await tag(TAGGED[0].text, { aggregation_strategy: 'first' });
    assert.deepEqual(
        found.map(({ entity_group }) => entity_group),
        ['PER', 'PER', 'LOC'],
    );
    const [first, ...others] = await Promise.all([tone, kind, entities].map(tensorsOf));
    for (const each of others) {
        const shared = Object.keys(each).filter((name) => /encoder|embeddings/.test(name));
        assert.ok(shared.length > 10);
        for (const name of shared) assert.ok(each[name].bytes.equals(first[name].bytes), name);
    }
});

test('one task alone is what fineTune() learns, to the bit', async () => {
    const options = { ...QUICK, epochs: 3, batch_size: 3, dropout: 0.1 };
    const own = { validation: EXAMPLES.slice(2, 6), label_smoothing: 0.1 };
    const alone = await fineTune(ENCODER, EXAMPLES, { ...options, ...own });
    const { it } = await fineTuneTasks(ENCODER, { it: { examples: EXAMPLES, ...own } }, options);
    assert.ok((await weightsOf(it)).equals(await weightsOf(alone)));
    assert.deepEqual(told(it), told(alone));
});

test('the same bits on two threads, and from a checkpoint amid an epoch', async () => {
    /** @type {Uint8Array[]} */
    const checkpoints = [];
    const options = { ...QUICK, epochs: 3, dropout: 0.1, accumulate: 1 };
    const [whole, threads, other] = [
        await fineTuneTasks(ENCODER, TASKS, {
            ...options,
            checkpoint_steps: 3,
            oncheckpoint: (bytes) => checkpoints.push(bytes),
        }),
        await fineTuneTasks(ENCODER, TASKS, { ...options, threads: 2, recomputes: true }),
        await fineTuneTasks(ENCODER, TASKS, { ...options, seed: 1 }),
    ];
    assert.equal(threads.tone.threads, 2);
    assert.equal(checkpoints.length, 3 + 4); // of 15 steps: after 3, 6, 9, 12, and each epoch
    const resumed = await fineTuneTasks(ENCODER, TASKS, { ...options, resume: checkpoints[2] });
    for (const name of Object.keys(TASKS)) {
        const weights = await weightsOf(whole[name]);
        for (const again of [threads, resumed]) {
            assert.ok((await weightsOf(again[name])).equals(weights), name);
            assert.deepEqual(told(again[name]), told(whole[name]));
        }
        assert.ok(!(await weightsOf(other[name])).equals(weights), name);
    }
    const { tone, kind } = TASKS;
    const resume = checkpoints[2];
    await refused(
        fineTuneTasks(
            ENCODER,
            { tone, kind: { ...kind, label_smoothing: 0 } },
            { ...options, resume },
        ),
        'BAD_OPTION',
        /same options: it has label_smoothing 1 0\.01, not 0/,
    );
});

/** @param {number} n */
const sequencesOf = (n) =>
    [5, 4, 7].map((length, s) => ({
        ids: Uint32Array.from({ length }, (_, i) => 5 + i + s),
        type_ids: new Uint32Array(length),
        labels: Int32Array.of(s % n),
    }));

test('steps of two tasks are those of two trainers that hand on what they share', async () => {
    const base = await baseOf(converted('pipelines/text-classification-bert', 'f32'));
    const family = familyOf(base.config.architecture);
    // More columns than a panel has, and fewer.
    const counts = [2, 9];
    const models = counts.map((n) => {
        const labels = Array.from({ length: n }, (_, i) => `${i}`);
        return withHead(base, family, 'text-classification', labels, 0);
    });
    const module = moduleOf('base');
    const limits = { max_tokens: 16, max_sequences: 3, max_sequence_tokens: 7 };
    const common = { ...limits, threads: 1, recomputes: false, memory: 2 ** 30 };
    const objective = classes('logits', null);
    const openOf = ({ encoder, tensors }, objective) =>
        Trainer.open(module, encoder, tensors, { ...common, objective });

    const both = await openOf(
        sharedModel(models),
        counts.map((n) => ofFirstColumns(objective, n)),
    );
    const heads = new Heads(
        both,
        models.map(({ tensors }) => tensors),
    );
    const apart = await Promise.all(models.map((model) => openOf(model, objective)));
    const order = [0, 1, 1, 0, 1, 0];
    for (const [step, task] of order.entries()) {
        const batch = sequencesOf(counts[task]);
        heads.turnTo(task);
        const before = heads.parameters();
        heads.turnTo(task);
        const found = both.run(batch, true);
        const length = both.clip(1);
        both.step(1e-2, 0.1);

        const shared = apart[order[step - 1] ?? 0].learned();
        const own = apart[task];
        own.setLearned(
            shared.filter(({ name }) => !name.startsWith('classifier')),
            step,
        );
        const want = own.run(batch, true);
        assert.equal(found.loss, want.loss, `step ${step}`);
        assert.deepEqual(found.outputs, want.outputs);
        assert.equal(length, own.clip(1));
        own.step(1e-2, 0.1);
        const now = heads.parameters();
        for (const [name, { values }] of own.parameters()) {
            const its = now.get(name.startsWith('classifier') ? `${name}.${task}` : name);
            assert.deepEqual(its?.values, values, `step ${step}, ${name}`);
        }
        const other = `classifier.weight.${1 - task}`;
        assert.deepEqual(now.get(other), before.get(other));
    }
});

test('each epoch has every example of every task once', () => {
    const sets = [7, 2, 12].map((n, task) => Array.from({ length: n }, (_, i) => `${task} ${i}`));
    const epochs = epochsOf(sets, { seed: 3, batch_size: 2, accumulate: 2 });
    const orders = [1, 2, 3].map(() => {
        const steps = epochs.next().value;
        assert.equal(steps.length, 2 + 1 + 3);
        for (const { task, parts } of steps) {
            assert.ok(parts.flat().every((example) => sets[task].includes(example)));
        }
        const all = steps.flatMap(({ parts }) => parts.flat());
        assert.deepEqual([...all].sort(), sets.flat().sort());
        return String(all);
    });
    assert.equal(new Set(orders).size, 3);
});

test('tasks that cannot be are refused, by name', async () => {
    const tune = (tasks, options = {}) => fineTuneTasks(ENCODER, wrong(tasks), wrong(options));
    const { tone } = TASKS;
    await refused(tune({}), 'BAD_INPUT', /tasks must be an object .* one or more/);
    await refused(tune([tone]), 'BAD_INPUT', /tasks must be an object/);
    await refused(tune({ tone: EXAMPLES }), 'BAD_OPTION', /the options of task 'tone' must be/);
    await refused(
        tune({ tone: { ...tone, epochs: 1 } }),
        'BAD_OPTION',
        /'tone' has no option 'epochs'/,
    );
    await refused(
        tune({ tone }, { task: 'a' }),
        'BAD_OPTION',
        /fineTuneTasks\(\) has no option 'task'/,
    );
    await refused(
        tune({ tone: { ...tone, labels: ['a'] } }),
        'BAD_OPTION',
        /^task 'tone': labels must/,
    );
    await refused(
        tune({ tone, near: { examples: [], task: 'feature-extraction' } }),
        'UNSUPPORTED',
        /task 'near': feature-extraction cannot/,
    );
    const one = { examples: EXAMPLES.slice(0, 2) };
    await refused(
        tune({ tone, one }),
        'BAD_INPUT',
        /^task 'one': all examples have the label 'good'/,
    );
    await refused(tune({ tone, one: {} }), 'BAD_INPUT', /^task 'one': /);
    const mute = { examples: [...EXAMPLES, wrong({ text: 'a' })] };
    await refused(tune({ tone, mute }), 'BAD_INPUT', /^mute example 8: its label must/, 8);
    await refused(
        tune({ one: { examples: EXAMPLES } }, { patience: 1 }),
        'BAD_OPTION',
        /a validation/,
    );
    await refused(
        tune({ tone, long: { ...tone, max_length: 9999 } }),
        'BAD_OPTION',
        /^long max_length must be at most/,
    );
});
