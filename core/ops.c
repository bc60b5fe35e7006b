/* ops.c - the operations between the products: layer norm, softmax, table look-up. */
#include <math.h>
#include <string.h>

#include "internal.h"
#include "simd.h"
#include "vector_math.h"

/* Sums have this many lanes of four, so that no addition waits for the one before. */
#define LANES 4

/* The sum of row[i]. */
static float row_sum(const float *row, uint32_t n)
{
    v128_t sum[LANES] = {0};
    uint32_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES)
        for (int j = 0; j < LANES; j++)
            sum[j] = wasm_f32x4_add(sum[j], wasm_v128_load(row + i + 4 * j));
    for (; i < n; i += 4)
        sum[0] = wasm_f32x4_add(sum[0], simd_load_first(row + i, n - i, 0));
    return simd_sum(wasm_f32x4_add(wasm_f32x4_add(sum[0], sum[1]), wasm_f32x4_add(sum[2], sum[3])));
}

/* The sum of (row[i] - mean)^2. */
static float row_squares(const float *row, uint32_t n, float mean)
{
    v128_t sum[LANES] = {0}, centre = wasm_f32x4_splat(mean);
    uint32_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        for (int j = 0; j < LANES; j++) {
            v128_t x = wasm_f32x4_sub(wasm_v128_load(row + i + 4 * j), centre);
            sum[j] = simd_madd(x, x, sum[j]);
        }
    }
    for (; i < n; i += 4) {
        v128_t x = wasm_f32x4_sub(simd_load_first(row + i, n - i, mean), centre);
        sum[0] = simd_madd(x, x, sum[0]);
    }
    return simd_sum(wasm_f32x4_add(wasm_f32x4_add(sum[0], sum[1]), wasm_f32x4_add(sum[2], sum[3])));
}

/* Two passes: the mean first, so that large equal values do not cancel. */
void ops_layer_norm(float *x, uint32_t n_rows, uint32_t n_columns, const norm *norm, float eps)
{
    for (uint32_t r = 0; r < n_rows; r++, x += n_columns) {
        float mean = row_sum(x, n_columns) / (float)n_columns;
        float variance = row_squares(x, n_columns, mean) / (float)n_columns;
        v128_t centre = wasm_f32x4_splat(mean);
        v128_t inverse = wasm_f32x4_splat(1.0f / sqrtf(variance + eps));
        uint32_t i = 0;
        for (; i + 4 <= n_columns; i += 4) {
            v128_t y = wasm_f32x4_mul(wasm_f32x4_sub(wasm_v128_load(x + i), centre), inverse);
            wasm_v128_store(x + i, simd_madd(y, wasm_v128_load(norm->weight + i),
                                             wasm_v128_load(norm->bias + i)));
        }
        if (i < n_columns) {
            uint32_t n = n_columns - i;
            v128_t y =
                wasm_f32x4_mul(wasm_f32x4_sub(simd_load_first(x + i, n, 0), centre), inverse);
            y = simd_madd(y, simd_load_first(norm->weight + i, n, 0),
                          simd_load_first(norm->bias + i, n, 0));
            simd_store_first(x + i, y, n);
        }
    }
}

/* Vectors that exponentials are taken of together. */
#define EXP_VECTORS 2

void ops_softmax(float *x, size_t stride, uint32_t n_rows, uint32_t n_columns, float scale,
                 float *inverse)
{
    v128_t scales = wasm_f32x4_splat(scale);
    uint32_t whole = n_columns / 4 * 4, rest = n_columns - whole;
    for (uint32_t r = 0; r < n_rows; r++, x += stride) {
        v128_t largest = wasm_f32x4_splat(-INFINITY), sum = wasm_f32x4_const(0, 0, 0, 0);
        for (uint32_t i = 0; i < whole; i += 4)
            largest = wasm_f32x4_pmax(largest, wasm_v128_load(x + i));
        if (rest)
            largest = wasm_f32x4_pmax(largest, simd_load_first(x + whole, rest, -INFINITY));
        v128_t max = wasm_f32x4_splat(simd_max(largest));
        uint32_t i = 0;
        for (; i + 4 * EXP_VECTORS <= n_columns; i += 4 * EXP_VECTORS) {
            v128_t y[EXP_VECTORS];
            for (int j = 0; j < EXP_VECTORS; j++)
                y[j] = wasm_f32x4_mul(wasm_f32x4_sub(wasm_v128_load(x + i + 4 * j), max), scales);
            math_exp(y, EXP_VECTORS);
            for (int j = 0; j < EXP_VECTORS; j++) {
                wasm_v128_store(x + i + 4 * j, y[j]);
                sum = wasm_f32x4_add(sum, y[j]);
            }
        }
        for (; i < n_columns; i += 4) {
            uint32_t n = n_columns - i;
            v128_t y =
                wasm_f32x4_mul(wasm_f32x4_sub(simd_load_first(x + i, n, -INFINITY), max), scales);
            math_exp(&y, 1);
            simd_store_first(x + i, y, n);
            sum = wasm_f32x4_add(sum, y);
        }
        inverse[r] = 1.0f / simd_sum(sum);
    }
}

void ops_scale_rows(float *x, size_t stride, uint32_t n_rows, uint32_t n_columns,
                    const float *factor)
{
    for (uint32_t r = 0; r < n_rows; r++, x += stride) {
        v128_t factors = wasm_f32x4_splat(factor[r]);
        for (uint32_t i = 0; i < n_columns; i += 4) {
            v128_t y = wasm_f32x4_mul(simd_load_first(x + i, n_columns - i, 0), factors);
            simd_store_first(x + i, y, n_columns - i);
        }
    }
}

void ops_table_row(const table *table, uint32_t row, float *out, int add)
{
    uint32_t n = table->n_columns;
    size_t at = (size_t)row * n;
    for (uint32_t i = 0; i < n; i += 4) {
        uint32_t left = n - i;
        v128_t x;
        if (table->dtype == BERT_DTYPE_F32) {
            x = simd_load_first((const float *)table->rows + at + i, left, 0);
        } else if (table->dtype == BERT_DTYPE_F16) {
            uint16_t lanes[4] = {0};
            memcpy(lanes, (const uint16_t *)table->rows + at + i, (left < 4 ? left : 4) * 2);
            x = simd_load_f16(lanes);
        } else {
            int8_t lanes[4] = {0};
            memcpy(lanes, (const int8_t *)table->rows + at + i, left < 4 ? left : 4);
            x = wasm_f32x4_mul(simd_load_i8(lanes), wasm_f32x4_splat(table->scale[row]));
        }
        if (add)
            x = wasm_f32x4_add(x, simd_load_first(out + i, left, 0));
        simd_store_first(out + i, x, left);
    }
}
