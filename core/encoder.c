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
 * The caller runs all of this. Rows go from one attention to the next in shares (share.h), by
 * whoever is there; attention is dealt out by heads.
 */
#include <string.h>

#include "share.h"

/* ---------------------------------------------------------------------- inputs of products -- */

/* The weights of layer `index` of those that are run; NULL after the last. */
static const layer_weights *layer_at(const bert_model *model, uint32_t index)
{
    return index < model->config.n_layers
               ? &model->layers[bert_config_stored_layer(&model->config, index)]
               : NULL;
}

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

/* What is done row by row: a norm, and the inputs of a product. */
typedef struct row_step {
    const norm_weights *norm;
    const float *x;
    const matrix *w;
    const integer_rows *x_i8;
} row_step;

static void norm_rows(const thread_share *share, void *argument)
{
    const row_step *now = argument;
    const bert_session *session = share->session;
    const bert_config *config = &session->model->config;
    for (uint32_t row = share->rows.first; row < share->rows.end; row++) {
        ops_layer_norm(session->hidden + (size_t)row * config->hidden_size, 1, config->hidden_size,
                       now->norm, config->layer_norm_eps);
        if (now->w)
            quantise(session, (row_range){row, row + 1}, session->hidden, now->w,
                     &session->inputs_i8);
    }
}

/* hidden = norm(hidden); each row becomes, while it is near, an input of the product with `w` that
 * is next, unless that is NULL. */
static void norm_hidden(const thread_share *share, const norm_weights *norm, const matrix *w)
{
    share_each_row(share, norm_rows, &(row_step){.norm = norm, .w = w});
}

static void quantise_rows(const thread_share *share, void *argument)
{
    const row_step *now = argument;
    quantise(share->session, share->rows, now->x, now->w, now->x_i8);
}

/* hidden += x W + b; x: [T or, if it is the share's own, its rows, w->n_in]. */
static void add_dense(const thread_share *share, const float *x, const integer_rows *x_i8,
                      const matrix *w)
{
    const bert_session *session = share->session;
    uint32_t n_rows = rows_count(share->rows);
    float *hidden = session->hidden + (size_t)share->rows.first * w->n_out;
    product out = {.residual = hidden, .c = hidden, .c_stride = w->n_out};
    show(session, x, n_rows, w);
    if (share->by_panels)
        share_each_row(share, quantise_rows, &(row_step){.x = x, .w = w, .x_i8 = x_i8});
    else
        quantise(session, (row_range){0, n_rows}, x, w, x_i8);
    share_multiply(share, x, w->n_in, x_i8, n_rows, w, &out);
}

/* ------------------------------------------------------------------------------ embeddings -- */

/* hidden = embeddings W + b: Lan et al. 2019, ALBERT, section 3.1. */
static void project_embeddings(const thread_share *share)
{
    const bert_session *session = share->session;
    const matrix *w = &session->model->projection;
    size_t first = share->rows.first;
    product out = {.c = session->hidden + first * w->n_out, .c_stride = w->n_out};
    share_multiply(share, session->embeddings + first * w->n_in, w->n_in, NULL,
                   rows_count(share->rows), w, &out);
}

/* Zeros for the tokens that are not attended to, where there is a convolution, which would see them
 * (DeBERTa v2). */
static void mask_embeddings(const thread_share *share)
{
    const bert_session *session = share->session;
    const uint8_t *attended = session->encoding.batch.attended;
    size_t hidden = session->model->config.hidden_size;
    for (uint32_t row = share->rows.first; row < share->rows.end; row++)
        if (attended && !attended[row])
            memset(session->hidden + row * hidden, 0, hidden * sizeof(float));
}

/* hidden = norm(word + position + token type), projected to H columns if it has another number of
 * them: the input of the layer `next`, unless that is NULL. */
