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
import { debertaFile, EXAMPLES, QUICK } from './trained.js';

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
def answer(texts, **options):
    answers = model(**tokenizer(texts, return_tensors='pt', **options))
    if 'logits' in answers: return answers.logits
    return torch.stack([answers.start_logits, answers.end_logits], -1)
with torch.no_grad():
    logits = [answer(text)[0].tolist() for text in texts]
    padded = answer(texts, padding=True).shape[0]
print(json.dumps(dict(logits=logits, padded=padded, labels=model.config.id2label,
                      problem_type=model.config.problem_type,
                      ids=[tokenizer(text)['input_ids'] for text in texts],
                      info={key: list(value) for key, value in info.items()})))
`;

const texts = EXAMPLES.slice(2, 6).map(({ text }) => text);

const TAGGED = EXAMPLES.map(({ text }) => ({
    text,
    labels: text.split(' ').map((word) => word.slice(0, 1)),
}));
const SETS = EXAMPLES.map(({ text, label }, i) => ({ text, labels: i % 2 ? [label] : [] }));
const SCORED = EXAMPLES.map(({ text }, i) => ({ text, score: i }));
const ASKED = EXAMPLES.map(({ text }) => ({
    question: 'what?',
    context: text,
    answers: [{ text: text.split(' ')[0] }],
}));

/**
 * Of a base: a version of DeBERTa, or a folder of pipelines/.
 * @type {[string, string, any[], import('bert-wasm/train').TrainOptions][]}
 */
const CASES = [
    ['feature-extraction-bert', 'SequenceClassification', EXAMPLES, {}],
    ['text-classification-roberta', 'SequenceClassification', EXAMPLES, {}],
    ['fill-mask-distilbert', 'SequenceClassification', EXAMPLES, {}],
    [
        'feature-extraction-bert',
        'SequenceClassification',
        SETS,
        { problem_type: 'multi_label_classification', lora: {} },
    ],
    ['fill-mask-distilbert', 'SequenceClassification', SCORED, { problem_type: 'regression' }],
    [
        'token-classification-xlm-roberta',
        'TokenClassification',
        TAGGED,
        { task: 'token-classification' },
    ],
    ['text-classification-roberta', 'QuestionAnswering', ASKED, { task: 'question-answering' }],
    ['fill-mask-distilbert', 'QuestionAnswering', ASKED, { task: 'question-answering' }],
    ['v1', 'SequenceClassification', EXAMPLES, {}],
    ['v1', 'TokenClassification', TAGGED, { task: 'token-classification', lora: {} }],
    ['v2', 'SequenceClassification', EXAMPLES, {}],
    ['v2', 'QuestionAnswering', ASKED, { task: 'question-answering' }],
    ['v3', 'SequenceClassification', SCORED, { problem_type: 'regression' }],
    ['v3', 'TokenClassification', TAGGED, { task: 'token-classification' }],
];

/** @param {any} name */
const baseOf = (name) => (/^v\d$/.test(name) ? debertaFile(name) : converted(`pipelines/${name}`));

for (const [name, head, examples, more] of CASES) {
    const what = `${name}, ${more.problem_type ?? head}`;
    test(`transformers answers the same: ${what}`, { skip: hasTransformers }, async () => {
        const options = { ...QUICK, epochs: 5, ...more };
        const trained = await fineTune(baseOf(name), examples, options);
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
        const { logits, padded, labels, problem_type, ids, info } = JSON.parse(run.stdout);
        assert.deepEqual([info.missing_keys, info.unexpected_keys], [[], []]);
        assert.equal(padded, texts.length);
        assert.deepEqual(Object.values(labels), trained.labels);
        if (more.problem_type) assert.equal(problem_type, more.problem_type);
        const model = await trained.model({ dtype: 'f32' });
        const encodings = await model.tokenizer.encodeBatch(texts);
        for (const [i, { ids: own }] of encodings.entries()) {
            assert.deepEqual([...own], ids[i]);
            const outputs = await model.forward({ input_ids: own });
            const found = outputs.logits
                ? [...outputs.logits.data]
                : [...outputs.start_logits.data].flatMap((x, k) => [x, outputs.end_logits.data[k]]);
            const furthest = logits[i].flat().map((x, k) => Math.abs(x - found[k]));
            assert.ok(Math.max(...furthest) < 1e-4, `${texts[i]}: ${Math.max(...furthest)}`);
        }
        model.dispose();
    });
}
