/**
 * Training piece by piece: a base's weights, what torch learns in 20 steps, the folder that
 * transformers opens, what is drawn.
 */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { hasRelaxedSIMD } from '../../js/platform/webassembly.js';
import { familyOf } from '../../js/train/families.js';
import { toFolder } from '../../js/train/folder.js';
import { labelsOf, withHead } from '../../js/train/head.js';
import { classes } from '../../js/train/objectives/classes.js';
import { toRows } from '../../js/train/panels.js';
import { Random } from '../../js/train/random.js';
import { limitsOf, scheduled } from '../../js/train/run.js';
import { Trainer } from '../../js/train/trainer.js';
import { converted, GOLDEN, scratch } from './converted.js';
import { HUGGINGFACE, readTensors } from './huggingface_files.js';
import { CONFIG, TOKENIZER } from './model_bytes.js';
import { baseOf, moduleOf } from './trained.js';

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
function sequencesOf({ batch, labels }) {
    return batch.input_ids.map((row, s) => {
        const kept = [...row.keys()].filter((i) => batch.attention_mask[s][i]);
        const of = (rows) => kept.map((i) => rows[s][i]);
        return {
            ids: Uint32Array.from(of(batch.input_ids)),
            type_ids: Uint32Array.from(batch.token_type_ids ? of(batch.token_type_ids) : kept),
            labels: Int32Array.from(Array.isArray(labels[s]) ? of(labels) : [labels[s]]),
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

/** Folders as transformers has written them, with a head that can be trained. */
const FOLDERS = [
    'albert-seqcls-groups',
    'albert-tokcls-own-layers',
    'bert-seqcls',
    'bert-tokcls',
    'camembert-tokcls',
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

const taskOf = (name) => (name.includes('tokcls') ? 'token-classification' : 'text-classification');

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
            is_of_tokens: task === 'token-classification',
            labels,
            max_length: base.config.max_length,
            tokenizer_json: new TextEncoder().encode(TOKENIZER),
            ...withHead(base, family, task, labels, 0),
        });
        const path = join(scratch, `${name}.safetensors`);
        writeFileSync(path, files['model.safetensors']);
        const [found, theirs] = [path, join(HUGGINGFACE, name, 'model.safetensors')].map(
            readTensors,
        );
        const names = Object.keys(theirs).filter((each) => !each.endsWith('position_ids'));
        assert.deepEqual(Object.keys(found).sort(), names.sort());
        for (const each of names) {
            assert.deepEqual(found[each].shape, theirs[each].shape, each);
            if (each.includes('relative_attention_bias')) continue; // far ones are not stored
            assert.ok(found[each].bytes.equals(theirs[each].bytes), each);
        }
        const config = JSON.parse(new TextDecoder().decode(files['config.json']));
        const original = json(join(HUGGINGFACE, name, 'config.json'));
        assert.deepEqual(config.architectures, original.architectures);
        const { architectures, problem_type, torch_dtype, id2label, label2id, ...sizes } = config;
        for (const [key, value] of Object.entries(sizes)) {
            if (key in original) assert.deepEqual(value, original[key], key);
        }
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
        is_of_tokens: false,
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

test('the learning rate rises and falls in lines', () => {
    const rates = Array.from({ length: 10 }, (_, i) => scheduled(i, 10, 0.2));
    assert.deepEqual(rates, [0, 0.5, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]);
    assert.equal(scheduled(0, 4, 0), 1);
    assert.equal(scheduled(3, 4, 1), 3 / 4);
});

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
            /takes about \d{4} MB for .* 512 tokens, more than the 2148 MB .* or max_length lower$/,
    });
});
