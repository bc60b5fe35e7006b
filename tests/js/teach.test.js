/** What Teach makes of lines: each text once, its label, and lines that are set aside. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { collect, guessBoth, MOST_LINES, NONE, SEVERAL } from '../../web-demo/teach/collect.js';
import { setAside } from '../../web-demo/teach/set_aside.js';

/** @param {string[]} names @param {string[][]} rows */
const table = (names, rows) => ({
    names,
    columns: names.map((_, i) => rows.map((row) => row[i])),
    n: rows.length,
    format: 'tab',
    has_header: true,
    notes: [],
});

test('a text is there once, and has its label, none or several', () => {
    const parsed = table(
        ['text', 'label'],
        [
            ['one', 'a'],
            ['two', 'b'],
            [' one ', 'a'],
            ['two', ''],
            ['three', 'b'],
            ['three', 'a'],
            ['', 'a'],
            ['four', ''],
            ['five', 'b'],
        ],
    );
    const found = collect(parsed, { text: 0, label: 1 });
    assert.deepEqual(found.texts, ['one', 'two', 'three', 'four', 'five']);
    assert.deepEqual(found.labels, ['b', 'a']);
    assert.deepEqual([...found.given], [1, 0, SEVERAL, NONE, 0]);
    assert.deepEqual([...found.several], [[2, ['b', 'a']]]);
    assert.deepEqual([found.n_empty, found.n_again, found.is_part], [1, 2, false]);
    const none = collect(parsed, { text: 0, label: -1 });
    assert.ok(none.given.every((label) => label === NONE));
});

test('of too many lines some are taken, from all over the file', () => {
    const n = 3 * MOST_LINES;
    const rows = Array.from({ length: n }, (_, i) => [`${i}`, i < n / 2 ? 'first' : 'second']);
    const { texts, given, is_part } = collect(table(['t', 'l'], rows), { text: 0, label: 1 });
    assert.equal(texts.length, MOST_LINES);
    assert.equal(given.filter((label) => label === 0).length, MOST_LINES / 2);
    assert.ok(is_part);
});

test('columns are guessed by their names, then by what is in them', () => {
    /** @param {string[]} names @param {string[][]} rows */
    const guess = (names, rows) => guessBoth(table(names, rows));
    const texts = ['what a day it was', 'nobody came at all', 'it rained again', 'so be it'];
    const rows = texts.map((text, i) => [String(i), text, i % 2 ? 'good' : 'bad']);
    assert.deepEqual(guess(['id', 'said', 'kind'], rows), { text: 1, label: 2 });
    const longer = texts.map((_, i) => [`${i}`, 'a label that is longer than its text', 'x']);
    assert.deepEqual(guess(['said', 'Label', 'z'], longer), { text: 0, label: 1 });
    const alone = texts.map((text) => [text]);
    assert.deepEqual(guess(['label'], alone), { text: 0, label: -1 });
    const same = texts.map((text) => [text, 'good']);
    assert.deepEqual(guess(['column 1', 'column 2'], same), { text: 0, label: 1 });
    const all_differ = texts.map((text, i) => [text, `n${i}`]);
    assert.deepEqual(guess(['column 1', 'column 2'], all_differ), { text: 0, label: -1 });
});

test('of each label a share is set aside, the same lines for the same seed', () => {
    const examples = Array.from({ length: 110 }, (_, i) => ({
        text: `${i}`,
        label: i < 100 ? 'many' : i < 106 ? 'few' : 'least',
    }));
    const { learned, checked } = setAside(examples, 0.2, 7);
    const count = (/** @type {string} */ label) =>
        checked.filter((each) => each.label === label).length;
    assert.deepEqual([count('many'), count('few'), count('least')], [20, 1, 1]);
    assert.equal(learned.length + checked.length, examples.length);
    assert.equal(new Set([...learned, ...checked]).size, examples.length);
    assert.deepEqual(setAside(examples, 0.2, 7).checked, checked);
    assert.notDeepEqual(setAside(examples, 0.2, 8).checked, checked);
    assert.equal(setAside(examples, 0.0001, 0).checked.length, 3, 'one of each label at least');
});
