/**
 * Training piece by piece: a base's weights, what torch learns in 20 steps, the folder that
 * transformers opens, what is drawn.
 */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { hasRelaxedSIMD } from '../../js/platform/webassembly.js';
import { SCHEDULES } from '../../js/train/core_names.js';
import { dropoutOf } from '../../js/train/dropout.js';
import { familyOf } from '../../js/train/families.js';
import { toFolder } from '../../js/train/folder.js';
import { labelsOf, withHead } from '../../js/train/head.js';
import { classes } from '../../js/train/objectives/classes.js';
import { distilled } from '../../js/train/objectives/distilled.js';
import { spans } from '../../js/train/objectives/spans.js';
import { numbers, severalLabels } from '../../js/train/objectives/targets.js';
import { toRows } from '../../js/train/panels.js';
import { Random } from '../../js/train/random.js';
import { limitsOf } from '../../js/train/run.js';
import { toSentenceFolder, withPooling } from '../../js/train/sentence_model.js';
import { tokensOf } from '../../js/train/spans.js';
import { Trainer } from '../../js/train/trainer.js';
import { converted, GOLDEN, scratch } from './converted.js';
import { HUGGINGFACE, readTensors } from './huggingface_files.js';
import { CONFIG, TOKENIZER } from './model_bytes.js';
import { assertTensors, baseOf, moduleOf } from './trained.js';

/** @param {import('../../js/train/trainer.js').Tensors} tensors @param {string} name */
const get = (tensors, name) =>
    /** @type {import('../../js/train/trainer.js').Tensor} */ (tensors.get(name));

const json = (path) => JSON.parse(readFileSync(path, 'utf8'));

test('weights of every dtype become nearly those of f32', async () => {
    const exact = await baseOf(converted('pipelines/text-classification-bert', 'f32'));
    const most = { f16: 5e-4, q8: 1e-2, q7: 2e-2, q4: 0.25 };
    for (const [dtype, tolerance] of Object.entries(most)) {
        const { tensors } = await baseOf(converted('pipelines/text-classification-bert', dtype));
        assert.deepEqual([...tensors.keys()].sort(), [...exact.tensors.keys()].sort(), dtype);
        for (const [name, { shape, values }] of tensors) {
            const want = get(exact.tensors, name);
            assert.deepEqual(shape, want.shape, name);
            const largest = want.values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
            const furthest = values.reduce(
                (most, x, i) => Math.max(most, Math.abs(x - want.values[i])),
                0,
            );
            assert.ok(furthest <= tolerance * largest, `${dtype} ${name}: ${furthest}`);
        }
    }
});

/** The batch of train.json without padding, as sequences. */
function sequencesOf({ batch, labels, teacher }) {
    return batch.input_ids.map((row, s) => {
        const kept = [...row.keys()].filter((i) => batch.attention_mask[s][i]);
        const of = (rows) => kept.map((i) => rows[s][i]);
        return {
            ids: Uint32Array.from(of(batch.input_ids)),
            type_ids: Uint32Array.from(batch.token_type_ids ? of(batch.token_type_ids) : kept),
            labels: Int32Array.from(Array.isArray(labels[s]) ? of(labels) : [labels[s]]),
            ...(teacher && { teacher: Float32Array.from(teacher[s]) }),
        };
    });
}

for (const build of ['base', 'relaxed', 'base-threads', 'relaxed-threads']) {
    const skip = /^relaxed/.test(build) && !hasRelaxedSIMD() && 'there is no relaxed SIMD here';
    test(`20 steps give torch's losses: train-${build}.wasm`, { skip }, async () => {
        const name = 'gradients/electra-tokcls';
        const { losses, loss_options, optimizer, ...train } = json(
            join(GOLDEN, name, 'train.json'),
        );
        const { config, tensors } = await baseOf(converted(name));
        const sequences = sequencesOf(train);
        const trainer = await Trainer.open(moduleOf(build), config.encoder, tensors, {
            ...limitsOf([sequences], sequences.length),
            objective: classes('token_logits', Float32Array.from(loss_options.class_weights)),
            threads: build.endsWith('threads') ? 2 : 1,
            recomputes: false,
            memory: 2 ** 26,
        });
        const found = losses.map(() => {
            const { loss } = trainer.run(sequences, true);
            trainer.clip(optimizer.max_norm);
            trainer.step(optimizer.lr, optimizer.weight_decay);
            return loss;
        });
        found.forEach((loss, i) => {
            assert.ok(Math.abs(loss - losses[i]) < 2e-5, `step ${i}: ${loss}, not ${losses[i]}`);
        });
        assert.ok(found.at(-1) < 0.99 * found[0]);
    });
}

