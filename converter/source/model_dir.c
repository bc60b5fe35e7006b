/* model_dir.c - see model_dir.h. */
#include "source/model_dir.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/json.h"
#include "source/tokenizer_files.h"

/* *json stays NULL if there is no such file. */
static bool read_json(const model_dir *dir, const char *name, cJSON **json, fault_text *fault)
{
    char path[4096];
    whole_file file;
    *json = NULL;
    if (!model_path_beside(&dir->path, name, path, NULL))
        return true;
    if (!file_open(path, &file, fault))
        return false;
    *json = json_object(path, file.data, file.n_bytes, fault);
    file_close(&file);
    return *json != NULL;
}

/* The name of the folder that the user gave, or gave a file of: links within it do not matter. */
static void set_name(const char *given, model_dir *dir)
{
    char path[FILE_MAX_PATH], real[FILE_MAX_PATH];
    snprintf(path, sizeof path, "%s", given);
    if (file_find(given) != FILE_FOLDER) {
        char *slash = strrchr(path, '/');
        if (slash)
            slash[slash == path] = '\0'; /* of "/x" it is "/" */
        else
            strcpy(path, ".");
    }
    if (!file_real_path(path, real))
        strcpy(real, path);
    char *name = strrchr(real, '/');
    if (name && strcmp(name + 1, "onnx") == 0) {
        *name = '\0';
        name = strrchr(real, '/');
    }
    snprintf(dir->name, sizeof dir->name, "%s", name ? name + 1 : real);
}

/* Takes a text for the tokenizer. */
static void take_made(model_dir *dir, char *text)
{
    dir->made = text;
    dir->tokenizer = (whole_file){(const uint8_t *)text, strlen(text)};
}

/* Makes the tokenizer from its original files, if there are any. */
static bool make_tokenizer(model_dir *dir, const cJSON *tokenizer_config, fault_text *fault)
{
    static const char *const names[] = {"vocab.txt",    "vocab.json", "merges.txt",
                                        "spiece.model", "spm.model",  "sentencepiece.bpe.model"};
    char found[6][4096];
    const char *paths[6];
    for (int i = 0; i < 6; i++)
        paths[i] = model_path_beside(&dir->path, names[i], found[i], NULL) ? found[i] : NULL;
    tokenizer_hints hints = {dir->config, tokenizer_config};
    dir->made = tokenizer_files_make(paths[0], paths[1], paths[2],
                                     paths[3]   ? paths[3]
                                     : paths[4] ? paths[4]
                                                : paths[5],
                                     &hints, fault);
    if (!dir->made && fault->text[0])
        return false;
    if (dir->made)
        take_made(dir, dir->made);
    else
        fault_warn("there is no tokenizer.json: the model will take token ids only");
    return true;
}

static bool read_tokenizer(model_dir *dir, const char *path, fault_text *fault)
{
    if (!file_open(path, &dir->tokenizer, fault))
        return false;
    const whole_file *file = &dir->tokenizer;
    if (file->n_bytes > UINT32_MAX)
        return fault_set(fault, "%s: has %zu bytes, more than 4 GB", path, file->n_bytes);
    cJSON *tokenizer = json_object(path, file->data, file->n_bytes, fault);
    bool ok = tokenizer != NULL;
    char *text = ok && dir->sentence.lower_cases ? sentence_lower_case(tokenizer) : NULL;
    cJSON_Delete(tokenizer);
    if (text) {
        file_close(&dir->tokenizer);
        take_made(dir, text);
    }
    return ok;
}

/* The modules of sentence-transformers say in which folder the encoder is; of a file they are in
 * its own folder, or the one above. */
static bool find_files(const char *path, const char *base, model_dir *dir, fault_text *fault)
{
    if (file_find(path) == FILE_FOLDER)
        return sentence_open(path, &dir->sentence, fault) &&
               model_path_find(path, base, dir->sentence.inner, &dir->path, fault);
    if (!model_path_find(path, base, "", &dir->path, fault))
        return false;
    char found[FILE_MAX_PATH];
    size_t folder = 0;
    model_path_beside(&dir->path, "modules.json", found, &folder);
    return sentence_open(dir->path.folders[folder], &dir->sentence, fault);
}

