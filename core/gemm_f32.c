/*
 * gemm_f32.c - dense layers and attention products on packed panels, in f32.
 *
 * A panel holds BERT_PANEL = 8 output columns: for each input, the 8 weights side by side. The
 * kernel keeps a tile of rows x 8 columns in registers and walks along the inputs: 2 loads of
 * weights, and for each row a splat and 2 multiply-adds. 6 rows are best where a multiply-add is
 * one instruction, 4 where it is two (6 spill). The sum over the inputs has one order in every
 * tile, so a row has the same bits whatever rows stand beside it.
 *
 * A multiply-add of one instruction rounds once or twice, as the machine has it. An exact matrix
 * has two everywhere, which costs up to half of the speed here, and little of a model whose layers
 * are of integers.
 *
 * Edges have no slow path: rows are dealt out evenly to tiles of 1 to 6, and a tile of one or two
 * rows takes several panels at a time, so that its sums do not wait for each other. Columns of the
 * last panel beyond n_out are zeros that are computed and not stored.
 *
 * The first row is a tile of its own: with four panels at a time it brings them from memory as four
 * streams instead of one after the other (BERT-base: 14 % less time for 16 tokens).
 * Rejected: reading them beforehand without a product, as fast then but slower from the cache.
 *
 * F16 panels are widened in `scratch`, once for every ROW_BLOCK rows: weights stay in memory as
 * they are in the file. Rejected: widening everything at load, twice the memory for a few percent
 * of time.
 */
#include <string.h>

#include "kernels.h"
#include "simd.h"
#include "finish.h"

/* Rows of a tile: as many as registers hold, measured. */
#define EXACT_ROWS 4
#ifdef SIMD_RELAXED_MADD
#define TILE_ROWS 6
#else
#define TILE_ROWS EXACT_ROWS
#endif

/* `count` panels from `first` as [count, n_in, BERT_PANEL] floats: the stored ones, or widened. */
static const float *widen(const matrix *w, uint32_t first, uint32_t count, float *scratch)
{
    size_t panel = (size_t)w->n_in * BERT_PANEL;
    if (w->dtype == BERT_DTYPE_F32)
        return (const float *)w->panels + first * panel;
    const uint16_t *source = (const uint16_t *)w->panels + first * panel;
    for (size_t i = 0; i < count * panel; i += 4)
        wasm_v128_store(scratch + i, simd_load_f16(source + i));
    return scratch;
}

/* `is_exact` is a constant where it is called. */
INLINE v128_t multiply_add(int is_exact, v128_t a, v128_t b, v128_t c)
{
#ifdef SIMD_RELAXED_MADD
    if (!is_exact)
        return simd_relaxed_madd(a, b, c);
#endif
    (void)is_exact;
    return simd_madd(a, b, c);
}

/* Row r of sums, which are sums_stride apart, = bias + row r of a times the panels. The numbers of
 * rows and panels are constants where it is called, and so is `is_exact`. */
INLINE void multiply(int is_exact, const float *a, size_t a_stride, uint32_t n_rows,
                     const float *weights, uint32_t n_panels, uint32_t n_in, const float *bias,
                     float *sums, size_t sums_stride)
{
    v128_t s[TILE_ROWS][2 * TILE_PANELS];
    size_t panel = (size_t)n_in * BERT_PANEL;
#pragma clang loop unroll(full)
    for (uint32_t r = 0; r < n_rows; r++)
#pragma clang loop unroll(full)
        for (uint32_t j = 0; j < 2 * n_panels; j++)
            s[r][j] = wasm_v128_load(bias + 4 * j);
    for (uint32_t k = 0; k < n_in; k++, weights += BERT_PANEL) {
#pragma clang loop unroll(full)
        for (uint32_t p = 0; p < n_panels; p++) {
            v128_t low = wasm_v128_load(weights + p * panel);
            v128_t high = wasm_v128_load(weights + p * panel + 4);
#pragma clang loop unroll(full)
            for (uint32_t r = 0; r < n_rows; r++) {
                v128_t x = wasm_v128_load32_splat(a + r * a_stride + k);
                s[r][2 * p] = multiply_add(is_exact, x, low, s[r][2 * p]);
                s[r][2 * p + 1] = multiply_add(is_exact, x, high, s[r][2 * p + 1]);
            }
        }
    }
#pragma clang loop unroll(full)
    for (uint32_t r = 0; r < n_rows; r++)
#pragma clang loop unroll(full)
        for (uint32_t j = 0; j < 2 * n_panels; j++)
            wasm_v128_store(sums + r * sums_stride + 4 * j, s[r][j]);
}

/* Floats between rows of sums that are not yet c's. */
#define SUMS_STRIDE (TILE_PANELS * BERT_PANEL)

/* Rows of the next tile, of `n_left`; `most` of a tile. */
static uint32_t rows_taken(uint32_t n_left, uint32_t most, int is_first)
{
    if (is_first && n_left > most)
        return 1;
    uint32_t n_tiles = (n_left + most - 1) / most;
    return (n_left + n_tiles - 1) / n_tiles;
}

/* Of `n_panels`, how many a tile of `n_rows` takes at a time. */
static uint32_t panels_taken(uint32_t n_rows, uint32_t n_panels)
{
    if (n_rows == 1)
        return n_panels >= 4 ? 4 : 1;
    return n_rows == 2 && n_panels >= 2 ? 2 : 1;
}

