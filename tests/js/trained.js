/** What the tests of training share: examples that tiny models learn, and builds of train.wasm. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { BertError } from 'bert-wasm';

import { openSource } from '../../js/loader/source.js';
import { readBase } from '../../js/train/base.js';
import { DIST } from './built.js';

/** Of texts that tiny vocabularies tell apart. */
export const EXAMPLES = [
    ['a wonderful film', 'good'],
    ['what a good story', 'good'],
    ['I loved every minute of it', 'good'],
    ['great acting, great music', 'good'],
    ['a terrible film', 'bad'],
    ['what a bad story', 'bad'],
    ['I hated every minute of it', 'bad'],
    ['poor acting, awful music', 'bad'],
].map(([text, label]) => ({ text, label }));

/** Options under which tiny models learn those. */
export const QUICK = { epochs: 40, batch_size: 4, learning_rate: 5e-3, dropout: 0, threads: 1 };

export const moduleOf = (build) =>
    new WebAssembly.Module(readFileSync(new URL(`train-${build}.wasm`, DIST)));

/** The base of a model file, read here. */
export function baseOf(path) {
    return readBase(openSource(new Uint8Array(readFileSync(path))), moduleOf('base'), () => {});
}

/** Fails unless that is rejected by a BertError. @param {number} [index]  of the example */
export const refused = (promise, code, message, index) =>
    assert.rejects(promise, (/** @type {any} */ error) => {
        assert.ok(error instanceof BertError, error.stack);
        assert.equal(error.code, code, error.message);
        assert.match(error.message, message);
        assert.equal(error.index, index);
        return true;
    });
