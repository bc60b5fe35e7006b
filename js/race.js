/**
 * Picks the 8-bit kernel: what is one instruction on one CPU is five on another, and only running
 * them tells. All give the same bits, so a wrong choice costs time and nothing else.
 */

/** Repeats that make a JavaScript engine compile the kernel for speed; it does so meanwhile. */
const WARM_UP = 500;

/** Repeats of one measurement: about a tenth of a millisecond. */
const REPEATS = 400;
const ROUNDS = 3;

/** Operations of one repeat: 4 rows, 8 columns, 256 inputs, a product and a sum each. */
const OPERATIONS = 4 * 8 * 256 * 2;

/** @typedef {{kernels: string[], tryKernel: (kernel: string, n_repeats: number) => void}} Runners */

/** @param {Runners} engine */
export function warmUp(engine) {
    for (const kernel of engine.kernels) engine.tryKernel(kernel, WARM_UP);
}

/**
 * Some time after warmUp(). Takes about a millisecond.
 * @param {Runners} engine
 * @returns {{kernel: string, kernel_gops: Record<string, number>}}  the winner, and 10^9 operations a second of all
 */
export function race(engine) {
    /** @type {Record<string, number>} */
    const kernel_gops = {};
    for (let round = 0; round < ROUNDS; round++) {
        for (const kernel of engine.kernels) {
            const start = performance.now();
            engine.tryKernel(kernel, REPEATS);
            const gops = OPERATIONS * REPEATS / 1e6 / (performance.now() - start);
            // Clocks that are coarse for privacy may not have moved: that says nothing.
            if (gops > (kernel_gops[kernel] ?? 0) && Number.isFinite(gops)) kernel_gops[kernel] = Math.round(gops);
        }
    }
    const [first] = engine.kernels;
    const preferred = engine.kernels.includes('relaxed-dot-i16') ? 'relaxed-dot-i16' : first;
    const kernel = engine.kernels.reduce((best, other) => (kernel_gops[other] > (kernel_gops[best] ?? 0) ? other : best), preferred);
    return { kernel, kernel_gops };
}
