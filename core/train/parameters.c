/*
 * parameters.c - the tensors of a model, from its config alone: what each is called, its shape, and
 * where it lies in the trainer's memory.
 *
 * Values of all parameters lie in one block, gradients in another, each at the same place: so the
 * gradient of a weight is found from the weight, and the model that reads the values is the one of
 * the core. bert_model_open() checks this list against its own. What it does not read, what tables
 * of distances are made of, the trainer has itself.
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
    int is_fixed;   /* what comes now is not trained: it is made of what is, or adapters are */
    uint32_t stage; /* of what comes now */
} tensor_list;

static void join(char *name, const char *const parts[], uint32_t n_parts)
{
    size_t n = 0;
    for (uint32_t i = 0; i < n_parts; i++)
        for (const char *part = parts[i]; *part && n < BERT_MAX_NAME; part++)
            name[n++] = *part;
    name[n] = '\0';
}

static void add_parameter(tensor_list *list, const bert_tensor *tensor, size_t count,
                          parameter_kind kind)
{
    bert_trainer *trainer = list->trainer;
    size_t at = (size_t)list->counts.trained_floats;
    parameter *own = &trainer->parameters[list->counts.n_trained];
    *own = (parameter){.is = {.tensor = *tensor,
                              .count = count,
                              .value = (float *)tensor->data,
                              .gradient = trainer->gradients + at,
                              .mean = list->means + at,
                              .square = list->squares + at,
                              .is_trained = 1,
                              .is_decayed = kind != KIND_VECTOR,
                              .rate_scale = 1},
                       .stage = list->stage,
                       .rows = kind == KIND_TABLE ? list->rows + list->counts.n_rows : NULL};
}

/* The tensor `prefix``name``suffix`. Returns its values; of a list that only counts NULL. */
static float *add(tensor_list *list, const char *prefix, const char *name, const char *suffix,
                  parameter_kind kind, uint32_t rank, const uint32_t *shape)
{
    parameter_counts *counts = &list->counts;
    uint64_t count = 1, *floats = list->is_fixed ? &counts->fixed_floats : &counts->trained_floats;
    float *values = NULL;
    for (uint32_t i = 0; i < rank; i++)
        count *= shape[i];
    if (list->trainer) {
        bert_trainer *trainer = list->trainer;
        uint32_t index = counts->n_trained + counts->n_fixed;
        values = trainer->values + (size_t)(counts->trained_floats + counts->fixed_floats);
        bert_tensor *tensor = &trainer->tensors[index];
        join(trainer->names[index], (const char *[]){prefix, name, suffix}, 3);
        *tensor = (bert_tensor){.name = trainer->names[index],
                                .dtype = BERT_DTYPE_F32,
                                .rank = rank,
                                .data = values,
                                .n_bytes = (size_t)count * sizeof(float)};
        memcpy(tensor->shape, shape, rank * sizeof *shape);
        if (!list->is_fixed)
            add_parameter(list, tensor, (size_t)count, kind);
    }
    if (!list->is_fixed && kind == KIND_TABLE)
        counts->n_rows += shape[0];
    if (list->is_fixed)
        counts->n_fixed++;
    else
        counts->n_trained++;
    uint64_t line = BERT_ALIGNMENT / sizeof(float);
    *floats += (count + line - 1) / line * line;
    return values;
}

static float *add_vector(tensor_list *list, const char *prefix, const char *name,
                         const char *suffix, uint32_t n)
{
    return add(list, prefix, name, suffix, KIND_VECTOR, 1, &n);
}

static float *add_table(tensor_list *list, const char *prefix, const char *name, uint32_t n_rows,
                        uint32_t n_columns)
{
    return n_rows
               ? add(list, prefix, name, ".weight", KIND_TABLE, 2, (uint32_t[]){n_rows, n_columns})
               : NULL;
}

static norm_weights add_norm(tensor_list *list, const char *prefix, const char *name, uint32_t n)
{
    norm_weights norm;
    norm.weight = add_vector(list, prefix, name, ".weight", n);
    norm.bias = add_vector(list, prefix, name, ".bias", n);
    return norm;
}

