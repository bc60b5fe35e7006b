/**
 * What a model's source is, by how it is written, and which files of a folder make the model: in
 * Node, of folders, addresses and files that a page's user would give. Repositories of the Hub are
 * in hub.test.js.
 */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { configuration, configure } from '../../js/sources/configure.js';
import { formOf } from '../../js/sources/forms.js';
import { openHub } from '../../js/sources/hub.js';
import { locate } from '../../js/sources/resolve.js';
import { A_PAGE, FaultyServer } from '../tools/faulty_server.js';
import { scratch } from './converted.js';
import { modelBytes } from './model_bytes.js';

const CONTEXT = {
    hub: null,
    token: null,
    cache: false,
    offline: false,
    isStored: async () => false,
    download: { retry_delay: 1 },
};

const bytes = (/** @type {string} */ text) => new TextEncoder().encode(text);

/** A safetensors file of one tensor, as transformers writes it. */
const PLAIN = (() => {
    const header = Buffer.from(
        JSON.stringify({
            __metadata__: { format: 'pt' },
            weight: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
        }),
    );
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    return new Uint8Array(Buffer.concat([length, header, Buffer.alloc(8)]));
})();

const OWN = modelBytes();
const ONNX = bytes('\x08\x08 a graph');

let n_folders = 0;

/** A folder with these files. @param {Record<string, Uint8Array>} files */
function folderOf(files) {
    const folder = join(scratch, `folder${n_folders++}`);
    for (const [name, content] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, name)), { recursive: true });
        writeFileSync(join(folder, name), content);
    }
    return folder;
}

/** @param {unknown} source @param {any} [options] @param {any} [context] */
async function resolve(source, options = {}, context = {}) {
    return (await locate(source, options, { ...CONTEXT, ...context })).resolve();
}

/** Names of the files, and which of them has the weights. @param {any} resolved */
const chosen = ({ files, weights }) => [weights, Object.keys(files).sort().join(' ')];

/** @param {string} code @param {RegExp} message */
const failing = (code, message) => (/** @type {any} */ error) => {
    assert.equal(error.code, code, error.stack);
    assert.match(error.message, message);
    return true;
};

test('a form for each way to write a source', () => {
    const folder = folderOf({ 'a/b/config.json': bytes('{}') });
    const file = (name, path) => {
        const made = new File([OWN], name);
        if (path) Object.defineProperty(made, 'webkitRelativePath', { value: path });
        return made;
    };
    /** @type {[unknown, string | null][]} */
    const FORMS = [
        ['org/name', 'name'],
        ['sentence-transformers/all-MiniLM-L6-v2', 'name'],
        ['a.b_c/d-1.5', 'name'],
        ['https://huggingface.co/org/name', 'name'],
        ['https://hf.co/org/name/tree/main/sub', 'name'],
        ['https://huggingface.co/org/name/blob/main/onnx/model.onnx', 'name'],
        ['https://huggingface.co/org/name/resolve/main/mine.safetensors', null],
        ['./org/name', null],
        ['/org/name', null],
        ['../name', null],
        ['name', null],
        ['no/such/file', null],
        ['org/name.safetensors', null],
        ['org/model.safetensors', 'weights'],
        ['org/name.onnx', 'weights'],
        ['org/na--me', null],
        ['org/na..me', null],
        ['-org/name', null],
        ['org/name-', null],
        ['org/name.git', null],
        ['org/na me', null],
        ['org/name/', 'folder'],
        [folder, 'folder'],
        [join(folder, 'a/b/config.json'), null],
        ['https://a.example/models/', 'folder'],
        ['https://a.example/', null],
        ['https://a.example/models/mine.safetensors', null],
        ['https://a.example/my-model.safetensors', null],
        ['https://a.example/models/model.safetensors?signed=1', 'weights'],
        ['https://a.example/model.safetensors.index.json', 'weights'],
        ['https://a.example/onnx/model_q4.onnx', 'weights'],
        [new URL('https://a.example/model.onnx'), 'weights'],
        [new URL('https://a.example/mine'), null],
        [OWN, null],
        [OWN.buffer, null],
        [new Blob([OWN]), null],
        [file('mine.safetensors'), null],
        [file('mine.onnx'), 'weights'],
        [file('model.safetensors'), 'weights'],
        [['a.safetensors', 'https://b.example/b.safetensors'], null],
        [[file('a.safetensors'), file('b.safetensors')], null],
        [[file('model.onnx'), file('tokenizer.json')], 'folder'],
        [[file('mine.safetensors', 'mine/mine.safetensors')], 'folder'],
        [{ [Symbol.toStringTag]: 'FileList' }, 'folder'],
        [{ [Symbol.toStringTag]: 'FileSystemDirectoryHandle' }, 'handle'],
        [{ [Symbol.toStringTag]: 'FileSystemFileHandle' }, 'handle'],
        [[], null],
        [null, null],
        [42, null],
    ];
    for (const [source, form] of FORMS) {
        assert.equal(formOf(source), form, typeof source === 'string' ? source : String(form));
    }
});

