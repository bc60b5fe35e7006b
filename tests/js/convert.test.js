/**
 * The converter in the package: convert.wasm makes the bytes that the native one makes, of every
 * export in tests/golden, and refuses what that refuses, with the same sentence.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';

import { DIST } from './built.js';
import { CONVERTER, GOLDEN, scratch } from './converted.js';
import { writeBertOnnx } from './large_models.js';
import { fileOf, filesOf, pathsOf } from './readable.js';

/** @type {typeof import('../../js/convert/index.js')} */
const { convert, keepConverted } = await import(new URL('convert.node.js', DIST).href);

/** Folders of tests/golden that have a model, in folders of theirs, too. */
function models(folder = GOLDEN) {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const path = join(folder, entry.name);
        if (!entry.isDirectory()) return [];
        const is_model = [
            'model.onnx',
            'onnx/model.onnx',
            'model.safetensors',
            'modules.json',
        ].some((name) => existsSync(join(path, name)));
        return is_model ? [path] : models(path);
    });
}

/**
 * What the native converter makes of a folder: bytes, or a sentence.
 * @returns {any}
 */
function native(folder, dtype) {
    const path = join(scratch, 'native.safetensors');
    const { status, stderr } = spawnSync(CONVERTER, [folder, '-o', path, '--dtype', dtype], {
        encoding: 'utf8',
    });
    if (status === 0) return { bytes: readFileSync(path) };
    return { refusal: `\n${stderr.trimEnd()}`.split('\nbert-convert: ').at(-1) };
}

/**
 * The same of convert.wasm.
 * @returns {Promise<any>}
 */
async function inWasm(folder, options) {
    try {
        const file = await convert(filesOf(folder), { folder, name: basename(folder), ...options });
        const bytes = await file.read(0, file.n_bytes);
        await file.remove();
        return { bytes: Buffer.from(bytes) };
    } catch (error) {
        return { refusal: error.message, code: error.code };
    }
}

const ALL = models();

test('there are models', () => assert.ok(ALL.length > 50, `${ALL.length}`));

for (const folder of ALL) {
    for (const dtype of ['f32', 'q8']) {
        test(`${folder.slice(GOLDEN.length + 1)}, ${dtype}`, async () => {
            const expected = native(folder, dtype);
            const made = await inWasm(folder, { dtype });
            if (expected.bytes) {
                assert.equal(made.refusal, undefined);
                assert.ok(made.bytes.equals(expected.bytes), 'other bytes');
            } else {
                assert.equal(made.code, 'BAD_MODEL_FILE');
                assert.equal(made.refusal, expected.refusal);
            }
        });
    }
}

const FOLDER = join(GOLDEN, 'huggingface/bert-seqcls');
const ONNX = join(GOLDEN, 'bert-seqcls');
const OPTIONS = { folder: 'x', name: 'bert-seqcls', dtype: 'q8' };

/** The native converter's bytes of the two. */
const EXPECTED = new Map([FOLDER, ONNX].map((folder) => [folder, native(folder, 'q8').bytes]));

/** Files that are left in a folder. */
const left = (folder) => readdirSync(folder);

/** That conversions work, whatever was done before. */
async function assertUsable() {
    const { bytes } = await inWasm(FOLDER, OPTIONS);
    assert.ok(bytes.equals(EXPECTED.get(FOLDER)), 'a conversion after it');
}

test('on the thread of the caller, and of files that the worker reads itself', async () => {
    for (const [folder, bytes] of EXPECTED) {
        for (const [files, in_thread] of /** @type {const} */ ([
            [filesOf(folder), true],
            [pathsOf(folder), false],
            [pathsOf(folder), true],
        ])) {
            const file = await convert(files, { ...OPTIONS, in_thread });
            assert.ok(bytes.equals(await file.read(0, file.n_bytes)));
            await file.remove();
        }
    }
});

test('an output file appears whole, or not at all', async () => {
    const folder = mkdtempSync(join(scratch, 'out-'));
    const path = join(folder, 'model.safetensors');
    const file = await convert(filesOf(ONNX), { ...OPTIONS, path });
    assert.deepEqual(left(folder), ['model.safetensors']);
    assert.ok(EXPECTED.get(ONNX).equals(readFileSync(path)));
    await file.remove();
    assert.deepEqual(left(folder), ['model.safetensors'], 'it is the caller who has named it');
    writeFileSync(path, 'what was there');
    await assert.rejects(convert(filesOf(join(GOLDEN, 'refuse-t5')), { ...OPTIONS, path }), {
        code: 'BAD_MODEL_FILE',
    });
    assert.deepEqual(left(folder), ['model.safetensors']);
    assert.equal(readFileSync(path, 'utf8'), 'what was there');
    await assert.rejects(convert(filesOf(ONNX), { ...OPTIONS, path: join(folder, 'no/x') }), {
        code: 'BAD_OPTION',
        message: /no.x: cannot be written \(ENOENT\)/,
    });
});

