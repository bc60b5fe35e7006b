/**
 * The same code with transformers.js and with bert-wasm, the import changed: the same answers, but
 * for what only ours has (places in the text). transformers.js comes with `make bench-packages`.
 */

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { pipeline } from 'bert-wasm';

import { converted, GOLDEN } from '../js/converted.js';
import { CASES } from './cases.js';

const bench = new URL('../../bench/package.json', import.meta.url);
const isThere = existsSync(new URL('node_modules/@huggingface/transformers/package.json', bench));
const skip = !isThere && 'NOT TESTED: transformers.js is not here; to test it: make bench-packages';

/** Its scores are of float32 in another order of sums; its q8 and fp16 models are not used here. */
const TOLERANCE = 1e-3;

/** What is compared: numbers as they are, tensors as lists. */
function plain(value) {
    if (typeof value?.tolist === 'function') return plain(value.tolist());
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
        Object.entries(value)
            .filter(([, each]) => each !== undefined && each !== null)
            .map(([key, each]) => [key, plain(each)]),
    );
}

/** That `theirs` is in `ours`, which may have more keys. */
function assertHas(ours, theirs, where) {
    if (typeof theirs === 'number') {
        assert.ok(Math.abs(ours - theirs) <= TOLERANCE, `${where}: ${ours}, and ${theirs} there`);
    } else if (typeof theirs === 'object' && theirs !== null) {
        if (Array.isArray(theirs)) assert.equal(ours.length, theirs.length, where);
        for (const key of Object.keys(theirs)) assertHas(ours[key], theirs[key], `${where}.${key}`);
    } else {
        assert.equal(ours, theirs, where);
    }
}

test('every row of the table gives with transformers.js what it gives with bert-wasm', {
    skip,
}, async (t) => {
    const library = createRequire(bench).resolve('@huggingface/transformers');
    const transformers = await import(pathToFileURL(library).href);
    transformers.env.allowRemoteModels = false;
    transformers.env.localModelPath = join(GOLDEN, 'pipelines/');
    // What is no code of the table: where models are, and that they are not quantised.
    const options = { dtype: 'fp32', subfolder: '' };
    const theirs = (task, model) => transformers.pipeline(task, model, options);
    for (const { task, model, code, peer } of CASES) {
        await t.test(`${task}, ${model}`, async () => {
            const there = plain(
                await (peer
                    ? peer(withOptions(transformers, options), model)
                    : code(theirs, model)),
            );
            assertHas(plain(await code(pipeline, converted(`pipelines/${model}`))), there, task);
        });
    }
});

/** Its Auto classes with options for local files. */
function withOptions({ AutoTokenizer, AutoModelForSequenceClassification }, options) {
    const bound = (of) => ({ from_pretrained: (model) => of.from_pretrained(model, options) });
    return {
        AutoTokenizer: bound(AutoTokenizer),
        AutoModelForSequenceClassification: bound(AutoModelForSequenceClassification),
    };
}
