/** Examples in files: the same as in arrays, in every format, and what is wrong has its line. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fewShot, fineTune, fineTuneTasks } from 'bert-wasm/train';

import { blobLines } from '../../js/examples/blob.js';
import { readExamples } from '../../js/train/examples.js';
import { converted } from './converted.js';
import { EXAMPLES, QUICK, refused } from './trained.js';

const BASE = converted('pipelines/feature-extraction-bert', 'q8');
const FEW = { ...QUICK, epochs: 1 };

const jsonLines = (rows) => rows.map((row) => JSON.stringify(row)).join('\n');
const TSV = ['text\tlabel', ...EXAMPLES.map(({ text, label }) => `${text}\t${label}`)].join('\n');

const SQUAD = {
    version: '1.1',
    data: [
        {
            paragraphs: [
                {
                    context: 'She ate the red fish.',
                    qas: [
                        { id: 'a', question: 'Who?', answers: [{ text: 'She', answer_start: 0 }] },
                        { id: 'b', question: 'Where?', is_impossible: true, answers: [] },
                    ],
                },
            ],
        },
    ],
};

const ASKED = [
    {
        question: 'Who?',
        context: 'She ate the red fish.',
        answers: [{ text: 'She', answer_start: 0 }],
    },
    { question: 'Where?', context: 'She ate the red fish.', answers: [] },
];

const WORDS = [
    { tokens: ['Ann', 'ate'], labels: ['B-PER', 'O'] },
    { tokens: ['fish'], labels: ['O'] },
];

/** Formats, by the task that they are of: a file, and the rows that it has. */
const FILES = [
    ['text-classification', TSV, EXAMPLES],
    ['text-classification', `\ufeff${TSV.replace('text', 'sentence')}\r\n\r\n`, EXAMPLES],
    ['text-classification', `\n${jsonLines(EXAMPLES)}\n`, EXAMPLES],
    ['token-classification', 'Ann\tB-PER\nate\tO\n\nfish O\n', WORDS],
    ['token-classification', jsonLines(WORDS), WORDS],
    ['token-classification', jsonLines(WORDS).replaceAll('labels', 'tags'), WORDS],
    ['question-answering', JSON.stringify(SQUAD), ASKED],
    ['question-answering', JSON.stringify(SQUAD, null, 2), ASKED],
    ['question-answering', jsonLines(ASKED), ASKED],
    [
        'feature-extraction',
        'text\ttext_pair\tscore\na\tb\t0.5\nc\td\t-1\n',
        [
            { text: 'a', text_pair: 'b', score: 0.5 },
            { text: 'c', text_pair: 'd', score: -1 },
        ],
    ],
    [
        'text-ranking',
        jsonLines([{ query: 'q'.repeat(70_000), documents: ['a', 'b'], relevant: [1] }]),
        [{ query: 'q'.repeat(70_000), documents: ['a', 'b'], relevant: [1] }],
    ],
];

test('a file has what an array has', async () => {
    for (const [task, text, rows] of FILES) {
        const read = (given) => readExamples(given, 'example', task, undefined);
        assert.deepEqual(await read(new Blob([text])), await read(rows), `${task}: ${text}`);
        assert.deepEqual(await read(new File([text], 'a.bin')), await read(rows));
    }
});

test('lines are whole wherever a file is cut, also within a character', async () => {
    const text = 'é\r\n\r\n酒店, and more\nlast';
    const bytes = new TextEncoder().encode(text);
    const pieces = (n) => ({
        stream: () =>
            new ReadableStream({
                start(controller) {
                    for (let i = 0; i < bytes.length; i += n) {
                        controller.enqueue(bytes.slice(i, i + n));
                    }
                    controller.close();
                },
            }),
    });
    for (const n of [1, 2, 3, 5, 100]) {
        const lines = [];
        for await (const some of blobLines(/** @type {any} */ (pieces(n)))) lines.push(...some);
        assert.deepEqual(lines, ['é', '', '酒店, and more', 'last'], `${n}`);
    }
});

test('every way to train takes files', async () => {
    const file = new Blob([TSV]);
    const saved = async (trained) => (await trained.export())['model.safetensors'];
    const [a, b] = [
        await fineTune(BASE, file, { ...FEW, validation: new Blob([jsonLines(EXAMPLES)]) }),
        await fineTune(BASE, EXAMPLES, { ...FEW, validation: EXAMPLES }),
    ];
    assert.deepEqual(a.history[0].validation, b.history[0].validation);
    assert.deepEqual(await saved(a), await saved(b));
    const few = await fewShot(BASE, file, { ...FEW, validation: file });
    assert.deepEqual(few.labels, ['bad', 'good']);
    const { one } = await fineTuneTasks(BASE, { one: { examples: file } }, FEW);
    assert.deepEqual(one.labels, ['bad', 'good']);
});

test('what is wrong has its line', async () => {
    for (const [text, message, index] of /** @type {const} */ ([
        ['text\tlabel\na\tgood\nb\n', /rows.tsv:3: the line has 1 columns, the header has 2/],
        ['text\tlabel\na\tgood\nb\t\n', /rows.tsv:3/, 1],
        ['words\tlabel\na\tgood\n', /rows.tsv:1: the header must be sentence<TAB>label/],
        ['{"text": "a", "label": "good"}\n{"text": 5}\n', /rows.tsv:2/, 1],
        ['{"text": "a"}\n{oh\n', /rows.tsv:1/, 0],
        ['{"text": "a", "label": "good"}\n{oh\n', /rows.tsv:2: the line is not valid JSON/],
        ['', /there are no examples/],
        ['text\tlabel\n', /there are no examples/],
    ])) {
        const file = new File([text], 'rows.tsv');
        await refused(fineTune(BASE, file, FEW), 'BAD_INPUT', message, index);
    }
    const file = new File(['{"data": 5}'], 'asked.json');
    const asked = fineTune(BASE, file, { ...FEW, task: 'question-answering' });
    await refused(asked, 'BAD_INPUT', /asked.json: data must be an array of objects/);
});
