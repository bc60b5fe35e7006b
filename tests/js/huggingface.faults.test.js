/**
 * Folders that are refused: what nobody computes here, what is missing, and files that lie. Each
 * fault is a sentence that names the file and what is wrong, and no output stays.
 */

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import {
    bytesOf,
    convert,
    folderOf,
    HUGGINGFACE,
    layOut,
    modelTensors,
    newPath,
    readTensors,
    refuse,
    writeTensors,
} from './huggingface_files.js';

const config = (more) => ({ 'config.json': (json) => ({ ...json, ...more }) });
const tensors = (change) => ({ 'model.safetensors': change });

/* ------------------------------------------------------------------------------ the config -- */

/**
 * What a config says that would be another model.
 * @type {[name: string, change: Record<string, any>, message: RegExp][]}
 */
const CONFIGS = [
    ['bert-base', { model_type: 'modernbert' }, /model_type 'modernbert' .*bert, roberta.*ONNX/],
    ['bert-base', { model_type: undefined }, /model_type ''/],
    ['bert-base', { model_type: 7 }, /model_type is 7: it must be a string/],
    [
        'bert-base',
        { position_embedding_type: 'relative_key' },
        /position_embedding_type is "relative_key": only "absolute"/,
    ],
    ['bert-base', { position_embedding_type: 'alibi' }, /position_embedding_type is "alibi"/],
    ['bert-base', { is_decoder: true }, /is_decoder is true: only false/],
    ['bert-base', { add_cross_attention: true }, /add_cross_attention is true/],
    ['roberta-base', { is_encoder_decoder: true }, /is_encoder_decoder is true/],
    ['bert-base', { pruned_heads: { 0: [1] } }, /pruned_heads is \{"0":\[1\]\}: only \{\}/],
    [
        'bert-base',
        { quantization_config: { quant_method: 'bitsandbytes' } },
        /quantization_config is .*bitsandbytes/,
    ],
    ['bert-base', { feed_forward_type: 'geglu' }, /feed_forward_type is "geglu"/],
    ['bert-base', { hidden_act: 'quick_gelu' }, /hidden_act is "quick_gelu": it must be gelu/],
    ['distilbert-base', { activation: 'mish' }, /activation is "mish"/],
    ['bert-base', { hidden_size: '32' }, /hidden_size is "32": it must be a number/],
    ['bert-base', { hidden_size: 31.5 }, /hidden_size is 31.5: it must be a whole number/],
    ['bert-base', { hidden_size: -1 }, /hidden_size is -1/],
    ['bert-base', { num_attention_heads: 5 }, /n_heads/],
    ['bert-base', { num_hidden_layers: 1e6 }, /n_layers/],
    ['bert-base', { layer_norm_eps: 'small' }, /layer_norm_eps is "small"/],
    [
        'bert-base',
        { architectures: ['BertLMHeadModel'] },
        /BertLMHeadModel.*Bert, followed by Model, ForSeq/,
    ],
    ['bert-base', { architectures: ['BertForMultipleChoice'] }, /BertForMultipleChoice/],
    ['bert-base', { architectures: ['JinaBertModel'] }, /JinaBertModel/],
    ['roberta-base', { architectures: ['RobertaForPreTraining'] }, /RobertaForPreTraining/],
    ['electra-base', { architectures: ['ElectraForNextSentencePrediction'] }, /NextSentence/],
    ['albert-base', { num_hidden_groups: 3 }, /num_hidden_groups is 3: it must divide/],
    ['albert-base', { num_hidden_groups: 0 }, /num_hidden_groups is 0/],
    [
        'mpnet-base',
        { relative_attention_num_buckets: 64 },
        /relative_attention_num_buckets is 64: only 32/,
    ],
    ['deberta-base', { talking_head: true }, /talking_head is true/],
    [
        'deberta-base',
        { pos_att_type: ['c2p', 'p2p'] },
        /pos_att_type is \["c2p","p2p"\]: only c2p and p2c/,
    ],
    ['deberta-base', { pos_att_type: ['c2p', 'c2p'] }, /pos_att_type .*each once/],
    ['deberta-base', { pos_att_type: 5 }, /pos_att_type is 5/],
    ['deberta-base', { relative_attention: false }, /pos_att_type .*relative_attention/],
    ['deberta-base', { max_relative_positions: 1.5 }, /max_relative_positions is 1.5/],
    ['deberta-base', { embedding_size: 16 }, /embedding_size is 16: it must be the hidden_size/],
    ['deberta-v2-base-conv', { position_buckets: 2 }, /position_buckets is 2/],
    ['deberta-v2-base-conv', { position_buckets: 1000 }, /position_buckets is 1000/],
    ['deberta-v2-base-conv', { attention_head_size: 4 }, /attention_head_size is 4/],
    ['deberta-v2-base-conv', { conv_groups: 2 }, /conv_groups is 2: only 1/],
    ['deberta-v2-base-conv', { conv_kernel_size: 4 }, /conv_kernel_size is 4: it must be odd/],
    ['deberta-v2-base-conv', { conv_act: 'elu' }, /conv_act is "elu"/],
    ['deberta-v2-seqcls', { pooler_hidden_act: 'elu' }, /pooler_hidden_act is "elu"/],
];

