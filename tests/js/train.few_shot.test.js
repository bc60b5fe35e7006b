/** Few-shot classification: pairs, the classifier on embeddings, and the model that comes of it. */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { BertError, loadModel, pipeline } from 'bert-wasm';
import { attribute } from 'bert-wasm/explain';
import { fewShot } from 'bert-wasm/train';

import { pairsOf } from '../../js/train/few_shot.js';
import { fitLogistic } from '../../js/train/logistic.js';
import { Random } from '../../js/train/random.js';
import { cli, printed } from './cli_process.js';
import { converted, GOLDEN, rewritten } from './converted.js';
import { newPath } from './huggingface_files.js';
import { EXAMPLES } from './trained.js';

const ENCODER = converted('pipelines/feature-extraction-bert', 'q8');

/** @type {{dispose(): void}[]} */
const open = [];
after(() => open.forEach((each) => each.dispose()));

/** What no type allows. @returns {any} */
const wrong = (value) => value;

/** Options under which tiny models learn. */
const QUICK = { epochs: 8, learning_rate: 5e-3, dropout: 0, threads: 1 };

test("logistic regression learns scikit-learn's weights", async () => {
    for (const { rows, labels, weight, bias, probabilities } of JSON.parse(
        readFileSync(join(GOLDEN, 'logistic.json'), 'utf8'),
    )) {
        const n_classes = Math.max(...labels) + 1;
        const found = await fitLogistic(
            rows.map((row) => Float32Array.from(row)),
            labels,
            n_classes,
        );
        const n_in = rows[0].length;
        const of = (c) => [...found.weight.subarray(c * n_in, (c + 1) * n_in)];
        // Of two classes scikit-learn has the difference.
        const learned =
            n_classes === 2 ? [of(1).map((w, i) => w - of(0)[i])] : bias.map((_, c) => of(c));
        learned.forEach((row, c) =>
            row.forEach((w, i) => assert.ok(Math.abs(w - weight[c][i]) < 1e-5, `${c}, ${i}: ${w}`)),
        );
        const softmax = (row) => {
            const powers = Array.from(found.bias, (b, c) =>
                Math.exp(of(c).reduce((sum, w, i) => sum + w * row[i], b)),
            );
            return powers.map((p) => p / powers.reduce((a, b) => a + b, 0));
        };
        probabilities.forEach((want, r) =>
            softmax(rows[r]).forEach((p, c) => assert.ok(Math.abs(p - want[c]) < 1e-5, `${p}`)),
        );
    }
});

test('pairs: all of the commoner kind, the rarer one again and again, or as many as may be', () => {
    const shots = [0, 0, 0, 1, 1, 2, 2].map((label, i) => ({ text: `${i}`, labels: [label] }));
    const key = ({ text, text_pair }) => `${text}-${text_pair}`;
    const pairs = pairsOf(shots, 1000, new Random(0, 0));
    const [near, far] = [1, 0].map((score) => pairs.filter((pair) => pair.score === score));
    assert.deepEqual([near.length, far.length], [16, 16]);
    assert.equal(new Set(far.map(key)).size, 16);
    assert.deepEqual([...new Set(near.map(key))].sort(), ['0-1', '0-2', '1-2', '3-4', '5-6']);
    const counts = [...new Set(near.map(key))].map(
        (each) => near.filter((pair) => key(pair) === each).length,
    );
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 1);
    for (const { text, text_pair, score } of pairs) {
        const [a, b] = [text, text_pair].map((each) => shots[Number(each)].labels[0]);
        assert.equal(score, a === b ? 1 : 0);
    }
    const few = pairsOf(shots, 9, new Random(0, 0));
    assert.equal(few.length, 8);
    assert.equal(new Set(few.map(key)).size, 8);
    assert.notDeepEqual(few, pairsOf(shots, 9, new Random(1, 0)));
});

