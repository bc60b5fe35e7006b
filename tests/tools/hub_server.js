/**
 * A server that answers like the Hub, on loopback: two origins, of which the second has the files.
 *
 *     const hub = await HubServer.open();
 *     hub.add('org/name', { 'config.json': bytes, 'model.safetensors': bytes });
 *     configure({ hub: hub.url });
 *     hub.cdn.faults.set('/org/name/model.safetensors', [{ cut: 5000 }]);   // see FaultyServer
 *     hub.log;                                            // what the first origin was asked
 *     await hub.close();
 *
 * What it does as the Hub does, as seen from pages and from Python:
 *
 * - /org/name/resolve/REVISION/PATH: 302 to the other origin for large files (`X-Linked-Etag` with
 *   the SHA-256, `X-Linked-Size`), to an address that may expire (`uses`); 307 to an address of its
 *   own for small ones. Either has `X-Repo-Commit`, and so has a 404 of a file.
 * - /api/models/org/name/tree/REVISION[/FOLDER]?recursive=true: sizes and hashes, `lfs.oid` for
 *   large files.
 * - The second origin allows Range and no If-Range, exposes ETag and ranges (faulty_server.js).
 * - 401 for what does not exist, and for what is private; 403 for what is gated and not granted;
 *   with `X-Error-Code`.
 */

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';

import { FaultyServer } from './faulty_server.js';

/** Files of more bytes are at the other origin, and so are those of these names. */
const SMALL = 1 << 16;
const LARGE = /\.(safetensors|onnx|onnx_data(_\d+)?)$/;

const EXPOSED =
    'X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,Link,' +
    'Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag,X-Xet-Hash';

/**
 * @typedef {object} Repository
 * @property {string} commit
 * @property {Record<string, Uint8Array>} files
 * @property {'all' | 'gated' | 'private'} access
 * @property {Record<string, string>} refs  commits of branches and tags
 *
 * @typedef {object} Exchange
 * @property {string} method
 * @property {string} path  with what follows `?`
 * @property {number} status
 * @property {import('node:http').IncomingHttpHeaders} headers
 */

export class HubServer {
    /** @type {Map<string, Repository>} */
    repositories = new Map();

    /** What the first origin was asked. @type {Exchange[]} */
    log = [];

    /** The second origin: `cdn.other` is its address, files are at /org/name/PATH. */
    cdn;

    /** Answers of each signed address before it expires. */
    uses = Infinity;

    /** Whether it has lists of repositories: a mirror may have none. */
    has_lists = true;

    /** What it says of a repository's files. @type {(entries: any[]) => string} */
    lists = JSON.stringify;

    /** Whether a page can read headers of the Hub's own. */
    exposes = true;

    /** The token of somebody who may read what is private, and what is gated. */
    token = 'hf_right';

    /** The address without a slash at its end, as HF_ENDPOINT has it. */
    url = '';

    #server;

