/**
 * Models as transformers, PEFT and sentence-transformers write them, from their folders to what
 * callers get: natively and in WebAssembly what torch gives, and, where the same model was
 * exported, the very weights that are read from its graph.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { loadModel, pipeline } from 'bert-wasm';

import { CONVERTER } from './converted.js';
import { expectedOf, largestDifference, placesOf, sequencesOf } from './golden_outputs.js';
import {
    convert,
    floatsOf,
    folderOf,
    HUGGINGFACE,
    modelTensors,
    newPath,
    readMetadata,
    readTensors,
    retyped,
    writeTensors,
} from './huggingface_files.js';

const names = readdirSync(HUGGINGFACE).sort();
const TOLERANCE = 1e-4;
const of = (name, file = '') => join(HUGGINGFACE, name, file);

/** What a folder is converted with. */
const optionsOf = (name) => (existsSync(of(name, 'base')) ? ['--base', of(name, 'base')] : []);

const FAMILIES =
    'bert roberta xlm-roberta camembert distilbert albert electra mpnet deberta deberta-v2'.split(
        ' ',
    );

test('there are models of every family and head', () => {
    const heads = 'base seqcls tokcls qa mlm pretraining nsp discriminator sentence'.split(' ');
    const seen = names.map((name) => JSON.parse(readFileSync(of(name, 'golden.json'), 'utf8')));
    for (const family of FAMILIES) {
        assert.ok(
            seen.some(({ architecture }) => architecture === family),
            family,
        );
    }
    for (const head of heads)
        assert.ok(
            seen.some((one) => one.head === head),
            head,
        );
});

for (const name of names) {
    test(`${name}: the answers of torch`, async (t) => {
        const { path } = convert(of(name), '--dtype', 'f32', ...optionsOf(name));
        const { status, stdout } = spawnSync(
            CONVERTER,
            ['--verify', of(name, 'golden.json'), path, '--tolerance', `${TOLERANCE}`],
            { encoding: 'utf8' },
        );
        assert.equal(status, 0, stdout);
        const golden = JSON.parse(readFileSync(of(name, 'golden.json'), 'utf8'));
        const model = await loadModel(path);
        let worst = 0;
        for (const one of golden.cases) {
            const results = await model.forward(sequencesOf(one));
            results.forEach((result, row) => {
                assert.deepEqual(Object.keys(result).sort(), [...golden.outputs].sort());
                for (const [output, { dims, data }] of Object.entries(result)) {
                    const { shape } = one.outputs[output];
                    const want = expectedOf(
                        one.outputs[output],
                        model.config.outputs[output].output,
                        row,
                        one.input_ids[row].length,
                        placesOf(one.attention_mask[row]),
                    );
                    assert.equal(data.length, want.length, `${output}: ${dims}`);
                    assert.equal(dims.length, shape.length - 1, `${output}: ${dims}`);
                    worst = Math.max(worst, largestDifference(data, want));
                }
            });
        }
        t.diagnostic(`largest error ${worst.toExponential(1)} of ${golden.largest.toFixed(2)}`);
        assert.ok(worst <= TOLERANCE * Math.max(1, golden.largest), `${worst}`);
        const verification = await model.verify();
        assert.ok(verification.ok && verification.error < TOLERANCE, JSON.stringify(verification));
        model.dispose();
    });
}

/* ----------------------------------------------------------------------------- from the graph -- */

/**
 * What a graph multiplies, and tables that it computes: there the last bit may differ. Exporters
 * write the scale of DistilBERT's and DeBERTa's scores as a product.
 */
const computed = (name) =>
    name.startsWith('deberta')
        ? /attention\.(query|key)\.bias$|relative_(query|key)\.weight$/
        : name.startsWith('distilbert')
          ? /attention\.query\.bias$/
          : /^$/;

/** What training alone reads, which is in no graph. */
const SOURCES = /^relative\.(embeddings|norm)\.|\.relative_(key|query)\.projection\./;

