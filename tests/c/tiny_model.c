/* tiny_model.c - see tiny_model.h. */
#include "tiny_model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"

bert_config tiny_config(void)
{
    return (bert_config){.vocab_size = 50,
                         .hidden_size = 24,
                         .embedding_size = 24,
                         .intermediate_size = 40,
                         .n_layers = 2,
                         .n_heads = 3,
                         .n_positions = 16,
                         .n_token_types = 2,
                         .n_labels = 3,
                         .layer_norm_eps = 1e-6f,
                         .activation = BERT_ACTIVATION_GELU,
                         .pooler_activation = BERT_ACTIVATION_TANH};
}

static bert_tensor *add(tiny_model *tiny, const char *prefix, const char *suffix, bert_dtype dtype,
                        size_t size, uint32_t rank, const uint32_t *shape)
{
    size_t i = tiny->n_tensors++, count = 1;
    snprintf(tiny->names[i], sizeof tiny->names[i], "%s%s", prefix, suffix);
    bert_tensor *tensor = &tiny->tensors[i];
    *tensor = (bert_tensor){.name = tiny->names[i], .dtype = dtype, .rank = rank};
    for (uint32_t k = 0; k < rank; k++)
        count *= tensor->shape[k] = shape[k];
    tensor->n_bytes = count * size;
    return tensor;
}

/* Random floats of any shape in a block that ends at a guard page. */
static float *floats(tiny_model *tiny, const char *prefix, const char *suffix, uint32_t rank,
                     const uint32_t *shape, float least, float most, uint32_t *seed)
{
    bert_tensor *tensor = add(tiny, prefix, suffix, BERT_DTYPE_F32, sizeof(float), rank, shape);
    float *data = guarded_alloc(tensor->n_bytes);
    for (size_t i = 0; i < tensor->n_bytes / sizeof *data; i++)
        data[i] = random_uniform(seed, least, most);
    tensor->data = data;
    return data;
}

static void vector(tiny_model *tiny, const char *prefix, const char *suffix, uint32_t n,
                   float least, float most, uint32_t *seed)
{
    floats(tiny, prefix, suffix, 1, &n, least, most, seed);
}

static size_t dtype_bytes(bert_dtype dtype)
{
    return dtype == BERT_DTYPE_F32 ? 4 : dtype == BERT_DTYPE_F16 ? 2 : 1;
}

/* A random weight at `at`; integers up to `most`. */
static void set_weight(void *data, bert_dtype dtype, size_t at, int most, uint32_t *seed)
{
    if (dtype == BERT_DTYPE_F32)
        ((float *)data)[at] = random_uniform(seed, -0.4f, 0.4f);
    else if (dtype == BERT_DTYPE_F16) /* sign, exponents 2^-7 to 2^-2, any fraction */
        ((uint16_t *)data)[at] =
            (uint16_t)((random_u32(seed) & 0x83ff) | (8 + random_u32(seed) % 6) << 10);
    else
        ((int8_t *)data)[at] = (int8_t)((int)(random_u32(seed) % (2 * (uint32_t)most + 1)) - most);
}

/* Panels: what lies past n_in and n_out is zero. */
static void matrix(tiny_model *tiny, const char *prefix, bert_dtype dtype, uint32_t n_in,
                   uint32_t n_out, uint32_t *seed)
{
    uint32_t n_panels = (n_out + BERT_PANEL - 1) / BERT_PANEL, n_quads = (n_in + 7) / 8 * 2;
    bert_tensor *tensor = dtype == BERT_DTYPE_I8
                              ? add(tiny, prefix, ".weight", dtype, 1, 4,
                                    (uint32_t[]){n_panels, n_quads, BERT_PANEL, BERT_QUAD})
                              : add(tiny, prefix, ".weight", dtype, dtype_bytes(dtype), 3,
                                    (uint32_t[]){n_panels, n_in, BERT_PANEL});
    int most = BERT_MOST_WEIGHT(tiny->config.integers);
    void *data = guarded_alloc(tensor->n_bytes);
    memset(data, 0, tensor->n_bytes);
    for (uint32_t k = 0; k < n_in; k++) {
        for (uint32_t j = 0; j < n_out; j++) {
            size_t panel = j / BERT_PANEL, column = j % BERT_PANEL;
            size_t at = dtype == BERT_DTYPE_I8
                            ? ((panel * n_quads + k / 4) * BERT_PANEL + column) * 4 + k % 4
                            : (panel * n_in + k) * BERT_PANEL + column;
            set_weight(data, dtype, at, most, seed);
        }
    }
    tensor->data = data;
    if (dtype == BERT_DTYPE_I8)
        /* The same weights, in finer steps. */
        vector(tiny, prefix, ".scale", n_out, 0.126f / (float)most, 0.504f / (float)most, seed);
    vector(tiny, prefix, ".bias", n_out, -0.5f, 0.5f, seed);
}

