/** Embeddings that are trained: losses of pairs, what comes of them, and what is refused. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';

import { BertError, loadModel, pipeline } from 'bert-wasm';
import { fineTune } from 'bert-wasm/train';

import { pairs } from '../../js/train/objectives/pairs.js';
import { Trainer } from '../../js/train/trainer.js';
import { Instance } from '../../js/worker/instance.js';
import { converted, GOLDEN } from './converted.js';
import { newPath } from './huggingface_files.js';
import { PYTHON } from './tokenizer_compare.js';
import { baseOf, moduleOf, QUICK } from './trained.js';

const ENCODER = converted('pipelines/feature-extraction-bert', 'q8');

/** @type {{dispose(): void}[]} */
const open = [];
after(() => open.forEach((each) => each.dispose()));

/** What no type allows. @returns {any} */
const wrong = (value) => value;

/** @type {{task: 'feature-extraction'} & typeof QUICK} */
const OPTIONS = { ...QUICK, task: 'feature-extraction' };

/** @param {(string | number)[]} row */
function toScored([text, text_pair, score]) {
    return { text: String(text), text_pair: String(text_pair), score: Number(score) };
}

/** Sentences that tiny vocabularies tell apart, with how near they are to be. */
const SCORED = [
    ['a good film', 'a bad film', 0.1],
    ['a good film', 'great music', 0.9],
    ['a bad film', 'awful music', 0.8],
    ['great music', 'awful music', 0.2],
    ['I loved it', 'I hated it', -0.2],
    ['I loved it', 'a good film', 0.7],
].map(toScored);

const QUESTIONS = [
    ['what is red', 'a rose in the garden'],
    ['what is blue', 'the sky over Rome'],
    ['who sang', 'Anna did, in Berlin'],
    ['who wrote it', 'Bert and his friends'],
    ['where is the music', 'at the opera house'],
].map(([text, text_pair]) => ({ text, text_pair }));

const vectorsOf = async (model, texts) => {
    const extract = await pipeline('feature-extraction', model);
    const { data, dims } = await extract(texts, { prompt: '' });
    return texts.map((_, i) => data.slice(i * dims[1], (i + 1) * dims[1]));
};

const cosine = (a, b) => {
    const dot = (u, v) => u.reduce((sum, x, i) => sum + x * v[i], 0);
    return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};

/** An export, in a folder of its own. */
function folderOf(files) {
    const folder = newPath();
    for (const [name, bytes] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, name)), { recursive: true });
        writeFileSync(join(folder, name), bytes);
    }
    return folder;
}

test("20 steps of pairs give torch's losses", async () => {
    const path = join(GOLDEN, 'gradients/bert-cosine');
    const { batch, losses, labels, optimizer, ...train } = JSON.parse(
        readFileSync(join(path, 'train.json'), 'utf8'),
    );
    const sentences = batch.input_ids.map((ids, s) => {
        const n = batch.attention_mask[s].filter(Boolean).length;
        const of = (row) => Uint32Array.from(row.slice(0, n));
        return { ids: of(ids), type_ids: of(batch.token_type_ids[s]) };
    });
    const examples = train.pairs.map((pair, i) => ({
        sentences: pair.map((row) => sentences[row]),
        score: labels[i],
    }));
    const { config, tensors } = await baseOf(converted('gradients/bert-cosine'));
    const trainer = await Trainer.open(moduleOf('base'), config.encoder, tensors, {
        objective: pairs(),
        max_tokens: 100,
        max_sequences: 10,
        max_sequence_tokens: 12,
        threads: 1,
        recomputes: false,
        memory: 2 ** 26,
    });
    losses.forEach((want, step) => {
        const { loss } = trainer.run(examples, true);
        trainer.clip(Infinity);
        trainer.step(optimizer.lr, optimizer.weight_decay);
        assert.ok(Math.abs(loss - want) < 2e-5, `step ${step}: ${loss}, not ${want}`);
    });
});

/**
 * The mean over pairs of the cross-entropy of 20 times the cosines of an anchor with candidates.
 * @param {number[][]} rows  embeddings
 * @param {number[][]} batch  of each pair: anchor, answer, and all else that it is compared with
 */
function ranking(rows, batch) {
    const losses = batch.map(([anchor, ...candidates]) => {
        const logits = candidates.map((row) => 20 * cosine(rows[anchor], rows[row]));
        return Math.log(logits.reduce((sum, z) => sum + Math.exp(z), 0)) - logits[0];
    });
    return losses.reduce((a, b) => a + b, 0) / losses.length;
}

