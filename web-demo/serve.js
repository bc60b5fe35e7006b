/**
 * Serves a folder on this machine with the headers that a public server of the page should send:
 * the content security policy, and isolation, which threads in WebAssembly need.
 *
 *     node web-demo/serve.js build/site 8080
 *
 * Files are read at each request and always revalidated (`no-cache` with an ETag), so that a
 * rebuilt file is seen by the next reload.
 */

import { existsSync, realpathSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

import sirv from 'sirv';

/** @param {string} connect  whom the page may ask for anything */
const policyOf = (connect) =>
    [
        "default-src 'self'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self'",
        "style-src 'self'",
        `connect-src ${connect}`,
        "img-src 'self' data: blob:",
    ].join('; ');

/**
 * Content security policies: of the page, which has the texts and may ask nobody but its own
 * server; and of get.html, which has none and fetches models that are named, from wherever.
 */
export const POLICY = { page: policyOf("'self'"), get: policyOf("'self' https: http:") };

const HEADERS = {
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
};

/**
 * @param {string} directory  with an index.html
 * @param {number} [port]  0: any that is free
 * @returns {Promise<{url: string, close: () => Promise<void>}>}
 */
export async function serve(directory, port = 8080) {
    if (!existsSync(join(directory, 'index.html'))) {
        throw new Error(`${directory} has no index.html: build the page first (make site)`);
    }
    const files = sirv(directory, {
        dev: true,
        etag: true,
        setHeaders(response, path) {
            if (path.endsWith('.safetensors')) {
                response.setHeader('Content-Type', 'application/octet-stream');
            }
        },
    });
    const server = createServer((request, response) => {
        for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
        // For workers the page's holds, whoever starts them: they are given texts, and fetch
        // nothing.
        const isGet = /\/get\.html(\?|$)/.test(request.url ?? '');
        response.setHeader('Content-Security-Policy', isGet ? POLICY.get : POLICY.page);
        files(request, response);
    });
    await new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, '127.0.0.1', () => resolve(undefined));
    }).catch((error) => {
        if (error.code !== 'EADDRINUSE') throw error;
        throw new Error(`port ${port} is taken: end what uses it, or name another`);
    });
    const address = /** @type {import('node:net').AddressInfo} */ (server.address());
    return {
        url: `http://127.0.0.1:${address.port}/`,
        close: () =>
            new Promise((resolve) => {
                server.close(() => resolve(undefined));
                server.closeAllConnections();
            }),
    };
}

/** @param {string[]} args */
async function main([directory, port = '8080', ...rest]) {
    if (directory === undefined || rest.length > 0 || !/^\d+$/.test(port) || Number(port) > 65535) {
        console.error('usage: node web-demo/serve.js DIR [PORT]');
        process.exitCode = 2;
        return;
    }
    try {
        const { url } = await serve(directory, Number(port));
        console.log(`${directory} is served on ${url} (Ctrl-C ends it)`);
    } catch (error) {
        console.error(/** @type {Error} */ (error).message);
        process.exitCode = 1;
    }
}

if (process.argv[1] && realpathSync(process.argv[1]) === import.meta.filename) {
    await main(process.argv.slice(2));
}