test('what a config can say and nobody computes is refused by name and value', () => {
    for (const [name, more, message] of CONFIGS) refuse(folderOf(name, config(more)), message);
});

test('a folder without what is needed says so', () => {
    refuse(folderOf('bert-base', { 'config.json': null }), /needs a config.json/);
    refuse(folderOf('bert-base', { 'config.json': '{' }), /config.json: is not valid JSON/);
    refuse(folderOf('bert-base', { 'config.json': '[]' }), /config.json: .*not an object/);
    refuse(
        folderOf('bert-base', { 'model.safetensors': null }),
        /has no model.safetensors and no model.onnx/,
    );
    refuse(
        folderOf('bert-base', { 'model.safetensors': null, 'pytorch_model.bin': 'x' }),
        /has a pytorch_model.bin, which is not read: save/,
    );
    refuse(join(newPath(), 'nothing'), /there is no such file or folder/);
    const folder = folderOf('bert-base', { 'model.safetensors': null });
    mkdirSync(join(folder, 'model.safetensors'));
    refuse(folder, /model.safetensors: is not a regular file/);
    refuse(folderOf('bert-base'), /--base is for adapters/, '--base', folder);
    refuse(join(folderOf('bert-base'), 'model.safetensors'), /--base is for/, '--base', folder);
});

test('a model file that was converted already is no source', () => {
    refuse(
        folderOf('bert-base', {
            'model.safetensors': readFileSync(convert(folderOf('bert-base')).path),
        }),
        /needs no conversion/,
    );
});

/* ------------------------------------------------------------------------------- the tensors -- */

/** Some tensors changed or left out. */
const without = (pattern) => (all) =>
    Object.fromEntries(Object.entries(all).filter(([name]) => !pattern.test(name)));
const changed = (name, change) => (all) => ({ ...all, [name]: { ...all[name], ...change } });
const added =
    (name, shape, dtype = 'F32') =>
    (all) => ({
        ...all,
        [name]: {
            dtype,
            shape,
            bytes: Buffer.alloc(
                shape.reduce((a, b) => a * b, { F32: 4, F16: 2, I8: 1, F64: 8, F8_E4M3: 1 }[dtype]),
            ),
        },
    });

