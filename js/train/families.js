/**
 * What transformers calls the tensors of each family whose models can be trained, and what their
 * config.json says: the way back of converter/huggingface/families.c.
 */

import { BertError } from '../errors.js';
import { disentangled, N_BUCKETS } from './distances.js';
import { JOINED } from './layouts.js';

/** @typedef {import('../loader/model_file.js').EncoderConfig} EncoderConfig */
/** @typedef {import('./trainer.js').Tensors} Tensors */

/**
 * @typedef {object} Family
 * @property {string} class_prefix  of its classes in transformers
 * @property {string} prefix  of the encoder's tensors
 * @property {Record<string, string>} layer  their names in a layer, by ours; those of a tensor, or
 *   of what has a weight and a bias
 * @property {(stored: number, encoder: EncoderConfig) => string} path  of a layer
 * @property {string} [projection]  of embeddings to the layers
 * @property {string} pooler  the dense layer under the classifier
 * @property {string} pooler_activation
 * @property {boolean} [has_pooler_key]  whether config.json says it: then a base's own is kept
 * @property {string} classifier
 * @property {LanguageModel} lm
 * @property {string} [pair_classifier]  of a model that is pre-trained on pairs, too
 * @property {boolean} [has_types]  whether it has an embedding of token types
 * @property {(encoder: EncoderConfig, tensors: Tensors) => Record<string, unknown>} sizes  of
 *   config.json
 *
 * @typedef {object} LanguageModel  what the parts of a masked language model are called
 * @property {string} dense
 * @property {string} norm
 * @property {string} decoder
 * @property {string} bias  of the decoder
 * @property {string} [activation]  default the encoder's
 */

/** Activations that transformers calls otherwise. @type {Record<string, string>} */
const ACTIVATIONS = { gelu_tanh: 'gelu_new' };

/** @param {unknown} activation */
const theirActivation = (activation) => ACTIVATIONS[String(activation)] ?? activation;

/** @param {EncoderConfig} encoder */
const activationOf = ({ activation }) => theirActivation(activation);

/** @param {EncoderConfig} encoder */
const usual = (encoder) => ({
    hidden_size: encoder.hidden_size,
    num_hidden_layers: encoder.n_layers,
    num_attention_heads: encoder.n_heads,
    intermediate_size: encoder.intermediate_size,
    hidden_act: activationOf(encoder),
    layer_norm_eps: encoder.layer_norm_eps,
    max_position_embeddings: encoder.n_positions,
});

/** @param {EncoderConfig} encoder */
const withTypes = (encoder) => ({ ...usual(encoder), type_vocab_size: typesOf(encoder) });

/** Padding, after which positions are counted. @param {EncoderConfig} encoder */
const padOf = ({ first_position }) => Math.max(0, Number(first_position) - 1);

/** One that adds nothing takes the place of none. @param {EncoderConfig} encoder */
const typesOf = (encoder) => Math.max(1, Number(encoder.n_token_types));

const BERT_LAYER = {
    'attention.query': 'attention.self.query',
    'attention.key': 'attention.self.key',
    'attention.value': 'attention.self.value',
    'attention.output': 'attention.output.dense',
    'attention.norm': 'attention.output.LayerNorm',
    intermediate: 'intermediate.dense',
    output: 'output.dense',
    'output.norm': 'output.LayerNorm',
};

const encoderLayer = (/** @type {number} */ n) => `encoder.layer.${n}.`;

/** @type {LanguageModel} */
const ROBERTA_LM = {
    dense: 'lm_head.dense',
    norm: 'lm_head.layer_norm',
    decoder: 'lm_head.decoder',
    bias: 'lm_head.bias',
    activation: 'gelu',
};

/** @param {string} class_prefix @returns {Family} */
const roberta = (class_prefix) => ({
    class_prefix,
    prefix: 'roberta.',
    layer: BERT_LAYER,
    path: encoderLayer,
    pooler: 'classifier.dense',
    pooler_activation: 'tanh',
    classifier: 'classifier.out_proj',
    lm: ROBERTA_LM,
    has_types: true,
    sizes: (encoder) => ({
        ...withTypes(encoder),
        pad_token_id: padOf(encoder),
    }),
});

/** @type {LanguageModel} */
const PREDICTIONS = {
    dense: 'cls.predictions.transform.dense',
    norm: 'cls.predictions.transform.LayerNorm',
    decoder: 'cls.predictions.decoder',
    bias: 'cls.predictions.bias',
};

/**
 * @param {string} class_prefix
 * @param {Record<string, string>} attention  names in a layer
 * @returns {Family}
 */
