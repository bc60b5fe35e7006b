/* session.c - options with their defaults, and everything that encoding needs in one block. */
#include "share.h"

/* Room for integers of 16 bits, the wider of the two. */
static integer_rows take_quantised(memory_arena *arena, const bert_config *config, uint64_t n_rows,
                                   uint32_t n_in)
{
    integer_rows rows = {.integers = config->integers, .stride = quantised_stride(n_in)};
    rows.values = arena_take(arena, n_rows * rows.stride, sizeof(int16_t));
    rows.least = arena_take(arena, n_rows, sizeof(float));
    rows.step = arena_take(arena, n_rows, sizeof(float));
    return rows;
}

/* Inputs of the matrix, or columns of the table, that has most of them. */
static uint64_t most_inputs(const bert_config *config)
{
    uint64_t most = config->hidden_size, convolved = most * config->conv_size;
    most = config->intermediate_size > most ? config->intermediate_size : most;
    most = config->embedding_size > most ? config->embedding_size : most;
    if (config->embedding_dim && bert_config_pooled_columns(config) > most)
        most = bert_config_pooled_columns(config);
    return convolved > most ? convolved : most;
}

void session_take_positions(memory_arena *arena, const bert_config *config, uint64_t n,
                            workspace *space)
{
    if (config->position_attention == BERT_POSITION_ATTENTION_NONE)
        return;
    uint64_t dim = config->hidden_size / config->n_heads;
    uint64_t width = position_stride(config->n_relative_rows);
    space->positions = arena_take(arena, n, sizeof(uint32_t));
    space->key_tokens = arena_take(arena, n, sizeof(uint32_t));
    space->key_positions = arena_take(arena, n, sizeof(uint32_t));
    space->relative_panels = arena_take(arena, width * dim, sizeof(float));
    if (config_has_c2p(config))
        space->query_terms = arena_take(arena, QUERY_BLOCK * width, sizeof(float));
    if (config_has_p2c(config))
        space->key_terms = arena_take(arena, n * width, sizeof(float));
}

static workspace take_workspace(memory_arena *arena, const bert_config *config, uint64_t n)
{
    uint64_t hidden = config->hidden_size, intermediate = config->intermediate_size;
    uint64_t dim = hidden / config->n_heads;
    workspace space = {0};
    space.panel = arena_take(arena, TILE_PANELS * BERT_PANEL * most_inputs(config), sizeof(float));
    space.key_panels = arena_take(arena, (n + BERT_PANEL - 1) * dim, sizeof(float));
    space.value_panels = arena_take(arena, (dim + BERT_PANEL - 1) * n, sizeof(float));
    space.scores = arena_take(arena, QUERY_BLOCK * n, sizeof(float));
    space.queries = arena_take(arena, QUERY_BLOCK * ((dim + 7) / 8 * 8), sizeof(int16_t));
    space.contexts = arena_take(arena, QUERY_BLOCK * dim, sizeof(int32_t));
    space.intermediate = arena_take(arena, ROW_BLOCK * intermediate, sizeof(float));
    space.intermediate_i8 = take_quantised(arena, config, ROW_BLOCK, config->intermediate_size);
    session_take_positions(arena, config, n, &space);
    return space;
}