/**
 * A trainer of a golden model, and its sequences; more than the losses' defaults is in `options`.
 * @param {string} name
 * @param {(train: any) => import('../../js/train/trainer.js').Objective} objectiveOf
 * @param {any} [options]  of the trainer, and its module
 */
async function goldenTrainer(name, objectiveOf, options = {}) {
    const train = json(join(GOLDEN, 'gradients', name, 'train.json'));
    const { config, tensors } = await baseOf(converted(`gradients/${name}`));
    const sequences = sequencesOf(train);
    const { module = moduleOf('base'), ...more } = options;
    const trainer = await Trainer.open(module, config.encoder, tensors, {
        ...limitsOf([sequences], sequences.length),
        objective: objectiveOf(train),
        threads: 1,
        recomputes: false,
        memory: 2 ** 26,
        ...more,
    });
    return { trainer, sequences, train, base: tensors };
}

/** Learns from them all, in parts of so many. */
function learn({ trainer, sequences, train }, n_of_part = sequences.length) {
    const parts = [];
    for (let i = 0; i < sequences.length; i += n_of_part) {
        parts.push(sequences.slice(i, i + n_of_part));
    }
    const divisor = parts.reduce((sum, part) => sum + trainer.weightOf(part), 0);
    const loss = parts.reduce((sum, part) => sum + trainer.run(part, true, divisor).loss, 0);
    trainer.step(train.optimizer.lr, 0);
    return loss;
}

/** Targets in place of labels; those that do not count are none here. */
const withTargets = ({ trainer, sequences, train }) => ({
    trainer,
    train,
    sequences: sequences.map((sequence, i) => ({
        ...sequence,
        targets: Float32Array.from([train.labels[i]].flat()),
    })),
});

const ofSequences = ({ loss_options }) =>
    classes('logits', null, loss_options?.label_smoothing ?? 0);

test("each objective gives torch's losses, also of a batch in parts", async () => {
    const weights = (/** @type {any} */ { loss_options }) =>
        Float32Array.from(loss_options.class_weights);
    const cases = /** @type {[string, Parameters<typeof goldenTrainer>[1]][]} */ ([
        ['bert-seqcls', ofSequences],
        [
            'roberta-seqcls',
            (train) => classes('logits', weights(train), train.loss_options.label_smoothing),
        ],
        ['electra-tokcls', (train) => classes('token_logits', weights(train))],
        ['distilbert-regression', numbers],
        ['roberta-distillation', (train) => distilled(3, train.temperature, train.hard_share)],
    ]);
    for (const [name, objective] of cases) {
        for (const n_of_part of [4, 1]) {
            const golden = withTargets(await goldenTrainer(name, objective));
            const n = name === 'electra-tokcls' ? 1 : 5; // its optimizer is another one
            for (const loss of golden.train.losses.slice(0, n)) {
                const found = learn(golden, n_of_part);
                assert.ok(Math.abs(found - loss) < 1e-4, `${name}: ${found}, not ${loss}`);
            }
        }
    }
});

test('several labels: the loss of torch where all targets count', async () => {
    const golden = await goldenTrainer('bert-multilabel', ({ labels, loss_options }) =>
        severalLabels(labels[0].length, Float32Array.from(loss_options.class_weights), 0),
    );
    const { trainer, sequences, train } = withTargets(golden);
    // The core leaves targets of -100 out, of which there is one.
    const { loss } = trainer.run(sequences, false);
    assert.ok(Math.abs(loss - train.losses[0]) < 2e-5, `${loss}, not ${train.losses[0]}`);
    const whole = sequences.filter((_, i) => !train.labels[i].includes(-100));
    const parts = whole.reduce((sum, each) => sum + trainer.run([each], false).loss, 0);
    const together = trainer.run(whole, false).loss;
    assert.ok(Math.abs(parts / whole.length - together) < 1e-6);
    assert.equal(trainer.weightOf(whole), 3 * whole.length);
});