const QUERY = 'encoder.layer.1.attention.self.query.weight';
/** @type {[name: string, change: (all: any) => any, message: RegExp][]} */
const TENSORS = [
    ['bert-base', without(/pooler.dense.bias/), /has no tensor 'pooler.dense.bias'/],
    [
        'bert-base',
        without(/word_embeddings/),
        /has no tensor 'embeddings.word_embeddings.weight': it is no encoder/,
    ],
    [
        'bert-base',
        without(/layer.1.output.LayerNorm.weight/),
        /has no tensor 'encoder.layer.1.output.LayerNorm.weight'/,
    ],
    [
        'bert-mlm',
        without(/transform.dense.bias/),
        /has no tensor 'cls.predictions.transform.dense.bias'/,
    ],
    ['bert-mlm', without(/predictions.bias/), /has no tensor 'cls.predictions.bias'/],
    [
        'bert-mlm-untied',
        without(/decoder.weight/),
        /has no tensor 'cls.predictions.decoder.weight'/,
    ],
    ['roberta-seqcls', without(/out_proj/), /has no tensor 'classifier.out_proj.weight'/],
    ['mpnet-base', without(/relative_attention_bias/), /relative_attention_bias/],
    ['deberta-v2-base-conv', without(/rel_embeddings/), /rel_embeddings/],
    ['deberta-v2-base-conv', without(/encoder.LayerNorm.bias/), /encoder.LayerNorm.bias/],
    [
        'bert-base',
        added(QUERY, [32, 31]),
        /'encoder.layer.1.attention.self.query.weight' has the shape \[32, 31\]: .*\[32, 32\]/,
    ],
    ['bert-base', added(QUERY, [32, 32, 1]), /has the shape \[32, 32, 1\]/],
    ['bert-base', added(QUERY, []), /has the shape \[\]/],
    ['bert-base', added(QUERY, [32, 32], 'I8'), /is I8: weights must be F32, F16 or BF16/],
    ['bert-base', added(QUERY, [32, 32], 'F64'), /is F64: weights must be/],
    ['bert-base', added(QUERY, [32, 32], 'F8_E4M3'), /is F8_E4M3: weights must be/],
    ['bert-base', added('embeddings.word_embeddings.weight', [49, 32]), /\[49, 32\]: .*\[48, 32\]/],
    ['bert-qa', added('qa_outputs.weight', [3, 32]), /qa_outputs has 3 outputs: it must have 2/],
    ['bert-qa', added('qa_outputs.weight', [0, 32]), /has the shape \[0, 32\]/],
    [
        'bert-base',
        added('encoder.layer.1.attention.self.distance_embedding.weight', [23, 8]),
        /distance_embedding.weight' is no part of a layer of the type bert/,
    ],
    [
        'albert-base',
        added('encoder.albert_layer_groups.0.albert_layers.1.ffn.weight', [40, 32]),
        /is no part of a layer/,
    ],
    [
        'bert-base',
        added('other.embeddings.word_embeddings.weight', [48, 32]),
        /two encoders, with the tensors/,
    ],
    [
        'bert-base',
        added('encoder.layer.0.output.LayerNorm.gamma', [32]),
        /LayerNorm.gamma.* are both|are both/,
    ],
];

test('tensors that are missing, of another shape or type, or too many', () => {
    for (const [name, change, message] of TENSORS) refuse(folderOf(name, tensors(change)), message);
});

test('numbers that are none', () => {
    const bytes = Buffer.alloc(32 * 32 * 4);
    bytes.writeFloatLE(Number.NaN, 400);
    refuse(
        folderOf('bert-base', tensors(changed(QUERY, { bytes }))),
        /'layers.1.attention.query' has (-)?nan at row/,
    );
});

/* ------------------------------------------------------------------------ headers that lie -- */

/** The header of a good file, changed: the file. */
function lying(change) {
    const { header, data } = layOut(readTensors(join(HUGGINGFACE, 'bert-base/model.safetensors')));
    const text = change(header, data);
    return bytesOf(text ?? header, data);
}
const first = 'embeddings.LayerNorm.bias';

