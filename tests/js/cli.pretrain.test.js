/** `bert-wasm pretrain`. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { cli, objects, printed, stoppedAfter } from './cli_process.js';
import { converted, scratch } from './converted.js';
import { newPath } from './huggingface_files.js';

/** @param {string} name @param {string} text */
function file(name, text) {
    const path = join(scratch, name);
    writeFileSync(path, text);
    return path;
}

const CORPUS = file(
    'corpus.txt',
    'the cat sat on the mat\nthe mat was red\n\na dog ran home\nthe dog sat\n',
);
const OTHER = file('other.txt', 'we read a book\nthe book was red\n');
const QUICK = ['--max-length', '16', '--threads', '1', '--min-frequency', '1'];
const SMALL = ['--layers', '1', '--hidden', '32', '--heads', '2', '--intermediate', '64'];
const NEW = [...QUICK, ...SMALL, '--vocab-size', '60'];

const pretrain = (...args) => ['pretrain', ...args];

test('text files become a model that fills in words; the loss is logged', () => {
    const [out, log] = [newPath(), join(scratch, 'pretrained.jsonl')];
    const more = ['--epochs', '20', '--validation', CORPUS, '--next-sentence', '--dtype', 'f32'];
    const [result] = printed(
        pretrain('-i', CORPUS, '-i', OTHER, '-o', out, ...NEW, ...more, '--log', log),
    );
    assert.deepEqual(
        [result.model, result.documents, result.sequences, result.steps, result.epochs],
        [out, 3, 3, 20, 20],
    );
    assert.ok(result.validation.perplexity > 1);
    const steps = objects(readFileSync(log, 'utf8'));
    assert.equal(steps.length, 20);
    assert.ok(steps.every(({ loss, mlm_loss, nsp_loss }) => loss === mlm_loss + nsp_loss));
    const [info] = printed(['info', '--model', out]);
    assert.deepEqual([info.dtype, info.config.encoder.n_layers], ['f32', 1]);
    const [{ predictions }] = printed(['fill', '--model', out, 'the [MASK] was red']);
    assert.equal(predictions.length, 5);
});

test('a base goes on; a vocabulary that is there is taken', () => {
    const [continued, own] = [newPath(), newPath()];
    const base = converted('pipelines/fill-mask-bert', 'f32');
    const quick = ['--epochs', '1', '--threads', '1'];
    const [{ epochs }] = printed(pretrain('-m', base, '-i', CORPUS, '-o', continued, ...quick));
    assert.equal(epochs, 1);
    const vocab = file('vocab.txt', '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nThe\ncat\n');
    const of_new = ['--vocab', vocab, '--max-length', '8', ...SMALL, ...quick];
    printed(pretrain('-i', CORPUS, '-o', own, ...of_new));
    assert.equal(printed(['info', '--model', own])[0].config.encoder.vocab_size, 8);
});

test('what is wrong is said', () => {
    const out = newPath();
    const refused = (args, code, message) => {
        const { status, stderr } = cli(pretrain(...args));
        assert.match(stderr, message);
        assert.equal(status, code, stderr);
        assert.ok(!existsSync(out));
    };
    refused(['-i', CORPUS], 2, /--out is missing/);
    refused(['-o', out], 2, /--input is missing/);
    refused(['-i', join(scratch, 'none.txt'), '-o', out, ...NEW], 1, /none\.txt: cannot be read/);
    refused(
        ['-i', CORPUS, '-o', out, '--vocab', join(scratch, 'none.txt')],
        1,
        /^bert-wasm: .*none\.txt: cannot/,
    );
    const base = converted('pipelines/fill-mask-bert', 'f32');
    refused(['-i', CORPUS, '-o', out, '-m', base, '--layers', '3'], 1, /model must not be given/);
    refused(['-i', CORPUS, '-o', out, ...NEW, '--seed', 'x'], 1, /seed must be a whole number/);
    const binary = file('binary.txt', '');
    writeFileSync(binary, Buffer.from([0x61, 0x0a, 0xff, 0x0a]));
    refused(['-i', binary, '-o', out, ...NEW], 1, /binary\.txt:2: the line is not UTF-8/);
});

test('Ctrl-C keeps what there is', async () => {
    const [out, log] = [newPath(), join(scratch, 'pretrain.stopped.jsonl')];
    const args = pretrain('-i', CORPUS, '-o', out, ...NEW, '--log', log, '--epochs', '1000000');
    const { status, stdout, stderr } = await stoppedAfter(args, log, 20);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /stopped: what there was is written/);
    const [{ steps }] = objects(stdout);
    assert.ok(steps >= 20 && steps < 1_000_000);
    assert.equal(cli(['verify', '--model', out]).status, 0);
});