test("the span loss is torch's", async () => {
    const { trainer, sequences, train } = await goldenTrainer('bert-spans', spans);
    const pairs = sequences.map((each, i) => ({
        ...each,
        labels: Int32Array.from(train.labels[i]),
    }));
    const { loss } = trainer.run(pairs, false);
    assert.ok(Math.abs(loss - train.losses[0]) < 2e-5, `${loss}, not ${train.losses[0]}`);
    const whole = pairs.filter(({ labels }) => labels.every((label) => label >= 0));
    const parts = whole.reduce((sum, each) => sum + trainer.run([each], false, 2).loss, 0);
    assert.ok(Math.abs(parts - trainer.run(whole, false).loss) < 1e-6);
});

test('words that are moved make the loss larger, and come back to the bit', async () => {
    const { trainer, sequences } = await goldenTrainer('bert-seqcls', ofSequences);
    const before = trainer.parameters();
    const clean = trainer.run(sequences, true).loss;
    trainer.perturb(0.5);
    const moved = trainer.run(sequences, true).loss;
    trainer.restore();
    assert.ok(moved > clean + 0.01, `${clean} ${moved}`);
    assert.deepEqual(trainer.parameters(), before);
});

test('layers that are frozen stay; rates fall from layer to layer', async () => {
    const { trainer, sequences } = await goldenTrainer('bert-seqcls', ofSequences);
    const changed = (before) =>
        [...trainer.parameters()]
            .filter(([name, { values }]) =>
                values.some((x, i) => x !== get(before, name).values[i]),
            )
            .map(([name]) => name.split('.').slice(0, 2).join('.'));
    const step = () => {
        trainer.run(sequences, true);
        trainer.step(1e-3, 0);
    };
    const areOf = (names, wanted) =>
        assert.deepEqual(
            [...new Set(names.map((name) => (/^layers/.test(name) ? name : name.split('.')[0])))],
            wanted,
        );
    let before = trainer.parameters();
    trainer.freeze(1);
    assert.ok(trainer.learned().every(({ name }) => /^(pooler|classifier)\./.test(name)));
    step();
    areOf(changed(before), ['pooler', 'classifier']);
    before = trainer.parameters();
    trainer.freeze(2);
    step();
    areOf(changed(before), ['layers.1', 'pooler', 'classifier']);

    const far = async (decay) => {
        const { trainer, sequences } = await goldenTrainer('bert-seqcls', ofSequences);
        trainer.scaleLayers(decay);
        const before = trainer.parameters();
        trainer.run(sequences, true);
        trainer.step(1e-3, 0);
        const of = (name) =>
            get(trainer.parameters(), name).values[0] - get(before, name).values[0];
        return ['classifier.bias', 'layers.1.output.bias', 'layers.0.output.bias'].map(of);
    };
    const [plain, scaled] = [await far(1), await far(0.5)];
    scaled.forEach((distance, depth) => {
        const ratio = distance / plain[depth];
        assert.ok(Math.abs(ratio - 0.5 ** depth) < 1e-3, `depth ${depth}: ${ratio}`);
    });
});

test('adapters learn in place of layers, in less memory, and are merged', async () => {
    const lora = { rank: 2, alpha: 4, targets: 5, seed: 3 }; // queries and values
    const golden = await goldenTrainer('bert-seqcls', ofSequences, { lora });
    const { trainer, base } = golden;
    assert.deepEqual(
        [...trainer.parameters().keys()].filter((name) => /lora_a$/.test(name)),
        [0, 1].flatMap((n) =>
            ['query', 'value'].map((matrix) => `layers.${n}.attention.${matrix}.lora_a`),
        ),
    );
    const first = learn(golden);
    for (let i = 0; i < 5; i++) learn(golden);
    const { loss } = trainer.run(golden.sequences, false);
    assert.ok(loss < first);
    const merged = trainer.merged();
    assert.deepEqual([...merged.keys()].sort(), [...base.keys()].sort());
    const changed = [...merged].filter(([name, { values }]) =>
        values.some((x, i) => x !== get(base, name).values[i]),
    );
    assert.deepEqual(
        [...new Set(changed.map(([name]) => name.replace(/^layers\.\d/, 'layers')))].sort(),
        [
            'classifier.bias',
            'classifier.weight',
            'layers.attention.query.weight',
            'layers.attention.value.weight',
            'pooler.bias',
            'pooler.weight',
        ],
    );
    const again = trainer.run(golden.sequences, false).loss;
    assert.ok(Math.abs(again - loss) < 1e-5, `${again}, not ${loss}`);
});

