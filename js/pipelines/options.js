/** Options of a task's function: which there are, their defaults, and what they may be. */

import { BERT_DEFAULT_MAX_TOKENS } from '#core';

import { BertError, describe } from '../errors.js';
import { readOptions as readKnown } from '../options.js';
import { kindOf } from '../realms.js';

/**
 * @typedef {object} CallOptions  Every task has these.
 * @property {AbortSignal} [signal]  ends the call, in the midst of a batch too
 * @property {(progress: import('../model/model.js').Progress) => void} [onprogress]  called after
 *   every batch where there is an array of inputs
 * @property {number} [batch_tokens]  most tokens computed together, 1 to 1024; default 1024
 * @property {'throw' | 'return'} [errors]  what is wrong with one input of many rejects the call
 *   ('throw'), or takes the place of its result as a BertError ('return'); default 'throw'
 *
 * @typedef {object} OverflowOptions  Tasks that take texts of any length have these.
 * @property {import('../worker/texts.js').Overflow} [overflow]  what becomes of a text longer than
 *   the model reads; default 'truncate'
 * @property {number} [stride]  tokens that neighbouring windows share, from 0; default 0
 */

/** @typedef {'throw' | 'return'} Errors */

/**
 * With `errors: 'return'` the error of an input takes the place of its result.
 * @template T
 * @template {Errors} E
 * @typedef {E extends 'throw' ? T : T | BertError} Settled
 */

/** @type {{errors: Errors, signal: undefined, onprogress: undefined, batch_tokens: undefined}} */
export const CALL_OPTIONS = {
    signal: undefined,
    onprogress: undefined,
    batch_tokens: undefined,
    errors: 'throw',
};

/** @type {Required<OverflowOptions>} */
export const OVERFLOW_OPTIONS = { overflow: 'truncate', stride: 0 };

/**
 * @typedef {(value: any, name: string) => string | null} Rule  null, or what the value must be
 */

/**
 * @param {...unknown} values
 * @returns {Rule}
 */
export const oneOf =
    (...values) =>
    (value) =>
        values.includes(value)
            ? null
            : values
                  .map((each) => (typeof each === 'string' ? `'${each}'` : each))
                  .join(', ')
                  .replace(/, ([^,]*)$/, ' or $1');

/** @type {Rule} */
export const isFlag = oneOf(true, false);

/** @type {Rule} */
export const isString = (value) => (typeof value === 'string' ? null : 'a string');

/**
 * @param {string} type
 * @returns {Rule}
 */
export const isListOf = (type) => (value) =>
    Array.isArray(value) && value.every((each) => typeof each === type)
        ? null
        : `an array of ${type}s`;

/**
 * @param {number} least
 * @param {number} [most]
 * @returns {Rule}
 */
export const wholeNumber =
    (least, most = Infinity) =>
    (value) => {
        if (Number.isInteger(value) && value >= least && value <= most) return null;
        return `a whole number ${most === Infinity ? `>= ${least}` : `from ${least} to ${most}`}`;
    };

/**
 * @param {Rule} rule
 * @returns {Rule}
 */
export const orNull = (rule) => (value, name) => {
    const expected = value === null ? null : rule(value, name);
    return expected === null ? null : `${expected} or null`;
};

/** @type {Record<string, Rule>} */
const RULES = {
    signal: (value) =>
        value === undefined || kindOf(value) === 'AbortSignal' ? null : 'an AbortSignal',
    onprogress: (value) =>
        value === undefined || typeof value === 'function' ? null : 'a function',
    batch_tokens: (value, name) =>
        value === undefined ? null : wholeNumber(1, BERT_DEFAULT_MAX_TOKENS)(value, name),
    errors: oneOf('throw', 'return'),
    overflow: oneOf('truncate', 'error', 'window'),
    stride: wholeNumber(0),
};

/**
 * @template {Record<string, any>} T
 * @param {string} task
 * @param {unknown} options
 * @param {T} defaults  all the options that there are
 * @param {Record<string, Rule>} [rules]  for the task's own
 * @returns {T}
 */
export function readOptions(task, options, defaults, rules = {}) {
    const read = readKnown(task, options, defaults);
    for (const [name, rule] of Object.entries({ ...RULES, ...rules })) {
        const expected = Object.hasOwn(read, name) ? rule(read[name], name) : null;
        if (expected !== null) {
            throw new BertError(
                'BAD_OPTION',
                `${name} must be ${expected}, not ${describe(read[name])}`,
            );
        }
    }
    return read;
}
