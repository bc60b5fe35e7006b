/**
 * Models by their names on a Hub, from the first byte to the answers: every folder that authors
 * publish, found, converted once and stored; the command line that does the same; and what becomes
 * of it when things go wrong. What a name leads to is in hub.test.js. Needs `make wasm js`.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { cache, configure, loadModel, pipeline } from 'bert-wasm';

import { chosen, named, unnamed } from '../browser/engines/hub_checks.js';
import { FaultyServer } from '../tools/faulty_server.js';
import { filesOf, folders, onnxLayouts } from '../tools/hub_models.js';
import { HubServer } from '../tools/hub_server.js';
import { CACHE } from '../tools/own_cache.js';
import { start } from './cli_process.js';
import { converted, GOLDEN, scratch } from './converted.js';

const library = /** @type {any} */ ({ cache, configure, loadModel, pipeline });

/** What outputs may differ by. */
const MOST = 1e-4;

/** @type {HubServer} */
let hub;
/** @type {FaultyServer} */
let server;

before(async () => {
    process.env.HF_HOME = join(CACHE, 'huggingface');
    hub = await HubServer.open();
    server = await FaultyServer.open({ '/tests/golden/': GOLDEN });
});

after(async () => {
    await server.close();
    await hub.close();
});

/** @param {string} name */
const bertFiles = (name = 'huggingface/bert-seqcls') => filesOf(join(GOLDEN, name));

const bytesSent = () => hub.cdn.log.reduce((sum, { n_bytes }) => sum + n_bytes, 0);

for (const { files, tolerance = MOST, ...model } of [...folders(), ...onnxLayouts()]) {
    test(`${model.name}: the outputs of its golden, and once more without a byte`, async () => {
        hub.add(model.name, files);
        const options = { base: server.url, hub: hub.url, models: [model] };
        const { results } = await named(library, options);
        const [{ worst, n_compared, cache: report, phases }] = results;
        assert.ok(n_compared > 0);
        assert.ok(worst <= tolerance, `${worst}`);
        assert.deepEqual([report.complete, report.fetched], [true, 0]);
        assert.deepEqual(phases, ['convert', 'fetch', 'load']);
        const before = bytesSent();
        const again = await named(library, options);
        assert.deepEqual(
            [again.results[0].worst, again.results[0].phases, bytesSent() - before],
            [worst, ['load'], 0],
        );
        await cache.delete();
    });
}

test('a local folder, weights in it, and their addresses', async () => {
    const folder = join(GOLDEN, 'huggingface/bert-seqcls');
    const address = new URL('tests/golden/huggingface/bert-seqcls/', server.url);
    const named_otherwise = mkdtempSync(join(scratch, 'named-'));
    for (const [name, bytes] of Object.entries(bertFiles())) {
        const other = name === 'model.safetensors' ? 'mine.safetensors' : name;
        writeFileSync(join(named_otherwise, other), bytes);
    }
    const want = await outputsOf(folder, 'f32');
    for (const source of [
        `${folder}/`,
        pathToFileURL(`${folder}/`),
        join(folder, 'model.safetensors'),
        address,
        address.href,
        new URL('model.safetensors', address),
        join(named_otherwise, 'mine.safetensors'),
    ]) {
        assert.deepEqual(await outputsOf(source, 'f32'), want, String(source));
    }
    const onnx = join(GOLDEN, 'bert-seqcls');
    const native = await outputsOf(converted('bert-seqcls'), undefined);
    assert.deepEqual(await outputsOf(onnx, 'f32'), native);
    assert.deepEqual(await outputsOf(join(onnx, 'model.onnx'), 'f32'), native);
    await cache.delete();
});

/** @param {any} source @param {any} dtype */
async function outputsOf(source, dtype) {
    const model = await loadModel(source, { dtype });
    const { logits } = await model.forward({ input_ids: [2, 5, 9, 3] });
    model.dispose();
    return [...logits.data];
}

test('a converted file, whatever it is called, loads as it is', async () => {
    const path = converted('bert-seqcls');
    const folder = mkdtempSync(join(scratch, 'own-'));
    writeFileSync(join(folder, 'model.safetensors'), readFileSync(path));
    const want = await outputsOf(path, undefined);
    assert.deepEqual(await outputsOf(folder, undefined), want);
    assert.deepEqual(await outputsOf(join(folder, 'model.safetensors'), undefined), want);
    assert.deepEqual(await cache.list(), []);
    hub.add('org/own', {
        ...bertFiles(),
        'bert-wasm/model_q8.safetensors': new Uint8Array(
            readFileSync(converted('bert-seqcls', 'q8')),
        ),
    });
    configure({ hub: hub.url });
    const model = await loadModel('org/own');
    assert.equal((await model.info()).dtype, 'q8');
    model.dispose();
    const [{ url }] = await cache.list();
    assert.equal(url, `${hub.url}/org/own/resolve/main/bert-wasm/model_q8.safetensors`);
    const again = await loadModel('org/own', { offline: true });
    assert.equal((await again.info()).cache.fetched, 0);
    again.dispose();
    await cache.delete();
});