test('in Node a folder or a file that exists wins over a name', (t) => {
    const root = folderOf({ 'org/name/config.json': bytes('{}'), 'org/file': OWN });
    const before = process.cwd();
    t.after(() => process.chdir(before));
    process.chdir(root);
    assert.equal(formOf('org/name'), 'folder');
    assert.equal(formOf('org/file'), null);
    assert.equal(formOf('org/other'), 'name');
});

test('which weights of a folder: ours, then safetensors, then ONNX', async () => {
    const config = { 'config.json': bytes('{}'), 'tokenizer.json': bytes('{}') };
    const own = { 'bert-wasm/model_q8.safetensors': OWN, 'bert-wasm/model_f32.safetensors': OWN };
    const plain = { 'model.safetensors': PLAIN };
    const onnx = { 'onnx/model.onnx': ONNX, 'onnx/model_quantized.onnx': ONNX };
    const all = folderOf({ ...config, ...plain, ...onnx, ...own, 'README.md': bytes('#') });

    const q8 = await resolve(all);
    assert.equal(q8.own, pathToFileURL(join(all, 'bert-wasm/model_q8.safetensors')).href);
    const f32 = await resolve(all, { dtype: 'f32' });
    assert.match(String(f32.own), /model_f32\.safetensors$/);
    const both = 'config.json model.safetensors tokenizer.json';
    assert.deepEqual(chosen(await resolve(all, { dtype: 'q4' })), ['model.safetensors', both]);
    assert.deepEqual(chosen(await resolve(folderOf({ ...config, ...plain, ...onnx }))), [
        'model.safetensors',
        both,
    ]);
    assert.deepEqual(chosen(await resolve(folderOf({ ...config, ...onnx }))), [
        'onnx/model.onnx',
        'config.json onnx/model.onnx tokenizer.json',
    ]);
    assert.deepEqual(
        chosen(await resolve(all, { file: 'onnx/model_quantized.onnx' }))[0],
        ['onnx/model_quantized.onnx'][0],
    );
    const mine = folderOf({ 'mine.safetensors': OWN });
    assert.match(String((await resolve(mine)).own), /mine\.safetensors$/);
    const model = folderOf({ 'model.safetensors': OWN });
    assert.match(String((await resolve(model)).own), /model\.safetensors$/);
    const alone = folderOf({ 'nameless.onnx': ONNX });
    assert.deepEqual(chosen(await resolve(alone)), ['nameless.onnx', 'nameless.onnx']);
});

