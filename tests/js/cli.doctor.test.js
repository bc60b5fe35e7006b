/** `bert-wasm doctor` on machines that lack something. Packages: tests/js/package.test.js. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../build/dist/cli.js', import.meta.url));

/** @param {string[]} args @param {string[]} [flags]  of Node @param {NodeJS.ProcessEnv} [env] */
function doctor(args, flags = [], env = process.env) {
    const options = /** @type {const} */ ({ encoding: 'utf8', timeout: 60_000, env });
    const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [...flags, CLI, 'doctor', ...args],
        options,
    );
    return { status, stdout, stderr };
}

/** @param {ReturnType<typeof doctor>} ran @returns {Record<string, any>} */
function diagnosisOf({ status, stdout, stderr }) {
    assert.ok(stdout.startsWith('{'), stdout + stderr);
    const { ok, findings } = JSON.parse(stdout);
    assert.equal(status, ok ? 0 : 1);
    return { ok, ...Object.fromEntries(findings.map((each) => [each.name, each])) };
}

/** A script that Node runs first. @param {string} script */
const first = (script) => ['--import', `data:text/javascript,${encodeURIComponent(script)}`];

test('a machine that has everything', () => {
    const { ok, ...findings } = diagnosisOf(doctor(['--json']));
    assert.equal(ok, true);
    assert.deepEqual(Object.keys(findings), [
        'node',
        'simd',
        'compiler',
        'worker',
        'relaxed-simd',
        'threads',
        'storage',
        'memory',
        'model',
    ]);
    for (const { name, state, advice } of Object.values(findings)) {
        assert.notEqual(state, 'missing', name);
        assert.equal(typeof advice, state === 'good' ? 'undefined' : 'string', name);
    }
    assert.equal(findings.model.state, 'good');
});

test('lines say the same', () => {
    const { status, stdout } = doctor(['--threads', '1']);
    assert.equal(status, 0);
    assert.match(stdout, /^good {5}node {10}\d+\.\d+\.\d+, bert-wasm \d/);
    assert.match(stdout, /^good {5}model {9}sentiment-minilm-l6 \(q8\) answers, .*, threads 1$/m);
});

test('no relaxed SIMD: it runs, and there is advice', () => {
    const simd = 'WebAssembly.validate = (bytes) => bytes.length < 60;';
    const { ok, ...findings } = diagnosisOf(doctor(['--json'], first(simd)));
    assert.equal(ok, true);
    assert.equal(findings['relaxed-simd'].state, 'lesser');
    assert.match(findings['relaxed-simd'].advice, /Node 22/);
});

test('no WebAssembly: nothing can run', () => {
    const { ok, simd, model } = diagnosisOf(doctor(['--json'], ['--jitless']));
    assert.deepEqual([ok, simd.state, model.state], [false, 'missing', 'missing']);
    assert.match(simd.advice, /there is no WebAssembly here/);
});

test('no worker starts', () => {
    const broken = `
        import workers from 'node:worker_threads';
        import { syncBuiltinESMExports } from 'node:module';
        workers.Worker = class { constructor() { throw new Error('no threads here'); } };
        syncBuiltinESMExports();`;
    const { ok, worker } = diagnosisOf(doctor(['--json'], first(broken)));
    assert.deepEqual([ok, worker.state], [false, 'missing']);
    assert.match(worker.advice, /no threads here/);
});

test('a model that was named and is not there', () => {
    const { ok, model } = diagnosisOf(doctor(['--json', '--model', 'no-such.safetensors']));
    assert.deepEqual([ok, model.state], [false, 'missing']);
    assert.match(model.advice, /no-such\.safetensors/);
});

test('a cache folder that cannot be written', () => {
    const env = { ...process.env, XDG_CACHE_HOME: CLI }; // a file
    const { ok, storage } = diagnosisOf(doctor(['--json'], [], env));
    assert.deepEqual([ok, storage.state], [true, 'lesser']);
    assert.match(storage.advice, /ENOTDIR.*XDG_CACHE_HOME/);
});

test('little memory', () => {
    const little = 'process.availableMemory = () => 50e6;';
    const { ok, memory } = diagnosisOf(doctor(['--json'], first(little)));
    assert.deepEqual([ok, memory.state, memory.found], [true, 'lesser', '50 MB available']);
});

test('an old Node is told so, by every command', () => {
    const old = `Object.defineProperty(process, 'versions', {
        value: { ...process.versions, node: '20.18.3' },
    });`;
    const { status, stderr } = doctor([], first(old));
    assert.equal(status, 1);
    assert.equal(stderr, 'bert-wasm: Node 20.19 or later is needed, this is 20.18.3\n');
});
