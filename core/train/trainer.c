/* trainer.c - options with their defaults, and everything that training needs in one block. */
#include <string.h>

#include "trainer.h"

/* ------------------------------------------------------------------------------------ memory -- */

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static float *take_floats(memory_arena *arena, uint64_t count)
{
    return arena_take(arena, count, sizeof(float));
}

static layer_trace take_trace(memory_arena *arena, const bert_config *config, uint64_t n_tokens)
{
    uint64_t n = n_tokens * config->hidden_size;
    return (layer_trace){.query = take_floats(arena, n),
                         .key = take_floats(arena, n),
                         .value = take_floats(arena, n),
                         .context = take_floats(arena, n),
                         .attention_sum = take_floats(arena, n),
                         .attended = take_floats(arena, n),
                         .wide = take_floats(arena, n_tokens * config->intermediate_size),
                         .output_sum = take_floats(arena, n)};
}

static dense_trace take_dense(memory_arena *arena, const bert_config *config, uint64_t n_rows)
{
    uint64_t n = n_rows * config->hidden_size;
    return (dense_trace){take_floats(arena, n), take_floats(arena, n), take_floats(arena, n),
                         take_floats(arena, n)};
}

static dense_trace take_sentences(memory_arena *arena, const bert_config *config, uint64_t n_rows)
{
    uint64_t n = n_rows * bert_output_columns(config, BERT_OUTPUT_SENTENCE_EMBEDDING);
    dense_trace trace = {.x = take_floats(arena, n_rows * bert_config_pooled_columns(config)),
                         .dsum = take_floats(arena, n)};
    if (config->embedding_dim) {
        trace.sum = take_floats(arena, n);
        trace.y = take_floats(arena, n);
    }
    return trace;
}

static lm_trace take_lm(memory_arena *arena, const bert_config *config, uint64_t n_rows)
{
    uint64_t n = n_rows * config->embedding_size;
    return (lm_trace){take_floats(arena, n), take_floats(arena, n), take_floats(arena, n)};
}

static attention_space take_attention(memory_arena *arena, const bert_config *config, uint64_t n)
{
    uint64_t width = config->n_relative_rows ? position_stride(config->n_relative_rows) : 0;
    uint64_t dim = config->hidden_size / config->n_heads;
    uint64_t padded = dim + BERT_PANEL - 1, columns = (n + BERT_PANEL - 1) * dim;
    return (attention_space){.key = take_floats(arena, n * dim),
                             .value = take_floats(arena, n * dim),
                             .key_columns = take_floats(arena, columns),
                             .value_columns = take_floats(arena, columns),
                             .key_rows = take_floats(arena, padded * n),
                             .value_rows = take_floats(arena, padded * n),
                             .query_rows = take_floats(arena, padded * QUERY_BLOCK),
                             .context_rows = take_floats(arena, padded * QUERY_BLOCK),
                             .scores = take_floats(arena, QUERY_BLOCK * n),
                             .dscores = take_floats(arena, QUERY_BLOCK * n),
                             .across = take_floats(arena, QUERY_BLOCK * n),
                             .dkey = take_floats(arena, n * dim),
                             .dvalue = take_floats(arena, n * dim),
                             .relative_rows = take_floats(arena, padded * width),
                             .key_sums = take_floats(arena, config_has_p2c(config) ? n * width : 0),
                             .sums_across = take_floats(arena, width * larger(n, QUERY_BLOCK))};
}

