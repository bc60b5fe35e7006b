/*
 * dense.c - products with weights: y = x W + b, and what its derivatives are (Rumelhart, Hinton &
 * Williams 1986, "Learning representations by back-propagating errors", equations 4 to 7):
 *
 *     d x = dy W'        d W = x' dy        d b = the sum of dy's rows
 *
 * All three are the core's gemm_f32. It wants its second side in panels, so:
 *
 *     y   = x  . W       as the model has it
 *     d x = dy . W'      W' is made of W, block by block of 8 x 8: as many moves as there are
 *                        weights, for twice as many multiply-adds as there are rows
 *     d W = x' . dy      x' is made row by row; dy's columns are copied side by side. A panel of
 *                        the result is what a panel of W is, so that d W lies as W does.
 *
 * Rows of x and dy become gradients GRADIENT_ROWS at a time, and columns of dy those of x
 * GRADIENT_COLUMNS at a time, one lot after the other, so that the order of every sum is fixed.
 * Rejected: a sum for each thread and adding those up, whose bits depend on how many there are; a
 * kernel that reads dy by columns, without the copy (every row another cache line, for each of the
 * panels of x').
 */
#include <string.h>

#include "simd.h"
#include "trainer.h"

/* ------------------------------------------------------------------------------------- moves -- */

/* y[j][i] = x[i][j], 4 by 4. */
INLINE void transpose_4(const float *x, size_t x_stride, float *y, size_t y_stride)
{
    v128_t r0 = wasm_v128_load(x), r1 = wasm_v128_load(x + x_stride);
    v128_t r2 = wasm_v128_load(x + 2 * x_stride), r3 = wasm_v128_load(x + 3 * x_stride);
    v128_t a = wasm_i32x4_shuffle(r0, r1, 0, 4, 1, 5), b = wasm_i32x4_shuffle(r2, r3, 0, 4, 1, 5);
    v128_t c = wasm_i32x4_shuffle(r0, r1, 2, 6, 3, 7), d = wasm_i32x4_shuffle(r2, r3, 2, 6, 3, 7);
    wasm_v128_store(y, wasm_i32x4_shuffle(a, b, 0, 1, 4, 5));
    wasm_v128_store(y + y_stride, wasm_i32x4_shuffle(a, b, 2, 3, 6, 7));
    wasm_v128_store(y + 2 * y_stride, wasm_i32x4_shuffle(c, d, 0, 1, 4, 5));
    wasm_v128_store(y + 3 * y_stride, wasm_i32x4_shuffle(c, d, 2, 3, 6, 7));
}

void dense_transpose(const float *restrict x, size_t x_stride, uint32_t n_rows, uint32_t n_columns,
                     float *restrict y, size_t y_stride)
{
    uint32_t rows = n_rows / 4 * 4, columns = n_columns / 4 * 4;
    for (uint32_t j = 0; j < columns; j += 4)
        for (uint32_t i = 0; i < rows; i += 4)
            transpose_4(x + i * x_stride + j, x_stride, y + j * y_stride + i, y_stride);
    for (uint32_t j = 0; j < n_columns; j++)
        for (uint32_t i = j < columns ? rows : 0; i < n_rows; i++)
            y[j * y_stride + i] = x[i * x_stride + j];
}

void dense_pack_rows(const float *x, size_t stride, uint32_t n_rows, panel_range columns,
                     uint32_t n_columns, float *panels)
{
    for (uint32_t p = columns.first; p < columns.end; p++) {
        uint32_t left = n_columns - p * BERT_PANEL;
        float *panel = panels + (size_t)p * n_rows * BERT_PANEL;
        const float *row = x + p * BERT_PANEL;
        if (left >= BERT_PANEL) {
            for (uint32_t i = 0; i < n_rows; i++, row += stride, panel += BERT_PANEL) {
                wasm_v128_store(panel, wasm_v128_load(row));
                wasm_v128_store(panel + 4, wasm_v128_load(row + 4));
            }
            continue;
        }
        for (uint32_t i = 0; i < n_rows; i++, row += stride, panel += BERT_PANEL) {
            memcpy(panel, row, left * sizeof *panel);
            memset(panel + left, 0, (BERT_PANEL - left) * sizeof *panel);
        }
    }
}

/* ------------------------------------------------------------------------------------ y += x -- */

typedef struct sum_phase {
    const float *x;
    uint32_t n_columns;
    float *y;
} sum_phase;

static void sum_rows(const thread_share *share, void *argument)
{
    const sum_phase *phase = argument;
    size_t end = (size_t)share->rows.end * phase->n_columns;
    for (size_t i = (size_t)share->rows.first * phase->n_columns; i < end; i += 4) {
        v128_t y = simd_load_first(phase->y + i, end - i, 0);
        y = wasm_f32x4_add(y, simd_load_first(phase->x + i, end - i, 0));
        simd_store_first(phase->y + i, y, end - i);
    }
}