test('few examples make a classifier, in every dtype, and a file that all opens', async () => {
    const steps = [];
    const trained = await fewShot(ENCODER, EXAMPLES, {
        ...QUICK,
        validation: EXAMPLES,
        onprogress: ({ step, n_steps }) => steps.push([step, n_steps]),
    });
    assert.deepEqual(trained.labels, ['bad', 'good']);
    assert.equal(trained.metrics?.accuracy, 1);
    assert.equal(trained.metrics.macro_f1, 1);
    assert.equal(trained.history.length, QUICK.epochs);
    assert.deepEqual(steps.at(-1), [2 * QUICK.epochs, 2 * QUICK.epochs]); // of 32 pairs, 16 each
    const texts = EXAMPLES.map(({ text }) => text);
    for (const dtype of /** @type {const} */ (['f32', 'q8', 'q4'])) {
        const model = await trained.model({ dtype, name: 'few' });
        open.push(model);
        assert.deepEqual(model.config.labels, ['bad', 'good']);
        const { ok } = await model.verify();
        assert.ok(ok, dtype);
        const classify = await pipeline('text-classification', model);
        const answers = await classify(texts);
        assert.deepEqual(
            answers.map((answer) => [answer].flat()[0].label),
            EXAMPLES.map(({ label }) => label),
        );
        if (dtype !== 'f32') continue;
        // The loss that was told is that of what the model answers.
        const all = await classify(texts, { top_k: null });
        const loss = all.map((scores, i) => {
            const own = scores.find(({ label }) => label === EXAMPLES[i].label);
            return -Math.log(own?.score ?? NaN) / texts.length;
        });
        const sum = loss.reduce((a, b) => a + b, 0);
        assert.ok(Math.abs(sum - trained.metrics.loss) < 1e-4, `${sum}`);
        const { label } = await attribute(model, texts[0]);
        assert.equal(label, 'good');
        const extract = await pipeline('feature-extraction', model);
        const { dims } = await extract([texts[0]]);
        assert.deepEqual(dims, [1, 32]);
        await assert.rejects(pipeline('token-classification', model), { code: 'WRONG_TASK' });
    }
    const path = newPath();
    writeFileSync(path, await trained.save());
    const [{ text, label }] = EXAMPLES;
    const [answer] = printed(['classify', '--model', path, text]);
    assert.equal(answer.label, label);
    assert.equal(cli(['verify', '--model', path]).status, 0);
    const { 'classifier.json': json } = await trained.export();
    const { labels, weight, bias } = JSON.parse(new TextDecoder().decode(json));
    assert.deepEqual([labels, weight.length, bias.length], [['bad', 'good'], 2, 2]);
    assert.ok(weight.every((row) => row.length === 32));
});

test('three labels, a base with a dense layer and a length of 1; the same bits', async () => {
    const examples = ['w1 w2', 'w1 w3', 'w5 w6', 'w5 w7', 'w9 w10', 'w9 w11'].map((text, i) => ({
        text,
        label: Math.floor(i / 2),
    }));
    const make = async (options) => {
        const base = converted('huggingface/sentence-dense');
        const trained = await fewShot(base, examples, {
            ...QUICK,
            labels: ['x', 'y', 'z'],
            ...options,
        });
        return { trained, bytes: Buffer.from(await trained.save({ dtype: 'f32' })) };
    };
    const [one, two, other] = await Promise.all([
        make({}),
        make({ threads: 2 }),
        make({ seed: 1, max_pairs: 6 }),
    ]);
    assert.ok(one.bytes.equals(two.bytes));
    assert.ok(!one.bytes.equals(other.bytes));
    const model = await loadModel(one.bytes);
    open.push(model);
    const { normalize, embedding_dim } = model.config.encoder;
    assert.deepEqual([normalize, embedding_dim], [1, 12]);
    assert.equal(model.config.classifier?.weight.length, 3 * 12);
    const classify = await pipeline('text-classification', model);
    for (const { text, label } of examples) {
        const [{ label: found }] = await classify(text);
        assert.equal(found, 'xyz'[label]);
    }
});

