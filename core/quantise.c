/*
 * quantise.c - rows of activations as 7-bit integers: x = least + step * value, value in 0 .. 127.
 *
 * A row has a scale of its own (per token), so that its answer does not depend on the others. No
 * zero point is rounded to an integer: `least` times the sum of a column's weights is added to the
 * product instead (gemm_i8.c), and all 128 values cover the row's range.
 *
 * Before that, every input is multiplied by its factor: SmoothQuant (Xiao et al. 2022, arXiv
 * 2211.10438, equation 3) moves what is hard to quantise from activations into weights.
 */
#include <math.h>
#include <string.h>

#include "internal.h"
#include "simd.h"

#define LEVELS 127

/* Four numbers from row and factors; `fill` past the end. */
static inline v128_t load_scaled(const float *x, const float *factor, uint32_t i, uint32_t n,
                                 float fill)
{
    if (n - i >= 4)
        return wasm_f32x4_mul(wasm_v128_load(x + i), wasm_v128_load(factor + i));
    return wasm_f32x4_mul(simd_load_first(x + i, n - i, fill),
                          simd_load_first(factor + i, n - i, 1));
}

/* Four levels as 32-bit integers. */
static inline v128_t levels(v128_t x, v128_t least, v128_t inverse)
{
    v128_t level = wasm_f32x4_mul(wasm_f32x4_sub(x, least), inverse);
    level = wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_add(level, wasm_f32x4_splat(0.5f)));
    return wasm_i32x4_min(level, wasm_i32x4_splat(LEVELS));
}

void quantise_row(bert_int8_kernel kernel, const float *x, const float *factor, uint32_t n,
                  const quantised *out, uint32_t row)
{
    v128_t low = wasm_f32x4_splat(INFINITY), high = wasm_f32x4_splat(-INFINITY);
    uint32_t i = 0;
    for (; i + 4 <= n; i += 4) {
        v128_t y = load_scaled(x, factor, i, n, 0);
        low = wasm_f32x4_pmin(low, y);
        high = wasm_f32x4_pmax(high, y);
    }
    if (i < n) {
        v128_t y = load_scaled(x, factor, i, n, x[i] * factor[i]);
        low = wasm_f32x4_pmin(low, y);
        high = wasm_f32x4_pmax(high, y);
    }
    float least = -simd_max(wasm_f32x4_neg(low)), most = simd_max(high);
    float step = (most - least) / LEVELS;
    /* A constant row, or one whose steps are too fine to divide by, is all `least`. */
    v128_t inverse = wasm_f32x4_splat(step > 1e-30f ? 1 / step : 0), base = wasm_f32x4_splat(least);
    out->least[row] = least;
    out->step[row] = step;

    size_t at = (size_t)row * out->stride;
    for (i = 0; i < n; i += 8) {
        v128_t first = levels(load_scaled(x, factor, i, n, least), base, inverse);
        v128_t second = i + 4 < n ? levels(load_scaled(x, factor, i + 4, n, least), base, inverse)
                                  : wasm_i32x4_splat(0);
        v128_t i16 = wasm_i16x8_narrow_i32x4(first, second);
        if (kernel == BERT_INT8_KERNEL_SIMD128)
            wasm_v128_store((int16_t *)out->values + at + i, i16);
        else
            wasm_v128_store64_lane((uint8_t *)out->values + at + i,
                                   wasm_u8x16_narrow_i16x8(i16, i16), 0);
    }
    /* Whatever stands past the end meets weights of zero. */
}
