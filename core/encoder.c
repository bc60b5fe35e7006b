/*
 * encoder.c - a session's memory, the checks of a batch, and the encoder itself: embeddings, then
 * layers of attention and feed-forward, each with its residual and norm (Devlin et al. 2018, BERT,
 * section 3; Vaswani et al. 2017, section 3.1).
 *
 * Tokens of all sequences lie end to end in [T, H]: every product runs over all of them, attention
 * alone sees where a sequence begins and ends.
 */
#include <string.h>

#include "internal.h"

/* -------------------------------------------------------------------------------- session -- */

#define DEFAULT_MAX_TOKENS 1024

/* Room for integers of either width. */
static quantised take_quantised(arena *arena, uint64_t n_rows, uint32_t n_in)
{
    quantised rows = {.stride = quantised_stride(n_in)};
    rows.values = arena_take(arena, n_rows * rows.stride, sizeof(int16_t));
    rows.least = arena_take(arena, n_rows, sizeof(float));
    rows.step = arena_take(arena, n_rows, sizeof(float));
    return rows;
}

static workspace take_workspace(arena *arena, const bert_config *config, uint64_t n)
{
    uint64_t hidden = config->hidden_size, intermediate = config->intermediate_size;
    uint64_t dim = hidden / config->n_heads;
    workspace space;
    space.panel = arena_take(
        arena, WIDE_PANELS * BERT_PANEL * (hidden > intermediate ? hidden : intermediate),
        sizeof(float));
    space.key_panels = arena_take(arena, (n + BERT_PANEL - 1) * dim, sizeof(float));
    space.value_panels = arena_take(arena, (dim + BERT_PANEL - 1) * n, sizeof(float));
    space.scores = arena_take(arena, QUERY_BLOCK * n, sizeof(float));
    return space;
}

/* With an arena that only counts, sizes alone come of it. */
static bert_session *lay_out(const bert_config *config, const bert_options *options, arena *arena)
{
    uint64_t tokens = options->max_tokens, hidden = config->hidden_size;
    bert_session header = {.max_tokens = options->max_tokens,
                           .max_sequence_tokens = options->max_sequence_tokens,
                           .int8_kernel = gemm_i8_kernel(options->int8_kernel)};
    bert_session *session = arena_take(arena, 1, sizeof header);
    header.hidden = arena_take(arena, tokens * hidden, sizeof(float));
    header.query = arena_take(arena, tokens * hidden, sizeof(float));
    header.key = arena_take(arena, tokens * hidden, sizeof(float));
    header.value = arena_take(arena, tokens * hidden, sizeof(float));
    header.intermediate =
        arena_take(arena, (uint64_t)ROW_BLOCK * config->intermediate_size, sizeof(float));
    header.narrow = take_quantised(arena, tokens, config->hidden_size);
    header.wide = take_quantised(arena, ROW_BLOCK, config->intermediate_size);
    header.workspaces = arena_take(arena, options->n_threads, sizeof(workspace));
    for (uint32_t i = 0; i < options->n_threads; i++) {
        workspace space = take_workspace(arena, config, options->max_sequence_tokens);
        if (header.workspaces)
            header.workspaces[i] = space;
    }
    if (session) {
        *session = header;
        pool_init(&session->pool, options->n_threads);
    }
    return session;
}

