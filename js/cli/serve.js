/** `bert-wasm serve`: tasks over HTTP, on this machine unless told otherwise. */

import { createServer } from 'node:http';

import { BertError, describe } from '../errors.js';
import { toRecords } from '../examples/records.js';
import { loadModel } from '../model/model.js';
import { pipeline } from '../pipelines/index.js';
import { splitLines } from './lines.js';
import { Meter } from './meter.js';
import { loadOptions, MODEL_OPTIONS, parse, snakeCase, UsageError, valuesOf } from './options.js';
import { print } from './print.js';
import { ServerMetrics } from './prometheus.js';
import { answers } from './stream.js';
import { checkFields, PIPELINE_OPTIONS, sizeOf, TASK_COMMANDS, toOutput } from './tasks.js';

/** @typedef {import('node:http').IncomingMessage} Request */
/** @typedef {import('node:http').ServerResponse} Response */
/** @typedef {import('../examples/records.js').InputRecord} InputRecord */

const MAX_BODY_BYTES = 8 << 20;

/** Requests say a path; what comes before it does not matter. */
const BASE = 'http://host';

const JSONL_TYPES = [
    'application/jsonl',
    'application/x-ndjson',
    'application/x-jsonlines',
    'application/jsonlines',
];

/** @type {import('./options.js').Command} */
export const command = {
    usage: '[--port N] [OPTION ...]',
    summary: 'Tasks over HTTP, on this machine unless --host says otherwise.',
    options: {
        port: { value: 'N', help: 'default 8080; 0: any that is free' },
        host: { value: 'ADDRESS', help: 'default 127.0.0.1: this machine alone' },
        task: {
            multiple: true,
            value: 'COMMAND',
            help:
                `${Object.keys(TASK_COMMANDS).join(', ')}; default classify. May be given again: ` +
                'the first is at / too',
        },
        'max-bytes': {
            kind: 'whole',
            value: 'N',
            help: `of a JSON body, or of a line of JSONL; default ${MAX_BODY_BYTES}`,
        },
        ...MODEL_OPTIONS,
    },
    example: `bert-wasm serve --port 8080 &
  curl -H 'Content-Type: application/json' -d '{"text": "What a wonderful film."}' \\
    http://127.0.0.1:8080/classify`,
    notes: `POST / or /COMMAND with Content-Type application/json (a record, or an array of them) or
application/x-ndjson (JSONL; the answer is streamed, a bad line has {"error": {"code", "message"}}
in its place). Records and results are those of the command; its options go into the URL:
/classify?top_k=2. GET /info says what runs, GET /metrics counts (Prometheus). SIGTERM and SIGINT
end it once running requests are done, a second one at once.`,
    run,
};

/** Ends a request with a status other than 200. */
class HTTPError extends Error {
    /**
     * @param {number} status
     * @param {string} code
     * @param {string} message
     * @param {Record<string, string>} [headers]
     */
    constructor(status, code, message, headers = {}) {
        super(message);
        this.status = status;
        this.code = code;
        this.headers = headers;
    }
}

/** @param {string[]} args */
async function run(args) {
    const { values } = parse(args, command.options);
    const {
        host = '127.0.0.1',
        task: names = ['classify'],
        max_bytes = MAX_BODY_BYTES,
        model,
    } = values;
    const port = portOf(values.port);
    for (const name of names) {
        if (!Object.hasOwn(TASK_COMMANDS, name)) {
            throw new UsageError(
                `--task must be ${Object.keys(TASK_COMMANDS).join(', ')}, not '${name}'`,
            );
        }
    }
    /** @type {Map<string, Endpoint>} */
    const endpoints = new Map();
    const metrics = new ServerMetrics();
    const loaded = await loadModel(model, {
        ...loadOptions(values),
        onmetrics: (call) => metrics.onCall(call),
    });
    for (const name of new Set(/** @type {string[]} */ (names))) {
        endpoints.set(name, {
            name,
            pipe: await pipeline(/** @type {any} */ (TASK_COMMANDS[name].task), loaded),
            meter: new Meter(),
        });
    }
    const service = new Service(loaded, endpoints, metrics, max_bytes);
    const url = await service.listen(port, host);
    const closed = new Promise((resolve) => {
        for (const signal of ['SIGTERM', 'SIGINT']) {
            process.on(signal, () => {
                if (service.closing) process.exit(1);
                resolve(service.close());
            });
        }
    });
    await print({ url, tasks: [...endpoints.keys()] });
    await closed;
    loaded.dispose();
}

