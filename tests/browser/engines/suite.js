/**
 * The package in one engine: every check of checks.js in a page that is isolated and in one that is
 * not, from a server that may be faulty. Answers must be those of Node, to the bit; those of a
 * model in f32 for the same build of the engine, and onnxruntime's.
 *
 * To add a check: a function in checks.js, and what it must give among CHECKS, with what is wrong
 * with the server then. Each has a page of its own, in the profile of the others. What was run, and
 * how it went, is in build/engines/ENGINE.json.
 */

import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';

import { converted, GOLDEN } from '../../js/converted.js';
import { FaultyServer } from '../../tools/faulty_server.js';
import { Outcome } from '../../tools/outcome.js';
import { openEngine } from './engine.js';
import {
    assertClose,
    inNode,
    judgeAbort,
    judgeAnswer,
    judgeBatch,
    judgeDispose,
    judgeLoad,
    judgeStream,
} from './judge.js';
import { missing, PROGRAMS, pagesOf } from './programs.js';
import { STORED, serveModel } from './stored_suite.js';

const HERE = import.meta.dirname;
const BUILD = fileURLToPath(new URL('../../../build/', import.meta.url));
const PACKAGE = '/bert-wasm/';

const MODEL = 'models/sentiment-minilm-l6-q8.safetensors';

/** What the package fetches that is no JavaScript. */
const BINARIES = [
    MODEL,
    'engine-base.wasm',
    'engine-base-threads.wasm',
    'engine-relaxed.wasm',
    'engine-relaxed-threads.wasm',
];

/** Of a page that takes nothing but from its own origin. */
const STRICT = {
    'Content-Security-Policy': "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'",
};

const F32_MODEL = '/models/bert-seqcls-f32.safetensors';

/** What logits in f32 may differ by. */
const F32 = 1e-5;

/**
 * @typedef {object} Context  of a judgement
 * @property {any} node  what the checks gave in Node
 * @property {string} variant  of the engine that must run
 * @property {string} store  where models must be stored
 * @property {FaultyServer} server  with the log of this check alone
 *
 * @typedef {object} Check
 * @property {string} [check]  of checks.js, if it has another name than the test
 * @property {(server: FaultyServer) => void} [prepare]  faults, above all
 * @property {number} [timeout]  in milliseconds
 * @property {(result: any, context: Context) => string | void} judge  what it gives is written into
 *   the table
 */

