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

static bert_session *lay_out(const bert_model *model, uint32_t max_tokens,
                             uint32_t max_sequence_tokens, arena *arena)
{
    const bert_config *config = &model->config;
    uint64_t hidden = config->hidden_size, intermediate = config->intermediate_size;
    uint64_t dim = hidden / config->n_heads, tokens = max_tokens;
    uint64_t n_padded = (uint64_t)max_sequence_tokens + BERT_PANEL - 1;
    bert_session header = {
        .model = model, .max_tokens = max_tokens, .max_sequence_tokens = max_sequence_tokens};
    bert_session *session = arena_take(arena, 1, sizeof header);
    header.hidden = arena_take(arena, tokens * hidden, sizeof(float));
    header.query = arena_take(arena, tokens * hidden, sizeof(float));
    header.key = arena_take(arena, tokens * hidden, sizeof(float));
    header.value = arena_take(arena, tokens * hidden, sizeof(float));
    header.intermediate = arena_take(arena, ROW_BLOCK * intermediate, sizeof(float));
    header.panel = arena_take(arena, BERT_PANEL * (hidden > intermediate ? hidden : intermediate),
                              sizeof(float));
    header.key_panels = arena_take(arena, n_padded * dim, sizeof(float));
    header.value_panels =
        arena_take(arena, (dim + BERT_PANEL - 1) * max_sequence_tokens, sizeof(float));
    header.scores = arena_take(arena, (uint64_t)QUERY_BLOCK * max_sequence_tokens, sizeof(float));
    if (session)
        *session = header;
    return session;
}

/* The options with their defaults, checked. */
static bert_status resolve(const bert_model *model, const bert_options *options,
                           bert_options *resolved, bert_error *error)
{
    *resolved = options ? *options : (bert_options){0};
    uint32_t n_positions = model->config.n_positions;
    if (resolved->max_sequence_tokens == 0)
        resolved->max_sequence_tokens = n_positions;
    if (resolved->max_sequence_tokens > n_positions)
        return error_set(error, BERT_SEQUENCE_TOO_LONG, "max_sequence_tokens",
                         resolved->max_sequence_tokens, n_positions);
    if (resolved->max_tokens == 0)
        resolved->max_tokens = DEFAULT_MAX_TOKENS;
    if (resolved->max_tokens < resolved->max_sequence_tokens)
        resolved->max_tokens = resolved->max_sequence_tokens;
    return BERT_OK;
}

bert_status bert_session_bytes(const bert_model *model, const bert_options *options,
                               size_t *n_bytes, bert_error *error)
{
    bert_options resolved;
    bert_status status = resolve(model, options, &resolved, error);
    if (status != BERT_OK)
        return status;
    arena arena = {0};
    lay_out(model, resolved.max_tokens, resolved.max_sequence_tokens, &arena);
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
    bert_status status = bert_session_bytes(model, options, &needed, error);
    if (status != BERT_OK)
        return status;
    if (n_bytes < needed)
        return error_set(error, BERT_OUT_OF_MEMORY, "session", (int64_t)n_bytes, (int64_t)needed);
    bert_options resolved;
    resolve(model, options, &resolved, error);
    arena arena = {.base = memory};
    *session = lay_out(model, resolved.max_tokens, resolved.max_sequence_tokens, &arena);
    return BERT_OK;
}

uint32_t bert_session_threads(const bert_session *session)
{
    (void)session;
    return 1;
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

/* hidden = norm(word + position + token type). */
static void embed(const bert_session *session, const bert_batch *batch, uint32_t n_tokens)
{
    const bert_model *model = session->model;
    uint32_t columns = model->config.hidden_size;
    uint32_t token = 0;
    for (uint32_t s = 0; s < batch->n_sequences; s++) {
        for (uint32_t i = 0; i < batch->lengths[s]; i++, token++) {
            float *row = session->hidden + (size_t)token * columns;
            uint32_t position = batch->positions ? batch->positions[token] : i;
            ops_table_row(&model->word, batch->ids[token], row, 0);
            ops_table_row(&model->position, position, row, 1);
            if (model->config.n_token_types)
                ops_table_row(&model->token_type,
                              batch->token_types ? batch->token_types[token] : 0, row, 1);
        }
    }
    ops_layer_norm(session->hidden, n_tokens, columns, &model->embeddings_norm,
                   model->config.layer_norm_eps);
}

/* hidden = norm(hidden + attention(hidden) W + b). */
static void self_attention(const bert_session *session, const layer *layer, const bert_batch *batch,
                           uint32_t n_tokens, float *probabilities)
{
    const bert_config *config = &session->model->config;
    size_t stride = config->hidden_size;
    float *hidden = session->hidden, *panel = session->panel;
    gemm_f32(hidden, stride, n_tokens, &layer->query, BERT_ACTIVATION_NONE, NULL, session->query,
             stride, panel);
    gemm_f32(hidden, stride, n_tokens, &layer->key, BERT_ACTIVATION_NONE, NULL, session->key,
             stride, panel);
    gemm_f32(hidden, stride, n_tokens, &layer->value, BERT_ACTIVATION_NONE, NULL, session->value,
             stride, panel);
    for (uint32_t s = 0, first = 0; s < batch->n_sequences; s++) {
        uint32_t n = batch->lengths[s];
        attention_sequence(session, first, n, batch->attended ? batch->attended + first : NULL,
                           probabilities);
        first += n;
        if (probabilities)
            probabilities += (size_t)config->n_heads * n * n;
    }
    gemm_f32(session->query, stride, n_tokens, &layer->attention_output, BERT_ACTIVATION_NONE,
             hidden, hidden, stride, panel);
    ops_layer_norm(hidden, n_tokens, config->hidden_size, &layer->attention_norm,
                   config->layer_norm_eps);
}

/* hidden = norm(hidden + activation(hidden W1 + b1) W2 + b2), a block of rows at a time. */
static void feed_forward(const bert_session *session, const layer *layer, uint32_t n_tokens)
{
    const bert_config *config = &session->model->config;
    size_t stride = config->hidden_size, wide = config->intermediate_size;
    for (uint32_t row = 0; row < n_tokens; row += ROW_BLOCK) {
        uint32_t n_rows = n_tokens - row < ROW_BLOCK ? n_tokens - row : ROW_BLOCK;
        float *hidden = session->hidden + row * stride;
        gemm_f32(hidden, stride, n_rows, &layer->intermediate, config->activation, NULL,
                 session->intermediate, wide, session->panel);
        gemm_f32(session->intermediate, wide, n_rows, &layer->output, BERT_ACTIVATION_NONE, hidden,
                 hidden, stride, session->panel);
        ops_layer_norm(hidden, n_rows, config->hidden_size, &layer->output_norm,
                       config->layer_norm_eps);
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
    float *probabilities = outputs->data[BERT_OUTPUT_ATTENTIONS];
    embed(session, batch, n_tokens);
    hidden_states = record(session, n_tokens, hidden_states);
    for (uint32_t i = 0; i < model->config.n_layers; i++) {
        self_attention(session, &model->layers[i], batch, n_tokens, probabilities);
        feed_forward(session, &model->layers[i], n_tokens);
        hidden_states = record(session, n_tokens, hidden_states);
        if (probabilities)
            probabilities += attention_count(&model->config, batch);
    }
    record(session, n_tokens, outputs->data[BERT_OUTPUT_LAST_HIDDEN_STATE]);
    head_run(session, batch, outputs);
    return BERT_OK;
}