/** @param {string} [text] */
function portOf(text = '8080') {
    const port = Number(text);
    if (!/^\d+$/.test(text) || port > 65535) {
        throw new UsageError(`--port must be a number from 0 to 65535, not '${text}'`);
    }
    return port;
}

/**
 * @typedef {object} Endpoint
 * @property {string} name
 * @property {any} pipe
 * @property {Meter} meter
 */

class Service {
    /**
     * @param {import('../model/model.js').Model} model  of all endpoints
     * @param {Map<string, Endpoint>} endpoints
     * @param {ServerMetrics} metrics
     * @param {number} max_bytes
     */
    constructor(model, endpoints, metrics, max_bytes) {
        this.model = model;
        this.endpoints = endpoints;
        this.max_bytes = max_bytes;
        this.closing = false;
        this.metrics = metrics;
        this.server = createServer((request, response) => this.#serve(request, response));
        this.server.requestTimeout = 0; // a body may be streamed for hours
    }

    /**
     * @param {number} port
     * @param {string} host
     * @returns {Promise<string>}
     */
    async listen(port, host) {
        await new Promise((resolve, reject) => {
            this.server.once('error', (error) =>
                reject(
                    new BertError(
                        'UNSUPPORTED',
                        `${host}:${port} cannot be listened to ` +
                            `(${/** @type {NodeJS.ErrnoException} */ (error).code}): ` +
                            'name another --port or --host',
                        { cause: error },
                    ),
                ),
            );
            this.server.listen(port, host, () => resolve(undefined));
        });
        const {
            address,
            port: bound,
            family,
        } = /** @type {import('node:net').AddressInfo} */ (this.server.address());
        return `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}/`;
    }

    /** Takes no more requests, and waits for those that run. */
    close() {
        this.closing = true;
        return new Promise((resolve) => {
            this.server.close(() => resolve(undefined));
            this.server.closeIdleConnections();
        });
    }

    /**
     * @param {Request} request
     * @param {Response} response
     */
    async #serve(request, response) {
        const path = pathOf(request);
        const done = this.metrics.begin();
        // The caller went away: what it asked for is not computed any more.
        const gone = new AbortController();
        response.once('close', () => {
            if (!response.writableFinished) {
                gone.abort(new HTTPError(499, 'ABORTED', 'the caller went away'));
            }
            done(
                this.#route(path) ? path : 'other',
                response.writableFinished ? response.statusCode : 499,
            );
            if (this.closing) setImmediate(() => this.server.closeIdleConnections());
        });
        try {
            await this.#answer(path, request, response, gone.signal);
        } catch (error) {
            this.#refuse(request, response, error);
        }
    }

