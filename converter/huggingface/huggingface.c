/* huggingface.c - the whole of a model, from its config to its last weight (huggingface.h). */
#include "huggingface/huggingface.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "huggingface/parts.h"

/* -------------------------------------------------------------------------------- embeddings -- */

static bool add_embeddings(huggingface_model *model)
{
    const bert_config *config = &model->weights->config;
    uint32_t width = config->embedding_size;
    return parts_add_table(model, OF_ENCODER, "embeddings.word_embeddings.weight",
                           config->vocab_size, width, false, "embeddings.word") &&
           (!config->n_positions ||
            parts_add_table(model, OF_ENCODER, "embeddings.position_embeddings.weight",
                            config->n_positions, width, false, "embeddings.position")) &&
           (!config->n_token_types ||
            parts_add_table(model, OF_ENCODER, "embeddings.token_type_embeddings.weight",
                            config->n_token_types, width, true, "embeddings.token_type")) &&
           parts_add_norm(model, OF_ENCODER, "embeddings.LayerNorm", width, "embeddings.norm") &&
           (!config->projects_embeddings ||
            parts_add_dense(model, OF_ENCODER, model->family->projection, width,
                            config->hidden_size, false, "embeddings.projection"));
}

/* ------------------------------------------------------------------------------------ layers -- */

static const char *const thirds[] = {"query", "key", "value"};