test('progress counts up in both phases, and notes are told', async () => {
    /** @type {Record<string, {loaded: number, total: number}[]>} */
    const seen = { fetch: [], convert: [] };
    const notes = [];
    await convert(filesOf(ONNX), {
        ...OPTIONS,
        onprogress: ({ phase, ...counts }) => seen[phase].push(counts),
        onnote: (note) => notes.push(note),
    }).then((file) => file.remove());
    for (const [phase, all] of Object.entries(seen)) {
        assert.ok(all.length > 1, phase);
        assert.ok(
            all.every(({ loaded }, i) => i === 0 || loaded >= all[i - 1].loaded),
            phase,
        );
        assert.equal(all.at(-1)?.loaded, all.at(-1)?.total, phase);
    }
    assert.match(notes.join(), /there is no tokenizer.json/);
});

test('an abort ends it while files are fetched and between steps, and leaves nothing', async () => {
    for (const in_thread of [false, true]) {
        for (const phase of ['fetch', 'convert']) {
            const folder = mkdtempSync(join(scratch, 'abort-'));
            const stopping = new AbortController();
            const reason = new Error('enough');
            const converting = convert(filesOf(FOLDER), {
                ...OPTIONS,
                in_thread,
                path: join(folder, 'model.safetensors'),
                signal: stopping.signal,
                onprogress: (progress) => progress.phase === phase && stopping.abort(reason),
            });
            await assert.rejects(converting, reason);
            assert.deepEqual(left(folder), []);
        }
    }
    await assert.rejects(convert(filesOf(FOLDER), { signal: AbortSignal.abort() }), {
        name: 'AbortError',
    });
    await assertUsable();
});

test('what would not fit is refused before weights are read, with the native command', async () => {
    const large = {
        message: /^converting x takes about \d+ MB, more than the 17 MB .*bert-convert x -o /,
        code: 'OUT_OF_MEMORY',
    };
    let most = 0;
    const files = filesOf(FOLDER);
    const weights = files['model.safetensors'];
    files['model.safetensors'] = {
        ...weights,
        read: (start, end) => {
            most = Math.max(most, end);
            return weights.read(start, end);
        },
    };
    await assert.rejects(convert(files, { ...OPTIONS, memory: 2 ** 24 }), large);
    assert.ok(most <= 1 << 18, `${most} bytes were read`);

    const read = () => assert.fail('nothing is to be read');
    const huge = { ...filesOf(ONNX), 'model.onnx': { size: 3e9, read } };
    await assert.rejects(convert(huge, OPTIONS), {
        message: /^converting x takes about 300\d MB, more than the 2148 MB/,
        code: 'OUT_OF_MEMORY',
    });
    for (const memory of /** @type {any[]} */ ([0, 2 ** 33, Number.NaN, '1e9'])) {
        await assert.rejects(convert(files, { memory }), { code: 'BAD_OPTION' });
    }
});

test('files that are cut off or lie are refused, and the next conversion works', async () => {
    const before = left(tmpdir()).filter((name) => name.startsWith('bert-wasm-'));
    for (const [folder, name] of [
        [FOLDER, 'model.safetensors'],
        [ONNX, 'model.onnx'],
        [FOLDER, 'config.json'],
        [FOLDER, 'tokenizer.json'],
    ]) {
        const files = filesOf(folder);
        const bytes = readFileSync(join(folder, name));
        for (const share of [0, 0.01, 0.5, 0.99]) {
            const cut = bytes.subarray(0, Math.floor(bytes.length * share));
            const { code } = await convert({ ...files, [name]: fileOf(cut) }, OPTIONS).catch(
                (error) => error,
            );
            assert.equal(code, 'BAD_MODEL_FILE', `${name}, ${share} of it`);
        }
        // A server that tells another size than it gives.
        const liar = { size: bytes.length + 100, read: fileOf(bytes).read };
        const { code } = await convert({ ...files, [name]: liar }, OPTIONS).catch((error) => error);
        assert.equal(code, 'FETCH_FAILED', name);
    }
    const bytes = readFileSync(join(FOLDER, 'model.safetensors'));
    for (const n of [0n, 1n << 20n, 1n << 40n, (1n << 64n) - 1n]) {
        const lie = Buffer.from(bytes);
        lie.writeBigUInt64LE(n);
        const { code } = await convert(
            { ...filesOf(FOLDER), 'model.safetensors': fileOf(lie) },
            OPTIONS,
        ).catch((error) => error);
        assert.equal(code, 'BAD_MODEL_FILE', `a header of ${n} bytes`);
    }
    await assertUsable();
    const after = left(tmpdir()).filter((name) => name.startsWith('bert-wasm-'));
    assert.deepEqual(
        after.filter((name) => !before.includes(name)),
        [],
        'temporary folders',
    );
});

