/**
 * Names of the Hub, against a server that answers like it: what is asked, what a refusal says, who
 * is sent the token, and the user's Hub cache, which Python must read and which Python fills.
 */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
    existsSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    readlinkSync,
    rmSync,
    writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { beforeEach, test } from 'node:test';

import { locate } from '../../js/sources/resolve.js';
import { HubServer } from '../tools/hub_server.js';
import { scratch } from './converted.js';
import { modelBytes } from './model_bytes.js';
import { PYTHON } from './tokenizer_compare.js';

const bytes = (/** @type {string} */ text) => new TextEncoder().encode(text);

/** Weights that come in several parts. */
const CONTENT = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 13 + (i >> 8)) & 0xff);

const FILES = {
    'config.json': bytes('{"model_type": "bert"}'),
    'tokenizer.json': bytes('{}'),
    'onnx/model.onnx': CONTENT,
};

/** Where the user's Hub cache is, new for each test. */
let cache = '';

beforeEach(() => {
    cache = mkdtempSync(join(scratch, 'hub-'));
    for (const name of Object.keys(process.env)) if (/^HF_/.test(name)) delete process.env[name];
    process.env.HF_HOME = cache;
});

/** @param {import('node:test').TestContext} t */
async function openHub(t) {
    const hub = await HubServer.open();
    t.after(() => hub.close());
    return hub;
}

/**
 * @param {HubServer} hub
 * @param {string} name
 * @param {any} [options]
 * @param {any} [context]
 */
async function resolve(hub, name, options = {}, context = {}) {
    const place = await locate(name, options, {
        hub: hub.url,
        token: null,
        cache: true,
        offline: false,
        isStored: async () => false,
        download: { retry_delay: 1 },
        ...context,
    });
    return /** @type {any} */ (await place.resolve());
}

/** @param {string} code @param {RegExp} message */
const failing = (code, message) => (/** @type {any} */ error) => {
    assert.equal(error.code, code, error.stack);
    assert.match(error.message, message);
    return true;
};

const folderOf = (name) => join(cache, `hub/models--${name.replace('/', '--')}`);

/** All files below a folder, and where links lead. */
function filesIn(folder) {
    if (!existsSync(folder)) return [];
    return readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
        .sort();
}

for (const is_stored of [true, false]) {
    test(`a name is asked for once: what it is, and its list; stored: ${is_stored}`, async (t) => {
        const hub = await openHub(t);
        const commit = hub.add('org/name', FILES);
        const { files, weights } = await resolve(hub, 'org/name', {}, { cache: is_stored });
        assert.equal(weights, 'onnx/model.onnx');
        assert.deepEqual(Object.keys(files).sort(), Object.keys(FILES).sort());
        const small = `/api/resolve-cache/models/org/name/${commit}/config.json`;
        assert.deepEqual(hub.asked(), [
            'HEAD /org/name/resolve/main/config.json 307',
            `HEAD ${small} 200`,
            `GET /api/models/org/name/tree/${commit}?recursive=true 200`,
        ]);
        const sha256 = createHash('sha256').update(CONTENT).digest('hex');
        assert.equal(files[weights].identity, sha256);
        assert.equal(files[weights].size, CONTENT.length);
        for (const [name, content] of Object.entries(FILES)) {
            assert.deepEqual(await files[name].read(0, content.length), content);
        }
        assert.deepEqual(await files[weights].read(7, 250_000), CONTENT.slice(7, 250_000));
        // All of one commit.
        assert.deepEqual(hub.asked(/resolve\/main/).length, 1);
        assert.equal(filesIn(cache).length > 0, is_stored);
        for (const { headers } of [...hub.log, ...hub.cdn.log]) {
            assert.equal(headers['if-range'], undefined);
            assert.equal(headers.authorization, undefined);
        }
    });
}

