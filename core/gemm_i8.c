/*
 * gemm_i8.c - dense layers in integers: activations q times weights w, both of 8 bits or of 7.
 *
 *     y = (least + step q) (scale w) = scale (step sum(q w) + least sum(w))    sums over the inputs
 *
 * The sums are whole numbers below 2^31 (config.c), so one definition holds everywhere. There are
 * several ways to the same sums, and which is fastest depends on the machine code that an engine
 * makes of them:
 *
 *     simd128                 i32x4.dot_i16x8 of widened weights and activations stored in 16 bits
 *     relaxed-dot-i16         two i16x8.relaxed_dot added in 16 bits, then pairs widened (AVX2)
 *     relaxed-dot-i32         i32x4.relaxed_dot_add (VNNI: one instruction)
 *     relaxed-dot-i32-signed  the same of activations less 128 (ARM's dot product, VNNI-INT8), and
 *                             128 sum(w)
 *
 * Of 7 bits, q <= 127 and |w| <= 63: four products fit 16 bits, and relaxed dot products agree on
 * every engine. Of 8 bits, q <= 255 and |w| <= 127: 16 bits are too few, so relaxed-dot-i16 is out,
 * and the 32-bit dot takes q as unsigned, as signed, or saturates on its way (AVX2 without VNNI).
 * The caller knows which, and has one kernel of the two, or none. Sums may wrap on their way: what
 * comes in the end does not depend on it.
 *
 * A tile is 4 rows x 8 columns, 8 registers of sums, or, for the 32-bit dot, 6 rows: 8 sums would
 * wait for each other there; simd128 has 5 rows x 4 columns, twice, as many as leave registers for
 * widened weights. Rows are dealt out evenly to tiles of that many or fewer. Measured and rejected:
 * 6 rows for the others (spills), 8 x 4 columns (a load more for every dot), simd128 unrolled by 2
 * (V8 adds offsets of widening loads by an instruction each).
 */
#include <string.h>

#include "kernels.h"
#include "simd.h"
#include "finish.h"

#define MAX_TILE_ROWS 6
#define QUAD_BYTES (BERT_PANEL * BERT_QUAD)

bert_int8_kernel gemm_i8_kernel(bert_integers integers, bert_int8_kernel kernel)
{
    int is_7_bits = integers == BERT_INTEGERS_7_BITS, is_relaxed = 0;
#ifdef SIMD_RELAXED_DOT
    is_relaxed = 1;
#endif
    switch (kernel) {
    case BERT_INT8_KERNEL_DEFAULT:
        return is_relaxed && is_7_bits ? BERT_INT8_KERNEL_RELAXED_DOT_I16
                                       : BERT_INT8_KERNEL_SIMD128;
    case BERT_INT8_KERNEL_SIMD128:
        return kernel;
    case BERT_INT8_KERNEL_RELAXED_DOT_I16:
        return is_relaxed && is_7_bits ? kernel : BERT_INT8_KERNEL_COUNT;
    case BERT_INT8_KERNEL_RELAXED_DOT_I32:
        return is_relaxed ? kernel : BERT_INT8_KERNEL_COUNT;
    case BERT_INT8_KERNEL_RELAXED_DOT_I32_SIGNED:
        return is_relaxed && !is_7_bits ? kernel : BERT_INT8_KERNEL_COUNT;
    case BERT_INT8_KERNEL_COUNT:
        break;
    }
    return BERT_INT8_KERNEL_COUNT;
}

static int is_signed(bert_int8_kernel kernel)
{
    return kernel == BERT_INT8_KERNEL_RELAXED_DOT_I32_SIGNED;
}

/* Rows of a tile: as many as keep the kernel's sums and operands in registers, measured. */
static uint32_t tile_rows(bert_int8_kernel kernel)
{
    if (kernel == BERT_INT8_KERNEL_RELAXED_DOT_I32 || is_signed(kernel))
        return 6;
    return kernel == BERT_INT8_KERNEL_SIMD128 ? 5 : 4;
}

int bert_int8_kernel_exists(bert_integers integers, bert_int8_kernel kernel)
{
    return gemm_i8_kernel(integers, kernel) != BERT_INT8_KERNEL_COUNT;
}

/* ----------------------------------------------------------------------------------- tiles -- */

/* sums[r][0 .. 1] = rows r of a, `stride` apart, times one panel. n_rows is a constant where it is
 * called. */
