/**
 * Semantic search: which embeddings of a corpus are most like a query's. Exact: every row is
 * scored, by core/search.c in a small WebAssembly module of its own, on the caller's thread.
 *
 * The corpus stays where it is, in the caller's array: pieces of it that fit a cache are copied to
 * the module's memory, scored, and forgotten, so that this memory is some hundred kB whatever the
 * corpus. Nothing is kept there between two turns of the event loop: all calls share it.
 */

import { SEARCH_BITS, SEARCH_F32, SEARCH_I8, SEARCH_MAX_DIMS } from '#core';
import { searchModule } from '#files';

import { BertError, describe } from './errors.js';
import { compileFrom, toPost } from './loader/compile.js';
import { nextTurn } from './platform/turn.js';
import { kindOf } from './realms.js';

/**
 * Embeddings, row-major: [n, d], or [d] for one alone. The array says what they are made of:
 *
 * - Float32Array  n * d numbers
 * - Int8Array     n * d integers: products are exact
 * - Uint8Array    d bits each, 8 a byte, n * d / 8 bytes; bits stand for 1 and -1
 *
 * d counts dimensions; of bits their bytes may be counted instead, as feature-extraction does: 384
 * bits are dims [n, 384] or [n, 48], and 48 bytes a row.
 *
 * @typedef {object} Embeddings
 * @property {readonly number[]} dims  [n, d], or [d]; d from 1 to 65536
 * @property {Float32Array | Int8Array | Uint8Array} data  row-major
 */

/**
 * @typedef {'cosine' | 'dot'} Score  cosine: -1 to 1, 0 for a row of zeros; dot: the sum of
 *   products
 */

/**
 * @typedef {object} SearchResult
 * @property {number} corpus_id  the row's index
 * @property {number} score  how alike row and query are
 */

/**
 * @template {Embeddings} Q  the queries
 * @typedef {Q extends {dims: readonly [number]} ? SearchResult[]
 *   : Q extends {dims: readonly [number, number]} ? SearchResult[][]
 *   : SearchResult[] &
 *   SearchResult[][]} SearchResults  a list for each query; for dims [d] the one list
 */

/** Milliseconds after which the event loop has a turn. */
const SLICE = 10;

/** Bytes of rows, and of queries, in the module's memory; one larger row is alone there. */
const ROWS_BYTES = 1 << 16;
const QUERIES_BYTES = 1 << 16;

/** The most scores there, and the most rows: of bits a kB has many. */
const MOST_SCORES = 1 << 15;
const MOST_ROWS = 1 << 12;

/** Of WebAssembly memory. */
const PAGE_BYTES = 65536;

/** A cache line: blocks in the module's memory start on it. */
const LINE_BYTES = 64;

/** What embeddings may be made of; a search_type of core/search.h is the bits of a dimension. */
const TYPES = [
    { of: 'Float32Array', bits: SEARCH_F32 },
    { of: 'Int8Array', bits: SEARCH_I8 },
    { of: 'Uint8Array', bits: SEARCH_BITS },
];

/**
 * @typedef {object} Rows  checked embeddings
 * @property {number} n
 * @property {number} d
 * @property {typeof TYPES[number]} type
 * @property {number} row_bytes
 * @property {Embeddings['data']} data
 */

/**
 * The rows of a corpus that are most like each query, best first: as sentence-transformers'
 * `semantic_search` has it. Of equal scores the row that comes first is first; a score that is not
 * a number is last. Gives way to the event loop every 10 ms.
 *
 * @template {Embeddings} const Q
 * @param {Q} queryEmbeddings  [q, d], or [d]
 * @param {Embeddings} corpusEmbeddings  [n, d], in the same kind of array
 * @param {object} [options]
 * @param {number} [options.top_k]  most results of a query, from 1; default 10
 * @param {Score} [options.score]  how alike is counted; default 'cosine'
 * @param {AbortSignal} [options.signal]  ends the search
 * @returns {Promise<SearchResults<Q>>}  a list for each query; for dims [d] the one list
 * @throws {BertError} BAD_INPUT where embeddings are not such, or of other dims or type than the
 *   others; BAD_OPTION
 */
