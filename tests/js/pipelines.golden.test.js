/**
 * Every pipeline answers what that of transformers answers (tests/golden/pipelines): labels, spans,
 * answers and their order exactly, numbers to float32's rounding.
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { pipeline } from 'bert-wasm';

import { converted, GOLDEN } from './converted.js';

const TOLERANCE = 1e-4;

/** Calls that mean something else here. */
const OTHERWISE = {
    'empty text_pair': 'Python takes an empty second text for none',
};

/** What a result is compared as. */
const COMPARED = {
    'next-sentence-prediction': (result) =>
        Array.isArray(result) ? result.map(({ score }) => score) : result.score,
    'feature-extraction': (result) =>
        Array.isArray(result) ? result.map(plainTensor) : plainTensor(result),
};

const plainTensor = ({ type, dims, data }) => ({ type, dims, data: Array.from(data) });

/** Without the mark that a text was cut; whether there was one. */
function unmarked(value, marks) {
    if (Array.isArray(value)) return value.map((each) => unmarked(each, marks));
    if (typeof value !== 'object' || value === null) return value;
    const { truncated, ...rest } = value;
    if (truncated) marks.push(truncated);
    return Object.fromEntries(
        Object.entries(rest).map(([key, each]) => [key, unmarked(each, marks)]),
    );
}

/** The largest difference of numbers; anything else must be equal. */
function difference(got, want, where) {
    if (
        typeof want === 'number' &&
        typeof got === 'number' &&
        !(Number.isInteger(want) && Number.isInteger(got))
    ) {
        return Math.abs(got - want);
    }
    if (typeof want !== 'object' || want === null || typeof got !== 'object' || got === null) {
        assert.deepEqual(got, want, where);
        return 0;
    }
    assert.deepEqual(Object.keys(got).sort(), Object.keys(want).sort(), where);
    return Object.keys(want).reduce(
        (worst, key) => Math.max(worst, difference(got[key], want[key], `${where}.${key}`)),
        0,
    );
}

for (const name of readdirSync(join(GOLDEN, 'pipelines'))
    .filter((each) => !each.includes('.'))
    .sort()) {
    test(`${name}: the answers of transformers`, async (t) => {
        const { cases } = JSON.parse(
            readFileSync(join(GOLDEN, 'pipelines', name, 'cases.json'), 'utf8'),
        );
        const path = converted(`pipelines/${name}`);
        const pipes = {};
        let worst = 0;
        let n = 0;
        try {
            for (const [group, { task, calls }] of Object.entries(cases)) {
                if (OTHERWISE[group]) continue;
                const pipe = (pipes[task] ??= await pipeline(task, path));
                for (const { inputs, options, result, truncated = false } of calls) {
                    const what = `${group}: ${JSON.stringify([...inputs, options])}`;
                    const given = await pipe(...inputs, options);
                    const marks = [];
                    unmarked(given, marks);
                    const got = unmarked((COMPARED[task] ?? ((each) => each))(given), []);
                    const error = difference(got, unmarked(result, []), what.slice(0, 400));
                    assert.ok(error <= TOLERANCE, `${what.slice(0, 400)}: ${error}`);
                    // Of documents the goldens do not say which were cut.
                    if (task !== 'text-ranking' || truncated) {
                        assert.equal(
                            marks.flat().includes(true),
                            truncated,
                            `truncated: ${what.slice(0, 400)}`,
                        );
                    }
                    worst = Math.max(worst, error);
                    n++;
                }
            }
        } finally {
            for (const pipe of Object.values(pipes)) pipe.dispose();
        }
        t.diagnostic(`${n} calls, largest error ${worst.toExponential(1)}`);
        assert.ok(n >= 5, `${n}`);
    });
}