bool model_dir_open(const char *path, const char *base, model_dir *dir, fault_text *fault)
{
    char tokenizer_path[4096];
    cJSON *tokenizer_config;
    *dir = (model_dir){0};
    if (!find_files(path, base, dir, fault))
        return false;
    set_name(path, dir);
    if (!read_json(dir, "config.json", &dir->config, fault) ||
        (dir->path.adapter[0] &&
         !read_json(dir, "adapter_config.json", &dir->adapter_config, fault)) ||
        !read_json(dir, "tokenizer_config.json", &tokenizer_config, fault))
        return false;
    const cJSON *length = cJSON_GetObjectItemCaseSensitive(tokenizer_config, "model_max_length");
    if (cJSON_IsNumber(length) && length->valuedouble >= 1)
        dir->max_length = floor(length->valuedouble);
    if (dir->sentence.max_length > 0)
        dir->max_length = dir->sentence.max_length;
    sentence_take_activation(&dir->sentence, dir->config);
    if (!dir->config)
        fault_warn("there is no config.json: labels and problem type are not known");
    bool ok = model_path_beside(&dir->path, "tokenizer.json", tokenizer_path, NULL)
                  ? read_tokenizer(dir, tokenizer_path, fault)
                  : make_tokenizer(dir, tokenizer_config, fault);
    cJSON_Delete(tokenizer_config);
    return ok;
}

void model_dir_forget_tokenizer(model_dir *dir)
{
    if (!dir->made)
        file_close(&dir->tokenizer);
    free(dir->made);
    dir->made = NULL;
    dir->tokenizer = (whole_file){0};
}

void model_dir_close(model_dir *dir)
{
    cJSON_Delete(dir->config);
    cJSON_Delete(dir->adapter_config);
    sentence_close(&dir->sentence);
    model_dir_forget_tokenizer(dir);
    dir->config = dir->adapter_config = NULL;
}

static void compare(const model_dir *dir, const char *key, double graph)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(dir->config, key);
    if (cJSON_IsNumber(item) && fabs(item->valuedouble - graph) > 1e-5 * fabs(graph))
        fault_warn("config.json has %s %g, the graph has %g: the graph is used", key,
                   item->valuedouble, graph);
}

/* Hugging Face's names of an activation. */
static bool is_activation(const char *name, bert_activation activation)
{
    switch (activation) {
    case BERT_ACTIVATION_GELU:
        return strcmp(name, "gelu") == 0 || strcmp(name, "gelu_python") == 0;
    case BERT_ACTIVATION_GELU_TANH:
        return strcmp(name, "gelu_new") == 0 || strcmp(name, "gelu_pytorch_tanh") == 0 ||
               strcmp(name, "gelu_fast") == 0;
    case BERT_ACTIVATION_RELU:
        return strcmp(name, "relu") == 0;
    case BERT_ACTIVATION_TANH:
        return strcmp(name, "tanh") == 0;
    case BERT_ACTIVATION_SILU:
        return strcmp(name, "silu") == 0 || strcmp(name, "swish") == 0;
    case BERT_ACTIVATION_NONE:
    case BERT_ACTIVATION_COUNT:
        break;
    }
    return false;
}

/* What config.json calls a number, by family: the first key that is there is compared. */
static void compare_any(const model_dir *dir, const char *const keys[2], double graph)
{
    for (int i = 0; i < 2; i++) {
        if (keys[i] && cJSON_GetObjectItemCaseSensitive(dir->config, keys[i])) {
            compare(dir, keys[i], graph);
            return;
        }
    }
}