/* What forward() leaves. */
static void take_traces(memory_arena *arena, const bert_config *config, bert_trainer *header)
{
    uint64_t tokens = header->session.max_tokens, hidden = config->hidden_size;
    uint32_t n_traces = header->recomputes && config->n_layers ? 1 : config->n_layers;
    header->embeddings_sum = take_floats(arena, tokens * config->embedding_size);
    if (config->projects_embeddings)
        header->embeddings = take_floats(arena, tokens * config->embedding_size);
    header->states = take_floats(arena, (config->n_layers + 1ull) * tokens * hidden);
    header->layers = arena_take(arena, n_traces, sizeof *header->layers);
    for (uint32_t i = 0; i < n_traces; i++) {
        layer_trace trace = take_trace(arena, config, tokens);
        if (header->layers)
            header->layers[i] = trace;
    }
    if (config->pooler_activation != BERT_ACTIVATION_NONE)
        header->pooler = take_dense(arena, config, tokens);
    if (config->token_activation != BERT_ACTIVATION_NONE)
        header->token_transform = take_dense(arena, config, tokens);
    if (config->pooling != BERT_POOLING_NONE)
        header->sentence = take_sentences(arena, config, tokens);
    if (config->lm_activation != BERT_ACTIVATION_NONE)
        header->lm = take_lm(arena, config, tokens);
    if (config->relative_norm)
        header->relative = take_floats(arena, config->n_relative_rows * hidden);
    if (config->conv_size) {
        header->conv_windows = take_floats(arena, tokens * config->conv_size * hidden);
        header->conv_output = take_floats(arena, tokens * hidden);
        header->conv_sum = take_floats(arena, tokens * hidden);
    }
}

/* Floats of the panels of W' of a matrix n_in -> n_out, or of one that is taken in lots. */
static uint64_t turned_floats(uint64_t n_in, uint64_t n_out)
{
    return (n_in + BERT_PANEL - 1) * (n_out < GRADIENT_COLUMNS ? n_out : GRADIENT_COLUMNS);
}

/* What backward() computes in. */
static void take_scratch(memory_arena *arena, const bert_config *config,
                         const bert_train_options *options, bert_trainer *header)
{
    uint32_t n_threads = options->n_threads;
    uint64_t tokens = header->session.max_tokens, hidden = config->hidden_size;
    uint64_t wide = config->intermediate_size, embedding = config->embedding_size;
    uint64_t labels = larger(config->n_labels, config->n_token_labels);
    uint64_t pooled = config->embedding_dim ? bert_config_pooled_columns(config) : 0;
    uint64_t words = config->lm_activation != BERT_ACTIVATION_NONE ? config->vocab_size : 0;
    uint64_t window = config->conv_size * hidden, rows = config->n_relative_rows;
    uint64_t most_in = larger(larger(hidden, wide), larger(larger(embedding, pooled), window));
    uint64_t from_hidden = turned_floats(hidden, larger(larger(wide, labels), hidden));
    uint64_t from_embedding = turned_floats(embedding, larger(hidden, words));
    uint64_t to_hidden = turned_floats(larger(wide, window), hidden);
    uint64_t most_weights = larger(larger(from_hidden, to_hidden),
                                   larger(larger(from_embedding, turned_floats(hidden, embedding)),
                                          turned_floats(pooled, config->embedding_dim)));
    header->dstates = take_floats(arena, tokens * hidden);
    header->dsum = take_floats(arena, tokens * larger(hidden, embedding));
    header->dcontext = take_floats(arena, tokens * larger(hidden, embedding));
    header->dquery = take_floats(arena, tokens * hidden);
    header->dkey = take_floats(arena, tokens * hidden);
    header->dvalue = take_floats(arena, tokens * hidden);
    header->activated = take_floats(arena, tokens * wide);
    header->dwide = take_floats(arena, tokens * wide);
    header->means = take_floats(arena, larger(tokens, rows));
    header->inverses = take_floats(arena, larger(tokens, rows));
    header->weight_columns = take_floats(arena, most_weights);
    header->inputs_across = take_floats(arena, (most_in + BERT_PANEL - 1) * GRADIENT_ROWS);
    header->output_rows = take_floats(arena, (uint64_t)n_threads * OUTPUT_TILE);
    header->low = take_floats(arena, larger(tokens, rows) * options->lora.rank);
    header->dlow = take_floats(arena, larger(tokens, rows) * options->lora.rank);
    header->saved_words = take_floats(arena, tokens * embedding);
    header->saved_rows = arena_take(arena, tokens, sizeof *header->saved_rows);
    header->attention = arena_take(arena, n_threads, sizeof *header->attention);
    for (uint32_t i = 0; i < n_threads; i++) {
        attention_space space = take_attention(arena, config, header->session.max_sequence_tokens);
        if (header->attention)
            header->attention[i] = space;
    }
    if (config->relative_source != BERT_RELATIVE_SOURCE_NONE) {
        header->drelative = take_floats(arena, rows * hidden);
        header->dtables = take_floats(arena, 2 * rows * hidden);
        header->adapted_tables = take_floats(arena, options->lora.rank ? 2 * rows * hidden : 0);
    }
}

