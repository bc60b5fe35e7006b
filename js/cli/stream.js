/**
 * Records to answers, in their order, with a few batches under way: while one is encoded, the next
 * are read and the last are printed. Whoever takes the answers slowly slows the reading.
 */

import { BERT_DEFAULT_MAX_TOKENS } from '#core';

import { BertError, withPlace } from '../errors.js';

/** Batches of the engine in a call: its way to the worker and back costs nothing then. */
const CALL_BATCHES = 4;

/** Calls under way: one that is computed, one that waits for it, one that is printed. */
const CALLS = 3;

/** Characters of a token, about. Where it is wrong, a call is larger or smaller. */
const TOKEN_CHARACTERS = 4;

/** Codes of errors of which no single record is the cause: the next ones would fail too. */
const FATAL = new Set([
    'BAD_OPTION',
    'DISPOSED',
    'ENGINE_FAILED',
    'NO_SUCH_OUTPUT',
    'NO_TOKENIZER',
    'UNSUPPORTED',
    'WRONG_TASK',
]);

/** @typedef {import('../examples/records.js').InputRecord} InputRecord */

/**
 * @typedef {object} Answer
 * @property {InputRecord} record
 * @property {Record<string, any>} [result]
 * @property {BertError} [error]  of this record; its message says where
 */

/**
 * A result for each record; an error of one alone stands in its place, or fails them all.
 * @callback Answerer
 * @param {Record<string, any>[]} values
 * @returns {Promise<(Record<string, any> | BertError)[]>}
 */

/**
 * @param {AsyncIterable<InputRecord[]>} pieces
 * @param {object} how
 * @param {(value: Record<string, any>) => void} how.check  throws a BertError for a record that
 *   cannot be used
 * @param {Answerer} how.answer
 * @param {(value: Record<string, any>) => number} how.size  characters of a record that are encoded
 * @param {number} [how.batch_tokens]
 * @returns {AsyncGenerator<Answer[], void>}
 */
export function answers(pieces, { check, answer, size, batch_tokens = BERT_DEFAULT_MAX_TOKENS }) {
    return inOrder(
        batches(pieces, size, batch_tokens * CALL_BATCHES),
        (records) => answerBatch(records, check, answer),
        CALLS,
    );
}

/**
 * Cuts pieces into batches as they come; does not wait for more to fill a batch.
 * @param {AsyncIterable<InputRecord[]>} pieces
 * @param {(value: Record<string, any>) => number} size
 * @param {number} max_tokens  about
 */
async function* batches(pieces, size, max_tokens) {
    for await (const records of pieces) {
        /** @type {InputRecord[]} */
        let batch = [];
        let n_tokens = 0;
        for (const record of records) {
            const n = 3 + Math.ceil(size(record.value) / TOKEN_CHARACTERS);
            if (batch.length && n_tokens + n > max_tokens) {
                yield batch;
                batch = [];
                n_tokens = 0;
            }
            batch.push(record);
            n_tokens += n;
        }
        if (batch.length) yield batch;
    }
}

/**
 * @param {InputRecord[]} records
 * @param {(value: Record<string, any>) => void} check
 * @param {Answerer} answer
 * @returns {Promise<Answer[]>}
 */
async function answerBatch(records, check, answer) {
    /** @type {Answer[]} */
    const checked = records.map((record) => {
        if (record.error) return { record, error: record.error };
        try {
            check(record.value);
            return { record };
        } catch (error) {
            if (!(error instanceof BertError)) throw error;
            return { record, error: withPlace(error, record.where) };
        }
    });
    const good = checked.filter(({ error }) => !error);
    await answerEach(good, answer);
    return checked;
}

/**
 * Where a batch fails, its halves are tried, so that the record at fault gets its error and the
 * others get their answers.
 * @param {Answer[]} questions  filled in
 * @param {Answerer} answer
 */
async function answerEach(questions, answer) {
    if (questions.length === 0) return;
    try {
        const results = await answer(questions.map(({ record }) => record.value));
        results.forEach((result, i) => {
            if (result instanceof BertError) {
                questions[i].error = withPlace(result, questions[i].record.where);
            } else {
                questions[i].result = result;
            }
        });
    } catch (error) {
        if (!(error instanceof BertError) || FATAL.has(error.code)) throw error;
        if (questions.length === 1) {
            questions[0].error = withPlace(error, questions[0].record.where);
            return;
        }
        const half = questions.length >> 1;
        await answerEach(questions.slice(0, half), answer);
        await answerEach(questions.slice(half), answer);
    }
}

const END = Symbol('end');

/**
 * What `run` gives for each item, in the order of the items and as soon as it is there. At most `n`
 * are under way or wait to be taken. The first failure ends it, after the results before it.
 * @template T, R
 * @param {AsyncIterable<T>} items
 * @param {(item: T) => Promise<R>} run
 * @param {number} n
 * @returns {AsyncGenerator<R, void>}
 */
export async function* inOrder(items, run, n) {
    /** @type {Promise<R | typeof END>[]} */
    const started = [];
    let stopped = false;
    let wakeTaker = () => {};
    let wakeReader = () => {};
    /** @param {Promise<R | typeof END>} result */
    const add = (result) => {
        result.catch(() => {}); // reported when its turn comes
        started.push(result);
        wakeTaker();
    };
    const read = async () => {
        for await (const item of items) {
            while (started.length >= n && !stopped) {
                await new Promise((resolve) => {
                    wakeReader = () => resolve(undefined);
                });
            }
            if (stopped) return;
            add(run(item));
        }
    };
    read().then(
        () => add(Promise.resolve(END)),
        (error) => add(Promise.reject(error)),
    );
    try {
        for (;;) {
            while (started.length === 0) {
                await new Promise((resolve) => {
                    wakeTaker = () => resolve(undefined);
                });
            }
            const result = /** @type {R | typeof END} */ (await started[0]);
            if (result === END) return;
            yield result;
            started.shift();
            wakeReader();
        }
    } finally {
        stopped = true;
        wakeReader();
    }
}
