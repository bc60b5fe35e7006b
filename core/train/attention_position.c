/*
 * attention_position.c - what distances add to scores, on the way back; there it is the core's
 * attention_position.c. With g = d (score before it is scaled) of a query and a key whose distance
 * has the row r (He et al. 2020, DeBERTa, equation 4):
 *
 *     bias   score += bias[k - q] sqrt d       d bias[k - q] += g sqrt d
 *     c2p    score += Q . relative_key[r]      d Q += g relative_key[r]
 *                                              d relative_key[r] += g Q
 *     p2c    score += K . relative_query[r]    d K += g relative_query[r]
 *                                              d relative_query[r] += g K
 *
 * Many keys of a query share a row, so their g are added up first, in [QUERY_BLOCK, rows] and [n,
 * rows]; then all four are products with as many rows, as the terms are there. Rejected: a product
 * of a row for each pair of tokens, d times the sum.
 *
 * Sequences of a head follow each other, so every sum has one order.
 */
#include <math.h>
#include <string.h>

#include "attention.h"

/* The head's columns of a table's rows of this sequence. */
static const float *rows_of(const head_view *view, const float *table)
{
    return table + view->terms.rows.first * (size_t)hidden_of(view) + view->head * view->dim;
}

/* The same of a gradient of such a table; NULL stays. */
static float *gradient_of(const head_view *view, float *gradient)
{
    return gradient ? (float *)rows_of(view, gradient) : NULL;
}

static uint32_t count_rows(const head_view *view)
{
    return rows_count(view->terms.rows);
}

void position_open(head_view *view)
{
    if (knows_positions(view))
        view->terms = attention_position_open(&view->trainer->session, view->positions, view->layer,
                                              view->head, &view->sequence);
}

void position_open_back(head_view *view)
{
    position_open(view);
    if (config_has_c2p(config_of(view)))
        pack_rows(view, rows_of(view, view->layer->relative_key.rows), hidden_of(view),
                  count_rows(view), view->space->relative_rows);
    if (config_has_p2c(config_of(view)))
        memset(view->space->key_sums, 0, (size_t)view->n_keys * view->terms.stride * sizeof(float));
}

/* ------------------------------------------------------------------------------------ biases -- */

static void add_biases(const head_view *view, row_range queries, float *dbias)
{
    const bert_trainer *trainer = view->trainer;
    const float *g = view->space->dscores;
    uint32_t middle = config_of(view)->n_distances - 1;
    float root = sqrtf((float)view->dim);
    for (uint32_t q = queries.first; q < queries.end; q++) {
        const uint32_t *first_of = trainer->bias_first + middle - view->positions->positions[q];
        for (uint32_t k = 0; k < view->n_keys; k++)
            dbias[first_of[view->positions->key_positions[k]]] += *g++ * root;
    }
}

/* ------------------------------------------------------------------------------------ tables -- */

/* Adds up what rows have in common: of each query, in the workspace's terms, which are used up, and
 * of each key. */
static void sum_rows(const head_view *view, row_range queries)
{
    const bert_model *model = view->trainer->session.model;
    const workspace *own = view->positions;
    const float *g = view->space->dscores;
    int has_c2p = config_has_c2p(&model->config), has_p2c = config_has_p2c(&model->config);
    size_t stride = view->terms.stride;
    if (has_c2p)
        memset(own->query_terms, 0, rows_count(queries) * stride * sizeof(float));
    for (uint32_t q = queries.first; q < queries.end; q++) {
        const uint32_t *rows =
            model->relative_rows + model->config.n_distances - 1 + own->positions[q];
        float *query_sums = has_c2p ? own->query_terms + (q - queries.first) * stride : NULL;
        float *key_sums = view->space->key_sums;
        for (uint32_t k = 0; k < view->n_keys; k++, g++) {
            uint32_t row = *(rows - own->key_positions[k]) - view->terms.rows.first;
            if (has_c2p)
                query_sums[row] += *g;
            if (has_p2c)
                key_sums[k * stride + row] += *g;
        }
    }
}

/* dx [n, d] += sums times the table's rows, and dtable's rows += sums' times x. sums: [n, rows];
 * `table` and `x` as the matrices rows -> d and n -> d, in panels. */
static void back_table(const head_view *view, const float *sums, uint32_t n, const float *table,
                       const float *x, float *dx, size_t dx_stride, float *dtable)
{
    uint32_t n_rows = count_rows(view);
    matrix rows = matrix_of(view, n_rows, view->dim, table);
    product to_x = {.residual = dx, .c = dx, .c_stride = dx_stride};
    gemm_f32(sums, view->terms.stride, n, &rows, panels_all(view->dim), &to_x, NULL);
    if (!dtable)
        return;
    float *across = view->space->sums_across;
    matrix inputs = matrix_of(view, n, view->dim, x);
    product to_table = {.residual = dtable, .c = dtable, .c_stride = hidden_of(view)};
    dense_transpose(sums, view->terms.stride, n, n_rows, across, n);
    gemm_f32(across, n, n_rows, &inputs, panels_all(view->dim), &to_table, NULL);
}

/* --------------------------------------------------------------------------------------- all -- */

void position_back_queries(const head_view *view, row_range queries)
{
    const bert_trainer *trainer = view->trainer;
    const bert_config *config = config_of(view);
    if (!knows_positions(view))
        return;
    if (view->terms.bias) {
        if (trainer->dbias)
            add_biases(view, queries,
                       trainer->dbias +
                           (view->terms.bias - trainer->session.model->attention_bias));
        return;
    }
    sum_rows(view, queries);
    if (config_has_c2p(config))
        back_table(view, view->positions->query_terms, rows_count(queries),
                   view->space->relative_rows, view->space->query_rows,
                   trainer->dquery + view->at + queries.first * (size_t)config->hidden_size,
                   config->hidden_size, gradient_of(view, trainer->drelative_key));
}

void position_back_keys(const head_view *view)
{
    const attention_space *space = view->space;
    if (!config_has_p2c(config_of(view)))
        return;
    pack_rows(view, rows_of(view, view->layer->relative_query.rows), hidden_of(view),
              count_rows(view), space->relative_rows);
    back_table(view, space->key_sums, view->n_keys, space->relative_rows, space->key_rows,
               space->dkey, view->dim, gradient_of(view, view->trainer->drelative_query));
}