test('schedules are those of transformers', async () => {
    const { trainer } = await goldenTrainer('bert-seqcls', ofSequences);
    const rates = (kind, n_warmup) =>
        Array.from({ length: 10 }, (_, i) => trainer.schedule(SCHEDULES[kind], i, n_warmup, 10));
    assert.deepEqual(rates('linear', 2), [
        0,
        0.5,
        1,
        7 / 8,
        6 / 8,
        5 / 8,
        4 / 8,
        3 / 8,
        2 / 8,
        1 / 8,
    ]);
    assert.deepEqual(rates('constant', 2), [0, 0.5, 1, 1, 1, 1, 1, 1, 1, 1]);
    rates('cosine', 0).forEach((rate, i) => {
        assert.ok(Math.abs(rate - (1 + Math.cos((Math.PI * i) / 10)) / 2) < 1e-12);
    });
});

test('the tokens of an answer are those that have a character of it', () => {
    // [CLS] q [SEP] then three words of three characters in a window that begins at 4.
    const window = {
        offsets: Uint32Array.from(
            [
                [0, 0],
                [0, 1],
                [0, 0],
                [4, 7],
                [8, 11],
                [11, 14],
                [0, 0],
            ].flat(),
        ),
        sequence: Int8Array.from([-1, 0, -1, 1, 1, 1, -1]),
    };
    const of = (start, end) => tokensOf(/** @type {any} */ (window), { text: '', start, end });
    assert.deepEqual(of(4, 7), [3, 3]);
    assert.deepEqual(of(5, 10), [3, 4]);
    assert.deepEqual(of(8, 14), [4, 5]);
    assert.deepEqual(of(12, 13), [5, 5]);
    assert.deepEqual(of(3, 7), [0, 0]);
    assert.deepEqual(of(8, 15), [0, 0]);
    assert.deepEqual(tokensOf(/** @type {any} */ (window), undefined), [0, 0]);
});

test('dropout is where transformers has it, at its rates', () => {
    const of = (architecture, wanted, task = 'text-classification') =>
        dropoutOf(architecture, /** @type {any} */ (task), wanted);
    assert.deepEqual(of('bert'), [0.1, 0.1, 0.1, 0.1, 0, 0.1]);
    assert.deepEqual(of('roberta'), [0.1, 0.1, 0.1, 0.1, 0.1, 0.1]);
    assert.deepEqual(of('roberta', undefined, 'token-classification'), of('bert'));
    assert.deepEqual(of('distilbert'), [0.1, 0.1, 0, 0.1, 0, 0.2]);
    assert.deepEqual(of('albert'), [0, 0, 0, 0, 0, 0.1]);
    assert.deepEqual(of('albert', 0.3), [0.3, 0.3, 0.3, 0, 0, 0.3]);
    assert.deepEqual(of('bert', { classifier: 0.5 }), [0.1, 0.1, 0.1, 0.1, 0, 0.5]);
    assert.equal(of('bert', 0), null);
    assert.deepEqual(of('roberta', undefined, 'question-answering'), [0.1, 0.1, 0.1, 0.1, 0, 0]);
    assert.equal(of('distilbert', undefined, 'question-answering')?.[5], 0.1);
});

/** Folders as transformers has written them, with a head that can be trained. */
const FOLDERS = [
    'albert-seqcls-groups',
    'albert-tokcls-own-layers',
    'bert-seqcls',
    'bert-tokcls',
    'camembert-tokcls',
    'deberta-qa-p2c',
    'deberta-seqcls',
    'deberta-tokcls-c2p',
    'deberta-v2-qa',
    'deberta-v2-seqcls',
    'deberta-v2-tokcls',
    'deberta-v3-seqcls',
    'distilbert-seqcls',
    'distilbert-tokcls',
    'electra-seqcls',
    'mpnet-seqcls',
    'mpnet-tokcls',
    'roberta-seqcls',
    'roberta-tokcls',
    'xlm-roberta-seqcls',
    'xlm-roberta-tokcls',
];

