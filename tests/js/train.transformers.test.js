/** What export() gives opens in Python's transformers, and answers there what it answers here. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { fineTune } from 'bert-wasm/train';

import { converted } from './converted.js';
import { newPath } from './huggingface_files.js';
import { PYTHON } from './tokenizer_compare.js';
import { EXAMPLES, QUICK } from './trained.js';

const hasTransformers =
    spawnSync(PYTHON, ['-c', 'import torch, transformers']).status === 0
        ? false
        : `SKIPPED: ${PYTHON} has no torch and transformers; PYTHON=... names another`;

const PROGRAM = `
import json, sys, torch, transformers
folder, head, texts = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
kind = getattr(transformers, 'AutoModelFor' + head)
model, info = kind.from_pretrained(folder, output_loading_info=True)
model.eval()
with torch.no_grad():
    logits = [model(**tokenizer(text, return_tensors='pt')).logits[0].tolist() for text in texts]
    padded = model(**tokenizer(texts, padding=True, return_tensors='pt')).logits.shape[0]
print(json.dumps(dict(logits=logits, padded=padded, labels=model.config.id2label,
                      ids=[tokenizer(text)['input_ids'] for text in texts],
                      info={key: list(value) for key, value in info.items()})))
`;

const texts = EXAMPLES.slice(2, 6).map(({ text }) => text);

for (const [name, head] of [
    ['feature-extraction-bert', 'SequenceClassification'],
    ['text-classification-roberta', 'SequenceClassification'],
    ['fill-mask-distilbert', 'SequenceClassification'],
    ['token-classification-xlm-roberta', 'TokenClassification'],
]) {
    test(`transformers answers the same: ${name}`, { skip: hasTransformers }, async () => {
        const is_of_tokens = head === 'TokenClassification';
        const examples = is_of_tokens
            ? EXAMPLES.map(({ text }) => ({
                  text,
                  labels: text.split(' ').map((w) => w.slice(0, 1)),
              }))
            : EXAMPLES;
        const task = is_of_tokens ? 'token-classification' : 'text-classification';
        const options = { ...QUICK, task: /** @type {any} */ (task), epochs: 5 };
        const trained = await fineTune(converted(`pipelines/${name}`), examples, options);
        const folder = newPath();
        mkdirSync(folder);
        for (const [file, bytes] of Object.entries(await trained.export())) {
            writeFileSync(join(folder, file), bytes);
        }
        const run = spawnSync(PYTHON, ['-c', PROGRAM, folder, head, JSON.stringify(texts)], {
            encoding: 'utf8',
            env: { ...process.env, HF_HUB_OFFLINE: '1' },
        });
        assert.equal(run.status, 0, run.stderr);
        const { logits, padded, labels, ids, info } = JSON.parse(run.stdout);
        assert.deepEqual([info.missing_keys, info.unexpected_keys], [[], []]);
        assert.equal(padded, texts.length);
        assert.deepEqual(Object.values(labels), trained.labels);
        const model = await trained.model({ dtype: 'f32' });
        const encodings = await model.tokenizer.encodeBatch(texts);
        for (const [i, { ids: own }] of encodings.entries()) {
            assert.deepEqual([...own], ids[i]);
            const { logits: found } = await model.forward({ input_ids: own });
            const furthest = logits[i].flat().map((x, k) => Math.abs(x - found.data[k]));
            assert.ok(Math.max(...furthest) < 1e-4, `${texts[i]}: ${Math.max(...furthest)}`);
        }
        model.dispose();
    });
}
