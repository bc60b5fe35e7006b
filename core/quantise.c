/*
 * quantise.c - rows of activations as integers of 7 or 8 bits: x = least + step * level.
 *
 * A row has a scale of its own (per token), so that its answer does not depend on the others. No
 * zero point is rounded to an integer: `least` times the sum of a column's weights is added to the
 * product instead (gemm_i8.c), and all levels cover the row's range.
 *
 * Before that, every input is multiplied by its factor: SmoothQuant (Xiao et al. 2022, arXiv
 * 2211.10438, equation 3) moves what is hard to quantise from activations into weights.
 */
#include <math.h>
#include <string.h>

#include "kernels.h"
#include "simd.h"

/* 1.5 * 2^23: a float of this size has whole steps, so adding it rounds to a whole number and
 * leaves that in the low bits. */
#define ROUND 0x1.8p23f

/* Vectors of four that go side by side: a whole store of bytes. */
#define VECTORS 4

/* Four numbers times their factors. */
static inline v128_t load_scaled(const float *x, const float *factor)
{
    return wasm_f32x4_mul(wasm_v128_load(x), wasm_v128_load(factor));
}

/* The same for the end of a row: `n` (1 to 4) of them, and `fill`. */
static inline v128_t load_scaled_first(const float *x, const float *factor, uint32_t n, float fill)
{
    return n >= 4 ? load_scaled(x, factor)
                  : wasm_f32x4_mul(simd_load_first(x, n, fill), simd_load_first(factor, n, 1));
}

/* By which numbers become levels. */
typedef struct level_scale {
    v128_t least, inverse, mask;
} level_scale;

/* Four levels as 32-bit integers. Numbers that are not finite become some level. */
static inline v128_t levels(v128_t x, const level_scale *scale)
{
    v128_t steps = wasm_f32x4_mul(wasm_f32x4_sub(x, scale->least), scale->inverse);
    return wasm_v128_and(wasm_f32x4_add(steps, wasm_f32x4_splat(ROUND)), scale->mask);
}

static void find_range(const float *x, const float *factor, uint32_t n, float *least, float *most)
{
    v128_t low[VECTORS], high[VECTORS];
    for (int j = 0; j < VECTORS; j++) {
        low[j] = wasm_f32x4_splat(INFINITY);
        high[j] = wasm_f32x4_splat(-INFINITY);
    }
    uint32_t i = 0;
    for (; i + 4 * VECTORS <= n; i += 4 * VECTORS) {
        for (int j = 0; j < VECTORS; j++) {
            v128_t y = load_scaled(x + i + 4 * j, factor + i + 4 * j);
            low[j] = wasm_f32x4_pmin(low[j], y);
            high[j] = wasm_f32x4_pmax(high[j], y);
        }
    }
    for (; i < n; i += 4) {
        v128_t y = load_scaled_first(x + i, factor + i, n - i, x[i] * factor[i]);
        low[0] = wasm_f32x4_pmin(low[0], y);
        high[0] = wasm_f32x4_pmax(high[0], y);
    }
    for (int j = 1; j < VECTORS; j++) {
        low[0] = wasm_f32x4_pmin(low[0], low[j]);
        high[0] = wasm_f32x4_pmax(high[0], high[j]);
    }
    *least = -simd_max(wasm_f32x4_neg(low[0]));
    *most = simd_max(high[0]);
}

void quantise_row(bert_int8_kernel kernel, const float *restrict x, const float *restrict factor,
                  uint32_t n, const integer_rows *out, uint32_t row)
{
    assert(n > 0 && out->stride == quantised_stride(n));
    assert(kernel != BERT_INT8_KERNEL_DEFAULT && bert_int8_kernel_exists(out->integers, kernel));
    assert(aligned(x, sizeof(float)) && aligned(factor, sizeof(float)));
    assert(kernel != BERT_INT8_KERNEL_SIMD128 || aligned(out->values, sizeof(int16_t)));
    float least, most;
    find_range(x, factor, n, &least, &most);
    int most_level = BERT_MOST_LEVEL(out->integers);
    float step = (most - least) / (float)most_level;
    /* A constant row, or one whose steps are too fine to divide by, is all `least`. */
    level_scale scale = {wasm_f32x4_splat(least), wasm_f32x4_splat(step > 1e-30f ? 1 / step : 0),
                         wasm_i32x4_splat(most_level)};
    int is_signed = kernel == BERT_INT8_KERNEL_RELAXED_DOT_I32_SIGNED;
    v128_t sign = wasm_i8x16_splat(is_signed ? -128 : 0);
    out->least[row] = least;
    out->step[row] = step;

    int16_t *i16 = (int16_t *)out->values + (size_t)row * out->stride;
    uint8_t *u8 = (uint8_t *)out->values + (size_t)row * out->stride;
    uint32_t i = 0;
    for (; i + 4 * VECTORS <= n; i += 4 * VECTORS) {
        v128_t level[VECTORS];
        for (int j = 0; j < VECTORS; j++)
            level[j] = levels(load_scaled(x + i + 4 * j, factor + i + 4 * j), &scale);
        v128_t first = wasm_i16x8_narrow_i32x4(level[0], level[1]);
        v128_t second = wasm_i16x8_narrow_i32x4(level[2], level[3]);
        if (kernel == BERT_INT8_KERNEL_SIMD128) {
            wasm_v128_store(i16 + i, first);
            wasm_v128_store(i16 + i + 8, second);
        } else {
            wasm_v128_store(u8 + i, wasm_v128_xor(wasm_u8x16_narrow_i16x8(first, second), sign));
        }
    }
    /* Whatever stands past the end meets weights of zero. */
    for (; i < n; i += 8) {
        v128_t first = levels(load_scaled_first(x + i, factor + i, n - i, least), &scale);
        v128_t second = wasm_i32x4_splat(0);
        if (i + 4 < n)
            second = levels(load_scaled_first(x + i + 4, factor + i + 4, n - i - 4, least), &scale);
        v128_t both = wasm_i16x8_narrow_i32x4(first, second);
        if (kernel == BERT_INT8_KERNEL_SIMD128)
            wasm_v128_store(i16 + i, both);
        else
            wasm_v128_store64_lane(u8 + i, wasm_v128_xor(wasm_u8x16_narrow_i16x8(both, both), sign),
                                   0);
    }
}
