import assert from 'node:assert/strict';
import { test } from 'node:test';

import { race } from '../../js/worker/race.js';

const kernels = ['simd128', 'relaxed-dot-i16', 'relaxed-dot-i32'];

/** Runs the race on a clock that `cost(kernel, n)` moves, n counting the kernels' turns. */
function raceWith(t, cost, { kernels_of_q7 = [], wrong = '' } = {}) {
    let now = 0;
    let turn = 0;
    t.mock.method(performance, 'now', () => now);
    return race({
        kernels,
        kernels_of_q7,
        tryKernel: (kernel, n_repeats) => {
            if (n_repeats > 1) now += cost(kernel, turn++);
            return kernel === wrong ? 41 : 42;
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

test('a kernel that gives other numbers does not run', (t) => {
    const { kernel, kernel_gops } = raceWith(t, (name) => milliseconds[name], {
        wrong: 'relaxed-dot-i16',
    });
    assert.equal(kernel, 'relaxed-dot-i32');
    assert.ok(!('relaxed-dot-i16' in kernel_gops));
});

test('a kernel of q7 does not win, but is told of where it is faster', (t) => {
    const cost = { ...milliseconds, fast: 0.05, slow: 0.2 };
    const raced = (kernels_of_q7) => raceWith(t, (name) => cost[name], { kernels_of_q7 });
    const { kernel, kernel_reason, kernel_gops } = raced(['fast', 'slow']);
    assert.equal(kernel, 'relaxed-dot-i16');
    assert.equal(
        kernel_reason,
        `the fastest here: ${kernel_gops['relaxed-dot-i16']} Gop/s; ` +
            `q7, which is less exact, would have fast: ${kernel_gops.fast} Gop/s`,
    );
    assert.doesNotMatch(raced(['slow']).kernel_reason, /q7/);
});