/* With an arena that only counts, it returns NULL, and the arena has the size. */
static bert_session *lay_out(const bert_config *config, const bert_options *options,
                             memory_arena *arena)
{
    uint64_t tokens = options->max_tokens, hidden = config->hidden_size;
    bert_session header = {.max_tokens = options->max_tokens,
                           .max_sequence_tokens = options->max_sequence_tokens,
                           .int8_kernel = gemm_i8_kernel(config->integers, options->int8_kernel)};
    bert_session *session = arena_take(arena, 1, sizeof header);
    header.hidden = arena_take(arena, tokens * hidden, sizeof(float));
    header.query = arena_take(arena, tokens * hidden, sizeof(float));
    header.key = arena_take(arena, tokens * hidden, sizeof(float));
    header.value = arena_take(arena, tokens * hidden, sizeof(float));
    header.embeddings = header.query;
    if (config->projects_embeddings)
        header.embeddings = arena_take(arena, tokens * config->embedding_size, sizeof(float));
    if (config->conv_size) {
        header.conv_inputs =
            arena_take(arena, conv_most_rows(config, tokens) * hidden, sizeof(float));
        header.conv_rows = arena_take(arena, tokens, sizeof(uint32_t));
    }
    header.pooled = header.query;
    if (config->embedding_dim && bert_config_pooled_columns(config) > hidden)
        header.pooled =
            arena_take(arena, tokens * bert_config_pooled_columns(config), sizeof(float));
    header.inputs_i8 = take_quantised(arena, config, tokens, config->hidden_size);
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

bert_status limits_resolve(const bert_config *config, uint32_t *max_sequence_tokens,
                           uint32_t *max_tokens, uint32_t *n_threads, bert_error *error)
{
    uint32_t most = bert_config_most_tokens(config);
    if (*max_sequence_tokens == 0)
        *max_sequence_tokens =
            most == BERT_UNLIMITED_TOKENS ? BERT_DEFAULT_MAX_SEQUENCE_TOKENS : most;
    if (*max_sequence_tokens > most)
        return error_set_limit(error, BERT_SEQUENCE_TOO_LONG, "max_sequence_tokens",
                               *max_sequence_tokens, most);
    if (*max_tokens == 0)
        *max_tokens = BERT_DEFAULT_MAX_TOKENS;
    if (*max_tokens < *max_sequence_tokens)
        *max_tokens = *max_sequence_tokens;
    if (*n_threads == 0)
        *n_threads = 1;
    if (*n_threads > BERT_MAX_THREADS)
        return error_set_limit(error, BERT_BAD_OPTION, "n_threads", *n_threads, BERT_MAX_THREADS);
    return BERT_OK;
}

/* The options with their defaults, checked. */
static bert_status resolve(const bert_config *config, const bert_options *options,
                           bert_options *resolved, bert_error *error)
{
    *resolved = options ? *options : (bert_options){0};
    bert_status status = limits_resolve(config, &resolved->max_sequence_tokens,
                                        &resolved->max_tokens, &resolved->n_threads, error);
    if (status)
        return status;
    if (!bert_int8_kernel_exists(config->integers, resolved->int8_kernel))
        return error_set(error, BERT_BAD_OPTION, "int8_kernel");
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
    memory_arena arena = {0};
    lay_out(config, &resolved, &arena);
    if (arena.n_bytes > SIZE_MAX / 2)
        return error_set_limit(error, BERT_MODEL_TOO_LARGE, "session", (int64_t)arena.n_bytes,
                               (int64_t)(SIZE_MAX / 2));
    *n_bytes = (size_t)arena.n_bytes;
    return BERT_OK;
}

bert_status bert_session_open(const bert_model *model, const bert_options *options, void *memory,
                              size_t n_bytes, bert_session **session, bert_error *error)
{
    assert(model && session);
    assert(memory && aligned(memory, BERT_ALIGNMENT));
    size_t needed = 0;
    bert_status status = bert_session_bytes(&model->config, options, &needed, error);
    if (status != BERT_OK)
        return status;
    if (n_bytes < needed)
        return error_set_limit(error, BERT_OUT_OF_MEMORY, "session", (int64_t)n_bytes,
                               (int64_t)needed);
    bert_options resolved;
    resolve(&model->config, options, &resolved, error);
    memory_arena arena = {.base = memory};
    *session = lay_out(&model->config, &resolved, &arena);
    (*session)->model = model;
    return BERT_OK;
}

bert_status bert_session_use_kernel(bert_session *session, bert_int8_kernel kernel,
                                    bert_error *error)
{
    bert_integers integers = session->model->config.integers;
    if (!bert_int8_kernel_exists(integers, kernel))
        return error_set(error, BERT_BAD_OPTION, "int8_kernel");
    session->int8_kernel = gemm_i8_kernel(integers, kernel);
    return BERT_OK;
}

uint32_t bert_session_threads(const bert_session *session)
{
    return pool_threads(&session->pool);
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
    assert(session->pool.max_threads == 1);
    session->observer = observer;
    session->observer_argument = argument;
}
