/**
 * What is trained: the base's encoder under a classifier, the base's own where it has the same
 * labels, else a new one. All that stands on the encoder besides is left away.
 */

import { headsOf } from '../pipelines/head.js';
import { panelsShape, toPanels } from './panels.js';
import { Random } from './random.js';

/** The deviation of new weights, as transformers draws them. */
export const DEVIATION = 0.02;

/** Of random numbers. */
const PURPOSE = 1;

/** @typedef {import('./trainer.js').Tensors} Tensors */
/**
 * @typedef {'text-classification' | 'token-classification' | 'question-answering'
 *   | 'feature-extraction' | 'text-ranking'} TrainTask
 */

/** What transformers calls the two columns of question-answering. */
export const SPAN_LABELS = ['LABEL_0', 'LABEL_1'];

/** @type {TrainTask[]} */
const OF_TEXTS = ['text-classification', 'text-ranking'];

/** @param {TrainTask} task @returns {'logits' | 'token_logits'} */
export const outputOf = (task) => (OF_TEXTS.includes(task) ? 'logits' : 'token_logits');

/**
 * The labels of the base's classifier for a task; none without one, and of embeddings.
 * @param {import('../loader/model_file.js').ModelConfig} config
 * @param {TrainTask} task
 */
export function labelsOf(config, task) {
    const { encoder, labels, outputs } = config;
    if (task === 'feature-extraction') return [];
    if (task === 'question-answering') {
        return headsOf(config).includes('span') ? SPAN_LABELS : [];
    }
    const is_whole = Object.values(outputs).some(
        ({ output, index }) => output === outputOf(task) && index === undefined,
    );
    const n_labels = task === 'token-classification' ? encoder.n_token_labels : encoder.n_labels;
    return is_whole && Number(n_labels) === labels.length ? labels : [];
}

/**
 * @param {import('./base.js').Base} base
 * @param {import('./families.js').Family} family
 * @param {TrainTask} task
 * @param {string[]} labels
 * @param {number} seed
 * @param {string | null} [problem_type]  of text-classification
 * @returns {{encoder: import('../loader/model_file.js').EncoderConfig, tensors: Tensors}}
 */
export function withHead(base, family, task, labels, seed, problem_type) {
    const { config, tensors } = base;
    const pooler_activation = poolerActivation(family, config.encoder);
    const is_of_tokens = outputOf(task) === 'token_logits';
    const own = labelsOf(config, task);
    const is_regression = (/** @type {unknown} */ type) => type === 'regression';
    const keeps =
        own.length === labels.length &&
        own.every((label, i) => label === labels[i]) &&
        is_regression(problem_type) === is_regression(config.problem_type);
    const random = new Random(seed, PURPOSE);
    const hidden = Number(config.encoder.hidden_size);
    const has_pooler = config.encoder.pooler_activation === pooler_activation;
    /** @type {Tensors} */
    const all = new Map();
    for (const [name, tensor] of tensors) {
        if (OF_ENCODER.test(name)) all.set(name, tensor);
    }
    const add = (/** @type {string} */ name, /** @type {number} */ n_out, is_own = false) => {
        const [weight, bias] = [`${name}.weight`, `${name}.bias`];
        if (is_own) {
            for (const each of [weight, bias]) {
                all.set(each, /** @type {import('./trainer.js').Tensor} */ (tensors.get(each)));
            }
            return;
        }
        const values = toPanels(() => Math.fround(DEVIATION * random.normal()), n_out, hidden);
        all.set(weight, { shape: panelsShape(n_out, hidden), values });
        all.set(bias, { shape: [n_out], values: new Float32Array(n_out) });
    };
    if (!is_of_tokens) add('pooler', hidden, has_pooler);
    add(is_of_tokens ? 'token_classifier' : 'classifier', labels.length, keeps);
    return {
        encoder: {
            ...encoderOf(config.encoder),
            pooler_activation: is_of_tokens ? 'none' : pooler_activation,
            n_labels: is_of_tokens ? 0 : labels.length,
            n_token_labels: is_of_tokens ? labels.length : 0,
        },
        tensors: all,
    };
}

/**
 * Of the dense layer under the classifier.
 * @param {import('./families.js').Family} family
 * @param {import('../loader/model_file.js').EncoderConfig} encoder  of the base
 */
function poolerActivation({ pooler_activation, has_pooler_key }, encoder) {
    const { pooler_activation: own = 'none' } = encoder;
    return has_pooler_key && own !== 'none' ? own : pooler_activation;
}

/** Names of an encoder's tensors. */
export const OF_ENCODER = /^(embeddings|layers|attention|relative|conv)\./;

/** Fields of what stands on an encoder, and of how its weights are stored. */
const OF_HEADS =
    /^(n_labels|n_token_labels|lm_\w+|embedding_dim|normalize|pooling\w*|(pooler|token|sentence)_activation|integers)$/;

/**
 * What is below all heads.
 * @param {import('../loader/model_file.js').EncoderConfig} encoder
 * @returns {import('../loader/model_file.js').EncoderConfig}
 */
export function encoderOf(encoder) {
    return Object.fromEntries(Object.entries(encoder).filter(([name]) => !OF_HEADS.test(name)));
}