test('what goes with weights: tokenizers, external data, shards, modules', async () => {
    const vocab = folderOf({
        'config.json': bytes('{}'),
        'model.safetensors': PLAIN,
        'vocab.txt': bytes('a'),
    });
    assert.equal(chosen(await resolve(vocab))[1], 'config.json model.safetensors vocab.txt');

    const external = folderOf({
        'config.json': bytes('{}'),
        'onnx/model.onnx': ONNX,
        'onnx/model.onnx_data': ONNX,
        'onnx/model.onnx_data_1': ONNX,
        'onnx/model_fp16.onnx_data': ONNX,
        'onnx/weights.bin': ONNX,
        'pytorch_model.bin': ONNX,
    });
    assert.equal(
        chosen(await resolve(external))[1],
        'config.json onnx/model.onnx onnx/model.onnx_data onnx/model.onnx_data_1 ' +
            'onnx/model_fp16.onnx_data onnx/weights.bin',
    );

    const index = {
        weight_map: {
            a: 'model-00001-of-00002.safetensors',
            b: 'model-00002-of-00002.safetensors',
        },
    };
    const sharded = {
        'config.json': bytes('{}'),
        'model.safetensors.index.json': bytes(JSON.stringify(index)),
        'model-00001-of-00002.safetensors': PLAIN,
        'model-00002-of-00002.safetensors': PLAIN,
    };
    assert.deepEqual(chosen(await resolve(folderOf(sharded))), [
        'model.safetensors.index.json',
        Object.keys(sharded).sort().join(' '),
    ]);

    const modules = [
        { path: '', type: 'Transformer' },
        { path: '1_Pooling', type: 'Pooling' },
        { path: '2_Dense', type: 'Dense' },
        { path: '3_Normalize', type: 'Normalize' },
    ];
    const sentence = {
        'config.json': bytes('{}'),
        'model.safetensors': PLAIN,
        'modules.json': bytes(JSON.stringify(modules)),
        '1_Pooling/config.json': bytes('{}'),
        '2_Dense/config.json': bytes('{}'),
        '2_Dense/model.safetensors': PLAIN,
        'sentence_bert_config.json': bytes('{}'),
    };
    assert.equal(
        chosen(await resolve(folderOf(sentence)))[1],
        Object.keys(sentence).sort().join(' '),
    );

    const inner = {
        'modules.json': bytes(JSON.stringify([{ path: '0_Transformer' }, { path: '1_Pooling' }])),
        '0_Transformer/config.json': bytes('{}'),
        '0_Transformer/model.safetensors': PLAIN,
        '0_Transformer/vocab.txt': bytes('a'),
        '1_Pooling/config.json': bytes('{}'),
    };
    assert.deepEqual(chosen(await resolve(folderOf(inner))), [
        '0_Transformer/model.safetensors',
        Object.keys(inner).sort().join(' '),
    ]);
});

test('what is missing is told, with what was tried', async () => {
    const cases = /** @type {const} */ ([
        [
            { 'README.md': bytes('') },
            'FETCH_FAILED',
            /no weights .* it has README\.md\. Tried: .*onnx\/model\.onnx: no/,
        ],
        [{ 'pytorch_model.bin': ONNX }, 'FETCH_FAILED', /pickle .*safe_serialization=True/],
        [{ 'tf_model.h5': ONNX }, 'FETCH_FAILED', /weights of TensorFlow/],
        [
            {
                'adapter_config.json': bytes('{"base_model_name_or_path": "org/base"}'),
                'adapter_model.safetensors': PLAIN,
            },
            'FETCH_FAILED',
            /an adapter alone, of "org\/base": put its files/,
        ],
        [{ 'model.safetensors': PLAIN }, 'FETCH_FAILED', /no config\.json, which says what/],
        [{ 'a.onnx': ONNX, 'b.onnx': ONNX }, 'FETCH_FAILED', /it has a\.onnx, b\.onnx/],
        [{ 'model.safetensors': bytes('<html>') }, 'BAD_MODEL_FILE', /must be a safetensors file/],
        [{ 'model.safetensors': PLAIN.slice(0, 20) }, 'BAD_MODEL_FILE', /must be a safetensors/],
        [
            {
                'config.json': bytes('{}'),
                'model.safetensors.index.json': bytes('{"weight_map": {"a": "../b.safetensors"}}'),
            },
            'BAD_MODEL_FILE',
            /must name \.safetensors files beside it, not '\.\.\/b\.safetensors'/,
        ],
        [
            {
                'config.json': bytes('{}'),
                'model.safetensors.index.json': bytes('{"weight_map": {"a": "b.safetensors"}}'),
            },
            'FETCH_FAILED',
            /no b\.safetensors, which model\.safetensors\.index\.json names/,
        ],
        [
            { 'config.json': bytes('{}'), 'model.safetensors.index.json': bytes('[') },
            'BAD_MODEL_FILE',
            /must be JSON/,
        ],
        [
            { 'config.json': bytes('{}'), 'model.safetensors.index.json': bytes('{}') },
            'BAD_MODEL_FILE',
            /must have a weight_map/,
        ],
        [
            {
                'config.json': bytes('{}'),
                'model.safetensors': PLAIN,
                'modules.json': bytes('[{"path": "../.."}]'),
            },
            'BAD_MODEL_FILE',
            /a module's path must be a folder beside it/,
        ],
    ]);
    for (const [files, code, message] of cases) {
        await assert.rejects(resolve(folderOf(files)), failing(code, message));
    }
    await assert.rejects(resolve('no-such/'), failing('FETCH_FAILED', /no such folder/));
    await assert.rejects(
        resolve(folderOf({ 'model.onnx': ONNX }), { file: 'onnx/model.onnx' }),
        failing('FETCH_FAILED', /it has no onnx\/model\.onnx; it has model\.onnx/),
    );
});