/* What the core's decoder of words makes panels in, and its attention what distances add. */
static void take_workspaces(memory_arena *arena, const bert_config *config,
                            const bert_train_options *options, bert_trainer *header)
{
    uint64_t n = config->lm_tied ? (uint64_t)TILE_PANELS * BERT_PANEL * config->embedding_size : 0;
    workspace *workspaces = arena_take(arena, options->n_threads, sizeof *workspaces);
    for (uint32_t i = 0; i < options->n_threads; i++) {
        workspace space = {.panel = take_floats(arena, n)};
        session_take_positions(arena, config, options->max_sequence_tokens, &space);
        if (workspaces)
            workspaces[i] = space;
    }
    header->session.workspaces = workspaces;
}

/* Parameters, gradients, moments, and where everything of the parameters is. */
static void take_parameters(memory_arena *arena, const bert_config *config, const bert_lora *lora,
                            bert_trainer *header, uint8_t **rows, float **means, float **squares)
{
    parameter_counts counts = parameters_count(config, lora);
    uint32_t n_listed = counts.n_trained + counts.n_fixed;
    uint64_t n_units = larger(counts.n_rows, counts.trained_floats / PARAMETER_UNIT + 1);
    header->n_parameters = counts.n_trained;
    header->n_tensors = n_listed - counts.n_adapted;
    header->parameters = arena_take(arena, counts.n_trained, sizeof *header->parameters);
    header->tensors = arena_take(arena, n_listed, sizeof *header->tensors);
    header->names = arena_take(arena, n_listed, sizeof *header->names);
    header->values = take_floats(arena, counts.trained_floats + counts.fixed_floats);
    header->gradients = take_floats(arena, counts.trained_floats);
    *means = take_floats(arena, counts.trained_floats);
    *squares = take_floats(arena, counts.trained_floats);
    *rows = arena_take(arena, counts.n_rows, 1);
    if (config->position_attention == BERT_POSITION_ATTENTION_BIAS)
        header->bias_first =
            arena_take(arena, 2ull * config->n_distances - 1, sizeof *header->bias_first);
    header->partial_sums = arena_take(arena, n_units, sizeof *header->partial_sums);
    uint64_t n_stored = bert_config_n_stored_layers(config);
    if (relative_has_projections(config))
        header->projections = arena_take(arena, n_stored, sizeof *header->projections);
    if (lora->rank)
        header->adapters = arena_take(arena, n_stored * N_ADAPTERS, sizeof *header->adapters);
}

/* With an arena that only counts, it returns NULL, and the arena has the size. `model` is where the
 * core's model lies. */
static bert_trainer *lay_out(const bert_config *config, const bert_train_options *options,
                             size_t model_bytes, memory_arena *arena, void **model)
{
    uint8_t *rows;
    float *means, *squares;
    bert_trainer header = {
        .recomputes = options->recomputes,
        .lora_scale = options->lora.rank ? options->lora.alpha / (float)options->lora.rank : 0,
        .session = {.max_tokens = options->max_tokens,
                    .max_sequence_tokens = options->max_sequence_tokens}};
    bert_trainer *trainer = arena_take(arena, 1, sizeof header);
    *model = arena_take(arena, model_bytes, 1);
    take_workspaces(arena, config, options, &header);
    take_parameters(arena, config, &options->lora, &header, &rows, &means, &squares);
    take_traces(arena, config, &header);
    take_scratch(arena, config, options, &header);
    if (trainer) {
        *trainer = header;
        pool_init(&trainer->session.pool, options->n_threads);
        parameters_lay_out(config, &options->lora, trainer, rows, means, squares);
    }
    return trainer;
}

