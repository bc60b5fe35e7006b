/** Explanations, against what the model gives by forward() and sums written here a second time. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { BertError, loadModel, pipeline } from 'bert-wasm';
import { attentionMaps, attentionRollout, attribute } from 'bert-wasm/explain';

import { converted } from './converted.js';
import { CONFIG, modelBytes, TOKENIZER } from './model_bytes.js';

const TEXT = 'Not bad at all 🎬, we’d see this film again!';
const PAIR = { text: 'Where is it?', text_pair: '🎉 In Köln.' };
const LONG = 'a good film '.repeat(60);

const sentiment = await pipeline('sentiment-analysis');
const roberta = await loadModel(converted('pipelines/text-classification-roberta'));
const multi_label = await loadModel(converted('pipelines/text-classification-multi-label'));
const regression = await loadModel(converted('pipelines/text-classification-regression'));
const tiny = await loadModel(modelBytes());
after(() => [sentiment, roberta, multi_label, regression, tiny].forEach((each) => each.dispose()));

/** What no type allows. @returns {any} */
const wrong = (value) => value;

/** A text or pair as forward() takes it. */
async function sequenceOf(model, input) {
    const [{ ids, type_ids }] = await model.tokenizer.encodeBatch([input]);
    return {
        input_ids: ids,
        ...(model.config.encoder.n_token_types > 1 ? { token_type_ids: type_ids } : {}),
    };
}

async function attentionsOf(model, input) {
    const [{ attentions }] = await model.forward([await sequenceOf(model, input)], {
        attentions: true,
    });
    return attentions;
}

const textOf = (input, sequence) =>
    typeof input === 'string' ? input : [input.text, input.text_pair][sequence];

function assertRowsSumTo1({ dims, data }, tolerance) {
    const n = dims.at(-1);
    for (let at = 0; at < data.length; at += n) {
        const sum = data.subarray(at, at + n).reduce((a, b) => a + b, 0);
        assert.ok(Math.abs(sum - 1) < tolerance, `row ${at / n}: ${sum}`);
    }
}

for (const [name, model] of Object.entries({
    sentiment: sentiment.model,
    roberta,
    multi_label,
    tiny,
})) {
    for (const input of [TEXT, PAIR].slice(0, name === 'tiny' ? 0 : 2).concat('a good film')) {
        test(`${name}: attention maps of ${JSON.stringify(input)}`, async () => {
            const { tokens, maps, truncated } = await attentionMaps(model, input);
            const { encoder } = model.config;
            const [n_layers, n_heads] = [encoder.n_layers, encoder.n_heads].map(Number);
            const n = tokens.length;
            assert.equal(truncated, undefined);
            assert.deepEqual(maps.dims, [n_layers, n_heads, n, n]);
            assertRowsSumTo1(maps, 1e-5);
            assert.deepEqual(maps, await attentionsOf(model, input));

            const map = (layer, head) =>
                maps.data.slice(
                    (layer * n_heads + head) * n * n,
                    (layer * n_heads + head + 1) * n * n,
                );
            const last = n_layers - 1;
            const one = await attentionMaps(model, input, { layer: last, head: 1 });
            assert.deepEqual(one.maps, { dims: [1, 1, n, n], data: map(last, 1) });
            const some = await attentionMaps(model, input, { layer: [last, 0] });
            assert.deepEqual(some.maps.dims, [2, n_heads, n, n]);
            assert.deepEqual(
                some.maps.data.slice(n_heads * n * n),
                maps.data.slice(0, n_heads * n * n),
            );
            assert.deepEqual(some.maps.data.slice(0, n * n), map(last, 0));
            const heads = await attentionMaps(model, input, { head: [1, 0, 1] });
            assert.deepEqual(heads.maps.dims, [n_layers, 3, n, n]);
            assert.deepEqual(
                heads.maps.data.slice(3 * n * n, 6 * n * n),
                Float32Array.of(...map(1, 1), ...map(1, 0), ...map(1, 1)),
            );
        });
    }
}

