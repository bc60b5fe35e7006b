/*
 * gemm_f32.c - dense layers and attention products on packed panels, in f32.
 *
 * A panel holds BERT_PANEL = 8 output columns: for each input, the 8 weights side by side. The
 * kernel keeps a tile of 4 rows x 8 columns in 8 registers and walks along the inputs: 2 loads of
 * weights, 4 of inputs (splat), 8 multiply-adds a step. The sum over the inputs has one order, so
 * a row has the same bits whatever rows stand beside it.
 *
 * Edges have no kernel of their own: a tile of fewer than 4 rows repeats its last row (the same
 * numbers are computed and stored twice), and the last panel's columns beyond n_out are zeros that
 * are computed and not stored.
 *
 * F16 and I8 panels are widened to f32 in `panel`, once for every ROW_BLOCK rows: weights stay in
 * memory as they came over the wire. Rejected: widening everything at load, four times the memory
 * for a few percent of time.
 */
#include <string.h>

#include "internal.h"
#include "simd.h"
#include "vector_math.h"

#define TILE_ROWS 4

/* Panel `index` as [n_in, BERT_PANEL] floats: the stored ones, or widened into `panel`. */
static const float *widen_panel(const matrix *w, uint32_t index, float *panel)
{
    size_t count = (size_t)w->n_in * BERT_PANEL;
    switch (w->dtype) {
    case BERT_DTYPE_F32:
        return (const float *)w->panels + index * count;
    case BERT_DTYPE_F16: {
        const uint16_t *source = (const uint16_t *)w->panels + index * count;
        for (size_t i = 0; i < count; i += 4)
            wasm_v128_store(panel + i, simd_load_f16(source + i));
        return panel;
    }
    case BERT_DTYPE_I8: {
        const int8_t *source = (const int8_t *)w->panels + index * count;
        const float *scale = w->scale + index * BERT_PANEL;
        uint32_t n = w->n_out - index * BERT_PANEL;
        v128_t low = simd_load_first(scale, n, 0);
        v128_t high = n > 4 ? simd_load_first(scale + 4, n - 4, 0) : low;
        for (size_t i = 0; i < count; i += BERT_PANEL) {
            wasm_v128_store(panel + i, wasm_f32x4_mul(simd_load_i8(source + i), low));
            wasm_v128_store(panel + i + 4, wasm_f32x4_mul(simd_load_i8(source + i + 4), high));
        }
        return panel;
    }
    }
    return panel;
}

/* sum[r][0 .. 1] = bias + rows[r] panel, for 4 rows of n_in inputs and 8 columns. */
static inline void multiply_tile(const float *const rows[TILE_ROWS], const float *panel,
                                 uint32_t n_in, const float *bias, v128_t sum[TILE_ROWS][2])
{
    const float *a0 = rows[0], *a1 = rows[1], *a2 = rows[2], *a3 = rows[3];
    v128_t low = wasm_v128_load(bias), high = wasm_v128_load(bias + 4);
    v128_t s00 = low, s10 = low, s20 = low, s30 = low;
    v128_t s01 = high, s11 = high, s21 = high, s31 = high;
    for (uint32_t k = 0; k < n_in; k++) {
        v128_t w0 = wasm_v128_load(panel), w1 = wasm_v128_load(panel + 4), a;
        panel += BERT_PANEL;
        a = wasm_v128_load32_splat(a0 + k);
        s00 = simd_madd(a, w0, s00);
        s01 = simd_madd(a, w1, s01);
        a = wasm_v128_load32_splat(a1 + k);
        s10 = simd_madd(a, w0, s10);
        s11 = simd_madd(a, w1, s11);
        a = wasm_v128_load32_splat(a2 + k);
        s20 = simd_madd(a, w0, s20);
        s21 = simd_madd(a, w1, s21);
        a = wasm_v128_load32_splat(a3 + k);
        s30 = simd_madd(a, w0, s30);
        s31 = simd_madd(a, w1, s31);
    }
    sum[0][0] = s00, sum[0][1] = s01, sum[1][0] = s10, sum[1][1] = s11;
    sum[2][0] = s20, sum[2][1] = s21, sum[3][0] = s30, sum[3][1] = s31;
}

/* c = activation(sum) + residual for up to 8 columns of one row. */
static inline void store_row(const v128_t sum[2], bert_activation activation, const float *residual,
                             float *c, uint32_t n_columns)
{
    for (uint32_t j = 0; j < n_columns; j += 4) {
        v128_t x = math_activate(sum[j / 4], activation);
        if (residual)
            x = wasm_f32x4_add(x, simd_load_first(residual + j, n_columns - j, 0));
        simd_store_first(c + j, x, n_columns - j);
    }
}

void gemm_f32(const float *a, size_t a_stride, uint32_t n_rows, const matrix *w,
              bert_activation activation, const float *residual, float *c, size_t c_stride,
              float *panel)
{
    for (uint32_t block = 0; block < n_rows; block += ROW_BLOCK) {
        uint32_t block_end = n_rows - block < ROW_BLOCK ? n_rows : block + ROW_BLOCK;
        for (uint32_t column = 0; column < w->n_out; column += BERT_PANEL) {
            const float *weights = widen_panel(w, column / BERT_PANEL, panel);
            uint32_t n_columns = w->n_out - column < BERT_PANEL ? w->n_out - column : BERT_PANEL;
            float bias[BERT_PANEL] = {0};
            if (w->bias)
                memcpy(bias, w->bias + column, n_columns * sizeof(float));
            for (uint32_t row = block; row < block_end; row += TILE_ROWS) {
                uint32_t last = block_end - row < TILE_ROWS ? block_end - row - 1 : TILE_ROWS - 1;
                const float *rows[TILE_ROWS];
                v128_t sum[TILE_ROWS][2];
                for (uint32_t r = 0; r < TILE_ROWS; r++)
                    rows[r] = a + (row + (r < last ? r : last)) * a_stride;
                multiply_tile(rows, weights, w->n_in, bias, sum);
                for (uint32_t r = 0; r <= last; r++) {
                    size_t at = (row + r) * c_stride + column;
                    store_row(sum[r], activation, residual ? residual + at : NULL, c + at,
                              n_columns);
                }
            }
        }
    }
}