test('options that are wrong', async () => {
    for (const [options, message] of /** @type {[any, RegExp][]} */ ([
        [{ revision: '' }, /^revision must be a path/],
        [{ revision: '../..' }, /^revision must be/],
        [{ subfolder: '/etc' }, /^subfolder must be/],
        [{ subfolder: 'a/../b' }, /^subfolder must be/],
        [{ file: '..\\x' }, /^file must be/],
        [{ file: 7 }, /^file must be/],
        [{ dtype: 'fp32' }, /^dtype must be 'q8', 'q7', 'q4', 'f16', 'f32', not string "fp32"/],
    ])) {
        await assert.rejects(resolve('org/name', options), failing('BAD_OPTION', message));
    }
});

test('files of a page: a list, its subfolder, one file, handles', async () => {
    const file = (path, content) => {
        const made = new File([content], path.slice(path.lastIndexOf('/') + 1));
        Object.defineProperty(made, 'webkitRelativePath', { value: path });
        return made;
    };
    const list = [
        file('mine/config.json', '{}'),
        file('mine/model.safetensors', PLAIN),
        file('mine/below/onnx/model.onnx', ONNX),
    ];
    const both = ['model.safetensors', 'config.json model.safetensors'];
    assert.deepEqual(chosen(await resolve(list)), both);
    assert.deepEqual(chosen(await resolve(list, { subfolder: 'below' })), [
        'onnx/model.onnx',
        'onnx/model.onnx',
    ]);
    const dropped = [new File([ONNX], 'mine.onnx'), new File(['{}'], 'tokenizer.json')];
    assert.deepEqual(chosen(await resolve(dropped)), ['mine.onnx', 'mine.onnx tokenizer.json']);
    assert.deepEqual(chosen(await resolve(new File([ONNX], 'mine.onnx'))), [
        'mine.onnx',
        'mine.onnx',
    ]);
    const own = new File([OWN], 'model.safetensors');
    assert.equal((await resolve(own)).own, own);
    await assert.rejects(
        resolve(new File([PLAIN], 'model.safetensors')),
        failing('FETCH_FAILED', /no config\.json/),
    );

    const handle = (name, entries) => ({
        [Symbol.toStringTag]: 'FileSystemDirectoryHandle',
        kind: 'directory',
        name,
        async *entries() {
            yield* Object.entries(entries);
        },
    });
    const fileHandle = (name, content) => ({
        [Symbol.toStringTag]: 'FileSystemFileHandle',
        kind: 'file',
        getFile: async () => new File([content], name),
    });
    const root = handle('mine', {
        'config.json': fileHandle('config.json', '{}'),
        'model.safetensors': fileHandle('model.safetensors', PLAIN),
        sub: handle('sub', { 'model.onnx': fileHandle('model.onnx', ONNX) }),
    });
    assert.deepEqual(chosen(await resolve(root)), both);
    assert.deepEqual(chosen(await resolve(root, { subfolder: 'sub' })), [
        'model.onnx',
        'model.onnx',
    ]);
    const one = fileHandle('mine.onnx', ONNX);
    assert.deepEqual(chosen(await resolve(one)), ['mine.onnx', 'mine.onnx']);
});