/* ----------------------------------------------------------------------------------- opening -- */

/* The options with their defaults, which are a session's. */
static bert_status resolve(const bert_config *config, const bert_train_options *options,
                           bert_train_options *resolved, bert_error *error)
{
    *resolved = options ? *options : (bert_train_options){0};
    bert_status status = limits_resolve(config, &resolved->max_sequence_tokens,
                                        &resolved->max_tokens, &resolved->n_threads, error);
    if (status)
        return status;
    if (resolved->recomputes > 1)
        return error_set_limit(error, BERT_BAD_OPTION, "recomputes", resolved->recomputes, 1);
    return lora_resolve(config, &resolved->lora, error);
}

static bert_status size_of(const bert_config *config, const bert_train_options *options,
                           bert_train_options *resolved, size_t *model_bytes, size_t *n_bytes,
                           bert_error *error)
{
    void *model;
    memory_arena arena = {0};
    bert_status status = bert_model_bytes(config, model_bytes, error);
    if (status == BERT_OK)
        status = resolve(config, options, resolved, error);
    if (status != BERT_OK)
        return status;
    lay_out(config, resolved, *model_bytes, &arena, &model);
    /* Arrays must have half the address space at most, as C wants it; together they need not. */
    uint64_t most = SIZE_MAX < INT64_MAX ? SIZE_MAX : INT64_MAX;
    if (arena.n_bytes > most)
        return error_set_limit(error, BERT_MODEL_TOO_LARGE, "trainer", (int64_t)arena.n_bytes,
                               (int64_t)most);
    if (arena.largest > SIZE_MAX / 2)
        return error_set_limit(error, BERT_MODEL_TOO_LARGE, "trainer", (int64_t)arena.largest,
                               (int64_t)(SIZE_MAX / 2));
    *n_bytes = (size_t)arena.n_bytes;
    return BERT_OK;
}

bert_status bert_train_size(const bert_config *config, const bert_train_options *options,
                            size_t *n_bytes, bert_error *error)
{
    bert_train_options resolved;
    size_t model_bytes = 0;
    assert(config && n_bytes);
    return size_of(config, options, &resolved, &model_bytes, n_bytes, error);
}

/* The tensor of the caller's that is called so. */
static const bert_tensor *find(const bert_tensor *tensors, size_t n_tensors, const char *name)
{
    for (size_t i = 0; i < n_tensors; i++)
        if (strcmp(tensors[i].name, name) == 0)
            return &tensors[i];
    return NULL;
}

static bert_status check_tensor(const bert_tensor *own, const bert_tensor *from, bert_error *error)
{
    if (!from)
        return error_set(error, BERT_MISSING_TENSOR, own->name);
    if (from->dtype != BERT_DTYPE_F32)
        return error_set(error, BERT_BAD_DTYPE, own->name);
    if (from->rank != own->rank)
        return error_set_limit(error, BERT_BAD_SHAPE, own->name, from->rank, own->rank);
    for (uint32_t i = 0; i < own->rank; i++)
        if (from->shape[i] != own->shape[i])
            return error_set_limit(error, BERT_BAD_SHAPE, own->name, from->shape[i], own->shape[i]);
    if (!from->data || from->n_bytes != own->n_bytes)
        return error_set_limit(error, BERT_BAD_DATA, own->name, (int64_t)from->n_bytes,
                               (int64_t)own->n_bytes);
    return BERT_OK;
}

/* Copies the values of every tensor. The core has found what is wrong with those that it reads, and
 * names that are there twice. */