test('a classifier on embeddings that is none is refused', async () => {
    const rewritten_with = (classifier, name = 'huggingface/sentence-dense') =>
        loadModel(
            rewritten(converted(name), ({ __metadata__: metadata, ...rest }) => {
                const config = { ...JSON.parse(metadata.config), labels: ['x'], classifier };
                const text = JSON.stringify(config);
                return JSON.stringify({ __metadata__: { ...metadata, config: text }, ...rest });
            }),
        );
    const floats = (...numbers) =>
        Buffer.from(Float32Array.from(numbers).buffer).toString('base64');
    const bias = floats(1);
    for (const [classifier, message] of [
        [1, /config's classifier must be an object/],
        [{ weight: '!', bias }, /classifier\.weight must be numbers of F32 in base64/],
        [{ weight: floats(NaN), bias }, /classifier\.weight must be numbers/],
        [{ weight: bias, bias: 'AAA=' }, /classifier\.bias must be numbers/],
        [{ weight: floats(1, 2), bias }, /classifier\.weight must be 12 numbers for each of bias/],
    ]) {
        await assert.rejects(rewritten_with(classifier), { code: 'BAD_MODEL_FILE', message });
    }
    const without = rewritten_with({ weight: bias, bias }, 'huggingface/bert-base');
    await assert.rejects(without, { message: /classifier must be left out without a pooling/ });
});

test('signal ends it with its reason, stop with what there is', async () => {
    const reason = new Error('enough');
    const aborting = new AbortController();
    await assert.rejects(
        fewShot(ENCODER, EXAMPLES, {
            ...QUICK,
            signal: aborting.signal,
            onprogress: ({ step }) => step === 3 && aborting.abort(reason),
        }),
        reason,
    );
    const stopping = new AbortController();
    const stopped = await fewShot(ENCODER, EXAMPLES, {
        ...QUICK,
        epochs: 10_000,
        stop: stopping.signal,
        onprogress: ({ epoch }) => epoch === 3 && stopping.abort(),
    });
    assert.ok(stopped.history.length >= 2 && stopped.history.length < 10_000);
    const model = await stopped.model();
    open.push(model);
    assert.deepEqual(model.config.labels, ['bad', 'good']);
});

test('what cannot be is refused', async () => {
    const refused = async (examples, options, code, message, index) => {
        const promise = fewShot(ENCODER, wrong(examples), wrong(options));
        await assert.rejects(promise, (/** @type {any} */ error) => {
            assert.ok(error instanceof BertError, error.stack);
            assert.equal(error.code, code, error.message);
            assert.match(error.message, message);
            assert.equal(error.index, index);
            return true;
        });
    };
    const one = { text: 'a', label: 'other' };
    await refused(EXAMPLES.slice(0, 4), {}, 'BAD_INPUT', /all examples have the label 'good'/);
    await refused([...EXAMPLES, one], {}, 'BAD_INPUT', /2 examples or more, .* not 1 as 'other'/);
    const labels = ['good', 'bad', 'none'];
    await refused(EXAMPLES, { labels }, 'BAD_INPUT', /2 examples or more, .* not 0 as 'none'/);
    const pair = { ...one, text_pair: 'b' };
    await refused([pair], {}, 'BAD_INPUT', /^example 0: .* without a text_pair/, 0);
    await refused([{ text: 'a' }], {}, 'BAD_INPUT', /^example 0: its label must be/, 0);
    await refused([], {}, 'BAD_INPUT', /there are no examples/);
    await refused(
        EXAMPLES,
        { validation: [one] },
        'BAD_INPUT',
        /^validation example 0: .*bad, good/,
        0,
    );
    await refused(
        EXAMPLES,
        { validation: 0.1 },
        'BAD_INPUT',
        /validation examples must be an array/,
    );
    await refused(
        EXAMPLES,
        { max_pairs: 1 },
        'BAD_OPTION',
        /max_pairs must be a whole number from 2/,
    );
    await refused(EXAMPLES, { patience: 1 }, 'BAD_OPTION', /fewShot\(\) has no option 'patience'/);
    await refused(EXAMPLES, { epochs: 0 }, 'BAD_OPTION', /epochs must be a whole number from 1/);
    await refused(EXAMPLES, null, 'BAD_OPTION', /the options of fewShot\(\) must be an object/);
});