test('files of a page', async () => {
    const folder = 'tests/golden/huggingface/bert-seqcls/';
    const files = ['config.json', 'model.safetensors', 'tokenizer.json'];
    const of = (options) => chosen(library, { base: server.url, ...options });
    const of_folder = await of({ files: files.map((each) => folder + each) });
    assert.equal(of_folder.dtype, 'f32');
    const one = await of({ files: ['tests/golden/bert-seqcls/model.onnx'], as: 'file' });
    assert.deepEqual(one, { name: 'model', dtype: 'f32' });
    await cache.delete();
});

test('several at once convert a model once; a newer one is converted anew', async () => {
    hub.add('org/twice', bertFiles());
    configure({ hub: hub.url });
    let n_converted = 0;
    const load = async () => {
        const phases = new Set();
        const onprogress = (/** @type {any} */ { phase }) => phases.add(phase);
        const model = await loadModel('org/twice', { onprogress });
        model.dispose();
        if (phases.has('convert')) n_converted++;
    };
    await Promise.all([load(), load(), load()]);
    assert.equal(n_converted, 1);
    hub.add('org/twice', bertFiles('huggingface/bert-tokcls'));
    await load();
    assert.equal(n_converted, 2);
    assert.equal((await cache.list()).length, 1);
    await cache.delete();
});

test('without the cache nothing is stored, and what is damaged there is made again', async () => {
    hub.add('org/uncached', bertFiles());
    configure({ hub: hub.url });
    const model = await loadModel('org/uncached', { cache: false });
    const { cache: report } = await model.info();
    assert.match(String(report.reason), /cache: false/);
    model.dispose();
    assert.deepEqual(await cache.list(), []);
    await assert.rejects(loadModel('org/unknown', { cache: false, offline: true }), {
        code: 'FETCH_FAILED',
    });

    await (await loadModel('org/uncached')).dispose();
    const chunks = join(CACHE, 'bert-wasm/models/chunks');
    for (const chunk of readdirSync(chunks)) {
        const bytes = readFileSync(join(chunks, chunk));
        bytes[0] ^= 1;
        writeFileSync(join(chunks, chunk), bytes);
    }
    const again = await loadModel('org/uncached');
    assert.equal((await again.info()).cache.complete, true);
    again.dispose();
    await cache.delete();
});

test('what fails is a typed error, and leaves no entry', async () => {
    const files = bertFiles();
    hub.add('org/bad', files);
    hub.add('org/gpt', { ...files, 'config.json': Buffer.from('{"model_type": "gpt2"}') });
    const path = '/org/bad/model.safetensors';
    const cases = /** @type {[string, any, string, RegExp][]} */ ([
        ['org/none', null, 'FETCH_FAILED', /HTTP status 401.*no such repository/],
        ['org/gpt', null, 'BAD_MODEL_FILE', /gpt2/],
        ['org/bad', { truncate: 1000 }, 'FILE_CHANGED', /length was/],
        ['org/bad', { flip: 3 }, 'FETCH_FAILED', /hash must be/],
    ]);
    for (const [name, fault, code, message] of cases) {
        if (fault) hub.cdn.faults.set(path, fault);
        const failed = await unnamed(library, { hub: hub.url, name });
        hub.cdn.faults.clear();
        assert.equal(failed.code, code, failed.message);
        assert.match(failed.message, message);
        assert.deepEqual(failed.stored, []);
    }
});

test('loading ends with the signal, while it converts', async () => {
    hub.add('org/abort', bertFiles());
    configure({ hub: hub.url });
    const controller = new AbortController();
    const onprogress = (/** @type {any} */ { phase }) => {
        if (phase === 'convert') controller.abort(new Error('enough'));
    };
    await assert.rejects(
        loadModel('org/abort', { signal: controller.signal, onprogress }),
        /enough/,
    );
    assert.deepEqual(await cache.list(), []);
});

/** @param {string[]} args @param {Record<string, string>} env  more of it */
async function run(args, env) {
    const child = start(args, env);
    child.stdin.end();
    const [stdout, stderr] = [text(child.stdout), text(child.stderr)];
    const [code] = await once(child, 'close');
    return { code, stdout: await stdout, stderr: await stderr };
}

test('bert-wasm pull fills the cache, and cache lists it', async () => {
    hub.add('org/pulled', bertFiles());
    const env = { HF_ENDPOINT: hub.url };
    const pulled = await run(['pull', 'org/pulled', '--dtype', 'q4'], env);
    assert.equal(pulled.code, 0, pulled.stderr);
    const said = JSON.parse(pulled.stdout);
    assert.deepEqual([said.source, said.dtype, said.complete], ['org/pulled', 'q4', true]);
    const listed = await run(['cache', 'list'], env);
    const [{ url, complete }] = listed.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    assert.deepEqual([url, complete], [`${hub.url}/org/pulled/resolve/main/#q4`, true]);
    const before = hub.log.length;
    configure({ hub: hub.url });
    (await loadModel('org/pulled', { dtype: 'q4', offline: true })).dispose();
    assert.equal(hub.log.length, before);
    const none = await run(['pull', 'org/none'], env);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /no such repository/);
    assert.equal((await run(['pull'], env)).code, 2);
    await cache.delete();
});
