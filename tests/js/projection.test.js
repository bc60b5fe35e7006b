/** The maths of the page's view Meaning: principal components, pairs, the tree of clusters. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
    agglomerate,
    bestPairs,
    byCentrality,
    countFrom,
    cutTree,
    placeOf,
    product,
    similarities,
} from '../../web-demo/meaning/clusters.js';
import { principalComponents, symmetricEigen } from '../../web-demo/meaning/pca.js';

/** Numbers from 0 to 1, the same in each run. @param {number} seed */
function numbers(seed) {
    let state = seed;
    return () => (state = (state * 16807) % 2147483647) / 2147483647;
}

/** @param {number} n @param {number} d @param {number} seed */
function randomRows(n, d, seed) {
    const next = numbers(seed);
    return Float32Array.from({ length: n * d }, () => next() - 0.5);
}

/** @param {Float32Array} data @param {number} d */
function unit(data, d) {
    for (let first = 0; first < data.length; first += d) {
        const length = Math.hypot(...data.subarray(first, first + d));
        for (let i = first; i < first + d; i++) data[i] /= length;
    }
    return data;
}

/** As the package's, in plain loops. @type {any} */
const similarity = async (
    /** @type {{dims: number[], data: Float32Array}} */ a,
    /** @type {{dims: number[], data: Float32Array}} */ b,
) => {
    const [[n, d], [m]] = [a.dims, b.dims];
    const data = new Float32Array(n * m);
    for (let i = 0; i < n; i++) {
        for (let j = 0; j < m; j++) {
            let sum = 0;
            for (let k = 0; k < d; k++) sum += a.data[i * d + k] * b.data[j * d + k];
            data[i * m + j] = sum;
        }
    }
    return { dims: [n, m], data };
};

const near = (/** @type {number} */ a, /** @type {number} */ b, least = 1e-9) =>
    assert.ok(Math.abs(a - b) <= least, `${a} is not ${b}`);

test('PCA of points that were computed by hand', () => {
    // Centred: (-3, -1), (-1, -3), (1, 3), (3, 1). Covariance [[5, 3], [3, 5]]: 8 along (1, 1), 2
    // along (1, -1).
    const { points, components, share } = principalComponents([1, 4, 3, 2, 5, 8, 7, 6], 4, 2);
    near(share[0], 0.8);
    near(share[1], 0.2);
    near(components[0], Math.SQRT1_2);
    near(components[1], Math.SQRT1_2);
    near(Math.abs(components[2]), Math.SQRT1_2);
    near(components[2], -components[3]);
    for (const [i, x] of [-4, -4, 4, 4].entries()) near(points[2 * i], x * Math.SQRT1_2);
    for (const [i, y] of [2, -2, 2, -2].entries()) {
        near(Math.abs(points[2 * i + 1]), Math.abs(y) * Math.SQRT1_2);
    }
});

test('PCA: components have length 1 and a right angle; points their variance', () => {
    const [n, d] = [60, 40];
    const data = randomRows(n, d, 7);
    const { points, components, share } = principalComponents(data, n, d, 3);
    const row = (/** @type {number} */ c) => components.subarray(c * d, (c + 1) * d);
    for (let a = 0; a < 3; a++) {
        for (let b = 0; b <= a; b++) {
            near(
                row(a).reduce((sum, x, i) => sum + x * row(b)[i], 0),
                Number(a === b),
                1e-9,
            );
        }
        const most = row(a).reduce((best, x) => (Math.abs(x) > Math.abs(best) ? x : best), 0);
        assert.ok(most > 0, 'the entry of the largest magnitude is positive');
    }
    let total = 0;
    for (let j = 0; j < d; j++) {
        const column = Array.from({ length: n }, (_, i) => data[i * d + j]);
        const mean = column.reduce((a, b) => a + b) / n;
        total += column.reduce((sum, x) => sum + (x - mean) ** 2, 0) / n;
    }
    for (let c = 0; c < 3; c++) {
        const column = Array.from({ length: n }, (_, i) => points[3 * i + c]);
        near(
            column.reduce((a, b) => a + b),
            0,
            1e-6,
        );
        near(column.reduce((sum, x) => sum + x * x, 0) / n / total, share[c], 1e-7);
    }
    assert.ok(share[0] >= share[1] && share[1] >= share[2]);
});