/* The options with their defaults, checked. */
static bert_status resolve(const bert_config *config, const bert_options *options,
                           bert_options *resolved, bert_error *error)
{
    *resolved = options ? *options : (bert_options){0};
    if (resolved->max_sequence_tokens == 0)
        resolved->max_sequence_tokens = config->n_positions;
    if (resolved->max_sequence_tokens > config->n_positions)
        return error_set(error, BERT_SEQUENCE_TOO_LONG, "max_sequence_tokens",
                         resolved->max_sequence_tokens, config->n_positions);
    if (resolved->max_tokens == 0)
        resolved->max_tokens = DEFAULT_MAX_TOKENS;
    if (resolved->max_tokens < resolved->max_sequence_tokens)
        resolved->max_tokens = resolved->max_sequence_tokens;
    if (resolved->n_threads == 0)
        resolved->n_threads = 1;
    if (resolved->n_threads > BERT_MAX_THREADS)
        return error_set(error, BERT_BAD_OPTION, "n_threads", resolved->n_threads,
                         BERT_MAX_THREADS);
    if (!bert_int8_kernel_exists(resolved->int8_kernel))
        return error_set(error, BERT_BAD_OPTION, "int8_kernel", resolved->int8_kernel, 0);
    return BERT_OK;
}

bert_status bert_session_bytes(const bert_config *config, const bert_options *options,
                               size_t *n_bytes, bert_error *error)
{
    bert_options resolved;
    bert_status status = config_check(config, error);
    if (status == BERT_OK)
        status = resolve(config, options, &resolved, error);
    if (status != BERT_OK)
        return status;
    arena arena = {0};
    lay_out(config, &resolved, &arena);
    if (arena.n_bytes > SIZE_MAX / 2)
        return error_set(error, BERT_MODEL_TOO_LARGE, "session", (int64_t)arena.n_bytes,
                         (int64_t)(SIZE_MAX / 2));
    *n_bytes = (size_t)arena.n_bytes;
    return BERT_OK;
}

bert_status bert_session_open(const bert_model *model, const bert_options *options, void *memory,
                              size_t n_bytes, bert_session **session, bert_error *error)
{
    assert(memory && (uintptr_t)memory % BERT_ALIGNMENT == 0);
    size_t needed = 0;
    bert_status status = bert_session_bytes(&model->config, options, &needed, error);
    if (status != BERT_OK)
        return status;
    if (n_bytes < needed)
        return error_set(error, BERT_OUT_OF_MEMORY, "session", (int64_t)n_bytes, (int64_t)needed);
    bert_options resolved;
    resolve(&model->config, options, &resolved, error);
    arena arena = {.base = memory};
    *session = lay_out(&model->config, &resolved, &arena);
    (*session)->model = model;
    return BERT_OK;
}

uint32_t bert_session_threads(const bert_session *session)
{
    return atomic_load(&session->pool.n_joined);
}

void bert_session_serve(bert_session *session)
{
    pool_serve(&session->pool);
}

void bert_session_stop(bert_session *session)
{
    pool_stop(&session->pool);
}

void bert_session_observe(bert_session *session, bert_observer *observer, void *argument)
{
    session->observer = observer;
    session->observer_argument = argument;
}

/* --------------------------------------------------------------------------------- checks -- */

/* One sequence's tokens, which start at `first`. */
static bert_status check_sequence(const bert_config *config, const bert_batch *batch,
                                  uint32_t first, uint32_t n, bert_error *error)
{
    uint32_t n_attended = 0;
    for (uint32_t i = first; i < first + n; i++) {
        if (batch->ids[i] >= config->vocab_size)
            return error_set(error, BERT_BAD_TOKEN_ID, "ids", batch->ids[i], config->vocab_size);
        uint32_t n_types = config->n_token_types ? config->n_token_types : 1;
        if (batch->token_types && batch->token_types[i] >= n_types)
            return error_set(error, BERT_BAD_TOKEN_TYPE, "token_types", batch->token_types[i],
                             n_types);
        if (batch->positions && batch->positions[i] >= config->n_positions)
            return error_set(error, BERT_BAD_POSITION, "positions", batch->positions[i],
                             config->n_positions);
        n_attended += !batch->attended || batch->attended[i];
    }
    if (n_attended == 0)
        return error_set(error, BERT_EMPTY_SEQUENCE, "attended", 0, 1);
    return BERT_OK;
}

