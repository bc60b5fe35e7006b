/**
 * Principal components: the few directions in which vectors differ most.
 *
 * By orthogonal iteration on the covariance with some vectors more than are asked for, then
 * Rayleigh-Ritz in the space that they span: of 384 dimensions that takes milliseconds, where a
 * whole decomposition takes seconds. The start is pseudo-random but always the same, and signs
 * follow a rule, so that the same vectors give the same picture on every machine.
 */

/** Vectors that are iterated beside those asked for: the more, the sooner these settle. */
const N_GUARDS = 6;
const MOST_ITERATIONS = 500;

/** Relative change of the eigenvalues at which they have settled. */
const SETTLED = 1e-12;

/**
 * @param {ArrayLike<number>} data  [n, d], row-major
 * @param {number} n
 * @param {number} d
 * @param {number} [k]  components, at most d
 * @returns {{points: Float64Array, components: Float64Array, share: number[]}}  points [n, k];
 *   components [k, d], each of length 1, its entry of the largest magnitude positive; share: of the
 *   whole variance, for each
 */
export function principalComponents(data, n, d, k = 2) {
    const mean = new Float64Array(d);
    for (let i = 0; i < n; i++) for (let j = 0; j < d; j++) mean[j] += data[i * d + j] / n;
    const covariance = covarianceOf(data, n, d, mean);
    let total = 0;
    for (let j = 0; j < d; j++) total += covariance[j * (d + 1)];

    const { vectors, values } = largest(covariance, d, Math.min(d, k));
    const components = new Float64Array(k * d);
    for (let c = 0; c < Math.min(d, k); c++) {
        // A direction in which nothing differs is none.
        if (!(values[c] > total * 1e-12)) continue;
        const sign = signOf(vectors[c]);
        for (let j = 0; j < d; j++) components[c * d + j] = sign * vectors[c][j];
    }
    const points = new Float64Array(n * k);
    for (let i = 0; i < n; i++) {
        for (let c = 0; c < k; c++) {
            let sum = 0;
            for (let j = 0; j < d; j++) {
                sum += (data[i * d + j] - mean[j]) * components[c * d + j];
            }
            points[i * k + c] = sum;
        }
    }
    const share = Array.from({ length: k }, (_, c) =>
        total > 0 ? Math.max(0, values[c] ?? 0) / total : 0,
    );
    return { points, components, share };
}

/**
 * [d, d], divided by n.
 * @param {ArrayLike<number>} data
 * @param {number} n
 * @param {number} d
 * @param {Float64Array} mean
 */
function covarianceOf(data, n, d, mean) {
    const sums = new Float64Array(d * d);
    const row = new Float64Array(d);
    for (let i = 0; i < n; i++) {
        for (let j = 0; j < d; j++) row[j] = data[i * d + j] - mean[j];
        for (let a = 0; a < d; a++) {
            const x = row[a] / n;
            if (x === 0) continue;
            for (let b = a, at = a * (d + 1); b < d; b++) sums[at++] += x * row[b];
        }
    }
    for (let a = 0; a < d; a++) for (let b = 0; b < a; b++) sums[a * d + b] = sums[b * d + a];
    return sums;
}

/**
 * The largest eigenvalues of a symmetric matrix, the largest first, and their vectors.
 * @param {Float64Array} matrix  [d, d]
 * @param {number} d
 * @param {number} k
 */
function largest(matrix, d, k) {
    const m = Math.min(d, k + N_GUARDS);
    let vectors = orthogonal(Array.from({ length: m }, (_, i) => start(d, i + 1)));
    let values = new Float64Array(m);
    for (let step = 0; step < MOST_ITERATIONS; step++) {
        const images = vectors.map((vector) => times(matrix, vector, d));
        const small = new Float64Array(m * m);
        for (let a = 0; a < m; a++) {
            for (let b = 0; b < m; b++) small[a * m + b] = dot(vectors[a], images[b]);
        }
        const ritz = symmetricEigen(small, m);
        const turned = ritz.vectors.map((weights) => combined(images, weights, d));
        const change = ritz.values
            .slice(0, k)
            .reduce((most, value, i) => Math.max(most, Math.abs(value - values[i])), 0);
        const is_settled = change <= SETTLED * Math.abs(ritz.values[0]);
        values = ritz.values;
        if (is_settled || !(values[0] > 0)) {
            vectors = ritz.vectors.map((weights) => combined(vectors, weights, d));
            break;
        }
        vectors = orthogonal(turned);
    }
    return { vectors, values };
}

