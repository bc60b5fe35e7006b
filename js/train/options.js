/** Options of fineTune(): which there are, their defaults, what they may be. */

import { BERT_MAX_THREADS } from '#core';

import { BertError, describe, withPlace } from '../errors.js';
import { readOptions } from '../options.js';
import { kindOf } from '../realms.js';
import { LORA_TARGETS, SCHEDULES } from './core_names.js';

/** @typedef {import('./head.js').TrainTask} TrainTask */

/** @type {TrainTask[]} */
const TASKS = [
    'text-classification',
    'token-classification',
    'question-answering',
    'feature-extraction',
    'text-ranking',
];

/**
 * @typedef {'single_label_classification' | 'multi_label_classification' | 'regression'}
 *   ProblemType
 * @typedef {'linear' | 'cosine' | 'constant'} ScheduleKind
 * @typedef {'query' | 'key' | 'value' | 'attention_output' | 'intermediate' | 'output'} LoraTarget
 *   a matrix of a layer
 */

/** Of text-classification, as config.json of transformers has them. @type {ProblemType[]} */
export const PROBLEM_TYPES = [
    'single_label_classification',
    'multi_label_classification',
    'regression',
];

/** Of an adapter; PEFT has the same rank. */
const LORA_DEFAULTS = {
    rank: 8,
    alpha: /** @type {number | undefined} */ (undefined),
    targets: /** @type {LoraTarget[]} */ (['query', 'value']),
};

/**
 * @typedef {Pick<import('../model/model.js').ModelLoadOptions, 'revision' | 'subfolder' | 'file'
 *   | 'cache' | 'offline' | 'idle_timeout' | 'retry_delay'>
 *   & {onprogress?: (progress: {loaded: number, total: number}) => void}} BaseOptions  its
 *   `onprogress` is called with bytes, while they arrive
 */