static void table(tiny_model *tiny, const char *prefix, bert_dtype dtype, uint32_t n_rows,
                  uint32_t n_columns, uint32_t *seed)
{
    bert_tensor *tensor =
        add(tiny, prefix, ".weight", dtype, dtype_bytes(dtype), 2, (uint32_t[]){n_rows, n_columns});
    void *data = guarded_alloc(tensor->n_bytes);
    for (size_t i = 0; i < (size_t)n_rows * n_columns; i++)
        set_weight(data, dtype, i, 127, seed);
    tensor->data = data;
    if (dtype == BERT_DTYPE_I8)
        vector(tiny, prefix, ".scale", n_rows, 0.001f, 0.004f, seed);
}

static void norm(tiny_model *tiny, const char *prefix, uint32_t n, uint32_t *seed)
{
    vector(tiny, prefix, ".weight", n, 0.5f, 1.5f, seed);
    vector(tiny, prefix, ".bias", n, -0.5f, 0.5f, seed);
}

static void embeddings(tiny_model *tiny, bert_dtype dtype, bert_dtype plain, uint32_t *seed)
{
    const bert_config *config = &tiny->config;
    uint32_t n = config->embedding_size;
    table(tiny, "embeddings.word", dtype, config->vocab_size, n, seed);
    if (config->n_positions)
        table(tiny, "embeddings.position", dtype, config->n_positions, n, seed);
    if (config->n_token_types)
        table(tiny, "embeddings.token_type", BERT_DTYPE_F32, config->n_token_types, n, seed);
    norm(tiny, "embeddings.norm", n, seed);
    if (config->projects_embeddings)
        matrix(tiny, "embeddings.projection", plain, n, config->hidden_size, seed);
}

/* Rows of distances in no order at all. */
static void distances(tiny_model *tiny, uint32_t *seed)
{
    const bert_config *config = &tiny->config;
    uint32_t n = 2 * config->n_distances - 1;
    if (config->position_attention == BERT_POSITION_ATTENTION_BIAS)
        floats(tiny, "attention.bias", "", 2, (uint32_t[]){config->n_heads, n}, -2, 2, seed);
    if (!config->n_relative_rows)
        return;
    float *rows = floats(tiny, "relative.rows", "", 1, &n, 0, 0, seed);
    for (uint32_t i = 0; i < n; i++)
        rows[i] = (float)(random_u32(seed) % config->n_relative_rows);
    if (config->relative_source != BERT_RELATIVE_SOURCE_NONE)
        table(tiny, "relative.embeddings", BERT_DTYPE_F32, config->n_relative_rows,
              config->hidden_size, seed);
    if (config->relative_norm)
        norm(tiny, "relative.norm", config->hidden_size, seed);
}

/* What makes the table `name` of that, of weights of its own. */
static void projection(tiny_model *tiny, const char *name, int is_query, uint32_t *seed)
{
    const bert_config *config = &tiny->config;
    char whole[64];
    snprintf(whole, sizeof whole, "%s.projection", name);
    if (config->relative_source != BERT_RELATIVE_SOURCE_OWN &&
        config->relative_source != BERT_RELATIVE_SOURCE_OWN_UNBIASED)
        return;
    matrix(tiny, whole, BERT_DTYPE_F32, config->hidden_size, config->hidden_size, seed);
    if (!is_query && config->relative_source == BERT_RELATIVE_SOURCE_OWN_UNBIASED)
        tiny->n_tensors--; /* the bias */
}

static void layer(tiny_model *tiny, bert_dtype dtype, uint32_t index, uint32_t *seed)
{
    static const char *const dense[] = {"query", "key", "value", "output"};
    const bert_config *config = &tiny->config;
    uint32_t hidden = config->hidden_size, wide = config->intermediate_size;
    bert_position_attention attention = config->position_attention;
    char name[64];
    for (int k = 0; k < 4; k++) {
        snprintf(name, sizeof name, "layers.%u.attention.%s", index, dense[k]);
        matrix(tiny, name, dtype, hidden, hidden, seed);
    }
    if (dtype == BERT_DTYPE_I8) {
        static const char *const inputs[] = {"", ".attention.output", ".intermediate", ".output"};
        for (int k = 0; k < 4; k++) {
            snprintf(name, sizeof name, "layers.%u%s", index, inputs[k]);
            vector(tiny, name, ".smooth", k == 3 ? wide : hidden, 0.5f, 2, seed);
        }
    }
    for (int k = 0; k < 2; k++) {
        if (attention != BERT_POSITION_ATTENTION_C2P_P2C &&
            attention != (k ? BERT_POSITION_ATTENTION_P2C : BERT_POSITION_ATTENTION_C2P))
            continue;
        snprintf(name, sizeof name, "layers.%u.attention.relative_%s", index, k ? "query" : "key");
        table(tiny, name, dtype, config->n_relative_rows, hidden, seed);
        projection(tiny, name, k, seed);
    }
    snprintf(name, sizeof name, "layers.%u.attention.norm", index);
    norm(tiny, name, hidden, seed);
    snprintf(name, sizeof name, "layers.%u.intermediate", index);
    matrix(tiny, name, dtype, hidden, wide, seed);
    snprintf(name, sizeof name, "layers.%u.output", index);
    matrix(tiny, name, dtype, wide, hidden, seed);
    snprintf(name, sizeof name, "layers.%u.output.norm", index);
    norm(tiny, name, hidden, seed);
}

