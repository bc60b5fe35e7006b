/**
 * What pretrain() exports opens in Python's transformers and answers there what it answers here;
 * and a new model learns there what it learns here, of the same batches.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { Tokenizer } from 'bert-wasm/tokenizer';
import { pretrain } from 'bert-wasm/train';

import { SCHEDULES } from '../../js/train/core_names.js';
import { familyOf } from '../../js/train/families.js';
import { toFolder } from '../../js/train/folder.js';
import { maskedWords } from '../../js/train/objectives/masked_words.js';
import { Documents } from '../../js/train/pretraining/documents.js';
import { Examples } from '../../js/train/pretraining/examples.js';
import { frameOf } from '../../js/train/pretraining/frame.js';
import { newModel } from '../../js/train/pretraining/model.js';
import { limitsOf } from '../../js/train/run.js';
import { Trainer } from '../../js/train/trainer.js';
import { converted } from './converted.js';
import { newPath } from './huggingface_files.js';
import { PYTHON } from './tokenizer_compare.js';
import { debertaFile, moduleOf } from './trained.js';

const hasTransformers =
    spawnSync(PYTHON, ['-c', 'import torch, transformers']).status === 0
        ? false
        : `SKIPPED: ${PYTHON} has no torch and transformers; PYTHON=... names another`;

const TOOLS = new URL('../tools/', import.meta.url).pathname;
const VOCABULARY = new URL('../golden/vocabulary/corpus.txt', import.meta.url);
const LINES = readFileSync(VOCABULARY, 'utf8').split('\n');

/** @param {Record<string, Uint8Array>} files */
function folderOf(files) {
    const folder = newPath();
    mkdirSync(folder);
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
    return folder;
}

/** What a program prints, read from JSON. @param {string} program @param {unknown[]} args */
function python(program, ...args) {
    const run = spawnSync(PYTHON, ['-c', program, ...args.map((each) => String(each))], {
        encoding: 'utf8',
        env: { ...process.env, HF_HUB_OFFLINE: '1', PYTHONPATH: TOOLS },
        maxBuffer: 1 << 26,
    });
    assert.equal(run.status, 0, run.stderr);
    return JSON.parse(run.stdout);
}

const ANSWERS = `
import json, sys, torch, transformers
folder, kind, text = sys.argv[1:]
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
model, info = getattr(transformers, kind).from_pretrained(folder, output_loading_info=True)
model.eval()
ids = tokenizer(text)['input_ids']
with torch.no_grad():
    outputs = model(torch.tensor([ids]))
logits = outputs.prediction_logits if kind.endswith('PreTraining') else outputs.logits
print(json.dumps(dict(logits=logits[0].tolist(), ids=ids, mask=tokenizer.mask_token_id,
                      info={key: list(value) for key, value in info.items()})))
`;

for (const [name, kind, options] of /** @type {[string, string, any][]} */ ([
    ['a new one', 'BertForMaskedLM', {}],
    ['a new one of pairs', 'BertForPreTraining', { next_sentence: true }],
    ['roberta', 'RobertaForMaskedLM', { base: converted('pipelines/fill-mask-roberta') }],
    ['distilbert', 'DistilBertForMaskedLM', { base: converted('pipelines/fill-mask-distilbert') }],
    ['deberta', 'DebertaForMaskedLM', { base: debertaFile('v1') }],
    ['deberta-v2', 'DebertaV2ForMaskedLM', { base: debertaFile('v2') }],
])) {
    test(`transformers answers the same: ${name}`, { skip: hasTransformers }, async () => {
        const fresh = { vocabulary: { size: 400 }, max_length: 64, model: { hidden: 64 } };
        const trained = await pretrain(LINES, {
            ...(options.base ? {} : fresh),
            epochs: 2,
            threads: 1,
            ...options,
        });
        const files = await trained.export();
        const text = 'the quick brown fox is over the hills';
        const { logits, ids, mask, info } = python(ANSWERS, folderOf(files), kind, text);
        assert.deepEqual([info.missing_keys, info.unexpected_keys], [[], []]);
        assert.equal(typeof mask, 'number', 'transformers knows which token masks');
        const model = await trained.model({ dtype: 'f32' });
        const found = await model.forward({ input_ids: ids });
        model.dispose();
        assert.deepEqual(
            [...(await Tokenizer.fromJSON(files['tokenizer.json'])).encode(text).ids],
            ids,
        );
        const output = kind.endsWith('PreTraining') ? 'prediction_logits' : 'logits';
        const furthest = logits.flat().map((x, i) => Math.abs(x - found[output].data[i]));
        assert.equal(furthest.length, found[output].data.length);
        assert.ok(Math.max(...furthest) < 1e-4, `${Math.max(...furthest)}`);
    });
}