static void embed(const thread_share *share, const layer_weights *next)
{
    const bert_session *session = share->session;
    const bert_model *model = session->model;
    const bert_config *config = &model->config;
    row_range rows = share->rows;
    float *embeddings = config->projects_embeddings ? session->embeddings : session->hidden;
    embeddings_sum(model, &session->encoding.batch, rows, embeddings);
    ops_layer_norm(embeddings + (size_t)rows.first * config->embedding_size, rows_count(rows),
                   config->embedding_size, &model->embeddings_norm, config->layer_norm_eps);
    if (config->projects_embeddings)
        project_embeddings(share);
    if (config->conv_size) {
        mask_embeddings(share);
        conv_keep(share);
    }
    if (next)
        quantise(session, rows, session->hidden, &next->query, &session->inputs_i8);
}

/* ------------------------------------------------------------------------------- attention -- */

/* query, key, value = hidden W + b, each with its own weights: these columns of these rows. */
static void project(const bert_session *session, uint32_t thread, row_range rows,
                    panel_range columns, const layer_weights *layer)
{
    uint32_t hidden = session->model->config.hidden_size;
    size_t at = (size_t)rows.first * hidden;
    const matrix *weights[] = {&layer->query, &layer->key, &layer->value};
    float *results[] = {session->query, session->key, session->value};
    integer_rows inputs = rows_from(session, &session->inputs_i8, rows.first);
    for (int i = 0; i < 3; i++) {
        product out = {.c = results[i] + at, .c_stride = hidden};
        share_multiply_panels(session, thread, session->hidden + at, hidden, &inputs,
                              rows_count(rows), weights[i], columns, &out);
    }
}

typedef struct attention_phase {
    const bert_session *session;
    const layer_weights *layer;
    float *probabilities; /* [sum over sequences n_heads n n], or NULL */
    uint32_t n_blocks;
} attention_phase;

/* query = softmax(query key' / sqrt d) value for some heads. Those of all sequences are dealt out
 * in order, so that every block has about as many scores: a head costs the square of its sequence's
 * length. */
static void attend_scores(void *argument, uint32_t block, uint32_t thread)
{
    const attention_phase *phase = argument;
    const bert_session *session = phase->session;
    const bert_batch *batch = &session->encoding.batch;
    const bert_config *config = &session->model->config;
    uint64_t total = batch_attentions(config, batch), before = 0;
    uint64_t from = total * block / phase->n_blocks, to = total * (block + 1) / phase->n_blocks;
    for (uint32_t s = 0, first = 0; s < batch->n_sequences; first += batch->lengths[s++]) {
        sequence_view sequence = batch_sequence(batch, s, first);
        uint64_t squares = (uint64_t)sequence.n * sequence.n;
        for (uint32_t head = 0; head < config->n_heads; head++, before += squares) {
            /* A head belongs to the block that its middle is in. */
            uint64_t middle = before + squares / 2;
            if (middle >= from && middle < to)
                attention_head(session, &session->workspaces[thread], phase->layer, head, &sequence,
                               phase->probabilities ? phase->probabilities + before : NULL);
        }
    }
}

/* Fewest heads whose columns are whole panels. */
static uint32_t heads_together(const bert_config *config)
{
    uint32_t dim = config->hidden_size / config->n_heads, n = 1;
    while (n * dim % BERT_PANEL != 0)
        n++;
    return n;
}

/* The same with few rows, by heads of all sequences: their columns of query, key and value, too. */
static void attend_heads(void *argument, uint32_t block, uint32_t thread)
{
    const attention_phase *phase = argument;
    const bert_session *session = phase->session;
    const bert_batch *batch = &session->encoding.batch;
    const bert_config *config = &session->model->config;
    uint32_t together = heads_together(config), dim = config->hidden_size / config->n_heads;
    uint32_t n_groups = (config->n_heads + together - 1) / together;
    row_range heads = share_block(n_groups, block, phase->n_blocks);
    heads.first *= together;
    heads.end = heads.end == n_groups ? config->n_heads : heads.end * together;
    project(session, thread, (row_range){0, session->encoding.n_tokens},
            (panel_range){heads.first * dim / BERT_PANEL, panels_all(heads.end * dim).end},
            phase->layer);
    float *probabilities = phase->probabilities;
    for (uint32_t s = 0, first = 0; s < batch->n_sequences; first += batch->lengths[s++]) {
        sequence_view sequence = batch_sequence(batch, s, first);
        size_t squares = (size_t)sequence.n * sequence.n;
        for (uint32_t head = heads.first; head < heads.end; head++)
            attention_head(session, &session->workspaces[thread], phase->layer, head, &sequence,
                           probabilities ? probabilities + head * squares : NULL);
        if (probabilities)
            probabilities += config->n_heads * squares;
    }
}