const deberta = (class_prefix, attention) => ({
    class_prefix,
    prefix: 'deberta.',
    layer: { ...BERT_LAYER, ...attention },
    path: encoderLayer,
    pooler: 'pooler.dense',
    pooler_activation: 'gelu',
    has_pooler_key: true,
    classifier: 'classifier',
    lm: PREDICTIONS,
    sizes: (encoder, tensors) => ({
        ...usual(encoder),
        type_vocab_size: encoder.n_token_types,
        ...disentangled(encoder, tensors),
        ...(Number(encoder.conv_size) > 0 && {
            conv_kernel_size: encoder.conv_size,
            conv_act: theirActivation(encoder.conv_activation),
        }),
        ...(Number(encoder.n_labels) > 0 && {
            pooler_hidden_size: encoder.hidden_size,
            pooler_hidden_act: theirActivation(encoder.pooler_activation),
        }),
    }),
});

/** By the `architecture` of a model file. @type {Record<string, Family>} */
const FAMILIES = {
    bert: {
        class_prefix: 'Bert',
        prefix: 'bert.',
        layer: BERT_LAYER,
        path: encoderLayer,
        pooler: 'bert.pooler.dense',
        pooler_activation: 'tanh',
        classifier: 'classifier',
        lm: PREDICTIONS,
        pair_classifier: 'cls.seq_relationship',
        has_types: true,
        sizes: withTypes,
    },
    roberta: roberta('Roberta'),
    'xlm-roberta': roberta('XLMRoberta'),
    camembert: roberta('Camembert'),
    distilbert: {
        class_prefix: 'DistilBert',
        prefix: 'distilbert.',
        layer: {
            'attention.query': 'attention.q_lin',
            'attention.key': 'attention.k_lin',
            'attention.value': 'attention.v_lin',
            'attention.output': 'attention.out_lin',
            'attention.norm': 'sa_layer_norm',
            intermediate: 'ffn.lin1',
            output: 'ffn.lin2',
            'output.norm': 'output_layer_norm',
        },
        path: (n) => `transformer.layer.${n}.`,
        pooler: 'pre_classifier',
        pooler_activation: 'relu',
        classifier: 'classifier',
        lm: {
            dense: 'vocab_transform',
            norm: 'vocab_layer_norm',
            decoder: 'vocab_projector',
            bias: 'vocab_projector.bias',
        },
        sizes: (encoder) => ({
            dim: encoder.hidden_size,
            n_layers: encoder.n_layers,
            n_heads: encoder.n_heads,
            hidden_dim: encoder.intermediate_size,
            activation: activationOf(encoder),
            max_position_embeddings: encoder.n_positions,
        }),
    },
    albert: {
        class_prefix: 'Albert',
        prefix: 'albert.',
        layer: {
            'attention.query': 'attention.query',
            'attention.key': 'attention.key',
            'attention.value': 'attention.value',
            'attention.output': 'attention.dense',
            'attention.norm': 'attention.LayerNorm',
            intermediate: 'ffn',
            output: 'ffn_output',
            'output.norm': 'full_layer_layer_norm',
        },
        path(n, encoder) {
            const { inner } = groupsOf(encoder);
            const group = Math.floor(n / inner);
            return `encoder.albert_layer_groups.${group}.albert_layers.${n % inner}.`;
        },
        projection: 'encoder.embedding_hidden_mapping_in',
        pooler: 'albert.pooler',
        pooler_activation: 'tanh',
        classifier: 'classifier',
        lm: {
            dense: 'predictions.dense',
            norm: 'predictions.LayerNorm',
            decoder: 'predictions.decoder',
            bias: 'predictions.bias',
        },
        has_types: true,
        sizes(encoder) {
            const { groups, inner } = groupsOf(encoder);
            return {
                ...withTypes(encoder),
                num_hidden_layers: Number(encoder.n_layers) / inner,
                num_hidden_groups: groups,
                inner_group_num: inner,
                embedding_size: encoder.embedding_size,
            };
        },
    },
    electra: {
        class_prefix: 'Electra',
        prefix: 'electra.',
        layer: BERT_LAYER,
        path: encoderLayer,
        projection: 'embeddings_project',
        pooler: 'classifier.dense',
        pooler_activation: 'gelu',
        classifier: 'classifier.out_proj',
        lm: {
            dense: 'generator_predictions.dense',
            norm: 'generator_predictions.LayerNorm',
            decoder: 'generator_lm_head',
            bias: 'generator_lm_head.bias',
            activation: 'gelu',
        },
        has_types: true,
        sizes: (encoder) => ({ ...withTypes(encoder), embedding_size: encoder.embedding_size }),
    },
    mpnet: {
        class_prefix: 'MPNet',
        prefix: 'mpnet.',
        layer: {
            'attention.query': 'attention.attn.q',
            'attention.key': 'attention.attn.k',
            'attention.value': 'attention.attn.v',
            'attention.output': 'attention.attn.o',
            'attention.norm': 'attention.LayerNorm',
            intermediate: 'intermediate.dense',
            output: 'output.dense',
            'output.norm': 'output.LayerNorm',
        },
        path: encoderLayer,
        pooler: 'classifier.dense',
        pooler_activation: 'tanh',
        classifier: 'classifier.out_proj',
        lm: ROBERTA_LM,
        sizes: (encoder) => ({
            ...usual(encoder),
            pad_token_id: padOf(encoder),
            relative_attention_num_buckets: N_BUCKETS,
        }),
    },
    deberta: deberta('Deberta', {
        [JOINED]: 'attention.self.in_proj',
        'attention.query.bias': 'attention.self.q_bias',
        'attention.value.bias': 'attention.self.v_bias',
        'attention.relative_key.projection': 'attention.self.pos_proj',
        'attention.relative_query.projection': 'attention.self.pos_q_proj',
    }),
    'deberta-v2': deberta('DebertaV2', {
        'attention.query': 'attention.self.query_proj',
        'attention.key': 'attention.self.key_proj',
        'attention.value': 'attention.self.value_proj',
        'attention.relative_key.projection': 'attention.self.pos_key_proj',
        'attention.relative_query.projection': 'attention.self.pos_query_proj',
    }),
};