/* The path of a layer's names. */
static void layer_path(const huggingface_model *model, uint32_t layer, char path[PARTS_MAX_NAME])
{
    uint32_t inner = settings_size(&model->config, "inner_group_num", 1);
    bool is_grouped = strstr(strchr(model->family->layer->path, '%') + 1, "%u") != NULL;
    /* The format is one of families.c. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (is_grouped)
        snprintf(path, PARTS_MAX_NAME, model->family->layer->path, layer / inner, layer % inner);
    else
        snprintf(path, PARTS_MAX_NAME, model->family->layer->path, layer);
#pragma GCC diagnostic pop
}

/* Queries, keys and values in one matrix, head by head, with biases of their own but for the keys:
 * DeBERTa v1. */
static bool add_joined(huggingface_model *model, const char *path, uint32_t layer)
{
    static const char *const biases[] = {"q_bias", NULL, "v_bias"};
    const bert_config *config = &model->weights->config;
    uint32_t hidden = config->hidden_size, dim = hidden / config->n_heads;
    char name[PARTS_MAX_NAME], ours[BERT_MAX_NAME + 1];
    part_matrix matrix;
    snprintf(name, sizeof name, "%sattention.self.in_proj", path);
    if (!parts_matrix(model, OF_ENCODER, name, hidden, 3 * hidden, &matrix))
        return false;
    for (uint32_t part = 0; part < 3; part++) {
        uint32_t *columns = parts_alloc(model, hidden * sizeof *columns);
        for (uint32_t i = 0; i < hidden; i++)
            columns[i] = (i / dim * 3 + part) * dim + i % dim;
        snprintf(ours, sizeof ours, "layers.%u.attention.%s", layer, thirds[part]);
        bert_weight *weight = weights_add(model->weights, WEIGHT_MATRIX, hidden, hidden, ours, "");
        parts_set_matrix(model, &matrix, &weight->source);
        weight->source.columns = columns;
        if (biases[part])
            snprintf(name, sizeof name, "%sattention.self.%s", path, biases[part]);
        if (!parts_add_vector(model, OF_ENCODER, biases[part] ? name : NULL, hidden, ours, ".bias"))
            return false;
    }
    return true;
}

static bool add_projections(huggingface_model *model, const char *path, uint32_t layer)
{
    const family_layer *names = model->family->layer;
    const char *const parts[] = {names->query, names->key, names->value};
    uint32_t hidden = model->weights->config.hidden_size;
    if (!names->query)
        return add_joined(model, path, layer);
    for (int i = 0; i < 3; i++) {
        char name[PARTS_MAX_NAME], ours[BERT_MAX_NAME + 1];
        snprintf(name, sizeof name, "%s%s", path, parts[i]);
        snprintf(ours, sizeof ours, "layers.%u.attention.%s", layer, thirds[i]);
        if (!parts_add_dense(model, OF_ENCODER, name, hidden, hidden, false, ours))
            return false;
    }
    return true;
}

static bool add_layer(huggingface_model *model, uint32_t layer)
{
    const family_layer *names = model->family->layer;
    const bert_config *config = &model->weights->config;
    uint32_t hidden = config->hidden_size, wide = config->intermediate_size;
    char path[PARTS_MAX_NAME], name[PARTS_MAX_NAME], ours[BERT_MAX_NAME + 1];
    const struct {
        const char *name, *ours;
        uint32_t n_in, n_out; /* n_in 0: a norm */
    } parts[] = {
        {names->attention_output, "attention.output", hidden, hidden},
        {names->attention_norm, "attention.norm", 0, hidden},
        {names->intermediate, "intermediate", hidden, wide},
        {names->output, "output", wide, hidden},
        {names->output_norm, "output.norm", 0, hidden},
    };
    layer_path(model, layer, path);
    if (!add_projections(model, path, layer) || !relative_add_layer(model, layer, path))
        return false;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(name, sizeof name, "%s%s", path, parts[i].name);
        snprintf(ours, sizeof ours, "layers.%u.%s", layer, parts[i].ours);
        bool ok = parts[i].n_in ? parts_add_dense(model, OF_ENCODER, name, parts[i].n_in,
                                                  parts[i].n_out, false, ours)
                                : parts_add_norm(model, OF_ENCODER, name, parts[i].n_out, ours);
        if (!ok)
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------------------- convolution -- */

static bool configure_conv(huggingface_model *model)
{
    bert_config *config = &model->weights->config;
    if (model->family->distances != DISTANCES_DISENTANGLED_LOGS)
        return true;
    uint32_t size = settings_size(&model->config, "conv_kernel_size", 0);
    if (size == 0)
        return !model->fault->text[0];
    if (size % 2 == 0 || size > 63)
        return settings_refuse(&model->config, "conv_kernel_size", "it must be odd, at most 63");
    config->conv_size = size;
    config->conv_activation = settings_activation(&model->config, "conv_act", "tanh");
    return !model->fault->text[0];
}

/* The kernel [n_out, n_in, size] becomes [size * n_in, n_out]. */
static bool fill_conv(const void *argument, float *matrix, fault_text *fault)
{
    const stored_tensor *stored = argument;
    size_t hidden = (size_t)stored->dims[0], size = (size_t)stored->dims[2];
    float *kernel = parts_numbers(stored, fault);
    for (size_t out = 0; kernel && out < hidden; out++)
        for (size_t in = 0; in < hidden; in++)
            for (size_t k = 0; k < size; k++)
                matrix[(k * hidden + in) * hidden + out] = kernel[(out * hidden + in) * size + k];
    free(kernel);
    return kernel != NULL;
}

static bool add_conv(huggingface_model *model)
{
    const bert_config *config = &model->weights->config;
    uint32_t hidden = config->hidden_size;
    const stored_tensor **kernel = parts_alloc(model, sizeof *kernel);
    *kernel = parts_tensor(model, OF_ENCODER, "encoder.conv.conv.weight", 3,
                           (uint64_t[]){hidden, hidden, config->conv_size});
    if (!*kernel)
        return false;
    uint32_t n_in = config->conv_size * hidden;
    bert_weight *weight = weights_add(model->weights, WEIGHT_MATRIX, n_in, hidden, "conv", "");
    parts_set_made(model, (uint32_t[]){n_in, hidden}, fill_conv, *kernel, kernel, 1,
                   &weight->source);
    return parts_add_vector(model, OF_ENCODER, "encoder.conv.conv.bias", hidden, "conv", ".bias") &&
           parts_add_norm(model, OF_ENCODER, "encoder.conv.LayerNorm", hidden, "conv.norm");
}

/* ------------------------------------------------------------------------------ what is left -- */

/* Whether a tensor, which nothing has read, is of a layer that is computed: then the layer computes
 * something else. */
static bool is_of_layer(const huggingface_model *model, const named_tensor *tensor)
{
    const char *path = model->family->layer->path;
    size_t n_prefix = strlen(model->prefix), n_path = (size_t)(strchr(path, '%') - path);
    const bert_config *config = &model->weights->config;
    if (!tensor->is_weight || tensor->stored.rank == 0 ||
        strncmp(tensor->name, model->prefix, n_prefix) != 0 ||
        strncmp(tensor->name + n_prefix, path, n_path) != 0)
        return false;
    unsigned long layer = strtoul(tensor->name + n_prefix + n_path, NULL, 10);
    return layer < (config->n_layer_groups ? config->n_layer_groups : config->n_layers);
}

/* Says what is not used, as parts of another head. */
static bool check_rest(huggingface_model *model)
{
    size_t n = 0;
    const char *first = "";
    for (size_t i = 0; i < model->tensors.n_tensors; i++) {
        const named_tensor *tensor = &model->tensors.tensors[i];
        if (tensor->is_used)
            continue;
        if (is_of_layer(model, tensor))
            return fault_set(model->fault,
                             "%s: the tensor '%.200s' is no part of a layer of the type %s: the "
                             "layers compute something else",
                             tensor->stored.file->path, tensor->stored.name,
                             model->family->model_type);
        first = n++ ? first : tensor->stored.name;
    }
    if (n)
        fault_warn("%zu tensors are not used by the model that config.json describes, as '%s'", n,
                   first);
    return adapter_check_used(&model->adapter);
}

/* ---------------------------------------------------------------------------------- the whole -- */

/* The class of transformers that computes the model; the bare encoder where nothing says. */
static const char *architecture_of(const huggingface_model *model, char name[PARTS_MAX_NAME])
{
    const cJSON *first = cJSON_GetArrayItem(settings_item(&model->config, "architectures"), 0);
    const char *task = adapter_architecture(&model->adapter);
    if (!task && cJSON_IsString(first))
        return first->valuestring;
    snprintf(name, PARTS_MAX_NAME, "%s%s", model->family->class_prefix, task ? task : "Model");
    return name;
}

static bool configure(huggingface_model *model, const model_dir *dir)
{
    char name[PARTS_MAX_NAME];
    bert_error error = {0};
    size_t n_bytes;
    /* sentence-transformers loads the bare encoder, whatever class it was saved by, and what stands
     * on it is no business of this folder's. */
    bool is_bare = dir->sentence.poolings[0] != BERT_POOLING_NONE;
    if ((!is_bare && !heads_configure(model, architecture_of(model, name))) ||
        !relative_configure(model) || !configure_conv(model))
        return false;
    return bert_model_bytes(&model->weights->config, &n_bytes, &error) == BERT_OK ||
           fault_set_error(model->fault, "config.json", &error);
}

/* In the order of use. */
static bool add_weights(huggingface_model *model)
{
    const bert_config *config = &model->weights->config;
    if (!add_embeddings(model) || !relative_add(model))
        return false;
    for (uint32_t i = 0; i < bert_config_n_stored_layers(config); i++)
        if (!add_layer(model, i) || (i == 0 && config->conv_size && !add_conv(model)))
            return false;
    return heads_add(model);
}

bool huggingface_knows(const model_dir *dir)
{
    fault_text ignored = {{0}};
    return dir->config && family_find(&(settings){"config.json", dir->config, &ignored});
}

bool huggingface_open(const model_dir *dir, bool for_training, huggingface_model **opened,
                      bert_weights *weights, fault_text *fault)
{
    huggingface_model *model = calloc(1, sizeof *model);
    *opened = model;
    *weights = (bert_weights){0};
    if (!model)
        return fault_set(fault, "out of memory");
    model->config = (settings){"config.json", dir->config, fault};
    model->weights = weights;
    model->for_training = for_training;
    model->fault = fault;
    if (!dir->config)
        return fault_set(fault, "%s: needs a config.json beside it, which says what is computed",
                         dir->path.safetensors);
    model->family = family_find(&model->config);
    if (!model->family || !family_check(&model->config) ||
        !family_configure(model->family, &model->config, &weights->config) ||
        !tensors_open(dir->path.safetensors, &model->tensors, fault) || !parts_find_prefix(model))
        return false;
    if (dir->path.adapter[0] &&
        !adapter_open(dir->path.adapter, dir->adapter_config, &model->adapter, fault))
        return false;
    weights->architecture = model->family->model_type;
    return configure(model, dir) && add_weights(model) && !fault->text[0] && check_rest(model);
}

void huggingface_sha256(const huggingface_model *model, file_hash *hash)
{
    hash_state *state = hash_begin();
    const cJSON *const configs[] = {model->config.json, model->adapter.config.json};
    if (!state)
        abort();
    for (size_t i = 0; i < 2; i++) {
        char *text = configs[i] ? cJSON_PrintUnformatted(configs[i]) : NULL;
        if (text)
            hash_add(state, text, strlen(text) + 1);
        cJSON_free(text);
    }
    tensors_hash(&model->tensors, state);
    tensors_hash(&model->adapter.tensors, state);
    hash_end(state, hash);
}

void huggingface_close(huggingface_model *model)
{
    if (!model)
        return;
    adapter_close(&model->adapter);
    tensors_close(&model->tensors);
    for (size_t i = 0; i < model->n_arrays; i++)
        array_release(model->arrays[i]);
    free(model->arrays);
    for (size_t i = 0; i < model->n_blocks; i++)
        free(model->blocks[i]);
    free(model->blocks);
    free(model);
}
