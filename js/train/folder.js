/**
 * What was trained as transformers saves it: a folder of files, which opens there, and which the
 * converter makes a file of ours of.
 */

import { LENGTH_BYTES } from '../loader/header_length.js';
import { missingTensors, theirNames } from './families.js';
import { JOINED, theirLayout } from './layouts.js';

/** Heads that are language models. */
const LANGUAGE_MODELS = ['ForMaskedLM', 'ForPreTraining'];

/** safetensors begins its data on a multiple of these. */
const ALIGNMENT = 8;

/** What special tokens are called. tokenizer.json has them, and does not say what each is for. */
const SPECIAL = {
    pad_token: ['[PAD]', '<pad>'],
    unk_token: ['[UNK]', '<unk>'],
    cls_token: ['[CLS]', '<s>'],
    sep_token: ['[SEP]', '</s>'],
    mask_token: ['[MASK]', '<mask>'],
};

/**
 * @typedef {object} Trained
 * @property {import('./families.js').Family} family
 * @property {string} architecture
 * @property {import('../loader/model_file.js').EncoderConfig} encoder
 * @property {'Model' | 'ForSequenceClassification' | 'ForTokenClassification'
 *   | 'ForQuestionAnswering' | 'ForMaskedLM' | 'ForPreTraining'} head  what transformers calls the
 *   class, after the family
 * @property {string[]} labels  none of what is no classifier
 * @property {string} [problem_type]  of ForSequenceClassification; default
 *   'single_label_classification'
 * @property {number} max_length  most tokens of a sequence
 * @property {import('./trainer.js').Tensors} tensors
 * @property {Uint8Array} tokenizer_json
 *
 * @param {Trained} trained
 * @returns {Record<string, Uint8Array>}  by name
 */
export function toFolder(trained) {
    const tokenizer = tokenizerConfig(trained);
    const config = modelConfig(trained, tokenizer.pad_id);
    return {
        'config.json': json(config),
        'model.safetensors': safetensors(theirTensors(trained)),
        'tokenizer.json': trained.tokenizer_json.slice(),
        'tokenizer_config.json': json(tokenizer.config),
    };
}

/**
 * @param {Trained} trained
 * @param {number | null} pad_id
 */
function modelConfig(trained, pad_id) {
    const { family, architecture, encoder, tensors, head, labels } = trained;
    const { problem_type = 'single_label_classification' } = trained;
    return {
        architectures: [family.class_prefix + head],
        model_type: architecture,
        vocab_size: encoder.vocab_size,
        ...(pad_id !== null && { pad_token_id: pad_id }),
        ...family.sizes(encoder, tensors),
        ...(labels.length > 0 && {
            id2label: Object.fromEntries(labels.map((label, i) => [i, label])),
            label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
        }),
        ...(head === 'ForSequenceClassification' && { problem_type }),
        ...(LANGUAGE_MODELS.includes(head) && { tie_word_embeddings: encoder.lm_tied === 1 }),
        torch_dtype: 'float32',
    };
}

/**
 * What transformers asks for beside tokenizer.json: which arrays models take, and special tokens,
 * without which its pipelines neither pad nor find what is masked.
 * @param {Trained} trained
 */
function tokenizerConfig({ tokenizer_json, encoder, max_length }) {
    const file = JSON.parse(new TextDecoder().decode(tokenizer_json));
    const added = /** @type {{id: number, content: string}[]} */ (file.added_tokens ?? []);
    /** @type {Record<string, string>} */
    const special = {};
    for (const [role, names] of Object.entries(SPECIAL)) {
        const name = names.find((each) => added.some(({ content }) => content === each));
        if (name !== undefined) special[role] = name;
    }
    if (file.padding?.pad_token) special.pad_token = file.padding.pad_token;
    const has_types = Number(encoder.n_token_types) > 0;
    return {
        pad_id: added.find(({ content }) => content === special.pad_token)?.id ?? null,
        config: {
            tokenizer_class: 'PreTrainedTokenizerFast',
            model_max_length: max_length,
            model_input_names: [
                'input_ids',
                ...(has_types ? ['token_type_ids'] : []),
                'attention_mask',
            ],
            ...special,
        },
    };
}

/**
 * @param {Trained} trained
 * @returns {[string, import('./trainer.js').Tensor][]}  by their names, matrices [n_out, n_in]
 */
function theirTensors({ family, encoder, head, tensors }) {
    const { prefix, classifier, pair_classifier = classifier } = family;
    const own = {
        ...family,
        // Without a head the encoder is the whole model, whose tensors have no prefix.
        prefix: head === 'Model' ? '' : prefix,
        classifier: LANGUAGE_MODELS.includes(head) ? pair_classifier : classifier,
    };
    const nameOf = theirNames(own, encoder, head === 'ForQuestionAnswering');
    const all = theirLayout(tensors, encoder, Object.hasOwn(family.layer, JOINED));
    return [...all, ...missingTensors(family, encoder)].map(([name, tensor]) => [
        nameOf(name),
        tensor,
    ]);
}

/**
 * @param {[string, import('./trainer.js').Tensor][]} tensors
 * @param {Record<string, string>} [metadata]
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function safetensors(tensors, metadata = { format: 'pt' }) {
    /** @type {Record<string, unknown>} */
    const header = { __metadata__: metadata };
    let end = 0;
    for (const [name, { shape, values }] of tensors) {
        header[name] = { dtype: 'F32', shape, data_offsets: [end, (end += values.byteLength)] };
    }
    const text = json(header);
    const begin = Math.ceil((LENGTH_BYTES + text.length) / ALIGNMENT) * ALIGNMENT;
    const file = new Uint8Array(begin + end).fill(0x20, LENGTH_BYTES, begin);
    new DataView(file.buffer).setBigUint64(0, BigInt(begin - LENGTH_BYTES), true);
    file.set(text, LENGTH_BYTES);
    let at = begin;
    for (const [, { values }] of tensors) {
        file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
        at += values.byteLength;
    }
    return file;
}

/** @param {unknown} value */
export function json(value) {
    return new TextEncoder().encode(JSON.stringify(value, null, 2));
}
