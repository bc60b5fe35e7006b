/** A cross-encoder learns which documents answer a query. */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { loadModel, pipeline } from 'bert-wasm';
import { evaluate } from 'bert-wasm/metrics';
import { fineTune } from 'bert-wasm/train';

import { cli, printed } from './cli_process.js';
import { converted, scratch } from './converted.js';
import { newPath } from './huggingface_files.js';
import { EXAMPLES, QUICK, refused } from './trained.js';

const RANKER = converted('pipelines/text-ranking-bert');
const ENCODER = converted('pipelines/feature-extraction-bert');

/** @type {{dispose(): void}[]} */
const open = [];
after(() => open.forEach((each) => each.dispose()));

/** What no type allows. @returns {any} */
const wrong = (value) => value;

const OPTIONS = /** @type {const} */ ({ ...QUICK, task: 'text-ranking' });

/** Which document answers depends on the query. */
const RANKED = ['good', 'bad'].flatMap((wanted) =>
    [0, 1, 2, 3].map((i) => {
        const both = [EXAMPLES[i], EXAMPLES[i + 4]];
        const documents = i % 2 ? both : both.toReversed();
        return {
            query: `which is ${wanted}?`,
            documents: documents.map(({ text }) => text),
            relevant: [documents.findIndex(({ label }) => label === wanted)],
        };
    }),
);

const queries = RANKED.map(({ query, documents }) => ({ query, documents }));

/** The scores of a model for the documents of each query, in their order. */
async function scoresOf(model) {
    const rank = await pipeline('text-ranking', model);
    open.push(rank);
    return (await rank(queries)).map((answers) =>
        answers.toSorted((a, b) => a.corpus_id - b.corpus_id).map(({ score }) => score),
    );
}

for (const [name, base] of Object.entries({ 'a cross-encoder': RANKER, 'an encoder': ENCODER })) {
    test(`${name} learns which document answers`, async () => {
        /** @type {number[]} */
        const steps = [];
        const trained = await fineTune(base, RANKED, {
            ...OPTIONS,
            epochs: 60,
            validation: RANKED,
            onprogress: ({ n_steps }) => steps.push(n_steps),
        });
        // A batch is of pairs: two of each query.
        assert.equal(steps[0], (60 * 2 * RANKED.length) / OPTIONS.batch_size);
        const { metrics } = trained;
        assert.deepEqual([metrics?.mrr_at_10, metrics?.ndcg_at_10], [1, 1]);
        assert.deepEqual(trained.labels, ['LABEL_0']);
        const model = await trained.model({ dtype: 'f32' });
        const rank = await pipeline('text-ranking', model);
        open.push(rank);
        const { mrr_at_10, ndcg_at_10 } = await evaluate(rank, RANKED);
        assert.deepEqual([mrr_at_10, ndcg_at_10], [1, 1]);
        // The loss is the binary cross-entropy of each pair.
        const scores = await scoresOf(model);
        const losses = scores.flatMap((own, q) =>
            own.map((p, i) => -Math.log(RANKED[q].relevant.includes(i) ? p : 1 - p)),
        );
        const mean = losses.reduce((a, b) => a + b, 0) / losses.length;
        assert.ok(Math.abs(mean - (metrics?.loss ?? NaN)) < 1e-5, `${mean}, not ${metrics?.loss}`);

        const files = await trained.export();
        const config = JSON.parse(Buffer.from(files['config.json']).toString());
        assert.deepEqual(config.architectures, ['BertForSequenceClassification']);
        assert.deepEqual(config.id2label, { 0: 'LABEL_0' });
        const folder = newPath();
        mkdirSync(folder);
        for (const [file, bytes] of Object.entries(files)) writeFileSync(join(folder, file), bytes);
        const opened = await loadModel(folder, { dtype: 'f32', cache: false });
        assert.deepEqual(await scoresOf(opened), scores);
    });
}

test('a cross-encoder goes on with its own classifier', async () => {
    const still = { ...OPTIONS, epochs: 1, learning_rate: 1e-12 };
    const trained = await fineTune(RANKER, RANKED, still);
    const [before, now] = await Promise.all(
        [await loadModel(RANKER), await trained.model({ dtype: 'f32' })].map(scoresOf),
    );
    before.flat().forEach((score, i) => {
        assert.ok(Math.abs(score - now.flat()[i]) < 1e-6);
    });
});