/* One tile of any shape. */
INLINE void multiply_shape(int is_exact, const float *a, size_t a_stride, uint32_t n_rows,
                           const float *weights, uint32_t n_panels, uint32_t n_in,
                           const float *bias, float *sums, size_t sums_stride)
{
#define TILE(rows, panels)                                                                         \
    multiply(is_exact, a, a_stride, rows, weights, panels, n_in, bias, sums, sums_stride)
    switch (n_rows) {
    case 1:
        if (n_panels == 4)
            TILE(1, 4);
        else
            TILE(1, 1);
        break;
    case 2:
        if (n_panels == 2)
            TILE(2, 2);
        else
            TILE(2, 1);
        break;
    case 3:
        TILE(3, 1);
        break;
    case 4:
        TILE(4, 1);
        break;
#if TILE_ROWS > EXACT_ROWS
    case 5:
        if (!is_exact)
            TILE(5, 1);
        break;
    case 6:
        if (!is_exact)
            TILE(6, 1);
        break;
#endif
    default:
        assert(0);
    }
#undef TILE
}

static void multiply_tile(int is_exact, const float *a, size_t a_stride, uint32_t n_rows,
                          const float *weights, uint32_t n_panels, uint32_t n_in, const float *bias,
                          float *sums, size_t sums_stride)
{
#ifdef SIMD_RELAXED_MADD
    if (!is_exact) {
        multiply_shape(0, a, a_stride, n_rows, weights, n_panels, n_in, bias, sums, sums_stride);
        return;
    }
#endif
    (void)is_exact;
    multiply_shape(1, a, a_stride, n_rows, weights, n_panels, n_in, bias, sums, sums_stride);
}

/* c = activation(sums) + residual, for [n_rows, n_columns] at row `row`, column `column`. */
static void store_tile(const float *sums, uint32_t n_rows, uint32_t row, uint32_t column,
                       uint32_t n_columns, const product *out)
{
    for (uint32_t r = 0; r < n_rows; r++) {
        size_t at = (row + r) * out->c_stride + column;
        for (uint32_t j = 0; j < n_columns; j += BERT_PANEL) {
            const float *sum = sums + r * SUMS_STRIDE + j;
            v128_t x[] = {wasm_v128_load(sum), wasm_v128_load(sum + 4)};
            finish_panel(x, at + j, n_columns - j, out);
        }
    }
}

/* Rows row .. end - 1 times panels first .. first + n_panels - 1, which are at `weights`. */
static void multiply_rows(const float *a, size_t a_stride, uint32_t row, uint32_t end,
                          const matrix *w, const float *weights, uint32_t first, uint32_t n_panels,
                          const product *out)
{
    uint32_t column = first * BERT_PANEL, n_columns = w->n_out - column;
    float bias[TILE_PANELS * BERT_PANEL] = {0};
    if (n_columns > n_panels * BERT_PANEL)
        n_columns = n_panels * BERT_PANEL;
    if (w->bias)
        memcpy(bias, w->bias + column, n_columns * sizeof(float));
    uint32_t most_rows = w->is_exact ? EXACT_ROWS : TILE_ROWS;
    int is_plain = out->activation == BERT_ACTIVATION_NONE && !out->residual;
    for (uint32_t at = row, n; at < end; at += n) {
        n = rows_taken(end - at, most_rows, at == row && n_panels == TILE_PANELS);
        for (uint32_t p = 0, taken; p < n_panels; p += taken) {
            taken = panels_taken(n, n_panels - p);
            const float *panel = weights + (size_t)p * w->n_in * BERT_PANEL;
            uint32_t first_column = column + p * BERT_PANEL, left = n_columns - p * BERT_PANEL;
            uint32_t width = left < taken * BERT_PANEL ? left : taken * BERT_PANEL;
            int in_place = is_plain && width == taken * BERT_PANEL;
            float sums[TILE_ROWS * SUMS_STRIDE], *c = out->c + at * out->c_stride + first_column;
            multiply_tile(w->is_exact, a + at * a_stride, a_stride, n, panel, taken, w->n_in,
                          bias + p * BERT_PANEL, in_place ? c : sums,
                          in_place ? out->c_stride : SUMS_STRIDE);
            if (!in_place)
                store_tile(sums, n, at, first_column, width, out);
        }
    }
}

void gemm_f32(const float *restrict a, size_t a_stride, uint32_t n_rows, const matrix *w,
              panel_range columns, const product *out, float *restrict scratch)
{
    assert(w->dtype == BERT_DTYPE_F32 || (w->dtype == BERT_DTYPE_F16 && scratch));
    assert(columns.first <= columns.end && columns.end <= BERT_PANELS(w->n_out));
    assert(n_rows <= 1 || out->c_stride >= w->n_out);
    assert(aligned(a, sizeof(float)) && aligned(w->bias, sizeof(float)));
    assert(aligned(out->c, sizeof(float)) && aligned(out->residual, sizeof(float)));
    assert(aligned(w->panels, bert_dtype_bytes(w->dtype)));
    for (uint32_t row = 0; row < n_rows; row += ROW_BLOCK) {
        uint32_t end = n_rows - row < ROW_BLOCK ? n_rows : row + ROW_BLOCK;
        for (uint32_t first = columns.first; first < columns.end; first += TILE_PANELS) {
            uint32_t left = columns.end - first, count = left < TILE_PANELS ? left : TILE_PANELS;
            const float *weights = widen(w, first, count, scratch);
            multiply_rows(a, a_stride, row, end, w, weights, first, count, out);
        }
    }
}