test('the cache is laid out as Python lays it out', async (t) => {
    const hub = await openHub(t);
    const commit = hub.add('org/name', FILES);
    const { files } = await resolve(hub, 'org/name');
    await Promise.all(Object.values(files).map((file) => file.read(0, 1)));
    const folder = folderOf('org/name');
    assert.equal(readFileSync(join(folder, 'refs/main'), 'utf8'), commit);
    const sha256 = createHash('sha256').update(CONTENT).digest('hex');
    const link = join(folder, 'snapshots', commit, 'onnx/model.onnx');
    assert.equal(readlinkSync(link), `../../../blobs/${sha256}`);
    assert.deepEqual(new Uint8Array(readFileSync(link)), CONTENT);
    assert.equal(readdirSync(join(folder, 'blobs')).length, 3);
    assert.match(readFileSync(join(cache, 'hub/CACHEDIR.TAG'), 'utf8'), /^Signature: 8a477f59/);

    // The second time no file is fetched, nor anything where nothing may be.
    const asked = hub.cdn.log.length;
    const second = await resolve(hub, 'org/name');
    assert.deepEqual(await second.files['onnx/model.onnx'].read(0, 9), CONTENT.slice(0, 9));
    const before = hub.log.length;
    process.env.HF_HUB_OFFLINE = '1';
    const third = await resolve(hub, 'org/name');
    assert.deepEqual(await third.files['onnx/model.onnx'].read(0, 9), CONTENT.slice(0, 9));
    delete process.env.HF_HUB_OFFLINE;
    const fourth = await resolve(hub, 'org/name', { revision: commit }, { offline: true });
    assert.deepEqual([hub.cdn.log.length, hub.log.length], [asked, before]);
    const identities = [files, second.files, third.files, fourth.files].map((each) =>
        Object.keys(each)
            .sort()
            .map((name) => each[name].identity)
            .join(),
    );
    assert.equal(new Set(identities).size, 1, identities.join('\n'));

    await assert.rejects(
        resolve(hub, 'org/other', {}, { offline: true }),
        failing('FETCH_FAILED', /org\/other \(http.*, main\): it is not stored on this device/),
    );
});

test('a newer commit is fetched, what both have is not', async (t) => {
    const hub = await openHub(t);
    hub.add('org/name', FILES);
    const first = await resolve(hub, 'org/name');
    for (const file of Object.values(first.files)) await file.read(0, 1);
    const commit = hub.add('org/name', { ...FILES, 'config.json': bytes('{"a": 1}') });
    const before = hub.cdn.log.length;
    const second = await resolve(hub, 'org/name');
    for (const file of Object.values(second.files)) await file.read(0, 1);
    assert.equal(hub.cdn.log.length, before);
    assert.notEqual(second.identity, first.identity);
    assert.equal(readFileSync(join(folderOf('org/name'), 'refs/main'), 'utf8'), commit);
});

test('a Hub that is down, or has forgotten the user, leaves what is stored', async (t) => {
    const hub = await openHub(t);
    hub.add('org/name', FILES);
    const { files, identity } = await resolve(hub, 'org/name');
    for (const file of Object.values(files)) await file.read(0, 1);
    /** @type {any} */ (hub.repositories.get('org/name')).access = 'private';
    assert.equal((await resolve(hub, 'org/name')).identity, identity);
    const nobody = { ...hub, url: 'http://127.0.0.1:1' };
    const stored = await resolve(/** @type {any} */ (nobody), 'org/name');
    assert.equal(stored.identity, identity);
});

test('revisions, subfolders, files', async (t) => {
    const hub = await openHub(t);
    const newer = { 'sub/config.json': bytes('{}'), 'sub/model.onnx': CONTENT, 'a.onnx': CONTENT };
    const commit = hub.add('org/name', newer, { refs: ['refs/pr/1', 'v1.0'] });
    for (const revision of ['refs/pr/1', 'v1.0', commit]) {
        const { files, weights } = await resolve(hub, 'org/name', { revision, subfolder: 'sub' });
        assert.deepEqual([weights, Object.keys(files).length], ['model.onnx', 2]);
        await files[weights].read(0, 10);
    }
    const folder = folderOf('org/name');
    assert.equal(readFileSync(join(folder, 'refs/refs/pr/1'), 'utf8'), commit);
    assert.equal(
        (await resolve(hub, 'org/name', { revision: 'v1.0', file: 'a.onnx' })).weights,
        'a.onnx',
    );
    await assert.rejects(
        resolve(hub, 'org/name', { revision: 'v2.0' }),
        failing('FETCH_FAILED', /HTTP status 404, RevisionNotFound: it has no such revision/),
    );
    await assert.rejects(
        resolve(hub, 'org/name', { revision: 'v1.0', subfolder: 'none' }),
        failing('FETCH_FAILED', /no weights .*Tried: config\.json: HTTP status 404, EntryNotFound/),
    );
});

