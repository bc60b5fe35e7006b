/**
 * Errors are data: which of several inputs one is about is its `index`, what caused it its `cause`,
 * on this thread and from the worker. Messages are for people alone: no source reads one.
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { BertError, loadModel, pipeline } from 'bert-wasm';
import { Tokenizer } from 'bert-wasm/tokenizer';

import { answers } from '../../js/cli/stream.js';
import {
    fromMessage,
    BertError as OwnBertError,
    toMessage,
    withoutPlace,
    withPlace,
} from '../../js/errors.js';
import { evaluate } from '../../js/metrics/index.js';
import { converted } from './converted.js';
import { modelBytes, TOKENIZER } from './model_bytes.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Resolves to the error that a promise is rejected with. */
const errorOf = (promise) =>
    promise.then(
        () => assert.fail('no error'),
        (error) => error,
    );

let model;
let classify;
before(async () => {
    model = await loadModel(modelBytes());
    classify = await pipeline('text-classification', model);
});
after(() => model.dispose());

test('an error goes to another thread and back: code, index, cause, stack', () => {
    const platform = new DOMException('not allowed', 'SecurityError');
    const bare = new OwnBertError('FETCH_FAILED', 'it cannot be read', { cause: platform });
    const sent = withPlace(bare, 'text 3', 3);
    const got = fromMessage(structuredClone(toMessage(sent)));
    assert.ok(got instanceof BertError);
    assert.deepEqual(
        [got.code, got.index, got.message, got.stack],
        ['FETCH_FAILED', 3, 'text 3: it cannot be read', sent.stack],
    );
    assert.ok(got.cause instanceof BertError);
    assert.deepEqual([got.cause.code, got.cause.message], [bare.code, bare.message]);
    const { cause } = got.cause;
    assert.ok(cause instanceof Error && !(cause instanceof BertError));
    assert.deepEqual([cause.name, cause.message], ['SecurityError', 'not allowed']);
    assert.equal(fromMessage(toMessage('a string')).message, 'a string');
    for (const absent of ['index', 'cause']) {
        assert.equal(absent in fromMessage(toMessage(new OwnBertError('A', 'b'))), false, absent);
    }
});

test('a place is of what the outermost caller gave', () => {
    const bare = new OwnBertError('BAD_INPUT', 'text 7: is no place, but what somebody wrote');
    const inner = withPlace(bare, 'text 3', 3);
    const outer = withPlace(inner, 'example 5', 5);
    assert.deepEqual([outer.index, outer.message], [5, `example 5: ${bare.message}`]);
    assert.equal(outer.cause, bare);
    const line = withPlace(outer, 'f.jsonl:6');
    assert.deepEqual([line.index, line.message], [undefined, `f.jsonl:6: ${bare.message}`]);
    assert.equal(withoutPlace(outer), bare);
    assert.equal(withoutPlace(bare), bare);
    const other = new RangeError('not ours', { cause: bare });
    assert.equal(withPlace(other, 'text 3', 3), other);
    for (const reason of [other, undefined, null, 'enough']) {
        assert.equal(withoutPlace(reason), reason);
    }
});

test('index: of an array, a stream, an error that is returned; not of one alone', async () => {
    const long = 'good '.repeat(100);
    const bad = { 1: 7, 2: { text: 'good', text_pair: 3 }, 4: long };
    const texts = Array.from({ length: 5 }, (_, i) => bad[i] ?? 'good');
    const results = await classify(texts, { overflow: 'error', errors: 'return' });
    const failed = results.filter((result) => result instanceof BertError);
    assert.deepEqual(
        failed.map(({ index, code }) => [index, code]),
        [
            [1, 'BAD_INPUT'],
            [2, 'BAD_INPUT'],
            [4, 'SEQUENCE_TOO_LONG'],
        ],
    );
    for (const { index, message, cause } of failed) {
        assert.equal(message, `text ${index}: ${cause.message}`);
    }
    const thrown = await errorOf(classify(['good', long], { overflow: 'error' }));
    assert.deepEqual([thrown.index, thrown.code], [1, 'SEQUENCE_TOO_LONG']);

    const streamed = [];
    const stream = async function* () {
        for (let i = 0; i < 300; i++) yield i === 280 ? 7 : 'good';
    };
    for await (const result of classify(stream(), { errors: 'return' })) streamed.push(result);
    assert.deepEqual(
        streamed.flatMap((result, i) => (result instanceof BertError ? [[i, result.index]] : [])),
        [[280, 280]],
    );

    for (const [input, options] of [
        [7, {}],
        [long, { overflow: 'error' }],
    ]) {
        const alone = await errorOf(classify(input, options));
        assert.equal(alone.index, undefined);
        assert.doesNotMatch(alone.message, /^text 0/);
        assert.equal((await errorOf(classify([input], options))).index, 0);
    }
});