for (const { what, examples, compared } of [
    {
        what: 'answers of others are wrong',
        examples: [
            [0, 1],
            [2, 3, 4],
        ],
        compared: [
            [0, 1, 3, 4],
            [2, 3, 1, 4],
        ],
    },
    {
        // 0 and 2 have the same answer, 0 has two, and 4 answers 5 but asks, too.
        what: 'but not where they are right',
        examples: [
            [0, 1],
            [2, 1],
            [0, 3],
            [4, 6],
            [5, 4],
        ],
        compared: [
            [0, 1, 6],
            [4, 6, 1],
            [2, 1, 3, 6, 4],
            [5, 4, 1, 3, 6],
            [0, 3, 6, 4],
        ],
    },
]) {
    test(`in-batch negatives: ${what}`, async () => {
        const instance = await Instance.create(moduleOf('base'));
        const n_rows = 1 + Math.max(...examples.flat());
        const n_columns = 3;
        const rows = Array.from({ length: n_rows }, (_, r) =>
            Array.from({ length: n_columns }, (_, c) => Math.sin(7 * r + 3 * c + 1)),
        );
        const sentences = rows.map(() => wrong({}));
        const batch = examples.map((pair) => ({
            sentences: pair.map((row) => sentences[row]),
            score: null,
        }));
        const objective = pairs();
        const order = /** @type {NonNullable<typeof objective.sequences>} */ (objective.sequences)(
            batch,
        ).map((each) => sentences.indexOf(each));
        const write = (array) => instance.write(new Uint8Array(array.buffer));
        const data = write(Float32Array.from(order.flatMap((row) => rows[row])));
        const gradient = instance.reserve(4 * n_rows * n_columns);
        const lossOf = (compute) => {
            const at = instance.reserve(4);
            instance.check(compute(at));
            return new Float32Array(instance.memory.buffer, at, 1)[0];
        };
        const outputs = [{ data, gradient, n_rows, n_columns }];
        const loss = objective.loss({ instance, outputs, write, lossOf, divisor: 0 }, batch);
        assert.ok(Math.abs(loss - ranking(rows, compared)) < 1e-5, `${loss}`);
        const found = new Float32Array(instance.memory.buffer, gradient, n_rows * n_columns);
        order.forEach((row, at) => {
            for (let c = 0; c < n_columns; c++) {
                const near = [-1e-4, 1e-4].map((change) => {
                    const moved = rows.map((each) => [...each]);
                    moved[row][c] += change;
                    return ranking(moved, compared);
                });
                const want = (near[1] - near[0]) / 2e-4;
                const own = found[at * n_columns + c];
                assert.ok(Math.abs(own - want) < 1e-4, `row ${row}, ${c}: ${own}, not ${want}`);
            }
        });
    });
}

/** Bases with each kind of pooling, with and without a dense layer; and one without a pooling. */
const BASES = [
    'huggingface/sentence-two-dense',
    'huggingface/sentence-max-mean',
    'huggingface/sentence-dense',
    'huggingface/sentence-sqrt',
    'huggingface/sentence-weightedmean',
    'huggingface/sentence-lasttoken',
    'huggingface/bert-seqcls',
];

const WORDS = [
    ['w1 w2', 'w3 w4', 0.9],
    ['w5 w6', 'w7 w8', 0.8],
    ['w1 w2', 'w7 w8', 0.1],
    ['w9 w10', 'w3 w4', -0.2],
].map(toScored);

for (const name of BASES) {
    test(`saved and exported, embeddings are the same: ${name}`, async () => {
        const base = name.includes('bert-seqcls') ? ENCODER : converted(name);
        const examples = name.includes('bert-seqcls') ? SCORED : WORDS;
        const trained = await fineTune(base, examples, { ...OPTIONS, epochs: 3 });
        const [first, , last] = trained.history.map(({ loss }) => loss);
        assert.ok(last < first, `${first}, then ${last}`);
        assert.deepEqual(trained.labels, []);
        const [before, exact, opened] = await Promise.all([
            loadModel(base),
            trained.model({ dtype: 'f32' }),
            trained
                .export()
                .then((files) => loadModel(folderOf(files), { dtype: 'f32', cache: false })),
        ]);
        open.push(before, exact, opened);
        const { prompts, default_prompt_name, similarity, max_length, encoder } = before.config;
        assert.deepEqual(exact.config.prompts, prompts);
        assert.equal(exact.config.default_prompt_name, default_prompt_name);
        assert.equal(exact.config.similarity, similarity ?? 'cosine');
        assert.equal(exact.config.max_length, max_length);
        for (const field of ['pooling', 'pooling_2', 'embedding_dim', 'normalize']) {
            const want =
                encoder.pooling === 'none' && field === 'pooling' ? 'mean' : encoder[field];
            assert.equal(exact.config.encoder[field], want, field);
        }
        const texts = examples.map(({ text }) => text);
        const [a, b] = await Promise.all([exact, opened].map((model) => vectorsOf(model, texts)));
        assert.deepEqual(a, b);
    });
}