test('a mirror without lists, and one that says nothing of commits', async (t) => {
    const hub = await openHub(t);
    hub.add('org/name', FILES);
    hub.has_lists = false;
    for (const cached of [true, false]) {
        const { files, weights } = await resolve(hub, 'org/name', {}, { cache: cached });
        assert.deepEqual(Object.keys(files).sort(), Object.keys(FILES).sort());
        assert.deepEqual(await files[weights].read(5, 200_000), CONTENT.slice(5, 200_000));
        assert.equal(files['config.json'].size, FILES['config.json'].length);
    }
    assert.equal(filesIn(join(folderOf('org/name'), 'blobs')).length, 1);
    await assert.rejects(
        resolve(hub, 'org/name', { file: 'none.onnx' }),
        failing(
            'FETCH_FAILED',
            /it has no none\.onnx\. Tried: .*its list: HTTP status 404; none\.onnx: 404/,
        ),
    );
});

test('refusals say what to do', async (t) => {
    const hub = await openHub(t);
    hub.add('org/secret', FILES, { access: 'private' });
    hub.add('org/gated', FILES, { access: 'gated' });
    hub.add('org/empty', { 'config.json': bytes('{}'), 'README.md': bytes('#') });
    hub.add('org/bare', { 'model.safetensors': CONTENT });
    const cases = /** @type {[string, any, RegExp][]} */ ([
        [
            'org/none',
            {},
            /^org\/none \(http.*, main\): HTTP status 401, RepoNotFound: .* If so, give a token/,
        ],
        ['org/secret', {}, /HTTP status 401.*no such repository/],
        [
            'org/none',
            { token: 'hf_right' },
            /HTTP status 404, RepoNotFound: there is no such repository/,
        ],
        ['org/secret', { token: 'hf_wrong' }, /the token that was sent does not do/],
        [
            'org/gated',
            {},
            /HTTP status 401, GatedRepo: .*accept its conditions on its page, and give a token/,
        ],
        ['org/gated', { token: 'hf_wrong' }, /HTTP status 403, GatedRepo: .*accept its conditions/],
        [
            'org/empty',
            {},
            /no weights .* it has config\.json, README\.md\. Tried: .* 200; .*model\.onnx: no/,
        ],
    ]);
    for (const [name, context, message] of cases) {
        await assert.rejects(resolve(hub, name, {}, context), failing('FETCH_FAILED', message));
    }
    assert.deepEqual(filesIn(cache), []);
    const given = await resolve(hub, 'org/gated', {}, { token: 'hf_right' });
    assert.equal(given.weights, 'onnx/model.onnx');
});

test('the token: from the environment, for the hub alone', async (t) => {
    const hub = await openHub(t);
    hub.add('org/secret', FILES, { access: 'private' });
    const readAll = async (context) => {
        hub.log.length = hub.cdn.log.length = 0;
        const { files } = await resolve(hub, 'org/secret', {}, { cache: false, ...context });
        for (const [name, content] of Object.entries(FILES)) {
            assert.deepEqual(await files[name].read(0, content.length), content);
        }
        assert.ok(hub.log.every(({ headers }) => headers.authorization === 'Bearer hf_right'));
        assert.ok(hub.cdn.log.length > 0);
        assert.ok(hub.cdn.log.every(({ headers }) => headers.authorization === undefined));
    };
    await readAll({ token: 'hf_right' });
    await readAll({ token: 'hf_right', cache: true });

    process.env.HF_ENDPOINT = `${hub.url}/`;
    process.env.HF_TOKEN = 'hf_right\n';
    await readAll({ hub: null });
    delete process.env.HF_TOKEN;
    writeFileSync(join(cache, 'token'), 'hf_right');
    await readAll({ hub: null });
    process.env.HF_TOKEN_PATH = join(cache, 'other');
    writeFileSync(join(cache, 'other'), 'hf_right\n');
    rmSync(join(cache, 'token'));
    await readAll({ hub: null });

    // One that is for the environment's hub is not for another.
    await assert.rejects(
        resolve(hub, 'org/secret', {}, { cache: false }),
        failing('FETCH_FAILED', /give a token/),
    );
    process.env.HF_HUB_DISABLE_IMPLICIT_TOKEN = '1';
    await assert.rejects(
        resolve(hub, 'org/secret', {}, { hub: null, cache: false }),
        failing('FETCH_FAILED', /give a token/),
    );
});

