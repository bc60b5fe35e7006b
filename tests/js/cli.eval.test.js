/**
 * `bert-wasm eval` of every task: right answers made of the pipeline's own, of which some are
 * changed, give metrics that are known.
 */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { pipeline } from 'bert-wasm';
import { answerScores, ndcg, pearson, reciprocalRank, spearman } from 'bert-wasm/metrics';

import { cli, printed } from './cli_process.js';
import { converted, scratch } from './converted.js';

const TEXTS = [
    'a good film',
    'nothing but noise',
    'Sarah lives in London.',
    'the match was lost',
    'it was long',
    'so many words and none of them is right',
];

const file = (name, content) => {
    const path = join(scratch, name);
    writeFileSync(path, content);
    return path;
};
const jsonl = (name, examples) =>
    file(`${name}.jsonl`, examples.map((one) => `${JSON.stringify(one)}\n`).join(''));

const model = (name) => converted(`pipelines/${name}`);

function evaluated(name, input, args = []) {
    const [result] = printed(['eval', '--model', model(name), '--input', input, ...args]);
    assert.equal(typeof result.model, 'string');
    assert.ok(result.texts_per_second > 0);
    return result;
}

async function withPipe(task, name, use) {
    const pipe = await pipeline(task, model(name));
    try {
        return await use(pipe);
    } finally {
        pipe.dispose();
    }
}

function refused(name, input, args, code, message) {
    const { status, stderr, stdout } = cli([
        'eval',
        '--model',
        model(name),
        '--input',
        input,
        ...args,
    ]);
    assert.equal(status, code, stderr);
    assert.match(stderr, message);
    assert.equal(stdout, '');
}

const near = (got, want) => assert.ok(Math.abs(got - want) < 1e-9, `${got}, not ${want}`);

test('classification by its head: TSV, also with pairs, and JSONL', async () => {
    const name = 'text-classification-bert';
    const { found, labels } = await withPipe('text-classification', name, async (pipe) => ({
        found: await pipe(TEXTS),
        labels: pipe.model.config.labels,
    }));
    const other = (label) => labels.find((one) => one !== label);
    const gold = found.map(({ label }, i) => (i < 2 ? other(label) : label));
    const tsv = file(
        'classes.tsv',
        `sentence\tlabel\n${TEXTS.map((text, i) => `${text}\t${gold[i]}\n`).join('')}`,
    );
    const result = evaluated(name, tsv);
    assert.deepEqual([result.task, result.rows, result.labels], ['text-classification', 6, labels]);
    near(result.accuracy, 4 / 6);
    assert.equal(
        result.confusion.flat().reduce((a, b) => a + b),
        6,
    );
    assert.deepEqual(
        evaluated(
            name,
            jsonl(
                'classes',
                TEXTS.map((text, i) => ({ text, label: gold[i] })),
            ),
        ).confusion,
        result.confusion,
    );
    assert.deepEqual(
        evaluated(name, file('classes.txt', readFileSync(tsv))).confusion,
        result.confusion,
        'TSV is usual',
    );

    const pairs = TEXTS.map((text, i) => ({ text, text_pair: TEXTS[(i + 1) % 6] }));
    const of_pairs = await withPipe('text-classification', name, (pipe) => pipe(pairs));
    const rows = pairs.map(
        ({ text, text_pair }, i) =>
            `${i}\t${text}\t${text_pair}\t${labels.indexOf(of_pairs[i].label)}\n`,
    );
    assert.equal(
        evaluated(name, file('pairs.tsv', `id\ttext\ttext_pair\tlabel\n${rows.join('')}`)).accuracy,
        1,
    );
});

test('several labels a text, and regression', async () => {
    const name = 'text-classification-multi-label';
    const found = await withPipe('text-classification', name, (pipe) =>
        pipe(TEXTS, { top_k: null }),
    );
    const sets = found.map((labels) =>
        labels.filter(({ score }) => score > 0.5).map(({ label }) => label),
    );
    assert.ok(sets.flat().length > 1, 'no labels');
    const rows = jsonl(
        'sets',
        TEXTS.map((text, i) => ({ text, labels: sets[i] })),
    );
    const { micro_f1, accuracy } = evaluated(name, rows);
    assert.deepEqual([micro_f1, accuracy], [1, 1]);
    const first = sets.findIndex((set) => set.length > 0);
    const n = sets.flat().length;
    const kept = n - sets[first].length; // one text without its labels
    const less = evaluated(
        name,
        jsonl(
            'less',
            TEXTS.map((text, i) => ({ text, labels: i === first ? [] : sets[i] })),
        ),
    );
    near(less.micro_f1, (2 * kept) / (n + kept));
    near(less.accuracy, 5 / 6);

    const numbers = await withPipe(
        'text-classification',
        'text-classification-regression',
        (pipe) => pipe(TEXTS),
    );
    const lines = TEXTS.map((text, i) => `${text}\t${-2 * numbers[i].score + 1}\n`);
    const tsv = file('numbers.tsv', `text\tscore\n${lines.join('')}`);
    const regression = evaluated('text-classification-regression', tsv);
    near(regression.pearson, -1);
    near(regression.spearman, -1);
});