export async function semanticSearch(
    queryEmbeddings,
    corpusEmbeddings,
    { top_k = 10, score = 'cosine', signal } = {},
) {
    if (!Number.isInteger(top_k) || top_k < 1) {
        throw new BertError(
            'BAD_OPTION',
            `top_k must be a whole number >= 1, not ${describe(top_k)}`,
        );
    }
    const queries = toRows(queryEmbeddings, 'the query embeddings');
    const corpus = toRows(corpusEmbeddings, 'the corpus embeddings');
    const best = Array.from({ length: queries.n }, () => new Best(Math.min(top_k, corpus.n)));
    await scoreAll(
        queries,
        corpus,
        score,
        signal,
        (scores, first_query, n_queries, first_row, n_rows) => {
            for (let q = 0; q < n_queries; q++) {
                best[first_query + q].take(scores, q * n_rows, n_rows, first_row);
            }
        },
    );
    const results = best.map((one) => one.sorted());
    return /** @type {any} */ (queryEmbeddings.dims.length === 1 ? results[0] : results);
}

/**
 * How alike each row of `a` and each of `b` are.
 *
 * @param {Embeddings} a  [n, d], or [d]: one row
 * @param {Embeddings} b  [m, d], or [d]; in the same kind of array
 * @param {object} [options]
 * @param {Score} [options.score]  how alike is counted; default 'cosine'
 * @param {AbortSignal} [options.signal]  ends the call
 * @returns {Promise<{dims: [number, number], data: Float32Array}>}  [n, m]
 * @throws {BertError} BAD_INPUT, BAD_OPTION, as semanticSearch()
 */
export async function similarity(a, b, { score = 'cosine', signal } = {}) {
    const left = toRows(a, 'the first embeddings');
    const right = toRows(b, 'the second embeddings');
    const data = new Float32Array(left.n * right.n);
    await scoreAll(
        left,
        right,
        score,
        signal,
        (scores, first_query, n_queries, first_row, n_rows) => {
            for (let q = 0; q < n_queries; q++) {
                data.set(
                    scores.subarray(q * n_rows, (q + 1) * n_rows),
                    (first_query + q) * right.n + first_row,
                );
            }
        },
    );
    return { dims: [left.n, right.n], data };
}

/**
 * @param {Embeddings} embeddings
 * @param {string} what  for messages
 * @returns {Rows}
 */
function toRows(embeddings, what) {
    const refuse = (/** @type {string} */ why) => new BertError('BAD_INPUT', `${what} ${why}`);
    if (typeof embeddings !== 'object' || embeddings === null) {
        throw refuse(`must be {dims, data}, not ${describe(embeddings)}`);
    }
    const { dims, data } = embeddings;
    if (
        !Array.isArray(dims) ||
        dims.length < 1 ||
        dims.length > 2 ||
        !dims.every((n) => Number.isInteger(n) && n >= 0)
    ) {
        throw refuse(
            'must have dims [n, d] or [d], ' +
                `not ${Array.isArray(dims) ? JSON.stringify(dims) : describe(dims)}`,
        );
    }
    const type = TYPES.find(({ of }) => of === kindOf(data));
    if (!type) {
        throw refuse(
            'must have as data a Float32Array, an Int8Array or a Uint8Array of bits, ' +
                `not ${describe(data)}`,
        );
    }
    const { bits } = type;
    const n = dims.length === 1 ? 1 : dims[0];
    const width = dims[dims.length - 1];
    const d = bits === SEARCH_BITS && data.length === n * width ? 8 * width : width;
    if (n > 0 && (d < 1 || d > SEARCH_MAX_DIMS)) {
        throw refuse(`must have 1 to ${SEARCH_MAX_DIMS} dimensions, not ${d}`);
    }
    if (bits === SEARCH_BITS && d % 8) {
        throw refuse(`must have a multiple of 8 dimensions in a Uint8Array, not ${d}`);
    }
    const row_bytes = (d * bits) / 8;
    const n_values = (n * row_bytes) / data.BYTES_PER_ELEMENT;
    if (data.length !== n_values) {
        throw refuse(
            `of dims ${JSON.stringify(dims)} must have a ${type.of} of ${n_values}, ` +
                `not of ${data.length}`,
        );
    }
    return { n, d, type, row_bytes, data };
}