/** @type {{[name: string]: Check}} */
const CHECKS = {
    load: {
        judge(result, { variant }) {
            const { n_cores, canShare } = result;
            const threads = canShare ? Math.min(4, n_cores) : 1;
            return judgeLoad(result, { variant, threads });
        },
    },
    answer: { judge: judgeAnswer },
    batch: { judge: judgeBatch },
    stream: { judge: judgeStream },
    'answers while the model arrives': {
        check: 'arriving',
        prepare: ({ faults }) => faults.set(PACKAGE + BINARIES[0], { rate: 12e6 }),
        judge({ logits, arrival }, { node }) {
            assert.ok(arrival.loaded < arrival.total, 'they were asked for before all was there');
            assert.deepEqual(logits, node.answer.logits);
        },
    },
    f32: {
        judge({ logits, expected }, { node }) {
            assert.deepEqual(logits, node.f32.logits);
            assertClose(logits.flat(2), expected.flat(), F32);
        },
    },
    abort: { judge: judgeAbort },
    dispose: { judge: judgeDispose },
    'wrong MIME types': withType('text/plain'),
    'no MIME types': withType(null),
    'content security policy': {
        check: 'answer',
        prepare: ({ faults }) => faults.set('/engines/page.html', { headers: STRICT }),
        judge: judgeAnswer,
    },
    network: {
        prepare: ({ faults }) => faults.set(F32_MODEL, [{ redirect: true }, { cut: 1000 }]),
        judge({ etag, range, cut, ...rest }, { server }) {
            assert.match(etag, /^"[0-9a-f]{16}"$/);
            assert.match(range, /^bytes 8-15\//);
            assert.notEqual(cut, 'it did not fail');
            assert.deepEqual(rest, {
                status: 206,
                n_bytes: 8,
                isOther: true,
                ifRange: 'TypeError',
            });
            const asked = server.log.filter(({ path }) => /^.(models|signed)/.test(path));
            assert.deepEqual(
                asked.map(({ method, origin, range, status }) => [method, origin, range, status]),
                [
                    ['GET', 'own', 'bytes=8-15', 302],
                    ['GET', 'other', 'bytes=8-15', 206],
                    ['OPTIONS', 'other', 'whole', 204],
                    ['GET', 'own', 'whole', 200],
                ],
            );
        },
    },
    cache: {
        check: 'stored',
        judge({ logits, reports, listed, n_others, used, quota, n_left }, { node, store, server }) {
            assert.deepEqual(logits, [node.answer.logits[0], node.answer.logits[0]]);
            const { n_bytes } = listed;
            const is = { store, complete: true, reason: null };
            assert.deepEqual(reports, [
                { ...is, from_cache: 0, fetched: n_bytes },
                { ...is, from_cache: n_bytes, fetched: 0 },
            ]);
            assert.deepEqual(listed, { n_bytes, stored_bytes: n_bytes, complete: true });
            assert.deepEqual([n_others, n_left], [0, 0]);
            // JSON has no Infinity: where an engine does not tell.
            assert.ok(used >= n_bytes && used < (quota ?? Infinity), `${used} of ${quota} bytes`);
            assert.deepEqual(askedFor(server, MODEL), ['GET']);
            return store;
        },
    },
    'two at once': {
        check: 'together',
        judge({ logits, reports }, { node, server }) {
            assert.deepEqual(logits, [node.answer.logits[0], node.answer.logits[0]]);
            const fetched = reports.map((/** @type {any} */ report) => report.fetched);
            assert.equal(Math.min(...fetched), 0);
            assert.deepEqual(
                askedFor(server, MODEL).filter((method) => method === 'GET'),
                ['GET'],
            );
        },
    },
    '20 models': {
        check: 'cycles',
        timeout: 120_000,
        judge({ logits }, { node }) {
            assert.deepEqual(logits, new Array(20).fill(node.answer.logits[0]));
        },
    },
};

/**
 * The requests for a file of the package.
 * @param {FaultyServer} server
 * @param {string} name
 */
function askedFor({ log }, name) {
    return log.filter(({ path }) => path === PACKAGE + name).map(({ method }) => method);
}

/**
 * Answers, although engine and model come with this type.
 * @param {string | null} type
 * @returns {Check}
 */
function withType(type) {
    const paths = BINARIES.map((name) => PACKAGE + name);
    const fault = { headers: { 'Content-Type': type } };
    return {
        check: 'fetched',
        prepare: ({ faults }) => paths.forEach((path) => faults.set(path, fault)),
        judge(result, context) {
            judgeAnswer(result, context);
            const sent = context.server.log.filter(({ path }) => paths.includes(path));
            assert.deepEqual(
                sent.map(({ status }) => status),
                [200, 200],
            );
        },
    };
}

/**
 * Declares the tests of an engine.
 * @param {string} name  of programs.js
 */
export function testEngine(name) {
    const skip = missing(name);
    const { variant, store } = PROGRAMS[name];
    const pages = pagesOf(name);
    /** @type {Awaited<ReturnType<typeof openEngine>>} */
    let engine;
    /** @type {{[page: string]: FaultyServer}} */
    let servers;
    /** @type {any} */
    let node;
    const outcome = new Outcome('engines', name, skip);

    before(async () => {
        if (skip) return console.error(skip);
        const files = {
            [PACKAGE]: join(BUILD, 'dist'),
            '/engines/': HERE,
            '/golden/': GOLDEN,
            '/models/': dirname(converted('bert-seqcls')),
        };
        servers = {
            isolated: await FaultyServer.open(files, { isolated: true }),
            plain: await FaultyServer.open(files),
        };
        node = await inNode(variant, servers.plain.url, ['answer', 'batch', 'f32']);
        engine = await openEngine(name);
    });

    after(async () => {
        await engine?.close();
        for (const server of Object.values(servers ?? {})) await server.close();
        outcome.write(engine?.version);
    });

    /**
     * What a check gives in a page of its own.
     * @param {string} page  which server's
     * @param {string} check
     * @param {object} [more]
     * @param {number} [more.timeout]
     * @param {object} [more.options]
     * @param {(server: FaultyServer) => void} [more.prepare]  before the page is opened
     */
    async function visit(page, check, { timeout, options, prepare } = {}) {
        const { log, url: base } = servers[page];
        const query = new URLSearchParams({ check, options: JSON.stringify({ base, ...options }) });
        const before = log.length;
        const run = () => {
            // What a browser asked for that was started anew does not count.
            log.length = before;
            prepare?.(servers[page]);
            return engine.run(`${base}engines/page.html?${query}`, {
                timeout,
                wasAsked: () => log.slice(before).some(({ path }) => path === '/engines/page.html'),
            });
        };
        const { result, error, uncaught } = await run().catch((error) => {
            if (!PROGRAMS[name].stalls || check === 'hang') throw error;
            console.error(`${name}, ${check}: started anew, once: ${error.message}`);
            return run();
        });
        assert.equal(error, undefined, JSON.stringify(error, null, 1));
        assert.deepEqual(uncaught, []);
        return result;
    }

    for (const page of pages) {
        for (const [title, { check = title, prepare, timeout, judge }] of Object.entries(CHECKS)) {
            outcome.declare(title, page, async () => {
                const server = servers[page];
                server.log.length = 0;
                try {
                    const result = await visit(page, check, { timeout, prepare });
                    return judge(result, { node, variant, store, server });
                } finally {
                    server.faults.clear();
                }
            });
        }
    }

    const [page] = pages;

    for (const [title, run] of Object.entries(STORED)) {
        outcome.declare(title, page, async () => {
            const server = servers[page];
            const file = serveModel(server, title);
            assert.deepEqual(await visit(page, 'forget'), []);
            server.log.length = 0;
            try {
                return await run({
                    server,
                    file,
                    node,
                    visit: (check, options) =>
                        visit(page, check, { options: { file, ...options } }),
                });
            } finally {
                server.faults.clear();
            }
        });
    }

    outcome.declare('kept over a restart', page, async () => {
        const before = await visit(page, 'keep');
        await engine.restart();
        const after = await visit(page, 'keep');
        const has_files = before.files !== null;
        const all = (/** @type {boolean} */ is_kept) => {
            return { localStorage: is_kept, cache: is_kept, files: has_files ? is_kept : null };
        };
        assert.deepEqual([before, after], [all(false), all(true)]);
        return has_files ? 'with files' : 'no files';
    });

    outcome.declare('a page that hangs is ended', page, async () => {
        await assert.rejects(visit(page, 'hang', { timeout: 2000 }), /reported nothing in 2 s/);
        await visit(page, 'keep');
    });
}
