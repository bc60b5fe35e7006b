/* ops.c - the operations between the products: layer norm, softmax, table look-up. */
#include <math.h>

#include "kernels.h"
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
void ops_layer_norm(float *x, uint32_t n_rows, uint32_t n_columns, const norm_weights *norm,
                    float eps)
{
    assert(n_columns > 0 && eps >= 0);
    assert(aligned(x, sizeof(float)) && aligned(norm->weight, sizeof(float)));
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
    assert(n_columns > 0 && (n_rows <= 1 || stride >= n_columns));
    assert(aligned(x, sizeof(float)) && scale > 0);
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

void ops_scale_rows(float *restrict x, size_t stride, uint32_t n_rows, uint32_t n_columns,
                    const float *restrict factor)
{
    assert(n_rows <= 1 || stride >= n_columns);
    assert(aligned(x, sizeof(float)));
    for (uint32_t r = 0; r < n_rows; r++, x += stride) {
        v128_t factors = wasm_f32x4_splat(factor[r]);
        for (uint32_t i = 0; i < n_columns; i += 4) {
            v128_t y = wasm_f32x4_mul(simd_load_first(x + i, n_columns - i, 0), factors);
            simd_store_first(x + i, y, n_columns - i);
        }
    }
}

void ops_normalize(float *x, uint32_t n_rows, uint32_t n_columns)
{
    for (uint32_t r = 0; r < n_rows; r++, x += n_columns) {
        float length = sqrtf(row_squares(x, n_columns, 0));
        float factor = 1.0f / (length > 1e-12f ? length : 1e-12f);
        ops_scale_rows(x, n_columns, 1, n_columns, &factor);
    }
}

/* Of the table's row, the columns from `column` on, `left` or four of them, widened. The dtype is a
 * constant where this is hot. */
INLINE v128_t load_widened(const row_table *table, bert_dtype dtype, uint32_t row, uint32_t column,
                           uint32_t left)
{
    size_t at = (size_t)row * table->n_columns + column;
    if (dtype == BERT_DTYPE_F32)
        return simd_load_first((const float *)table->rows + at, left, 0);
    if (dtype == BERT_DTYPE_F16) {
        const uint16_t *numbers = (const uint16_t *)table->rows + at;
        uint16_t lanes[4] = {0};
        for (uint32_t i = 0; left < 4 && i < left; i++)
            lanes[i] = numbers[i];
        return simd_load_f16(left < 4 ? lanes : numbers);
    }
    const int8_t *numbers = (const int8_t *)table->rows + at;
    int8_t lanes[4] = {0};
    for (uint32_t i = 0; left < 4 && i < left; i++)
        lanes[i] = numbers[i];
    return wasm_f32x4_mul(simd_load_i8(left < 4 ? lanes : numbers),
                          wasm_f32x4_splat(table->scale[row]));
}

void ops_table_row(const row_table *table, uint32_t row, float *restrict out, int add)
{
    assert(row < table->n_rows);
    assert(table->dtype != BERT_DTYPE_I8 || table->scale);
    assert(aligned(out, sizeof(float)) && aligned(table->rows, bert_dtype_bytes(table->dtype)));
    for (uint32_t i = 0; i < table->n_columns; i += 4) {
        uint32_t left = table->n_columns - i;
        v128_t x = load_widened(table, table->dtype, row, i, left);
        if (add)
            x = wasm_f32x4_add(x, simd_load_first(out + i, left, 0));
        simd_store_first(out + i, x, left);
    }
}

/* Four inputs of four of a panel's columns. */
static void store_transposed(const v128_t columns[4], uint32_t n_inputs, float *panel)
{
    v128_t a = wasm_i32x4_shuffle(columns[0], columns[1], 0, 4, 1, 5);
    v128_t b = wasm_i32x4_shuffle(columns[2], columns[3], 0, 4, 1, 5);
    v128_t c = wasm_i32x4_shuffle(columns[0], columns[1], 2, 6, 3, 7);
    v128_t d = wasm_i32x4_shuffle(columns[2], columns[3], 2, 6, 3, 7);
    v128_t inputs[] = {wasm_i32x4_shuffle(a, b, 0, 1, 4, 5), wasm_i32x4_shuffle(a, b, 2, 3, 6, 7),
                       wasm_i32x4_shuffle(c, d, 0, 1, 4, 5), wasm_i32x4_shuffle(c, d, 2, 3, 6, 7)};
    for (uint32_t i = 0; i < 4 && i < n_inputs; i++)
        wasm_v128_store(panel + i * BERT_PANEL, inputs[i]);
}

/* One panel: rows row .. row + BERT_PANEL - 1, the last of them again past `end`. */
INLINE void widen_panel(const row_table *table, bert_dtype dtype, uint32_t row, uint32_t end,
                        uint32_t first_column, uint32_t n_columns, float *panel)
{
    for (uint32_t half = 0; half < BERT_PANEL; half += 4) {
        uint32_t rows[4];
        for (uint32_t j = 0; j < 4; j++)
            rows[j] = row + half + j < end ? row + half + j : end - 1;
        for (uint32_t i = 0; i < n_columns; i += 4) {
            v128_t columns[4];
            for (uint32_t j = 0; j < 4; j++)
                columns[j] = load_widened(table, dtype, rows[j], first_column + i, n_columns - i);
            store_transposed(columns, n_columns - i, panel + i * BERT_PANEL + half);
        }
    }
}

void ops_table_panels(const row_table *table, row_range rows, uint32_t first_column,
                      uint32_t n_columns, float *restrict panels)
{
    assert(rows.first < rows.end && rows.end <= table->n_rows);
    assert(first_column < table->n_columns && n_columns <= table->n_columns - first_column);
    assert(table->dtype != BERT_DTYPE_I8 || table->scale);
    assert(aligned(panels, sizeof(float)) && aligned(table->rows, bert_dtype_bytes(table->dtype)));
    for (uint32_t row = rows.first; row < rows.end; row += BERT_PANEL) {
#define WIDEN(dtype) widen_panel(table, dtype, row, rows.end, first_column, n_columns, panels)
        if (table->dtype == BERT_DTYPE_F32)
            WIDEN(BERT_DTYPE_F32);
        else if (table->dtype == BERT_DTYPE_F16)
            WIDEN(BERT_DTYPE_F16);
        else
            WIDEN(BERT_DTYPE_I8);
#undef WIDEN
        panels += (size_t)n_columns * BERT_PANEL;
    }
}
