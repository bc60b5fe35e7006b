/** Distillation: a model learns what another one answers, alone or beside labels. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { pipeline } from 'bert-wasm';
import { fewShot, fineTune } from 'bert-wasm/train';

import { cli, printed } from './cli_process.js';
import { converted, scratch } from './converted.js';
import { newPath } from './huggingface_files.js';
import { EXAMPLES, QUICK, refused } from './trained.js';

const ENCODER = converted('pipelines/feature-extraction-bert');
const CLASSIFIER = converted('pipelines/text-classification-bert');

/** @type {{dispose(): void}[]} */
const open = [];
after(() => open.forEach((each) => each.dispose()));

/** What no type allows. @returns {any} */
const wrong = (value) => value;

const TEXTS = EXAMPLES.map(({ text }) => text);

/** The scores of all labels for each text. */
async function scoresOf(model, texts = TEXTS) {
    const classify = await pipeline('text-classification', model);
    open.push(classify);
    return classify(texts, { top_k: null });
}

/** What the classifier answers. @type {{label: string, score: number}[][]} */
let own = [];
/** What it could learn to answer. @type {{text: string, teacher: typeof own[number]}[]} */
let unlabelled = [];
before(async () => {
    own = await scoresOf(CLASSIFIER);
    unlabelled = TEXTS.map((text, i) => {
        const odds = own[i].map(({ label, score }, k) => ({ label, score: score * (k + 1) }));
        const sum = odds.reduce((all, { score }) => all + score, 0);
        const teacher = odds.map(({ label, score }) => ({ label, score: score / sum }));
        return { text, teacher: i % 2 ? teacher : teacher.toReversed() };
    });
});

const LABELS = ['negative', 'neutral', 'positive'];

/** Of the first step of a student whose probabilities are those of the classifier. */
function lossOf(examples, temperature, hard_share) {
    const softened = (scores) => {
        const weights = LABELS.map((name) => {
            const { score } = scores.find(({ label }) => label === name);
            return score ** (1 / temperature);
        });
        const sum = weights.reduce((a, b) => a + b, 0);
        return weights.map((weight) => weight / sum);
    };
    const losses = examples.map(({ teacher, label }, i) => {
        const [q, p] = [teacher, own[i]].map(softened);
        const divergence = q.reduce((sum, each, c) => sum + each * Math.log(each / p[c]), 0);
        const hard = label && Math.log(own[i].find((one) => one.label === label)?.score ?? 0);
        return (1 - hard_share) * temperature ** 2 * divergence - hard_share * (hard ?? 0);
    });
    return losses.reduce((a, b) => a + b, 0) / losses.length;
}

test('the loss is (1 - a) T^2 KL + a CE, also of a batch in parts', async () => {
    const labelled = unlabelled.map((one, i) => ({ ...one, label: LABELS[i % 3] }));
    const cases = /** @type {[any[], object, number, number][]} */ ([
        [unlabelled, {}, 2, 0],
        [unlabelled, { temperature: 1, hard_share: 0 }, 1, 0],
        [labelled, {}, 2, 0.5],
        [labelled, { temperature: 5, hard_share: 0.25 }, 5, 0.25],
        [labelled, { hard_share: 0, batch_size: 3, accumulate: 3 }, 2, 0],
        [labelled, { hard_share: 1 }, 2, 1],
    ]);
    for (const [examples, options, temperature, hard_share] of cases) {
        /** @type {number[]} */
        const losses = [];
        const trained = await fineTune(CLASSIFIER, examples, {
            ...QUICK,
            epochs: 1,
            batch_size: examples.length,
            ...options,
            onprogress: ({ loss }) => losses.push(loss),
        });
        const expected = lossOf(examples, temperature, hard_share);
        assert.ok(expected > 0.01);
        assert.equal(losses.length, 1);
        const distance = Math.abs(losses[0] - expected);
        assert.ok(distance < 1e-5, `${JSON.stringify(options)}: ${losses}, not ${expected}`);
        assert.deepEqual([...trained.labels].sort(), LABELS);
    }
});

