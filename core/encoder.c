/*
 * encoder.c - the encoder: embeddings, then layers of attention and feed-forward, each with its
 * residual and norm (Devlin et al. 2018, BERT, section 3; Vaswani et al. 2017, section 3.1).
 *
 * Tokens of all sequences lie end to end in [T, H]: every product runs over all of them, attention
 * alone sees where a sequence begins and ends.
 *
 * Every thread runs all of this and does its share. Where there are rows enough, the share is rows:
 * what a thread computes it reads again itself, from its own cache, and threads meet twice a layer,
 * around attention. A few rows are all multiplied by everyone, each with a share of the weights'
 * columns, because the way of the weights from memory is what takes time then; threads meet after
 * every product. Attention is shared by heads.
 */
#include <string.h>

#include "internal.h"

/* Fewest rows for each thread that pay for everyone's reading all weights; measured. */
#define LEAST_SHARE 12

/* What one thread does of a batch. */
typedef struct share {
    bert_session *session;
    const bert_batch *batch;
    uint32_t thread, n_threads;
    int by_rows;
    rows rows;           /* of its products: its own, or all of them */
    float *intermediate; /* [ROW_BLOCK, I], its own or everyone's */
    quantised wide;      /* [ROW_BLOCK, I], likewise */
} share;

static share share_of(bert_session *session, const bert_batch *batch, uint32_t n_tokens,
                      uint32_t thread, uint32_t n_threads)
{
    int by_rows = n_tokens >= LEAST_SHARE * n_threads;
    const workspace *workspace = &session->workspaces[by_rows ? thread : 0];
    rows all = {0, n_tokens};
    return (share){session,
                   batch,
                   thread,
                   n_threads,
                   by_rows,
                   by_rows ? rows_share(all, thread, n_threads) : all,
                   workspace->intermediate,
                   workspace->wide};
}

/* Waits until everyone has come here. */
static void meet(const share *share)
{
    if (share->n_threads > 1)
        pool_meet(&share->session->pool, share->n_threads);
}

/* Waits until what everyone computed last can be read; by rows, each reads its own alone. */
static void settle(const share *share)
{
    if (!share->by_rows)
        meet(share);
}

/* Of the rows of a product, those for which this thread does what is done row by row. */
static rows own(const share *share, rows rows)
{
    return share->by_rows ? rows : rows_share(rows, share->thread, share->n_threads);
}

/* -------------------------------------------------------------------------------- products -- */

/* This thread's share of y = activation(x W + b) + residual for `n_rows` rows; x in f32 or, if W is
 * I8, quantised. */
static void multiply(const share *share, const float *x, const quantised *quantised,
                     uint32_t n_rows, const matrix *w, const product *out)
{
    const bert_session *session = share->session;
    panels columns = share->by_rows ? panels_all(w->n_out)
                                    : panels_share(w->n_out, share->thread, share->n_threads);
    if (w->dtype == BERT_DTYPE_I8)
        gemm_i8(session->int8_kernel, quantised, n_rows, w, columns, out);
    else
        gemm_f32(x, w->n_in, n_rows, w, columns, out, session->workspaces[share->thread].panel);
}

/* The rows from `first` on. */
static quantised quantised_from(const bert_session *session, const quantised *rows, uint32_t first)
{
    quantised from = *rows;
    size_t width = session->int8_kernel == BERT_INT8_KERNEL_SIMD128 ? 2 : 1;
    from.values = (char *)rows->values + first * width * rows->stride;
    from.least += first;
    from.step += first;
    return from;
}

/* Rows of `x` as the integers that a product with `w` wants, if it does. */
static void quantise(const bert_session *session, rows rows, const float *x, const matrix *w,
                     const float *smooth, const quantised *out)
{
    if (w->dtype != BERT_DTYPE_I8)
        return;
    for (uint32_t row = rows.first; row < rows.end; row++)
        quantise_row(session->int8_kernel, x + (size_t)row * w->n_in, smooth, w->n_in, out, row);
}

/* Norms rows of the hidden states, and makes of each, while it is near, the input of the product
 * with `w`, unless that is NULL. */
static void norm_and_quantise(const bert_session *session, rows rows, const norm *norm,
                              const matrix *w, const float *smooth)
{
    const bert_config *config = &session->model->config;
    for (; rows.first < rows.end; rows.first++) {
        float *hidden = session->hidden + (size_t)rows.first * config->hidden_size;
        ops_layer_norm(hidden, 1, config->hidden_size, norm, config->layer_norm_eps);
        if (w)
            quantise(session, (struct rows){rows.first, rows.first + 1}, session->hidden, w, smooth,
                     &session->narrow);
    }
}