    static async open() {
        const hub = new HubServer(await FaultyServer.open({}));
        await new Promise((resolve) => hub.#server.listen(0, '127.0.0.1', () => resolve(null)));
        const { port } = /** @type {import('node:net').AddressInfo} */ (hub.#server.address());
        hub.url = `http://127.0.0.1:${port}`;
        return hub;
    }

    /** @param {FaultyServer} cdn */
    constructor(cdn) {
        this.cdn = cdn;
        this.#server = createServer((request, response) => this.#answer(request, response));
    }

    async close() {
        const closed = new Promise((resolve) => this.#server.close(resolve));
        this.#server.closeAllConnections();
        await Promise.all([closed, this.cdn.close()]);
    }

    /**
     * A repository, or another commit of one.
     * @param {string} name
     * @param {Record<string, Uint8Array>} files  by path
     * @param {{access?: Repository['access'], refs?: string[]}} [options]  refs: branches and tags
     *   that are at this commit
     * @returns {string}  the commit
     */
    add(name, files, { access = 'all', refs = ['main'] } = {}) {
        const hash = createHash('sha1');
        for (const [path, bytes] of Object.entries(files)) hash.update(path).update(bytes);
        const commit = hash.digest('hex');
        const at = Object.fromEntries(refs.map((ref) => [ref, commit]));
        const before = this.repositories.get(name)?.refs;
        this.repositories.set(name, { commit, files, access, refs: { ...before, ...at } });
        for (const [path, bytes] of Object.entries(files)) {
            this.cdn.files.set(`/${name}/${path}`, bytes);
        }
        return commit;
    }

    /** How often each path was asked for, of both origins. @param {RegExp} [which] */
    asked(which = /./) {
        return [
            ...this.log.map(({ method, path, status }) => `${method} ${path} ${status}`),
            ...this.cdn.log.map(({ method, path, range }) => `${method} cdn${path} ${range}`),
        ].filter((line) => which.test(line));
    }

    /**
     * @param {import('node:http').IncomingMessage} request
     * @param {import('node:http').ServerResponse} response
     */
    #answer({ method = '', url = '', headers }, response) {
        const say = (status, more = {}, body = Buffer.alloc(0)) => {
            this.log.push({ method, path: url, status, headers });
            response.writeHead(status, {
                'Access-Control-Allow-Origin': headers.origin ?? '*',
                Vary: 'Origin',
                ...(this.exposes && { 'Access-Control-Expose-Headers': EXPOSED }),
                'Content-Length': body.length,
                ...more,
            });
            response.end(method === 'HEAD' ? undefined : body);
        };
        const refuse = (status, code, message, more) => {
            const body = Buffer.from(JSON.stringify({ error: message }));
            const errors = { 'X-Error-Code': code, 'X-Error-Message': message };
            say(status, { 'Content-Type': 'application/json', ...errors, ...more }, body);
        };
        if (method === 'OPTIONS') {
            return say(204, {
                'Access-Control-Allow-Methods': 'GET, HEAD, OPTIONS',
                'Access-Control-Allow-Headers': 'Authorization, Range, Content-Type',
            });
        }
        const { pathname } = new URL(url, this.url);
        const list = /^\/api\/models\/([^/]+\/[^/]+)\/tree\/([^/]+)(?:\/(.+))?$/.exec(pathname);
        const kept = /^\/api\/resolve-cache\/models\/([^/]+\/[^/]+)\/([^/]+)\/(.+)$/.exec(pathname);
        const file = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(pathname);
        if (list && !this.has_lists) return refuse(404, 'NotFound', 'Sorry, there is no such page');
        const [, name, encoded, path = ''] = list ?? kept ?? file ?? [];
        const is_known = headers.authorization === `Bearer ${this.token}`;
        const repository = name ? this.repositories.get(name) : undefined;
        if (!repository || (repository.access === 'private' && !is_known)) {
            if (is_known) return refuse(404, 'RepoNotFound', 'Repository not found');
            return refuse(401, 'RepoNotFound', 'Invalid username or password.');
        }
        if (repository.access === 'gated' && !is_known && !list) {
            const status = headers.authorization ? 403 : 401;
            return refuse(status, 'GatedRepo', `Access to model ${name} is restricted.`);
        }
        const revision = decodeURIComponent(encoded);
        const commit = repository.refs[revision] ?? revision;
        if (commit !== repository.commit) {
            return refuse(404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
        }
        const at = { 'X-Repo-Commit': commit };
        if (list) {
            const entries = listOf(repository.files, decodeURIComponent(path));
            const body = Buffer.from(this.lists(entries));
            return say(200, { 'Content-Type': 'application/json' }, body);
        }
        const decoded = decodeURIComponent(path);
        const bytes = repository.files[decoded];
        if (!bytes) return refuse(404, 'EntryNotFound', 'Entry not found', at);
        const { oid, lfs } = entryOf(decoded, bytes);
        const etag = `"${lfs?.oid ?? oid}"`;
        if (headers['if-none-match'] === etag) return say(304, { ...at, ETag: etag });
        if (lfs) {
            return say(302, {
                ...at,
                'X-Linked-Size': lfs.size,
                'X-Linked-Etag': etag,
                Location: this.cdn.sign(`/${name}/${decoded}`, this.uses),
            });
        }
        if (file) {
            const Location = `/api/resolve-cache/models/${name}/${commit}/${path}`;
            return say(307, { ...at, ETag: etag, Location });
        }
        return this.#sendSmall(bytes, { ...at, ETag: etag }, headers.range, say);
    }

    /**
     * @param {Uint8Array} bytes
     * @param {Record<string, string>} headers
     * @param {string | undefined} range
     * @param {(status: number, more: any, body: any) => void} say
     */
    #sendSmall(bytes, headers, range, say) {
        const own = {
            ...headers,
            'Content-Type': 'text/plain; charset=utf-8',
            'Accept-Ranges': 'bytes',
        };
        const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
        if (first === undefined) return say(200, own, bytes);
        const end = last ? Math.min(Number(last) + 1, bytes.length) : bytes.length;
        const begin = Number(first);
        if (begin >= end)
            return say(416, { ...own, 'Content-Range': `bytes */${bytes.length}` }, '');
        const part = { 'Content-Range': `bytes ${begin}-${end - 1}/${bytes.length}` };
        return say(206, { ...own, ...part }, bytes.subarray(begin, end));
    }
}

/**
 * As the list of a repository has it.
 * @param {string} path
 * @param {Uint8Array} bytes
 */
function entryOf(path, bytes) {
    const is_large = bytes.length > SMALL || LARGE.test(path);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    // Git has a pointer in place of a large file.
    const pointer =
        'version https://git-lfs.github.com/spec/v1\n' +
        `oid sha256:${sha256}\nsize ${bytes.length}\n`;
    const content = is_large ? Buffer.from(pointer) : bytes;
    const oid = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
    const lfs = { oid: sha256, size: bytes.length, pointerSize: pointer.length };
    return { type: 'file', oid, size: bytes.length, path, ...(is_large ? { lfs } : {}) };
}

/** @param {Record<string, Uint8Array>} files @param {string} folder */
function listOf(files, folder) {
    const start = folder && `${folder}/`;
    const paths = Object.keys(files).filter((path) => path.startsWith(start));
    const folders = new Set(
        paths.flatMap((path) => {
            const parts = path.split('/').slice(0, -1);
            return parts.map((_, i) => parts.slice(0, i + 1).join('/'));
        }),
    );
    const oid = '0'.repeat(40);
    return [
        ...[...folders].map((path) => ({ type: 'directory', oid, size: 0, path })),
        ...paths.map((path) => entryOf(path, files[path])),
    ];
}
