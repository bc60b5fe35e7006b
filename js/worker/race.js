/**
 * Picks the 8-bit kernel: what is one instruction on one CPU is five on another, and only a race
 * tells. All give the same bits, so a wrong choice costs time and nothing else.
 */

/** Repeats that make a JavaScript engine compile the kernel for speed; it does so meanwhile. */
const WARM_UP = 34;

/** Repeats of one measurement: 30 to 90 microseconds. */
const REPEATS = 27;

/** Repeats are multiplied by this in pages that are not isolated, whose clock is of 0.1 ms. */
const COARSE = 4;
const ROUNDS = 3;

/** Operations of one repeat: 60 rows, 8 columns, 256 inputs, a product and a sum each. */
const OPERATIONS = 60 * 8 * 256 * 2;

/**
 * @typedef {object} Runners
 * @property {string[]} kernels  those that may win
 * @property {string[]} kernels_of_q7  those that only a model of 7-bit integers would have
 * @property {(kernel: string, n_repeats: number) => number} tryKernel  gives a number that is the
 *   same of all `kernels`
 *
 * @typedef {object} Raced
 * @property {string} kernel  the winner
 * @property {string} kernel_reason
 * @property {Record<string, number>} kernel_gops  10^9 operations a second of each
 */

/** @param {Runners} engine */
export function warmUp(engine) {
    for (const kernel of [...engine.kernels, ...engine.kernels_of_q7]) {
        engine.tryKernel(kernel, WARM_UP);
    }
}

/**
 * To be called some time after warmUp(). Takes about a millisecond. The winner is the fastest in
 * most rounds: where the processor slows down or speeds up within a round, the others are right.
 * A kernel that gives another number than the first is out: whatever compiler made it wrong.
 * @param {Runners} engine
 * @returns {Raced}
 */
export function race(engine) {
    const n_repeats = globalThis.crossOriginIsolated === false ? COARSE * REPEATS : REPEATS;
    const right = engine.tryKernel(engine.kernels[0], 1);
    const kernels = engine.kernels.filter((kernel) => engine.tryKernel(kernel, 1) === right);
    /** @type {Record<string, number>} */
    const kernel_gops = {};
    /** @type {Record<string, number>} */
    const rounds_won = {};
    const preferred = kernels.includes('relaxed-dot-i16') ? 'relaxed-dot-i16' : kernels[0];
    for (let round = 0; round < ROUNDS; round++) {
        /** @type {Record<string, number>} */
        const gops = {};
        for (const kernel of [...kernels, ...engine.kernels_of_q7]) {
            const start = performance.now();
            engine.tryKernel(kernel, n_repeats);
            const measured = (OPERATIONS * n_repeats) / 1e6 / (performance.now() - start);
            // A coarse clock may not have moved: that says nothing.
            gops[kernel] = Number.isFinite(measured) ? Math.round(measured) : 0;
            if (gops[kernel] > (kernel_gops[kernel] ?? 0)) kernel_gops[kernel] = gops[kernel];
        }
        const fastest = highest(gops, kernels, preferred);
        rounds_won[fastest] = (rounds_won[fastest] ?? 0) + 1;
    }
    const kernel = highest(rounds_won, kernels, preferred);
    return { kernel, kernel_reason: reasonFor(kernel, kernel_gops, engine), kernel_gops };
}

/**
 * @param {string} kernel
 * @param {Record<string, number>} gops
 * @param {Runners} engine
 */
function reasonFor(kernel, gops, { kernels_of_q7 }) {
    const rival = highest(gops, kernels_of_q7, kernel);
    const fastest = `the fastest here: ${gops[kernel] ?? 0} Gop/s`;
    return rival === kernel
        ? fastest
        : `${fastest}; q7, which is less exact, would have ${rival}: ${gops[rival]} Gop/s`;
}

/**
 * The one of `names` with the highest number; `preferred` if none is above its own.
 * @param {Record<string, number>} numbers
 * @param {string[]} names
 * @param {string} preferred
 */
function highest(numbers, names, preferred) {
    return names.reduce(
        (best, other) => ((numbers[other] ?? 0) > (numbers[best] ?? 0) ? other : best),
        preferred,
    );
}
