/**
 * Semantic search over a million embeddings of each type, one query, beside a plain JavaScript
 * loop: the least of a few milliseconds, and the corpus' bytes in that time.
 *
 *     node bench/search.js [rows] [dimensions]
 */

/** @type {typeof import('../js/index.js')} */
const { semanticSearch } = await import(
    new URL('../build/dist/index.node.js', import.meta.url).href
);

const ROUNDS = 5;
const n = Number(process.argv[2] ?? 1_000_000);
const d = Number(process.argv[3] ?? 384);

let state = 1;
/** xorshift32 */
function random() {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
}

const TYPES = {
    f32: {
        make: (count) => fill(new Float32Array(count), () => random() / 2 ** 32 - 0.5),
        plain: cosines,
    },
    int8: {
        make: (count) => fill(new Int8Array(count), () => (random() >>> 24) - 128),
        plain: cosines,
    },
    binary: {
        make: (count) => fill(new Uint8Array(count / 8), () => random() >>> 24),
        plain: hammings,
    },
};

function fill(data, value) {
    for (let i = 0; i < data.length; i++) data[i] = value();
    return data;
}

function cosines(query, rows) {
    const scores = new Float32Array(n);
    let of_query = 0;
    for (const x of query) of_query += x * x;
    for (let r = 0, at = 0; r < n; r++) {
        let product = 0;
        let square = 0;
        for (let i = 0; i < d; i++, at++) {
            product += query[i] * rows[at];
            square += rows[at] * rows[at];
        }
        scores[r] = product / Math.sqrt(of_query * square);
    }
    return scores;
}

const ONES = Uint8Array.from(
    { length: 256 },
    (_, byte) => [...byte.toString(2)].filter((bit) => bit === '1').length,
);

function hammings(query, rows) {
    const scores = new Float32Array(n);
    for (let r = 0, at = 0; r < n; r++) {
        let differing = 0;
        for (let i = 0; i < query.length; i++, at++) differing += ONES[query[i] ^ rows[at]];
        scores[r] = (d - 2 * differing) / d;
    }
    return scores;
}

/** Least milliseconds of some rounds. */
async function least(work) {
    let best = Infinity;
    for (let round = 0; round < ROUNDS; round++) {
        const start = performance.now();
        await work();
        best = Math.min(best, performance.now() - start);
    }
    return best;
}

console.log(`${n} embeddings of ${d} dimensions, one query, the best 10`);
for (const [type, { make, plain }] of Object.entries(TYPES)) {
    const corpus = { dims: [n, d], data: make(n * d) };
    const query = { dims: [d], data: make(d) };
    const bytes = corpus.data.byteLength;
    const found = await semanticSearch(query, corpus);
    const scores = plain(query.data, corpus.data);
    const best = scores.reduce((most, score) => Math.max(most, score), -Infinity);
    if (Math.abs(found[0].score - best) > 1e-5) {
        throw new Error(`${type}: the best is ${best}, found ${found[0].score}`);
    }
    for (const [name, work] of Object.entries({
        wasm: () => semanticSearch(query, corpus),
        'plain loop': () => plain(query.data, corpus.data),
    })) {
        const ms = await least(work);
        console.log(
            `${type.padEnd(8)}${name.padEnd(12)}${ms.toFixed(1).padStart(8)} ` +
                `ms${(bytes / ms / 1e6).toFixed(2).padStart(8)} GB/s`,
        );
    }
}
