/*
 * kernels.h - what is computed, without a word of models, sessions or threads: products with
 * weights in panels, and the operations between them. Every pointer to numbers has its shape beside
 * it; R rows.
 */
#ifndef BERT_KERNELS_H
#define BERT_KERNELS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "bert.h"

/* --------------------------------------------------------------------------------- weights -- */

/* A dense layer y = x W + b, W in panels as bert_tensor describes them. */
typedef struct matrix {
    uint32_t n_in, n_out;
    bert_dtype dtype;
    /* Of F32 and F16: whether products are rounded before they are added, so that sums have the
     * same bits on every machine. */
    int is_exact;
    const void *panels; /* [ceil(n_out / BERT_PANEL), ...] */
    const float *bias;  /* [n_out], or NULL */
    /* I8 only: */
    const float *scale;  /* [n_out] */
    const float *smooth; /* [n_in], factors for the inputs before these are quantised */
    const int32_t *sums; /* [n_out], of the column's integers */
    const float *offset; /* [n_out], scale * sum */
} matrix;

/* Rows to look up. */
typedef struct row_table {
    uint32_t n_rows, n_columns;
    bert_dtype dtype;
    const void *rows;   /* [n_rows, n_columns] */
    const float *scale; /* [n_rows], I8 only */
} row_table;

typedef struct norm_weights {
    const float *weight, *bias; /* [H], or [E] */
} norm_weights;

/* ------------------------------------------------------------------------- rows and panels -- */

/* Rows first .. end - 1. */
typedef struct row_range {
    uint32_t first, end;
} row_range;

static inline uint32_t rows_count(row_range rows)
{
    return rows.end - rows.first;
}

/* Columns of a product, in panels of BERT_PANEL. */
typedef struct panel_range {
    uint32_t first, end;
} panel_range;

static inline panel_range panels_all(uint32_t n_out)
{
    return (panel_range){0, BERT_PANELS(n_out)};
}

/* Rows of activations as levels 0 .. BERT_MOST_LEVEL: x = least + step * level. Bytes, less 128 for
 * the signed kernel, or 16-bit numbers for simd128, `stride` of them a row: n_in rounded up to
 * whole pairs of quads; the rest meets weights of zero. */
typedef struct integer_rows {
    bert_integers integers;
    void *values;        /* [R, stride] */
    uint32_t stride;     /* quantised_stride(n_in) */
    float *least, *step; /* [R] */
} integer_rows;

static inline uint32_t quantised_stride(uint32_t n_in)
{
    return BERT_I8_QUADS(n_in) * BERT_QUAD;
}

/* -------------------------------------------------------------------------------- products -- */

/* Rows of activations that go through the two dense layers of the feed-forward block at a time:
 * many enough to pay for the weights' way from memory, few enough that [ROW_BLOCK, I] stays in the
 * cache. */
#define ROW_BLOCK 128

/* Most panels of a tile: a single row with one panel alone would wait for its sums. */
#define TILE_PANELS 4

/* For asserts. NULL is aligned. */
static inline int aligned(const void *p, size_t n_bytes)
{
    return (uintptr_t)p % n_bytes == 0;
}

/* What becomes of the sums of a product: c = activation(sum) + residual. */
typedef struct product {
    bert_activation activation;
    const float *residual; /* [R, n_out], stride c_stride; NULL, or `c` itself */
    float *c;              /* [R, n_out] */
    size_t c_stride;
} product;

/* sum = a W + bias, for an F32 or F16 matrix; rows of `a` may overlap each other, but not `c`.
 * `scratch` is [TILE_PANELS, n_in, BERT_PANEL], for F16; else NULL will do. */
void gemm_f32(const float *restrict a, size_t a_stride, /* [R, n_in] */
              uint32_t n_rows,                          /* R */
              const matrix *w,                          /* n_in -> n_out */
              panel_range columns, const product *out, float *restrict scratch);

/* The same for an I8 matrix and rows of integers, made for the same kernel, which exists. */
void gemm_i8(bert_int8_kernel kernel, const integer_rows *a, /* [R, n_in] */
             uint32_t n_rows, const matrix *w, panel_range columns, const product *out);

/* c = a x W, exact where the sums fit 32 bits. W is in panels of pairs of inputs: [ceil(n_columns /
 * BERT_PANEL), n_pairs, BERT_PANEL, 2]. a: [R, 2 n_pairs]; c: [R, n_columns]. */
void gemm_i16(const int16_t *restrict a, size_t a_stride, uint32_t n_rows,
              const int16_t *restrict panels, uint32_t n_pairs, uint32_t n_columns,
              int32_t *restrict c, size_t c_stride);

/* The kernel that is meant, if this build has it for these integers; else BERT_INT8_KERNEL_COUNT.
 */
bert_int8_kernel gemm_i8_kernel(bert_integers integers, bert_int8_kernel kernel);

/* Row `row` of `out` from `n` floats, each times its factor first. */
void quantise_row(bert_int8_kernel kernel, const float *restrict x, const float *restrict factor,
                  uint32_t n, const integer_rows *out, uint32_t row);

/* ------------------------------------------------------------------------------ operations -- */

/* x = (x - mean) / sqrt(variance + eps) * weight + bias of each row, in place: Ba, Kiros & Hinton
 * 2016, "Layer Normalization", equation 4. */
void ops_layer_norm(float *x, uint32_t n_rows, uint32_t n_columns, const norm_weights *norm,
                    float eps);

/* Each row becomes exp(scale x - max), and inverse[row] 1 / its sum, with which the row is still to
 * be multiplied. x: [n_rows, n_columns], stride `stride`. */
void ops_softmax(float *x, size_t stride, uint32_t n_rows, uint32_t n_columns, float scale,
                 float *inverse);

/* Each row times its factor. x: [n_rows, n_columns], stride `stride`. */
void ops_scale_rows(float *restrict x, size_t stride, uint32_t n_rows, uint32_t n_columns,
                    const float *restrict factor);

/* x / max(|x|, 1e-12) of each row, in place. */
void ops_normalize(float *x, uint32_t n_rows, uint32_t n_columns);

/* out = table[row], widened. `out`: [n_columns]. `add`: out += instead. */
void ops_table_row(const row_table *table, uint32_t row, float *restrict out, int add);

/* Rows of a table as the columns of a matrix n_columns -> rows_count(rows), in panels: of each the
 * columns from `first_column` on, widened. panels: [ceil(rows / BERT_PANEL), n_columns,
 * BERT_PANEL]; the columns that fill the last one are some finite numbers. */
void ops_table_panels(const row_table *table, row_range rows, uint32_t first_column,
                      uint32_t n_columns, float *restrict panels);

#endif
