/** What a server counts, in Prometheus' text format. */

/** Seconds of a request, or of a call of the model: upper bounds of the histograms. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class ServerMetrics {
    constructor() {
        /** @type {Map<string, number>} by labels */
        this.requests = new Map();
        this.running = 0;
        this.times = new Histogram();
        this.calls = new Histogram();
        /** @type {Map<string, number>} calls by the code of their error */
        this.errors = new Map();
    }

    /**
     * A call of the model has ended: its `onmetrics`.
     * @param {import('../model/monitor.js').CallMetrics} call
     */
    onCall({ error, total_ms }) {
        if (error === undefined) this.calls.add(total_ms / 1000);
        else this.errors.set(error, (this.errors.get(error) ?? 0) + 1);
    }

    /**
     * A request has come.
     * @returns {(path: string, status: number) => void}  to be called at its end
     */
    begin() {
        const start = performance.now();
        this.running++;
        return (path, status) => {
            const seconds = (performance.now() - start) / 1000;
            const labels = `path="${path}",status="${status}"`;
            this.running--;
            this.times.add(seconds);
            this.requests.set(labels, (this.requests.get(labels) ?? 0) + 1);
        };
    }

    /**
     * @param {{name: string, meter: import('./meter.js').Meter}[]} endpoints
     * @param {import('../model/monitor.js').Metrics} model
     */
    text(endpoints, model) {
        const perTask = (/** @type {'texts' | 'errors'} */ key) =>
            endpoints.map(({ name, meter }) => `{task="${name}"} ${meter[key]}`);
        return [
            metric(
                'bert_requests_total',
                'counter',
                'Requests by path and status.',
                [...this.requests].map(([labels, n]) => `{${labels}} ${n}`),
            ),
            metric('bert_requests_running', 'gauge', 'Requests that are not done.', [
                ` ${this.running}`,
            ]),
            metric(
                'bert_request_seconds',
                'histogram',
                'Time from a request to the end of its answer.',
                this.times.samples(),
            ),
            metric(
                'bert_texts_total',
                'counter',
                'Records that were answered, including those with errors.',
                perTask('texts'),
            ),
            metric(
                'bert_text_errors_total',
                'counter',
                'Records that could not be answered.',
                perTask('errors'),
            ),
            metric('bert_tokens_total', 'counter', 'Tokens that went through the encoder.', [
                ` ${model.tokens}`,
            ]),
            metric(
                'bert_model_texts_total',
                'counter',
                'Texts and pairs that went through the encoder.',
                [` ${model.texts}`],
            ),
            metric('bert_model_calls_running', 'gauge', 'Calls of the model that are not done.', [
                ` ${model.pending}`,
            ]),
            metric(
                'bert_model_call_seconds',
                'histogram',
                'Time of a call of the model that did not fail, including its wait for others.',
                this.calls.samples(),
            ),
            metric(
                'bert_model_call_errors_total',
                'counter',
                'Calls of the model that failed, by the code of the error.',
                [...this.errors].map(([code, n]) => `{code="${code}"} ${n}`),
            ),
            ...PARTS.map(([name, key, help]) =>
                metric(`bert_model_${name}_seconds_total`, 'counter', help, [
                    ` ${model[key] / 1000}`,
                ]),
            ),
            metric('process_resident_memory_bytes', 'gauge', 'Memory of the process.', [
                ` ${process.memoryUsage.rss()}`,
            ]),
        ].join('');
    }
}

/**
 * Where the time of calls goes.
 * @type {[string, 'queue_ms' | 'tokenize_ms' | 'encode_ms', string][]}
 */
const PARTS = [
    ['queue', 'queue_ms', 'Time that calls waited for earlier ones.'],
    ['tokenize', 'tokenize_ms', 'Time that texts became tokens in.'],
    ['encode', 'encode_ms', 'Time that the encoder computed.'],
];

/** Of seconds, in Prometheus' cumulative buckets. */
class Histogram {
    constructor() {
        this.buckets = BUCKETS.map(() => 0);
        this.sum = 0;
        this.n = 0;
    }

    /** @param {number} seconds */
    add(seconds) {
        this.n++;
        this.sum += seconds;
        BUCKETS.forEach((bound, i) => {
            if (seconds <= bound) this.buckets[i]++;
        });
    }

    samples() {
        return [
            ...BUCKETS.map((bound, i) => `_bucket{le="${bound}"} ${this.buckets[i]}`),
            `_bucket{le="+Inf"} ${this.n}`,
            `_sum ${this.sum}`,
            `_count ${this.n}`,
        ];
    }
}

/**
 * @param {string} name
 * @param {string} type
 * @param {string} help
 * @param {string[]} samples  what follows the name
 */
function metric(name, type, help, samples) {
    return (
        `# HELP ${name} ${help}\n# TYPE ${name} ` +
        `${type}\n${samples.map((sample) => `${name}${sample}\n`).join('')}`
    );
}
