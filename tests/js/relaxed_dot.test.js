/** What js/worker/relaxed_dot.js finds, on machines that are told to it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

/** What one lane gives on each kind of machine: 7 and four products of 127 and the byte. */
const MACHINES = {
    unsigned: (/** @type {number} */ x) => 7 + 4 * 127 * x,
    signed: (/** @type {number} */ x) => 7 + 4 * 127 * (x < 128 ? x : x - 256),
    '7 bits': (/** @type {number} */ x) => 7 + 2 * Math.min(2 * 127 * x, 32767),
    overwritten: () => 7 + 4 * 127 * 127 + 1,
};

/** The byte of the second v128.const. @param {Uint8Array} module */
function byteOf(module) {
    const starts = [...module.keys()].filter((i) => module[i] === 0xfd && module[i + 1] === 0x0c);
    return module[starts[1] + 2];
}

/** It looks once for each import. @param {string} machine */
async function found(machine) {
    const { relaxedDot } = await import(`../../js/worker/relaxed_dot.js?${machine}`);
    return relaxedDot();
}

for (const [machine, sum] of Object.entries(MACHINES)) {
    test(`a relaxed dot that is ${machine}`, async (t) => {
        t.mock.method(WebAssembly, 'Module', function Module(bytes) {
            return { x: byteOf(bytes) };
        });
        t.mock.method(WebAssembly, 'Instance', function Instance({ x }) {
            return { exports: { f: () => sum(x) } };
        });
        assert.equal(await found(machine), machine === 'overwritten' ? null : machine);
    });
}

test('a relaxed dot that there is not', async (t) => {
    t.mock.method(WebAssembly, 'Module', function Module() {
        throw new WebAssembly.CompileError('no such instruction');
    });
    assert.equal(await found('none'), null);
});