    /**
     * @param {string} path
     * @returns {'info' | 'metrics' | Endpoint | undefined}
     */
    #route(path) {
        if (path === '/info' || path === '/metrics') return path === '/info' ? 'info' : 'metrics';
        if (path === '/') return this.endpoints.values().next().value;
        return this.endpoints.get(path.slice(1));
    }

    /**
     * @param {string} path
     * @param {Request} request
     * @param {Response} response
     * @param {AbortSignal} signal
     */
    async #answer(path, request, response, signal) {
        const route = this.#route(path);
        if (!route) {
            const paths = [...this.endpoints.keys(), 'info', 'metrics']
                .map((name) => `/${name}`)
                .join(', ');
            throw new HTTPError(404, 'NOT_FOUND', `there is no ${path}; there are /, ${paths}`);
        }
        const methods = typeof route === 'string' ? ['GET', 'HEAD'] : ['POST'];
        if (!methods.includes(request.method ?? '')) {
            throw new HTTPError(
                405,
                'METHOD_NOT_ALLOWED',
                `${path} takes ${methods.join(' and ')}`,
                { Allow: methods.join(', ') },
            );
        }
        if (route === 'info') {
            return this.#send(
                response,
                200,
                'application/json',
                JSON.stringify({ tasks: [...this.endpoints.keys()], ...(await this.model.info()) }),
            );
        }
        if (route === 'metrics') {
            return this.#send(
                response,
                200,
                'text/plain; version=0.0.4',
                this.metrics.text([...this.endpoints.values()], this.model.metrics()),
            );
        }
        const options = this.#options(route, request);
        const type = (request.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
        if (type === 'application/json') {
            return this.#answerJSON(route, options, request, response, signal);
        }
        if (JSONL_TYPES.includes(type)) {
            return this.#answerLines(route, options, request, response, signal);
        }
        // Also what keeps pages of other sites out: a form cannot send these types.
        throw new HTTPError(
            415,
            'UNSUPPORTED_MEDIA_TYPE',
            `Content-Type must be application/json or application/x-ndjson, not '${type}'`,
        );
    }

    /**
     * The command's options in the URL.
     * @param {Endpoint} endpoint
     * @param {Request} request
     */
    #options({ name }, request) {
        const { options, own = {} } = TASK_COMMANDS[name];
        const known = Object.fromEntries(
            Object.entries({ ...options, ...own, ...PIPELINE_OPTIONS }).map(([key, option]) => [
                snakeCase(key),
                option,
            ]),
        );
        const given = Object.fromEntries(new URL(request.url ?? '/', BASE).searchParams);
        for (const [key, text] of Object.entries(given)) {
            if (!Object.hasOwn(known, key)) {
                throw new HTTPError(
                    400,
                    'BAD_OPTION',
                    `there is no option '${key}'; there are ` +
                        `${Object.keys(known).join(', ') || 'none'}`,
                );
            }
            if (known[key].type === 'boolean' && text !== 'true' && text !== 'false') {
                throw new HTTPError(
                    400,
                    'BAD_OPTION',
                    `${key} must be true or false, not '${text}'`,
                );
            }
        }
        const values = valuesOf(given, known, (key) => key);
        return Object.fromEntries(
            Object.entries(values).map(([key, value]) => [
                key,
                known[key].type === 'boolean' ? value === 'true' : value,
            ]),
        );
    }

    /**
     * @param {Endpoint} endpoint
     * @param {Record<string, any>} options
     * @param {AsyncIterable<InputRecord[]>} pieces
     * @param {AbortSignal} signal
     */
    async *#answers({ name, pipe, meter }, options, pieces, signal) {
        const { fields, answer } = TASK_COMMANDS[name];
        const batches = answers(pieces, {
            check: (value) => checkFields(fields, value),
            size: (value) => sizeOf(fields, value),
            answer: (values) => answer(pipe, values, { ...options, signal }),
        });
        for await (const batch of batches) {
            signal.throwIfAborted();
            meter.texts += batch.length;
            meter.errors += batch.filter(({ error }) => error).length;
            yield batch;
        }
    }

    /**
     * @param {Endpoint} endpoint
     * @param {Record<string, any>} options
     * @param {Request} request
     * @param {Response} response
     * @param {AbortSignal} signal
     */
    async #answerJSON(endpoint, options, request, response, signal) {
        const body = parseJSON(await this.#body(request));
        const list = Array.isArray(body) ? body : [body];
        const records = list.map((value, i) =>
            toRecord(value, Array.isArray(body) ? `record ${i}` : 'the record'),
        );
        const results = [];
        for await (const batch of this.#answers(endpoint, options, once(records), signal)) {
            for (const answer of batch) {
                if (answer.error) throw answer.error;
                results.push(toOutput(TASK_COMMANDS[endpoint.name].fields, answer, false));
            }
        }
        this.#send(
            response,
            200,
            'application/json',
            JSON.stringify(Array.isArray(body) ? results : results[0]),
        );
    }

    /**
     * Reads no faster than the caller takes the answers.
     * @param {Endpoint} endpoint
     * @param {Record<string, any>} options
     * @param {Request} request
     * @param {Response} response
     * @param {AbortSignal} signal
     */
    async #answerLines(endpoint, options, request, response, signal) {
        response.writeHead(200, this.#headers('application/x-ndjson'));
        response.flushHeaders();
        const { fields } = TASK_COMMANDS[endpoint.name];
        const pieces = toRecords(splitLines(request, 'line', this.max_bytes), 'jsonl');
        for await (const batch of this.#answers(endpoint, options, pieces, signal)) {
            const text = batch
                .map((answer) => `${JSON.stringify(toOutput(fields, answer, false))}\n`)
                .join('');
            if (!response.write(text)) await drained(response, signal);
        }
        response.end();
    }

    /** @param {Request} request */
    async #body(request) {
        const too_large = () =>
            new HTTPError(
                413,
                'TOO_LARGE',
                `the body has more than ${this.max_bytes} bytes: send JSONL, ` +
                    'or fewer records at a time',
            );
        if (Number(request.headers['content-length'] ?? 0) > this.max_bytes) throw too_large();
        const chunks = [];
        let n_bytes = 0;
        for await (const chunk of request.iterator({ destroyOnReturn: false })) {
            n_bytes += chunk.length;
            if (n_bytes > this.max_bytes) throw too_large();
            chunks.push(chunk);
        }
        return Buffer.concat(chunks).toString();
    }

    /** @param {string} type */
    #headers(type) {
        return {
            'Content-Type': type,
            'Cache-Control': 'no-store',
            ...(this.closing ? { Connection: 'close' } : {}),
        };
    }

    /**
     * @param {Response} response
     * @param {number} status
     * @param {string} type
     * @param {string} body
     * @param {Record<string, string>} [headers]
     */
    #send(response, status, type, body, headers = {}) {
        response.writeHead(status, {
            ...this.#headers(type),
            'Content-Length': Buffer.byteLength(body),
            ...headers,
        });
        response.end(body);
    }

    /**
     * @param {Request} request
     * @param {Response} response
     * @param {any} error
     */
    #refuse(request, response, error) {
        if (response.destroyed) return; // nobody is there to be told
        if (response.headersSent) {
            // A streamed answer that cannot go on: the last line says why.
            const { code = 'ERROR', message } = error;
            response.end(`${JSON.stringify({ error: { code, message } })}\n`);
            return;
        }
        const status =
            error instanceof HTTPError
                ? error.status
                : error instanceof UsageError
                  ? 400
                  : error instanceof BertError
                    ? statusOf(error)
                    : 500;
        if (status === 500) process.stderr.write(`bert-wasm: ${error.stack}\n`);
        const code = error instanceof UsageError ? 'BAD_OPTION' : (error.code ?? 'ERROR');
        // What is left of the body is not read: the connection cannot be used again.
        const headers = { ...error.headers, ...(request.complete ? {} : { Connection: 'close' }) };
        this.#send(
            response,
            status,
            'application/json',
            JSON.stringify({ error: { code, message: error.message } }),
            headers,
        );
        if (!request.complete) request.resume();
    }
}