const HEADERS = [
    ['of no bytes', Buffer.alloc(0), /has 0 bytes, too few/],
    ['of seven bytes', Buffer.alloc(7), /has 7 bytes, too few/],
    ['of zeros', Buffer.alloc(64), /first eight bytes are no length/],
    ['that is text', Buffer.from('not a safetensors file at all, but words'), /no length|cut off/],
    [
        'whose header is longer than itself',
        bytesOf('{}', Buffer.alloc(0)).fill(9, 0, 1),
        /cut off in its header/,
    ],
    ['whose header is immense', Buffer.from([0, 0, 0, 0, 0, 0, 0, 127, 1, 2]), /no length/],
    ['whose header is no JSON', bytesOf('{"a":', Buffer.alloc(0)), /header: is not valid JSON/],
    ['whose header is an array', bytesOf('[1,2]', Buffer.alloc(0)), /not an object/],
    ['whose header is no UTF-8', bytesOf('{}', Buffer.alloc(0)).fill(255, 8, 10), /not UTF-8/],
    ['without tensors', bytesOf('{}', Buffer.alloc(0)), /it is no encoder/],
    [
        'with a name twice',
        lying((h) => JSON.stringify(h).replace('{', `{"${first}":1,`)),
        /has the key '.*' twice/,
    ],
    [
        'whose metadata are numbers',
        lying((h) => void (h.__metadata__ = { a: 1 })),
        /__metadata__ is not an object of strings/,
    ],
    ['whose metadata are a list', lying((h) => void (h.__metadata__ = ['a'])), /__metadata__/],
    [
        'whose metadata has a format that is a number',
        lying((h) => void (h.__metadata__ = { format: 1 })),
        /__metadata__/,
    ],
    ['with a tensor that is null', lying((h) => void (h[first] = null)), /dtype/],
    [
        'with an unknown type',
        lying((h) => void (h[first].dtype = 'F31')),
        /has the dtype 'F31', which is not known/,
    ],
    ['with a type that is a number', lying((h) => void (h[first].dtype = 5)), /dtype ''/],
    ['with a shape that is none', lying((h) => void (h[first].shape = '32')), /needs a shape/],
    [
        'of nine dimensions',
        lying((h) => void (h[first].shape = Array(9).fill(1))),
        /at most 8 dimensions/,
    ],
    ['with half a dimension', lying((h) => void (h[first].shape = [0.5])), /not a whole number/],
    [
        'with a negative dimension',
        lying((h) => void (h[first].shape = [-32])),
        /not a whole number/,
    ],
    [
        'with an absurd shape',
        lying((h) => void (h[first].shape = [2 ** 40, 2 ** 40])),
        /absurd shape/,
    ],
    [
        'with a shape that overflows',
        lying((h) => void (h[first].shape = [2 ** 32, 2 ** 32, 8])),
        /absurd shape/,
    ],
    [
        'with a larger shape',
        lying((h) => void (h[first].shape = [33])),
        /has 128 bytes, its shape \[33\] of F32 needs 132/,
    ],
    ['without offsets', lying((h) => void delete h[first].data_offsets), /needs data_offsets/],
    ['with one offset', lying((h) => void (h[first].data_offsets = [0])), /needs data_offsets/],
    [
        'with offsets that are an object',
        lying((h) => void (h[first].data_offsets = { a: 0, b: 128 })),
        /needs data_offsets/,
    ],
    [
        'with offsets that run backwards',
        lying((h) => void (h[first].data_offsets = [128, 0])),
        /needs data_offsets/,
    ],
    [
        'with offsets beyond 2^53',
        lying((h) => void (h[first].data_offsets = [2 ** 60, 2 ** 60 + 128])),
        /needs data_offsets/,
    ],
    [
        'with a tensor beyond its end',
        lying((h) => void (h[first].data_offsets = [1e12, 1e12 + 128])),
        /starts at|cut off/,
    ],
    [
        'with two tensors in one place',
        lying((h) => void (h[first].data_offsets = [128, 256])),
        /starts at/,
    ],
    [
        'with a hole',
        lying((h) => void delete h[first]),
        /starts at 128 of the data, the one before it ends at 0/,
    ],
    [
        'with bytes behind',
        Buffer.concat([lying(() => {}), Buffer.alloc(3)]),
        /has \d+ bytes of data, its tensors have \d+$/m,
    ],
];

for (const [how, bytes, message] of HEADERS) {
    test(`a file ${how} is refused`, () => {
        refuse(folderOf('bert-base', { 'model.safetensors': bytes }), message);
    });
}

