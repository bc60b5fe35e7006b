/**
 * Models by their names on a Hub in Chromium and Firefox: `pipeline(task, 'org/name')` of folders
 * as authors publish them, from a server that answers like the Hub at two origins that are not the
 * page's; and files that a page's user has chosen.
 */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { FaultyServer } from '../../tools/faulty_server.js';
import { folders, onnxLayouts } from '../../tools/hub_models.js';
import { HubServer } from '../../tools/hub_server.js';
import { openEngine } from './engine.js';
import { missing } from './programs.js';

const TESTS = fileURLToPath(new URL('../../', import.meta.url));
const DIST = fileURLToPath(new URL('../../../build/dist/', import.meta.url));

/** What outputs may differ by. */
const MOST = 1e-4;

/** One for each family and each kind of head; Node takes all (tests/js/found.test.js). */
const FOLDERS = [
    'albert-mlm',
    'bert-seqcls',
    'camembert-mlm',
    'deberta-v3-seqcls',
    'distilbert-qa',
    'electra-seqcls',
    'mpnet-sentence',
    'roberta-tokcls',
    'xlm-roberta-tokcls',
].map((name) => `org/${name}`);

const MODELS = [...folders().filter(({ name }) => FOLDERS.includes(name)), ...onnxLayouts()];