/** Groups of layers that share weights, and layers of one: bert_config in core/bert.h. */
function groupsOf(/** @type {EncoderConfig} */ encoder) {
    const groups = Number(encoder.n_layer_groups);
    return groups > 0
        ? { groups, inner: Number(encoder.layers_per_group) }
        : { groups: Number(encoder.n_layers), inner: 1 };
}

/**
 * @param {string} architecture
 * @returns {Family}
 */
export function familyOf(architecture) {
    if (Object.hasOwn(FAMILIES, architecture)) return FAMILIES[architecture];
    throw new BertError(
        'UNSUPPORTED',
        `models of the family '${architecture}' cannot be trained: the base must be one of ` +
            Object.keys(FAMILIES).join(', '),
    );
}

/**
 * What transformers calls the parts of a model, by what they are called here.
 * @param {Family} family
 * @param {EncoderConfig} encoder
 * @param {boolean} [is_of_spans]  whether tokens are classified as the start and end of an answer
 * @returns {(name: string) => string}  of a tensor's name
 */
export function theirNames(family, encoder, is_of_spans = false) {
    const { prefix, layer, path, projection, pooler, classifier, lm } = family;
    /** @type {Record<string, string>} */
    const parts = {
        'embeddings.word': `${prefix}embeddings.word_embeddings`,
        'embeddings.position': `${prefix}embeddings.position_embeddings`,
        'embeddings.token_type': `${prefix}embeddings.token_type_embeddings`,
        'embeddings.norm': `${prefix}embeddings.LayerNorm`,
        'embeddings.projection': `${prefix}${projection}`,
        'attention.bias': `${prefix}encoder.relative_attention_bias.weight`,
        'relative.embeddings': `${prefix}encoder.rel_embeddings`,
        'relative.norm': `${prefix}encoder.LayerNorm`,
        conv: `${prefix}encoder.conv.conv`,
        'conv.norm': `${prefix}encoder.conv.LayerNorm`,
        pooler,
        classifier,
        token_classifier: is_of_spans ? 'qa_outputs' : 'classifier',
        'lm.transform': lm.dense,
        'lm.norm': lm.norm,
        'lm.decoder': lm.decoder,
        'lm.decoder.bias': lm.bias,
    };
    return (name) => {
        const [, stored, own = name] = /^layers\.(\d+)\.(.*)$/.exec(name) ?? [];
        const names = stored ? layer : parts;
        const before = stored ? prefix + path(Number(stored), encoder) : '';
        if (Object.hasOwn(names, own)) return before + names[own];
        const end = own.lastIndexOf('.');
        return before + names[own.slice(0, end)] + own.slice(end);
    };
}

/**
 * What the family has that the model may do without.
 * @param {Family} family
 * @param {EncoderConfig} encoder
 * @returns {[string, import('./trainer.js').Tensor][]}  by our names
 */
export function missingTensors({ has_types }, encoder) {
    if (!has_types || Number(encoder.n_token_types) > 0) return [];
    const n = Number(encoder.embedding_size);
    return [['embeddings.token_type.weight', { shape: [1, n], values: new Float32Array(n) }]];
}
