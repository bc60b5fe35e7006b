/**
 * Downloads that go wrong, and what is kept of them from one visit to the next: each check of
 * stored_checks.js with a file that no other has, what is wrong with its server, and what both must
 * say afterwards.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { A_PAGE } from '../../tools/faulty_server.js';

/** @typedef {import('../../tools/faulty_server.js').FaultyServer} FaultyServer */

const MODEL = readFileSync(
    new URL('../../../web-demo/models/sentiment-minilm-l6-q8.safetensors', import.meta.url),
);

/** Of a model's file. */
const CHUNK = 1 << 20;

/**
 * @typedef {object} Visitor
 * @property {FaultyServer} server
 * @property {string} file  on it
 * @property {(check: string, options?: object) => Promise<any>} visit  what a check gives of it
 * @property {any} node  what the checks gave in Node
 */

/** By the test's name. @type {{[title: string]: (visitor: Visitor) => Promise<string | void>}} */
export const STORED = {
    async 'second visit'({ server, file, visit, node }) {
        const first = await visit('store');
        assertAnswer(first, node);
        assert.deepEqual([first.cache.complete, first.cache.fetched], [true, MODEL.length]);
        server.log.length = 0;
        const second = await visit('store');
        assertAnswer(second, node);
        assert.deepEqual([second.cache.from_cache, second.cache.fetched], [MODEL.length, 0]);
        assert.equal(bytesOf(server, file), 0);
        return first.cache.store;
    },

    async offline({ server, file, visit, node }) {
        const offline = true;
        const { code, message } = await visit('refuse', { offline });
        assert.equal(code, 'FETCH_FAILED');
        assert.match(message, /offline/);
        await visit('store');
        server.log.length = 0;
        assertAnswer(await visit('store', { offline }), node);
        assert.deepEqual(server.counts(file), {});
    },

    async 'server gone'({ server, file, visit, node }) {
        await visit('store');
        server.faults.set(file, { silent: true });
        assertAnswer(await visit('store'), node);
        assert.equal(bytesOf(server, file), MODEL.length);
    },

    async 'two tabs'({ server, file, visit, node }) {
        for (const { result, error } of await visit('twoTabs')) {
            assert.equal(error, undefined, JSON.stringify(error, null, 1));
            assertAnswer(result, node);
        }
        assert.equal(bytesOf(server, file), MODEL.length);
    },

    async 'cut connection'({ server, file, visit, node }) {
        // Slow enough to be read as it comes: what was not read when a connection ends is lost.
        const rate = 10e6;
        server.faults.set(file, [
            { rate, cut: 3e6 },
            { rate, cut: 4e6 },
        ]);
        assertAnswer(await visit('store'), node);
        const ranges = Object.keys(server.counts(file));
        assert.equal(ranges.length, 3, `${ranges}`);
        const n_more = bytesOf(server, file) - MODEL.length;
        assert.ok(n_more < 2 * CHUNK, `${n_more} bytes came twice: ${ranges}`);
    },

    async 'page left'({ server, file, visit, node }) {
        server.faults.set(file, { rate: 20e6 });
        const { stored } = await visit('leave', { n_bytes: 6e6 });
        server.faults.clear();
        server.log.length = 0;
        const { cache, ...answer } = await visit('store');
        assertAnswer(answer, node);
        assert.ok(cache.from_cache >= stored - CHUNK, `${cache.from_cache} of ${stored}`);
        assert.ok(bytesOf(server, file) <= MODEL.length - cache.from_cache + CHUNK);
    },

    async 'flipped byte'({ server, file, visit, node }) {
        server.faults.set(file, [{ flip: 9e6 }]);
        assertAnswer(await visit('store'), node);
        const ranges = Object.keys(server.counts(file));
        assert.equal(ranges.length, 2, `${ranges}`);
        server.faults.clear();
        const { cache } = await visit('store');
        assert.equal(cache.fetched, 0);
    },

    async 'page in place of the model'({ server, file, visit }) {
        server.faults.set(file, A_PAGE);
        const { code, message, stored } = await visit('refuse');
        assert.equal(code, 'FETCH_FAILED');
        assert.ok(message.includes(file), message);
        assert.match(message, /200.*text\/html/);
        assert.deepEqual(stored, []);
    },

    async 'gzip from another origin'({ server, file, visit, node }) {
        server.faults.set(file, { gzip: true });
        assertAnswer(await visit('store', { file: new URL(file, server.other).href }), node);
    },
};

/**
 * Puts a file there, that a browser has not seen.
 * @param {FaultyServer} server
 * @param {string} title
 */
export function serveModel(server, title) {
    const file = `/stored/${title.replaceAll(' ', '-')}.safetensors`;
    server.files.set(file, MODEL);
    return file;
}

/** Bytes of a file that were sent. @param {FaultyServer} server @param {string} file */
function bytesOf(server, file) {
    return Object.values(server.counts(file)).reduce((sum, { n_bytes }) => sum + n_bytes, 0);
}

/** @param {any} result @param {any} node */
function assertAnswer({ logits }, { answer }) {
    assert.deepEqual(logits, answer.logits[0]);
}