void dense_add(bert_trainer *trainer, const float *x, uint32_t n_rows, uint32_t n_columns, float *y)
{
    trainer_each_row(trainer, n_rows, sum_rows, &(sum_phase){x, n_columns, y});
}

/* ------------------------------------------------------------------------------- y = x W + b -- */

typedef struct forward_phase {
    const float *x;
    size_t x_stride;
    const matrix *w;
    int adds;
    float *y;
} forward_phase;

static void multiply_rows(const thread_share *share, void *argument)
{
    const forward_phase *phase = argument;
    const matrix *w = phase->w;
    size_t first = share->rows.first;
    float *y = phase->y + first * w->n_out;
    product out = {.residual = phase->adds ? y : NULL, .c = y, .c_stride = w->n_out};
    share_multiply(share, phase->x + first * phase->x_stride, phase->x_stride, NULL,
                   rows_count(share->rows), w, &out);
}

void dense_multiply(bert_trainer *trainer, const float *x, size_t x_stride, uint32_t n_rows,
                    const matrix *w, int adds, float *y)
{
    share_rows(&trainer->session, n_rows, multiply_rows, &(forward_phase){x, x_stride, w, adds, y});
}

void dense_forward(bert_trainer *trainer, const float *x, uint32_t n_rows, const matrix *w,
                   int adds, float *y)
{
    dense_multiply(trainer, x, w->n_in, n_rows, w, adds, y);
}

/* -------------------------------------------------------------------------------- dx = dy W' -- */

typedef struct turn_phase {
    const matrix *w;
    float *columns; /* [ceil(n_in / BERT_PANEL), n_out, BERT_PANEL] */
} turn_phase;

/* Some panels of W', each from 8 rows of every panel of W. */
static void turn_panels(void *argument, panel_range inputs, uint32_t thread)
{
    const turn_phase *phase = argument;
    const matrix *w = phase->w;
    (void)thread;
    for (uint32_t panel = inputs.first; panel < inputs.end; panel++) {
        uint32_t first = panel * BERT_PANEL;
        row_range rows = {first, w->n_in - first < BERT_PANEL ? w->n_in : first + BERT_PANEL};
        float *columns = phase->columns + (size_t)panel * w->n_out * BERT_PANEL;
        for (uint32_t column = 0; column < w->n_out; column += BERT_PANEL) {
            uint32_t left = w->n_out - column;
            row_table block = {.n_rows = w->n_in,
                               .n_columns = BERT_PANEL,
                               .dtype = BERT_DTYPE_F32,
                               .rows = (const float *)w->panels + (size_t)column * w->n_in};
            ops_table_panels(&block, rows, 0, left < BERT_PANEL ? left : BERT_PANEL,
                             columns + column * BERT_PANEL);
        }
    }
}

void dense_inputs_backward(bert_trainer *trainer, const float *dy, uint32_t n_rows, const matrix *w,
                           int adds, float *dx)
{
    for (uint32_t column = 0; column < w->n_out; column += GRADIENT_COLUMNS) {
        uint32_t left = w->n_out - column;
        matrix lot = {.n_in = w->n_in,
                      .n_out = left < GRADIENT_COLUMNS ? left : GRADIENT_COLUMNS,
                      .panels = (const float *)w->panels + (size_t)column * w->n_in};
        turn_phase turn = {&lot, trainer->weight_columns};
        matrix across = {.n_in = lot.n_out,
                         .n_out = w->n_in,
                         .is_exact = w->is_exact,
                         .panels = trainer->weight_columns};
        share_panels(&trainer->session, w->n_in, turn_panels, &turn);
        dense_multiply(trainer, dy + column, w->n_out, n_rows, &across, adds || column, dx);
    }
}

/* ------------------------------------------------------------------- dW = x' dy, db = sum dy -- */

typedef struct weights_phase {
    bert_trainer *trainer;
    const float *x, *dy; /* of this lot of rows */
    uint32_t n_rows;
    const matrix *w;
    float *dweight, *dbias; /* NULL: not trained */
    int weight_adds, bias_adds;
} weights_phase;

/* Some rows of x'. */
static void turn_inputs(void *argument, panel_range columns, uint32_t thread)
{
    const weights_phase *phase = argument;
    uint32_t n_in = phase->w->n_in, first = columns.first * BERT_PANEL;
    uint32_t end = columns.end * BERT_PANEL < n_in ? columns.end * BERT_PANEL : n_in;
    (void)thread;
    dense_transpose(phase->x + first, n_in, phase->n_rows, end - first,
                    phase->trainer->inputs_across + (size_t)first * phase->n_rows, phase->n_rows);
}