static bert_status check_batch(const bert_session *session, const bert_batch *batch,
                               uint32_t *n_tokens, bert_error *error)
{
    uint64_t total = 0;
    for (uint32_t s = 0; s < batch->n_sequences; s++) {
        uint32_t n = batch->lengths[s];
        if (n == 0)
            return error_set(error, BERT_EMPTY_SEQUENCE, "lengths", s, 0);
        if (n > session->max_sequence_tokens)
            return error_set(error, BERT_SEQUENCE_TOO_LONG, "lengths", n,
                             session->max_sequence_tokens);
        total += n;
        if (total > session->max_tokens)
            return error_set(error, BERT_BATCH_TOO_LARGE, "lengths", (int64_t)total,
                             session->max_tokens);
        bert_status status =
            check_sequence(&session->model->config, batch, (uint32_t)total - n, n, error);
        if (status != BERT_OK)
            return status;
    }
    *n_tokens = (uint32_t)total;
    return BERT_OK;
}

/* Attention probabilities of one layer. */
static uint64_t attention_count(const bert_config *config, const bert_batch *batch)
{
    uint64_t squares = 0;
    for (uint32_t s = 0; s < batch->n_sequences; s++)
        squares += (uint64_t)batch->lengths[s] * batch->lengths[s];
    return config->n_heads * squares;
}

bert_status bert_output_count(const bert_model *model, bert_output output, const bert_batch *batch,
                              size_t *count, bert_error *error)
{
    const char *name = bert_output_name(output);
    const bert_config *config = &model->config;
    uint64_t tokens = 0, n = 0;
    for (uint32_t s = 0; s < batch->n_sequences; s++)
        tokens += batch->lengths[s];
    switch (output) {
    case BERT_OUTPUT_LAST_HIDDEN_STATE:
        n = tokens * config->hidden_size;
        break;
    case BERT_OUTPUT_POOLER_OUTPUT:
        if (config->pooler_activation == BERT_ACTIVATION_NONE)
            return error_set(error, BERT_NO_SUCH_OUTPUT, name, 0, 0);
        n = (uint64_t)batch->n_sequences * config->hidden_size;
        break;
    case BERT_OUTPUT_LOGITS:
        if (config->head == BERT_HEAD_NONE)
            return error_set(error, BERT_NO_SUCH_OUTPUT, name, 0, 0);
        n = (uint64_t)batch->n_sequences * config->n_labels;
        break;
    case BERT_OUTPUT_HIDDEN_STATES:
        n = (config->n_layers + 1ull) * tokens * config->hidden_size;
        break;
    case BERT_OUTPUT_ATTENTIONS:
        n = config->n_layers * attention_count(config, batch);
        break;
    case BERT_OUTPUT_COUNT:
        return error_set(error, BERT_NO_SUCH_OUTPUT, name, output, BERT_OUTPUT_COUNT);
    }
    if (n > SIZE_MAX / 2 / sizeof(float))
        return error_set(error, BERT_BATCH_TOO_LARGE, name, (int64_t)n,
                         (int64_t)(SIZE_MAX / 2 / sizeof(float)));
    *count = (size_t)n;
    return BERT_OK;
}

static bert_status check_outputs(const bert_model *model, const bert_batch *batch,
                                 const bert_outputs *outputs, bert_error *error)
{
    for (int i = 0; i < BERT_OUTPUT_COUNT; i++) {
        size_t count;
        if (outputs->data[i]) {
            bert_status status = bert_output_count(model, (bert_output)i, batch, &count, error);
            if (status != BERT_OK)
                return status;
        }
    }
    return BERT_OK;
}

/* -------------------------------------------------------------------------------- encoder -- */

/* What the pieces of work below are about; each thread takes its share of rows, panels or heads. */
typedef struct step {
    bert_session *session;
    const layer *layer;
    const bert_batch *batch;
    uint32_t first, n_rows; /* the rows of session->hidden it is about */
    float *probabilities;   /* [sum over sequences n_heads n n], or NULL */
} step;