test('parts of a file are the bytes that they should be, from wherever', async (t) => {
    const content = Uint8Array.from({ length: 700_000 }, (_, i) => (i * 31 + (i >> 9)) & 0xff);
    const files = { 'config.json': bytes('{}'), 'model.onnx': content };
    const server = await FaultyServer.open({
        '/m/config.json': files['config.json'],
        '/m/model.onnx': content,
        '/whole/model.onnx': content,
    });
    t.after(() => server.close());
    server.faults.set('/whole/model.onnx', { ranges: false });
    for (const source of [
        folderOf(files),
        `${server.url}m/`,
        `${server.url}m/model.onnx?signed=1`,
        `${server.url}whole/`,
        [new File([files['config.json']], 'config.json'), new File([content], 'model.onnx')],
    ]) {
        const resolved = /** @type {any} */ (await resolve(source));
        const model = resolved.files[resolved.weights];
        assert.equal(model.size, content.length);
        const ranges = [
            [0, 1],
            [5, 300_000],
            [699_999, 700_000],
            [0, 700_000],
            [12, 12],
        ];
        const parts = await Promise.all(ranges.map(([start, end]) => model.read(start, end)));
        for (const [i, [start, end]] of ranges.entries()) {
            assert.deepEqual(parts[i], content.slice(start, end), `${source}: ${start} to ${end}`);
        }
    }
    // One that gives no parts was asked for once, and no more.
    const { n_requests } = server.counts('/whole/model.onnx').whole;
    assert.ok(n_requests <= 2, `${n_requests}`);
});

test('a part that breaks off goes on where it was; a file that changed is told', async (t) => {
    const content = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 7)) & 0xff);
    const server = await FaultyServer.open({ '/m/model.onnx': content });
    t.after(() => server.close());
    const open = async () => {
        server.faults.clear();
        const resolved = /** @type {any} */ (await resolve(`${server.url}m/`));
        return resolved.files['model.onnx'];
    };
    const healed = await open();
    server.faults.set('/m/model.onnx', [
        { cut: 1000 },
        { status: 503 },
        { redirect: { uses: 0 } },
        {},
    ]);
    assert.deepEqual(await healed.read(100, 200_000), content.slice(100, 200_000));
    const ranges = server.log.map(({ range }) => range).filter((range) => /199999$/.test(range));
    assert.deepEqual(ranges.slice(0, 2), ['bytes=100-199999', 'bytes=1100-199999']);

    const changed = await open();
    server.files.set(
        '/m/model.onnx',
        content.map((byte) => byte ^ 1),
    );
    await assert.rejects(changed.read(0, 10), failing('FILE_CHANGED', /its ETag was/));
    server.files.set('/m/model.onnx', content);

    const shorter = await open();
    server.faults.set('/m/model.onnx', { truncate: 1000 });
    await assert.rejects(shorter.read(0, 2000), failing('FETCH_FAILED', /after 1000 bytes/));
});

test('an address that answers with pages has no files', async (t) => {
    const server = await FaultyServer.open({});
    t.after(() => server.close());
    for (const name of ['model.safetensors', 'onnx/model.onnx', 'model.onnx', 'config.json']) {
        server.faults.set(`/m/${name}`, A_PAGE);
    }
    await assert.rejects(
        resolve(`${server.url}m/`),
        failing('FETCH_FAILED', /no weights .*model\.safetensors: 404; .*onnx\/model\.onnx: 404/),
    );
});

