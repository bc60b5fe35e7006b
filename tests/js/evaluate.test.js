/**
 * evaluate(): every task's examples to its metrics, by pipelines made up here and by the bundled
 * model.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { pipeline } from 'bert-wasm';

import { BertError } from '../../js/errors.js';
import { evaluate } from '../../js/metrics/evaluate.js';

/** A pipeline that answers by a function, one text after the other, and keeps what it was asked. */
function fake(task, answer, extras = {}) {
    /** @type {any[][]} */
    const calls = [];
    const pipe = async (...args) => {
        calls.push(args);
        return answer(...args);
    };
    return Object.assign(pipe, { task, calls, ...extras });
}

/** The metrics of entities that evaluate() gives. @returns {Promise<any>} */
const entitiesOf = async (pipe, examples) => (await evaluate(pipe, examples)).entities;

const refused = (promise, code, message) =>
    assert.rejects(promise, (/** @type {any} */ error) => {
        assert.equal(error.code, code, error.stack);
        assert.match(error.message, message);
        return true;
    });

const near = (got, want) => assert.ok(Math.abs(got - want) < 1e-12, `${got}, not ${want}`);

test('text-classification: accuracy, F1 and confusion; labels by name or index', async () => {
    const model = { config: { labels: ['bad', 'good', '7'] } };
    const pipe = fake(
        'sentiment-analysis',
        (texts) =>
            texts.map((text) => ({
                label: /love/.test(text.text ?? text) ? 'good' : 'bad',
                score: 1,
            })),
        { model },
    );
    const examples = [
        { text: 'I love it', label: 'good' },
        { text: 'hate', label: 0 },
        { text: 'no love lost', label: 'bad' },
        { text: 'a', text_pair: 'b', label: '0' },
        { text: 'nothing', label: '7' },
    ];
    const result = await evaluate(pipe, examples, { top_k: 1 });
    assert.deepEqual(result, {
        task: 'text-classification',
        n: 5,
        accuracy: 3 / 5,
        macro_f1: (2 / 3 + 2 / 3 + 0) / 3,
        confusion: [
            [2, 1, 0],
            [0, 1, 0],
            [1, 0, 0],
        ],
        labels: ['bad', 'good', '7'],
    });
    assert.deepEqual(pipe.calls, [
        [
            ['I love it', 'hate', 'no love lost', { text: 'a', text_pair: 'b' }, 'nothing'],
            { top_k: 1 },
        ],
    ]);
    pipe.calls.length = 0;
    await refused(
        evaluate(pipe, [...examples, { text: 'x', label: 'ugly' }]),
        'BAD_INPUT',
        /^example 5: .*bad, good, 7.*"ugly"/,
    );
    await refused(evaluate(pipe, [{ text: 'x', label: 3 }]), 'BAD_INPUT', /^example 0: .*3/);
    assert.equal(pipe.calls.length, 0, 'the pipeline ran');
});

test('text-classification without a model: labels are those that occur', async () => {
    const pipe = fake('text-classification', (texts) => texts.map(() => ({ label: 'b' })));
    const { labels, confusion } = await evaluate(pipe, [
        { text: '', label: 'c' },
        { text: '', label: 'b' },
        { text: '', label: 'a' },
    ]);
    assert.deepEqual(labels, ['a', 'b', 'c']);
    assert.deepEqual(confusion, [
        [0, 1, 0],
        [0, 1, 0],
        [0, 1, 0],
    ]);
});

test('text-classification by score: correlations', async () => {
    const pipe = fake('text-classification', (texts) =>
        texts.map((text) => ({ label: 'LABEL_0', score: text.length ** 2 })),
    );
    const examples = ['', 'a', 'aa', 'aaa'].map((text) => ({ text, score: text.length }));
    const { spearman, pearson } = await evaluate(pipe, examples);
    near(spearman, 1);
    near(pearson, 15 / Math.sqrt(5 * 49));
    near(
        (
            await evaluate(
                pipe,
                examples.map(({ text, score }) => ({ text, score: -score })),
            )
        ).spearman,
        -1,
    );
});

/** Tokens of at most three characters with the tag that `tag(token)` gives. */
function tagger(tag) {
    return (texts, { aggregation_strategy, ignore_labels }) => {
        assert.equal(aggregation_strategy, 'none');
        assert.deepEqual(ignore_labels, []);
        return texts.map((text) =>
            [...text.matchAll(/ ?\S{1,3}/g)].map(({ 0: word, index }) => ({
                entity: tag(word.trim()),
                score: 1,
                word,
                start: index,
                end: index + word.length,
            })),
        );
    };
}

