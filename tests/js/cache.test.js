/**
 * Models that are stored on this device: real processes, a real server that counts what it is asked
 * for, and the folder that Node stores in.
 */

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { cache, loadModel } from 'bert-wasm';

import { FaultyServer } from '../tools/faulty_server.js';
import { CACHE } from '../tools/own_cache.js';
import { modelBytes, tensors } from './model_bytes.js';

const at = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const MODEL = readFileSync(at('build/sentiment/sentiment-minilm-l6-q8.safetensors'));
const HEADER = 8 + Number(MODEL.readBigUInt64LE(0));
const CHUNK = 1 << 20;
const N_CHUNKS = Math.ceil((MODEL.length - HEADER) / CHUNK);

/** Where a chunk begins. */
const startOf = (chunk) => HEADER + chunk * CHUNK;

const ANSWER = { label: 'POSITIVE' };
const STORED = { store: 'folder', complete: true, reason: null };

/** @type {FaultyServer} */
let server;

/** A folder for each test. */
let home = '';

/** Of the models whose chunks are counted. */
const chunks = () => {
    const folder = join(home, 'bert-wasm/models/chunks');
    try {
        return readdirSync(folder).filter((name) => !name.endsWith('.tmp'));
    } catch {
        return [];
    }
};

before(async () => {
    server = await FaultyServer.open({ '/model': MODEL });
});
after(() => server.close());
beforeEach(() => {
    home = mkdtempSync(join(CACHE, 'home-'));
    server.log.length = 0;
    server.faults.clear();
});

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
after(() => running.forEach((child) => child.kill('SIGKILL')));