test('what reading a file throws comes back as it is', async () => {
    const error = new Error('no network');
    const files = {
        ...filesOf(FOLDER),
        'model.safetensors': { size: 1e6, read: () => Promise.reject(error) },
    };
    await assert.rejects(convert(files, OPTIONS), error);
    await assert.rejects(convert(filesOf(FOLDER), { dtype: 'q3' }), {
        code: 'BAD_OPTION',
        message: "dtype must be f32, f16, q8, q7 or q4, not 'q3'",
    });
    await assert.rejects(convert(filesOf(FOLDER), /** @type {any} */ ({ calibration: 1 })), {
        code: 'BAD_OPTION',
    });
});

test('calibrated on texts, with outputs that are chosen', async () => {
    const texts = join(scratch, 'texts.jsonl');
    writeFileSync(texts, '{"ids":[2,5,6,7,3]}\n\n{"ids":[2,9,3],"type_ids":[0,0,0]}\n');
    const path = join(scratch, 'calibrated.safetensors');
    const args = [ONNX, '-o', path, '--dtype', 'q4', '--calibrate', texts, '--output', 'logits'];
    assert.equal(spawnSync(CONVERTER, args).status, 0);
    const made = await inWasm(ONNX, {
        ...OPTIONS,
        dtype: 'q4',
        calibrate: readFileSync(texts),
        outputs: ['logits'],
    });
    assert.ok(made.bytes.equals(readFileSync(path)));
    const { code, refusal } = await inWasm(ONNX, { ...OPTIONS, calibrate: Buffer.from('{}') });
    assert.deepEqual(code, 'BAD_MODEL_FILE');
    assert.match(refusal, /line 1: expected an object with `ids`/);
});

test('an adapter whose base is elsewhere', async () => {
    const folder = join(GOLDEN, 'huggingface/lora-deberta-seqcls');
    const path = join(scratch, 'adapter.safetensors');
    const args = [folder, '-o', path, '--base', join(folder, 'base')];
    assert.equal(spawnSync(CONVERTER, args).status, 0);
    const name = 'lora-deberta-seqcls';
    const made = await inWasm(folder, { ...OPTIONS, name, base: 'base' });
    assert.equal(made.refusal, undefined);
    assert.ok(made.bytes.equals(readFileSync(path)));
});

test('a BERT-base of 438 MB becomes q8 in 256 MB, of which the formula knows', async (t) => {
    const folder = join(scratch, 'base');
    writeBertOnnx(folder, { n_layers: 12, hidden: 768, n_words: 30522 });
    const file = await convert(pathsOf(folder), { name: 'base', dtype: 'q8', memory: 256e6 });
    t.diagnostic(`${(file.memory / 1e6).toFixed(0)} MB`);
    assert.ok(file.memory > 150e6 && file.memory < 256e6, `${file.memory}`);
    assert.ok(Math.abs(file.n_bytes - 111e6) < 1e6, `${file.n_bytes}`);
    await file.remove();
    const refused = convert(pathsOf(folder), { name: 'base', dtype: 'q8', memory: 180e6 });
    await assert.rejects(refused, { code: 'OUT_OF_MEMORY' });
    rmSync(folder, { recursive: true });
});

test('what cannot be stored whole is not stored', async () => {
    const file = await convert(filesOf(ONNX), OPTIONS);
    const identity = { etag: '"1"', last_modified: null, length: null };
    /** @param {() => void} put */
    const libraryOf = (put) => {
        const calls = [];
        const library = {
            makeRoom: async () => null,
            save: async ({ url }) => calls.push(`save ${url}`),
            delete: async (url) => calls.push(`delete ${url}`),
            chunks: {
                put: async (hash, bytes) => {
                    assert.equal(createHash('sha256').update(bytes).digest('hex'), hash);
                    put();
                    calls.push('put');
                },
            },
        };
        return { calls, library: /** @type {any} */ (library) };
    };
    const whole = libraryOf(() => {});
    assert.equal(await keepConverted(whole.library, 'k', identity, file), null);
    assert.deepEqual(whole.calls, ['save k', 'put']);

    const full = libraryOf(() => {
        throw new Error('the disk is full');
    });
    const reason = await keepConverted(full.library, 'k', identity, file);
    assert.equal(reason, 'it cannot be stored: the disk is full');
    assert.deepEqual(full.calls, ['save k', 'delete k']);

    const stopped = libraryOf(() => {});
    const aborted = keepConverted(stopped.library, 'k', identity, file, AbortSignal.abort());
    await assert.rejects(aborted, { name: 'AbortError' });
    assert.deepEqual(stopped.calls, ['save k', 'delete k']);
    await file.remove();
});
