/**
 * How every task's function takes its input: one alone, an array, or an iterable that is read as
 * fast as results are taken.
 */

import { BertError, describe, withoutPlace, withPlace } from '../errors.js';
import { textsOf } from '../model/inputs.js';

/**
 * @template In, Out
 * @typedef {object} Work
 * @property {(input: unknown) => In} read  checks an input
 * @property {(inputs: In[]) => Promise<(Out | BertError)[]>} run  in the order of the inputs. What
 *   it throws with an index is about that one of them
 * @property {'throw' | 'return'} errors
 */

/** Inputs of a stream in a group, which is computed together: enough for full batches. */
const MOST_INPUTS = 256;
const MOST_CHARACTERS = 1 << 15;

/** Groups under way: one is computed while the next is on its way to the worker. */
const GROUPS = 2;

/**
 * @template In, Out
 * @param {unknown} given
 * @param {(isOne: boolean) => Work<In, Out>} prepare  reads the options: what it throws rejects the
 *   call
 * @returns {Promise<Out | Out[]> | AsyncGenerator<Out, void, undefined>}
 */
export function answer(given, prepare) {
    return isStream(given) ? stream(given, prepare) : answerNow(given, prepare);
}

/**
 * @template In, Out
 * @param {unknown} given
 * @param {(isOne: boolean) => Work<In, Out>} prepare
 * @returns {Promise<Out | Out[]>}
 */
async function answerNow(given, prepare) {
    const is_many = Array.isArray(given);
    const work = prepare(!is_many);
    try {
        const results = await settle(is_many ? given : [given], 0, work);
        const failed = results.find((result) => result instanceof BertError);
        if (failed && (!is_many || work.errors === 'throw')) throw failed;
        return /** @type {Out | Out[]} */ (is_many ? results : results[0]);
    } catch (error) {
        throw is_many ? error : withoutPlace(error);
    }
}

/**
 * @param {unknown} given
 * @returns {given is Iterable<unknown> | AsyncIterable<unknown>}
 */
function isStream(given) {
    return (
        typeof given === 'object' &&
        given !== null &&
        !Array.isArray(given) &&
        (Symbol.asyncIterator in given || Symbol.iterator in given)
    );
}

/**
 * @template In, Out
 * @param {unknown[]} given
 * @param {number} first  index of the first
 * @param {Work<In, Out>} work
 * @returns {Promise<(Out | BertError)[]>}
 */
async function settle(given, first, { read, run }) {
    const located = (/** @type {BertError} */ error, /** @type {number} */ i) =>
        withPlace(error, `text ${first + i}`, first + i);
    /** @type {(Out | BertError)[]} */
    const results = new Array(given.length);
    /** @type {In[]} */
    const inputs = [];
    /** @type {number[]} */
    const places = [];
    for (const [i, each] of given.entries()) {
        try {
            inputs.push(read(each));
            places.push(i);
        } catch (error) {
            if (!(error instanceof BertError)) throw error;
            results[i] = located(error, i);
        }
    }
    if (inputs.length === 0) return results;
    const answers = await run(inputs).catch((error) => {
        throw error?.index >= 0 ? located(error, places[error.index]) : error;
    });
    for (const [k, result] of answers.entries()) {
        results[places[k]] = result instanceof BertError ? located(result, places[k]) : result;
    }
    return results;
}

/**
 * Results in order, as they are taken: no more than GROUPS groups of inputs are read ahead. A group
 * is computed when it is full, or when nothing else is under way and no input is there yet.
 * @template In, Out
 * @param {Iterable<unknown> | AsyncIterable<unknown>} given
 * @param {(isOne: boolean) => Work<In, Out>} prepare
 * @returns {AsyncGenerator<Out, void, undefined>}
 */
async function* stream(given, prepare) {
    const work = prepare(false);
    const { errors } = work;
    const iterator =
        Symbol.asyncIterator in given ? given[Symbol.asyncIterator]() : given[Symbol.iterator]();
    /** @type {Promise<(Out | BertError)[]>[]} */
    const groups = [];
    /** @type {unknown[]} */
    let group = [];
    let n_read = 0;
    let n_characters = 0;
    let is_done = false;
    /** @type {Promise<IteratorResult<unknown>> | null} */
    let next = null;
    const start = () => {
        const results = settle(group, n_read - group.length, work);
        results.catch(() => {}); // it is awaited later
        groups.push(results);
        group = [];
        n_characters = 0;
    };
    try {
        while (!is_done || groups.length > 0) {
            while (!is_done && groups.length < GROUPS) {
                next ??= Promise.resolve(iterator.next());
                // Wait for the next input, or for the group under way, whichever comes first.
                const others =
                    groups.length > 0
                        ? [
                              groups[0].then(
                                  () => null,
                                  () => null,
                              ),
                          ]
                        : group.length > 0
                          ? [nextTask()]
                          : [];
                const step = await Promise.race([next, ...others]);
                if (step === null) break;
                next = null;
                if (step.done) {
                    is_done = true;
                } else {
                    group.push(step.value);
                    n_read++;
                    n_characters += lengthOf(step.value);
                }
                if (
                    group.length > 0 &&
                    (is_done || group.length >= MOST_INPUTS || n_characters >= MOST_CHARACTERS)
                ) {
                    start();
                }
            }
            if (groups.length === 0) {
                if (group.length > 0) start();
                else if (is_done) return;
                else continue;
            }
            const results = /** @type {Out[]} */ (await groups.shift());
            for (const result of results) {
                if (result instanceof BertError && errors === 'throw') throw result;
                yield result;
            }
        }
    } finally {
        if (!is_done) await iterator.return?.();
    }
}

/** Resolves to null after the tasks that are ready now. */
function nextTask() {
    return new Promise((resolve) => {
        setTimeout(() => resolve(null));
    });
}

/**
 * Characters of an input.
 * @param {unknown} input
 * @returns {number}
 */
function lengthOf(input) {
    if (typeof input === 'string') return input.length;
    if (typeof input !== 'object' || input === null) return 0;
    return Object.values(input).reduce((sum, value) => sum + lengthOf(value), 0);
}

/**
 * @param {unknown} input
 * @returns {string}
 */
export function readString(input) {
    if (typeof input === 'string') return input;
    throw new BertError('BAD_INPUT', `a text must be a string, not ${describe(input)}`);
}

/**
 * A text or a pair of texts.
 * @param {unknown} input
 * @returns {{text: string, text_pair?: string}}
 */
export function readText(input) {
    const { text, text_pair } = textsOf(input);
    if (typeof text !== 'string') {
        throw new BertError(
            'BAD_INPUT',
            `a text must be a string or {text, text_pair}, not ${describe(input)}`,
        );
    }
    if (text_pair === undefined || text_pair === null) return { text };
    if (typeof text_pair !== 'string') {
        throw new BertError('BAD_INPUT', `text_pair must be a string, not ${describe(text_pair)}`);
    }
    return { text, text_pair };
}
