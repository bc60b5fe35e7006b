/*
 * parameters.c - the tensors of a model, from its config alone: what each is called, its shape, and
 * where it lies in the trainer's memory.
 *
 * Values of all parameters lie in one block, gradients in another, each at the same place: so the
 * gradient of a weight is found from the weight, and the model that reads the values is the one of
 * the core. bert_model_open() checks this list against its own.
 */
#include <string.h>

#include "trainer.h"

typedef enum parameter_kind {
    KIND_MATRIX,
    KIND_TABLE,
    KIND_VECTOR /* of a norm, or biases: not decayed */
} parameter_kind;

/* Goes through the tensors; with no trainer it only counts. */
typedef struct tensor_list {
    parameter_counts counts;
    bert_trainer *trainer;
    uint8_t *rows;
    float *means, *squares;
    int is_fixed; /* what comes now is read by nothing that can be trained */
} tensor_list;

static void join(char *name, const char *const parts[], uint32_t n_parts)
{
    size_t n = 0;
    for (uint32_t i = 0; i < n_parts; i++)
        for (const char *part = parts[i]; *part && n < BERT_MAX_NAME; part++)
            name[n++] = *part;
    name[n] = '\0';
}

static void add_parameter(tensor_list *list, const bert_tensor *tensor, size_t count, size_t at,
                          parameter_kind kind)
{
    bert_trainer *trainer = list->trainer;
    parameter *own = &trainer->parameters[list->counts.n_trained];
    *own = (parameter){.is = {.tensor = *tensor,
                              .count = count,
                              .value = trainer->values + at,
                              .gradient = trainer->gradients + at,
                              .mean = list->means + at,
                              .square = list->squares + at,
                              .is_trained = 1,
                              .is_decayed = kind != KIND_VECTOR},
                       .rows = kind == KIND_TABLE ? list->rows + list->counts.n_rows : NULL};
}

/* The tensor `prefix``name``suffix`. */
static void add(tensor_list *list, const char *prefix, const char *name, const char *suffix,
                parameter_kind kind, uint32_t rank, const uint32_t *shape)
{
    parameter_counts *counts = &list->counts;
    uint64_t count = 1, *floats = list->is_fixed ? &counts->fixed_floats : &counts->trained_floats;
    for (uint32_t i = 0; i < rank; i++)
        count *= shape[i];
    if (list->trainer) {
        bert_trainer *trainer = list->trainer;
        uint32_t index = counts->n_trained + counts->n_fixed;
        size_t at = (size_t)(counts->trained_floats + counts->fixed_floats);
        bert_tensor *tensor = &trainer->tensors[index];
        join(trainer->names[index], (const char *[]){prefix, name, suffix}, 3);
        *tensor = (bert_tensor){.name = trainer->names[index],
                                .dtype = BERT_DTYPE_F32,
                                .rank = rank,
                                .data = trainer->values + at,
                                .n_bytes = (size_t)count * sizeof(float)};
        memcpy(tensor->shape, shape, rank * sizeof *shape);
        if (!list->is_fixed)
            add_parameter(list, tensor, (size_t)count, at, kind);
    }
    if (!list->is_fixed && kind == KIND_TABLE)
        counts->n_rows += shape[0];
    if (list->is_fixed)
        counts->n_fixed++;
    else
        counts->n_trained++;
    uint64_t line = BERT_ALIGNMENT / sizeof(float);
    *floats += (count + line - 1) / line * line;
}

static void add_vector(tensor_list *list, const char *prefix, const char *name, const char *suffix,
                       uint32_t n)
{
    add(list, prefix, name, suffix, KIND_VECTOR, 1, &n);
}

static void add_table(tensor_list *list, const char *prefix, const char *name, uint32_t n_rows,
                      uint32_t n_columns)
{
    if (n_rows)
        add(list, prefix, name, ".weight", KIND_TABLE, 2, (uint32_t[]){n_rows, n_columns});
}

static void add_norm(tensor_list *list, const char *prefix, const char *name, uint32_t n)
{
    add_vector(list, prefix, name, ".weight", n);
    add_vector(list, prefix, name, ".bias", n);
}