for (const name of ['chromium', 'firefox']) {
    const skip = missing(name);
    describe(`names of the Hub in ${name}`, { skip }, () => {
        /** @type {HubServer} */
        let hub;
        /** @type {FaultyServer} */
        let server;
        /** @type {Awaited<ReturnType<typeof openEngine>>} */
        let engine;

        before(async () => {
            hub = await HubServer.open();
            for (const model of MODELS) hub.add(model.name, model.files);
            hub.add('org/gated', MODELS[0].files, { access: 'gated' });
            server = await FaultyServer.open({ '/bert-wasm/': DIST, '/tests/': TESTS });
            engine = await openEngine(name);
        });

        after(async () => {
            await engine?.close();
            await server?.close();
            await hub?.close();
        });

        /** @param {string} check @param {object} options */
        async function visit(check, options) {
            const base = server.url;
            const query = new URLSearchParams({
                check,
                options: JSON.stringify({ base, hub: hub.url, ...options }),
            });
            const url = `${base}tests/browser/engines/page.html?${query}`;
            const { result, error, uncaught } = await engine.run(url, { timeout: 240_000 });
            assert.equal(error, undefined, JSON.stringify(error, null, 1));
            assert.deepEqual(uncaught, []);
            return result;
        }

        /** Without what a page need not be told. */
        const told = (models) => models.map(({ files: _, ...model }) => model);

        const bytesSent = () => hub.cdn.log.reduce((sum, { n_bytes }) => sum + n_bytes, 0);

        test('every folder and layout gives the outputs of its golden', async () => {
            const { results, stored } = await visit('named', { models: told(MODELS) });
            assert.equal(results.length, MODELS.length);
            for (const { name, worst, n_compared, cache, phases } of results) {
                assert.ok(n_compared > 0, name);
                const tolerance = MODELS.find((each) => each.name === name)?.tolerance ?? MOST;
                assert.ok(worst <= tolerance, `${name}: ${worst}`);
                assert.deepEqual([cache.complete, cache.fetched], [true, 0], name);
                assert.deepEqual(phases, ['convert', 'fetch', 'load'], name);
            }
            assert.equal(stored.length, MODELS.length);
            assert.ok(stored.every(({ complete }) => complete));
            for (const { headers } of [...hub.log, ...hub.cdn.log]) {
                assert.equal(headers['if-range'], undefined);
            }
        });

        test('the second visit asks whether it is the same, and fetches nothing', async () => {
            hub.log.length = hub.cdn.log.length = 0;
            const models = told(MODELS.slice(0, 2));
            const { results } = await visit('named', { models });
            assert.deepEqual(
                results.map(({ phases }) => phases),
                [['load'], ['load']],
            );
            assert.equal(bytesSent(), 0);
            assert.deepEqual(
                hub.asked(/^GET/).map((line) => line.replace(/[0-9a-f]{40}/, 'COMMIT')),
                models.map(({ name }) => `GET /api/models/${name}/tree/COMMIT?recursive=true 200`),
            );
            hub.log.length = 0;
            await visit('named', { models, load: { offline: true } });
            assert.deepEqual(hub.asked(), []);
        });

        test('expired addresses and broken connections are healed', async () => {
            const [model] = MODELS;
            hub.uses = 1;
            hub.cdn.faults.set(`/${model.name}/model.safetensors`, [{ cut: 5000 }, { cut: 100 }]);
            hub.add(model.name, { ...model.files, 'tokenizer_config.json': Buffer.from('{}') });
            const { results } = await visit('named', { models: told([model]) });
            assert.ok(results[0].worst <= MOST);
            assert.deepEqual(results[0].phases, ['convert', 'fetch', 'load']);
            hub.uses = Infinity;
            hub.cdn.faults.clear();
        });

        test('a Hub whose headers a page cannot read, and one without lists', async () => {
            const [model] = MODELS;
            hub.exposes = false;
            hub.has_lists = false;
            hub.add(model.name, model.files);
            const { results } = await visit('named', {
                models: told([model]),
                load: { cache: false },
            });
            assert.ok(results[0].worst <= MOST);
            hub.exposes = hub.has_lists = true;
        });

        test('a token goes to the hub alone', async () => {
            const model = { ...MODELS[0], name: 'org/gated' };
            hub.log.length = hub.cdn.log.length = 0;
            const { results } = await visit('named', { models: told([model]), token: hub.token });
            assert.ok(results[0].worst <= MOST);
            const asked = hub.log.filter(({ method }) => method !== 'OPTIONS');
            assert.ok(asked.every(({ headers }) => headers.authorization === 'Bearer hf_right'));
            assert.ok(hub.cdn.log.length > 0);
            assert.ok(hub.cdn.log.every(({ headers }) => headers.authorization === undefined));
        });

        test('what fails is a typed error, and nothing of it is stored', async () => {
            const [model] = MODELS;
            const path = `/${model.name}/model.safetensors`;
            const weights = model.files['model.safetensors'];
            const cases = /** @type {[string, any, string, RegExp][]} */ ([
                ['org/none', null, 'FETCH_FAILED', /HTTP status 401.*no such repository/],
                ['org/gated', null, 'FETCH_FAILED', /not everyone may read it/],
                [model.name, { truncate: 1000 }, 'FILE_CHANGED', /length was/],
                [model.name, { body: weights.slice(0, 99) }, 'FILE_CHANGED', /length was/],
                [model.name, { flip: 3 }, 'BAD_MODEL_FILE', /safetensors/],
                [
                    model.name,
                    { headers: { 'Content-Type': 'text/html' }, body: '<!doctype html>' },
                    'FETCH_FAILED',
                    /sent a page/,
                ],
            ]);
            for (const [name, fault, code, message] of cases) {
                if (fault) hub.cdn.faults.set(path, fault);
                const failed = await visit('unnamed', { name });
                hub.cdn.faults.clear();
                assert.equal(failed.code, code, failed.message);
                assert.match(failed.message, message);
                assert.deepEqual(failed.stored, []);
            }
        });

        test('files that a user has chosen: a folder, one file', async () => {
            const folder = 'tests/golden/huggingface/bert-seqcls/';
            const files = ['config.json', 'model.safetensors', 'tokenizer.json'];
            const of_folder = await visit('chosen', { files: files.map((each) => folder + each) });
            assert.equal(of_folder.dtype, 'f32');
            const one = await visit('chosen', {
                files: ['tests/golden/bert-seqcls/model.onnx'],
                as: 'file',
            });
            assert.deepEqual(one, { name: 'model', dtype: 'f32' });
        });
    });
}
