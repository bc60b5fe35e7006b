/**
 * Picks the 8-bit kernel: what is one instruction on one CPU is five on another, and only running
 * them tells. All give the same bits, so a wrong choice costs time and nothing else.
 */

/** Repeats that make a JavaScript engine compile the kernel for speed; it does so meanwhile. */
const WARM_UP = 170;

/** Repeats of one measurement: 30 to 90 microseconds. */
const REPEATS = 133;

/**
 * As many times more where clocks are coarse for privacy: pages that are not isolated have one of
 * 0.1 ms.
 */
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
 * Some time after warmUp(). Takes about a millisecond. The winner is who is fastest in most rounds:
 * a clock that slows down or speeds up within one round says nothing about the others.
 * @param {Runners} engine
 * @returns {{kernel: string, kernel_gops: Record<string, number>}}  the winner, and 10^9 operations
 *   a second of all
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
            // Clocks that are coarse for privacy may not have moved: that says nothing.
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