test('a student learns what a teacher answers from texts without labels', async () => {
    const teacher = await fineTune(ENCODER, EXAMPLES, QUICK);
    const answers = await scoresOf(await teacher.model({ dtype: 'f32' }));
    const examples = TEXTS.map((text, i) => ({ text, teacher: answers[i] }));
    const student = await fineTune(CLASSIFIER, examples, { ...QUICK, validation: EXAMPLES });
    assert.deepEqual(student.labels, ['bad', 'good']);
    assert.equal(student.metrics?.accuracy, 1);
    const found = await scoresOf(await student.model({ dtype: 'f32' }));
    // Of a validation the loss is that against its labels.
    const losses = found.map((scores, i) => {
        const right = scores.find(({ label }) => label === EXAMPLES[i].label);
        return -Math.log(right?.score ?? 0);
    });
    const mean = losses.reduce((a, b) => a + b, 0) / losses.length;
    assert.ok(Math.abs(mean - (student.metrics?.loss ?? NaN)) < 1e-5);
    found.forEach((scores, i) => {
        assert.equal(scores[0].label, answers[i][0].label);
        const distance = Math.abs(scores[0].score - answers[i][0].score);
        assert.ok(distance < 0.05, `${TEXTS[i]}: ${distance}`);
    });
});

test('labels are those of the teacher, in the order of the base if they are its own', async () => {
    const short = { ...QUICK, epochs: 1 };
    const classify = await pipeline('text-classification', CLASSIFIER);
    open.push(classify);
    const theirs = await fineTune(CLASSIFIER, unlabelled, short);
    assert.deepEqual(theirs.labels, classify.model.config.labels);
    const other = await fineTune(ENCODER, unlabelled, short);
    assert.deepEqual(other.labels, LABELS);
    const given = await fineTune(ENCODER, unlabelled, { ...short, labels: LABELS.toReversed() });
    assert.deepEqual(given.labels, LABELS.toReversed());
});

test('the same bits on one thread and on two; a score of 0 is learned, too', async () => {
    const certain = [
        { label: 'good', score: 1 },
        { label: 'bad', score: 0 },
    ];
    const examples = EXAMPLES.map((one) => ({
        ...one,
        teacher: certain.map(({ label, score }) => ({
            label,
            score: one.label === 'good' ? score : 1 - score,
        })),
    }));
    const weights = async (options) => {
        const trained = await fineTune(ENCODER, examples, { ...QUICK, epochs: 3, ...options });
        assert.ok(trained.history.every(({ loss }) => Number.isFinite(loss)));
        return Buffer.from((await trained.export())['model.safetensors']);
    };
    const one = await weights({});
    assert.ok(one.equals(await weights({ threads: 2, recomputes: true })));
    assert.ok(!one.equals(await weights({ temperature: 3 })));
    assert.ok(!one.equals(await weights({ hard_share: 0.4 })));
});

test('a share of labelled examples is set aside; the rest has its teacher', async () => {
    const examples = unlabelled.flatMap((one, i) => [
        { ...one, label: LABELS[i % 2] },
        { ...one, label: LABELS[i % 2] },
    ]);
    const options = { ...QUICK, epochs: 2, validation: 0.25 };
    const trained = await fineTune(CLASSIFIER, examples, options);
    assert.ok((trained.metrics?.accuracy ?? -1) >= 0);
    const alone = unlabelled.map(({ text, teacher }) => ({ text, teacher }));
    await refused(
        fineTune(CLASSIFIER, alone, options),
        'BAD_OPTION',
        /^validation must be examples with labels/,
    );
});