test('cosines become what the scores say, in every dtype', async () => {
    /** @type {import('../../js/train/run.js').TrainProgress[]} */
    const told = [];
    const trained = await fineTune(ENCODER, SCORED, {
        ...OPTIONS,
        epochs: 60,
        validation: SCORED,
        onprogress: (progress) => told.push(progress),
    });
    assert.ok((trained.metrics?.spearman ?? 0) > 0.95, `${trained.metrics?.spearman}`);
    assert.equal(trained.metrics?.accuracy, undefined);
    assert.ok((trained.history.at(-1)?.loss ?? 1) < 0.02);
    assert.equal(told[2].metric, trained.history[0].validation?.spearman);
    const best = Math.max(...trained.history.map(({ validation }) => validation?.spearman ?? -1));
    assert.equal(trained.metrics?.spearman, best);
    for (const dtype of /** @type {const} */ (['f32', 'q8'])) {
        const model = await trained.model({ dtype, name: 'near' });
        open.push(model);
        assert.equal(model.name, 'near');
        const [a, b, c] = await vectorsOf(model, ['a good film', 'great music', 'awful music']);
        assert.ok(cosine(a, b) > cosine(b, c) + 0.3, dtype);
    }
});

test('answers come nearer than those of others; a negative stays away', async () => {
    const [first, ...others] = QUESTIONS;
    const examples = [{ ...first, negative: 'the rose is not red' }, ...others];
    const options = { ...OPTIONS, epochs: 60, batch_size: 5 };
    const judged = await fineTune(ENCODER, examples, { ...options, validation: examples });
    const { accuracy, mrr_at_10, spearman } = judged.metrics ?? {};
    assert.deepEqual([accuracy, mrr_at_10, spearman], [1, 1, undefined]);
    const last = await fineTune(ENCODER, examples, options);
    const model = await last.model({ dtype: 'f32' });
    open.push(model);
    const [question, answer, negative] = await vectorsOf(model, [
        first.text,
        first.text_pair,
        'the rose is not red',
    ]);
    assert.ok(cosine(question, answer) > cosine(question, negative) + 0.2);
});

test('places of answers: each question once, of its own answers the nearest', async () => {
    const validation = [
        ['a good film', 'a bad film'],
        ['a good film', 'a good film'],
        ['a bad film', 'great music'],
    ].map(([text, text_pair]) => ({ text, text_pair }));
    // Nothing is learned: a text is nearest to itself; of the second one nothing is said but that.
    const quiet = { ...OPTIONS, epochs: 1, learning_rate: 1e-12 };
    const trained = await fineTune(ENCODER, QUESTIONS, { ...quiet, validation });
    const model = await trained.model({ dtype: 'f32' });
    open.push(model);
    const [good, bad, music] = await vectorsOf(model, ['a good film', 'a bad film', 'great music']);
    const place = cosine(bad, good) >= cosine(bad, music) ? 2 : 1;
    assert.equal(trained.metrics?.mrr_at_10, (1 + 1 / place) / 2);
    assert.equal(trained.metrics?.accuracy, place === 1 ? 1 : 0.5);
});

test('pairs without scores are judged by pairs with scores', async () => {
    const options = { ...OPTIONS, epochs: 2, validation: SCORED };
    const trained = await fineTune(ENCODER, QUESTIONS, options);
    assert.equal(typeof trained.metrics?.spearman, 'number');
    const share = await fineTune(ENCODER, QUESTIONS, { ...OPTIONS, epochs: 1, validation: 0.4 });
    assert.equal(typeof share.metrics?.accuracy, 'number');
});