test('tokens say where they are in their own text', async () => {
    const { tokens } = await attentionMaps(sentiment, PAIR, { layer: 0, head: 0 });
    assert.deepEqual(
        tokens.map(({ token, sequence, special }) => [token, sequence, special]).slice(0, 3),
        [
            ['[CLS]', -1, true],
            ['where', 0, false],
            ['is', 0, false],
        ],
    );
    assert.equal(tokens.filter(({ special }) => special).length, 3);
    const emoji = tokens.find(({ sequence, start }) => sequence === 1 && start === 0);
    assert.equal(PAIR.text_pair.slice(emoji?.start, emoji?.end), '🎉');
    const koln = tokens.filter(({ sequence, start }) => sequence === 1 && start >= 6);
    assert.equal(PAIR.text_pair.slice(koln[0].start, koln.at(-2)?.end).replace(/\.$/, ''), 'Köln');
});

/** Rollout by matrices of rows: written another way than in js/explain. */
function rolloutOf({ dims: [n_layers, n_heads, n], data }, head_fusion, discard_ratio) {
    const range = (size, of) => Array.from({ length: size }, (_, i) => of(i));
    let flow = range(n, (i) => range(n, (j) => Number(i === j)));
    for (let layer = 0; layer < n_layers; layer++) {
        let map = range(n, (i) =>
            range(n, (j) => {
                const heads = range(
                    n_heads,
                    (head) => data[((layer * n_heads + head) * n + i) * n + j],
                );
                if (head_fusion === 'mean') return heads.reduce((a, b) => a + b) / n_heads;
                return Math[head_fusion](...heads);
            }),
        );
        const smallest = map
            .flat()
            .sort((a, b) => a - b)
            .slice(0, Math.floor(n * n * discard_ratio));
        map = map.map((row) => row.map((weight) => (smallest.includes(weight) ? 0 : weight)));
        map = map.map((row, i) => row.map((weight, j) => 0.5 * weight + 0.5 * Number(i === j)));
        map = map.map((row) => row.map((weight) => weight / row.reduce((a, b) => a + b)));
        const before = flow;
        flow = map.map((row) =>
            range(n, (j) => row.reduce((sum, weight, k) => sum + weight * before[k][j], 0)),
        );
    }
    return flow.flat();
}

for (const head_fusion of /** @type {const} */ (['mean', 'max', 'min'])) {
    for (const discard_ratio of [0, 0.3, 0.9]) {
        test(`rollout, ${head_fusion}, without the smallest ${discard_ratio}`, async () => {
            const results = [];
            for (const [model, input] of /** @type {any[][]} */ ([
                [sentiment.model, TEXT],
                [roberta, PAIR],
            ])) {
                const { tokens, scores, matrix } = await attentionRollout(model, input, {
                    head_fusion,
                    discard_ratio,
                });
                const n = tokens.length;
                assert.deepEqual(matrix.dims, [n, n]);
                assert.deepEqual(scores, matrix.data.slice(0, n));
                assertRowsSumTo1(matrix, 1e-6);
                rolloutOf(await attentionsOf(model, input), head_fusion, discard_ratio).forEach(
                    (value, i) =>
                        assert.ok(
                            Math.abs(value - matrix.data[i]) < 1e-6,
                            `${i}: ${value} ${matrix.data[i]}`,
                        ),
                );
                results.push(matrix.data);
            }
            const { matrix } = await attentionRollout(sentiment, TEXT);
            assert.equal(
                head_fusion === 'mean' && discard_ratio === 0,
                Buffer.from(matrix.data.buffer).equals(Buffer.from(results[0].buffer)),
            );
        });
    }
}

const softmax = (logits) => {
    const largest = Math.max(...logits);
    const powers = Array.from(logits, (x) => Math.exp(x - largest));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
};
const sigmoid = (logits) => Array.from(logits, (x) => 1 / (1 + Math.exp(-x)));