static void run(const step *step, pool_work work)
{
    pool_run(&step->session->pool, work, (void *)step);
}

/* This thread's share of y = activation(x W + b) + residual; x in f32 and, if W is I8, quantised.
 */
static void multiply(const bert_session *session, uint32_t thread, uint32_t n_threads,
                     const float *x, const quantised *quantised, uint32_t n_rows, const matrix *w,
                     const product *out)
{
    panels columns = panels_share(w->n_out, thread, n_threads);
    if (w->dtype == BERT_DTYPE_I8)
        gemm_i8(session->int8_kernel, quantised, n_rows, w, columns, out);
    else
        gemm_f32(x, w->n_in, n_rows, w, columns, out, session->workspaces[thread].panel);
}

/* The rows from `first` on. */
static quantised rows_from(const bert_session *session, const quantised *rows, uint32_t first)
{
    quantised from = *rows;
    size_t width = session->int8_kernel == BERT_INT8_KERNEL_SIMD128 ? 2 : 1;
    from.values = (char *)rows->values + first * width * rows->stride;
    from.least += first;
    from.step += first;
    return from;
}

/* Rows of `x` that this thread quantises into `out`, where `w` wants integers. */
static void quantise(const bert_session *session, uint32_t row, uint32_t end, const float *x,
                     const matrix *w, const float *smooth, const quantised *out)
{
    if (w->dtype != BERT_DTYPE_I8)
        return;
    for (; row < end; row++)
        quantise_row(session->int8_kernel, x + (size_t)row * w->n_in, smooth, w->n_in, out, row);
}

/* The layer after this one, whose inputs this one's last step makes; NULL after the last. */
static const layer *next_layer(const step *step)
{
    const bert_model *model = step->session->model;
    const layer *next = step->layer ? step->layer + 1 : model->layers;
    return next < model->layers + model->config.n_layers ? next : NULL;
}

/* Norms rows row .. end of the hidden states, and makes of each, while it is near, the input of the
 * product with `w`. */
static void norm_and_quantise(const bert_session *session, uint32_t row, uint32_t end,
                              const norm *norm, const matrix *w, const float *smooth)
{
    const bert_config *config = &session->model->config;
    for (; row < end; row++) {
        float *hidden = session->hidden + (size_t)row * config->hidden_size;
        ops_layer_norm(hidden, 1, config->hidden_size, norm, config->layer_norm_eps);
        if (w)
            quantise(session, row, row + 1, session->hidden, w, smooth, &session->narrow);
    }
}

