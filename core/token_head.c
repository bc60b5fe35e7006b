/*
 * token_head.c - what stands on every token: the token classifier and the masked language model.
 *
 * The language model's last product is the largest of all, [T, E] times a vocabulary of up to
 * hundreds of thousands: threads share it by the vocabulary. Its weights are mostly the word
 * embedding itself (Press & Wolf 2016, "Using the Output Embedding", section 3), a table of rows, a
 * few of which become panels at a time.
 */
#include <string.h>

#include "share.h"

/* y = activation(hidden W + b) for this thread's share; y: [T, n_out]. */
static void from_hidden(const thread_share *share, const float *hidden, const matrix *w,
                        bert_activation activation, float *y)
{
    size_t first = share->rows.first;
    product out = {.activation = activation, .c = y + first * w->n_out, .c_stride = w->n_out};
    share_dense(share, hidden + first * w->n_in, NULL, rows_count(share->rows), w, &out);
}

/* token_logits = classifier(activation(transform(hidden))): Clark et al. 2020, ELECTRA, section
 * 3.1, has the transform; Devlin et al. 2018, BERT, section 5.3, has none. */
static void classify_tokens(const thread_share *share, float *logits)
{
    const bert_session *session = share->session;
    const bert_model *model = session->model;
    const float *hidden = session->hidden;
    if (model->config.token_activation != BERT_ACTIVATION_NONE) {
        from_hidden(share, hidden, &model->token_transform, model->config.token_activation,
                    session->query);
        hidden = session->query;
    }
    from_hidden(share, hidden, &model->token_classifier, BERT_ACTIVATION_NONE, logits);
}

/* logits = x . word + bias for every row of the word embedding in `columns`. */
static void decode_tied(const bert_model *model, const float *x, uint32_t n_rows,
                        panel_range columns, float *logits, float *scratch)
{
    uint32_t n_in = model->word.n_columns, n_words = model->word.n_rows;
    for (uint32_t panel = columns.first; panel < columns.end; panel += TILE_PANELS) {
        uint32_t end = columns.end - panel < TILE_PANELS ? columns.end : panel + TILE_PANELS;
        row_range words = {panel * BERT_PANEL,
                           end * BERT_PANEL < n_words ? end * BERT_PANEL : n_words};
        matrix w = {.n_in = n_in,
                    .n_out = rows_count(words),
                    .is_exact = model->is_exact,
                    .panels = scratch,
                    .bias = model->lm_decoder.bias + words.first};
        product out = {.c = logits + words.first, .c_stride = n_words};
        ops_table_panels(&model->word, words, 0, n_in, scratch);
        gemm_f32(x, n_in, n_rows, &w, panels_all(w.n_out), &out, NULL);
    }
}

/* The share of a head that is computed for some tokens alone: their hidden states become rows of
 * session->key, which is free by then. */
static thread_share gather(const thread_share *share, const uint32_t *tokens, uint32_t n)
{
    const bert_session *session = share->session;
    size_t hidden = session->model->config.hidden_size;
    thread_share gathered =
        share_of(share->session, share->batch, n, share->thread, share->n_threads);
    row_range own = share_own(&gathered, gathered.rows);
    share_meet(share); /* rows that other threads have computed are gathered */
    for (uint32_t row = own.first; row < own.end; row++)
        memcpy(session->key + row * hidden, session->hidden + tokens[row] * hidden,
               hidden * sizeof(float));
    share_meet_by_panels(&gathered);
    return gathered;
}

/* lm_logits = decoder(norm(activation(transform(hidden)))): Devlin et al. 2018, BERT, section 3.1.
 * hidden: a row for each of the share's tokens. */
static void predict_words(const thread_share *share, const float *hidden, float *logits)
{
    const bert_session *session = share->session;
    const bert_model *model = session->model;
    const bert_config *config = &model->config;
    row_range own = share_own(share, share->rows);
    float *x = session->embeddings, *scratch = session->workspaces[share->thread].panel;
    size_t n_columns = config->embedding_size;
    from_hidden(share, hidden, &model->lm_transform, config->lm_activation, x);
    ops_layer_norm(x + own.first * n_columns, rows_count(own), config->embedding_size,
                   &model->lm_norm, config->layer_norm_eps);
    share_meet(share);
    panel_range columns = panels_share(config->vocab_size, share->thread, share->n_threads);
    product out = {.c = logits, .c_stride = config->vocab_size};
    if (config->lm_tied)
        decode_tied(model, x, share->n_tokens, columns, logits, scratch);
    else
        gemm_f32(x, n_columns, share->n_tokens, &model->lm_decoder, columns, &out, scratch);
}

void token_head_run(const thread_share *share, const bert_outputs *outputs)
{
    const bert_session *session = share->session;
    const bert_batch *batch = share->batch;
    float *lm_logits = outputs->data[BERT_OUTPUT_LM_LOGITS];
    if (outputs->data[BERT_OUTPUT_TOKEN_LOGITS])
        classify_tokens(share, outputs->data[BERT_OUTPUT_TOKEN_LOGITS]);
    if (!lm_logits || batch_lm_tokens(batch, share->n_tokens) == 0)
        return;
    if (batch->lm_tokens) {
        thread_share gathered = gather(share, batch->lm_tokens, batch->n_lm_tokens);
        predict_words(&gathered, session->key, lm_logits);
    } else {
        predict_words(share, session->hidden, lm_logits);
    }
}
