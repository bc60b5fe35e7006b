/*
 * attention.c - scaled dot-product attention (Vaswani et al. 2017, section 3.2.1), per sequence and
 * head: softmax(Q K' / sqrt d) V. What positions add to the scores is in attention_position.c.
 *
 * Keys and values of a head are packed into panels, so that both products are the dense layer's
 * kernel: scores = Q x (K' as a matrix d -> n), context = P x (V as a matrix n -> d). Only
 * QUERY_BLOCK rows of scores exist at a time, so memory is linear in the sequence's length.
 *
 * The softmax is divided by its sum after the second product, where a row is d long instead of n.
 *
 * The context of a block of queries overwrites those queries: they are not read again.
 */
#include <math.h>
#include <string.h>

#include "internal.h"

/* Of more keys, integers have too little left for each. */
#define MOST_INTEGER_KEYS 32768

/* K' of one head: panel p has key rows 8 p .. 8 p + 7 side by side for each of the d inputs. */
static void pack_keys(const float *key, size_t stride, const sequence_view *sequence, uint32_t dim,
                      float *panels)
{
    uint32_t column = 0;
    for (uint32_t t = 0; t < sequence->n; t++) {
        if (!sequence_attends(sequence, t))
            continue;
        float *panel = panels + (size_t)(column / BERT_PANEL) * dim * BERT_PANEL;
        for (uint32_t i = 0; i < dim; i++)
            panel[i * BERT_PANEL + column % BERT_PANEL] = key[t * stride + i];
        column++;
    }
    /* Columns that fill the last panel are computed, never stored: any finite number will do. */
    for (; column % BERT_PANEL; column++) {
        float *panel = panels + (size_t)(column / BERT_PANEL) * dim * BERT_PANEL;
        for (uint32_t i = 0; i < dim; i++)
            panel[i * BERT_PANEL + column % BERT_PANEL] = 0;
    }
}

/* V of one head: panel p has columns 8 p .. 8 p + 7 of every row. */
static void pack_values(const float *value, size_t stride, const sequence_view *sequence,
                        uint32_t dim, uint32_t n_keys, float *panels)
{
    for (uint32_t column = 0; column < dim; column += BERT_PANEL) {
        uint32_t n_columns = dim - column < BERT_PANEL ? dim - column : BERT_PANEL;
        float *panel = panels + (size_t)column * n_keys;
        for (uint32_t t = 0; t < sequence->n; t++) {
            if (!sequence_attends(sequence, t))
                continue;
            memcpy(panel, value + t * stride + column, n_columns * sizeof(float));
            memset(panel + n_columns, 0, (BERT_PANEL - n_columns) * sizeof(float));
            panel += BERT_PANEL;
        }
    }
}

/* Rows of probabilities, with zeros where a token is not attended to. */
static void copy_probabilities(const float *exponentials, const float *inverse, uint32_t n_rows,
                               uint32_t n_keys, const sequence_view *sequence, float *probabilities)
{
    for (uint32_t r = 0; r < n_rows; r++, exponentials += n_keys)
        for (uint32_t t = 0, key = 0; t < sequence->n; t++)
            *probabilities++ = sequence_attends(sequence, t) ? exponentials[key++] * inverse[r] : 0;
}

/* Tokens of a sequence that are attended to. */
static uint32_t count_keys(const sequence_view *sequence)
{
    uint32_t n_keys = 0;
    for (uint32_t t = 0; t < sequence->n; t++)
        n_keys += (uint32_t)sequence_attends(sequence, t);
    return n_keys;
}

/* What scores are multiplied by: each sum in them has d products (He et al. 2020, DeBERTa, equation
 * 4). */
static float score_scale(const bert_config *config)
{
    uint32_t n_sums = 1 + (uint32_t)(config_has_c2p(config) + config_has_p2c(config));
    return 1.0f / sqrtf((float)(config->hidden_size / config->n_heads * n_sums));
}

void attention_head(const bert_session *session, const workspace *space, const layer_weights *layer,
                    uint32_t head, const sequence_view *sequence, float *probabilities)
{
    const bert_config *config = &session->model->config;
    size_t hidden = config->hidden_size;
    uint32_t dim = config->hidden_size / config->n_heads;
    float scale = score_scale(config);
    uint32_t n = sequence->n, n_keys = count_keys(sequence);
    assert(n <= session->max_sequence_tokens && n_keys > 0);
    int knows_positions = config->position_attention != BERT_POSITION_ATTENTION_NONE;
    if (layer->query.dtype == BERT_DTYPE_I8 && !knows_positions && n_keys <= MOST_INTEGER_KEYS) {
        attention_head_i16(session, space, head, sequence, n_keys, scale, probabilities);
        return;
    }

    size_t at = sequence->first * hidden + head * dim;
    int is_exact = session->model->is_exact;
    matrix keys = {.n_in = dim, .n_out = n_keys, .is_exact = is_exact, .panels = space->key_panels};
    matrix values = {
        .n_in = n_keys, .n_out = dim, .is_exact = is_exact, .panels = space->value_panels};
    pack_keys(session->key + at, hidden, sequence, dim, space->key_panels);
    pack_values(session->value + at, hidden, sequence, dim, n_keys, space->value_panels);
    position_terms terms;
    if (knows_positions)
        terms = attention_position_open(session, space, layer, head, sequence);
    for (uint32_t row = 0; row < n; row += QUERY_BLOCK) {
        uint32_t n_rows = n - row < QUERY_BLOCK ? n - row : QUERY_BLOCK;
        float *query = session->query + at + row * hidden;
        float inverse[QUERY_BLOCK];
        product scores = {.c = space->scores, .c_stride = n_keys};
        product context = {.c = query, .c_stride = hidden};
        gemm_f32(query, hidden, n_rows, &keys, panels_all(n_keys), &scores, NULL);
        if (knows_positions)
            attention_position_add(&terms, session, space, (row_range){row, row + n_rows}, query,
                                   space->scores);
        ops_softmax(space->scores, n_keys, n_rows, n_keys, scale, inverse);
        if (probabilities) {
            copy_probabilities(space->scores, inverse, n_rows, n_keys, sequence, probabilities);
            probabilities += (size_t)n_rows * n;
        }
        gemm_f32(space->scores, n_keys, n_rows, &values, panels_all(dim), &context, NULL);
        ops_scale_rows(query, hidden, n_rows, dim, inverse);
    }
}
