/**
 * DeBERTa is trained as other families are, by what its tables of distances are made of: version 1,
 * 2 with its convolution, 3, whose layers project distances as they do tokens.
 */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';

import { loadModel, pipeline } from 'bert-wasm';
import { fewShot, fineTune, pretrain } from 'bert-wasm/train';

import { disentangled, requireDistances } from '../../js/train/distances.js';
import { familyOf } from '../../js/train/families.js';
import { toFolder } from '../../js/train/folder.js';
import { continuedModel } from '../../js/train/pretraining/model.js';
import { converted } from './converted.js';
import { convert, folderOf, newPath } from './huggingface_files.js';
import { TOKENIZER } from './model_bytes.js';
import { baseOf, debertaFile, debertaFolder, QUICK, refused } from './trained.js';

/** @type {{dispose(): void}[]} */
const open = [];
after(() => open.forEach((each) => each.dispose()));

/** Sentences of the tiny vocabulary, by what they have and by its order. */
const EXAMPLES = [
    ['a good film', 'good'],
    ['the film . good', 'good'],
    ['good a the', 'good'],
    ['films . a good', 'good'],
    ['a bad film', 'bad'],
    ['the film . bad', 'bad'],
    ['bad a the', 'bad'],
    ['films . a bad', 'bad'],
].map(([text, label]) => ({ text, label }));
const TEXTS = EXAMPLES.map(({ text }) => text);

const TAGGED = TEXTS.map((text) => ({ text, labels: text.split(' ').map((word) => word[0]) }));
const ASKED = TEXTS.map((text) => ({
    question: 'the film',
    context: text,
    answers: [{ text: text.split(' ')[0] }],
}));
const PAIRS = TEXTS.slice(1).map((text, i) => ({
    text,
    text_pair: TEXTS[i],
    score: Number(EXAMPLES[i].label === EXAMPLES[i + 1].label),
}));

const VERSIONS = /** @type {const} */ (['v1', 'v2', 'v3']);
const FILES = Object.fromEntries(VERSIONS.map((version) => [version, debertaFile(version)]));

/** An export, in a folder of its own. */
function written(files) {
    const folder = newPath();
    for (const [name, bytes] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, name)), { recursive: true });
        writeFileSync(join(folder, name), bytes);
    }
    return folder;
}

/** Its model file, and its export as it is opened: both of what was trained. */
async function both(trained) {
    const folder = written(await trained.export());
    const models = [
        await trained.model({ dtype: 'f32' }),
        await loadModel(folder, { dtype: 'f32', cache: false }),
    ];
    open.push(...models);
    for (const model of models) assert.ok((await model.verify()).ok);
    return models;
}

/** Every number that a model gives of some tokens. */
async function numbersOf(model) {
    const outputs = await model.forward({ input_ids: [2, 5, 6, 8, 9, 10, 7, 3] });
    return Object.values(outputs).flatMap(({ data }) => [...data]);
}

/** Fails unless both give the same numbers. */
async function assertSame(trained) {
    const [saved, exported] = await both(trained);
    const numbers = await numbersOf(saved);
    assert.ok(numbers.length > 0 && numbers.every(Number.isFinite));
    assert.deepEqual(numbers, await numbersOf(exported));
    return saved;
}

