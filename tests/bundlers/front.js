/**
 * What a browser sees of an app: the files of a folder, or a server of the app's own behind this
 * one. It says what was asked for, and decides whether pages are isolated, so that one build and
 * one server serve for all.
 *
 * Files get the headers for threads here. A server of the app's own must send them by itself, as
 * the recipes say: they are let through, or taken out.
 */

import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { request as ask, createServer } from 'node:http';
import { connect } from 'node:net';
import { extname, join } from 'node:path';

/** What pages need for threads. @type {{[name: string]: string}} */
export const ISOLATION = {
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-embedder-policy': 'require-corp',
};

/** All that a page's policy must allow. */
export const POLICY = "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'";

/** @type {{[extension: string]: string}} */
const TYPES = {
    '.css': 'text/css',
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript',
    '.mjs': 'text/javascript',
    '.wasm': 'application/wasm',
};

/**
 * @typedef {object} Exchange
 * @property {string} path
 * @property {number} status
 * @property {number} n_bytes  of the body as it was sent
 * @property {string} sha256  of it
 */

/**
 * @typedef {object} Pages
 * @property {boolean} is_isolated
 * @property {string} [policy]  Content-Security-Policy
 */

/**
 * @param {{folder: string, base?: string} | {port: number}} app  base: the path below which the
 *   folder's files are, and nothing else is; default /
 * @param {Pages} pages
 * @returns {Promise<Front>}
 */
export async function openFront(app, pages) {
    const front = new Front(app, pages);
    await front.listen();
    return front;
}

class Front {
    /** The earliest first. @type {Exchange[]} */
    log = [];
    url = '';

    #app;
    #pages;
    #server = createServer((request, response) => this.#answer(request, response));

    /** @param {{folder: string, base?: string} | {port: number}} app @param {Pages} pages */
    constructor(app, pages) {
        this.#app = app;
        this.#pages = pages;
    }

    async listen() {
        this.#server.on('upgrade', (request, socket) => this.#tunnel(request, socket));
        await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', () => resolve(0)));
        const { port } = /** @type {import('node:net').AddressInfo} */ (this.#server.address());
        this.url = `http://localhost:${port}`;
    }

    close() {
        this.#server.closeAllConnections();
        this.#server.close();
    }

    /**
     * @param {import('node:http').IncomingMessage} request
     * @param {import('node:http').ServerResponse} response
     */
    async #answer(request, response) {
        const path = new URL(request.url ?? '/', this.url).pathname;
        try {
            const { status, headers, body } =
                'port' in this.#app
                    ? await forward(request, this.#app.port)
                    : readFile(decodeURIComponent(path), this.#app.folder, this.#app.base ?? '/');
            const sha256 = createHash('sha256').update(body).digest('hex');
            this.log.push({ path, status, n_bytes: body.length, sha256 });
            response.writeHead(status, this.#headersOf(headers)).end(body);
        } catch (error) {
            this.log.push({ path, status: 502, n_bytes: 0, sha256: '' });
            response.writeHead(502).end(String(error));
        }
    }

    /** @param {import('node:http').OutgoingHttpHeaders} headers */
    #headersOf(headers) {
        const { is_isolated, policy } = this.#pages;
        const sent = { ...headers };
        if (policy) sent['content-security-policy'] = policy;
        if (is_isolated && 'folder' in this.#app) Object.assign(sent, ISOLATION);
        if (!is_isolated) for (const name of Object.keys(ISOLATION)) delete sent[name];
        return sent;
    }

    /**
     * Dev servers tell their pages what has changed.
     * @param {import('node:http').IncomingMessage} request
     * @param {import('node:stream').Duplex} socket
     */
    #tunnel({ method, url, rawHeaders }, socket) {
        if (!('port' in this.#app)) return socket.destroy();
        const there = connect(this.#app.port, '127.0.0.1');
        const lines = [`${method} ${url} HTTP/1.1`];
        for (let i = 0; i < rawHeaders.length; i += 2) {
            lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
        }
        there.write(`${lines.join('\r\n')}\r\n\r\n`);
        for (const each of [there, socket]) each.on('error', () => there.destroy());
        there.pipe(socket).pipe(there);
    }
}

/**
 * @typedef {object} Answer
 * @property {number} status
 * @property {import('node:http').OutgoingHttpHeaders} headers
 * @property {Buffer} body
 */

/**
 * @param {import('node:http').IncomingMessage} request
 * @param {number} port
 * @returns {Promise<Answer>}
 */
function forward(request, port) {
    return new Promise((resolve, reject) => {
        const { method, url: path } = request;
        const { 'accept-encoding': _, ...headers } = request.headers; // to know what is sent
        const options = { host: '127.0.0.1', port, method, path, headers };
        const asked = ask(options, async (answer) => {
            const chunks = [];
            for await (const chunk of answer) chunks.push(chunk);
            const { 'transfer-encoding': __, ...kept } = answer.headers;
            resolve({
                status: answer.statusCode ?? 502,
                headers: kept,
                body: Buffer.concat(chunks),
            });
        });
        asked.on('error', reject);
        request.pipe(asked);
    });
}

/**
 * @param {string} path
 * @param {string} folder
 * @param {string} base
 * @returns {Answer}
 */
function readFile(path, folder, base) {
    const rest = path.startsWith(base) ? path.slice(base.length) : null;
    const file = join(folder, rest === '' ? 'index.html' : (rest ?? ''));
    const is_there = rest !== null && statSync(file, { throwIfNoEntry: false })?.isFile();
    if (!is_there) return { status: 404, headers: {}, body: Buffer.from('not found') };
    const type = TYPES[extname(file)] ?? 'application/octet-stream';
    return { status: 200, headers: { 'content-type': type }, body: readFileSync(file) };
}