test('token-classification: CoNLL files, a token at the end of a line or not', async () => {
    const name = 'token-classification-bert';
    const sentences = [
        ['Sarah', 'lives', 'in', 'London', '.'],
        ['nobody', 'knows', 'Berlin'],
    ];
    const tags = await withPipe('ner', name, async (pipe) =>
        (
            await pipe(
                sentences.map((words) => words.join(' ')),
                { ignore_labels: [] },
            )
        ).map((tokens, s) => {
            let start = 0;
            return sentences[s].map((word) => {
                const { entity } = tokens.find(
                    (token) => token.end > start && token.start < start + word.length,
                );
                start += word.length + 1;
                return entity;
            });
        }),
    );
    const conll = (all, columns) => {
        const blocks = sentences.map((words, s) =>
            words.map((word, i) => `${columns(word, all[s][i])}\n`).join(''),
        );
        return ['-DOCSTART- -X- O O\n', ...blocks].join('\n');
    };
    for (const [extension, columns] of [
        ['conll', (word, tag) => `${word} NN I-NP ${tag}`],
        ['txt', (word, tag) => `${word}\t${tag}`],
    ]) {
        const { entities, task, rows } = evaluated(
            name,
            file(`right.${extension}`, conll(tags, columns)),
        );
        assert.deepEqual([task, rows], ['token-classification', 2]);
        assert.ok(entities.micro.support > 0, 'the model finds something');
        assert.deepEqual([entities.micro.precision, entities.micro.recall], [1, 1]);
    }
    const none = tags.map((all) => all.map(() => 'O'));
    const { micro } = evaluated(
        name,
        file(
            'none.conll',
            conll(none, (word, tag) => `${word} ${tag}`),
        ),
    ).entities;
    assert.deepEqual([micro.precision, micro.support], [0, 0]);
    const foreign = tags.map((all, s) =>
        all.map((tag, i) => (s === 0 && i === 0 ? 'B-ELSE' : tag)),
    );
    assert.ok(
        evaluated(
            name,
            file(
                'other.conll',
                conll(foreign, (word, tag) => `${word} ${tag}`),
            ),
        ).entities.micro.f1 < 1,
    );
    refused(
        name,
        file('bad.conll', 'Sarah B-PER\nlives\n'),
        [],
        1,
        /bad\.conll:2: a line must be a token.*, not "lives"/,
    );
});