for (const version of VERSIONS) {
    test(`labels are learned, saved and exported: ${version}`, async () => {
        const options = { ...QUICK, dropout: undefined, validation: EXAMPLES };
        const trained = await fineTune(debertaFolder(version), EXAMPLES, {
            ...options,
            load: { cache: false },
        });
        const { history, metrics } = trained;
        assert.equal(metrics?.accuracy, 1);
        assert.ok(Number(history.at(-1)?.validation?.loss) < 0.3 * history[0].loss);
        const model = await assertSame(trained);
        // What the trainer had in memory is what the model file computes.
        const classify = await pipeline('text-classification', model);
        const answers = await classify(TEXTS, { top_k: 2 });
        const losses = EXAMPLES.map(
            ({ label }, i) =>
                -Math.log(
                    /** @type {any[]} */ (answers[i]).find((each) => each.label === label).score,
                ),
        );
        const loss = losses.reduce((a, b) => a + b, 0) / losses.length;
        assert.ok(Math.abs(loss - Number(metrics?.loss)) < 1e-6, `${loss} ${metrics?.loss}`);
        const small = await trained.model();
        open.push(small);
        const found = await (await pipeline('text-classification', small))(TEXTS);
        assert.deepEqual(
            found.map((answer) => [answer].flat()[0].label),
            EXAMPLES.map(({ label }) => label),
        );
        // It is a base that goes on where it was.
        const again = await fineTune(written(await trained.export()), EXAMPLES, {
            ...QUICK,
            epochs: 1,
            learning_rate: 1e-12,
            validation: EXAMPLES,
            load: { cache: false },
        });
        assert.ok(Math.abs(Number(again.metrics?.loss) - Number(metrics?.loss)) < 1e-6);
    });

    test(`the same bits on one thread and on two: ${version}`, async () => {
        const weights = async (options) => {
            const trained = await fineTune(FILES[version], EXAMPLES, {
                ...QUICK,
                epochs: 3,
                dropout: 0.1,
                ...options,
            });
            return Buffer.from((await trained.export())['model.safetensors']);
        };
        const one = await weights({ threads: 1 });
        assert.ok(one.equals(await weights({ threads: 2, recomputes: true })));
        assert.ok(!one.equals(await weights({ seed: 1 })));
    });

    test(`adapters learn, and are merged: ${version}`, async () => {
        const trained = await fineTune(FILES[version], EXAMPLES, {
            ...QUICK,
            validation: EXAMPLES,
            lora: { rank: 4, targets: ['query', 'key', 'value', 'intermediate'] },
        });
        assert.equal(trained.metrics?.accuracy, 1);
        const model = await assertSame(trained);
        const classify = await pipeline('text-classification', model);
        const [{ label }] = await classify([TEXTS[0]]);
        assert.equal(label, 'good');
    });

    test(`every task is learned: ${version}`, async () => {
        const learned = async (task, examples) => {
            const trained = await fineTune(FILES[version], examples, { ...QUICK, task });
            const losses = trained.history.map(({ loss }) => loss);
            assert.ok(losses[losses.length - 1] < 0.6 * losses[0], `${task}: ${losses}`);
            return assertSame(trained);
        };
        await learned('token-classification', TAGGED);
        await learned('question-answering', ASKED);
        const embeds = await learned('feature-extraction', PAIRS);
        const extract = await pipeline('feature-extraction', embeds);
        assert.equal((await extract(TEXTS)).dims[0], TEXTS.length);
    });

    test(`words that are masked are learned: ${version}`, async () => {
        const trained = await pretrain(TEXTS, {
            base: FILES[version],
            epochs: 30,
            learning_rate: 5e-3,
            batch_size: 4,
            threads: 1,
        });
        const losses = trained.history.map(({ loss }) => loss);
        assert.ok(losses[losses.length - 1] < 0.8 * losses[0], `${losses}`);
        await assertSame(trained);
        const { architectures } = JSON.parse(
            new TextDecoder().decode((await trained.export())['config.json']),
        );
        assert.match(architectures[0], /^Deberta(V2)?ForMaskedLM$/);
    });
}

test('a few examples make a classifier', async () => {
    const trained = await fewShot(FILES.v3, EXAMPLES, { ...QUICK, epochs: 2 });
    const model = await trained.model({ dtype: 'f32' });
    open.push(model);
    const found = await (await pipeline('text-classification', model))(TEXTS);
    const right = found.filter((each, i) => [each].flat()[0].label === EXAMPLES[i].label);
    assert.equal(right.length, TEXTS.length);
});

test('a language model by its newer names goes on by those that every release reads', async () => {
    const base = await baseOf(converted('huggingface/deberta-v2-mlm-new'));
    const { architecture, max_length } = base.config;
    const family = familyOf(architecture);
    const files = toFolder({
        family,
        architecture,
        labels: [],
        head: 'ForMaskedLM',
        max_length,
        tokenizer_json: new TextEncoder().encode(TOKENIZER),
        ...continuedModel(base, family, false, 0),
    });
    const again = await baseOf(convert(written(files), '--dtype', 'f32').path);
    assert.deepEqual(again.config.encoder, base.config.encoder);
    assert.deepEqual(again.tensors, base.tensors);
});

test('a file without what tables are made of is refused, and says what to do', async () => {
    const message = /made of, .* folder or its name on the Hub, or convert it again with --dtype f/;
    for (const file of [debertaFile('v3', 'q8'), converted('pipelines/zero-shot-deberta-v3')]) {
        await refused(fineTune(file, EXAMPLES, QUICK), 'UNSUPPORTED', message);
        await refused(pretrain(TEXTS, { base: file }), 'UNSUPPORTED', message);
    }
});

/** A base whose distances are in so many buckets, the last of which stands for the furthest. */
async function withDistances(position_buckets, max_relative_positions) {
    const n_rows = 2 * (position_buckets > 0 ? position_buckets : max_relative_positions);
    const folder = folderOf('deberta-v2-seqcls', {
        'config.json': (config) => ({ ...config, position_buckets, max_relative_positions }),
        'model.safetensors': (tensors) => {
            const rows = tensors['deberta.encoder.rel_embeddings.weight'];
            rows.bytes = Buffer.alloc((n_rows * rows.bytes.length) / rows.shape[0]);
            rows.shape[0] = n_rows;
        },
    });
    return baseOf(convert(folder, '--dtype', 'f32').path);
}

test('which distances share a row is found from the rows', async () => {
    for (const [buckets, furthest] of [
        [256, 512],
        [32, 128],
        [8, 40],
        [4, 700],
        [5, 9],
        [-1, 100],
        [-1, 2000],
    ]) {
        const { config, tensors } = await withDistances(buckets, furthest);
        const found = disentangled(config.encoder, tensors);
        assert.deepEqual(
            [found.position_buckets, found.max_position_embeddings, found.max_relative_positions],
            [buckets, furthest, -1],
        );
    }
    const base = await withDistances(8, 40);
    const rows = /** @type {any} */ (base.tensors.get('relative.rows'));
    rows.values[0] += 1;
    assert.throws(() => requireDistances(base), { code: 'UNSUPPORTED' });
});
