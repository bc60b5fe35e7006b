/** What is learned, and how: several labels, numbers, adapters, frozen layers, large batches. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { pipeline } from 'bert-wasm';
import { evaluate } from 'bert-wasm/metrics';
import { fineTune } from 'bert-wasm/train';

import { converted } from './converted.js';
import { EXAMPLES, QUICK, refused } from './trained.js';

const ENCODER = converted('pipelines/feature-extraction-bert', 'q8');
const CLASSIFIER = converted('pipelines/text-classification-bert');

/** @type {{dispose(): void}[]} */
const open = [];
after(() => open.forEach((each) => each.dispose()));

/** What no type allows. @returns {any} */
const wrong = (value) => value;

const weightsOf = async (trained) => Buffer.from((await trained.export())['model.safetensors']);

/** `good` or `bad`, and `film` or not. */
const SETS = EXAMPLES.map(({ text, label }) => ({
    text,
    labels: [label, ...(text.includes('film') ? ['film'] : [])],
}));
SETS.push({ text: 'it', labels: [] });

test('several labels of a text: learned, saved, answered by sigmoids', async () => {
    const options = /** @type {const} */ ({
        ...QUICK,
        problem_type: 'multi_label_classification',
        validation: SETS,
    });
    const trained = await fineTune(ENCODER, SETS, options);
    assert.deepEqual(trained.labels, ['bad', 'film', 'good']);
    const { metrics } = trained;
    assert.deepEqual([metrics?.accuracy, metrics?.micro_f1, metrics?.macro_f1], [1, 1, 1]);
    const config = JSON.parse(Buffer.from((await trained.export())['config.json']).toString());
    assert.equal(config.problem_type, 'multi_label_classification');
    const classify = await pipeline('text-classification', await trained.model({ dtype: 'f32' }));
    open.push(classify);
    const scores = await classify(SETS[0].text, { top_k: null });
    const found = Object.fromEntries(scores.map(({ label, score }) => [label, score]));
    assert.ok(found.good > 0.5 && found.film > 0.5 && found.bad < 0.5, JSON.stringify(found));
    const judged = await evaluate(classify, SETS);
    assert.deepEqual([judged.accuracy, judged.micro_f1], [1, 1]);

    const balanced = await fineTune(ENCODER, SETS, {
        ...options,
        epochs: 2,
        class_weights: 'balanced',
        validation: 0.3,
        label_smoothing: 0.1,
    });
    assert.equal(balanced.history.length, 2);
    const tune = (examples) => fineTune(ENCODER, wrong(examples), options);
    await refused(tune([...SETS, { text: 'a', labels: 'x' }]), 'BAD_INPUT', /\{text, labels\}/, 9);
    await refused(tune([SETS[8], SETS[8]]), 'BAD_INPUT', /no example has a label/);
    await refused(tune([{ text: 'a', labels: [null] }]), 'BAD_INPUT', /its label must be/, 0);
});

test('numbers: learned, saved, answered as they are', async () => {
    const scored = EXAMPLES.map(({ text, label }, i) => ({
        text,
        score: (label === 'good' ? 2 : -2) + i / 10,
    }));
    const options = /** @type {const} */ ({ ...QUICK, problem_type: 'regression' });
    const trained = await fineTune(ENCODER, scored, { ...options, validation: scored });
    const { metrics } = trained;
    assert.ok(metrics && (metrics.pearson ?? 0) > 0.95 && (metrics.spearman ?? 0) > 0.8);
    assert.equal(metrics.accuracy, undefined);
    const model = await trained.model({ dtype: 'f32' });
    assert.equal(model.config.problem_type, 'regression');
    const classify = await pipeline('text-classification', model);
    open.push(classify);
    const answers = await classify(scored.map(({ text }) => text));
    const squares = answers.map(({ score }, i) => (score - scored[i].score) ** 2);
    const mean = squares.reduce((a, b) => a + b, 0) / squares.length;
    assert.ok(Math.abs(mean - metrics.loss) < 1e-4, `${mean}, not ${metrics.loss}`);
    // It goes on from there.
    const again = await fineTune(await trained.save({ dtype: 'f32' }), scored, {
        ...options,
        epochs: 1,
        learning_rate: 1e-12,
        validation: scored,
    });
    assert.ok(Math.abs((again.metrics?.loss ?? NaN) - metrics.loss) < 1e-4);

    const tune = (examples, more) => fineTune(ENCODER, wrong(examples), { ...options, ...more });
    await refused(tune(EXAMPLES), 'BAD_INPUT', /its score must be a number, not undefined/, 0);
    await refused(tune(['a']), 'BAD_INPUT', /\{text, score\}/, 0);
    await refused(tune(scored, { labels: ['a', 'b'] }), 'BAD_OPTION', /labels must not be given/);
    await refused(
        tune(scored, { label_smoothing: 0.1 }),
        'BAD_OPTION',
        /label_smoothing must be 0/,
    );
    await refused(
        tune(scored, { class_weights: { a: 1 } }),
        'BAD_OPTION',
        /class_weights must not/,
    );
});