INLINE void dot_simd128(const int16_t *a, size_t stride, uint32_t n_rows, const int8_t *panel,
                        v128_t sums[][2])
{
    for (uint32_t half = 0; half < 2; half++, panel += QUAD_BYTES / 2) {
        const int8_t *weights = panel;
        v128_t s[MAX_TILE_ROWS][2];
#pragma clang loop unroll(full)
        for (uint32_t r = 0; r < n_rows; r++)
            s[r][0] = s[r][1] = wasm_i32x4_const(0, 0, 0, 0);
        for (size_t k = 0; k < stride; k += BERT_QUAD, weights += QUAD_BYTES) {
            v128_t low = wasm_i16x8_load8x8(weights), high = wasm_i16x8_load8x8(weights + 8);
#pragma clang loop unroll(full)
            for (uint32_t r = 0; r < n_rows; r++) {
                v128_t x = wasm_v128_load64_splat(a + r * stride + k);
                s[r][0] = wasm_i32x4_add(s[r][0], wasm_i32x4_dot_i16x8(low, x));
                s[r][1] = wasm_i32x4_add(s[r][1], wasm_i32x4_dot_i16x8(high, x));
            }
        }
#pragma clang loop unroll(full)
        for (uint32_t r = 0; r < n_rows; r++)
            sums[r][half] = wasm_i32x4_add(wasm_i32x4_shuffle(s[r][0], s[r][1], 0, 2, 4, 6),
                                           wasm_i32x4_shuffle(s[r][0], s[r][1], 1, 3, 5, 7));
    }
}

#ifdef SIMD_RELAXED_DOT