const withoutSources = (path) => {
    const { encoder, ...config } = readMetadata(path).config;
    const { relative_source: _, relative_norm: __, ...rest } = encoder;
    const tensors = Object.entries(modelTensors(path)).filter(([name]) => !SOURCES.test(name));
    return { config: { ...config, encoder: rest }, tensors: Object.fromEntries(tensors) };
};

for (const name of names.filter((one) => existsSync(of(one, 'model.onnx')))) {
    test(`${name}: the weights of its graph, to the bit`, () => {
        const named = convert(of(name), '--dtype', 'f32').path;
        const graph = convert(of(name, 'model.onnx'), '--dtype', 'f32').path;
        const { config, tensors: got } = withoutSources(named);
        const want = modelTensors(graph);
        assert.deepEqual(config, readMetadata(graph).config);
        assert.deepEqual(Object.keys(got), Object.keys(want), 'in one order');
        for (const [tensor, { dtype, shape, bytes }] of Object.entries(want)) {
            assert.deepEqual([got[tensor].dtype, got[tensor].shape], [dtype, shape], tensor);
            if (computed(name).test(tensor)) {
                const error = largestDifference(
                    floatsOf(got[tensor]),
                    Array.from(floatsOf(want[tensor])),
                );
                assert.ok(error < 2e-6, `${tensor} differs by ${error}`);
            } else assert.deepEqual(got[tensor].bytes, bytes, tensor);
        }
    });
}

test('a folder with both has its weights read by name; its graph where no name is known', () => {
    const both = folderOf('bert-nsp');
    cpSync(of('bert-nsp', 'model.onnx'), join(both, 'model.onnx'));
    const hash = (path) => readMetadata(path).source_sha256;
    assert.equal(hash(convert(both).path), hash(convert(folderOf('bert-nsp')).path));
    const config = JSON.parse(readFileSync(join(both, 'config.json'), 'utf8'));
    writeFileSync(join(both, 'config.json'), JSON.stringify({ ...config, model_type: 'other' }));
    assert.equal(hash(convert(both).path), hash(convert(of('bert-nsp', 'model.onnx')).path));
    // And the file itself says the same as its folder.
    const file = convert(join(folderOf('bert-nsp'), 'model.safetensors'));
    assert.deepEqual(
        modelTensors(file.path),
        modelTensors(convert(of('bert-nsp', 'model.onnx')).path),
    );
});

test('f32 has what tables of distances are made of, other dtypes do not', () => {
    const kinds = {
        'deberta-base': ['own_unbiased', undefined, 3],
        'deberta-v2-base-conv': ['own', 1, 4],
        'deberta-v3-seqcls': ['shared', 1, 0],
        'bert-base': [undefined, undefined, 0],
    };
    for (const [name, [source, norm, projections]] of Object.entries(kinds)) {
        const { path } = convert(of(name), '--dtype', 'f32');
        const { encoder } = readMetadata(path).config;
        assert.deepEqual([encoder.relative_source, encoder.relative_norm], [source, norm], name);
        const sources = Object.keys(modelTensors(path)).filter((tensor) => SOURCES.test(tensor));
        assert.equal(
            sources.filter((tensor) => tensor.includes('projection')).length,
            Number(projections) * encoder.n_layers,
            name,
        );
        const small = convert(of(name), '--dtype', 'q8').path;
        assert.equal(readMetadata(small).config.encoder.relative_source, undefined);
        assert.ok(!Object.keys(modelTensors(small)).some((tensor) => SOURCES.test(tensor)), name);
    }
});

test('every dtype is that of the graph', () => {
    for (const dtype of ['f16', 'q8', 'q7', 'q4']) {
        assert.deepEqual(
            modelTensors(convert(of('bert-base'), '--dtype', dtype).path),
            modelTensors(convert(of('bert-base', 'model.onnx'), '--dtype', dtype).path),
            dtype,
        );
    }
});

/* ----------------------------------------------------------------------- the same, otherwise -- */