const HEADS = /** @type {const} */ ({
    'token-classification': 'ForTokenClassification',
    'question-answering': 'ForQuestionAnswering',
    'text-classification': 'ForSequenceClassification',
});

/** @returns {keyof typeof HEADS} */
function taskOf(name) {
    if (name.includes('-qa')) return 'question-answering';
    return name.includes('tokcls') ? 'token-classification' : 'text-classification';
}

/**
 * Fails unless a folder's config says what that of a golden one says of the same.
 * @param {Record<string, Uint8Array>} files
 * @param {string} name  of the golden folder
 */
function assertConfig(files, name) {
    const config = JSON.parse(new TextDecoder().decode(files['config.json']));
    const original = json(join(HUGGINGFACE, name, 'config.json'));
    assert.deepEqual(config.architectures, original.architectures);
    const { architectures, problem_type, torch_dtype, id2label, label2id, ...sizes } = config;
    if (sizes.relative_attention) {
        original.pos_att_type = [original.pos_att_type].flat().join('|').split('|').sort();
    }
    for (const [key, value] of Object.entries(sizes)) {
        if (key in original) assert.deepEqual(value, original[key], key);
    }
}

for (const name of FOLDERS) {
    test(`what was read is written as transformers has it: ${name}`, async () => {
        const base = await baseOf(converted(`huggingface/${name}`));
        const family = familyOf(base.config.architecture);
        const task = taskOf(name);
        const labels = labelsOf(base.config, task);
        assert.ok(labels.length > 0);
        const files = toFolder({
            family,
            architecture: base.config.architecture,
            head: HEADS[task],
            labels,
            max_length: base.config.max_length,
            tokenizer_json: new TextEncoder().encode(TOKENIZER),
            ...withHead(base, family, task, labels, 0),
        });
        assertTensors(files, name, (each) => !each.endsWith('position_ids'));
        assertConfig(files, name);
    });
}

for (const name of ['deberta-base', 'deberta-base-absolute', 'deberta-v2-base-conv']) {
    test(`an encoder is written as transformers has it: ${name}`, async () => {
        const base = await baseOf(converted(`huggingface/${name}`));
        const { architecture, max_length } = base.config;
        const family = familyOf(architecture);
        const tokenizer_json = new TextEncoder().encode(TOKENIZER);
        const made = { family, architecture, max_length, tokenizer_json, ...withPooling(base) };
        const files = toSentenceFolder(made, base.config);
        assertTensors(files, name, () => true);
        assertConfig(files, name);
    });
}

test('biases of distances are put into their buckets', async () => {
    const base = await baseOf(converted('huggingface/mpnet-seqcls'));
    const family = familyOf('mpnet');
    const { encoder, tensors } = withHead(
        base,
        family,
        'text-classification',
        labelsOf(base.config, 'text-classification'),
        0,
    );
    const files = toFolder({
        family,
        architecture: 'mpnet',
        encoder,
        head: 'ForSequenceClassification',
        labels: ['a', 'b'],
        max_length: 10,
        tensors,
        tokenizer_json: new TextEncoder().encode(TOKENIZER),
    });
    const path = join(scratch, 'buckets.safetensors');
    writeFileSync(path, files['model.safetensors']);
    const name = 'mpnet.encoder.relative_attention_bias.weight';
    const [found, theirs] = [path, join(HUGGINGFACE, 'mpnet-seqcls/model.safetensors')].map(
        (file) => new Float32Array(Uint8Array.from(readTensors(file)[name].bytes).buffer),
    );
    const n = found.filter((value, i) => value !== 0 && value === theirs[i]).length;
    const n_other = found.filter((value, i) => value !== 0 && value !== theirs[i]).length;
    assert.equal(n_other, 0);
    assert.ok(n >= 2 * 8 * Number(encoder.n_heads), `${n} numbers`);
});