static float *add_weight(tensor_list *list, const char *prefix, const char *name, uint32_t n_in,
                         uint32_t n_out)
{
    return add(list, prefix, name, ".weight", KIND_MATRIX, 3,
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

/* Makes the table `name` of embeddings of distances. */
static matrix add_projection(tensor_list *list, const char *layer, const char *name,
                             uint32_t hidden, int has_bias)
{
    matrix projection = {.n_in = hidden, .n_out = hidden};
    projection.panels = add_weight(list, layer, name, hidden, hidden);
    if (has_bias)
        projection.bias = add_vector(list, layer, name, ".bias", hidden);
    return projection;
}

static void add_projections(tensor_list *list, const bert_config *config, const char *layer,
                            uint32_t index)
{
    table_projections both = {{0}, {0}};
    if (config_has_c2p(config))
        both.key = add_projection(list, layer, ".attention.relative_key.projection",
                                  config->hidden_size, relative_has_key_bias(config));
    if (config_has_p2c(config))
        both.query = add_projection(list, layer, ".attention.relative_query.projection",
                                    config->hidden_size, 1);
    if (list->trainer)
        list->trainer->projections[index] = both;
}

static void add_layer(tensor_list *list, const bert_config *config, uint32_t index)
{
    uint32_t hidden = config->hidden_size, wide = config->intermediate_size;
    char layer[32];
    layer_name(layer, index);
    list->stage = 1 + 2 * index;
    add_matrix(list, layer, ".attention.query", hidden, hidden);
    add_weight(list, layer, ".attention.key", hidden, hidden);
    if (relative_has_key_bias(config))
        add_vector(list, layer, ".attention.key", ".bias", hidden);
    add_matrix(list, layer, ".attention.value", hidden, hidden);
    if (config->relative_source == BERT_RELATIVE_SOURCE_NONE)
        add_distances(list, config, layer);
    if (relative_has_projections(config))
        add_projections(list, config, layer, index);
    add_matrix(list, layer, ".attention.output", hidden, hidden);
    add_norm(list, layer, ".attention.norm", hidden);
    list->stage++;
    add_matrix(list, layer, ".intermediate", hidden, wide);
    add_matrix(list, layer, ".output", wide, hidden);
    add_norm(list, layer, ".output.norm", hidden);
}

/* What adapters may be trained instead of. */
static void add_encoder(tensor_list *list, const bert_config *config)
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
    const float *source = NULL;
    norm_weights norm = {NULL, NULL};
    if (config->relative_source != BERT_RELATIVE_SOURCE_NONE)
        source = add_table(list, "relative.embeddings", "", config->n_relative_rows, hidden);
    if (config->relative_norm)
        norm = add_norm(list, "relative.norm", "", hidden);
    if (list->trainer) {
        list->trainer->relative_embeddings = source;
        list->trainer->relative_norm = norm;
    }
    for (uint32_t i = 0; i < bert_config_n_stored_layers(config); i++)
        add_layer(list, config, i);
    /* On the way back it comes before the first layer's feed-forward block. */
    list->stage = 2;
    if (config->conv_size) {
        add_matrix(list, "conv", "", config->conv_size * hidden, hidden);
        add_norm(list, "conv.norm", "", hidden);
    }
}

/* What is never trained: rows of distances; and, where tables are made of embeddings, these tables,
 * and the biases that such families do not have, which are zeros. */
static void add_fixed_distances(tensor_list *list, const bert_config *config)
{
    if (config->n_relative_rows)
        add_vector(list, "relative.rows", "", "", 2 * config->n_distances - 1);
    if (config->relative_source == BERT_RELATIVE_SOURCE_NONE)
        return;
    for (uint32_t i = 0; i < bert_config_n_stored_layers(config); i++) {
        char layer[32];
        layer_name(layer, i);
        if (!relative_has_key_bias(config))
            add_vector(list, layer, ".attention.key", ".bias", config->hidden_size);
        add_distances(list, config, layer);
    }
}

static void add_heads(tensor_list *list, const bert_config *config)
{
    uint32_t hidden = config->hidden_size, columns = config->embedding_size;
    list->stage = 1 + 2 * bert_config_n_stored_layers(config);
    if (config->pooler_activation != BERT_ACTIVATION_NONE)
        add_matrix(list, "pooler", "", hidden, hidden);
    if (config->n_labels)
        add_matrix(list, "classifier", "", hidden, config->n_labels);
    if (config->token_activation != BERT_ACTIVATION_NONE)
        add_matrix(list, "token_transform", "", hidden, hidden);
    if (config->n_token_labels)
        add_matrix(list, "token_classifier", "", hidden, config->n_token_labels);
    if (config->lm_activation != BERT_ACTIVATION_NONE) {
        add_matrix(list, "lm.transform", "", hidden, columns);
        add_norm(list, "lm.norm", "", columns);
        if (config->lm_tied)
            add_vector(list, "lm.decoder", "", ".bias", config->vocab_size);
        else
            add_matrix(list, "lm.decoder", "", columns, config->vocab_size);
    }
    if (config->embedding_dim)
        add_matrix(list, "sentence", "", bert_config_pooled_columns(config), config->embedding_dim);
}

/* One side of an adapter. */
static matrix add_side(tensor_list *list, const char *layer, const char *name, const char *suffix,
                       uint32_t n_in, uint32_t n_out)
{
    uint32_t index = list->counts.n_trained;
    list->counts.n_adapted++;
    add(list, layer, name, suffix, KIND_MATRIX, 3,
        (uint32_t[]){BERT_PANELS(n_out), n_in, BERT_PANEL});
    return (matrix){.n_in = n_in,
                    .n_out = n_out,
                    .panels = list->trainer ? list->trainer->parameters[index].is.value : NULL};
}

static void add_adapters(tensor_list *list, const bert_config *config, const bert_lora *lora,
                         uint32_t index)
{
    static const char *const names[N_ADAPTERS] = {".attention.query", ".attention.key",
                                                  ".attention.value", ".attention.output",
                                                  ".intermediate",    ".output"};
    uint32_t hidden = config->hidden_size, wide = config->intermediate_size;
    char layer[32];
    layer_name(layer, index);
    for (uint32_t i = 0; i < N_ADAPTERS; i++) {
        adapter it = {{0}, {0}};
        list->stage = 1 + 2 * index + (i >= ADAPTER_INTERMEDIATE);
        if (lora->targets >> i & 1) {
            it.a = add_side(list, layer, names[i], ".lora_a", i == ADAPTER_OUTPUT ? wide : hidden,
                            lora->rank);
            it.b = add_side(list, layer, names[i], ".lora_b", lora->rank,
                            i == ADAPTER_INTERMEDIATE ? wide : hidden);
        }
        if (list->trainer)
            list->trainer->adapters[index * N_ADAPTERS + i] = it;
    }
}

/* Parameters in the order of their values; of the model's tensors, adapters are none: they are the
 * last. */
static void add_all(tensor_list *list, const bert_config *config, const bert_lora *lora)
{
    list->is_fixed = lora->rank > 0;
    add_encoder(list, config);
    list->is_fixed = 1;
    add_fixed_distances(list, config);
    list->is_fixed = 0;
    add_heads(list, config);
    for (uint32_t i = 0; i < bert_config_n_stored_layers(config) && lora->rank; i++)
        add_adapters(list, config, lora, i);
}

parameter_counts parameters_count(const bert_config *config, const bert_lora *lora)
{
    tensor_list list = {0};
    add_all(&list, config, lora);
    return list.counts;
}

void parameters_lay_out(const bert_config *config, const bert_lora *lora, bert_trainer *trainer,
                        uint8_t *rows, float *means, float *squares)
{
    tensor_list list = {.trainer = trainer, .rows = rows, .means = means, .squares = squares};
    add_all(&list, config, lora);
}

int parameters_trains(const bert_trainer *trainer, uint32_t stage)
{
    for (uint32_t i = 0; i < trainer->n_parameters; i++)
        if (trainer->parameters[i].stage == stage && trainer->parameters[i].is.is_trained)
            return 1;
    return 0;
}

/* They lie in order. NULL: it is none, but fixed, or not there. */
static parameter *find(const bert_trainer *trainer, const float *value)
{
    if (!value || trainer->n_parameters == 0)
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
    int is_there = value >= found->is.value && value < found->is.value + found->is.count;
    return is_there ? found : NULL;
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