test('index: of the queries that were given, not of the pairs that are computed', async (t) => {
    const rank = await pipeline('text-ranking', converted('pipelines/text-ranking-bert'));
    t.after(() => rank.dispose());
    const long = 'good '.repeat(600);
    const error = await errorOf(
        rank(
            [
                { query: 'a', documents: ['b', 'c', 'd'] },
                { query: 'a', documents: ['b', long] },
            ],
            { overflow: 'error' },
        ),
    );
    assert.deepEqual([error.code, error.index], ['SEQUENCE_TOO_LONG', 1]);
});

test('index: of sequences, found by the worker or refused by the core', async () => {
    const good = { input_ids: [2, 3] };
    const bad = {
        BAD_INPUT: { input_ids: [2.5] },
        EMPTY_SEQUENCE: { input_ids: [] },
        SEQUENCE_TOO_LONG: { input_ids: Array(13).fill(2) },
        BAD_TOKEN_ID: { input_ids: [2, 40] },
        BAD_TOKEN_TYPE: { input_ids: [2], token_type_ids: [2] },
    };
    for (const [code, sequence] of Object.entries(bad)) {
        const error = await errorOf(model.forward([good, good, sequence, good]));
        assert.deepEqual([error.code, error.index], [code, 2]);
        assert.equal(error.message, `sequence 2: ${error.cause.message}`);
        const alone = await errorOf(model.forward(sequence));
        assert.deepEqual([alone.index, alone.message], [undefined, error.cause.message]);
    }
});

test('index: of texts of a tokenizer, here and in the worker', async () => {
    const json = readFileSync(join(ROOT, 'tests/golden/tokenizers/bert-uncased/tokenizer.json'));
    const tokenizer = Tokenizer.fromJSON(json);
    const truncation = { max_length: 4, strategy: 'only_first' };
    const long = ['a', 'b c d e f g'];
    for (const [given, options] of [
        [['a', 42], {}],
        [['a', ['b', 42]], {}],
        [['a', ['b']], {}],
        [['a', long], { truncation }],
    ]) {
        const error = (() => {
            try {
                return tokenizer.encodeBatch(
                    /** @type {any} */ (given),
                    /** @type {any} */ (options),
                );
            } catch (thrown) {
                return thrown;
            }
        })();
        assert.deepEqual([error.code, error.index], ['BAD_INPUT', 1]);
        assert.match(error.message, /^text 1: /);
    }
    const error = await errorOf(model.tokenizer.encodeBatch(['a', 42]));
    assert.deepEqual([error.code, error.index], ['BAD_INPUT', 1]);
    assert.equal((await errorOf(model.tokenizer.encode(42))).index, undefined);
});

/** What somebody may reword: the code must not care. */
const REWORDED = ['text 0: ', 'sequence 9: example 4', '', 'truncation.', '{oops'];

