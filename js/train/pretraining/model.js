/**
 * The model that is pre-trained: a new BERT, or a base's encoder, under a language model, and under
 * a classifier of pairs if whether texts follow each other is learned, too.
 */

import { BertError } from '../../errors.js';
import { DEVIATION, encoderOf, OF_ENCODER } from '../head.js';
import { panelsShape, toPanels } from '../panels.js';
import { Random } from '../random.js';

/** Of random numbers. */
const PURPOSE = 4;

/** @typedef {import('../trainer.js').Tensors} Tensors */
/** @typedef {import('../../loader/model_file.js').EncoderConfig} EncoderConfig */

/**
 * @typedef {object} ModelSizes  of a new BERT
 * @property {number} [layers]  from 1; default 2
 * @property {number} [hidden]  columns of a token's state, a multiple of `heads`; default 128
 * @property {number} [heads]  of attention, from 1; default one for 64 columns
 * @property {number} [intermediate]  columns between the two dense layers of a layer; default four
 *   times `hidden`
 */

/** Draws weights as transformers does, and puts them where they belong. */
class Weights {
    #random;

    /** @type {Tensors} */
    tensors = new Map();

    /** @param {number} seed */
    constructor(seed) {
        this.#random = new Random(seed, PURPOSE);
    }

    #draw = () => Math.fround(DEVIATION * this.#random.normal());

    /** @param {string} name @param {number} n_rows @param {number} n_columns */
    table(name, n_rows, n_columns) {
        const values = Float32Array.from({ length: n_rows * n_columns }, this.#draw);
        this.tensors.set(`${name}.weight`, { shape: [n_rows, n_columns], values });
    }

    /** @param {string} name @param {number} n_in @param {number} n_out */
    dense(name, n_in, n_out) {
        const values = toPanels(this.#draw, n_out, n_in);
        this.tensors.set(`${name}.weight`, { shape: panelsShape(n_out, n_in), values });
        this.vector(`${name}.bias`, n_out, 0);
    }

    /** @param {string} name @param {number} n */
    norm(name, n) {
        this.vector(`${name}.weight`, n, 1);
        this.vector(`${name}.bias`, n, 0);
    }

    /** @param {string} name @param {number} n @param {number} value */
    vector(name, n, value) {
        this.tensors.set(name, { shape: [n], values: new Float32Array(n).fill(value) });
    }

    /**
     * A language model, whose decoder is the word embedding.
     * @param {EncoderConfig} encoder
     */
    languageModel({ hidden_size, embedding_size, vocab_size }) {
        this.dense('lm.transform', Number(hidden_size), Number(embedding_size));
        this.norm('lm.norm', Number(embedding_size));
        this.vector('lm.decoder.bias', Number(vocab_size), 0);
    }

    /** @param {number} hidden */
    pairs(hidden) {
        this.dense('pooler', hidden, hidden);
        this.dense('classifier', hidden, 2);
    }
}

/** Of the classifier of pairs. */
const PAIRS = { pooler_activation: 'tanh', n_labels: 2 };

/**
 * A BERT (Devlin et al. 2018, section 3) whose weights are drawn.
 * @param {Required<ModelSizes>} sizes
 * @param {number} n_positions
 * @param {number} vocab_size
 * @param {number | null} padding_id  whose row is zeros
 * @param {boolean} has_pairs
 * @param {number} seed
 * @returns {{encoder: EncoderConfig, tensors: Tensors}}
 */
export function newModel(sizes, n_positions, vocab_size, padding_id, has_pairs, seed) {
    const { layers, hidden, heads, intermediate } = sizes;
    const encoder = {
        vocab_size,
        hidden_size: hidden,
        embedding_size: hidden,
        intermediate_size: intermediate,
        n_layers: layers,
        n_heads: heads,
        n_positions,
        n_token_types: 2,
        layer_norm_eps: 1e-12,
        activation: 'gelu',
        lm_activation: 'gelu',
        lm_tied: 1,
        ...(has_pairs ? PAIRS : { pooler_activation: 'none' }),
    };
    const weights = new Weights(seed);
    weights.table('embeddings.word', vocab_size, hidden);
    const { values: words } = /** @type {import('../trainer.js').Tensor} */ (
        weights.tensors.get('embeddings.word.weight')
    );
    if (padding_id !== null) words.fill(0, padding_id * hidden, (padding_id + 1) * hidden);
    weights.table('embeddings.position', n_positions, hidden);
    weights.table('embeddings.token_type', 2, hidden);
    weights.norm('embeddings.norm', hidden);
    for (let i = 0; i < layers; i++) {
        for (const part of ['query', 'key', 'value', 'output']) {
            weights.dense(`layers.${i}.attention.${part}`, hidden, hidden);
        }
        weights.norm(`layers.${i}.attention.norm`, hidden);
        weights.dense(`layers.${i}.intermediate`, hidden, intermediate);
        weights.dense(`layers.${i}.output`, intermediate, hidden);
        weights.norm(`layers.${i}.output.norm`, hidden);
    }
    weights.languageModel(encoder);
    if (has_pairs) weights.pairs(hidden);
    return { encoder, tensors: weights.tensors };
}

/**
 * A base that goes on: its encoder, its own language model or, without one, a new one; the same of
 * what tells pairs. All that stands on the encoder besides is left away.
 * @param {import('../base.js').Base} base
 * @param {import('../families.js').Family} family
 * @param {boolean} has_pairs
 * @param {number} seed
 * @returns {{encoder: EncoderConfig, tensors: Tensors}}
 */
export function continuedModel({ config, tensors }, family, has_pairs, seed) {
    if (has_pairs && config.architecture !== 'bert') {
        throw new BertError(
            'BAD_OPTION',
            `next_sentence must be false: it is BERT's, and the base is of the family ` +
                `'${config.architecture}'`,
        );
    }
    const { encoder: own } = config;
    const hidden = Number(own.hidden_size);
    const weights = new Weights(seed);
    const keep = (/** @type {RegExp} */ names) => {
        for (const [name, tensor] of tensors) {
            if (names.test(name)) weights.tensors.set(name, tensor);
        }
    };
    keep(OF_ENCODER);
    const has_language_model = tensors.has('lm.transform.weight');
    if (has_language_model) keep(/^lm\./);
    else weights.languageModel(own);
    if (has_pairs) {
        weights.pairs(hidden);
        if (own.pooler_activation === 'tanh') keep(/^pooler\./);
        if (isOfPairs(config)) keep(/^classifier\./);
    }
    return {
        encoder: {
            ...encoderOf(own),
            ...(has_language_model
                ? { lm_activation: own.lm_activation, lm_tied: own.lm_tied }
                : { lm_activation: family.lm.activation ?? own.activation, lm_tied: 1 }),
            ...(has_pairs ? PAIRS : { pooler_activation: 'none' }),
        },
        tensors: weights.tensors,
    };
}

/**
 * Whether its classifier tells pairs.
 * @param {import('../../loader/model_file.js').ModelConfig} config
 */
function isOfPairs({ encoder, outputs }) {
    return (
        Number(encoder.n_labels) === 2 &&
        Object.entries(outputs).some(
            ([name, { output }]) => output === 'logits' && name === 'seq_relationship_logits',
        )
    );
}
