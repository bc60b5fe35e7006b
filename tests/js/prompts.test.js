/**
 * What sentence-transformers says beside a model: prompts, which tokens are pooled, how embeddings
 * are compared, the activation of a cross-encoder. Embeddings are compared with its own, which
 * tests/tools/make_sentence_goldens.py has made.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { BertError, loadModel, pipeline } from 'bert-wasm';

import { evaluate } from '../../js/metrics/evaluate.js';
import { converted, GOLDEN, rewritten } from './converted.js';
import { CONFIG, modelBytes, TOKENIZER } from './model_bytes.js';

/** Of numbers up to 5. */
const TOLERANCE = 1e-5;

/** The bytes of a converted model after `change(config)`. */
function withConfig(name, change, dtype = 'f32') {
    return rewritten(converted(name, dtype), ({ __metadata__: metadata }) => {
        const config = JSON.parse(metadata.config);
        change(config);
        metadata.config = JSON.stringify(config);
    });
}

/** A pipeline until the test ends. @returns {Promise<any>} */
async function open(t, task, source) {
    const pipe = await pipeline(task, source);
    t.after(() => pipe.dispose());
    return pipe;
}

/** @param {any} config @param {string[]} poolings */
function setPoolings({ encoder }, poolings) {
    for (const field of Object.keys(encoder)) if (/^pooling/.test(field)) delete encoder[field];
    poolings.forEach((pooling, i) => {
        encoder[i === 0 ? 'pooling' : `pooling_${i + 1}`] = pooling;
    });
}

for (const name of ['bert-prompts', 'roberta-prompts-dense']) {
    const { texts, cases } = JSON.parse(
        readFileSync(join(GOLDEN, 'sentence', name, 'cases.json'), 'utf8'),
    );
    const keyOf = ({ poolings, include_prompt }) => JSON.stringify({ poolings, include_prompt });
    for (const key of new Set(cases.map(keyOf))) {
        const calls = cases.filter((one) => keyOf(one) === key);
        test(`${name}, ${key}: embeddings as sentence-transformers has them`, async (t) => {
            const { poolings, include_prompt } = calls[0];
            const bytes = withConfig(`sentence/${name}`, (config) => {
                assert.equal(config.include_prompt, false, 'as it was saved');
                config.include_prompt = include_prompt;
                setPoolings(config, poolings);
            });
            const embed = await open(t, 'feature-extraction', bytes);
            for (const { options, embeddings } of calls) {
                const { dims, data } = await embed(texts, options);
                assert.deepEqual(dims, [embeddings.length, embeddings[0].length]);
                const error = Math.max(
                    ...embeddings.flat().map((expected, i) => Math.abs(data[i] - expected)),
                );
                assert.ok(error < TOLERANCE, `${JSON.stringify(options)}: off by ${error}`);
                // Alone a text has the embedding that it has among others.
                const alone = await embed(texts[1], options);
                assert.deepEqual([...alone.data], [...data.slice(dims[1], 2 * dims[1])]);
            }
        });
    }
}

test('include_prompt changes embeddings with a prompt, and no others', () => {
    const { cases } = JSON.parse(
        readFileSync(join(GOLDEN, 'sentence/bert-prompts/cases.json'), 'utf8'),
    );
    const find = (include, options) =>
        cases.find(
            (one) =>
                one.poolings.join() === 'mean' &&
                one.include_prompt === include &&
                JSON.stringify(one.options) === JSON.stringify(options),
        ).embeddings[0];
    const distance = (a, b) => Math.max(...a.map((x, i) => Math.abs(x - b[i])));
    const named = { prompt_name: 'document' };
    assert.ok(distance(find(true, named), find(false, named)) > 0.01);
    assert.equal(distance(find(true, { prompt: '' }), find(false, { prompt: '' })), 0);
});

test('poolings that a call chooses leave the prompt out, too', async (t) => {
    const name = 'sentence/bert-prompts';
    for (const pooling of ['mean', 'cls', 'last']) {
        const own = await open(
            t,
            'feature-extraction',
            withConfig(name, (config) => setPoolings(config, [pooling])),
        );
        const texts = ['What a wonderful film!', 'Berlin'];
        const chosen = pooling === 'last' ? 'last_token' : pooling;
        const { data } = await own(texts, { prompt_name: 'document' });
        const other = await own(texts, {
            prompt_name: 'document',
            pooling: chosen,
            normalize: true,
        });
        const error = Math.max(...data.map((x, i) => Math.abs(x - other.data[i])));
        assert.ok(error < 1e-6, `${pooling}: ${error}`);
    }
});