test('evaluate() and the command line find the place whatever the message says', async () => {
    for (const message of REWORDED) {
        const failing = (at) =>
            Object.assign(
                async (texts) => {
                    if (texts.length <= at) return texts.map(() => ({ label: 'a' }));
                    throw withPlace(new OwnBertError('BAD_INPUT', message), `text ${at}`, at);
                },
                { task: 'text-classification' },
            );
        const examples = Array.from({ length: 6 }, () => ({ text: 'a', label: 'a' }));
        const error = await errorOf(evaluate(failing(3), examples, { batch_size: 4 }));
        assert.deepEqual([error.index, error.message], [3, `example 3: ${message}`]);

        const records = ['a', 'b', 'c'].map((text, i) => ({
            value: { text },
            where: `f:${i + 1}`,
            bytes: 1,
        }));
        const wrong = withPlace(new OwnBertError('BAD_INPUT', message), 'text 1', 1);
        for (const answer of [
            async (values) => values.map(({ text }) => (text === 'b' ? wrong : {})),
            async (values) => {
                if (values.some(({ text }) => text === 'b')) throw wrong;
                return values.map(() => ({}));
            },
        ]) {
            const pieces = async function* () {
                yield records;
            };
            const how = { check: () => {}, size: () => 1, answer };
            const { value: batch } = await answers(pieces(), how).next();
            assert.deepEqual(
                /** @type {any[]} */ (batch).map((each) => each.error?.message),
                [undefined, `f:2: ${message}`, undefined],
            );
        }
    }
});

test('what the platform throws is the cause of a BertError', async () => {
    const unsent = await errorOf(model.forward([{ input_ids: [() => 0] }]));
    assert.deepEqual([unsent.code, unsent.cause.name], ['BAD_INPUT', 'DataCloneError']);
    const unfetched = await errorOf(loadModel('http://127.0.0.1:1/'));
    assert.deepEqual([unfetched.code, unfetched.cause.name], ['FETCH_FAILED', 'TypeError']);
    const failed = await errorOf(model.forward([{ input_ids: [2] }], { outputs: { x: null } }));
    assert.deepEqual([failed.code, failed.cause.name], ['ENGINE_FAILED', 'TypeError']);
    assert.equal((await errorOf(loadModel('http://'))).code, 'BAD_INPUT');
});

test('a text without tokens is the error of that text', async (t) => {
    const tokenizer = { ...JSON.parse(TOKENIZER), post_processor: null };
    const bare = await loadModel(modelBytes({ tokenizer: JSON.stringify(tokenizer) }));
    t.after(() => bare.dispose());
    const read = await pipeline('text-classification', bare);
    /** @type {any[]} */
    const [blank, good] = await read([' ', 'good'], { errors: 'return' });
    assert.deepEqual([blank.code, blank.index], ['EMPTY_SEQUENCE', 0]);
    assert.ok(good.label);
});

/** Ways to read a message. */
const READS = [
    /\bmessage\b[)\]]*\??\.(?:match|replace|includes|startsWith|endsWith|indexOf|search|split|slice)/,
    /\.(?:exec|test)\([^)]*\bmessage\b/,
    /\bmessage\b[)\]]* ?[!=]==/,
];
const readsMessage = (code) => READS.some((each) => each.test(code));

test('no source reads a message', () => {
    for (const code of [
        "error.message.replace(/^sequence 0: /, '')",
        "if (!error.message.includes('truncation.')) return error;",
        '(error instanceof BertError && /^text (.*)$/s.exec(error.message)) || []',
        "(/** @type {Error} */ (error).message).startsWith('a')",
        "message === 'terminated'",
    ]) {
        assert.ok(readsMessage(code), code);
    }
    const files = ['js', 'web-demo'].flatMap((folder) =>
        readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
            .filter((name) => name.endsWith('.js'))
            .map((name) => join(folder, name)),
    );
    assert.ok(files.length > 100, `${files.length} files`);
    for (const file of files) {
        const code = readFileSync(join(ROOT, file), 'utf8')
            .replace(/^\s*(?:\*|\/\/).*$/gm, '')
            .replace(/\s*\n\s*/g, '');
        for (const statement of code.split(';')) {
            assert.ok(!readsMessage(statement), `${file}: ${statement.slice(0, 200)}`);
        }
    }
});