/* hidden = norm(word + position + token type). */
static void embed(void *argument, uint32_t thread, uint32_t n_threads)
{
    const step *step = argument;
    const bert_session *session = step->session;
    const bert_batch *batch = step->batch;
    const bert_model *model = session->model;
    uint32_t first = pool_share(step->n_rows, thread, n_threads);
    uint32_t end = pool_share(step->n_rows, thread + 1, n_threads), token = 0;
    for (uint32_t s = 0; s < batch->n_sequences; s++) {
        for (uint32_t i = 0; i < batch->lengths[s]; i++, token++) {
            if (token < first || token >= end)
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
    const layer *next = next_layer(step);
    norm_and_quantise(session, first, end, &model->embeddings_norm, next ? &next->query : NULL,
                      next ? next->smooth : NULL);
}

static void project(void *argument, uint32_t thread, uint32_t n_threads)
{
    const step *step = argument;
    const bert_session *session = step->session;
    const layer *layer = step->layer;
    size_t stride = session->model->config.hidden_size;
    const matrix *matrices[] = {&layer->query, &layer->key, &layer->value};
    float *results[] = {session->query, session->key, session->value};
    for (int i = 0; i < 3; i++) {
        product out = {.c = results[i], .c_stride = stride};
        multiply(session, thread, n_threads, session->hidden, &session->narrow, step->n_rows,
                 matrices[i], &out);
    }
}

/* Heads of all sequences are dealt out in order, so that everyone has about as many scores to
 * compute: a head costs the square of its sequence's length. */
static void attend(void *argument, uint32_t thread, uint32_t n_threads)
{
    const step *step = argument;
    const bert_session *session = step->session;
    const bert_batch *batch = step->batch;
    uint32_t n_heads = session->model->config.n_heads;
    uint64_t total = 0, before = 0;
    for (uint32_t s = 0; s < batch->n_sequences; s++)
        total += (uint64_t)n_heads * batch->lengths[s] * batch->lengths[s];
    uint64_t from = total * thread / n_threads, to = total * (thread + 1) / n_threads;
    for (uint32_t s = 0, first = 0; s < batch->n_sequences; first += batch->lengths[s++]) {
        uint32_t n = batch->lengths[s];
        for (uint32_t head = 0; head < n_heads; head++) {
            /* A head is whose share its middle is in. */
            uint64_t middle = before + (uint64_t)n * n / 2;
            if (middle >= from && middle < to)
                attention_head(session, &session->workspaces[thread], head, first, n,
                               batch->attended ? batch->attended + first : NULL,
                               step->probabilities ? step->probabilities + before : NULL);
            before += (uint64_t)n * n;
        }
    }
}

/* The context's rows, which attention left in session->query, as input of the next product. */
static void quantise_context(void *argument, uint32_t thread, uint32_t n_threads)
{
    const step *step = argument;
    quantise(step->session, pool_share(step->n_rows, thread, n_threads),
             pool_share(step->n_rows, thread + 1, n_threads), step->session->query,
             &step->layer->attention_output, step->layer->attention_smooth, &step->session->narrow);
}

static void add_attention(void *argument, uint32_t thread, uint32_t n_threads)
{
    const step *step = argument;
    const bert_session *session = step->session;
    product out = {.residual = session->hidden,
                   .c = session->hidden,
                   .c_stride = session->model->config.hidden_size};
    multiply(session, thread, n_threads, session->query, &session->narrow, step->n_rows,
             &step->layer->attention_output, &out);
}

static void norm_attention(void *argument, uint32_t thread, uint32_t n_threads)
{
    const step *step = argument;
    norm_and_quantise(step->session, pool_share(step->n_rows, thread, n_threads),
                      pool_share(step->n_rows, thread + 1, n_threads), &step->layer->attention_norm,
                      &step->layer->intermediate, step->layer->intermediate_smooth);
}

static void widen(void *argument, uint32_t thread, uint32_t n_threads)
{
    const step *step = argument;
    const bert_session *session = step->session;
    const bert_config *config = &session->model->config;
    quantised rows = rows_from(session, &session->narrow, step->first);
    product out = {.activation = config->activation,
                   .c = session->intermediate,
                   .c_stride = config->intermediate_size};
    multiply(session, thread, n_threads,
             session->hidden + (size_t)step->first * config->hidden_size, &rows, step->n_rows,
             &step->layer->intermediate, &out);
}

static void quantise_intermediate(void *argument, uint32_t thread, uint32_t n_threads)
{
    const step *step = argument;
    quantise(step->session, pool_share(step->n_rows, thread, n_threads),
             pool_share(step->n_rows, thread + 1, n_threads), step->session->intermediate,
             &step->layer->output, step->layer->output_smooth, &step->session->wide);
}

static void add_output(void *argument, uint32_t thread, uint32_t n_threads)
{
    const step *step = argument;
    const bert_session *session = step->session;
    size_t stride = session->model->config.hidden_size;
    float *hidden = session->hidden + step->first * stride;
    product out = {.residual = hidden, .c = hidden, .c_stride = stride};
    multiply(session, thread, n_threads, session->intermediate, &session->wide, step->n_rows,
             &step->layer->output, &out);
}

static void norm_output(void *argument, uint32_t thread, uint32_t n_threads)
{
    const step *step = argument;
    const layer *next = next_layer(step);
    norm_and_quantise(step->session, step->first + pool_share(step->n_rows, thread, n_threads),
                      step->first + pool_share(step->n_rows, thread + 1, n_threads),
                      &step->layer->output_norm, next ? &next->query : NULL,
                      next ? next->smooth : NULL);
}

/* Shows the observer the inputs of the product that is next. */
static void show(const step *step, bert_site site, const float *inputs, uint32_t n_columns)
{
    const bert_session *session = step->session;
    if (session->observer)
        session->observer(session->observer_argument,
                          (uint32_t)(step->layer - session->model->layers), site, inputs,
                          step->n_rows, n_columns);
}

/* hidden = norm(hidden + attention(hidden) W + b). */
static void self_attention(const step *step)
{
    const bert_session *session = step->session;
    uint32_t hidden = session->model->config.hidden_size;
    show(step, BERT_SITE_ATTENTION, session->hidden, hidden);
    run(step, project);
    run(step, attend);
    show(step, BERT_SITE_ATTENTION_OUTPUT, session->query, hidden);
    if (step->layer->attention_output.dtype == BERT_DTYPE_I8)
        run(step, quantise_context);
    run(step, add_attention);
    run(step, norm_attention);
}

/* hidden = norm(hidden + activation(hidden W1 + b1) W2 + b2), a block of rows at a time. */
static void feed_forward(step step)
{
    const bert_session *session = step.session;
    const bert_config *config = &session->model->config;
    uint32_t n_rows = step.n_rows;
    show(&step, BERT_SITE_INTERMEDIATE, session->hidden, config->hidden_size);
    for (step.first = 0; step.first < n_rows; step.first += ROW_BLOCK) {
        step.n_rows = n_rows - step.first < ROW_BLOCK ? n_rows - step.first : ROW_BLOCK;
        run(&step, widen);
        show(&step, BERT_SITE_OUTPUT, session->intermediate, config->intermediate_size);
        if (step.layer->output.dtype == BERT_DTYPE_I8)
            run(&step, quantise_intermediate);
        run(&step, add_output);
        run(&step, norm_output);
    }
}

/* Appends the hidden states to an output that wants them; returns where the next ones go. */
static float *record(const bert_session *session, uint32_t n_tokens, float *output)
{
    if (!output)
        return NULL;
    size_t count = (size_t)n_tokens * session->model->config.hidden_size;
    memcpy(output, session->hidden, count * sizeof(float));
    return output + count;
}

bert_status bert_encode(bert_session *session, const bert_batch *batch, const bert_outputs *outputs,
                        bert_error *error)
{
    const bert_model *model = session->model;
    uint32_t n_tokens = 0;
    bert_status status = check_batch(session, batch, &n_tokens, error);
    if (status == BERT_OK)
        status = check_outputs(model, batch, outputs, error);
    if (status != BERT_OK)
        return status;

    float *hidden_states = outputs->data[BERT_OUTPUT_HIDDEN_STATES];
    step step = {.session = session,
                 .batch = batch,
                 .n_rows = n_tokens,
                 .probabilities = outputs->data[BERT_OUTPUT_ATTENTIONS]};
    pool_begin(&session->pool);
    run(&step, embed);
    hidden_states = record(session, n_tokens, hidden_states);
    for (uint32_t i = 0; i < model->config.n_layers; i++) {
        step.layer = &model->layers[i];
        self_attention(&step);
        feed_forward(step);
        hidden_states = record(session, n_tokens, hidden_states);
        if (step.probabilities)
            step.probabilities += attention_count(&model->config, batch);
    }
    record(session, n_tokens, outputs->data[BERT_OUTPUT_LAST_HIDDEN_STATE]);
    head_run(session, batch, outputs);
    return BERT_OK;
}
