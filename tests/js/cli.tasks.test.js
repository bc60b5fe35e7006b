/**
 * The table of tasks: how records become calls of pipelines and results become output, with
 * pipelines that record how they were called; and the order and bounds of what is under way.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answers, inOrder } from '../../js/cli/stream.js';
import { checkFields, sizeOf, TASK_COMMANDS, toOutput } from '../../js/cli/tasks.js';
import { BertError, withPlace } from '../../js/errors.js';
import { Tensor } from '../../js/pipelines/tensor.js';

/** Calls of a pipeline that gives `result(...)`. */
function recorder(result) {
    const calls = [];
    const pipe = async (...args) => {
        calls.push(args);
        return result(...args);
    };
    return { pipe, calls };
}

/** What feature-extraction gives for a text. */
const features = (dims, data, more = {}) =>
    Object.assign(new Tensor(Float32Array.from(data), dims), { truncated: [false], ...more });

/** @returns {import('../../js/cli/stream.js').Answer} */
const answerOf = (value, result) => ({ record: { value, where: 'f:1', bytes: 1 }, result });

async function outputs(name, result, values, options = {}) {
    const { pipe, calls } = recorder(result);
    const { answer, fields } = TASK_COMMANDS[name];
    values.forEach((value) => checkFields(fields, value));
    const results = await answer(pipe, values, options);
    return {
        calls,
        lines: results.map((one, i) => toOutput(fields, answerOf(values[i], one), false)),
    };
}

test('classify: texts and pairs in one call, labels where there are more than one', async () => {
    const values = [
        { id: 1, text: 'a' },
        { text: 'b', text_pair: 'c' },
    ];
    const one = await outputs(
        'classify',
        (texts) => texts.map(() => ({ label: 'L', score: 1 })),
        values,
    );
    assert.deepEqual(one.calls, [
        [['a', { text: 'b', text_pair: 'c' }], { top_k: 1, errors: 'return' }],
    ]);
    assert.deepEqual(one.lines, [
        { id: 1, label: 'L', score: 1 },
        { label: 'L', score: 1 },
    ]);
    const two = await outputs(
        'classify',
        (texts) =>
            texts.map(() => [
                { label: 'L', score: 1 },
                { label: 'M', score: 0 },
            ]),
        values,
        { top_k: null },
    );
    assert.equal(two.calls[0][1].top_k, null);
    assert.deepEqual(two.lines[1], {
        labels: [
            { label: 'L', score: 1 },
            { label: 'M', score: 0 },
        ],
    });
});

test('ner and fill: what was found, under its name', async () => {
    const found = (texts) => texts.map((text) => [{ word: text, start: 0 }]);
    assert.deepEqual((await outputs('ner', found, [{ id: 1, text: 'a' }, { text: 'b' }])).lines, [
        { id: 1, entities: [{ word: 'a', start: 0 }] },
        { entities: [{ word: 'b', start: 0 }] },
    ]);
    const { calls, lines } = await outputs('fill', found, [{ text: 'a' }], { top_k: 3 });
    assert.deepEqual(calls, [[['a'], { top_k: 3, errors: 'return' }]]);
    assert.deepEqual(lines, [{ predictions: [{ word: 'a', start: 0 }] }]);
});

test('answer: the context of the record or the common one', async () => {
    const reply = (questions) =>
        questions.map(({ question, context }) => ({
            answer: `${question} ${context}`,
            score: 1,
            start: 0,
            end: 1,
        }));
    const values = [{ id: 1, question: 'q', context: 'c' }, { question: 'r' }];
    const { calls, lines } = await outputs('answer', reply, values, {
        context: 'd',
        doc_stride: 8,
    });
    assert.deepEqual(calls, [
        [
            [
                { question: 'q', context: 'c' },
                { question: 'r', context: 'd' },
            ],
            { doc_stride: 8, errors: 'return' },
        ],
    ]);
    assert.deepEqual(
        lines.map(({ answer }) => answer),
        ['q c', 'r d'],
    );
    assert.equal(lines[0].id, 1);
    const two = await outputs(
        'answer',
        (questions) => questions.map((one) => [...reply([one]), ...reply([one])]),
        values,
        { top_k: 2 },
    );
    assert.equal(two.lines[1].answers.length, 2);
});

