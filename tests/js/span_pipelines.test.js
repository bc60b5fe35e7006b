/**
 * token-classification and question-answering beyond the golden cases (pipelines.golden.test.js).
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BertError, pipeline } from 'bert-wasm';

import { converted } from './converted.js';

const withCode =
    (code, message = /./) =>
    (error) => {
        assert.ok(error instanceof BertError, error.stack);
        assert.equal(error.code, code, error.stack);
        assert.match(error.message, message);
        return true;
    };

const TEXTS = [
    '😀 Anna loves São Paulo 🎉 and 👨‍👩‍👧 Peter loves 東京',
    '東京は Li Ming と Ada Lovelace の Google です。 𝓐𝓑 Zoe\u0308 Kravitz lives in Mu\u0308nchen',
];
const LONG = Array.from(
    { length: 8 },
    (_, i) => `${TEXTS[i % 2]} Maria Schmidt lives in New York.`,
).join(' ');

async function* stream(values) {
    yield* values;
}

async function collect(results) {
    const list = [];
    for await (const each of results) list.push(each);
    return list;
}

/** A pipeline for this test. @returns {Promise<any>} */
async function using(t, task, name) {
    const pipe = await pipeline(task, converted(`pipelines/${name}`));
    t.after(() => pipe.dispose());
    return pipe;
}

test('a model without the head is refused, with both named', async () => {
    const refused = (task, model, needs, has) =>
        assert.rejects(
            pipeline(task, model),
            withCode('WRONG_TASK', new RegExp(`${task} needs .*${needs}.*has .*${has}`)),
        );
    await refused('token-classification', null, 'token classifier', 'sequence classifier');
    await refused('question-answering', null, 'span head', 'sequence classifier');
    await refused(
        'question-answering',
        converted('pipelines/token-classification-bert'),
        'span head',
        'token classifier',
    );
    await refused(
        'token-classification',
        converted('pipelines/question-answering-bert'),
        'token classifier',
        'span head',
    );
});

test('token-classification: places are of the text as JavaScript counts', async (t) => {
    const recognise = await using(t, 'ner', 'token-classification-bert');
    for (const text of TEXTS) {
        const tokens = await recognise(text, { ignore_labels: [] });
        assert.ok(tokens.length > 10);
        for (const { word, start, end } of tokens) {
            const covered = text.slice(start, end);
            const plain = covered
                .toLowerCase()
                .normalize('NFD')
                .replace(/\p{Mn}/gu, '');
            assert.ok([covered, plain, `##${plain}`].includes(word), `${word}: ${covered}`);
        }
    }
    const place = TEXTS[0].indexOf('東');
    assert.ok(
        (await recognise(TEXTS[0], { ignore_labels: [] })).some(
            ({ start, end }) => start === place && end === place + 1,
        ),
    );
});

test('token-classification: arrays and streams give what single texts give', async (t) => {
    const recognise = await using(t, 'token-classification', 'token-classification-xlm-roberta');
    for (const options of [
        {},
        { aggregation_strategy: 'average' },
        { aggregation_strategy: 'max', stride: 9 },
    ]) {
        const texts = [...TEXTS, '', LONG];
        const each = [];
        for (const text of texts) each.push(await recognise(text, options));
        assert.ok(each.flat().length > 5);
        assert.deepEqual(await recognise(texts, options), each);
        assert.deepEqual(await collect(recognise(stream(texts), options)), each);
        assert.deepEqual(await recognise([], options), []);
    }
});

test('token-classification: a token comes once, from its best window', async (t) => {
    const recognise = await using(t, 'token-classification', 'token-classification-roberta');
    const { model } = recognise;
    const { labels, max_length } = model.config;
    for (const stride of [0, 7, 20, 45]) {
        const [whole] = await model.tokenizer.encodeBatch([LONG]);
        const [encoded] = await model.tokenizer.encodeBatch([LONG], {
            truncation: { max_length, stride },
        });
        const windows = [encoded, ...encoded.overflow];
        const outputs = await model.forward(windows.map(({ ids }) => ({ input_ids: [...ids] })));
        const n = max_length - 2;
        const step = n - stride;
        const expected = Array.from({ length: whole.ids.length - 2 }, (_, at) => {
            const choices = windows.map(({ ids }, w) => {
                const i = at - w * step;
                const last = ids.length - 3;
                const room = Math.min(
                    w === 0 ? Infinity : i,
                    w === windows.length - 1 ? Infinity : last - i,
                );
                return { w, i, room: i < 0 || i > last ? -1 : room };
            });
            const { w, i } = choices.reduce((a, b) => (b.room > a.room ? b : a));
            const row = Object.values(outputs[w])[0].data.subarray(
                (i + 1) * labels.length,
                (i + 2) * labels.length,
            );
            return {
                entity: labels[row.indexOf(Math.max(...row))],
                index: at + 1,
                start: whole.offsets[2 * at + 2],
                end: whole.offsets[2 * at + 3],
            };
        });
        const found = await recognise(LONG, { stride, ignore_labels: [] });
        assert.ok(windows.length > 3 && !('truncated' in found));
        assert.deepEqual(
            found.map(({ entity, index, start, end }) => ({ entity, index, start, end })),
            expected,
            `stride ${stride}`,
        );
    }
});