/* query = attention(hidden) of the layer `index`. */
static void attend(bert_session *session, uint32_t index)
{
    const encoding_state *encoding = &session->encoding;
    const bert_config *config = &session->model->config;
    attention_phase phase = {session, layer_at(session->model, index),
                             encoding->outputs.data[BERT_OUTPUT_ATTENTIONS], 1};
    if (phase.probabilities)
        phase.probabilities += index * batch_attentions(config, &encoding->batch);
    if (share_is_by_panels(session, encoding->n_tokens)) {
        uint32_t together = heads_together(config);
        phase.n_blocks = share_blocks(session, (config->n_heads + together - 1) / together, 1);
        pool_run(&session->pool, phase.n_blocks, attend_heads, &phase);
    } else {
        phase.n_blocks = share_blocks(session, config->n_heads * encoding->batch.n_sequences, 1);
        pool_run(&session->pool, phase.n_blocks, attend_scores, &phase);
    }
}

/* hidden = norm(hidden + query W + b). */
static void add_attention(const thread_share *share, const layer_weights *layer)
{
    const bert_session *session = share->session;
    const matrix *w = &layer->attention_output;
    size_t first = share->rows.first;
    integer_rows inputs = rows_from(session, &session->inputs_i8, share->rows.first);
    add_dense(share, session->query + first * w->n_in, &inputs, w);
    norm_hidden(share, &layer->attention_norm, &layer->intermediate);
}

/* ---------------------------------------------------------------------------- feed-forward -- */

/* intermediate = activation(hidden W + b). */
static void expand(const thread_share *share, const workspace *space, const matrix *w)
{
    const bert_session *session = share->session;
    uint32_t n_rows = rows_count(share->rows);
    float *hidden = session->hidden + (size_t)share->rows.first * w->n_in;
    integer_rows inputs = rows_from(session, &session->inputs_i8, share->rows.first);
    product out = {.activation = session->model->config.activation,
                   .c = space->intermediate,
                   .c_stride = w->n_out};
    show(session, hidden, n_rows, w);
    share_multiply(share, hidden, w->n_in, &inputs, n_rows, w, &out);
}

/* hidden = norm(hidden + activation(hidden W1 + b1) W2 + b2), the input of the layer `next` or, if
 * that is NULL, of no product. */
static void feed_forward(const thread_share *share, const layer_weights *layer,
                         const layer_weights *next)
{
    const workspace *space = &share->session->workspaces[share->thread];
    expand(share, space, &layer->intermediate);
    add_dense(share, space->intermediate, &space->intermediate_i8, &layer->output);
    norm_hidden(share, &layer->output_norm, next ? &next->query : NULL);
}

/* hidden = norm(hidden + activation(conv(embeddings))): see conv.c. */
static void convolve(const thread_share *share, const layer_weights *next)
{
    conv_add(share);
    norm_hidden(share, &share->session->model->conv_norm, next ? &next->query : NULL);
}

/* Copies the hidden states to an output [T, H], if that is wanted. */
static void record(const thread_share *share, float *output)
{
    const bert_session *session = share->session;
    size_t hidden = session->model->config.hidden_size, at = share->rows.first * hidden;
    if (output)
        memcpy(output + at, session->hidden + at, rows_count(share->rows) * hidden * sizeof(float));
}

/* -------------------------------------------------------------------------------- encoding -- */