test('the metrics are those of evaluate(), of queries; the best epoch is kept', async () => {
    const validation = [
        ...RANKED,
        { query: 'none?', documents: ['a film'], relevant: [] },
        { query: 'all?', documents: ['music', 'acting', 'film', 'story'], relevant: [3, 1] },
    ];
    const trained = await fineTune(RANKER, RANKED, { ...OPTIONS, epochs: 4, validation });
    const gains = trained.history.map((epoch) => epoch.validation?.ndcg_at_10 ?? NaN);
    assert.equal(gains[trained.best_epoch - 1], Math.max(...gains));
    const rank = await pipeline('text-ranking', await trained.model({ dtype: 'f32' }));
    open.push(rank);
    const judged = await evaluate(rank, validation);
    assert.deepEqual(
        [judged.mrr_at_10, judged.ndcg_at_10],
        [trained.metrics?.mrr_at_10, trained.metrics?.ndcg_at_10],
    );
    const aside = await fineTune(RANKER, RANKED, { ...OPTIONS, epochs: 1, validation: 0.25 });
    assert.ok((aside.metrics?.mrr_at_10 ?? 0) >= 0.5); // of two documents
});

test('the same bits on one thread and on two', async () => {
    const weights = async (threads) => {
        const trained = await fineTune(RANKER, RANKED, { ...OPTIONS, epochs: 2, threads });
        return Buffer.from((await trained.export())['model.safetensors']);
    };
    assert.ok((await weights(1)).equals(await weights(2)));
});

test('what cannot be ranked is refused, with its index', async () => {
    const tune = (examples, options) =>
        fineTune(RANKER, wrong(examples), wrong({ ...OPTIONS, ...options }));
    const [{ query, documents }] = RANKED;
    const examples = /** @type {[any, RegExp][]} */ ([
        ['text', /^example 8: it must be \{query, documents, relevant\}/],
        [{ query, documents }, /^example 8: it must be \{query, documents, relevant\}/],
        [{ query, documents: [1], relevant: [0] }, /it must be \{query, documents, relevant\}/],
        [{ query, documents: [], relevant: [] }, /^example 8: it must have a document or more/],
        [
            { query, documents, relevant: [2] },
            /relevant must be indices of its documents, 0 to 1, not number 2/,
        ],
        [
            { query, documents, relevant: ['a'] },
            /relevant must be indices of its documents, 0 to 1, not/,
        ],
    ]);
    for (const [last, message] of examples) {
        await refused(tune([...RANKED, last]), 'BAD_INPUT', message, 8);
    }
    const none = RANKED.map((each) => ({ ...each, relevant: [] }));
    await refused(tune(none), 'BAD_INPUT', /^no document is relevant in any example/);
    const all = RANKED.map((each) => ({ ...each, relevant: [0, 1] }));
    await refused(tune(all), 'BAD_INPUT', /^all documents are relevant in every example/);
    await refused(tune(RANKED, { validation: none }), 'BAD_INPUT', /in any validation example/);
    await refused(tune(RANKED, { labels: ['a', 'b'] }), 'BAD_OPTION', /^labels and class_weights/);
    await refused(tune(RANKED, { label_smoothing: 0.1 }), 'BAD_OPTION', /^label_smoothing must be/);
    await refused(tune(RANKED, { hard_share: 0.1 }), 'BAD_OPTION', /^temperature and hard_share/);
});

test('on the command line', () => {
    const lines = RANKED.map((each) => `${JSON.stringify(each)}\n`);
    const [jsonl, out] = [join(scratch, 'ranked.jsonl'), newPath()];
    writeFileSync(jsonl, lines.join(''));
    const args = ['train', '--task', 'rank', '--model', RANKER, '-i', jsonl, '-o', out];
    const [result] = printed([...args, '--epochs', '2', '--validation', jsonl, '--dtype', 'f32']);
    assert.deepEqual(
        [result.task, result.rows, result.labels],
        ['rank', RANKED.length, ['LABEL_0']],
    );
    const [found] = printed(['eval', '--task', 'text-ranking', '--model', out, '-i', jsonl]);
    assert.deepEqual([found.ndcg_at_10, found.mrr_at_10], [result.ndcg_at_10, result.mrr_at_10]);
    writeFileSync(jsonl, `${lines[0]}{"query": "a", "documents": ["b"], "relevant": [1]}\n`);
    const { status, stderr } = cli(args);
    assert.match(stderr, /ranked\.jsonl:2: its relevant must be indices of its documents, 0 to 0/);
    assert.equal(status, 1);
});