static void add_weight(tensor_list *list, const char *prefix, const char *name, uint32_t n_in,
                       uint32_t n_out)
{
    add(list, prefix, name, ".weight", KIND_MATRIX, 3,
        (uint32_t[]){BERT_PANELS(n_out), n_in, BERT_PANEL});
}

static void add_matrix(tensor_list *list, const char *prefix, const char *name, uint32_t n_in,
                       uint32_t n_out)
{
    add_weight(list, prefix, name, n_in, n_out);
    add_vector(list, prefix, name, ".bias", n_out);
}

static void layer_name(char name[32], uint32_t index)
{
    char digits[10];
    int n = 0;
    memcpy(name, "layers.", 7);
    name += 7;
    do {
        digits[n++] = (char)('0' + index % 10);
        index /= 10;
    } while (index);
    while (n)
        *name++ = digits[--n];
    *name = '\0';
}

/* The tables of a layer, which are learned, or made of what is. */
static void add_distances(tensor_list *list, const bert_config *config, const char *layer)
{
    uint32_t n = config->n_relative_rows, hidden = config->hidden_size;
    if (config_has_c2p(config))
        add_table(list, layer, ".attention.relative_key", n, hidden);
    if (config_has_p2c(config))
        add_table(list, layer, ".attention.relative_query", n, hidden);
}

static void add_layer(tensor_list *list, const bert_config *config, uint32_t index)
{
    uint32_t hidden = config->hidden_size, wide = config->intermediate_size;
    char layer[32];
    layer_name(layer, index);
    add_matrix(list, layer, ".attention.query", hidden, hidden);
    add_weight(list, layer, ".attention.key", hidden, hidden);
    if (config_has_key_bias(config))
        add_vector(list, layer, ".attention.key", ".bias", hidden);
    add_matrix(list, layer, ".attention.value", hidden, hidden);
    if (config->relative_source == BERT_RELATIVE_SOURCE_NONE)
        add_distances(list, config, layer);
    if (config_has_c2p(config) && config_has_relative_projections(config)) {
        add_weight(list, layer, ".attention.relative_key.projection", hidden, hidden);
        if (config_has_key_bias(config))
            add_vector(list, layer, ".attention.relative_key.projection", ".bias", hidden);
    }
    if (config_has_p2c(config) && config_has_relative_projections(config))
        add_matrix(list, layer, ".attention.relative_query.projection", hidden, hidden);
    add_matrix(list, layer, ".attention.output", hidden, hidden);
    add_norm(list, layer, ".attention.norm", hidden);
    add_matrix(list, layer, ".intermediate", hidden, wide);
    add_matrix(list, layer, ".output", wide, hidden);
    add_norm(list, layer, ".output.norm", hidden);
}

static void add_trained(tensor_list *list, const bert_config *config)
{
    uint32_t hidden = config->hidden_size, columns = config->embedding_size;
    add_table(list, "embeddings.word", "", config->vocab_size, columns);
    add_table(list, "embeddings.position", "", config->n_positions, columns);
    add_table(list, "embeddings.token_type", "", config->n_token_types, columns);
    add_norm(list, "embeddings.norm", "", columns);
    if (config->projects_embeddings)
        add_matrix(list, "embeddings.projection", "", columns, hidden);
    if (config->position_attention == BERT_POSITION_ATTENTION_BIAS)
        add(list, "attention.bias", "", "", KIND_VECTOR, 2,
            (uint32_t[]){config->n_heads, 2 * config->n_distances - 1});
    if (config->relative_source != BERT_RELATIVE_SOURCE_NONE)
        add_table(list, "relative.embeddings", "", config->n_relative_rows, hidden);
    if (config->relative_norm)
        add_norm(list, "relative.norm", "", hidden);
    for (uint32_t i = 0; i < bert_config_n_stored_layers(config); i++)
        add_layer(list, config, i);
    if (config->conv_size) {
        add_matrix(list, "conv", "", config->conv_size * hidden, hidden);
        add_norm(list, "conv.norm", "", hidden);
    }
    if (config->pooler_activation != BERT_ACTIVATION_NONE)
        add_matrix(list, "pooler", "", hidden, hidden);
    if (config->n_labels)
        add_matrix(list, "classifier", "", hidden, config->n_labels);
    if (config->token_activation != BERT_ACTIVATION_NONE)
        add_matrix(list, "token_transform", "", hidden, hidden);
    if (config->n_token_labels)
        add_matrix(list, "token_classifier", "", hidden, config->n_token_labels);
}

