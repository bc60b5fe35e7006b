/**
 * ensemble(): the weighted mean of members' scores, counted here from what each member answers
 * alone.
 */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { BertError, ensemble, loadModel, pipeline } from 'bert-wasm';
import { evaluate } from 'bert-wasm/metrics';

import { converted } from './converted.js';
import { CONFIG, modelBytes } from './model_bytes.js';

const TEXTS = [
    'What a wonderful film, I loved it!',
    '',
    { text: 'ok', text_pair: 'A pair 🎬.' },
    '東京は日本の首都です。',
    'bad '.repeat(90),
];

const pipes = await Promise.all([
    pipeline('text-classification', converted('pipelines/text-classification-bert')),
    pipeline('text-classification', converted('pipelines/text-classification-bert', 'q8')),
    pipeline('text-classification', converted('pipelines/text-classification-roberta')),
]);
const [bert, { model: bert_q8 }, { model: roberta }] = pipes;
const regression = await loadModel(converted('pipelines/text-classification-regression'));
const multi_label = await loadModel(converted('pipelines/text-classification-multi-label'));
after(() => [...pipes, regression, multi_label].forEach((each) => each.dispose()));

const byLabel = (answer) => Object.fromEntries(answer.map(({ label, score }) => [label, score]));

/** The mean of the members' own answers. */
async function expected(texts, weights, options = {}) {
    const answers = await Promise.all(
        pipes.map((classify) => classify(texts, { ...options, top_k: null })),
    );
    const total = weights.reduce((a, b) => a + b, 0);
    return texts.map((_, i) => {
        const means = Object.keys(byLabel(answers[0][i])).map((label) => ({
            label,
            score:
                answers.reduce((sum, each, m) => sum + byLabel(each[i])[label] * weights[m], 0) /
                total,
        }));
        return means.sort((a, b) => b.score - a.score);
    });
}

function assertClose(found, wanted) {
    assert.deepEqual(
        found.map((each) => each.map(({ label }) => label)),
        wanted.map((each) => each.map(({ label }) => label)),
    );
    found.forEach((each, i) =>
        each.forEach(({ score }, k) =>
            assert.ok(
                Math.abs(score - wanted[i][k].score) < 1e-12,
                `${score} ${wanted[i][k].score}`,
            ),
        ),
    );
}

test('an ensemble of one answers as its pipeline', async () => {
    const one = ensemble([bert]);
    assert.deepEqual(await one(TEXTS, { top_k: null }), await bert(TEXTS, { top_k: null }));
    assert.deepEqual(await one(TEXTS[0]), await bert(TEXTS[0]));
    assert.deepEqual(
        await one(TEXTS[0], { function_to_apply: 'none', top_k: 2 }),
        await bert(TEXTS[0], { function_to_apply: 'none', top_k: 2 }),
    );
});

for (const weights of [undefined, [1, 2.5, 0.5], [0, 1, 0]]) {
    test(`the mean by weights ${weights ?? 'that are equal'}`, async () => {
        const classify = ensemble([bert, bert_q8, roberta], { weights });
        const wanted = await expected(TEXTS, weights ?? [1, 1, 1]);
        assertClose(await classify(TEXTS, { top_k: null }), wanted);
        assert.ok(wanted.every((each) => new Set(each.map(({ score }) => score)).size === 3));
        const streamed = [];
        for await (const each of classify(TEXTS.values(), { top_k: null })) streamed.push(each);
        assertClose(streamed, wanted);
        assertClose([await classify(TEXTS[0], { top_k: 2 })], [wanted[0].slice(0, 2)]);
        assertClose([await classify(TEXTS)], [wanted.map(([best]) => best)]);
    });
}

test('members differ, so that a mean is none of them', async () => {
    const answers = await Promise.all(pipes.map((classify) => classify(TEXTS[0], { top_k: null })));
    const scores = answers.map((each) => byLabel(each).positive);
    assert.equal(new Set(scores).size, 3);
});

test('labels are matched by name', async () => {
    const load = (labels) => loadModel(modelBytes({ config: { ...CONFIG, labels } }));
    const models = await Promise.all([
        load(['no', 'perhaps', 'yes']),
        load(['yes', 'no', 'perhaps']),
    ]);
    try {
        const [plain, turned] = await Promise.all(
            models.map((model) => ensemble([model])('a good film', { top_k: null })),
        );
        const both = byLabel(await ensemble(models)('a good film', { top_k: null }));
        for (const [label, score] of Object.entries(both)) {
            assert.ok(
                Math.abs(score - (byLabel(plain)[label] + byLabel(turned)[label]) / 2) < 1e-12,
            );
        }
        assert.notEqual(byLabel(plain).yes, byLabel(turned).yes);
    } finally {
        models.forEach((model) => model.dispose());
    }
});