const rename = (change) => (tensors) =>
    Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [change(name), tensor]));

const buffer = (n, dtype = 'I64') => ({
    dtype,
    shape: [1, n],
    bytes: Buffer.alloc(n * (dtype === 'U8' ? 1 : 8)),
});

/** What changes names and adds what nothing uses, and must not change the model. */
const BROTHERS = {
    'gamma and beta': rename((name) =>
        name.replace(/(LayerNorm)\.weight$/, '$1.gamma').replace(/(LayerNorm)\.bias$/, '$1.beta'),
    ),
    'of a compiled module': rename((name) => `_orig_mod.${name}`),
    'of a parallel module': rename((name) => `module.${name}`),
    'of both': rename((name) => `module._orig_mod.${name}`),
    'in another module': rename((name) => `model.${name}`),
    'with buffers': (tensors) => ({
        ...tensors,
        'bert.embeddings.position_ids': buffer(12),
        'bert.embeddings.token_type_ids': buffer(12),
        'roberta.embeddings.position_ids': buffer(12),
        'loss.weight': buffer(3, 'F64'),
        flags: buffer(5, 'U8'),
    }),
    'with other heads': (tensors) => ({
        ...tensors,
        'cls.seq_relationship.weight': tensors['qa_outputs.weight'] ?? buffer(1),
        'unused.classifier.weight': { dtype: 'F16', shape: [2, 2], bytes: Buffer.alloc(8) },
    }),
    'in another order': (tensors) => Object.fromEntries(Object.entries(tensors).reverse()),
};

for (const [how, change] of Object.entries(BROTHERS)) {
    test(`names ${how}: the same model`, () => {
        for (const name of ['bert-qa', 'roberta-seqcls', 'electra-mlm', 'bert-mlm-untied']) {
            const want = convert(of(name), '--dtype', 'f32').path;
            const got = convert(folderOf(name, { 'model.safetensors': change }), '--dtype', 'f32');
            assert.deepEqual(modelTensors(got.path), modelTensors(want), name);
            assert.equal(/are not used/.test(got.stderr), /with/.test(how), got.stderr);
        }
    });
}

test('the bare encoder of a model, with its prefix or without, with a pooler or without', () => {
    const bare = { 'config.json': (json) => ({ ...json, architectures: undefined }) };
    const want = modelTensors(convert(folderOf('bert-seqcls', bare), '--dtype', 'f32').path);
    assert.ok(want['pooler.weight'] && !want['classifier.weight']);
    const without = rename((name) => name.replace('bert.', ''));
    const path = folderOf('bert-seqcls', { ...bare, 'model.safetensors': without });
    assert.deepEqual(modelTensors(convert(path, '--dtype', 'f32').path), want);
    const unpooled = folderOf('bert-seqcls', {
        ...bare,
        'model.safetensors': (tensors) =>
            Object.fromEntries(Object.entries(tensors).filter(([name]) => !/pooler/.test(name))),
    });
    const { config } = readMetadata(convert(unpooled).path);
    assert.deepEqual(config.outputs, { last_hidden_state: { output: 'last_hidden_state' } });
});

/** Writes a model's tensors as `n` shards with their index. */
function sharded(name, n) {
    const path = folderOf(name);
    const tensors = Object.entries(readTensors(join(path, 'model.safetensors')));
    const weight_map = {};
    for (let i = 0; i < n; i++) {
        const file = `model-0000${i + 1}-of-0000${n}.safetensors`;
        const part = tensors.filter((_, k) => k % n === i);
        writeTensors(join(path, file), Object.fromEntries(part));
        for (const [tensor] of part) weight_map[tensor] = file;
    }
    spawnSync('rm', [join(path, 'model.safetensors')]);
    const index = { metadata: { total_size: 1 }, weight_map };
    writeFileSync(join(path, 'model.safetensors.index.json'), JSON.stringify(index));
    return path;
}