test('question-answering: SQuAD files and JSONL, options of the pipeline, no answers', async () => {
    const name = 'question-answering-bert';
    const context =
        'Sarah lives in London. The match was lost in Berlin, and nobody knows why it was so long.';
    const questions = ['Who lives in London?', 'Where was the match lost?', 'Who knows?'];
    const options = { doc_stride: 4, max_seq_len: 24, handle_impossible_answer: true };
    const found = await withPipe('question-answering', name, (pipe) =>
        pipe(questions, context, options),
    );
    const golds = [[found[0].answer], ['something else'], []];
    const qas = questions.map((question, i) => ({
        question,
        id: `q${i}`,
        answers: golds[i].map((text) => ({ text, answer_start: 0 })),
        is_impossible: golds[i].length === 0,
    }));
    const squad = file(
        'squad.json',
        JSON.stringify({
            version: 'v2.0',
            data: [
                {
                    title: 't',
                    paragraphs: [
                        { context, qas: qas.slice(0, 1) },
                        { context, qas: qas.slice(1) },
                    ],
                },
            ],
        }),
    );
    const args = ['--doc-stride', '4', '--max-seq-len', '24', '--handle-impossible-answer'];
    const { model: _, task, rows, texts_per_second, ...scores } = evaluated(name, squad, args);
    assert.deepEqual([task, rows], ['question-answering', 3]);
    const { n, ...want } = answerScores(
        golds,
        found.map(({ answer }) => answer),
    );
    assert.deepEqual(scores, want);
    assert.ok(scores.exact >= 1 / 3);
    assert.equal(
        evaluated(
            name,
            jsonl(
                'qa',
                qas.map(({ question, answers }) => ({ question, context, answers })),
            ),
            args,
        ).f1,
        scores.f1,
    );
    refused(
        name,
        file(
            'bad.json',
            '{"data":[{"paragraphs":[{"context":"a","qas":[{"question":"b","id":"x7"}]}]}]}',
        ),
        [],
        1,
        /bad\.json: data\[0\]\.paragraphs\[0\]\.qas\[0\] \(x7\): an example must be \{question/,
    );
    refused(name, file('worse.json', '{"data":{}}'), [], 1, /worse\.json: data must be/);
    refused(name, file('no.json', '{'), [], 1, /no\.json is not valid JSON/);
});

test('fill-mask by its head', async () => {
    const texts = [
        'a [MASK] film',
        'nothing but [MASK]',
        'the [MASK] was lost',
        '[MASK] and [MASK]',
    ];
    const found = await withPipe('fill-mask', 'fill-mask-bert', (pipe) =>
        pipe(texts, { top_k: 5 }),
    );
    const word = (list, i) => list[i].token_str;
    // The best, the second, none of the five, and one of two right.
    const answers = [word(found[0], 0), word(found[1], 1), '?!', [word(found[3][0], 0), '?!']];
    const result = evaluated(
        'fill-mask-bert',
        jsonl(
            'fill',
            texts.map((text, i) => ({ text, answer: answers[i] })),
        ),
    );
    assert.equal(result.task, 'fill-mask');
    near(result.accuracy_at_1, 2 / 5);
    near(result.accuracy_at_5, 3 / 5);
    refused(
        'fill-mask-bert',
        jsonl('unmasked', [
            { text: texts[0], answer: 'a' },
            { text: 'no mask', answer: 'a' },
        ]),
        [],
        1,
        /unmasked\.jsonl:2: /,
    );
});

test('feature-extraction by its head, and similarity: TSV', async () => {
    const pairs = TEXTS.map((text, i) => [text, TEXTS[(i + 2) % 6]]);
    const vectors = await withPipe('feature-extraction', 'feature-extraction-bert', async (pipe) =>
        (await pipe(pairs.flat(), { pooling: 'cls', normalize: true })).tolist(),
    );
    const cosines = pairs.map((_, i) =>
        vectors[2 * i].reduce((sum, x, k) => sum + x * vectors[2 * i + 1][k], 0),
    );
    const gold = [5, 1, 4, 2, 3, 0];
    const tsv = file(
        'sts.tsv',
        `text\ttext_pair\tscore\n${pairs.map(([a, b], i) => `${a}\t${b}\t${gold[i]}\n`).join('')}`,
    );
    for (const args of [
        ['--pooling', 'cls'],
        ['--task', 'similarity', '--pooling', 'cls'],
    ]) {
        const result = evaluated('feature-extraction-bert', tsv, args);
        assert.equal(result.task, args.length === 2 ? 'feature-extraction' : 'similarity');
        assert.ok(Math.abs(result.pearson - pearson(gold, cosines)) < 1e-5);
        near(result.spearman, spearman(gold, cosines));
    }
    refused(
        'feature-extraction-bert',
        file('bad.tsv', 'text\ttext_pair\tscore\na\tb\t1\na\tb\thigh\n'),
        [],
        1,
        /bad\.tsv:3: score must be a number, not "high"/,
    );
});

test('ranking, zero-shot and next sentences: as --task says', async () => {
    const documents = TEXTS.slice(0, 4);
    const order = await withPipe('text-ranking', 'text-ranking-bert', async (pipe) =>
        (await pipe('films', documents)).map(({ corpus_id }) => corpus_id),
    );
    const rankings = jsonl('rank', [
        { query: 'films', documents, relevant: [order[0]] },
        { query: 'films', documents, relevant: [order[2], order[3]] },
    ]);
    const ranked = evaluated('text-ranking-bert', rankings, ['--task', 'text-ranking']);
    near(ranked.mrr_at_10, (1 + 1 / 3) / 2);
    const gains = documents.map((_, i) => Number(order.indexOf(i) >= 2));
    near(ranked.ndcg_at_10, (1 + ndcg(order, gains, 10)) / 2);
    // With the best alone the second question has nothing.
    near(
        evaluated('text-ranking-bert', rankings, ['--task', 'text-ranking', '--top-k', '1'])
            .mrr_at_10,
        (1 + reciprocalRank([order[0]], gains)) / 2,
    );

    const labels = ['sports', 'politics', 'law'];
    const best = await withPipe('zero-shot-classification', 'zero-shot-bert', async (pipe) =>
        (await pipe(TEXTS, labels)).map((result) => result.labels[0]),
    );
    const wrong = (label) => labels.find((one) => one !== label);
    const zero = evaluated(
        'zero-shot-bert',
        jsonl(
            'zero',
            TEXTS.map((text, i) => ({ text, labels, answer: i < 1 ? wrong(best[i]) : best[i] })),
        ),
        ['--task', 'zero-shot-classification'],
    );
    near(zero.accuracy, 5 / 6);

    const pairs = TEXTS.map((text, i) => ({ text, text_pair: TEXTS[(i + 1) % 6] }));
    const next = await withPipe('next-sentence-prediction', 'next-sentence-bert', (pipe) =>
        pipe(pairs),
    );
    const rows = pairs.map((pair, i) => ({ ...pair, is_next: i < 2 !== next[i].is_next }));
    const { accuracy, task } = evaluated('next-sentence-bert', jsonl('next', rows), [
        '--task',
        'next-sentence-prediction',
    ]);
    assert.deepEqual([accuracy, task], [4 / 6, 'next-sentence-prediction']);
    const lines = rows.map(({ text, text_pair, is_next }) => `${text}\t${text_pair}\t${is_next}\n`);
    const tsv = file('next.tsv', `text\ttext_pair\tis_next\n${lines.join('')}`);
    assert.equal(
        evaluated('next-sentence-bert', tsv, ['--task', 'next-sentence-prediction']).accuracy,
        4 / 6,
    );
});

test('what is wrong says where; a wrong command line is exit code 2', () => {
    const name = 'text-classification-bert';
    const good = file('good.tsv', 'sentence\tlabel\na\t0\n');
    refused(
        name,
        file('label.tsv', 'sentence\tlabel\na\t0\n\nb\tnone such\n'),
        [],
        1,
        /label\.tsv:4: label must be .*, not "none such"/,
    );
    refused(
        name,
        file('columns.tsv', 'sentence\tlabel\na\t0\tx\n'),
        [],
        1,
        /columns\.tsv:2: the line has 3 columns/,
    );
    refused(
        name,
        file('header.tsv', 'a\t0\nb\t1\n'),
        [],
        1,
        /header\.tsv:1: the header must be sentence<TAB>label/,
    );
    refused(name, file('empty.tsv', ''), [], 1, /empty\.tsv: there are no rows/);
    refused(
        name,
        jsonl('kind', [{ text: 'a', label: 0 }, { text: 'b' }]),
        [],
        1,
        /kind\.jsonl:2: an example must be \{text/,
    );
    refused(
        name,
        file('no.jsonl', '{"text":"a","label":0}\n{oops\n'),
        [],
        1,
        /no\.jsonl:2: the line is not valid JSON/,
    );
    refused(
        name,
        jsonl('long', [
            { text: 'a', label: 0 },
            { text: 'film '.repeat(2000), label: 0 },
        ]),
        ['--overflow', 'error'],
        1,
        /long\.jsonl:2: the text is longer/,
    );
    refused(name, join(scratch, 'nothing.tsv'), [], 1, /nothing\.tsv: cannot be read/);
    refused(name, good, ['--task', 'fill-mask'], 1, /fill-mask needs a model with/);
    refused(name, good, ['--task', 'chess'], 2, /--task must be .*, not 'chess'/);
    refused(
        name,
        good,
        ['--doc-stride', '3'],
        2,
        /text-classification has no option --doc-stride; it has .*--overflow/,
    );
    refused(name, good, ['--top-k', '3'], 2, /text-classification has no option --top-k/);
    refused(
        name,
        good,
        ['--task', 'feature-extraction', '--pooling', 'none'],
        2,
        /--pooling must be .*, not 'none'/,
    );
    refused(
        name,
        good,
        ['--task', 'question-answering', '--doc-stride', 'x'],
        2,
        /--doc-stride must be .*, not 'x'/,
    );
    const two = cli(['eval', '--model', converted('bert-pretraining'), '--input', good]);
    assert.equal(two.status, 2, two.stderr);
    assert.match(two.stderr, /classifier.*language model.*--task/);
});
