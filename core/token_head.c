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

/* y = activation(hidden W + b) for the share's rows; y: [rows of all shares, n_out]. */
static void from_hidden(const thread_share *share, const float *hidden, const matrix *w,
                        bert_activation activation, float *y)
{
    size_t first = share->rows.first;
    product out = {.activation = activation, .c = y + first * w->n_out, .c_stride = w->n_out};
    share_multiply(share, hidden + first * w->n_in, w->n_in, NULL, rows_count(share->rows), w,
                   &out);
}

/* token_logits = classifier(activation(transform(hidden))): Clark et al. 2020, ELECTRA, section
 * 3.1, has the transform; Devlin et al. 2018, BERT, section 5.3, has none. `logits`: [T,
 * n_token_labels] floats. */
static void classify_tokens(const thread_share *share, void *logits)
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

/* embeddings = norm(activation(transform(hidden))): Devlin et al. 2018, BERT, section 3.1.
 * `hidden`: [R, H] floats of the tokens whose words are predicted. */
static void transform(const thread_share *share, void *hidden)
{
    const bert_session *session = share->session;
    const bert_model *model = session->model;
    const bert_config *config = &model->config;
    from_hidden(share, hidden, &model->lm_transform, config->lm_activation, session->embeddings);
    ops_layer_norm(session->embeddings + (size_t)share->rows.first * config->embedding_size,
                   rows_count(share->rows), config->embedding_size, &model->lm_norm,
                   config->layer_norm_eps);
}

typedef struct lm_rows {
    const bert_session *session;
    const float *x; /* [n, E] */
    uint32_t n;
    float *logits; /* [n, vocab_size] */
} lm_rows;

/* logits = x W + b for some words of the vocabulary. */
static void decode(void *argument, panel_range columns, uint32_t thread)
{
    const lm_rows *rows = argument;
    const bert_session *session = rows->session;
    const bert_model *model = session->model;
    product out = {.c = rows->logits, .c_stride = model->config.vocab_size};
    if (model->config.lm_tied)
        decode_tied(model, rows->x, rows->n, columns, rows->logits,
                    session->workspaces[thread].panel);
    else
        share_multiply_panels(session, thread, rows->x, model->config.embedding_size, NULL, rows->n,
                              &model->lm_decoder, columns, &out);
}

void lm_decode(bert_session *session, const float *x, uint32_t n_rows, float *logits)
{
    share_panels(session, session->model->config.vocab_size, decode,
                 &(lm_rows){session, x, n_rows, logits});
}

/* The hidden states of some tokens become rows of session->key, which is free by then. */
static const float *gather(const bert_session *session, const uint32_t *tokens, uint32_t n)
{
    size_t hidden = session->model->config.hidden_size;
    for (uint32_t row = 0; row < n; row++)
        memcpy(session->key + row * hidden, session->hidden + tokens[row] * hidden,
               hidden * sizeof(float));
    return session->key;
}

void token_head_run(bert_session *session)
{
    const encoding_state *encoding = &session->encoding;
    const bert_batch *batch = &encoding->batch;
    float *token_logits = encoding->outputs.data[BERT_OUTPUT_TOKEN_LOGITS];
    float *lm_logits = encoding->outputs.data[BERT_OUTPUT_LM_LOGITS];
    const float *hidden = session->hidden;
    uint32_t n = (uint32_t)batch_lm_tokens(batch, encoding->n_tokens);
    if (token_logits)
        share_rows(session, encoding->n_tokens, classify_tokens, token_logits);
    if (!lm_logits || n == 0)
        return;
    if (batch->lm_tokens)
        hidden = gather(session, batch->lm_tokens, n);
    share_rows(session, n, transform, (void *)hidden);
    lm_decode(session, session->embeddings, n, lm_logits);
}
