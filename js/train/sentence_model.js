/**
 * What is trained where embeddings are learned: the base's encoder under its own pooling, dense
 * layer and length of 1; under the mean where it has none. And the folder of that as
 * sentence-transformers saves it: a module for each of them.
 */

import { BertError } from '../errors.js';
import { json, safetensors, toFolder } from './folder.js';
import { encoderOf, OF_ENCODER } from './head.js';
import { matrix } from './layouts.js';

/** @typedef {import('../loader/model_file.js').EncoderConfig} EncoderConfig */
/** @typedef {import('./trainer.js').Tensor} Tensor */
/** @typedef {import('./trainer.js').Tensors} Tensors */

/** Fields of what makes one row of a sequence's hidden states. */
const OF_SENTENCES = /^(pooling\w*|embedding_dim|sentence_activation|normalize)$/;

/** Poolings as sentence-transformers calls them, in the order in which it puts them together. */
const POOLINGS = {
    cls: 'cls_token',
    max: 'max_tokens',
    mean: 'mean_tokens',
    mean_sqrt_len: 'mean_sqrt_len_tokens',
    weighted_mean: 'weightedmean_tokens',
    last: 'lasttoken',
};

/** Activations of the dense layer. @type {Record<string, string>} */
const ACTIVATIONS = {
    none: 'torch.nn.modules.linear.Identity',
    tanh: 'torch.nn.modules.activation.Tanh',
    relu: 'torch.nn.modules.activation.ReLU',
    gelu: 'torch.nn.modules.activation.GELU',
    silu: 'torch.nn.modules.activation.SiLU',
};

/** @param {EncoderConfig} encoder @returns {unknown[]}  names, in the order of their columns */
function poolingsOf(encoder) {
    return Object.entries(encoder)
        .filter(([name, value]) => /^pooling(_\d)?$/.test(name) && value !== 'none')
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([, value]) => value);
}

/**
 * @param {import('./base.js').Base} base
 * @returns {{encoder: EncoderConfig, tensors: Tensors}}
 */
export function withPooling({ name, config, tensors }) {
    const poolings = poolingsOf(config.encoder);
    const in_order = Object.keys(POOLINGS).filter((each) => poolings.includes(each));
    const { sentence_activation = 'none' } = config.encoder;
    if (`${in_order}` !== `${poolings}` || !Object.hasOwn(ACTIVATIONS, sentence_activation)) {
        throw new BertError(
            'UNSUPPORTED',
            `sentence-transformers does not have what makes embeddings in '${name}' (poolings ` +
                `${poolings.join(', ')}; activation ${sentence_activation}): it cannot be trained`,
        );
    }
    const own = Object.entries(config.encoder).filter(([field]) => OF_SENTENCES.test(field));
    return {
        encoder: {
            ...encoderOf(config.encoder),
            ...(poolings.length > 0 ? Object.fromEntries(own) : { pooling: 'mean' }),
        },
        tensors: new Map(
            [...tensors].filter(([each]) => OF_ENCODER.test(each) || each.startsWith('sentence.')),
        ),
    };
}

/** @typedef {[kind: string, path: string, files: Record<string, Uint8Array>]} Module */

/**
 * @param {Omit<import('./folder.js').Trained, 'head' | 'labels'>} trained
 * @param {import('../loader/model_file.js').ModelConfig} config  of the base
 * @returns {Record<string, Uint8Array>}  by name
 */
export function toSentenceFolder(trained, config) {
    const { encoder, max_length, tensors } = trained;
    const bare = new Map([...tensors].filter(([name]) => OF_ENCODER.test(name)));
    const poolings = poolingsOf(encoder);
    const length = { max_seq_length: max_length, do_lower_case: false };
    const pooling = {
        word_embedding_dimension: encoder.hidden_size,
        ...Object.fromEntries(
            Object.entries(POOLINGS).map(([ours, theirs]) => [
                `pooling_mode_${theirs}`,
                poolings.includes(ours),
            ]),
        ),
        include_prompt: config.include_prompt,
    };
    /** @type {Module[]} */
    const modules = [
        ['Transformer', '', { 'sentence_bert_config.json': json(length) }],
        ['Pooling', '1_Pooling', { 'config.json': json(pooling) }],
    ];
    const weight = tensors.get('sentence.weight');
    if (weight) {
        const { shape, values } = matrix('sentence.weight', weight, tensors);
        const bias = /** @type {Tensor} */ (tensors.get('sentence.bias')).values;
        const activation = String(encoder.sentence_activation ?? 'none');
        modules.push(['Dense', '2_Dense', dense(shape, values, bias, activation)]);
    }
    if (Number(encoder.normalize) === 1) {
        modules.push(['Normalize', `${modules.length}_Normalize`, {}]);
    }
    return {
        ...toFolder({ ...trained, tensors: bare, head: 'Model', labels: [] }),
        ...filesOf(modules),
        'config_sentence_transformers.json': json({
            prompts: config.prompts,
            default_prompt_name: config.default_prompt_name,
            similarity_fn_name: config.similarity ?? 'cosine',
        }),
    };
}

/**
 * @param {number[]} shape  [n_out, n_in]
 * @param {Float32Array} weight  of that shape
 * @param {Float32Array} bias  [n_out]
 * @param {string} activation
 * @returns {Record<string, Uint8Array>}
 */
function dense([n_out, n_in], weight, bias, activation) {
    return {
        'config.json': json({
            in_features: n_in,
            out_features: n_out,
            bias: true,
            activation_function: ACTIVATIONS[activation],
        }),
        'model.safetensors': safetensors([
            ['linear.weight', { shape: [n_out, n_in], values: weight }],
            ['linear.bias', { shape: [n_out], values: bias }],
        ]),
    };
}

/**
 * @param {Module[]} modules  one after the other
 * @returns {Record<string, Uint8Array>}  by path
 */
function filesOf(modules) {
    const list = modules.map(([kind, path], idx) => ({
        idx,
        name: String(idx),
        path,
        type: `sentence_transformers.models.${kind}`,
    }));
    const files = modules.flatMap(([, path, own]) =>
        Object.entries(own).map(([name, bytes]) => [path ? `${path}/${name}` : name, bytes]),
    );
    return { ...Object.fromEntries(files), 'modules.json': json(list) };
}
