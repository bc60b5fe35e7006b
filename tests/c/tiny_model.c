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
                         .intermediate_size = 40,
                         .n_layers = 2,
                         .n_heads = 3,
                         .n_positions = 16,
                         .n_token_types = 2,
                         .n_labels = 3,
                         .layer_norm_eps = 1e-6f,
                         .activation = BERT_ACTIVATION_GELU,
                         .pooler_activation = BERT_ACTIVATION_TANH,
                         .head = BERT_HEAD_SEQUENCE_CLASSIFICATION};
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

/* A vector of `n` random floats in a block that ends at a guard page. */
static void vector(tiny_model *tiny, const char *prefix, const char *suffix, uint32_t n,
                   float least, float most, uint32_t *seed)
{
    bert_tensor *tensor = add(tiny, prefix, suffix, BERT_DTYPE_F32, sizeof(float), 1, &n);
    float *data = guarded_alloc(tensor->n_bytes);
    for (uint32_t i = 0; i < n; i++)
        data[i] = random_uniform(seed, least, most);
    tensor->data = data;
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
    void *data = guarded_alloc(tensor->n_bytes);
    memset(data, 0, tensor->n_bytes);
    for (uint32_t k = 0; k < n_in; k++) {
        for (uint32_t j = 0; j < n_out; j++) {
            size_t panel = j / BERT_PANEL, column = j % BERT_PANEL;
            size_t at = dtype == BERT_DTYPE_I8
                            ? ((panel * n_quads + k / 4) * BERT_PANEL + column) * 4 + k % 4
                            : (panel * n_in + k) * BERT_PANEL + column;
            set_weight(data, dtype, at, BERT_I8_MAX, seed);
        }
    }
    tensor->data = data;
    if (dtype == BERT_DTYPE_I8)
        vector(tiny, prefix, ".scale", n_out, 0.002f, 0.008f, seed);
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

tiny_model *tiny_make(const bert_config *config, bert_dtype dtype, uint32_t seed)
{
    tiny_model *tiny = guarded_alloc(sizeof *tiny);
    uint32_t hidden = config->hidden_size, wide = config->intermediate_size;
    tiny->config = *config;
    table(tiny, "embeddings.word", dtype, config->vocab_size, hidden, &seed);
    table(tiny, "embeddings.position", dtype, config->n_positions, hidden, &seed);
    if (config->n_token_types)
        table(tiny, "embeddings.token_type", BERT_DTYPE_F32, config->n_token_types, hidden, &seed);
    norm(tiny, "embeddings.norm", hidden, &seed);
    for (uint32_t i = 0; i < config->n_layers; i++) {
        static const char *const dense[] = {"query", "key", "value", "output"};
        char name[64];
        for (int k = 0; k < 4; k++) {
            snprintf(name, sizeof name, "layers.%u.attention.%s", i, dense[k]);
            matrix(tiny, name, dtype, hidden, hidden, &seed);
        }
        if (dtype == BERT_DTYPE_I8) {
            static const char *const inputs[] = {"", ".attention.output", ".intermediate",
                                                 ".output"};
            for (int k = 0; k < 4; k++) {
                snprintf(name, sizeof name, "layers.%u%s", i, inputs[k]);
                vector(tiny, name, ".smooth", k == 3 ? wide : hidden, 0.5f, 2, &seed);
            }
        }
        snprintf(name, sizeof name, "layers.%u.attention.norm", i);
        norm(tiny, name, hidden, &seed);
        snprintf(name, sizeof name, "layers.%u.intermediate", i);
        matrix(tiny, name, dtype, hidden, wide, &seed);
        snprintf(name, sizeof name, "layers.%u.output", i);
        matrix(tiny, name, dtype, wide, hidden, &seed);
        snprintf(name, sizeof name, "layers.%u.output.norm", i);
        norm(tiny, name, hidden, &seed);
    }
    if (config->pooler_activation != BERT_ACTIVATION_NONE)
        matrix(tiny, "pooler", dtype == BERT_DTYPE_I8 ? BERT_DTYPE_F16 : dtype, hidden, hidden,
               &seed);
    if (config->head != BERT_HEAD_NONE)
        matrix(tiny, "classifier", BERT_DTYPE_F32, hidden, config->n_labels, &seed);
    return tiny;
}

bert_model *tiny_open(const tiny_model *tiny)
{
    size_t n_bytes = 0;
    bert_error error = {0};
    bert_model *model = NULL;
    if (bert_model_bytes(&tiny->config, &n_bytes, &error) != BERT_OK ||
        bert_model_open(&tiny->config, tiny->tensors, tiny->n_tensors, guarded_alloc(n_bytes),
                        n_bytes, &model, &error) != BERT_OK)
        CHECK(0, "the model does not open: %s (%s)", bert_status_text(error.status), error.subject);
    return model;
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