/**
 * @typedef {import('./examples.js').Examples} Examples
 *
 * @typedef {object} DropoutRates  shares that are left out at random, from 0, below 1
 * @property {number} [hidden]  of what layers and embeddings give; default the family's
 * @property {number} [attention]  of the probabilities of attention; default the family's
 * @property {number} [classifier]  of what the classifier reads; default the family's
 *
 * @typedef {object} Lora  adapters of low rank (Hu et al. 2021, LoRA): a matrix W acts as
 *   W + alpha / rank A B, of which A and B are learned; what they have learned is added to W when
 *   the model is saved
 * @property {number} [rank]  from 1, at most the hidden size; default 8
 * @property {number} [alpha]  above 0; default the rank
 * @property {LoraTarget[]} [targets]  the matrices of each layer that have
 *   one: 'query', 'key', 'value', 'attention_output', 'intermediate', 'output'; default
 *   ['query', 'value']
 *
 * @typedef {object} TrainOptions
 * @property {TrainTask} [task]  what is learned: labels of texts or of words, answers, or, by
 *   'feature-extraction', embeddings of sentences, or, by 'text-ranking', which documents answer a
 *   query; default 'text-classification'
 * @property {ProblemType} [problem_type]  of text-classification, as in config.json:
 *   'single_label_classification', one label of an example; 'multi_label_classification', any
 *   number of `labels`; 'regression', a number, its `score`; default the first
 * @property {string[]} [labels]  all labels, in the order of the classifier; default those of the
 *   examples: in the base's order where they are its own, else sorted
 * @property {Examples | number} [validation]  examples that tell after each epoch how good it is,
 *   or the share of the examples that is set aside for that, of each label as large a one; default
 *   none
 * @property {number} [epochs]  how often every example is learned from, from 1; default 3
 * @property {number} [batch_size]  examples that are computed together, from 1; of text-ranking
 *   documents, each with its query; default 16
 * @property {number} [accumulate]  batches of a step, from 1: gradients are those of a batch that
 *   many times as large, in the memory of one; default 1
 * @property {number} [learning_rate]  of the first step after the warm-up, above 0; default 5e-5,
 *   2e-4 of bases with less than 768 columns, but for embeddings; 1e-3 of adapters or a classifier
 *   alone
 * @property {ScheduleKind} [schedule]  how the learning rate falls to 0 after
 *   the warm-up: in a line, in half a wave (Loshchilov & Hutter 2016, SGDR), not at all; default
 *   'linear'
 * @property {number} [warmup]  share of the steps in which the learning rate rises from 0, 0 to 1;
 *   default 0.1
 * @property {number} [weight_decay]  of AdamW, from 0; norms and biases do not decay; default 0.01
 * @property {number} [max_norm]  length that gradients are scaled down to, above 0; Infinity: as
 *   they are; default 1
 * @property {number | DropoutRates} [dropout]  shares of numbers that are left out at random while
 *   it learns (Srivastava et al. 2014), from 0, below 1; a number is all of them; default what
 *   transformers has for the base's family
 * @property {number} [label_smoothing]  share of a label that goes to all labels alike (Szegedy et
 *   al. 2015, section 7), 0 to 1; not of regression; default 0
 * @property {number} [temperature]  of examples that have a teacher: what its logits and those that
 *   are learned are divided by (Hinton et al. 2015, section 2), above 0; the higher, the more it
 *   counts how labels that are wrong compare; default 2
 * @property {number} [hard_share]  of such examples: the share of the loss that is of their labels,
 *   0 to 1; the rest is of the teacher; default 0.5, without labels 0
 * @property {number} [layer_decay]  what the learning rate of each layer is multiplied by to give
 *   that of the one before it, above 0, at most 1; classifiers have the rate itself (Howard & Ruder
 *   2018, ULMFiT, section 3.2); default 1
 * @property {number} [trained_layers]  how many of the last layers learn beside the classifier; 0:
 *   the classifier alone; default all, and the embeddings
 * @property {number} [unfreeze]  epochs after which one more layer learns, from 1, until all do:
 *   gradual unfreezing (ULMFiT, section 3.3), which begins with `trained_layers`, or with 0;
 *   default none
 * @property {Lora} [lora]  adapters learn in place of layers and embeddings, which stay as they
 *   are: less memory, and files of checkpoints are small; default none
 * @property {number} [adversarial]  how far words are moved to where the loss grows fastest, for a
 *   second look at each batch: Miyato et al. 2016, section 3, the fast gradient method; from 0,
 *   such as 1; twice the time; default 0: none
 * @property {number} [max_length]  tokens of an example, special ones included: what is longer is
 *   cut; default what the base reads. Of question-answering those of a window: a longer context
 *   becomes several, which share 128 tokens, at most half; default 384, at most what the base reads
 * @property {number} [seed]  of what is drawn: the order of examples, those that are set aside, a
 *   new classifier; a whole number from 0. The same seed gives the same bits, on any number of
 *   threads; default 0
 * @property {'balanced' | Record<string, number>} [class_weights]  how much each label counts, from
 *   0; 'balanced': all labels count as much together; default all 1
 * @property {number} [patience]  epochs without a better validation after which training ends, from
 *   1; default no limit
 * @property {boolean} [recomputes]  whether a layer's numbers are computed again on the way back: a
 *   third more time, for less memory; the same bits; default false
 * @property {number} [memory]  bytes of WebAssembly memory that training may take; default 4 GiB
 * @property {number} [threads]  most that compute, 1 to 64; default one a core, at most 4
 * @property {BaseOptions} [load]  how the base is found and read, as loadModel() takes it; default
 *   none
 * @property {(progress: import('./run.js').TrainProgress) => void} [onprogress]  called after every
 *   step, and after every validation
 * @property {(checkpoint: Uint8Array) => void} [oncheckpoint]  called with all that
 *   `resume` needs: after every epoch, and where `stop` ends training amid one. Three times the
 *   weights that are learned, and once more with a validation; default none
 * @property {number} [checkpoint_steps]  steps after which oncheckpoint is called besides, from 1;
 *   default none
 * @property {Uint8Array} [resume]  a checkpoint, from which the same training goes on: the same
 *   base, examples and options, but for those that change no bits. It gives the same bits as one
 *   without a break; default none
 * @property {AbortSignal} [signal]  ends training between two steps: fineTune() is rejected with
 *   its reason
 * @property {AbortSignal} [stop]  ends training after the step that runs, with what there is: the
 *   best epoch, or, before the first has ended, the weights as they are. Before the first step it
 *   does what `signal` does
 */