test('token-classification: a long text is cut and says so, refused, or windowed', async (t) => {
    const recognise = await using(t, 'token-classification', 'token-classification-bert');
    const cut = await recognise(LONG);
    assert.ok(cut.length > 0 && cut.every(({ truncated }) => truncated === true));
    const none = await recognise([LONG, 'Anna'], { ignore_labels: recognise.model.config.labels });
    assert.deepEqual(none, [[], []]);
    assert.deepEqual(
        /** @type {any[]} */ (none).map(({ truncated }) => truncated),
        [true, undefined],
        'an empty list says so too',
    );
    assert.deepEqual(Object.keys(none[0]), []);
    const last = (entities) => Math.max(...entities.map(({ end }) => end));
    const windows = await recognise(LONG, { overflow: 'window', aggregation_strategy: 'simple' });
    assert.ok(last(windows) > last(cut) && windows.every((entity) => !('truncated' in entity)));
    assert.deepEqual(windows, await recognise(LONG, { stride: 0, aggregation_strategy: 'simple' }));
    assert.deepEqual(await recognise(LONG, { overflow: 'truncate', stride: 9 }), cut);
    await assert.rejects(recognise(LONG, { overflow: 'error' }), withCode('SEQUENCE_TOO_LONG'));
    const [error, entities] = await recognise([LONG, TEXTS[0]], {
        overflow: 'error',
        errors: 'return',
        aggregation_strategy: 'first',
    });
    assert.equal(error.code, 'SEQUENCE_TOO_LONG');
    assert.deepEqual(entities, await recognise(TEXTS[0], { aggregation_strategy: 'first' }));
});

test('token-classification: bad input and bad options are named', async (t) => {
    const recognise = await using(t, 'token-classification', 'token-classification-bert');
    for (const bad of [42, null, undefined, ['a', 7], [{ text: 'a' }]]) {
        await assert.rejects(
            recognise(bad),
            withCode('BAD_INPUT', /^(text [01]: )?a text must be a string, not/),
        );
    }
    const refused = (options, message) =>
        assert.rejects(recognise('a', options), withCode('BAD_OPTION', message));
    await refused(
        { aggregation_strategy: 'simpel' },
        /aggregation_strategy must be 'none', 'simple'.*, not string "simpel"/,
    );
    await refused({ ignore_labels: 'O' }, /ignore_labels/);
    await refused({ stride: -1 }, /stride/);
    await refused({ overflow: 'cut' }, /overflow/);
    await refused({ top_k: 1 }, /no option 'top_k'/);
});

const CONTEXT =
    '😀🎉 Anna lives in São Paulo. 👨‍👩‍👧 Li Ming lives in 北京. Zoe\u0308 works for BMW in 東京.';
const QUESTIONS = ['Where does Anna live?', 'Where does Li Ming live?', 'Who does Zoë work for?'];

test('question-answering: every way to ask gives the same', async (t) => {
    const ask = await using(t, 'question-answering', 'question-answering-bert');
    for (const options of [
        {},
        { top_k: 3, handle_impossible_answer: true },
        { max_seq_len: 32, doc_stride: 4, align_to_words: false },
    ]) {
        const each = [];
        for (const question of QUESTIONS) each.push(await ask(question, CONTEXT, options));
        for (const { answer, start, end } of each.flat()) {
            assert.equal(answer, CONTEXT.slice(start, end));
        }
        const pairs = QUESTIONS.map((question) => ({ question, context: CONTEXT }));
        assert.deepEqual(await ask(pairs[1], options), each[1]);
        assert.deepEqual(await ask(pairs, options), each);
        assert.deepEqual(await ask(QUESTIONS, CONTEXT, options), each);
        assert.deepEqual(
            await ask(
                QUESTIONS,
                QUESTIONS.map(() => CONTEXT),
                options,
            ),
            each,
        );
        assert.deepEqual(await collect(ask(stream(pairs), options)), each);
        assert.deepEqual(await collect(ask(stream(QUESTIONS), CONTEXT, options)), each);
    }
    assert.deepEqual(await ask([], CONTEXT), []);
    assert.equal(Array.isArray(await ask(QUESTIONS[0], CONTEXT)), false);
});

