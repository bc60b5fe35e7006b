/*
 * attention_position.c - what the distance between two tokens adds to their attention score, before
 * it is scaled. q and k are the positions of a query and of a key:
 *
 *     bias   score += bias[k - q] * sqrt d, which the scale takes back: Raffel et al. 2019 (T5),
 *            section 2.1; Song et al. 2020, MPNet
 *     c2p    score += Q . relative_key[row(q - k)]: He et al. 2020, DeBERTa, equation 4
 *     p2c    score += K . relative_query[row(q - k)]: the same
 *
 * Many distances share a row, and few rows belong to a sequence. So both products use the dense
 * layer's kernel again, on a block of queries or keys and the rows of their distances, and the
 * terms are looked up in the result: [QUERY_BLOCK, rows] for the queries at hand and [n, rows] for
 * all keys. Rejected: a product for each pair of tokens, d times the look-up.
 */
#include <math.h>

#include "internal.h"
#include "simd.h"

/* Keys whose terms are looked up together: their rows of key_terms stay in the cache for all
 * queries of a block. */
#define KEY_BLOCK 16

/* The least of the tokens' positions, and one more than the greatest. */
static row_range span_of(const uint32_t *positions, uint32_t n)
{
    row_range span = {positions[0], positions[0] + 1};
    for (uint32_t i = 1; i < n; i++) {
        span.first = positions[i] < span.first ? positions[i] : span.first;
        span.end = positions[i] >= span.end ? positions[i] + 1 : span.end;
    }
    return span;
}

/* The rows of all distances between a query and a key in these spans. Rows may be in any order. */
static row_range rows_between(const bert_model *model, row_range queries, row_range keys)
{
    uint32_t n = rows_count(queries) + rows_count(keys) - 1;
    return span_of(model->relative_rows + model->config.n_distances + queries.first - keys.end, n);
}

/* Their panels, counted from the first row of the sequence's. */
static panel_range panels_between(const bert_model *model, const position_terms *terms,
                                  row_range queries, row_range keys)
{
    row_range rows = rows_between(model, queries, keys);
    return (panel_range){(rows.first - terms->rows.first) / BERT_PANEL,
                         (rows.end - terms->rows.first + BERT_PANEL - 1) / BERT_PANEL};
}

/* The terms have room for columns that fill the last panel, so these need no special case. */
static matrix rows_matrix(const bert_model *model, const position_terms *terms, uint32_t dim,
                          const float *panels)
{
    return (matrix){.n_in = dim,
                    .n_out = panels_all(rows_count(terms->rows)).end * BERT_PANEL,
                    .is_exact = model->is_exact,
                    .panels = panels};
}

/* The head's columns of the table's rows of this sequence, as a matrix d -> those rows. */
static matrix pack_rows(const bert_model *model, const row_table *table,
                        const position_terms *terms, uint32_t head, uint32_t dim, float *panels)
{
    ops_table_panels(table, terms->rows, head * dim, dim, panels);
    return rows_matrix(model, terms, dim, panels);
}

/* key_terms = K relative_query', for each block of keys with the rows that matter to it. */
static void multiply_keys(const bert_session *session, const workspace *space,
                          const position_terms *terms, const matrix *w, uint32_t head,
                          const sequence_view *sequence, row_range queries)
{
    size_t hidden = session->model->config.hidden_size;
    const float *key = session->key + sequence->first * hidden + head * w->n_in;
    for (uint32_t first = 0, n; first < sequence->n; first += n) {
        n = sequence->n - first < QUERY_BLOCK ? sequence->n - first : QUERY_BLOCK;
        row_range keys = span_of(space->positions + first, n);
        product out = {.c = space->key_terms + (size_t)first * terms->stride,
                       .c_stride = terms->stride};
        gemm_f32(key + first * hidden, hidden, n, w,
                 panels_between(session->model, terms, queries, keys), &out, NULL);
    }
}