static bert_status copy_values(bert_trainer *trainer, const bert_tensor *tensors, size_t n_tensors,
                               bert_error *error)
{
    for (uint32_t i = 0; i < trainer->n_tensors; i++) {
        const bert_tensor *own = &trainer->tensors[i];
        const bert_tensor *from = find(tensors, n_tensors, own->name);
        bert_status status = check_tensor(own, from, error);
        if (status != BERT_OK)
            return status;
        memcpy((void *)own->data, from->data, own->n_bytes);
    }
    for (size_t i = 0; i < n_tensors && n_tensors > trainer->n_tensors; i++)
        if (!find(trainer->tensors, trainer->n_tensors, tensors[i].name))
            return error_set(error, BERT_UNKNOWN_TENSOR, tensors[i].name);
    return BERT_OK;
}

/* No gradients, no moments, no step. */
static void clear(bert_trainer *trainer)
{
    for (uint32_t i = 0; i < trainer->n_parameters; i++) {
        parameter *own = &trainer->parameters[i];
        memset(own->is.mean, 0, own->is.count * sizeof(float));
        memset(own->is.square, 0, own->is.count * sizeof(float));
        if (!own->rows)
            continue;
        memset(own->is.gradient, 0, own->is.count * sizeof(float));
        memset(own->rows, ROW_UNTOUCHED, own->is.tensor.shape[0]);
    }
}

bert_status bert_train_open(const bert_config *config, const bert_tensor *tensors, size_t n_tensors,
                            const bert_train_options *options, void *memory, size_t n_bytes,
                            bert_trainer **trainer_out, bert_error *error)
{
    assert(config && trainer_out && memory && aligned(memory, BERT_ALIGNMENT));
    bert_train_options resolved;
    size_t model_bytes = 0, needed = 0;
    void *place;
    bert_model *model;
    bert_status status = size_of(config, options, &resolved, &model_bytes, &needed, error);
    if (status != BERT_OK)
        return status;
    if (n_bytes < needed)
        return error_set_limit(error, BERT_OUT_OF_MEMORY, "trainer", (int64_t)n_bytes,
                               (int64_t)needed);
    memory_arena arena = {.base = memory};
    bert_trainer *trainer = lay_out(config, &resolved, model_bytes, &arena, &place);
    /* The caller's tensors are checked by the core, then its model is made of their copies. */
    status = bert_model_open(config, tensors, n_tensors, place, model_bytes, &model, error);
    if (status == BERT_OK)
        status = copy_values(trainer, tensors, n_tensors, error);
    if (status == BERT_OK)
        status = bert_model_open(config, trainer->tensors, trainer->n_tensors, place, model_bytes,
                                 &model, error);
    if (status != BERT_OK)
        return status;
    trainer->session.model = model;
    parameters_find_buckets(trainer);
    relative_forward(trainer);
    clear(trainer);
    lora_begin(trainer, resolved.lora.seed);
    *trainer_out = trainer;
    return BERT_OK;
}

/* ------------------------------------------------------------------------------------ asking -- */

const bert_model *bert_train_model(const bert_trainer *trainer)
{
    return trainer->session.model;
}

const bert_tensor *bert_train_tensors(const bert_trainer *trainer, uint32_t *n_tensors)
{
    assert(trainer && n_tensors);
    *n_tensors = trainer->n_tensors;
    return trainer->tensors;
}

void bert_train_serve(bert_trainer *trainer)
{
    bert_session_serve(&trainer->session);
}

void bert_train_stop(bert_trainer *trainer)
{
    bert_session_stop(&trainer->session);
}

uint32_t bert_train_threads(const bert_trainer *trainer)
{
    return bert_session_threads(&trainer->session);
}

uint32_t bert_train_n_parameters(const bert_trainer *trainer)
{
    return trainer->n_parameters;
}

bert_parameter *bert_train_parameter(bert_trainer *trainer, uint32_t index)
{
    assert(index < trainer->n_parameters);
    return &trainer->parameters[index].is;
}
