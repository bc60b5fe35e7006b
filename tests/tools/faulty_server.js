/**
 * A server as bad as the networks that people have, on loopback: files from folders or memory, with
 * whatever is wrong with each of them, and a log of what was asked for and sent.
 *
 *     const server = await FaultyServer.open({ '/': folder, '/model': bytes }, { isolated: true });
 *     server.faults.set('/model', [{ cut: 5000 }, { ranges: false }]);  // of two requests in turn
 *     await fetch(`${server.url}model`);                                // breaks off
 *     server.counts('/model');                  // { whole: { n_requests: 1, n_bytes: 5000 } }
 *     await server.close();
 *
 * It is a real server, not a stub of fetch(): what an engine's HTTP makes of a broken connection or
 * of a false length is what is to be seen. A fault is data, and faults combine, so that one list of
 * them serves tests in Node and in browsers.
 *
 * A second listener is another origin (`other`) with the same files and faults. It answers as the
 * Hub's servers of files do: CORS for everyone; of what its answers say, a page can read ETag,
 * ranges and type; no request header but Range and Content-Type is allowed, so that a browser does
 * not send a request with If-Range at all.
 *
 * An address expires by use, not by the clock, so that it does at the same moment every time.
 */

import { createHash, randomUUID } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

/**
 * @typedef {object} Fault  what is wrong with an answer; without any it is right. With one it is
 *   never 304, so that the fault comes to a browser that has the file, too
 * @property {boolean} [silent]  there is none, ever
 * @property {number} [delay]  milliseconds before it begins
 * @property {number} [status]  another than 200; without the file, unless `body` is given, too
 * @property {string | Uint8Array} [body]  in place of the file
 * @property {Headers} [headers]  in place of the right ones: a false Content-Length, another ETag,
 *   a wrong Content-Type; null leaves one out
 * @property {number} [truncate]  the file ends after so many bytes, and its ETag stays
 * @property {number} [flip]  the byte of the file that is inverted, and its ETag stays
 * @property {boolean} [ranges]  false: Range is ignored
 * @property {boolean} [gzip]  packed for clients that take it; then without ranges, as nginx does
 * @property {'length' | 'chunked' | 'close'} [framing]  how the end is told; `close`: by the end of
 *   the connection, so that a cut looks like the end
 * @property {number} [rate]  bytes a second
 * @property {number} [stall]  after so many bytes of the answer nothing comes any more
 * @property {number} [cut]  after so many bytes of the answer the connection ends
 * @property {Uint8Array} [change]  what the file is once this answer has ended
 * @property {boolean | {uses: number}} [redirect]  302 to an address at the other origin, which
 *   answers so many times (default always), then with 403; the other faults are those of what it
 *   answers
 */

/** @typedef {{[name: string]: string | null}} Headers  null: none of that name */

/**
 * @typedef {object} Exchange  a request, and what became of it
 * @property {string} method
 * @property {string} path  of the file, also where it was asked for by another address
 * @property {'own' | 'other'} origin
 * @property {string} range  as it was asked for, `bytes=5-9`; 'whole' if none was
 * @property {import('node:http').IncomingHttpHeaders} headers  of the request
 * @property {number} [status]  none before the answer
 * @property {number} n_bytes  of the body that were sent
 * @property {boolean} is_over  it has ended, or its connection has
 */

/** @typedef {import('node:http').ServerResponse} Response */

/** A page in place of a file: what hosts send for a path that they do not know. @type {Fault} */
export const A_PAGE = {
    headers: { 'Content-Type': 'text/html; charset=utf-8' },
    body: '<!doctype html><title>Welcome</title><p>This is not what you asked for.',
};

const ISOLATION = {
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
    'Cross-Origin-Resource-Policy': 'same-origin',
};

const CORS = {
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Expose-Headers': 'Accept-Ranges, Content-Range, Content-Type, ETag',
};

const PREFLIGHT = {
    'Access-Control-Allow-Methods': 'GET, HEAD',
    'Access-Control-Allow-Headers': 'Range, Content-Type',
};