/** A model whose tokens are words, and that does not pool prompts. @param {object} [change] */
const wordModel = (change) =>
    modelBytes({ config: { ...CONFIG, include_prompt: false, ...change }, tokenizer: TOKENIZER });

/** The mean of some rows of a tensor [1, n, width]. */
function meanOf({ dims: [, n, width], data }, from, end = n) {
    return Array.from({ length: width }, (_, c) => {
        let sum = 0;
        for (let row = from; row < end; row++) sum += data[row * width + c];
        return sum / (end - from);
    });
}

function assertNear(got, wanted, tolerance = 1e-5) {
    assert.equal(got.length, wanted.length);
    got.forEach((x, i) => {
        assert.ok(Math.abs(x - wanted[i]) < tolerance, `${i}: ${x}, not ${wanted[i]}`);
    });
}

test('of a text in windows the first has the prompt', async (t) => {
    const embed = await open(t, 'feature-extraction', wordModel({ max_length: 8 }));
    const given = await embed('good film a bad film the film', {
        prompt: 'the a ',
        overflow: 'window',
        pooling: 'mean',
    });
    // Of six tokens each: [CLS] the a good film a bad [SEP], [CLS] film the film [SEP].
    const [first, second] = await Promise.all(
        ['the a good film a bad', 'film the film'].map((text) => embed(text)),
    );
    assert.deepEqual([first.dims[1], second.dims[1]], [8, 5]);
    const [a, b] = [meanOf(first, 3), meanOf(second, 0)];
    assertNear(
        [...given.data],
        a.map((x, i) => (8 * x + 5 * b[i]) / 13),
    );
});

test('a prompt is counted alone: what becomes one token with the text is not', async (t) => {
    const embed = await open(t, 'feature-extraction', wordModel());
    // 'the film' and 's' are [CLS] the film ##s [SEP], of which the prompt alone has three.
    const of = async (text, prompt) => [...(await embed(text, { prompt, pooling: 'mean' })).data];
    assertNear(await of('s', 'the film'), meanOf(await embed('the films'), 3));
    // A prompt as long as the model reads leaves [SEP], and so does one that the text shortens.
    const long = 'a '.repeat(20);
    assertNear(await of('film', long), meanOf(await embed(long), 11));
    assertNear(await of('x', 'film s'), meanOf(await embed('film sx'), 3));
    assertNear(await of('', ' the '), meanOf(await embed('the'), 2));
    // Spaces are no tokens: nothing but [CLS] is left out.
    assertNear(await of('film', '  '), meanOf(await embed('film'), 1));
});

test('a pair has the prompt before its first text, and each text has it', async (t) => {
    const embed = await open(t, 'feature-extraction', wordModel());
    const options = { pooling: 'mean', prompt: 'the ' };
    const pair = { text: 'film', text_pair: 'a good film' };
    const { data } = await embed([pair, 'bad', 'a film.'], options);
    const rows = [0, 1, 2].map((i) => [...data.slice(16 * i, 16 * i + 16)]);
    assertNear(rows[0], meanOf(await embed({ ...pair, text: 'the film' }), 2));
    assertNear(rows[1], meanOf(await embed('the bad'), 2));
    assertNear(rows[2], meanOf(await embed('the a film.'), 2));
});

test('a prompt is named, given or neither', async (t) => {
    const embed = await open(t, 'feature-extraction', converted('sentence/bert-prompts'));
    assert.deepEqual(embed.model.config.prompts, {
        clustering: 'Topics of ',
        document: 'search document: ',
        query: 'search query: ',
    });
    assert.equal(embed.model.config.default_prompt_name, 'query');
    assert.equal(embed.model.config.similarity, 'cosine');
    assert.deepEqual((await embed.model.info()).config.prompts, embed.model.config.prompts);
    const of = async (options) => [...(await embed('Berlin', options)).data];
    assert.deepEqual(await of({}), await of({ prompt_name: 'query' }));
    assert.deepEqual(await of({}), await of({ prompt: 'search query: ' }));
    assert.notDeepEqual(await of({}), await of({ prompt: '' }));
    assert.deepEqual(await of({ prompt: '', prompt_name: 'query' }), await of({ prompt: '' }));
    for (const [options, message] of /** @type {[any, RegExp][]} */ ([
        [
            { prompt_name: 'passage' },
            /prompt_name must be one of 'clustering', 'document', 'query', not 'passage'/,
        ],
        [{ prompt_name: 'toString' }, /not 'toString'/],
        [{ prompt_name: 1 }, /prompt_name must be a string or null, not number 1/],
        [{ prompt: ['a'] }, /prompt must be a string or null/],
    ])) {
        await assert.rejects(
            async () => embed('Berlin', options),
            (error) =>
                error instanceof BertError &&
                error.code === 'BAD_OPTION' &&
                message.test(error.message),
        );
    }
    const none = await open(
        t,
        'feature-extraction',
        converted('pipelines/feature-extraction-bert'),
    );
    await assert.rejects(
        async () => none('Berlin', { prompt_name: 'query' }),
        /prompt_name must be null, not 'query': there are no prompts of the model/,
    );
    assert.deepEqual(none.model.config.prompts, {});
    assert.equal(none.model.config.include_prompt, true);
});