test('a text that one member cuts is truncated', async () => {
    const text = 'film '.repeat(150); // roberta reads 128 tokens, bert 512
    assert.equal((await bert(text))[0].truncated, undefined);
    const classify = ensemble([bert, roberta]);
    assert.equal((await classify(text))[0].truncated, true);
    assert.equal((await classify(text, { overflow: 'window' }))[0].truncated, undefined);
});

test('what fails says of which member', async () => {
    const classify = ensemble([bert, roberta]);
    const long = 'film '.repeat(150);
    await assert.rejects(classify(['a', long], { overflow: 'error' }), {
        code: 'SEQUENCE_TOO_LONG',
        message: /^text 1: member 1 \('[^']*roberta[^']*'\): the text is longer/,
    });
    const [good, failed, typed] = await classify(/** @type {any[]} */ (['a', long, 5]), {
        overflow: 'error',
        errors: 'return',
    });
    assert.ok('score' in good && good.score > 0);
    assert.ok(failed instanceof BertError && typed instanceof BertError);
    assert.equal(typed.code, 'BAD_INPUT');

    const own = await loadModel(modelBytes());
    const other = await loadModel(modelBytes());
    const pair = ensemble([own, other]);
    other.dispose();
    await assert.rejects(pair('a'), { code: 'DISPOSED', message: /^member 1 \('tiny'\)/ });
    pair.dispose();
    await assert.rejects(own.info(), { code: 'DISPOSED' });
    const controller = new AbortController();
    controller.abort();
    await assert.rejects(classify('a', { signal: controller.signal }), { name: 'AbortError' });
});

test('members that do not belong together, and weights that are none', () => {
    assert.throws(() => ensemble([bert, multi_label]), {
        code: 'BAD_OPTION',
        message: /member 1 \(.*member 0 \(.*neutral, positive, not toxic, insult, threat, obscene/,
    });
    assert.throws(() => ensemble([]), { code: 'BAD_INPUT' });
    assert.throws(() => ensemble(/** @type {any} */ (bert)), { code: 'BAD_INPUT' });
    assert.throws(() => ensemble(/** @type {any[]} */ ([bert, 'roberta'])), {
        code: 'BAD_INPUT',
        message: /member 1 must be .*, not string "roberta"/,
    });
    /** @type {any[]} */
    const bad = [[1], [1, -1], [0, 0], [1, NaN], [1, '1'], 2, null];
    for (const weights of bad) {
        assert.throws(() => ensemble([bert, roberta], { weights }), {
            code: 'BAD_OPTION',
            message: /weights must be 2 numbers/,
        });
    }
});

test('values and probabilities have no mean', async () => {
    const config = { ...CONFIG, problem_type: 'regression' };
    const models = [await loadModel(modelBytes()), await loadModel(modelBytes({ config }))];
    assert.throws(() => ensemble(models), { code: 'BAD_OPTION', message: /regression/ });
    models.forEach((model) => model.dispose());
    assert.deepEqual(
        await ensemble([regression, regression])('ok'),
        await ensemble([regression])('ok'),
    );
});

test('a model without a classifier is refused', async () => {
    const model = await loadModel(converted('pipelines/fill-mask-bert'));
    try {
        assert.throws(() => ensemble([bert, model]), { code: 'WRONG_TASK' });
    } finally {
        model.dispose();
    }
});

test('an ensemble has its models, says what they are, and can be evaluated', async () => {
    const classify = ensemble([bert, roberta]);
    assert.deepEqual(classify.models, [bert.model, roberta]);
    const infos = await classify.info();
    assert.deepEqual(
        infos.map(({ name }) => name),
        [bert.model.name, roberta.name],
    );
    for (const { revision, source_sha256 } of infos) {
        assert.equal(typeof revision, 'string');
        assert.match(source_sha256, /^[0-9a-f]{64}$/);
    }
    const { n, accuracy } = await evaluate(classify, [
        { text: 'ok', label: (await classify('ok'))[0].label },
    ]);
    assert.deepEqual([n, accuracy], [1, 1]);
});

test('progress is that of the slowest, and never goes back', async () => {
    const seen = [];
    const texts = Array.from({ length: 300 }, (_, i) => `film ${i}`);
    await ensemble([bert, roberta])(texts, {
        batch_tokens: 64,
        onprogress: ({ done, total }) => seen.push([done, total]),
    });
    assert.ok(seen.length > 3);
    assert.deepEqual(seen.at(-1), [300, 300]);
    seen.forEach(([done], i) => assert.ok(i === 0 || done > seen[i - 1][0]));
});