/** Undefined: there is no value that means the default. */
export const TRAIN_DEFAULTS = {
    task: TASKS[0],
    problem_type: /** @type {ProblemType} */ (PROBLEM_TYPES[0]),
    labels: /** @type {TrainOptions['labels']} */ (undefined),
    validation: /** @type {TrainOptions['validation']} */ (undefined),
    epochs: 3,
    batch_size: 16,
    accumulate: 1,
    learning_rate: /** @type {number | undefined} */ (undefined),
    schedule: /** @type {ScheduleKind} */ ('linear'),
    warmup: 0.1,
    weight_decay: 0.01,
    max_norm: 1,
    dropout: /** @type {TrainOptions['dropout']} */ (undefined),
    label_smoothing: 0,
    temperature: /** @type {TrainOptions['temperature']} */ (undefined),
    hard_share: /** @type {TrainOptions['hard_share']} */ (undefined),
    layer_decay: 1,
    trained_layers: /** @type {TrainOptions['trained_layers']} */ (undefined),
    unfreeze: /** @type {TrainOptions['unfreeze']} */ (undefined),
    lora: /** @type {TrainOptions['lora']} */ (undefined),
    adversarial: 0,
    max_length: /** @type {TrainOptions['max_length']} */ (undefined),
    seed: 0,
    class_weights: /** @type {TrainOptions['class_weights']} */ (undefined),
    patience: /** @type {TrainOptions['patience']} */ (undefined),
    recomputes: false,
    memory: 2 ** 32,
    threads: /** @type {TrainOptions['threads']} */ (undefined),
    load: /** @type {BaseOptions} */ ({}),
    onprogress: /** @type {TrainOptions['onprogress']} */ (undefined),
    oncheckpoint: /** @type {TrainOptions['oncheckpoint']} */ (undefined),
    checkpoint_steps: /** @type {TrainOptions['checkpoint_steps']} */ (undefined),
    resume: /** @type {TrainOptions['resume']} */ (undefined),
    signal: /** @type {TrainOptions['signal']} */ (undefined),
    stop: /** @type {TrainOptions['stop']} */ (undefined),
};

const isNumber = (/** @type {unknown} */ n) => typeof n === 'number' && !Number.isNaN(n);
const isWhole = (/** @type {any} */ n, least = 1) => Number.isSafeInteger(n) && n >= least;
const isRate = (/** @type {unknown} */ n) => isNumber(n) && Number(n) >= 0 && Number(n) < 1;
const isFunction = (/** @type {unknown} */ value) => typeof value === 'function';
const isSignal = (/** @type {unknown} */ value) => kindOf(value) === 'AbortSignal';

/**
 * By name: whether it may be, and what it must.
 * @typedef {[name: string, isRight: (value: any) => boolean, expected: string]} Check
 */

/** @type {Check[]} */
export const CHECKS = [
    ['task', (value) => TASKS.includes(value), TASKS.join(' or ')],
    ['problem_type', (value) => PROBLEM_TYPES.includes(value), PROBLEM_TYPES.join(' or ')],
    ['labels', areLabels, 'an array of two strings or more, each once'],
    [
        'validation',
        (n) => typeof n !== 'number' || (n > 0 && n < 1),
        'examples, or a share between 0 and 1',
    ],
    ['epochs', isWhole, 'a whole number from 1'],
    ['batch_size', isWhole, 'a whole number from 1'],
    ['accumulate', isWhole, 'a whole number from 1'],
    ['schedule', (value) => Object.hasOwn(SCHEDULES, value), Object.keys(SCHEDULES).join(' or ')],
    ['learning_rate', (n) => Number.isFinite(n) && n > 0, 'a number above 0'],
    ['warmup', (n) => isNumber(n) && n >= 0 && n <= 1, 'a share from 0 to 1'],
    ['weight_decay', (n) => Number.isFinite(n) && n >= 0, 'a number from 0'],
    ['max_norm', (n) => isNumber(n) && n > 0, 'a number above 0'],
    [
        'dropout',
        (value) => isRate(value) || kindOf(value) === 'Object',
        'a share from 0, below 1, or an object of hidden, attention and classifier',
    ],
    ['label_smoothing', (n) => isNumber(n) && n >= 0 && n <= 1, 'a share from 0 to 1'],
    ['temperature', (n) => Number.isFinite(n) && n > 0, 'a number above 0'],
    ['hard_share', (n) => isNumber(n) && n >= 0 && n <= 1, 'a share from 0 to 1'],
    ['layer_decay', (n) => isNumber(n) && n > 0 && n <= 1, 'a number above 0, at most 1'],
    ['trained_layers', (n) => isWhole(n, 0), 'a whole number from 0'],
    ['unfreeze', isWhole, 'a whole number from 1'],
    ['lora', (value) => kindOf(value) === 'Object', 'an object of rank, alpha and targets'],
    ['adversarial', (n) => Number.isFinite(n) && n >= 0, 'a number from 0'],
    ['checkpoint_steps', isWhole, 'a whole number from 1'],
    ['oncheckpoint', isFunction, 'a function'],
    ['resume', (value) => kindOf(value) === 'Uint8Array', 'a Uint8Array that oncheckpoint gave'],
    ['max_length', isWhole, 'a whole number from 1'],
    ['seed', (n) => isWhole(n, 0), 'a whole number from 0'],
    ['patience', isWhole, 'a whole number from 1'],
    ['recomputes', (value) => typeof value === 'boolean', 'true or false'],
    ['memory', (n) => isNumber(n) && n > 0, 'a number of bytes'],
    [
        'threads',
        (n) => isWhole(n) && n <= BERT_MAX_THREADS,
        `a whole number from 1 to ${BERT_MAX_THREADS}`,
    ],
    ['load', (value) => kindOf(value) === 'Object', 'an object with options of loadModel()'],
    ['signal', isSignal, 'an AbortSignal'],
    ['stop', isSignal, 'an AbortSignal'],
];

