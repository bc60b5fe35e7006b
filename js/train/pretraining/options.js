/** Options of pretrain(): which there are, their defaults, what they may be. */

import { BertError } from '../../errors.js';
import { readOptions } from '../../options.js';
import { kindOf } from '../../realms.js';
import { CHECKS, checkOptions } from '../options.js';

/** @import { ModelSource } from '../../model/model.js' */
/** @import { TrainOptions } from '../options.js' */
/** @import { Corpus } from './corpus.js' */
/** @import { ModelSizes } from './model.js' */
/** @import { PretrainProgress } from './run.js' */

/**
 * @typedef {object} VocabularyOptions  of the WordPiece vocabulary that is made of the corpus
 * @property {number} [size]  pieces, from 6; fewer, where there are no more; default 8192
 * @property {number} [min_frequency]  how often a pair of pieces must be there to become one, from
 *   1; default 2
 * @property {number} [limit_alphabet]  characters that there may be, the most frequent; others are
 *   unknown; from 1; default 1000
 * @property {boolean} [lowercase]  whether texts are read in lower case and without accents; of a
 *   vocab.txt, too; default true
 *
 * @typedef {object} PretrainOptions
 * @property {ModelSource} [base]  a model that goes on, with its tokenizer, as on texts of a
 *   domain: its language model, or a new one where it has none; default none: a new BERT, whose
 *   weights are drawn
 * @property {TrainOptions['load']} [load]  how the base is found and read, as loadModel() takes it;
 *   default none
 * @property {ModelSizes} [model]  sizes of a new one; default 2 layers of 128 columns
 * @property {string | Uint8Array | ArrayBuffer} [tokenizer]  of a new one: what a tokenizer.json
 *   or a vocab.txt has in it; default one whose vocabulary is made of the corpus, which is gone
 *   through twice for that
 * @property {VocabularyOptions} [vocabulary]  of that one; default 8192 pieces
 * @property {boolean} [next_sentence]  whether it learns, too, if a text is followed by another:
 *   half of the sequences are pairs that are, half have a text of another document; BERT alone;
 *   default false
 * @property {number} [mlm_probability]  share of the words that are masked, above 0, below 1;
 *   default 0.15
 * @property {number} [max_length]  tokens of a sequence, special ones included; of a new model also
 *   the positions that it has; default 128, or what the base reads if that is less
 * @property {Corpus | number} [validation]  other texts, by which the loss is told after each
 *   epoch, or the share of the sequences that is set aside for that; default none
 * @property {number} [epochs]  how often every text is learned from, masked anew each time, from 1;
 *   default 10, of a base 3
 * @property {number} [batch_size]  sequences of a step, from 1; default 32
 * @property {number} [learning_rate]  of the first step after the warm-up, above 0; from there it
 *   falls in a line to 0; default 1e-3, of a base 5e-5
 * @property {number} [warmup]  share of the steps in which the learning rate rises from 0, 0 to 1;
 *   default 0.1
 * @property {number} [weight_decay]  of AdamW, from 0; norms and biases do not decay; default 0.01
 * @property {number} [max_norm]  length that gradients are scaled down to, above 0; Infinity: as
 *   they are; default 1
 * @property {number} [seed]  of what is drawn: weights, the order, words that are masked, pairs,
 *   what is set aside; a whole number from 0. The same seed gives the same bits, on any number of
 *   threads; default 0
 * @property {boolean} [recomputes]  whether a layer's numbers are computed again on the way back: a
 *   third more time, for less memory; the same bits; default false
 * @property {number} [memory]  bytes of WebAssembly memory that training may take; default 4 GiB
 * @property {number} [threads]  most that compute, 1 to 64; default one a core, at most 4
 * @property {(progress: PretrainProgress) => void} [onprogress]  called after every step
 * @property {AbortSignal} [signal]  ends it between two steps: pretrain() is rejected with its
 *   reason
 * @property {AbortSignal} [stop]  ends it after the step that runs, with the weights as they are.
 *   Before the first step it does what `signal` does
 */