test('the same bits on one thread and on two, and of the same seed alone', async () => {
    const weights = async (options) => {
        const trained = await fineTune(ENCODER, QUESTIONS, { ...OPTIONS, epochs: 2, ...options });
        return Buffer.from((await trained.export())['model.safetensors']);
    };
    const [one, two, other] = await Promise.all([
        weights({ threads: 1 }),
        weights({ threads: 2, recomputes: true }),
        weights({ seed: 1 }),
    ]);
    assert.ok(one.equals(two));
    assert.ok(!one.equals(other));
});

test('pairs that are none are refused, with their index', async () => {
    const refused = async (examples, message, index, options = {}) => {
        const promise = fineTune(ENCODER, wrong(examples), { ...OPTIONS, ...wrong(options) });
        await assert.rejects(promise, (/** @type {any} */ error) => {
            assert.ok(error instanceof BertError, error.stack);
            assert.match(error.message, message);
            assert.equal(error.index, index);
            return true;
        });
    };
    const with_last = (last) => [...SCORED, last];
    const pair = { text: 'a', text_pair: 'b' };
    await refused(with_last({ text: 'a' }), /^example 6: it must be \{text, text_pair, score\}/, 6);
    await refused(with_last(null), /^example 6: it must be .* not null/, 6);
    await refused(with_last({ text: 1, text_pair: 'b' }), /^example 6: a text must be a string/, 6);
    await refused(with_last({ ...pair, score: 4.2 }), /cosine from -1 to 1, not .*4\.2: divide/, 6);
    await refused(with_last({ ...pair, score: '1' }), /cosine from -1 to 1, not string/, 6);
    await refused(with_last(pair), /^example 6: it must have a score, as those before/, 6);
    await refused([pair, SCORED[0]], /^example 1: it must have no score, as those before/, 1);
    await refused([{ ...pair, negative: 1 }], /its negative must be a string/, 0);
    await refused([{ ...SCORED[0], negative: 'c' }], /a score or a negative, not both/, 0);
    await refused(SCORED, /^validation example 0: /, 0, { validation: [{ text: 'a' }] });
    await refused(SCORED, /labels and class_weights must not be given/, undefined, {
        labels: ['a', 'b'],
    });
    await refused(SCORED, /labels and class_weights must not be given/, undefined, {
        class_weights: 'balanced',
    });
});

const hasSentenceTransformers =
    spawnSync(PYTHON, ['-c', 'import sentence_transformers']).status === 0
        ? false
        : `SKIPPED: ${PYTHON} has no sentence-transformers; PYTHON=... names another`;

const PROGRAM = `
import json, sys, sentence_transformers
folders, texts = json.loads(sys.argv[1])
answers = []
for folder in folders:
    model = sentence_transformers.SentenceTransformer(folder, device='cpu')
    answers.append(dict(vectors=model.encode(texts, prompt='').tolist(),
                        modules=[type(module).__name__ for module in model],
                        length=model.max_seq_length, prompts=model.prompts))
print(json.dumps(answers))
`;

test('sentence-transformers answers the same', { skip: hasSentenceTransformers }, async () => {
    const names = ['sentence-two-dense', 'sentence-dense', 'sentence-max-mean'];
    const all = await Promise.all(
        names.map((name) =>
            fineTune(converted(`huggingface/${name}`), WORDS, { ...OPTIONS, epochs: 3 }),
        ),
    );
    const texts = WORDS.map(({ text }) => text);
    const folders = await Promise.all(all.map(async (each) => folderOf(await each.export())));
    const run = spawnSync(PYTHON, ['-c', PROGRAM, JSON.stringify([folders, texts])], {
        encoding: 'utf8',
        env: { ...process.env, HF_HUB_OFFLINE: '1' },
    });
    assert.equal(run.status, 0, run.stderr);
    for (const [m, { vectors, modules, length, prompts }] of JSON.parse(run.stdout).entries()) {
        const layers = names[m] === 'sentence-max-mean' ? [] : ['Dense', 'Normalize'];
        assert.deepEqual(modules, ['Transformer', 'Pooling', ...layers]);
        const model = await all[m].model({ dtype: 'f32' });
        open.push(model);
        assert.equal(length, model.config.max_length);
        for (const [key, prompt] of Object.entries(model.config.prompts)) {
            assert.equal(prompts[key], prompt);
        }
        for (const [i, own] of (await vectorsOf(model, texts)).entries()) {
            own.forEach((x, k) => assert.ok(Math.abs(x - vectors[i][k]) < 1e-5, `${x}`));
        }
    }
});
