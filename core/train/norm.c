/*
 * norm.c - layer norm (Ba, Kiros & Hinton 2016, "Layer Normalization", equation 4) there and back.
 * For each row, of n numbers,
 *
 *     h = (x - mean) / sqrt(variance + eps)          y = h weight + bias
 *
 * and so, with g = dy weight,
 *
 *     d x = (g - mean(g) - h mean(g h)) / sqrt(variance + eps)
 *     d weight = the sum over rows of dy h           d bias = the sum over rows of dy
 *
 * h is computed again from x. d x is a row's own; sums over rows are dealt out by columns, so that
 * each has one order.
 */
#include <math.h>
#include <string.h>

#include "simd.h"
#include "trainer.h"

typedef struct norm_phase {
    const bert_trainer *trainer;
    const float *x, *dy;
    uint32_t n_rows, n_columns;
    const norm_weights *norm;
    float *y, *dx;
    float *dweight, *dbias; /* NULL: not trained */
    int weight_adds, bias_adds;
} norm_phase;

/* ------------------------------------------------------------------------------------- there -- */

static void norm_rows(const thread_share *share, void *argument)
{
    const norm_phase *phase = argument;
    size_t n = phase->n_columns, at = share->rows.first * n;
    uint32_t n_rows = rows_count(share->rows);
    memcpy(phase->y + at, phase->x + at, n_rows * n * sizeof(float));
    ops_layer_norm(phase->y + at, n_rows, phase->n_columns, phase->norm,
                   phase->trainer->session.model->config.layer_norm_eps);
}

void norm_forward(bert_trainer *trainer, const float *x, uint32_t n_rows, uint32_t n_columns,
                  const norm_weights *norm, float *y)
{
    norm_phase phase = {.trainer = trainer, .x = x, .n_columns = n_columns, .norm = norm, .y = y};
    trainer_each_row(trainer, n_rows, norm_rows, &phase);
}

/* -------------------------------------------------------------------------------------- back -- */

static float sum_of(const float *x, uint32_t n)
{
    v128_t sum = wasm_f32x4_splat(0);
    for (uint32_t i = 0; i < n; i += 4)
        sum = wasm_f32x4_add(sum, simd_load_first(x + i, n - i, 0));
    return simd_sum(sum);
}

/* out = x - mean; the sum of its squares. */
static float centre(const float *x, uint32_t n, float mean, float *out)
{
    v128_t sum = wasm_f32x4_splat(0), means = wasm_f32x4_splat(mean);
    for (uint32_t i = 0; i < n; i += 4) {
        v128_t h = wasm_f32x4_sub(simd_load_first(x + i, n - i, mean), means);
        sum = simd_madd(h, h, sum);
        simd_store_first(out + i, h, n - i);
    }
    return simd_sum(sum);
}

/* d x, and what else needs of the rows. */
static void back_rows(const thread_share *share, void *argument)
{
    const norm_phase *phase = argument;
    uint32_t n = phase->n_columns;
    float count = (float)n, eps = phase->trainer->session.model->config.layer_norm_eps;
    for (uint32_t row = share->rows.first; row < share->rows.end; row++) {
        const float *x = phase->x + (size_t)row * n, *dy = phase->dy + (size_t)row * n;
        float *dx = phase->dx + (size_t)row * n, mean = sum_of(x, n) / count;
        float inverse = 1.0f / sqrtf(centre(x, n, mean, dx) / count + eps);
        phase->trainer->means[row] = mean;
        phase->trainer->inverses[row] = inverse;
        v128_t g_sum = wasm_f32x4_splat(0), gh_sum = g_sum, inverses = wasm_f32x4_splat(inverse);
        for (uint32_t i = 0; i < n; i += 4) {
            v128_t g = wasm_f32x4_mul(simd_load_first(dy + i, n - i, 0),
                                      simd_load_first(phase->norm->weight + i, n - i, 0));
            g_sum = wasm_f32x4_add(g_sum, g);
            gh_sum = simd_madd(g, simd_load_first(dx + i, n - i, 0), gh_sum);
        }
        v128_t g_mean = wasm_f32x4_splat(simd_sum(g_sum) / count);
        v128_t gh_mean = wasm_f32x4_splat(simd_sum(gh_sum) / count * inverse);
        for (uint32_t i = 0; i < n; i += 4) {
            v128_t g = wasm_f32x4_mul(simd_load_first(dy + i, n - i, 0),
                                      simd_load_first(phase->norm->weight + i, n - i, 0));
            v128_t h = wasm_f32x4_mul(simd_load_first(dx + i, n - i, 0), inverses);
            v128_t rest = wasm_f32x4_sub(wasm_f32x4_sub(g, g_mean), wasm_f32x4_mul(h, gh_mean));
            simd_store_first(dx + i, wasm_f32x4_mul(rest, inverses), n - i);
        }
    }
}

/* d weight and d bias of some columns. */
static void back_columns(void *argument, panel_range columns, uint32_t thread)
{
    const norm_phase *phase = argument;
    const bert_trainer *trainer = phase->trainer;
    uint32_t n = phase->n_columns;
    (void)thread;
    for (uint32_t i = columns.first * BERT_PANEL; i < columns.end * BERT_PANEL && i < n; i += 4) {
        v128_t dweight = wasm_f32x4_splat(0), dbias = dweight;
        if (phase->weight_adds)
            dweight = simd_load_first(phase->dweight + i, n - i, 0);
        if (phase->bias_adds)
            dbias = simd_load_first(phase->dbias + i, n - i, 0);
        for (uint32_t row = 0; row < phase->n_rows; row++) {
            size_t at = (size_t)row * n + i;
            v128_t dy = simd_load_first(phase->dy + at, n - i, 0);
            v128_t h = wasm_f32x4_sub(simd_load_first(phase->x + at, n - i, 0),
                                      wasm_v128_load32_splat(trainer->means + row));
            h = wasm_f32x4_mul(h, wasm_v128_load32_splat(trainer->inverses + row));
            dweight = simd_madd(dy, h, dweight);
            dbias = wasm_f32x4_add(dbias, dy);
        }
        if (phase->dweight)
            simd_store_first(phase->dweight + i, dweight, n - i);
        if (phase->dbias)
            simd_store_first(phase->dbias + i, dbias, n - i);
    }
}

void norm_backward(bert_trainer *trainer, const float *x, const float *dy, uint32_t n_rows,
                   uint32_t n_columns, const norm_weights *norm, float *dx)
{
    norm_phase phase = {.trainer = trainer,
                        .x = x,
                        .dy = dy,
                        .n_rows = n_rows,
                        .n_columns = n_columns,
                        .norm = norm,
                        .dx = dx};
    phase.dweight = parameters_gradient(trainer, norm->weight, &phase.weight_adds);
    phase.dbias = parameters_gradient(trainer, norm->bias, &phase.bias_adds);
    trainer_each_row(trainer, n_rows, back_rows, &phase);
    if (phase.dweight || phase.dbias)
        share_panels(&trainer->session, n_columns, back_columns, &phase);
    parameters_mark(trainer, norm->weight);
    parameters_mark(trainer, norm->bias);
}