test('shards with an index: the same model', () => {
    for (const name of ['bert-pretraining', 'mpnet-tokcls']) {
        const want = modelTensors(convert(of(name), '--dtype', 'f32').path);
        const path = sharded(name, 3);
        assert.deepEqual(modelTensors(convert(path, '--dtype', 'f32').path), want, name);
        const index = join(path, 'model.safetensors.index.json');
        assert.deepEqual(modelTensors(convert(index, '--dtype', 'f32').path), want, name);
    }
});

test('float16 and bfloat16: the model of the rounded numbers', () => {
    const words = new Uint32Array(1);
    const float = new Float32Array(words.buffer);
    /** The nearest bfloat16, ties to even. */
    const bf16 = (value) => {
        float[0] = value;
        return (words[0] + 0x7fff + ((words[0] >> 16) & 1)) >>> 16;
    };
    const wide = (bits) => {
        words[0] = bits << 16;
        return float[0];
    };
    /** A binary16 of a number that has one, of those that are here: normal, or zero. */
    const f16 = (value) => {
        float[0] = value;
        const magnitude = words[0] & 0x7fffffff;
        return ((words[0] >>> 16) & 0x8000) | (magnitude && (magnitude - 0x38000000) >> 13);
    };
    /** Eleven bits of a float32. */
    const cut = (value) => {
        float[0] = Math.abs(value) < 2 ** -14 ? 0 : value;
        words[0] &= ~0x1fff;
        return float[0];
    };
    for (const [dtype, round, write] of /** @type {const} */ ([
        ['BF16', (x) => wide(bf16(x)), (bytes, x, at) => bytes.writeUInt16LE(bf16(x), at)],
        ['F16', cut, (bytes, x, at) => bytes.writeUInt16LE(f16(cut(x)), at)],
    ])) {
        for (const name of ['roberta-mlm', 'deberta-seqcls']) {
            const each = (change) => ({
                'model.safetensors': (tensors) =>
                    Object.fromEntries(
                        Object.entries(tensors).map(([key, tensor]) => [key, change(tensor)]),
                    ),
            });
            const small = folderOf(
                name,
                each((tensor) => retyped(tensor, dtype, 2, write)),
            );
            const rounded = folderOf(
                name,
                each((tensor) =>
                    retyped(tensor, 'F32', 4, (bytes, x, at) => bytes.writeFloatLE(round(x), at)),
                ),
            );
            assert.deepEqual(
                modelTensors(convert(small, '--dtype', 'f32').path),
                modelTensors(convert(rounded, '--dtype', 'f32').path),
                `${name} ${dtype}`,
            );
        }
    }
});

test('what a config leaves out has the default of its class', () => {
    const given = convert(of('deberta-v2-seqcls'), '--dtype', 'f32').path;
    const path = folderOf('deberta-v2-seqcls', {
        'config.json': ({ layer_norm_eps, hidden_act, legacy, ...rest }) => rest,
    });
    assert.deepEqual(
        readFileSync(convert(path, '--dtype', 'f32', '--name', 'x').path).length,
        readFileSync(given).length,
    );
    assert.deepEqual(
        readMetadata(convert(path, '--dtype', 'f32').path).config,
        readMetadata(given).config,
    );
});

/* ---------------------------------------------------------------------------------- adapters -- */

test('an adapter changes its model; without it there is the model', () => {
    const path = folderOf('lora-bert-seqcls');
    const with_adapter = modelTensors(convert(path, '--dtype', 'f32').path);
    const plain = folderOf('lora-bert-seqcls', {
        'adapter_config.json': null,
        'adapter_model.safetensors': null,
    });
    const without = modelTensors(convert(plain, '--dtype', 'f32').path);
    const changed = Object.keys(without).filter(
        (name) => !without[name].bytes.equals(with_adapter[name].bytes),
    );
    assert.deepEqual(changed, [
        'layers.0.attention.query.weight',
        'layers.0.attention.value.weight',
        'layers.1.attention.query.weight',
        'layers.1.attention.value.weight',
        'classifier.weight',
        'classifier.bias',
    ]);
});