test('a file that is cut off is refused wherever that is', () => {
    const { length } = readFileSync(join(HUGGINGFACE, 'bert-base/model.safetensors'));
    for (const n of [8, 9, 100, 2000, length >> 1, length - 1]) {
        const folder = folderOf('bert-base');
        truncateSync(join(folder, 'model.safetensors'), n);
        refuse(folder, /cut off|JSON|too few/);
    }
});

test('bytes of a header that are changed at random: a fault, or the same model', () => {
    const path = join(HUGGINGFACE, 'bert-base/model.safetensors');
    const whole = readFileSync(path);
    const n_header = Number(whole.readBigUInt64LE(0));
    const want = Object.keys(modelTensors(convert(join(HUGGINGFACE, 'bert-base')).path)).length;
    let state = 12345;
    const random = (n) => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor((state / 2 ** 32) * n);
    };
    const folder = folderOf('bert-base');
    let n_taken = 0;
    for (let i = 0; i < 60; i++) {
        const bytes = Buffer.from(whole);
        for (let k = 0; k <= i % 3; k++) bytes[random(8 + n_header)] = random(256);
        writeFileSync(join(folder, 'model.safetensors'), bytes);
        try {
            refuse(folder, /model.safetensors/);
        } catch (error) {
            // Spaces, names of what is not used: then it is the same model.
            assert.match(String(error), /exit code 0/);
            n_taken++;
            assert.equal(Object.keys(modelTensors(convert(folder).path)).length, want);
        }
    }
    assert.ok(n_taken < 10, `${n_taken} were taken`);
});

/* ------------------------------------------------------------------------------------ shards -- */

/** A folder with the index `change` of two shards. */
function indexed(change) {
    const folder = folderOf('bert-base', { 'model.safetensors': null });
    const all = Object.entries(readTensors(join(HUGGINGFACE, 'bert-base/model.safetensors')));
    const weight_map = {};
    all.forEach(([name], i) => (weight_map[name] = i < 9 ? 'a.safetensors' : 'b.safetensors'));
    writeTensors(join(folder, 'a.safetensors'), Object.fromEntries(all.slice(0, 9)));
    writeTensors(join(folder, 'b.safetensors'), Object.fromEntries(all.slice(9)));
    const index = { weight_map };
    writeFileSync(
        join(folder, 'model.safetensors.index.json'),
        change(index, folder) ?? JSON.stringify(index),
    );
    return folder;
}

test('an index that names what is not there, or what is elsewhere, is refused', () => {
    const to =
        (file) =>
        ({ weight_map }) =>
            void (weight_map[first] = file);
    convert(indexed(() => {}));
    refuse(
        indexed(() => '{'),
        /index.json: is not valid JSON/,
    );
    refuse(
        indexed(() => '{}'),
        /needs a weight_map/,
    );
    refuse(
        indexed(() => '{"weight_map":[]}'),
        /needs a weight_map/,
    );
    refuse(
        indexed(() => '{"weight_map":{}}'),
        /names no file/,
    );
    refuse(
        indexed(({ weight_map }) =>
            JSON.stringify({ weight_map }).replace('{"w', '{"weight_map":{},"w'),
        ),
        /twice/,
    );
    refuse(indexed(to('c.safetensors')), /names the file 'c.safetensors', which is not there/);
    refuse(
        indexed(to('b.safetensors')),
        /'embeddings.LayerNorm.bias' must be in b.safetensors, but is not/,
    );
    refuse(
        indexed(({ weight_map }) => void (weight_map.nothing = 'a.safetensors')),
        /'nothing' must be in a.safetensors/,
    );
    for (const outside of [
        '../a.safetensors',
        '/etc/a.safetensors',
        'x/a.safetensors',
        '..\\a.safetensors',
        'C:a.safetensors',
        '.a.safetensors',
        'a.bin',
        '',
        5,
        null,
    ])
        refuse(indexed(to(outside)), /must be a .safetensors file of the same folder/);
    refuse(
        indexed((_, folder) => {
            const all = readTensors(join(folder, 'b.safetensors'));
            const [name] = Object.keys(readTensors(join(folder, 'a.safetensors')));
            const twice = readTensors(join(folder, 'a.safetensors'))[name];
            writeTensors(join(folder, 'b.safetensors'), { ...all, [name]: twice });
        }),
        /are both/,
    );
    refuse(
        indexed((_, folder) => truncateSync(join(folder, 'b.safetensors'), 5000)),
        /b.safetensors: .*cut off/,
    );
});