test('embed and similarity: vectors, or why there is none', async () => {
    const values = [{ id: 1, text: 'a' }, { text: 'b' }];
    const pooled = await outputs(
        'embed',
        () => [
            features([1, 3], [1, 2, 3]),
            features([1, 3], [4, 5, 6], { truncated: [true], scales: Float32Array.of(0.5) }),
        ],
        values,
        { pooling: 'mean' },
    );
    assert.deepEqual(pooled.calls, [[['a', 'b'], { pooling: 'mean', errors: 'return' }]]);
    assert.deepEqual(pooled.lines, [
        { id: 1, embedding: [1, 2, 3] },
        { embedding: [4, 5, 6], scale: 0.5, truncated: true },
    ]);
    const each = await outputs(
        'embed',
        (texts) => texts.map((_, i) => features([1, 1 + i, 2], Array(2 + 2 * i).fill(i))),
        values,
    );
    assert.deepEqual(each.lines[1], {
        embedding: [
            [1, 1],
            [1, 1],
        ],
    });

    const pairs = [
        { text: 'a', text_pair: 'b' },
        { id: 2, text: 'c', text_pair: 'd' },
    ];
    const vectors = [
        [1, 0],
        [1, 0],
        [1, 0],
        [0.5, 0.75],
    ].map((data) => features([1, 2], data));
    const near = await outputs('similarity', () => vectors, pairs);
    assert.deepEqual(near.calls, [[['a', 'b', 'c', 'd'], { normalize: true, errors: 'return' }]]);
    assert.deepEqual(near.lines, [{ score: 1 }, { id: 2, score: 0.5 }]);
    const wrong = new BertError('SEQUENCE_TOO_LONG', 'text 2');
    assert.equal(
        (
            await TASK_COMMANDS.similarity.answer(
                async () => /** @type {any[]} */ (vectors).with(2, wrong),
                pairs,
                {},
            )
        )[1],
        wrong,
    );
    await assert.rejects(
        outputs('similarity', () => vectors.map(() => features([1, 1, 2], [1, 0])), pairs),
        { code: 'BAD_OPTION', message: /--pooling/ },
    );
});

test('rank: all queries in a call', async () => {
    const order = (inputs) =>
        inputs.map(({ documents }) =>
            documents.map((_, i) => ({ corpus_id: documents.length - 1 - i, score: 1 })),
        );
    const { calls, lines } = await outputs(
        'rank',
        order,
        [
            { id: 1, query: 'q', documents: ['a', 'b'] },
            { query: 'r', documents: [] },
        ],
        { top_k: 5 },
    );
    assert.deepEqual(calls, [
        [
            [
                { query: 'q', documents: ['a', 'b'] },
                { query: 'r', documents: [] },
            ],
            { top_k: 5, errors: 'return' },
        ],
    ]);
    assert.deepEqual(lines, [
        {
            id: 1,
            ranking: [
                { corpus_id: 1, score: 1 },
                { corpus_id: 0, score: 1 },
            ],
        },
        { ranking: [] },
    ]);
    assert.deepEqual(TASK_COMMANDS.rank.fromArguments?.(['q', 'a', 'b']), [
        { query: 'q', documents: ['a', 'b'] },
    ]);
    assert.throws(() => TASK_COMMANDS.rank.fromText('line'), { code: 'BAD_OPTION' });
});

test('zero-shot: texts of the same labels go together, in their places', async () => {
    const values = [
        { text: 'a' },
        { text: 'b', candidate_labels: ['x', 'y'] },
        { id: 3, text: 'c', candidate_labels: 'u, v' },
        { text: 'd' },
    ];
    const reply = (texts, labels) =>
        texts.map((text) => ({ sequence: text, labels, scores: labels.map(() => text) }));
    const { calls, lines } = await outputs('zero-shot', reply, values, {
        candidate_labels: ['u', 'v'],
        multi_label: true,
    });
    assert.deepEqual(calls, [
        [['a', 'c', 'd'], ['u', 'v'], { multi_label: true, errors: 'return' }],
        [['b'], ['x', 'y'], { multi_label: true, errors: 'return' }],
    ]);
    assert.deepEqual(
        lines.map(({ scores }) => scores[0]),
        ['a', 'b', 'c', 'd'],
    );
    assert.deepEqual(lines[2], { id: 3, labels: ['u', 'v'], scores: ['c', 'c'] });
    await assert.rejects(outputs('zero-shot', reply, values), { code: 'BAD_INPUT' });
});

test('fields: what is missing or of another type is named; others are carried through', () => {
    const { fields } = TASK_COMMANDS.rank;
    assert.throws(() => checkFields(fields, { query: 'q', documents: 'd' }), {
        code: 'BAD_INPUT',
        message: 'documents must be an array of strings, not string "d"',
    });
    assert.throws(
        () => checkFields(fields, { query: 'q', documents: ['a', 1] }),
        /documents must be .*, not array of 2/,
    );
    assert.throws(
        () => checkFields(fields, { documents: [] }),
        /query must be a string, not undefined/,
    );
    assert.throws(
        () => checkFields(/** @type {any} */ ({ constructor: 'text' }), {}),
        /constructor must be a string, not undefined/,
    );
    assert.equal(sizeOf(fields, { query: 'abc', documents: ['de', 'f'], note: 'long' }), 6);
    const value = JSON.parse('{"id": 1, "__proto__": {"x": 1}, "text": "a"}');
    const line = JSON.stringify(
        toOutput(TASK_COMMANDS.classify.fields, answerOf(value, { label: 'L' }), false),
    );
    assert.equal(line, '{"id":1,"__proto__":{"x":1},"label":"L"}');
});