/** @type {Record<string, [import('bert-wasm').Model, (logits: any) => number[], string]>} */
const CASES = {
    sentiment: [sentiment.model, softmax, '[MASK]'],
    roberta: [roberta, softmax, '<mask>'],
    multi_label: [multi_label, sigmoid, '[MASK]'],
    regression: [regression, (logits) => [...logits], '[MASK]'],
};
for (const [name, [model, scoresOf, mask]] of Object.entries(CASES)) {
    for (const input of [TEXT, PAIR]) {
        test(`${name}: attribution of ${JSON.stringify(input)}, by a call a token`, async () => {
            const sequence = await sequenceOf(model, input);
            const score = async (input_ids, label) =>
                scoresOf((await model.forward([{ ...sequence, input_ids }]))[0].logits.data)[
                    model.config.labels.indexOf(label)
                ];
            const [
                {
                    ids: [mask_id],
                },
            ] = await model.tokenizer.encodeBatch([mask], { add_special_tokens: false });
            const { tokens: all } = await attentionMaps(model, input, { layer: 0, head: 0 });
            for (const label of [undefined, ...model.config.labels]) {
                const found = await attribute(model, input, { label });
                if (label === undefined) {
                    assert.equal(
                        found.label,
                        model.config.labels.at(-1) === 'LABEL_0'
                            ? 'LABEL_0'
                            : await best(model, scoresOf, sequence),
                    );
                } else {
                    assert.equal(found.label, label);
                }
                assert.equal(found.replacement, mask);
                assert.equal(found.score, await score(sequence.input_ids, found.label));
                const places = [...all.keys()].filter((i) => !all[i].special);
                assert.deepEqual(
                    found.tokens.map(({ token, start, end, sequence }) => ({
                        token,
                        start,
                        end,
                        sequence,
                        special: false,
                    })),
                    places.map((i) => all[i]),
                );
                for (const [k, i] of places.entries()) {
                    const without = sequence.input_ids.slice();
                    without[i] = mask_id;
                    assert.equal(
                        found.tokens[k].score,
                        found.score - (await score(without, found.label)),
                        `${k}`,
                    );
                }
            }
        });
    }
}

/** The log-odds of a label, in another way than js/explain has it. */
const ofOneLabel = (logits, i) => {
    const others = logits.filter((_, k) => k !== i).map((x) => Math.exp(x));
    return Math.log(Math.exp(logits[i]) / others.reduce((a, b) => a + b));
};
const LOG_ODDS = {
    sentiment: ofOneLabel,
    roberta: ofOneLabel,
    multi_label: (logits, i) => logits[i],
    regression: (logits, i) => logits[i],
};
for (const [name, [model, scoresOf, mask]] of Object.entries(CASES)) {
    test(`${name}: attribution in log-odds, by a call a token`, async () => {
        const sequence = await sequenceOf(model, PAIR);
        const mask_id = await model.tokenizer.tokenToId(mask);
        const logitsOf = async (input_ids) =>
            Array.from((await model.forward([{ ...sequence, input_ids }]))[0].logits.data);
        const { tokens: all } = await attentionMaps(model, PAIR, { layer: 0, head: 0 });
        const places = [...all.keys()].filter((i) => !all[i].special);
        for (const label of model.config.labels) {
            const i = model.config.labels.indexOf(label);
            const found = await attribute(model, PAIR, { label, scale: 'log-odds' });
            const plain = await attribute(model, PAIR, { label });
            const whole = await logitsOf(sequence.input_ids);
            assert.equal(found.score, plain.score, 'of the text as the pipeline gives it');
            assert.equal(found.score, scoresOf(whole)[i]);
            for (const [k, { score }] of found.tokens.entries()) {
                const at = places[k];
                const without = sequence.input_ids.slice();
                without[at] = mask_id;
                const expected =
                    LOG_ODDS[name](whole, i) - LOG_ODDS[name](await logitsOf(without), i);
                assert.ok(Math.abs(score - expected) < 1e-5, `${k}: ${score}, not ${expected}`);
            }
        }
    });
}

test('log-odds tell of words where probabilities are near 1', async () => {
    const text = 'The food was good and the waiter was kind.';
    const most = async (scale) => {
        const { tokens } = await attribute(sentiment, text, { unit: 'word', scale });
        return tokens.reduce((a, b) => (Math.abs(b.score) > Math.abs(a.score) ? b : a));
    };
    assert.ok(Math.abs((await most('probability')).score) < 0.1);
    assert.ok(Math.abs((await most('log-odds')).score) > 0.2);
});