test('links are followed, as the cache of the Hub has them', () => {
    const folder = newPath();
    mkdirSync(folder);
    for (const file of ['config.json', 'model.safetensors'])
        symlinkSync(join(HUGGINGFACE, 'bert-base', file), join(folder, file));
    convert(folder);
});

/* ---------------------------------------------------------------------------------- adapters -- */

test('adapters that compute something else, or belong to another model', () => {
    const adapter = (more, name = 'lora-bert-seqcls') =>
        folderOf(name, { 'adapter_config.json': (json) => ({ ...json, ...more }) });
    const weights = (change, name = 'lora-bert-seqcls') =>
        folderOf(name, { 'adapter_model.safetensors': change });
    const lora = 'base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight';
    refuse(adapter({ peft_type: 'IA3' }), /peft_type is "IA3": only LORA/);
    refuse(adapter({ peft_type: 'PREFIX_TUNING' }), /peft_type is "PREFIX_TUNING"/);
    refuse(adapter({ use_dora: true }), /use_dora is true/);
    refuse(adapter({ lora_bias: true }), /lora_bias is true/);
    refuse(adapter({ layer_replication: [[0, 2]] }), /layer_replication is/);
    refuse(adapter({ r: 5 }), /says r 5 of '.*', whose matrix has 4 rows/);
    refuse(adapter({ lora_alpha: 'x' }), /lora_alpha is "x"/);
    refuse(adapter({ alpha_pattern: { '.*query': 3 } }), /alpha_pattern .*names of modules/);
    refuse(adapter({ alpha_pattern: 3 }), /alpha_pattern is 3/);
    refuse(adapter({ rank_pattern: { query: 3 } }), /says r 3/);
    refuse(weights(without(/lora_B/)), /needs a lora_B/);
    refuse(weights(without(/lora_A/)), /belongs to nothing/);
    // What it does not bring is its model's.
    convert(weights(without(/classifier/)));
    refuse(weights(added(lora, [4, 31])), /tensors for '.*' are \[32, 4\] and \[4, 31\]/);
    refuse(weights(added(lora, [3, 32])), /needs a lora_B/);
    refuse(weights(added(lora, [4, 32], 'I8')), /is I8: it must be F32/);
    refuse(weights(added('base_model.model.bert.other.lora_A.weight', [4, 32])), /needs a lora_B/);
    refuse(
        weights(
            added('base_model.model.bert.embeddings.word_embeddings.lora_embedding_A', [4, 48]),
        ),
        /kind of adapter that is not computed/,
    );
    refuse(
        weights(added(lora.replace('lora_A.weight', 'lora_magnitude_vector'), [32])),
        /kind of adapter/,
    );
    refuse(
        weights(added('base_model.model.nothing.weight', [4])),
        /belongs to nothing in the model/,
    );
    refuse(
        folderOf('lora-bert-seqcls', { 'adapter_model.safetensors': null }),
        /no adapter_model.safetensors/,
    );
    refuse(folderOf('lora-deberta-seqcls'), /needs the model.safetensors .*--base/);
    refuse(folderOf('lora-deberta-seqcls'), /is no folder/, '--base', newPath());
    refuse(
        folderOf('lora-deberta-seqcls'),
        /belongs to nothing|has no tensor|shape/,
        '--base',
        folderOf('bert-base'),
    );
    const folder = folderOf('lora-bert-seqcls');
    truncateSync(join(folder, 'adapter_model.safetensors'), 3000);
    refuse(folder, /adapter_model.safetensors: .*cut off/);
});