static void heads(tiny_model *tiny, bert_dtype plain, uint32_t *seed)
{
    const bert_config *config = &tiny->config;
    uint32_t hidden = config->hidden_size;
    if (config->pooler_activation != BERT_ACTIVATION_NONE)
        matrix(tiny, "pooler", plain, hidden, hidden, seed);
    if (config->n_labels)
        matrix(tiny, "classifier", BERT_DTYPE_F32, hidden, config->n_labels, seed);
    if (config->token_activation != BERT_ACTIVATION_NONE)
        matrix(tiny, "token_transform", plain, hidden, hidden, seed);
    if (config->n_token_labels)
        matrix(tiny, "token_classifier", plain, hidden, config->n_token_labels, seed);
    if (config->lm_activation != BERT_ACTIVATION_NONE) {
        matrix(tiny, "lm.transform", plain, hidden, config->embedding_size, seed);
        norm(tiny, "lm.norm", config->embedding_size, seed);
        if (config->lm_tied)
            vector(tiny, "lm.decoder", ".bias", config->vocab_size, -0.5f, 0.5f, seed);
        else
            matrix(tiny, "lm.decoder", plain, config->embedding_size, config->vocab_size, seed);
    }
    if (config->embedding_dim)
        matrix(tiny, "sentence", plain, bert_config_pooled_columns(config), config->embedding_dim,
               seed);
}

tiny_model *tiny_make(const bert_config *config, tiny_dtype stored, uint32_t seed)
{
    tiny_model *tiny = guarded_alloc(sizeof *tiny);
    bert_dtype dtype = stored == TINY_Q8 ? BERT_DTYPE_I8 : (bert_dtype)stored;
    bert_dtype plain = dtype == BERT_DTYPE_I8 ? BERT_DTYPE_F16 : dtype;
    uint32_t n_stored = config->n_layer_groups ? config->n_layer_groups * config->layers_per_group
                                               : config->n_layers;
    tiny->config = *config;
    tiny->config.integers = stored == TINY_Q8 ? BERT_INTEGERS_8_BITS : BERT_INTEGERS_7_BITS;
    embeddings(tiny, dtype, plain, &seed);
    distances(tiny, &seed);
    for (uint32_t i = 0; i < n_stored; i++)
        layer(tiny, dtype, i, &seed);
    if (config->conv_size) {
        uint32_t hidden = config->hidden_size;
        matrix(tiny, "conv", plain, config->conv_size * hidden, hidden, &seed);
        norm(tiny, "conv.norm", hidden, &seed);
    }
    heads(tiny, plain, &seed);
    return tiny;
}

bert_tensor *tiny_tensor(tiny_model *tiny, const char *name)
{
    for (size_t i = 0; i < tiny->n_tensors; i++)
        if (strcmp(tiny->tensors[i].name, name) == 0)
            return &tiny->tensors[i];
    CHECK(0, "there is no tensor %s", name);
    return &tiny->tensors[0];
}

/* bert_model_open(), or bert_model_begin(). */
typedef bert_status open_function(const bert_config *config, const bert_tensor *tensors,
                                  size_t n_tensors, void *memory, size_t n_bytes,
                                  bert_model **model, bert_error *error);

static bert_model *open_by(open_function *open, const tiny_model *tiny)
{
    size_t n_bytes = 0;
    bert_error error = {0};
    bert_model *model = NULL;
    if (bert_model_bytes(&tiny->config, &n_bytes, &error) != BERT_OK ||
        open(&tiny->config, tiny->tensors, tiny->n_tensors, guarded_alloc(n_bytes), n_bytes, &model,
             &error) != BERT_OK)
        CHECK(0, "the model does not open: %s (%s)", bert_status_text(error.status), error.subject);
    return model;
}

bert_model *tiny_open(const tiny_model *tiny)
{
    return open_by(bert_model_open, tiny);
}

bert_model *tiny_begin(const tiny_model *tiny)
{
    return open_by(bert_model_begin, tiny);
}

bert_session *tiny_session(const bert_model *model, const bert_options *options)
{
    size_t n_bytes = 0;
    bert_error error = {0};
    bert_session *session = NULL;
    if (bert_session_bytes(bert_model_config(model), options, &n_bytes, &error) != BERT_OK ||
        bert_session_open(model, options, guarded_alloc(n_bytes), n_bytes, &session, &error) !=
            BERT_OK)
        CHECK(0, "no session: %s (%s)", bert_status_text(error.status), error.subject);
    return session;
}