/* Columns of d b that lie in a panel of dy. */
static void add_rows(const float *panel, uint32_t n_rows, uint32_t n_columns, int adds,
                     float *dbias)
{
    v128_t low = wasm_f32x4_splat(0), high = low;
    float sums[BERT_PANEL];
    for (uint32_t i = 0; i < n_rows; i++, panel += BERT_PANEL) {
        low = wasm_f32x4_add(low, wasm_v128_load(panel));
        high = wasm_f32x4_add(high, wasm_v128_load(panel + 4));
    }
    wasm_v128_store(sums, low);
    wasm_v128_store(sums + 4, high);
    for (uint32_t j = 0; j < n_columns && j < BERT_PANEL; j++)
        dbias[j] = adds ? dbias[j] + sums[j] : sums[j];
}

/* Some panels of d W, TILE_PANELS at a time: their side of dy, and each ROW_BLOCK of x', stay in a
 * cache meanwhile. */
static void multiply_gradients(void *argument, panel_range columns, uint32_t thread)
{
    const weights_phase *phase = argument;
    const matrix *w = phase->w;
    uint32_t n = phase->n_rows;
    float *panels = phase->trainer->output_rows + (size_t)thread * OUTPUT_TILE;
    const float *across = phase->trainer->inputs_across;
    for (uint32_t first = columns.first; first < columns.end; first += TILE_PANELS) {
        uint32_t end = columns.end - first < TILE_PANELS ? columns.end : first + TILE_PANELS;
        dense_pack_rows(phase->dy + first * BERT_PANEL, w->n_out, n, (panel_range){0, end - first},
                        w->n_out - first * BERT_PANEL, panels);
        for (uint32_t p = first; p < end && phase->dbias; p++)
            add_rows(panels + (size_t)(p - first) * n * BERT_PANEL, n, w->n_out - p * BERT_PANEL,
                     phase->bias_adds, phase->dbias + p * BERT_PANEL);
        for (uint32_t row = 0; row < w->n_in && phase->dweight; row += ROW_BLOCK) {
            uint32_t n_rows = w->n_in - row < ROW_BLOCK ? w->n_in - row : ROW_BLOCK;
            for (uint32_t p = first; p < end; p++) {
                matrix dy = {.n_in = n,
                             .n_out = BERT_PANEL,
                             .is_exact = w->is_exact,
                             .panels = panels + (size_t)(p - first) * n * BERT_PANEL};
                float *c = phase->dweight + ((size_t)p * w->n_in + row) * BERT_PANEL;
                product out = {
                    .residual = phase->weight_adds ? c : NULL, .c = c, .c_stride = BERT_PANEL};
                gemm_f32(across + (size_t)row * n, n, n_rows, &dy, panels_all(BERT_PANEL), &out,
                         NULL);
            }
        }
    }
}

void dense_all_weights_backward(bert_trainer *trainer, const float *x, uint32_t n_rows,
                                const dense_gradient *products, uint32_t n_products)
{
    uint32_t n_in = products[0].w->n_in;
    for (uint32_t row = 0; row < n_rows; row += GRADIENT_ROWS) {
        uint32_t n = n_rows - row < GRADIENT_ROWS ? n_rows - row : GRADIENT_ROWS;
        int is_turned = 0;
        for (uint32_t i = 0; i < n_products; i++) {
            const matrix *w = products[i].w;
            weights_phase phase = {trainer,
                                   x + (size_t)row * n_in,
                                   products[i].dy + (size_t)row * w->n_out,
                                   n,
                                   w,
                                   NULL,
                                   NULL,
                                   0,
                                   0};
            assert(w->n_in == n_in);
            phase.dweight = parameters_gradient(trainer, w->panels, &phase.weight_adds);
            phase.dbias = parameters_gradient(trainer, w->bias, &phase.bias_adds);
            phase.weight_adds |= row > 0;
            phase.bias_adds |= row > 0;
            if (!phase.dweight && !phase.dbias)
                continue;
            if (phase.dweight && !is_turned)
                share_panels(&trainer->session, n_in, turn_inputs, &phase);
            is_turned |= phase.dweight != NULL;
            share_panels(&trainer->session, w->n_out, multiply_gradients, &phase);
        }
    }
    for (uint32_t i = 0; i < n_products; i++) {
        parameters_mark(trainer, products[i].w->panels);
        parameters_mark(trainer, products[i].w->bias);
    }
}

void dense_weights_backward(bert_trainer *trainer, const float *x, const float *dy, uint32_t n_rows,
                            const matrix *w)
{
    dense_all_weights_backward(trainer, x, n_rows, &(dense_gradient){w, dy}, 1);
}