test('question-answering: the best spans of all there are', async (t) => {
    const ask = await using(t, 'question-answering', 'question-answering-roberta');
    const [encoded] = await ask.model.tokenizer.encodeBatch([
        { text: QUESTIONS[0], text_pair: CONTEXT },
    ]);
    const [logits] = await ask.model.forward([{ input_ids: [...encoded.ids] }]);
    const [context] = await ask.model.tokenizer.encodeBatch([CONTEXT], {
        add_special_tokens: false,
    });
    const first = encoded.ids.length - 1 - context.ids.length;
    const tokens = [0, ...context.ids.keys()].map((i, k) => (k === 0 ? 0 : first + i));
    const chances = ['start_logits', 'end_logits'].map((name) => {
        const powers = tokens.map((i) => Math.exp(logits[name].data[i]));
        const sum = powers.reduce((a, b) => a + b);
        return powers.slice(1).map((power) => power / sum);
    });
    for (const max_answer_len of [1, 4, 100]) {
        const spans = chances[0].flatMap((start, i) =>
            chances[1].slice(i, i + max_answer_len).map((end, k) => ({
                score: start * end,
                start: context.offsets[2 * i],
                end: context.offsets[2 * (i + k) + 1],
            })),
        );
        // Those of one text are one answer.
        const top_k = 40;
        const answers = new Map();
        for (const { score, start, end } of spans
            .sort((a, b) => b.score - a.score)
            .slice(0, top_k)) {
            const text = CONTEXT.slice(start, end).toLowerCase();
            answers.set(text, { score: (answers.get(text)?.score ?? 0) + score });
        }
        const found = await ask(QUESTIONS[0], CONTEXT, {
            top_k,
            max_answer_len,
            align_to_words: false,
        });
        assert.ok(found.length > 8 && found.length <= answers.size);
        for (const { answer, score } of found) {
            assert.ok(Math.abs(score - answers.get(answer.toLowerCase()).score) < 1e-5, answer);
        }
        found.slice(1).forEach(({ score }, i) => assert.ok(score <= found[i].score));
    }
});

test('question-answering: what cannot be answered', async (t) => {
    const ask = await using(t, 'question-answering', 'question-answering-bert');
    const none = { answer: '', score: 0, start: 0, end: 0 };
    assert.deepEqual(await ask('Where?', ' \n '), none, 'a context without tokens');
    assert.deepEqual(await ask('Where?', ' ', { top_k: 2 }), []);
    const refused = (inputs, message, code = 'BAD_INPUT') =>
        assert.rejects(ask(...inputs), withCode(code, message));
    await refused(['', 'a'], /^question must not be empty/);
    await refused(['a', ''], /^context must not be empty/);
    await refused([42, 'a'], /^question must be a string, not number 42/);
    await refused(['a', 42], /^context must be a string, not number 42/);
    await refused(['a'], /^context must be a string, not undefined/);
    await refused(['a', null], /^context must be a string, not null/);
    await refused(['a', ['b']], /^context must be a string, not array/);
    await refused([{ question: 'a' }], /^context must be a string, not undefined/);
    await refused(
        [[{ question: 'a', context: 'b' }, { context: 'b' }]],
        /^text 1: question must be a string, not undefined/,
    );
    await refused([['a', 'b'], ['c']], /2 questions, but 1 contexts/);
    await refused(['a', 'b', { top_k: 0 }], /top_k must be .*, not number 0/, 'BAD_OPTION');
    await refused(['a', 'b', { topk: 1 }], /no option 'topk'/, 'BAD_OPTION');
    await refused(
        ['a', 'b', { max_seq_len: 20, doc_stride: 30 }],
        /no room .*doc_stride 30/,
        'BAD_OPTION',
    );
    await refused(['a', 'b', { align_to_words: 1 }], /align_to_words/, 'BAD_OPTION');
    const [error, answer] = await ask(
        [{ question: 'a' }, { question: QUESTIONS[0], context: CONTEXT }],
        { errors: 'return' },
    );
    assert.equal(error.code, 'BAD_INPUT');
    assert.deepEqual(answer, await ask(QUESTIONS[0], CONTEXT));
});

test('question-answering: a question that leaves no room can be cut', async (t) => {
    const ask = await using(t, 'question-answering', 'question-answering-bert');
    const question = `Where does Anna live ${'and love '.repeat(80)}`;
    await assert.rejects(
        ask(question, CONTEXT),
        withCode('BAD_INPUT', /no room .*max_question_len/),
    );
    const cut = await ask(question, CONTEXT, { max_question_len: 4 });
    const [{ offsets, overflow }] = await ask.model.tokenizer.encodeBatch([question], {
        add_special_tokens: false,
        truncation: { max_length: 4 },
    });
    assert.ok(overflow.length > 10);
    assert.deepEqual(cut, await ask(question.slice(0, offsets[7]), CONTEXT));
    assert.deepEqual(
        await ask(QUESTIONS[0], CONTEXT, { max_question_len: 64 }),
        await ask(QUESTIONS[0], CONTEXT),
    );
});