/* The norm whose output the layer `next` reads; NULL after the last layer. */
static void norm_for(const bert_session *session, rows rows, const norm *norm, const layer *next)
{
    norm_and_quantise(session, rows, norm, next ? &next->query : NULL, next ? next->smooth : NULL);
}

/* ---------------------------------------------------------------------------------- layers -- */

/* hidden = norm(word + position + token type). */
static void embed(const share *share, const layer *next)
{
    const bert_session *session = share->session;
    const bert_batch *batch = share->batch;
    const bert_model *model = session->model;
    rows rows = own(share, share->rows);
    uint32_t token = 0;
    for (uint32_t s = 0; s < batch->n_sequences; s++) {
        for (uint32_t i = 0; i < batch->lengths[s]; i++, token++) {
            if (token < rows.first || token >= rows.end)
                continue;
            float *row = session->hidden + (size_t)token * model->config.hidden_size;
            uint32_t position = batch->positions ? batch->positions[token] : i;
            ops_table_row(&model->word, batch->ids[token], row, 0);
            ops_table_row(&model->position, position, row, 1);
            if (model->config.n_token_types)
                ops_table_row(&model->token_type,
                              batch->token_types ? batch->token_types[token] : 0, row, 1);
        }
    }
    norm_for(session, rows, &model->embeddings_norm, next);
    settle(share);
}

static void project(const share *share, const layer *layer)
{
    const bert_session *session = share->session;
    size_t stride = session->model->config.hidden_size, at = share->rows.first * stride;
    const matrix *matrices[] = {&layer->query, &layer->key, &layer->value};
    float *results[] = {session->query, session->key, session->value};
    quantised narrow = quantised_from(session, &session->narrow, share->rows.first);
    for (int i = 0; i < 3; i++) {
        product out = {.c = results[i] + at, .c_stride = stride};
        multiply(share, session->hidden + at, &narrow, rows_count(share->rows), matrices[i], &out);
    }
}

/* Heads of all sequences are dealt out in order, so that everyone has about as many scores to
 * compute: a head costs the square of its sequence's length. `probabilities`: [sum over sequences
 * n_heads n n], or NULL. */
static void attend(const share *share, float *probabilities)
{
    const bert_session *session = share->session;
    const bert_batch *batch = share->batch;
    const bert_config *config = &session->model->config;
    uint64_t total = batch_attentions(config, batch), before = 0;
    uint64_t from = total * share->thread / share->n_threads;
    uint64_t to = total * (share->thread + 1) / share->n_threads;
    for (uint32_t s = 0, first = 0; s < batch->n_sequences; first += batch->lengths[s++]) {
        uint32_t n = batch->lengths[s];
        for (uint32_t head = 0; head < config->n_heads; head++) {
            /* A head is whose share its middle is in. */
            uint64_t middle = before + (uint64_t)n * n / 2;
            if (middle >= from && middle < to)
                attention_head(session, &session->workspaces[share->thread], head, first, n,
                               batch->attended ? batch->attended + first : NULL,
                               probabilities ? probabilities + before : NULL);
            before += (uint64_t)n * n;
        }
    }
}

/* Shows the observer the inputs of the product that is next. */
static void show(const share *share, const layer *layer, bert_site site, const float *inputs,
                 uint32_t n_rows, uint32_t n_columns)
{
    const bert_session *session = share->session;
    if (session->observer)
        session->observer(session->observer_argument, (uint32_t)(layer - session->model->layers),
                          site, inputs, n_rows, n_columns);
}

/* hidden = norm(hidden + attention(hidden) W + b). */
static void self_attention(const share *share, const layer *layer, float *probabilities)
{
    const bert_session *session = share->session;
    uint32_t hidden = session->model->config.hidden_size, n_rows = rows_count(share->rows);
    size_t at = (size_t)share->rows.first * hidden;
    show(share, layer, BERT_SITE_ATTENTION, session->hidden, n_rows, hidden);
    project(share, layer);
    meet(share);
    attend(share, probabilities); /* into session->query */
    meet(share);
    show(share, layer, BERT_SITE_ATTENTION_OUTPUT, session->query, n_rows, hidden);
    quantise(session, own(share, share->rows), session->query, &layer->attention_output,
             layer->attention_smooth, &session->narrow);
    settle(share);
    quantised narrow = quantised_from(session, &session->narrow, share->rows.first);
    float *rows = session->hidden + at;
    product out = {.residual = rows, .c = rows, .c_stride = hidden};
    multiply(share, session->query + at, &narrow, n_rows, &layer->attention_output, &out);
    settle(share);
    norm_and_quantise(session, own(share, share->rows), &layer->attention_norm,
                      &layer->intermediate, layer->intermediate_smooth);
    settle(share);
}