test('addresses expire, connections break: the Hub is asked again', async (t) => {
    const hub = await openHub(t);
    hub.add('org/name', FILES);
    hub.uses = 1;
    for (const cached of [true, false]) {
        hub.log.length = hub.cdn.log.length = 0;
        hub.cdn.faults.set('/org/name/onnx/model.onnx', [{ cut: 1000 }, { cut: 99 }]);
        const { files } = await resolve(hub, 'org/name', {}, { cache: cached });
        assert.deepEqual(await files['onnx/model.onnx'].read(0, CONTENT.length), CONTENT);
        assert.equal(hub.asked(/GET .*onnx\/model\.onnx 302/).length, 3);
        assert.deepEqual(await files['onnx/model.onnx'].read(3, 9), CONTENT.slice(3, 9));
    }
});

const damages = /** @type {[string, any, string, RegExp][]} */ ([
    ['cut short', { truncate: 1000 }, 'FILE_CHANGED', /length was 300000 and is 1000 now/],
    [
        'with another byte',
        { flip: 200_000 },
        'FETCH_FAILED',
        /must be [0-9a-f]{64}, not [0-9a-f]{64}/,
    ],
    [
        'a page',
        { body: '<!doctype html>', headers: { 'Content-Type': 'text/html' } },
        'FETCH_FAILED',
        /sent a page/,
    ],
    [
        'a message',
        { body: '{"error": "no"}', headers: { 'Content-Length': '15' } },
        'FILE_CHANGED',
        /length was 300000 and is 15 now/,
    ],
    [
        'of another length',
        { body: CONTENT.slice(0, 5000) },
        'FILE_CHANGED',
        /length was 300000 and is 5000 now/,
    ],
    ['refused', { status: 403 }, 'FETCH_FAILED', /HTTP status 403/],
]);

for (const [what, fault, code, message] of damages) {
    test(`a file that is ${what} is a typed error, and nothing of it is stored`, async (t) => {
        const hub = await openHub(t);
        hub.add('org/name', FILES);
        hub.cdn.faults.set('/org/name/onnx/model.onnx', fault);
        for (const cached of [true, false]) {
            const { files } = await resolve(hub, 'org/name', {}, { cache: cached });
            await assert.rejects(
                files['onnx/model.onnx'].read(0, CONTENT.length),
                failing(code, message),
            );
            assert.deepEqual(
                filesIn(folderOf('org/name')).filter((path) => /blobs|onnx/.test(path)),
                [],
            );
        }
        // The next try, when the server is well.
        hub.cdn.faults.clear();
        const { files } = await resolve(hub, 'org/name');
        assert.deepEqual(await files['onnx/model.onnx'].read(0, CONTENT.length), CONTENT);
    });
}

test('a file that becomes another one while it is read', async (t) => {
    const hub = await openHub(t);
    hub.add('org/name', FILES);
    const { files } = await resolve(hub, 'org/name', {}, { cache: false });
    const newer = CONTENT.map((byte) => byte ^ 1);
    await files['onnx/model.onnx'].read(0, 10);
    hub.cdn.faults.set('/org/name/onnx/model.onnx', { cut: 1000, change: newer });
    await assert.rejects(
        files['onnx/model.onnx'].read(0, 5000),
        failing('FILE_CHANGED', /ETag was/),
    );
});

test('lists that lie', async (t) => {
    const hub = await openHub(t);
    hub.add('org/name', FILES);
    const list = 'api/models/org/name/tree/';
    const real = hub.lists;
    for (const body of [
        '[',
        '{}',
        '[{"type": "file", "path": 7, "size": 1}]',
        '[{"type": "file", "path": "config.json", "size": -1, "oid": "x"}]',
        '<html>',
    ]) {
        hub.lists = () => body;
        // Each file is asked for.
        const { files } = await resolve(hub, 'org/name', {}, { cache: false });
        assert.deepEqual(Object.keys(files).sort(), Object.keys(FILES).sort(), list);
    }
    hub.lists = (entries) =>
        JSON.stringify(entries.map((each) => ({ ...each, size: 5, lfs: undefined })));
    const { files } = await resolve(hub, 'org/name', {}, { cache: false });
    await assert.rejects(files['config.json'].read(0, 5), failing('FILE_CHANGED', /length was 5/));
    hub.lists = real;
});