/* --------------------------------------------------------------------- sentence-transformers -- */

test('modules that compute something else are refused by name', () => {
    const folder = (file, change, name = 'sentence-dense') => folderOf(name, { [file]: change });
    const modules = (change) => folder('modules.json', change);
    const pooling = (more) => folder('1_Pooling/config.json', (json) => ({ ...json, ...more }));
    const dense = (more) => folder('2_Dense/config.json', (json) => ({ ...json, ...more }));
    const type = (at, name) => modules((list) => void (list[at].type = name));
    refuse(
        type(1, 'sentence_transformers.models.WeightedLayerPooling'),
        /WeightedLayerPooling' is not computed/,
    );
    refuse(type(1, 'my_own.Pooling'), /my_own.Pooling/);
    refuse(
        type(2, 'sentence_transformers.models.Transformer'),
        /Transformer' is not computed there/,
    );
    refuse(type(0, 'sentence_transformers.models.Pooling'), /is not computed there/);
    refuse(
        modules((list) => [list[0], list[2], list[1], list[3]]),
        /only one between the pooling/,
    );
    refuse(
        modules((list) => [...list.slice(0, 3), list[2]]),
        /only one between/,
    );
    refuse(
        modules((list) => [list[0], list[1], list[1]]),
        /two poolings/,
    );
    refuse(
        modules((list) => [list[0], list[3], list[1]]),
        /Normalize before the pooling/,
    );
    refuse(
        modules((list) => void delete list[1].path),
        /needs a type and a path/,
    );
    refuse(
        modules((list) => void (list[1].path = '../1_Pooling')),
        /leaves the folder/,
    );
    refuse(
        modules((list) => void (list[1].path = '/etc')),
        /leaves the folder/,
    );
    refuse(folder('modules.json', '{}'), /not an array/);
    refuse(folder('modules.json', '['), /not valid JSON/);
    refuse(pooling({ pooling_mode: 'median' }), /pooling_mode is "median": it must be cls/);
    refuse(pooling({ pooling_mode: ['cls', 5] }), /pooling_mode is \["cls",5\]/);
    refuse(pooling({ pooling_mode: Array(7).fill('cls') }), /up to six/);
    refuse(pooling({ embedding_dimension: 31 }), /pooling is of 31 columns, hidden states have 32/);
    refuse(pooling({ include_prompt: 'no' }), /include_prompt is "no"/);
    refuse(folder('1_Pooling/config.json', null), /1_Pooling\/config.json: is not there/);
    refuse(dense({ in_features: 31 }), /in_features is 31, the pooling gives 32/);
    refuse(dense({ out_features: 0 }), /out_features is 0/);
    refuse(
        dense({ activation_function: 'torch.nn.modules.activation.Mish' }),
        /activation_function is .*Mish/,
    );
    refuse(dense({ activation_function: 'mine.Tanh' }), /activation_function is "mine.Tanh"/);
    refuse(dense({ use_residual: true }), /use_residual is true/);
    refuse(
        dense({ module_input_name: 'token_embeddings' }),
        /module_input_name is "token_embeddings"/,
    );
    refuse(
        dense({ out_features: 13 }),
        /'linear.weight' is \[12, 32\] of the type F32: it must be \[13, 32\]/,
    );
    refuse(folder('2_Dense/model.safetensors', null), /pytorch_model.bin is not read/);
    refuse(folder('2_Dense/model.safetensors', without(/bias/)), /has no tensor 'linear.bias'/);
    refuse(
        folder('sentence_bert_config.json', { max_seq_length: 'long' }),
        /max_seq_length is "long"/,
    );
    const said = (json) => folder('config_sentence_transformers.json', json);
    refuse(said({ prompts: ['a'] }), /prompts is \["a"\]/);
    refuse(said({ prompts: { a: 1 } }), /prompts is/);
    refuse(
        said({ prompts: { a: 'b' }, default_prompt_name: 'c' }),
        /default_prompt_name is "c": it must be the name of a prompt/,
    );
});
