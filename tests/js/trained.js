/** What the tests of training share: examples that tiny models learn, and builds of train.wasm. */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { BertError } from 'bert-wasm';

import { openSource } from '../../js/loader/source.js';
import { readBase } from '../../js/train/base.js';
import { DIST } from './built.js';
import { scratch } from './converted.js';
import { convert, folderOf, HUGGINGFACE, readTensors } from './huggingface_files.js';
import { TOKENIZER } from './model_bytes.js';

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

/** Folders of DeBERTa as transformers has written them, by its version: 2 with a convolution. */
const DEBERTAS = { v1: 'deberta-base', v2: 'deberta-v2-base-conv', v3: 'deberta-v3-seqcls' };

/** One of those, with the tiny vocabulary. @param {keyof typeof DEBERTAS} version */
export const debertaFolder = (version) =>
    folderOf(DEBERTAS[version], { 'tokenizer.json': TOKENIZER, 'tokenizer_config.json': {} });

/** Its model file. @param {keyof typeof DEBERTAS} version */
export const debertaFile = (version, dtype = 'f32') =>
    convert(debertaFolder(version), '--dtype', dtype).path;

/** Fails unless that is rejected by a BertError. @param {number} [index]  of the example */
export const refused = (promise, code, message, index) =>
    assert.rejects(promise, (/** @type {any} */ error) => {
        assert.ok(error instanceof BertError, error.stack);
        assert.equal(error.code, code, error.message);
        assert.match(error.message, message);
        assert.equal(error.index, index);
        return true;
    });

/**
 * Fails unless a folder that was made has the tensors of a golden one, to the bit.
 * @param {Record<string, Uint8Array>} files
 * @param {string} name  of the golden folder
 * @param {(name: string) => boolean} isMeant  whether the golden's tensor is expected
 */
export function assertTensors(files, name, isMeant) {
    const path = join(scratch, `${name}.safetensors`);
    writeFileSync(path, files['model.safetensors']);
    const [found, theirs] = [path, join(HUGGINGFACE, name, 'model.safetensors')].map(readTensors);
    const names = Object.keys(theirs).filter(isMeant);
    assert.deepEqual(Object.keys(found).sort(), names.sort());
    for (const each of names) {
        assert.deepEqual(found[each].shape, theirs[each].shape, each);
        if (each.includes('relative_attention_bias')) continue; // far ones are not stored
        assert.ok(found[each].bytes.equals(theirs[each].bytes), each);
    }
}