/** @param {unknown} labels */
function areLabels(labels) {
    return (
        Array.isArray(labels) &&
        labels.length >= 2 &&
        labels.every((label) => typeof label === 'string') &&
        new Set(labels).size === labels.length
    );
}

/** Of parts of options: whether each may be, and what it must. @type {Check[]} */
const PART_CHECKS = [
    ['hidden', isRate, 'a share from 0, below 1'],
    ['attention', isRate, 'a share from 0, below 1'],
    ['classifier', isRate, 'a share from 0, below 1'],
    ['rank', isWhole, 'a whole number from 1'],
    ['alpha', (n) => Number.isFinite(n) && n > 0, 'a number above 0'],
    [
        'targets',
        (names) =>
            Array.isArray(names) &&
            names.length > 0 &&
            names.every((name) => Object.hasOwn(LORA_TARGETS, name)),
        `an array of ${Object.keys(LORA_TARGETS).join(', ')}`,
    ],
];

/**
 * @param {object} options  undefined: it was not given
 * @param {Check[]} checks
 * @param {string} [prefix]  of their names
 */
export function checkOptions(options, checks, prefix = '') {
    for (const [name, isRight, expected] of checks) {
        const value = /** @type {Record<string, unknown>} */ (options)[name];
        if (value !== undefined && !isRight(value)) {
            throw new BertError(
                'BAD_OPTION',
                `${prefix}${name} must be ${expected}, not ${describe(value)}`,
            );
        }
    }
}

/** @type {TrainTask[]} */
const WITHOUT_LABELS = ['question-answering', 'feature-extraction', 'text-ranking'];

const UNCOUNTED = 'patience must have a validation, by which it counts';

/**
 * Options of which one needs another, or cannot be with it: what is said where it holds.
 * @type {[(given: typeof TRAIN_DEFAULTS) => boolean, string][]}
 */
const TOGETHER = [
    [({ patience, validation }) => patience !== undefined && validation === undefined, UNCOUNTED],
    [
        ({ checkpoint_steps, oncheckpoint }) => checkpoint_steps !== undefined && !oncheckpoint,
        'checkpoint_steps must have oncheckpoint, which is called then',
    ],
    [
        ({ task, problem_type }) => task !== TASKS[0] && problem_type !== PROBLEM_TYPES[0],
        `problem_type must be ${PROBLEM_TYPES[0]}, but for ${TASKS[0]}`,
    ],
    [
        ({ problem_type, labels }) => problem_type === 'regression' && labels !== undefined,
        'labels must not be given for regression, which has none',
    ],
    [
        ({ problem_type, class_weights }) =>
            problem_type === 'regression' && class_weights !== undefined,
        'class_weights must not be given for regression, which has no classes',
    ],
    [
        ({ problem_type, label_smoothing }) => problem_type === 'regression' && label_smoothing > 0,
        'label_smoothing must be 0 for regression, which has no labels',
    ],
    [
        ({ task, labels, class_weights }) =>
            WITHOUT_LABELS.includes(task) && (labels ?? class_weights) !== undefined,
        `labels and class_weights must not be given for ${WITHOUT_LABELS.join(' and ')}, which ` +
            'have none',
    ],
    [
        ({ task, label_smoothing }) => WITHOUT_LABELS.includes(task) && label_smoothing > 0,
        `label_smoothing must be 0 for ${WITHOUT_LABELS.join(' and ')}, which have no labels`,
    ],
    [
        ({ adversarial, accumulate }) => adversarial > 0 && accumulate > 1,
        'adversarial must have accumulate 1: words are moved by the gradient of a whole step',
    ],
    [
        ({ adversarial, lora, trained_layers, unfreeze }) =>
            adversarial > 0 && (lora ?? trained_layers ?? unfreeze) !== undefined,
        'adversarial must be without lora, trained_layers and unfreeze: words must be learned, too',
    ],
];

