/*
 * encoder.c - the encoder: embeddings, then layers of attention and feed-forward, each with its
 * residual and norm (Devlin et al. 2018, BERT, section 3; Vaswani et al. 2017, section 3.1).
 *
 * Tokens of all sequences lie end to end in [T, H]: every product runs over all of them, attention
 * alone sees where a sequence begins and ends.
 *
 * What families of encoders add to that is data in the config, or a function of its own here:
 * projected embeddings and shared layers (ALBERT), a convolution beside the first layer (DeBERTa
 * v2); what attention knows of positions is in attention_position.c.
 *
 * Every thread runs all of this and does its share: see share.h. Attention is shared by heads.
 */
#include <string.h>

#include "share.h"

/* ---------------------------------------------------------------------- inputs of products -- */

/* The rows from `first` on. */
static integer_rows rows_from(const bert_session *session, const integer_rows *rows, uint32_t first)
{
    integer_rows from = *rows;
    size_t n_bytes = session->int8_kernel == BERT_INT8_KERNEL_SIMD128 ? 2 : 1;
    from.values = (char *)rows->values + first * n_bytes * rows->stride;
    from.least += first;
    from.step += first;
    return from;
}

/* Rows of x [.., w->n_in] as the integers that a product with `w` reads, if it does. */
static void quantise(const bert_session *session, row_range rows, const float *x, const matrix *w,
                     const integer_rows *x_i8)
{
    if (w->dtype != BERT_DTYPE_I8)
        return;
    for (uint32_t row = rows.first; row < rows.end; row++)
        quantise_row(session->int8_kernel, x + (size_t)row * w->n_in, w->smooth, w->n_in, x_i8,
                     row);
}

/* Shows the observer `n_rows` inputs of the product with `w`, a layer's. */
static void show(const bert_session *session, const float *x, uint32_t n_rows, const matrix *w)
{
    if (!session->observer)
        return;
    const layer_weights *layers = session->model->layers;
    size_t index = (size_t)((const char *)w - (const char *)layers) / sizeof *layers;
    const layer_weights *layer = &layers[index];
    bert_site site = w == &layer->query              ? BERT_SITE_ATTENTION
                     : w == &layer->attention_output ? BERT_SITE_ATTENTION_OUTPUT
                     : w == &layer->intermediate     ? BERT_SITE_INTERMEDIATE
                                                     : BERT_SITE_OUTPUT;
    session->observer(session->observer_argument, (uint32_t)index, site, x, n_rows, w->n_in);
}

/* hidden = norm(hidden) for `rows`; each becomes, while it is near, an input of the product with
 * `w` that is next, unless that is NULL. */
static void norm_hidden(const thread_share *share, row_range rows, const norm_weights *norm,
                        const matrix *w)
{
    const bert_session *session = share->session;
    const bert_config *config = &session->model->config;
    row_range own = share_own(share, rows);
    for (uint32_t row = own.first; row < own.end; row++) {
        ops_layer_norm(session->hidden + (size_t)row * config->hidden_size, 1, config->hidden_size,
                       norm, config->layer_norm_eps);
        if (w)
            quantise(session, (row_range){row, row + 1}, session->hidden, w, &session->inputs_i8);
    }
    share_meet_by_panels(share);
}

/* Rows `first` .. of the hidden states += x W + b, for `n_rows` rows of x [.., w->n_in]. */
static void add_dense(const thread_share *share, uint32_t first, uint32_t n_rows, const float *x,
                      const integer_rows *x_i8, const matrix *w)
{
    const bert_session *session = share->session;
    float *hidden = session->hidden + (size_t)first * w->n_out;
    product out = {.residual = hidden, .c = hidden, .c_stride = w->n_out};
    show(session, x, n_rows, w);
    quantise(session, share_own(share, (row_range){0, n_rows}), x, w, x_i8);
    if (w->dtype == BERT_DTYPE_I8)
        share_meet_by_panels(share);
    share_dense(share, x, x_i8, n_rows, w, &out);
}

/* ------------------------------------------------------------------------------ embeddings -- */

/* hidden = embeddings W + b: Lan et al. 2019, ALBERT, section 3.1. */
static void project_embeddings(const thread_share *share)
{
    const bert_session *session = share->session;
    const matrix *w = &session->model->projection;
    size_t first = share->rows.first;
    product out = {.c = session->hidden + first * w->n_out, .c_stride = w->n_out};
    share_meet_by_panels(share);
    share_dense(share, session->embeddings + first * w->n_in, NULL, rows_count(share->rows), w,
                &out);
}

/* Zeros for the tokens that are not attended to, where there is a convolution, which would see them
 * (DeBERTa v2). */
static void mask_embeddings(const thread_share *share, row_range rows)
{
    const bert_session *session = share->session;
    size_t hidden = session->model->config.hidden_size;
    for (uint32_t row = rows.first; row < rows.end; row++)
        if (share->batch->attended && !share->batch->attended[row])
            memset(session->hidden + row * hidden, 0, hidden * sizeof(float));
}