test('a new classifier is drawn by the seed; the pooler of the base stays', async () => {
    const base = await baseOf(converted('pipelines/text-classification-bert'));
    const family = familyOf('bert');
    const head = (labels, seed) =>
        withHead(base, family, 'text-classification', labels, seed).tensors;
    const own = head(base.config.labels, 0);
    assert.equal(own.get('classifier.weight'), base.tensors.get('classifier.weight'));
    const [drawn, again, other] = [0, 0, 1].map((seed) => head(['x', 'y'], seed));
    assert.equal(drawn.get('pooler.weight'), base.tensors.get('pooler.weight'));
    assert.deepEqual(drawn.get('classifier.weight'), again.get('classifier.weight'));
    assert.notDeepEqual(drawn.get('classifier.weight'), other.get('classifier.weight'));
    const rows = toRows(get(drawn, 'classifier.weight').values, 2, 32);
    const mean = rows.reduce((sum, x) => sum + x, 0) / rows.length;
    const deviation = Math.sqrt(rows.reduce((sum, x) => sum + (x - mean) ** 2, 0) / rows.length);
    assert.ok(deviation > 0.015 && deviation < 0.025, `${deviation}`);
    assert.deepEqual(get(drawn, 'classifier.bias').values, new Float32Array(2));
    // Columns that fill a panel are zeros.
    assert.ok(get(drawn, 'classifier.weight').values.every((x, i) => i % 8 < 2 || x === 0));
});

test('random numbers: repeatable, uniform, normal', () => {
    const of = (seed, purpose) => {
        const random = new Random(seed, purpose);
        return Array.from({ length: 5 }, () => random.next());
    };
    assert.deepEqual(of(1, 2), of(1, 2));
    for (const other of [of(2, 2), of(1, 3), of(2 ** 32 + 1, 2)]) {
        assert.notDeepEqual(of(1, 2), other);
    }
    const random = new Random(5, 0);
    const normals = Array.from({ length: 20_000 }, () => random.normal());
    const mean = normals.reduce((a, b) => a + b, 0) / normals.length;
    const variance = normals.reduce((a, b) => a + (b - mean) ** 2, 0) / normals.length;
    assert.ok(Math.abs(mean) < 0.02 && Math.abs(variance - 1) < 0.03, `${mean} ${variance}`);
    const items = Array.from({ length: 50 }, (_, i) => i);
    const shuffled = random.shuffled(items);
    assert.notDeepEqual(shuffled, items);
    assert.deepEqual(
        shuffled.sort((a, b) => a - b),
        items,
    );
});

/** Of a batch: so many that a trainer of a tiny model has over 2 GiB. */
const MANY_TOKENS = 1 << 21;

for (const build of ['base', 'base-threads']) {
    test(`a trainer of over 2 GiB learns the same: train-${build}.wasm`, async () => {
        const options = { threads: build.endsWith('threads') ? 2 : 1 };
        const objectiveOf = () => classes('token_logits', null);
        const learned = async (more) => {
            const golden = await goldenTrainer('electra-tokcls', objectiveOf, {
                ...options,
                ...more,
                module: moduleOf(build),
            });
            const losses = [learn(golden), learn(golden), learn(golden, 2)];
            const { trainer } = golden;
            return { losses, weights: trainer.merged(), n_bytes: trainer.memory_bytes };
        };
        const small = await learned();
        // What is never a batch is memory that nothing touches.
        const large = await learned({ max_tokens: MANY_TOKENS, memory: 2 ** 32 });
        assert.ok(large.n_bytes > 1.3 * 2 ** 31, `${large.n_bytes}`);
        assert.deepEqual(large.losses, small.losses);
        assert.deepEqual(large.weights, small.weights);
    });
}

test('what 32-bit addresses do not reach is refused with what to set', async () => {
    const encoder = {
        ...CONFIG.encoder,
        vocab_size: 30522,
        hidden_size: 1024,
        embedding_size: 1024,
        intermediate_size: 4096,
        n_layers: 24,
        n_heads: 16,
        n_positions: 512,
    };
    const open = Trainer.open(moduleOf('base'), encoder, new Map(), {
        objective: classes('logits', null),
        threads: 1,
        max_tokens: 512,
        max_sequences: 1,
        max_sequence_tokens: 512,
        recomputes: true,
        memory: 2 ** 32,
    });
    await assert.rejects(open, {
        code: 'OUT_OF_MEMORY',
        message:
            /takes about \d{4} MB for .* 512 tokens, more than the 4295 MB .* or max_length lower$/,
    });
});