/**
 * A request for something that is not a URL (`//`) finds nothing.
 * @param {Request} request
 */
function pathOf({ url = '/' }) {
    return URL.canParse(url, BASE) ? new URL(url, BASE).pathname : url;
}

/** @param {BertError} error */
function statusOf({ code }) {
    return code === 'ENGINE_FAILED' || code === 'DISPOSED' || code === 'OUT_OF_MEMORY' ? 500 : 400;
}

/** @param {string} text */
function parseJSON(text) {
    try {
        return JSON.parse(text);
    } catch (error) {
        throw new HTTPError(
            400,
            'BAD_INPUT',
            `the body is not valid JSON: ${/** @type {Error} */ (error).message}`,
        );
    }
}

/**
 * @param {any} value
 * @param {string} where
 * @returns {InputRecord}
 */
function toRecord(value, where) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        throw new HTTPError(
            400,
            'BAD_INPUT',
            `${where} must be a JSON object, not ${describe(value)}`,
        );
    }
    return { value, where, bytes: Buffer.byteLength(JSON.stringify(value)) };
}

/** @param {InputRecord[]} records */
async function* once(records) {
    yield records;
}

/**
 * @param {Response} response
 * @param {AbortSignal} signal
 */
function drained(response, signal) {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
        const abort = () => reject(signal.reason);
        signal.addEventListener('abort', abort, { once: true });
        response.once('drain', () => {
            signal.removeEventListener('abort', abort);
            resolve(undefined);
        });
    });
}