/* hidden = norm(word + position + token type), projected to H columns if it has another number of
 * them. */
static void embed(const thread_share *share, const layer_weights *next)
{
    const bert_session *session = share->session;
    const bert_model *model = session->model;
    const bert_config *config = &model->config;
    row_range own = share_own(share, share->rows);
    float *embeddings = config->projects_embeddings ? session->embeddings : session->hidden;
    embeddings_sum(model, share->batch, own, embeddings);
    ops_layer_norm(embeddings + (size_t)own.first * config->embedding_size, rows_count(own),
                   config->embedding_size, &model->embeddings_norm, config->layer_norm_eps);
    if (config->projects_embeddings)
        project_embeddings(share);
    if (config->conv_size) {
        mask_embeddings(share, own);
        conv_keep(share);
    }
    if (next)
        quantise(session, own, session->hidden, &next->query, &session->inputs_i8);
    share_meet_by_panels(share);
}

/* ---------------------------------------------------------------------------------- layers -- */

/* query, key, value = hidden W + b, each with its own weights; everyone may read them. */
static void project(const thread_share *share, const layer_weights *layer)
{
    const bert_session *session = share->session;
    uint32_t hidden = session->model->config.hidden_size, n_rows = rows_count(share->rows);
    size_t at = (size_t)share->rows.first * hidden;
    const matrix *weights[] = {&layer->query, &layer->key, &layer->value};
    float *results[] = {session->query, session->key, session->value};
    integer_rows inputs = rows_from(session, &session->inputs_i8, share->rows.first);
    show(session, session->hidden + at, n_rows, &layer->query);
    for (int i = 0; i < 3; i++) {
        product out = {.c = results[i] + at, .c_stride = hidden};
        share_multiply(share, session->hidden + at, hidden, &inputs, n_rows, weights[i], &out);
    }
    share_meet(share);
}

/* query = softmax(query key' / sqrt d) value, by heads; everyone may read it. Heads of all
 * sequences are dealt out in order, so that everyone has about as many scores to compute: a head
 * costs the square of its sequence's length. `probabilities`: [sum over sequences n_heads n n], or
 * NULL. */
static void attend(const thread_share *share, const layer_weights *layer, float *probabilities)
{
    const bert_session *session = share->session;
    const bert_batch *batch = share->batch;
    const bert_config *config = &session->model->config;
    uint64_t total = batch_attentions(config, batch), before = 0;
    uint64_t from = total * share->thread / share->n_threads;
    uint64_t to = total * (share->thread + 1) / share->n_threads;
    for (uint32_t s = 0, first = 0; s < batch->n_sequences; first += batch->lengths[s++]) {
        sequence_view sequence = batch_sequence(batch, s, first);
        uint64_t squares = (uint64_t)sequence.n * sequence.n;
        for (uint32_t head = 0; head < config->n_heads; head++) {
            /* A head belongs to the share that its middle is in. */
            uint64_t middle = before + squares / 2;
            if (middle >= from && middle < to)
                attention_head(session, &session->workspaces[share->thread], layer, head, &sequence,
                               probabilities ? probabilities + before : NULL);
            before += squares;
        }
    }
    share_meet(share);
}

/* hidden = norm(hidden + attention(hidden) W + b). */
static void self_attention(const thread_share *share, const layer_weights *layer,
                           float *probabilities)
{
    const bert_session *session = share->session;
    row_range rows = share->rows;
    integer_rows inputs = rows_from(session, &session->inputs_i8, rows.first);
    project(share, layer);
    attend(share, layer, probabilities);
    add_dense(share, rows.first, rows_count(rows),
              session->query + (size_t)rows.first * layer->attention_output.n_in, &inputs,
              &layer->attention_output);
    norm_hidden(share, rows, &layer->attention_norm, &layer->intermediate);
}

/* intermediate = activation(hidden W + b), for ROW_BLOCK rows or fewer. */
static void expand(const thread_share *share, row_range block, const matrix *w)
{
    const bert_session *session = share->session;
    float *hidden = session->hidden + (size_t)block.first * w->n_in;
    integer_rows inputs = rows_from(session, &session->inputs_i8, block.first);
    product out = {.activation = session->model->config.activation,
                   .c = share->intermediate,
                   .c_stride = w->n_out};
    show(session, hidden, rows_count(block), w);
    share_dense(share, hidden, &inputs, rows_count(block), w, &out);
}

/* hidden = norm(hidden + activation(hidden W1 + b1) W2 + b2), the input of the layer `next` or, if
 * that is NULL, of no product. */