const ASKED = [
    ['who sang?', 'Anna sang a song in Berlin.', 'Anna'],
    ['where?', 'Anna sang a song in Berlin.', 'Berlin'],
    ['who sang?', 'In Paris it was Bert who sang.', 'Bert'],
    ['where?', 'In Paris it was Bert who sang.', 'Paris'],
].map(([question, context, text]) => ({ question, context, answers: [{ text }] }));

for (const name of ['bert', 'roberta']) {
    test(`answers in contexts: learned, saved, answered: ${name}`, async () => {
        const base = converted(`pipelines/question-answering-${name}`);
        const options = /** @type {const} */ ({ ...QUICK, task: 'question-answering' });
        const trained = await fineTune(base, ASKED, { ...options, epochs: 80, validation: ASKED });
        const { metrics } = trained;
        assert.deepEqual([metrics?.exact, metrics?.f1], [1, 1], JSON.stringify(metrics));
        const files = await trained.export();
        const config = JSON.parse(Buffer.from(files['config.json']).toString());
        assert.match(config.architectures[0], /ForQuestionAnswering$/);
        const ask = await pipeline('question-answering', await trained.model({ dtype: 'f32' }));
        open.push(ask);
        const judged = await evaluate(ask, ASKED);
        assert.deepEqual([judged.exact, judged.f1], [1, 1]);
    });
}

