/**
 * Picks the 8-bit kernel: what is one instruction on one CPU is five on another, and only a race
 * tells. All give the same bits, so a wrong choice costs time and nothing else.
 */

/** Repeats that make a JavaScript engine compile the kernel for speed; it does so meanwhile. */
const WARM_UP = 170;

/** Repeats of one measurement: 30 to 90 microseconds. */
const REPEATS = 133;

/** Repeats are multiplied by this in pages that are not isolated, whose clock is of 0.1 ms. */
const COARSE = 4;
const ROUNDS = 3;

/** Operations of one repeat: 12 rows, 8 columns, 256 inputs, a product and a sum each. */
const OPERATIONS = 12 * 8 * 256 * 2;

/**
 * @typedef {{kernels: string[], tryKernel: (kernel: string, n_repeats: number) => void}} Runners
 */

/** @param {Runners} engine */
export function warmUp(engine) {
    for (const kernel of engine.kernels) engine.tryKernel(kernel, WARM_UP);
}

/**
 * To be called some time after warmUp(). Takes about a millisecond. The winner is the fastest in
 * most rounds: where the processor slows down or speeds up within a round, the others are right.
 * @param {Runners} engine
 * @returns {{kernel: string, kernel_gops: Record<string, number>}}  the winner, and the 10^9
 *   operations a second of each
 */
export function race(engine) {
    const { kernels } = engine;
    const n_repeats = globalThis.crossOriginIsolated === false ? COARSE * REPEATS : REPEATS;
    /** @type {Record<string, number>} */
    const kernel_gops = {};
    /** @type {Record<string, number>} */
    const rounds_won = {};
    const preferred = kernels.includes('relaxed-dot-i16') ? 'relaxed-dot-i16' : kernels[0];
    for (let round = 0; round < ROUNDS; round++) {
        /** @type {Record<string, number>} */
        const gops = {};
        for (const kernel of kernels) {
            const start = performance.now();
            engine.tryKernel(kernel, n_repeats);
            const measured = (OPERATIONS * n_repeats) / 1e6 / (performance.now() - start);
            // A coarse clock may not have moved: that says nothing.
            gops[kernel] = Number.isFinite(measured) ? Math.round(measured) : 0;
            if (gops[kernel] > (kernel_gops[kernel] ?? 0)) kernel_gops[kernel] = gops[kernel];
        }
        const fastest = highest(gops, preferred);
        rounds_won[fastest] = (rounds_won[fastest] ?? 0) + 1;
    }
    return { kernel: highest(rounds_won, preferred), kernel_gops };
}

/**
 * The kernel with the highest number; `preferred` if none is above its own.
 * @param {Record<string, number>} numbers
 * @param {string} preferred
 */
function highest(numbers, preferred) {
    return Object.keys(numbers).reduce(
        (best, other) => (numbers[other] > (numbers[best] ?? 0) ? other : best),
        preferred,
    );
}