test('token-classification by words: the tag of the first token of each', async () => {
    const examples = [
        {
            tokens: ['😀', 'Anna', 'Smith', 'in', 'Paris'],
            tags: ['O', 'B-PER', 'I-PER', 'O', 'B-LOC'],
        },
        { tokens: ['Anna'], tags: ['B-PER'] },
    ];
    const tags = { Ann: 'B-PER', Smi: 'I-PER', Par: 'B-LOC', th: 'B-ORG', is: 'B-ORG', a: 'B-LOC' };
    const right = fake(
        'ner',
        tagger((token) => tags[token] ?? 'O'),
    );
    const one = { precision: 1, recall: 1, f1: 1 };
    assert.deepEqual((await evaluate(right, examples)).entities, {
        types: { LOC: { ...one, support: 1 }, PER: { ...one, support: 2 } },
        micro: { ...one, support: 3 },
        macro: { ...one, support: 3 },
        weighted: { ...one, support: 3 },
    });
    assert.equal(right.calls[0][0][0], '😀 Anna Smith in Paris');
    const short = fake(
        'token-classification',
        tagger((token) => (token === 'Ann' ? 'B-PER' : 'O')),
    );
    const { micro, types } = await entitiesOf(short, examples);
    assert.deepEqual(micro, { precision: 1 / 2, recall: 1 / 3, f1: 2 / 5, support: 3 });
    assert.deepEqual(types.LOC, { precision: 0, recall: 0, f1: 0, support: 1 });
});

test('token-classification: words behind the cut have the tag O', async () => {
    const pipe = fake('token-classification', (texts) =>
        texts.map(() => [{ entity: 'B-PER', start: 0, end: 4 }]),
    );
    const { micro } = await entitiesOf(pipe, [
        { tokens: ['Anna', 'Otto'], tags: ['B-PER', 'B-PER'] },
    ]);
    assert.deepEqual(micro, { precision: 1, recall: 1 / 2, f1: 2 / 3, support: 2 });
});

test('token-classification by characters, without the space before', async () => {
    const text = '😀 Anna in Paris';
    const examples = [
        {
            text,
            entities: [
                { start: 3, end: 7, label: 'PER' },
                { start: 11, end: 16, label: 'LOC' },
            ],
        },
    ];
    const found = (...spans) =>
        fake('token-classification', () => [
            spans.map(([entity_group, start, end]) => ({ entity_group, start, end })),
        ]);
    const right = found(['PER', 2, 7], ['LOC', 10, 16]);
    assert.equal((await entitiesOf(right, examples)).micro.f1, 1);
    assert.deepEqual(right.calls[0][1], { aggregation_strategy: 'first' });
    assert.equal(
        (await entitiesOf(found(['LOC', 3, 7], ['LOC', 11, 16]), examples)).micro.f1,
        1 / 2,
    );
    assert.equal((await entitiesOf(found(['PER', 3, 6]), examples)).micro.f1, 0);
    assert.equal((await entitiesOf(found(), examples)).micro.f1, 0);
});

test('question-answering: exact match and F1; no answers', async () => {
    const answers = {
        who: { answer: 'the Cat!' },
        what: { answer: 'a big hat' },
        why: { answer: '' },
    };
    const pipe = fake('question-answering', (questions) =>
        questions.map(({ question }) => answers[question]),
    );
    const examples = [
        { question: 'who', context: 'c', answers: [{ text: 'dog' }, { text: 'cat' }] },
        { question: 'what', context: 'c', answers: [{ text: 'hat' }] },
    ];
    assert.deepEqual(await evaluate(pipe, examples, { max_answer_len: 7 }), {
        task: 'question-answering',
        n: 2,
        exact: 1 / 2,
        f1: (1 + 2 / 3) / 2,
        has_answer: { exact: 1 / 2, f1: (1 + 2 / 3) / 2, n: 2 },
    });
    const questions = examples.map(({ question, context }) => ({ question, context }));
    assert.deepEqual(pipe.calls, [
        [questions, { handle_impossible_answer: false, max_answer_len: 7, top_k: 1 }],
    ]);
    const { exact, no_answer } = await evaluate(pipe, [
        ...examples,
        { question: 'why', context: 'c', answers: [] },
    ]);
    assert.equal(exact, 2 / 3);
    assert.deepEqual(no_answer, { exact: 1, f1: 1, n: 1 });
    const [, options] = /** @type {any[][]} */ (pipe.calls)[1];
    assert.equal(options.handle_impossible_answer, true);
});

