/**
 * Metrics: of random answers, what scikit-learn, seqeval, scipy and the SQuAD script count
 * (tests/golden/metrics.json, which tests/tools/make_metric_goldens.py makes).
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import {
    accuracy,
    answerScores,
    classScores,
    confusion,
    entitiesOf,
    entityScores,
    hitRate,
    macroF1,
    matthews,
    ndcg,
    normalizeAnswer,
    pearson,
    reciprocalRank,
    spanScores,
    spearman,
} from '../../js/metrics/index.js';

const golden = JSON.parse(readFileSync(new URL('../golden/metrics.json', import.meta.url), 'utf8'));

/** Like deepEqual, with numbers that may be rounded elsewhere. */
function near(got, want, where = '') {
    if (typeof want === 'number' && typeof got === 'number') {
        assert.ok(Math.abs(got - want) < 1e-9, `${where}: ${got}, not ${want}`);
    } else if (typeof want === 'object' && want !== null) {
        assert.deepEqual(Object.keys(got), Object.keys(want), where);
        for (const key of Object.keys(want)) near(got[key], want[key], `${where}.${key}`);
    } else {
        assert.deepEqual(got, want, where);
    }
}

test('classification: scikit-learn', () => {
    for (const { expected, predicted, n_classes, ...want } of golden.classification) {
        const matrix = confusion(expected, predicted, n_classes);
        assert.deepEqual(matrix, want.confusion);
        near(accuracy(matrix), want.accuracy, 'accuracy');
        near(matthews(matrix), want.matthews, 'matthews');
        near(macroF1(matrix), want.macro.f1, 'macro F1');
        const { classes, micro, macro, weighted } = want;
        near(classScores(matrix), { classes, micro, macro, weighted });
    }
    assert.ok(golden.classification.some(({ classes }) => classes.some(({ f1 }) => f1 === 0)));
});

test('entities: seqeval', () => {
    for (const { expected, predicted, spans, ...want } of golden.entities) {
        assert.deepEqual(expected.map(entitiesOf), spans);
        near(entityScores(expected, predicted), want);
    }
});

test('entities of characters: each counts once, and only in its own text', () => {
    const paris = { type: 'LOC', start: 0, end: 5 };
    const { micro, types } = spanScores(
        [[paris], [], [paris]],
        [[paris, paris], [paris], [{ ...paris, end: 4 }]],
    );
    near(micro, { precision: 1 / 3, recall: 1 / 2, f1: 2 / 5, support: 2 });
    assert.deepEqual(Object.keys(types), ['LOC']);
});

test('answers: the SQuAD script', () => {
    const [{ texts, normalized }, ...cases] = golden.answers;
    assert.deepEqual(texts.map(normalizeAnswer), normalized);
    for (const { expected, predicted, all, ...groups } of cases) {
        near(answerScores(expected, predicted), { ...all, ...groups });
    }
});

test('correlations: scipy, ties included', () => {
    for (const { a, b, ...want } of golden.correlations) {
        near({ pearson: pearson(a, b), spearman: spearman(a, b) }, want);
    }
    for (const [a, b] of [
        [
            [0.1, 0.1, 0.1],
            [1, 2, 3],
        ],
        [
            [1, 2],
            [5, 5],
        ],
        [[1], [2]],
        [[], []],
    ]) {
        assert.ok(
            Number.isNaN(pearson(a, b)) && Number.isNaN(spearman(a, b)),
            JSON.stringify([a, b]),
        );
    }
});

test('rankings: scikit-learn', () => {
    for (const { ranked, gains, k, ...want } of golden.rankings) {
        near(
            { ndcg: ndcg(ranked, gains, k), reciprocal_rank: reciprocalRank(ranked, gains, k) },
            want,
        );
    }
    for (const { expected, ranked, top } of golden.hits) {
        for (const [k, share] of Object.entries(top)) {
            near(hitRate(expected, ranked, Number(k)), share);
        }
    }
});

test('bert-wasm/metrics has all of them and evaluate(); the library itself has none', async () => {
    const names = Object.keys(await import('../../js/metrics/index.js'));
    assert.ok(names.includes('evaluate'));
    assert.deepEqual(Object.keys(await import('bert-wasm/metrics')), names);
    assert.deepEqual(
        Object.keys(await import('bert-wasm')).filter((name) => names.includes(name)),
        [],
    );
});