test('a batch that fails: only the records to blame have errors', async () => {
    const records = Array.from({ length: 37 }, (_, i) => ({
        value: { text: `${i}` },
        where: `f:${i + 1}`,
        bytes: 1,
    }));
    const bad = new Set(['0', '13', '14', '36']);
    let calls = 0;
    const pieces = async function* () {
        yield records;
    };
    const answer = async (values) => {
        calls++;
        const k = values.findIndex(({ text }) => bad.has(text));
        if (k >= 0) {
            throw withPlace(
                new BertError('SEQUENCE_TOO_LONG', 'it is longer than the model allows'),
                `sequence ${k}`,
                k,
            );
        }
        return values.map(({ text }) => ({ echo: text }));
    };
    const how = { check: () => {}, answer, size: () => 1 };
    const results = [];
    for await (const batch of answers(pieces(), how)) results.push(...batch);
    results.forEach(({ record, result, error }, i) => {
        assert.equal(record, records[i]);
        if (bad.has(`${i}`)) {
            assert.equal(error.message, `f:${i + 1}: it is longer than the model allows`);
        } else {
            assert.deepEqual(result, { echo: `${i}` });
        }
    });
    assert.ok(calls < 37, `${calls} calls`);
    const ended = answers(pieces(), {
        ...how,
        answer: async () => {
            throw new BertError('ENGINE_FAILED', 'gone');
        },
    });
    await assert.rejects(ended.next(), { code: 'ENGINE_FAILED' });
});

test('an error in the place of a result is of its record alone', async () => {
    const wrong = withPlace(
        new BertError('SEQUENCE_TOO_LONG', 'it is longer than the model allows'),
        'text 1',
        1,
    );
    for (const name of ['classify', 'ner', 'fill']) {
        const results = await TASK_COMMANDS[name].answer(
            async (texts) => texts.map((_, i) => (i === 1 ? wrong : [])),
            [{ text: 'a' }, { text: 'b' }],
            {},
        );
        assert.equal(results[1], wrong, name);
    }
    const records = ['a', 'b', 'c'].map((text, i) => ({
        value: { text },
        where: `f:${i + 1}`,
        bytes: 1,
    }));
    let calls = 0;
    const answer = async (values) =>
        values.map((value, i) => {
            calls++;
            return i === 1 ? wrong : value;
        });
    const { value: batch } = await answers(
        (async function* () {
            yield records;
        })(),
        { check: () => {}, size: () => 1, answer },
    ).next();
    assert.deepEqual(
        batch?.map(({ error }) => error?.message),
        [undefined, 'f:2: it is longer than the model allows', undefined],
    );
    assert.equal(calls, 3, 'nothing is computed again');
});

test('in order, never more than n under way or waiting; failures in their turn', async () => {
    let read = 0;
    let under_way = 0;
    let most = 0;
    let closed = false;
    const items = async function* () {
        try {
            for (; read < 50; read++) yield read;
        } finally {
            closed = true;
        }
    };
    const waiting = [];
    const run = async (item) => {
        most = Math.max(most, ++under_way);
        await new Promise((resolve) => {
            waiting.push(resolve);
            if (waiting.length === 3 || item >= 48) {
                for (const wake of waiting.splice(0).reverse()) wake(); // the last first
            }
        });
        under_way--;
        if (item === 40) throw new Error('forty');
        return item;
    };
    const results = inOrder(items(), run, 3);
    const seen = [];
    await assert.rejects(async () => {
        for await (const item of results) {
            seen.push(item);
            assert.ok(read <= item + 4, `${read} are read when ${item} is taken`);
        }
    }, /forty/);
    assert.deepEqual(
        seen,
        Array.from({ length: 40 }, (_, i) => i),
    );
    assert.equal(most, 3);
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(closed, 'what is read from is closed');

    const broken = inOrder(
        (async function* () {
            yield 1;
            throw new Error('unreadable');
        })(),
        async (item) => item,
        3,
    );
    assert.deepEqual(await broken.next(), { value: 1, done: false });
    await assert.rejects(broken.next(), /unreadable/);
});