test("an adapter's model is named by a folder, not by where it once was", () => {
    const path = folderOf('lora-bert-seqcls', {
        'config.json': null,
        'model.safetensors': null,
        'adapter_config.json': (json) => ({ ...json, base_model_name_or_path: '/nowhere/at/all' }),
    });
    const base = folderOf('lora-bert-seqcls', {
        'adapter_config.json': null,
        'adapter_model.safetensors': null,
    });
    const want = modelTensors(convert(folderOf('lora-bert-seqcls')).path);
    assert.deepEqual(modelTensors(convert(path, '--base', base).path), want);
    // Names of an encoder that was wrapped otherwise.
    const bare = folderOf('lora-bert-seqcls', {
        'adapter_model.safetensors': rename((name) => name.replace('.bert.', '.')),
    });
    assert.deepEqual(modelTensors(convert(bare).path), want);
});

/* --------------------------------------------------------------------- sentence-transformers -- */

test('what sentence-transformers says goes into the config', () => {
    const config = (name, files) => readMetadata(convert(folderOf(name, files)).path).config;
    const dense = config('sentence-dense');
    assert.deepEqual(dense.outputs, { sentence_embedding: { output: 'sentence_embedding' } });
    assert.deepEqual(
        [dense.prompts, dense.default_prompt_name, dense.include_prompt, dense.similarity],
        [{ query: 'query: ', document: '', passage: 'passage: ' }, 'query', true, 'dot'],
    );
    const { encoder } = dense;
    assert.deepEqual(
        [encoder.pooling, encoder.embedding_dim, encoder.normalize, encoder.sentence_activation],
        ['mean', 12, 1, 'tanh'],
    );
    assert.equal(dense.max_length, 12, 'the positions are fewer than max_seq_length');
    assert.equal(
        config('sentence-dense', {
            'sentence_bert_config.json': { max_seq_length: 7, do_lower_case: false },
        }).max_length,
        7,
    );
    const several = config('sentence-two-dense').encoder;
    assert.deepEqual(
        [several.pooling, several.pooling_2, several.pooling_3, several.pooling_4],
        ['cls', 'max', 'mean', undefined],
    );
    const plain = config('mpnet-sentence');
    assert.deepEqual(
        ['prompts', 'default_prompt_name', 'include_prompt', 'similarity', 'activation'].filter(
            (key) => key in plain,
        ),
        [],
        'only where the folder has them',
    );
    const without = config('sentence-cls', {
        '1_Pooling/config.json': (json) => ({ ...json, include_prompt: false }),
        'config_sentence_transformers.json': { prompts: {}, similarity_fn_name: null },
    });
    assert.deepEqual(
        [without.include_prompt, without.prompts, without.similarity],
        [false, undefined, undefined],
    );
});

test('a similarity that nobody knows is left to callers', () => {
    const { path, stderr } = convert(
        folderOf('sentence-cls', {
            'config_sentence_transformers.json': { similarity_fn_name: 'jaccard' },
        }),
    );
    assert.equal(readMetadata(path).config.similarity, undefined);
    assert.match(stderr, /'jaccard' is not known/);
});

test('both forms of a pooling are one', () => {
    const name = 'sentence-max-mean';
    const want = convert(folderOf(name), '--dtype', 'f32', '--name', 'x').path;
    for (const pooling of [
        { embedding_dimension: 32, pooling_mode: ['max', 'mean'], include_prompt: true },
        {
            word_embedding_dimension: 32,
            pooling_mode_cls_token: false,
            pooling_mode_mean_tokens: true,
            pooling_mode_max_tokens: true,
            include_prompt: true,
        },
    ]) {
        const path = folderOf(name, { '1_Pooling/config.json': pooling });
        assert.deepEqual(
            readFileSync(convert(path, '--dtype', 'f32', '--name', 'x').path),
            readFileSync(want),
        );
    }
});