/**
 * What each task has for itself.
 *
 * @typedef {object} OwnTask
 * @property {Examples} examples  of the task, as of fineTune()
 * @property {Exclude<TrainTask, 'feature-extraction'>} [task]  as of fineTune(); default
 *   'text-classification'
 * @property {ProblemType} [problem_type]  as of fineTune(); default 'single_label_classification'
 * @property {string[]} [labels]  as of fineTune(); default those of the examples
 * @property {Examples | number} [validation]  as of fineTune(); default none
 * @property {'balanced' | Record<string, number>} [class_weights]  as of fineTune(); default all 1
 * @property {number} [label_smoothing]  as of fineTune(); default 0
 * @property {number} [temperature]  of examples that have a teacher, as of fineTune()
 * @property {number} [hard_share]  likewise
 * @property {number} [max_length]  tokens of an example, as of fineTune()
 *
 * @typedef {Omit<TrainOptions, Exclude<keyof OwnTask, 'examples'> | 'onprogress'>
 *   & {onprogress?: (progress: TasksProgress) => void}} TasksOptions  as of fineTune()
 *
 * @typedef {Omit<import('./run.js').TrainProgress, 'validation'> & {task: string | null,
 *   validation: Record<string, import('./run.js').ValidationMetrics> | null}} TasksProgress  as of
 *   fineTune(). `task` is whose step it was; after a validation of all it is null, `validation` has
 *   the metrics by task, and `metric` is the mean of those by which epochs are compared
 */

const {
    task,
    problem_type,
    labels,
    validation,
    class_weights,
    label_smoothing,
    temperature,
    hard_share,
    max_length,
    ...COMMON_DEFAULTS
} = TRAIN_DEFAULTS;

const OWN_DEFAULTS = {
    examples: /** @type {unknown} */ (undefined),
    task,
    problem_type,
    labels,
    validation,
    class_weights,
    label_smoothing,
    temperature,
    hard_share,
    max_length,
};

/**
 * @param {unknown} tasks  by name
 * @param {unknown} options
 */
export function readTasks(tasks, options) {
    const { patience, ...common } = readOptions('fineTuneTasks()', options, COMMON_DEFAULTS);
    const is_table = kindOf(tasks) === 'Object' && Object.keys(Object(tasks)).length > 0;
    if (!is_table) {
        throw new BertError(
            'BAD_INPUT',
            'tasks must be an object with {examples, task, ...} by name, one or more, ' +
                `not ${describe(tasks)}`,
        );
    }
    const read = Object.entries(Object(tasks)).map(([name, given]) => {
        const { examples, ...own } = readOptions(`task '${name}'`, given, OWN_DEFAULTS);
        if (own.task === 'feature-extraction') {
            throw new BertError(
                'UNSUPPORTED',
                `task '${name}': feature-extraction cannot be learned with others, whose heads ` +
                    'stand on the encoder: train embeddings with fineTune() first, then the others',
            );
        }
        try {
            return { name, examples, given: readTrainOptions({ ...common, ...own }) };
        } catch (error) {
            throw withPlace(error, `task '${name}'`);
        }
    });
    checkOptions({ patience }, CHECKS);
    if (patience !== undefined && read.every(({ given }) => given.validation === undefined)) {
        throw new BertError('BAD_OPTION', UNCOUNTED);
    }
    return { tasks: read, common: { ...read[0].given, patience } };
}

/** @param {unknown} options */
export function readTrainOptions(options) {
    const read = readOptions('fineTune()', options, TRAIN_DEFAULTS);
    checkOptions(read, CHECKS);
    if (read.lora) read.lora = readOptions('lora', read.lora, LORA_DEFAULTS);
    if (typeof read.dropout === 'object') {
        const none = { hidden: undefined, attention: undefined, classifier: undefined };
        read.dropout = readOptions('dropout', read.dropout, none);
        checkOptions(read.dropout, PART_CHECKS, 'dropout.');
    }
    checkOptions(read.lora ?? {}, PART_CHECKS, 'lora.');
    for (const [isWrong, message] of TOGETHER) {
        if (isWrong(read)) throw new BertError('BAD_OPTION', message);
    }
    return read;
}

/** @typedef {ReturnType<typeof readTrainOptions>} Given  options that were read */