/** Numbers between -1 and 1 that are always the same. @param {number} d @param {number} seed */
function start(d, seed) {
    let state = seed * 2654435761;
    return Float64Array.from({ length: d }, () => {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        return (state >>> 0) / 2 ** 31 - 1;
    });
}

/** Gram-Schmidt, twice, for rounding. @param {Float64Array[]} vectors  changed in place */
function orthogonal(vectors) {
    vectors.forEach((vector, i) => {
        for (let round = 0; round < 2; round++) {
            for (let j = 0; j < i; j++) {
                const along = dot(vector, vectors[j]);
                for (let x = 0; x < vector.length; x++) vector[x] -= along * vectors[j][x];
            }
        }
        const length = Math.sqrt(dot(vector, vector));
        for (let x = 0; x < vector.length; x++) vector[x] = length > 0 ? vector[x] / length : 0;
    });
    return vectors;
}

/** @param {Float64Array} matrix @param {Float64Array} vector @param {number} d */
function times(matrix, vector, d) {
    const image = new Float64Array(d);
    for (let a = 0, at = 0; a < d; a++) {
        let sum = 0;
        for (let b = 0; b < d; b++) sum += matrix[at++] * vector[b];
        image[a] = sum;
    }
    return image;
}

/** @param {Float64Array[]} vectors @param {Float64Array} weights @param {number} d */
function combined(vectors, weights, d) {
    const sum = new Float64Array(d);
    vectors.forEach((vector, i) => {
        for (let j = 0; j < d; j++) sum[j] += weights[i] * vector[j];
    });
    return sum;
}

/** @param {Float64Array} a @param {Float64Array} b */
function dot(a, b) {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
    return sum;
}

/** 1, or -1 where the entry of the largest magnitude is negative. @param {Float64Array} vector */
function signOf(vector) {
    let most = 0;
    for (const x of vector) if (Math.abs(x) > Math.abs(most) + 1e-9) most = x;
    return most < 0 ? -1 : 1;
}

/**
 * All eigenvalues of a small symmetric matrix, the largest first, by Jacobi's rotations.
 * @param {Float64Array} matrix  [m, m]
 * @param {number} m
 */
export function symmetricEigen(matrix, m) {
    const a = Float64Array.from(matrix);
    const vectors = Array.from({ length: m }, (_, i) =>
        Float64Array.from({ length: m }, (_, j) => Number(i === j)),
    );
    for (let sweep = 0; sweep < 50; sweep++) {
        let off = 0;
        let on = 0;
        for (let i = 0; i < m; i++) {
            for (let j = 0; j < m; j++) {
                if (i === j) on += a[i * m + j] ** 2;
                else off += a[i * m + j] ** 2;
            }
        }
        if (off <= 1e-30 * on) break;
        for (let p = 0; p < m; p++) {
            for (let q = p + 1; q < m; q++) {
                if (a[p * m + q] === 0) continue;
                const theta = (a[q * m + q] - a[p * m + p]) / (2 * a[p * m + q]);
                const tan = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta ** 2 + 1));
                const cos = 1 / Math.sqrt(tan ** 2 + 1);
                const sin = tan * cos;
                for (let i = 0; i < m; i++) {
                    const [x, y] = [a[i * m + p], a[i * m + q]];
                    a[i * m + p] = cos * x - sin * y;
                    a[i * m + q] = sin * x + cos * y;
                }
                for (let i = 0; i < m; i++) {
                    const [x, y] = [a[p * m + i], a[q * m + i]];
                    a[p * m + i] = cos * x - sin * y;
                    a[q * m + i] = sin * x + cos * y;
                    const [u, v] = [vectors[p][i], vectors[q][i]];
                    vectors[p][i] = cos * u - sin * v;
                    vectors[q][i] = sin * u + cos * v;
                }
            }
        }
    }
    const order = Array.from({ length: m }, (_, i) => i).sort(
        (i, j) => a[j * (m + 1)] - a[i * (m + 1)] || i - j,
    );
    return {
        values: Float64Array.from(order, (i) => a[i * (m + 1)]),
        vectors: order.map((i) => vectors[i]),
    };
}