INLINE void dot_relaxed_i16(const uint8_t *a, size_t stride, uint32_t n_rows, const int8_t *panel,
                            v128_t sums[][2])
{
    static const int16_t one[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    v128_t s[MAX_TILE_ROWS][2], ones = wasm_v128_load(simd_opaque((const float *)one));
#pragma clang loop unroll(full)
    for (uint32_t r = 0; r < n_rows; r++)
        s[r][0] = s[r][1] = wasm_i32x4_const(0, 0, 0, 0);
    for (size_t k = 0; k < stride; k += 2 * BERT_QUAD, panel += 2 * QUAD_BYTES) {
        v128_t w0 = wasm_v128_load(panel), w1 = wasm_v128_load(panel + 16);
        v128_t w2 = wasm_v128_load(panel + 32), w3 = wasm_v128_load(panel + 48);
#pragma clang loop unroll(full)
        for (uint32_t r = 0; r < n_rows; r++) {
            v128_t x = wasm_v128_load32_splat(a + r * stride + k);
            v128_t y = wasm_v128_load32_splat(a + r * stride + k + BERT_QUAD);
            v128_t low = wasm_i16x8_add(simd_dot_i16(w0, x), simd_dot_i16(w2, y));
            v128_t high = wasm_i16x8_add(simd_dot_i16(w1, x), simd_dot_i16(w3, y));
            s[r][0] = wasm_i32x4_add(s[r][0], wasm_i32x4_dot_i16x8(low, ones));
            s[r][1] = wasm_i32x4_add(s[r][1], wasm_i32x4_dot_i16x8(high, ones));
        }
    }
#pragma clang loop unroll(full)
    for (uint32_t r = 0; r < n_rows; r++)
        sums[r][0] = s[r][0], sums[r][1] = s[r][1];
}

INLINE void dot_relaxed_i32(const uint8_t *a, size_t stride, uint32_t n_rows, const int8_t *panel,
                            int is_signed, v128_t sums[][2])
{
    v128_t s[MAX_TILE_ROWS][2];
#pragma clang loop unroll(full)
    for (uint32_t r = 0; r < n_rows; r++)
        s[r][0] = s[r][1] = wasm_i32x4_const(0, 0, 0, 0);
    for (size_t k = 0; k < stride; k += BERT_QUAD, panel += QUAD_BYTES) {
        v128_t low = wasm_v128_load(panel), high = wasm_v128_load(panel + 16);
#pragma clang loop unroll(full)
        for (uint32_t r = 0; r < n_rows; r++) {
            v128_t x = wasm_v128_load32_splat(a + r * stride + k);
            s[r][0] = simd_dot_i32(low, x, s[r][0], is_signed);
            s[r][1] = simd_dot_i32(high, x, s[r][1], is_signed);
        }
    }
#pragma clang loop unroll(full)
    for (uint32_t r = 0; r < n_rows; r++)
        sums[r][0] = s[r][0], sums[r][1] = s[r][1];
}

#endif

/* dot(), if the tile has `n` rows; after `panel` come dot's own arguments. */
#define ROWS(n, dot, type, ...)                                                                    \
    (n_rows == n ? dot((const type *)values + at, stride, n, panel, __VA_ARGS__) : (void)0)

/* sums[r] = row `row` + r times one panel. */
static void dot_tile(bert_int8_kernel kernel, const void *values, size_t stride, uint32_t row,
                     uint32_t n_rows, const int8_t *panel, v128_t sums[MAX_TILE_ROWS][2])
{
    size_t at = row * stride;
    assert(n_rows >= 1 && n_rows <= tile_rows(kernel));
    switch (kernel) {
#ifdef SIMD_RELAXED_DOT
    case BERT_INT8_KERNEL_RELAXED_DOT_I16:
        ROWS(1, dot_relaxed_i16, uint8_t, sums);
        ROWS(2, dot_relaxed_i16, uint8_t, sums);
        ROWS(3, dot_relaxed_i16, uint8_t, sums);
        ROWS(4, dot_relaxed_i16, uint8_t, sums);
        break;
    case BERT_INT8_KERNEL_RELAXED_DOT_I32:
    case BERT_INT8_KERNEL_RELAXED_DOT_I32_SIGNED:
        ROWS(1, dot_relaxed_i32, uint8_t, is_signed(kernel), sums);
        ROWS(2, dot_relaxed_i32, uint8_t, is_signed(kernel), sums);
        ROWS(3, dot_relaxed_i32, uint8_t, is_signed(kernel), sums);
        ROWS(4, dot_relaxed_i32, uint8_t, is_signed(kernel), sums);
        ROWS(5, dot_relaxed_i32, uint8_t, is_signed(kernel), sums);
        ROWS(6, dot_relaxed_i32, uint8_t, is_signed(kernel), sums);
        break;
#endif
    default:
        ROWS(1, dot_simd128, int16_t, sums);
        ROWS(2, dot_simd128, int16_t, sums);
        ROWS(3, dot_simd128, int16_t, sums);
        ROWS(4, dot_simd128, int16_t, sums);
        ROWS(5, dot_simd128, int16_t, sums);
    }
}

/* --------------------------------------------------------------------------------- product -- */

/* A panel's vectors, with zeros past the end. `start` is what sums lack. */
typedef struct columns_of {
    v128_t scale[2], offset[2], bias[2], start[2];
} columns_of;

static columns_of load_columns(bert_int8_kernel kernel, const matrix *w, uint32_t column,
                               uint32_t n)
{
    columns_of columns;
    int32_t starts[BERT_PANEL] = {0};
    for (uint32_t j = 0; is_signed(kernel) && j < n; j++)
        starts[j] = 128 * w->sums[column + j];
    for (uint32_t j = 0; j < 2; j++) {
        uint32_t left = n > 4 * j ? n - 4 * j : 0;
        v128_t zero = wasm_f32x4_const(0, 0, 0, 0);
        columns.scale[j] = left ? simd_load_first(w->scale + column + 4 * j, left, 0) : zero;
        columns.offset[j] = left ? simd_load_first(w->offset + column + 4 * j, left, 0) : zero;
        columns.bias[j] =
            left && w->bias ? simd_load_first(w->bias + column + 4 * j, left, 0) : zero;
        columns.start[j] = wasm_v128_load(starts + 4 * j);
    }
    return columns;
}

static void store_tile(v128_t sums[MAX_TILE_ROWS][2], const integer_rows *a, uint32_t row,
                       uint32_t n_rows, const columns_of *columns, uint32_t column,
                       uint32_t n_columns, const product *out)
{
    for (uint32_t r = 0; r < n_rows; r++) {
        v128_t step = wasm_f32x4_splat(a->step[row + r]);
        v128_t least = wasm_f32x4_splat(a->least[row + r]);
        size_t at = (row + r) * out->c_stride + column;
        v128_t x[2];
        for (int j = 0; j < 2; j++) {
            v128_t whole = wasm_f32x4_convert_i32x4(wasm_i32x4_add(sums[r][j], columns->start[j]));
            v128_t base =
                wasm_f32x4_add(wasm_f32x4_mul(least, columns->offset[j]), columns->bias[j]);
            x[j] = wasm_f32x4_add(wasm_f32x4_mul(whole, wasm_f32x4_mul(step, columns->scale[j])),
                                  base);
        }
        finish_panel(x, at, n_columns, out);
    }
}

/* Panels that are brought from memory side by side, if they are larger than a page: processors
 * fetch ahead to its end, no further. BERT-base, 16 tokens: 13 % less time. */
#define STREAMS 4
#define PAGE 4096

/*
 * Reads a number of every cache line of some panels: as several streams they come from memory
 * faster than one after the other.
 */
static void touch(const int8_t *panels, size_t panel_bytes, uint32_t n)
{
    for (size_t i = 0; i < panel_bytes; i += BERT_ALIGNMENT)
        for (uint32_t p = 0; p < n; p++)
            (void)*(const volatile int8_t *)(panels + p * panel_bytes + i);
}

void gemm_i8(bert_int8_kernel kernel, const integer_rows *a, uint32_t n_rows, const matrix *w,
             panel_range columns, const product *out)
{
    assert(kernel != BERT_INT8_KERNEL_DEFAULT && bert_int8_kernel_exists(a->integers, kernel));
    assert(w->dtype == BERT_DTYPE_I8 && w->scale && w->offset && w->sums);
    assert(a->stride == quantised_stride(w->n_in));
    assert(columns.first <= columns.end && columns.end <= BERT_PANELS(w->n_out));
    assert(n_rows <= 1 || out->c_stride >= w->n_out);
    assert(aligned(out->c, sizeof(float)) && aligned(out->residual, sizeof(float)));
    assert(kernel != BERT_INT8_KERNEL_SIMD128 || aligned(a->values, sizeof(int16_t)));
    size_t panel_bytes = (size_t)quantised_stride(w->n_in) * BERT_PANEL;
    uint32_t most_rows = tile_rows(kernel);
    for (uint32_t block = 0; block < n_rows; block += ROW_BLOCK) {
        uint32_t n = n_rows - block < ROW_BLOCK ? n_rows - block : ROW_BLOCK;
        uint32_t n_tiles = (n + most_rows - 1) / most_rows;
        uint32_t least_rows = n / n_tiles, n_longer = n % n_tiles;
        for (uint32_t p = columns.first; p < columns.end; p++) {
            uint32_t column = p * BERT_PANEL, left = w->n_out - column;
            uint32_t n_columns = left < BERT_PANEL ? left : BERT_PANEL;
            columns_of vectors = load_columns(kernel, w, column, n_columns);
            const int8_t *panel = (const int8_t *)w->panels + p * panel_bytes;
            if (panel_bytes > PAGE && (p - columns.first) % STREAMS == 0)
                touch(panel, panel_bytes, columns.end - p < STREAMS ? columns.end - p : STREAMS);
            for (uint32_t tile = 0, row = block, rows; tile < n_tiles; tile++, row += rows) {
                rows = least_rows + (tile < n_longer);
                v128_t sums[MAX_TILE_ROWS][2];
                dot_tile(kernel, a->values, a->stride, row, rows, panel, sums);
                store_tile(sums, a, row, rows, &vectors, column, n_columns, out);
            }
        }
    }
}

/* ------------------------------------------------------------------------------------ race -- */

/*
 * The same tile over and over: 60 rows of them, 8 columns, 256 inputs, all from the nearest cache.
 * Weights and levels are as large as they may be, two by two of one sign, so that a sum of pairs in
 * too few bits shows; the weights' sum is 0, so that levels less 128 give the same.
 */
int32_t bert_int8_kernel_trial(bert_integers integers, bert_int8_kernel kernel, uint32_t n_repeats)
{
    enum { INPUTS = 256, ROWS = 60 };
    assert(kernel != BERT_INT8_KERNEL_DEFAULT && bert_int8_kernel_exists(integers, kernel));
    int16_t values[MAX_TILE_ROWS * INPUTS];
    int8_t panel[BERT_PANEL * INPUTS];
    int most = BERT_MOST_WEIGHT(integers);
    for (uint32_t i = 0; i < MAX_TILE_ROWS * INPUTS; i++) {
        int level = i % 4 < 2 ? BERT_MOST_LEVEL(integers) : 3;
        if (kernel == BERT_INT8_KERNEL_SIMD128)
            values[i] = (int16_t)level;
        else
            ((uint8_t *)values)[i] = (uint8_t)(level - (is_signed(kernel) ? 128 : 0));
    }
    for (uint32_t i = 0; i < BERT_PANEL * INPUTS; i++)
        panel[i] = (int8_t)(i % 4 < 2 ? most : -most);
    uint32_t n_rows = tile_rows(kernel);
    v128_t total = wasm_i32x4_const(0, 0, 0, 0), sums[MAX_TILE_ROWS][2];
    for (uint32_t i = 0; i < n_repeats; i++) {
        for (uint32_t row = 0; row < ROWS; row += n_rows) {
            /* Opaque, or a compiler would multiply once. */
            dot_tile(kernel, simd_opaque((const float *)values), INPUTS, 0, n_rows, panel, sums);
            total = wasm_v128_or(total, sums[i % n_rows][i % 2]);
        }
    }
    return wasm_i32x4_extract_lane(total, 0) | wasm_i32x4_extract_lane(total, 3);
}
