import assert from 'node:assert/strict';
import { test } from 'node:test';

import { race } from '../../js/worker/race.js';

const kernels = ['simd128', 'relaxed-dot-i16', 'relaxed-dot-i32'];

/** Runs the race on a clock that `cost(kernel, n)` moves, n counting the kernels' turns. */
function raceWith(t, cost) {
    let now = 0;
    let turn = 0;
    t.mock.method(performance, 'now', () => now);
    return race({
        kernels,
        tryKernel: (kernel) => {
            now += cost(kernel, turn++);
        },
    });
}

const milliseconds = { simd128: 0.1, 'relaxed-dot-i16': 0.06, 'relaxed-dot-i32': 0.09 };

test('the fastest kernel wins', (t) => {
    assert.equal(raceWith(t, (kernel) => milliseconds[kernel]).kernel, 'relaxed-dot-i16');
});

test('a kernel that is fastest elsewhere wins there', (t) => {
    const { kernel, kernel_gops } = raceWith(t, (name) => (name === 'simd128' ? 0.05 : 0.2));
    assert.equal(kernel, 'simd128');
    assert.ok(kernel_gops.simd128 > kernel_gops['relaxed-dot-i32']);
});

test('a processor that speeds up during a round changes nothing', (t) => {
    // Slow until the last kernel of the second round, which alone is measured fast.
    const { kernel } = raceWith(
        t,
        (name, turn) => milliseconds[name] * (turn < 5 ? 2 : turn === 5 ? 0.5 : 1),
    );
    assert.equal(kernel, 'relaxed-dot-i16');
});

test('a clock that does not move leaves the usual choice', (t) => {
    assert.equal(raceWith(t, () => 0).kernel, 'relaxed-dot-i16');
});