test('long contexts are learned in windows, and that there is no answer', async () => {
    const base = converted('pipelines/question-answering-bert');
    const filler = 'a song was sung and sung again '.repeat(4);
    const long = ASKED.map(({ question, context, answers: [{ text }] }) => ({
        question,
        context: `\u{1f3b5} ${filler}${context}`,
        // As SQuAD counts: in code points.
        answers: [
            { text, answer_start: [...`\u{1f3b5} ${filler}`].length + context.indexOf(text) },
        ],
    }));
    const none = { question: 'who sang?', context: filler, answers: [] };
    const examples = [...long, none];
    const options = /** @type {const} */ ({ ...QUICK, task: 'question-answering', max_length: 32 });
    const tune = (given, more) => fineTune(base, wrong(given), { ...options, ...more });
    /** @type {number[]} */
    const steps = [];
    const trained = await tune(examples, {
        epochs: 2,
        validation: examples,
        onprogress: ({ n_steps }) => steps.push(n_steps),
    });
    assert.ok(steps[0] > 2 * 2 * Math.ceil(examples.length / 4), `${steps[0]} steps`);
    assert.ok((trained.metrics?.f1 ?? -1) >= 0);
    const again = await fineTune(await trained.save({ dtype: 'f32' }), examples, {
        ...options,
        epochs: 1,
        learning_rate: 1e-12,
        validation: examples,
    });
    assert.ok(Math.abs((again.metrics?.loss ?? NaN) - (trained.metrics?.loss ?? NaN)) < 1e-4);

    const answered = (answer) => [{ ...ASKED[0], answers: [answer] }];
    const there = /its answers must be \{text, answer_start\} with a text that is in the context/;
    await refused(tune(answered({ text: 'Carl' })), 'BAD_INPUT', there, 0);
    await refused(tune(answered({ text: 'Anna', answer_start: 3 })), 'BAD_INPUT', there, 0);
    await refused(tune([{ question: 'a', context: 'b' }]), 'BAD_INPUT', /\{question, context/, 0);
    await refused(tune([{ question: '', context: 'b', answers: [] }]), 'BAD_INPUT', /empty/, 0);
    await refused(tune(ASKED, { labels: ['a', 'b'] }), 'BAD_OPTION', /labels and class_weights/);
    await refused(tune(ASKED, { label_smoothing: 0.1 }), 'BAD_OPTION', /label_smoothing must be 0/);
});

test('batches in parts learn what one large batch does', async () => {
    const options = { ...QUICK, epochs: 2, class_weights: { good: 3 }, label_smoothing: 0.1 };
    const tune = (more) => fineTune(CLASSIFIER, EXAMPLES, { ...options, ...more });
    const large = await tune({ batch_size: 8 });
    /** @type {number[]} */
    const steps = [];
    const parts = await tune({
        batch_size: 3,
        accumulate: 3,
        onprogress: ({ step, n_steps }) => steps.push(step, n_steps),
    });
    assert.deepEqual(steps, [1, 2, 2, 2]);
    parts.history.forEach(({ loss }, i) => {
        assert.ok(Math.abs(loss - large.history[i].loss) < 1e-5);
    });
    const small = await tune({ batch_size: 3 });
    assert.ok(Math.abs(small.history[1].loss - large.history[1].loss) > 1e-4);
});

test('each option changes what is learned, and the same again gives the same bits', async () => {
    const short = { ...QUICK, epochs: 2 };
    const tune = async (options) =>
        weightsOf(await fineTune(CLASSIFIER, EXAMPLES, { ...short, ...options }));
    const plain = await tune({});
    for (const options of [
        { dropout: undefined },
        { dropout: { attention: 0.3, hidden: 0, classifier: 0 } },
        { schedule: 'cosine' },
        { schedule: 'constant' },
        { label_smoothing: 0.2 },
        { layer_decay: 0.5 },
        { trained_layers: 0 },
        { trained_layers: 1 },
        { unfreeze: 1 },
        { lora: {} },
        { lora: { rank: 2, alpha: 8, targets: ['key', 'output'] } },
        { adversarial: 1 },
    ]) {
        const found = await tune(options);
        assert.ok(!found.equals(plain), JSON.stringify(options));
        assert.ok(found.equals(await tune({ ...options, threads: 2 })), JSON.stringify(options));
    }
    assert.ok(plain.equals(await tune({ adversarial: 0, layer_decay: 1, accumulate: 1 })));
});

test('a classifier alone and adapters learn, too', async () => {
    const options = { ...QUICK, validation: EXAMPLES };
    const adapted = await fineTune(CLASSIFIER, EXAMPLES, {
        ...options,
        lora: { rank: 4, alpha: 16 },
        learning_rate: 2e-2,
    });
    assert.equal(adapted.metrics?.accuracy, 1);
    const classify = await pipeline('text-classification', await adapted.model({ dtype: 'f32' }));
    open.push(classify);
    const answers = await classify(EXAMPLES.map(({ text }) => text));
    assert.deepEqual(
        answers.map(({ label }) => label),
        EXAMPLES.map(({ label }) => label),
    );
    const head = await fineTune(CLASSIFIER, EXAMPLES, { ...options, trained_layers: 0 });
    assert.ok((head.history.at(-1)?.loss ?? NaN) < head.history[0].loss);
});

test('options that cannot be are refused', async () => {
    const cases = /** @type {Record<string, [unknown, RegExp]>} */ ({
        problem_type: ['labels', /single_label_classification or multi_/],
        accumulate: [0, /a whole number from 1/],
        schedule: ['square', /linear or cosine or constant/],
        dropout: [1, /a share from 0, below 1/],
        label_smoothing: [2, /a share from 0 to 1/],
        layer_decay: [0, /a number above 0, at most 1/],
        trained_layers: [-1, /a whole number from 0/],
        unfreeze: [0, /a whole number from 1/],
        lora: [8, /an object of rank/],
        adversarial: [-1, /a number from 0/],
        checkpoint_steps: [0, /a whole number from 1/],
        oncheckpoint: ['file', /a function/],
    });
    const tune = (options) => fineTune(CLASSIFIER, EXAMPLES, wrong(options));
    for (const [name, [value, message]] of Object.entries(cases)) {
        const expected = new RegExp(`^${name} must be .*${message.source}`);
        await refused(tune({ [name]: value }), 'BAD_OPTION', expected);
    }
    const several = /** @type {[object, RegExp][]} */ ([
        [{ dropout: { hidden: 1 } }, /^dropout\.hidden must be a share/],
        [{ dropout: { pooler: 0 } }, /^dropout has no option 'pooler'/],
        [{ lora: { rank: 0 } }, /^lora\.rank must be a whole number/],
        [{ lora: { alpha: 0 } }, /^lora\.alpha must be a number above 0/],
        [{ lora: { targets: ['keys'] } }, /^lora\.targets must be an array of query, key/],
        [{ lora: { rank: 1000 } }, /^lora\.rank must be at most the hidden size of the base, 32/],
        [{ trained_layers: 99 }, /^trained_layers must be at most the \d layers of the base/],
        [{ adversarial: 1, accumulate: 2 }, /^adversarial must have accumulate 1/],
        [{ adversarial: 1, trained_layers: 1 }, /^adversarial must be without lora/],
        [
            { task: 'token-classification', problem_type: 'regression' },
            /^problem_type must be single_label_classification, but for text-classification/,
        ],
    ]);
    for (const [options, message] of several) await refused(tune(options), 'BAD_OPTION', message);
});
