/*
 * search.c - see search.h.
 *
 * Rows are read from memory once and compared with all queries, a few of them at a time: numbers of
 * a query are loaded once for all of these, and sums do not wait for each other.
 */
#include "search.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "simd.h"

/* Rows that are multiplied with a query at a time. */
#define TILE 4

/* The `n` bytes, fewer than 16, at `p`, then zeros. */
static v128_t load_bytes(const void *p, size_t n)
{
    uint8_t lanes[16] = {0};
    memcpy(lanes, p, n);
    return wasm_v128_load(lanes);
}

static int32_t sum_i32(v128_t x)
{
    return wasm_i32x4_extract_lane(x, 0) + wasm_i32x4_extract_lane(x, 1) +
           wasm_i32x4_extract_lane(x, 2) + wasm_i32x4_extract_lane(x, 3);
}

/* 16 bytes of a query, or fewer, and of a row: what is added to the row's sums. */
INLINE v128_t add_f32(v128_t sum, v128_t query, v128_t row)
{
    return wasm_f32x4_add(sum, wasm_f32x4_mul(query, row));
}

INLINE v128_t add_i8(v128_t sum, v128_t query, v128_t row)
{
    v128_t low =
        wasm_i32x4_dot_i16x8(wasm_i16x8_extend_low_i8x16(query), wasm_i16x8_extend_low_i8x16(row));
    v128_t high = wasm_i32x4_dot_i16x8(wasm_i16x8_extend_high_i8x16(query),
                                       wasm_i16x8_extend_high_i8x16(row));
    return wasm_i32x4_add(sum, wasm_i32x4_add(low, high));
}

/* Bits that differ, in 16-bit lanes: SEARCH_MAX_DIMS / 8 of them at most. */
INLINE v128_t add_bits(v128_t sum, v128_t query, v128_t row)
{
    v128_t differing = wasm_i8x16_popcnt(wasm_v128_xor(query, row));
    return wasm_i16x8_add(sum, wasm_u16x8_extadd_pairwise_u8x16(differing));
}

INLINE v128_t add(search_type type, v128_t sum, v128_t query, v128_t row)
{
    return type == SEARCH_F32  ? add_f32(sum, query, row)
           : type == SEARCH_I8 ? add_i8(sum, query, row)
                               : add_bits(sum, query, row);
}

INLINE double finish(search_type type, v128_t sum, uint32_t n_dims)
{
    if (type == SEARCH_F32)
        return (double)simd_sum(sum);
    if (type == SEARCH_I8)
        return sum_i32(sum);
    return (double)n_dims - 2.0 * sum_i32(wasm_u32x4_extadd_pairwise_u16x8(sum));
}

static size_t bytes_of(search_type type, uint32_t n_dims)
{
    return (size_t)n_dims * type / 8;
}

/* Sums of `n_rows` rows, a constant, and the query; without a query, of each row and itself. */
INLINE void multiply(search_type type, const uint8_t *query, const uint8_t *rows, uint32_t n_rows,
                     uint32_t n_dims, double *out)
{
    size_t n_bytes = bytes_of(type, n_dims), i = 0;
    v128_t sums[TILE];
    for (uint32_t r = 0; r < n_rows; r++)
        sums[r] = wasm_i32x4_splat(0);
    for (; i + 16 <= n_bytes; i += 16) {
        v128_t of_query = query ? wasm_v128_load(query + i) : sums[0];
        for (uint32_t r = 0; r < n_rows; r++) {
            v128_t row = wasm_v128_load(rows + r * n_bytes + i);
            sums[r] = add(type, sums[r], query ? of_query : row, row);
        }
    }
    for (uint32_t r = 0; r < n_rows && i < n_bytes; r++) {
        v128_t row = load_bytes(rows + r * n_bytes + i, n_bytes - i);
        sums[r] = add(type, sums[r], query ? load_bytes(query + i, n_bytes - i) : row, row);
    }
    for (uint32_t r = 0; r < n_rows; r++)
        out[r] = finish(type, sums[r], n_dims);
}

INLINE void multiply_all(search_type type, const uint8_t *query, const uint8_t *rows,
                         uint32_t n_rows, uint32_t n_dims, double *out)
{
    size_t n_bytes = bytes_of(type, n_dims);
    uint32_t r = 0;
    for (; r + TILE <= n_rows; r += TILE)
        multiply(type, query, rows + r * n_bytes, TILE, n_dims, out + r);
    for (; r < n_rows; r++)
        multiply(type, query, rows + r * n_bytes, 1, n_dims, out + r);
}

static void products(search_type type, const uint8_t *query, const uint8_t *rows, uint32_t n_rows,
                     uint32_t n_dims, double *out)
{
    if (type == SEARCH_F32)
        multiply_all(SEARCH_F32, query, rows, n_rows, n_dims, out);
    else if (type == SEARCH_I8)
        multiply_all(SEARCH_I8, query, rows, n_rows, n_dims, out);
    else
        multiply_all(SEARCH_BITS, query, rows, n_rows, n_dims, out);
}

/* The sum of squares of each row, with a least value, so that a row of zeros is not divided by
 * zero. */
static void squares_of(search_type type, const uint8_t *rows, uint32_t n_rows, uint32_t n_dims,
                       double *out)
{
    if (type == SEARCH_F32)
        multiply_all(SEARCH_F32, NULL, rows, n_rows, n_dims, out);
    else if (type == SEARCH_I8)
        multiply_all(SEARCH_I8, NULL, rows, n_rows, n_dims, out);
    for (uint32_t r = 0; r < n_rows; r++)
        out[r] = type == SEARCH_BITS ? n_dims : out[r] > 1e-24 ? out[r] : 1e-24;
}

void search_scores(search_type type, int is_cosine, const void *queries, uint32_t n_queries,
                   const void *rows, uint32_t n_rows, uint32_t n_dims, double *scores,
                   double *squares)
{
    assert(type == SEARCH_F32 || type == SEARCH_I8 || (type == SEARCH_BITS && n_dims % 8 == 0));
    assert(n_dims <= SEARCH_MAX_DIMS);
    size_t n_bytes = bytes_of(type, n_dims);
    double *of_queries = squares, *of_rows = squares + n_queries;
    if (is_cosine) {
        squares_of(type, queries, n_queries, n_dims, of_queries);
        squares_of(type, rows, n_rows, n_dims, of_rows);
    }
    for (uint32_t q = 0; q < n_queries; q++, scores += n_rows) {
        products(type, (const uint8_t *)queries + q * n_bytes, rows, n_rows, n_dims, scores);
        for (uint32_t r = 0; is_cosine && r < n_rows; r++)
            scores[r] /= sqrt(of_queries[q] * of_rows[r]);
    }
}