void model_dir_compare(const model_dir *dir, const bert_config *graph)
{
    /* The second keys are DistilBERT's. */
    static const char *const keys[][2] = {{"vocab_size", NULL},
                                          {"hidden_size", "dim"},
                                          {"intermediate_size", "hidden_dim"},
                                          {"num_hidden_layers", "n_layers"},
                                          {"num_attention_heads", "n_heads"},
                                          {"layer_norm_eps", NULL}};
    uint32_t per_group = graph->layers_per_group ? graph->layers_per_group : 1;
    const double numbers[] = {graph->vocab_size,        graph->hidden_size,
                              graph->intermediate_size, graph->n_layers / per_group,
                              graph->n_heads,           graph->layer_norm_eps};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        compare_any(dir, keys[i], numbers[i]);
    if (graph->n_positions)
        compare(dir, "max_position_embeddings", graph->n_positions);
    const cJSON *activation = cJSON_GetObjectItemCaseSensitive(dir->config, "hidden_act");
    if (!activation) /* DistilBERT */
        activation = cJSON_GetObjectItemCaseSensitive(dir->config, "activation");
    if (cJSON_IsString(activation) && !is_activation(activation->valuestring, graph->activation))
        fault_warn("config.json has %s '%s', the graph has another one: the graph is used",
                   activation->string, activation->valuestring);
}

/* A text of config.json; NULL if it has none of that key. */
static const char *config_text(const model_dir *dir, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(dir->config, key);
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

const char *model_dir_architecture(const model_dir *dir, const char *fallback)
{
    const char *type = config_text(dir, "model_type");
    return type ? type : fallback;
}

const char *model_dir_problem_type(const model_dir *dir)
{
    return config_text(dir, "problem_type");
}

bool model_dir_explain(const model_dir *dir, fault_text *fault)
{
    const char *type = config_text(dir, "model_type");
    size_t n = strlen(fault->text);
    if (type)
        snprintf(fault->text + n, sizeof fault->text - n, " (config.json calls the model '%.64s')",
                 type);
    return false;
}

uint32_t model_dir_first_position(const model_dir *dir)
{
    static const char *const families[] = {"roberta", "xlm-roberta", "camembert", "mpnet"};
    const char *type = config_text(dir, "model_type");
    const cJSON *padding = cJSON_GetObjectItemCaseSensitive(dir->config, "pad_token_id");
    bool is_number =
        cJSON_IsNumber(padding) && padding->valuedouble >= 0 && padding->valuedouble < 1 << 19;
    for (size_t i = 0; type && i < sizeof families / sizeof *families; i++)
        if (strcmp(type, families[i]) == 0)
            return is_number ? (uint32_t)padding->valuedouble + 1 : 2;
    return 0;
}

double model_dir_max_length(const model_dir *dir, const bert_config *config)
{
    const cJSON *positions =
        cJSON_GetObjectItemCaseSensitive(dir->config, "max_position_embeddings");
    uint32_t limit = bert_config_most_tokens(config);
    double most = BERT_DEFAULT_MAX_SEQUENCE_TOKENS;
    if (config->n_positions)
        most = limit;
    else if (cJSON_IsNumber(positions) && positions->valuedouble >= 1)
        most = floor(positions->valuedouble);
    most = fmin(most, limit);
    return dir->max_length > 0 ? fmin(most, dir->max_length) : most;
}

cJSON *model_dir_labels(const model_dir *dir, const bert_config *config)
{
    const cJSON *names = cJSON_GetObjectItemCaseSensitive(dir->config, "id2label");
    cJSON *labels = cJSON_CreateArray();
    uint32_t n_labels = config->n_labels ? config->n_labels : config->n_token_labels;
    bool usable = cJSON_GetArraySize(names) == (int)n_labels;
    if (names && n_labels && !usable)
        fault_warn("config.json names %d labels, the classifier has %u: they become LABEL_0, ...",
                   cJSON_GetArraySize(names), n_labels);
    for (uint32_t i = 0; i < n_labels; i++) {
        char key[16], fallback[24];
        snprintf(key, sizeof key, "%u", i);
        snprintf(fallback, sizeof fallback, "LABEL_%u", i);
        const cJSON *name = usable ? cJSON_GetObjectItemCaseSensitive(names, key) : NULL;
        cJSON_AddItemToArray(
            labels, cJSON_CreateString(cJSON_IsString(name) ? name->valuestring : fallback));
    }
    return labels;
}
