/**
 * Which sentences are alike, and what they make together.
 *
 * Similarities are products of vectors of length 1. Clusters are made bottom up, by the mean
 * similarity between two of them (average linkage), as chains of nearest neighbours: n² steps, and
 * the same tree that merging the best pair each time gives. The tree is made once; where it is cut
 * is a threshold, so that a slider costs nothing. Not taken: community detection by a threshold,
 * each of which needs all pairs again.
 *
 * @typedef {object} Merge  two clusters become one
 * @property {number} a  a sentence of the one
 * @property {number} b  a sentence of the other
 * @property {number} similarity  mean, between their sentences
 *
 * @typedef {object} Pair
 * @property {number} a  below b
 * @property {number} b
 * @property {number} similarity
 */

/** Steps of a hundredth in which pairs are counted by similarity. */
export const N_STEPS = 100;

/** Rows whose products are asked for at a time. */
const BLOCK = 64;

/**
 * Of all pairs, without the diagonal: [n (n - 1) / 2], row by row of the upper triangle.
 * @param {Float32Array} vectors  [n, d], each of length 1
 * @param {number} n
 * @param {number} d
 * @param {typeof import('../../js/search.js').similarity} similarity  of the package: its own
 *   module does it five times as fast as a loop here
 * @param {(share: number) => void} [onprogress]  0 to 1
 */
export async function similarities(vectors, n, d, similarity, onprogress = () => {}) {
    const all = new Float32Array((n * (n - 1)) / 2);
    for (let first = 0; first < n; first += BLOCK) {
        const rows = Math.min(BLOCK, n - first);
        const columns = n - first;
        const { data } = await similarity(
            { dims: [rows, d], data: vectors.subarray(first * d, (first + rows) * d) },
            { dims: [columns, d], data: vectors.subarray(first * d) },
            { score: 'dot' },
        );
        for (let row = 0; row < rows && first + row < n - 1; row++) {
            const begin = row * columns + row + 1;
            all.set(
                data.subarray(begin, (row + 1) * columns),
                placeOf(n, first + row, first + row + 1),
            );
        }
        onprogress((first + rows) / n);
    }
    return all;
}

/**
 * How alike two of them are.
 * @param {Float32Array} vectors  each of length 1
 * @param {number} a  where the one begins
 * @param {number} b
 * @param {number} d
 */
export function product(vectors, a, b, d) {
    let sum = 0;
    for (let j = 0; j < d; j++) sum += vectors[a + j] * vectors[b + j];
    return sum;
}

/** Where a pair is in similarities(). @param {number} n @param {number} i @param {number} j */
export const placeOf = (n, i, j) =>
    i < j ? (i * (2 * n - i - 1)) / 2 + j - i - 1 : (j * (2 * n - j - 1)) / 2 + i - j - 1;

/**
 * The most alike pairs, the best first, and how many there are of each similarity.
 * @param {Float32Array} all  of similarities()
 * @param {number} n
 * @param {number} most
 * @returns {{pairs: Pair[], counts: Float64Array}}  counts[s]: pairs from s hundredths to the next
 */
export function bestPairs(all, n, most) {
    const counts = new Float64Array(N_STEPS + 1);
    for (const similarity of all) counts[stepOf(similarity)]++;
    // What is certainly among the best: the highest steps that hold enough of them.
    let least = N_STEPS;
    for (let sum = counts[least]; sum < most && least > 0; sum += counts[least]) least--;
    /** @type {Pair[]} */
    let pairs = [];
    const sort = () => {
        pairs.sort((x, y) => y.similarity - x.similarity || x.a - y.a || x.b - y.b);
        pairs = pairs.slice(0, most);
    };
    for (let a = 0, at = 0; a < n; a++) {
        for (let b = a + 1; b < n; b++, at++) {
            if (stepOf(all[at]) < least) continue;
            pairs.push({ a, b, similarity: all[at] });
            if (pairs.length > 8 * most) sort();
        }
    }
    sort();
    return { pairs, counts };
}

/** Rounding must not put 0.9 below 0.9. @param {number} similarity */
const stepOf = (similarity) =>
    Math.max(0, Math.min(N_STEPS, Math.floor(similarity * N_STEPS + 1e-4)));

