/**
 * What the checks of checks.js must give wherever they run: the answers of Node, to the bit; of the
 * bundled model in every build of the engine, by every kernel, on every machine.
 */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { RELAXED_FLAGS } from '../../tools/node_flags.js';

/** What scores may differ by, which each engine's own Math.exp() rounds. */
const SCORE = 1e-6;

/**
 * What `batch` of checks.js says of the bundled model's 1,500 answers. Another model has another:
 *
 *     node in_node.js base '' batch | tail -c 100
 */
export const CHECKSUM = '0f4ed2dc';

/** @typedef {{node: any}} Known  node: what the checks gave in Node */

/** @param {any} result @param {{variant: string, threads: number, verified?: boolean}} expected */
export function judgeLoad({ info, isOrdered, end }, { variant, threads, verified = true }) {
    assert.equal(info.variant, variant);
    assert.equal(info.threads, threads, info.threads_reason);
    assert.equal(info.verified, verified);
    assert.deepEqual([isOrdered, end], [true, 1]);
    return `${info.variant}, threads: ${info.threads}${verified ? '' : ', not verified'}`;
}

/** @param {any} result @param {Known} known */
export function judgeAnswer({ logits, scores }, { node: { answer } }) {
    assert.deepEqual(logits, answer.logits);
    const labelsOf = (/** @type {{label: string}[]} */ scores) => scores.map(({ label }) => label);
    const valuesOf = (/** @type {{score: number}[]} */ scores) => scores.map(({ score }) => score);
    assert.deepEqual(labelsOf(scores), labelsOf(answer.scores));
    assertClose(valuesOf(scores), valuesOf(answer.scores), SCORE);
}

/** @param {any} result @param {Known} known */
export function judgeBatch({ logits, checksum }, { node }) {
    assert.deepEqual(logits, node.batch.logits);
    assert.equal(checksum, CHECKSUM);
}

/** @param {any} result @param {Known} known */
export function judgeStream({ logits }, { node }) {
    assert.deepEqual(logits, node.batch.logits);
}

/** @param {any} result @param {Known} known */
export function judgeAbort({ load, call, abort_ms, logits }, { node }) {
    assert.deepEqual([load, call], ['AbortError', 'AbortError']);
    assert.ok(abort_ms < 1000, `${abort_ms} ms`);
    assert.deepEqual(logits[0], node.answer.logits[0]);
}

/** @param {any} result */
export function judgeDispose(result) {
    assert.deepEqual(result, { running: 'DISPOSED', later: 'DISPOSED' });
}

/** @param {number[]} actual @param {number[]} expected @param {number} tolerance */
export function assertClose(actual, expected, tolerance) {
    assert.equal(actual.length, expected.length);
    assert.ok(actual.length > 0);
    for (const [i, value] of actual.entries()) {
        assert.ok(Math.abs(value - expected[i]) <= tolerance, `${value}, expected ${expected[i]}`);
    }
}

/**
 * What checks give in Node, with this build of the engine.
 * @param {string} variant
 * @param {string} base  of the server's addresses
 * @param {string[]} names  of the checks
 */
export async function inNode(variant, base, names) {
    const script = join(import.meta.dirname, 'in_node.js');
    const args = [...RELAXED_FLAGS, script, variant, base, ...names];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 });
    return JSON.parse(stdout);
}