/** load_model.js as a process; `facts` grows. */
function start(options = {}, { url = `${server.url}model`, folder = home } = {}) {
    const args = [at('tests/tools/load_model.js'), url, JSON.stringify(options)];
    const child = spawn(process.execPath, args, {
        env: { ...process.env, XDG_CACHE_HOME: folder },
        stdio: ['ignore', 'pipe', 'inherit'],
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    const facts = [];
    const lines = createInterface(child.stdout).on('line', (line) => facts.push(JSON.parse(line)));
    const exited = once(child, 'exit');
    const ended = Promise.all([exited, once(lines, 'close')]).then(() => facts.at(-1));
    return { child, facts, exited, ended };
}

/** Bytes that a process has told of. */
const loadedBy = ({ facts }) => Math.max(0, ...facts.map(({ loaded }) => loaded ?? 0));

/** What a process tells that loads and ends by itself. */
const load = (options, more) => start(options, more).ended;

/** @param {() => boolean} isSo @param {string} what */
async function until(isSo, what) {
    for (const end = Date.now() + 60_000; !isSo(); await sleep(20)) {
        assert.ok(Date.now() < end, `${what} did not come in a minute`);
    }
}

/** What the server was asked, in order. */
const asked = () => server.log.map(({ method, range }) => `${method} ${range}`);

/** Bytes of the model that were sent. */
const sent = () => server.log.reduce((sum, { n_bytes }) => sum + n_bytes, 0);

test('the second load fetches nothing, and says where the model came from', async () => {
    const first = await load();
    assert.equal(first.label, ANSWER.label);
    assert.deepEqual(first.cache, { ...STORED, from_cache: 0, fetched: MODEL.length });
    assert.equal(chunks().length, N_CHUNKS);

    const second = await load();
    assert.deepEqual(second, {
        ...first,
        cache: { ...STORED, from_cache: MODEL.length, fetched: 0 },
    });
    assert.deepEqual(asked(), ['GET whole', 'HEAD whole']);
});

test('a process that disposes at once has stored all', async () => {
    await load({ dispose_at_once: true });
    assert.equal(chunks().length, N_CHUNKS);
});

test('a file of ours that is cut off is told: nothing beside it is asked for', async (t) => {
    const path = '/own-but-cut.safetensors';
    server.files.set(path, MODEL.subarray(0, 1e6));
    t.after(() => server.files.delete(path));
    const { code, message } = await load({}, { url: new URL(path, server.url).href });
    assert.equal(code, 'BAD_MODEL_FILE');
    assert.match(message, /cut off after 1000000 bytes/);
    assert.deepEqual([...new Set(server.log.map((each) => each.path))], [path]);
});

test('offline: true sends nothing, and names what is missing', async () => {
    const none = await load({ offline: true });
    assert.equal(none.code, 'FETCH_FAILED');
    assert.match(none.message, /model: it is not stored, and offline: true forbids to fetch it/);

    await load();
    server.log.length = 0;
    const stored = await load({ offline: true });
    assert.equal(stored.label, ANSWER.label);
    assert.equal(stored.cache.from_cache, MODEL.length);

    for (const name of chunks().slice(0, 3)) rmSync(join(home, 'bert-wasm/models/chunks', name));
    const partly = await load({ offline: true });
    assert.equal(partly.code, 'FETCH_FAILED');
    assert.match(partly.message, new RegExp(`\\d+ of its ${N_CHUNKS} parts are not stored`));
    assert.deepEqual(asked(), []);
});

test('without a connection what is stored is used, and said', async () => {
    const first = await load();
    await server.down();
    const { label, score, cache } = await load();
    await server.up();
    assert.deepEqual([label, score], [first.label, first.score]);
    assert.deepEqual([cache.complete, cache.from_cache], [true, MODEL.length]);
    assert.match(cache.reason, /did not answer/);
});

test('a server that says nothing is waited for a second', async () => {
    await load();
    server.faults.set('/model', { silent: true });
    const { label, cache } = await load();
    assert.equal(label, ANSWER.label);
    assert.match(cache.reason, /did not answer/);
});

test('cache: false stores nothing, and uses nothing', async () => {
    const { cache } = await load({ cache: false });
    assert.deepEqual([cache.store, cache.complete], ['none', false]);
    assert.match(cache.reason, /cache: false/);
    assert.deepEqual(chunks(), []);
});

test('a process that is killed leaves what it had: the next one fetches the rest', async () => {
    server.faults.set('/model', [{ stall: startOf(12) + 1000 }]);
    const { child, exited } = start();
    await until(() => chunks().length >= 8, 'eight chunks');
    child.kill('SIGKILL');
    await exited;
    const from = startOf(chunks().length);
    const { label, cache } = await load();
    assert.equal(label, ANSWER.label);
    assert.deepEqual(asked(), ['GET whole', 'HEAD whole', `GET bytes=${from}-`]);
    assert.deepEqual(cache, { ...STORED, from_cache: from, fetched: MODEL.length - from });
});

test('two processes at once fetch a model once', async () => {
    server.faults.set('/model', { rate: 20e6 });
    const [one, other] = await Promise.all([load(), load()]);
    assert.deepEqual([one.label, one.score], [other.label, other.score]);
    assert.deepEqual(
        asked().filter((each) => each.startsWith('GET')),
        ['GET whole'],
    );
    assert.equal(sent(), MODEL.length);
    const fetched = [one, other].map(({ cache }) => cache.fetched).sort((a, b) => a - b);
    assert.deepEqual(fetched, [0, MODEL.length]);
});

test('who waits goes on alone when the one that fetches is killed', async () => {
    server.faults.set('/model', [{ stall: startOf(12) + 1000 }]);
    const one = start();
    await until(() => chunks().length >= 8, 'eight chunks');
    const other = start();
    await until(() => loadedBy(other) >= startOf(8), 'what is stored');
    assert.deepEqual(asked(), ['GET whole', 'HEAD whole']);
    one.child.kill('SIGKILL');
    await one.exited;
    const from = startOf(chunks().length);
    const { label, cache } = await other.ended;
    assert.equal(label, ANSWER.label);
    assert.deepEqual(cache, { ...STORED, from_cache: from, fetched: MODEL.length - from });
    assert.deepEqual(asked().slice(2), [`GET bytes=${from}-`]);
});

test('who waits takes all that was stored before the one that fetches ended', async () => {
    const whole = mkdtempSync(join(CACHE, 'home-'));
    await start({}, { folder: whole }).ended;
    server.log.length = 0;
    server.faults.set('/model', [{ stall: startOf(12) + 1000 }]);
    const one = start();
    await until(() => chunks().length >= 12, 'twelve chunks');
    const other = start();
    await until(() => loadedBy(other) >= startOf(12), 'what is stored');
    // Between two of its looks the rest is stored, and the lock given back.
    other.child.kill('SIGSTOP');
    one.child.kill('SIGKILL');
    await one.exited;
    cpSync(whole, home, { recursive: true });
    other.child.kill('SIGCONT');
    const { label, cache } = await other.ended;
    assert.equal(label, ANSWER.label);
    assert.deepEqual(cache, { ...STORED, from_cache: MODEL.length, fetched: 0 });
    assert.deepEqual(asked(), ['GET whole', 'HEAD whole']);
});

test('a damaged chunk is taken away and fetched again', async () => {
    const { score } = await load();
    const [, name] = chunks();
    const path = join(home, 'bert-wasm/models/chunks', name);
    const good = readFileSync(path);
    const bad = Buffer.from(good);
    bad[100] ^= 1;
    writeFileSync(path, bad);
    server.log.length = 0;
    const { cache, ...answer } = await load();
    assert.deepEqual(answer, { ...ANSWER, score });
    assert.deepEqual([cache.store, cache.complete], ['folder', true]);
    const start = MODEL.indexOf(good.subarray(0, 64));
    assert.deepEqual(asked(), ['HEAD whole', `GET bytes=${start}-`]);
    assert.deepEqual(readFileSync(path), good);
});

test('a model that was changed is fetched anew, but for what it has in common', async () => {
    const url = `${server.url}changing`;
    const changed = Buffer.from(MODEL);
    const at = changed.indexOf('"name":"') + 8;
    assert.ok(at < HEADER);
    changed[at] = 'X'.charCodeAt(0);
    server.files.set('/changing', MODEL);
    const first = await load({}, { url });
    server.files.set('/changing', changed);
    server.log.length = 0;
    const second = await load({}, { url });
    assert.deepEqual([second.label, second.score], [first.label, first.score]);
    assert.deepEqual(asked(), ['HEAD whole', 'GET whole']);
    const { fetched, from_cache, complete } = second.cache;
    assert.equal(complete, true);
    assert.equal(fetched + from_cache, MODEL.length);
    assert.ok(fetched >= HEADER && fetched < MODEL.length / 2, `${fetched} bytes were fetched`);
    const third = await load({ offline: true }, { url });
    assert.equal(third.cache.from_cache, MODEL.length);
});

test('a folder that cannot be written is told, and nothing else', async () => {
    const file = join(home, 'file');
    writeFileSync(file, '');
    const { label, cache } = await load({}, { folder: file });
    assert.equal(label, ANSWER.label);
    assert.deepEqual([cache.complete, cache.fetched], [false, MODEL.length]);
    assert.match(cache.reason, /ENOTDIR/);
});

/** Small models whose bytes are different. */
const SMALL = [1, 2, 3].map((i) =>
    modelBytes({
        list: tensors().map((tensor) => ({ ...tensor, bytes: tensor.bytes.map((b) => b ^ i) })),
    }),
);

/** Loads one of them, here. @param {number} i */
async function loadSmall(i) {
    const path = `/small-${i}`;
    server.files.set(path, SMALL[i]);
    const model = await loadModel(server.url + path.slice(1));
    const { cache } = await model.info();
    model.dispose();
    return cache;
}

/** Which of them are stored, the one used last first. */
const stored = async () => (await cache.list()).map(({ url }) => Number(url.at(-1)));

test('the model not used for longest goes first, none for one that is too large', async () => {
    cache.budget = 2.5 * SMALL[0].length;
    for (const i of [0, 1, 0, 2]) await loadSmall(i);
    assert.deepEqual(await stored(), [2, 0]);
    const { used, budget, quota } = await cache.size();
    assert.ok(used >= SMALL[0].length && used <= budget && budget < quota, `${used} of ${budget}`);

    cache.budget = SMALL[0].length - 1;
    const refused = await loadSmall(1);
    assert.equal(refused.complete, false);
    assert.match(String(refused.reason), /it has \d+ bytes, and cache.budget is \d+ bytes/);
    assert.deepEqual(await stored(), [2, 0]);
    assert.throws(() => Object.assign(cache, { budget: '1 GB' }), { code: 'BAD_OPTION' });
    cache.budget = 2e9;
});

test('what is taken away leaves nothing, but what another model has, too', async () => {
    await cache.delete();
    server.files.set('/copy-of-0', SMALL[0]);
    await loadSmall(0);
    await loadSmall(1);
    const url = `${server.url}copy-of-0`;
    const copy = await loadModel(url);
    const { from_cache, complete } = (await copy.info()).cache;
    assert.ok(complete);
    copy.dispose();
    assert.equal(await cache.delete(`${server.url}small-0`), true);
    assert.equal(await cache.delete(`${server.url}small-0`), false);
    const again = await loadModel(url, { offline: true });
    assert.equal((await again.info()).cache.from_cache, SMALL[0].length);
    again.dispose();
    assert.equal(await cache.persist(), true);
    assert.equal(await cache.delete(), true);
    assert.deepEqual(await cache.list(), []);
    assert.equal((await cache.size()).used, 0);
    assert.ok(from_cache >= 0);
});

test('what is stored by another version, or damaged, is fetched anew', async () => {
    await loadSmall(0);
    const folder = join(CACHE, 'bert-wasm/models/files');
    for (const damage of ['{"cache_version":0}\n', 'no JSON', '']) {
        const [name] = readdirSync(folder);
        writeFileSync(join(folder, name), damage);
        const { complete, reason } = await loadSmall(0);
        assert.deepEqual([complete, reason], [true, null], damage);
    }
    await cache.delete();
});

test('the command line stores what it loads, and shows and deletes what is stored', async () => {
    const run = async (...args) => {
        const env = { ...process.env, XDG_CACHE_HOME: home };
        const command = [at('build/dist/cli.js'), ...args];
        const { stdout } = await promisify(execFile)(process.execPath, command, { env });
        return stdout
            .split('\n')
            .filter(Boolean)
            .map((line) => JSON.parse(line));
    };
    const url = `${server.url}model`;
    for (let i = 0; i < 2; i++) {
        const [{ label }] = await run('classify', '--model', url, 'What a wonderful film.');
        assert.equal(label, 'POSITIVE');
    }
    assert.deepEqual(asked(), ['GET whole', 'HEAD whole']);
    const [{ used_at, ...listed }, ...others] = await run('cache', 'list');
    assert.deepEqual(listed, {
        url,
        n_bytes: MODEL.length,
        stored_bytes: MODEL.length,
        complete: true,
    });
    assert.deepEqual([others, Math.abs(used_at - Date.now()) < 600_000], [[], true]);
    const [{ used, budget }] = await run('cache', 'size');
    assert.ok(used >= MODEL.length && used < budget);
    assert.deepEqual(await run('cache', 'delete', url), [{ deleted: true }]);
    assert.deepEqual(await run('cache', 'list'), []);
    await assert.rejects(run('cache', 'lits'), /it must be list, delete, size, not 'lits'/);
});