/* hidden = norm(hidden + activation(hidden W1 + b1) W2 + b2) for ROW_BLOCK rows or fewer. */
static void feed_forward_block(const share *share, const layer *layer, const struct layer *next,
                               rows block)
{
    const bert_session *session = share->session;
    const bert_config *config = &session->model->config;
    uint32_t n_rows = rows_count(block);
    float *rows = session->hidden + (size_t)block.first * config->hidden_size;
    quantised narrow = quantised_from(session, &session->narrow, block.first);
    product wide = {.activation = config->activation,
                    .c = share->intermediate,
                    .c_stride = config->intermediate_size};
    multiply(share, rows, &narrow, n_rows, &layer->intermediate, &wide);
    settle(share);
    show(share, layer, BERT_SITE_OUTPUT, share->intermediate, n_rows, config->intermediate_size);
    quantise(session, own(share, (struct rows){0, n_rows}), share->intermediate, &layer->output,
             layer->output_smooth, &share->wide);
    settle(share);
    product out = {.residual = rows, .c = rows, .c_stride = config->hidden_size};
    multiply(share, share->intermediate, &share->wide, n_rows, &layer->output, &out);
    settle(share);
    norm_for(session, own(share, block), &layer->output_norm, next);
}

static void feed_forward(const share *share, const layer *layer, const struct layer *next)
{
    const bert_session *session = share->session;
    show(share, layer, BERT_SITE_INTERMEDIATE, session->hidden, rows_count(share->rows),
         session->model->config.hidden_size);
    for (rows block = share->rows; block.first < share->rows.end; block.first = block.end) {
        uint32_t left = share->rows.end - block.first;
        block.end = block.first + (left < ROW_BLOCK ? left : ROW_BLOCK);
        feed_forward_block(share, layer, next, block);
    }
    settle(share);
}

/* Copies the hidden states to an output [T, H] that wants them. */
static void record(const share *share, float *output)
{
    const bert_session *session = share->session;
    rows rows = own(share, share->rows);
    size_t hidden = session->model->config.hidden_size, at = rows.first * hidden;
    if (output)
        memcpy(output + at, session->hidden + at, rows_count(rows) * hidden * sizeof(float));
}

/* -------------------------------------------------------------------------------- encoding -- */

typedef struct task {
    bert_session *session;
    const bert_batch *batch;
    const bert_outputs *outputs;
    uint32_t n_tokens;
} task;

static void encode(void *argument, uint32_t thread, uint32_t n_threads)
{
    const task *task = argument;
    const bert_model *model = task->session->model;
    const bert_config *config = &model->config;
    share share = share_of(task->session, task->batch, task->n_tokens, thread, n_threads);
    float *hidden_states = task->outputs->data[BERT_OUTPUT_HIDDEN_STATES];
    float *probabilities = task->outputs->data[BERT_OUTPUT_ATTENTIONS];
    const layer *end = model->layers + config->n_layers;
    embed(&share, config->n_layers ? model->layers : NULL);
    record(&share, hidden_states);
    for (const layer *layer = model->layers; layer < end; layer++) {
        self_attention(&share, layer, probabilities);
        feed_forward(&share, layer, layer + 1 < end ? layer + 1 : NULL);
        if (hidden_states)
            hidden_states += (size_t)task->n_tokens * config->hidden_size;
        record(&share, hidden_states);
        if (probabilities)
            probabilities += batch_attentions(config, task->batch);
    }
    record(&share, task->outputs->data[BERT_OUTPUT_LAST_HIDDEN_STATE]);
}

bert_status bert_encode(bert_session *session, const bert_batch *batch, const bert_outputs *outputs,
                        bert_error *error)
{
    task task = {.session = session, .batch = batch, .outputs = outputs};
    bert_status status = batch_check(session, batch, &task.n_tokens, error);
    if (status == BERT_OK)
        status = batch_check_outputs(session->model, batch, outputs, error);
    if (status != BERT_OK)
        return status;
    pool_begin(&session->pool);
    pool_run(&session->pool, encode, &task);
    head_run(session, batch, outputs);
    return BERT_OK;
}