test('a name that has a converted file loads as it is', async (t) => {
    const hub = await openHub(t);
    hub.add('org/name', { ...FILES, 'bert-wasm/model_q8.safetensors': modelBytes() });
    const { own, headers } = await resolve(hub, 'org/name', {}, { token: 'hf_x' });
    assert.equal(own, `${hub.url}/org/name/resolve/main/bert-wasm/model_q8.safetensors`);
    assert.deepEqual(headers, { Authorization: 'Bearer hf_x' });
});

test('it ends with the signal', async (t) => {
    const hub = await openHub(t);
    hub.add('org/name', FILES);
    const controller = new AbortController();
    const download = { retry_delay: 1, signal: controller.signal };
    const { files } = await resolve(hub, 'org/name', {}, { download });
    hub.cdn.faults.set('/org/name/onnx/model.onnx', { stall: 1000 });
    const reading = files['onnx/model.onnx'].read(0, CONTENT.length);
    setTimeout(() => controller.abort(new Error('enough')), 50);
    await assert.rejects(reading, /enough/);
    assert.deepEqual(filesIn(join(folderOf('org/name'), 'blobs')), []);
    await assert.rejects(resolve(hub, 'org/name', {}, { download }), /enough/);
});

/** @param {string} program @param {NodeJS.ProcessEnv} env  more of it */
function python(program, env) {
    const { status, stdout, stderr } = spawnSync(PYTHON, ['-c', program], {
        encoding: 'utf8',
        env: { ...process.env, HF_HUB_DISABLE_PROGRESS_BARS: '1', HF_HUB_DISABLE_XET: '1', ...env },
    });
    assert.equal(status, 0, stderr);
    return stdout;
}

const hasPython = spawnSync(PYTHON, ['-c', 'import huggingface_hub']).status === 0;
const skip = hasPython ? false : `SKIPPED: ${PYTHON} has no huggingface_hub`;

test('Python reads what was written, and finds nothing wrong with it', { skip }, async (t) => {
    const hub = await openHub(t);
    const commit = hub.add('org/name', FILES);
    const { files } = await resolve(hub, 'org/name');
    for (const file of Object.values(files)) await file.read(0, 1);
    const names = Object.keys(FILES);
    const said = python(
        `
import json, huggingface_hub as hub
paths = [hub.hf_hub_download('org/name', name) for name in ${JSON.stringify(names)}]
info = hub.scan_cache_dir()
[repo] = info.repos
[revision] = repo.revisions
print(json.dumps({
    'paths': paths,
    'warnings': [str(each) for each in info.warnings],
    'repo': repo.repo_id,
    'commit': revision.commit_hash,
    'refs': sorted(revision.refs),
    'n_files': revision.nb_files,
}))`,
        { HF_HUB_OFFLINE: '1' },
    );
    const { paths, ...info } = JSON.parse(said);
    assert.deepEqual(info, { warnings: [], repo: 'org/name', commit, refs: ['main'], n_files: 3 });
    for (const [i, name] of names.entries()) {
        assert.deepEqual(new Uint8Array(readFileSync(paths[i])), FILES[name]);
    }
});

test('what Python wrote is read, without a request', { skip }, async (t) => {
    const hub = await openHub(t);
    hub.add('org/name', FILES);
    const online = await resolve(hub, 'org/name', {}, { cache: false });
    // Python in a process of its own would keep this one, and its server, from running.
    const program = `
import huggingface_hub as hub
for name in ${JSON.stringify(Object.keys(FILES))}: hub.hf_hub_download('org/name', name)`;
    const child = spawn(PYTHON, ['-c', program], {
        env: {
            ...process.env,
            HF_ENDPOINT: hub.url,
            HF_HUB_DISABLE_PROGRESS_BARS: '1',
            HF_HUB_DISABLE_XET: '1',
        },
        stdio: ['ignore', 'ignore', 'pipe'],
    });
    const said = text(child.stderr);
    const [code] = await once(child, 'close');
    assert.equal(code, 0, await said);
    const before = hub.log.length;
    const offline = await resolve(hub, 'org/name', {}, { offline: true });
    assert.equal(offline.identity, online.identity);
    for (const [name, content] of Object.entries(FILES)) {
        assert.deepEqual(await offline.files[name].read(0, content.length), content);
    }
    // Nor is a file fetched where the Hub may be asked.
    const cached = await resolve(hub, 'org/name');
    await cached.files['onnx/model.onnx'].read(0, 1);
    assert.equal(hub.cdn.log.length, 1);
    assert.ok(hub.log.length > before);
});
