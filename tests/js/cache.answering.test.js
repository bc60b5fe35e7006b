/** A store of a browser that says nothing any more: what waits for it goes on without. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answering, inTime } from '../../js/cache/answering.js';

const PATIENCE = 20;
const SILENT = /the browser's storage has not answered for 0.02 s/;

/** @returns {Promise<any>} */
const never = () => new Promise(() => {});

test('a shelf that answers gives what it gave', async () => {
    const bytes = new Uint8Array([1, 2, 3]);
    const sizes = new Map([['a', 3]]);
    const calls = [];
    const shelf = {
        get: async () => bytes,
        put: async (...all) => void calls.push(all),
        delete: async (...all) => void calls.push(all),
        list: async () => sizes,
    };
    const store = answering({ kind: 'opfs', models: shelf, chunks: shelf }, PATIENCE);
    assert.equal(store.kind, 'opfs');
    assert.equal(await store.models.get('a'), bytes);
    assert.equal(await store.chunks.list(), sizes);
    await store.chunks.put('b', bytes);
    await store.models.delete('c');
    assert.deepEqual(calls, [['b', bytes], ['c']]);
});

test('of a shelf that says nothing: nothing is there, and the rest is refused', async () => {
    const shelf = { get: never, put: never, delete: never, list: never };
    const { chunks } = answering({ kind: 'opfs', models: shelf, chunks: shelf }, PATIENCE);
    assert.equal(await chunks.get('a'), null);
    await assert.rejects(chunks.put('a', new Uint8Array(1)), SILENT);
    await assert.rejects(chunks.delete('a'), SILENT);
    await assert.rejects(chunks.list(), SILENT);
});

test('what a store refuses itself is told as it is', async () => {
    await assert.rejects(
        inTime(Promise.reject(new Error('no room')), PATIENCE),
        /^Error: no room$/,
    );
});