/** @type {{[extension: string]: string}} */
const TYPES = {
    '.css': 'text/css',
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript',
    '.mjs': 'text/javascript',
    '.json': 'application/json',
    '.svg': 'image/svg+xml',
    '.wasm': 'application/wasm',
    '.webmanifest': 'application/manifest+json',
};

/** Bytes that are written at a time, and milliseconds between two writes where there is a rate. */
const PIECE = 1 << 16;
const TICK = 20;

export class FaultyServer {
    /** Files by path, and folders by paths that end in a slash. */
    files = /** @type {Map<string, Uint8Array | string>} */ (new Map());

    /** By path: one fault of all requests, or a list for as many requests in turn. */
    faults = /** @type {Map<string, Fault | Fault[]>} */ (new Map());

    /** The earliest first. */
    log = /** @type {Exchange[]} */ ([]);

    /** The two origins, each with a slash at its end. */
    url = '';
    other = '';

    #own;
    #other;

    /** Addresses at the other origin, by path. */
    #addresses = /** @type {Map<string, {path: string, fault?: Fault, uses: number}>} */ (
        new Map()
    );

    /** Answers that are on their way. @type {Map<Exchange, Response>} */
    #on_way = new Map();

    /** What was read from folders, by file. */
    #read = /** @type {Map<string, {mtimeMs: number, bytes: Uint8Array}>} */ (new Map());

    /**
     * @param {{[path: string]: Uint8Array | string}} files
     * @param {{isolated?: boolean}} [options]  isolated: whether the own origin isolates its pages,
     *   which is for good: a page that a browser kept keeps the headers that it came with
     */
    static async open(files, { isolated = false } = {}) {
        const server = new FaultyServer(isolated);
        for (const [path, file] of Object.entries(files)) server.files.set(path, file);
        await server.up();
        return server;
    }

    /** @param {boolean} isolated */
    constructor(isolated) {
        this.#own = this.#listener('own', isolated ? ISOLATION : {});
        this.#other = this.#listener('other', CORS);
    }

    /** Listens; after down(), at the addresses that it had. */
    async up() {
        this.url = await listen(this.#own, this.url);
        this.other = await listen(this.#other, this.other);
    }

    /** Nobody is there: every connection ends, none is taken. */
    async down() {
        await Promise.all([this.#own, this.#other].map(shut));
    }

    close() {
        return this.down();
    }

    /** Ends the connections of answers that are on their way. @param {string} path */
    hangUp(path) {
        for (const [exchange, response] of this.#on_way) {
            if (exchange.path === path) response.socket?.destroySoon();
        }
    }

    /**
     * An address of a file at the other origin.
     * @param {string} path
     * @param {number} [uses]  after so many it answers with 403
     * @param {Fault} [fault]  of its answers; default those of the path
     */
    sign(path, uses = Infinity, fault) {
        const address = `/signed/${randomUUID()}`;
        this.#addresses.set(address, { path, fault, uses });
        return new URL(address, this.other).href;
    }

    /**
     * What was asked for and sent of a path, by range. What browsers ask before a request, and
     * redirects, are not counted: the log has them.
     * @param {string} path
     */
    counts(path) {
        /** @type {{[range: string]: {n_requests: number, n_bytes: number}}} */
        const counts = {};
        for (const exchange of this.log) {
            const { method, range, status, n_bytes } = exchange;
            if (exchange.path !== path || method === 'OPTIONS' || status === 302) continue;
            counts[range] ??= { n_requests: 0, n_bytes: 0 };
            counts[range].n_requests++;
            counts[range].n_bytes += n_bytes;
        }
        return counts;
    }

    /** @param {'own' | 'other'} origin @param {{[name: string]: string}} always  headers */
    #listener(origin, always) {
        return createServer((request, response) => {
            const { method = '', headers } = request;
            const asked = decodeURIComponent(new URL(request.url ?? '', this.url).pathname);
            const address = origin === 'other' ? this.#addresses.get(asked) : undefined;
            /** @type {Exchange} */
            const exchange = {
                method,
                path: address?.path ?? asked,
                origin,
                range: headers.range ?? 'whole',
                headers,
                n_bytes: 0,
                is_over: false,
            };
            this.log.push(exchange);
            this.#on_way.set(exchange, response);
            response.on('close', () => {
                this.#on_way.delete(exchange);
                exchange.is_over = true;
            });
            for (const [name, value] of Object.entries(always)) response.setHeader(name, value);
            if (method === 'OPTIONS') return say(response, exchange, 204, PREFLIGHT);
            if (method !== 'GET' && method !== 'HEAD') return say(response, exchange, 405);
            if (address && address.uses-- <= 0) return say(response, exchange, 403);
            return this.#answer(exchange, response, address?.fault ?? this.#next(exchange.path));
        });
    }

    /** The fault of this request. @param {string} path @returns {Fault} */
    #next(path) {
        const faults = this.faults.get(path) ?? {};
        return Array.isArray(faults) ? (faults.shift() ?? {}) : faults;
    }

    /**
     * @param {Exchange} exchange
     * @param {Response} response
     * @param {Fault} fault
     */
    async #answer(exchange, response, { redirect, ...fault }) {
        const { path } = exchange;
        if (fault.silent) return;
        if (redirect) {
            const { uses } = redirect === true ? { uses: Infinity } : redirect;
            return say(response, exchange, 302, { Location: this.sign(path, uses, fault) });
        }
        if (fault.delay) await sleep(fault.delay);
        const file = this.#file(path);
        const { status, headers, body } = answerWith(exchange, file, fault);
        if (fault.framing === 'close') response.useChunkedEncodingByDefault = false;
        say(response, exchange, status, headers, body.length > 0 && exchange.method !== 'HEAD');
        if (!response.writableEnded) await send(response, exchange, body, fault);
        if (fault.change) this.files.set(path, fault.change);
    }

    /** @param {string} path @returns {Uint8Array | null} */
    #file(path) {
        const exact = this.files.get(path);
        if (exact instanceof Uint8Array) return exact;
        const folder = [...this.files.keys()]
            .filter((prefix) => prefix.endsWith('/') && path.startsWith(prefix))
            .reduce((longest, prefix) => (prefix.length > longest.length ? prefix : longest), '');
        if (folder === '') return null;
        const rest = path.slice(folder.length) + (path.endsWith('/') ? 'index.html' : '');
        const file = join(String(this.files.get(folder)), rest);
        const found = statSync(file, { throwIfNoEntry: false });
        if (!found?.isFile()) return null;
        let read = this.#read.get(file);
        if (read?.mtimeMs !== found.mtimeMs) {
            read = { mtimeMs: found.mtimeMs, bytes: readFileSync(file) };
            this.#read.set(file, read);
        }
        return read.bytes;
    }
}