test('PCA finds a direction that no coordinate axis suggests', () => {
    // The largest single variance, 3, is of one axis; three others together have 6 along (1, 1, 1).
    const data = [];
    for (const x of [-1, 1]) {
        for (const y of [-1, 1]) {
            data.push(Math.sqrt(3) * x, Math.SQRT2 * y, Math.SQRT2 * y, Math.SQRT2 * y);
        }
    }
    const { components, share } = principalComponents(data, 4, 4);
    near(share[0], 6 / 9);
    near(share[1], 3 / 9);
    for (const j of [1, 2, 3]) near(components[j], Math.sqrt(1 / 3));
    near(components[4], 1);
});

test('PCA: the same whatever moves or mirrors all, and twice', () => {
    const [n, d] = [30, 16];
    const data = Float64Array.from(randomRows(n, d, 3));
    const once = principalComponents(data, n, d);
    assert.deepEqual(principalComponents(data, n, d), once);
    const moved = principalComponents(
        data.map((x) => x + 5),
        n,
        d,
    );
    const mirrored = principalComponents(
        data.map((x) => -x),
        n,
        d,
    );
    once.points.forEach((x, i) => {
        near(moved.points[i], x, 1e-9);
        near(mirrored.points[i], -x, 1e-9);
    });
    once.components.forEach((x, i) => {
        near(mirrored.components[i], x, 1e-9);
    });
});

test('PCA where nothing differs, or in one direction alone', () => {
    const none = principalComponents(new Float32Array(12).fill(2), 4, 3);
    assert.deepEqual([...none.points], new Array(8).fill(0));
    assert.deepEqual(none.share, [0, 0]);
    const one = principalComponents([0, 0, 0, 1, 2, 2, 2, 4, 4], 3, 3);
    near(one.share[0], 1);
    for (const i of [1, 3, 5]) assert.equal(one.points[i], 0);
    const flat = principalComponents([1, 2, 4], 3, 1);
    assert.deepEqual([flat.share[0], flat.share[1]], [1, 0]);
});

test('eigenvalues of a small matrix', () => {
    const { values, vectors } = symmetricEigen(Float64Array.of(2, 1, 0, 1, 2, 0, 0, 0, 5), 3);
    for (const [i, value] of [5, 3, 1].entries()) near(values[i], value);
    near(Math.abs(vectors[0][2]), 1);
    near(Math.abs(vectors[1][0]), Math.SQRT1_2);
});

test('similarities of all pairs, in blocks', async () => {
    for (const n of [2, 3, 64, 65, 130]) {
        const d = 8;
        const vectors = unit(randomRows(n, d, n), d);
        const told = /** @type {number[]} */ ([]);
        const all = await similarities(vectors, n, d, similarity, (share) => told.push(share));
        assert.equal(all.length, (n * (n - 1)) / 2);
        for (let i = 0; i < n; i++) {
            for (let j = 0; j < n; j++) {
                if (i === j) continue;
                near(all[placeOf(n, i, j)], product(vectors, i * d, j * d, d), 1e-6);
            }
        }
        assert.equal(told.at(-1), 1);
    }
});

test('the best pairs, and how many there are', async () => {
    const [n, d] = [90, 6];
    const vectors = unit(randomRows(n, d, 5), d);
    const all = await similarities(vectors, n, d, similarity);
    const expected = [];
    for (let a = 0; a < n; a++) {
        for (let b = a + 1; b < n; b++) expected.push({ a, b, similarity: all[placeOf(n, a, b)] });
    }
    expected.sort((x, y) => y.similarity - x.similarity || x.a - y.a || x.b - y.b);
    for (const most of [1, 10, 5000]) {
        assert.deepEqual(bestPairs(all, n, most).pairs, expected.slice(0, most));
    }
    const { counts } = bestPairs(all, n, 1);
    for (const hundredths of [0, 50, 90]) {
        assert.equal(
            countFrom(counts, hundredths),
            hundredths === 0
                ? expected.length
                : expected.filter((pair) => pair.similarity * 100 + 1e-4 >= hundredths).length,
        );
    }
});

