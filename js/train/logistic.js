/**
 * Logistic regression (Bishop 2006, "Pattern Recognition and Machine Learning", sections 4.3.2 and
 * 4.3.4) with a penalty on the weights, as scikit-learn's LogisticRegression at its defaults:
 *
 *     minimise  the sum over rows of -log p(label | row)  +  |W|^2 / 2
 *
 * Biases are not in the penalty. Two classes have one vector of weights, more have one each. It is
 * convex: by L-BFGS (Nocedal & Wright 2006, "Numerical Optimization", algorithms 7.4 and 7.5) with
 * steps that are halved until they are good enough (algorithm 3.1).
 */

import { nextTurn } from '../platform/turn.js';

/** Steps that directions are made of. */
const MEMORY = 10;

const MOST_STEPS = 1000;

/** The largest derivative at which it has converged. */
const TOLERANCE = 1e-6;

/** Share of what the slope promises that a step has to bring, and the shortest that is tried. */
const [ENOUGH, SHORTEST] = [1e-4, 1e-12];

/**
 * @typedef {{value: number, slope: Float64Array}} Point  of a function, and its gradient there
 */

/**
 * @param {Float32Array[]} rows  [n_rows][n_in]
 * @param {number[]} labels  of each row, below n_classes
 * @param {number} n_classes  from 2
 * @param {AbortSignal} [signal]
 * @returns {Promise<{weight: Float32Array, bias: Float32Array}>}  [n_classes, n_in], [n_classes]
 */
export async function fitLogistic(rows, labels, n_classes, signal) {
    const n_in = rows[0].length;
    // Of two classes the first has weights of zero: what is learned is the other's distance.
    const first = n_classes === 2 ? 1 : 0;
    const width = n_in + 1;
    const logits = new Float64Array(n_classes);

    /** @param {Float64Array} x  weights and bias of each class, from `first` on @returns {Point} */
    function lossAt(x) {
        let value = 0;
        const slope = new Float64Array(x.length);
        for (let c = first; c < n_classes; c++) {
            const at = (c - first) * width;
            for (let i = at; i < at + n_in; i++) {
                value += x[i] ** 2 / 2;
                slope[i] = x[i];
            }
        }
        rows.forEach((row, r) => {
            for (let c = first; c < n_classes; c++) {
                const at = (c - first) * width;
                let sum = x[at + n_in];
                for (let i = 0; i < n_in; i++) sum += x[at + i] * row[i];
                logits[c] = sum;
            }
            const largest = logits.reduce((most, z) => Math.max(most, z), -Infinity);
            const total = logits.reduce((sum, z) => sum + Math.exp(z - largest), 0);
            value += Math.log(total) + largest - logits[labels[r]];
            for (let c = first; c < n_classes; c++) {
                const at = (c - first) * width;
                const error = Math.exp(logits[c] - largest) / total - (c === labels[r] ? 1 : 0);
                for (let i = 0; i < n_in; i++) slope[at + i] += error * row[i];
                slope[at + n_in] += error;
            }
        });
        return { value, slope };
    }

    const x = await minimise(lossAt, (n_classes - first) * width, signal);
    const weight = new Float32Array(n_classes * n_in);
    const bias = new Float32Array(n_classes);
    for (let c = first; c < n_classes; c++) {
        const at = (c - first) * width;
        weight.set(x.subarray(at, at + n_in), c * n_in);
        bias[c] = x[at + n_in];
    }
    if (first === 0) return { weight, bias };
    // Half of the distance for each: the same probabilities, and neither is a column of zeros.
    for (let i = 0; i < n_in; i++) {
        weight[n_in + i] /= 2;
        weight[i] = -weight[n_in + i];
    }
    bias[1] /= 2;
    bias[0] = -bias[1];
    return { weight, bias };
}

/**
 * @param {(x: Float64Array) => Point} pointAt  convex
 * @param {number} n  numbers of x
 * @param {AbortSignal} [signal]
 * @returns {Promise<Float64Array>}
 */
async function minimise(pointAt, n, signal) {
    let x = new Float64Array(n);
    let point = pointAt(x);
    /** @type {{moved: Float64Array, turned: Float64Array}[]} */
    const memory = [];
    for (let step = 0; step < MOST_STEPS; step++) {
        await nextTurn();
        signal?.throwIfAborted();
        const { value, slope } = point;
        if (slope.every((each) => Math.abs(each) <= TOLERANCE)) break;
        const direction = directionOf(slope, memory);
        const descent = dot(slope, direction);
        let length = memory.length ? 1 : Math.min(1, 1 / Math.sqrt(dot(slope, slope)));
        const moved = () => x.map((each, i) => each + length * direction[i]);
        let next = moved();
        point = pointAt(next);
        while (point.value > value + ENOUGH * length * descent) {
            length /= 2;
            // Nothing nearer can be told from here by these numbers.
            if (length < SHORTEST) return x;
            next = moved();
            point = pointAt(next);
        }
        const from = x;
        const { slope: there } = point;
        memory.push({
            moved: next.map((each, i) => each - from[i]),
            turned: there.map((each, i) => each - slope[i]),
        });
        if (memory.length > MEMORY) memory.shift();
        x = next;
    }
    return x;
}

/**
 * The two loops of algorithm 7.4.
 * @param {Float64Array} slope
 * @param {{moved: Float64Array, turned: Float64Array}[]} memory  the oldest first
 */
function directionOf(slope, memory) {
    const direction = slope.map((each) => -each);
    const add = (/** @type {number} */ factor, /** @type {Float64Array} */ vector) => {
        for (let i = 0; i < direction.length; i++) direction[i] += factor * vector[i];
    };
    const shares = memory.map(() => 0);
    for (let k = memory.length - 1; k >= 0; k--) {
        const { moved, turned } = memory[k];
        shares[k] = dot(moved, direction) / dot(moved, turned);
        add(-shares[k], turned);
    }
    const last = memory.at(-1);
    if (last) {
        const scale = dot(last.moved, last.turned) / dot(last.turned, last.turned);
        for (let i = 0; i < direction.length; i++) direction[i] *= scale;
    }
    memory.forEach(({ moved, turned }, k) => {
        add(shares[k] - dot(turned, direction) / dot(moved, turned), moved);
    });
    return direction;
}

/** @param {Float64Array} a @param {Float64Array} b */
function dot(a, b) {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
    return sum;
}
