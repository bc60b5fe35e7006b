/** Options of fineTune(): which there are, their defaults, what they may be. */

import { BERT_MAX_THREADS } from '#core';

import { BertError, describe } from '../errors.js';
import { readOptions } from '../options.js';
import { kindOf } from '../realms.js';

/** @typedef {import('./head.js').TrainTask} TrainTask */

/** @type {TrainTask[]} */
const TASKS = ['text-classification', 'token-classification'];

/**
 * @typedef {Pick<import('../model/model.js').ModelLoadOptions, 'revision' | 'subfolder' | 'file'
 *   | 'cache' | 'offline' | 'idle_timeout' | 'retry_delay'>
 *   & {onprogress?: (progress: {loaded: number, total: number}) => void}} BaseOptions  its
 *   `onprogress` is called with bytes, while they arrive
 */

/**
 * @typedef {import('./examples.js').Example} Example
 *
 * @typedef {object} TrainOptions
 * @property {TrainTask} [task]  what is learned; default 'text-classification'
 * @property {string[]} [labels]  all labels, in the order of the classifier; default those of the
 *   examples: in the base's order where they are its own, else sorted
 * @property {Iterable<Example> | AsyncIterable<Example> | number} [validation]  examples that tell
 *   after each epoch how good it is, or the share of the examples that is set aside for that, of
 *   each label as large a one; default none
 * @property {number} [epochs]  how often every example is learned from, from 1; default 3
 * @property {number} [batch_size]  examples of a step, from 1; default 16
 * @property {number} [learning_rate]  of the first step after the warm-up, above 0; from there it
 *   falls in a line to 0. Small encoders want more, as 2e-4; default 5e-5
 * @property {number} [warmup]  share of the steps in which the learning rate rises from 0, 0 to 1;
 *   default 0.1
 * @property {number} [weight_decay]  of AdamW, from 0; norms and biases do not decay; default 0.01
 * @property {number} [max_norm]  length that gradients are scaled down to, above 0; Infinity: as
 *   they are; default 1
 * @property {number} [max_length]  tokens of an example, special ones included: what is longer is
 *   cut; default what the base reads
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
 *   step
 * @property {AbortSignal} [signal]  ends training between two steps: fineTune() is rejected with
 *   its reason
 * @property {AbortSignal} [stop]  ends training after the step that runs, with what there is: the
 *   best epoch, or, before the first has ended, the weights as they are. Before the first step it
 *   does what `signal` does
 */

/** Undefined: there is no value that means the default. */
const DEFAULTS = {
    task: TASKS[0],
    labels: /** @type {TrainOptions['labels']} */ (undefined),
    validation: /** @type {TrainOptions['validation']} */ (undefined),
    epochs: 3,
    batch_size: 16,
    learning_rate: 5e-5,
    warmup: 0.1,
    weight_decay: 0.01,
    max_norm: 1,
    max_length: /** @type {TrainOptions['max_length']} */ (undefined),
    seed: 0,
    class_weights: /** @type {TrainOptions['class_weights']} */ (undefined),
    patience: /** @type {TrainOptions['patience']} */ (undefined),
    recomputes: false,
    memory: 2 ** 32,
    threads: /** @type {TrainOptions['threads']} */ (undefined),
    load: /** @type {BaseOptions} */ ({}),
    onprogress: /** @type {TrainOptions['onprogress']} */ (undefined),
    signal: /** @type {TrainOptions['signal']} */ (undefined),
    stop: /** @type {TrainOptions['stop']} */ (undefined),
};

const isNumber = (/** @type {unknown} */ n) => typeof n === 'number' && !Number.isNaN(n);
const isWhole = (/** @type {any} */ n, least = 1) => Number.isSafeInteger(n) && n >= least;
const isSignal = (/** @type {unknown} */ value) => kindOf(value) === 'AbortSignal';

/**
 * By name: whether it may be, and what it must.
 * @typedef {[name: string, isRight: (value: any) => boolean, expected: string]} Check
 */

/** @type {Check[]} */
export const CHECKS = [
    ['task', (value) => TASKS.includes(value), TASKS.join(' or ')],
    ['labels', areLabels, 'an array of two strings or more, each once'],
    [
        'validation',
        (n) => typeof n !== 'number' || (n > 0 && n < 1),
        'examples, or a share between 0 and 1',
    ],
    ['epochs', isWhole, 'a whole number from 1'],
    ['batch_size', isWhole, 'a whole number from 1'],
    ['learning_rate', (n) => Number.isFinite(n) && n > 0, 'a number above 0'],
    ['warmup', (n) => isNumber(n) && n >= 0 && n <= 1, 'a share from 0 to 1'],
    ['weight_decay', (n) => Number.isFinite(n) && n >= 0, 'a number from 0'],
    ['max_norm', (n) => isNumber(n) && n > 0, 'a number above 0'],
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

/** @param {unknown} options */
export function readTrainOptions(options) {
    const read = readOptions('fineTune()', options, DEFAULTS);
    checkOptions(read, CHECKS);
    if (read.patience !== undefined && read.validation === undefined) {
        throw new BertError('BAD_OPTION', 'patience must have a validation, by which it counts');
    }
    return read;
}

/**
 * @param {object} read  undefined: it was not given
 * @param {Check[]} checks
 */
export function checkOptions(read, checks) {
    for (const [name, isRight, expected] of checks) {
        const value = /** @type {Record<string, unknown>} */ (read)[name];
        if (value !== undefined && !isRight(value)) {
            throw new BertError(
                'BAD_OPTION',
                `${name} must be ${expected}, not ${describe(value)}`,
            );
        }
    }
}