/**
 * The answer as it should be, but for what the fault puts in place of that.
 * @param {Exchange} exchange
 * @param {Uint8Array | null} file
 * @param {Fault} fault
 */
function answerWith(exchange, file, fault) {
    const { status, headers, body } = rightAnswer(exchange, file, fault);
    const length = `${body.length}`;
    if ((fault.framing ?? 'length') === 'length') headers['Content-Length'] = length;
    Object.assign(headers, fault.headers);
    // After a false length nobody could tell where the next answer begins.
    if ((headers['Content-Length'] ?? length) !== length) headers.Connection = 'close';
    /** @type {{[name: string]: string}} */
    const kept = {};
    for (const [name, value] of Object.entries(headers)) if (value !== null) kept[name] = value;
    return { status, headers: kept, body };
}

/**
 * @param {Exchange} exchange
 * @param {Uint8Array | null} file
 * @param {Fault} fault
 * @returns {{status: number, headers: Headers, body: Uint8Array}}
 */
function rightAnswer({ path, headers: asked }, file, fault) {
    const { status = 200 } = fault;
    if (fault.body !== undefined) file = Buffer.from(fault.body);
    else if (status !== 200) file = null;
    const extension = path.endsWith('/') ? '.html' : extname(path);
    /** @type {Headers} */
    const headers = { 'Content-Type': TYPES[extension] ?? 'application/octet-stream' };
    if (!file) return { status: status === 200 ? 404 : status, headers, body: NOTHING };

    const body = damaged(file, fault);
    const isPacked = fault.gzip && /\bgzip\b/.test(String(asked['accept-encoding']));
    const own = `"${createHash('sha256').update(file).digest('hex').slice(0, 16)}"`;
    const tag = fault.headers?.ETag ?? own;
    headers.ETag = isPacked ? `W/${tag}` : tag;
    headers['Cache-Control'] = 'no-cache';
    const isRight = Object.keys(fault).length === 0;
    if (isRight && asked['if-none-match'] === headers.ETag) {
        return { status: 304, headers, body: NOTHING };
    }
    if (isPacked) {
        headers['Content-Encoding'] = 'gzip';
        return { status, headers, body: gzipSync(body) };
    }
    if (fault.ranges === false) return { status, headers, body };
    headers['Accept-Ranges'] = 'bytes';
    const isOther = asked['if-range'] !== undefined && asked['if-range'] !== tag;
    const range = isOther ? null : readRange(asked.range, body.length);
    if (!range) return { status, headers, body };
    const [from, end] = range;
    if (from >= end) {
        headers['Content-Range'] = `bytes */${body.length}`;
        return { status: 416, headers, body: NOTHING };
    }
    headers['Content-Range'] = `bytes ${from}-${end - 1}/${body.length}`;
    return { status: 206, headers, body: body.subarray(from, end) };
}