const LEARNS = `
import json, sys, transformers
import make_pretraining_goldens as goldens
folder, kind, file = sys.argv[1:]
with open(file, encoding='utf-8') as stream:
    batches = json.load(stream)
print(json.dumps(goldens.learn(getattr(transformers, kind).from_pretrained(folder), batches)))
`;

for (const has_pairs of [false, true]) {
    const kind = has_pairs ? 'ForPreTraining' : 'ForMaskedLM';
    test(`a new model learns as torch's does: Bert${kind}`, { skip: hasTransformers }, async () => {
        const exported = await pretrain(LINES, {
            vocabulary: { size: 400 },
            max_length: 64,
            epochs: 1,
            threads: 1,
        });
        const tokenizer_json = (await exported.export())['tokenizer.json'];
        const tokenizer = Tokenizer.fromJSON(tokenizer_json);
        const frame = frameOf(tokenizer, has_pairs ? 2 : 1);
        const room = 64 - frame.n_special;
        const documents = new Documents(Math.floor(room / 2));
        for (const line of LINES) {
            if (line === '') documents.endDocument();
            else documents.add(tokenizer.encode(line, { add_special_tokens: false }).ids);
        }
        const others = Uint32Array.from({ length: tokenizer.vocab_size - 5 }, (_, i) => 5 + i);
        const stretches = documents.stretches(room);
        const words = { mask: 4, others, share: 0.15 };
        const examples = new Examples({ documents, stretches, frame, words, room, seed: 1 });
        const batches = Array.from({ length: 20 }, (_, epoch) =>
            Array.from({ length: 8 }, (_, i) =>
                examples.sequence((8 * epoch + i) % examples.length, epoch),
            ),
        );
        const sizes = { layers: 2, hidden: 128, heads: 2, intermediate: 512 };
        const { encoder, tensors } = newModel(sizes, 64, tokenizer.vocab_size, 0, has_pairs, 0);
        const folder = folderOf(
            toFolder({
                family: familyOf('bert'),
                architecture: 'bert',
                encoder,
                labels: [],
                head: kind,
                max_length: 64,
                tensors,
                tokenizer_json,
            }),
        );
        const file = `${newPath()}.json`;
        const plain = batches.map((batch) =>
            batch.map(({ ids, type_ids, labels, label }) => ({
                ids: [...ids],
                type_ids: [...type_ids],
                labels: [...labels],
                ...(has_pairs && { label }),
            })),
        );
        writeFileSync(file, JSON.stringify(plain));
        const losses = python(LEARNS, folder, `Bert${kind}`, file);
        const trainer = await Trainer.open(moduleOf('base'), encoder, tensors, {
            ...limitsOf(batches, 8),
            objective: maskedWords(0.15, has_pairs),
            threads: 1,
            recomputes: false,
            memory: 2 ** 28,
        });
        for (const [i, batch] of batches.entries()) {
            const { loss } = trainer.run(batch, true);
            assert.ok(Math.abs(loss - losses[i]) < 2e-5, `step ${i}: ${loss}, not ${losses[i]}`);
            trainer.clip(1);
            trainer.step(3e-3 * trainer.schedule(SCHEDULES.linear, i, 4, 20), 0.01);
        }
        assert.ok(losses.at(-1) < 0.9 * losses[0], `${losses}`);
    });
}