/** Undefined: there is no value that means the default. */
const DEFAULTS = {
    base: /** @type {PretrainOptions['base']} */ (undefined),
    load: /** @type {NonNullable<PretrainOptions['load']>} */ ({}),
    model: /** @type {PretrainOptions['model']} */ (undefined),
    tokenizer: /** @type {PretrainOptions['tokenizer']} */ (undefined),
    vocabulary: /** @type {PretrainOptions['vocabulary']} */ (undefined),
    next_sentence: false,
    mlm_probability: 0.15,
    max_length: /** @type {PretrainOptions['max_length']} */ (undefined),
    validation: /** @type {PretrainOptions['validation']} */ (undefined),
    epochs: /** @type {PretrainOptions['epochs']} */ (undefined),
    batch_size: 32,
    learning_rate: /** @type {PretrainOptions['learning_rate']} */ (undefined),
    warmup: 0.1,
    weight_decay: 0.01,
    max_norm: 1,
    seed: 0,
    recomputes: false,
    memory: 2 ** 32,
    threads: /** @type {PretrainOptions['threads']} */ (undefined),
    onprogress: /** @type {PretrainOptions['onprogress']} */ (undefined),
    signal: /** @type {PretrainOptions['signal']} */ (undefined),
    stop: /** @type {PretrainOptions['stop']} */ (undefined),
};

const isWhole = (/** @type {any} */ n, least = 1) => Number.isSafeInteger(n) && n >= least;
const isObject = (/** @type {unknown} */ value) => kindOf(value) === 'Object';
const isFlag = (/** @type {unknown} */ value) => typeof value === 'boolean';
const WHOLE = 'a whole number from 1';

/** @typedef {import('../options.js').Check} Check */

/** Those that fineTune() has, too, but for what is called the same and is something else. */
const COMMON = CHECKS.filter(([name]) => Object.hasOwn(DEFAULTS, name) && name !== 'validation');

/** @type {Check[]} */
const OWN = [
    ['model', isObject, 'an object: layers, hidden, heads, intermediate'],
    ['vocabulary', isObject, 'an object: size, min_frequency, limit_alphabet, lowercase'],
    ['next_sentence', isFlag, 'true or false'],
    ['mlm_probability', (n) => n > 0 && n < 1, 'a share between 0 and 1'],
    [
        'validation',
        (n) => typeof n !== 'number' || (n > 0 && n < 1),
        'texts, or a share between 0 and 1',
    ],
];

/** What stands for a special token each, and a character. */
const LEAST_SIZE = 6;

/** @type {Check[]} */
const OF_VOCABULARY = [
    ['size', (n) => isWhole(n, LEAST_SIZE), `a whole number from ${LEAST_SIZE}`],
    ['min_frequency', isWhole, WHOLE],
    ['limit_alphabet', isWhole, WHOLE],
    ['lowercase', isFlag, 'true or false'],
];

/** @type {Check[]} */
const OF_MODEL = ['layers', 'hidden', 'heads', 'intermediate'].map((name) => [
    name,
    isWhole,
    WHOLE,
]);

/** @type {Required<VocabularyOptions>} */
const VOCABULARY = { size: 8192, min_frequency: 2, limit_alphabet: 1000, lowercase: true };

/** Columns of a head. */
const HEAD = 64;

/** Options that are of a new model alone. */
const OF_NEW = /** @type {const} */ (['model', 'tokenizer', 'vocabulary']);

/** @param {unknown} options */
export function readPretrainOptions(options) {
    const read = readOptions('pretrain()', options, DEFAULTS);
    checkOptions(read, [...COMMON, ...OWN]);
    const of_new = OF_NEW.find((name) => read[name] !== undefined);
    if (read.base !== undefined && of_new) {
        throw new BertError(
            'BAD_OPTION',
            `${of_new} must not be given with a base, which has its own`,
        );
    }
    const vocabulary = readOptions('vocabulary', read.vocabulary ?? {}, VOCABULARY);
    checkOptions(vocabulary, OF_VOCABULARY);
    return {
        ...read,
        epochs: read.epochs ?? (read.base === undefined ? 10 : 3),
        learning_rate: read.learning_rate ?? (read.base === undefined ? 1e-3 : 5e-5),
        vocabulary,
        model: readSizes(read.model ?? {}),
    };
}

/**
 * @param {ModelSizes} given
 * @returns {Required<ModelSizes>}
 */
function readSizes(given) {
    const { hidden = 128 } = given;
    const sizes = readOptions('model', given, {
        layers: 2,
        hidden,
        heads: Math.max(1, Math.round(hidden / HEAD)),
        intermediate: 4 * hidden,
    });
    checkOptions(sizes, OF_MODEL);
    if (sizes.hidden % sizes.heads !== 0) {
        throw new BertError(
            'BAD_OPTION',
            `heads must divide the hidden columns, which are ${sizes.hidden}, not ${sizes.heads}`,
        );
    }
    return sizes;
}
