/**
 * What a model is doing: metrics of each call, counters, and a histogram of how long calls take.
 * Its memory does not grow with the number of calls.
 */

import { BertError } from '../errors.js';

/**
 * @typedef {object} CallMetrics  what a call of a pipeline took; times are milliseconds
 * @property {string} model  its name
 * @property {number} n_texts  texts that were asked for
 * @property {number} n_windows  windows that were computed: more than texts where these are long
 * @property {number} n_tokens  tokens in them, special ones included
 * @property {number} n_batches  batches that they made
 * @property {number} batch_fill  tokens of a batch, of those that fit; 0 to 1
 * @property {number} queue_ms  waiting for earlier calls
 * @property {number} tokenize_ms  making tokens of texts
 * @property {number} encode_ms  running the model
 * @property {number} total_ms  until the caller had the results
 * @property {string} [error]  the code or the name of the error, if it failed
 *
 * @typedef {object} Metrics  of all calls of pipelines so far; times are milliseconds
 * @property {number} calls  that have ended
 * @property {number} errors  calls among these that failed
 * @property {number} pending  calls that have not ended
 * @property {number} texts  of the calls that did not fail, as what follows
 * @property {number} tokens  special ones included
 * @property {number} queue_ms  waiting for earlier calls
 * @property {number} tokenize_ms  making tokens of texts
 * @property {number} encode_ms  running the model
 * @property {Latency} latency_ms  until the caller had the results
 *
 * @typedef {object} Latency
 * @property {number} count  calls
 * @property {number} sum  of all
 * @property {number} max  the slowest
 * @property {number} p50  the median, within 5 % as the other percentiles
 * @property {number} p90  nine of ten calls took no longer
 * @property {number} p99  99 of 100 calls took no longer
 */

const NO_METRICS = {
    n_windows: 0,
    n_tokens: 0,
    n_batches: 0,
    batch_fill: 0,
    queue_ms: 0,
    tokenize_ms: 0,
    encode_ms: 0,
};

export class Monitor {
    #model;
    #onmetrics;
    #has_marks;

    #totals = {
        calls: 0,
        errors: 0,
        pending: 0,
        texts: 0,
        tokens: 0,
        queue_ms: 0,
        tokenize_ms: 0,
        encode_ms: 0,
    };

    #latency = new Histogram();

    /**
     * @param {string} model
     * @param {{onmetrics?: (call: CallMetrics) => void, performance_marks?: boolean}} options
     */
    constructor(model, { onmetrics, performance_marks = false }) {
        this.#model = model;
        this.#onmetrics = onmetrics;
        this.#has_marks = performance_marks;
    }

    /**
     * @param {number} n_texts
     * @returns {(ended: Omit<CallMetrics, 'model' | 'n_texts' | 'total_ms'> | unknown) => void}  to
     *   be called with the metrics, or the error
     */
    begin(n_texts) {
        const start = performance.now();
        this.#totals.pending++;
        return (ended) => {
            const failed = typeof ended !== 'object' || ended === null || !('queue_ms' in ended);
            const total_ms = performance.now() - start;
            /** @type {CallMetrics} */
            const call = {
                model: this.#model,
                ...NO_METRICS,
                ...(failed ? { error: nameOf(ended) } : /** @type {CallMetrics} */ (ended)),
                n_texts,
                total_ms,
            };
            this.#count(call);
            if (this.#has_marks) {
                performance.measure(`bert-wasm ${this.#model}`, {
                    start,
                    duration: total_ms,
                    detail: call,
                });
            }
            this.#onmetrics?.(call);
        };
    }

    /** @param {CallMetrics} call */
    #count({ error, n_texts, n_tokens, queue_ms, tokenize_ms, encode_ms, total_ms }) {
        const totals = this.#totals;
        totals.pending--;
        totals.calls++;
        if (error !== undefined) {
            totals.errors++;
            return;
        }
        totals.texts += n_texts;
        totals.tokens += n_tokens;
        totals.queue_ms += queue_ms;
        totals.tokenize_ms += tokenize_ms;
        totals.encode_ms += encode_ms;
        this.#latency.add(total_ms);
    }

    /** @returns {Metrics} */
    snapshot() {
        return { ...this.#totals, latency_ms: this.#latency.summary() };
    }
}

/** @param {unknown} error */
function nameOf(error) {
    if (error instanceof BertError) return error.code;
    return /** @type {any} */ (error)?.name ?? String(error);
}

/** Buckets of a doubling: each is 9 % wide. */
const STEPS = 8;

/** The least of the first bucket, in milliseconds. */
const LEAST = 2 ** -7;

/** Up to 2^25 ms, nine hours. */
const BUCKETS = 32 * STEPS;

/** Of positive numbers, in buckets of equal ratio. */
export class Histogram {
    #counts = new Uint32Array(BUCKETS);
    #count = 0;
    #sum = 0;
    #max = 0;

    /** @param {number} value */
    add(value) {
        const bucket = Math.floor(Math.log2(Math.max(value, LEAST) / LEAST) * STEPS);
        this.#counts[Math.min(bucket, BUCKETS - 1)]++;
        this.#count++;
        this.#sum += value;
        this.#max = Math.max(this.#max, value);
    }

    /**
     * @param {number} share  0 to 1
     * @returns {number}  within 5 %, the value that this share of all is not above
     */
    percentile(share) {
        let left = Math.ceil(share * this.#count);
        for (let bucket = 0; bucket < BUCKETS && this.#count > 0; bucket++) {
            left -= this.#counts[bucket];
            if (left <= 0) return Math.min(LEAST * 2 ** ((bucket + 0.5) / STEPS), this.#max);
        }
        return 0;
    }

    /** @returns {Latency} */
    summary() {
        return {
            count: this.#count,
            sum: this.#sum,
            max: this.#max,
            p50: this.percentile(0.5),
            p90: this.percentile(0.9),
            p99: this.percentile(0.99),
        };
    }
}