test('fill-mask: accuracy at 1 and 5, of every mask', async () => {
    const list = (...words) => words.map((token_str) => ({ token_str }));
    const answers = {
        'a [MASK]': list(' film', 'b', 'c', 'd', 'e'),
        'b [MASK]': list('b', 'c', 'd', 'e', 'film'),
        '[MASK] [MASK]': [list('x', 'y', 'z', 'u', 'v'), list('film', 'y', 'z', 'u', 'v')],
    };
    const pipe = fake('fill-mask', (texts) => texts.map((text) => answers[text]));
    const examples = [
        { text: 'a [MASK]', answer: 'film' },
        { text: 'b [MASK]', answer: 'film' },
        { text: '[MASK] [MASK]', answer: ['film', 'film'] },
    ];
    const { accuracy_at_1, accuracy_at_5, n } = await evaluate(pipe, examples);
    assert.deepEqual(
        { accuracy_at_1, accuracy_at_5, n },
        { accuracy_at_1: 2 / 4, accuracy_at_5: 3 / 4, n: 3 },
    );
    assert.equal(pipe.calls[0][1].top_k, 5);
    await refused(
        evaluate(pipe, [{ text: '[MASK] [MASK]', answer: 'film' }]),
        'BAD_INPUT',
        /^example 0: .*2 masks.* 1 answers/,
    );
});

test('feature-extraction: correlations of the cosine', async () => {
    const vectors = { a: [1, 0], b: [3, 4], c: [0, 2], d: [-1, 0] };
    const pipe = fake('embeddings', (texts) => ({
        type: 'float32',
        dims: [texts.length, 2],
        data: Float32Array.from(texts.flatMap((text) => vectors[text])),
    }));
    const examples = [
        ['a', 'a', 5],
        ['a', 'b', 3],
        ['a', 'c', 2],
        ['a', 'd', 0],
    ].map(([text, text_pair, score]) => ({ text, text_pair, score }));
    const { spearman, pearson } = await evaluate(pipe, examples, { batch_size: 3 });
    near(spearman, 1);
    near(pearson, 5.3 / Math.sqrt(13 * 2.27));
    assert.deepEqual(pipe.calls, [
        [['a', 'a', 'a', 'a', 'b', 'c'], { pooling: 'mean', normalize: true }],
        [['a', 'd'], { pooling: 'mean', normalize: true }],
    ]);
    near(
        (
            await evaluate(
                pipe,
                examples.map((one, i) => ({ ...one, score: i })),
            )
        ).spearman,
        -1,
    );
});

test('text-ranking: MRR and NDCG at 10', async () => {
    const pipe = fake('text-ranking', (inputs) =>
        inputs.map(({ documents }) =>
            documents.map((_, i) => ({ corpus_id: documents.length - 1 - i, score: -i })),
        ),
    );
    const documents = ['a', 'b', 'c'];
    const { mrr_at_10, ndcg_at_10 } = await evaluate(pipe, [
        { query: 'q', documents, relevant: [2] },
        { query: 'r', documents, relevant: [0, 1] },
    ]);
    near(mrr_at_10, (1 + 1 / 2) / 2);
    const log3 = Math.log2(3);
    near(ndcg_at_10, (1 + (1 / log3 + 1 / 2) / (1 + 1 / log3)) / 2);
});

test('zero-shot-classification: accuracy', async () => {
    const pipe = fake('zero-shot-classification', (texts, labels) =>
        texts.map((text) => ({
            sequence: text,
            labels: [...labels].reverse(),
            scores: labels.map(() => 0.5),
        })),
    );
    const labels = ['x', 'y'];
    const { accuracy } = await evaluate(pipe, [
        { text: 'a', labels, answer: 'y' },
        { text: 'b', labels, answer: 'x' },
        { text: 'c', labels, answer: 'y' },
    ]);
    assert.equal(accuracy, 2 / 3);
});

