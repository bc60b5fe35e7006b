/*
 * gemm_i16.c - products of 16-bit integers, whose sums of 32 bits are exact: attention of models
 * with integer weights. Every engine has the instruction, i32x4.dot_i16x8, with one meaning: it
 * needs neither relaxed SIMD nor a fused multiply-add.
 *
 * A panel holds BERT_PANEL columns; of each of them, the two inputs of a pair side by side. A tile
 * is 4 rows x 8 columns, 8 registers of sums.
 */
#include "kernels.h"
#include "simd.h"

#define TILE_ROWS 4

/* c = `n_rows` rows of a times one panel; n_rows is a constant where it is called. */
INLINE void multiply(const int16_t *a, size_t a_stride, uint32_t n_rows, const int16_t *panel,
                     uint32_t n_pairs, uint32_t n_columns, int32_t *c, size_t c_stride)
{
    v128_t s[TILE_ROWS][2];
#pragma clang loop unroll(full)
    for (uint32_t r = 0; r < n_rows; r++)
        s[r][0] = s[r][1] = wasm_i32x4_const(0, 0, 0, 0);
    for (uint32_t k = 0; k < n_pairs; k++, panel += 2 * BERT_PANEL) {
        v128_t low = wasm_v128_load(panel), high = wasm_v128_load(panel + BERT_PANEL);
#pragma clang loop unroll(full)
        for (uint32_t r = 0; r < n_rows; r++) {
            v128_t x = wasm_v128_load32_splat(a + r * a_stride + 2 * k);
            s[r][0] = wasm_i32x4_add(s[r][0], wasm_i32x4_dot_i16x8(low, x));
            s[r][1] = wasm_i32x4_add(s[r][1], wasm_i32x4_dot_i16x8(high, x));
        }
    }
#pragma clang loop unroll(full)
    for (uint32_t r = 0; r < n_rows; r++) {
        int32_t *row = c + r * c_stride, lanes[BERT_PANEL];
        int32_t *target = n_columns == BERT_PANEL ? row : lanes;
        wasm_v128_store(target, s[r][0]);
        wasm_v128_store(target + 4, s[r][1]);
        for (uint32_t j = 0; target == lanes && j < n_columns; j++)
            row[j] = lanes[j];
    }
}

void gemm_i16(const int16_t *restrict a, size_t a_stride, uint32_t n_rows,
              const int16_t *restrict panels, uint32_t n_pairs, uint32_t n_columns,
              int32_t *restrict c, size_t c_stride)
{
    assert(n_rows > 0 && (n_rows == 1 || (a_stride >= 2 * n_pairs && c_stride >= n_columns)));
    assert(aligned(a, sizeof *a) && aligned(panels, 2 * sizeof *panels) && aligned(c, sizeof *c));
    uint32_t n_tiles = (n_rows + TILE_ROWS - 1) / TILE_ROWS;
    for (uint32_t column = 0; column < n_columns; column += BERT_PANEL) {
        const int16_t *panel = panels + (size_t)column * 2 * n_pairs;
        uint32_t left = n_columns - column, width = left < BERT_PANEL ? left : BERT_PANEL;
        for (uint32_t tile = 0, row = 0, n; tile < n_tiles; tile++, row += n) {
            n = n_rows / n_tiles + (tile < n_rows % n_tiles);
#define TILE(rows)                                                                                 \
    multiply(a + row * a_stride, a_stride, rows, panel, n_pairs, width,                            \
             c + row * c_stride + column, c_stride)
            switch (n) {
            case 1:
                TILE(1);
                break;
            case 2:
                TILE(2);
                break;
            case 3:
                TILE(3);
                break;
            default:
                TILE(4);
            }
#undef TILE
        }
    }
}
