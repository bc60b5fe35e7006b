/** What a server counts, in Prometheus' text format. */

/** Seconds of a request: upper bounds of the histogram. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class Metrics {
    constructor() {
        /** @type {Map<string, number>} by labels */
        this.requests = new Map();
        this.running = 0;
        this.seconds = 0;
        this.buckets = BUCKETS.map(() => 0);
        this.n = 0;
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
            this.n++;
            this.seconds += seconds;
            this.requests.set(labels, (this.requests.get(labels) ?? 0) + 1);
            BUCKETS.forEach((bound, i) => { if (seconds <= bound) this.buckets[i]++; });
        };
    }

    /**
     * @param {{name: string, meter: import('./meter.js').Meter}[]} endpoints
     * @param {number} n_tokens
     */
    text(endpoints, n_tokens) {
        const perTask = (/** @type {'texts' | 'errors'} */ key) =>
            endpoints.map(({ name, meter }) => `{task="${name}"} ${meter[key]}`);
        return [
            metric('bert_requests_total', 'counter', 'Requests by path and status.', [...this.requests].map(([labels, n]) => `{${labels}} ${n}`)),
            metric('bert_requests_running', 'gauge', 'Requests that are not done.', [` ${this.running}`]),
            metric('bert_request_seconds', 'histogram', 'Time from a request to the end of its answer.', [
                ...BUCKETS.map((bound, i) => `_bucket{le="${bound}"} ${this.buckets[i]}`),
                `_bucket{le="+Inf"} ${this.n}`, `_sum ${this.seconds}`, `_count ${this.n}`,
            ]),
            metric('bert_texts_total', 'counter', 'Records that were answered, those with errors too.', perTask('texts')),
            metric('bert_text_errors_total', 'counter', 'Records that could not be answered.', perTask('errors')),
            metric('bert_tokens_total', 'counter', 'Tokens that went through the encoder.', [` ${n_tokens}`]),
            metric('process_resident_memory_bytes', 'gauge', 'Memory of the process.', [` ${process.memoryUsage.rss()}`]),
        ].join('');
    }
}

/**
 * @param {string} name
 * @param {string} type
 * @param {string} help
 * @param {string[]} samples  what follows the name
 */
function metric(name, type, help, samples) {
    return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.map((sample) => `${name}${sample}\n`).join('')}`;
}