/** Pairs at least so alike. @param {Float64Array} counts @param {number} hundredths */
export const countFrom = (counts, hundredths) =>
    counts.subarray(hundredths).reduce((sum, count) => sum + count, 0);

/**
 * The tree of clusters.
 * @param {Float32Array} all  of similarities(); changed in place: memory for one is enough
 * @param {number} n
 * @param {(share: number) => void} [onprogress]
 * @returns {Merge[]}  n - 1 of them, the most alike first
 */
export function agglomerate(all, n, onprogress = () => {}) {
    const size = new Float64Array(n).fill(1);
    /** Clusters that are left, each by one of its sentences. */
    const left = Array.from({ length: n }, (_, i) => i);
    /** @type {Merge[]} */
    const merges = [];
    /** @type {number[]} */
    const chain = [];
    while (left.length > 1) {
        if (chain.length === 0) chain.push(left[0]);
        const last = /** @type {number} */ (chain.at(-1));
        const before = chain.at(-2);
        // The one before wins a draw: the chain would go round in circles.
        let nearest = before ?? -1;
        let best = before === undefined ? -Infinity : all[placeOf(n, last, before)];
        for (const other of left) {
            if (other === last) continue;
            const similarity = all[placeOf(n, last, other)];
            if (similarity > best) {
                best = similarity;
                nearest = other;
            }
        }
        if (nearest !== before) {
            chain.push(nearest);
            continue;
        }
        chain.length -= 2;
        const [a, b] = last < nearest ? [last, nearest] : [nearest, last];
        merges.push({ a, b, similarity: best });
        for (const other of left) {
            if (other === a || other === b) continue;
            const place = placeOf(n, a, other);
            const sum = size[a] * all[place] + size[b] * all[placeOf(n, b, other)];
            all[place] = sum / (size[a] + size[b]);
        }
        size[a] += size[b];
        left.splice(left.indexOf(b), 1);
        if (merges.length % 64 === 0) onprogress(merges.length / n);
    }
    // Average linkage never merges better pairs later: sorted, the tree is the same.
    return merges
        .map((merge, i) => ({ ...merge, i }))
        .sort((x, y) => y.similarity - x.similarity || x.i - y.i)
        .map(({ a, b, similarity }) => ({ a, b, similarity }));
}

/**
 * The tree, cut: sentences whose clusters are at least so alike are together.
 * @param {Merge[]} merges  the most alike first
 * @param {number} n
 * @param {number} threshold
 * @returns {number[][]}  sentences of each cluster, in the order of the text; the largest first, of
 *   equal ones that which begins first
 */
export function cutTree(merges, n, threshold) {
    const parent = Array.from({ length: n }, (_, i) => i);
    const rootOf = (/** @type {number} */ i) => {
        let at = i;
        while (parent[at] !== at) {
            parent[at] = parent[parent[at]];
            at = parent[at];
        }
        return at;
    };
    for (const { a, b, similarity } of merges) {
        if (similarity < threshold) break;
        const [x, y] = [rootOf(a), rootOf(b)];
        parent[Math.max(x, y)] = Math.min(x, y);
    }
    /** @type {Map<number, number[]>} */
    const clusters = new Map();
    for (let i = 0; i < n; i++) {
        const root = rootOf(i);
        const members = clusters.get(root);
        if (members) members.push(i);
        else clusters.set(root, [i]);
    }
    return [...clusters.values()].sort((x, y) => y.length - x.length || x[0] - y[0]);
}

/**
 * Sentences of a cluster, the most central first: by their product with the sum of all.
 * @param {number[]} members
 * @param {Float32Array} vectors  [n, d]
 * @param {number} d
 */
export function byCentrality(members, vectors, d) {
    const sum = new Float64Array(d);
    for (const i of members) for (let j = 0; j < d; j++) sum[j] += vectors[i * d + j];
    const scores = new Map(
        members.map((i) => {
            let score = 0;
            for (let j = 0; j < d; j++) score += sum[j] * vectors[i * d + j];
            return [i, score];
        }),
    );
    const of = (/** @type {number} */ i) => /** @type {number} */ (scores.get(i));
    return [...members].sort((i, j) => of(j) - of(i) || i - j);
}