test('attribution says how far it is, gives the same then, and ends in between', async () => {
    const text = 'The plot is thin, and the jokes fall flat. '.repeat(8);
    for (const unit of /** @type {const} */ (['token', 'word'])) {
        /** @type {{done: number, total: number}[]} */
        const seen = [];
        const onprogress = (progress) => seen.push(progress);
        const found = await attribute(sentiment, text, { unit, onprogress });
        assert.deepEqual(found, await attribute(sentiment, text, { unit }));
        assert.ok(seen.length > 5, `${seen.length} reports`);
        const total = found.tokens.length;
        assert.ok(
            seen.every((each, i) => each.total === total && each.done > (seen[i - 1]?.done ?? 0)),
        );
        assert.equal(seen.at(-1)?.done, total);
    }
    const controller = new AbortController();
    let n = 0;
    await assert.rejects(
        attribute(sentiment, text, {
            signal: controller.signal,
            onprogress() {
                n++;
                controller.abort();
            },
        }),
        { name: 'AbortError' },
    );
    assert.equal(n, 1);
});

/** The label with the highest score. */
async function best(model, scoresOf, sequence) {
    const scores = scoresOf((await model.forward([sequence]))[0].logits.data);
    return model.config.labels[scores.indexOf(Math.max(...scores))];
}

for (const unit of /** @type {const} */ (['token', 'word'])) {
    test(`the ${unit} that makes a film wonderful`, async () => {
        const { label, score, tokens, replacement } = await attribute(
            sentiment,
            'What a wonderful film',
            { unit },
        );
        assert.deepEqual([label, replacement], ['POSITIVE', '[MASK]']);
        assert.equal(score, (await sentiment('What a wonderful film'))[0].score);
        const most = tokens.reduce((a, b) => (b.score > a.score ? b : a));
        assert.equal(most.token, 'wonderful');
        assert.ok(most.score > 0);
        const against = await attribute(sentiment, 'What a wonderful film', {
            unit,
            label: 'NEGATIVE',
        });
        const least = against.tokens.reduce((a, b) => (b.score < a.score ? b : a));
        assert.equal(least.token, 'wonderful');
    });
}

for (const [name, model] of Object.entries({ sentiment: sentiment.model, roberta })) {
    test(`${name}: words are whole, and their tokens are hidden together`, async () => {
        const input = {
            text: 'Unbelievably charming 👩‍🚀 🎬 we don’t see  Köln-Deutz',
            text_pair: '我喜欢 film.',
        };
        const { tokens: words, label } = await attribute(model, input, { unit: 'word' });
        for (const { token, start, end, sequence } of words) {
            assert.equal(token, textOf(input, sequence).slice(start, end));
        }
        const texts = words.map(({ token }) => token);
        assert.ok(
            texts.every((word) => word !== '' && word.trim() === word),
            `${texts}`,
        );
        for (const word of [
            'Unbelievably',
            'charming',
            '👩‍🚀',
            '🎬',
            'we',
            'don’t',
            'see',
            'Köln',
            '-',
            'Deutz',
            'film',
            '.',
        ]) {
            assert.ok(texts.includes(word), `${word}: ${texts}`);
        }
        assert.equal(
            words
                .filter(({ sequence }) => sequence === 1)
                .map(({ token }) => token)
                .join(''),
            '我喜欢film.',
        );

        const { tokens } = await attribute(model, input);
        assert.ok(tokens.length > words.length);
        const word = words[0];
        const sequence = await sequenceOf(model, input);
        const [
            {
                ids: [mask],
            },
        ] = await model.tokenizer.encodeBatch([model === roberta ? '<mask>' : '[MASK]'], {
            add_special_tokens: false,
        });
        const n = tokens.findIndex(({ start }) => start >= word.end);
        assert.ok(n > 1, 'a word of several tokens');
        const input_ids = sequence.input_ids.slice().fill(mask, 1, 1 + n);
        const [whole, without] = (await model.forward([sequence, { ...sequence, input_ids }])).map(
            ({ logits }) => softmax(logits.data)[model.config.labels.indexOf(label)],
        );
        assert.equal(word.score, whole - without);
    });
}