const NOTHING = Buffer.from('');

/** @param {Uint8Array} file @param {Fault} fault @returns {Uint8Array} */
function damaged(file, { truncate, flip }) {
    const body = file.subarray(0, truncate);
    if (flip === undefined) return body;
    const copy = Buffer.from(body);
    copy[flip] ^= 0xff;
    return copy;
}

/**
 * The first byte and the one behind the last, or null if the whole is to be sent: several ranges
 * need not be understood, and no server of models does.
 * @param {string | undefined} range
 * @param {number} n_bytes
 * @returns {[number, number] | null}
 */
function readRange(range, n_bytes) {
    const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(range ?? '') ?? [];
    if (!first && !last) return null;
    if (!first) return [Math.max(0, n_bytes - Number(last)), n_bytes];
    return [Number(first), last ? Math.min(n_bytes, Number(last) + 1) : n_bytes];
}

/**
 * The head of an answer, and its end if it has no body.
 * @param {Response} response
 * @param {Exchange} exchange
 * @param {number} status
 * @param {{[name: string]: string}} [headers]
 * @param {boolean} [hasBody]
 */
function say(response, exchange, status, headers = { 'Content-Length': '0' }, hasBody = false) {
    exchange.status = status;
    response.writeHead(status, headers);
    if (hasBody) response.flushHeaders();
    else response.end();
}

/**
 * The body, as far as it goes.
 * @param {Response} response
 * @param {Exchange} exchange
 * @param {Uint8Array} body
 * @param {Fault} fault
 */
async function send(
    response,
    exchange,
    body,
    { rate = Infinity, cut = Infinity, stall = Infinity },
) {
    const gone = new Promise((resolve) => response.once('close', resolve));
    const end = Math.min(body.length, cut, stall);
    const piece = Math.min(PIECE, Math.ceil((rate * TICK) / 1000));
    for (let at = 0; at < end && !response.destroyed; at += piece) {
        const part = body.subarray(at, Math.min(at + piece, end));
        // One after the other, so that what is counted was sent and a cut loses none of it.
        const sent = new Promise((resolve) => response.write(part, resolve));
        await Promise.race([sent, gone]);
        exchange.n_bytes += part.length;
        if (rate < Infinity) await sleep(TICK);
    }
    if (cut < body.length && cut <= stall) response.socket?.destroySoon();
    else if (stall < body.length) await gone;
    else response.end();
}

/**
 * @param {import('node:http').Server} server
 * @param {string} before  its address, if it had one
 */
async function listen(server, before) {
    const port = before ? Number(new URL(before).port) : 0;
    await new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, '127.0.0.1', () => resolve(undefined));
    });
    const address = /** @type {import('node:net').AddressInfo} */ (server.address());
    return `http://127.0.0.1:${address.port}/`;
}

/** @param {import('node:http').Server} server */
function shut(server) {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    return closed;
}