test('a tree that was made by hand', () => {
    // 0 and 1: 0.9; 2 and 3: 0.8; 4 is 0.5 to 2 and 0.3 to 3; all else 0.1.
    const n = 5;
    const all = new Float32Array(10).fill(0.1);
    all[placeOf(n, 0, 1)] = 0.9;
    all[placeOf(n, 2, 3)] = 0.8;
    all[placeOf(n, 2, 4)] = 0.5;
    all[placeOf(n, 3, 4)] = 0.3;
    const merges = agglomerate(all, n);
    const expected = [0.9, 0.8, 0.4, 0.1];
    merges.forEach(({ similarity }, i) => {
        near(similarity, expected[i], 1e-7);
    });
    assert.deepEqual(cutTree(merges, n, 0.85), [[0, 1], [2], [3], [4]]);
    assert.deepEqual(cutTree(merges, n, 0.6), [[0, 1], [2, 3], [4]]);
    assert.deepEqual(cutTree(merges, n, 0.35), [
        [2, 3, 4],
        [0, 1],
    ]);
    assert.deepEqual(cutTree(merges, n, 0), [[0, 1, 2, 3, 4]]);
});

test('the tree is that of merging the best two, each time', async () => {
    for (const seed of [1, 2, 3]) {
        const [n, d] = [40, 5];
        const vectors = unit(randomRows(n, d, seed), d);
        const all = await similarities(vectors, n, d, similarity);
        const merges = agglomerate(Float32Array.from(all), n);
        assert.equal(merges.length, n - 1);
        const clusters = Array.from({ length: n }, (_, i) => [i]);
        const mean = (/** @type {number[]} */ x, /** @type {number[]} */ y) =>
            x.reduce((sum, i) => sum + y.reduce((part, j) => part + all[placeOf(n, i, j)], 0), 0) /
            (x.length * y.length);
        for (const { similarity } of merges) {
            let [best, x, y] = [-Infinity, 0, 0];
            for (let i = 0; i < clusters.length; i++) {
                for (let j = i + 1; j < clusters.length; j++) {
                    const alike = mean(clusters[i], clusters[j]);
                    if (alike > best) [best, x, y] = [alike, i, j];
                }
            }
            near(similarity, best, 1e-5);
            clusters[x].push(...clusters[y]);
            clusters.splice(y, 1);
        }
    }
});

test('every cut has each sentence once, and a lower one only joins', async () => {
    const [n, d] = [70, 6];
    const vectors = unit(randomRows(n, d, 11), d);
    const merges = agglomerate(await similarities(vectors, n, d, similarity), n);
    let finer = cutTree(merges, n, 1);
    for (const threshold of [0.8, 0.5, 0.2, 0, -1]) {
        const clusters = cutTree(merges, n, threshold);
        assert.deepEqual(
            clusters.flat().sort((a, b) => a - b),
            Array.from({ length: n }, (_, i) => i),
        );
        for (const part of finer) {
            const home = clusters.find((cluster) => cluster.includes(part[0]));
            assert.ok(part.every((i) => home?.includes(i)));
        }
        finer = clusters;
    }
    assert.equal(finer.length, 1);
});

test('the most central sentence is nearest to the mean', () => {
    const vectors = unit(Float32Array.of(1, 0, 0.8, 0.6, 0.6, 0.8, 0, 1, -1, 0), 2);
    assert.deepEqual(byCentrality([0, 1, 2], vectors, 2)[0], 1);
    assert.deepEqual(byCentrality([3], vectors, 2), [3]);
});

test('alike sentences, all the same: no chain without an end', () => {
    const n = 50;
    const merges = agglomerate(new Float32Array((n * (n - 1)) / 2).fill(1), n);
    assert.equal(merges.length, n - 1);
    assert.equal(cutTree(merges, n, 0.99).length, 1);
});