position_terms attention_position_open(const bert_session *session, const workspace *space,
                                       const layer_weights *layer, uint32_t head,
                                       const sequence_view *sequence)
{
    const bert_model *model = session->model;
    const bert_config *config = &model->config;
    uint32_t dim = config->hidden_size / config->n_heads;
    position_terms terms = {0};
    for (uint32_t t = 0; t < sequence->n; t++) {
        space->positions[t] = sequence_position(sequence, t);
        if (sequence_attends(sequence, t)) {
            space->key_tokens[terms.n_keys] = t;
            space->key_positions[terms.n_keys++] = space->positions[t];
        }
    }
    terms.key_positions = span_of(space->key_positions, terms.n_keys);
    if (config->position_attention == BERT_POSITION_ATTENTION_BIAS) {
        terms.bias = model->attention_bias + head * (2 * (size_t)config->n_distances - 1);
        return terms;
    }
    row_range all = span_of(space->positions, sequence->n);
    terms.rows = rows_between(model, all, all);
    terms.stride = position_stride(rows_count(terms.rows));
    if (config_has_p2c(config)) {
        matrix w =
            pack_rows(model, &layer->relative_query, &terms, head, dim, space->relative_panels);
        multiply_keys(session, space, &terms, &w, head, sequence, all);
    }
    if (config_has_c2p(config))
        pack_rows(model, &layer->relative_key, &terms, head, dim, space->relative_panels);
    return terms;
}

/* Positions of keys mostly follow each other: then a query's biases lie side by side. */
static void add_bias(const position_terms *terms, const bert_config *config, const workspace *space,
                     row_range queries, float *scores)
{
    uint32_t n = terms->n_keys;
    float factor = sqrtf((float)(config->hidden_size / config->n_heads));
    const uint32_t *positions = space->key_positions;
    int in_order = rows_count(terms->key_positions) == n;
    for (uint32_t k = 1; k < n; k++)
        in_order &= positions[k] == positions[k - 1] + 1;
    for (uint32_t q = queries.first; q < queries.end; q++, scores += n) {
        const float *bias = terms->bias + config->n_distances - 1 - space->positions[q];
        for (uint32_t k = 0; !in_order && k < n; k++)
            scores[k] += bias[positions[k]] * factor;
        for (uint32_t k = 0; in_order && k < n; k++)
            scores[k] += bias[positions[0] + k] * factor;
    }
}

/* has_c2p and has_p2c are constants where it is called. */
INLINE void look_up(const position_terms *terms, const bert_model *model, const workspace *space,
                    row_range queries, float *scores, int has_c2p, int has_p2c)
{
    uint32_t n = terms->n_keys;
    for (uint32_t first = 0, end; first < n; first = end) {
        end = n - first < KEY_BLOCK ? n : first + KEY_BLOCK;
        for (uint32_t q = 0; q < rows_count(queries); q++) {
            const uint32_t *rows = model->relative_rows + model->config.n_distances - 1 +
                                   space->positions[queries.first + q];
            size_t query = q * (size_t)terms->stride;
            for (uint32_t k = first; k < end; k++) {
                uint32_t row = *(rows - space->key_positions[k]) - terms->rows.first;
                size_t key = (size_t)space->key_tokens[k] * terms->stride;
                float sum = has_c2p ? space->query_terms[query + row] : 0;
                if (has_p2c)
                    sum += space->key_terms[key + row];
                scores[q * (size_t)n + k] += sum;
            }
        }
    }
}

void attention_position_add(const position_terms *terms, const bert_session *session,
                            const workspace *space, row_range queries, const float *query,
                            float *scores)
{
    const bert_model *model = session->model;
    const bert_config *config = &model->config;
    int has_c2p = config_has_c2p(config), has_p2c = config_has_p2c(config);
    if (terms->bias) {
        add_bias(terms, config, space, queries, scores);
        return;
    }
    if (has_c2p) {
        matrix w = rows_matrix(model, terms, config->hidden_size / config->n_heads,
                               space->relative_panels);
        product out = {.c = space->query_terms, .c_stride = terms->stride};
        row_range span = span_of(space->positions + queries.first, rows_count(queries));
        gemm_f32(query, config->hidden_size, rows_count(queries), &w,
                 panels_between(model, terms, span, terms->key_positions), &out, NULL);
    }
    if (has_c2p && has_p2c)
        look_up(terms, model, space, queries, scores, 1, 1);
    else
        look_up(terms, model, space, queries, scores, has_c2p, has_p2c);
}