test('what a file says wrongly is refused', async () => {
    const refuse = (change, message) =>
        assert.rejects(loadModel(modelBytes({ config: { ...CONFIG, ...change } })), {
            code: 'BAD_MODEL_FILE',
            message,
        });
    await refuse({ prompts: [] }, /prompts must be an object/);
    await refuse({ prompts: { query: 1 } }, /prompts\.query must be a string, not number 1/);
    await refuse(
        { prompts: { query: 'q' }, default_prompt_name: 'p' },
        /default_prompt_name must be the name of a prompt or null, not string "p"/,
    );
    await refuse({ default_prompt_name: 'constructor' }, /default_prompt_name/);
    await refuse({ include_prompt: 0 }, /include_prompt must be true or false, not number 0/);
    await refuse({ similarity: 'hamming' }, /similarity must be 'cosine', .* not string "hamming"/);
    await refuse({ activation: 'tanh' }, /activation must be 'sigmoid', 'none' or null/);
});

test('similarity is counted as the model says where embeddings are judged', async (t) => {
    const examples = [
        { text: 'a film', text_pair: 'a long film', score: 0.9 },
        { text: 'Berlin', text_pair: 'the music was good', score: 0.1 },
        { text: 'What a wonderful film!', text_pair: 'I loved it', score: 0.7 },
        { text: 'the story was dull', text_pair: 'the acting', score: 0.2 },
    ];
    const found = new Map();
    for (const similarity of ['cosine', 'dot', 'euclidean', 'manhattan', null]) {
        const pipe = await open(
            t,
            'feature-extraction',
            withConfig('sentence/roberta-prompts-dense', (config) => {
                config.similarity = similarity;
            }),
        );
        const vectors = await pipe(examples.flatMap(({ text, text_pair }) => [text, text_pair]));
        const row = (i) => vectors.data.subarray(i * vectors.dims[1], (i + 1) * vectors.dims[1]);
        const terms = {
            cosine: (a, b) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)),
            dot,
            euclidean: (a, b) => -Math.hypot(...a.map((x, i) => x - b[i])),
            manhattan: (a, b) => -a.reduce((sum, x, i) => sum + Math.abs(x - b[i]), 0),
        };
        const alike = examples.map((_, i) =>
            terms[similarity ?? 'cosine'](row(2 * i), row(2 * i + 1)),
        );
        const { pearson = NaN } = await evaluate(pipe, examples);
        const expected = correlation(
            examples.map(({ score }) => score),
            alike,
        );
        assert.ok(Math.abs(pearson - expected) < 1e-5, `${similarity}: ${pearson}, ${expected}`);
        found.set(similarity, pearson);
    }
    assert.equal(found.get(null), found.get('cosine'));
    assert.equal(new Set(found.values()).size, 4, 'each is another number');
});

function dot(a, b) {
    return a.reduce((sum, x, i) => sum + x * b[i], 0);
}

function correlation(x, y) {
    const centred = (list) => {
        const mean = list.reduce((sum, one) => sum + one, 0) / list.length;
        return list.map((one) => one - mean);
    };
    const [a, b] = [centred(x), centred(y)];
    return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

test('a cross-encoder scores by what its file says, unless the call says otherwise', async (t) => {
    const name = 'pipelines/text-ranking-bert';
    const documents = ['berlin is green', 'many people live in berlin'];
    const scores = async (activation, options) => {
        const bytes = withConfig(name, (config) => {
            config.activation = activation;
        });
        const rank = await open(t, 'text-ranking', bytes);
        assert.equal(rank.model.config.activation, activation ?? null);
        const ranked = await rank('how many people live in berlin', documents, options);
        return ranked.map(({ score }) => score);
    };
    // Those of CrossEncoder.rank() of sentence-transformers.
    assertNear(await scores('none'), [0.20862, 0.1564]);
    assertNear(await scores('sigmoid'), [0.55197, 0.53902]);
    assertNear(await scores(undefined), [0.55197, 0.53902]);
    assertNear(await scores('none', { function_to_apply: 'sigmoid' }), [0.55197, 0.53902]);
    assertNear(await scores('sigmoid', { function_to_apply: 'none' }), [0.20862, 0.1564]);
});