test('the modules count after a graph that ends in hidden states, too', async () => {
    const path = folderOf('sentence-cls', { 'model.safetensors': null });
    // Another family's encoder of the same size, exported without modules.
    cpSync(of('bert-base', 'model.onnx'), join(path, 'model.onnx'));
    const pooled = await loadModel(convert(path, '--dtype', 'f32').path);
    const plain = await loadModel(convert(of('bert-base', 'model.onnx'), '--dtype', 'f32').path);
    const ids = { input_ids: [2, 11, 12, 3] };
    const [{ last_hidden_state, sentence_embedding }] = await pooled.forward([ids]);
    const [want] = await plain.forward([ids]);
    assert.deepEqual(last_hidden_state, want.last_hidden_state);
    const first = last_hidden_state.data.slice(0, 32);
    const length = Math.hypot(...first);
    assert.ok(
        largestDifference(
            sentence_embedding.data,
            Array.from(first, (x) => x / length),
        ) < 1e-6,
    );
    assert.ok((await pooled.verify()).ok);
    pooled.dispose();
    plain.dispose();
});

test('do_lower_case: texts are lower-cased, as often as that is said', async () => {
    for (const do_lower_case of [true, false]) {
        const path = folderOf('sentence-cls', {
            'sentence_bert_config.json': { max_seq_length: 9, do_lower_case },
        });
        const embed = await pipeline('feature-extraction', convert(path, '--dtype', 'f32').path);
        const [upper, lower] = (await embed(['A Man is', 'a man is'])).tolist();
        assert.equal(JSON.stringify(upper) === JSON.stringify(lower), do_lower_case);
        const [other] = (await embed(['a man eating'])).tolist();
        assert.notDeepEqual(other, lower, 'words are told apart');
        embed.dispose();
        // Once is enough.
        const tokenizer = () => ({
            'sentence_bert_config.json': { do_lower_case: true },
            'tokenizer.json': (/** @type {any} */ json) => ({
                ...json,
                normalizer: { type: 'Sequence', normalizers: [{ type: 'Lowercase' }] },
            }),
        });
        const folder = folderOf('sentence-cls', tokenizer());
        const { bytes } = readTensors(convert(folder).path)['tokenizer.json'];
        assert.deepEqual(bytes, readFileSync(join(folder, 'tokenizer.json')));
    }
});

test("a cross-encoder's activation, by the keys of all releases", () => {
    const activation = (files) =>
        readMetadata(convert(folderOf('xlm-roberta-seqcls', files)).path).config.activation;
    const config = (more) => ({ 'config.json': (json) => ({ ...json, ...more }) });
    const sigmoid = 'torch.nn.modules.activation.Sigmoid';
    const identity = 'torch.nn.modules.linear.Identity';
    assert.equal(activation({}), undefined);
    assert.equal(activation(config({ sbert_ce_default_activation_function: identity })), 'none');
    assert.equal(
        activation(config({ sentence_transformers: { activation_fn: sigmoid } })),
        'sigmoid',
    );
    assert.equal(
        activation({
            ...config({ sentence_transformers: { activation_fn: sigmoid } }),
            'config_sentence_transformers.json': { activation_fn: identity },
        }),
        'none',
    );
    assert.equal(
        activation(config({ sentence_transformers: { activation_fn: 'my.Own' } })),
        undefined,
    );
});

test('a model without a tokenizer, and a name that is given', () => {
    const { path, stderr } = convert(of('bert-base'), '--name', 'mine', '--revision', 'r1');
    assert.match(stderr, /there is no tokenizer.json/);
    const { name, revision, source_sha256 } = readMetadata(path);
    assert.deepEqual([name, revision], ['mine', 'r1']);
    assert.match(source_sha256, /^[0-9a-f]{64}$/);
    assert.equal(readMetadata(convert(of('bert-qa')).path).name, 'bert-qa');
    assert.ok(!existsSync(newPath()));
});