test('what cannot be learned from is refused, with its index', async () => {
    const tune = (examples, options) => fineTune(CLASSIFIER, wrong(examples), wrong(options));
    const with_last = (last, first = unlabelled) => [...first, { text: 'it', ...last }];
    const scores = (...all) => LABELS.map((label, i) => ({ label, score: all[i] }));
    const right = scores(0.25, 0.25, 0.5);
    const examples = /** @type {[object[], RegExp][]} */ ([
        [with_last({ teacher: 'good' }), /^example 8: its teacher must be \[\{label, score\}, /],
        [
            with_last({ teacher: [0.5, 0.5] }),
            /^example 8: its teacher must be \[\{label, score\}, /,
        ],
        [with_last({ teacher: scores(0.5, -0.5, 1) }), /score of 'neutral' must be a probability/],
        [with_last({ teacher: scores(0.5, NaN, 0.5) }), /score of 'neutral' must be a probability/],
        [with_last({ teacher: scores(0.9, 0.8, 0.1) }), /add up to 1/],
        [with_last({ teacher: right.slice(0, 2) }), /add up to 1/],
        [with_last({ teacher: [{ label: 'a', score: 1 }] }), /of two labels or more/],
        [
            with_last({ teacher: scores(0.5, 0.5).slice(0, 2) }),
            /^example 8: its teacher must have a score of 'positive'/,
        ],
        [
            with_last({ teacher: [...right, { label: 'other', score: 0 }] }),
            /^example 8: its teacher must have no score of 'other'/,
        ],
        [with_last({ teacher: right, label: 'neutral' }), /^example 8: it must have no label, as/],
        [with_last({ label: 'neutral' }), /^example 8: it must have a teacher, as those before it/],
        [with_last({ teacher: right }, wrong(EXAMPLES)), /^example 8: it must have no teacher, as/],
        [with_last({}, wrong(EXAMPLES)), /^example 8: its label must be a string/],
    ]);
    for (const [given, message] of examples) await refused(tune(given), 'BAD_INPUT', message, 8);
    const labelled = unlabelled.map((one) => ({ ...one, label: 'other' }));
    await refused(tune(labelled), 'BAD_INPUT', /its label must be one of negative, neutral/, 0);
    const unjudged = tune(unlabelled, { validation: unlabelled });
    await refused(unjudged, 'BAD_INPUT', /^validation example 0: it must have a label/, 0);
    const shots = fewShot(ENCODER, wrong(unlabelled));
    await refused(shots, 'BAD_INPUT', /^example 0: it must have a label/, 0);

    const options = /** @type {[object[], object, RegExp][]} */ ([
        [unlabelled, { temperature: 0 }, /^temperature must be a number above 0/],
        [unlabelled, { hard_share: 1.5 }, /^hard_share must be a share from 0 to 1/],
        [unlabelled, { hard_share: 0.5 }, /^hard_share must be 0 for examples without labels/],
        [unlabelled, { label_smoothing: 0.1 }, /^label_smoothing must be 0 for examples that have/],
        [unlabelled, { class_weights: { neutral: 2 } }, /^class_weights must not be given for/],
        [EXAMPLES, { temperature: 2 }, /^temperature and hard_share must be given with examples/],
        [EXAMPLES, { hard_share: 0 }, /^temperature and hard_share must be given with examples/],
    ]);
    for (const [given, option, message] of options) {
        await refused(tune(given, option), 'BAD_OPTION', message);
    }
});

test('on the command line', () => {
    const lines = unlabelled.map((one) => `${JSON.stringify({ ...one, label: 'neutral' })}\n`);
    const [jsonl, out] = [join(scratch, 'taught.jsonl'), newPath()];
    writeFileSync(jsonl, lines.join(''));
    const base = ['train', '--model', ENCODER, '-i', jsonl, '-o', out, '--epochs', '1'];
    const more = ['--task', 'classify', '--temperature', '3', '--hard-share', '0.2'];
    const [result] = printed([...base, ...more, '--validation', jsonl]);
    assert.deepEqual([result.rows, result.labels], [TEXTS.length, LABELS]);
    assert.ok(result.accuracy >= 0);
    writeFileSync(jsonl, `${lines[0]}{"text": "a", "teacher": [{"label": "b", "score": 2}]}\n`);
    const { status, stderr } = cli(base);
    assert.match(stderr, /taught\.jsonl:2: its teacher's score of 'b' must be a probability/);
    assert.equal(status, 1);
});