test('next-sentence-prediction: accuracy', async () => {
    const pipe = fake('next-sentence-prediction', (pairs) =>
        pairs.map(({ text, text_pair }) => ({ is_next: text < text_pair, score: 0.5 })),
    );
    const pairs = [
        ['a', 'b', true],
        ['b', 'a', true],
        ['b', 'a', false],
    ].map(([text, text_pair, is_next]) => ({ text, text_pair, is_next }));
    assert.deepEqual(await evaluate(pipe, pairs), {
        task: 'next-sentence-prediction',
        n: 3,
        accuracy: 2 / 3,
    });
});

test('text-classification with several labels a text: F1 of all and of each', async () => {
    const scores = { a: [0.9, 0.6, 0.1], b: [0.2, 0.7, 0.5] };
    const labels = ['x', 'y', 'z'];
    const pipe = fake(
        'text-classification',
        (texts) =>
            texts.map((text) => scores[text].map((score, i) => ({ label: labels[i], score }))),
        { model: { config: { labels } } },
    );
    const result = await evaluate(pipe, [
        { text: 'a', labels: ['x', 'z'] },
        { text: 'b', labels: [1] },
        { text: 'b', labels: [] },
    ]);
    // Of x 1 of 1 found and right; of y 3 found, 1 right; of z none found, 1 there.
    assert.deepEqual(
        [result.micro_f1, result.macro_f1, result.accuracy],
        [(2 * 2) / (4 + 3), (1 + 2 / 4 + 0) / 3, 1 / 3],
    );
    assert.deepEqual(
        result.classes?.map(({ support, recall }) => [support, recall]),
        [
            [1, 1],
            [1, 1],
            [1, 0],
        ],
    );
    assert.deepEqual(pipe.calls[0][1], { function_to_apply: 'sigmoid', top_k: null });
    await refused(
        evaluate(pipe, [
            { text: 'a', labels: ['x'] },
            { text: 'a', labels: ['x', 'w'] },
        ]),
        'BAD_INPUT',
        /^example 1: .*x, y, z.*"w"/,
    );
    await refused(
        evaluate(pipe, [
            { text: 'a', labels: ['x'] },
            { text: 'a', label: 'x' },
        ]),
        'BAD_INPUT',
        /^example 1: .*the same kind/,
    );
});

test('what is wrong with one text says which example it is', async () => {
    const fails = (task, at) =>
        fake(task, (texts) => {
            if (texts.length > at) {
                throw new BertError('SEQUENCE_TOO_LONG', 'is too long', { index: at });
            }
            return texts.map(() => ({ label: 'a', labels: ['a'] }));
        });
    const examples = Array.from({ length: 5 }, () => ({ text: '', label: 'a' }));
    await refused(
        evaluate(fails('text-classification', 2), examples, { batch_size: 3 }),
        'SEQUENCE_TOO_LONG',
        /^example 2: is too long/,
    );
    const pairs = Array.from({ length: 5 }, () => ({ text: '', text_pair: '', score: 1 }));
    const pipe = fake('feature-extraction', (texts) => {
        // The second text of the second pair.
        if (texts.length < 6) throw new BertError('BAD_INPUT', 'what?', { index: 3 });
        return { dims: [6, 1], data: Float32Array.of(1, 2, 3, 4, 5, 6) };
    });
    await refused(evaluate(pipe, pairs, { batch_size: 3 }), 'BAD_INPUT', /^example 4: what/);
    let n = 0;
    const asks = fake('zero-shot-classification', () => {
        if (n++ === 4) throw new BertError('BAD_INPUT', 'what?', { index: 0 });
        return [{ labels: ['a'] }];
    });
    await refused(
        evaluate(
            asks,
            examples.map(({ text }) => ({ text, labels: ['a'], answer: 'a' })),
            { batch_size: 3 },
        ),
        'BAD_INPUT',
        /^example 4: what/,
    );
});

test('progress by batches, and an end when asked', async () => {
    const answer = (texts) => texts.map(() => ({ label: 'a' }));
    const examples = Array.from({ length: 5 }, () => ({ text: '', label: 'a' }));
    const told = [];
    await evaluate(fake('text-classification', answer), examples, {
        batch_size: 2,
        onprogress: (progress) => told.push(progress),
    });
    assert.deepEqual(told, [
        { done: 2, total: 5 },
        { done: 4, total: 5 },
        { done: 5, total: 5 },
    ]);
    const abort = new AbortController();
    const pipe = fake('text-classification', answer);
    const onprogress = () => abort.abort();
    await assert.rejects(
        evaluate(pipe, examples, { batch_size: 2, onprogress, signal: abort.signal }),
        { name: 'AbortError' },
    );
    assert.equal(pipe.calls.length, 1);
    assert.equal(pipe.calls[0][1].signal, abort.signal);
});