/**
 * @callback TakeScores
 * @param {Float64Array} scores  [n_queries, n_rows], valid until it returns
 * @param {number} first_query
 * @param {number} n_queries
 * @param {number} first_row
 * @param {number} n_rows
 */

/**
 * Scores of all queries and rows, in blocks: rows ascend for each query.
 * @param {Rows} queries
 * @param {Rows} rows
 * @param {Score} score
 * @param {AbortSignal | undefined} signal
 * @param {TakeScores} take
 */
async function scoreAll(queries, rows, score, signal, take) {
    signal?.throwIfAborted();
    if (score !== 'cosine' && score !== 'dot') {
        throw new BertError(
            'BAD_OPTION',
            `score must be 'cosine' or 'dot', not ${describe(score)}`,
        );
    }
    if (queries.n === 0 || rows.n === 0) return;
    if (queries.type !== rows.type) {
        throw new BertError(
            'BAD_INPUT',
            `embeddings in a ${queries.type.of} cannot be compared with those in a ` +
                `${rows.type.of}`,
        );
    }
    if (queries.d !== rows.d) {
        throw new BertError(
            'BAD_INPUT',
            `embeddings of ${queries.d} dimensions cannot be compared with those of ${rows.d}`,
        );
    }
    const scorer = await openScorer();
    const { row_bytes } = rows;
    const rows_at_once = within(ROWS_BYTES / row_bytes, Math.min(MOST_ROWS, rows.n));
    const queries_at_once = within(
        Math.min(QUERIES_BYTES / row_bytes, MOST_SCORES / rows_at_once),
        queries.n,
    );
    let deadline = -Infinity; // so that a signal is looked at once the module is there
    for (let first_query = 0; first_query < queries.n; first_query += queries_at_once) {
        const n_queries = Math.min(queries_at_once, queries.n - first_query);
        let are_there = false;
        for (let first_row = 0; first_row < rows.n; first_row += rows_at_once) {
            const n_rows = Math.min(rows_at_once, rows.n - first_row);
            if (performance.now() > deadline) {
                await nextTurn();
                signal?.throwIfAborted();
                deadline = performance.now() + SLICE;
                are_there = false; // another call may have had the memory
            }
            if (!are_there) scorer.load(queries, first_query, n_queries, rows_at_once);
            are_there = true;
            take(
                scorer.scores(rows, first_row, n_rows, score === 'cosine'),
                first_query,
                n_queries,
                first_row,
                n_rows,
            );
        }
    }
}

/**
 * @param {number} n
 * @param {number} most
 */
function within(n, most) {
    return Math.max(1, Math.min(Math.floor(n), most));
}

/** @type {Promise<Scorer> | undefined} */
let opening;

/** The module, which is loaded once; a failure is not remembered. */
function openScorer() {
    opening ??= Promise.resolve()
        .then(() => compileFrom(toPost(searchModule())))
        .then(
            async (module) =>
                new Scorer(
                    /** @type {any} */ ((await WebAssembly.instantiate(module, {})).exports),
                ),
        )
        .catch((error) => {
            opening = undefined;
            if (error instanceof BertError) throw error;
            throw new BertError('ENGINE_FAILED', `search.wasm: ${error.message}`, { cause: error });
        });
    return opening;
}

/** The module's memory: queries, rows, squares, scores. */
class Scorer {
    #wasm;
    #heap;
    #n_queries = 0;
    #rows_at = 0;
    #squares_at = 0;
    #scores_at = 0;

    /** @param {Record<string, any>} exports  of wasm/search.c */
    constructor(exports) {
        this.#wasm = exports;
        this.#heap = exports.search_heap() >>> 0;
    }

    /**
     * Queries for the next calls of scores(), until the event loop has a turn.
     * @param {Rows} queries
     * @param {number} first
     * @param {number} n
     * @param {number} most_rows  of those calls
     */
    load(queries, first, n, most_rows) {
        const { memory } = this.#wasm;
        const aligned = (/** @type {number} */ address) =>
            Math.ceil(address / LINE_BYTES) * LINE_BYTES;
        this.#n_queries = n;
        this.#rows_at = aligned(this.#heap + n * queries.row_bytes);
        this.#squares_at = aligned(this.#rows_at + most_rows * queries.row_bytes);
        this.#scores_at = aligned(this.#squares_at + (n + most_rows) * 8);
        const missing = this.#scores_at + n * most_rows * 8 - memory.buffer.byteLength;
        if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
        this.#copy(queries, first, n, this.#heap);
    }