/* Rows of distances; and, where tables are made of embeddings, these tables, and the biases that
 * such families do not have, which are zeros. */
static void add_fixed_distances(tensor_list *list, const bert_config *config)
{
    if (config->n_relative_rows)
        add_vector(list, "relative.rows", "", "", 2 * config->n_distances - 1);
    if (config->relative_source == BERT_RELATIVE_SOURCE_NONE)
        return;
    for (uint32_t i = 0; i < bert_config_n_stored_layers(config); i++) {
        char layer[32];
        layer_name(layer, i);
        if (!config_has_key_bias(config))
            add_vector(list, layer, ".attention.key", ".bias", config->hidden_size);
        add_distances(list, config, layer);
    }
}

static void add_fixed(tensor_list *list, const bert_config *config)
{
    uint32_t columns = config->embedding_size;
    list->is_fixed = 1;
    add_fixed_distances(list, config);
    if (config->lm_activation != BERT_ACTIVATION_NONE) {
        add_matrix(list, "lm.transform", "", config->hidden_size, columns);
        add_norm(list, "lm.norm", "", columns);
        if (config->lm_tied)
            add_vector(list, "lm.decoder", "", ".bias", config->vocab_size);
        else
            add_matrix(list, "lm.decoder", "", columns, config->vocab_size);
    }
    if (config->embedding_dim)
        add_matrix(list, "sentence", "", bert_config_pooled_columns(config), config->embedding_dim);
}

parameter_counts parameters_count(const bert_config *config)
{
    tensor_list list = {0};
    add_trained(&list, config);
    add_fixed(&list, config);
    return list.counts;
}

void parameters_lay_out(const bert_config *config, bert_trainer *trainer, uint8_t *rows,
                        float *means, float *squares)
{
    tensor_list list = {.trainer = trainer, .rows = rows, .means = means, .squares = squares};
    add_trained(&list, config);
    add_fixed(&list, config);
}

/* They lie in order, before all that is not trained. NULL: it is none, or not there. */
static parameter *find(const bert_trainer *trainer, const float *value)
{
    const bert_parameter *last = &trainer->parameters[trainer->n_parameters - 1].is;
    if (!value || value >= last->value + last->count)
        return NULL;
    uint32_t first = 0, end = trainer->n_parameters;
    while (end - first > 1) {
        uint32_t middle = first + (end - first) / 2;
        if (trainer->parameters[middle].is.value <= value)
            first = middle;
        else
            end = middle;
    }
    parameter *found = &trainer->parameters[first];
    assert(value >= found->is.value && value < found->is.value + found->is.count);
    return found;
}

float *parameters_gradient(const bert_trainer *trainer, const void *value, int *adds)
{
    const parameter *own = find(trainer, value);
    int is_trained = own && own->is.is_trained;
    *adds = is_trained && own->is.has_gradient;
    return is_trained ? own->is.gradient : NULL;
}

void parameters_mark(const bert_trainer *trainer, const void *value)
{
    parameter *own = find(trainer, value);
    if (own)
        own->is.has_gradient = own->is.is_trained;
}

uint8_t *parameters_rows(const bert_trainer *trainer, const void *value)
{
    return find(trainer, value)->rows;
}

void parameters_find_buckets(bert_trainer *trainer)
{
    const bert_model *model = trainer->session.model;
    if (!model->attention_bias)
        return;
    uint32_t n = 2 * model->config.n_distances - 1;
    for (uint32_t i = 0; i < n; i++) {
        int is_same = i > 0;
        for (uint32_t head = 0; is_same && head < model->config.n_heads; head++) {
            const float *bias = model->attention_bias + (size_t)head * n;
            is_same = memcmp(&bias[i], &bias[i - 1], sizeof *bias) == 0;
        }
        trainer->bias_first[i] = is_same ? trainer->bias_first[i - 1] : i;
    }
}