test('what cannot be evaluated is refused before the pipeline runs', async () => {
    const pipe = (task) => fake(task, () => assert.fail('the pipeline ran'));
    await refused(evaluate(pipe('summarization'), [{}]), 'BAD_OPTION', /summarization/);
    await refused(
        evaluate(pipe('fill-mask'), [{}], { batch_size: 0 }),
        'BAD_OPTION',
        /batch_size must be .*, not number 0/,
    );
    for (const examples of /** @type {any[]} */ ([[], undefined, 'text'])) {
        await refused(
            evaluate(pipe('text-classification'), examples),
            'BAD_INPUT',
            /examples must be an array/,
        );
    }
    const good = {
        'text-classification': { text: 'a', label: 'b' },
        'token-classification': { tokens: ['a'], tags: ['O'] },
        'question-answering': { question: 'a', context: 'b', answers: [] },
        'fill-mask': { text: 'a', answer: 'b' },
        'feature-extraction': { text: 'a', text_pair: 'b', score: 1 },
        'text-ranking': { query: 'a', documents: ['b'], relevant: [0] },
        'zero-shot-classification': { text: 'a', labels: ['b'], answer: 'b' },
        'next-sentence-prediction': { text: 'a', text_pair: 'b', is_next: true },
    };
    for (const [task, example] of Object.entries(good)) {
        const { [String(Object.keys(example).at(-1))]: _, ...rest } = example;
        await refused(
            evaluate(pipe(task), [example, rest]),
            'BAD_INPUT',
            /^example 1: an example must be \{/,
        );
        await refused(
            evaluate(pipe(task), [example, null]),
            'BAD_INPUT',
            /^example 1: an example must be \{/,
        );
    }
    await refused(
        evaluate(pipe('text-ranking'), [{ query: 'a', documents: ['b'], relevant: [1] }]),
        'BAD_INPUT',
        /^example 0: /,
    );
    await refused(
        evaluate(pipe('token-classification'), [{ tokens: ['a'], tags: [] }]),
        'BAD_INPUT',
        /^example 0: /,
    );
    await refused(
        evaluate(pipe('token-classification'), [
            good['token-classification'],
            { text: 'a', entities: [] },
        ]),
        'BAD_INPUT',
        /^example 1: .*the same kind/,
    );
});

test('the bundled model on sentences, some labelled wrongly', async () => {
    const classify = await pipeline('sentiment-analysis');
    try {
        const examples = [
            { text: 'What a wonderful film.', label: 'POSITIVE' },
            { text: 'A complete waste of time, dull and badly acted.', label: 'NEGATIVE' },
            { text: 'I loved every minute of it.', label: 1 },
            { text: 'I hated every minute of it.', label: 1 },
        ];
        const among = ['NEGATIVE', 'POSITIVE'];
        /** @type {Record<string, any>} */
        const { accuracy, confusion, labels } = await evaluate(classify, examples, {
            batch_size: 3,
            among,
        });
        assert.deepEqual(labels, among);
        assert.equal(accuracy, 3 / 4);
        assert.deepEqual(confusion, [
            [1, 0],
            [1, 2],
        ]);
        const all = await evaluate(classify, [
            { text: 'What a wonderful film.', label: 'POSITIVE' },
            { text: 'It begins at eight.', label: 1 },
        ]);
        assert.deepEqual([all.accuracy, all.labels], [1, classify.model.config.labels]);
        const neutral = { text: 'It begins at eight.', label: 'NEUTRAL' };
        await refused(evaluate(classify, [neutral], { among }), 'BAD_INPUT', /"NEUTRAL"/);
        /** @type {any[]} */
        const wrongs = [['POSITIVE'], ['POSITIVE', 'POSITIVE'], ['GOOD', 'BAD'], 'POSITIVE'];
        for (const wrong of wrongs) {
            await refused(
                evaluate(classify, examples, { among: wrong }),
                'BAD_OPTION',
                /among must be an array of two or more of NEGATIVE, NEUTRAL, POSITIVE/,
            );
        }
        await refused(evaluate(classify, [{ text: 'x', label: 'maybe' }]), 'BAD_INPUT', /"maybe"/);
    } finally {
        classify.dispose();
    }
});