for (const wanted of ['[UNK]', null]) {
    test(`without a mask token what is hidden becomes ${wanted ?? 'masked'}`, async () => {
        const names = { '[MASK]': '[covered]', ...(wanted ? {} : { '[UNK]': '[other]' }) };
        const tokenizer = Object.entries(names).reduce(
            (json, [from, to]) => json.replaceAll(`"${from}"`, `"${to}"`),
            TOKENIZER,
        );
        const model = await loadModel(modelBytes({ tokenizer }));
        const text = 'a good film';
        const scores = async (sequence, label) =>
            softmax((await model.forward([sequence]))[0].logits.data)[CONFIG.labels.indexOf(label)];
        try {
            const [{ ids }] = await model.tokenizer.encodeBatch([text]);
            const { label, score, tokens, replacement } = await attribute(model, text);
            assert.equal(replacement, wanted);
            const without = wanted
                ? { input_ids: [ids[0], ids[1], 1, ids[3], ids[4]] }
                : { input_ids: ids, attention_mask: [1, 1, 0, 1, 1] };
            assert.equal(tokens[1].score, score - (await scores(without, label)));
        } finally {
            model.dispose();
        }
    });
}

test('long texts are cut and say so', async () => {
    for (const explain of [attentionMaps, attentionRollout, attribute]) {
        assert.equal((await explain(tiny, LONG)).truncated, true, explain.name);
        assert.equal('truncated' in (await explain(tiny, 'a good film')), false, explain.name);
    }
    assert.equal((await attentionMaps(tiny, LONG)).tokens.length, 12);
});

test('an empty text has nothing to attribute', async () => {
    const { label, tokens } = await attribute(sentiment, '');
    assert.ok(sentiment.model.config.labels.includes(label));
    assert.deepEqual(tokens, []);
});

test('what cannot be explained is refused', async (t) => {
    const words = await loadModel(converted('pipelines/fill-mask-bert'));
    t.after(() => words.dispose());
    await assert.rejects(
        attribute(words, 'a'),
        (error) => error instanceof BertError && error.code === 'WRONG_TASK',
    );
    await assert.rejects(attribute(sentiment, 'a', { label: 'GOOD' }), {
        code: 'BAD_OPTION',
        message: /label must be 'NEGATIVE', 'NEUTRAL' or 'POSITIVE', not string "GOOD"/,
    });
    await assert.rejects(attribute(sentiment, 'a', wrong({ unit: 'sentence' })), {
        code: 'BAD_OPTION',
    });
    await assert.rejects(attribute(sentiment, 'a', wrong({ scale: 'logit' })), {
        code: 'BAD_OPTION',
        message: /scale must be 'probability' or 'log-odds', not string "logit"/,
    });
    await assert.rejects(attribute(sentiment, 'a', wrong({ onprogress: true })), {
        code: 'BAD_OPTION',
    });
    await assert.rejects(attribute(sentiment, 'a', wrong({ labels: 'POSITIVE' })), {
        code: 'BAD_OPTION',
        message: /no option 'labels'/,
    });
    await assert.rejects(attentionMaps(sentiment, 'a', { layer: 6 }), {
        code: 'BAD_OPTION',
        message: /layer must be a whole number from 0 to 5.*, not number 6/,
    });
    await assert.rejects(attentionMaps(sentiment, 'a', { head: [0, -1] }), { code: 'BAD_OPTION' });
    await assert.rejects(attentionMaps(sentiment, wrong(['a'])), { code: 'BAD_INPUT' });
    await assert.rejects(attentionMaps(wrong({}), 'a'), { code: 'BAD_INPUT' });
    await assert.rejects(attentionRollout(sentiment, 'a', wrong({ head_fusion: 'sum' })), {
        code: 'BAD_OPTION',
    });
    for (const discard_ratio of [-0.1, 1, NaN, '0.5']) {
        await assert.rejects(attentionRollout(sentiment, 'a', wrong({ discard_ratio })), {
            code: 'BAD_OPTION',
        });
    }
    for (const explain of [attentionMaps, attentionRollout, attribute]) {
        await assert.rejects(
            explain(sentiment, 'a', { signal: AbortSignal.abort() }),
            { name: 'AbortError' },
            explain.name,
        );
    }
});