/* What rows go through before the attention of layer `index`, or after the last. */
typedef struct row_stretch {
    uint32_t index;
    int begins_round; /* the layer before, or the embeddings, were another round's */
    int ends_round;   /* that attention is */
} row_stretch;

static void run_stretch(const thread_share *share, void *argument)
{
    const row_stretch *stretch = argument;
    const bert_session *session = share->session;
    const bert_model *model = session->model;
    const encoding_state *encoding = &session->encoding;
    const layer_weights *layer = layer_at(model, stretch->index);
    uint32_t index = stretch->index;
    if (index == 0) {
        embed(share, layer);
    } else if (!stretch->begins_round) {
        const layer_weights *before = layer_at(model, index - 1);
        int is_convolved = index == 1 && model->config.conv_size;
        add_attention(share, before);
        feed_forward(share, before, is_convolved ? NULL : layer);
        if (is_convolved)
            convolve(share, layer);
    }
    float *states = encoding->outputs.data[BERT_OUTPUT_HIDDEN_STATES];
    if (states)
        record(share, states + index * (size_t)encoding->n_tokens * model->config.hidden_size);
    if (!layer)
        record(share, encoding->outputs.data[BERT_OUTPUT_LAST_HIDDEN_STATE]);
    if (stretch->ends_round)
        return;
    show(session, session->hidden + (size_t)share->rows.first * model->config.hidden_size,
         rows_count(share->rows), &layer->query);
    if (!share->by_panels)
        project(session, share->thread, share->rows, panels_all(model->config.hidden_size), layer);
}

/* Layers `first` .. end - 1; before the first of all, the embeddings. */
static void run_layers(bert_session *session, uint32_t first, uint32_t end)
{
    for (uint32_t index = first;; index++) {
        row_stretch stretch = {index, index == first, index == end};
        share_rows(session, session->encoding.n_tokens, run_stretch, &stretch);
        if (index == end)
            return;
        attend(session, index);
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
    return BERT_OK;
}

const float *bert_encode_states(const bert_session *session)
{
    return session->hidden;
}

bert_status bert_encode_resume(bert_session *session, const bert_batch *batch,
                               const bert_outputs *outputs, uint32_t step, const float *states,
                               bert_error *error)
{
    assert(states);
    const bert_model *model = session->model;
    uint32_t n_layers = model->config.n_layers;
    bert_status status = bert_encode_begin(session, batch, outputs, error);
    if (status == BERT_OK && (step < 1 || step > n_layers))
        status = error_set_limit(error, BERT_BAD_OPTION, "step", step, n_layers);
    if (status == BERT_OK && bert_model_steps_ready(model) < step)
        status = arrivals_check(model, error);
    encoding_state *encoding = &session->encoding;
    if (status != BERT_OK) {
        encoding->n_steps = 0;
        return status;
    }
    memcpy(session->hidden, states,
           (size_t)encoding->n_tokens * model->config.hidden_size * sizeof *states);
    const layer_weights *layer = layer_at(model, step);
    if (layer)
        quantise(session, (row_range){0, encoding->n_tokens}, session->hidden, &layer->query,
                 &session->inputs_i8);
    encoding->next = step;
    return BERT_OK;
}

uint32_t bert_encode_step(bert_session *session, uint32_t n_steps)
{
    encoding_state *encoding = &session->encoding;
    uint32_t n_layers = session->model->config.n_layers, first = encoding->next;
    uint32_t ready = bert_model_steps_ready(session->model);
    uint32_t end = ready < encoding->n_steps ? ready : encoding->n_steps;
    if (n_steps < end - first)
        end = first + n_steps;
    if (end == first)
        return encoding->n_steps - first;
    session->n_threads = pool_threads(&session->pool);
    if (first == 0 || first < n_layers)
        run_layers(session, first, end < n_layers ? end : n_layers);
    if (end == encoding->n_steps) {
        token_head_run(session);
        head_run(session, &encoding->batch, &encoding->outputs);
    }
    pool_rest(&session->pool);
    encoding->next = end;
    return encoding->n_steps - end;
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