test('configure() takes hubs, patterns and folders, and refuses what is none', (t) => {
    t.after(() => configure({ hub: null, token: null }));
    const file = (hub) => openHub(hub, null).urlOf('org/name', 'refs/pr/1', 'onnx/a b.onnx');
    const here = pathToFileURL(process.cwd()).href;
    for (const [hub, url] of [
        ['https://h.example', 'https://h.example/org/name/resolve/refs%2Fpr%2F1/onnx/a%20b.onnx'],
        ['https://h.example/', 'https://h.example/org/name/resolve/refs%2Fpr%2F1/onnx/a%20b.onnx'],
        [
            'https://h.example/hf',
            'https://h.example/hf/org/name/resolve/refs%2Fpr%2F1/onnx/a%20b.onnx',
        ],
        ['https://h.example/models/', 'https://h.example/models/org/name/onnx/a%20b.onnx'],
        ['https://h.example/{repo}/{file}?x', 'https://h.example/org/name/onnx/a%20b.onnx?x'],
        ['models', `${here}/models/org/name/onnx/a%20b.onnx`],
        ['/srv/models/', 'file:///srv/models/org/name/onnx/a%20b.onnx'],
        ['/srv/{repo}/{revision}/{file}', 'file:///srv/org/name/refs%2Fpr%2F1/onnx/a%20b.onnx'],
    ]) {
        configure({ hub });
        assert.equal(configuration.hub, hub);
        assert.equal(file(hub), url);
    }
    configure({ hub: new URL('https://u.example') });
    assert.equal(configuration.hub, 'https://u.example/');
    configure({ token: 'hf_x' });
    assert.deepEqual(configuration, { hub: 'https://u.example/', token: 'hf_x' });
    assert.equal(openHub('https://h.example', 'hf_x').headers.Authorization, 'Bearer hf_x');
    assert.deepEqual(openHub('/srv/models', 'hf_x').headers, {});

    for (const [settings, message] of /** @type {[any, RegExp][]} */ ([
        [{ hub: 7 }, /^hub must be an address, a pattern or a folder or null, not number 7/],
        [{ hub: '' }, /^hub must be/],
        [{ hub: 'https://h/{repo}' }, /it has no \{file\}/],
        [{ hub: 'https://h/{file}' }, /it has no \{repo\}/],
        [{ hub: 'https://h/{repo}/{filename}' }, /it has no \{file\}|\{filename\}/],
        [{ token: 7 }, /^token must be text or null/],
        [{ host: 'x' }, /has hub and token, not 'host'/],
    ])) {
        assert.throws(() => configure(settings), failing('BAD_OPTION', message));
    }
});

test('names lead to a folder of folders, on a disk and at an address', async (t) => {
    const root = folderOf({
        'org/name/config.json': bytes('{}'),
        'org/name/model.safetensors': PLAIN,
    });
    const server = await FaultyServer.open({ '/models/': root });
    t.after(() => server.close());
    for (const hub of [root, `${root}/`, `${server.url}models/`, `${root}/{repo}/{file}`]) {
        const resolved = await resolve('org/name', {}, { hub });
        assert.deepEqual(chosen(resolved), ['model.safetensors', 'config.json model.safetensors']);
    }
    await assert.rejects(
        resolve('org/other', {}, { hub: root }),
        failing('FETCH_FAILED', /no such folder/),
    );
});

test('a conversion is stored by place and dtype; its identity is that of the files', async () => {
    const files = { 'config.json': bytes('{}'), 'model.safetensors': PLAIN };
    const folder = folderOf(files);
    const at = pathToFileURL(folder).href;
    const place = (options) => locate(folder, options, CONTEXT);
    assert.equal((await place({})).address, `${at}/#q8`);
    assert.equal((await place({ dtype: 'f32' })).address, `${at}/#f32`);
    assert.equal((await place({ subfolder: 'a', file: 'b.onnx' })).address, `${at}/a/b.onnx#q8`);
    const resolved = async () => /** @type {any} */ (await (await place({})).resolve());
    const first = await resolved();
    const again = await resolved();
    assert.equal(again.identity, first.identity);
    writeFileSync(join(folder, 'config.json'), '{"a": 1}');
    const changed = await resolved();
    assert.notEqual(changed.identity, first.identity);
});