static void feed_forward(const thread_share *share, const layer_weights *layer,
                         const layer_weights *next)
{
    for (row_range block = share->rows; block.first < share->rows.end; block.first = block.end) {
        uint32_t left = share->rows.end - block.first;
        block.end = block.first + (left < ROW_BLOCK ? left : ROW_BLOCK);
        expand(share, block, &layer->intermediate);
        add_dense(share, block.first, rows_count(block), share->intermediate,
                  &share->intermediate_i8, &layer->output);
        norm_hidden(share, block, &layer->output_norm, next ? &next->query : NULL);
    }
}

/* hidden = norm(hidden + activation(conv(embeddings))): see conv.c. */
static void convolve(const thread_share *share, const layer_weights *next)
{
    conv_add(share);
    norm_hidden(share, share->rows, &share->session->model->conv_norm, next ? &next->query : NULL);
}

/* Copies the hidden states to an output [T, H] that wants them. */
static void record(const thread_share *share, float *output)
{
    const bert_session *session = share->session;
    row_range rows = share_own(share, share->rows);
    size_t hidden = session->model->config.hidden_size, at = rows.first * hidden;
    if (output)
        memcpy(output + at, session->hidden + at, rows_count(rows) * hidden * sizeof(float));
}

/* -------------------------------------------------------------------------------- encoding -- */

/* The weights of layer `index` of those that are run; NULL after the last. */
static const layer_weights *layer_at(const bert_model *model, uint32_t index)
{
    return index < model->config.n_layers
               ? &model->layers[bert_config_stored_layer(&model->config, index)]
               : NULL;
}

/* Layer `index` from the hidden states before it; with the first of them, the embeddings. */
static void run_layer(const thread_share *share, const bert_outputs *outputs, uint32_t index)
{
    const bert_model *model = share->session->model;
    const bert_config *config = &model->config;
    const layer_weights *layer = layer_at(model, index), *next = layer_at(model, index + 1);
    int is_convolved = index == 0 && config->conv_size;
    float *hidden_states = outputs->data[BERT_OUTPUT_HIDDEN_STATES];
    float *probabilities = outputs->data[BERT_OUTPUT_ATTENTIONS];
    if (hidden_states)
        hidden_states += (index + (size_t)1) * share->n_tokens * config->hidden_size;
    if (probabilities)
        probabilities += index * batch_attentions(config, share->batch);
    self_attention(share, layer, probabilities);
    feed_forward(share, layer, is_convolved ? NULL : next);
    if (is_convolved)
        convolve(share, next);
    record(share, hidden_states);
}

/* One thread's share of the steps of a round. */
static void run_steps(void *argument, uint32_t thread, uint32_t n_threads)
{
    bert_session *session = argument;
    const encoding_state *encoding = &session->encoding;
    const bert_outputs *outputs = &encoding->outputs;
    thread_share share = share_of(session, &encoding->batch, encoding->n_tokens, thread, n_threads);
    for (uint32_t step = encoding->next; step < encoding->end; step++) {
        if (step == 0) {
            embed(&share, layer_at(session->model, 0));
            record(&share, outputs->data[BERT_OUTPUT_HIDDEN_STATES]);
        }
        if (step + 1 < encoding->n_steps) {
            run_layer(&share, outputs, step);
        } else {
            record(&share, outputs->data[BERT_OUTPUT_LAST_HIDDEN_STATE]);
            token_head_run(&share, outputs);
        }
    }
}

bert_status bert_encode_begin(bert_session *session, const bert_batch *batch,
                              const bert_outputs *outputs, bert_error *error)
{
    assert(session && batch && outputs);
    session->encoding = (encoding_state){.batch = *batch, .outputs = *outputs};
    bert_status status = batch_check(session, batch, &session->encoding.n_tokens, error);
    if (status == BERT_OK)
        status = batch_check_outputs(&session->model->config, batch, outputs, error);
    if (status != BERT_OK)
        return status;
    session->encoding.n_steps = session->model->config.n_layers + 1;
    pool_begin(&session->pool);
    return BERT_OK;
}

uint32_t bert_encode_step(bert_session *session, uint32_t n_steps)
{
    encoding_state *encoding = &session->encoding;
    uint32_t ready = bert_model_steps_ready(session->model);
    encoding->end = ready < encoding->n_steps ? ready : encoding->n_steps;
    if (n_steps < encoding->end - encoding->next)
        encoding->end = encoding->next + n_steps;
    if (encoding->end == encoding->next)
        return encoding->n_steps - encoding->next;
    pool_run(&session->pool, run_steps, session);
    encoding->next = encoding->end;
    if (encoding->next == encoding->n_steps)
        head_run(session, &encoding->batch, &encoding->outputs);
    return encoding->n_steps - encoding->next;
}

bert_status bert_encode(bert_session *session, const bert_batch *batch, const bert_outputs *outputs,
                        bert_error *error)
{
    bert_status status = arrivals_check(session->model, error);
    if (status == BERT_OK)
        status = bert_encode_begin(session, batch, outputs, error);
    if (status == BERT_OK)
        bert_encode_step(session, UINT32_MAX);
    return status;
}