    /**
     * @param {Rows} rows
     * @param {number} first
     * @param {number} n
     * @param {boolean} is_cosine
     * @returns {Float64Array}  [queries, rows], valid until the next call
     */
    scores(rows, first, n, is_cosine) {
        const wasm = this.#wasm;
        const n_queries = this.#n_queries;
        const rows_at = this.#rows_at;
        const squares_at = this.#squares_at;
        const scores_at = this.#scores_at;
        this.#copy(rows, first, n, rows_at);
        wasm.search_scores_of(
            rows.type.bits,
            is_cosine,
            this.#heap,
            n_queries,
            rows_at,
            n,
            rows.d,
            scores_at,
            squares_at,
        );
        return new Float64Array(wasm.memory.buffer, scores_at, n_queries * n);
    }

    /**
     * @param {Rows} rows
     * @param {number} first
     * @param {number} n
     * @param {number} address
     */
    #copy({ data, row_bytes }, first, n, address) {
        new Uint8Array(this.#wasm.memory.buffer).set(
            new Uint8Array(data.buffer, data.byteOffset + first * row_bytes, n * row_bytes),
            address,
        );
    }
}

/** The best of the scores that it is shown: a heap of fixed size, the worst of them first. */
class Best {
    #n = 0;
    #ids;
    #scores;

    /** @param {number} size  at most the number of scores that will be shown */
    constructor(size) {
        this.#ids = new Float64Array(size);
        this.#scores = new Float64Array(size);
    }

    /**
     * @param {Float64Array} scores
     * @param {number} start
     * @param {number} n
     * @param {number} first_id  ids ascend from call to call
     */
    take(scores, start, n, first_id) {
        const ids = this.#ids;
        const kept = this.#scores;
        for (let i = 0; i < n; i++) {
            const score = scores[start + i];
            if (this.#n < ids.length) {
                this.#rise(score, first_id + i);
            }
            // Not of an equal one: that has a lower id.
            else if (score > kept[0] || (Number.isNaN(kept[0]) && !Number.isNaN(score))) {
                this.#sink(score, first_id + i);
            }
        }
    }

    /** @returns {SearchResult[]} best first */
    sorted() {
        return Array.from(this.#ids, (corpus_id, i) => ({
            corpus_id,
            score: this.#scores[i],
        })).sort((a, b) => (isWorse(a.score, a.corpus_id, b.score, b.corpus_id) ? 1 : -1));
    }

    /**
     * One more.
     * @param {number} score
     * @param {number} id
     */
    #rise(score, id) {
        const ids = this.#ids;
        const scores = this.#scores;
        let at = this.#n++;
        while (at > 0) {
            const parent = (at - 1) >> 1;
            if (!isWorse(score, id, scores[parent], ids[parent])) break;
            scores[at] = scores[parent];
            ids[at] = ids[parent];
            at = parent;
        }
        scores[at] = score;
        ids[at] = id;
    }

    /**
     * One instead of the worst.
     * @param {number} score
     * @param {number} id
     */
    #sink(score, id) {
        const ids = this.#ids;
        const scores = this.#scores;
        const n = this.#n;
        let at = 0;
        for (;;) {
            let child = 2 * at + 1;
            if (child >= n) break;
            if (
                child + 1 < n &&
                isWorse(scores[child + 1], ids[child + 1], scores[child], ids[child])
            ) {
                child++;
            }
            if (!isWorse(scores[child], ids[child], score, id)) break;
            scores[at] = scores[child];
            ids[at] = ids[child];
            at = child;
        }
        scores[at] = score;
        ids[at] = id;
    }
}

/**
 * Whether a score comes after another one.
 * @param {number} score
 * @param {number} id
 * @param {number} other_score
 * @param {number} other_id
 */
function isWorse(score, id, other_score, other_id) {
    if (score === other_score) return id > other_id;
    if (Number.isNaN(score)) return !Number.isNaN(other_score) || id > other_id;
    return score < other_score; // false where the other is not a number
}
