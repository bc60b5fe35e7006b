/**
 * Serves folders on loopback with the isolation headers that threads need, from memory after the
 * first time, and remembers what was asked for.
 */

import { readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const TYPES = {
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript',
    '.mjs': 'text/javascript',
    '.wasm': 'application/wasm',
    '.json': 'application/json',
};

/**
 * @param {Record<string, string>} mounts  URL prefix (`/dist/`) -> folder
 * @returns {Promise<{origin: string, requested: Set<string>, close: () => void}>}
 *   requested: paths of the files that were served
 */
export async function serve(mounts) {
    /** @type {Set<string>} */
    const requested = new Set();
    /** @type {Map<string, Buffer>} */
    const contents = new Map();
    const server = createServer((request, response) => {
        response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
        response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
        const path = locate(
            mounts,
            normalize(decodeURIComponent(new URL(request.url ?? '', 'http://localhost').pathname)),
        );
        const stat = path ? statSync(path, { throwIfNoEntry: false }) : undefined;
        if (!path || !stat?.isFile()) {
            response.writeHead(404).end();
            return;
        }
        requested.add(path);
        response.setHeader(
            'Content-Type',
            /** @type {Record<string, string>} */ (TYPES)[extname(path)] ??
                'application/octet-stream',
        );
        response.setHeader('Content-Length', stat.size);
        if (request.method === 'HEAD') {
            response.end();
        } else {
            const content = contents.get(path) ?? readFileSync(path);
            contents.set(path, content);
            response.end(content);
        }
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    return {
        origin: `http://127.0.0.1:${port}`,
        requested,
        close: () => {
            server.close();
            server.closeAllConnections();
        },
    };
}

/**
 * @param {Record<string, string>} mounts
 * @param {string} path
 */
function locate(mounts, path) {
    const prefix = Object.keys(mounts).find((prefix) => path.startsWith(prefix));
    return prefix && join(mounts[prefix], path.slice(prefix.length));
}
